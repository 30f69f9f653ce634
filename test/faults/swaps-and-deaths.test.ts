/** Instances that die and versions that change while clients send requests whose right answers are known: nothing lost, nothing wrong. */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { Agent, request as httpRequest } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, describe, expect, test } from 'vitest';
import { ByteRange } from '../../src/onnx/byte-range.ts';
import { random } from '../fixtures/random.ts';
import { startModelport, type RunningModelport } from '../start-modelport.ts';
import { onnxModel } from './hostile-models.ts';

const folder = mkdtempSync(join(tmpdir(), 'modelport-swaps-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Adds `step` to every element. */
function writeAdding(path: string, step: number): void {
  const w = { name: 'w', dims: [1], dataType: 1, rawData: ByteRange.of(new Uint8Array(Float32Array.of(step).buffer)) };
  writeFileSync(path, onnxModel({ node: [{ opType: 'Add', input: ['x', 'w'], output: ['y'], attribute: [] }], initializer: [w] }));
}

interface Reply {
  readonly status: number;
  readonly text: string;
}

/** Clients that send until they are told to stop. Every request is counted once, by what became of it. */
class Clients {
  readonly #server: RunningModelport;
  readonly #agent = new Agent({ keepAlive: true });
  readonly #running: Promise<void>[] = [];
  #stopped = false;
  #value = 0;
  sent = 0;
  answered = 0;
  /** By what was added. */
  readonly steps = new Map<number, number>();
  readonly faults: string[] = [];

  constructor(server: RunningModelport, count: number) {
    this.#server = server;
    for (let client = 0; client < count; client++) this.#running.push(this.#run());
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await Promise.all(this.#running);
    this.#agent.destroy();
  }

  async #run(): Promise<void> {
    while (!this.#stopped) {
      // Each request has numbers of its own: the answer to another would be seen.
      const value = (this.#value = (this.#value + 1) % 1_000_000);
      const rows = 1 + (value % 3);
      const x = Array.from({ length: rows * 4 }, (_, index) => value + index * 100_000 % 900_000);
      this.sent++;
      try {
        const { status, text } = await this.#post(JSON.stringify({ id: String(value), inputs: [{ name: 'x', shape: [rows, 4], datatype: 'FP32', data: x }] }));
        this.answered++;
        if (status !== 200) {
          this.faults.push(`${status} ${text}`);
          continue;
        }
        const reply = JSON.parse(text) as { id: string; outputs: { shape: number[]; data: number[] }[] };
        const { data, shape } = reply.outputs[0]!;
        const step = data[0]! - x[0]!;
        if (reply.id !== String(value) || shape.join() !== `${rows},4` || data.length !== x.length || data.some((element, index) => element !== x[index]! + step)) this.faults.push(`wrong answer to ${value}: ${text}`);
        this.steps.set(step, (this.steps.get(step) ?? 0) + 1);
      } catch (error) {
        this.faults.push(`no answer: ${(error as Error).message}`);
      }
    }
  }

  #post(body: string): Promise<Reply> {
    return new Promise((resolve, reject) => {
      const request = httpRequest({ host: '127.0.0.1', port: this.#server.httpPort, method: 'POST', path: '/v2/models/m/infer', agent: this.#agent, timeout: 15_000, headers: { 'content-length': Buffer.byteLength(body) } }, (response) => {
        let text = '';
        response.setEncoding('utf8');
        response.on('data', (chunk: string) => (text += chunk));
        response.on('end', () => resolve({ status: response.statusCode!, text }));
        response.on('error', reject);
      });
      request.on('timeout', () => request.destroy(new Error('nothing for 15 s')));
      request.on('error', reject);
      request.end(body);
    });
  }
}

/** Child processes that live. */
function childrenOf(pid: number): number[] {
  const children: number[] = [];
  for (const thread of readdirSync(`/proc/${pid}/task`)) {
    try {
      children.push(...readFileSync(`/proc/${pid}/task/${thread}/children`, 'utf8').trim().split(' ').filter((text) => text !== '').map(Number));
    } catch {
      // The thread ended meanwhile.
    }
  }
  return children.filter((child) => {
    try {
      return !/^State:\s+Z/m.test(readFileSync(`/proc/${child}/status`, 'utf8'));
    } catch {
      return false;
    }
  });
}

async function until(what: string, condition: () => boolean | Promise<boolean>): Promise<void> {
  const deadlineMs = performance.now() + 20_000;
  while (!(await condition())) {
    if (performance.now() > deadlineMs) throw new Error(`never: ${what}`);
    await sleep(2);
  }
}

const ready = async (server: RunningModelport, path = '/v2/models/m/ready'): Promise<number> => (await fetch(`${server.url}${path}`)).status;

describe.runIf(process.platform === 'linux')('process instances', () => {
  test('killed at random under load: every request is answered once, and rightly', async () => {
    const place = join(folder, 'killed', 'm');
    mkdirSync(place, { recursive: true });
    writeAdding(join(place, 'model.onnx'), 7);
    writeFileSync(join(place, 'model.yaml'), 'instances: {kind: process, count: 2}\n');
    const server = await startModelport({ arguments: [join(folder, 'killed')] });
    const pid = server.process.pid!;
    const source = random(41);
    expect(childrenOf(pid)).toHaveLength(2);
    const clients = new Clients(server, 8);
    for (let kill = 0; kill < 12; kill++) {
      const answered = clients.answered + source.integer(20, 120);
      await until('requests go on', () => clients.answered >= answered);
      await until('the dead are replaced', () => childrenOf(pid).length === 2);
      process.kill(source.pick(childrenOf(pid)), 'SIGKILL');
    }
    await until('the last is replaced', async () => childrenOf(pid).length === 2 && (await ready(server)) === 200);

    expect(clients.faults).toEqual([]);

    // All at once: the truth is that nothing can be asked until one is back, and requests wait for that. Only those that
    // were in flight may have lost both their tries, and say so.
    const before = clients.answered;
    for (const child of childrenOf(pid)) process.kill(child, 'SIGKILL');
    await until('it says that it is not ready', async () => (await ready(server)) === 400);
    expect(await ready(server, '/v2/health/live')).toBe(200);
    await until('it is ready again', async () => (await ready(server)) === 200);
    expect(childrenOf(pid).length).toBeGreaterThan(0);
    expect(await ready(server, '/v2/health/ready')).toBe(200);
    await until('requests go on', () => clients.answered > before + 100);

    await clients.stop();
    expect(clients.faults.length).toBeLessThanOrEqual(8);
    for (const fault of clients.faults) expect(fault).toMatch(/^500 .*two instances died while they ran this request/);
    expect(clients.answered).toBe(clients.sent);
    expect([...clients.steps.keys()]).toEqual([7]);
    expect(await server.stop()).toBe(0);
  });
});

describe('100 swaps under load', () => {
  test('by load requests, with new files and versions that come and go', async () => {
    const repository = join(folder, 'explicit');
    for (const version of ['1', '2']) {
      mkdirSync(join(repository, 'm', version), { recursive: true });
      writeAdding(join(repository, 'm', version, 'model.onnx'), 1);
    }
    const server = await startModelport({ arguments: [repository, '--model-control-mode', 'explicit', '--load-model', 'm'] });
    const clients = new Clients(server, 8);
    for (let step = 2; step <= 101; step++) {
      const answered = clients.answered + 10;
      await until('requests go on', () => clients.answered >= answered);
      // Most swaps put another file in the place of the version, some change the version.
      const version = String(1 + (Math.floor(step / 4) % 2));
      writeAdding(join(folder, 'next.onnx'), step);
      renameSync(join(folder, 'next.onnx'), join(repository, 'm', version, 'model.onnx'));
      const config = JSON.stringify({ versions: [Number(version)] });
      const answer = await fetch(`${server.url}/v2/repository/models/m/load`, { method: 'POST', body: JSON.stringify({ parameters: { config } }) });
      expect([answer.status, await answer.text()]).toEqual([200, '']);
      // Whoever asks after the load is answered by what was loaded.
      const asked = await fetch(`${server.url}/v2/models/m/infer`, { method: 'POST', body: '{"inputs":[{"name":"x","shape":[1,4],"datatype":"FP32","data":[0,0,0,0]}]}' });
      const reply = (await asked.json()) as { model_version: string; outputs: { data: number[] }[] };
      expect([reply.model_version, reply.outputs[0]!.data[0]]).toEqual([version, step]);
    }
    await clients.stop();
    expect(clients.faults).toEqual([]);
    expect(clients.answered).toBe(clients.sent);
    expect([...clients.steps.keys()].every((step) => Number.isInteger(step) && step >= 1 && step <= 101)).toBe(true);
    expect(clients.steps.size).toBeGreaterThan(90);
    expect(await server.stop()).toBe(0);
  });

  test('by renaming version folders, in mode poll', { timeout: 60_000 }, async () => {
    const repository = join(folder, 'poll');
    const stage = join(folder, 'stage');
    mkdirSync(join(repository, 'm', '1'), { recursive: true });
    mkdirSync(stage);
    writeAdding(join(repository, 'm', '1', 'model.onnx'), 1);
    const server = await startModelport({ arguments: [repository, '--model-control-mode', 'poll', '--repository-poll-secs', '1'] });
    const clients = new Clients(server, 4);
    // Files have to lie still for a second before they are loaded: of versions that follow each other quickly some are never
    // served, so every 25th waits until it is.
    for (let version = 2; version <= 101; version++) {
      const answered = clients.answered + 10;
      await until('requests go on', () => clients.answered >= answered);
      mkdirSync(join(stage, String(version)));
      writeAdding(join(stage, String(version), 'model.onnx'), version);
      renameSync(join(stage, String(version)), join(repository, 'm', String(version)));
      renameSync(join(repository, 'm', String(version - 1)), join(stage, `${version - 1}.old`));
      if (version % 25 === 1) await until(`version ${version} serves`, () => clients.steps.has(version));
      else await sleep(20);
    }
    await clients.stop();
    expect(clients.faults).toEqual([]);
    expect(clients.answered).toBe(clients.sent);
    expect([...clients.steps.keys()].every((step) => Number.isInteger(step) && step >= 1 && step <= 101)).toBe(true);
    expect([...clients.steps.keys()]).toEqual(expect.arrayContaining([1, 26, 51, 76, 101]));
    expect(await server.stop()).toBe(0);
  });
});
