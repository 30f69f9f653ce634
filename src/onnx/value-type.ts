/** The types of values in a graph, as plain data, and what they are in a file. */
import { describeType } from './describe-type.ts';
import { isUnknownDimension, unknownDimension, type Shape } from './dimension.ts';
import type { DimensionProto, TensorShapeProto, TypeProto, ValueInfoProto } from './model-proto.ts';

export interface TensorType {
  readonly kind: 'tensor' | 'sparse';
  /** An `ElementType`; 0 where it is not known. */
  readonly elementType: number;
  /** Undefined: of any rank. */
  readonly shape: Shape | undefined;
}

export type ValueType =
  | TensorType
  | { readonly kind: 'sequence' | 'optional'; readonly element: ValueType | undefined }
  | { readonly kind: 'map'; readonly key: number; readonly value: ValueType | undefined }
  | { readonly kind: 'opaque'; readonly domain: string; readonly name: string };

export function tensorType(elementType: number, shape?: Shape): TensorType {
  return { kind: 'tensor', elementType, shape };
}

export function sequenceType(element: ValueType | undefined): ValueType {
  return { kind: 'sequence', element };
}

export function optionalType(element: ValueType | undefined): ValueType {
  return { kind: 'optional', element };
}

/** `tensor(float)`, as the standard writes it. */
export function nameOfType(type: ValueType | undefined): string {
  return describeType(toTypeProto(type));
}

/** Undefined where nothing is known. Sizes that are not known get new names. */
export function fromTypeProto(type: TypeProto | undefined): ValueType | undefined {
  const tensor = type?.tensorType ?? type?.sparseTensorType;
  if (tensor !== undefined) {
    return { kind: type?.tensorType === undefined ? 'sparse' : 'tensor', elementType: tensor.elemType ?? 0, shape: tensor.shape?.dim.map(fromDimension) };
  }
  if (type?.sequenceType !== undefined) return { kind: 'sequence', element: fromTypeProto(type.sequenceType.elemType) };
  if (type?.optionalType !== undefined) return { kind: 'optional', element: fromTypeProto(type.optionalType.elemType) };
  if (type?.mapType !== undefined) return { kind: 'map', key: type.mapType.keyType ?? 0, value: fromTypeProto(type.mapType.valueType) };
  if (type?.opaqueType !== undefined) return { kind: 'opaque', domain: type.opaqueType.domain ?? '', name: type.opaqueType.name ?? '' };
  return undefined;
}

function fromDimension(dimension: DimensionProto): number | string {
  if (dimension.dimValue !== undefined) return dimension.dimValue < 0 ? unknownDimension() : dimension.dimValue;
  return dimension.dimParam === undefined || dimension.dimParam === '' || isUnknownDimension(dimension.dimParam) ? unknownDimension() : dimension.dimParam;
}

export function toTypeProto(type: ValueType | undefined): TypeProto | undefined {
  if (type === undefined) return undefined;
  switch (type.kind) {
    case 'tensor':
    case 'sparse': {
      const tensor = { elemType: type.elementType, ...(type.shape === undefined ? {} : { shape: toShapeProto(type.shape) }) };
      return type.kind === 'tensor' ? { tensorType: tensor } : { sparseTensorType: tensor };
    }
    case 'sequence':
    case 'optional': {
      const element = toTypeProto(type.element);
      const inner = element === undefined ? {} : { elemType: element };
      return type.kind === 'sequence' ? { sequenceType: inner } : { optionalType: inner };
    }
    case 'map': {
      const value = toTypeProto(type.value);
      return { mapType: { keyType: type.key, ...(value === undefined ? {} : { valueType: value }) } };
    }
    default:
      return { opaqueType: { domain: type.domain, name: type.name } };
  }
}

function toShapeProto(shape: Shape): TensorShapeProto {
  return { dim: shape.map((size) => (typeof size === 'number' ? { dimValue: size } : isUnknownDimension(size) ? {} : { dimParam: size })) };
}

export function toValueInfo(name: string, type: ValueType | undefined): ValueInfoProto {
  const proto = toTypeProto(type);
  return { name, ...(proto === undefined ? {} : { type: proto }) };
}

/**
 * What is known of a value that has both types: the more exact of each part. Undefined where the two contradict each
 * other in kind, element type, rank or size.
 */
export function mergeTypes(a: ValueType | undefined, b: ValueType | undefined): ValueType | undefined {
  if (a === undefined || b === undefined) return a ?? b;
  if ((a.kind === 'tensor' || a.kind === 'sparse') && a.kind === b.kind) {
    if (a.elementType !== 0 && b.elementType !== 0 && a.elementType !== b.elementType) return undefined;
    const elementType = a.elementType === 0 ? b.elementType : a.elementType;
    if (a.shape === undefined || b.shape === undefined) return { kind: a.kind, elementType, shape: a.shape ?? b.shape };
    if (a.shape.length !== b.shape.length) return undefined;
    const shape: (number | string)[] = [];
    for (const [axis, size] of a.shape.entries()) {
      const other = b.shape[axis]!;
      if (typeof size === 'number' && typeof other === 'number' && size !== other) return undefined;
      shape.push(typeof size === 'number' || (typeof other !== 'number' && !isUnknownDimension(size)) ? size : other);
    }
    return { kind: a.kind, elementType, shape };
  }
  if ((a.kind === 'sequence' || a.kind === 'optional') && a.kind === b.kind) {
    const element = mergeTypes(a.element, b.element);
    return element === undefined && a.element !== undefined && b.element !== undefined ? undefined : { kind: a.kind, element };
  }
  return nameOfType(a) === nameOfType(b) ? a : undefined;
}

/** The type of a value that has either type, as after a branch. Undefined where they have nothing in common. */
export function unionType(a: ValueType | undefined, b: ValueType | undefined): ValueType | undefined {
  if (a === undefined || b === undefined) return undefined;
  if ((a.kind === 'tensor' || a.kind === 'sparse') && a.kind === b.kind) {
    const elementType = a.elementType === b.elementType ? a.elementType : 0;
    const other = b.shape;
    const shape = a.shape === undefined || a.shape.length !== other?.length ? undefined : a.shape.map((size, axis) => (size === other[axis] ? size : unknownDimension()));
    return { kind: a.kind, elementType, shape };
  }
  if ((a.kind === 'sequence' || a.kind === 'optional') && a.kind === b.kind) return { kind: a.kind, element: unionType(a.element, b.element) };
  return nameOfType(a) === nameOfType(b) ? a : undefined;
}
