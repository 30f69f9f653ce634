/** Swin Transformer (https://arxiv.org/abs/2103.14030) and v2 (https://arxiv.org/abs/2111.09883), as torchvision names their weights. */
import { constantTensor } from '../../../onnx/constant-tensor.ts';
import { ElementType } from '../../../onnx/data-type.ts';
import type { Value } from '../../../onnx/graph-builder.ts';
import type { Architecture } from '../architecture.ts';
import { lastOf, spatialSizes, transposed, type Network } from '../network.ts';
import { shiftedMask, windowOrder } from './windows.ts';

interface Variant {
  readonly width: number;
  readonly depths: readonly number[];
  readonly heads: readonly number[];
  readonly window: number;
  /** Version 2: normalization behind attention and MLP, cosine attention, positions from a small network. */
  readonly isSecond: boolean;
}

const shapes = { t: { width: 96, depths: [2, 2, 6, 2], heads: [3, 6, 12, 24] }, s: { width: 96, depths: [2, 2, 18, 2], heads: [3, 6, 12, 24] }, b: { width: 128, depths: [2, 2, 18, 2], heads: [4, 8, 16, 32] } };
const resizes: Readonly<Record<string, number>> = { swin_t: 232, swin_s: 246, swin_b: 238, swin_v2_t: 260, swin_v2_s: 260, swin_v2_b: 272 };

export const swinTransformer: readonly Architecture[] = [false, true].flatMap((isSecond) =>
  Object.entries(shapes).map(([letter, shape]): Architecture => {
    const name = isSecond ? `swin_v2_${letter}` : `swin_${letter}`;
    return {
      name,
      family: 'Swin',
      stem: 'features.0.0.weight',
      size: isSecond ? 256 : 224,
      sizes: 'chosen',
      preparation: { resize: resizes[name]!, filter: 'bicubic' },
      build: (network, image) => build(network, image, { ...shape, window: isSecond ? 8 : 7, isSecond }),
    };
  }),
);

function build(network: Network, image: Value, variant: Variant): Value {
  const { op } = network.graph;
  const embedded = network.convolution(image, 'features.0.0', { out: variant.width, kernel: 4, stride: 4, padding: 0 });
  let [height, width] = spatialSizes(embedded);
  // Tokens: [batch, height · width, channels].
  let x = op.transpose(op.reshape(embedded, [-1, variant.width, height * width]), [0, 2, 1]);
  x = network.layerNormalization(x, 'features.0.2');
  for (const [stage, depth] of variant.depths.entries()) {
    if (stage > 0) {
      x = merged(network, x, `features.${stage * 2}`, height, width, variant);
      [height, width] = [Math.ceil(height / 2), Math.ceil(width / 2)];
    }
    for (let index = 0; index < depth; index++) {
      const key = `features.${stage * 2 + 1}.${index}`;
      const attend = (input: Value) => attention(network, input, `${key}.attn`, height, width, index % 2 === 1, variant, variant.heads[stage]!);
      const mix = (input: Value) => network.linear(network.linear(input, `${key}.mlp.0`, lastOf(x) * 4, { activation: 'gelu' }), `${key}.mlp.3`, lastOf(x));
      const normalize = (input: Value, part: string) => network.layerNormalization(input, `${key}.${part}`);
      x = op.add(x, variant.isSecond ? normalize(attend(x), 'norm1') : attend(normalize(x, 'norm1')));
      x = op.add(x, variant.isSecond ? normalize(mix(x), 'norm2') : mix(normalize(x, 'norm2')));
    }
  }
  const means = op.reduceMean(network.layerNormalization(x, 'norm'), { axes: [1] });
  return network.linear(means, 'head', network.classes('head.weight'));
}

/** Four neighbours become one token of twice the channels. */
function merged(network: Network, x: Value, key: string, height: number, width: number, { isSecond }: Variant): Value {
  const { op } = network.graph;
  const channels = lastOf(x);
  const [rows, columns] = [Math.ceil(height / 2), Math.ceil(width / 2)];
  let picture = op.reshape(x, [-1, height, width, channels]);
  if (height % 2 === 1 || width % 2 === 1) picture = op.pad(picture, [0, 0, height % 2, width % 2], { axes: [1, 2] });
  const paired = op.transpose(op.reshape(picture, [-1, rows, 2, columns, 2, channels]), [0, 1, 3, 4, 2, 5]);
  const joined = op.reshape(paired, [-1, rows * columns, channels * 4]);
  if (isSecond) return network.layerNormalization(network.linear(joined, `${key}.reduction`, channels * 2, { bias: false }), `${key}.norm`);
  return network.linear(network.layerNormalization(joined, `${key}.norm`), `${key}.reduction`, channels * 2, { bias: false });
}

function attention(network: Network, x: Value, key: string, height: number, width: number, isShifted: boolean, variant: Variant, heads: number): Value {
  const { op } = network.graph;
  const { window } = variant;
  const channels = lastOf(x);
  const each = channels / heads;
  const count = window * window;
  const order = windowOrder(height, width, window, isShifted);
  const windows = order.tokens.length / count;
  // One token of zeros stands at the end, for places beside the picture.
  const padded = order.isPadded ? op.pad(x, [0, 1], { axes: [1] }) : x;
  const grouped = op.reshape(op.gather(padded, order.tokens, 1), [-1, count, channels]);
  const part = (index: number, scale: number) => {
    const weight = network.changed(`${key}.qkv.weight.${index}`, [channels, channels], { [`${key}.qkv.weight`]: [channels * 3, channels] }, (all) =>
      transposed(all.subarray(index * channels * channels, (index + 1) * channels * channels), channels, channels, new Float32Array(channels).fill(scale)),
    );
    // Cosine attention has no bias for keys.
    const bias = network.changed(`${key}.qkv.bias.${index}`, [channels], { [`${key}.qkv.bias`]: [channels * 3] }, (all) =>
      all.slice(index * channels, (index + 1) * channels).map((value) => (variant.isSecond && index === 1 ? 0 : value * scale)),
    );
    return op.reshape(op.add(op.matMul(grouped, weight), bias), [-1, count, heads, each]);
  };
  let query = op.transpose(part(0, variant.isSecond ? 1 : each ** -0.5), [0, 2, 1, 3]);
  let keys = op.transpose(part(1, 1), [0, 2, 3, 1]);
  const values = op.transpose(part(2, 1), [0, 2, 1, 3]);
  if (variant.isSecond) {
    query = op.mul(normalized(network, query, 3), logitScale(network, key, heads));
    keys = normalized(network, keys, 2);
  }
  let scores = op.add(op.matMul(query, keys), positions(network, key, variant, heads));
  const mask = order.isShifted ? shiftedMask(height, width, window) : undefined;
  if (mask !== undefined) {
    const masked = op.add(op.reshape(scores, [-1, windows, heads, count, count]), network.graph.constant(constantTensor(ElementType.FLOAT, mask, [1, windows, 1, count, count])));
    scores = op.reshape(masked, [-1, heads, count, count]);
  }
  const mixed = op.reshape(op.transpose(op.matMul(op.softmax(scores), values), [0, 2, 1, 3]), [-1, count, channels]);
  const projected = op.reshape(network.linear(mixed, `${key}.proj`, channels), [-1, order.tokens.length, channels]);
  return op.gather(projected, order.places, 1);
}

/** Divided by its length along an axis. */
function normalized(network: Network, x: Value, axis: number): Value {
  const { op } = network.graph;
  return op.div(x, op.max(op.reduceL2(x, { axes: [axis], keepAxes: true }), 1e-12));
}

function logitScale(network: Network, key: string, heads: number): Value {
  return network.changed(`${key}.logit_scale`, [heads, 1, 1], { [`${key}.logit_scale`]: [heads, 1, 1] }, (scales) => scales.map((scale) => Math.exp(Math.min(scale, Math.log(100)))));
}

/** What is added to the scores of two places of a window: [1, heads, count, count]. */
function positions(network: Network, key: string, { window, isSecond }: Variant, heads: number): Value {
  const count = window * window;
  const distances = (2 * window - 1) ** 2;
  const index = { [`${key}.relative_position_index`]: [count * count] };
  const spread = (table: ArrayLike<number>, places: Float32Array, change: (value: number) => number) => {
    const result = new Float32Array(heads * count * count);
    for (let head = 0; head < heads; head++) for (let at = 0; at < count * count; at++) result[head * count * count + at] = change(table[places[at]! * heads + head] ?? Number.NaN);
    return result;
  };
  const name = `${key}.relative_position_bias`;
  if (!isSecond) return network.changed(name, [1, heads, count, count], { [`${key}.relative_position_bias_table`]: [distances, heads], ...index }, (table, places) => spread(table, places!, (value) => value));
  const hidden = 512;
  const weights = { [`${key}.cpb_mlp.0.weight`]: [hidden, 2], [`${key}.cpb_mlp.0.bias`]: [hidden], [`${key}.cpb_mlp.2.weight`]: [heads, hidden], [`${key}.relative_coords_table`]: [1, 2 * window - 1, 2 * window - 1, 2], ...index };
  return network.changed(name, [1, heads, count, count], weights, (wide, offset, narrow, coordinates, places) => {
    const table = new Float64Array(distances * heads);
    for (let row = 0; row < distances; row++) {
      for (let unit = 0; unit < hidden; unit++) {
        const active = Math.max(0, wide[unit * 2]! * coordinates![row * 2]! + wide[unit * 2 + 1]! * coordinates![row * 2 + 1]! + offset![unit]!);
        for (let head = 0; head < heads; head++) table[row * heads + head]! += narrow![head * hidden + unit]! * active;
      }
    }
    return spread(table, places!, (value) => 16 / (1 + Math.exp(-value)));
  });
}
