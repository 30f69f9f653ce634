/** Operators that work element by element: unary, binary with broadcasting, comparisons, choices, casts. */
import { ElementType } from '../data-type.ts';
import { addDimensions, floorDivideDimension, isNeverNegative, multiplyDimensions, subtractDimensions, type Dimension, type Shape } from '../dimension.ts';
import { elementCount } from '../../tensor.ts';
import { tensorType } from '../value-type.ts';
import { broadcast } from './broadcast.ts';
import { knownTensor, mostElements, type KnownValue } from './known-value.ts';
import type { NodeContext, Rule } from './node-context.ts';

/** The first input's type. */
export const like: Rule = (node) => {
  const tensor = node.tensor(0);
  return [tensor === undefined ? undefined : { type: tensor }];
};

/** All outputs have the first input's type. */
export const allLike: Rule = (node) => Array.from({ length: node.outputCount }, () => like(node)[0]);

const identity: Rule = (node) => [node.inputs[0]];

const sameShapeOf =
  (elementType: number): Rule =>
  (node) => [knownTensor(elementType, node.shape(0))];

type Combine = (...elements: Dimension[]) => Dimension | undefined;

const numeric =
  (combine: (...numbers: number[]) => number): Combine =>
  (...elements) => {
    if (!elements.every((element) => typeof element === 'number')) return undefined;
    const result = combine(...elements);
    return Number.isSafeInteger(result) ? result : undefined;
  };

function divide(a: Dimension, b: Dimension): Dimension | undefined {
  if (typeof b !== 'number' || b === 0) return undefined;
  if (typeof a === 'number') return Math.trunc(a / b);
  // Division truncates, which is the same as rounding down only for what is not negative.
  return b > 0 && isNeverNegative(a) ? floorDivideDimension(a, b) : undefined;
}

function equal(a: Dimension, b: Dimension): Dimension | undefined {
  if (a === b) return 1;
  return typeof a === 'number' && typeof b === 'number' ? 0 : undefined;
}

/** What operators do to integers whose values are known. Undefined: cannot be told. */
const combinations: Readonly<Record<string, Combine>> = {
  Add: (a, b) => addDimensions(a, b),
  Sub: (a, b) => subtractDimensions(a, b),
  Mul: (a, b) => multiplyDimensions(a, b),
  Div: (a, b) => divide(a, b),
  Neg: (a) => subtractDimensions(0, a),
  Abs: (a) => (isNeverNegative(a) ? a : typeof a === 'number' ? -a : undefined),
  Max: (...all) => (all.every((element) => element === all[0]) ? all[0] : numeric(Math.max)(...all)),
  Min: (...all) => (all.every((element) => element === all[0]) ? all[0] : numeric(Math.min)(...all)),
  Mod: (a, b) => (typeof a === 'number' && typeof b === 'number' && b > 0 && a >= 0 ? a % b : undefined),
  Equal: (a, b) => equal(a, b),
  Less: numeric((a, b) => Number(a < b)),
  LessOrEqual: numeric((a, b) => Number(a <= b)),
  Greater: numeric((a, b) => Number(a > b)),
  GreaterOrEqual: numeric((a, b) => Number(a >= b)),
  And: numeric((a, b) => Number(a !== 0 && b !== 0)),
  Or: numeric((a, b) => Number(a !== 0 || b !== 0)),
  Not: numeric((a) => Number(a === 0)),
  Where: (condition, a, b) => (condition === 0 ? b : typeof condition === 'number' ? a : undefined),
};

/** The types of shapes, of positions in them, and of decisions about them. */
function isFollowed(elementType: number): boolean {
  return elementType === ElementType.INT64 || elementType === ElementType.INT32 || elementType === ElementType.BOOL;
}

/** Whether nothing wraps around, and nothing is rounded here. */
function fits(element: Dimension, elementType: number): boolean {
  if (typeof element === 'string') return true;
  return elementType === ElementType.INT32 ? (element | 0) === element : Number.isSafeInteger(element);
}

/** The elements of the result, where those of all inputs are known. */
function combineElements(node: NodeContext, elementType: number, shape: Shape | undefined): readonly Dimension[] | undefined {
  const combine = combinations[node.opType];
  if (combine === undefined || !isFollowed(elementType) || shape === undefined || !shape.every((size) => typeof size === 'number')) return undefined;
  const count = elementCount(shape);
  if (count > mostElements) return undefined;
  const operands: { elements: readonly Dimension[]; strides: number[] }[] = [];
  for (const index of node.inputs.keys()) {
    const elements = node.elements(index);
    const own = node.shape(index);
    if (elements === undefined || own === undefined) return undefined;
    const strides: number[] = new Array<number>(shape.length).fill(0);
    let stride = 1;
    for (let axis = own.length - 1; axis >= 0; axis--) {
      if (own[axis] !== 1) strides[axis + shape.length - own.length] = stride;
      stride *= own[axis] as number;
    }
    operands.push({ elements, strides });
  }
  const results: Dimension[] = [];
  for (let position = 0; position < count; position++) {
    const result = combine(...operands.map(({ elements, strides }) => elements[offsetAt(position, shape, strides)]!));
    if (result === undefined || !fits(result, elementType)) return undefined;
    results.push(result);
  }
  return results;
}

function offsetAt(position: number, shape: Shape, strides: readonly number[]): number {
  let rest = position;
  let offset = 0;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    const size = shape[axis] as number;
    offset += (rest % size) * strides[axis]!;
    rest = Math.floor(rest / size);
  }
  return offset;
}

function elementwise(node: NodeContext, elementType: number, indices: readonly number[]): readonly (KnownValue | undefined)[] {
  // Before version 7, broadcasting was asked for by attributes, and the second shape fits into the first.
  const old = node.opset < 7 && node.attributes.has('axis');
  const shape = old ? node.shape(0) : broadcast(node, indices.map((index) => node.shape(index)));
  return [knownTensor(elementType, shape, old ? undefined : combineElements(node, elementType, shape))];
}

function firstElementType(node: NodeContext, indices: readonly number[]): number {
  for (const index of indices) if (node.elementType(index) !== 0) return node.elementType(index);
  return 0;
}

const broadcasting: Rule = (node) => {
  const indices = [...node.inputs.keys()];
  const elementType = firstElementType(node, indices);
  for (const index of indices) {
    const other = node.elementType(index);
    if (other !== 0 && other !== elementType && node.opType !== 'Pow' && node.opType !== 'BitShift') throw node.wrong('its inputs have different element types');
  }
  return elementwise(node, node.opType === 'Pow' ? node.elementType(0) : elementType, indices);
};

const comparing: Rule = (node) => elementwise(node, ElementType.BOOL, [...node.inputs.keys()]);

const choosing: Rule = (node) => elementwise(node, firstElementType(node, [1, 2]), [0, 1, 2]);

const unary: Rule = (node) => {
  const tensor = node.tensor(0);
  if (tensor === undefined) return [];
  const elements = combineElements(node, tensor.elementType, tensor.shape);
  return [elements === undefined ? { type: tensor } : { type: tensor, elements }];
};

const cast: Rule = (node) => {
  const to = node.opType === 'CastLike' ? node.elementType(1) : node.attributes.text('to') === undefined ? node.integer('to', 0) : 0;
  const elements = node.elements(0);
  const kept = (to === ElementType.INT64 || to === ElementType.INT32) && elements?.every((element) => fits(element, to)) === true;
  return [knownTensor(to, node.shape(0), kept ? elements : undefined)];
};

const bitCast: Rule = (node) => [knownTensor(node.integer('to', 0), node.shape(0))];

/** The random operators that copy a shape: the element type is the input's unless the attribute says another. */
const castLikeAttribute: Rule = (node) => [knownTensor(node.integer('dtype', 0) || node.elementType(0), node.shape(0))];

const quantize: Rule = (node) => {
  const declared = node.integer('output_dtype', 0);
  return [knownTensor(declared || node.elementType(2) || (node.has(2) ? 0 : ElementType.UINT8), node.shape(0))];
};

const dequantize: Rule = (node) => [knownTensor(node.integer('output_dtype', 0) || node.elementType(1) || (node.opset < 19 ? ElementType.FLOAT : 0), node.shape(0))];

const dynamicQuantize: Rule = (node) => [knownTensor(ElementType.UINT8, node.shape(0)), knownTensor(ElementType.FLOAT, []), knownTensor(ElementType.UINT8, [])];

/** Both may be broadcast into the first. */
const dropout: Rule = (node) => {
  const tensor = node.tensor(0);
  if (tensor === undefined) return [];
  return [{ type: tensor }, { type: tensorType(node.opset < 10 ? tensor.elementType : ElementType.BOOL, tensor.shape) }];
};

const rules = (names: string, rule: Rule): Record<string, Rule> => Object.fromEntries(names.split(' ').map((name) => [name, rule]));

export const elementwiseRules: Readonly<Record<string, Rule>> = {
  ...rules(
    'Acos Acosh Asin Asinh Atan Atanh BitwiseNot Ceil Celu Clip Cos Cosh CumSum CumProd Elu Erf Exp Floor Gelu HardSigmoid HardSwish Hardmax LeakyRelu Log LogSoftmax LpNormalization ' +
      'MeanVarianceNormalization Mish PRelu Reciprocal Relu Round ScatterElements ScatterND Scatter Selu Shrink Sigmoid Sign Sin Sinh Softmax Softplus Softsign Sqrt Swish Tan Tanh ThresholdedRelu ' +
      'Trilu InstanceNormalization GroupNormalization LRN ReverseSequence TensorScatter RMSNormalization RotaryEmbedding ImageScaler Affine SwiGLU ParametricSoftplus ScaledTanh Scale',
    like,
  ),
  ...rules('Neg Abs Not', unary),
  ...rules('Add Sub Mul Div Pow Mod Max Min Mean Sum And Or Xor BitwiseAnd BitwiseOr BitwiseXor BitShift', broadcasting),
  ...rules('Equal Less LessOrEqual Greater GreaterOrEqual', comparing),
  ...rules('IsNaN IsInf', sameShapeOf(ElementType.BOOL)),
  ...rules('Cast CastLike', cast),
  ...rules('RandomNormalLike RandomUniformLike Bernoulli EyeLike', castLikeAttribute),
  BitCast: bitCast,
  Identity: identity,
  Where: choosing,
  QuantizeLinear: quantize,
  DequantizeLinear: dequantize,
  DynamicQuantizeLinear: dynamicQuantize,
  Dropout: dropout,
};
