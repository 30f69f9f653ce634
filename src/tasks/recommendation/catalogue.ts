/** Users or items: what people call them, and what the model takes. */
import { ModelportError } from '../../errors.ts';
import { didYouMean } from '../../lib/nearest.ts';
import type { JsonSchema, TensorSpec } from '../../model.ts';
import { allocate, type Tensor } from '../../tensor.ts';
import { shown } from '../request/read-fields.ts';

export interface Catalogue {
  /** Undefined: not known, anything that the input takes. */
  readonly names: readonly (string | number)[] | undefined;
  /** Numbers from `first` on. */
  readonly count: number | undefined;
  readonly first: number;
  /** `user` or `item`. */
  readonly kind: string;
  /** The input that takes them; undefined for items that are columns of the answer. */
  readonly spec: TensorSpec | undefined;
}

/** What the model takes for a name or number of a client. Throws `INVALID_VALUE`. */
export function codeOf(value: unknown, { names, count, first, kind, spec }: Catalogue, at: string): number | string {
  const fail = (reason: string): ModelportError => new ModelportError('INVALID_VALUE', `${at} is ${shown(value)}, ${reason}`, { at });
  if (names !== undefined) {
    const place = names.findIndex((name) => name === value || String(name) === value);
    if (place === -1) throw fail(`and there is no such ${kind}${typeof value === 'string' ? didYouMean(value, names.length <= 10_000 ? names.map(String) : []) : ''}`);
    return spec?.datatype === 'BYTES' ? String(names[place]) : place + first;
  }
  if (spec?.datatype === 'BYTES') {
    if (typeof value === 'string' && value !== '' && value.length <= 1000) return value;
    throw fail(`not the name of ${kind === 'item' ? 'an' : 'a'} ${kind}`);
  }
  const number = typeof value === 'string' && /^\d{1,15}$/.test(value) ? Number(value) : value;
  if (typeof number !== 'number' || !Number.isSafeInteger(number) || number < first) throw fail(`not the number of ${kind === 'item' ? 'an' : 'a'} ${kind}: write a whole number${first === 0 ? '' : ` from ${first} on`}`);
  if (count !== undefined && number >= first + count) throw fail(`but ${kind}s are numbered from ${first} to ${first + count - 1}`);
  return number;
}

/** What a client sees of the item at a place. */
export function nameAt(place: number, { names, first }: Catalogue): string | number {
  return names?.[place] ?? place + first;
}

/** Rows of one input. */
export function codesTensor(codes: readonly (number | string)[], spec: TensorSpec): Tensor {
  const shape = spec.shape.length === 2 ? [codes.length, 1] : [codes.length];
  if (spec.datatype === 'BYTES') return { datatype: 'BYTES', shape, data: codes.map((code) => new TextEncoder().encode(String(code))) };
  const data = allocate(spec.datatype, codes.length);
  const wide = spec.datatype === 'INT64' || spec.datatype === 'UINT64';
  codes.forEach((code, row) => {
    (data as unknown as (number | bigint)[])[row] = wide ? BigInt(code) : Number(code);
  });
  return { datatype: spec.datatype, shape, data };
}

/** Up to so many names are listed in schemas. */
const mostListed = 200;

export function codeSchema({ names, count, first, spec }: Catalogue): JsonSchema {
  if (names !== undefined) return names.length <= mostListed ? { enum: names } : { type: names.every((name) => typeof name === 'number') ? 'integer' : 'string', examples: names.slice(0, 5) };
  if (spec?.datatype === 'BYTES') return { type: 'string', minLength: 1 };
  return { type: 'integer', minimum: first, ...(count === undefined ? {} : { maximum: first + count - 1 }), 'x-modelport': { widget: 'number' } };
}
