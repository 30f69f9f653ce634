/** A value's type as ONNX's documentation writes it: `tensor(float)`, `seq(map(string,tensor(float)))`. */
import { dataTypeName } from './data-type.ts';
import type { TypeProto } from './model-proto.ts';

export function describeType(type: TypeProto | undefined): string {
  if (type?.tensorType !== undefined) return `tensor(${element(type.tensorType.elemType)})`;
  if (type?.sparseTensorType !== undefined) return `sparse_tensor(${element(type.sparseTensorType.elemType)})`;
  if (type?.sequenceType !== undefined) return `seq(${describeType(type.sequenceType.elemType)})`;
  if (type?.optionalType !== undefined) return `optional(${describeType(type.optionalType.elemType)})`;
  if (type?.mapType !== undefined) return `map(${element(type.mapType.keyType)},${describeType(type.mapType.valueType)})`;
  if (type?.opaqueType !== undefined) return `opaque(${type.opaqueType.domain ?? ''}.${type.opaqueType.name ?? ''})`;
  return 'a type that is not declared';
}

function element(number: number | undefined): string {
  return dataTypeName(number ?? 0).toLowerCase();
}
