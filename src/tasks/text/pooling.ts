/** From the vectors of tokens to the vector of a text. */
import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { Artifact } from '../../artifact.ts';
import type { Call } from '../../call.ts';
import { ModelportError } from '../../errors.ts';
import type { Model, TensorSpec } from '../../model.ts';
import { datatypes } from '../../tensor.ts';
import { findModelFile, readModelFile } from './model-files.ts';
import type { TextModel } from './text-model.ts';

export const poolings = ['mean', 'cls', 'max', 'last'] as const;
export type Pooling = (typeof poolings)[number];

export interface SentencePlan {
  readonly output: TensorSpec;
  /** Undefined where the output has one vector a text already. */
  readonly pooling: Pooling | undefined;
  readonly normalize: boolean;
}

/** The folder is one of the sentence-transformers library. */
export function isSentenceModel(artifact: Artifact): boolean {
  return findModelFile(artifact, 'config_sentence_transformers.json') !== undefined || findModelFile(artifact, join('1_Pooling', 'config.json')) !== undefined;
}

/** What the config says, else modules.json and 1_Pooling/config.json of the sentence-transformers library, else the mean. Throws `INVALID_CONFIG`. */
export function planSentences(model: Model, artifact: Artifact, given: { readonly output?: string | undefined; readonly pooling?: Pooling | undefined; readonly normalize?: boolean | undefined }): SentencePlan {
  const candidates = model.signature.outputs.filter((output) => datatypes[output.datatype].kind === 'float' && (output.shape.length === 2 || output.shape.length === 3));
  const named = given.output === undefined ? undefined : candidates.find((output) => output.name === given.output);
  const usual = ['sentence_embedding', 'last_hidden_state', 'token_embeddings', 'embeddings'];
  const output = given.output === undefined ? (usual.map((name) => candidates.find((one) => one.name === name)).find((one) => one !== undefined) ?? candidates[0]) : named;
  if (output === undefined) throw new ModelportError('INVALID_CONFIG', given.output === undefined ? 'no output holds vectors of tokens or texts' : `output '${given.output}' holds no vectors: name one of ${candidates.map(({ name }) => name).join(', ')}`, { at: 'task.output' });
  return { output, pooling: output.shape.length === 2 ? undefined : (given.pooling ?? saidPooling(artifact) ?? 'mean'), normalize: given.normalize ?? namesNormalize(artifact) };
}

function saidPooling(artifact: Artifact): Pooling | undefined {
  const config = readModelFile(artifact, join('1_Pooling', 'config.json'));
  if (config['pooling_mode_cls_token'] === true) return 'cls';
  if (config['pooling_mode_max_tokens'] === true) return 'max';
  if (config['pooling_mode_lasttoken'] === true) return 'last';
  return config['pooling_mode_mean_tokens'] === true ? 'mean' : undefined;
}

/** modules.json lists the steps of the library. */
function namesNormalize(artifact: Artifact): boolean {
  const path = findModelFile(artifact, 'modules.json');
  return path !== undefined && statSync(path).size < 1 << 20 && /\.Normalize"/.test(readFileSync(path, 'utf8'));
}

export interface SentenceVectors {
  readonly vectors: readonly Float64Array[];
  readonly truncated: boolean;
}

/** One vector a text. `at` names the texts in errors. */
export async function sentenceVectors(text: TextModel, plan: SentencePlan, texts: readonly string[], call: Call, at: string): Promise<SentenceVectors> {
  const limit = text.maxTokens === undefined ? {} : { maxTokens: text.maxTokens };
  const rows = await Promise.all(texts.map((one) => text.tokenizer.encode(one, limit, call, at)));
  const outputs = await text.run(rows, [plan.output], call);
  const vectors = outputs.map((row) => {
    const { data, shape } = row.get(plan.output.name)!;
    const vector = plan.pooling === undefined ? data : pool(data, shape[0]!, shape[1]!, plan.pooling);
    return plan.normalize ? normalized(vector) : vector;
  });
  return { vectors, truncated: rows.some(({ truncated }) => truncated) };
}

function pool(data: Float64Array, tokens: number, size: number, pooling: Pooling): Float64Array {
  if (tokens === 0) throw new ModelportError('INVALID_VALUE', 'the text has no tokens');
  if (pooling === 'cls') return data.slice(0, size);
  if (pooling === 'last') return data.slice((tokens - 1) * size, tokens * size);
  const vector = new Float64Array(size).fill(pooling === 'max' ? -Infinity : 0);
  for (let token = 0; token < tokens; token++) {
    for (let index = 0; index < size; index++) {
      const value = data[token * size + index]!;
      if (pooling === 'max') vector[index] = Math.max(vector[index]!, value);
      else vector[index]! += value / tokens;
    }
  }
  return vector;
}

export function normalized(vector: Float64Array): Float64Array {
  const length = Math.sqrt(vector.reduce((sum, value) => sum + value * value, 0));
  return length === 0 ? vector : vector.map((value) => value / length);
}
