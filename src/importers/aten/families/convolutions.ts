/** Convolutions. x: [batch, channels, ...]; without the batch it is put in front and taken away again. */
import type { Value } from '../../../onnx/graph-builder.ts';
import { isFloat } from '../../../onnx/operators/arithmetic.ts';
import type { AtenArguments } from '../arguments.ts';
import type { Lowering, LoweringContext, Lowerings } from '../lowering.ts';

interface Window {
  readonly strides: readonly number[];
  readonly dilations: readonly number[];
  readonly pads: readonly number[];
}

/** One number stands for all axes. */
export function perAxis(list: readonly number[], count: number): number[] {
  return list.length === count ? [...list] : new Array<number>(count).fill(list[0]!);
}

function withBatch(context: LoweringContext, x: Value, axes: number, compute: (x: Value) => Value): Value {
  const rank = context.shape(x).length;
  if (!isFloat(x.elementType)) throw context.refuse('it is covered for floats');
  if (rank === axes + 2) return compute(x);
  if (rank !== axes + 1) throw context.refuse(`its input has ${rank} axes, its weight ${axes + 2}`);
  return context.graph.op.squeeze(compute(context.graph.op.unsqueeze(x, 0)), 0);
}

function convolve(context: LoweringContext, given: AtenArguments, window: Window, group: number): Value {
  const weight = given.value('weight');
  return withBatch(context, given.value('input'), window.strides.length, (x) => context.graph.op.conv(x, weight, given.optionalValue('bias'), { ...window, group }));
}

function transposeConvolve(context: LoweringContext, given: AtenArguments, window: Window, group: number, outputPadding: readonly number[]): Value {
  const weight = given.value('weight');
  const options = { ...window, group, ...(outputPadding.some((size) => size !== 0) ? { outputPadding } : {}) };
  return withBatch(context, given.value('input'), window.strides.length, (x) => context.graph.op.convTranspose(x, weight, given.optionalValue('bias'), options));
}

function windowOf(context: LoweringContext, given: AtenArguments, padding: readonly number[]): Window {
  const axes = context.shape(given.value('weight')).length - 2;
  const pads = perAxis(padding, axes);
  return { strides: perAxis(given.integers('stride'), axes), dilations: perAxis(given.integers('dilation'), axes), pads: [...pads, ...pads] };
}

const plain: Lowering = (context, given) => convolve(context, given, windowOf(context, given, given.integers('padding')), given.integer('groups'));

/** `padding='same'`: what is left over goes behind. */
const named: Lowering = (context, given) => {
  const mode = given.text('padding');
  const window = windowOf(context, given, [0]);
  if (mode === 'valid') return convolve(context, given, window, given.integer('groups'));
  if (mode !== 'same') throw context.refuse(`the padding ${mode} is not known`);
  const sizes = context.shape(given.value('weight')).slice(2);
  if (!sizes.every((size) => typeof size === 'number')) throw context.refuse('the size of its weight depends on the input');
  const totals = sizes.map((size, axis) => window.dilations[axis]! * (size - 1));
  return convolve(context, given, { ...window, pads: [...totals.map((total) => Math.floor(total / 2)), ...totals.map((total) => total - Math.floor(total / 2))] }, given.integer('groups'));
};

const transposedPlain: Lowering = (context, given) => {
  const window = windowOf(context, given, given.integers('padding'));
  return transposeConvolve(context, given, window, given.integer('groups'), perAxis(given.integers('output_padding'), window.strides.length));
};

const general: Lowering = (context, given, schema) => (given.boolean('transposed') ? transposedPlain(context, given, schema) : plain(context, given, schema));

export const convolutions: Lowerings = {
  'conv1d': plain,
  'conv2d': plain,
  'conv3d': plain,
  'conv1d.padding': named,
  'conv2d.padding': named,
  'conv3d.padding': named,
  'conv_transpose1d': transposedPlain,
  'conv_transpose2d.input': transposedPlain,
  'conv_transpose3d.input': transposedPlain,
  'convolution': general,
  '_convolution': general,
  '_convolution.deprecated': general,
  '_convolution_mode': named,
};
