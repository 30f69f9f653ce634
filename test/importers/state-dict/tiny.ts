/** The architecture of scripts/fixtures/state_dicts.py: one of every layer that descriptions are made of. */
import { join } from 'node:path';
import type { Architecture } from '../../../src/importers/state-dict/architecture.ts';
import { readWeights } from '../../../src/importers/state-dict/read-weights.ts';
import type { StoredWeights } from '../../../src/importers/state-dict/weights.ts';
import { fileSource } from '../../../src/formats/byte-source.ts';

export const fixtures = join(import.meta.dirname, '../../fixtures/state-dict');

export const tiny: Architecture = {
  name: 'tiny',
  family: 'Tiny',
  stem: 'stem.weight',
  size: 12,
  sizes: 'chosen',
  leastSize: 4,
  build(network, image) {
    const { op } = network.graph;
    let x = network.convolution(image, 'stem', { out: 8, kernel: 3, stride: 2, norm: 'stem_norm', activation: 'hardswish' });
    x = network.convolution(x, 'mix', { out: 8, kernel: 3, groups: 4, bias: true, norm: 'mix_norm', epsilon: 1e-3, activation: 'relu6' });
    x = network.squeezeExcitation(x, 'squeeze', 4, 'silu', 'hardsigmoid');
    x = network.adaptiveAverage(network.batchNormalization(x, 'plain_norm'), 3);
    const wide = network.linear(network.channelsLast(x), 'wide', 12, { activation: 'gelu' });
    const narrow = network.linear(wide, 'narrow', 8, { scale: { key: 'layer_scale', shape: [8] } });
    x = op.add(x, network.channelsFirst(narrow));
    const features = network.activation(network.layerNormalization(network.globalAverage(x), 'norm'), 'tanh');
    return network.linear(features, 'head', network.classes('head.weight'));
  },
};

/** The weights of a fixture; the file stays open until the process ends. */
export function weightsOf(file: string): StoredWeights {
  const path = join(fixtures, file);
  return readWeights(fileSource(path), path).weights;
}
