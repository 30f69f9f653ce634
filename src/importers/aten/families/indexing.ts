/** Picking elements by positions or masks, writing them there, and tables of vectors. */
import { constantTensor } from '../../../onnx/constant-tensor.ts';
import { ElementType } from '../../../onnx/data-type.ts';
import type { Value } from '../../../onnx/graph-builder.ts';
import type { AtenArguments } from '../arguments.ts';
import type { Lowering, LoweringContext, Lowerings } from '../lowering.ts';
import { promoteTypes } from '../promotion.ts';
import { AtenTensor } from '../value.ts';
import { choose, computingType } from './elementwise.ts';
import { sizesOf } from './shapes.ts';

const { BOOL, INT32, INT64, UINT8 } = ElementType;

/** Positions along each axis that is indexed, all of one shape; a mask becomes the positions where it is true. */
interface Picks {
  /** By axis of the tensor; undefined: the whole axis. */
  readonly byAxis: (Value | undefined)[];
  /** How many axes the positions have together. */
  readonly rank: number;
}

function picksOf(context: LoweringContext, x: Value, list: readonly (AtenTensor | null)[]): Picks {
  const { op } = context.graph;
  const byAxis: (Value | undefined)[] = [];
  for (const index of list) {
    if (index === null) byAxis.push(undefined);
    else if (index.elementType === BOOL || index.elementType === UINT8) {
      const rank = context.shape(index).length;
      if (rank === 0) throw context.refuse('it picks by a single truth value');
      const places = op.nonZero(context.cast(context.read(index), BOOL));
      for (let axis = 0; axis < rank; axis++) byAxis.push(op.gather(places, axis, 0));
    } else byAxis.push(context.cast(context.read(index), INT64));
  }
  const rank = context.shape(x).length;
  if (byAxis.length > rank) throw context.refuse(`it picks along ${byAxis.length} axes of a tensor with ${rank}`);
  while (byAxis.length < rank) byAxis.push(undefined);
  const ranks = byAxis.flatMap((value) => (value === undefined ? [] : [context.shape(value).length]));
  return { byAxis, rank: Math.max(...ranks) };
}

/** Puts indexed axes first, or back; and whether the result's picked axes stand where the first indexed axis was. */
function arrangement(picks: Picks): { readonly order: number[]; readonly indexed: number[]; readonly place: number } {
  const indexed = picks.byAxis.flatMap((value, axis) => (value === undefined ? [] : [axis]));
  const free = picks.byAxis.flatMap((value, axis) => (value === undefined ? [axis] : []));
  const isTogether = indexed.every((axis, index) => index === 0 || axis === indexed[index - 1]! + 1);
  return { order: [...indexed, ...free], indexed, place: isTogether ? indexed[0]! : 0 };
}

/** The positions side by side: [..., how many axes]. */
function positions(context: LoweringContext, picks: Picks, indexed: readonly number[]): Value {
  const { op } = context.graph;
  const values = indexed.map((axis) => picks.byAxis[axis]!);
  const first = values[0]!;
  const isSame = values.every((value) => value.shape !== undefined && value.shape.length === first.shape!.length && value.shape.every((size, axis) => size === first.shape![axis] && !String(size).includes('?')));
  if (isSame || values.length === 1) return op.stack(values, -1 + first.shape!.length + 1);
  // Adding zeros of the others' shapes broadcasts all to one.
  const zero = values.map((value) => op.mul(value, 0n)).reduce((sum, value) => op.add(sum, value));
  return op.stack(values.map((value) => op.add(value, zero)), picks.rank);
}

function isStill(order: readonly number[]): boolean {
  return order.every((axis, index) => axis === index);
}

const pick: Lowering = (context, given) => {
  const { op } = context.graph;
  const source = given.value('self');
  const list = given.list('indices').map((item) => (item instanceof AtenTensor ? item : null));
  if (list.every((item) => item === null)) return context.tensor(source);
  const picks = picksOf(context, source, list);
  const { order, indexed, place } = arrangement(picks);
  if (indexed.length === 1) return op.gather(source, picks.byAxis[indexed[0]!]!, indexed[0]!);
  const x = isStill(order) ? source : op.transpose(source, order);
  const gathered = op.gatherND(x, positions(context, picks, indexed));
  return context.tensor(moveBlock(context, gathered, picks.rank, place));
};

/** Moves the first `count` axes behind the next `place`. */
function moveBlock(context: LoweringContext, x: Value, count: number, place: number): Value {
  const rank = context.shape(x).length;
  if (place === 0) return x;
  const block = Array.from({ length: count }, (_, axis) => axis);
  const rest = Array.from({ length: rank - count }, (_, axis) => axis + count);
  return context.graph.op.transpose(x, [...rest.slice(0, place), ...block, ...rest.slice(place)]);
}

/** The tensor with values at the positions. */
function put(context: LoweringContext, given: AtenArguments): Value {
  const { op } = context.graph;
  const self = given.tensor('self');
  const source = context.read(self);
  const list = given.list('indices').map((item) => (item instanceof AtenTensor ? item : null));
  const value = context.cast(given.value('values'), self.elementType);
  const accumulates = given.has('accumulate') && given.boolean('accumulate');
  const rank = context.shape(source).length;
  const isSingle = value.shape?.every((size) => size === 1) === true;
  const [mask] = list;
  if (isSingle && !accumulates && mask instanceof AtenTensor && mask.elementType === BOOL && list.slice(1).every((item) => item === null)) {
    // One number wherever the mask is true.
    const own = context.shape(mask).length;
    const wide = own < rank ? op.unsqueeze(context.read(mask), Array.from({ length: rank - own }, (_, axis) => own + axis)) : context.read(mask);
    return choose(context, wide, op.reshape(value, []), source);
  }
  if (list.every((item) => item === null)) return op.expand(value, op.shapeOf(source));
  const picks = picksOf(context, source, list);
  const { order, indexed, place } = arrangement(picks);
  const wide = accumulates && self.elementType === BOOL ? INT32 : computingType(self.elementType);
  if (accumulates && self.elementType === BOOL) throw context.refuse('it adds truth values up');
  const x = isStill(order) ? source : op.transpose(source, order);
  const places = positions(context, picks, indexed);
  // What is written has the shape of what would be read.
  const readShape = moveBlock(context, op.gatherND(x, places), picks.rank, place);
  const full = op.expand(value, op.shapeOf(readShape));
  const front = place === 0 ? full : op.transpose(full, blockToFront(context.shape(readShape).length, picks.rank, place));
  const changed = op.scatterND(context.cast(x, wide), places, context.cast(front, wide), accumulates ? 'add' : 'none');
  const result = context.cast(changed, self.elementType);
  return isStill(order) ? result : op.transpose(result, order.map((_, axis) => order.indexOf(axis)));
}

function blockToFront(rank: number, count: number, place: number): number[] {
  const all = Array.from({ length: rank }, (_, axis) => axis);
  return [...all.slice(place, place + count), ...all.slice(0, place), ...all.slice(place + count)];
}

const gather: Lowering = (context, given) => {
  const x = given.value('self');
  const rank = context.shape(x).length;
  const index = given.value('index');
  return rank === 0 ? context.tensor(x) : context.graph.op.gatherElements(x, context.cast(index, INT64), given.axis('dim', rank));
};

const reductionsByName: Readonly<Record<string, 'add' | 'mul' | 'max' | 'min'>> = { add: 'add', sum: 'add', multiply: 'mul', prod: 'mul', amax: 'max', amin: 'min' };

function scatter(context: LoweringContext, given: AtenArguments, reduction: 'none' | 'add' | 'mul' | 'max' | 'min'): Value {
  const { op } = context.graph;
  const self = given.tensor('self');
  const x = context.read(self);
  const rank = context.shape(x).length;
  const axis = given.axis('dim', rank);
  const index = context.cast(given.value('index'), INT64);
  const wide = self.elementType === BOOL ? INT32 : computingType(self.elementType);
  let source: Value;
  if (given.has('src')) {
    const whole = context.cast(given.value('src'), wide);
    const [own, wanted] = [context.shape(whole), context.shape(index)];
    // Only as much of the source as there are positions is used.
    const cut = own.flatMap((size, place) => (size === wanted[place] && !String(size).includes('?') ? [] : [{ axis: place, start: 0, end: op.sizeOf(index, place) }]));
    source = cut.length === 0 ? whole : op.slice(whole, cut);
  } else source = op.expand(context.operand(given.operand('value'), wide), op.shapeOf(index));
  if (self.elementType === BOOL && reduction !== 'none') throw context.refuse('it joins truth values');
  return context.cast(op.scatterElements(context.cast(x, wide), index, source, axis, reduction), self.elementType);
}

const scatterReduce: Lowering = (context, given, schema) => {
  const name = given.text('reduce');
  const reduction = reductionsByName[name];
  if (reduction === undefined) throw context.refuse(`the reduction ${name} is not covered`);
  if (schema.name === 'scatter_reduce' && !given.boolean('include_self')) throw context.refuse('it leaves out what was there before');
  return scatter(context, given, reduction);
};

const indexSelect: Lowering = (context, given) => {
  const x = given.value('self');
  const rank = context.shape(x).length;
  const index = given.value('index');
  const { op } = context.graph;
  if (rank === 0) return context.tensor(x);
  return op.gather(x, context.shape(index).length === 0 ? op.reshape(index, [1]) : index, given.axis('dim', rank));
};

/** Writes or adds slices along an axis at positions of one axis. */
const indexWrite =
  (kind: 'copy' | 'fill' | 'add'): Lowering =>
  (context, given) => {
    const { op } = context.graph;
    const self = given.tensor('self');
    const x = context.read(self);
    const shape = context.shape(x);
    const axis = given.axis('dim', shape.length);
    const wide = self.elementType === BOOL ? INT32 : computingType(self.elementType);
    const index = op.reshape(context.cast(given.value('index'), INT64), [-1]);
    const order = [axis, ...shape.keys()].filter((own, place) => place === 0 || own !== axis);
    const back = order.map((_, place) => order.indexOf(place));
    const front = isStill(order) ? x : op.transpose(x, order);
    let source: Value;
    if (kind === 'fill') source = op.expand(context.operand(given.operand('value'), wide), op.shapeOf(op.gather(front, index, 0)));
    else {
      const given_ = context.cast(given.value('source'), wide);
      source = isStill(order) ? given_ : op.transpose(given_, order);
      const alpha = given.has('alpha') ? given.scalar('alpha') : 1n;
      if (kind === 'add' && Number(typeof alpha === 'object' ? Number.NaN : alpha) !== 1) source = op.mul(source, context.operand(alpha, wide));
    }
    const changed = context.cast(op.scatterND(context.cast(front, wide), op.unsqueeze(index, 1), source, kind === 'add' ? 'add' : 'none'), self.elementType);
    return isStill(order) ? changed : op.transpose(changed, back);
  };

/** Picks along an axis with positions that broadcast. */
const takeAlong: Lowering = (context, given) => {
  const { op } = context.graph;
  const [x, index] = [given.value('self'), context.cast(given.value('indices'), INT64)];
  if (!given.has('dim')) return op.gather(op.reshape(x, [-1]), op.reshape(index, [-1]));
  const shape = context.shape(x);
  const axis = given.axis('dim', shape.length);
  const wanted = context.shape(index);
  const sizes = sizesOf(context, index);
  const own = sizesOf(context, x);
  const differs = shape.some((size, place) => place !== axis && size !== wanted[place]);
  if (!differs) return op.gatherElements(x, index, axis);
  const broad = (place: number): (typeof sizes)[number] => (wanted[place] === 1 ? own[place]! : sizes[place]!);
  const wideX = op.expand(x, own.map((size, place) => (place === axis ? size : broad(place))));
  const wideIndex = op.expand(index, sizes.map((size, place) => (place === axis ? size : broad(place))));
  return op.gatherElements(wideX, wideIndex, axis);
};

const embedding: Lowering = ({ graph }, given) => graph.op.gather(given.value('weight'), given.value('indices'), 0);

/** The difference of neighbours, where the values are a range that starts at 0. */
function stepOf(context: LoweringContext, offsets: Value): number | undefined {
  return context.rangeStep(offsets);
}

/** Rows of equal length alone: offsets that count to the same width. */
const embeddingBag: Lowering = (context, given) => {
  const { op } = context.graph;
  const indices = given.value('indices');
  const offsets = given.value('offsets');
  const mode = given.integer('mode');
  const bag = stepOf(context, offsets);
  if (bag === undefined) throw context.refuse('how long its bags are depends on the input');
  if (given.has('padding_idx') && given.integer('padding_idx') >= 0) throw context.refuse('it leaves out a padding index');
  if (given.has('include_last_offset') && given.boolean('include_last_offset')) throw context.refuse('its offsets name the end of the last bag');
  let vectors = op.reshape(op.gather(given.value('weight'), indices, 0), [-1, bag, context.shape(given.value('weight'))[1] as number]);
  if (given.has('per_sample_weights')) vectors = op.mul(vectors, op.reshape(given.value('per_sample_weights'), [-1, bag, 1]));
  const result = mode === 0 ? op.reduceSum(vectors, { axes: 1 }) : mode === 1 ? op.reduceMean(vectors, { axes: 1 }) : op.reduceMax(vectors, { axes: 1 });
  return [result, null, null, null];
};

const nonZero: Lowering = ({ graph }, given) => graph.op.transpose(graph.op.nonZero(given.value('self')), [1, 0]);

/** How many boundaries lie before each value. boundaries: [count], in order. */
function bucket(context: LoweringContext, values: Value, boundaries: Value, right: boolean, elementType: number): Value {
  const { op } = context.graph;
  if (context.shape(boundaries).length !== 1) throw context.refuse('its boundaries have several axes');
  const type = promoteTypes(values.elementType, boundaries.elementType);
  if (type === undefined) throw context.refuse('its values and boundaries have types that do not go together');
  const wide = op.unsqueeze(context.cast(values, computingType(type)), context.shape(values).length);
  const limits = context.cast(boundaries, computingType(type));
  const before = right ? op.lessOrEqual(limits, wide) : op.less(limits, wide);
  return context.cast(op.reduceSum(op.cast(before, INT32), { axes: -1 }), elementType);
}

const maskedSelect: Lowering = (context, given) => {
  const { op } = context.graph;
  const [x, mask] = [given.value('self'), given.value('mask')];
  const [own, wanted] = [context.shape(x), context.shape(mask)];
  const same = own.length === wanted.length && own.every((size, axis) => size === wanted[axis]);
  const wideMask = same ? mask : op.and(mask, op.expand(context.operand(true, BOOL), op.shapeOf(x)));
  const wideX = same ? x : op.expand(x, op.shapeOf(wideMask));
  return context.graph.node('Compress', [op.reshape(wideX, [-1]), op.reshape(wideMask, [-1])], {});
};

export const indexing: Lowerings = {
  'index.Tensor': pick,
  'index.Tensor_hacked_twin': pick,
  '_unsafe_index.Tensor': pick,
  'index_put': put,
  '_unsafe_index_put': put,
  'index_put_.hacked_twin': (context, given) => {
    const self = given.tensor('self');
    context.write(self, put(context, given));
    return self;
  },
  '_index_put_impl_': (context, given) => {
    const self = given.tensor('self');
    context.write(self, put(context, given));
    return self;
  },
  'gather': gather,
  'scatter.src': (context, given) => scatter(context, given, 'none'),
  'scatter.value': (context, given) => scatter(context, given, 'none'),
  'scatter.reduce': scatterReduce,
  'scatter.value_reduce': scatterReduce,
  'scatter_add': (context, given) => scatter(context, given, 'add'),
  'scatter_reduce.two': scatterReduce,
  'index_select': indexSelect,
  'index_copy': indexWrite('copy'),
  'index_fill.int_Scalar': indexWrite('fill'),
  'index_fill.int_Tensor': indexWrite('fill'),
  'index_add': indexWrite('add'),
  'take_along_dim': takeAlong,
  'take': (context, given) => context.graph.op.gather(context.graph.op.reshape(given.value('self'), [-1]), context.cast(given.value('index'), INT64)),
  'embedding': embedding,
  'embedding_bag': embeddingBag,
  'embedding_bag.padding_idx': embeddingBag,
  '_embedding_bag': embeddingBag,
  '_embedding_bag_forward_only': embeddingBag,
  'nonzero': nonZero,
  'argwhere': nonZero,
  'nonzero_numpy': (context, given) => {
    const { op } = context.graph;
    const places = op.nonZero(given.value('self'));
    return context.shape(given.value('self')).map((_, axis) => context.tensor(op.gather(places, axis, 0)));
  },
  'where': (context, given) => {
    const { op } = context.graph;
    const condition = given.value('condition');
    const places = op.nonZero(condition);
    return context.shape(condition).map((_, axis) => context.tensor(op.gather(places, axis, 0)));
  },
  'masked_select': maskedSelect,
  // The next element of the source wherever the mask is true.
  'masked_scatter': (context, given) => {
    const { op } = context.graph;
    const self = given.tensor('self');
    const x = context.read(self);
    const mask = op.expand(context.cast(given.value('mask'), BOOL), op.shapeOf(x));
    const order = op.max(op.sub(op.cumSum(op.reshape(op.cast(mask, INT64), [-1]), 0), 1n), 0n);
    const source = op.reshape(context.cast(given.value('source'), self.elementType), [-1]);
    return choose(context, mask, op.reshape(op.gather(source, order), op.shapeOf(x)), x);
  },
  'bucketize.Tensor': (context, given) => bucket(context, given.value('self'), given.value('boundaries'), given.boolean('right'), given.boolean('out_int32') ? INT32 : INT64),
  'bucketize.Scalar': (context, given) => bucket(context, context.operand(given.scalar('self'), given.tensor('boundaries').elementType), given.value('boundaries'), given.boolean('right'), given.boolean('out_int32') ? INT32 : INT64),
  'searchsorted.Tensor': (context, given) => {
    const right = given.boolean('right') || (given.has('side') && given.text('side') === 'right');
    return bucket(context, given.value('self'), given.value('sorted_sequence'), right, given.boolean('out_int32') ? INT32 : INT64);
  },
  'isin.Tensor_Tensor': (context, given) => {
    const { op } = context.graph;
    const [x, tests] = [given.value('elements'), op.reshape(given.value('test_elements'), [-1])];
    const found = op.cast(op.reduceMax(op.cast(op.equal(op.unsqueeze(x, context.shape(x).length), tests), INT32), { axes: -1 }), BOOL);
    return given.boolean('invert') ? op.not(found) : found;
  },
  'diag_embed': (context, given) => {
    const { op } = context.graph;
    const x = given.value('self');
    const size = context.shape(x).at(-1);
    if (given.integer('offset') !== 0 || given.integer('dim1') !== -2 || given.integer('dim2') !== -1 || typeof size !== 'number') throw context.refuse('it is covered for the main diagonal of the last two axes');
    const eye = context.graph.constant(constantTensor(x.elementType, Array.from({ length: size * size }, (_, index) => Number(index % (size + 1) === 0)), [size, size]));
    return op.mul(op.unsqueeze(x, -1), eye);
  },
};
