/**
 * Python's arithmetic on ints, floats and truth values, computed now where operands are known, else in the graph.
 * Ints are int64 and wrap around; `//` and `%` round down; `/` gives a float.
 */
import { ElementType } from '../../onnx/data-type.ts';
import type { Value } from '../../onnx/graph-builder.ts';
import { isNeverNegative } from '../../onnx/dimension.ts';
import type { LoweringContext } from './lowering.ts';
import { GraphScalar, toScalar, type AtenScalar } from './value.ts';

const { BOOL, DOUBLE, INT64 } = ElementType;

export type BinaryScalarOperator = 'add' | 'sub' | 'mul' | 'truediv' | 'floordiv' | 'mod' | 'pow' | 'min' | 'max' | 'eq' | 'ne' | 'lt' | 'le' | 'gt' | 'ge' | 'and' | 'or' | 'xor' | 'lshift' | 'rshift';
export type UnaryScalarOperator = 'neg' | 'abs' | 'not' | 'int' | 'float' | 'bool' | 'ceil' | 'floor' | 'trunc' | 'round' | 'sqrt' | 'invert' | 'log' | 'exp' | 'sin' | 'cos' | 'tanh' | 'log2';

export function typeOfScalar(scalar: AtenScalar): 'int' | 'float' | 'bool' {
  if (scalar instanceof GraphScalar) return scalar.type;
  return typeof scalar === 'bigint' ? 'int' : typeof scalar === 'number' ? 'float' : 'bool';
}

const wrap = (value: bigint): bigint => BigInt.asIntN(64, value);
const comparisons = new Set(['eq', 'ne', 'lt', 'le', 'gt', 'ge']);

/** Throws `INVALID_MODEL` for what Python would refuse, and for what is not covered in a graph. */
export function binaryScalar(context: LoweringContext, operator: BinaryScalarOperator, a: AtenScalar, b: AtenScalar): AtenScalar {
  if (!(a instanceof GraphScalar) && !(b instanceof GraphScalar)) return knownBinary(context, operator, a, b);
  const isFloat = typeOfScalar(a) === 'float' || typeOfScalar(b) === 'float' || operator === 'truediv';
  const areTruths = typeOfScalar(a) === 'bool' && typeOfScalar(b) === 'bool';
  const { op } = context.graph;
  const logical = areTruths && ['and', 'or', 'xor', 'eq', 'ne'].includes(operator);
  const type = logical ? BOOL : isFloat ? DOUBLE : INT64;
  const [x, y] = [context.operand(a, type), context.operand(b, type)];
  if (comparisons.has(operator)) {
    const known = compareDimensions(operator, x, y);
    if (known !== undefined) return known;
  }
  switch (operator) {
    case 'add':
    case 'sub':
    case 'mul':
      return toScalar(op[operator](x, y));
    case 'truediv':
      return toScalar(op.div(x, y));
    case 'pow':
      return toScalar(op.pow(x, y));
    case 'min':
    case 'max':
      return toScalar(op[operator](x, y));
    case 'floordiv':
      return toScalar(floorDivide(context, x, y));
    case 'mod':
      return toScalar(isFloat ? op.sub(x, op.mul(floorDivide(context, x, y), y)) : op.mod(x, y));
    case 'eq':
      return toScalar(op.equal(x, y));
    case 'ne':
      return toScalar(op.not(op.equal(x, y)));
    case 'lt':
      return toScalar(op.less(x, y));
    case 'le':
      return toScalar(op.lessOrEqual(x, y));
    case 'gt':
      return toScalar(op.greater(x, y));
    case 'ge':
      return toScalar(op.greaterOrEqual(x, y));
    case 'and':
    case 'or':
    case 'xor':
      if (logical) return toScalar(op[operator](x, y));
      return toScalar(operator === 'and' ? op.bitwiseAnd(x, y) : operator === 'or' ? op.bitwiseOr(x, y) : op.bitwiseXor(x, y));
    default:
      throw context.refuse(`${operator} of an int that depends on the input is not covered`);
  }
}

/** Sizes that have names: n == n, and a size is never below zero. Undefined: only the running graph knows. */
function compareDimensions(operator: string, x: Value, y: Value): boolean | undefined {
  const [a, b] = [x.elements?.[0], y.elements?.[0]];
  if (a === undefined || b === undefined || String(a).includes('?') || String(b).includes('?')) return undefined;
  if (a === b) return operator === 'eq' || operator === 'le' || operator === 'ge';
  if (b === 0 && typeof a === 'string' && isNeverNegative(a)) return operator === 'ge' ? true : operator === 'lt' ? false : undefined;
  return undefined;
}

function floorDivide(context: LoweringContext, x: Value, y: Value): Value {
  const { op } = context.graph;
  if (x.elementType === DOUBLE) return op.floor(op.div(x, y));
  const [a, b] = [x.elements?.[0], y.elements?.[0]];
  // What is not negative rounds down as it is.
  if (a !== undefined && isNeverNegative(a) && typeof b === 'number' && b > 0) return op.div(x, y);
  return op.div(op.sub(x, op.mod(x, y)), y);
}

function knownBinary(context: LoweringContext, operator: BinaryScalarOperator, a: bigint | number | boolean, b: bigint | number | boolean): AtenScalar {
  if (typeof a === 'boolean' && typeof b === 'boolean' && (operator === 'and' || operator === 'or' || operator === 'xor')) return operator === 'and' ? a && b : operator === 'or' ? a || b : a !== b;
  if (comparisons.has(operator)) return compare(operator, typeof a === 'boolean' ? BigInt(a) : a, typeof b === 'boolean' ? BigInt(b) : b);
  if (typeof a === 'number' || typeof b === 'number') return knownFloats(context, operator, Number(a), Number(b));
  const [x, y] = [BigInt(a), BigInt(b)];
  const nonZero = (): bigint => {
    if (y === 0n) throw context.refuse('it divides by zero');
    return y;
  };
  const floor = (): bigint => {
    const quotient = x / nonZero();
    return x % y !== 0n && x < 0n !== y < 0n ? quotient - 1n : quotient;
  };
  switch (operator) {
    case 'add':
      return wrap(x + y);
    case 'sub':
      return wrap(x - y);
    case 'mul':
      return wrap(x * y);
    case 'truediv':
      return Number(x) / Number(nonZero());
    case 'floordiv':
      return wrap(floor());
    case 'mod':
      return x - floor() * y;
    case 'pow':
      if (y < 0n) return Number(x) ** Number(y);
      if (y > 4096n) throw context.refuse('its exponent is too large');
      return wrap(x ** y);
    case 'min':
      return x < y ? x : y;
    case 'max':
      return x > y ? x : y;
    case 'and':
      return wrap(x & y);
    case 'or':
      return wrap(x | y);
    case 'xor':
      return wrap(x ^ y);
    case 'lshift':
    case 'rshift':
      if (y < 0n || y > 63n) throw context.refuse(`it shifts by ${y} bits`);
      return wrap(operator === 'lshift' ? x << y : x >> y);
    default:
      throw context.refuse(`${operator} of ints is not covered`);
  }
}

function compare(operator: string, a: bigint | number, b: bigint | number): boolean {
  switch (operator) {
    case 'eq':
      // oxlint-disable-next-line eqeqeq -- 1n == 1, as in Python
      return a == b;
    case 'ne':
      // oxlint-disable-next-line eqeqeq
      return a != b;
    case 'lt':
      return a < b;
    case 'le':
      return a <= b;
    case 'gt':
      return a > b;
    default:
      return a >= b;
  }
}

function knownFloats(context: LoweringContext, operator: BinaryScalarOperator, a: number, b: number): number {
  switch (operator) {
    case 'add':
      return a + b;
    case 'sub':
      return a - b;
    case 'mul':
      return a * b;
    case 'truediv':
    case 'floordiv':
    case 'mod': {
      if (b === 0) throw context.refuse('it divides by zero');
      if (operator === 'truediv') return a / b;
      const rest = a % b;
      const positive = rest !== 0 && rest < 0 !== b < 0 ? rest + b : rest;
      return operator === 'mod' ? positive : Math.round((a - positive) / b);
    }
    case 'pow':
      return a ** b;
    case 'min':
      return b < a ? b : a;
    case 'max':
      return b > a ? b : a;
    default:
      throw context.refuse(`${operator} of floats is not covered`);
  }
}

export function unaryScalar(context: LoweringContext, operator: UnaryScalarOperator, a: AtenScalar): AtenScalar {
  const { op } = context.graph;
  if (a instanceof GraphScalar) {
    const x = a.value;
    const number = a.type === 'bool' ? op.cast(x, INT64) : x;
    switch (operator) {
      case 'neg':
        return toScalar(op.neg(number));
      case 'abs':
        return toScalar(op.abs(number));
      case 'not':
        return toScalar(op.not(op.cast(x, BOOL)));
      case 'bool':
        return toScalar(op.cast(x, BOOL));
      case 'float':
        return toScalar(op.cast(x, DOUBLE));
      case 'int':
      case 'trunc':
        return toScalar(op.cast(x, INT64));
      case 'ceil':
      case 'floor':
        return a.type === 'float' ? toScalar(op.cast(op[operator](x), INT64)) : toScalar(number);
      case 'sqrt':
        return toScalar(op.sqrt(op.cast(x, DOUBLE)));
      default:
        throw context.refuse(`${operator} of a number that depends on the input is not covered`);
    }
  }
  const whole = (value: number): bigint => {
    if (!Number.isFinite(value)) throw context.refuse(`the float ${value} becomes an int`);
    return wrap(BigInt(value));
  };
  const known = typeof a === 'boolean' ? BigInt(a) : a;
  switch (operator) {
    case 'neg':
      return typeof known === 'bigint' ? wrap(-known) : -known;
    case 'abs':
      return typeof known === 'bigint' ? (known < 0n ? wrap(-known) : known) : Math.abs(known);
    case 'not':
      return Number(known) === 0;
    case 'bool':
      return Number(known) !== 0;
    case 'float':
      return Number(known);
    case 'int':
    case 'trunc':
      return typeof known === 'bigint' ? known : whole(Math.trunc(known));
    case 'ceil':
      return typeof known === 'bigint' ? known : whole(Math.ceil(known));
    case 'floor':
      return typeof known === 'bigint' ? known : whole(Math.floor(known));
    case 'round':
      return typeof known === 'bigint' ? known : whole(roundHalfEven(known));
    case 'invert':
      if (typeof known !== 'bigint') throw context.refuse('it takes the bits of a float');
      return wrap(~known);
    default: {
      const value = Math[operator as 'sqrt' | 'log' | 'exp' | 'sin' | 'cos' | 'tanh' | 'log2'](Number(known));
      return value;
    }
  }
}

function roundHalfEven(value: number): number {
  const down = Math.floor(value);
  const difference = value - down;
  return difference < 0.5 || (difference === 0.5 && down % 2 === 0) ? down : down + 1;
}
