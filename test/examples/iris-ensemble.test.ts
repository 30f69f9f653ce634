import { afterAll, beforeAll, expect, test } from 'vitest';
import { Call } from '../../src/call.ts';
import type { InferResponse } from '../../src/model.ts';
import type { Tensor } from '../../src/tensor.ts';
import { serveExamples, type ServedExamples } from './served-examples.ts';

const flowers = [[5.1, 3.5, 1.4, 0.2], [6.0, 2.2, 4.0, 1.0], [5.8, 4.0, 1.2, 0.2], [5.7, 2.5, 5.0, 2.0], [7.9, 3.8, 6.4, 2.0]];
let served: ServedExamples;

beforeAll(async () => {
  served = await serveExamples('models');
});
afterAll(() => served[Symbol.asyncDispose]());

function measurements(rows: readonly (readonly number[])[]): Map<string, Tensor> {
  return new Map<string, Tensor>([['measurements', { datatype: 'FP32', shape: [rows.length, 4], data: Float32Array.from(rows.flat()) }]]);
}

function infer(name: string, inputs: Map<string, Tensor>, outputs?: string[]): Promise<InferResponse> {
  return served.repository.get(name).model.infer!({ inputs, ...(outputs === undefined ? {} : { outputs }) }, new Call());
}

const numbers = (response: InferResponse, name: string): number[] => [...(response.outputs.get(name)!.data as Float32Array)];

test('scaling, then classifying, is what one model with both says', async () => {
  const [whole, parts] = await Promise.all([infer('iris', measurements(flowers)), infer('iris-ensemble', measurements(flowers))]);
  const [expected, got] = [numbers(whole, 'probabilities'), numbers(parts, 'probabilities')];
  expect(got).toHaveLength(15);
  for (const [index, value] of got.entries()) expect(value).toBeCloseTo(expected[index]!, 5);
});

test('it is the two steps by hand', async () => {
  const scaled = await infer('iris-scale', measurements(flowers));
  const byHand = await infer('iris-classify', new Map([['scaled', scaled.outputs.get('scaled')!]]));
  expect(numbers(await infer('iris-ensemble', measurements(flowers)), 'probabilities')).toEqual(numbers(byHand, 'probabilities'));
});

test('its signature and platform come from its steps', () => {
  const { model, platform } = served.repository.get('iris-ensemble');
  expect(platform).toBe('ensemble');
  expect(model.signature.inputs).toMatchObject([{ name: 'measurements', datatype: 'FP32', shape: ['batch', 4], batchAxis: 0 }]);
  expect(model.signature.outputs).toMatchObject([{ name: 'probabilities', datatype: 'FP32', shape: ['batch', 3], batchAxis: 0 }]);
});

test('requests of one turn join in the batches of each step', async () => {
  const before = ['iris-scale', 'iris-classify'].map((name) => served.repository.get(name).statistics());
  const answers = await Promise.all(flowers.map((flower) => infer('iris-ensemble', measurements([flower]))));
  const after = ['iris-scale', 'iris-classify'].map((name) => served.repository.get(name).statistics());
  expect(answers.flatMap((answer) => numbers(answer, 'probabilities'))).toHaveLength(15);
  for (const [index, { inferenceCount, executionCount }] of after.entries()) {
    expect(inferenceCount - before[index]!.inferenceCount).toBe(flowers.length);
    expect(executionCount - before[index]!.executionCount).toBe(1);
  }
});

test('a step that is loaded again is taken by the next request; one that is unloaded is missed', async () => {
  const before = numbers(await infer('iris-ensemble', measurements(flowers)), 'probabilities');
  await served.repository.load('iris-scale');
  expect(numbers(await infer('iris-ensemble', measurements(flowers)), 'probabilities')).toEqual(before);
  const kept = served.repository.get('iris-ensemble').model;
  await served.repository.unload('iris-classify');
  await expect(kept.infer!({ inputs: measurements(flowers) }, new Call())).rejects.toMatchObject({ code: 'UNAVAILABLE' });
  await served.repository.load('iris-classify');
  expect(numbers(await infer('iris-ensemble', measurements(flowers)), 'probabilities')).toEqual(before);
});
