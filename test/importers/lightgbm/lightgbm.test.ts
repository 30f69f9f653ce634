import { describe, expect, it } from 'vitest';
import { lightgbm } from '../../../src/importers/lightgbm/lightgbm.ts';
import { readLightgbm } from '../../../src/importers/trees/lightgbm/read-lightgbm.ts';
import { buildTabularModel } from '../../../src/importers/trees/tabular-model.ts';
import { boostingCases, disagreements, fixtureFolder, fuzzReader, importAndLoad, readFixture } from '../boosting.ts';

const cases = boostingCases('lightgbm');

describe('models answer as LightGBM does', () => {
  it('has cases', () => {
    expect(cases.length).toBeGreaterThan(15);
  });

  it.each(cases.map((sample) => [sample.name, sample] as const))('%s', async (_, sample) => {
    const bytes = readFixture('lightgbm', sample.file);
    expect(lightgbm.accepts(bytes.subarray(0, 1 << 16), bytes.length)).toBe(true);
    expect(await disagreements(lightgbm, 'lightgbm', sample)).toEqual([]);
  });
});

it('has the names of its columns and classes', async () => {
  const named = await importAndLoad(lightgbm, fixtureFolder('lightgbm'), 'lightgbm-names.txt');
  expect(named.signature.inputs).toMatchObject([{ name: 'X', datatype: 'FP64', shape: ['batch', 5], labels: ['size_0', 'size_1', 'size_2', 'size_3', 'size_4'] }]);
  const plain = await importAndLoad(lightgbm, fixtureFolder('lightgbm'), 'lightgbm-multiclass.txt');
  expect(plain.signature.inputs[0]!.labels).toBeUndefined();
  expect(plain.signature.outputs.find((output) => output.name === 'probabilities')?.labels).toEqual(['0', '1', '2']);
});

describe('what is refused, by name', () => {
  const text = readFixture('lightgbm', 'lightgbm-regression.txt').toString();
  it.each([
    ['an objective', text.replace('objective=regression', 'objective=something'), /the objective 'something' is not covered/],
    ['a version', text.replace('version=v4', 'version=v9'), /version 'v9' of LightGBM's format is not known/],
    ['a cut file', text.slice(0, text.indexOf('end of trees')), /'end of trees' is missing/],
    ['a missing feature', text.replace('max_feature_idx=4', 'max_feature_idx=0'), /asks for feature \d of 1/],
    ['a text for a number', text.replace(/\nthreshold=\S+/, '\nthreshold=abc'), /threshold of Tree=0 holds 'abc'/],
    ['a list that is too short', text.replace(/\nleaf_value=\S+ /, '\nleaf_value='), /leaf_value of Tree=0 has \d+ numbers instead of \d+/],
    ['a child that is no whole number', text.replace(/\nleft_child=\S+/, '\nleft_child=0.5'), /a child is no whole number/],
    ['no LightGBM file', 'forest\n', /its first line is not 'tree'/],
  ])('%s', (_, changed, message) => {
    expect(() => buildTabularModel(readLightgbm(changed))).toThrow(message);
  });
});

it('reads lines that end as on Windows', () => {
  expect(readLightgbm(readFixture('lightgbm', 'lightgbm-regression.txt').toString().replaceAll('\n', '\r\n')).featureCount).toBe(5);
});

it('fuzz: spoiled files are read or refused', () => {
  const files = ['lightgbm-regression.txt', 'lightgbm-linear-regression.txt', 'lightgbm-categorical-sets-binary.txt'].map((file) => readFixture('lightgbm', file));
  expect(fuzzReader(files, (bytes) => buildTabularModel(readLightgbm(bytes.toString())))).toBeGreaterThan(0);
});
