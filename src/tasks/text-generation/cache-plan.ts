/** The inputs and outputs of a model that generates text with a key-value cache, as Optimum's exporter names them. */
import { ModelportError } from '../../errors.ts';
import type { Signature, TensorSpec } from '../../model.ts';
import { datatypes } from '../../tensor.ts';
import { findTokenInputs, type TokenInputs } from '../text/token-inputs.ts';

/** One of the tensors that a step reads and the next one continues: [batch, heads, tokens, size]. */
export interface CachePart {
  readonly input: TensorSpec;
  readonly output: TensorSpec;
  readonly heads: number;
  readonly size: number;
}

export interface CachePlan {
  readonly tokens: TokenInputs;
  /** Empty: the model has no cache, and reads everything again for each token. */
  readonly parts: readonly CachePart[];
  readonly logits: TensorSpec;
  /** Where one graph holds both branches: whether there is a cache. */
  readonly branch: TensorSpec | undefined;
  /** Rows of different lengths may share a run: positions are told, or there is no cache to line up. */
  readonly mixesLengths: boolean;
}

const pastName = /^past_key_values\.(\d+)\.(key|value)$/;

/** Undefined where the model does not look like one. Throws `INVALID_CONFIG` where it does, but a part is missing. */
export function findCachePlan(signature: Signature): CachePlan | undefined {
  const branch = signature.inputs.find((input) => input.name === 'use_cache_branch' && input.datatype === 'BOOL');
  const tokens = findTokenInputs(signature, (input) => pastName.test(input.name) || input === branch);
  const logits = signature.outputs.find((output) => output.name === 'logits' && datatypes[output.datatype].kind === 'float' && output.shape.length === 3);
  if (tokens === undefined || logits === undefined) return undefined;
  const parts: CachePart[] = [];
  for (const input of signature.inputs) {
    const match = pastName.exec(input.name);
    if (match === null) continue;
    const output = signature.outputs.find(({ name }) => name === `present.${match[1]}.${match[2]}`);
    if (output === undefined) throw new ModelportError('INVALID_CONFIG', `the model has the input '${input.name}', but no output 'present.${match[1]}.${match[2]}' that continues it`, { at: 'task' });
    const [, heads, , size] = input.shape;
    if (input.shape.length !== 4 || typeof heads !== 'number' || typeof size !== 'number' || heads < 1 || size < 1 || input.datatype === 'BYTES') {
      throw new ModelportError('INVALID_CONFIG', `input '${input.name}' is ${input.datatype} [${input.shape.join(', ')}], but a cache is [batch, heads, tokens, size] with fixed heads and size`, { at: 'task' });
    }
    parts.push({ input, output, heads, size });
  }
  return { tokens, parts, logits, branch, mixesLengths: tokens.mask !== undefined && tokens.positions !== undefined };
}
