/** Values of the pickle reader in the form in which scripts/fixtures/pickles.py writes what Python holds. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { isModelportError } from '../../../src/errors.ts';
import { fromHalf } from '../../../src/lib/half-float.ts';
import { NumpyArray, NumpyScalar, arrayField } from '../../../src/formats/numpy/numpy-array.ts';
import { numpyClasses } from '../../../src/formats/numpy/numpy-classes.ts';
import { NumpyDtype } from '../../../src/formats/numpy/numpy-dtype.ts';
import { data, firstOf } from '../../../src/formats/pickle/pickle-class.ts';
import { PickledFloat, PickledGlobal, PickledObject, isTuple } from '../../../src/formats/pickle/pickle-value.ts';
import { PickledComplex } from '../../../src/formats/pickle/standard-classes.ts';

export const folder = join(import.meta.dirname, '../../fixtures/pickles');
export const fixture = (name: string): Buffer => readFileSync(join(folder, name));
export const expectedValue = (name: string): unknown => JSON.parse(readFileSync(join(folder, name), 'utf8'));

/** Everything of scikit-learn and what its estimators hold, as data. */
export const sklearnClasses = firstOf(numpyClasses, (module) => (module.startsWith('sklearn.') || module.startsWith('scipy.sparse.') || module === '_loss' ? data : undefined));

/** As Python's repr of a float, by value: both sides go through this. */
function floatText(value: number): string {
  return Object.is(value, -0) ? '-0' : String(value);
}

function element(value: unknown, dtype: NumpyDtype): unknown {
  if (dtype.kind === 'O') return describe(value);
  if (dtype.kind === 'b') return Number(value);
  if (dtype.kind === 'f') return floatText(dtype.itemSize === 2 ? fromHalf(value as number) : (value as number));
  if (dtype.kind === 'S') return Buffer.from(value as Uint8Array).toString('hex');
  return dtype.kind === 'U' ? value : String(value);
}

function describeArray(array: NumpyArray): unknown {
  const { dtype, shape } = array;
  if (dtype.fields !== undefined) {
    return { records: Object.fromEntries(dtype.fields.map(({ name }) => [name, (describeArray(arrayField(array, name)) as { array: unknown }).array])), shape };
  }
  if (dtype.kind === 'c') {
    const parts = Array.from(array.data as Float64Array, floatText);
    return { array: { dtype: dtype.name, shape, data: Array.from({ length: array.size }, (_, index) => [parts[2 * index], parts[2 * index + 1]]) } };
  }
  return { array: { dtype: dtype.name, shape, data: Array.from(array.data as unknown[], (value) => element(value, dtype)) } };
}

function described(values: Iterable<unknown>): unknown[] {
  return [...values].map((value) => describe(value));
}

export function describe(value: unknown): unknown {
  if (value === null || typeof value === 'boolean' || typeof value === 'string') return value;
  if (typeof value === 'number' && !Number.isInteger(value)) return { float: floatText(value) };
  if (typeof value === 'number' || typeof value === 'bigint') return { int: String(value) };
  if (value instanceof PickledFloat) return { float: floatText(value.value) };
  if (value instanceof Uint8Array) return { bytes: Buffer.from(value).toString('hex') };
  if (isTuple(value)) return { tuple: described(value) };
  if (Array.isArray(value)) return { list: described(value) };
  if (value instanceof Map) return { dict: [...value].map(([key, item]) => [describe(key), describe(item)]) };
  if (value instanceof Set) return { set: described(value).sort((left, right) => (JSON.stringify(left) < JSON.stringify(right) ? -1 : 1)) };
  if (value instanceof PickledComplex) return { complex: [floatText(value.real), floatText(value.imaginary)] };
  if (value instanceof NumpyArray) return describeArray(value);
  if (value instanceof NumpyDtype) return { dtype: value.name };
  if (value instanceof NumpyScalar) {
    const { dtype } = value;
    return { scalar: { dtype: dtype.name, value: dtype.kind === 'c' ? Array.from(value.value as number[], floatText) : element(value.value, dtype) } };
  }
  if (value instanceof PickledGlobal) return { global: value.path };
  if (value instanceof PickledObject) {
    return {
      object: value.path,
      args: described(value.args),
      state: value.state === undefined ? null : describe(value.state),
      ...(value.items.length === 0 ? {} : { items: described(value.items) }),
      ...(value.entries.size === 0 ? {} : { entries: [...value.entries].map(([key, item]) => [describe(key), describe(item)]) }),
    };
  }
  throw new Error(`cannot describe ${typeof value}`);
}

/** What the fixture's JSON says, with floats in JavaScript's text and, where the reader cannot tell them apart, integral floats as ints. */
export function normalize(value: unknown, floatsAsInts = false): unknown {
  if (Array.isArray(value)) return value.map((item) => normalize(item, floatsAsInts));
  if (typeof value !== 'object' || value === null) return value;
  const record = value as Record<string, unknown>;
  if (typeof record['float'] === 'string') {
    const number = Number(record['float']);
    return floatsAsInts && Number.isInteger(number) ? { int: String(number) } : { float: floatText(number) };
  }
  if (Array.isArray(record['complex'])) return { complex: record['complex'].map((part) => floatText(Number(part))) };
  if ('dtype' in record && 'value' in record) return { dtype: record['dtype'], value: numbers(record['dtype'], record['value'], floatsAsInts) };
  if ('dtype' in record && 'data' in record) return { dtype: record['dtype'], shape: record['shape'], data: (record['data'] as unknown[]).map((item) => numbers(record['dtype'], item, floatsAsInts)) };
  return Object.fromEntries(Object.entries(record).map(([key, item]) => [key, normalize(item, floatsAsInts)]));
}

function numbers(dtype: unknown, value: unknown, floatsAsInts: boolean): unknown {
  const kind = String(dtype)[0]!;
  if (kind === 'f') return floatText(Number(value));
  if (kind === 'c') return (value as string[]).map((part) => floatText(Number(part)));
  return kind === 'O' ? normalize(value, floatsAsInts) : value;
}

/** The message of the `INVALID_MODEL` that `run` throws; anything else is a failure of the test. */
export function refusal(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    if (!isModelportError(error) || error.code !== 'INVALID_MODEL') throw error;
    return error.message;
  }
  throw new Error('nothing was thrown');
}
