/** Pooling. x: [batch, channels, ...] or without the batch. */
import { constantTensor } from '../../../onnx/constant-tensor.ts';
import type { Value } from '../../../onnx/graph-builder.ts';
import { isFloat } from '../../../onnx/operators/arithmetic.ts';
import type { AtenArguments } from '../arguments.ts';
import type { Lowering, LoweringContext, Lowerings } from '../lowering.ts';
import { perAxis } from './convolutions.ts';

/** Calls `compute` with a batch axis. */
function withBatch(context: LoweringContext, x: Value, axes: number, compute: (x: Value) => Value[]): Value[] {
  const rank = context.shape(x).length;
  if (rank === axes + 2) return compute(x);
  if (rank !== axes + 1) throw context.refuse(`its input has ${rank} axes`);
  return compute(context.graph.op.unsqueeze(x, 0)).map((value) => context.graph.op.squeeze(value, 0));
}

interface Pool {
  readonly kernel: number[];
  readonly strides: number[];
  readonly pads: number[];
  readonly dilations: number[];
  /** How much farther the last window reaches than the padding. */
  readonly beyond: number[];
}

/** Windows that end behind the input count where they begin inside it or its left padding; how far they reach is written down as padding. */
function poolOf(context: LoweringContext, given: AtenArguments, x: Value, axes: number): Pool {
  const kernel = perAxis(given.integers('kernel_size'), axes);
  const stride = given.has('stride') ? given.integers('stride') : [];
  const strides = stride.length === 0 ? kernel : perAxis(stride, axes);
  const pads = perAxis(given.integers('padding'), axes);
  const dilations = given.has('dilation') ? perAxis(given.integers('dilation'), axes) : kernel.map(() => 1);
  const beyond = kernel.map(() => 0);
  if (given.boolean('ceil_mode')) {
    for (const axis of kernel.keys()) {
      const size = context.shape(x).at(axis - axes);
      if (strides[axis] === 1) continue;
      if (typeof size !== 'number') throw context.refuse('it rounds sizes up (ceil_mode) that depend on the input');
      const reach = dilations[axis]! * (kernel[axis]! - 1) + 1;
      let count = Math.ceil((size + 2 * pads[axis]! - reach) / strides[axis]!) + 1;
      if ((count - 1) * strides[axis]! >= size + pads[axis]!) count--;
      beyond[axis] = Math.max(0, (count - 1) * strides[axis]! + reach - (size + 2 * pads[axis]!));
    }
  }
  return { kernel, strides, pads, dilations, beyond };
}

function maxPool(context: LoweringContext, given: AtenArguments, axes: number, withPlaces: boolean): Value[] {
  return withBatch(context, given.value('self'), axes, (input) => {
    const { op } = context.graph;
    const { kernel, strides, pads, dilations, beyond } = poolOf(context, given, input, axes);
    if (!isFloat(input.elementType)) throw context.refuse('it is covered for floats');
    let x = input;
    let begins = pads;
    let ends = pads.map((pad, axis) => pad + beyond[axis]!);
    const reach = kernel.map((size, axis) => dilations[axis]! * (size - 1) + 1);
    if (!withPlaces && ends.some((pad, axis) => pad >= reach[axis]!)) {
      x = op.pad(x, [0, 0, ...begins, 0, 0, ...ends], { value: -Infinity });
      begins = ends = kernel.map(() => 0);
    }
    const options = { kernel_shape: kernel, strides, pads: [...begins, ...ends], dilations };
    if (!withPlaces) return [context.graph.node('MaxPool', [x], options)];
    const [values, places] = context.graph.node('MaxPool', [x], options, { outputs: 2 });
    // Places count through the whole tensor there, within one plane here.
    const plane = Array.from({ length: axes }, (_, axis) => op.sizeOf(input, axis - axes)).reduce((product, size) => op.mul(product, size));
    return [values!, op.mod(places!, plane)];
  });
}

function averagePool(context: LoweringContext, given: AtenArguments, axes: number): Value {
  const [result] = withBatch(context, given.value('self'), axes, (input) => {
    const { op } = context.graph;
    const { kernel, strides, pads, beyond } = poolOf(context, given, input, axes);
    if (!isFloat(input.elementType)) throw context.refuse('it is covered for floats');
    const countsPads = given.boolean('count_include_pad');
    const divisor = given.optionalInteger('divisor_override');
    const padded = pads.some((pad) => pad > 0);
    const reaches = beyond.some((pad) => pad > 0);
    let x = input;
    let begins = pads;
    let ends = pads;
    if (divisor !== undefined || (padded && countsPads && reaches)) {
      const all = divisor === undefined ? pads : pads.map((pad, axis) => pad + beyond[axis]!);
      if (all.some((pad) => pad > 0)) x = op.pad(x, [0, 0, ...pads, 0, 0, ...all]);
      begins = ends = kernel.map(() => 0);
    }
    if (divisor === undefined && reaches) ends = ends.map((pad, axis) => pad + beyond[axis]!);
    const counts = divisor !== undefined || (countsPads && padded && !reaches);
    const average = op.averagePool(x, { kernel, strides, pads: [...begins, ...ends], countPads: counts });
    return [divisor === undefined ? average : op.mul(average, kernel.reduce((product, size) => product * size, 1) / divisor)];
  });
  return result!;
}

/** Where each bin of an adaptive pool begins and ends. */
function bins(size: number, count: number): [number, number][] {
  return Array.from({ length: count }, (_, index) => [Math.floor((index * size) / count), Math.ceil(((index + 1) * size) / count)]);
}

function adaptiveAverage(context: LoweringContext, given: AtenArguments, axes: number): Value {
  const wanted = given.has('output_size') ? (given.list('output_size').length > 0 ? given.list('output_size') : [given.any('output_size')]) : [];
  const [result] = withBatch(context, given.value('self'), axes, (x) => {
    const { op } = context.graph;
    const shape = context.shape(x).slice(2);
    const sizes = Array.from({ length: axes }, (_, axis) => {
      const size = wanted.length === 1 ? wanted[0] : wanted[axis];
      return typeof size === 'bigint' ? Number(size) : size === null ? shape[axis]! : undefined;
    });
    if (sizes.every((size) => size === 1)) return [op.globalAveragePool(x)];
    if (sizes.every((size, axis) => size === shape[axis])) return [x];
    if (!shape.every((size) => typeof size === 'number') || !sizes.every((size) => typeof size === 'number')) throw context.refuse('its windows depend on the size of the input, which varies');
    if (sizes.every((size, axis) => shape[axis]! % size === 0)) {
      const kernel = sizes.map((size, axis) => shape[axis]! / size);
      return [op.averagePool(x, { kernel, strides: kernel })];
    }
    // Bins of different widths: a product with a matrix of weights for each axis.
    let value = x;
    for (const [axis, size] of sizes.entries()) {
      if (size === shape[axis]) continue;
      const weights = new Float64Array(size * shape[axis]!);
      for (const [bin, [start, end]] of bins(shape[axis]!, size).entries()) for (let place = start; place < end; place++) weights[place * size + bin] = 1 / (end - start);
      const matrix = context.graph.constant(constantTensor(x.elementType, [...weights], [shape[axis]!, size]));
      const order = Array.from({ length: axes + 2 }, (_, index) => index);
      const last = axes + 1;
      const moved = axis + 2 === last ? order : order.map((index) => (index === axis + 2 ? last : index === last ? axis + 2 : index));
      const front = axis + 2 === last ? value : op.transpose(value, moved);
      const product = op.matMul(front, matrix);
      value = axis + 2 === last ? product : op.transpose(product, moved);
    }
    return [value];
  });
  return result!;
}

function adaptiveMax(context: LoweringContext, given: AtenArguments, axes: number): Value {
  const wanted = perAxis(given.integers('output_size'), axes);
  const [result] = withBatch(context, given.value('self'), axes, (x) => {
    const { op } = context.graph;
    if (wanted.every((size) => size === 1)) return [op.reduceMax(x, { axes: Array.from({ length: axes }, (_, axis) => axis + 2), keepAxes: true })];
    let value = x;
    for (const [axis, count] of wanted.entries()) {
      const size = context.shape(x)[axis + 2];
      if (typeof size !== 'number') throw context.refuse('its windows depend on the size of the input, which varies');
      value = op.concat(bins(size, count).map(([start, end]) => op.reduceMax(op.slice(value, { axis: axis + 2, start, end }), { axes: axis + 2, keepAxes: true })), axis + 2);
    }
    return [value];
  });
  return result!;
}

const onlyValues =
  (axes: number): Lowering =>
  (context, given) =>
    maxPool(context, given, axes, false)[0]!;

const withPlaces =
  (axes: number): Lowering =>
  (context, given) =>
    maxPool(context, given, axes, true);

/** Values, and no places: who uses those is refused. */
const adaptiveMaxPool =
  (axes: number): Lowering =>
  (context, given) => [adaptiveMax(context, given, axes), null];

export const pooling: Lowerings = {
  'max_pool1d': onlyValues(1),
  'max_pool2d': onlyValues(2),
  'max_pool3d': onlyValues(3),
  'max_pool1d_with_indices': withPlaces(1),
  'max_pool2d_with_indices': withPlaces(2),
  'max_pool3d_with_indices': withPlaces(3),
  'avg_pool1d': (context, given) => averagePool(context, given, 1),
  'avg_pool2d': (context, given) => averagePool(context, given, 2),
  'avg_pool3d': (context, given) => averagePool(context, given, 3),
  'adaptive_avg_pool1d': (context, given) => adaptiveAverage(context, given, 1),
  'adaptive_avg_pool2d': (context, given) => adaptiveAverage(context, given, 2),
  'adaptive_avg_pool3d': (context, given) => adaptiveAverage(context, given, 3),
  '_adaptive_avg_pool2d': (context, given) => adaptiveAverage(context, given, 2),
  '_adaptive_avg_pool3d': (context, given) => adaptiveAverage(context, given, 3),
  'adaptive_max_pool1d': adaptiveMaxPool(1),
  'adaptive_max_pool2d': adaptiveMaxPool(2),
  'adaptive_max_pool3d': adaptiveMaxPool(3),
};
