/** VGG, with and without batch normalization: https://arxiv.org/abs/1409.1556, as torchvision names its weights. */
import type { Value } from '../../../onnx/graph-builder.ts';
import type { Architecture } from '../architecture.ts';
import type { Network } from '../network.ts';

/** Channels of the convolutions between two poolings. */
const stages: Readonly<Record<string, readonly (readonly number[])[]>> = {
  vgg11: [[64], [128], [256, 256], [512, 512], [512, 512]],
  vgg13: [[64, 64], [128, 128], [256, 256], [512, 512], [512, 512]],
  vgg16: [[64, 64], [128, 128], [256, 256, 256], [512, 512, 512], [512, 512, 512]],
  vgg19: [[64, 64], [128, 128], [256, 256, 256, 256], [512, 512, 512, 512], [512, 512, 512, 512]],
};

export const vgg: readonly Architecture[] = Object.entries(stages).flatMap(([name, channels]) =>
  [false, true].map((normalized): Architecture => ({
    name: normalized ? `${name}_bn` : name,
    family: 'VGG',
    stem: 'features.0.weight',
    size: 224,
    sizes: 'chosen',
    build: (network, image) => build(network, image, channels, normalized),
  })),
);

function build(network: Network, image: Value, channels: readonly (readonly number[])[], normalized: boolean): Value {
  let x = image;
  let index = 0;
  for (const stage of channels) {
    for (const out of stage) {
      x = network.convolution(x, `features.${index}`, { out, kernel: 3, bias: true, activation: 'relu', ...(normalized ? { norm: `features.${index + 1}` } : {}) });
      index += normalized ? 3 : 2;
    }
    x = network.maxPooling(x, { kernel: 2, stride: 2 });
    index++;
  }
  return head(network, network.graph.op.flatten(network.adaptiveAverage(x, 7)), ['classifier.0', 'classifier.3', 'classifier.6']);
}

/** Two wide layers and the classes. */
export function head(network: Network, features: Value, [first, second, last]: readonly [string, string, string]): Value {
  const x = network.linear(network.linear(features, first, 4096, { activation: 'relu' }), second, 4096, { activation: 'relu' });
  return network.linear(x, last, network.classes(`${last}.weight`));
}
