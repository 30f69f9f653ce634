/** What Hugging Face's config.json says of a text encoder. */
import { readFileSync, statSync } from 'node:fs';
import { ModelportError } from '../../errors.ts';

export interface EncoderConfig {
  readonly family: 'bert' | 'roberta' | 'electra' | 'distilbert';
  /** What stands on the encoder: nothing, classes of a text, of each token, the place of an answer, or the words for a mask. */
  readonly head: 'none' | 'sequence' | 'token' | 'answer' | 'mask';
  readonly layers: number;
  readonly heads: number;
  readonly width: number;
  /** Of the middle of each layer. */
  readonly inner: number;
  readonly vocabulary: number;
  readonly positions: number;
  /** Of kinds of texts; 0 where there is no such embedding. */
  readonly typeCount: number;
  readonly embeddingSize: number;
  readonly epsilon: number;
  readonly padding: number;
  readonly activation: 'gelu' | 'gelu_new' | 'gelu_pytorch_tanh' | 'relu' | 'silu';
}

const familyOf: Readonly<Record<string, EncoderConfig['family']>> = { bert: 'bert', roberta: 'roberta', 'xlm-roberta': 'roberta', camembert: 'roberta', electra: 'electra', distilbert: 'distilbert' };
const headOf: Readonly<Record<string, EncoderConfig['head']>> = { Model: 'none', ForSequenceClassification: 'sequence', ForTokenClassification: 'token', ForQuestionAnswering: 'answer', ForMaskedLM: 'mask', ForPreTraining: 'mask' };
const activations = ['gelu', 'gelu_new', 'gelu_pytorch_tanh', 'relu', 'silu'] as const;
const mostBytes = 4 << 20;

/**
 * The config of a file's folder; undefined where there is none, or none that names a kind of model. Throws `INVALID_MODEL` where it is malformed, or says
 * something that these programs do not do.
 */
export function readEncoderConfig(path: string): EncoderConfig | undefined {
  let text: string;
  try {
    if (statSync(path).size > mostBytes) throw new ModelportError('INVALID_MODEL', `${path} has more than ${mostBytes} bytes: this is no model's configuration`, { at: path });
    text = readFileSync(path, 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  }
  return parseEncoderConfig(text, path);
}

export function parseEncoderConfig(text: string, path: string): EncoderConfig | undefined {
  const fail = (problem: string): never => {
    throw new ModelportError('INVALID_MODEL', `${path} ${problem}`, { at: path });
  };
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    return fail(`is not JSON: ${(error as Error).message.slice(0, 200)}`);
  }
  if (typeof json !== 'object' || json === null || Array.isArray(json)) return fail('is no object');
  const config = json as Readonly<Record<string, unknown>>;
  const type = config['model_type'];
  if (typeof type !== 'string') return undefined;
  const family = Object.hasOwn(familyOf, type) ? familyOf[type]! : fail(`is of a model of the type ${JSON.stringify(type.slice(0, 60))}; built from weights and config.json are ${Object.keys(familyOf).join(', ')}. Save the program instead: ${exportCommand}`);
  const integer = (names: readonly string[], least: number, most: number, otherwise?: number): number => {
    const value = names.map((name) => config[name]).find((candidate) => candidate !== undefined && candidate !== null) ?? otherwise;
    if (typeof value !== 'number' || !Number.isInteger(value) || value < least || value > most) return fail(`says ${names[0]}: ${JSON.stringify(value)?.slice(0, 40)}; it should be a whole number from ${least} to ${most}`);
    return value;
  };
  const width = integer(['hidden_size', 'dim'], 1, 65_536);
  const heads = integer(['num_attention_heads', 'n_heads'], 1, 4096);
  if (width % heads !== 0) return fail(`has ${heads} attention heads, which do not divide ${width}`);
  const activation = config['hidden_act'] ?? config['activation'] ?? 'gelu';
  const known = activations.find((name) => name === activation) ?? (activation === 'swish' ? 'silu' : fail(`has the activation ${JSON.stringify(activation)?.slice(0, 60)}, which is not known here; there are ${activations.join(', ')}`));
  const position = config['position_embedding_type'] ?? 'absolute';
  if (position !== 'absolute') return fail(`has positions of the type ${JSON.stringify(position)?.slice(0, 60)}; absolute ones are known. ${exportCommand}`);
  if (config['is_decoder'] === true || config['add_cross_attention'] === true) return fail(`is of a decoder, which is not built from weights. ${exportCommand}`);
  const epsilon = family === 'distilbert' ? 1e-12 : (config['layer_norm_eps'] ?? 1e-12);
  if (typeof epsilon !== 'number' || !(epsilon > 0 && epsilon < 1)) return fail(`says layer_norm_eps: ${JSON.stringify(epsilon)?.slice(0, 40)}`);
  return {
    family,
    head: headIn(config['architectures'], fail),
    layers: integer(['num_hidden_layers', 'n_layers'], 1, 1000),
    heads,
    width,
    inner: integer(['intermediate_size', 'hidden_dim'], 1, 1 << 20),
    vocabulary: integer(['vocab_size'], 1, 1 << 24),
    positions: integer(['max_position_embeddings'], 1, 1 << 20),
    typeCount: family === 'distilbert' ? 0 : integer(['type_vocab_size'], 0, 1 << 16, 2),
    embeddingSize: family === 'electra' ? integer(['embedding_size'], 1, 65_536, width) : width,
    epsilon,
    padding: integer(['pad_token_id'], 0, 1 << 24, family === 'roberta' ? 1 : 0),
    activation: known,
  };
}

const exportCommand = "torch.export.save(torch.export.export(model.eval(), (sample,)), 'model.pt2')";

/** `BertForSequenceClassification` → what stands on the encoder. */
function headIn(architectures: unknown, fail: (problem: string) => never): EncoderConfig['head'] {
  const name: unknown = Array.isArray(architectures) ? (architectures as unknown[])[0] : undefined;
  if (name === undefined) return 'none';
  if (typeof name !== 'string') return fail('has architectures that are no text');
  const suffix = /^[A-Za-z]+?(Model|For[A-Za-z]+)$/.exec(name)?.[1] ?? '';
  // ELECTRA's pretraining heads are others.
  const isKnown = Object.hasOwn(headOf, suffix) && !(headOf[suffix] === 'mask' && !/^(?:Bert|Roberta|XLMRoberta|Camembert|DistilBert)/.test(name));
  return isKnown ? headOf[suffix]! : fail(`is of ${JSON.stringify(name.slice(0, 80))}; built from weights and config.json are those that end on ${Object.keys(headOf).join(', ')}. Save the program instead: ${exportCommand}`);
}
