/** Parts of tensors: slices, single positions, pieces, diagonals, windows. Most are views. */
import { ElementType } from '../../../onnx/data-type.ts';
import { multiplyDimensions, type Dimension } from '../../../onnx/dimension.ts';
import type { GraphBuilder, Value } from '../../../onnx/graph-builder.ts';
import type { Index } from '../../../onnx/operators/operand.ts';
import type { Lowering, LoweringContext, Lowerings } from '../lowering.ts';
import type { AtenTensor, AtenValue } from '../value.ts';
import { canView, reshapeStep } from './shapes.ts';

const mostIndex = Number.MAX_SAFE_INTEGER;

interface Part {
  readonly axis: number;
  readonly start: Index;
  /** Not included. */
  readonly end: Index;
  readonly step: number;
}

/** `x[start:end:step]` along an axis, as a view. */
export function sliced(context: LoweringContext, source: AtenTensor, part: Part): AtenTensor {
  const { axis, step } = part;
  if (step < 1) throw context.refuse('its step is not positive');
  const size = source.shape?.[axis];
  const clamp = (index: Index): Index => {
    if (typeof index !== 'number') {
      const known = index.elements?.[0];
      return typeof known === 'number' ? clamp(known) : index;
    }
    if (typeof size !== 'number') return index >= mostIndex ? mostIndex : index;
    return Math.min(Math.max(index < 0 ? index + size : index, 0), size);
  };
  const start = clamp(part.start);
  let end = clamp(part.end);
  if (typeof end !== 'number' && end.elements?.[0] !== undefined && end.elements[0] === size) end = mostIndex;
  const isWhole = start === 0 && step === 1 && (end === mostIndex || end === size);
  if (isWhole) return context.view(source, { read: (whole) => whole, write: (_, changed) => changed }, context.read(source));
  const options = { axis, start, ...(end === mostIndex ? {} : { end }), step };
  return context.view(source, { read: (whole) => context.graph.op.slice(whole, options), write: (whole, changed) => withSlice(context.graph, whole, changed, { axis, start, end, step }) });
}

/** The whole with a slice of it replaced. */
function withSlice(graph: GraphBuilder, whole: Value, part: Value, { axis, start, end, step }: Part): Value {
  const { op } = graph;
  if (step === 1) {
    const pieces: Value[] = [];
    if (start !== 0) pieces.push(op.slice(whole, { axis, start: 0, end: start }));
    pieces.push(part);
    const size = whole.shape?.[axis];
    // What lies behind begins where the part ends, even where a slice is empty.
    const behind = typeof start === 'number' && typeof end === 'number' && start >= 0 && end >= 0 ? Math.max(start, end) : end;
    if (behind !== mostIndex && behind !== size) pieces.push(op.slice(whole, { axis, start: behind }));
    return pieces.length === 1 ? part : op.concat(pieces, axis);
  }
  const size = op.sizeOf(whole, axis);
  const positions = op.range(0n, size, 1n);
  const picked = op.slice(positions, { axis: 0, start, ...(end === mostIndex ? {} : { end }), step });
  const rank = whole.shape?.length ?? 0;
  const order = [axis, ...Array.from({ length: rank }, (_, index) => index).filter((index) => index !== axis)];
  const back = order.map((_, index) => order.indexOf(index));
  const updated = op.scatterND(axis === 0 ? whole : op.transpose(whole, order), op.unsqueeze(picked, 1), axis === 0 ? part : op.transpose(part, order));
  return axis === 0 ? updated : op.transpose(updated, back);
}

const slice: Lowering = (context, given) => {
  const self = given.tensor('self');
  const rank = context.shape(self).length;
  const end = given.optionalIndex('end') ?? mostIndex;
  return sliced(context, self, { axis: given.axis('dim', rank), start: given.optionalIndex('start') ?? 0, end, step: given.integer('step') });
};

/** One position along an axis, which goes away. */
export function selected(context: LoweringContext, source: AtenTensor, axis: number, position: Index): AtenTensor {
  const size = source.shape?.[axis];
  const at = typeof position === 'number' && position < 0 && typeof size === 'number' ? position + size : position;
  if (typeof at === 'number' && typeof size === 'number' && (at < 0 || at >= size)) throw context.refuse(`it takes position ${at} of an axis of ${size}`);
  return context.view(source, {
    read: (whole) => (typeof at === 'number' ? context.graph.op.gather(whole, at, axis) : context.graph.op.gather(whole, context.graph.op.reshape(at, []), axis)),
    write: (whole, part) => {
      const { op } = context.graph;
      if (typeof at !== 'number') return withPosition(context, whole, op.unsqueeze(part, axis), axis, op.reshape(at, []));
      return withSlice(context.graph, whole, op.unsqueeze(part, axis), { axis, start: at, end: at === -1 ? mostIndex : at + 1, step: 1 });
    },
  });
}

/** The whole with one position along an axis replaced, which only the running graph knows. Counted from the end where it is negative. */
function withPosition({ graph }: LoweringContext, whole: Value, part: Value, axis: number, at: Value): Value {
  const { op } = graph;
  const size = op.sizeOf(whole, axis);
  const fromStart = op.where(op.less(at, 0n), op.add(at, size), at);
  const behind = (whole.shape?.length ?? 1) - 1 - axis;
  const isThere = op.equal(op.range(0n, size, 1n), fromStart);
  return op.where(behind === 0 ? isThere : op.unsqueeze(isThere, Array.from({ length: behind }, (_, index) => index + 1)), part, whole);
}

const select: Lowering = (context, given) => {
  const self = given.tensor('self');
  return selected(context, self, given.axis('dim', context.shape(self).length), given.index('index'));
};

/** `offset` and `length` along an axis. */
function narrowed(context: LoweringContext, self: AtenTensor, axis: number, start: Index, length: Index): AtenTensor {
  const end = typeof start === 'number' && typeof length === 'number' ? start + length : context.graph.op.add(toValue(context, start), toValue(context, length));
  return sliced(context, self, { axis, start, end, step: 1 });
}

function toValue(context: LoweringContext, index: Index): Value {
  return typeof index === 'number' ? context.operand(BigInt(index), ElementType.INT64) : index;
}

function pieces(context: LoweringContext, self: AtenTensor, axis: number, sizes: readonly Index[]): AtenValue[] {
  let start: Index = 0;
  return sizes.map((size) => {
    const from = start;
    start = typeof from === 'number' && typeof size === 'number' ? from + size : context.graph.op.add(toValue(context, from), toValue(context, size));
    return sliced(context, self, { axis, start: from, end: start, step: 1 });
  });
}

const split: Lowering = (context, given) => {
  const self = given.tensor('self');
  const shape = context.shape(self);
  const axis = given.axis('dim', shape.length);
  const name = given.has('split_sizes') ? 'split_sizes' : 'split_size';
  if (Array.isArray(given.any(name))) return pieces(context, self, axis, given.indices(name));
  const [each, size] = [given.integer(name), shape[axis]];
  if (typeof size !== 'number') throw context.refuse('it splits an axis whose size depends on the input, so that the number of parts does');
  return pieces(context, self, axis, Array.from({ length: Math.max(1, Math.ceil(size / each)) }, (_, index) => Math.min(each, size - index * each)));
};

const chunk: Lowering = (context, given) => {
  const self = given.tensor('self');
  const shape = context.shape(self);
  const axis = given.axis('dim', shape.length);
  const [count, size] = [given.integer('chunks'), shape[axis]];
  if (typeof size !== 'number') throw context.refuse('it splits an axis whose size depends on the input, so that the number of parts does');
  const each = Math.max(1, Math.ceil(size / count));
  return pieces(context, self, axis, Array.from({ length: Math.max(1, Math.ceil(size / each)) }, (_, index) => Math.min(each, size - index * each)));
};

const tensorSplit: Lowering = (context, given, schema) => {
  const self = given.tensor('self');
  const shape = context.shape(self);
  const axis = given.has('dim') ? given.axis('dim', shape.length) : 0;
  const size = shape[axis];
  if (typeof size !== 'number') throw context.refuse('it splits an axis whose size depends on the input');
  if (schema.overload === 'indices') {
    const marks = [0, ...given.integers('indices').map((mark) => Math.min(Math.max(mark < 0 ? mark + size : mark, 0), size)), size];
    return marks.slice(1).map((end, index) => sliced(context, self, { axis, start: marks[index]!, end, step: 1 }));
  }
  const count = given.integer('sections');
  return pieces(context, self, axis, Array.from({ length: count }, (_, index) => Math.floor(size / count) + (index < size % count ? 1 : 0)));
};

const unbind: Lowering = (context, given) => {
  const self = given.tensor('self');
  const shape = context.shape(self);
  const axis = given.axis('dim', shape.length);
  const size = shape[axis];
  if (typeof size !== 'number') throw context.refuse('it takes an axis apart whose size depends on the input');
  return Array.from({ length: size }, (_, index) => selected(context, self, axis, index));
};

const diagonal: Lowering = (context, given) => {
  const self = given.tensor('self');
  const shape = context.shape(self);
  const rank = shape.length;
  const offset = given.integer('offset');
  const [first, second] = [given.axis('dim1', rank), given.axis('dim2', rank)];
  const [rows, columns] = [shape[first], shape[second]];
  if (typeof rows !== 'number' || typeof columns !== 'number') throw context.refuse('it takes the diagonal of a matrix whose size depends on the input');
  const count = Math.max(0, Math.min(offset < 0 ? rows + offset : rows, offset > 0 ? columns - offset : columns));
  const others = [...shape.keys()].filter((axis) => axis !== first && axis !== second);
  const order = [first, second, ...others];
  const back = order.map((_, axis) => order.indexOf(axis));
  const places = (): Value => context.graph.op.reshape(context.graph.op.int64s(Array.from({ length: count }, (_, index) => [index + Math.max(0, -offset), index + Math.max(0, offset)]).flat()), [count, 2]);
  const end = others.length;
  const toFront = [end, ...others.keys()];
  const toBack = [...others.map((_, axis) => axis + 1), 0];
  return context.view(self, {
    read: (whole) => context.graph.op.transpose(context.graph.op.gatherND(context.graph.op.transpose(whole, order), places()), toBack),
    write: (whole, part) => {
      const { op } = context.graph;
      return op.transpose(op.scatterND(op.transpose(whole, order), places(), op.transpose(part, toFront)), back);
    },
  });
};

/** Windows along an axis, as a new last axis. */
const unfold: Lowering = (context, given) => {
  const { op } = context.graph;
  const self = given.tensor('self');
  const shape = context.shape(self);
  const axis = given.axis('dimension', shape.length);
  const [size, step, total] = [given.integer('size'), given.integer('step'), shape[axis]];
  if (typeof total !== 'number') throw context.refuse('it cuts windows out of an axis whose size depends on the input');
  const count = Math.floor((total - size) / step) + 1;
  const places = op.reshape(op.int64s(Array.from({ length: count * size }, (_, index) => Math.floor(index / size) * step + (index % size))), [count, size]);
  const gathered = op.gather(context.read(self), places, axis);
  const order = [...Array.from({ length: shape.length + 1 }, (_, index) => index).filter((index) => index !== axis + 1), axis + 1];
  return context.perhapsView(self, op.transpose(gathered, order));
};

/** Only what is the tensor itself, in row-major order. */
const asStrided: Lowering = (context, given) => {
  const self = given.tensor('self');
  const [sizes, strides] = [given.integers('size'), given.integers('stride')];
  let expected = 1;
  let isPlain = (given.optionalInteger('storage_offset') ?? 0) === 0;
  for (let axis = sizes.length - 1; axis >= 0; axis--) {
    if (sizes[axis] !== 1 && strides[axis] !== expected) isPlain = false;
    expected *= sizes[axis]!;
  }
  const own = context.shape(self);
  if (!isPlain || self.steps.length > 0 || canView(self, sizes) !== true || own.reduce<Dimension>(multiplyDimensions, 1) !== expected) throw context.refuse('it looks at memory by strides of its own');
  return reshapeStep(context, self, sizes);
};

export const parts: Lowerings = {
  'slice.Tensor': slice,
  'select.int': select,
  'narrow': (context, given) => narrowed(context, given.tensor('self'), given.axis('dim', context.shape(given.tensor('self')).length), given.index('start'), given.index('length')),
  'split.Tensor': split,
  'split.sizes': split,
  'split': split,
  'split_with_sizes': split,
  'unsafe_split.Tensor': split,
  'unsafe_split_with_sizes': split,
  'chunk': chunk,
  'unsafe_chunk': chunk,
  'tensor_split.sections': tensorSplit,
  'tensor_split.indices': tensorSplit,
  'hsplit.int': (context, given) => context.call('aten::tensor_split.sections', { self: given.any('self'), sections: given.any('sections'), dim: context.shape(given.tensor('self')).length === 1 ? 0n : 1n }),
  'unbind.int': unbind,
  'diagonal': diagonal,
  'unfold': unfold,
  'as_strided': asStrided,
};
