/** Captions as rows of the inputs of a text model. */
import type { Call } from '../../call.ts';
import { ModelportError } from '../../errors.ts';
import type { Signature, TensorSpec } from '../../model.ts';
import type { Tensor } from '../../tensor.ts';
import type { TextTokenizer } from '../text/text-tokenizer.ts';

const roles = ['input_ids', 'attention_mask', 'token_type_ids', 'position_ids'] as const;

/** The inputs of a model that captions fill, named as transformers names them. */
export function captionInputs(signature: Signature): readonly TensorSpec[] {
  return signature.inputs.filter((input) => (roles as readonly string[]).includes(input.name) && (input.datatype === 'INT64' || input.datatype === 'INT32'));
}

/** All captions filled up to the longest one, or to the length that the input takes. */
export async function captionTensors(captions: readonly string[], specs: readonly TensorSpec[], tokenizer: TextTokenizer, call: Call): Promise<Map<string, Tensor>> {
  const wanted = specs[0]!.shape.at(-1);
  const fixed = typeof wanted === 'number' && wanted > 0 ? wanted : undefined;
  const most = Math.min(fixed ?? Infinity, tokenizer.maxTokens ?? Infinity);
  const rows = [];
  for (const [index, caption] of captions.entries()) rows.push(await tokenizer.encode(caption, most === Infinity ? {} : { maxTokens: most, truncationSide: tokenizer.truncationSide }, call, `labels[${index}]`));
  const length = fixed ?? rows.reduce((longest, { ids }) => Math.max(longest, ids.length), 1);
  const { pad } = tokenizer.special;
  if (pad === undefined && rows.some(({ ids }) => ids.length < length)) throw new ModelportError('INVALID_CONFIG', 'tokenizer_config.json names no pad_token, with which shorter captions are filled up', { at: 'task' });
  const tensors = new Map<string, Tensor>();
  for (const spec of specs) {
    const values = rows.flatMap(({ ids, typeIds }) => {
      const rest = Array.from({ length: length - ids.length }, () => 0);
      if (spec.name === 'input_ids') return [...ids, ...rest.fill(pad ?? 0)];
      if (spec.name === 'attention_mask') return [...ids.map(() => 1), ...rest];
      return spec.name === 'token_type_ids' ? [...typeIds, ...rest] : Array.from({ length }, (_, position) => position);
    });
    const shape = [captions.length, length];
    tensors.set(spec.name, spec.datatype === 'INT64' ? { datatype: 'INT64', shape, data: BigInt64Array.from(values, BigInt) } : { datatype: 'INT32', shape, data: Int32Array.from(values) });
  }
  return tensors;
}
