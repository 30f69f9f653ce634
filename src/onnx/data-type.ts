/** The element types of ONNX tensors (`TensorProto.DataType` of onnx.proto), each with its size, array and Open Inference datatype. */
import type { Datatype } from '../tensor.ts';

type ElementArray =
  | typeof Float32Array
  | typeof Float64Array
  | typeof Uint8Array
  | typeof Int8Array
  | typeof Uint16Array
  | typeof Int16Array
  | typeof Uint32Array
  | typeof Int32Array
  | typeof BigInt64Array
  | typeof BigUint64Array;

/** The field of TensorProto that holds elements of a type where `raw_data` does not. */
export type DataField = 'floatData' | 'int32Data' | 'int64Data' | 'doubleData' | 'uint64Data' | 'stringData';

export interface DataTypeFacts {
  readonly name: string;
  readonly number: number;
  /** Bits of one element in `raw_data`; 0 for strings. Elements of fewer than 8 bits are packed, the first in the lowest bits. */
  readonly bits: number;
  /**
   * The array that elements are read into. Half and 8-bit floats are their bits; complex numbers are pairs (real, imaginary);
   * elements of 2 and 4 bits get a byte each.
   */
  readonly array: ElementArray | undefined;
  readonly field: DataField;
  /** Undefined where the Open Inference Protocol has no such datatype. */
  readonly datatype: Datatype | undefined;
}

function type(number: number, name: string, bits: number, array: ElementArray | undefined, field: DataField, datatype?: Datatype): DataTypeFacts {
  return { name, number, bits, array, field, datatype };
}

/** By number. */
export const dataTypes: ReadonlyMap<number, DataTypeFacts> = new Map(
  [
    type(1, 'FLOAT', 32, Float32Array, 'floatData', 'FP32'),
    type(2, 'UINT8', 8, Uint8Array, 'int32Data', 'UINT8'),
    type(3, 'INT8', 8, Int8Array, 'int32Data', 'INT8'),
    type(4, 'UINT16', 16, Uint16Array, 'int32Data', 'UINT16'),
    type(5, 'INT16', 16, Int16Array, 'int32Data', 'INT16'),
    type(6, 'INT32', 32, Int32Array, 'int32Data', 'INT32'),
    type(7, 'INT64', 64, BigInt64Array, 'int64Data', 'INT64'),
    type(8, 'STRING', 0, undefined, 'stringData', 'BYTES'),
    type(9, 'BOOL', 8, Uint8Array, 'int32Data', 'BOOL'),
    type(10, 'FLOAT16', 16, Uint16Array, 'int32Data', 'FP16'),
    type(11, 'DOUBLE', 64, Float64Array, 'doubleData', 'FP64'),
    type(12, 'UINT32', 32, Uint32Array, 'uint64Data', 'UINT32'),
    type(13, 'UINT64', 64, BigUint64Array, 'uint64Data', 'UINT64'),
    type(14, 'COMPLEX64', 64, Float32Array, 'floatData'),
    type(15, 'COMPLEX128', 128, Float64Array, 'doubleData'),
    type(16, 'BFLOAT16', 16, Uint16Array, 'int32Data', 'BF16'),
    type(17, 'FLOAT8E4M3FN', 8, Uint8Array, 'int32Data'),
    type(18, 'FLOAT8E4M3FNUZ', 8, Uint8Array, 'int32Data'),
    type(19, 'FLOAT8E5M2', 8, Uint8Array, 'int32Data'),
    type(20, 'FLOAT8E5M2FNUZ', 8, Uint8Array, 'int32Data'),
    type(21, 'UINT4', 4, Uint8Array, 'int32Data'),
    type(22, 'INT4', 4, Int8Array, 'int32Data'),
    type(23, 'FLOAT4E2M1', 4, Uint8Array, 'int32Data'),
    type(24, 'FLOAT8E8M0', 8, Uint8Array, 'int32Data'),
    type(25, 'UINT2', 2, Uint8Array, 'int32Data'),
    type(26, 'INT2', 2, Int8Array, 'int32Data'),
    type(27, 'FLOAT6E2M3', 6, Uint8Array, 'int32Data'),
    type(28, 'FLOAT6E3M2', 6, Uint8Array, 'int32Data'),
  ].map((facts) => [facts.number, facts]),
);

/** `FLOAT`, or `type 99` for one that this version of ONNX does not know. */
export function dataTypeName(number: number): string {
  return dataTypes.get(number)?.name ?? `type ${number}`;
}

/** `TensorProto.DataType` */
export const ElementType = {
  UNDEFINED: 0, FLOAT: 1, UINT8: 2, INT8: 3, UINT16: 4, INT16: 5, INT32: 6, INT64: 7, STRING: 8, BOOL: 9, FLOAT16: 10, DOUBLE: 11, UINT32: 12, UINT64: 13,
  COMPLEX64: 14, COMPLEX128: 15, BFLOAT16: 16, FLOAT8E4M3FN: 17, FLOAT8E4M3FNUZ: 18, FLOAT8E5M2: 19, FLOAT8E5M2FNUZ: 20, UINT4: 21, INT4: 22, FLOAT4E2M1: 23,
  FLOAT8E8M0: 24, UINT2: 25, INT2: 26, FLOAT6E2M3: 27, FLOAT6E3M2: 28,
} as const; // prettier-ignore

/** The numbers of the types that code here names. */
export const FLOAT = 1;
export const INT32 = 6;
export const INT64 = 7;
export const STRING = 8;
export const BOOL = 9;
export const DOUBLE = 11;
export const BFLOAT16 = 16;
