import { describe, expect, it } from 'vitest';
import { readXgboost } from '../../../src/importers/trees/xgboost/read-xgboost.ts';
import { xgboost } from '../../../src/importers/xgboost/xgboost.ts';
import { buildTabularModel } from '../../../src/importers/trees/tabular-model.ts';
import { boostingCases, disagreements, fixtureFolder, fuzzReader, importAndLoad, readFixture } from '../boosting.ts';

const cases = boostingCases('xgboost');

describe('models answer as XGBoost does', () => {
  it('has cases', () => {
    expect(cases.length).toBeGreaterThan(15);
  });

  it.each(cases.map((sample) => [sample.name, sample] as const))('%s', async (_, sample) => {
    const bytes = readFixture('xgboost', sample.file);
    expect(xgboost.accepts(bytes.subarray(0, 1 << 16), bytes.length)).toBe(true);
    expect(await disagreements(xgboost, 'xgboost', sample)).toEqual([]);
  });
});

it('has the names of its columns and classes', async () => {
  const named = await importAndLoad(xgboost, fixtureFolder('xgboost'), 'xgboost-names.json');
  expect(named.signature.inputs).toMatchObject([{ name: 'X', datatype: 'FP32', shape: ['batch', 5], batchAxis: 0, labels: ['column 0', 'column 1', 'column 2', 'column 3', 'column 4'] }]);
  expect(named.signature.outputs).toMatchObject([{ name: 'prediction', datatype: 'FP32', shape: ['batch'], batchAxis: 0 }]);
  const classes = await importAndLoad(xgboost, fixtureFolder('xgboost'), 'xgboost-multi-softprob.json');
  expect(classes.signature.outputs.find((output) => output.name === 'probabilities')?.labels).toEqual(['0', '1', '2']);
});

describe('what is refused, by name', () => {
  const text = readFixture('xgboost', 'xgboost-reg-squarederror.json').toString();
  it.each([
    ['an objective', text.replace('reg:squarederror', 'reg:somethingelse'), /the objective 'reg:somethingelse' is not covered/],
    ['a booster', text.replace('"name":"gbtree"', '"name":"gbforest"'), /the booster 'gbforest' is not covered/],
    ['a base score that the objective cannot have', text.replace('reg:squarederror', 'reg:gamma').replace(/"base_score":"[^"]*"/, '"base_score":"[-1]"'), /base_score -1 is none that reg:gamma can have/],
    ['a missing feature', text.replaceAll(/"num_feature":"5"/g, '"num_feature":"1"'), /a decision tree is malformed: it asks for feature \d of 1|feature_names has/],
    ['a tree that is a circle', text.replace(/"left_children":\[1,/, '"left_children":[0,'), /two splits lead to the same node/],
    ['a cut file', text.slice(0, 2000), /no valid JSON/],
  ])('%s', (_, changed, message) => {
    expect(() => buildTabularModel(readXgboost(Buffer.from(changed)))).toThrow(message);
  });

  it('the old binary format, with the way out', () => {
    const name = Buffer.from('binary:logistic');
    const bytes = Buffer.alloc(300);
    bytes.writeUInt32LE(name.length, 136);
    name.copy(bytes, 144);
    expect(xgboost.accepts(bytes, bytes.length)).toBe(true);
    expect(() => readXgboost(bytes)).toThrow(/save_model\('model\.json'\)/);
  });

  it('is not asked for other JSON', () => {
    for (const other of ['{}', '{"trees": []}', 'tree\nversion=v4\n', '{"features_info":{"float_features":[]}}', '']) expect(xgboost.accepts(Buffer.from(other), other.length)).toBe(false);
  });
});

it('fuzz: spoiled files are read or refused', () => {
  const files = ['xgboost-reg-squarederror.json', 'xgboost-ubj-binary-logistic.ubj', 'xgboost-targets-ubj.ubj'].map((file) => readFixture('xgboost', file));
  expect(fuzzReader(files, (bytes) => buildTabularModel(readXgboost(bytes)))).toBeGreaterThan(0);
});
