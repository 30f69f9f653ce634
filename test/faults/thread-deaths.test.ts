/** Threads that throw or exit between runs, in a whole server around a runtime that does what it is told. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, expect, test } from 'vitest';
import { ModelStatistics, withStatistics } from '../../src/observability/model-statistics.ts';
import { createMetrics } from '../../src/observability/metrics.ts';
import { protocols } from '../../src/protocols/index.ts';
import type { Runtime } from '../../src/runtime.ts';
import { startServer } from '../../src/server/server.ts';
import { createAssemble } from '../../src/serving/assemble.ts';
import { FolderModelRepository } from '../../src/serving/model-repository.ts';
import { RateLimiter } from '../../src/serving/rate-limiter.ts';
import { createResponseStore } from '../../src/serving/response-cache.ts';
import { random } from '../fixtures/random.ts';

const { default: obedient } = (await import(new URL('../fixtures/runtimes/obedient.mjs', import.meta.url).href)) as { default: Runtime };
const folder = mkdtempSync(join(tmpdir(), 'modelport-threads-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function serve(instances: string) {
  mkdirSync(join(folder, 'm'), { recursive: true });
  writeFileSync(join(folder, 'm', 'model.onnx'), 'obey');
  writeFileSync(join(folder, 'm', 'model.yaml'), `instances: ${instances}\n`);
  const signature = { inputs: [{ name: 'x', datatype: 'FP32', shape: ['batch', 4], batchAxis: 0 }], outputs: [{ name: 'x', datatype: 'FP32', shape: ['batch', 4], batchAxis: 0 }], batch: { maxSize: 64, reason: 'it says so' } } as const;
  const errors: string[] = [];
  const repository: FolderModelRepository = new FolderModelRepository({
    paths: [folder],
    mode: 'none',
    formats: [{ name: 'test', extensions: ['.onnx'], defaultFiles: ['model.onnx'], recognize: () => true }],
    open: async (artifact) => ({ artifact, facts: { signature, source: 'the test' }, platform: 'test' }),
    assemble: createAssemble({
      runtimes: [obedient],
      createStatistics: () => new ModelStatistics(),
      withStatistics,
      lift: async (model) => ({ model, origins: [], config: {} }),
      lookup: (name, version) => repository.get(name, version).model,
      modelNames: () => ['m'],
      modelCount: () => 1,
      rateLimiter: new RateLimiter({}),
      responseStore: createResponseStore(0),
    }),
  });
  expect(await repository.start()).toEqual([]);
  const metrics = createMetrics(repository);
  const server = await startServer({
    guard: { host: '127.0.0.1' },
    httpPort: 0,
    grpcPort: undefined,
    metricsPort: undefined,
    facts: { serverName: 'test', version: '0', allowSharedMemory: false, maxBodyBytes: 1 << 20 },
    protocols: [...protocols, metrics],
    metricsProtocol: metrics,
    repository,
    onRequest: ({ error }) => {
      if (error !== undefined) errors.push((error as Error).message);
    },
  });
  return {
    url: `http://127.0.0.1:${server.http!.port}`,
    repository,
    errors,
    async close() {
      expect(await server.drain(10_000)).toBe(true);
      await server.close();
      await repository[Symbol.asyncDispose]();
    },
  };
}

test('threads that throw and exit between runs lose nothing and mix nothing up', async () => {
  const server = await serve('{kind: thread, count: 2}');
  const source = random(51);
  let value = 0;
  const outcome = { sent: 0, answered: 0, faults: [] as string[] };
  const ask = async (action?: string): Promise<void> => {
    const mine = ++value;
    const rows = 1 + (mine % 4);
    outcome.sent++;
    const answer = await fetch(`${server.url}/v2/models/m/infer`, { method: 'POST', body: JSON.stringify({ id: String(mine), inputs: [{ name: 'x', shape: [rows, 4], datatype: 'FP32', data: Array.from({ length: rows * 4 }, () => mine) }], ...(action === undefined ? {} : { parameters: { action } }) }) });
    const text = await answer.text();
    outcome.answered++;
    const { id, outputs } = JSON.parse(text) as { id?: string; outputs?: { data: number[] }[] };
    if (answer.status !== 200 || id !== String(mine) || outputs![0]!.data.length !== rows * 4 || outputs![0]!.data.some((element) => element !== mine + 1)) outcome.faults.push(`${answer.status} ${text}`);
  };
  const stop = { asked: false };
  const clients = Array.from({ length: 6 }, async () => {
    while (!stop.asked) await ask();
  });
  // Whoever looks meanwhile is answered, too.
  const watcher = (async () => {
    while (!stop.asked) {
      const { status } = await fetch(`${server.url}/v2/models/m/ready`);
      expect([200, 400]).toContain(status);
      await sleep(5);
    }
  })();
  for (let fault = 0; fault < 14; fault++) {
    const answered = outcome.answered + source.integer(5, 40);
    while (outcome.answered < answered) await sleep(2);
    await ask(source.pick(['throw-between', 'exit-between']));
  }
  const before = outcome.answered;
  while (outcome.answered < before + 50) await sleep(2);
  stop.asked = true;
  await Promise.all([...clients, watcher]);
  expect(outcome.faults).toEqual([]);
  expect(outcome.answered).toBe(outcome.sent);
  expect(server.errors).toEqual([]);
  while ((await fetch(`${server.url}/v2/health/ready`)).status !== 200) await sleep(5);
  await server.close();
});

test('when every thread has died, the model is not ready until one is back', async () => {
  const server = await serve('{kind: thread, count: 1}');
  const ready = async () => (await fetch(`${server.url}/v2/models/m/ready`)).status;
  const post = (action?: string) => fetch(`${server.url}/v2/models/m/infer`, { method: 'POST', body: JSON.stringify({ inputs: [{ name: 'x', shape: [1, 4], datatype: 'FP32', data: [1, 2, 3, 4] }], ...(action === undefined ? {} : { parameters: { action } }) }) });
  expect(await ready()).toBe(200);
  expect((await post('exit-between')).status).toBe(200);
  while ((await ready()) !== 400) await sleep(1);
  expect((await fetch(`${server.url}/v2/health/ready`)).status).toBe(400);
  expect((await fetch(`${server.url}/v2/health/live`)).status).toBe(200);
  // Accepted meanwhile, answered when one is back.
  const answer = (await (await post()).json()) as { outputs: { data: number[] }[] };
  expect(answer.outputs[0]!.data).toEqual([2, 3, 4, 5]);
  expect(await ready()).toBe(200);
  await server.close();
});
