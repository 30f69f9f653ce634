/** Tensors of PyTorch's files: views of storages, read when somebody asks for them. */
import { ModelportError } from '../../errors.ts';
import { datatypes, elementCount, type Datatype, type NumericArray } from '../../tensor.ts';
import { numericArray } from '../numeric-array.ts';
import { swapBytes } from '../numpy/numpy-array.ts';

/** A run of bytes that tensors share. */
export class TorchStorage {
  /** Its name in the file; equal keys are one storage. */
  readonly key: string;
  /** Element type by which the pickle names it; undefined of an untyped one. */
  readonly datatype: Datatype | undefined;
  readonly sizeBytes: number;
  /** `cpu`, `cuda:0` … as it was when it was saved. */
  readonly location: string;
  readonly bigEndian: boolean;
  readonly #read: () => Uint8Array;
  #cached: WeakRef<Uint8Array> | undefined;

  constructor(parts: { key: string; datatype: Datatype | undefined; sizeBytes: number; location: string; bigEndian: boolean; read: () => Uint8Array }) {
    this.key = parts.key;
    this.datatype = parts.datatype;
    this.sizeBytes = parts.sizeBytes;
    this.location = parts.location;
    this.bigEndian = parts.bigEndian;
    this.#read = parts.read;
  }

  /** The bytes as they stand in the file. Kept for as long as somebody else holds them. Throws `INVALID_MODEL`. */
  bytes(): Uint8Array {
    const cached = this.#cached?.deref();
    if (cached !== undefined) return cached;
    const bytes = this.#read();
    this.#cached = new WeakRef(bytes);
    return bytes;
  }
}

export interface TorchTensorParts {
  readonly storage: TorchStorage;
  readonly datatype: Datatype;
  /** In elements. */
  readonly offset: number;
  readonly shape: readonly number[];
  /** In elements; 0 where an axis repeats. */
  readonly strides: readonly number[];
  readonly requiresGrad: boolean;
  readonly isParameter: boolean;
}

export class TorchTensor implements TorchTensorParts {
  readonly storage: TorchStorage;
  readonly datatype: Datatype;
  readonly offset: number;
  readonly shape: readonly number[];
  readonly strides: readonly number[];
  readonly requiresGrad: boolean;
  readonly isParameter: boolean;

  /** Throws `INVALID_MODEL` where an element lies outside of the storage, or where repeated elements would make far more of it. */
  constructor(parts: TorchTensorParts) {
    this.storage = parts.storage;
    this.datatype = parts.datatype;
    this.offset = parts.offset;
    this.shape = parts.shape;
    this.strides = parts.strides;
    this.requiresGrad = parts.requiresGrad;
    this.isParameter = parts.isParameter;
    const size = datatypes[parts.datatype].bytes;
    const count = elementCount(parts.shape);
    if (!Number.isSafeInteger(count * size)) throw new ModelportError('INVALID_MODEL', `a tensor of the shape [${parts.shape.join(', ')}] is too large`);
    let last = parts.offset;
    for (let axis = 0; axis < parts.shape.length; axis++) last += (parts.shape[axis]! - 1) * parts.strides[axis]!;
    if (count > 0 && (last + 1) * size > parts.storage.sizeBytes) {
      throw new ModelportError('INVALID_MODEL', `a tensor of the shape [${parts.shape.join(', ')}] does not lie in its storage ${JSON.stringify(parts.storage.key.slice(0, 60))} of ${parts.storage.sizeBytes} bytes`);
    }
    if (count * size > largestExpansion && count * size > parts.storage.sizeBytes) {
      throw new ModelportError('INVALID_MODEL', `a tensor of the shape [${parts.shape.join(', ')}] repeats a storage of ${parts.storage.sizeBytes} bytes to ${count * size}, which is refused`);
    }
  }

  /** Elements, row-major and without gaps. A view of the storage where that is possible. Throws `INVALID_MODEL`. */
  read(): NumericArray {
    const { bytes: size } = datatypes[this.datatype];
    const count = elementCount(this.shape);
    const storage = this.storage.bytes();
    let bytes = this.isContiguous ? storage.subarray(this.offset * size, (this.offset + count) * size) : this.#gather(storage, count, size);
    if (this.storage.bigEndian && size > 1) {
      if (bytes.buffer === storage.buffer) bytes = new Uint8Array(bytes);
      swapBytes(bytes, size);
    }
    return numericArray(this.datatype, bytes);
  }

  /** Whether elements lie in row-major order without gaps. */
  get isContiguous(): boolean {
    if (this.shape.includes(0)) return true;
    let expected = 1;
    for (let axis = this.shape.length - 1; axis >= 0; axis--) {
      if (this.shape[axis] === 1) continue;
      if (this.strides[axis] !== expected) return false;
      expected *= this.shape[axis]!;
    }
    return true;
  }

  #gather(storage: Uint8Array, count: number, size: number): Uint8Array {
    const result = new Uint8Array(count * size);
    const index = this.shape.map(() => 0);
    let from = this.offset * size;
    for (let to = 0; to < result.length; to += size) {
      for (let byte = 0; byte < size; byte++) result[to + byte] = storage[from + byte]!;
      for (let axis = this.shape.length - 1; axis >= 0; axis--) {
        from += this.strides[axis]! * size;
        if (++index[axis]! < this.shape[axis]!) break;
        from -= this.strides[axis]! * this.shape[axis]! * size;
        index[axis] = 0;
      }
    }
    return result;
  }
}

/** An axis of stride 0 repeats its elements for nothing; beyond this size that is no model's weight. */
const largestExpansion = 2 ** 28;
