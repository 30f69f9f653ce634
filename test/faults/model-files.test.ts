/** Broken and malicious model files, at the start and on a server that runs: said by name, and nothing else stops serving. */
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { root, startModelport, type RunningModelport } from '../start-modelport.ts';
import { endlessModel, hostileModels } from './hostile-models.ts';

const folder = mkdtempSync(join(tmpdir(), 'modelport-faults-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const good = join(root, 'test/fixtures/onnx/mlp.onnx');
const cases = hostileModels.map((model, index) => [model.what, { ...model, name: `m${index}` }] as const);

interface IndexEntry {
  readonly name: string;
  readonly version?: string;
  readonly state: string;
  readonly reason?: string;
}

async function index(server: RunningModelport): Promise<IndexEntry[]> {
  return (await (await fetch(`${server.url}/v2/repository/index`, { method: 'POST' })).json()) as IndexEntry[];
}

async function load(server: RunningModelport, name: string): Promise<{ status: number; error: string }> {
  const answer = await fetch(`${server.url}/v2/repository/models/${name}/load`, { method: 'POST' });
  const text = await answer.text();
  return { status: answer.status, error: text === '' ? '' : ((JSON.parse(text) as { error?: string }).error ?? '') };
}

/** What the good model says of one row, and of which version. */
async function ask(server: RunningModelport, name: string): Promise<{ status: number; version: string }> {
  const [input] = ((await (await fetch(`${server.url}/v2/models/${name}`)).json()) as { inputs: { name: string }[] }).inputs;
  const answer = await fetch(`${server.url}/v2/models/${name}/infer`, { method: 'POST', body: JSON.stringify({ inputs: [{ name: input!.name, shape: [1, 4], datatype: 'FP32', data: [1, 2, 3, 4] }] }) });
  return { status: answer.status, version: ((await answer.json()) as { model_version: string }).model_version };
}

describe('at the start', () => {
  let server: RunningModelport;
  const repository = join(folder, 'start');
  beforeAll(async () => {
    mkdirSync(join(repository, 'good'), { recursive: true });
    copyFileSync(good, join(repository, 'good', 'model.onnx'));
    for (const [, model] of cases) {
      mkdirSync(join(repository, model.name), { recursive: true });
      model.write(join(repository, model.name, 'model.onnx'));
    }
    rmSync(join(repository, 'mlp.onnx'), { force: true });
    server = await startModelport({ arguments: [repository, '--exit-on-error=false'] });
  });
  afterAll(async () => {
    expect(await server.stop()).toBe(0);
  });

  test.each(cases)('%s', async (_what, { name, message }) => {
    const entry = (await index(server)).find((candidate) => candidate.name === name)!;
    expect(entry.state).toBe('UNAVAILABLE');
    expect(entry.reason).toMatch(message);
    expect(entry.reason).toContain(join(repository, name, 'model.onnx'));
    expect((await fetch(`${server.url}/v2/models/${name}/ready`)).status).toBe(400);
    expect((await fetch(`${server.url}/v2/models/${name}/infer`, { method: 'POST', body: '{}' })).status).toBe(404);
  });

  test('the others serve, and the start was told without a stack', async () => {
    expect(await ask(server, 'good')).toEqual({ status: 200, version: '1' });
    expect(server.output()).not.toMatch(/\n\s+at /);
    // Each is one line of the log.
    for (const [, { name }] of cases) expect(server.output().match(new RegExp(`failed to load '${name}' version 1: `, 'g'))).toHaveLength(1);
  });
});

describe('on a server that runs', () => {
  let server: RunningModelport;
  const repository = join(folder, 'running');
  beforeAll(async () => {
    for (const [, { name }] of cases) {
      mkdirSync(join(repository, name, '1'), { recursive: true });
      copyFileSync(good, join(repository, name, '1', 'model.onnx'));
    }
    server = await startModelport({ arguments: [repository, '--model-control-mode', 'explicit', '--load-model', '*'] });
  });
  afterAll(async () => {
    expect(await server.stop()).toBe(0);
  });

  test.each(cases)('%s', async (_what, { name, message, write }) => {
    const path = join(repository, name, '2', 'model.onnx');
    mkdirSync(join(repository, name, '2'));
    write(path);
    rmSync(join(repository, name, 'mlp.onnx'), { force: true });
    const { status, error } = await load(server, name);
    expect(status).toBe(400);
    expect(error).toMatch(message);
    expect(error).toContain(path);
    expect(error).not.toMatch(/\n\s+at /);
    expect(await ask(server, name)).toEqual({ status: 200, version: '1' });
    const entries = (await index(server)).filter((entry) => entry.name === name);
    expect(entries).toEqual([{ name, version: '1', state: 'READY' }, { name, version: '2', state: 'UNAVAILABLE', reason: expect.stringMatching(message) as string }].map((entry) => expect.objectContaining(entry) as IndexEntry));
    rmSync(join(repository, name, '2'), { recursive: true });
  });
});

describe('a model that is valid and means harm', () => {
  const repository = join(folder, 'harm');
  beforeAll(() => {
    mkdirSync(join(repository, 'endless'), { recursive: true });
    writeFileSync(join(repository, 'endless', 'model.onnx'), endlessModel());
    mkdirSync(join(repository, 'good'));
    copyFileSync(good, join(repository, 'good', 'model.onnx'));
  });

  test('what has not ended in time is refused, and says why', async () => {
    const server = await startModelport({ arguments: [repository, '--model-control-mode', 'explicit', '--load-model', 'good', '--load-timeout', '300ms', '--drain-timeout', '1s'] });
    const answer = await fetch(`${server.url}/v2/repository/models/endless/load`, { method: 'POST' });
    expect(answer.status).toBe(503);
    expect(await answer.text()).toMatch(/'endless'.*not ready after 0\.3 s.*--load-timeout/);
    expect(await index(server)).toContainEqual(expect.objectContaining({ name: 'endless', state: 'UNAVAILABLE', reason: expect.stringContaining('--load-timeout') as string }));
    expect(await ask(server, 'good')).toEqual({ status: 200, version: '1' });
    await server.stop('SIGKILL');
  });

  test('a run that never ends takes neither the server nor its other models', async () => {
    const server = await startModelport({ arguments: [repository, '--model-control-mode', 'explicit', '--load-model', 'good', '--drain-timeout', '1s'] });
    const given = new AbortController();
    const loading = fetch(`${server.url}/v2/repository/models/endless/load`, { method: 'POST', signal: given.signal }).catch(() => undefined);
    for (;;) {
      const entry = (await index(server)).find(({ name }) => name === 'endless');
      if (entry?.state === 'LOADING') break;
    }
    for (let request = 0; request < 20; request++) expect(await ask(server, 'good')).toEqual({ status: 200, version: '1' });
    expect((await fetch(`${server.url}/v2/models/endless/ready`)).status).toBe(400);
    expect((await fetch(`${server.url}/v2/models/endless/infer`, { method: 'POST', body: '{}' })).status).toBe(503);
    expect((await fetch(`${server.url}/v2/health/live`)).status).toBe(200);
    given.abort();
    await loading;
    await server.stop('SIGKILL');
  });
});
