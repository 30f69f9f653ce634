/** Views and copies in other shapes: what PyTorch makes without looking at elements. */
import { ElementType } from '../../../onnx/data-type.ts';
import { multiplyDimensions, type Dimension, type Shape } from '../../../onnx/dimension.ts';
import type { GraphBuilder, Value } from '../../../onnx/graph-builder.ts';
import { isValue, type Index } from '../../../onnx/operators/operand.ts';
import type { AtenArguments } from '../arguments.ts';
import type { Lowering, LoweringContext, Lowerings } from '../lowering.ts';
import { toScalar, type AtenTensor, type AtenValue } from '../value.ts';

const mostIndex = Number.MAX_SAFE_INTEGER;

// ---- reshaping

/** The size as a number or a name, where it is known. */
function dimensionOf(size: Index): Dimension | undefined {
  return typeof size === 'number' ? size : size.elements?.[0];
}

/** A value in another shape of as many elements; -1 stands for what is left. Sizes that only the running graph knows are left to it where one can be. */
export function reshapeTo(context: LoweringContext, x: Value, sizes: readonly Index[]): Value {
  const { op } = context.graph;
  const target = sizes.map((size) => (isValue(size) && typeof size.elements?.[0] === 'number' ? size.elements[0] : size));
  const own = x.shape;
  if (own !== undefined && own.length === target.length && target.every((size, axis) => dimensionOf(size) === own[axis])) return x;
  const unknown = target.flatMap((size, axis) => (typeof size === 'number' ? [] : [axis]));
  const hasRest = target.includes(-1);
  if (unknown.length === 0 || target.includes(0)) return op.reshape(x, target);
  // One size may be left open; others are copied where they stand at the same place.
  const kept = unknown.filter((axis) => own?.[axis] !== undefined && dimensionOf(target[axis]!) === own[axis]);
  const rest = unknown.filter((axis) => !kept.includes(axis));
  if (rest.length === 0 && !hasRest && kept.length > 0) rest.push(kept.shift()!);
  if (rest.length > (hasRest ? 0 : 1)) return refined(context, op.reshape(x, target), target);
  const list = target.map((size, axis) => (rest.includes(axis) ? -1 : kept.includes(axis) ? 0 : (size as number)));
  return refined(context, context.graph.node('Reshape', [x, op.int64s(list)]), target);
}

/** What inference cannot tell of a rest, the wanted sizes say. */
function refined(context: LoweringContext, value: Value, sizes: readonly Index[]): Value {
  const shape = value.shape;
  if (shape === undefined) return value;
  const wanted = sizes.map((size, axis) => {
    const known = dimensionOf(size);
    return known === undefined || known === -1 || !String(shape[axis]).includes('?') ? shape[axis]! : known;
  });
  return context.graph.refine(value, { shape: wanted });
}

/** A form of the same elements in the same order, as a view. */
function reshapeStep(context: LoweringContext, source: AtenTensor, sizes: readonly Index[]): AtenTensor {
  const { shape } = source;
  const step = {
    read: (whole: Value) => reshapeTo(context, whole, sizes),
    write: (whole: Value, part: Value) => (shape?.every((size) => typeof size === 'number') === true ? context.graph.op.reshape(part, shape) : context.graph.op.reshape(part, context.graph.op.shapeOf(whole))),
  };
  return context.view(source, step);
}

/** Whether strides let a view have the shape. Undefined: they are not known. The algorithm is that of c10's computeStride, for sizes that are known. */
function canView(source: AtenTensor, target: Shape | undefined): boolean | undefined {
  const { shape, strides } = source;
  if (strides === undefined || shape === undefined || target === undefined || strides.length !== shape.length) return undefined;
  let expected: Dimension = 1;
  let isContiguous = true;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    if (shape[axis] !== 1 && strides[axis] !== expected) isContiguous = false;
    expected = multiplyDimensions(expected, shape[axis]!);
  }
  if (isContiguous) return true;
  if (!shape.every((size) => typeof size === 'number') || !target.every((size) => typeof size === 'number') || !strides.every((stride) => typeof stride === 'number')) return undefined;
  let view = target.length - 1;
  let base = strides.at(-1)!;
  let count = 1;
  let viewCount = 1;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    count *= shape[axis]!;
    if (axis === 0 || (shape[axis - 1] !== 1 && strides[axis - 1] !== count * base)) {
      while (view >= 0 && (viewCount < count || target[view] === 1)) viewCount *= target[view--]!;
      if (viewCount !== count) return false;
      if (axis > 0) {
        base = strides[axis - 1]!;
        count = 1;
        viewCount = 1;
      }
    }
  }
  return view === -1;
}

/** A view where strides allow it, else a copy, as `torch.reshape`. */
function reshape(context: LoweringContext, source: AtenTensor, sizes: readonly Index[]): AtenTensor {
  const value = reshapeTo(context, context.read(source), sizes);
  const answer = canView(source, value.shape);
  if (answer === true) return reshapeStep(context, source, sizes);
  return answer === false ? context.tensor(value) : context.perhapsView(source, value);
}

const view: Lowering = (context, given) => reshapeStep(context, given.tensor('self'), given.indices('size'));

function flattenedSizes(context: LoweringContext, x: Value, start: number, end: number): Index[] {
  const shape = context.shape(x);
  if (shape.length === 0) return [1];
  const [first, last] = [context.axis(start, shape.length), context.axis(end, shape.length)];
  if (first > last) throw context.refuse('it flattens from an axis behind the last');
  const sizes: Index[] = sizesOf(context, x);
  const middle = sizes.slice(first, last + 1);
  const product = middle.length === 1 ? middle[0]! : middle.every((size) => typeof size === 'number') ? middle.reduce((all, size) => all * size, 1) : -1;
  return [...sizes.slice(0, first), product, ...sizes.slice(last + 1)];
}

/** Every size: a number where it is known. */
export function sizesOf(context: LoweringContext, x: Value): Index[] {
  return context.shape(x).map((size, axis) => (typeof size === 'number' ? size : context.graph.op.sizeOf(x, axis)));
}

const flatten: Lowering = (context, given) => {
  const self = given.tensor('self');
  const [start, end] = [given.integer('start_dim'), given.integer('end_dim')];
  if (self.rank !== undefined && self.rank > 0 && context.axis(start, self.rank) === context.axis(end, self.rank)) return self;
  return reshape(context, self, flattenedSizes(context, context.read(self), start, end));
};

const unflatten: Lowering = (context, given) => {
  const self = given.tensor('self');
  const sizes = sizesOf(context, context.read(self));
  const axis = given.axis('dim', sizes.length);
  return reshapeStep(context, self, [...sizes.slice(0, axis), ...given.indices('sizes'), ...sizes.slice(axis + 1)]);
};

// ---- axes

function permuted(context: LoweringContext, source: AtenTensor, order: readonly number[]): AtenTensor {
  if (order.every((axis, place) => axis === place)) return context.view(source, { read: (whole) => whole, write: (_, part) => part }, context.read(source));
  const back = order.map((_, axis) => order.indexOf(axis));
  return context.view(source, { read: (whole) => context.graph.op.transpose(whole, order), write: (_, part) => context.graph.op.transpose(part, back) });
}

const permute: Lowering = (context, given) => {
  const self = given.tensor('self');
  const rank = context.shape(self).length;
  return permuted(context, self, given.integers('dims').map((axis) => context.axis(axis, rank)));
};

function swapped(context: LoweringContext, source: AtenTensor, first: number, second: number): AtenTensor {
  const rank = context.shape(source).length;
  if (rank === 0) return source;
  const [a, b] = [context.axis(first, rank), context.axis(second, rank)];
  return permuted(context, source, Array.from({ length: rank }, (_, axis) => (axis === a ? b : axis === b ? a : axis)));
}

const moveAxes: Lowering = (context, given) => {
  const self = given.tensor('self');
  const rank = context.shape(self).length;
  const from = given.integers('source').map((axis) => context.axis(axis, rank));
  const to = given.integers('destination').map((axis) => context.axis(axis, rank));
  const order: number[] = new Array<number>(rank).fill(-1);
  for (const [index, place] of to.entries()) order[place] = from[index]!;
  const left = Array.from({ length: rank }, (_, axis) => axis).filter((axis) => !from.includes(axis));
  return permuted(context, self, order.map((axis) => (axis === -1 ? left.shift()! : axis)));
};

function unsqueezed(context: LoweringContext, source: AtenTensor, axis: number): AtenTensor {
  const at = context.axis(axis, context.shape(source).length + 1);
  return context.view(source, { read: (whole) => context.graph.op.unsqueeze(whole, at), write: (_, part) => context.graph.op.squeeze(part, at) });
}

function squeezed(context: LoweringContext, source: AtenTensor, axes: readonly number[]): AtenTensor {
  const shape = context.shape(source);
  for (const axis of axes) if (typeof shape[axis] !== 'number') throw context.refuse(`it takes axis ${axis} away if its size is 1, which depends on the input`);
  const gone = axes.filter((axis) => shape[axis] === 1);
  if (gone.length === 0) return source;
  return context.view(source, { read: (whole) => context.graph.op.squeeze(whole, gone), write: (_, part) => context.graph.op.unsqueeze(part, gone) });
}

const squeeze: Lowering = (context, given) => {
  const self = given.tensor('self');
  const shape = context.shape(self);
  if (shape.length === 0) return self;
  if (!given.has('dim')) return squeezed(context, self, [...shape.keys()].filter((axis) => typeof shape[axis] !== 'number' || shape[axis] === 1));
  return squeezed(context, self, given.integers('dim').map((axis) => context.axis(axis, shape.length)));
};

const expand: Lowering = (context, given) => {
  const self = given.tensor('self');
  return expanded(context, self, given.has('other') ? sizesOf(context, given.value('other')) : given.indices('size'));
};

export function expanded(context: LoweringContext, self: AtenTensor, given: readonly Index[]): AtenTensor {
  const shape = context.shape(self);
  const more = given.length - shape.length;
  // -1 keeps a size; an axis of 1 takes it as well as any.
  const sizes = given.map((size, axis) => (size === -1 ? 1 : axis >= more && dimensionOf(size) === shape[axis - more] ? 1 : size));
  const trailing = sizes.findIndex((size) => size !== 1);
  if (more === 0 && trailing === -1) return context.view(self, { read: (whole) => whole, write: (_, part) => part }, context.read(self));
  return context.view(self, {
    read: (whole) => {
      const value = context.graph.op.expand(whole, sizes);
      return value.shape === undefined ? value : context.graph.refine(value, { shape: value.shape.map((size, axis) => (String(size).includes('?') ? (dimensionOf(sizes[axis]!) ?? size) : size)) });
    },
  });
}

// ---- parts

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

function parts(context: LoweringContext, self: AtenTensor, axis: number, sizes: readonly Index[]): AtenValue[] {
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
  if (Array.isArray(given.any(name))) return parts(context, self, axis, given.indices(name));
  const [each, size] = [given.integer(name), shape[axis]];
  if (typeof size !== 'number') throw context.refuse('it splits an axis whose size depends on the input, so that the number of parts does');
  return parts(context, self, axis, Array.from({ length: Math.max(1, Math.ceil(size / each)) }, (_, index) => Math.min(each, size - index * each)));
};

const chunk: Lowering = (context, given) => {
  const self = given.tensor('self');
  const shape = context.shape(self);
  const axis = given.axis('dim', shape.length);
  const [count, size] = [given.integer('chunks'), shape[axis]];
  if (typeof size !== 'number') throw context.refuse('it splits an axis whose size depends on the input, so that the number of parts does');
  const each = Math.max(1, Math.ceil(size / count));
  return parts(context, self, axis, Array.from({ length: Math.max(1, Math.ceil(size / each)) }, (_, index) => Math.min(each, size - index * each)));
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
  return parts(context, self, axis, Array.from({ length: count }, (_, index) => Math.floor(size / count) + (index < size % count ? 1 : 0)));
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

// ---- copies

const repeat: Lowering = (context, given) => {
  const { op } = context.graph;
  const repeats = given.indices(given.has('repeats') ? 'repeats' : 'dims');
  const x = given.value('self');
  const rank = context.shape(x).length;
  const filled = given.has('dims') && repeats.length < rank ? [...new Array<Index>(rank - repeats.length).fill(1), ...repeats] : repeats;
  const wide = filled.length > rank ? op.unsqueeze(x, Array.from({ length: filled.length - rank }, (_, axis) => axis)) : x;
  return filled.every((count) => count === 1) ? context.tensor(wide) : op.tile(wide, filled);
};

/** Each element several times, one after the other. */
const repeatInterleave: Lowering = (context, given, schema) => {
  const { op } = context.graph;
  if (schema.overload !== 'self_int') throw context.refuse('it repeats each element as often as a tensor says');
  const source = given.value('self');
  const flat = given.has('dim') ? source : op.reshape(source, [-1]);
  const shape = context.shape(flat);
  const axis = given.has('dim') ? given.axis('dim', shape.length) : 0;
  const count = given.index('repeats');
  const sizes = sizesOf(context, flat);
  const wide = op.expand(op.unsqueeze(flat, axis + 1), [...new Array<Index>(axis + 1).fill(1), count, ...new Array<Index>(shape.length - axis - 1).fill(1)]);
  const size = shape[axis]!;
  const merged: Index = typeof size === 'number' && typeof count === 'number' ? size * count : -1;
  return reshapeTo(context, wide, sizes.map((own, place) => (place === axis ? merged : own)));
};

const concatenate =
  (name = 'tensors'): Lowering =>
  (context, given) => {
    const all = given.tensors(name);
    // An empty list of one axis goes with everything, as it always did.
    const tensors = all.filter((tensor) => !(tensor.shape?.length === 1 && tensor.shape[0] === 0) || all.every((other) => other.rank === 1));
    if (tensors.length === 0) throw context.refuse('it joins nothing');
    const type = context.promote(tensors);
    const rank = context.shape(tensors[0]!).length;
    const axis = given.axis(given.has('dim') ? 'dim' : 'axis', rank);
    const values = tensors.map((tensor) => context.cast(context.read(tensor), type));
    return values.length === 1 ? context.tensor(values[0]!) : context.graph.op.concat(values, axis);
  };

const stack: Lowering = (context, given) => {
  const tensors = given.tensors('tensors');
  if (tensors.length === 0) throw context.refuse('it joins nothing');
  const type = context.promote(tensors);
  return context.graph.op.stack(tensors.map((tensor) => context.cast(context.read(tensor), type)), given.axis('dim', context.shape(tensors[0]!).length + 1));
};

/** Joins along an axis that depends on the rank, after every tensor has at least so many axes. */
const joined =
  (least: number, axisOf: (rank: number) => number, shape: (rank: number) => readonly number[] | undefined = () => undefined): Lowering =>
  (context, given) => {
    const values = given.tensors('tensors').map((tensor) => {
      const rank = context.shape(tensor).length;
      const wanted = shape(rank);
      const value = context.read(tensor);
      return context.tensor(wanted !== undefined ? context.graph.op.reshape(value, wanted) : rank < least ? context.graph.op.unsqueeze(value, Array.from({ length: least - rank }, (_, axis) => axis)) : value);
    });
    return context.call('aten::cat', { tensors: values, dim: BigInt(axisOf(context.shape(values[0]!).length)) });
  };

const flip: Lowering = (context, given) => {
  const x = given.value('self');
  const rank = context.shape(x).length;
  const axes = given.has('dims') ? given.integers('dims').map((axis) => context.axis(axis, rank)) : [];
  return axes.length === 0 || rank === 0 ? context.tensor(x) : context.graph.op.slice(x, axes.map((axis) => ({ axis, start: -1, end: -mostIndex, step: -1 })));
};

const roll: Lowering = (context, given) => {
  const { op } = context.graph;
  const source = given.value('self');
  const axes = given.integers('dims');
  const shifts = given.indices('shifts');
  let x = axes.length === 0 ? op.reshape(source, [-1]) : source;
  const rank = context.shape(x).length;
  for (const [index, shift] of shifts.entries()) {
    const axis = axes.length === 0 ? 0 : context.axis(axes[index]!, rank);
    const size = x.shape![axis]!;
    if (typeof shift !== 'number') throw context.refuse('it rolls by a number of places that depends on the input');
    const places = typeof size === 'number' ? ((shift % size) + size) % size : shift;
    if (places === 0) continue;
    if (typeof size !== 'number' && Math.abs(places) > 1) throw context.refuse('it rolls an axis whose size depends on the input');
    x = op.concat([op.slice(x, { axis, start: -places }), op.slice(x, { axis, start: 0, end: -places })], axis);
  }
  return axes.length === 0 ? op.reshape(x, op.shapeOf(source)) : context.tensor(x);
};

const size: Lowering = (context, given, schema) => {
  const x = given.value('self');
  const shape = context.shape(x);
  const one = (axis: number): AtenValue => (typeof shape[axis] === 'number' ? BigInt(shape[axis]) : toScalar(context.graph.op.sizeOf(x, axis)));
  return schema.overload === '' ? [...shape.keys()].map(one) : one(given.axis('dim', shape.length));
};

const count: Lowering = (context, given) => {
  const x = given.value('self');
  const total = context.shape(x).reduce<Dimension>(multiplyDimensions, 1);
  return typeof total === 'number' ? BigInt(total) : toScalar(context.graph.node('Size', [x], {}));
};

const itself: Lowering = (_, given) => given.tensor('self');

/** Whether elements lie in row-major order. Undefined: that cannot be told. */
function isRowMajor({ shape, strides }: AtenTensor): boolean | undefined {
  if (strides === undefined || strides.length !== shape?.length) return undefined;
  let expected: Dimension = 1;
  let answer: boolean | undefined = true;
  for (const [axis, size] of [...shape.entries()].toReversed()) {
    const stride = strides[axis]!;
    if (size !== 1 && stride !== expected) {
      // Names may be equal sizes; numbers are not, and a size that has a name may be 1.
      if (typeof stride === 'number' && typeof expected === 'number' && typeof size === 'number') return false;
      answer = undefined;
    }
    expected = multiplyDimensions(expected, size);
  }
  return answer;
}

const contiguous: Lowering = (context, given) => {
  const self = given.tensor('self');
  const format = given.any('memory_format');
  const answer = format === null || format === 0n ? isRowMajor(self) : undefined;
  if (answer === true) return self;
  return answer === false ? context.tensor(context.read(self)) : context.perhapsView(self, context.read(self));
};

function matrixTranspose(context: LoweringContext, given: AtenArguments): AtenTensor {
  return swapped(context, given.tensor('self'), -2, -1);
}

/** Every other name of the tensor would have to change with it. */
const changesShape: Lowering = (context) => {
  throw context.refuse('it gives a tensor another shape or memory in place: use the function without the underscore');
};

export const shapes: Lowerings = {
  view,
  'view.dtype': (context) => {
    throw context.refuse('it looks at the bytes of elements as another type');
  },
  'view_as': (context, given) => reshapeStep(context, given.tensor('self'), sizesOf(context, given.value('other'))),
  'reshape': (context, given) => reshape(context, given.tensor('self'), given.indices('shape')),
  'reshape_as': (context, given) => reshape(context, given.tensor('self'), sizesOf(context, given.value('other'))),
  '_unsafe_view': (context, given) => reshapeTo(context, given.value('self'), given.indices('size')),
  '_reshape_alias': (context, given) => reshapeStep(context, given.tensor('self'), given.indices('size')),
  'flatten.using_ints': flatten,
  'ravel': (context, given) => reshape(context, given.tensor('self'), [-1]),
  'unflatten.int': unflatten,
  'permute': permute,
  't': (context, given) => (context.shape(given.tensor('self')).length < 2 ? given.tensor('self') : swapped(context, given.tensor('self'), 0, 1)),
  'transpose.int': (context, given) => swapped(context, given.tensor('self'), given.integer('dim0'), given.integer('dim1')),
  ...Object.fromEntries(['transpose_', 'squeeze_', 'unsqueeze_', 't_', 'swapaxes_', 'swapdims_', 'as_strided_', 'resize_', 'resize_as_', 'set_', 'data'].map((name) => [name, changesShape])),
  'swapaxes': (context, given) => swapped(context, given.tensor('self'), given.integer('axis0'), given.integer('axis1')),
  'swapdims': (context, given) => swapped(context, given.tensor('self'), given.integer('dim0'), given.integer('dim1')),
  'numpy_T': (context, given) => permuted(context, given.tensor('self'), [...context.shape(given.tensor('self')).keys()].toReversed()),
  'mT': matrixTranspose,
  'matrix_H': matrixTranspose,
  'adjoint': matrixTranspose,
  'movedim.intlist': moveAxes,
  'movedim.int': moveAxes,
  'moveaxis.int': moveAxes,
  'moveaxis.intlist': moveAxes,
  'unsqueeze': (context, given) => unsqueezed(context, given.tensor('self'), given.integer('dim')),
  'squeeze': squeeze,
  'expand': expand,
  'expand_as': expand,
  'broadcast_to': expand,
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
  'repeat': repeat,
  'tile': repeat,
  'repeat_interleave': repeatInterleave,
  'cat': concatenate(),
  'concat': concatenate(),
  'concatenate': concatenate(),
  'stack': stack,
  'hstack': joined(1, (rank) => (rank === 1 ? 0 : 1)),
  'vstack': joined(2, () => 0),
  'column_stack': joined(2, () => 1, (rank) => (rank === 1 ? [-1, 1] : undefined)),
  'dstack': joined(3, () => 2),
  'flip': flip,
  'fliplr': (context, given) => context.call('aten::flip', { self: given.any('self'), dims: [1n] }),
  'flipud': (context, given) => context.call('aten::flip', { self: given.any('self'), dims: [0n] }),
  'roll': roll,
  'size': size,
  'sym_size': size,
  'numel': count,
  'sym_numel': count,
  'dim': (context, given) => BigInt(context.shape(given.tensor('self')).length),
  'clone': (context, given) => context.tensor(given.value('self')),
  'contiguous': contiguous,
  'detach': itself,
  'detach_': itself,
  'alias': itself,
  'lift_fresh': itself,
  'lift_fresh_copy': (context, given) => context.tensor(given.value('self')),
  'lift': itself,
  'resolve_conj': itself,
  'resolve_neg': itself,
  'requires_grad_': itself,
  'conj': itself,
  'real': itself,
  'pin_memory': itself,
  'cpu': itself,
  'atleast_1d': (context, given) => (context.shape(given.tensor('self')).length >= 1 ? given.tensor('self') : reshapeStep(context, given.tensor('self'), [1])),
};
