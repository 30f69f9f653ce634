/** Vision Transformer: https://arxiv.org/abs/2010.11929, as torchvision names its weights. */
import type { Value } from '../../../onnx/graph-builder.ts';
import type { Architecture } from '../architecture.ts';
import { lastOf, spatialSizes, transposed, type Network } from '../network.ts';

interface Variant {
  readonly patch: number;
  readonly layers: number;
  readonly heads: number;
  readonly width: number;
}

const variants: Readonly<Record<string, Variant>> = {
  vit_b_16: { patch: 16, layers: 12, heads: 12, width: 768 },
  vit_b_32: { patch: 32, layers: 12, heads: 12, width: 768 },
  vit_l_16: { patch: 16, layers: 24, heads: 16, width: 1024 },
  vit_l_32: { patch: 32, layers: 24, heads: 16, width: 1024 },
  vit_h_14: { patch: 14, layers: 32, heads: 16, width: 1280 },
};
const epsilon = 1e-6;

export const visionTransformer: readonly Architecture[] = Object.entries(variants).map(([name, variant]) => ({
  name,
  family: 'ViT',
  stem: 'conv_proj.weight',
  // There is an embedding for each patch and one for the class.
  size: (shapeOf) => sideOf(shapeOf('encoder.pos_embedding')) * variant.patch || 224,
  sizes: 'given',
  // Older files name the layers of a block's MLP otherwise.
  rename: (key) => key.replace(/\.mlp\.linear_([12])\./, (_, layer: string) => `.mlp.${layer === '1' ? 0 : 3}.`),
  build: (network, image) => build(network, image, variant),
}));

function sideOf(embedding: readonly number[] | undefined): number {
  const side = Math.sqrt((embedding?.[1] ?? 0) - 1);
  return Number.isInteger(side) ? side : 0;
}

function build(network: Network, image: Value, { patch, layers, heads, width }: Variant): Value {
  const { op } = network.graph;
  const [height, breadth] = spatialSizes(image);
  const patches = (height / patch) * (breadth / patch);
  const count = patches + 1;
  const projected = op.reshape(network.convolution(image, 'conv_proj', { out: width, kernel: patch, stride: patch, padding: 0 }), [-1, width, patches]);
  // The class's token stands in front: zeros here, to which it is added together with its position.
  const tokens = op.pad(op.transpose(projected, [0, 2, 1]), [1, 0], { axes: [1] });
  const positions = network.changed('positions', [1, count, width], { 'encoder.pos_embedding': [1, count, width], class_token: [1, 1, width] }, (embedding, token) => {
    const sum = Float32Array.from(embedding);
    for (const [index, value] of token.entries()) sum[index]! += value;
    return sum;
  });
  let x = op.add(network.graph.refine(tokens, { shape: [tokens.shape![0]!, count, width] }), positions);
  for (let layer = 0; layer < layers; layer++) {
    const key = `encoder.layers.encoder_layer_${layer}`;
    x = op.add(attention(network, network.layerNormalization(x, `${key}.ln_1`, epsilon), `${key}.self_attention`, heads), x);
    const wide = network.linear(network.layerNormalization(x, `${key}.ln_2`, epsilon), `${key}.mlp.0`, width * 4, { activation: 'gelu' });
    x = op.add(network.linear(wide, `${key}.mlp.3`, width), x);
  }
  const last = network.layerNormalization(op.gather(x, 0, 1), 'encoder.ln', epsilon);
  const hidden = network.weights.shapeOf('heads.pre_logits.weight')?.[0];
  const features = hidden === undefined ? last : network.linear(last, 'heads.pre_logits', hidden, { activation: 'tanh' });
  return network.linear(features, 'heads.head', network.classes('heads.head.weight'));
}

/** torch.nn.MultiheadAttention of tokens with themselves. */
function attention(network: Network, x: Value, key: string, heads: number): Value {
  const { op } = network.graph;
  const width = lastOf(x);
  const each = width / heads;
  const count = x.shape![1]!;
  // The three projections stand in one weight; the scale of the scores is part of the first.
  const part = (index: number, scale: number) => {
    const weight = network.changed(`${key}.in_proj_weight.${index}`, [width, width], { [`${key}.in_proj_weight`]: [width * 3, width] }, (all) => transposed(all.subarray(index * width * width, (index + 1) * width * width), width, width, new Float32Array(width).fill(scale)));
    const bias = network.changed(`${key}.in_proj_bias.${index}`, [width], { [`${key}.in_proj_bias`]: [width * 3] }, (all) => all.slice(index * width, (index + 1) * width).map((value) => value * scale));
    return op.reshape(op.add(op.matMul(x, weight), bias), [-1, count as number, heads, each]);
  };
  const query = op.transpose(part(0, each ** -0.5), [0, 2, 1, 3]);
  const keys = op.transpose(part(1, 1), [0, 2, 3, 1]);
  const values = op.transpose(part(2, 1), [0, 2, 1, 3]);
  const mixed = op.matMul(op.softmax(op.matMul(query, keys)), values);
  return network.linear(op.reshape(op.transpose(mixed, [0, 2, 1, 3]), [-1, count as number, width]), `${key}.out_proj`, width);
}
