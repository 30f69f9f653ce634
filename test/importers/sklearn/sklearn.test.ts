import { createRequire } from 'node:module';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { isModelportError } from '../../../src/errors.ts';
import { importEstimator, sklearn } from '../../../src/importers/sklearn/sklearn.ts';
import { inferSignature } from '../../../src/onnx/infer-signature.ts';
import { writeModelBytes } from '../../../src/onnx/write-model.ts';
import { fuzzRuns, random } from '../../fixtures/random.ts';

const folder = fileURLToPath(new URL('fixtures/', import.meta.url));

interface NumericArray {
  readonly shape: readonly number[];
  /** NumPy's kind of the elements. */
  readonly kind: string;
  readonly data: readonly (number | string | boolean | null)[];
}

interface Case {
  readonly estimator: string;
  readonly label: string;
  readonly file: string;
  readonly input: NumericArray | { readonly columns: Readonly<Record<string, NumericArray>> };
  readonly outputs: Readonly<Record<string, NumericArray | readonly NumericArray[]>>;
}

const { cases } = JSON.parse(readFileSync(join(folder, 'cases.json'), 'utf8')) as { readonly cases: readonly Case[] };
/** What scikit-learn 0.20.4 saved: some cases that scripts/parity/sklearn_cases.py wrote on Python 3.6. */
const oldFolder = fileURLToPath(new URL('fixtures-0.20/', import.meta.url));
const { cases: oldCases } = JSON.parse(readFileSync(join(oldFolder, 'cases.json'), 'utf8')) as { readonly cases: readonly Case[] };
const { InferenceSession, Tensor } = createRequire(import.meta.url)('onnxruntime-node') as typeof import('onnxruntime-node');

function fixture(name: string): { readonly row: Case; readonly bytes: Buffer } {
  const row = cases.find(({ estimator, label }) => estimator === name || `${estimator} (${label})` === name);
  if (row === undefined) throw new Error(`no fixture of ${name}`);
  return { row, bytes: readFileSync(join(folder, row.file)) };
}

function fed(specs: readonly { readonly name: string; readonly datatype: string; readonly shape: readonly unknown[] }[], input: Case['input']) {
  return Object.fromEntries(
    specs.map((spec, index) => {
      let array: NumericArray;
      if ('columns' in input) array = input.columns[spec.name]!;
      else if (specs.length === 1) array = input;
      else array = { ...input, shape: [input.shape[0]!, 1], data: input.data.filter((_, at) => (at % input.shape[1]!) === index) };
      const shape = [array.shape[0]!, ...(spec.shape.length === 1 ? [] : [array.shape[1] ?? 1])];
      return [spec.name, spec.datatype === 'BYTES' ? new Tensor('string', array.data.map((value) => String(value ?? '')), shape) : new Tensor('float64', Float64Array.from(array.data, Number), shape)];
    }),
  );
}

const outputNames: Readonly<Record<string, readonly string[]>> = { predict: ['label', 'prediction'], predict_proba: ['probabilities'], decision_function: ['decision_function'], transform: ['transform'], score_samples: ['score_samples'] };

describe('estimators answer as in scikit-learn', () => {
  it('there are fixtures', () => expect(cases.length).toBeGreaterThan(25));

  it.each([
    ...cases.map((row) => [`${row.estimator} ${row.label}`, row, folder] as const),
    ...oldCases.map((row) => [`0.20.4: ${row.estimator} ${row.label}`, row, oldFolder] as const),
  ])('%s', async (_, row, place) => {
    const model = await importEstimator(readFileSync(join(place, row.file)), row.file);
    const { signature, warnings } = inferSignature(model);
    expect(warnings).toEqual([]);
    // Rows that are solved together are not joined with those of others.
    if (row.estimator === 'NMF') expect(signature.batch.maxSize).toBe(0);
    else expect(signature.batch.maxSize).toBeGreaterThan(0);
    const session = await InferenceSession.create(Buffer.from(writeModelBytes(model)), { logSeverityLevel: 4 });
    const outputs = await session.run(fed(signature.inputs, row.input));
    await session.release();
    let compared = 0;
    for (const [method, wanted] of Object.entries(row.outputs)) {
      const parts = Array.isArray(wanted) ? (wanted as NumericArray[]).map((part, index) => [`${outputNames[method]![0]}_${index}`, part] as const) : [[outputNames[method]!.find((name) => outputs[name] !== undefined), wanted as NumericArray] as const];
      for (const [name, { shape, kind, data }] of parts) {
        const found = outputs[name ?? ''];
        if (found === undefined) continue;
        compared++;
        expect(found.dims, `${name}`).toEqual(shape);
        const elements = [...(found.data as Iterable<unknown>)];
        if (kind !== 'f') expect(elements.map((value) => (kind === 'b' ? Boolean(value) : String(value)))).toEqual(data.map((value) => (kind === 'b' ? value : String(value))));
        else for (const [at, value] of data.entries()) {
          const expected = Number(value);
          expect(Math.abs(Number(elements[at]) - expected), `${name}[${at}]: ${String(elements[at])} and ${expected}`).toBeLessThanOrEqual(1e-5 * Math.max(Math.abs(expected), 1e-3));
        }
      }
    }
    expect(compared).toBeGreaterThan(0);
  });
});

it('what answered otherwise in an old version is refused', async () => {
  const name = readdirSync(oldFolder).find((file) => file.startsWith('refused-'))!;
  await expect(importEstimator(readFileSync(join(oldFolder, name)), name)).rejects.toThrow(/LinearDiscriminantAnalysis \(scikit-learn 0\.20\.4\) cannot be imported: it answers otherwise before scikit-learn 0\.24/);
});

describe('the signature', () => {
  it('names the columns of a frame, with their kinds', async () => {
    const { row, bytes } = fixture('Pipeline (frame: logistic regression)');
    const { signature } = inferSignature(await importEstimator(bytes, row.file));
    expect(signature.inputs.map(({ name, datatype, shape }) => [name, datatype, shape])).toEqual([
      ['age', 'FP64', ['rows', 1]],
      ['income', 'FP64', ['rows', 1]],
      ['city', 'BYTES', ['rows', 1]],
      ['plan', 'BYTES', ['rows', 1]],
      ['visits', 'FP64', ['rows', 1]],
    ]);
    expect(signature.outputs.find(({ name }) => name === 'label')?.datatype).toBe('BYTES');
    expect(signature.outputs.find(({ name }) => name === 'probabilities')?.labels).toEqual(['leaves', 'stays']);
  });
});

describe('files', () => {
  it('are known by their content', () => {
    for (const { file } of cases) expect(sklearn.accepts(readFileSync(join(folder, file)).subarray(0, 65_536), 0), file).toBe(true);
    expect(sklearn.accepts(Buffer.from('\x80\x04\x95\x05\0\0\0\0\0\0\0\x8c\x01a\x94.', 'latin1'), 16)).toBe(false);
    expect(sklearn.accepts(Buffer.from('sklearn'), 7)).toBe(false);
    expect(sklearn.accepts(Buffer.alloc(0), 0)).toBe(false);
  });

  it('are written as ONNX beside nothing else', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'modelport-sklearn-'));
    try {
      const { row } = fixture('StandardScaler');
      const artifact = await sklearn.import({ format: 'sklearn', directory: folder, main: row.file, files: [], metadata: {} }, directory);
      expect(artifact).toMatchObject({ format: 'onnx', main: 'model.onnx', files: [{ path: 'model.onnx' }], metadata: { framework: 'scikit-learn' } });
      expect(readFileSync(join(directory, 'model.onnx')).length).toBe(artifact.files[0]!.sizeBytes);
    } finally {
      rmSync(directory, { recursive: true });
    }
  });

  it('are imported in float32 where that is asked for, with the same labels', async () => {
    const { row, bytes } = fixture('DecisionTreeClassifier');
    const model = await importEstimator(bytes, row.file, { precision: 'float32' });
    const { signature } = inferSignature(model);
    expect(signature.inputs[0]!.datatype).toBe('FP32');
    expect(signature.outputs.find(({ name }) => name === 'probabilities')?.datatype).toBe('FP32');
    const session = await InferenceSession.create(Buffer.from(writeModelBytes(model)), { logSeverityLevel: 4 });
    const input = row.input as NumericArray;
    const outputs = await session.run({ X: new Tensor('float32', Float32Array.from(input.data, Number), [...input.shape]) });
    await session.release();
    expect([...(outputs['label']!.data as Iterable<unknown>)].map(String)).toEqual((row.outputs['predict'] as NumericArray).data.map(String));
  });

  it.each([
    [{ inputs: [{ datatype: 'FP32', shape: [1] }] }, /says itself what its inputs are/],
    [{ architecture: 'resnet50' }, /leave the architecture 'resnet50' out/],
  ] as const)('options that mean nothing to them are refused', async (options, message) => {
    const { row } = fixture('StandardScaler');
    await expect(sklearn.import({ format: 'sklearn', directory: folder, main: row.file, files: [], metadata: {} }, join(tmpdir(), 'modelport-never-written'), options)).rejects.toThrow(message);
  });

  /** A pickle of protocol 2 of an instance of `module.Class` with a state of texts. */
  const instance = (module: string, name: string, state: Readonly<Record<string, string>> = {}) =>
    Buffer.concat([
      Buffer.from(`\x80\x02c${module}\n${name}\n)\x81}(`, 'latin1'),
      ...Object.entries(state).flatMap(([key, value]) => [key, value]).map((text) => {
        const bytes = Buffer.alloc(5 + text.length, text, 'latin1');
        bytes.write('X', 0, 'latin1');
        bytes.writeUInt32LE(text.length, 1);
        bytes.write(text, 5, 'latin1');
        return bytes;
      }),
      Buffer.from('ub.', 'latin1'),
    ]);

  it.each([
    [instance('sklearn.manifold._t_sne', 'TSNE', { _sklearn_version: '1.5.0' }), /sklearn\.manifold\._t_sne\.TSNE \(scikit-learn 1\.5\.0\) cannot be imported: it is not covered/],
    [instance('my_code.models', 'Special'), /my_code\.models\.Special cannot be imported: it is not a class of scikit-learn/],
    [instance('sklearn.linear_model._base', 'LinearRegression'), /LinearRegression cannot be imported: it has no coef_; is it fitted\?/],
    [instance('posix', 'system'), /posix\.system cannot be imported/],
    [Buffer.from('\x80\x02K\x01.', 'latin1'), /the pickle holds an int, not an estimator/],
  ])('what is not covered is refused by name', async (bytes, message) => {
    await expect(importEstimator(bytes, 'model.pkl')).rejects.toMatchObject({ code: 'INVALID_MODEL', message: expect.stringMatching(message) as string });
  });

  it('fuzz: damaged files are refused, and nothing else happens', async () => {
    const chance = random(20);
    const originals = cases.map(({ file }) => readFileSync(join(folder, file)));
    for (let run = 0; run < fuzzRuns; run++) {
      const original = chance.pick(originals);
      const bytes = Buffer.from(chance.next() < 0.2 ? original.subarray(0, Math.floor(chance.next() * original.length)) : original);
      for (let change = Math.floor(chance.next() * 4); change >= 0; change--) bytes[Math.floor(chance.next() * bytes.length)] = Math.floor(chance.next() * 256);
      try {
        await importEstimator(bytes, 'damaged.pkl');
      } catch (error) {
        if (!isModelportError(error) || error.code !== 'INVALID_MODEL') throw error;
      }
    }
  });
});
