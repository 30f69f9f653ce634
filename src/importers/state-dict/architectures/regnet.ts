/** RegNet X and Y: https://arxiv.org/abs/2003.13678, as torchvision names their weights. */
import type { Value } from '../../../onnx/graph-builder.ts';
import type { Architecture } from '../architecture.ts';
import { channelsOf, type Network } from '../network.ts';
import { toMultiple } from './round-channels.ts';

interface Variant {
  readonly depth: number;
  /** Width of block i: first + slope · i, rounded to a power of `step` times the first. */
  readonly first: number;
  readonly slope: number;
  readonly step: number;
  readonly groupWidth: number;
}

const variants: Readonly<Record<string, Variant>> = {
  regnet_y_400mf: { depth: 16, first: 48, slope: 27.89, step: 2.09, groupWidth: 8 },
  regnet_y_800mf: { depth: 14, first: 56, slope: 38.84, step: 2.4, groupWidth: 16 },
  regnet_y_1_6gf: { depth: 27, first: 48, slope: 20.71, step: 2.65, groupWidth: 24 },
  regnet_y_3_2gf: { depth: 21, first: 80, slope: 42.63, step: 2.66, groupWidth: 24 },
  regnet_y_8gf: { depth: 17, first: 192, slope: 76.82, step: 2.19, groupWidth: 56 },
  regnet_y_16gf: { depth: 18, first: 200, slope: 106.23, step: 2.48, groupWidth: 112 },
  regnet_y_32gf: { depth: 20, first: 232, slope: 115.89, step: 2.53, groupWidth: 232 },
  regnet_y_128gf: { depth: 27, first: 456, slope: 160.83, step: 2.52, groupWidth: 264 },
  regnet_x_400mf: { depth: 22, first: 24, slope: 24.48, step: 2.54, groupWidth: 16 },
  regnet_x_800mf: { depth: 16, first: 56, slope: 35.73, step: 2.28, groupWidth: 16 },
  regnet_x_1_6gf: { depth: 18, first: 80, slope: 34.01, step: 2.25, groupWidth: 24 },
  regnet_x_3_2gf: { depth: 25, first: 88, slope: 26.31, step: 2.25, groupWidth: 48 },
  regnet_x_8gf: { depth: 23, first: 80, slope: 49.56, step: 2.88, groupWidth: 120 },
  regnet_x_16gf: { depth: 22, first: 216, slope: 55.59, step: 2.1, groupWidth: 128 },
  regnet_x_32gf: { depth: 23, first: 320, slope: 69.86, step: 2, groupWidth: 168 },
};

export const regnet: readonly Architecture[] = Object.entries(variants).map(([name, variant]) => ({
  name,
  family: 'RegNet',
  stem: 'stem.0.weight',
  size: 224,
  sizes: 'any',
  preparation: { resize: 232 },
  build: (network, image) => build(network, image, variant, name.startsWith('regnet_y')),
}));

function build(network: Network, image: Value, variant: Variant, squeezed: boolean): Value {
  let x = network.convolution(image, 'stem.0', { out: 32, kernel: 3, stride: 2, norm: 'stem.1', activation: 'relu' });
  for (const [stage, { width, count }] of stagesOf(variant).entries()) {
    const groups = width / Math.min(variant.groupWidth, width);
    for (let index = 0; index < count; index++) x = block(network, x, `trunk_output.block${stage + 1}.block${stage + 1}-${index}`, width, groups, index === 0 ? 2 : 1, squeezed);
  }
  return network.linear(network.globalAverage(x), 'fc', network.classes('fc.weight'));
}

function block(network: Network, x: Value, key: string, width: number, groups: number, stride: number, squeezed: boolean): Value {
  const inputs = channelsOf(x);
  const shortcut = inputs === width && stride === 1 ? x : network.convolution(x, `${key}.proj.0`, { out: width, stride, norm: `${key}.proj.1` });
  let y = network.convolution(x, `${key}.f.a.0`, { out: width, norm: `${key}.f.a.1`, activation: 'relu' });
  y = network.convolution(y, `${key}.f.b.0`, { out: width, kernel: 3, stride, groups, norm: `${key}.f.b.1`, activation: 'relu' });
  if (squeezed) y = network.squeezeExcitation(y, `${key}.f.se`, roundHalfEven(inputs / 4), 'relu', 'sigmoid');
  y = network.convolution(y, `${key}.f.c.0`, { out: width, norm: `${key}.f.c.1` });
  return network.activation(network.graph.op.add(shortcut, y), 'relu');
}

/** Blocks of equal width are a stage; its width is a multiple of the group's. */
function stagesOf({ depth, first, slope, step, groupWidth }: Variant): { readonly width: number; readonly count: number }[] {
  const stages: { width: number; count: number }[] = [];
  let last: number | undefined;
  for (let index = 0; index < depth; index++) {
    const power = roundHalfEven(Math.log((first + slope * index) / first) / Math.log(step));
    const width = roundHalfEven((first * step ** power) / 8) * 8;
    if (width === last) stages.at(-1)!.count++;
    else stages.push({ width: toMultiple(width, Math.min(groupWidth, width)), count: 1 });
    last = width;
  }
  return stages;
}

/** As Python and PyTorch round. */
function roundHalfEven(value: number): number {
  const floor = Math.floor(value);
  if (value - floor !== 0.5) return Math.round(value);
  return floor % 2 === 0 ? floor : floor + 1;
}
