/**
 * The datatypes of the Open Inference Protocol, each with the array that holds its elements, and the tensor made of them.
 * Everything that depends on a datatype is derived from {@link datatypes}; nothing else may list them.
 */
import { ModelportError } from './errors.ts';

/**
 * `bytes` is the size of one element on binary wires, 0 where it varies.
 * `FP16` and `BF16` elements are their 16 bits (Node 20 has no array of half floats); `BOOL` elements are 0 or 1;
 * `BYTES` elements are byte strings, UTF-8 where they are text.
 */
export const datatypes = {
  BOOL: { bytes: 1, array: Uint8Array, kind: 'boolean' },
  UINT8: { bytes: 1, array: Uint8Array, kind: 'integer' },
  UINT16: { bytes: 2, array: Uint16Array, kind: 'integer' },
  UINT32: { bytes: 4, array: Uint32Array, kind: 'integer' },
  UINT64: { bytes: 8, array: BigUint64Array, kind: 'integer' },
  INT8: { bytes: 1, array: Int8Array, kind: 'integer' },
  INT16: { bytes: 2, array: Int16Array, kind: 'integer' },
  INT32: { bytes: 4, array: Int32Array, kind: 'integer' },
  INT64: { bytes: 8, array: BigInt64Array, kind: 'integer' },
  FP16: { bytes: 2, array: Uint16Array, kind: 'float' },
  BF16: { bytes: 2, array: Uint16Array, kind: 'float' },
  FP32: { bytes: 4, array: Float32Array, kind: 'float' },
  FP64: { bytes: 8, array: Float64Array, kind: 'float' },
  BYTES: { bytes: 0, array: Array<Uint8Array>, kind: 'bytes' },
} as const;

export type Datatype = keyof typeof datatypes;

/** The array type of each datatype: `DataOf<'FP32'>` is `Float32Array`. */
export type DataOf<D extends Datatype> = D extends 'BYTES' ? Uint8Array[] : InstanceType<(typeof datatypes)[Exclude<D, 'BYTES'>]['array']>;

export type TensorData = DataOf<Datatype>;
export type NumericArray = Exclude<TensorData, Uint8Array[]>;

export interface Tensor<D extends Datatype = Datatype> {
  readonly datatype: D;
  /** Sizes of the dimensions; `[]` is a scalar. Their product is `data.length`. */
  readonly shape: readonly number[];
  /** Elements in row-major order. Owned by the tensor: nobody writes into it after it was made. */
  readonly data: DataOf<D>;
}

/** Named tensors, in the order of the request or signature. */
export type Tensors = ReadonlyMap<string, Tensor>;

export function isDatatype(name: string): name is Datatype {
  return Object.hasOwn(datatypes, name);
}

/** The number of elements of a shape. */
export function elementCount(shape: readonly number[]): number {
  let count = 1;
  for (let axis = 0; axis < shape.length; axis++) count *= shape[axis]!;
  return count;
}

/** A zeroed array of `length` elements; `BYTES` elements are empty strings. */
export function allocate<D extends Datatype>(datatype: D, length: number): DataOf<D> {
  if (datatype === 'BYTES') return Array.from({ length }, () => emptyBytes) as unknown as DataOf<D>;
  const numeric = datatypes[datatype].array as unknown as new (length: number) => DataOf<D>;
  return new numeric(length);
}

/** As {@link allocate}, for who fills it at once: large memory comes unzeroed, which for 600 KB saves more time than filling it takes. */
export function allocateUnfilled<D extends Datatype>(datatype: D, length: number): DataOf<D> {
  const { array, bytes } = datatypes[datatype];
  const sizeBytes = length * bytes;
  if (datatype === 'BYTES' || sizeBytes < largeBytes || typeof Buffer === 'undefined') return allocate(datatype, length);
  return new (array as unknown as new (buffer: ArrayBufferLike) => DataOf<D>)(Buffer.allocUnsafeSlow(sizeBytes).buffer);
}

const largeBytes = 65_536;
const emptyBytes = new Uint8Array(0);

/** A tensor whose shape and data are checked against each other. Throws `INVALID_REQUEST`. */
export function createTensor<D extends Datatype>(datatype: D, shape: readonly number[], data: DataOf<D>): Tensor<D> {
  if (elementCount(shape) !== data.length) {
    throw new ModelportError('INVALID_REQUEST', `shape [${shape.join(', ')}] has ${elementCount(shape)} elements, but the data has ${data.length}`);
  }
  return { datatype, shape, data };
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** A BYTES tensor of UTF-8 text. */
export function textTensor(shape: readonly number[], text: readonly string[]): Tensor<'BYTES'> {
  return createTensor('BYTES', shape, text.map((element) => encoder.encode(element)));
}

/** The elements of a BYTES tensor as text. */
export function textOf(tensor: Tensor): string[] {
  if (tensor.datatype !== 'BYTES') throw new ModelportError('INVALID_REQUEST', `a ${tensor.datatype} tensor holds no text`);
  return (tensor.data as Uint8Array[]).map((element) => decoder.decode(element));
}

/** The size of the tensor's elements in bytes. */
export function byteLength(tensor: Tensor): number {
  if (tensor.datatype !== 'BYTES') return (tensor.data as NumericArray).byteLength;
  let total = 0;
  for (const element of tensor.data as Uint8Array[]) total += element.byteLength;
  return total;
}

/** The part of `data` from element `start` to `end`: a view for numbers, a shallow copy for BYTES. */
export function elements<D extends Datatype>(data: DataOf<D>, start: number, end: number): DataOf<D> {
  return (Array.isArray(data) ? data.slice(start, end) : (data as NumericArray).subarray(start, end)) as DataOf<D>;
}

/**
 * Joins tensors of equal datatype along `axis`. All other dimensions are equal: the caller has checked.
 * With one tensor nothing is copied.
 */
export function concatenate(tensors: readonly Tensor[], axis: number): Tensor {
  const first = tensors[0]!;
  if (tensors.length === 1) return first;
  const shape = [...first.shape];
  let size = 0;
  for (const tensor of tensors) size += tensor.shape[axis]!;
  shape[axis] = size;
  const outer = elementCount(first.shape.slice(0, axis));
  const inner = elementCount(first.shape.slice(axis + 1));
  const data = allocate(first.datatype, outer * size * inner);
  let offset = 0;
  for (let block = 0; block < outer; block++) {
    for (const tensor of tensors) {
      const length = tensor.shape[axis]! * inner;
      const part = outer === 1 ? tensor.data : elements(tensor.data, block * length, (block + 1) * length);
      copyInto(data, part, offset);
      offset += length;
    }
  }
  return { datatype: first.datatype, shape, data };
}

function copyInto(target: TensorData, part: TensorData, offset: number): void {
  if (Array.isArray(target)) {
    for (let index = 0; index < part.length; index++) target[offset + index] = part[index] as Uint8Array;
  } else {
    (target as Float32Array).set(part as Float32Array, offset);
  }
}

/**
 * Cuts a tensor along `axis` into parts of the given sizes, whose sum is the axis's size.
 * Along axis 0 numeric parts are views of the same memory, else copies.
 */
export function split(tensor: Tensor, axis: number, sizes: readonly number[]): Tensor[] {
  if (sizes.length === 1) return [tensor];
  const outer = elementCount(tensor.shape.slice(0, axis));
  const inner = elementCount(tensor.shape.slice(axis + 1));
  const total = tensor.shape[axis]!;
  let start = 0;
  return sizes.map((size) => {
    const shape = [...tensor.shape];
    shape[axis] = size;
    const offset = start;
    start += size;
    if (outer === 1) return { datatype: tensor.datatype, shape, data: elements(tensor.data, offset * inner, (offset + size) * inner) };
    const data = allocate(tensor.datatype, outer * size * inner);
    for (let block = 0; block < outer; block++) {
      const from = (block * total + offset) * inner;
      copyInto(data, elements(tensor.data, from, from + size * inner), block * size * inner);
    }
    return { datatype: tensor.datatype, shape, data };
  });
}
