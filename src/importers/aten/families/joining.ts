/** Copies that put tensors together, or repeat and reorder what is in one. */
import { ElementType } from '../../../onnx/data-type.ts';
import type { Value } from '../../../onnx/graph-builder.ts';
import type { Index } from '../../../onnx/operators/operand.ts';
import type { Lowering, LoweringContext, Lowerings } from '../lowering.ts';
import { toScalar } from '../value.ts';
import { reshapeTo, sizesOf } from './shapes.ts';

const { INT64 } = ElementType;
const mostIndex = Number.MAX_SAFE_INTEGER;

const repeat: Lowering = (context, given) => {
  const { op } = context.graph;
  const repeats = given.indices(given.has('repeats') ? 'repeats' : 'dims');
  const x = given.value('self');
  const rank = context.shape(x).length;
  const filled = given.has('dims') && repeats.length < rank ? [...new Array<Index>(rank - repeats.length).fill(1), ...repeats] : repeats;
  const wide = filled.length > rank ? op.unsqueeze(x, Array.from({ length: filled.length - rank }, (_, axis) => axis)) : x;
  return filled.every((count) => count === 1) ? context.tensor(wide) : op.tile(wide, filled);
};

/** Each element several times, one after the other: as often as a number says, or as a tensor says for each. */
const repeatInterleave: Lowering = (context, given, schema) => {
  const { op } = context.graph;
  if (schema.overload === 'Tensor') return placesOfRepeats(context, context.cast(given.value('repeats'), INT64));
  const source = given.value('self');
  const flat = given.has('dim') ? source : op.reshape(source, [-1]);
  const shape = context.shape(flat);
  const axis = given.has('dim') ? given.axis('dim', shape.length) : 0;
  let count: Index;
  if (schema.overload === 'self_int') count = given.index('repeats');
  else {
    const repeats = context.cast(given.value('repeats'), INT64);
    const each = context.shape(repeats);
    if (each.length === 1 && each[0] !== 1) return op.gather(flat, placesOfRepeats(context, op.expand(repeats, [sizesOf(context, flat)[axis]!])), axis);
    const known = toScalar(op.reshape(repeats, []));
    count = typeof known === 'bigint' ? Number(known) : op.reshape(repeats, []);
  }
  const sizes = sizesOf(context, flat);
  const wide = op.expand(op.unsqueeze(flat, axis + 1), [...new Array<Index>(axis + 1).fill(1), count, ...new Array<Index>(shape.length - axis - 1).fill(1)]);
  const size = shape[axis]!;
  const merged: Index = typeof size === 'number' && typeof count === 'number' ? size * count : -1;
  return reshapeTo(context, wide, sizes.map((own, place) => (place === axis ? merged : own)));
};

/** [2, 0, 3] → [0, 0, 2, 2, 2]: a place belongs to the element before which fewer repeats end than it counts. */
function placesOfRepeats(context: LoweringContext, repeats: Value): Value {
  const { op } = context.graph;
  if (context.shape(repeats).length !== 1) throw context.refuse('how often it repeats is said by a tensor that has not one axis');
  const all = op.range(context.operand(0n, INT64), op.reduceSum(repeats, { axes: [0], keepAxes: false }), context.operand(1n, INT64));
  return op.reduceSum(op.cast(op.greaterOrEqual(op.unsqueeze(all, 1), op.cumSum(repeats, 0)), INT64), { axes: [1], keepAxes: false });
}

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

export const joining: Lowerings = {
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
};
