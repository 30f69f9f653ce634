/** Layers as architectures name them, each built of the weights below its key. Pictures are [batch, channels, height, width], tokens [batch, count, channels]. */
import { ModelportError } from '../../errors.ts';
import { ByteRange } from '../../onnx/byte-range.ts';
import { ElementType } from '../../onnx/data-type.ts';
import type { GraphBuilder, Value } from '../../onnx/graph-builder.ts';
import { elementCount } from '../../tensor.ts';
import type { WeightSource } from './weights.ts';

export type Activation = 'relu' | 'relu6' | 'silu' | 'hardswish' | 'gelu' | 'sigmoid' | 'hardsigmoid' | 'tanh';

export interface ConvolutionOptions {
  readonly out: number;
  /** Default 1. */
  readonly kernel?: number;
  readonly stride?: number;
  /** On each side; default half of the kernel. `same`: as TensorFlow pads, more at the end where it is uneven. */
  readonly padding?: number | 'same';
  readonly groups?: number;
  /** Default: where no batch normalization follows. */
  readonly bias?: boolean;
  /** The key of the batch normalization that follows; it is folded into the convolution. */
  readonly norm?: string;
  readonly epsilon?: number;
  readonly activation?: Activation;
}

export class Network {
  readonly graph: GraphBuilder;
  readonly weights: WeightSource;

  constructor(graph: GraphBuilder, weights: WeightSource) {
    this.graph = graph;
    this.weights = weights;
  }

  /** The weight itself. */
  weight(key: string, shape: readonly number[]): Value {
    return this.#initializer(key, shape, this.weights.initializer(key, shape));
  }

  /** A weight that is changed on import: `change` gets the numbers of the keys and gives those of the constant. */
  changed(name: string, shape: readonly number[], keys: Readonly<Record<string, readonly number[]>>, change: (...weights: Float32Array[]) => Float32Array): Value {
    const found = Object.entries(keys).map(([key, keyShape]) => this.weights.numbers(key, keyShape));
    return this.#initializer(name, shape, found.some((numbers) => numbers === undefined) ? undefined : change(...(found as Float32Array[])));
  }

  /** How many classes the file's head has: the first axis of `key`. A head that is not there has as many as ImageNet. */
  classes(key: string): number {
    return this.weights.shapeOf(key)?.[0] ?? 1000;
  }

  convolution(x: Value, key: string, options: ConvolutionOptions): Value {
    const { out, kernel = 1, stride = 1, groups = 1, norm, activation, padding = Math.floor(kernel / 2) } = options;
    const { bias = norm === undefined } = options;
    const shape = [out, channelsOf(x) / groups, kernel, kernel];
    const [weight, offset] = norm === undefined ? [this.weight(`${key}.weight`, shape), bias ? this.weight(`${key}.bias`, [out]) : undefined] : this.#folded(key, shape, norm, bias, options.epsilon ?? 1e-5);
    const convolved = this.graph.op.conv(x, weight, offset, {
      strides: [stride, stride],
      ...(padding === 'same' ? samePadding(x, kernel, stride) : { pads: [padding, padding, padding, padding] }),
      ...(groups === 1 ? {} : { group: groups }),
    });
    return activation === undefined ? convolved : this.activation(convolved, activation);
  }

  /** Scale and offset of each channel, where there is no convolution in front. */
  batchNormalization(x: Value, key: string, epsilon = 1e-5): Value {
    const shape = [channelsOf(x)];
    const part = (name: string) => this.weight(`${key}.${name}`, shape);
    return this.graph.op.batchNormalization(x, { scale: part('weight'), bias: part('bias'), mean: part('running_mean'), variance: part('running_var'), epsilon });
  }

  /** Over the last axis. */
  layerNormalization(x: Value, key: string, epsilon = 1e-5): Value {
    const shape = [lastOf(x)];
    return this.graph.op.layerNormalization(x, this.weight(`${key}.weight`, shape), this.weight(`${key}.bias`, shape), { epsilon });
  }

  /** Layer normalization of a picture's channels. */
  channelNormalization(x: Value, key: string, epsilon = 1e-5): Value {
    return this.channelsFirst(this.layerNormalization(this.channelsLast(x), key, epsilon));
  }

  channelsLast(x: Value): Value {
    return this.graph.op.transpose(x, [0, 2, 3, 1]);
  }

  channelsFirst(x: Value): Value {
    return this.graph.op.transpose(x, [0, 3, 1, 2]);
  }

  /** Over the last axis. `scale` multiplies what comes out: a key of so many numbers, folded into the weights. */
  linear(x: Value, key: string, out: number, { bias = true, scale, activation }: { readonly bias?: boolean; readonly scale?: { readonly key: string; readonly shape: readonly number[] }; readonly activation?: Activation } = {}): Value {
    const { op } = this.graph;
    const inputs = lastOf(x);
    let result: Value;
    if (x.shape!.length === 2 && scale === undefined) {
      result = this.graph.node('Gemm', [x, this.weight(`${key}.weight`, [out, inputs]), bias ? this.weight(`${key}.bias`, [out]) : undefined], { transB: 1 });
    } else {
      const scales = scale === undefined ? {} : { [scale.key]: scale.shape };
      result = op.matMul(x, this.changed(`${key}.weight`, [inputs, out], { [`${key}.weight`]: [out, inputs], ...scales }, (weight, by) => transposed(weight, out, inputs, by)));
      if (bias) {
        const offset = scale === undefined ? this.weight(`${key}.bias`, [out]) : this.changed(`${key}.bias`, [out], { [`${key}.bias`]: [out], ...scales }, (numbers, by) => numbers.map((number, index) => number * by![index]!));
        result = op.add(result, offset);
      }
    }
    return activation === undefined ? result : this.activation(result, activation);
  }

  activation(x: Value, activation: Activation): Value {
    const { op } = this.graph;
    switch (activation) {
      case 'relu':
        return op.relu(x);
      case 'relu6':
        return op.clip(x, 0, 6);
      case 'silu':
        return op.mul(x, op.sigmoid(x));
      case 'hardswish':
        return this.graph.node('HardSwish', [x]);
      case 'gelu':
        return this.graph.node('Gelu', [x]);
      case 'sigmoid':
        return op.sigmoid(x);
      case 'hardsigmoid':
        return op.hardSigmoid(x, 1 / 6, 0.5);
      case 'tanh':
        return op.tanh(x);
    }
  }

  maxPooling(x: Value, { kernel, stride, padding = 0, ceil = false }: { readonly kernel: number; readonly stride: number; readonly padding?: number; readonly ceil?: boolean }): Value {
    return this.graph.op.maxPool(x, { kernel: [kernel, kernel], strides: [stride, stride], pads: [padding, padding, padding, padding], ceil });
  }

  averagePooling(x: Value, kernel: number): Value {
    return this.graph.op.averagePool(x, { kernel: [kernel, kernel], strides: [kernel, kernel] });
  }

  /** The mean of each channel: [batch, channels]. */
  globalAverage(x: Value): Value {
    return this.graph.op.flatten(this.graph.op.globalAveragePool(x));
  }

  /** Means of `size` by `size` regions as even as they can be (AdaptiveAvgPool2d). Height and width are known. */
  adaptiveAverage(x: Value, size: number): Value {
    const [height, width] = spatialSizes(x);
    if (height === size && width === size) return x;
    if (height % size === 0 && width % size === 0) {
      const kernel = [height / size, width / size];
      return this.graph.op.averagePool(x, { kernel, strides: kernel });
    }
    const rows = this.graph.constant({ elementType: ElementType.FLOAT, shape: [size, height], data: regions(height, size) });
    const columns = this.graph.op.transpose(this.graph.constant({ elementType: ElementType.FLOAT, shape: [size, width], data: regions(width, size) }));
    return this.graph.op.matMul(this.graph.op.matMul(rows, x), columns);
  }

  /** Each channel times a factor that all channels' means decide: https://arxiv.org/abs/1709.01507 */
  squeezeExcitation(x: Value, key: string, squeezed: number, activation: Activation, scale: Activation): Value {
    const means = this.graph.op.globalAveragePool(x);
    const narrow = this.convolution(means, `${key}.fc1`, { out: squeezed, activation });
    return this.graph.op.mul(x, this.convolution(narrow, `${key}.fc2`, { out: channelsOf(x), activation: scale }));
  }

  /** A convolution's weight and bias with the batch normalization behind it: (conv(x) − mean) · scale / √(variance + ε) + bias. */
  #folded(key: string, shape: readonly number[], norm: string, bias: boolean, epsilon: number): [Value, Value] {
    const out = shape[0]!;
    const factor = (scale: Float32Array, variance: Float32Array, index: number) => scale[index]! / Math.sqrt(variance[index]! + epsilon);
    const each = [out];
    const weight = this.changed(`${key}.weight`, shape, { [`${key}.weight`]: shape, [`${norm}.weight`]: each, [`${norm}.running_var`]: each }, (numbers, scale, variance) => {
      const folded = new Float32Array(numbers.length);
      const size = numbers.length / out;
      for (let index = 0; index < out; index++) {
        const by = factor(scale!, variance!, index);
        for (let at = index * size; at < (index + 1) * size; at++) folded[at] = numbers[at]! * by;
      }
      return folded;
    });
    const keys = { [`${norm}.bias`]: each, [`${norm}.running_mean`]: each, [`${norm}.weight`]: each, [`${norm}.running_var`]: each, ...(bias ? { [`${key}.bias`]: each } : {}) };
    const offset = this.changed(`${key}.bias`, each, keys, (own, mean, scale, variance, before) => own.map((number, index) => ((before?.[index] ?? 0) - mean![index]!) * factor(scale!, variance!, index) + number));
    return [weight, offset];
  }

  #initializer(name: string, shape: readonly number[], content: ByteRange | Float32Array | undefined): Value {
    if (content instanceof Float32Array) return this.graph.constant({ elementType: ElementType.FLOAT, shape, data: content }, name);
    return this.graph.constant({ dims: [...shape], dataType: ElementType.FLOAT, name, rawData: content ?? nothing(elementCount(shape) * 4) }, name);
  }
}

/** Bytes that a rehearsal's graph says it has. Only the smallest are looked at while it is built. */
function nothing(sizeBytes: number): ByteRange {
  return sizeBytes <= zeros.length ? ByteRange.of(zeros.subarray(0, sizeBytes)) : ByteRange.ofFile({ path: '', sizeBytes: 0, modifiedMs: 0 }, 0, sizeBytes);
}

const zeros = new Uint8Array(4096);

export function channelsOf(x: Value): number {
  return knownSize(x, 1);
}

export function lastOf(x: Value): number {
  return knownSize(x, x.shape!.length - 1);
}

export function spatialSizes(x: Value): [number, number] {
  return [knownSize(x, 2), knownSize(x, 3)];
}

function knownSize(x: Value, axis: number): number {
  const size = x.shape?.[axis];
  if (typeof size !== 'number') throw new ModelportError('INTERNAL', `the size of axis ${axis} of ${x.name} is not known`);
  return size;
}

function samePadding(x: Value, kernel: number, stride: number): { readonly pads: readonly number[] } | { readonly autoPad: 'SAME_UPPER' } {
  const sizes = [x.shape?.[2], x.shape?.[3]];
  if (!sizes.every((size) => typeof size === 'number')) return { autoPad: 'SAME_UPPER' };
  const totals = sizes.map((size) => Math.max((Math.ceil(size / stride) - 1) * stride + kernel - size, 0));
  const begins = totals.map((total) => Math.floor(total / 2));
  return { pads: [...begins, ...totals.map((total, axis) => total - begins[axis]!)] };
}

/** Row r of [size, length] has the mean of the elements from ⌊r·length/size⌋ to ⌈(r+1)·length/size⌉. */
function regions(length: number, size: number): Float32Array {
  const matrix = new Float32Array(size * length);
  for (let row = 0; row < size; row++) {
    const begin = Math.floor((row * length) / size);
    const end = Math.ceil(((row + 1) * length) / size);
    for (let column = begin; column < end; column++) matrix[row * length + column] = 1 / (end - begin);
  }
  return matrix;
}

/** [rows, columns] as [columns, rows], each row times its factor. */
export function transposed(numbers: Float32Array, rows: number, columns: number, factors?: ArrayLike<number>): Float32Array {
  const result = new Float32Array(numbers.length);
  const tile = 64;
  for (let top = 0; top < rows; top += tile) {
    for (let left = 0; left < columns; left += tile) {
      for (let row = top; row < Math.min(top + tile, rows); row++) {
        const factor = factors?.[row] ?? 1;
        for (let column = left; column < Math.min(left + tile, columns); column++) result[column * rows + row] = numbers[row * columns + column]! * factor;
      }
    }
  }
  return result;
}
