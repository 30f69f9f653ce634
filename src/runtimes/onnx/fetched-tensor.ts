import type { DataOf, Datatype, Tensor } from '../../tensor.ts';

/** ONNX Runtime's names of the element types that it can exchange with JavaScript. */
export const nativeTypes: Readonly<Partial<Record<Datatype, string>>> = {
  BOOL: 'bool',
  UINT8: 'uint8',
  UINT16: 'uint16',
  UINT32: 'uint32',
  UINT64: 'uint64',
  INT8: 'int8',
  INT16: 'int16',
  INT32: 'int32',
  INT64: 'int64',
  FP16: 'float16',
  FP32: 'float32',
  FP64: 'float64',
  BYTES: 'string',
};

const datatypeOf = new Map(Object.entries(nativeTypes).map(([datatype, type]) => [type, datatype as Datatype]));
const encoder = new TextEncoder();

/**
 * What the native module constructs for each output: it is the {@link Tensor} itself, so nothing is converted afterwards. The module copies the
 * elements into memory of its own array, which can be kept and transferred.
 */
export class FetchedTensor implements Tensor {
  readonly datatype: Datatype;
  readonly shape: readonly number[];
  readonly data: DataOf<Datatype>;

  constructor(type: string, data: DataOf<Datatype> | string[], shape: readonly number[]) {
    this.datatype = datatypeOf.get(type)!;
    this.shape = shape;
    this.data = type === 'string' ? (data as string[]).map((text) => encoder.encode(text)) : (data as DataOf<Datatype>);
  }
}
