/** ResNet (https://arxiv.org/abs/1512.03385), ResNeXt (https://arxiv.org/abs/1611.05431) and wide ResNet (https://arxiv.org/abs/1605.07146), as torchvision names their weights. */
import type { Value } from '../../../onnx/graph-builder.ts';
import type { Architecture } from '../architecture.ts';
import { channelsOf, type Network } from '../network.ts';

interface Blocks {
  readonly counts: readonly [number, number, number, number];
  /** Of blocks of three convolutions: groups of the middle one, and its channels in the first stage for each group. */
  readonly bottleneck?: { readonly groups?: number; readonly width?: number };
}

const variants: Readonly<Record<string, Blocks>> = {
  resnet18: { counts: [2, 2, 2, 2] },
  resnet34: { counts: [3, 4, 6, 3] },
  resnet50: { counts: [3, 4, 6, 3], bottleneck: {} },
  resnet101: { counts: [3, 4, 23, 3], bottleneck: {} },
  resnet152: { counts: [3, 8, 36, 3], bottleneck: {} },
  resnext50_32x4d: { counts: [3, 4, 6, 3], bottleneck: { groups: 32, width: 4 } },
  resnext101_32x8d: { counts: [3, 4, 23, 3], bottleneck: { groups: 32, width: 8 } },
  resnext101_64x4d: { counts: [3, 4, 23, 3], bottleneck: { groups: 64, width: 4 } },
  wide_resnet50_2: { counts: [3, 4, 6, 3], bottleneck: { width: 128 } },
  wide_resnet101_2: { counts: [3, 4, 23, 3], bottleneck: { width: 128 } },
};

export const resnet: readonly Architecture[] = Object.entries(variants).map(([name, blocks]) => ({
  name,
  family: 'ResNet',
  stem: 'conv1.weight',
  size: 224,
  sizes: 'any',
  build: (network, image) => build(network, image, blocks),
}));

function build(network: Network, image: Value, { counts, bottleneck }: Blocks): Value {
  let x = network.convolution(image, 'conv1', { out: 64, kernel: 7, stride: 2, norm: 'bn1', activation: 'relu' });
  x = network.maxPooling(x, { kernel: 3, stride: 2, padding: 1 });
  for (const [stage, count] of counts.entries()) {
    const planes = 64 * 2 ** stage;
    const out = bottleneck === undefined ? planes : planes * 4;
    for (let index = 0; index < count; index++) {
      const key = `layer${stage + 1}.${index}`;
      const stride = stage > 0 && index === 0 ? 2 : 1;
      const shortcut = stride === 1 && channelsOf(x) === out ? x : network.convolution(x, `${key}.downsample.0`, { out, stride, norm: `${key}.downsample.1` });
      const residual = bottleneck === undefined ? basic(network, x, key, planes, stride) : narrowed(network, x, key, planes, stride, bottleneck);
      x = network.activation(network.graph.op.add(residual, shortcut), 'relu');
    }
  }
  return network.linear(network.globalAverage(x), 'fc', network.classes('fc.weight'));
}

function basic(network: Network, x: Value, key: string, planes: number, stride: number): Value {
  const first = network.convolution(x, `${key}.conv1`, { out: planes, kernel: 3, stride, norm: `${key}.bn1`, activation: 'relu' });
  return network.convolution(first, `${key}.conv2`, { out: planes, kernel: 3, norm: `${key}.bn2` });
}

function narrowed(network: Network, x: Value, key: string, planes: number, stride: number, { groups = 1, width = 64 }: { readonly groups?: number; readonly width?: number }): Value {
  const inner = Math.floor((planes * width) / 64) * groups;
  const first = network.convolution(x, `${key}.conv1`, { out: inner, norm: `${key}.bn1`, activation: 'relu' });
  const second = network.convolution(first, `${key}.conv2`, { out: inner, kernel: 3, stride, groups, norm: `${key}.bn2`, activation: 'relu' });
  return network.convolution(second, `${key}.conv3`, { out: planes * 4, norm: `${key}.bn3` });
}
