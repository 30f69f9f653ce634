/** Normalization with stored or own statistics. Training is refused: it would change buffers and mix the rows of a batch. */
import { constantTensor } from '../../../onnx/constant-tensor.ts';
import type { Value } from '../../../onnx/graph-builder.ts';
import type { AtenArguments } from '../arguments.ts';
import type { Lowering, LoweringContext, Lowerings } from '../lowering.ts';
import { reshapeTo, sizesOf } from './shapes.ts';

const inTraining = 'it normalizes by the statistics of the batch, as in training: call model.eval() before it is saved';

function constants(context: LoweringContext, value: number, like: Value, axis: number): Value {
  const size = context.shape(like)[axis];
  if (typeof size !== 'number') throw context.refuse('how many channels it has depends on the input');
  return context.graph.constant(constantTensor(like.elementType, new Array<number>(size).fill(value)));
}

/** Stored statistics, per channel. */
function batchNormalization(context: LoweringContext, given: AtenArguments): Value {
  const x = given.value('input');
  const [mean, variance] = [given.optionalValue('running_mean'), given.optionalValue('running_var')];
  if (mean === undefined || variance === undefined) throw context.refuse(inTraining);
  const scale = given.optionalValue('weight') ?? constants(context, 1, x, 1);
  const bias = given.optionalValue('bias') ?? constants(context, 0, x, 1);
  return context.graph.op.batchNormalization(x, { scale: context.cast(scale, x.elementType), bias: context.cast(bias, x.elementType), mean: context.cast(mean, x.elementType), variance: context.cast(variance, x.elementType), epsilon: given.number('eps') });
}

/** Of each row and channel. */
function ownStatistics(context: LoweringContext, given: AtenArguments, x: Value): Value {
  const scale = given.optionalValue('weight') ?? constants(context, 1, x, 1);
  const bias = given.optionalValue('bias') ?? constants(context, 0, x, 1);
  return context.graph.node('InstanceNormalization', [x, scale, bias], { epsilon: given.number('eps') });
}

const stored: Lowering = (context, given) => {
  if (!given.boolean('training')) return batchNormalization(context, given);
  const x = given.value('input');
  const shape = context.shape(x);
  // Of one row and without statistics to change it mixes no rows: weights are standardized so.
  if (given.optionalValue('running_mean') !== undefined || given.optionalValue('running_var') !== undefined || shape[0] !== 1 || shape.length < 3) throw context.refuse(inTraining);
  return ownStatistics(context, given, x);
};

function layerNormalization(context: LoweringContext, given: AtenArguments): Value {
  const x = given.value('input');
  const axes = given.indices('normalized_shape');
  const scale = given.optionalValue('weight') ?? onesOf(context, x, axes.length);
  return context.graph.op.layerNormalization(x, scale, given.optionalValue('bias'), { axis: -axes.length, epsilon: given.number('eps') });
}

function onesOf(context: LoweringContext, x: Value, count: number): Value {
  const shape = context.shape(x).slice(-count);
  if (!shape.every((size) => typeof size === 'number')) throw context.refuse('it normalizes an axis whose size depends on the input');
  return context.graph.constant(constantTensor(x.elementType, new Array<number>(shape.reduce((product, size) => product * size, 1)).fill(1), shape));
}

/** A vector per channel in a shape that fits behind the batch. */
function perChannel(context: LoweringContext, vector: Value, rank: number): Value {
  return rank <= 2 ? vector : context.graph.op.reshape(vector, [-1, ...new Array<number>(rank - 2).fill(1)]);
}

function groupNormalization(context: LoweringContext, x: Value, groups: number, weight: Value | undefined, bias: Value | undefined, epsilon: number): Value {
  const { op } = context.graph;
  const rank = context.shape(x).length;
  const one = (value: number): Value => context.graph.constant(constantTensor(x.elementType, new Array<number>(groups).fill(value)));
  const grouped = context.graph.node('Reshape', [x, op.int64s([0, groups, -1])]);
  const normal = context.graph.node('InstanceNormalization', [grouped, one(1), one(0)], { epsilon });
  let result = reshapeTo(context, normal, sizesOf(context, x));
  if (weight !== undefined) result = op.mul(result, perChannel(context, weight, rank));
  return bias === undefined ? result : op.add(result, perChannel(context, bias, rank));
}

const instance: Lowering = (context, given, schema) => {
  if (!given.boolean('use_input_stats')) return batchNormalization(context, given);
  if (schema.name === 'instance_norm' && given.optionalTensor('running_mean') !== undefined) throw context.refuse(inTraining);
  return ownStatistics(context, given, given.value('input'));
};

const rootMeanSquare: Lowering = (context, given) => {
  const { op } = context.graph;
  const x = given.value('input');
  const count = given.indices('normalized_shape').length;
  const axes = Array.from({ length: count }, (_, axis) => axis - count);
  const epsilon = given.optionalNumber('eps') ?? 1.1920928955078125e-7;
  const normal = op.mul(x, op.reciprocal(op.sqrt(op.add(op.reduceMean(op.mul(x, x), { axes, keepAxes: true }), epsilon))));
  const weight = given.optionalValue('weight');
  return weight === undefined ? normal : op.mul(normal, weight);
};

/** `g v / |v|`, the norm over all axes but one. */
function weightNorm(context: LoweringContext, given: AtenArguments): Value {
  const { op } = context.graph;
  const [v, g] = [given.value('v'), given.value('g')];
  const rank = context.shape(v).length;
  const dim = given.integer('dim');
  const kept = dim === -1 ? -1 : context.axis(dim, rank);
  const axes = Array.from({ length: rank }, (_, axis) => axis).filter((axis) => axis !== kept);
  return op.mul(v, op.div(g, op.reduceL2(v, { axes, keepAxes: true })));
}

export const normalization: Lowerings = {
  'batch_norm': stored,
  'native_batch_norm': (context, given, schema) => [stored(context, given, schema) as Value, null, null],
  '_native_batch_norm_legit_no_training': (context, given) => [batchNormalization(context, given), null, null],
  '_native_batch_norm_legit': (context, given, schema) => [stored(context, given, schema) as Value, null, null],
  'layer_norm': layerNormalization,
  'native_layer_norm': (context, given) => [layerNormalization(context, given), null, null],
  'group_norm': (context, given) => groupNormalization(context, given.value('input'), given.integer('num_groups'), given.optionalValue('weight'), given.optionalValue('bias'), given.number('eps')),
  'native_group_norm': (context, given) => [groupNormalization(context, given.value('input'), given.integer('group'), given.optionalValue('weight'), given.optionalValue('bias'), given.number('eps')), null, null],
  'instance_norm': instance,
  'rms_norm': rootMeanSquare,
  '_weight_norm': weightNorm,
  '_weight_norm_interface': (context, given) => [weightNorm(context, given), null],
};
