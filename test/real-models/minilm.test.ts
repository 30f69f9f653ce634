/** A sentence encoder as people publish it: safetensors and config.json, built into a program here. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Call } from '../../src/call.ts';
import { stateDict } from '../../src/importers/state-dict/state-dict.ts';
import type { Model } from '../../src/model.ts';
import onnxRuntime from '../../src/runtimes/onnx/onnx-runtime.ts';
import type { Tensor } from '../../src/tensor.ts';
import { describeReal, expected, realFile } from './real-models.ts';

const files = ['minilm/model.safetensors', 'minilm/config.json', 'minilm/tokenizer.json'];

interface Expected {
  readonly ids: readonly (readonly number[])[];
  readonly first8: readonly (readonly number[])[];
  readonly cosine: readonly (readonly number[])[];
}

describeReal('MiniLM encodes sentences', files, () => {
  const { ids, first8, cosine } = expected('minilm') as Expected;
  const folder = mkdtempSync(join(tmpdir(), 'modelport-minilm-'));
  let model: Model;

  beforeAll(async () => {
    const imported = await stateDict.import({ format: 'state-dict', directory: dirname(realFile(files[0]!)), main: 'model.safetensors', files: [], metadata: {} }, folder);
    expect(imported.files.map(({ path }) => path)).toEqual(expect.arrayContaining(['model.onnx', 'config.json', 'tokenizer.json']));
    model = await onnxRuntime.load(imported, { threads: 1, parameters: {} });
  });
  afterAll(async () => {
    await model[Symbol.asyncDispose]();
    rmSync(folder, { recursive: true });
  });

  /** The mean of the tokens that are there, of length one. */
  async function encode(rows: readonly (readonly number[])[]): Promise<number[][]> {
    const length = Math.max(...rows.map((row) => row.length));
    const tensor = (value: (row: readonly number[], at: number) => number): Tensor => ({
      datatype: 'INT64',
      shape: [rows.length, length],
      data: BigInt64Array.from(rows.flatMap((row) => Array.from({ length }, (_, at) => BigInt(value(row, at))))),
    });
    const inputs = new Map([['input_ids', tensor((row, at) => row[at] ?? 0)], ['attention_mask', tensor((row, at) => (at < row.length ? 1 : 0))], ['token_type_ids', tensor(() => 0)]]);
    const { outputs } = await model.infer!({ inputs }, new Call());
    const { shape, data } = outputs.get('last_hidden_state')!;
    expect(shape).toEqual([rows.length, length, 384]);
    return rows.map((row, index) => {
      const sum = Array.from({ length: 384 }, (_, unit) => row.reduce((total, _id, at) => total + (data as Float32Array)[(index * length + at) * 384 + unit]!, 0));
      const norm = Math.hypot(...sum);
      return sum.map((value) => value / norm);
    });
  }

  test.each(['one by one', 'as one batch, padded'])('%s: as its own program encodes them', async (how) => {
    const found = how === 'one by one' ? await Promise.all(ids.map(async (row) => (await encode([row]))[0]!)) : await encode(ids);
    for (const [index, vector] of found.entries()) {
      for (const [unit, value] of first8[index]!.entries()) expect(Math.abs(vector[unit]! - value)).toBeLessThan(5e-6);
      for (const [other, value] of cosine[index]!.entries()) expect(Math.abs(vector.reduce((sum, x, unit) => sum + x * found[other]![unit]!, 0) - value)).toBeLessThan(2e-5);
    }
  });
});
