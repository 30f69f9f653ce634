/** SqueezeNet: https://arxiv.org/abs/1602.07360, as torchvision names its weights. */
import type { Value } from '../../../onnx/graph-builder.ts';
import type { Architecture } from '../architecture.ts';
import type { Network } from '../network.ts';

interface Variant {
  readonly stem: { readonly out: number; readonly kernel: number };
  /** Places in `features`: channels of the narrow layer and of each wide one, or a pooling. */
  readonly layers: readonly (readonly [narrow: number, wide: number] | 'pool')[];
}

const variants: Readonly<Record<string, Variant>> = {
  squeezenet1_0: { stem: { out: 96, kernel: 7 }, layers: ['pool', [16, 64], [16, 64], [32, 128], 'pool', [32, 128], [48, 192], [48, 192], [64, 256], 'pool', [64, 256]] },
  squeezenet1_1: { stem: { out: 64, kernel: 3 }, layers: ['pool', [16, 64], [16, 64], 'pool', [32, 128], [32, 128], 'pool', [48, 192], [48, 192], [64, 256], [64, 256]] },
};

export const squeezenet: readonly Architecture[] = Object.entries(variants).map(([name, variant]) => ({
  name,
  family: 'SqueezeNet',
  stem: 'features.0.weight',
  size: 224,
  sizes: 'any',
  build: (network, image) => build(network, image, variant),
}));

function build(network: Network, image: Value, { stem, layers }: Variant): Value {
  let x = network.convolution(image, 'features.0', { ...stem, stride: 2, padding: 0, activation: 'relu' });
  for (const [index, layer] of layers.entries()) {
    x = layer === 'pool' ? network.maxPooling(x, { kernel: 3, stride: 2, ceil: true }) : fire(network, x, `features.${index + 2}`, layer);
  }
  const classes = network.convolution(x, 'classifier.1', { out: network.classes('classifier.1.weight'), activation: 'relu' });
  return network.globalAverage(classes);
}

function fire(network: Network, x: Value, key: string, [narrow, wide]: readonly [number, number]): Value {
  const squeezed = network.convolution(x, `${key}.squeeze`, { out: narrow, activation: 'relu' });
  const one = network.convolution(squeezed, `${key}.expand1x1`, { out: wide, activation: 'relu' });
  const three = network.convolution(squeezed, `${key}.expand3x3`, { out: wide, kernel: 3, activation: 'relu' });
  return network.graph.op.concat([one, three], 1);
}
