/** Sums, means, extremes and norms along axes; sorting. */
import { ElementType } from '../../../onnx/data-type.ts';
import type { Value } from '../../../onnx/graph-builder.ts';
import { isFloat } from '../../../onnx/operators/arithmetic.ts';
import type { AtenArguments } from '../arguments.ts';
import type { Lowering, LoweringContext, Lowerings } from '../lowering.ts';
import type { AtenTensor } from '../value.ts';
import { computingType, floatingType } from './elementwise.ts';

const { BOOL, FLOAT, INT32, INT64 } = ElementType;

/** The axes that `dim` names; undefined: all. An empty list is all too. */
function axesOf(context: LoweringContext, given: AtenArguments, rank: number | undefined, name = 'dim'): number[] | undefined {
  const list = given.optionalIntegers(name);
  if (list === undefined || list.length === 0) return undefined;
  if (rank === undefined) {
    if (list.some((axis) => axis < 0)) throw context.refuse('how many axes its input has is not known');
    return list;
  }
  return rank === 0 ? undefined : list.map((axis) => context.axis(axis, rank));
}

function keeps(given: AtenArguments): boolean {
  return given.has('keepdim') && given.boolean('keepdim');
}

type Operator = 'reduceSum' | 'reduceMean' | 'reduceMax' | 'reduceMin' | 'reduceProd' | 'reduceLogSumExp' | 'reduceL1' | 'reduceL2';

function reduce(context: LoweringContext, operator: Operator, x: Value, axes: readonly number[] | undefined, keepAxes: boolean): Value {
  if (x.shape?.length === 0 && operator !== 'reduceLogSumExp' && operator !== 'reduceL1' && operator !== 'reduceL2') return x;
  return context.graph.op[operator](x, { ...(axes === undefined ? {} : { axes }), keepAxes });
}

/** Integers are summed as int64. */
const total =
  (operator: 'reduceSum' | 'reduceProd'): Lowering =>
  (context, given) => {
    const self = given.tensor('self');
    const type = given.elementType() ?? (isFloat(self.elementType) ? self.elementType : INT64);
    return reduce(context, operator, context.cast(context.read(self), type), axesOf(context, given, self.rank), keeps(given));
  };

const mean: Lowering = (context, given) => {
  const self = given.tensor('self');
  const type = given.elementType() ?? self.elementType;
  if (!isFloat(type)) throw context.refuse('it takes the mean of integers');
  return reduce(context, 'reduceMean', context.cast(context.read(self), type), axesOf(context, given, self.rank), keeps(given));
};

function extremeOf(context: LoweringContext, operator: 'reduceMax' | 'reduceMin', x: Value, axes: readonly number[] | undefined, keepAxes: boolean): Value {
  const wide = x.elementType === BOOL ? INT32 : computingType(x.elementType);
  return context.cast(reduce(context, operator, context.cast(x, wide), axes, keepAxes), x.elementType);
}

const extreme =
  (operator: 'reduceMax' | 'reduceMin'): Lowering =>
  (context, given) => {
    const self = given.tensor('self');
    return extremeOf(context, operator, context.read(self), axesOf(context, given, self.rank), keeps(given));
  };

function argument(context: LoweringContext, operator: 'argMax' | 'argMin', x: Value, axis: number | undefined, keepAxis: boolean): Value {
  const { op } = context.graph;
  const wide = x.elementType === BOOL || x.elementType === ElementType.INT16 ? context.cast(x, INT32) : x;
  const rank = context.shape(x).length;
  if (rank === 0) return context.operand(0n, INT64);
  if (axis !== undefined) return op[operator](wide, axis, { keepAxis });
  const flat = op[operator](op.reshape(wide, [-1]), 0);
  return keepAxis ? op.reshape(flat, new Array<number>(rank).fill(1)) : flat;
}

/** Values and positions along an axis. */
const extremeWithPlace =
  (operator: 'reduceMax' | 'reduceMin', place: 'argMax' | 'argMin'): Lowering =>
  (context, given) => {
    const self = given.tensor('self');
    const x = context.read(self);
    const rank = context.shape(x).length;
    if (rank === 0) return [context.tensor(x), context.operand(0n, INT64)];
    const axis = given.axis('dim', rank);
    return [extremeOf(context, operator, x, [axis], keeps(given)), argument(context, place, x, axis, keeps(given))];
  };

const argumentOf =
  (operator: 'argMax' | 'argMin'): Lowering =>
  (context, given) => {
    const x = given.value('self');
    return argument(context, operator, x, given.has('dim') && context.shape(x).length > 0 ? given.axis('dim', x.shape!.length) : undefined, keeps(given));
  };

const truth =
  (kind: 'any' | 'all'): Lowering =>
  (context, given) => {
    const self = given.tensor('self');
    const x = context.cast(context.cast(context.read(self), BOOL), INT32);
    const result = reduce(context, kind === 'any' ? 'reduceMax' : 'reduceMin', x, axesOf(context, given, self.rank), keeps(given));
    return context.cast(result, BOOL);
  };

/** How many elements the axes have together, as a value of the type. */
function countOf(context: LoweringContext, x: Value, axes: readonly number[] | undefined, elementType: number): Value {
  const { op } = context.graph;
  const shape = context.shape(x);
  const picked = axes ?? [...shape.keys()];
  if (picked.every((axis) => typeof shape[axis] === 'number')) return context.operand(BigInt(picked.reduce((product, axis) => product * (shape[axis] as number), 1)), elementType);
  return context.cast(picked.map((axis) => op.sizeOf(x, axis)).reduce((product, size) => op.mul(product, size)), elementType);
}

function variance(context: LoweringContext, given: AtenArguments): { variance: Value; mean: Value } {
  const { op } = context.graph;
  const self = given.tensor('self');
  const x = context.read(self);
  if (!isFloat(x.elementType)) throw context.refuse('it takes the variance of integers');
  const axes = axesOf(context, given, context.shape(x).length);
  const correction = given.has('correction') ? given.number('correction') : given.has('unbiased') ? Number(given.boolean('unbiased')) : 1;
  const centre = reduce(context, 'reduceMean', x, axes, true);
  const difference = op.sub(x, centre);
  const squares = op.mul(difference, difference);
  const kept = keeps(given);
  const mean = reduce(context, 'reduceMean', x, axes, kept);
  if (correction === 0) return { variance: reduce(context, 'reduceMean', squares, axes, kept), mean };
  const freedom = op.max(op.sub(countOf(context, x, axes, x.elementType), correction), 0);
  return { variance: op.div(reduce(context, 'reduceSum', squares, axes, kept), freedom), mean };
}

function norm(context: LoweringContext, self: AtenTensor, order: number | undefined, axes: readonly number[] | undefined, keepAxes: boolean, type: number): Value {
  const { op } = context.graph;
  const x = context.cast(context.read(self), type);
  switch (order) {
    case undefined:
    case 2:
      return reduce(context, 'reduceL2', x, axes, keepAxes);
    case 1:
      return reduce(context, 'reduceL1', x, axes, keepAxes);
    case Infinity:
      return reduce(context, 'reduceMax', op.abs(x), axes, keepAxes);
    case -Infinity:
      return reduce(context, 'reduceMin', op.abs(x), axes, keepAxes);
    case 0:
      return reduce(context, 'reduceSum', context.cast(op.not(op.equal(x, 0)), type), axes, keepAxes);
    default:
      return op.pow(reduce(context, 'reduceSum', op.pow(op.abs(x), order), axes, keepAxes), 1 / order);
  }
}

const vectorNorm: Lowering = (context, given) => {
  const self = given.tensor('self');
  const order = given.has('ord') ? given.number('ord') : given.has('p') ? given.number('p') : 2;
  return norm(context, self, order, axesOf(context, given, self.rank), keeps(given), given.elementType() ?? floatingType(self.elementType));
};

const cumulative =
  (along: (context: LoweringContext, x: Value, axis: number) => Value): Lowering =>
  (context, given) => {
    const self = given.tensor('self');
    const type = given.elementType() ?? (isFloat(self.elementType) ? self.elementType : INT64);
    const x = context.cast(context.read(self), type);
    const rank = context.shape(x).length;
    return rank === 0 ? x : along(context, x, given.axis('dim', rank));
  };

/** One after the other, as PyTorch does it: by halves, a part of the numbers could overflow where all of them together do not. */
function runningProduct(context: LoweringContext, x: Value, axis: number): Value {
  const { op } = context.graph;
  const rank = context.shape(x).length;
  const front = [axis, ...Array.from({ length: rank }, (_, other) => other).filter((other) => other !== axis)];
  const isFirst = axis === 0;
  const rows = isFirst ? x : op.transpose(x, front);
  const one = op.expand(context.operand(1n, x.elementType), op.slice(op.shapeOf(rows), { axis: 0, start: 1 }));
  const [, products] = op.scan([one], [rows], (body, [product], [row]) => {
    const next = body.op.mul(product!, row!);
    return { states: [next], scanned: [next] };
  });
  return isFirst ? products! : op.transpose(products!, front.map((_, place) => front.indexOf(place)));
}

/** All elements along an axis in order, and where they were. */
function sorted(context: LoweringContext, x: Value, axis: number, isDescending: boolean): [Value, Value] {
  const { op } = context.graph;
  const wide = x.elementType === BOOL ? INT32 : computingType(x.elementType);
  const size = op.reshape(op.sizeOf(x, axis), [1]);
  const [values, places] = context.graph.node('TopK', [context.cast(x, wide), size], { axis, largest: isDescending ? 1 : 0, sorted: 1 }, { outputs: 2 });
  return [context.cast(values!, x.elementType), places!];
}

const sort: Lowering = (context, given) => {
  const x = given.value('self');
  const rank = context.shape(x).length;
  if (rank === 0) return [context.tensor(x), context.operand(0n, INT64)];
  return sorted(context, x, given.axis('dim', rank), given.boolean('descending'));
};

const topK: Lowering = (context, given) => {
  const { op } = context.graph;
  const x = given.value('self');
  const rank = context.shape(x).length;
  if (rank === 0) throw context.refuse('it takes the largest of a single number');
  const count = given.index('k');
  const list = typeof count === 'number' ? op.int64s([count]) : op.reshape(count, [1]);
  const wide = computingType(x.elementType);
  const [values, places] = context.graph.node('TopK', [context.cast(x, wide), list], { axis: given.axis('dim', rank), largest: given.boolean('largest') ? 1 : 0, sorted: 1 }, { outputs: 2 });
  return [context.cast(values!, x.elementType), places!];
};

/** The k-th smallest, from 1. */
function kth(context: LoweringContext, x: Value, axis: number, k: number, keepAxis: boolean): [Value, Value] {
  const { op } = context.graph;
  const [values, places] = op.topK(x, k, { axis, largest: false }) as [Value, Value];
  const last = (value: Value): Value => {
    const kept = op.slice(value, { axis, start: k - 1, end: k });
    return keepAxis ? kept : op.squeeze(kept, axis);
  };
  return [last(values), last(places)];
}

const median: Lowering = (context, given, schema) => {
  const { op } = context.graph;
  const self = given.value('self');
  const isWhole = schema.overload !== 'dim';
  const x = isWhole ? op.reshape(self, [-1]) : self;
  const shape = context.shape(x);
  const axis = isWhole ? 0 : given.axis('dim', shape.length);
  const size = shape[axis];
  if (typeof size !== 'number') throw context.refuse('it takes the median along an axis whose size depends on the input');
  const [value, place] = kth(context, x, axis, Math.floor((size + 1) / 2), !isWhole && keeps(given));
  return isWhole ? value : [value, place];
};

/** Of predictions and targets: all, their mean, or their sum. */
const loss =
  (measure: (context: LoweringContext, difference: Value) => Value): Lowering =>
  (context, given) => {
    const all = measure(context, context.graph.op.sub(given.value('self'), given.value('target')));
    const reduction = given.integer('reduction');
    return reduction === 0 ? all : reduce(context, reduction === 1 ? 'reduceMean' : 'reduceSum', all, undefined, false);
  };

export const reductions: Lowerings = {
  'sum': total('reduceSum'),
  'sum.dim_IntList': total('reduceSum'),
  'prod': total('reduceProd'),
  'prod.dim_int': total('reduceProd'),
  'mean': mean,
  'mean.dim': mean,
  'nansum': (context, given) => {
    const x = given.value('self');
    const clean = context.tensor(context.graph.op.where(context.graph.op.isNaN(x), 0, x));
    return context.lower('aten::sum.dim_IntList', new Map([...given.values].map(([key, value]) => [key, key === 'self' ? clean : value])))[0]!;
  },
  'amax': extreme('reduceMax'),
  'amin': extreme('reduceMin'),
  'max': extreme('reduceMax'),
  'min': extreme('reduceMin'),
  'max.dim': extremeWithPlace('reduceMax', 'argMax'),
  'min.dim': extremeWithPlace('reduceMin', 'argMin'),
  'aminmax': (context, given) => {
    const self = given.tensor('self');
    const axes = axesOf(context, given, self.rank);
    return [extremeOf(context, 'reduceMin', context.read(self), axes, keeps(given)), extremeOf(context, 'reduceMax', context.read(self), axes, keeps(given))];
  },
  'argmax': argumentOf('argMax'),
  'argmin': argumentOf('argMin'),
  'any': truth('any'),
  'any.dim': truth('any'),
  'any.dims': truth('any'),
  'all': truth('all'),
  'all.dim': truth('all'),
  'all.dims': truth('all'),
  'count_nonzero': (context, given) => {
    const self = given.tensor('self');
    return reduce(context, 'reduceSum', context.cast(context.cast(context.read(self), BOOL), INT64), axesOf(context, given, self.rank), false);
  },
  'var': (context, given) => variance(context, given).variance,
  'std': (context, given) => context.graph.op.sqrt(variance(context, given).variance),
  'var_mean': (context, given) => {
    const result = variance(context, given);
    return [result.variance, result.mean];
  },
  'std_mean': (context, given) => {
    const result = variance(context, given);
    return [context.graph.op.sqrt(result.variance), result.mean];
  },
  'linalg_vector_norm': vectorNorm,
  'norm.Scalar': vectorNorm,
  'norm.ScalarOpt_dim': vectorNorm,
  'norm.ScalarOpt_dim_dtype': vectorNorm,
  'frobenius_norm.dim': vectorNorm,
  'linalg_norm': (context, given) => {
    const self = given.tensor('self');
    if (given.has('ord') && (given.optionalIntegers('dim')?.length ?? self.rank) !== 1) throw context.refuse('it takes the norm of a matrix');
    return vectorNorm(context, given, undefined as never);
  },
  'logsumexp': (context, given) => {
    const self = given.tensor('self');
    const { op } = context.graph;
    const x = context.cast(context.read(self), floatingType(self.elementType));
    const axes = axesOf(context, given, self.rank);
    // The runtime's own does not take the largest out first.
    const most = reduce(context, 'reduceMax', x, axes, true);
    const safe = op.where(op.isInf(most), 0, most);
    const sum = op.add(op.log(reduce(context, 'reduceSum', op.exp(op.sub(x, safe)), axes, true)), safe);
    if (keeps(given) || context.shape(x).length === 0) return sum;
    return op.squeeze(sum, axes ?? [...context.shape(x).keys()]);
  },
  'cumsum': cumulative((context, x, axis) => context.graph.op.cumSum(x, axis)),
  'cumprod': cumulative(runningProduct),
  'sort': sort,
  'sort.stable': sort,
  'argsort': (context, given, schema) => (sort(context, given, schema) as Value[])[1]!,
  'argsort.stable': (context, given, schema) => (sort(context, given, schema) as Value[])[1]!,
  'msort': (context, given) => sorted(context, given.value('self'), 0, false)[0],
  'topk': topK,
  'kthvalue': (context, given) => {
    const x = given.value('self');
    return kth(context, x, given.axis('dim', context.shape(x).length), given.integer('k'), keeps(given));
  },
  'median': median,
  'median.dim': median,
  'mse_loss': loss((context, difference) => context.graph.op.mul(difference, difference)),
  'l1_loss': loss((context, difference) => context.graph.op.abs(difference)),
  'dist': (context, given) => {
    const difference = context.tensor(context.graph.op.sub(given.value('self'), given.value('other')));
    return norm(context, difference, given.number('p'), undefined, false, FLOAT);
  },
};
