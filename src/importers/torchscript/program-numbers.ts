/** TorchScript's numbers: ints of 64 bits that wrap around, floats, truth values; known now, or computed by the graph. */
import { ElementType } from '../../onnx/data-type.ts';
import { isNeverNegative, subtractDimensions } from '../../onnx/dimension.ts';
import type { Value } from '../../onnx/graph-builder.ts';
import type { LoweringContext } from '../aten/lowering.ts';
import { GraphScalar, isScalar, toScalar, type AtenScalar, type AtenValue } from '../aten/value.ts';
import type { ScriptValue } from './script-value.ts';

const { INT64, DOUBLE, BOOL } = ElementType;

export function wrap(value: bigint): bigint {
  return BigInt.asIntN(64, value);
}

export function scalarType(value: AtenScalar): 'int' | 'float' | 'bool' {
  return value instanceof GraphScalar ? value.type : typeof value === 'bigint' ? 'int' : typeof value === 'number' ? 'float' : 'bool';
}

export function isNumber(value: ScriptValue | undefined): value is AtenScalar {
  return value !== undefined && isScalar(value as AtenValue);
}

/** The scalar in the graph. */
export function toGraph(context: LoweringContext, value: AtenScalar, type: 'int' | 'float' | 'bool'): Value {
  return context.operand(value, type === 'int' ? INT64 : type === 'float' ? DOUBLE : BOOL);
}

type Binary = (a: AtenScalar, b: AtenScalar, context: LoweringContext) => AtenScalar;

interface BinaryRule {
  readonly ints?: (a: bigint, b: bigint, context: LoweringContext) => AtenScalar;
  readonly floats: (a: number, b: number) => AtenScalar;
  /** In the graph; both have the same type, which is int64 or double. */
  readonly graph: (context: LoweringContext, a: Value, b: Value, type: 'int' | 'float') => Value;
  /** Always in floats: true division. */
  readonly alwaysFloat?: boolean;
}

function binary(rule: BinaryRule): Binary {
  return (a, b, context) => {
    const type = rule.alwaysFloat !== true && scalarType(a) !== 'float' && scalarType(b) !== 'float' ? 'int' : 'float';
    if (!(a instanceof GraphScalar) && !(b instanceof GraphScalar)) {
      return type === 'int' && rule.ints !== undefined ? rule.ints(BigInt(a), BigInt(b), context) : rule.floats(Number(a), Number(b));
    }
    return toScalar(rule.graph(context, toGraph(context, a, type), toGraph(context, b, type), type));
  };
}

function nonZero(b: bigint, context: LoweringContext): bigint {
  if (b === 0n) throw context.refuse('it divides an int by zero');
  return b;
}

function floorDivide(a: bigint, b: bigint): bigint {
  const quotient = a / b;
  return a % b !== 0n && a < 0n !== b < 0n ? quotient - 1n : quotient;
}

function floorMod(a: number, b: number): number {
  const rest = a % b;
  return rest !== 0 && rest < 0 !== b < 0 ? rest + b : rest;
}

/** Whether a division that rounds to zero rounds down. */
function roundsDown(a: Value, b: Value): boolean {
  const [size, divisor] = [a.elements?.[0], b.elements?.[0]];
  return size !== undefined && isNeverNegative(size) && typeof divisor === 'number' && divisor > 0;
}

const comparison = (test: (a: number | bigint, b: number | bigint) => boolean, operator: 'equal' | 'less' | 'lessOrEqual' | 'greater' | 'greaterOrEqual', whenSame: boolean): Binary => {
  const rule = binary({ ints: test, floats: test, graph: ({ graph }, a, b) => graph.op[operator](a, b) });
  return (a, b, context) => {
    // Sizes that have the same name are equal, whatever they are; of two that differ by a number the larger is known.
    if (scalarType(a) === 'int' && scalarType(b) === 'int') {
      const [left, right] = [dimensionOf(a), dimensionOf(b)];
      const difference = left === undefined || right === undefined ? undefined : subtractDimensions(left, right);
      if (typeof difference === 'number') return difference === 0 ? whenSame : test(difference, 0);
    }
    return rule(a, b, context);
  };
};

function dimensionOf(value: AtenScalar): number | string | undefined {
  if (value instanceof GraphScalar) return value.dimension;
  return typeof value === 'bigint' && value >= BigInt(Number.MIN_SAFE_INTEGER) && value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : undefined;
}

export const arithmetic = {
  add: binary({ ints: (a, b) => wrap(a + b), floats: (a, b) => a + b, graph: ({ graph }, a, b) => graph.op.add(a, b) }),
  sub: binary({ ints: (a, b) => wrap(a - b), floats: (a, b) => a - b, graph: ({ graph }, a, b) => graph.op.sub(a, b) }),
  mul: binary({ ints: (a, b) => wrap(a * b), floats: (a, b) => a * b, graph: ({ graph }, a, b) => graph.op.mul(a, b) }),
  div: binary({ floats: (a, b) => a / b, graph: ({ graph }, a, b) => graph.op.div(a, b), alwaysFloat: true }),
  floordiv: binary({
    ints: (a, b, context) => wrap(floorDivide(a, nonZero(b, context))),
    floats: (a, b) => Math.floor(a / b),
    graph: ({ graph: { op } }, a, b, type) => (type === 'float' ? op.floor(op.div(a, b)) : roundsDown(a, b) ? op.div(a, b) : op.div(op.sub(a, op.floorMod(a, b)), b)),
  }),
  remainder: binary({
    ints: (a, b, context) => a - floorDivide(a, nonZero(b, context)) * b,
    floats: floorMod,
    graph: ({ graph: { op } }, a, b, type) => (type === 'int' && roundsDown(a, b) ? op.sub(a, op.mul(op.div(a, b), b)) : op.floorMod(a, b)),
  }),
  // The first overload that takes two ints gives a float.
  pow: binary({ floats: (a, b) => a ** b, graph: ({ graph }, a, b) => graph.op.pow(a, b), alwaysFloat: true }),
  min: binary({ ints: (a, b) => (a < b ? a : b), floats: Math.min, graph: ({ graph }, a, b) => graph.op.min(a, b) }),
  max: binary({ ints: (a, b) => (a > b ? a : b), floats: Math.max, graph: ({ graph }, a, b) => graph.op.max(a, b) }),
  eq: comparison((a, b) => a === b, 'equal', true),
  ne: ((a, b, context) => not(comparison((c, d) => c === d, 'equal', true)(a, b, context), context)) as Binary,
  lt: comparison((a, b) => a < b, 'less', false),
  le: comparison((a, b) => a <= b, 'lessOrEqual', true),
  gt: comparison((a, b) => a > b, 'greater', false),
  ge: comparison((a, b) => a >= b, 'greaterOrEqual', true),
} as const;

export function not(value: AtenScalar, context: LoweringContext): AtenScalar {
  const truth = toBool(value, context);
  return truth instanceof GraphScalar ? toScalar(context.graph.op.not(truth.value)) : !truth;
}

export function toBool(value: AtenScalar, context: LoweringContext): boolean | GraphScalar {
  if (!(value instanceof GraphScalar)) return typeof value === 'boolean' ? value : value !== 0 && value !== 0n;
  return value.type === 'bool' ? value : (toScalar(context.graph.op.cast(value.value, BOOL)) as boolean | GraphScalar);
}

export function toInt(value: AtenScalar, context: LoweringContext): bigint | GraphScalar {
  if (value instanceof GraphScalar) return value.type === 'int' ? value : (toScalar(context.graph.op.cast(value.value, INT64)) as bigint | GraphScalar);
  if (typeof value === 'bigint') return value;
  if (!Number.isFinite(Number(value))) throw context.refuse(`the float ${String(value)} becomes an int`);
  return BigInt(Math.trunc(Number(value)));
}

export function toFloat(value: AtenScalar, context: LoweringContext): number | GraphScalar {
  if (value instanceof GraphScalar) return value.type === 'float' ? value : (toScalar(context.graph.op.cast(value.value, DOUBLE)) as number | GraphScalar);
  return Number(value);
}

export function negate(value: AtenScalar, context: LoweringContext): AtenScalar {
  if (typeof value === 'bigint') return wrap(-value);
  if (typeof value === 'number') return -value;
  return arithmetic.sub(0n, value, context);
}

/** Functions of a float, or that give an int. Python rounds to even. */
const floatFunctions: Readonly<Record<string, (x: number) => number>> = {
  sqrt: Math.sqrt, exp: Math.exp, log: Math.log, log2: Math.log2, log10: Math.log10, log1p: Math.log1p, sin: Math.sin, cos: Math.cos, tan: Math.tan, tanh: Math.tanh, atan: Math.atan, asin: Math.asin, acos: Math.acos, sinh: Math.sinh, cosh: Math.cosh,
  fabs: Math.abs, degrees: (x) => (x * 180) / Math.PI, radians: (x) => (x * Math.PI) / 180,
}; // prettier-ignore

export function functionOfNumber(name: string, value: AtenScalar, context: LoweringContext): AtenScalar | undefined {
  const { op } = context.graph;
  if (name === 'floor' || name === 'ceil' || name === 'round') {
    if (scalarType(value) === 'int') return name === 'round' ? toFloat(value, context) : value;
    if (!(value instanceof GraphScalar)) {
      const x = Number(value);
      const rounded = name === 'floor' ? Math.floor(x) : name === 'ceil' ? Math.ceil(x) : roundToEven(x);
      return name === 'round' ? rounded : toInt(rounded, context);
    }
    const rounded = toScalar(op[name](value.value));
    return name === 'round' ? rounded : toInt(rounded, context);
  }
  if (name === 'abs') {
    if (typeof value === 'bigint') return value < 0n ? wrap(-value) : value;
    if (!(value instanceof GraphScalar)) return Math.abs(Number(value));
    return toScalar(op.abs(value.value));
  }
  const known = Object.hasOwn(floatFunctions, name) ? floatFunctions[name] : undefined;
  if (known === undefined) return undefined;
  if (!(value instanceof GraphScalar)) return known(Number(value));
  const graphName = name as 'sqrt';
  const apply = ['sqrt', 'exp', 'log', 'sin', 'cos', 'tan', 'tanh', 'atan', 'asin', 'acos', 'sinh', 'cosh'].includes(name) ? op[graphName] : undefined;
  return apply === undefined ? undefined : toScalar(apply(toGraph(context, value, 'float')));
}

function roundToEven(x: number): number {
  const floor = Math.floor(x);
  const rest = x - floor;
  if (rest !== 0.5) return Math.round(x);
  return floor % 2 === 0 ? floor : floor + 1;
}
