/** EfficientNet (https://arxiv.org/abs/1905.11946) and EfficientNet v2 (https://arxiv.org/abs/2104.00298), as torchvision names their weights. */
import type { Value } from '../../../onnx/graph-builder.ts';
import type { Architecture } from '../architecture.ts';
import { channelsOf, type Network } from '../network.ts';
import { toMultiple } from './round-channels.ts';

interface Stage {
  /** One convolution instead of a depthwise and a pointwise one. */
  readonly fused?: boolean;
  readonly expansion: number;
  readonly kernel: number;
  readonly stride: number;
  readonly out: number;
  readonly count: number;
}

interface Variant {
  readonly stem: number;
  readonly stages: readonly Stage[];
  readonly head: number;
  readonly epsilon: number;
}

/** Of b0: expansion, kernel, stride, channels, how many blocks. */
const first: readonly (readonly [number, number, number, number, number])[] = [[1, 3, 1, 16, 1], [6, 3, 2, 24, 2], [6, 5, 2, 40, 2], [6, 3, 2, 80, 3], [6, 5, 1, 112, 3], [6, 5, 2, 192, 4], [6, 3, 1, 320, 1]];
/** Factors of channels and of blocks; the size of a picture, and what it is cut out of. */
const scaled: readonly (readonly [width: number, depth: number, size: number, resize: number])[] = [[1, 1, 224, 256], [1, 1.1, 240, 256], [1.1, 1.2, 288, 288], [1.2, 1.4, 300, 320], [1.4, 1.8, 380, 384], [1.6, 2.2, 456, 456], [1.8, 2.6, 528, 528], [2, 3.1, 600, 600]];

/** Fused, expansion, stride, channels, how many blocks. */
type SecondStage = readonly [boolean, number, number, number, number];
const second: Readonly<Record<string, { readonly stages: readonly SecondStage[]; readonly size: number; readonly filter: 'bilinear' | 'bicubic'; readonly half?: boolean }>> = {
  efficientnet_v2_s: { stages: [[true, 1, 1, 24, 2], [true, 4, 2, 48, 4], [true, 4, 2, 64, 4], [false, 4, 2, 128, 6], [false, 6, 1, 160, 9], [false, 6, 2, 256, 15]], size: 384, filter: 'bilinear' },
  efficientnet_v2_m: { stages: [[true, 1, 1, 24, 3], [true, 4, 2, 48, 5], [true, 4, 2, 80, 5], [false, 4, 2, 160, 7], [false, 6, 1, 176, 14], [false, 6, 2, 304, 18], [false, 6, 1, 512, 5]], size: 480, filter: 'bilinear' },
  efficientnet_v2_l: { stages: [[true, 1, 1, 32, 4], [true, 4, 2, 64, 7], [true, 4, 2, 96, 7], [false, 4, 2, 192, 10], [false, 6, 1, 224, 19], [false, 6, 2, 384, 25], [false, 6, 1, 640, 7]], size: 480, filter: 'bicubic', half: true },
};

export const efficientnet: readonly Architecture[] = [
  ...scaled.map(([width, depth, size, resize], index) => {
    const channels = (count: number) => toMultiple(count * width, 8);
    const stages = first.map(([expansion, kernel, stride, out, count]) => ({ expansion, kernel, stride, out: channels(out), count: Math.ceil(count * depth) }));
    return describe(`efficientnet_b${index}`, { stem: channels(32), stages, head: channels(320) * 4, epsilon: index < 5 ? 1e-5 : 1e-3 }, size, { resize, filter: 'bicubic' });
  }),
  ...Object.entries(second).map(([name, { stages, size, filter, half }]) => {
    const described = stages.map(([fused, expansion, stride, out, count]) => ({ fused, expansion, kernel: 3, stride, out, count }));
    return describe(name, { stem: described[0]!.out, stages: described, head: 1280, epsilon: 1e-3 }, size, { resize: size, filter, ...(half === true ? { mean: [0.5, 0.5, 0.5], std: [0.5, 0.5, 0.5] } : {}) });
  }),
];

function describe(name: string, variant: Variant, size: number, preparation: NonNullable<Architecture['preparation']>): Architecture {
  return { name, family: 'EfficientNet', stem: 'features.0.0.weight', size, sizes: 'any', preparation, build: (network, image) => build(network, image, variant) };
}

function build(network: Network, image: Value, { stem, stages, head, epsilon }: Variant): Value {
  let x = network.convolution(image, 'features.0.0', { out: stem, kernel: 3, stride: 2, norm: 'features.0.1', epsilon, activation: 'silu' });
  for (const [place, stage] of stages.entries()) {
    for (let index = 0; index < stage.count; index++) {
      const block = { ...stage, stride: index === 0 ? stage.stride : 1 };
      const key = `features.${place + 1}.${index}.block`;
      const result = stage.fused === true ? fused(network, x, key, block, epsilon) : separable(network, x, key, block, epsilon);
      x = block.stride === 1 && channelsOf(x) === stage.out ? network.graph.op.add(result, x) : result;
    }
  }
  const key = `features.${stages.length + 1}`;
  x = network.convolution(x, `${key}.0`, { out: head, norm: `${key}.1`, epsilon, activation: 'silu' });
  return network.linear(network.globalAverage(x), 'classifier.1', network.classes('classifier.1.weight'));
}

function separable(network: Network, input: Value, key: string, { expansion, kernel, stride, out }: Stage, epsilon: number): Value {
  const inputs = channelsOf(input);
  const inner = toMultiple(inputs * expansion, 8);
  let layer = 0;
  let x = input;
  if (inner !== inputs) x = network.convolution(x, `${key}.${layer}.0`, { out: inner, norm: `${key}.${layer++}.1`, epsilon, activation: 'silu' });
  x = network.convolution(x, `${key}.${layer}.0`, { out: inner, kernel, stride, groups: inner, norm: `${key}.${layer++}.1`, epsilon, activation: 'silu' });
  x = network.squeezeExcitation(x, `${key}.${layer++}`, Math.max(1, Math.floor(inputs / 4)), 'silu', 'sigmoid');
  return network.convolution(x, `${key}.${layer}.0`, { out, norm: `${key}.${layer}.1`, epsilon });
}

function fused(network: Network, x: Value, key: string, { expansion, kernel, stride, out }: Stage, epsilon: number): Value {
  const inputs = channelsOf(x);
  const inner = toMultiple(inputs * expansion, 8);
  if (inner === inputs) return network.convolution(x, `${key}.0.0`, { out, kernel, stride, norm: `${key}.0.1`, epsilon, activation: 'silu' });
  const wide = network.convolution(x, `${key}.0.0`, { out: inner, kernel, stride, norm: `${key}.0.1`, epsilon, activation: 'silu' });
  return network.convolution(wide, `${key}.1.0`, { out, norm: `${key}.1.1`, epsilon });
}
