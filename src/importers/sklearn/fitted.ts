/** A fitted estimator as its pickle has it: attributes, read with the type that a converter expects. */
import { ModelportError } from '../../errors.ts';
import { fromHalf } from '../../lib/half-float.ts';
import { NumpyArray, NumpyScalar } from '../../formats/numpy/numpy-array.ts';
import { PickledObject, describePickleValue, type PickleValue } from '../../formats/pickle/pickle-value.ts';

/** Row-major numbers. Integers and booleans are numbers too. */
export interface Matrix {
  readonly shape: readonly number[];
  readonly data: Float64Array;
}

export type Labels =
  | { readonly kind: 'integer'; readonly values: readonly number[] }
  | { readonly kind: 'float'; readonly values: readonly number[] }
  | { readonly kind: 'boolean'; readonly values: readonly boolean[] }
  | { readonly kind: 'text'; readonly values: readonly string[] };

export class Fitted {
  readonly object: PickledObject;
  /** `module.Class`. */
  readonly path: string;
  /** The scikit-learn that saved it; '' where the pickle does not say. */
  readonly version: string;
  readonly #attributes: ReadonlyMap<PickleValue, PickleValue>;

  constructor(object: PickledObject, inheritedVersion = '') {
    this.object = object;
    this.path = object.path;
    this.#attributes = object.attributes;
    const version = this.#attributes.get('_sklearn_version');
    this.version = typeof version === 'string' ? version : inheritedVersion;
  }

  /** `LinearRegression`. */
  get name(): string {
    return this.object.name;
  }

  /** Says that this estimator is not covered, and why. */
  refuse(reason: string): never {
    const version = this.version === '' ? '' : ` (scikit-learn ${this.version})`;
    throw new ModelportError('INVALID_MODEL', `${this.path}${version} cannot be imported: ${reason}`, { at: this.path });
  }

  /** Whether a scikit-learn before this one saved it; false where the pickle does not say. */
  isBefore(major: number, minor: number): boolean {
    const [givenMajor, givenMinor] = this.version.split('.').map(Number);
    return givenMajor !== undefined && (givenMajor < major || (givenMajor === major && (givenMinor ?? 0) < minor)) && this.version !== '';
  }

  /** None and what is missing are undefined. */
  get(name: string): PickleValue | undefined {
    return this.#attributes.get(name) ?? undefined;
  }

  has(name: string): boolean {
    return this.get(name) !== undefined;
  }

  #wrong(name: string, expected: string): never {
    const value = this.get(name);
    return this.refuse(value === undefined ? `it has no ${name}; is it fitted?` : `its ${name} is ${describePickleValue(value)}, not ${expected}`);
  }

  number(name: string, otherwise?: number): number {
    const value = numberOf(this.get(name));
    return value ?? (otherwise === undefined || this.has(name) ? this.#wrong(name, 'a number') : otherwise);
  }

  text(name: string, otherwise?: string): string {
    const value = this.get(name);
    if (typeof value === 'string') return value;
    return otherwise === undefined || value !== undefined ? this.#wrong(name, 'a text') : otherwise;
  }

  flag(name: string, otherwise?: boolean): boolean {
    const value = scalarOf(this.get(name));
    if (typeof value === 'boolean') return value;
    if (value === 0 || value === 1) return value === 1;
    return otherwise === undefined || value !== undefined ? this.#wrong(name, 'a truth value') : otherwise;
  }

  /** Numbers of any shape; a single number has none. */
  matrix(name: string): Matrix {
    return matrixOf(this.get(name)) ?? this.#wrong(name, 'an array of numbers');
  }

  /** A matrix of two axes: a list is one row. */
  rows(name: string): { readonly count: number; readonly width: number; readonly data: Float64Array } {
    const { shape, data } = this.matrix(name);
    if (shape.length > 2) return this.#wrong(name, 'a matrix');
    return shape.length === 2 ? { count: shape[0]!, width: shape[1]!, data } : { count: 1, width: data.length, data };
  }

  vector(name: string): Float64Array {
    return this.matrix(name).data;
  }

  list(name: string): readonly PickleValue[] {
    const value = this.get(name);
    return listOf(value) ?? this.#wrong(name, 'a list');
  }

  texts(name: string): readonly string[] {
    const values = this.list(name);
    return values.every((value) => typeof value === 'string') ? values : this.#wrong(name, 'a list of texts');
  }

  labels(name: string): Labels {
    return labelsOf(this.get(name)) ?? this.#wrong(name, 'a list of classes: numbers, or texts');
  }

  child(name: string): Fitted {
    return this.of(this.get(name)) ?? this.#wrong(name, 'an estimator');
  }

  children(name: string): readonly Fitted[] {
    return this.list(name).map((value) => this.of(value) ?? this.#wrong(name, 'a list of estimators'));
  }

  /** The estimator that a value is. */
  of(value: PickleValue | undefined): Fitted | undefined {
    return value instanceof PickledObject ? new Fitted(value, this.version) : undefined;
  }

  /** Names of the columns that it was fitted on, where it was a data frame. */
  get featureNames(): readonly string[] | undefined {
    if (this.has('feature_names_in_')) return this.texts('feature_names_in_');
    // A ColumnTransformer of 0.23 and 0.24 knew them under another name; other estimators did not.
    const older = listOf(this.get('_feature_names_in'));
    return older?.every((name) => typeof name === 'string') === true ? older : undefined;
  }
}

/** A Python or NumPy scalar; also an array of one element without axes. */
export function scalarOf(value: PickleValue | undefined): PickleValue | undefined {
  if (value instanceof NumpyScalar) return value.dtype.kind === 'f' && value.dtype.itemSize === 2 ? fromHalf(value.value as number) : scalarOf(value.value);
  if (value instanceof NumpyArray && value.shape.length === 0) return scalarOf(Array.isArray(value.data) ? value.data[0] : (matrixOf(value)?.data[0] ?? undefined));
  if (typeof value === 'bigint') return Number(value);
  return value;
}

export function numberOf(value: PickleValue | undefined): number | undefined {
  const scalar = scalarOf(value);
  return typeof scalar === 'number' ? scalar : typeof scalar === 'boolean' ? Number(scalar) : undefined;
}

export function listOf(value: PickleValue | undefined): readonly PickleValue[] | undefined {
  if (Array.isArray(value)) return value as PickleValue[];
  if (!(value instanceof NumpyArray)) return undefined;
  if (value.dtype.kind === 'V') return undefined;
  if (value.dtype.kind === 'b') return Array.from(value.data as Uint8Array, (element) => element !== 0);
  return Array.from(value.data as ArrayLike<PickleValue>, (element) => (typeof element === 'bigint' ? Number(element) : element));
}

export function matrixOf(value: PickleValue | undefined): Matrix | undefined {
  if (value instanceof NumpyArray) {
    const { kind, itemSize } = value.dtype;
    const { data } = value;
    if (kind === 'f' && itemSize === 2) return { shape: value.shape, data: Float64Array.from(data as Uint16Array, fromHalf) };
    if (kind === 'f' || kind === 'b' || kind === 'i' || kind === 'u') {
      return { shape: value.shape, data: data instanceof Float64Array ? data : Float64Array.from(data as ArrayLike<number | bigint>, Number) };
    }
    if (kind !== 'O') return undefined;
    const numbers = (data as PickleValue[]).map(numberOf);
    return numbers.every((number) => number !== undefined) ? { shape: value.shape, data: Float64Array.from(numbers) } : undefined;
  }
  const single = numberOf(value);
  if (single !== undefined) return { shape: [], data: Float64Array.of(single) };
  if (Array.isArray(value)) return stacked((value as PickleValue[]).map(matrixOf));
  return value instanceof PickledObject ? denseOf(value) : undefined;
}

/** Rows of equal shape as one array. */
function stacked(rows: readonly (Matrix | undefined)[]): Matrix | undefined {
  if (rows.length === 0) return { shape: [0], data: new Float64Array(0) };
  const shape = rows[0]?.shape;
  const size = rows[0]?.data.length;
  if (shape === undefined || size === undefined || !rows.every((row) => row !== undefined && row.shape.join() === shape.join())) return undefined;
  const data = new Float64Array(size * rows.length);
  for (const [index, row] of rows.entries()) data.set(row!.data, index * size);
  return { shape: [rows.length, ...shape], data };
}

/** A scipy matrix in compressed rows or columns, as a dense one. */
function denseOf(value: PickledObject): Matrix | undefined {
  const format = /^scipy\.sparse\..*\.(csr|csc)_(?:matrix|array)$/.exec(value.path)?.[1];
  if (format === undefined) return undefined;
  const { attributes } = value;
  const shape = matrixOf(attributes.get('_shape'))?.data;
  const [elements, indices, starts] = ['data', 'indices', 'indptr'].map((name) => matrixOf(attributes.get(name))?.data);
  if (shape?.length !== 2 || elements === undefined || indices === undefined || starts === undefined) return undefined;
  const [rows, columns] = shape as unknown as [number, number];
  if (!(rows * columns <= mostDenseElements)) throw new ModelportError('INVALID_MODEL', `a sparse matrix of ${rows} × ${columns} is too large to be written out`);
  const data = new Float64Array(rows * columns);
  const outer = format === 'csr' ? rows : columns;
  for (let line = 0; line < outer; line++) {
    for (let at = starts[line]!; at < starts[line + 1]! && at < elements.length; at++) {
      const other = indices[at]!;
      const place = format === 'csr' ? line * columns + other : other * columns + line;
      data[place] = data[place]! + elements[at]!;
    }
  }
  return { shape: [rows, columns], data };
}

const mostDenseElements = 200_000_000;

export function labelsOf(value: PickleValue | undefined): Labels | undefined {
  if (value instanceof NumpyArray && value.dtype.kind === 'f') return { kind: 'float', values: [...matrixOf(value)!.data] };
  const values = listOf(value)?.map(scalarOf);
  if (values === undefined) return undefined;
  if (values.every((label) => typeof label === 'string')) return { kind: 'text', values };
  if (values.every((label) => typeof label === 'boolean')) return { kind: 'boolean', values };
  if (values.every((label) => Number.isSafeInteger(label))) return { kind: 'integer', values: values as number[] };
  return values.every((label) => typeof label === 'number') ? { kind: 'float', values } : undefined;
}

/** `count` rows of `width`, as columns: the transposed matrix. */
export function transposed(data: ArrayLike<number>, count: number, width: number): Float64Array {
  const result = new Float64Array(count * width);
  for (let row = 0; row < count; row++) for (let column = 0; column < width; column++) result[column * count + row] = data[row * width + column]!;
  return result;
}
