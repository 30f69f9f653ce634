/** Shapes and positions: reshaping, joining, cutting, picking. Sizes may be numbers or values that the graph computes. */
import { constantTensor, scalar, type ConstantTensor } from '../constant-tensor.ts';
import { ElementType } from '../data-type.ts';
import type { GraphBuilder, Value } from '../graph-builder.ts';
import { isValue, toList, toValue, toValues, type Index, type Operand } from './operand.ts';

export interface SliceOptions {
  readonly axis: number;
  readonly start?: Index;
  /** Not included; default: to the end. */
  readonly end?: Index;
  readonly step?: number;
}

export interface ShapeFunctions {
  /** -1 in the shape: what is left. 0: nothing is copied, the size is zero. */
  reshape(x: Value, shape: readonly Index[] | Value): Value;
  flatten(x: Value, axis?: number): Value;
  transpose(x: Value, order?: readonly number[]): Value;
  concat(values: readonly Value[], axis: number): Value;
  /** Along a new axis. */
  stack(values: readonly Value[], axis: number): Value;
  /** Parts of the given sizes. */
  split(x: Value, axis: number, sizes: readonly number[]): Value[];
  slice(x: Value, options: SliceOptions | readonly SliceOptions[]): Value;
  /** An index that is a number takes the axis away. */
  gather(x: Value, indices: Value | number | readonly number[], axis?: number): Value;
  gatherElements(x: Value, indices: Value, axis?: number): Value;
  gatherND(x: Value, indices: Value, batchAxes?: number): Value;
  scatterElements(x: Value, indices: Value, updates: Value, axis?: number, reduction?: 'none' | 'add' | 'mul' | 'max' | 'min'): Value;
  scatterND(x: Value, indices: Value, updates: Value, reduction?: 'none' | 'add' | 'mul' | 'max' | 'min'): Value;
  unsqueeze(x: Value, axes: number | readonly number[]): Value;
  squeeze(x: Value, axes?: number | readonly number[]): Value;
  expand(x: Value, shape: readonly Index[] | Value): Value;
  tile(x: Value, repeats: readonly Index[] | Value): Value;
  /** All begins, then all ends. */
  pad(x: Value, pads: readonly Index[] | Value, options?: { readonly mode?: 'constant' | 'reflect' | 'edge' | 'wrap'; readonly value?: Operand; readonly axes?: readonly number[] }): Value;
  /** int64 list. */
  shapeOf(x: Value): Value;
  /** The size of one axis, an int64 scalar; a constant where it is known. */
  sizeOf(x: Value, axis: number): Value;
  /** A tensor of one value, int64 sizes. */
  fill(shape: readonly Index[] | Value, value: ConstantTensor): Value;
  range(start: Operand, limit: Operand, step: Operand): Value;
  oneHot(indices: Value, depth: Index, values: { readonly elementType: number; readonly off?: number; readonly on?: number; readonly axis?: number }): Value;
  nonZero(x: Value): Value;
  /** The upper or lower triangle of matrices. */
  triangle(x: Value, options: { readonly upper: boolean; readonly diagonal?: Index }): Value;
  /** An int64 list constant. */
  int64s(values: readonly number[]): Value;
}

const endOfAxis = Number.MAX_SAFE_INTEGER;

export function shapes(graph: GraphBuilder): ShapeFunctions {
  const int64s = (values: readonly number[]) => graph.constant(constantTensor(ElementType.INT64, values));
  const axesOf = (axes: number | readonly number[]) => int64s(typeof axes === 'number' ? [axes] : axes);
  const self: ShapeFunctions = {
    int64s,
    reshape(x, shape) {
      const zero = !isValue(shape) && shape.includes(0);
      return graph.node('Reshape', [x, toList(graph, shape)], { allowzero: zero ? 1 : undefined });
    },
    flatten: (x, axis = 1) => graph.node('Flatten', [x], { axis }),
    transpose: (x, order) => graph.node('Transpose', [x], { perm: order }),
    concat: (values, axis) => (values.length === 1 ? values[0]! : graph.node('Concat', values, { axis })),
    stack: (values, axis) => self.concat(values.map((value) => self.unsqueeze(value, axis)), axis),
    split: (x, axis, sizes) => graph.node('Split', [x, int64s(sizes)], { axis }, { outputs: sizes.length }),
    slice(x, options) {
      const list = Array.isArray(options) ? (options as readonly SliceOptions[]) : [options as SliceOptions];
      const starts = list.map(({ start, step = 1 }) => start ?? (step < 0 ? -1 : 0));
      const ends = list.map(({ end, step = 1 }) => end ?? (step < 0 ? -endOfAxis : endOfAxis));
      const steps = list.map(({ step = 1 }) => step);
      return graph.node('Slice', [x, toList(graph, starts), toList(graph, ends), int64s(list.map(({ axis }) => axis)), steps.every((step) => step === 1) ? undefined : int64s(steps)]);
    },
    gather(x, indices, axis = 0) {
      const positions = typeof indices === 'number' ? graph.constant(scalar(ElementType.INT64, indices)) : isValue(indices) ? indices : int64s(indices);
      return graph.node('Gather', [x, positions], { axis });
    },
    gatherElements: (x, indices, axis = 0) => graph.node('GatherElements', [x, indices], { axis }),
    gatherND: (x, indices, batchAxes = 0) => graph.node('GatherND', [x, indices], { batch_dims: batchAxes }),
    scatterElements: (x, indices, updates, axis = 0, reduction = 'none') => graph.node('ScatterElements', [x, indices, updates], { axis, reduction }),
    scatterND: (x, indices, updates, reduction = 'none') => graph.node('ScatterND', [x, indices, updates], { reduction }),
    unsqueeze: (x, axes) => graph.node('Unsqueeze', [x, axesOf(axes)]),
    squeeze: (x, axes) => graph.node('Squeeze', [x, axes === undefined ? undefined : axesOf(axes)]),
    expand: (x, shape) => graph.node('Expand', [x, toList(graph, shape)]),
    tile: (x, repeats) => graph.node('Tile', [x, toList(graph, repeats)]),
    pad(x, pads, { mode = 'constant', value, axes } = {}) {
      return graph.node('Pad', [x, toList(graph, pads), value === undefined ? undefined : toValue(graph, value, x.elementType), axes === undefined ? undefined : int64s(axes)], { mode });
    },
    shapeOf: (x) => graph.node('Shape', [x]),
    sizeOf(x, axis) {
      const size = x.shape?.at(axis);
      if (typeof size === 'number') return graph.constant(scalar(ElementType.INT64, size));
      const rank = x.shape?.length;
      const at = axis < 0 && rank !== undefined ? axis + rank : axis;
      return graph.node('Squeeze', [graph.node('Shape', [x], { start: at, end: at === -1 ? undefined : at + 1 })]);
    },
    fill: (shape, value) => graph.node('ConstantOfShape', [toList(graph, shape)], { value: { ...value, shape: [1] } }),
    range(start, limit, step) {
      return graph.node('Range', toValues(graph, [start, limit, step]));
    },
    oneHot(indices, depth, { elementType, off = 0, on = 1, axis = -1 }) {
      return graph.node('OneHot', [indices, toList(graph, [depth]), graph.constant(constantTensor(elementType, [off, on]))], { axis });
    },
    nonZero: (x) => graph.node('NonZero', [x]),
    triangle: (x, { upper, diagonal }) => graph.node('Trilu', [x, diagonal === undefined ? undefined : toValue(graph, diagonal, ElementType.INT64)], { upper: upper ? 1 : 0 }),
  };
  return self;
}
