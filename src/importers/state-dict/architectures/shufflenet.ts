/** ShuffleNet v2: https://arxiv.org/abs/1807.11164, as torchvision names its weights. */
import type { Value } from '../../../onnx/graph-builder.ts';
import type { Architecture } from '../architecture.ts';
import { channelsOf, type Network } from '../network.ts';

/** Channels of the stem, of each stage and of the last layer. */
const variants: Readonly<Record<string, readonly [number, number, number, number, number]>> = {
  shufflenet_v2_x0_5: [24, 48, 96, 192, 1024],
  shufflenet_v2_x1_0: [24, 116, 232, 464, 1024],
  shufflenet_v2_x1_5: [24, 176, 352, 704, 1024],
  shufflenet_v2_x2_0: [24, 244, 488, 976, 2048],
};
const counts = [4, 8, 4];

export const shufflenet: readonly Architecture[] = Object.entries(variants).map(([name, channels]) => ({
  name,
  family: 'ShuffleNet',
  stem: 'conv1.0.weight',
  size: 224,
  sizes: 'any',
  build: (network, image) => build(network, image, channels),
}));

function build(network: Network, image: Value, [stem, ...channels]: readonly [number, ...number[]]): Value {
  let x = network.convolution(image, 'conv1.0', { out: stem, kernel: 3, stride: 2, norm: 'conv1.1', activation: 'relu' });
  x = network.maxPooling(x, { kernel: 3, stride: 2, padding: 1 });
  for (const [stage, count] of counts.entries()) {
    for (let index = 0; index < count; index++) x = block(network, x, `stage${stage + 2}.${index}`, channels[stage]!, index === 0);
  }
  x = network.convolution(x, 'conv5.0', { out: channels[3]!, norm: 'conv5.1', activation: 'relu' });
  return network.linear(network.globalAverage(x), 'fc', network.classes('fc.weight'));
}

/** Half of the channels pass; the first block of a stage halves the picture in both branches instead. */
function block(network: Network, x: Value, key: string, out: number, isFirst: boolean): Value {
  const { op } = network.graph;
  const half = out / 2;
  const [passed, worked] = isFirst ? [shrunk(network, x, `${key}.branch1`, half), x] : (op.split(x, 1, [half, half]) as [Value, Value]);
  const branch = `${key}.branch2`;
  let y = network.convolution(worked, `${branch}.0`, { out: half, norm: `${branch}.1`, activation: 'relu' });
  y = network.convolution(y, `${branch}.3`, { out: half, kernel: 3, stride: isFirst ? 2 : 1, groups: half, norm: `${branch}.4` });
  y = network.convolution(y, `${branch}.5`, { out: half, norm: `${branch}.6`, activation: 'relu' });
  // Channels of both halves in turn.
  return op.gather(op.concat([passed, y], 1), Array.from({ length: out }, (_, index) => (index % 2) * half + Math.floor(index / 2)), 1);
}

function shrunk(network: Network, x: Value, key: string, out: number): Value {
  const channels = channelsOf(x);
  const mixed = network.convolution(x, `${key}.0`, { out: channels, kernel: 3, stride: 2, groups: channels, norm: `${key}.1` });
  return network.convolution(mixed, `${key}.2`, { out, norm: `${key}.3`, activation: 'relu' });
}
