/** MobileNet v2 (https://arxiv.org/abs/1801.04381) and v3 (https://arxiv.org/abs/1905.02244), as torchvision names their weights. */
import type { Value } from '../../../onnx/graph-builder.ts';
import type { Architecture } from '../architecture.ts';
import { channelsOf, type Network } from '../network.ts';
import { toMultiple } from './round-channels.ts';

/** Expansion, channels, how many blocks, stride of the first. */
const second: readonly (readonly [expansion: number, out: number, count: number, stride: number])[] = [[1, 16, 1, 1], [6, 24, 2, 2], [6, 32, 3, 2], [6, 64, 4, 2], [6, 96, 3, 1], [6, 160, 3, 2], [6, 320, 1, 1]];

type Block = readonly [kernel: number, expanded: number, out: number, squeezed: boolean, activation: 'relu' | 'hardswish', stride: number];

const third: Readonly<Record<string, { readonly blocks: readonly Block[]; readonly last: number }>> = {
  mobilenet_v3_large: {
    blocks: [
      [3, 16, 16, false, 'relu', 1],
      [3, 64, 24, false, 'relu', 2],
      [3, 72, 24, false, 'relu', 1],
      [5, 72, 40, true, 'relu', 2],
      [5, 120, 40, true, 'relu', 1],
      [5, 120, 40, true, 'relu', 1],
      [3, 240, 80, false, 'hardswish', 2],
      [3, 200, 80, false, 'hardswish', 1],
      [3, 184, 80, false, 'hardswish', 1],
      [3, 184, 80, false, 'hardswish', 1],
      [3, 480, 112, true, 'hardswish', 1],
      [3, 672, 112, true, 'hardswish', 1],
      [5, 672, 160, true, 'hardswish', 2],
      [5, 960, 160, true, 'hardswish', 1],
      [5, 960, 160, true, 'hardswish', 1],
    ],
    last: 1280,
  },
  mobilenet_v3_small: {
    blocks: [
      [3, 16, 16, true, 'relu', 2],
      [3, 72, 24, false, 'relu', 2],
      [3, 88, 24, false, 'relu', 1],
      [5, 96, 40, true, 'hardswish', 2],
      [5, 240, 40, true, 'hardswish', 1],
      [5, 240, 40, true, 'hardswish', 1],
      [5, 120, 48, true, 'hardswish', 1],
      [5, 144, 48, true, 'hardswish', 1],
      [5, 288, 96, true, 'hardswish', 2],
      [5, 576, 96, true, 'hardswish', 1],
      [5, 576, 96, true, 'hardswish', 1],
    ],
    last: 1024,
  },
};

export const mobilenet: readonly Architecture[] = [
  { name: 'mobilenet_v2', family: 'MobileNet', stem: 'features.0.0.weight', size: 224, sizes: 'any', build: buildSecond },
  ...Object.entries(third).map(([name, { blocks, last }]): Architecture => ({
    name,
    family: 'MobileNet',
    stem: 'features.0.0.weight',
    size: 224,
    sizes: 'any',
    build: (network, image) => buildThird(network, image, blocks, last),
  })),
];

function buildSecond(network: Network, image: Value): Value {
  let x = network.convolution(image, 'features.0.0', { out: 32, kernel: 3, stride: 2, norm: 'features.0.1', activation: 'relu6' });
  let place = 1;
  for (const [expansion, out, count, firstStride] of second) {
    for (let index = 0; index < count; index++) {
      const key = `features.${place++}.conv`;
      const inputs = channelsOf(x);
      const stride = index === 0 ? firstStride : 1;
      const before = x;
      let layer = 0;
      if (expansion !== 1) {
        x = network.convolution(x, `${key}.0.0`, { out: inputs * expansion, norm: `${key}.0.1`, activation: 'relu6' });
        layer++;
      }
      const inner = channelsOf(x);
      x = network.convolution(x, `${key}.${layer}.0`, { out: inner, kernel: 3, stride, groups: inner, norm: `${key}.${layer}.1`, activation: 'relu6' });
      x = network.convolution(x, `${key}.${layer + 1}`, { out, norm: `${key}.${layer + 2}` });
      if (stride === 1 && inputs === out) x = network.graph.op.add(before, x);
    }
  }
  x = network.convolution(x, `features.${place}.0`, { out: 1280, norm: `features.${place}.1`, activation: 'relu6' });
  return network.linear(network.globalAverage(x), 'classifier.1', network.classes('classifier.1.weight'));
}

function buildThird(network: Network, image: Value, blocks: readonly Block[], last: number): Value {
  const epsilon = 1e-3;
  let x = network.convolution(image, 'features.0.0', { out: 16, kernel: 3, stride: 2, norm: 'features.0.1', epsilon, activation: 'hardswish' });
  for (const [index, [kernel, expanded, out, squeezed, activation, stride]] of blocks.entries()) {
    const inputs = channelsOf(x);
    const before = x;
    let layer = 0;
    const next = () => `features.${index + 1}.block.${layer++}`;
    const normalized = (key: string) => ({ key: `${key}.0`, options: { norm: `${key}.1`, epsilon } });
    if (expanded !== inputs) {
      const { key, options } = normalized(next());
      x = network.convolution(x, key, { ...options, out: expanded, activation });
    }
    const middle = normalized(next());
    x = network.convolution(x, middle.key, { ...middle.options, out: expanded, kernel, stride, groups: expanded, activation });
    if (squeezed) x = network.squeezeExcitation(x, next(), toMultiple(Math.floor(expanded / 4), 8), 'relu', 'hardsigmoid');
    const end = normalized(next());
    x = network.convolution(x, end.key, { ...end.options, out });
    if (stride === 1 && inputs === out) x = network.graph.op.add(x, before);
  }
  const key = `features.${blocks.length + 1}`;
  x = network.convolution(x, `${key}.0`, { out: channelsOf(x) * 6, norm: `${key}.1`, epsilon, activation: 'hardswish' });
  x = network.linear(network.globalAverage(x), 'classifier.0', last, { activation: 'hardswish' });
  return network.linear(x, 'classifier.3', network.classes('classifier.3.weight'));
}
