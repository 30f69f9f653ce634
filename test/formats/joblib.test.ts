import { gzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { isModelportError } from '../../src/errors.ts';
import { readJoblib } from '../../src/formats/joblib.ts';
import type { PickleValue } from '../../src/formats/pickle/pickle-value.ts';
import { fuzzRuns, mutate, random } from '../fixtures/random.ts';
import { describe as describeValue, expectedValue, fixture, normalize, sklearnClasses } from './pickle/describe-pickle.ts';

const read = (bytes: Uint8Array, limits = {}): Promise<PickleValue> => readJoblib(bytes, { classes: sklearnClasses, name: 'm.joblib', ...limits });
async function refusal(run: () => Promise<unknown>): Promise<string> {
  try {
    await run();
  } catch (error) {
    if (!isModelportError(error) || error.code !== 'INVALID_MODEL') throw error;
    return error.message;
  }
  throw new Error('nothing was thrown');
}

const names = ['pipeline', 'tree', 'forest', 'gradient-boosting', 'histogram-boosting', 'columns', 'support-vectors', 'neighbours', 'perceptron', 'text', 'labels', 'function', 'stochastic', 'search', 'isolation', 'means'];

describe('joblib', () => {
  test.each(names)('%s', async (name) => {
    expect(describeValue(await read(fixture(`${name}.joblib`)))).toEqual(normalize(expectedValue(`${name}.json`), true));
  });

  test.each(['pipeline.joblib.zlib', 'pipeline.joblib.gzip', 'pipeline.joblib.bz2', 'pipeline.joblib.xz', 'pipeline.joblib.lz4', 'pipeline-2.joblib', 'pipeline-5.pkl'])('%s', async (file) => {
    expect(describeValue(await read(fixture(file)))).toEqual(normalize(expectedValue('pipeline.json'), true));
  });

  test('arrays of every order and type', async () => {
    const value = (await read(fixture('arrays.joblib'))) as Map<string, unknown>;
    expect(Object.fromEntries([...value].map(([name, array]) => [name, describeValue(array)]))).toEqual(normalize(expectedValue('arrays.joblib.json'), true));
  });

  test('LZMA is named', async () => {
    expect(await refusal(() => read(fixture('pipeline.joblib.lzma')))).toContain('m.joblib is compressed with LZMA, which is not read; save it again with joblib.dump');
  });

  test('what is refused', async () => {
    expect(await refusal(() => read(fixture('pipeline.joblib.zlib').subarray(0, 300)))).toMatch(/compressed with zlib, and cannot be inflated: it is truncated or damaged/);
    expect(await refusal(() => read(gzipSync(Buffer.alloc(1_000_000)), { maxInflatedBytes: 1000 }))).toMatch(/inflates to more than 1000 bytes/);
    expect(await refusal(() => read(gzipSync('%PDF-1.7')))).toMatch(/compressed with gzip, and no pickle is in it: it is a PDF document/);
    expect(await refusal(() => read(Buffer.from('ZF0x10 ')))).toMatch(/ZFILE/);
    expect(await refusal(() => read(Buffer.from('\x80\x02cjoblib.numpy_pickle\nNDArrayWrapper\n)\x81.', 'latin1')))).toMatch(/layout of joblib before 0\.10/);
    expect(await refusal(() => read(Buffer.from('\x80\x02cjoblib.numpy_pickle\nhex_str\n.', 'latin1')))).toMatch(/joblib\.numpy_pickle\.hex_str is named/);
    expect(await refusal(() => read(fixture('perceptron.joblib').subarray(0, 2000)))).toMatch(/bytes are wanted, but the file ends/);
  });

  test('pickles in arrays in pickles end', async () => {
    const level = "cjoblib.numpy_pickle\nNumpyArrayWrapper\n)\x81}(S'shape'\n)S'order'\nS'C'\nS'dtype'\ncnumpy\ndtype\n(S'O'\ntRub";
    expect(await refusal(() => read(Buffer.from(level.repeat(50), 'latin1')))).toMatch(/more than 20 pickles lie in each other/);
  });
});

test('fuzz: changed joblib files are read or refused', async () => {
  const seeds = ['pipeline.joblib', 'tree.joblib', 'arrays.joblib', 'columns.joblib', 'pipeline.joblib.zlib', 'pipeline.joblib.bz2', 'pipeline.joblib.xz', 'pipeline.joblib.lz4', 'labels.joblib'].map(fixture);
  const source = random(8);
  let refusals = 0;
  for (let run = 0; run < fuzzRuns; run++) {
    try {
      await read(mutate(source.pick(seeds), source), { maxInflatedBytes: 2 ** 24, limits: { maxMemoryBytes: 2 ** 26 } });
    } catch (error) {
      if (!isModelportError(error)) throw error;
      refusals++;
    }
  }
  expect(refusals).toBeGreaterThan(fuzzRuns / 4);
});
