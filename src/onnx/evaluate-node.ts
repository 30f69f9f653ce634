/**
 * Runs a node whose inputs are all known. Only operators whose result is the same on every machine, to the last bit: arithmetic that
 * IEEE 754 defines, comparisons, moving elements around. Everything else is left to the runtime.
 */
import { elementCount } from '../tensor.ts';
import type { Attributes } from './attributes.ts';
import type { ConstantTensor } from './constant-tensor.ts';
import { dataTypes, ElementType } from './data-type.ts';
import type { NodeProto } from './model-proto.ts';
import type { TensorElements } from './tensor-elements.ts';

export interface Evaluation {
  readonly node: NodeProto;
  readonly attributes: Attributes;
  readonly inputs: readonly (ConstantTensor | undefined)[];
  /** The shapes of the outputs, as shape inference tells them. */
  readonly shapes: readonly (readonly number[])[];
  readonly opset: number;
}

type Kernel = (evaluation: Evaluation) => readonly ConstantTensor[] | undefined;

/** Undefined where the operator, or its element type, is not covered. */
export function evaluateNode(evaluation: Evaluation): readonly ConstantTensor[] | undefined {
  const domain = evaluation.node.domain ?? '';
  return domain === '' || domain === 'ai.onnx' ? kernels[evaluation.node.opType ?? '']?.(evaluation) : undefined;
}

type Numbers = Exclude<TensorElements, Uint8Array[]>;

/** An array for `count` elements of the type; undefined for texts and types that are not whole numbers of bytes. */
export function allocateElements(elementType: number, count: number): TensorElements | undefined {
  if (elementType === ElementType.STRING) return new Array<Uint8Array>(count);
  const facts = dataTypes.get(elementType);
  return facts?.array === undefined || facts.name.startsWith('COMPLEX') ? undefined : new facts.array(count);
}

/** Elements whose positions in `source` are given by a start and a step for each axis of the result. Undefined where one lies outside. */
export function pick(source: ConstantTensor, shape: readonly number[], start: number, strides: readonly number[]): ConstantTensor | undefined {
  const count = elementCount(shape);
  const data = allocateElements(source.elementType, count);
  if (data === undefined || (count > 0 && !staysInside(source.data.length, shape, start, strides))) return undefined;
  const position = new Array<number>(shape.length).fill(0);
  let offset = start;
  for (let index = 0; index < count; index++) {
    data[index] = source.data[offset]!;
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      offset += strides[axis]!;
      if (++position[axis]! < shape[axis]!) break;
      offset -= strides[axis]! * shape[axis]!;
      position[axis] = 0;
    }
  }
  return { elementType: source.elementType, shape, data };
}

function staysInside(length: number, shape: readonly number[], start: number, strides: readonly number[]): boolean {
  let [least, most] = [start, start];
  for (const [axis, size] of shape.entries()) {
    const reach = (size - 1) * strides[axis]!;
    if (reach < 0) least += reach;
    else most += reach;
  }
  return least >= 0 && most < length;
}

export function stridesOf(shape: readonly number[]): number[] {
  const strides = new Array<number>(shape.length);
  let stride = 1;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    strides[axis] = stride;
    stride *= shape[axis]!;
  }
  return strides;
}

/** The tensor as one of a larger shape: axes of 1 are repeated. */
export function broadcastTo(source: ConstantTensor, shape: readonly number[]): ConstantTensor | undefined {
  if (source.shape.length === shape.length && source.shape.every((size, axis) => size === shape[axis])) return source;
  const own = stridesOf(source.shape);
  const shift = shape.length - source.shape.length;
  return pick(source, shape, 0, shape.map((_, axis) => (axis < shift || source.shape[axis - shift] === 1 ? 0 : own[axis - shift]!)));
}

const one = (tensor: ConstantTensor | undefined): readonly ConstantTensor[] | undefined => (tensor === undefined ? undefined : [tensor]);

/** The same elements in another shape. */
const reshaped: Kernel = ({ inputs: [x], shapes: [shape] }) => (x === undefined || shape === undefined ? undefined : [{ ...x, shape }]);

const transpose: Kernel = ({ inputs: [x], shapes: [shape], attributes }) => {
  if (x === undefined || shape === undefined) return undefined;
  const strides = stridesOf(x.shape);
  const order = attributes.integers('perm') ?? [...x.shape.keys()].toReversed();
  return one(pick(x, shape, 0, order.map((axis) => strides[axis < 0 ? axis + x.shape.length : axis]!)));
};

const expand: Kernel = ({ inputs: [x], shapes: [shape] }) => (x === undefined || shape === undefined ? undefined : one(broadcastTo(x, shape)));

const concat: Kernel = ({ inputs, shapes: [shape], attributes }) => {
  const parts = inputs.filter((part) => part !== undefined);
  if (shape === undefined || parts.length !== inputs.length) return undefined;
  const given = attributes.integer('axis') ?? 0;
  const axis = given < 0 ? given + shape.length : given;
  const data = allocateElements(parts[0]!.elementType, elementCount(shape));
  if (data === undefined) return undefined;
  const outer = elementCount(shape.slice(0, axis));
  let offset = 0;
  for (let block = 0; block < outer; block++) {
    for (const part of parts) {
      const length = elementCount(part.shape.slice(axis));
      for (let index = 0; index < length; index++) data[offset++] = part.data[block * length + index]!;
    }
  }
  return [{ elementType: parts[0]!.elementType, shape, data }];
};

const slice: Kernel = ({ inputs, shapes: [shape], opset }) => {
  const [x, starts, , axes, steps] = inputs;
  if (x === undefined || starts === undefined || shape === undefined || opset < 10) return undefined;
  const strides = stridesOf(x.shape);
  const own = [...strides];
  const axesOfSlice = Array.from({ length: starts.data.length }, (_, index) => {
    const given = axes === undefined ? index : Number(axes.data[index]);
    return given < 0 ? given + x.shape.length : given;
  });
  if (new Set(axesOfSlice).size < axesOfSlice.length) return undefined;
  let from = 0;
  for (const [index, axis] of axesOfSlice.entries()) {
    const step = steps === undefined ? 1 : Number(steps.data[index]);
    const size = x.shape[axis]!;
    const start = Number(starts.data[index]);
    from += Math.min(Math.max(start < 0 ? start + size : start, 0), step < 0 ? size - 1 : size) * own[axis]!;
    strides[axis] = own[axis]! * step;
  }
  return one(pick(x, shape, elementCount(shape) === 0 ? 0 : from, strides));
};

const gather: Kernel = ({ inputs: [x, indices], shapes: [shape], attributes }) => {
  if (x === undefined || indices === undefined || shape === undefined) return undefined;
  const given = attributes.integer('axis') ?? 0;
  const axis = given < 0 ? given + x.shape.length : given;
  const size = x.shape[axis]!;
  const outer = elementCount(x.shape.slice(0, axis));
  const inner = elementCount(x.shape.slice(axis + 1));
  const data = allocateElements(x.elementType, elementCount(shape));
  if (data === undefined) return undefined;
  let offset = 0;
  for (let block = 0; block < outer; block++) {
    for (let index = 0; index < indices.data.length; index++) {
      const at = Number(indices.data[index]);
      const row = at < 0 ? at + size : at;
      if (row < 0 || row >= size) return undefined;
      for (let element = 0; element < inner; element++) data[offset++] = x.data[(block * size + row) * inner + element]!;
    }
  }
  return [{ elementType: x.elementType, shape, data }];
};

const filled: Kernel = ({ shapes: [shape], attributes }) => {
  const value = attributes.tensor('value');
  if (shape === undefined) return undefined;
  const elementType = value?.dataType ?? ElementType.FLOAT;
  const data = allocateElements(elementType, elementCount(shape));
  if (data === undefined || Array.isArray(data)) return undefined;
  if (value === undefined) return [{ elementType, shape, data }];
  const bytes = value.rawData?.read();
  const width = data.BYTES_PER_ELEMENT;
  if (bytes?.byteLength !== width) return undefined;
  const target = new Uint8Array(data.buffer);
  for (let index = 0; index < target.length; index += width) target.set(bytes, index);
  return [{ elementType, shape, data }];
};

/** Arithmetic that is exact after rounding to the element type. 64-bit integers wrap around. */
const arithmetic: Readonly<Record<string, { readonly float?: (a: number, b: number) => number; readonly integer?: (a: bigint, b: bigint) => bigint | undefined }>> = {
  Add: { float: (a, b) => a + b, integer: (a, b) => a + b },
  Sub: { float: (a, b) => a - b, integer: (a, b) => a - b },
  Mul: { float: (a, b) => a * b, integer: (a, b) => a * b },
  Div: { float: (a, b) => a / b, integer: (a, b) => (b === 0n ? undefined : a / b) },
  Max: { integer: (a, b) => (a > b ? a : b) },
  Min: { integer: (a, b) => (a < b ? a : b) },
  Mod: { integer: (a, b) => (b === 0n ? undefined : ((a % b) + b) % b) },
};

const binary: Kernel = ({ node, inputs, shapes: [shape], attributes }) => {
  const [a, b] = inputs.map((input) => (input === undefined || shape === undefined ? undefined : broadcastTo(input, shape)));
  if (a === undefined || b === undefined || shape === undefined || inputs.length !== 2 || attributes.integer('fmod') === 1) return undefined;
  const { float, integer } = arithmetic[node.opType!]!;
  const data = allocateElements(a.elementType, a.data.length) as Numbers | undefined;
  if (data === undefined) return undefined;
  const isFloat = a.elementType === ElementType.FLOAT || a.elementType === ElementType.DOUBLE;
  if (isFloat ? float === undefined : !isWholeNumber(a.elementType)) return undefined;
  for (let index = 0; index < data.length; index++) {
    if (isFloat) data[index] = float!(a.data[index] as number, b.data[index] as number);
    else {
      const result = integer?.(BigInt(a.data[index] as number), BigInt(b.data[index] as number));
      if (result === undefined) return undefined;
      // Typed arrays wrap around; those of numbers need what they can hold.
      data[index] = data instanceof BigInt64Array || data instanceof BigUint64Array ? result : Number(BigInt.asIntN(32, result));
    }
  }
  return [{ elementType: a.elementType, shape, data }];
};

function isWholeNumber(elementType: number): boolean {
  return [ElementType.INT64, ElementType.INT32, ElementType.UINT64, ElementType.UINT32, ElementType.INT16, ElementType.UINT16, ElementType.INT8, ElementType.UINT8].includes(elementType as 7);
}

const comparisons: Readonly<Record<string, (a: number | bigint, b: number | bigint) => boolean>> = {
  Equal: (a, b) => a === b,
  Less: (a, b) => a < b,
  LessOrEqual: (a, b) => a <= b,
  Greater: (a, b) => a > b,
  GreaterOrEqual: (a, b) => a >= b,
  And: (a, b) => a !== 0 && b !== 0,
  Or: (a, b) => a !== 0 || b !== 0,
  Xor: (a, b) => (a !== 0) !== (b !== 0),
};

/** Half floats are kept as their bits, which do not compare as numbers. */
function isComparable(elementType: number): boolean {
  return elementType === ElementType.FLOAT || elementType === ElementType.DOUBLE || elementType === ElementType.BOOL || isWholeNumber(elementType);
}

const comparing: Kernel = ({ node, inputs, shapes: [shape] }) => {
  const [a, b] = inputs.map((input) => (input === undefined || shape === undefined ? undefined : broadcastTo(input, shape)));
  if (a === undefined || b === undefined || shape === undefined || !isComparable(a.elementType)) return undefined;
  const compare = comparisons[node.opType!]!;
  const data = Uint8Array.from({ length: a.data.length }, (_, index) => Number(compare(a.data[index] as number, b.data[index] as number)));
  return [{ elementType: ElementType.BOOL, shape, data }];
};

const choosing: Kernel = ({ inputs, shapes: [shape] }) => {
  const [condition, a, b] = inputs.map((input) => (input === undefined || shape === undefined ? undefined : broadcastTo(input, shape)));
  if (condition === undefined || a === undefined || b === undefined || shape === undefined) return undefined;
  const data = allocateElements(a.elementType, a.data.length);
  if (data === undefined) return undefined;
  for (let index = 0; index < data.length; index++) data[index] = (condition.data[index] === 0 ? b : a).data[index]!;
  return [{ elementType: a.elementType, shape, data }];
};

const functionsOfOne: Readonly<Record<string, (x: number) => number>> = { Neg: (x) => -x, Abs: Math.abs, Sqrt: Math.sqrt, Floor: Math.floor, Ceil: Math.ceil };

const unary: Kernel = ({ node, inputs: [x] }) => {
  if (x === undefined || (x.elementType !== ElementType.FLOAT && x.elementType !== ElementType.DOUBLE)) return undefined;
  const apply = functionsOfOne[node.opType!]!;
  return [{ ...x, data: (x.data as Float64Array).map(apply) }];
};

const not: Kernel = ({ inputs: [x] }) => (x === undefined ? undefined : [{ ...x, data: (x.data as Uint8Array).map((element) => Number(element === 0)) }]);

const cast: Kernel = ({ inputs: [x], attributes }) => {
  const to = attributes.integer('to') ?? 0;
  if (x === undefined || !isComparable(x.elementType) || !isComparable(to)) return undefined;
  const from = x.data as Numbers;
  const data = allocateElements(to, from.length) as Numbers;
  const fromFloat = x.elementType === ElementType.FLOAT || x.elementType === ElementType.DOUBLE;
  const toFloat = to === ElementType.FLOAT || to === ElementType.DOUBLE;
  for (let index = 0; index < data.length; index++) {
    const element = from[index]!;
    // What is out of range becomes something else on each machine.
    if (fromFloat && !toFloat && to !== ElementType.BOOL && !(Math.abs(element as number) < 2 ** 31)) return undefined;
    if (to === ElementType.BOOL) data[index] = Number(Number(element) !== 0);
    else if (toFloat) {
      // A 64-bit integer that no double holds would be rounded twice.
      if (!Number.isSafeInteger(Number(element)) && typeof element === 'bigint') return undefined;
      data[index] = Number(element);
    } else if (data instanceof BigInt64Array || data instanceof BigUint64Array) data[index] = BigInt(typeof element === 'bigint' ? element : Math.trunc(element));
    else {
      const whole = typeof element === 'bigint' ? Number(BigInt.asIntN(32, element)) : Math.trunc(element);
      data[index] = whole;
      if (fromFloat && data[index] !== whole) return undefined;
    }
  }
  return [{ elementType: to, shape: x.shape, data }];
};

const range: Kernel = ({ inputs: [start, , step], shapes: [shape] }) => {
  if (start === undefined || step === undefined || shape === undefined || !isWholeNumber(start.elementType)) return undefined;
  const data = allocateElements(start.elementType, shape[0]!) as Numbers;
  for (let index = 0; index < data.length; index++) {
    data[index] = data instanceof BigInt64Array || data instanceof BigUint64Array ? (start.data[0] as bigint) + BigInt(index) * (step.data[0] as bigint) : (start.data[0] as number) + index * (step.data[0] as number);
  }
  return [{ elementType: start.elementType, shape, data }];
};

const all = (names: string, kernel: Kernel): Record<string, Kernel> => Object.fromEntries(names.split(' ').map((name) => [name, kernel]));

const kernels: Readonly<Record<string, Kernel>> = {
  ...all('Identity Reshape Squeeze Unsqueeze Flatten', reshaped),
  ...all(Object.keys(arithmetic).join(' '), binary),
  ...all(Object.keys(comparisons).join(' '), comparing),
  ...all(Object.keys(functionsOfOne).join(' '), unary),
  Transpose: transpose,
  Expand: expand,
  Concat: concat,
  Slice: slice,
  Gather: gather,
  ConstantOfShape: filled,
  Where: choosing,
  Not: not,
  Cast: cast,
  Range: range,
};
