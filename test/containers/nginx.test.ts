/** Three replicas of one image behind Debian's NGINX with the configuration that `--compose` writes: one is killed, one is rolled, and no request fails. */
import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { Agent, request as httpRequest } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { root, runModelport } from '../start-modelport.ts';
import { runImage, unpackImage, type RunningImage, type UnpackedImage } from './run-image.ts';
import { freePort, prepareTools, until } from './tools.ts';

const missing = prepareTools(['runc', 'nginx']);

describe.skipIf(missing !== undefined)(`replicas behind NGINX${missing === undefined ? '' : ` (skipped: ${missing})`}`, () => {
  let folder: string;
  let image: UnpackedImage;
  let proxy: ChildProcess;
  let url: string;
  const ports: number[] = [];
  const replicas: RunningImage[] = [];

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'modelport-nginx-'));
    for (const name of ['home', 'models/add', 'nginx']) mkdirSync(join(folder, name), { recursive: true });
    copyFileSync(join(root, 'test/fixtures/onnx/add.onnx'), join(folder, 'models/add/model.onnx'));
    const environment = { HOME: join(folder, 'home'), XDG_CACHE_HOME: process.env['XDG_CACHE_HOME'] ?? join(folder, 'cache') };
    expect(await runModelport(['build', 'models', '--base', 'host', '-o', 'oci:image'], { cwd: folder, environment })).toMatchObject({ code: 0, stderr: '' });
    expect(await runModelport(['build', 'models', '--compose', '.'], { cwd: folder, environment })).toMatchObject({ code: 0, stderr: '' });
    image = await unpackImage(folder, 'image');
    for (let index = 0; index < 3; index++) {
      const port = await freePort();
      ports.push(port);
      replicas.push(await runImage(folder, image, { port }));
    }
    // The file as it was written, with the addresses that it has here in place of compose's names.
    const port = await freePort();
    url = `http://127.0.0.1:${port}`;
    const written = readFileSync(join(folder, 'nginx.conf'), 'utf8');
    expect(written).toContain('proxy_next_upstream error timeout http_503 non_idempotent;');
    let text = written.replace('listen 8000;', `listen 127.0.0.1:${port};`).replace('http {', `http {\n  access_log off;\n  ${['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((kind) => `${kind}_temp_path ${folder}/nginx/${kind};`).join('\n  ')}`);
    for (const [index, own] of ports.entries()) text = text.replace(`models-${index + 1}:8000`, `127.0.0.1:${own}`);
    writeFileSync(join(folder, 'here.conf'), `daemon off;\npid ${folder}/nginx/pid;\nerror_log ${folder}/nginx/error.log;\n${text}`);
    proxy = spawn('nginx', ['-c', join(folder, 'here.conf'), '-p', folder], { stdio: 'ignore', env: { ...process.env, PATH: `${process.env['PATH']}:/usr/sbin` } });
    await until('NGINX', () => fetch(`${url}/v2/health/ready`).then(({ ok }) => ok, () => false));
  }, 240_000);
  afterAll(async () => {
    proxy?.kill('SIGTERM');
    for (const { id, exited } of replicas) {
      try {
        execFileSync('runc', ['kill', id, 'KILL'], { stdio: 'ignore' });
      } catch {
        // It ended before.
      }
      await exited;
    }
    if (folder !== undefined) rmSync(folder, { recursive: true, force: true });
  });

  const body = JSON.stringify({ inputs: ['a', 'b'].map((name) => ({ name, datatype: 'FP32', shape: [1, 2], data: [1, 2] })) });
  const ask = (agent: Agent): Promise<string> =>
    new Promise((resolve, reject) => {
      const sent = httpRequest(`${url}/v2/models/add/infer`, { method: 'POST', agent, headers: { 'content-type': 'application/json', 'content-length': body.length } }, (response) => {
        let text = '';
        response.on('data', (chunk: Buffer) => (text += chunk.toString()));
        response.on('error', reject).on('end', () => resolve(response.statusCode === 200 && text.includes('[2.0,4.0]') ? 'ok' : `${response.statusCode} ${text.slice(0, 200)}`));
      });
      sent.on('error', reject).end(body);
    });

  it('lose no request when one is killed and one is rolled', async () => {
    const outcomes = new Map<string, number>();
    let running = true;
    const kept = new Agent({ keepAlive: true });
    const fresh = new Agent({ keepAlive: false });
    const load = [kept, kept, fresh, fresh].map(async (agent) => {
      while (running) {
        const outcome = await ask(agent).catch((error: unknown) => `${(error as NodeJS.ErrnoException).code ?? ''} ${(error as Error).message}`);
        outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
        await delay(5);
      }
    });
    const answered = (): number => outcomes.get('ok') ?? 0;
    const goesOn = async (count: number): Promise<void> => {
      const before = answered();
      await until(`${count} more answers`, () => {
        if ([...outcomes.keys()].some((outcome) => outcome !== 'ok')) throw new Error(`a request failed: ${JSON.stringify([...outcomes])}`);
        return answered() >= before + count;
      });
    };
    try {
      await goesOn(100);
      execFileSync('runc', ['kill', replicas[0]!.id, 'KILL']);
      await replicas[0]!.exited;
      await goesOn(200);
      replicas[0] = await runImage(folder, image, { port: ports[0]! });
      await goesOn(100);
      execFileSync('runc', ['kill', replicas[1]!.id, 'TERM']);
      expect(await replicas[1]!.exited).toBe(0);
      await goesOn(200);
      replicas[1] = await runImage(folder, image, { port: ports[1]! });
      await goesOn(100);
      // All three take part again.
      const counts = (): Promise<number[]> => Promise.all(ports.map(async (port) => Number(/"inference_count":"?(\d+)/.exec(await (await fetch(`http://127.0.0.1:${port}/v2/models/add/stats`)).text())?.[1] ?? 0)));
      const before = await counts();
      await until('requests at every replica', async () => (await counts()).every((count, index) => count > before[index]!));
    } finally {
      running = false;
      await Promise.all(load);
      kept.destroy();
      fresh.destroy();
    }
    expect([...outcomes.keys()], JSON.stringify([...outcomes])).toEqual(['ok']);
    expect(answered()).toBeGreaterThan(700);
  }, 120_000);
});
