/** Operators that make one element of many along axes. */
import { ElementType } from '../data-type.ts';
import { unknownDimension, type Dimension, type Shape } from '../dimension.ts';
import { knownTensor } from './known-value.ts';
import type { NodeContext, Rule } from './node-context.ts';

/** The shape without (or with 1 for) the axes; all axes where there are none and that is what it means. */
function reducedShape(node: NodeContext, shape: Shape | undefined): Shape | undefined {
  if (shape === undefined) return undefined;
  const keep = node.integer('keepdims', 1) !== 0;
  const given = node.integersOf('axes', 1);
  if (given === undefined) return keep ? shape.map(() => unknownDimension()) : undefined;
  if (given === 'missing' || given.length === 0) {
    if (node.integer('noop_with_empty_axes', 0) !== 0) return shape;
    return keep ? shape.map(() => 1) : [];
  }
  return withoutAxes(shape, new Set(given.map((axis) => node.axis(axis, shape.length))), keep);
}

function withoutAxes(shape: Shape, axes: ReadonlySet<number>, keep: boolean): Shape {
  return shape.flatMap((size, axis): Dimension[] => (axes.has(axis) ? (keep ? [1] : []) : [size]));
}

const reduce: Rule = (node) => {
  const shape = reducedShape(node, node.shape(0));
  const followed = node.elementType(0) === ElementType.INT64;
  const elements = !followed ? undefined : node.opType === 'ReduceProd' || node.opType === 'ReduceSum' || node.opType === 'ReduceMax' || node.opType === 'ReduceMin' ? foldElements(node, shape) : undefined;
  return [knownTensor(node.elementType(0), shape, elements)];
};

/** Over all elements of a list of numbers. */
function foldElements(node: NodeContext, shape: Shape | undefined): readonly number[] | undefined {
  const elements = node.integers(0);
  if (elements === undefined || elements.length === 0 || node.rank(0) !== 1 || shape === undefined || !shape.every((size) => size === 1)) return undefined;
  const folds: Record<string, (a: number, b: number) => number> = { ReduceProd: (a, b) => a * b, ReduceSum: (a, b) => a + b, ReduceMax: Math.max, ReduceMin: Math.min };
  const result = elements.reduce((a, b) => folds[node.opType]!(a, b));
  return Number.isSafeInteger(result) ? [result] : undefined;
}

const argument: Rule = (node) => {
  const shape = node.shape(0);
  if (shape === undefined) return [knownTensor(ElementType.INT64)];
  const axis = node.axis(node.integer('axis', 0), shape.length);
  return [knownTensor(ElementType.INT64, withoutAxes(shape, new Set([axis]), node.integer('keepdims', 1) !== 0))];
};

const topK: Rule = (node) => {
  const shape = node.shape(0);
  const counted = node.opset < 10 ? [node.integer('k', 0)] : node.elements(1);
  if (shape === undefined) return [knownTensor(node.elementType(0)), knownTensor(ElementType.INT64)];
  const axis = node.axis(node.integer('axis', -1), shape.length);
  const count = counted?.length === 1 ? counted[0]! : unknownDimension();
  const result = shape.map((size, index) => (index === axis ? count : size));
  return [knownTensor(node.elementType(0), result), knownTensor(ElementType.INT64, result)];
};

const einsum: Rule = (node) => {
  const elementType = node.elementType(0);
  const equation = node.attributes.text('equation')?.replaceAll(/\s/g, '');
  const shapes = [...node.inputs.keys()].map((index) => node.shape(index));
  if (equation === undefined || shapes.some((shape) => shape === undefined)) return [knownTensor(elementType)];
  const [left = '', right] = equation.split('->');
  const terms = left.split(',');
  if (terms.length !== shapes.length) throw node.wrong(`the equation "${equation}" has ${terms.length} terms for ${shapes.length} inputs`);
  const sizes = new Map<string, Dimension>();
  let ellipsis: Dimension[] = [];
  for (const [index, term] of terms.entries()) {
    const shape = shapes[index]!;
    const [before = '', after] = term.split('...');
    const named = before.length + (after?.length ?? 0);
    if (after === undefined ? shape.length !== named : shape.length < named) throw node.wrong(`the term "${term}" does not fit the shape [${shape.join(', ')}]`);
    const note = (letter: string, size: Dimension) => {
      const known = sizes.get(letter);
      if (known === undefined || known === 1 || (typeof known === 'string' && typeof size === 'number' && size !== 1)) sizes.set(letter, size);
    };
    for (const [axis, letter] of [...before].entries()) note(letter, shape[axis]!);
    for (const [axis, letter] of [...(after ?? '')].entries()) note(letter, shape[shape.length - (after ?? '').length + axis]!);
    if (after !== undefined) {
      const middle = shape.slice(before.length, shape.length - after.length);
      if (ellipsis.length < middle.length) ellipsis = [...new Array<Dimension>(middle.length - ellipsis.length).fill(1), ...ellipsis];
      const shift = ellipsis.length - middle.length;
      for (const [axis, size] of middle.entries()) {
        const known = ellipsis[axis + shift]!;
        ellipsis[axis + shift] = known === 1 ? size : size === 1 || known === size ? known : typeof known === 'number' ? known : typeof size === 'number' ? size : unknownDimension();
      }
    }
  }
  const letters = left.replaceAll('...', '').replaceAll(',', '');
  const implicit = [...new Set(letters)].filter((letter) => letters.indexOf(letter) === letters.lastIndexOf(letter)).sort().join('');
  const output = right ?? (left.includes('...') ? `...${implicit}` : implicit);
  const [before = '', after] = output.split('...');
  const result = [...[...before].map((letter) => sizes.get(letter)), ...(after === undefined ? [] : ellipsis), ...[...(after ?? '')].map((letter) => sizes.get(letter))];
  if (!result.every((size) => size !== undefined)) throw node.wrong(`the equation "${equation}" has an axis in its result that no input has`);
  return [knownTensor(elementType, result)];
};

export const reductionRules: Readonly<Record<string, Rule>> = {
  ...Object.fromEntries(
    ['ReduceSum', 'ReduceMean', 'ReduceMax', 'ReduceMin', 'ReduceProd', 'ReduceL1', 'ReduceL2', 'ReduceLogSum', 'ReduceLogSumExp', 'ReduceSumSquare'].map((name) => [name, reduce]),
  ),
  ArgMax: argument,
  ArgMin: argument,
  TopK: topK,
  Einsum: einsum,
};
