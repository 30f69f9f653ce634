/** Operators that pick elements by position, and those whose size depends on values. */
import { fromTensorProto, integersOf } from '../constant-tensor.ts';
import { ElementType } from '../data-type.ts';
import { addDimensions, ceilDivideDimension, isNeverNegative, subtractDimensions, unknownDimension, unknownShape, type Dimension, type Shape } from '../dimension.ts';
import { isInteger, knownTensor, mostElements } from './known-value.ts';
import type { NodeContext, Rule } from './node-context.ts';

const gather: Rule = (node) => {
  const shape = node.shape(0);
  const indices = node.shape(1);
  if (shape === undefined || indices === undefined) return [knownTensor(node.elementType(0))];
  const axis = node.axis(node.integer('axis', 0), shape.length);
  const result = [...shape.slice(0, axis), ...indices, ...shape.slice(axis + 1)];
  const elements = shape.length === 1 ? node.elements(0) : undefined;
  const picked = node.integers(1)?.map((index) => elements?.at(index));
  return [knownTensor(node.elementType(0), result, elements !== undefined && picked?.every((element) => element !== undefined) === true ? picked : undefined)];
};

const gatherElements: Rule = (node) => [knownTensor(node.elementType(0), node.shape(1))];

const gatherND: Rule = (node) => {
  const shape = node.shape(0);
  const indices = node.shape(1);
  const depth = indices?.at(-1);
  if (shape === undefined || indices === undefined || typeof depth !== 'number') return [knownTensor(node.elementType(0))];
  return [knownTensor(node.elementType(0), [...indices.slice(0, -1), ...shape.slice(node.integer('batch_dims', 0) + depth)])];
};

/** How many elements a slice has. Undefined where it cannot be told. */
export function slicedSize(size: Dimension, start: Dimension, end: Dimension, step: number): Dimension | undefined {
  if (step === 0) return undefined;
  if (typeof size === 'number' && typeof start === 'number' && typeof end === 'number') {
    const least = step > 0 ? 0 : -1;
    const bound = (at: number, low: number, high: number) => Math.min(Math.max(at < 0 ? at + size : at, low), high);
    const first = bound(start, 0, step > 0 ? size : size - 1);
    const last = bound(end, least, size);
    return Math.max(0, Math.ceil((last - first) / step));
  }
  const toTheEnd = end === size || (typeof end === 'number' && end >= 2 ** 31 - 1);
  if (step > 0 && start === 0) {
    if (toTheEnd) return ceilDivideDimension(size, step);
    // `x[:-1]` of at least one row.
    if (step === 1 && end === -1) return subtractDimensions(size, 1);
  }
  if (step === 1 && start === -1 && toTheEnd) return 1;
  if (step === -1 && start === -1 && typeof end === 'number' && end <= -(2 ** 31 - 1)) return size;
  // Between two positions of which one cannot lie beyond the other, nor beyond the end.
  if (step === 1 && typeof end === 'string' && isNeverNegative(end) && isNeverNegative(start) && within(end, size)) {
    const count = subtractDimensions(end, start);
    if (isNeverNegative(count)) return count;
  }
  if (step === 1 && toTheEnd && isNeverNegative(start)) {
    const count = subtractDimensions(size, start);
    if (isNeverNegative(count)) return count;
  }
  return undefined;
}

function within(part: Dimension, whole: Dimension): boolean {
  return isNeverNegative(subtractDimensions(whole, part));
}

const slice: Rule = (node) => {
  const elementType = node.elementType(0);
  const shape = node.shape(0);
  if (shape === undefined) return [knownTensor(elementType)];
  const old = node.opset < 10;
  const starts = old ? node.attributes.integers('starts') : node.elements(1);
  const ends = old ? node.attributes.integers('ends') : node.elements(2);
  const count = starts?.length ?? node.shape(1)?.[0];
  const axes = old ? (node.attributes.integers('axes') ?? starts?.map((_, index) => index)) : node.has(3) ? node.integers(3) : typeof count === 'number' && count <= shape.length ? [...shape.keys()].slice(0, count) : undefined;
  const steps = node.has(4) ? node.integers(4) : undefined;
  if (axes === undefined) return [knownTensor(elementType, shape.map(() => unknownDimension()))];
  const result: Dimension[] = [...shape];
  for (const [index, given] of axes.entries()) {
    const axis = node.axis(given, shape.length);
    const start = starts?.[index];
    const end = ends?.[index];
    const step = node.has(4) ? steps?.[index] : 1;
    result[axis] = (start === undefined || end === undefined || step === undefined ? undefined : slicedSize(shape[axis]!, start, end, step)) ?? unknownDimension();
  }
  return [knownTensor(elementType, result, sliceElements(node, result, starts, ends, steps))];
};

function sliceElements(node: NodeContext, result: Shape, starts: readonly Dimension[] | undefined, ends: readonly Dimension[] | undefined, steps: readonly number[] | undefined): readonly Dimension[] | undefined {
  const elements = node.elements(0);
  const [start] = starts ?? [];
  const [end] = ends ?? [];
  if (elements === undefined || result.length !== 1 || typeof start !== 'number' || typeof end !== 'number' || starts!.length !== 1) return undefined;
  const step = node.has(4) ? steps?.[0] : 1;
  const count = result[0];
  if (step === undefined || typeof count !== 'number') return undefined;
  const size = elements.length;
  const first = Math.min(Math.max(start < 0 ? start + size : start, 0), step > 0 ? size : size - 1);
  return Array.from({ length: count }, (_, index) => elements[first + index * step]!);
}

const oneHot: Rule = (node) => {
  const indices = node.shape(0);
  const elementType = node.elementType(2);
  if (indices === undefined) return [knownTensor(elementType)];
  const axis = node.axis(node.integer('axis', -1), indices.length + 1);
  const depth = node.elements(1)?.[0] ?? node.numbers(1)?.[0];
  return [knownTensor(elementType, [...indices.slice(0, axis), depth ?? unknownDimension(), ...indices.slice(axis)])];
};

const nonZero: Rule = (node) => [knownTensor(ElementType.INT64, [node.rank(0) ?? unknownDimension(), unknownDimension()])];

const unique: Rule = (node) => {
  const count = unknownDimension();
  const axis = node.attributes.integer('axis');
  const shape = node.shape(0);
  const list = knownTensor(ElementType.INT64, [count]);
  const values = axis === undefined ? [count] : shape?.map((size, index) => (index === node.axis(axis, shape.length) ? count : size));
  return [knownTensor(node.elementType(0), values), list, knownTensor(ElementType.INT64, [unknownDimension()]), list];
};

const compress: Rule = (node) => {
  const axis = node.attributes.integer('axis');
  const shape = node.shape(0);
  if (axis === undefined) return [knownTensor(node.elementType(0), [unknownDimension()])];
  return [knownTensor(node.elementType(0), shape?.map((size, index) => (index === node.axis(axis, shape.length) ? unknownDimension() : size)))];
};

const nonMaxSuppression: Rule = () => [knownTensor(ElementType.INT64, [unknownDimension(), 3])];

const range: Rule = (node) => {
  const elementType = node.elementType(0) || node.elementType(1);
  const [start, limit, step] = [0, 1, 2].map((index) => node.elements(index)?.[0] ?? node.numbers(index)?.[0]);
  let count: Dimension | undefined;
  if (start !== undefined && limit !== undefined && typeof step === 'number' && step !== 0) {
    if (typeof start === 'number' && typeof limit === 'number') count = Math.max(0, Math.ceil((limit - start) / step));
    else {
      const span = subtractDimensions(limit, start);
      if (step > 0 && Number.isInteger(step) && isNeverNegative(span)) count = ceilDivideDimension(span, step);
    }
  }
  const counted = typeof count === 'number' && count <= 64 && typeof step === 'number' && start !== undefined;
  return [knownTensor(elementType, [count ?? unknownDimension()], counted && node.elements(0) !== undefined ? Array.from({ length: count as number }, (_, index) => addDimensions(start, index * step)) : undefined)];
};

const filled: Rule = (node) => {
  const value = node.attributes.tensor('value');
  const elementType = value?.dataType ?? ElementType.FLOAT;
  const shape = node.elements(0);
  const rank = node.shape(0)?.[0];
  const known = shape ?? (typeof rank === 'number' ? unknownShape(rank) : undefined);
  const count = known?.reduce<number>((product, size) => (typeof size === 'number' ? product * size : NaN), 1) ?? NaN;
  const [filling] = value === undefined ? [0] : (integersOf(fromTensorProto(value)) ?? []);
  const elements = filling !== undefined && isInteger(elementType) && count >= 0 && count <= mostElements ? new Array<Dimension>(count).fill(filling) : undefined;
  return [knownTensor(elementType, known, elements)];
};

/** The attribute `shape`. */
const random: Rule = (node) => [knownTensor(node.integer('dtype', ElementType.FLOAT), node.attributes.integers('shape'))];

const multinomial: Rule = (node) => [knownTensor(node.integer('dtype', ElementType.INT32), [node.shape(0)?.[0] ?? unknownDimension(), node.integer('sample_size', 1)])];

const windowFunction: Rule = (node) => [knownTensor(node.integer('output_datatype', ElementType.FLOAT), [node.elements(0)?.[0] ?? unknownDimension()])];

const melWeights: Rule = (node) => {
  const [bins, length] = [node.elements(0)?.[0], node.integers(1)?.[0]];
  return [knownTensor(node.integer('output_datatype', ElementType.FLOAT), [length === undefined ? unknownDimension() : Math.floor(length / 2) + 1, bins ?? unknownDimension()])];
};

export const indexingRules: Readonly<Record<string, Rule>> = {
  Gather: gather,
  GatherElements: gatherElements,
  GatherND: gatherND,
  Slice: slice,
  OneHot: oneHot,
  NonZero: nonZero,
  Unique: unique,
  Compress: compress,
  NonMaxSuppression: nonMaxSuppression,
  Range: range,
  ConstantOfShape: filled,
  RandomNormal: random,
  RandomUniform: random,
  Multinomial: multinomial,
  HannWindow: windowFunction,
  HammingWindow: windowFunction,
  BlackmanWindow: windowFunction,
  MelWeightMatrix: melWeights,
};
