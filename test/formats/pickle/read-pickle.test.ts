import { describe, expect, test } from 'vitest';
import { numpyClasses } from '../../../src/formats/numpy/numpy-classes.ts';
import { constructor, data, firstOf, pickleClasses, setState, type PickleClasses } from '../../../src/formats/pickle/pickle-class.ts';
import { isTuple, type PickledObject, type PickleValue } from '../../../src/formats/pickle/pickle-value.ts';
import { readPickle, readPickleAt } from '../../../src/formats/pickle/read-pickle.ts';
import { standardClasses } from '../../../src/formats/pickle/standard-classes.ts';
import { describe as describeValue, expectedValue, fixture, normalize, refusal, sklearnClasses } from './describe-pickle.ts';

const entriesOf = (value: unknown): Record<string, unknown> => Object.fromEntries(value as Map<string, unknown>);
const described = (value: unknown): Record<string, unknown> => Object.fromEntries(Object.entries(entriesOf(value)).map(([name, item]) => [name, describeValue(item)]));
const read = (text: string, classes: PickleClasses = standardClasses): PickleValue => readPickle(Buffer.from(text, 'latin1'), { classes });

describe('values that Python wrote', () => {
  test.each([0, 1, 2, 3, 4, 5])('protocol %i', (protocol) => {
    const value = readPickle(fixture(`values-${protocol}.pkl`), { classes: standardClasses, wrapFloats: true });
    expect(described(value)).toEqual(normalize(expectedValue('values.json')));
    const shared = (value as Map<string, unknown[]>).get('shared')!;
    expect(shared[0]).toBe(shared[1]);
  });

  test.each([0, 1, 2, 3, 4, 5])('arrays in protocol %i', (protocol) => {
    const value = readPickle(fixture(`arrays-${protocol}.pkl`), { classes: numpyClasses, wrapFloats: true });
    expect(described(value)).toEqual(normalize(expectedValue('arrays.json')));
  });

  test('buffers outside of the file', () => {
    const bytes = fixture('out-of-band.pkl');
    const buffers = [fixture('out-of-band.0'), fixture('out-of-band.1')];
    const value = readPickle(bytes, { classes: numpyClasses, buffers });
    expect(described(value)).toEqual({ array: { array: { dtype: 'i4', shape: [5], data: ['0', '1', '2', '3', '4'] } }, bytes: { bytes: Buffer.from('outside').toString('hex') } });
    expect(refusal(() => readPickle(bytes, { classes: numpyClasses }))).toMatch(/buffers outside of the file, which were not given/);
    expect(refusal(() => readPickle(bytes, { classes: numpyClasses, buffers: buffers.slice(0, 1) }))).toMatch(/more buffers outside/);
  });

  test('several pickles in one file', () => {
    const bytes = Buffer.concat([fixture('labels-4.pkl'), Buffer.from('I7\n.rest')]);
    const first = readPickleAt(bytes, { classes: sklearnClasses });
    expect(readPickleAt(bytes, { classes: sklearnClasses, offset: first.end })).toEqual({ value: 7, end: bytes.length - 4 });
  });
});

describe('scikit-learn', () => {
  const files = ['pipeline-2', 'pipeline-3', 'pipeline-4', 'pipeline-5', 'tree-3', 'forest-2', 'forest-3', 'forest-4', 'forest-5', 'gradient-boosting-5', 'histogram-boosting-2', 'columns-3', 'support-vectors-4', 'neighbours-5', 'perceptron-2', 'text-3', 'labels-4', 'function-5', 'stochastic-2', 'search-3', 'isolation-4', 'means-5'];
  test.each(files)('%s', (name) => {
    const value = readPickle(fixture(`${name}.pkl`), { classes: sklearnClasses });
    expect(describeValue(value)).toEqual(normalize(expectedValue(`${name.replace(/-\d$/, '')}.json`), true));
  });

  test('attributes by name', () => {
    const pipeline = readPickle(fixture('pipeline-5.pkl'), { classes: sklearnClasses }) as PickledObject;
    expect(pipeline.path).toBe('sklearn.pipeline.Pipeline');
    const steps = pipeline.attributes.get('steps') as (readonly [string, PickledObject])[];
    expect(steps.map(([name, step]) => [name, step.path])).toEqual([['standardscaler', 'sklearn.preprocessing._data.StandardScaler'], ['logisticregression', 'sklearn.linear_model._logistic.LogisticRegression']]);
    expect(isTuple(steps[0])).toBe(true);
  });

  test('a class that is not listed is named', () => {
    expect(refusal(() => readPickle(fixture('pipeline-5.pkl'), { classes: numpyClasses, name: 'model.pkl' }))).toMatch(/^model\.pkl: at byte 41 of the pickle, sklearn\.pipeline\.Pipeline is named, which is not among the classes/);
    expect(refusal(() => readPickle(fixture('pandas.pkl'), { classes: sklearnClasses }))).toMatch(/pandas\.(?:core\.indexes\.base\._new_Index|Index) is named/);
    const pandas = entriesOf(readPickle(fixture('pandas.pkl'), { classes: firstOf(numpyClasses, (module) => (module.startsWith('pandas') ? data : undefined)) }));
    expect((pandas['categories'] as PickledObject).args[0]).toMatchObject({ path: 'pandas.Categorical' });
  });
});

describe('structure', () => {
  test('a list that holds itself', () => {
    const list = read(']q\0h\0a.') as unknown[];
    expect(list[0]).toBe(list);
  });

  test('a tuple in a list that holds the tuple', () => {
    // pickle.dumps of t = ([],); t[0].append(t), protocol 2
    const tuple = read('\x80\x02]q\0h\0\x85q\x01a0h\x01.') as [unknown[]];
    expect(isTuple(tuple)).toBe(true);
    expect(tuple[0][0]).toBe(tuple);
  });

  test('old opcodes: INST, OBJ, DUP, POP, LIST, DICT, PERSID', () => {
    const classes = pickleClasses({ 'old.Thing': data });
    expect(read('(I1\nI2\niold\nThing\n.', classes)).toMatchObject({ module: 'old', name: 'Thing', args: [1, 2] });
    expect(read('(cold\nThing\nI1\no.', classes)).toMatchObject({ args: [1] });
    expect(read('(I1\n2I5\n0(t0l.')).toEqual([1, 1]);
    expect(read("(S'a\\x41\\n\\101'\nI01\nd.")).toEqual(new Map([['aA\nA', true]]));
    expect(readPickle(Buffer.from('Pkey 1\n.'), { classes, persistentLoad: (id) => ({ id }) })).toEqual({ id: 'key 1' });
    expect(refusal(() => read('Pkey 1\n.'))).toMatch(/persistent id/);
  });

  test('a memo in any order', () => {
    expect(read('(I7\np5\nNp0\nI8\np1\ng5\ng0\ng1\nl.')).toEqual([7, null, 8, 7, null, 8]);
    // The place 1 is taken twice; MEMOIZE takes the place of the memo's size.
    expect(read('\x80\x04(K\x05q\x01K\x06q\0K\x07q\x01h\x01K\x08\x94h\x02l.')).toEqual([5, 6, 7, 7, 8, 8]);
  });

  test('numbers of all spellings', () => {
    expect(read('(L12L\nL-3\nI-7\nI00\nF1e3\nF-inf\nI9007199254740993\nl.')).toEqual([12, -3, -7, false, 1000, -Infinity, 9007199254740993n]);
    expect(read('(\x8a\0\x8a\x01\x80\x8a\x09\0\0\0\0\0\0\0\x80\0\x8b\x08\0\0\0\xff\xff\xff\xff\xff\xff\xff\xffl.')).toEqual([0, -128, 2n ** 63n, -1]);
  });

  test("Python 2's names", () => {
    expect(read('c__builtin__\nset\n((I1\nI1\nltR.')).toEqual(new Set([1]));
    expect(read('ccopy_reg\n_reconstructor\n(cold\nThing\nc__builtin__\nobject\nNtR(dS\'a\'\nI1\nsb.', firstOf(standardClasses, pickleClasses({ 'old.Thing': data })))).toMatchObject({ name: 'Thing', state: new Map([['a', 1]]) });
  });

  test('keywords, slots, and a second state that adds to the first', () => {
    const classes = pickleClasses({ 'm.C': data });
    const object = read('\x80\x04\x8c\x01m\x8c\x01C\x93)}\x8c\x01kK\x01s\x92}\x8c\x01aK\x02sb}\x8c\x01bK\x03sb.', classes) as PickledObject;
    expect(object.keywords).toEqual(new Map([['k', 1]]));
    expect(object.attributes).toEqual(new Map([['a', 2], ['b', 3]]));
    const slotted = read('\x80\x04\x8c\x01m\x8c\x01C\x93)\x81N}\x8c\x01sK\x05s\x86b.', classes) as PickledObject;
    expect(slotted.attributes).toEqual(new Map([['s', 5]]));
  });

  test("the caller's constructors, their state, and bytes between opcodes", () => {
    const classes = pickleClasses({
      'm.Raw': constructor(({ args }) => ({
        [setState]: (state: PickleValue, reading: { take(length: number): Uint8Array }) => [args[0], state, Buffer.from(reading.take(3)).toString()],
      })),
    });
    expect(read('\x80\x02cm\nRaw\nK\x09\x85RK\x08bxyz]a.'.replace(']a', ''), classes)).toEqual([9, 8, 'xyz']);
  });
});
