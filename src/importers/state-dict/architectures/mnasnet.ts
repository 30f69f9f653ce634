/** MNASNet B1: https://arxiv.org/abs/1807.11626, as torchvision names its weights. */
import type { Value } from '../../../onnx/graph-builder.ts';
import type { Architecture } from '../architecture.ts';
import { channelsOf, type Network } from '../network.ts';
import { toMultiple } from './round-channels.ts';

const widths: Readonly<Record<string, number>> = { mnasnet0_5: 0.5, mnasnet0_75: 0.75, mnasnet1_0: 1, mnasnet1_3: 1.3 };
/** Channels, kernel, stride, expansion, how many blocks. */
const stacks: readonly (readonly [number, number, number, number, number])[] = [[24, 3, 2, 3, 3], [40, 5, 2, 3, 3], [80, 5, 2, 6, 3], [96, 3, 1, 6, 2], [192, 5, 2, 6, 4], [320, 3, 1, 6, 1]];

export const mnasnet: readonly Architecture[] = Object.entries(widths).map(([name, width]) => ({
  name,
  family: 'MNASNet',
  stem: 'layers.0.weight',
  size: 224,
  sizes: 'any',
  build: (network, image) => build(network, image, width),
}));

function build(network: Network, image: Value, width: number): Value {
  const scaled = (channels: number) => toMultiple(channels * width, 8);
  // The first layers of older files are not scaled.
  const isOlder = network.weights.shapeOf('layers.0.weight')?.[0] === 32;
  const [stem, first] = isOlder ? [32, 16] : [scaled(32), scaled(16)];
  let x = network.convolution(image, 'layers.0', { out: stem, kernel: 3, stride: 2, norm: 'layers.1', activation: 'relu' });
  x = network.convolution(x, 'layers.3', { out: stem, kernel: 3, groups: stem, norm: 'layers.4', activation: 'relu' });
  x = network.convolution(x, 'layers.6', { out: first, norm: 'layers.7' });
  for (const [place, [channels, kernel, firstStride, expansion, count]] of stacks.entries()) {
    const out = scaled(channels);
    for (let index = 0; index < count; index++) {
      const key = `layers.${place + 8}.${index}.layers`;
      const stride = index === 0 ? firstStride : 1;
      const inner = channelsOf(x) * expansion;
      const wide = network.convolution(x, `${key}.0`, { out: inner, norm: `${key}.1`, activation: 'relu' });
      const mixed = network.convolution(wide, `${key}.3`, { out: inner, kernel, stride, groups: inner, norm: `${key}.4`, activation: 'relu' });
      const result = network.convolution(mixed, `${key}.6`, { out, norm: `${key}.7` });
      x = stride === 1 && channelsOf(x) === out ? network.graph.op.add(result, x) : result;
    }
  }
  x = network.convolution(x, 'layers.14', { out: 1280, norm: 'layers.15', activation: 'relu' });
  return network.linear(network.globalAverage(x), 'classifier.1', network.classes('classifier.1.weight'));
}
