import { expect, test } from 'vitest';
import { Call } from '../../src/call.ts';
import type { Model } from '../../src/model.ts';
import { ModelStatistics, withStatistics } from '../../src/observability/model-statistics.ts';
import type { Runtime } from '../../src/runtime.ts';
import { createAssemble } from '../../src/serving/assemble.ts';
import { explainConfig } from '../../src/serving/explain-config.ts';
import { RateLimiter } from '../../src/serving/rate-limiter.ts';
import { createResponseStore } from '../../src/serving/response-cache.ts';

const spec = { name: 'x', datatype: 'FP32', shape: ['batch', 1], batchAxis: 0 } as const;
const signature = { inputs: [spec], outputs: [spec], batch: { maxSize: 8, reason: 'it says so' } };

/** Honours its batch axis for every number of rows but five, so that only requests find out. */
const runtime: Runtime = {
  name: 'test',
  moduleUrl: import.meta.url,
  instanceKinds: ['inline'],
  accepts: () => true,
  load: async (): Promise<Model> => ({
    signature,
    async infer({ inputs }) {
      const tensor = inputs.get('x')!;
      return { outputs: new Map([['x', tensor.shape[0] === 5 ? { ...tensor, shape: [1, 1], data: new Float32Array(1) } : tensor]]) };
    },
    async [Symbol.asyncDispose]() {},
  }),
};

test('a model that is found out while it serves answers rightly, and the log says once what happened', async () => {
  const told: string[] = [];
  const assemble = createAssemble({
    runtimes: [runtime],
    createStatistics: () => new ModelStatistics(),
    withStatistics,
    lift: async (model) => ({ model, origins: [], config: {} }),
    lookup: () => expect.unreachable(),
    modelNames: () => [],
    modelCount: () => 1,
    rateLimiter: new RateLimiter({}),
    responseStore: createResponseStore(0),
    log: (level, text, { model, version }) => told.push(`${level} ${model} ${version}: ${text}`),
  });
  const artifact = { format: 'test', directory: '.', main: '', files: [], metadata: {} };
  const explanation = await explainConfig({ name: 'm', format: 'test', facts: { signature, source: 'the test' }, directory: '.' });
  const { model } = await assemble({ name: 'm', version: '7', artifact, platform: 'test', directory: '.', explanation });
  const ask = (...values: number[]) => model.infer!({ inputs: new Map([['x', { datatype: 'FP32', shape: [values.length, 1], data: Float32Array.from(values) }]]) }, new Call());
  for (let round = 0; round < 2; round++) {
    const answers = await Promise.all([ask(1), ask(2, 3, 4, 5)]);
    expect(answers.map(({ outputs }) => [...(outputs.get('x')!.data as Float32Array)])).toEqual([[1], [2, 3, 4, 5]]);
  }
  expect(told).toEqual([expect.stringMatching(/^warn m 7: requests are no longer joined: .*'x'/)]);
  await model[Symbol.asyncDispose]();
});
