import { describe, expect, it } from 'vitest';
import { catboost } from '../../../src/importers/catboost/catboost.ts';
import { readCatboost } from '../../../src/importers/trees/catboost/read-catboost.ts';
import { buildTabularModel } from '../../../src/importers/trees/tabular-model.ts';
import { boostingCases, disagreements, fixtureFolder, fuzzReader, importAndLoad, readFixture } from '../boosting.ts';

const cases = boostingCases('catboost');

describe('models answer as CatBoost does', () => {
  it('has cases', () => {
    expect(cases.length).toBeGreaterThan(15);
  });

  it.each(cases.map((sample) => [sample.name, sample] as const))('%s', async (_, sample) => {
    const bytes = readFixture('catboost', sample.file);
    expect(catboost.accepts(bytes.subarray(0, 1 << 16), bytes.length)).toBe(true);
    expect(await disagreements(catboost, 'catboost', sample)).toEqual([]);
  });
});

it('has the names of its columns and classes', async () => {
  const named = await importAndLoad(catboost, fixtureFolder('catboost'), 'catboost-names.json');
  expect(named.signature.inputs).toMatchObject([{ name: 'X', datatype: 'FP32', shape: ['batch', 5], labels: ['column 0', 'column 1', 'column 2', 'column 3', 'column 4'] }]);
  const texts = await importAndLoad(catboost, fixtureFolder('catboost'), 'catboost-Logloss-texts.json');
  expect(texts.signature.outputs).toMatchObject([{ name: 'label', datatype: 'BYTES' }, { name: 'probabilities', datatype: 'FP64', labels: ['low', 'middle'] }]);
});

describe('what is refused, by name', () => {
  const text = readFixture('catboost', 'catboost-RMSE.json').toString();
  it.each([
    ['a loss function', text.replace('"type":"RMSE"', '"type":"Something"'), /the loss function 'Something' is not covered/],
    ['categorical features', text.replace('"features_info":{', '"features_info":{"categorical_features":[{}],'), /1 categorical features are not covered/],
    ['text features', text.replace('"features_info":{', '"features_info":{"text_features":[{},{}],'), /2 text features are not covered/],
    ['statistics of categories', text.replace('{', '{"ctr_data":{"a":{}},'), /ctr_data/],
    ['other splits', text.replace('"FloatFeature"', '"OneHotFeature"'), /splits of the type OneHotFeature are not covered/],
    ['a cut file', text.slice(0, 400), /no valid JSON/],
  ])('%s', (_, changed, message) => {
    expect(() => buildTabularModel(readCatboost(Buffer.from(changed)))).toThrow(message);
  });

  it('a binary file that ends early', () => {
    const bytes = Buffer.from('CBM1\0\0\0\0');
    expect(catboost.accepts(bytes, bytes.length)).toBe(true);
    expect(() => readCatboost(bytes)).toThrow(/ends early/);
  });
});

it('fuzz: spoiled files are read or refused', () => {
  const files = ['catboost-RMSE.json', 'catboost-Lossguide-MultiClass.json', 'catboost-Logloss-texts.json', 'catboost-RMSE-binary.cbm', 'catboost-Lossguide-MultiClass-binary.cbm'].map((file) => readFixture('catboost', file));
  expect(fuzzReader(files, (bytes) => buildTabularModel(readCatboost(bytes)))).toBeGreaterThan(0);
});
