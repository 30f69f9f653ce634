/** ConvNeXt: https://arxiv.org/abs/2201.03545, as torchvision names its weights. */
import type { Value } from '../../../onnx/graph-builder.ts';
import type { Architecture } from '../architecture.ts';
import type { Network } from '../network.ts';

interface Variant {
  readonly channels: number;
  readonly counts: readonly number[];
  /** To which the shorter side of a picture is resized. */
  readonly resize: number;
}

const variants: Readonly<Record<string, Variant>> = {
  convnext_tiny: { channels: 96, counts: [3, 3, 9, 3], resize: 236 },
  convnext_small: { channels: 96, counts: [3, 3, 27, 3], resize: 230 },
  convnext_base: { channels: 128, counts: [3, 3, 27, 3], resize: 232 },
  convnext_large: { channels: 192, counts: [3, 3, 27, 3], resize: 232 },
};
const epsilon = 1e-6;

export const convnext: readonly Architecture[] = Object.entries(variants).map(([name, variant]) => ({
  name,
  family: 'ConvNeXt',
  stem: 'features.0.0.weight',
  size: 224,
  sizes: 'any',
  preparation: { resize: variant.resize },
  build: (network, image) => build(network, image, variant),
}));

function build(network: Network, image: Value, { channels, counts }: Variant): Value {
  let x = network.convolution(image, 'features.0.0', { out: channels, kernel: 4, stride: 4, padding: 0 });
  x = network.channelNormalization(x, 'features.0.1', epsilon);
  for (const [stage, count] of counts.entries()) {
    const width = channels * 2 ** stage;
    if (stage > 0) {
      const key = `features.${stage * 2}`;
      x = network.convolution(network.channelNormalization(x, `${key}.0`, epsilon), `${key}.1`, { out: width, kernel: 2, stride: 2, padding: 0 });
    }
    for (let index = 0; index < count; index++) x = block(network, x, `features.${stage * 2 + 1}.${index}`, width);
  }
  const means = network.layerNormalization(network.globalAverage(x), 'classifier.0', epsilon);
  return network.linear(means, 'classifier.2', network.classes('classifier.2.weight'));
}

function block(network: Network, x: Value, key: string, width: number): Value {
  const mixed = network.channelsLast(network.convolution(x, `${key}.block.0`, { out: width, kernel: 7, groups: width }));
  const wide = network.linear(network.layerNormalization(mixed, `${key}.block.2`, epsilon), `${key}.block.3`, width * 4, { activation: 'gelu' });
  const narrow = network.linear(wide, `${key}.block.5`, width, { scale: { key: `${key}.layer_scale`, shape: [width, 1, 1] } });
  return network.graph.op.add(network.channelsFirst(narrow), x);
}
