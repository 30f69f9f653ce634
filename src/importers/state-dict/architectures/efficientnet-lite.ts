/**
 * EfficientNet-Lite: no squeeze and excitation, ReLU6, stem and head of one size; padded as TensorFlow pads. Weights are named as in
 * EfficientNet-PyTorch and its descendants (`_blocks.0._depthwise_conv.weight`).
 * https://github.com/tensorflow/tpu/tree/master/models/official/efficientnet/lite
 */
import type { Value } from '../../../onnx/graph-builder.ts';
import type { Architecture } from '../architecture.ts';
import { channelsOf, type Network } from '../network.ts';
import { toMultiple } from './round-channels.ts';

/** Expansion, kernel, stride, channels, how many blocks. */
const stages: readonly (readonly [number, number, number, number, number])[] = [[1, 3, 1, 16, 1], [6, 3, 2, 24, 2], [6, 5, 2, 40, 2], [6, 3, 2, 80, 3], [6, 5, 1, 112, 3], [6, 5, 2, 192, 4], [6, 3, 1, 320, 1]];
const variants: readonly (readonly [width: number, depth: number, size: number])[] = [[1, 1, 224], [1, 1.1, 240], [1.1, 1.2, 260], [1.2, 1.4, 280], [1.4, 1.8, 300]];
const epsilon = 1e-3;
/** The weights were trained on (value − 127) / 128. */
const level = [127 / 255, 127 / 255, 127 / 255];
const spread = [128 / 255, 128 / 255, 128 / 255];

export const efficientnetLite: readonly Architecture[] = variants.map(([width, depth, size], index) => ({
  name: `efficientnet_lite${index}`,
  family: 'EfficientNet-Lite',
  stem: '_conv_stem.weight',
  size,
  // What is padded depends on the size, and programs disagree about other sizes than this.
  sizes: 'given',
  preparation: { resize: size + 32, filter: 'bicubic', mean: level, std: spread },
  build: (network, image) => build(network, image, width, depth),
}));

function build(network: Network, image: Value, width: number, depth: number): Value {
  let x = network.convolution(image, '_conv_stem', { out: 32, kernel: 3, stride: 2, padding: 'same', norm: '_bn0', epsilon, activation: 'relu6' });
  let place = 0;
  for (const [stage, [expansion, kernel, firstStride, channels, count]] of stages.entries()) {
    const out = toMultiple(channels * width, 8);
    const repeated = stage === 0 || stage === stages.length - 1 ? count : Math.ceil(count * depth);
    for (let index = 0; index < repeated; index++) {
      const key = `_blocks.${place++}`;
      const stride = index === 0 ? firstStride : 1;
      const before = x;
      const inner = channelsOf(x) * expansion;
      if (expansion !== 1) x = network.convolution(x, `${key}._expand_conv`, { out: inner, norm: `${key}._bn0`, epsilon, activation: 'relu6' });
      x = network.convolution(x, `${key}._depthwise_conv`, { out: inner, kernel, stride, groups: inner, padding: 'same', norm: `${key}._bn1`, epsilon, activation: 'relu6' });
      x = network.convolution(x, `${key}._project_conv`, { out, norm: `${key}._bn2`, epsilon });
      if (stride === 1 && channelsOf(before) === out) x = network.graph.op.add(x, before);
    }
  }
  x = network.convolution(x, '_conv_head', { out: 1280, norm: '_bn1', epsilon, activation: 'relu6' });
  return network.linear(network.globalAverage(x), '_fc', network.classes('_fc.weight'));
}
