/** Operators that rename, cut, join and repeat axes, and those that tell shapes. */
import { ElementType } from '../data-type.ts';
import { addDimensions, ceilDivideDimension, divideDimensions, multiplyDimensions, productOfDimensions, subtractDimensions, unknownDimension, unknownShape, type Dimension, type Shape } from '../dimension.ts';
import { sequenceType, tensorType } from '../value-type.ts';
import { broadcast, sameDimension } from './broadcast.ts';
import { knownTensor } from './known-value.ts';
import { describeShape, type NodeContext, type Rule } from './node-context.ts';

/** The number of elements of a list input, which is the rank that it asks for. */
function lengthOf(node: NodeContext, index: number): number | undefined {
  const size = node.shape(index)?.[0];
  return typeof size === 'number' ? size : undefined;
}

const reshape: Rule = (node) => {
  const elementType = node.elementType(0);
  const input = node.shape(0);
  const target = node.opset < 5 ? node.attributes.integers('shape') : node.elements(1);
  if (target === undefined) {
    const rank = lengthOf(node, 1);
    return [knownTensor(elementType, rank === undefined ? undefined : unknownShape(rank))];
  }
  const copies = node.integer('allowzero', 0) === 0;
  const sizes = target.map((size, axis): Dimension => {
    if (size !== 0 || !copies) return size;
    if (input === undefined) return unknownDimension();
    const copied = input[axis];
    if (copied === undefined) throw node.wrong(`the shape [${target.join(', ')}] copies axis ${axis} of ${describeShape(input)}`);
    return copied;
  });
  const open = sizes.indexOf(-1);
  if (sizes.includes(-1, open + 1) && open !== -1) throw node.wrong(`the shape [${target.join(', ')}] has more than one -1`);
  const others = productOfDimensions(sizes.filter((_, axis) => axis !== open));
  const total = input === undefined ? undefined : productOfDimensions(input);
  if (open !== -1) sizes[open] = total === undefined ? unknownDimension() : rest(node, total, others, input!, sizes);
  else if (typeof total === 'number' && typeof others === 'number' && total !== others) throw node.wrong(`a value of shape ${describeShape(input)} cannot have the shape [${target.join(', ')}]`);
  const keepsElements = sizes.length <= 1;
  return [knownTensor(elementType, sizes, keepsElements || sizes.every((size) => size === 1) ? node.elements(0) : undefined)];
};

function rest(node: NodeContext, total: Dimension, others: Dimension, input: Shape, sizes: Shape): Dimension {
  const quotient = divideDimensions(total, others);
  if (quotient !== undefined) return quotient;
  if (typeof total === 'number' && typeof others === 'number') {
    if (others === 0) return unknownDimension();
    throw node.wrong(`a value of shape ${describeShape(input)} cannot have the shape ${describeShape(sizes)}`);
  }
  return unknownDimension();
}

const transpose: Rule = (node) => {
  const shape = node.shape(0);
  if (shape === undefined) return [knownTensor(node.elementType(0))];
  const order = node.attributes.integers('perm') ?? [...shape.keys()].toReversed();
  if (order.length !== shape.length || new Set(order).size !== order.length) throw node.wrong(`the order [${order.join(', ')}] does not fit the shape ${describeShape(shape)}`);
  return [knownTensor(node.elementType(0), order.map((axis) => shape[node.axis(axis, shape.length)]!), shape.length < 2 ? node.elements(0) : undefined)];
};

const concat: Rule = (node) => {
  const shapes = [...node.inputs.keys()].map((index) => node.shape(index));
  const elementType = [...node.inputs.keys()].map((index) => node.elementType(index)).find((type) => type !== 0) ?? 0;
  const first = shapes.find((shape) => shape !== undefined);
  if (first === undefined) return [knownTensor(elementType)];
  const axis = node.axis(node.integer('axis', node.opset < 4 ? 1 : 0), first.length);
  const result: Dimension[] = [...first];
  for (const shape of shapes) {
    if (shape !== undefined && shape.length !== first.length) throw node.wrong(`the shapes ${describeShape(first)} and ${describeShape(shape)} have different ranks`);
    for (const [index, size] of (shape ?? []).entries()) {
      if (index === axis) continue;
      const same = sameDimension(result[index]!, size);
      if (same === undefined) throw node.wrong(`the shapes ${describeShape(first)} and ${describeShape(shape)} differ on axis ${index}`);
      result[index] = same;
    }
  }
  result[axis] = shapes.every((shape) => shape !== undefined) ? shapes.map((shape) => shape[axis]!).reduce(addDimensions) : unknownDimension();
  const parts = [...node.inputs.keys()].map((index) => node.elements(index));
  return [knownTensor(elementType, result, first.length === 1 && parts.every((part) => part !== undefined) ? parts.flat() : undefined)];
};

const split: Rule = (node) => {
  const shape = node.shape(0);
  const elementType = node.elementType(0);
  const given = node.integersOf('split', 1);
  if (shape === undefined) return Array.from({ length: node.outputCount }, () => knownTensor(elementType));
  const axis = node.axis(node.integer('axis', 0), shape.length);
  const total = shape[axis]!;
  const count = node.integer('num_outputs', node.outputCount);
  let sizes: readonly Dimension[] | undefined;
  if (given === 'missing') {
    if (count !== node.outputCount || count < 1) throw node.wrong(`num_outputs is ${count}, but it has ${node.outputCount} outputs`);
    const part = ceilDivideDimension(total, count);
    // Without num_outputs the parts are equal, with it the last may be smaller.
    if (node.opset < 18) sizes = new Array<Dimension>(count).fill(divideDimensions(total, count) ?? unknownDimension());
    else sizes = [...new Array<Dimension>(count - 1).fill(part), subtractDimensions(total, multiplyDimensions(part, count - 1))];
  } else sizes = given;
  return Array.from({ length: node.outputCount }, (_, index) => knownTensor(elementType, shape.map((size, at) => (at === axis ? (sizes?.[index] ?? unknownDimension()) : size))));
};

const squeeze: Rule = (node) => {
  const shape = node.shape(0);
  const axes = node.integersOf('axes', 1);
  if (shape === undefined || axes === undefined) return [knownTensor(node.elementType(0))];
  if (axes === 'missing') {
    const known = shape.every((size) => typeof size === 'number');
    return [knownTensor(node.elementType(0), known ? shape.filter((size) => size !== 1) : undefined, node.elements(0))];
  }
  const gone = new Set(axes.map((axis) => node.axis(axis, shape.length)));
  for (const axis of gone) if (typeof shape[axis] === 'number' && shape[axis] !== 1) throw node.wrong(`axis ${axis} of the shape ${describeShape(shape)} is not 1`);
  return [knownTensor(node.elementType(0), shape.filter((_, axis) => !gone.has(axis)), node.elements(0))];
};

const unsqueeze: Rule = (node) => {
  const shape = node.shape(0);
  const axes = node.integersOf('axes', 1);
  if (shape === undefined || axes === undefined || axes === 'missing') return [knownTensor(node.elementType(0))];
  const rank = shape.length + axes.length;
  const added = new Set(axes.map((axis) => node.axis(axis, rank)));
  if (added.size !== axes.length) throw node.wrong(`it names an axis twice in [${axes.join(', ')}]`);
  const left = [...shape];
  return [knownTensor(node.elementType(0), Array.from({ length: rank }, (_, axis) => (added.has(axis) ? 1 : left.shift()!)), node.elements(0))];
};

const flatten: Rule = (node) => {
  const shape = node.shape(0);
  if (shape === undefined) return [knownTensor(node.elementType(0), unknownShape(2))];
  const axis = node.integer('axis', 1);
  if (axis < -shape.length || axis > shape.length) throw node.wrong(`the axis ${axis} of a value with ${shape.length} axes`);
  const at = axis < 0 ? axis + shape.length : axis;
  return [knownTensor(node.elementType(0), [productOfDimensions(shape.slice(0, at)), productOfDimensions(shape.slice(at))])];
};

const expand: Rule = (node) => {
  const target = node.elements(1);
  if (target !== undefined && node.shape(0) !== undefined) {
    const shape = broadcast(node, [node.shape(0), target]);
    const single = node.elements(0)?.length === 1 && typeof shape?.[0] === 'number' && shape.length === 1 && shape[0] >= 0 && shape[0] <= 64;
    return [knownTensor(node.elementType(0), shape, single ? new Array<Dimension>(shape[0] as number).fill(node.elements(0)![0]!) : undefined)];
  }
  const rank = lengthOf(node, 1);
  const own = node.shape(0);
  if (rank === undefined || own === undefined) return [knownTensor(node.elementType(0))];
  // What is more than 1 stays as it is.
  const shape = [...(unknownShape(Math.max(0, rank - own.length)) ?? []), ...own.map((size) => (typeof size === 'number' && size > 1 ? size : unknownDimension()))];
  return [knownTensor(node.elementType(0), shape)];
};

const tile: Rule = (node) => {
  const shape = node.shape(0);
  if (shape === undefined || node.opset < 6) return [knownTensor(node.elementType(0))];
  const repeats = node.elements(1);
  if (repeats !== undefined && repeats.length !== shape.length) throw node.wrong(`${repeats.length} repeats do not fit the shape ${describeShape(shape)}`);
  return [knownTensor(node.elementType(0), shape.map((size, axis) => (repeats === undefined ? unknownDimension() : multiplyDimensions(size, repeats[axis]!))))];
};

const pad: Rule = (node) => {
  const shape = node.shape(0);
  if (shape === undefined) return [knownTensor(node.elementType(0))];
  const pads = node.opset < 11 ? (node.attributes.integers('pads') ?? node.attributes.integers('paddings')) : node.elements(1);
  const axes = node.has(3) ? node.integers(3) : [...shape.keys()];
  if (pads === undefined || axes === undefined) return [knownTensor(node.elementType(0), unknownShape(shape.length))];
  if (pads.length !== 2 * axes.length) throw node.wrong(`${pads.length} pads do not fit ${axes.length} axes`);
  const result = [...shape];
  for (const [index, given] of axes.entries()) {
    const axis = node.axis(given, shape.length);
    result[axis] = addDimensions(addDimensions(result[axis]!, pads[index]!), pads[index + axes.length]!);
  }
  return [knownTensor(node.elementType(0), result)];
};

const shapeOf: Rule = (node) => {
  const shape = node.shape(0);
  if (shape === undefined) return [knownTensor(ElementType.INT64, [unknownDimension()])];
  const clamp = (index: number) => Math.min(Math.max(index < 0 ? index + shape.length : index, 0), shape.length);
  const part = shape.slice(clamp(node.integer('start', 0)), clamp(node.integer('end', shape.length)));
  return [knownTensor(ElementType.INT64, [part.length], part)];
};

const sizeOf: Rule = (node) => {
  const shape = node.shape(0);
  return [knownTensor(ElementType.INT64, [], shape === undefined ? undefined : [productOfDimensions(shape)])];
};

const splitToSequence: Rule = (node) => {
  const shape = node.shape(0);
  if (shape === undefined) return [{ type: sequenceType(tensorType(node.elementType(0))) }];
  const axis = node.axis(node.integer('axis', 0), shape.length);
  const drop = !node.has(1) && node.integer('keepdims', 1) === 0;
  const pieces = node.has(1) ? node.integers(1) : [1];
  const even = pieces !== undefined && pieces.length > 0 && pieces.every((size) => size === pieces[0]);
  const total = shape[axis]!;
  const exact = even && (node.rank(1) === 1 || !node.has(1) || (typeof total === 'number' && total % (pieces[0] ?? 1) === 0));
  const part = shape.flatMap((size, at) => (at !== axis ? [size] : drop ? [] : [exact ? pieces[0]! : unknownDimension()]));
  return [{ type: sequenceType(tensorType(node.elementType(0), part)) }];
};

export const movementRules: Readonly<Record<string, Rule>> = {
  Reshape: reshape,
  Transpose: transpose,
  Concat: concat,
  Split: split,
  SplitToSequence: splitToSequence,
  Squeeze: squeeze,
  Unsqueeze: unsqueeze,
  Flatten: flatten,
  Expand: expand,
  Tile: tile,
  Pad: pad,
  Shape: shapeOf,
  Size: sizeOf,
};
