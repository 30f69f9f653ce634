/**
 * Text encoders of Hugging Face's transformers: weights, and a config.json beside them that says what they are. BERT (https://arxiv.org/abs/1810.04805), RoBERTa,
 * ELECTRA and DistilBERT, with their heads for classes of texts, classes of tokens, and answers in a text.
 */
import { constantTensor, scalar } from '../../onnx/constant-tensor.ts';
import { ElementType } from '../../onnx/data-type.ts';
import type { GraphBuilder, Value } from '../../onnx/graph-builder.ts';
import type { EncoderConfig } from './encoder-config.ts';
import { Network, transposed } from './network.ts';
import type { WeightSource } from './weights.ts';

/** How the weights of one family are named. `L` stands for the number of the layer. */
interface Names {
  readonly prefix: string;
  readonly layer: string;
  readonly query: string;
  readonly key: string;
  readonly value: string;
  readonly mixed: string;
  readonly attentionNorm: string;
  readonly wide: string;
  readonly narrow: string;
  readonly outputNorm: string;
}

const bertNames: Omit<Names, 'prefix'> = {
  layer: 'encoder.layer.L',
  query: 'attention.self.query',
  key: 'attention.self.key',
  value: 'attention.self.value',
  mixed: 'attention.output.dense',
  attentionNorm: 'attention.output.LayerNorm',
  wide: 'intermediate.dense',
  narrow: 'output.dense',
  outputNorm: 'output.LayerNorm',
};

const families: Readonly<Record<string, Names>> = {
  bert: { ...bertNames, prefix: 'bert.' },
  roberta: { ...bertNames, prefix: 'roberta.' },
  electra: { ...bertNames, prefix: 'electra.' },
  distilbert: {
    prefix: 'distilbert.',
    layer: 'transformer.layer.L',
    query: 'attention.q_lin',
    key: 'attention.k_lin',
    value: 'attention.v_lin',
    mixed: 'attention.out_lin',
    attentionNorm: 'sa_layer_norm',
    wide: 'ffn.lin1',
    narrow: 'ffn.lin2',
    outputNorm: 'output_layer_norm',
  },
};

/** Weights that files have and these programs do not need: counts of positions, and what pretraining alone uses. */
export function isLeftAside(key: string, { head }: EncoderConfig): boolean {
  if (/(?:^|\.)embeddings\.(?:position_ids|token_type_ids)$/.test(key)) return true;
  if (head === 'none') return /^(?:cls|lm_head|generator_predictions|generator_lm_head|discriminator_predictions|vocab_transform|vocab_layer_norm|vocab_projector)\./.test(key) || /(?:^|\.)pooler\./.test(key);
  // The bias of a mask's words stands under two names.
  if (head === 'mask' && /^(?:cls\.seq_relationship\.|cls\.predictions\.decoder\.bias$|lm_head\.decoder\.bias$)/.test(key)) return true;
  return head !== 'sequence' && /(?:^|\.)pooler\./.test(key);
}

/** The name that older files give to scale and offset of a normalization, as the newer one. */
export function currentName(key: string): string {
  return key.replace(/LayerNorm\.gamma$/, 'LayerNorm.weight').replace(/LayerNorm\.beta$/, 'LayerNorm.bias');
}

/** Inputs `input_ids`, `attention_mask` and, where there are such, `token_type_ids`, all int64 [batch, sequence]. */
export function buildEncoder(config: EncoderConfig, graph: GraphBuilder, weights: WeightSource): void {
  const names = families[config.family]!;
  const network = new Network(graph, weights);
  // A model without a head has no prefix, unless it was cut out of one.
  const word = 'embeddings.word_embeddings.weight';
  const prefix = config.head === 'none' && weights.shapeOf(names.prefix + word) === undefined ? '' : names.prefix;
  const input = (name: string) => graph.input(name, ElementType.INT64, ['batch', 'sequence']);
  const ids = input('input_ids');
  const mask = input('attention_mask');
  const types = config.typeCount > 1 ? input('token_type_ids') : undefined;
  let x = embed(network, config, `${prefix}embeddings`, ids, types);
  if (config.family === 'electra' && config.embeddingSize !== config.width) x = network.linear(x, `${prefix}embeddings_project`, config.width);
  const { op } = graph;
  const ignored = op.sub(1, op.cast(mask, ElementType.FLOAT));
  const added = op.unsqueeze(op.mul(ignored, -3.4028234663852886e38), [1, 2]);
  for (let layer = 0; layer < config.layers; layer++) x = encoderLayer(network, config, names, `${prefix}${names.layer.replace('L', String(layer))}`, x, added);
  buildHead(network, config, prefix, x);
}

function embed(network: Network, config: EncoderConfig, key: string, ids: Value, types: Value | undefined): Value {
  const { op } = network.graph;
  const { vocabulary, embeddingSize, positions } = config;
  const words = op.gather(network.weight(`${key}.word_embeddings.weight`, [vocabulary, embeddingSize]), ids);
  const table = network.weight(`${key}.position_embeddings.weight`, [positions, embeddingSize]);
  let places: Value;
  if (config.family === 'roberta') {
    // Positions count from behind the padding's number; padding has that number itself.
    const padding = network.graph.constant(scalar(ElementType.INT64, config.padding));
    const present = op.cast(op.not(op.equal(ids, padding)), ElementType.INT64);
    places = op.gather(table, op.add(op.mul(op.cumSum(present, 1), present), padding));
  } else {
    places = op.slice(table, { axis: 0, start: 0, end: op.sizeOf(ids, 1) });
  }
  let x = network.graph.refine(op.add(words, places), { shape: ['batch', 'sequence', embeddingSize] });
  if (config.typeCount > 0) {
    const typeTable = network.weight(`${key}.token_type_embeddings.weight`, [config.typeCount, embeddingSize]);
    x = op.add(x, types === undefined ? typeTable : op.gather(typeTable, types));
  }
  return network.layerNormalization(x, `${key}.LayerNorm`, config.epsilon);
}

function encoderLayer(network: Network, config: EncoderConfig, names: Names, key: string, x: Value, added: Value): Value {
  const { graph } = network;
  const { op } = graph;
  const { width, heads, epsilon } = config;
  const each = width / heads;
  // 0: as the input has it.
  const shaped = (value: Value, sizes: readonly number[]) => graph.refine(graph.node('Reshape', [value, graph.constant(constantTensor(ElementType.INT64, sizes))]), { shape: ['batch', 'sequence', ...sizes.slice(2)] });
  const projected = (name: string) => shaped(network.linear(x, `${key}.${name}`, width), [0, 0, heads, each]);
  const query = op.mul(op.transpose(projected(names.query), [0, 2, 1, 3]), each ** -0.5);
  const keys = op.transpose(projected(names.key), [0, 2, 3, 1]);
  const values = op.transpose(projected(names.value), [0, 2, 1, 3]);
  const scores = op.softmax(op.add(op.matMul(query, keys), added));
  const mixed = shaped(op.transpose(op.matMul(scores, values), [0, 2, 1, 3]), [0, 0, width]);
  const attended = network.layerNormalization(op.add(network.linear(mixed, `${key}.${names.mixed}`, width), x), `${key}.${names.attentionNorm}`, epsilon);
  const wide = activate(network, network.linear(attended, `${key}.${names.wide}`, config.inner), config.activation);
  return network.layerNormalization(op.add(network.linear(wide, `${key}.${names.narrow}`, width), attended), `${key}.${names.outputNorm}`, epsilon);
}

function activate(network: Network, x: Value, activation: EncoderConfig['activation']): Value {
  if (activation === 'gelu_new' || activation === 'gelu_pytorch_tanh') return network.graph.node('Gelu', [x], { approximate: 'tanh' });
  return network.activation(x, activation);
}

/** How probable each word of the vocabulary is in the place of each token. */
function words(network: Network, config: EncoderConfig, prefix: string, x: Value): Value {
  const { width, vocabulary, epsilon } = config;
  const keys = {
    bert: ['cls.predictions.transform.dense', 'cls.predictions.transform.LayerNorm', 'cls.predictions.decoder.weight', 'cls.predictions.bias'],
    electra: [],
    roberta: ['lm_head.dense', 'lm_head.layer_norm', 'lm_head.decoder.weight', 'lm_head.bias'],
    distilbert: ['vocab_transform', 'vocab_layer_norm', 'vocab_projector.weight', 'vocab_projector.bias'],
  }[config.family] as [string, string, string, string];
  const [dense, norm, decoder, bias] = keys;
  const transformed = activate(network, network.linear(x, dense, width), config.family === 'roberta' ? 'gelu' : config.activation);
  const normalized = network.layerNormalization(transformed, norm, epsilon);
  // Where it is not in the file, it is the embedding of the words.
  const key = network.weights.shapeOf(decoder) === undefined ? `${prefix}embeddings.word_embeddings.weight` : decoder;
  const weight = network.changed(`${decoder}.transposed`, [width, vocabulary], { [key]: [vocabulary, width] }, (numbers) => transposed(numbers, vocabulary, width));
  return network.graph.op.add(network.graph.op.matMul(normalized, weight), network.weight(bias, [vocabulary]));
}

function buildHead(network: Network, config: EncoderConfig, prefix: string, x: Value): void {
  const { graph } = network;
  const { op } = graph;
  const { width, family } = config;
  switch (config.head) {
    case 'none':
      graph.output(x, 'last_hidden_state');
      return;
    case 'sequence': {
      const first = op.gather(x, 0, 1);
      if (family === 'bert') graph.output(network.linear(network.linear(first, `${prefix}pooler.dense`, width, { activation: 'tanh' }), 'classifier', network.classes('classifier.weight')), 'logits');
      else if (family === 'distilbert') graph.output(network.linear(network.linear(first, 'pre_classifier', width, { activation: 'relu' }), 'classifier', network.classes('classifier.weight')), 'logits');
      else graph.output(network.linear(network.linear(first, 'classifier.dense', width, { activation: family === 'electra' ? 'gelu' : 'tanh' }), 'classifier.out_proj', network.classes('classifier.out_proj.weight')), 'logits');
      return;
    }
    case 'token':
      graph.output(network.linear(x, 'classifier', network.classes('classifier.weight')), 'logits');
      return;
    case 'answer': {
      const both = network.linear(x, 'qa_outputs', 2);
      graph.output(op.gather(both, 0, 2), 'start_logits');
      graph.output(op.gather(both, 1, 2), 'end_logits');
      return;
    }
    case 'mask':
      graph.output(words(network, config, prefix, x), 'logits');
  }
}
