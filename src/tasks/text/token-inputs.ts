/** The inputs of a model that takes tokens, as Hugging Face's exporters name them. */
import { ModelportError } from '../../errors.ts';
import type { Signature, TensorSpec } from '../../model.ts';
import type { Tensor } from '../../tensor.ts';
import type { Encoding } from './encoding.ts';

export interface TokenInputs {
  readonly ids: TensorSpec;
  readonly mask: TensorSpec | undefined;
  readonly typeIds: TensorSpec | undefined;
  readonly positions: TensorSpec | undefined;
}

const names = { ids: ['input_ids', 'ids', 'tokens'], mask: ['attention_mask', 'input_mask', 'mask'], typeIds: ['token_type_ids', 'segment_ids'], positions: ['position_ids'] };

/** The roles of a model's inputs; undefined where it takes no tokens. `others`: inputs that somebody else fills. */
export function findTokenInputs(signature: Signature, others: (spec: TensorSpec) => boolean = () => false): TokenInputs | undefined {
  const find = (role: keyof typeof names): TensorSpec | undefined => signature.inputs.find((input) => names[role].includes(input.name.toLowerCase().replace(/:\d+$/, '')) && (input.datatype === 'INT64' || input.datatype === 'INT32') && input.shape.length === 2);
  const ids = find('ids');
  if (ids === undefined) return undefined;
  const found = { ids, mask: find('mask'), typeIds: find('typeIds'), positions: find('positions') };
  const known: readonly (TensorSpec | undefined)[] = Object.values(found);
  return signature.inputs.every((input) => known.includes(input) || input.optional === true || others(input)) ? found : undefined;
}

/** Throws `INVALID_CONFIG`. */
export function requireTokenInputs(signature: Signature, task: string): TokenInputs {
  const found = findTokenInputs(signature);
  if (found !== undefined) return found;
  const has = signature.inputs.map((input) => `${input.name} ${input.datatype} [${input.shape.join(', ')}]`).join('; ');
  throw new ModelportError('INVALID_CONFIG', `${task} needs a model with the inputs input_ids and, where it has them, attention_mask and token_type_ids, all [batch, tokens] of INT64; this one has ${has}`, { at: 'task' });
}

/** The next of 8, 16, 24, 32, 48, 64, 96, 128 …: less than a third of a row of more than 16 tokens is padding. */
function commonLength(tokens: number): number {
  const step = Math.max(8, 2 ** (Math.ceil(Math.log2(tokens)) - 2));
  return Math.ceil(tokens / step) * step;
}

/** The most tokens a row may have, where the input has a fixed length. */
export function fixedLength({ ids }: TokenInputs): number | undefined {
  const length = ids.shape[1];
  return typeof length === 'number' && length > 0 ? length : undefined;
}

/**
 * Rows of tokens as input tensors, shorter ones filled up on the right. Where there is a mask, all are filled up to a length that
 * others are likely to have too, since only rows of one length share a run; never beyond `mostTokens`.
 */
export function tokenTensors(inputs: TokenInputs, rows: readonly Encoding[], padId = 0, mostTokens?: number): Map<string, Tensor> {
  const longest = rows.reduce((most, { ids }) => Math.max(most, ids.length), 1);
  const length = fixedLength(inputs) ?? (inputs.mask === undefined || mostTokens === undefined ? longest : Math.max(longest, Math.min(mostTokens, commonLength(longest))));
  const tensors = new Map<string, Tensor>();
  const add = (spec: TensorSpec | undefined, rest: number, valueAt: (row: Encoding, index: number) => number): void => {
    if (spec === undefined) return;
    const shape = [rows.length, length];
    if (spec.datatype === 'INT64') {
      const data = new BigInt64Array(rows.length * length);
      if (rest !== 0) data.fill(BigInt(rest));
      for (const [row, encoding] of rows.entries()) for (let index = 0; index < encoding.ids.length; index++) data[row * length + index] = BigInt(valueAt(encoding, index));
      tensors.set(spec.name, { datatype: 'INT64', shape, data });
    } else {
      const data = new Int32Array(rows.length * length).fill(rest);
      for (const [row, encoding] of rows.entries()) for (let index = 0; index < encoding.ids.length; index++) data[row * length + index] = valueAt(encoding, index);
      tensors.set(spec.name, { datatype: 'INT32', shape, data });
    }
  };
  add(inputs.ids, padId, (row, index) => row.ids[index]!);
  add(inputs.mask, 0, () => 1);
  add(inputs.typeIds, 0, (row, index) => row.typeIds[index]!);
  add(inputs.positions, 0, (_, index) => index);
  return tensors;
}
