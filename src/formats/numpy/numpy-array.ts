/** NumPy arrays as typed values: native byte order, row-major. */
import { ModelportError } from '../../errors.ts';
import { createTensor, elementCount, type Datatype, type Tensor } from '../../tensor.ts';
import { pickleMembers, type PickleValue } from '../pickle/pickle-value.ts';
import type { NumpyDtype, NumpyKind } from './numpy-dtype.ts';

export type NumpyNumbers = Uint8Array | Uint16Array | Uint32Array | BigUint64Array | Int8Array | Int16Array | Int32Array | BigInt64Array | Float32Array | Float64Array;

/**
 * By kind of the dtype:
 * `b` 0 or 1 · `i`, `u`, `f4`, `f8` their numbers · `f2` the 16 bits of each · `c` real and imaginary part by turns · `m`, `M` BigInt64Array in units of the dtype (the least one is NaT) ·
 * `U` strings and `S` bytes, without the NULs at their ends · `O` Python values · `V` records, sub-arrays and raw bytes: the bytes of all elements as they stand in the file.
 */
export type NumpyData = NumpyNumbers | string[] | Uint8Array[] | PickleValue[];

export class NumpyArray {
  #dtype: NumpyDtype;
  #shape: readonly number[];
  #data: NumpyData;

  constructor(dtype: NumpyDtype, shape: readonly number[], elements: NumpyData) {
    this.#dtype = dtype;
    this.#shape = shape;
    this.#data = elements;
  }

  get dtype(): NumpyDtype {
    return this.#dtype;
  }

  get shape(): readonly number[] {
    return this.#shape;
  }

  /** Elements in row-major order. May be a view of the file: nobody writes into it. */
  get data(): NumpyData {
    return this.#data;
  }

  /** Number of elements. */
  get size(): number {
    return elementCount(this.#shape);
  }

  /** @internal A pickle makes an array first and fills it afterwards. */
  fill(dtype: NumpyDtype, shape: readonly number[], elements: NumpyData): void {
    this.#dtype = dtype;
    this.#shape = shape;
    this.#data = elements;
  }

  [pickleMembers](): Iterator<unknown> {
    return this.#dtype.kind === 'O' ? (this.#data as PickleValue[]).values() : [][Symbol.iterator]();
  }
}

/** An array's single element. */
export class NumpyScalar {
  readonly dtype: NumpyDtype;
  /** As the elements of an array; a record is its bytes, a complex number its two parts. */
  readonly value: PickleValue;

  constructor(dtype: NumpyDtype, value: PickleValue) {
    this.dtype = dtype;
    this.value = value;
  }

  get [Symbol.toStringTag](): string {
    return `numpy.${this.dtype.name}`;
  }
}

/** Elements of no bytes cost the file nothing, and memory something. */
const maxEmptyElements = 2 ** 20;

interface Decoding {
  /** Elements lie in column-major order. */
  readonly fortranOrder?: boolean;
  /** Told before memory is taken; may throw. */
  readonly charge?: (bytes: number) => void;
}

/** The array of elements whose bytes are given; `bytes` has exactly theirs. A view where that is possible. Throws `INVALID_MODEL`. */
export function decodeArray(dtype: NumpyDtype, shape: readonly number[], bytes: Uint8Array, { fortranOrder = false, charge }: Decoding = {}): NumpyArray {
  const count = elementCount(shape);
  if (!Number.isSafeInteger(count * dtype.itemSize) || count * dtype.itemSize !== bytes.length) {
    throw new ModelportError('INVALID_MODEL', `an array of ${dtype.name} with the shape (${shape.join(', ')}) has ${count * dtype.itemSize} bytes, but there are ${bytes.length}`);
  }
  if (dtype.itemSize === 0 && count > maxEmptyElements) throw new ModelportError('INVALID_MODEL', `an array has ${count} elements of no size`);
  if (dtype.kind === 'O') throw new ModelportError('INVALID_MODEL', 'an array of Python objects has raw bytes instead of a list');
  let elements = bytes;
  if (fortranOrder && shape.filter((size) => size !== 1).length > 1 && count > 0) {
    charge?.(bytes.length);
    elements = toRowMajor(bytes, shape, dtype.itemSize);
  }
  return new NumpyArray(dtype, shape, decodeElements(dtype, count, elements, charge));
}

function decodeElements(dtype: NumpyDtype, count: number, bytes: Uint8Array, charge: ((bytes: number) => void) | undefined): NumpyData {
  switch (dtype.kind) {
    case 'S':
      charge?.(96 * count);
      return Array.from({ length: count }, (_, index) => trimmed(bytes.subarray(index * dtype.itemSize, (index + 1) * dtype.itemSize)));
    case 'U':
      charge?.(32 * count + bytes.length);
      return decodeText(bytes, count, dtype.itemSize, dtype.bigEndian);
    case 'V':
    case 'O':
      return bytes;
    default: {
      const array = numberArrays[`${dtype.kind}${dtype.itemSize}`]!;
      // Of a complex number each half has its own byte order.
      const unit = dtype.kind === 'c' ? dtype.itemSize / 2 : dtype.itemSize;
      let source = bytes;
      if (unit > 1 && (dtype.bigEndian || bytes.byteOffset % unit !== 0)) {
        charge?.(bytes.length);
        source = new Uint8Array(bytes);
        if (dtype.bigEndian) swapBytes(source, unit);
      }
      return new array(source.buffer as ArrayBuffer, source.byteOffset, bytes.length / unit);
    }
  }
}

const numberArrays: Readonly<Record<string, new (buffer: ArrayBuffer, offset: number, length: number) => NumpyNumbers>> = {
  b1: Uint8Array,
  i1: Int8Array,
  i2: Int16Array,
  i4: Int32Array,
  i8: BigInt64Array,
  u1: Uint8Array,
  u2: Uint16Array,
  u4: Uint32Array,
  u8: BigUint64Array,
  f2: Uint16Array,
  f4: Float32Array,
  f8: Float64Array,
  c8: Float32Array,
  c16: Float64Array,
  m8: BigInt64Array,
  M8: BigInt64Array,
};

/** Reverses each run of `size` bytes, in place. */
export function swapBytes(bytes: Uint8Array, size: number): void {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (size === 2) buffer.swap16();
  else if (size === 4) buffer.swap32();
  else buffer.swap64();
}

function trimmed(bytes: Uint8Array): Uint8Array {
  let end = bytes.length;
  while (end > 0 && bytes[end - 1] === 0) end--;
  return bytes.subarray(0, end);
}

/** UTF-32, filled up with NULs. */
function decodeText(bytes: Uint8Array, count: number, itemSize: number, bigEndian: boolean): string[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return Array.from({ length: count }, (_, index) => {
    const start = index * itemSize;
    let end = start + itemSize;
    while (end > start && view.getUint32(end - 4, true) === 0) end -= 4;
    let text = '';
    for (let at = start; at < end; at += 4) {
      const point = view.getUint32(at, !bigEndian);
      if (point > 0x10ffff) throw new ModelportError('INVALID_MODEL', 'an array of text holds a character beyond U+10FFFF');
      text += String.fromCodePoint(point);
    }
    return text;
  });
}

/** Column-major elements in row-major order. */
function toRowMajor(bytes: Uint8Array, shape: readonly number[], itemSize: number): Uint8Array {
  const result = new Uint8Array(bytes.length);
  const strides: number[] = [];
  let stride = itemSize;
  for (const size of shape) {
    strides.push(stride);
    stride *= size;
  }
  const index = shape.map(() => 0);
  let from = 0;
  for (let to = 0; to < result.length; to += itemSize) {
    for (let byte = 0; byte < itemSize; byte++) result[to + byte] = bytes[from + byte]!;
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      from += strides[axis]!;
      if (++index[axis]! < shape[axis]!) break;
      from -= strides[axis]! * shape[axis]!;
      index[axis] = 0;
    }
  }
  return result;
}

/** One column of an array of records, or of sub-arrays the elements one by one. Throws `INVALID_MODEL` where there is no such field. */
export function arrayField(array: NumpyArray, name: string): NumpyArray {
  const field = array.dtype.fields?.find((candidate) => candidate.name === name);
  if (field === undefined) throw new ModelportError('INVALID_MODEL', `an array of ${array.dtype.name} has no field ${JSON.stringify(name)}`);
  const { dtype, offset } = field;
  const records = array.data as Uint8Array;
  const column = new Uint8Array(array.size * dtype.itemSize);
  for (let index = 0; index < array.size; index++) {
    const from = index * array.dtype.itemSize + offset;
    column.set(records.subarray(from, from + dtype.itemSize), index * dtype.itemSize);
  }
  if (dtype.subarray === undefined) return decodeArray(dtype, array.shape, column);
  return decodeArray(dtype.subarray.dtype, [...array.shape, ...dtype.subarray.shape], column);
}

const datatypesOfKinds: Readonly<Record<string, Datatype>> = {
  b1: 'BOOL',
  i1: 'INT8',
  i2: 'INT16',
  i4: 'INT32',
  i8: 'INT64',
  u1: 'UINT8',
  u2: 'UINT16',
  u4: 'UINT32',
  u8: 'UINT64',
  f2: 'FP16',
  f4: 'FP32',
  f8: 'FP64',
};

/** The Open Inference datatype of a dtype; undefined for complex numbers, times and records. Objects count as BYTES: they may be text. */
export function datatypeOf(dtype: { readonly kind: NumpyKind; readonly itemSize: number }): Datatype | undefined {
  return 'SUO'.includes(dtype.kind) ? 'BYTES' : datatypesOfKinds[`${dtype.kind}${dtype.itemSize}`];
}

/** The array as a tensor; text and arrays of str objects become BYTES. Throws `INVALID_MODEL` for what a tensor cannot hold. */
export function arrayToTensor(array: NumpyArray): Tensor {
  const datatype = datatypeOf(array.dtype);
  if (datatype === undefined) throw new ModelportError('INVALID_MODEL', `an array of ${array.dtype.name} is no tensor`);
  if (datatype !== 'BYTES') return createTensor(datatype, array.shape, array.data as never);
  const encoder = new TextEncoder();
  const bytes = Array.from(array.data as PickleValue[], (value) => {
    if (typeof value === 'string') return encoder.encode(value);
    if (value instanceof Uint8Array) return value;
    throw new ModelportError('INVALID_MODEL', 'an array of Python objects that are not all text is no tensor');
  });
  return createTensor('BYTES', array.shape, bytes);
}
