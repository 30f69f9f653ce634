/** Tensors whose elements are known while a graph is built or changed. */
import { ModelportError } from '../errors.ts';
import { toBfloat16, toHalf } from '../lib/half-float.ts';
import { elementCount } from '../tensor.ts';
import { ByteRange } from './byte-range.ts';
import { dataTypeName, dataTypes, ElementType } from './data-type.ts';
import type { TensorProto } from './model-proto.ts';
import { tensorElements, type TensorElements } from './tensor-elements.ts';

export interface ConstantTensor {
  /** An `ElementType`. */
  readonly elementType: number;
  readonly shape: readonly number[];
  /** In row-major order, in the array that `dataTypes` names; strings are UTF-8 bytes. Nobody writes into it. */
  readonly data: TensorElements;
}

const encoder = new TextEncoder();

/**
 * A tensor of plain values: numbers are rounded to the element type (half floats included), truth values are numbers too,
 * 64-bit integers may be numbers. Without a shape it is a list of one axis.
 */
export function constantTensor(elementType: number, values: ArrayLike<number | bigint | string | boolean>, shape: readonly number[] = [values.length]): ConstantTensor {
  if (elementCount(shape) !== values.length) {
    throw new ModelportError('INTERNAL', `a constant of shape [${shape.join(', ')}] has ${elementCount(shape)} elements, not ${values.length}`);
  }
  return { elementType, shape, data: elementsOf(elementType, values) };
}

/** A tensor without axes. */
export function scalar(elementType: number, value: number | bigint | string | boolean): ConstantTensor {
  return constantTensor(elementType, [value], []);
}

function elementsOf(elementType: number, values: ArrayLike<number | bigint | string | boolean>): TensorElements {
  if (elementType === ElementType.STRING) return Array.from(values, (value) => encoder.encode(String(value)));
  const facts = dataTypes.get(elementType);
  if (facts?.array === undefined) throw new ModelportError('INTERNAL', `a constant cannot have the element type ${dataTypeName(elementType)}`);
  if (facts.array === (values as { constructor?: unknown }).constructor) return values as unknown as TensorElements;
  if (facts.array === BigInt64Array || facts.array === BigUint64Array) {
    const data = new facts.array(values.length);
    for (let index = 0; index < data.length; index++) data[index] = BigInt(values[index]!);
    return data;
  }
  const data = new facts.array(values.length) as Float64Array;
  const round = elementType === ElementType.FLOAT16 ? toHalf : elementType === ElementType.BFLOAT16 ? toBfloat16 : Number;
  for (let index = 0; index < data.length; index++) data[index] = round(Number(values[index]!));
  return data;
}

/** The message that holds the tensor. Its bytes are those of `data`, not copied, where elements have whole bytes. */
export function toTensorProto(tensor: ConstantTensor, name?: string): TensorProto {
  const facts = dataTypes.get(tensor.elementType);
  if (facts === undefined) throw new ModelportError('INTERNAL', `there is no element type ${tensor.elementType}`);
  const proto: TensorProto = { dims: [...tensor.shape], dataType: tensor.elementType, ...(name === undefined ? {} : { name }) };
  if (Array.isArray(tensor.data)) return { ...proto, stringData: tensor.data };
  const { data } = tensor;
  const bytes = facts.bits < 8 ? packBits(data as Uint8Array, facts.bits) : new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  return { ...proto, rawData: ByteRange.of(bytes) };
}

/** Reads the elements now. Throws `INVALID_MODEL` where type, shape and data don't agree. */
export function fromTensorProto(proto: TensorProto, directory?: string): ConstantTensor {
  return { elementType: proto.dataType ?? 0, shape: proto.dims, data: tensorElements(proto, directory) };
}

/** Elements of fewer than eight bits, one after the other from the lowest bit of the first byte. */
export function packBits(elements: ArrayLike<number>, bits: number): Uint8Array {
  const bytes = new Uint8Array(Math.ceil((elements.length * bits) / 8));
  const mask = (1 << bits) - 1;
  for (let index = 0; index < elements.length; index++) {
    const bit = index * bits;
    const shifted = (elements[index]! & mask) << (bit & 7);
    bytes[bit >>> 3]! |= shifted & 0xff;
    if (shifted > 0xff) bytes[(bit >>> 3) + 1]! |= shifted >>> 8;
  }
  return bytes;
}

/** The elements of an integer tensor; undefined where one is too large for an exact number. */
export function integersOf(tensor: ConstantTensor): number[] | undefined {
  const { data } = tensor;
  if (Array.isArray(data)) return undefined;
  const integers = Array.from(data as ArrayLike<number | bigint>, Number);
  return integers.every(Number.isSafeInteger) ? integers : undefined;
}
