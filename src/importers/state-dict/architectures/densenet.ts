/** DenseNet: https://arxiv.org/abs/1608.06993, as torchvision names its weights. */
import type { Value } from '../../../onnx/graph-builder.ts';
import type { Architecture } from '../architecture.ts';
import { channelsOf, type Network } from '../network.ts';

interface Variant {
  readonly growth: number;
  readonly counts: readonly number[];
}

const variants: Readonly<Record<string, Variant>> = {
  densenet121: { growth: 32, counts: [6, 12, 24, 16] },
  densenet161: { growth: 48, counts: [6, 12, 36, 24] },
  densenet169: { growth: 32, counts: [6, 12, 32, 32] },
  densenet201: { growth: 32, counts: [6, 12, 48, 32] },
};

export const densenet: readonly Architecture[] = Object.entries(variants).map(([name, variant]) => ({
  name,
  family: 'DenseNet',
  stem: 'features.conv0.weight',
  size: 224,
  sizes: 'any',
  // The files that torchvision publishes are older than its code: `denselayer1.norm.1.weight`.
  rename: (key) => key.replace(/^(features\.denseblock\d+\.denselayer\d+\.(?:norm|conv))\.([12])\./, '$1$2.'),
  build: (network, image) => build(network, image, variant),
}));

function build(network: Network, image: Value, { growth, counts }: Variant): Value {
  let x = network.convolution(image, 'features.conv0', { out: growth * 2, kernel: 7, stride: 2, norm: 'features.norm0', activation: 'relu' });
  x = network.maxPooling(x, { kernel: 3, stride: 2, padding: 1 });
  for (const [stage, count] of counts.entries()) {
    for (let index = 1; index <= count; index++) {
      const key = `features.denseblock${stage + 1}.denselayer${index}`;
      const before = network.activation(network.batchNormalization(x, `${key}.norm1`), 'relu');
      const narrow = network.convolution(before, `${key}.conv1`, { out: growth * 4, norm: `${key}.norm2`, activation: 'relu' });
      x = network.graph.op.concat([x, network.convolution(narrow, `${key}.conv2`, { out: growth, kernel: 3, bias: false })], 1);
    }
    if (stage === counts.length - 1) break;
    const key = `features.transition${stage + 1}`;
    const before = network.activation(network.batchNormalization(x, `${key}.norm`), 'relu');
    x = network.averagePooling(network.convolution(before, `${key}.conv`, { out: channelsOf(x) / 2, bias: false }), 2);
  }
  x = network.activation(network.batchNormalization(x, 'features.norm5'), 'relu');
  return network.linear(network.globalAverage(x), 'classifier', network.classes('classifier.weight'));
}
