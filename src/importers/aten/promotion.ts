/**
 * Which type a result has: tensors with axes count before tensors without, and those before Python's numbers; within a tier
 * the wider type counts. https://docs.pytorch.org/docs/stable/tensor_attributes.html#type-promotion-doc
 */
import { ElementType } from '../../onnx/data-type.ts';
import { isFloat } from '../../onnx/operators/arithmetic.ts';
import { AtenTensor, GraphScalar, type AtenScalar } from './value.ts';

const { BOOL, UINT8, INT8, INT16, INT32, INT64, FLOAT16, BFLOAT16, FLOAT, DOUBLE, COMPLEX64, COMPLEX128 } = ElementType;

const order = [BOOL, UINT8, INT8, INT16, INT32, INT64, FLOAT16, BFLOAT16, FLOAT, DOUBLE, COMPLEX64, COMPLEX128] as const;

export function isIntegral(elementType: number): boolean {
  return elementType === UINT8 || elementType === INT8 || elementType === INT16 || elementType === INT32 || elementType === INT64;
}

export function isComplex(elementType: number): boolean {
  return elementType === COMPLEX64 || elementType === COMPLEX128;
}

/** `torch.promote_types`. Undefined for types that don't promote. */
export function promoteTypes(a: number, b: number): number | undefined {
  if (a === b) return a;
  const [first, second] = [order.indexOf(a as 1), order.indexOf(b as 1)];
  if (first === -1 || second === -1) return undefined;
  const pair = [a, b];
  if (pair.includes(UINT8) && pair.includes(INT8)) return INT16;
  if (pair.includes(FLOAT16) && pair.includes(BFLOAT16)) return FLOAT;
  return first > second ? a : b;
}

function category(elementType: number): number {
  return elementType === BOOL ? 0 : isComplex(elementType) ? 3 : isFloat(elementType) ? 2 : 1;
}

/** `torch.result_type` of all operands. Undefined where the rank of a tensor is not known and decides, or types don't promote. */
export function resultType(operands: readonly (AtenTensor | AtenScalar)[]): number | undefined {
  let [dimensioned, zero, wrapped]: [number | undefined, number | undefined, number | undefined] = [undefined, undefined, undefined];
  const join = (current: number | undefined, next: number): number | undefined => (current === undefined ? next : promoteTypes(current, next));
  for (const operand of operands) {
    if (operand instanceof AtenTensor) {
      // A rank that is not known does not matter where all have one type.
      if (operand.rank === undefined && !operands.every((other) => other === operand || (other instanceof AtenTensor && other.elementType === operand.elementType))) return undefined;
      if (operand.isWrappedNumber) wrapped = join(wrapped, operand.elementType === DOUBLE ? FLOAT : operand.elementType);
      else if (operand.rank === 0) zero = join(zero, operand.elementType);
      else dimensioned = join(dimensioned, operand.elementType);
    } else wrapped = join(wrapped, typeOfNumber(operand));
  }
  let result = dimensioned;
  for (const next of [zero, wrapped]) {
    if (next === undefined) continue;
    if (result === undefined) result = next;
    // A lower tier counts only where it is of a higher kind: then its default type is taken as it is.
    else if (category(next) > category(result)) result = promoteTypes(result, next);
  }
  return result;
}

function typeOfNumber(number: AtenScalar): number {
  if (typeof number === 'bigint') return INT64;
  if (typeof number === 'boolean') return BOOL;
  if (number instanceof GraphScalar) return number.type === 'int' ? INT64 : number.type === 'bool' ? BOOL : FLOAT;
  return FLOAT;
}
