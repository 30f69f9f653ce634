import { gzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { isModelportError } from '../../src/errors.ts';
import { readJoblib } from '../../src/formats/joblib.ts';
import type { PickleValue } from '../../src/formats/pickle/pickle-value.ts';
import { fuzzRuns, mutate, random } from '../fixtures/random.ts';
import { describe as describeValue, expectedValue, fixture, normalize, refusal, sklearnClasses } from './pickle/describe-pickle.ts';

const read = (bytes: Uint8Array, limits = {}): PickleValue => readJoblib(bytes, { classes: sklearnClasses, name: 'm.joblib', ...limits });
const names = ['pipeline', 'tree', 'forest', 'gradient-boosting', 'histogram-boosting', 'columns', 'support-vectors', 'neighbours', 'perceptron', 'text', 'labels', 'function', 'stochastic', 'search', 'isolation', 'means'];

describe('joblib', () => {
  test.each(names)('%s', (name) => {
    expect(describeValue(read(fixture(`${name}.joblib`)))).toEqual(normalize(expectedValue(`${name}.json`), true));
  });

  test.each(['pipeline.joblib.zlib', 'pipeline.joblib.gzip', 'pipeline-2.joblib', 'pipeline-5.pkl'])('%s', (file) => {
    expect(describeValue(read(fixture(file)))).toEqual(normalize(expectedValue('pipeline.json'), true));
  });

  test('arrays of every order and type', () => {
    const value = read(fixture('arrays.joblib')) as Map<string, unknown>;
    expect(Object.fromEntries([...value].map(([name, array]) => [name, describeValue(array)]))).toEqual(normalize(expectedValue('arrays.joblib.json'), true));
  });

  test.each([['bz2', 'bzip2'], ['lzma', 'LZMA'], ['xz', 'xz']])('%s is named', (suffix, compression) => {
    expect(refusal(() => read(fixture(`pipeline.joblib.${suffix}`)))).toContain(`m.joblib is compressed with ${compression}, which is not read; save it again with joblib.dump`);
  });

  test('what is refused', () => {
    expect(refusal(() => read(fixture('pipeline.joblib.zlib').subarray(0, 300)))).toMatch(/compressed with zlib, and cannot be inflated: it is truncated or damaged/);
    expect(refusal(() => read(gzipSync(Buffer.alloc(1_000_000)), { maxInflatedBytes: 1000 }))).toMatch(/inflates to more than 1000 bytes/);
    expect(refusal(() => read(Buffer.from('ZF0x10 ')))).toMatch(/ZFILE/);
    expect(refusal(() => read(Buffer.from('\x80\x02cjoblib.numpy_pickle\nNDArrayWrapper\n)\x81.', 'latin1')))).toMatch(/layout of joblib before 0\.10/);
    expect(refusal(() => read(Buffer.from('\x80\x02cjoblib.numpy_pickle\nhex_str\n.', 'latin1')))).toMatch(/joblib\.numpy_pickle\.hex_str is named/);
    expect(refusal(() => read(fixture('perceptron.joblib').subarray(0, 2000)))).toMatch(/bytes are wanted, but the file ends/);
  });

  test('pickles in arrays in pickles end', () => {
    const level = "cjoblib.numpy_pickle\nNumpyArrayWrapper\n)\x81}(S'shape'\n)S'order'\nS'C'\nS'dtype'\ncnumpy\ndtype\n(S'O'\ntRub";
    expect(refusal(() => read(Buffer.from(level.repeat(50), 'latin1')))).toMatch(/more than 20 pickles lie in each other/);
  });
});

test('fuzz: changed joblib files are read or refused', () => {
  const seeds = ['pipeline.joblib', 'tree.joblib', 'arrays.joblib', 'columns.joblib', 'pipeline.joblib.zlib', 'labels.joblib'].map(fixture);
  const source = random(8);
  let refusals = 0;
  for (let run = 0; run < fuzzRuns; run++) {
    try {
      read(mutate(source.pick(seeds), source), { maxInflatedBytes: 2 ** 24, limits: { maxMemoryBytes: 2 ** 26 } });
    } catch (error) {
      if (!isModelportError(error)) throw error;
      refusals++;
    }
  }
  expect(refusals).toBeGreaterThan(fuzzRuns / 4);
});
