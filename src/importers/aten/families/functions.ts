/** Functions of one number, and activations. */
import { ElementType } from '../../../onnx/data-type.ts';
import type { GraphBuilder, Value } from '../../../onnx/graph-builder.ts';
import { isFloat } from '../../../onnx/operators/arithmetic.ts';
import type { Lowering, LoweringContext, Lowerings } from '../lowering.ts';
import { AtenTensor } from '../value.ts';
import { computingType, floatingType, truncate } from './elementwise.ts';

const { BOOL, FLOAT } = ElementType;

/** Integers and truth values become floats first. */
function onFloats(compute: (graph: GraphBuilder, x: Value) => Value): Lowering {
  return (context, given) => compute(context.graph, floats(context, given.tensor('self')));
}

function floats(context: LoweringContext, tensor: AtenTensor): Value {
  return context.cast(context.read(tensor), floatingType(tensor.elementType));
}

/** Keeps the type. */
function onNumbers(compute: (graph: GraphBuilder, x: Value) => Value): Lowering {
  return (context, given) => {
    const self = given.tensor('self');
    return context.cast(compute(context.graph, context.cast(context.read(self), computingType(self.elementType))), self.elementType);
  };
}

/** Integers are whole already. */
function onWhole(compute: (graph: GraphBuilder, x: Value) => Value): Lowering {
  return ({ graph }, given) => (isFloat(given.tensor('self').elementType) ? compute(graph, given.value('self')) : given.value('self'));
}

function expm1(graph: GraphBuilder, x: Value): Value {
  const { op } = graph;
  const half = op.tanh(op.mul(x, 0.5));
  return op.where(op.less(op.abs(x), 1), op.div(op.mul(half, 2), op.sub(1, half)), op.sub(op.exp(x), 1));
}

function log1p(graph: GraphBuilder, x: Value): Value {
  const { op } = graph;
  const whole = op.add(x, 1);
  const log = op.log(whole);
  const lost = op.sub(whole, 1);
  // What rounding took from 1 + x is put back; where nothing of x is left, x is the answer.
  const exact = op.where(op.equal(lost, 0), x, op.div(op.mul(log, x), op.where(op.equal(lost, 0), 1, lost)));
  return op.where(op.less(op.abs(x), 1), exact, log);
}

function atan2(graph: GraphBuilder, y: Value, x: Value): Value {
  const { op } = graph;
  const isNegative = op.or(op.less(y, 0), op.and(op.equal(y, 0), op.less(op.reciprocal(y), 0)));
  const turn = op.where(isNegative, op.sub(op.mul(y, 0), Math.PI), op.add(op.mul(y, 0), Math.PI));
  const slope = op.atan(op.div(y, x));
  const straight = op.where(op.less(y, 0), op.add(op.mul(y, 0), -Math.PI / 2), op.where(op.greater(y, 0), op.add(op.mul(y, 0), Math.PI / 2), y));
  return op.where(op.greater(x, 0), slope, op.where(op.less(x, 0), op.add(slope, turn), straight));
}

const softplus: Lowering = (context, given) => {
  const { op } = context.graph;
  const x = given.value('self');
  const beta = given.number('beta');
  const threshold = given.number('threshold');
  const scaled = beta === 1 ? x : op.mul(x, beta);
  const soft = op.softplus(scaled);
  const result = beta === 1 ? soft : op.div(soft, beta);
  // From about 15 on the two are the same number.
  return threshold >= 15 ? result : op.where(op.greater(scaled, threshold), x, result);
};

const elu: Lowering = (context, given) => {
  const { op } = context.graph;
  const x = given.value('self');
  const alpha = given.number('alpha');
  const scale = given.has('scale') ? given.number('scale') : 1;
  const inputScale = given.has('input_scale') ? given.number('input_scale') : 1;
  if (scale === 1 && inputScale === 1) return op.elu(x, alpha);
  const below = op.mul(expm1(context.graph, op.mul(x, inputScale)), alpha * scale);
  return op.where(op.greater(x, 0), op.mul(x, scale), below);
};

/** The larger of both sides is linear, the other zero. */
const shrink =
  (isSoft: boolean): Lowering =>
  (context, given) => {
    const x = given.value('self');
    const lambda = given.number('lambd');
    return context.graph.node('Shrink', [x], { lambd: lambda, bias: isSoft ? lambda : 0 });
  };

const softmax =
  (operator: 'softmax' | 'logSoftmax'): Lowering =>
  (context, given) => {
    const self = given.tensor('self');
    const type = given.has('dtype') ? given.elementType()! : self.elementType;
    const rank = context.shape(self).length;
    const x = context.cast(context.read(self), type);
    if (!isFloat(type)) throw context.refuse('it takes the softmax of integers');
    if (rank === 0) return context.graph.op.sub(x, operator === 'softmax' ? context.graph.op.sub(x, 1) : x);
    const result = context.graph.op[operator](x, given.axis('dim', rank));
    return given.has('half_to_float') && given.boolean('half_to_float') ? context.cast(result, FLOAT) : result;
  };

const prelu: Lowering = (context, given) => {
  const { op } = context.graph;
  const x = given.value('self');
  const slope = given.value('weight');
  const rank = context.shape(x).length;
  const count = context.shape(slope).length === 0 ? 1 : slope.shape![0];
  const perChannel = count !== 1 && rank > 1 && slope.shape?.length === 1;
  const shaped = perChannel ? op.reshape(slope, [-1, ...new Array<number>(rank - 2).fill(1)]) : slope;
  return context.graph.node('PRelu', [x, shaped], {});
};

const round: Lowering = (context, given) => {
  const { op } = context.graph;
  const self = given.tensor('self');
  if (!isFloat(self.elementType)) return context.read(self);
  const decimals = given.has('decimals') ? given.integer('decimals') : 0;
  const x = context.read(self);
  if (decimals === 0) return op.round(x);
  const factor = 10 ** Math.abs(decimals);
  return decimals > 0 ? op.div(op.round(op.mul(x, factor)), factor) : op.mul(op.round(op.div(x, factor)), factor);
};

const glu: Lowering = (context, given) => {
  const { op } = context.graph;
  const x = given.value('self');
  const shape = context.shape(x);
  const axis = given.axis('dim', shape.length);
  const size = shape[axis];
  if (typeof size !== 'number') throw context.refuse('it halves an axis whose size depends on the input');
  const [left, right] = op.split(x, axis, [size / 2, size / 2]);
  return op.mul(left!, op.sigmoid(right!));
};

/** The same tensor in evaluation, so that writes through it are seen. */
const dropout =
  (name = 'train'): Lowering =>
  (context, given) => {
    if (given.any(name) !== false && given.number('p') !== 0) throw context.refuse('it drops at random, as in training: call model.eval() before it is saved');
    return given.any('input') instanceof AtenTensor ? given.tensor('input') : given.tensor('self');
  };

const random: Lowering = (context) => {
  throw context.refuse('it makes random numbers, so two runs would differ');
};

const finite =
  (compute: (graph: GraphBuilder, x: Value) => Value, otherwise: boolean): Lowering =>
  (context, given) => {
    const self = given.tensor('self');
    if (isFloat(self.elementType)) return compute(context.graph, context.read(self));
    const { op } = context.graph;
    const x = context.cast(context.read(self), FLOAT);
    return otherwise ? op.equal(x, x) : op.not(op.equal(x, x));
  };

const nanToNumber: Lowering = (context, given) => {
  const self = given.tensor('self');
  const { op } = context.graph;
  const x = context.read(self);
  if (!isFloat(self.elementType)) return x;
  if (self.elementType !== ElementType.FLOAT && self.elementType !== ElementType.DOUBLE) throw context.refuse('it is covered for float32 and float64');
  const most = self.elementType === ElementType.FLOAT ? 3.4028234663852886e38 : Number.MAX_VALUE;
  const constant = (value: number): Value => context.operand(value, self.elementType);
  const noNan = op.where(op.isNaN(x), constant(given.optionalNumber('nan') ?? 0), x);
  const noPositive = op.where(op.equal(noNan, constant(Infinity)), constant(given.optionalNumber('posinf') ?? most), noNan);
  return op.where(op.equal(noPositive, constant(-Infinity)), constant(given.optionalNumber('neginf') ?? -most), noPositive);
};

const hardtanh: Lowering = (context, given) => context.call('aten::clamp', { self: given.any('self'), min: given.any('min_val'), max: given.any('max_val') });

export const functions: Lowerings = {
  neg: onNumbers((graph, x) => graph.op.neg(x)),
  negative: onNumbers((graph, x) => graph.op.neg(x)),
  'abs': onNumbers((graph, x) => graph.op.abs(x)),
  'sign': onNumbers((graph, x) => graph.op.sign(x)),
  'sgn': onNumbers((graph, x) => graph.op.sign(x)),
  'positive': (_, given) => given.tensor('self'),
  'floor': onWhole((graph, x) => graph.op.floor(x)),
  'ceil': onWhole((graph, x) => graph.op.ceil(x)),
  'trunc': onWhole(truncate),
  'fix': onWhole(truncate),
  'round': round,
  'frac': onWhole((graph, x) => graph.op.sub(x, truncate(graph, x))),
  'exp': onFloats((graph, x) => graph.op.exp(x)),
  'exp2': onFloats((graph, x) => graph.op.exp(graph.op.mul(x, Math.LN2))),
  'expm1': onFloats(expm1),
  'log': onFloats((graph, x) => graph.op.log(x)),
  'log2': onFloats((graph, x) => graph.op.div(graph.op.log(x), Math.LN2)),
  'log10': onFloats((graph, x) => graph.op.div(graph.op.log(x), Math.LN10)),
  'log1p': onFloats(log1p),
  'sqrt': onFloats((graph, x) => graph.op.sqrt(x)),
  'rsqrt': onFloats((graph, x) => graph.op.reciprocal(graph.op.sqrt(x))),
  'reciprocal': onFloats((graph, x) => graph.op.reciprocal(x)),
  'sin': onFloats((graph, x) => graph.op.sin(x)),
  'cos': onFloats((graph, x) => graph.op.cos(x)),
  'tan': onFloats((graph, x) => graph.op.tan(x)),
  'asin': onFloats((graph, x) => graph.op.asin(x)),
  'arcsin': onFloats((graph, x) => graph.op.asin(x)),
  'acos': onFloats((graph, x) => graph.op.acos(x)),
  'atan': onFloats((graph, x) => graph.op.atan(x)),
  'arctan': onFloats((graph, x) => graph.op.atan(x)),
  'sinh': onFloats((graph, x) => graph.op.sinh(x)),
  'cosh': onFloats((graph, x) => graph.op.cosh(x)),
  'tanh': onFloats((graph, x) => graph.op.tanh(x)),
  'asinh': onFloats((graph, x) => graph.op.asinh(x)),
  'acosh': onFloats((graph, x) => graph.op.acosh(x)),
  'atanh': onFloats((graph, x) => graph.op.atanh(x)),
  'atan2': (context, given) => {
    const [y, x] = [given.operand('self'), given.operand('other')];
    const type = floatingType(context.promote([y, x]));
    return atan2(context.graph, context.operand(y, type), context.operand(x, type));
  },
  'erf': onFloats((graph, x) => graph.op.erf(x)),
  'erfc': onFloats((graph, x) => graph.op.sub(1, graph.op.erf(x))),
  'special_erf': onFloats((graph, x) => graph.op.erf(x)),
  'sigmoid': onFloats((graph, x) => graph.op.sigmoid(x)),
  'special_expit': onFloats((graph, x) => graph.op.sigmoid(x)),
  'logit': (context, given) => {
    const { op } = context.graph;
    const x = floats(context, given.tensor('self'));
    const eps = given.optionalNumber('eps');
    const inside = eps === undefined ? x : op.clip(x, eps, 1 - eps);
    return op.log(op.div(inside, op.sub(1, inside)));
  },
  'logaddexp': (context, given) => {
    const { op } = context.graph;
    const [a, b] = [given.value('self'), given.value('other')];
    // Equal infinities have no difference.
    return op.where(op.equal(a, b), op.add(a, Math.LN2), op.add(op.max(a, b), log1p(context.graph, op.exp(op.neg(op.abs(op.sub(a, b)))))));
  },
  'isclose': (context, given) => {
    const { op } = context.graph;
    const [a, b] = [floats(context, given.tensor('self')), floats(context, given.tensor('other'))];
    if (given.boolean('equal_nan')) throw context.refuse('it takes NaN for equal to NaN');
    const near = op.lessOrEqual(op.abs(op.sub(a, b)), op.add(op.mul(op.abs(b), given.number('rtol')), given.number('atol')));
    return op.or(op.equal(a, b), op.and(near, op.not(op.isInf(op.sub(a, b)))));
  },
  'rad2deg': onFloats((graph, x) => graph.op.mul(x, 180 / Math.PI)),
  'deg2rad': onFloats((graph, x) => graph.op.mul(x, Math.PI / 180)),
  'isnan': finite((graph, x) => graph.op.isNaN(x), false),
  'isinf': finite((graph, x) => graph.op.isInf(x), false),
  'isfinite': finite((graph, x) => graph.op.not(graph.op.or(graph.op.isNaN(x), graph.op.isInf(x))), true),
  'nan_to_num': nanToNumber,
  'relu': onNumbers((graph, x) => (isFloat(x.elementType) ? graph.op.relu(x) : graph.op.max(x, 0))),
  'relu6': (context, given) => context.call('aten::clamp', { self: given.any('self'), min: 0n, max: 6n }),
  'hardtanh': hardtanh,
  'gelu': ({ graph }, given) => graph.op.gelu(given.value('self'), given.text('approximate') as 'none' | 'tanh'),
  'silu': onFloats((graph, x) => graph.op.mul(x, graph.op.sigmoid(x))),
  'mish': onFloats((graph, x) => graph.op.mul(x, graph.op.tanh(graph.op.softplus(x)))),
  'softplus': softplus,
  'hardswish': ({ graph }, given) => graph.op.hardSwish(given.value('self')),
  'hardsigmoid': ({ graph }, given) => graph.op.hardSigmoid(given.value('self'), 1 / 6, 0.5),
  'elu': elu,
  'selu': ({ graph }, given) => graph.op.selu(given.value('self')),
  'celu': (context, given) => {
    const alpha = given.number('alpha');
    const { op } = context.graph;
    const x = given.value('self');
    return op.where(op.greater(x, 0), x, op.mul(expm1(context.graph, op.div(x, alpha)), alpha));
  },
  'leaky_relu': ({ graph }, given) => graph.op.leakyRelu(given.value('self'), given.number('negative_slope')),
  'rrelu': (context, given) => {
    if (given.boolean('training')) throw context.refuse('it draws slopes at random, as in training: call model.eval() before it is saved');
    return context.graph.op.leakyRelu(given.value('self'), (given.number('lower') + given.number('upper')) / 2);
  },
  'prelu': prelu,
  '_prelu_kernel': ({ graph }, given) => graph.node('PRelu', [given.value('self'), given.value('weight')], {}),
  'log_sigmoid': onFloats((graph, x) => graph.op.neg(graph.op.softplus(graph.op.neg(x)))),
  'softshrink': shrink(true),
  'hardshrink': shrink(false),
  'threshold': (context, given) => {
    const self = given.tensor('self');
    const x = context.read(self);
    return context.graph.op.where(context.graph.op.greater(x, context.operand(given.scalar('threshold'), self.elementType)), x, context.operand(given.scalar('value'), self.elementType));
  },
  'glu': glu,
  'softmax.int': softmax('softmax'),
  '_softmax': softmax('softmax'),
  // Rows without anything to look at give zeros.
  '_safe_softmax': (context, given, schema) => {
    const { op } = context.graph;
    const x = given.value('self');
    const sees = op.greater(op.reduceMax(x, { axes: given.axis('dim', context.shape(x).length), keepAxes: true }), context.operand(-Infinity, x.elementType));
    const result = softmax('softmax')(context, given, schema) as Value;
    return op.where(sees, result, context.operand(0n, result.elementType));
  },
  'special_softmax': softmax('softmax'),
  'log_softmax.int': softmax('logSoftmax'),
  '_log_softmax': softmax('logSoftmax'),
  'special_log_softmax': softmax('logSoftmax'),
  'dropout': dropout(),
  'feature_dropout': dropout(),
  'alpha_dropout': dropout(),
  'feature_alpha_dropout': dropout(),
  'native_dropout': (context, given) => {
    const result = dropout()(context, given, undefined as never) as AtenTensor;
    const x = context.read(result);
    return [context.tensor(x), context.graph.op.equal(x, x)];
  },
  'rand': random,
  'randn': random,
  'rand_like': random,
  'randn_like': random,
  'randint': random,
  'randperm': random,
  'bernoulli': random,
  'multinomial': random,
  'normal': random,
  'normal_': random,
  'uniform_': random,
  'random_': random,
  'exponential_': random,
  'isreal': (context, given) => context.graph.op.equal(context.cast(given.value('self'), FLOAT), context.cast(given.value('self'), FLOAT)),
  'signbit': (context, given) => context.graph.op.less(context.cast(given.value('self'), computingType(given.tensor('self').elementType === BOOL ? ElementType.UINT8 : given.tensor('self').elementType)), 0),
  'sinc': onFloats((graph, x) => {
    const { op } = graph;
    const angle = op.mul(x, Math.PI);
    const isZero = op.equal(x, 0);
    return op.where(isZero, 1, op.div(op.sin(angle), op.where(isZero, 1, angle)));
  }),
};
