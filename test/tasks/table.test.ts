/** Rows of a table: what clients may send, and what each mistake is told. */
import { describe, expect, it } from 'vitest';
import { Call } from '../../src/call.ts';
import { isModelportError } from '../../src/errors.ts';
import { fromHalf } from '../../src/lib/half-float.ts';
import type { InferRequest, Model, Signature } from '../../src/model.ts';
import { tabularClassification } from '../../src/tasks/tabular-classification/tabular-classification.ts';
import { tabularRegression } from '../../src/tasks/tabular-regression/tabular-regression.ts';
import { textOf, textTensor, type Tensor } from '../../src/tensor.ts';
import { factsOf, fakeModel, lifted, signatureOf, spec } from './fake-model.ts';

const features = [
  { name: 'sepal_length', unit: 'cm', minimum: 4.3, maximum: 7.9, step: 0.1 },
  { name: 'sepal_width', unit: 'cm', minimum: 2, maximum: 4.4 },
  { name: 'kind', categories: ['wild', 'garden'] },
];
const matrix = signatureOf([spec('rows', 'FP32', ['batch', 3])], [spec('value', 'FP32', ['batch', 1])], 4);

/** Answers each row with 100 × first + 10 × second + third: a column in the wrong place shows. */
const placed = (request: InferRequest): [string, Tensor][] => {
  const { data, shape } = request.inputs.get('rows')!;
  const rows = shape[0]!;
  return [['value', { datatype: 'FP32', shape: [rows, 1], data: Float32Array.from({ length: rows }, (_, row) => 100 * Number(data[row * 3]) + 10 * Number(data[row * 3 + 1]) + Number(data[row * 3 + 2])) }]];
};
const table = () => lifted(tabularRegression, fakeModel(matrix, placed), { features });
const ask = (model: Model, value: unknown) => model.predict!(value, new Call());

describe('forms of a value', () => {
  const row = { sepal_length: 5, sepal_width: 3, kind: 'garden' };
  it.each<[string, unknown, unknown]>([
    ['one row', row, { value: 531 }],
    ['one row in another order', { kind: 'wild', sepal_width: 3, sepal_length: 5 }, { value: 530 }],
    ['rows', [row, { ...row, sepal_length: 6 }], [{ value: 531 }, { value: 631 }]],
    ['no rows', [], []],
    ['columns and rows', { columns: ['sepal_length', 'sepal_width', 'kind'], rows: [[5, 3, 'garden'], [1, 2, 'wild']] }, [{ value: 531 }, { value: 120 }]],
    ['columns in another order', { columns: ['kind', 'sepal_width', 'sepal_length'], rows: [['garden', 3, 5]] }, [{ value: 531 }]],
    ['rows in the order of the model', { rows: [[5, 3, 'garden']] }, [{ value: 531 }]],
  ])('%s', async (_, value, wanted) => expect(await ask(table(), value)).toEqual(wanted));

  it('cuts many rows into parts that the model takes, in order', async () => {
    const inner = fakeModel(matrix, placed);
    const model = lifted(tabularRegression, inner, { features });
    const call = new Call();
    const rows = Array.from({ length: 39 }, (_, index) => ({ ...row, sepal_length: index }));
    expect(await model.predict!(rows, call)).toEqual(rows.map(({ sepal_length }) => ({ value: 100 * sepal_length + 31 })));
    expect(inner.requests.map((request) => request.inputs.get('rows')!.shape[0]).toSorted((a, b) => a! - b!)).toEqual([3, ...new Array<number>(9).fill(4)]);
    expect(new Set(inner.calls).size).toBe(10);
  });

  it('runs one row under the call itself, so that it joins batches', async () => {
    const inner = fakeModel(matrix, placed);
    const call = new Call();
    await lifted(tabularRegression, inner, { features }).predict!(row, call);
    expect(inner.calls).toEqual([call]);
  });
});

describe('mistakes', () => {
  const good = { sepal_length: 5, sepal_width: 3, kind: 'wild' };
  it.each<[string, unknown, string | undefined, RegExp]>([
    ['missing column', { sepal_length: 5, kind: 'wild' }, 'sepal_width', /^column 'sepal_width' is missing: write a number in cm$/],
    ['unknown column', { ...good, sepal_lenght: 5 }, 'sepal_lenght', /^there is no column 'sepal_lenght'; did you mean 'sepal_length'\?$/],
    ['text', { ...good, sepal_width: 'wide' }, 'sepal_width', /^column 'sepal_width' is the text 'wide': write a number in cm$/],
    ['a number in quotation marks', { ...good, sepal_width: '3.1' }, 'sepal_width', /write the number without quotation marks/],
    ['a truth value', { ...good, sepal_width: true }, 'sepal_width', /is the boolean true/],
    ['a list', { ...good, sepal_width: [3] }, 'sepal_width', /is an array/],
    ['an object', { ...good, sepal_width: {} }, 'sepal_width', /is an object/],
    ['null', { ...good, sepal_width: null }, 'sepal_width', /^column 'sepal_width' is null/],
    ['NaN', { ...good, sepal_width: NaN }, 'sepal_width', /^column 'sepal_width' is NaN, not a number: write a number in cm$/],
    ['an empty cell', { ...good, sepal_width: '' }, 'sepal_width', /^column 'sepal_width' is empty/],
    ['infinity', { ...good, sepal_width: Infinity }, 'sepal_width', /is Infinity: the model computes in FP32/],
    ['too large for the model', { ...good, sepal_width: 1e39 }, 'sepal_width', /is 1e\+39: the model computes in FP32, whose numbers end at/],
    ['unknown category', { ...good, kind: 'gardn' }, 'kind', /^column 'kind' is 'gardn', which is no known category; did you mean 'garden'\?$/],
    ['no category', { ...good, kind: 'sea' }, 'kind', /no known category; there are 'wild', 'garden'$/],
    ['a category that is missing', { sepal_length: 5, sepal_width: 3 }, 'kind', /^column 'kind' is missing: write one of its categories: 'wild', 'garden'$/],
    ['in one of many rows', [good, { ...good, kind: 7 }], '[1].kind', /'7', which is no known category.* \(row 1, counted from 0\)$/],
    ['a row that is no object', [good, 3], '[1]', /^a row is a number/],
    ['a row without names', [[5, 3, 'wild']], '[0]', /^a row is a list without column names: write \{"columns": \["sepal_length", …\], "rows"/],
    ['nothing', null, undefined, /^the value is null: write an object with its columns, \{"sepal_length": …\}$/],
    ['a file', new Uint8Array(3), undefined, /^the value is a file/],
    ['rows that are no list', { rows: 3 }, 'rows', /'rows' is not a list/],
    ['columns that are no list', { rows: [], columns: 'sepal_length' }, 'columns', /'columns' is not a list/],
    ['an unknown name among columns', { columns: ['sepal_length', 'sepal_with', 'kind'], rows: [] }, 'columns[1]', /there is no column 'sepal_with'; did you mean 'sepal_width'\?/],
    ['a column twice', { columns: ['kind', 'kind', 'sepal_width'], rows: [] }, 'columns[1]', /column 'kind' is there twice/],
    ['a column less', { columns: ['sepal_length', 'kind'], rows: [] }, 'columns', /^column 'sepal_width' is missing: the model takes 'sepal_length', 'sepal_width', 'kind'$/],
    ['a short row', { rows: [[5, 3, 'wild'], [5, 3]] }, 'rows[1]', /^a row has 2 cells, but there are 3 columns \(row 1, counted from 0\)$/],
    ['a wrong cell', { columns: ['kind', 'sepal_width', 'sepal_length'], rows: [['wild', 'x', 5]] }, 'rows[0][1]', /column 'sepal_width' is the text 'x'.*row 0/],
    ['something beside rows', { rows: [], colums: [] }, 'colums', /beside 'rows' there may be 'columns', but not 'colums'/],
    ['a poisoned name', JSON.parse('{"__proto__": 1}'), '__proto__', /there is no column '__proto__'/],
  ])('%s', async (_, value, at, message) => {
    await expect(ask(table(), value)).rejects.toMatchObject({ code: 'INVALID_VALUE', at, message: expect.stringMatching(message) as string });
  });

  it('any JSON is answered or refused, never worse', async () => {
    const runs = Number(process.env['MODELPORT_FUZZ_RUNS'] ?? 2000);
    let state = 99;
    const random = (limit: number) => {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      return Math.floor((state / 2 ** 32) * limit);
    };
    const names = ['sepal_length', 'sepal_width', 'kind', 'rows', 'columns', 'x', '__proto__', ''];
    const leaves: unknown[] = [1, 0, -1e308, 2.5, 'wild', 'garden', '', '5', null, true, NaN, Infinity];
    const value = (depth: number): unknown => {
      const kind = random(depth > 3 ? 1 : 5);
      if (kind <= 1) return leaves[random(leaves.length)];
      if (kind === 2) return Array.from({ length: random(4) }, () => value(depth + 1));
      if (kind === 3) return Object.fromEntries(Array.from({ length: random(4) }, () => [names[random(names.length)]!, value(depth + 1)]));
      return { sepal_length: value(9), sepal_width: value(9), kind: random(2) === 0 ? 'wild' : value(9) };
    };
    const model = table();
    let answered = 0;
    for (let run = 0; run < runs; run++) {
      try {
        await ask(model, value(0));
        answered++;
      } catch (error) {
        if (!isModelportError(error) || error.code !== 'INVALID_VALUE') throw error;
      }
    }
    expect(answered).toBeGreaterThan(0);
    expect(answered).toBeLessThan(runs);
  });
});

describe('columns and inputs', () => {
  const answer = (): [string, Tensor][] => [['value', { datatype: 'FP32', shape: [1], data: Float32Array.of(1) }]];
  const inputsOf = async (signature: Signature, options: object, value: unknown) => {
    const inner = fakeModel(signature, answer);
    await ask(lifted(tabularRegression, inner, options), value);
    return inner.requests[0]!.inputs;
  };
  const out = [spec('value', 'FP32', ['batch'])];

  it('one input a column, each in its datatype', async () => {
    const signature = signatureOf(
      [spec('age', 'INT64', ['batch', 1]), spec('income', 'FP64', ['batch']), spec('city', 'BYTES', ['batch', 1]), spec('member', 'BOOL', ['batch', 1]), spec('height', 'FP16', ['batch', 1]), spec('grade', 'INT32', ['batch', 1])],
      out,
    );
    const options = { features: [{ name: 'grade', categories: { low: 5, high: 9 } }, { name: 'town', input: 'city', categories: ['Aachen', 'Köln'] }, ...['age', 'income', 'member', 'height'].map((name) => ({ name }))] };
    const inputs = await inputsOf(signature, options, { age: 41, income: 1e300, town: 'Köln', member: true, height: 1.5, grade: 'high' });
    expect(inputs.get('age')).toEqual({ datatype: 'INT64', shape: [1, 1], data: BigInt64Array.of(41n) });
    expect(inputs.get('income')).toEqual({ datatype: 'FP64', shape: [1], data: Float64Array.of(1e300) });
    expect(textOf(inputs.get('city')!)).toEqual(['Köln']);
    expect(inputs.get('member')).toEqual({ datatype: 'BOOL', shape: [1, 1], data: Uint8Array.of(1) });
    expect(fromHalf(inputs.get('height')!.data[0] as number)).toBe(1.5);
    expect(inputs.get('grade')).toEqual({ datatype: 'INT32', shape: [1, 1], data: Int32Array.of(9) });
    await expect(inputsOf(signature, options, { age: 41.5, income: 1, town: 'Köln', member: true, height: 1, grade: 'low' })).rejects.toMatchObject({ at: 'age', message: expect.stringMatching(/'age' is 41\.5: write a whole number/) as string });
    await expect(inputsOf(signature, options, { age: 1e300, income: 1, town: 'Köln', member: true, height: 1, grade: 'low' })).rejects.toMatchObject({ at: 'age', message: expect.stringMatching(/beyond 2\^53/) as string });
    await expect(inputsOf(signature, options, { age: 4, income: 1, town: 'Köln', member: 'yes', height: 1, grade: 'low' })).rejects.toMatchObject({ at: 'member', message: expect.stringMatching(/write true or false/) as string });
    await expect(inputsOf(signature, options, { age: 4, income: 1, town: 'Köln', member: true, height: 7e4, grade: 'low' })).rejects.toMatchObject({ at: 'height', message: expect.stringMatching(/FP16, whose numbers end at ±65504/) as string });
  });

  it('a matrix of text', async () => {
    const signature = signatureOf([spec('rows', 'BYTES', ['batch', 2])], out);
    const inputs = await inputsOf(signature, { features: [{ name: 'a' }, { name: 'b', nullable: true }] }, { a: '', b: null });
    expect(textOf(inputs.get('rows')!)).toEqual(['', '']);
  });

  it('missing values reach models that know them', async () => {
    const inputs = await inputsOf(matrix, { features: [{ name: 'a', nullable: true }, { name: 'b' }, { name: 'c', nullable: true, categories: ['x'] }] }, { a: null, b: 2, c: NaN });
    expect([...(inputs.get('rows')!.data as Float32Array)]).toEqual([NaN, 2, NaN]);
  });

  it('optional inputs may be left out', async () => {
    const signature = signatureOf([spec('a', 'FP32', ['batch', 1]), spec('b', 'FP32', ['batch', 1], { optional: true })], out);
    expect([...(await inputsOf(signature, {}, { a: 1 })).keys()]).toEqual(['a']);
    expect([...(await inputsOf(signature, {}, { a: 1, b: 2 })).keys()]).toEqual(['a', 'b']);
    await expect(inputsOf(signature, {}, [{ a: 1 }, { a: 1, b: 2 }])).rejects.toMatchObject({ code: 'INVALID_VALUE', message: expect.stringMatching(/'b' is there in some rows and missing in others/) as string });
  });

  it('a model without rows takes one at a time', async () => {
    const single: Signature = { inputs: [{ name: 'x', datatype: 'FP32', shape: [2] }], outputs: [{ name: 'value', datatype: 'FP32', shape: [1] }], batch: { maxSize: 0, reason: '' } };
    const inner = fakeModel(single, answer);
    expect(await ask(lifted(tabularRegression, inner), [{ feature_0: 1, feature_1: 2 }, { feature_0: 3, feature_1: 4 }])).toHaveLength(2);
    expect(inner.requests.map((request) => request.inputs.get('x'))).toEqual([
      { datatype: 'FP32', shape: [2], data: Float32Array.of(1, 2) },
      { datatype: 'FP32', shape: [2], data: Float32Array.of(3, 4) },
    ]);
  });

  it.each<[Signature, object, RegExp]>([
    [matrix, { features: features.slice(1) }, /task\.features names 2 columns, but input 'rows' takes 3/],
    [matrix, { features: [{ name: 'a' }, { name: 'a' }, { name: 'b' }] }, /two features are named 'a'/],
    [signatureOf([spec('rows', 'FP32', ['batch', 'columns'])], out), {}, /takes any number of columns: name them with task\.features/],
    [signatureOf([spec('x', 'FP32', ['batch', 3, 8, 8])], out), {}, /tabular-regression takes the rows of a table, but input 'x' is FP32 \[batch, 3, 8, 8\]/],
    [signatureOf([spec('signal', 'FP32', ['batch', 150528])], out), {}, /input 'signal' is FP32 \[batch, 150528\], and a table has at most 4096 columns/],
    [signatureOf([spec('a', 'FP32', ['batch', 1]), spec('b', 'FP32', ['batch', 2])], out), {}, /a model of several inputs takes one column in each/],
    [signatureOf([spec('a', 'FP32', ['batch', 1]), spec('b', 'FP32', ['batch', 1])], out), { features: [{ name: 'a' }, { name: 'c' }] }, /feature 'c': the model has no input 'c'/],
    [signatureOf([spec('a', 'FP32', ['batch', 1]), spec('b', 'FP32', ['batch', 1])], out), { features: [{ name: 'a' }] }, /no feature feeds input 'b'/],
    [signatureOf([spec('a', 'INT32', ['batch', 1])], out), { features: [{ name: 'a', nullable: true }] }, /can't be nullable: input 'a' is INT32/],
    [signatureOf([spec('a', 'INT32', ['batch', 1])], out), { features: [{ name: 'a', categories: { x: 1.5 } }] }, /category 'x' is 1\.5, but input 'a' takes whole numbers/],
    [matrix, { output: 'valeu' }, /task\.output is 'valeu', but no output of that name is one number a row; did you mean 'value'\?/],
    [signatureOf([spec('rows', 'FP32', ['batch', 3])], [spec('scores', 'FP32', ['batch', 5])]), {}, /no output is one number a row/],
  ])('refuses what does not fit (%#)', (signature, options, message) => {
    expect(() => lifted(tabularRegression, fakeModel(signature, answer), options)).toThrow(expect.objectContaining({ code: 'INVALID_CONFIG', message: expect.stringMatching(message) as string }) as Error);
  });
});

describe('schema', () => {
  it('shows a form one row first, with ranges as hints and not as limits', () => {
    const { predict } = table().signature;
    const [row, rows, columns] = predict!.input['anyOf'] as Record<string, unknown>[];
    expect(row).toMatchObject({
      type: 'object',
      required: ['sepal_length', 'sepal_width', 'kind'],
      additionalProperties: false,
      properties: {
        sepal_length: { type: 'number', 'x-modelport': { widget: 'slider', minimum: 4.3, maximum: 7.9, step: 0.1, unit: 'cm' } },
        kind: { type: 'string', enum: ['wild', 'garden'] },
      },
    });
    expect(rows).toMatchObject({ type: 'array', items: { type: 'object' } });
    expect(columns).toMatchObject({ properties: { columns: { const: ['sepal_length', 'sepal_width', 'kind'] } } });
    expect(predict!.examples).toEqual([{ sepal_length: 6.1, sepal_width: 3.2, kind: 'wild' }]);
  });

  it('takes units and ranges of the signature', () => {
    const signature = signatureOf([spec('age', 'INT32', ['batch', 1], { unit: 'years', minimum: 0, maximum: 99, description: 'Since birth.' })], [spec('value', 'FP32', ['batch'])]);
    const { predict } = lifted(tabularRegression, fakeModel(signature, () => []), { target: { title: 'Price', unit: '€' } }).signature;
    expect((predict!.input['anyOf'] as unknown[])[0]).toMatchObject({ properties: { age: { type: 'integer', minimum: -2147483648, description: 'Since birth.', 'x-modelport': { unit: 'years', maximum: 99 } } } });
    expect(predict!.examples).toEqual([{ age: 50 }]);
    expect((predict!.output['anyOf'] as unknown[])[0]).toMatchObject({ properties: { value: { title: 'Price', 'x-modelport': { unit: '€' } } } });
  });
});

describe('classes', () => {
  const scores = spec('probabilities', 'FP32', ['batch', 3]);
  const probabilities: [string, Tensor] = ['probabilities', { datatype: 'FP32', shape: [2, 3], data: Float32Array.of(0.25, 0.5, 0.25, 0.75, 0.125, 0.125) }];
  const rows = [{ feature_0: 1, feature_1: 2 }, { feature_0: 3, feature_1: 4 }];
  const input = [spec('x', 'FP32', ['batch', 2])];

  it('from scores', async () => {
    const signature = signatureOf(input, [{ ...scores, labels: ['a', 'b', 'c'] }]);
    expect(await ask(lifted(tabularClassification, fakeModel(signature, () => [probabilities])), rows)).toEqual([
      { label: 'b', score: 0.5, probabilities: { a: 0.25, b: 0.5, c: 0.25 } },
      { label: 'a', score: 0.75, probabilities: { a: 0.75, b: 0.125, c: 0.125 } },
    ]);
  });

  it('from the class that the model names, and scores', async () => {
    const signature = signatureOf(input, [spec('output_label', 'INT64', ['batch']), { ...scores, labels: ['7', '8', '9'] }]);
    const model = lifted(tabularClassification, fakeModel(signature, () => [['output_label', { datatype: 'INT64', shape: [2], data: BigInt64Array.of(8n, 9n) }], probabilities]));
    expect(await ask(model, rows)).toMatchObject([{ label: '8', score: 0.5 }, { label: '9', score: 0.125 }]);
  });

  it('numbers of classes become their labels', async () => {
    const signature = signatureOf(input, [spec('label', 'INT64', ['batch']), scores]);
    const model = lifted(tabularClassification, fakeModel(signature, () => [['label', { datatype: 'INT64', shape: [2], data: BigInt64Array.of(1n, 0n) }], probabilities]), { labels: ['ant', 'bee', 'cow'] });
    expect(await ask(model, rows)).toMatchObject([{ label: 'bee', score: 0.5 }, { label: 'ant', score: 0.75 }]);
  });

  it('from text alone', async () => {
    const signature = signatureOf(input, [spec('label', 'BYTES', ['batch'])]);
    const model = lifted(tabularClassification, fakeModel(signature, () => [['label', textTensor([2], ['ham', 'spam'])]]));
    expect(await ask(model, rows)).toEqual([{ label: 'ham' }, { label: 'spam' }]);
  });

  it('are detected with a reason', () => {
    const detect = (signature: Signature) => tabularClassification.detect(factsOf(signature))?.reason;
    expect(detect(signatureOf(input, [spec('label', 'INT64', ['batch']), scores]))).toBe("input 'x' is rows of a fixed number of columns, and outputs 'label' and 'probabilities' are class and scores");
    expect(detect(signatureOf(input, [{ ...scores, labels: ['a', 'b', 'c'] }]))).toMatch(/has 3 labels/);
    expect(detect(signatureOf(input, [scores]))).toBeUndefined();
    expect(detect(signatureOf([spec('ids', 'INT64', ['batch', 'length'])], [spec('label', 'INT64', ['batch']), scores]))).toBeUndefined();
    expect(tabularRegression.detect(factsOf(signatureOf(input, [spec('variable', 'FP32', ['batch', 1])])))?.reason).toMatch(/one number a row/);
    expect(tabularRegression.detect(factsOf(signatureOf(input, [spec('probability', 'FP32', ['batch', 1])])))).toBeUndefined();
  });
});
