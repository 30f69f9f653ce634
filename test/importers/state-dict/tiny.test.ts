/** A small network with one of every layer, against what torch answered in float64. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { Call } from '../../../src/call.ts';
import { describeMisfit, fit, fits, recognize } from '../../../src/importers/state-dict/fit-architecture.ts';
import { buildModel } from '../../../src/importers/state-dict/state-dict.ts';
import type { StoredWeight, StoredWeights } from '../../../src/importers/state-dict/weights.ts';
import type { ImportOptions } from '../../../src/importer.ts';
import { checkModel } from '../../../src/onnx/check-model.ts';
import { writeModelFile } from '../../../src/onnx/write-model-file.ts';
import onnxRuntime from '../../../src/runtimes/onnx/onnx-runtime.ts';
import { fixtures, tiny, weightsOf } from './tiny.ts';

interface Sample {
  readonly shape: readonly [number, number, number, number];
  readonly image: readonly number[];
  readonly logits: readonly number[];
}

const { samples } = JSON.parse(readFileSync(join(fixtures, 'tiny.json'), 'utf8')) as { samples: readonly Sample[] };

async function logitsOf(weights: StoredWeights, sample: Sample, options: ImportOptions = {}): Promise<{ shape: readonly number[]; data: Float32Array }> {
  const folder = mkdtempSync(join(tmpdir(), 'modelport-tiny-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const model = buildModel(tiny, weights, options);
  expect(checkModel(model)).toEqual([]);
  writeModelFile(model, join(folder, 'model.onnx'));
  await using loaded = await onnxRuntime.load({ format: 'onnx', directory: folder, main: 'model.onnx', files: [], metadata: {} }, { threads: 1, parameters: {} });
  const input = { datatype: 'FP32' as const, shape: sample.shape, data: Float32Array.from(sample.image) };
  const { outputs } = await loaded.infer!({ inputs: new Map([['image', input]]) }, new Call());
  const { shape, data } = outputs.get('logits')!;
  return { shape, data: data as Float32Array };
}

function expectNear(found: Float32Array, expected: readonly number[], tolerance: number): void {
  const scale = Math.max(...expected.map(Math.abs));
  for (const [index, value] of expected.entries()) expect(Math.abs(found[index]! - value) / scale).toBeLessThan(tolerance);
}

test.each(samples.map((sample): [string, Sample] => [sample.shape.join('×'), sample]))('pictures of %s', async (_, sample) => {
  const [, , height, width] = sample.shape;
  const { shape, data } = await logitsOf(weightsOf('tiny.pth'), sample, { inputs: [{ datatype: 'FP32', shape: ['n', 3, height, width] }] });
  expect(shape).toEqual([sample.shape[0], 5]);
  expectNear(data, sample.logits, 2e-6);
});

test.each(['tiny-legacy.pth', 'tiny.safetensors', 'tiny-parallel.pth', 'tiny-checkpoint.pth', 'tiny-weights.pth', 'tiny-views.pth', 'tiny-half.pth', 'tiny-double.pth'])('%s answers as torch does', async (file) => {
  const { data } = await logitsOf(weightsOf(file), samples[0]!);
  expectNear(data, samples[0]!.logits, file === 'tiny-half.pth' ? 5e-3 : 2e-6);
});

function changed(change: (weights: Map<string, StoredWeight>) => void): StoredWeights {
  const weights = new Map(weightsOf('tiny.pth'));
  change(weights);
  return weights;
}

test('names and shapes that do not fit are told', () => {
  expect(fits(fit(tiny, weightsOf('tiny.pth')))).toBe(true);
  const misfit = changed((weights) => {
    weights.delete('norm.bias');
    weights.delete('mix_norm.running_var');
    weights.set('extra.weight', weights.get('norm.weight')!);
    weights.set('wide.bias', weights.get('narrow.bias')!);
  });
  const found = fit(tiny, misfit);
  expect(found).toMatchObject({ missing: ['mix_norm.running_var', 'norm.bias'], unused: ['extra.weight'], reshaped: [{ key: 'wide.bias', found: [8], wanted: [12] }] });
  expect(describeMisfit(found)).toBe('2 weights are missing (mix_norm.running_var, norm.bias); 1 has another shape (wide.bias is [8] instead of [12]); 1 is not used (extra.weight)');
});

test('counts of training steps are not missed and not wanted', () => {
  const without = changed((weights) => {
    for (const key of weights.keys()) if (key.endsWith('num_batches_tracked')) weights.delete(key);
  });
  expect(without.size).toBe(28);
  expect(fits(fit(tiny, without))).toBe(true);
});

test('the architecture that fits best comes first', () => {
  const other = { ...tiny, name: 'other', build: (network, image) => network.linear(tiny.build(network, image), 'more', 2) } satisfies typeof tiny;
  expect(recognize([other, tiny], weightsOf('tiny.pth')).map(({ architecture }) => architecture.name)).toEqual(['tiny', 'other']);
  expect(recognize([{ ...tiny, stem: 'first.weight' }], weightsOf('tiny.pth'))).toEqual([]);
});

test('progress ends at one', () => {
  const parts: number[] = [];
  buildModel(tiny, weightsOf('tiny.pth'), { progress: (_, part) => parts.push(part) });
  expect(parts.length).toBeGreaterThan(20);
  expect(parts.every((part, index) => part >= 0 && part <= 1 && part >= (parts[index - 1] ?? 0))).toBe(true);
});
