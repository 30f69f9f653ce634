/** Pictures and signals in other sizes: interpolation, padding, windows as columns, sampling at positions. x: [batch, channels, ...]. */
import { constantTensor } from '../../../onnx/constant-tensor.ts';
import { ElementType } from '../../../onnx/data-type.ts';
import type { Value } from '../../../onnx/graph-builder.ts';
import { isFloat } from '../../../onnx/operators/arithmetic.ts';
import type { Index } from '../../../onnx/operators/operand.ts';
import type { AtenArguments } from '../arguments.ts';
import type { Lowering, LoweringContext, Lowerings } from '../lowering.ts';
import { perAxis } from './convolutions.ts';
import { expanded, sizesOf } from './shapes.ts';

const { DOUBLE, FLOAT, INT64 } = ElementType;

interface Target {
  /** Of each spatial axis. */
  readonly sizes: readonly Index[];
  /** What the program said, which counts more than the quotient of sizes. */
  readonly scales: readonly (number | undefined)[];
}

function inputOf(given: AtenArguments): Value {
  return given.value(given.has('input') ? 'input' : 'self');
}

/** The wanted sizes: given, or the size times a factor, rounded down. */
function targetOf(context: LoweringContext, given: AtenArguments, x: Value, axes: number): Target {
  const shape = context.shape(x);
  if (shape.length !== axes + 2) throw context.refuse(`its input has ${shape.length} axes`);
  const factors = given.has('scale_factors') ? perAxis(given.numbers('scale_factors'), axes) : undefined;
  const named = ['scales_d', 'scales_h', 'scales_w'].slice(3 - axes).map((name) => given.optionalNumber(name));
  const scales = factors ?? (axes === 1 ? [given.optionalNumber('scales')] : named);
  if (given.has('output_size')) return { sizes: given.indices('output_size'), scales: factors ?? scales };
  if (factors === undefined) throw context.refuse('it says neither a size nor a factor');
  const sizes = factors.map((factor, axis): Index => {
    const size = shape[axis + 2]!;
    if (typeof size === 'number') return Math.floor(size * factor);
    const own = context.graph.op.sizeOf(x, axis + 2);
    if (Number.isInteger(factor)) return context.graph.op.mul(own, BigInt(factor));
    return context.cast(context.graph.op.floor(context.graph.op.mul(context.cast(own, DOUBLE), factor)), INT64);
  });
  return { sizes, scales: factors };
}

/** The source of each position, as PyTorch computes it in the type of the numbers: a list, or computed where sizes vary. */
function nearestPlaces(context: LoweringContext, x: Value, axis: number, size: Index, scale: number | undefined, isExact: boolean): Value {
  const { op } = context.graph;
  const own = context.shape(x)[axis]!;
  const round = x.elementType === DOUBLE ? (value: number): number => value : Math.fround;
  const shift = isExact ? 0.5 : 0;
  if (typeof own === 'number' && typeof size === 'number') {
    const ratio = round(scale === undefined ? own / size : 1 / scale);
    return op.int64s(Array.from({ length: size }, (_, place) => Math.min(Math.floor(round(round(place + shift) * ratio)), own - 1)));
  }
  const type = x.elementType === DOUBLE ? DOUBLE : FLOAT;
  const total = op.sizeOf(x, axis);
  const wanted = typeof size === 'number' ? context.operand(BigInt(size), INT64) : size;
  const ratio = scale === undefined ? op.div(context.cast(total, type), context.cast(wanted, type)) : context.operand(1 / scale, type);
  const places = context.cast(op.range(context.operand(0n, INT64), wanted, context.operand(1n, INT64)), type);
  const sources = op.floor(op.mul(isExact ? op.add(places, 0.5) : places, ratio));
  return op.min(context.cast(sources, INT64), op.sub(total, 1n));
}

const nearest =
  (axes: number, isExact: boolean): Lowering =>
  (context, given) => {
    const { op } = context.graph;
    const x = inputOf(given);
    const { sizes, scales } = targetOf(context, given, x, axes);
    const shape = context.shape(x);
    // Whole factors repeat; so do sizes that are multiples.
    const factors = sizes.map((size, axis) => {
      const own = shape[axis + 2];
      const scale = scales[axis];
      if (typeof size === 'number' && typeof own === 'number') return size % own === 0 && (scale === undefined || scale === size / own) ? size / own : undefined;
      return scale !== undefined && Number.isInteger(scale) && scale >= 1 ? scale : undefined;
    });
    if (factors.every((factor) => factor !== undefined) && isFloat(x.elementType)) {
      return factors.every((factor) => factor === 1) ? context.tensor(x) : op.resize(x, { mode: 'nearest', scales: [1, 1, ...factors], coordinates: 'asymmetric', nearest: 'floor' });
    }
    return sizes.reduce<Value>((value, size, axis) => op.gather(value, nearestPlaces(context, x, axis + 2, size, scales[axis], isExact), axis + 2), x);
  };

const smooth =
  (axes: number, mode: 'linear' | 'cubic'): Lowering =>
  (context, given) => {
    const { op } = context.graph;
    const x = inputOf(given);
    if (!isFloat(x.elementType)) throw context.refuse('it interpolates integers');
    const { sizes, scales } = targetOf(context, given, x, axes);
    const shape = context.shape(x);
    const aligned = given.boolean('align_corners');
    const options = { mode, coordinates: aligned ? 'align_corners' : 'half_pixel', ...(mode === 'cubic' ? { cubicCoefficient: -0.75 } : {}) } as const;
    if (sizes.every((size, axis) => size === shape[axis + 2])) return context.tensor(x);
    const whole = scales.every((scale, axis) => {
      const [own, size] = [shape[axis + 2], sizes[axis]];
      if (scale === undefined) return true;
      return typeof own === 'number' && typeof size === 'number' ? own * scale === size : false;
    });
    // Corners that are aligned need no factor; else a factor that is no quotient of sizes counts.
    if (whole || aligned) return op.resize(x, { ...options, sizes: [...sizesOf(context, x).slice(0, 2), ...sizes] });
    if (!scales.every((scale) => scale !== undefined && Math.fround(scale) === scale)) throw context.refuse(`its factors (${scales.join(', ')}) are rounded differently by the runtime; give a size instead`);
    return op.resize(x, { ...options, scales: [1, 1, ...(scales as number[])] });
  };

/** The weights of a filter that is as wide as what one position stands for: [size, positions]. The algorithm is that of PyTorch's `upsample_*2d_aa`. */
function filterWeights(own: number, size: number, scale: number, mode: 'linear' | 'cubic'): Float64Array {
  const weights = new Float64Array(own * size);
  const reach = (mode === 'linear' ? 1 : 2) * Math.max(scale, 1);
  const inverse = scale >= 1 ? 1 / scale : 1;
  const filter = (x: number): number => {
    const t = Math.abs(x);
    if (mode === 'linear') return t < 1 ? 1 - t : 0;
    const a = -0.5;
    return t < 1 ? ((a + 2) * t - (a + 3)) * t * t + 1 : t < 2 ? (((t - 5) * t + 8) * t - 4) * a : 0;
  };
  for (let place = 0; place < size; place++) {
    const centre = scale * (place + 0.5);
    const first = Math.max(Math.trunc(centre - reach + 0.5), 0);
    const count = Math.min(Math.trunc(centre + reach + 0.5), own) - first;
    let total = 0;
    for (let index = 0; index < count; index++) total += filter((index + first - centre + 0.5) * inverse);
    for (let index = 0; index < count; index++) weights[(first + index) * size + place] = filter((index + first - centre + 0.5) * inverse) / total;
  }
  return weights;
}

/** Interpolation that takes everything into account that a position stands for: a product with a matrix for each axis. */
const antialiased =
  (mode: 'linear' | 'cubic'): Lowering =>
  (context, given) => {
    const { op } = context.graph;
    const x = inputOf(given);
    const { sizes, scales } = targetOf(context, given, x, 2);
    const aligned = given.boolean('align_corners');
    let value = x;
    for (const axis of [1, 0]) {
      const [own, size] = [context.shape(x)[axis + 2], sizes[axis]];
      if (typeof own !== 'number' || typeof size !== 'number') throw context.refuse('it interpolates with antialiasing between sizes that depend on the input');
      if (own === size) continue;
      const scale = aligned ? (size > 1 ? (own - 1) / (size - 1) : 0) : scales[axis] === undefined ? own / size : 1 / scales[axis];
      const matrix = context.graph.constant(constantTensor(x.elementType, [...filterWeights(own, size, scale, mode)], [own, size]));
      const turned = axis === 1 ? value : op.transpose(value, [0, 1, 3, 2]);
      const product = op.matMul(turned, matrix);
      value = axis === 1 ? product : op.transpose(product, [0, 1, 3, 2]);
    }
    return context.tensor(value);
  };

type PadMode = 'constant' | 'reflect' | 'edge' | 'wrap';

/** PyTorch counts from the last axis: [left, right, top, bottom, …]. */
function padded(context: LoweringContext, x: Value, pads: readonly Index[], mode: PadMode, value: Parameters<LoweringContext['operand']>[0] | undefined): Value {
  const { op } = context.graph;
  const rank = context.shape(x).length;
  const count = pads.length / 2;
  if (pads.every((pad) => pad === 0)) return op.identity(x);
  const axes = Array.from({ length: count }, (_, index) => rank - 1 - index).toReversed();
  const begins = axes.map((_, index) => pads[2 * (count - 1 - index)]!);
  const ends = axes.map((_, index) => pads[2 * (count - 1 - index) + 1]!);
  const filled = Array.from({ length: rank }, (_, axis): Index => begins[axes.indexOf(axis)] ?? 0);
  const behind = Array.from({ length: rank }, (_, axis): Index => ends[axes.indexOf(axis)] ?? 0);
  return op.pad(x, [...filled, ...behind], { mode, ...(mode === 'constant' && value !== undefined ? { value: context.operand(value, x.elementType) } : {}) });
}

const modes: Readonly<Record<string, PadMode>> = { constant: 'constant', reflect: 'reflect', replicate: 'edge', circular: 'wrap' };

const pad: Lowering = (context, given) => {
  const mode = modes[given.text('mode')];
  if (mode === undefined) throw context.refuse(`the mode ${given.text('mode')} is not covered`);
  return padded(context, given.value('self'), given.indices('pad'), mode, given.has('value') ? given.scalar('value') : undefined);
};

const padIn =
  (mode: PadMode): Lowering =>
  (context, given) =>
    padded(context, given.value('self'), given.indices(given.has('pad') ? 'pad' : 'padding'), mode, undefined);

const pixelShuffle: Lowering = ({ graph }, given) => graph.node('DepthToSpace', [given.value('self')], { blocksize: given.integer('upscale_factor'), mode: 'CRD' });

/** Sizes that are divided; those that vary are computed. */
function divided(context: LoweringContext, size: Index, by: number): Index {
  return typeof size === 'number' ? size / by : context.graph.op.div(size, BigInt(by));
}

const pixelUnshuffle: Lowering = (context, given) => {
  const { op } = context.graph;
  const x = given.value('self');
  const by = given.integer('downscale_factor');
  const [batch, channels, height, width] = sizesOf(context, x);
  if (typeof channels !== 'number') throw context.refuse('how many channels it has depends on the input');
  const [down, across] = [divided(context, height!, by), divided(context, width!, by)];
  const blocks = op.transpose(op.reshape(x, [batch!, channels, down, by, across, by]), [0, 1, 3, 5, 2, 4]);
  return op.reshape(blocks, [batch!, channels * by * by, down, across]);
};

const channelShuffle: Lowering = (context, given) => {
  const { op } = context.graph;
  const x = given.value('self');
  const groups = given.integer('groups');
  const sizes = sizesOf(context, x);
  const channels = sizes[1];
  if (typeof channels !== 'number') throw context.refuse('how many channels it has depends on the input');
  const split = op.reshape(x, [sizes[0]!, groups, channels / groups, ...sizes.slice(2)]);
  return op.reshape(op.transpose(split, [0, 2, 1, ...sizes.slice(2).map((_, axis) => axis + 3)]), sizes);
};

/** Windows as columns. */
const windows: Lowering = (context, given) => {
  const { op } = context.graph;
  const source = given.value('self');
  const [kernel, dilation, padding, stride] = ['kernel_size', 'dilation', 'padding', 'stride'].map((name) => perAxis(given.integers(name), 2));
  const hasBatch = context.shape(source).length === 4;
  let x = hasBatch ? source : op.unsqueeze(source, 0);
  const [channels, height, width] = x.shape!.slice(1);
  if (typeof channels !== 'number' || typeof height !== 'number' || typeof width !== 'number') throw context.refuse('it cuts windows out of a picture whose size depends on the input');
  x = padded(context, x, [padding![1]!, padding![1]!, padding![0]!, padding![0]!], 'constant', undefined);
  const places = (axis: number, size: number): { count: number; list: Value } => {
    const count = Math.floor((size + 2 * padding![axis]! - dilation![axis]! * (kernel![axis]! - 1) - 1) / stride![axis]!) + 1;
    const list = Array.from({ length: kernel![axis]! * count }, (_, index) => Math.floor(index / count) * dilation![axis]! + (index % count) * stride![axis]!);
    return { count, list: context.graph.constant(constantTensor(INT64, list, [kernel![axis]!, count])) };
  };
  const [rows, columns] = [places(0, height), places(1, width)];
  const cut = op.gather(op.gather(x, rows.list, 2), columns.list, 4);
  const ordered = op.transpose(cut, [0, 1, 2, 4, 3, 5]);
  const result = context.graph.node('Reshape', [ordered, op.int64s([0, channels * kernel![0]! * kernel![1]!, rows.count * columns.count])]);
  return hasBatch ? result : op.squeeze(result, 0);
};

const fold: Lowering = (context, given) => {
  const { op } = context.graph;
  const x = given.value('self');
  if (context.shape(x).length !== 3) throw context.refuse('it is covered with a batch');
  const padding = perAxis(given.integers('padding'), 2);
  return context.graph.node('Col2Im', [x, op.int64s(given.integers('output_size')), op.int64s(given.integers('kernel_size'))], { dilations: perAxis(given.integers('dilation'), 2), pads: [...padding, ...padding], strides: perAxis(given.integers('stride'), 2) });
};

const sample: Lowering = (context, given) => {
  const mode = ['linear', 'nearest', 'cubic'][given.integer('interpolation_mode')];
  const outside = ['zeros', 'border', 'reflection'][given.integer('padding_mode')];
  if (mode === undefined || outside === undefined) throw context.refuse('its mode is not covered');
  return context.graph.node('GridSample', [given.value('input'), given.value('grid')], { mode, padding_mode: outside, align_corners: given.boolean('align_corners') ? 1 : 0 });
};

/** Positions of an affine picture: theta [batch, 2, 3], sizes [batch, channels, height, width]. */
const affineGrid: Lowering = (context, given) => {
  const { op } = context.graph;
  const theta = given.value('theta');
  const sizes = given.indices('size').slice(2);
  if (sizes.length !== 2 || !sizes.every((size) => typeof size === 'number')) throw context.refuse('it is covered for pictures of a fixed size');
  const aligned = given.boolean('align_corners');
  const line = (size: number): number[] => Array.from({ length: size }, (_, place) => (aligned ? (size === 1 ? 0 : -1 + (2 * place) / (size - 1)) : -1 + (2 * place + 1) / size));
  const [rows, columns] = sizes.map((size) => line(size)) as [number[], number[]];
  const points = context.graph.constant(constantTensor(theta.elementType, rows.flatMap((y) => columns.flatMap((x) => [x, y, 1])), [rows.length * columns.length, 3]));
  return context.graph.node('Reshape', [op.matMul(points, op.transpose(theta, [0, 2, 1])), op.int64s([0, rows.length, columns.length, 2])]);
};

function overloads(name: string, lowering: Lowering): Lowerings {
  return { [name]: lowering, [`${name}.vec`]: lowering };
}

export const resizing: Lowerings = {
  ...overloads('upsample_nearest1d', nearest(1, false)),
  ...overloads('upsample_nearest2d', nearest(2, false)),
  ...overloads('upsample_nearest3d', nearest(3, false)),
  ...overloads('_upsample_nearest_exact1d', nearest(1, true)),
  ...overloads('_upsample_nearest_exact2d', nearest(2, true)),
  ...overloads('_upsample_nearest_exact3d', nearest(3, true)),
  ...overloads('upsample_linear1d', smooth(1, 'linear')),
  ...overloads('upsample_bilinear2d', smooth(2, 'linear')),
  ...overloads('upsample_trilinear3d', smooth(3, 'linear')),
  ...overloads('upsample_bicubic2d', smooth(2, 'cubic')),
  ...overloads('_upsample_bilinear2d_aa', antialiased('linear')),
  ...overloads('_upsample_bicubic2d_aa', antialiased('cubic')),
  'pad': pad,
  'constant_pad_nd': (context, given) => padded(context, given.value('self'), given.indices('pad'), 'constant', given.scalar('value')),
  'reflection_pad1d': padIn('reflect'),
  'reflection_pad2d': padIn('reflect'),
  'reflection_pad3d': padIn('reflect'),
  'replication_pad1d': padIn('edge'),
  'replication_pad2d': padIn('edge'),
  'replication_pad3d': padIn('edge'),
  '_pad_circular': padIn('wrap'),
  'pixel_shuffle': pixelShuffle,
  'pixel_unshuffle': pixelUnshuffle,
  'channel_shuffle': channelShuffle,
  'im2col': windows,
  'col2im': fold,
  'grid_sampler': sample,
  'grid_sampler_2d': sample,
  'grid_sampler_3d': sample,
  'affine_grid_generator': affineGrid,
  'broadcast_tensors': (context, given) => {
    const tensors = given.tensors('tensors');
    const values = tensors.map((tensor) => context.read(tensor));
    const zeros = values.map((value) => context.graph.op.expand(context.operand(0n, INT64), context.graph.op.shapeOf(value)));
    const together = zeros.reduce((sum, zero) => context.graph.op.add(sum, zero));
    const sizes = sizesOf(context, together);
    return tensors.map((tensor) => expanded(context, tensor, sizes));
  },
};
