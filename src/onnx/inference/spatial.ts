/** Convolution, pooling, resizing: operators on images and signals, whose first two axes are rows and channels. */
import { ElementType } from '../data-type.ts';
import { addDimensions, ceilDivideDimension, divideDimensions, floorDivideDimension, multiplyDimensions, subtractDimensions, unknownDimension, unknownShape, type Dimension, type Shape } from '../dimension.ts';
import { tensorType } from '../value-type.ts';
import { knownTensor, type KnownValue } from './known-value.ts';
import { describeShape, type NodeContext, type Rule } from './node-context.ts';

interface Window {
  readonly kernel: readonly Dimension[];
  readonly strides: readonly number[];
  readonly dilations: readonly number[];
  readonly pads: readonly number[];
  readonly autoPad: string;
}

function windowOf(node: NodeContext, kernel: readonly Dimension[]): Window {
  const axes = kernel.length;
  const list = (name: string, count: number, fallback: number) => {
    const given = node.attributes.integers(name);
    if (given !== undefined && given.length !== count) throw node.wrong(`${name} has ${given.length} numbers instead of ${count}`);
    return given ?? new Array<number>(count).fill(fallback);
  };
  return { kernel, strides: list('strides', axes, 1), dilations: list('dilations', axes, 1), pads: list('pads', 2 * axes, 0), autoPad: node.attributes.text('auto_pad') ?? 'NOTSET' };
}

/** How many windows fit along one axis. */
function windowCount(node: NodeContext, size: Dimension, window: Window, axis: number, ceil: boolean): Dimension {
  const kernel = window.kernel[axis]!;
  const stride = window.strides[axis]!;
  if (stride < 1) throw node.wrong(`a stride of ${stride}`);
  if (window.autoPad === 'SAME_UPPER' || window.autoPad === 'SAME_LOWER') return ceilDivideDimension(size, stride);
  const before = window.autoPad === 'VALID' ? 0 : window.pads[axis]!;
  const after = window.autoPad === 'VALID' ? 0 : window.pads[axis + window.kernel.length]!;
  const reach = addDimensions(multiplyDimensions(subtractDimensions(kernel, 1), window.dilations[axis]!), 1);
  const free = subtractDimensions(addDimensions(size, before + after), reach);
  if (typeof free === 'number' && free < 0) throw node.wrong(`a window of ${reach} does not fit into ${size} elements with padding ${before + after}`);
  if (!ceil) return addDimensions(floorDivideDimension(free, stride), 1);
  const count = addDimensions(ceilDivideDimension(free, stride), 1);
  // The last window must begin inside the input or the padding before it.
  if (typeof count === 'number' && typeof size === 'number') return (count - 1) * stride >= size + before ? count - 1 : count;
  return stride === 1 ? count : unknownDimension();
}

function slide(node: NodeContext, input: Shape, window: Window, channels: Dimension, ceil = false): Shape {
  if (input.length !== window.kernel.length + 2) throw node.wrong(`a window of ${window.kernel.length} axes does not fit the shape ${describeShape(input)}`);
  return [input[0]!, channels, ...input.slice(2).map((size, axis) => windowCount(node, size, window, axis, ceil))];
}

function convolved(node: NodeContext, input: Shape | undefined, weight: Shape | undefined): Shape | undefined {
  if (input === undefined || weight === undefined) return undefined;
  if (weight.length !== input.length || input.length < 3) throw node.wrong(`weights of shape ${describeShape(weight)} do not fit an input of shape ${describeShape(input)}`);
  const needed = multiplyDimensions(weight[1]!, node.integer('group', 1));
  if (typeof needed === 'number' && typeof input[1] === 'number' && needed !== input[1]) throw node.wrong(`the weights expect ${needed} channels, the input has ${input[1]}`);
  return slide(node, input, windowOf(node, node.attributes.integers('kernel_shape') ?? weight.slice(2)), weight[0]!);
}

const convolution: Rule = (node) => [knownTensor(node.elementType(0), convolved(node, node.shape(0), node.shape(1)))];
const integerConvolution: Rule = (node) => [knownTensor(ElementType.INT32, convolved(node, node.shape(0), node.shape(1)))];
const quantizedConvolution: Rule = (node) => [knownTensor(node.elementType(7), convolved(node, node.shape(0), node.shape(3)))];

const transposedConvolution: Rule = (node) => {
  const input = node.shape(0);
  const weight = node.shape(1);
  if (input === undefined || weight === undefined) return [knownTensor(node.elementType(0))];
  const window = windowOf(node, node.attributes.integers('kernel_shape') ?? weight.slice(2));
  const extra = node.attributes.integers('output_padding');
  const wanted = node.attributes.integers('output_shape');
  const sizes = input.slice(2).map((size, axis): Dimension => {
    if (wanted !== undefined) return wanted.at(axis - window.kernel.length)!;
    const stride = window.strides[axis]!;
    if (window.autoPad.startsWith('SAME')) return multiplyDimensions(size, stride);
    const reach = addDimensions(multiplyDimensions(subtractDimensions(window.kernel[axis]!, 1), window.dilations[axis]!), 1);
    const padding = window.autoPad === 'VALID' ? 0 : window.pads[axis]! + window.pads[axis + window.kernel.length]!;
    return addDimensions(addDimensions(multiplyDimensions(subtractDimensions(size, 1), stride), reach), (extra?.[axis] ?? 0) - padding);
  });
  return [knownTensor(node.elementType(0), [input[0]!, multiplyDimensions(weight[1]!, node.integer('group', 1)), ...sizes])];
};

const pool: Rule = (node) => {
  const input = node.shape(0);
  const kernel = node.attributes.integers('kernel_shape');
  const shape = input === undefined || kernel === undefined ? undefined : slide(node, input, windowOf(node, kernel), input[1]!, node.integer('ceil_mode', 0) !== 0);
  const result = knownTensor(node.elementType(0), shape);
  return node.opType === 'MaxPool' ? [result, knownTensor(ElementType.INT64, shape)] : [result];
};

const unpool: Rule = (node) => {
  const input = node.shape(0);
  const kernel = node.attributes.integers('kernel_shape');
  if (node.has(2)) return [knownTensor(node.elementType(0), node.elements(2) ?? input?.map(() => unknownDimension()))];
  if (input === undefined || kernel === undefined) return [knownTensor(node.elementType(0))];
  const window = windowOf(node, kernel);
  const sizes = input.slice(2).map((size, axis) => addDimensions(multiplyDimensions(subtractDimensions(size, 1), window.strides[axis]!), kernel[axis]! - window.pads[axis]! - window.pads[axis + kernel.length]!));
  return [knownTensor(node.elementType(0), [input[0]!, input[1]!, ...sizes])];
};

const globalPool: Rule = (node) => {
  const shape = node.shape(0);
  return [knownTensor(node.elementType(0), shape?.map((size, axis) => (axis < 2 ? size : 1)))];
};

const batchNormalization: Rule = (node) => {
  const tensor = node.tensor(0);
  const channel = node.shape(0)?.[1];
  const statistics = knownTensor(node.elementType(3) || node.elementType(0), node.shape(3) ?? (channel === undefined ? undefined : [channel]));
  return [tensor === undefined ? undefined : { type: tensor }, statistics, statistics, statistics, statistics];
};

const layerNormalization: Rule = (node) => {
  const tensor = node.tensor(0);
  if (tensor === undefined) return [];
  const axis = tensor.shape === undefined ? 0 : node.axis(node.integer('axis', -1), tensor.shape.length);
  const statistics = knownTensor(node.integer('stash_type', ElementType.FLOAT), tensor.shape?.map((size, index) => (index < axis ? size : 1)));
  return [{ type: tensor }, statistics, statistics];
};

const resize: Rule = (node) => {
  const shape = node.shape(0);
  const elementType = node.elementType(0);
  if (shape === undefined) return [knownTensor(elementType)];
  const old = node.opset < 11;
  const given = node.attributes.integers('axes')?.map((axis) => node.axis(axis, shape.length));
  const axes = given ?? [...shape.keys()];
  const result: Dimension[] = [...shape];
  const sizes = old ? undefined : node.elements(3);
  const scales = node.opType === 'Upsample' && node.opset < 9 ? [...(node.attributes.floats('scales') ?? [])] : node.numbers(old ? 1 : 2);
  const policy = node.attributes.text('keep_aspect_ratio_policy') ?? 'stretch';
  if (!old && node.has(3)) {
    for (const [index, axis] of axes.entries()) result[axis] = sizes?.[index] ?? unknownDimension();
    if (policy !== 'stretch') keepAspectRatio(shape, result, axes, policy);
  } else {
    for (const [index, axis] of axes.entries()) {
      const scale = scales?.[index];
      const size = shape[axis]!;
      if (scale === 1) continue;
      result[axis] = scale === undefined ? unknownDimension() : typeof size === 'number' ? Math.floor(size * scale) : Number.isInteger(scale) ? multiplyDimensions(size, scale) : Number.isInteger(1 / scale) ? floorDivideDimension(size, 1 / scale) : unknownDimension();
    }
  }
  return [knownTensor(elementType, result)];
};

function keepAspectRatio(shape: Shape, result: Dimension[], axes: readonly number[], policy: string): void {
  const ratios = axes.map((axis) => (typeof shape[axis] === 'number' && typeof result[axis] === 'number' ? result[axis] / shape[axis] : NaN));
  const ratio = policy === 'not_larger' ? Math.min(...ratios) : Math.max(...ratios);
  for (const axis of axes) result[axis] = Number.isNaN(ratio) ? unknownDimension() : Math.floor(ratio * (shape[axis] as number) + 0.5);
}

const depthToSpace: Rule = (node) => {
  const shape = node.shape(0);
  const block = node.integer('blocksize', 1);
  if (shape === undefined) return [knownTensor(node.elementType(0))];
  if (shape.length !== 4) throw node.wrong(`its input has the shape ${describeShape(shape)}, not four axes`);
  const [rows, channels, height, width] = shape as [Dimension, Dimension, Dimension, Dimension];
  if (node.opType === 'DepthToSpace') {
    return [knownTensor(node.elementType(0), [rows, divideDimensions(channels, block * block) ?? unknownDimension(), multiplyDimensions(height, block), multiplyDimensions(width, block)])];
  }
  return [knownTensor(node.elementType(0), [rows, multiplyDimensions(channels, block * block), divideDimensions(height, block) ?? unknownDimension(), divideDimensions(width, block) ?? unknownDimension()])];
};

const centerCropPad: Rule = (node) => {
  const shape = node.shape(0);
  if (shape === undefined) return [knownTensor(node.elementType(0))];
  const axes = node.attributes.integers('axes')?.map((axis) => node.axis(axis, shape.length)) ?? [...shape.keys()];
  const target = node.elements(1);
  const result = [...shape];
  for (const [index, axis] of axes.entries()) result[axis] = target?.[index] ?? unknownDimension();
  return [knownTensor(node.elementType(0), result)];
};

const gridSample: Rule = (node) => {
  const image = node.shape(0);
  const grid = node.shape(1);
  return [knownTensor(node.elementType(0), image === undefined || grid === undefined ? undefined : [image[0]!, image[1]!, ...grid.slice(1, -1)])];
};

const affineGrid: Rule = (node) => {
  const size = node.elements(1);
  const rank = size?.length ?? node.shape(1)?.[0];
  const places = size === undefined ? (typeof rank === 'number' ? unknownShape(rank - 1) : undefined) : [size[0]!, ...size.slice(2)];
  return [knownTensor(node.elementType(0), places === undefined ? undefined : [...places, places.length - 1])];
};

const regionPool: Rule = (node) => {
  const pooled = node.attributes.integers('pooled_shape');
  const [height, width] = pooled ?? [node.integer('output_height', 1), node.integer('output_width', 1)];
  return [knownTensor(node.elementType(0), [node.shape(1)?.[0] ?? unknownDimension(), node.shape(0)?.[1] ?? unknownDimension(), height!, width!])];
};

const columnsToImage: Rule = (node) => {
  const shape = node.shape(0);
  const [image, block] = [node.elements(1), node.integers(2)];
  const rank = node.shape(1)?.[0];
  const sizes = image ?? (typeof rank === 'number' ? unknownShape(rank) : undefined);
  if (shape === undefined || sizes === undefined) return [knownTensor(node.elementType(0))];
  const channels = block === undefined ? undefined : divideDimensions(shape[1]!, block.reduce((product, size) => product * size, 1));
  return [knownTensor(node.elementType(0), [shape[0]!, channels ?? unknownDimension(), ...sizes])];
};

/** Its input ends with the real and imaginary part, or has only the real one. */
const fourier: Rule = (node) => {
  const shape = node.shape(0);
  if (shape === undefined) return [knownTensor(node.elementType(0))];
  const at = node.opset >= 20 ? (node.has(2) ? node.integers(2)?.[0] : -2) : node.integer('axis', 1);
  const oneSided = node.integer('onesided', 0) !== 0;
  const back = node.integer('inverse', 0) !== 0;
  if (at === undefined) {
    const keeps = !oneSided && !node.has(1);
    return [knownTensor(node.elementType(0), [...(keeps ? shape.slice(0, -1) : shape.slice(1).map(() => unknownDimension())), oneSided && back ? 1 : 2])];
  }
  const axis = node.axis(at, shape.length);
  const length = node.has(1) ? (node.elements(1)?.[0] ?? unknownDimension()) : back && oneSided ? multiplyDimensions(subtractDimensions(shape[axis]!, 1), 2) : shape[axis]!;
  const result = shape.map((size, index) => (index !== axis ? size : oneSided && !back ? addDimensions(floorDivideDimension(length, 2), 1) : length));
  result[result.length - 1] = oneSided && back ? 1 : 2;
  return [knownTensor(node.elementType(0), result)];
};

const shortTimeFourier: Rule = (node) => {
  const signal = node.shape(0);
  const step = node.integers(1)?.[0];
  const length = node.integers(3)?.[0] ?? node.shape(2)?.[0];
  if (signal === undefined || step === undefined || step < 1 || typeof length !== 'number') return [knownTensor(node.elementType(0))];
  const frames = addDimensions(floorDivideDimension(subtractDimensions(signal[1]!, length), step), 1);
  return [knownTensor(node.elementType(0), [signal[0]!, frames, node.integer('onesided', 1) !== 0 ? Math.floor(length / 2) + 1 : length, 2])];
};

const decodeImage: Rule = (node) => [knownTensor(ElementType.UINT8, [unknownDimension(), unknownDimension(), node.attributes.text('pixel_format') === 'Grayscale' ? 1 : 3])];

const negativeLogLikelihood: Rule = (node) => {
  const labels = node.shape(1);
  const reduced = (node.attributes.text('reduction') ?? 'mean') !== 'none';
  const loss: KnownValue = { type: tensorType(node.elementType(0), reduced ? [] : labels) };
  return [loss, { type: tensorType(node.elementType(0), node.shape(0)) }];
};

export const spatialRules: Readonly<Record<string, Rule>> = {
  Conv: convolution,
  DeformConv: convolution,
  ConvInteger: integerConvolution,
  QLinearConv: quantizedConvolution,
  ConvTranspose: transposedConvolution,
  AveragePool: pool,
  MaxPool: pool,
  LpPool: pool,
  MaxUnpool: unpool,
  GlobalAveragePool: globalPool,
  GlobalMaxPool: globalPool,
  GlobalLpPool: globalPool,
  BatchNormalization: batchNormalization,
  LayerNormalization: layerNormalization,
  Resize: resize,
  Upsample: resize,
  DepthToSpace: depthToSpace,
  SpaceToDepth: depthToSpace,
  CenterCropPad: centerCropPad,
  GridSample: gridSample,
  AffineGrid: affineGrid,
  MaxRoiPool: regionPool,
  RoiAlign: regionPool,
  Col2Im: columnsToImage,
  DFT: fourier,
  STFT: shortTimeFourier,
  ImageDecoder: decodeImage,
  NegativeLogLikelihoodLoss: negativeLogLikelihood,
  SoftmaxCrossEntropyLoss: negativeLogLikelihood,
};
