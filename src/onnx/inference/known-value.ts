/** What is known of a value without running the graph. */
import { fromTensorProto, integersOf, type ConstantTensor } from '../constant-tensor.ts';
import { ElementType } from '../data-type.ts';
import type { Dimension, Shape } from '../dimension.ts';
import { DataLocation, type TensorProto } from '../model-proto.ts';
import { tensorType, type ValueType } from '../value-type.ts';

export interface KnownValue {
  /** Undefined: nothing is known. */
  readonly type: ValueType | undefined;
  /** The elements of a small integer tensor, which may be sizes that have only a name, in row-major order. */
  readonly elements?: readonly Dimension[] | undefined;
  /** All elements, whatever their type. */
  readonly constant?: ConstantTensor | undefined;
}

/** Tensors of more elements are not followed through a graph. */
export const mostElements = 256;

export function knownTensor(elementType: number, shape?: Shape, elements?: readonly Dimension[]): KnownValue {
  return elements === undefined || elements.length > mostElements ? { type: tensorType(elementType, shape) } : { type: tensorType(elementType, shape), elements };
}

export function knownConstant(constant: ConstantTensor): KnownValue {
  const type = tensorType(constant.elementType, constant.shape);
  const small = constant.data.length <= mostElements && isInteger(constant.elementType);
  return { type, constant, elements: small ? integersOf(constant) : undefined };
}

/** Weights are not read; constants that could be shapes are. */
export function knownInitializer(proto: TensorProto): KnownValue {
  const count = proto.dims.reduce((product, size) => product * size, 1);
  if (count <= mostElements && proto.dataLocation !== DataLocation.EXTERNAL && (proto.dataType ?? 0) !== ElementType.UNDEFINED) return knownConstant(fromTensorProto(proto));
  return knownTensor(proto.dataType ?? 0, proto.dims);
}

export function isInteger(elementType: number): boolean {
  return elementType === ElementType.INT64 || elementType === ElementType.INT32 || elementType === ElementType.BOOL || (elementType >= ElementType.UINT8 && elementType <= ElementType.INT16);
}
