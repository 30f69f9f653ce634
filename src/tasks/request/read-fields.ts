/** The object that clients send to a task, field by field. */
import { ModelportError } from '../../errors.ts';
import { didYouMean } from '../../lib/nearest.ts';

export type Fields = Readonly<Record<string, unknown>>;

/**
 * The fields of a value, all of them known. `main`: the field that a text or file alone stands for. Throws `INVALID_VALUE`
 * naming a field that does not exist.
 */
export function readFields(value: unknown, known: readonly string[], main?: string): Fields {
  if (main !== undefined && (value instanceof Uint8Array || typeof value === 'string')) return { [main]: value };
  if (typeof value !== 'object' || value === null || Array.isArray(value) || value instanceof Uint8Array) {
    const found = value === undefined ? 'missing' : value === null ? 'null' : Array.isArray(value) ? 'an array' : value instanceof Uint8Array ? 'a file' : `a ${typeof value}`;
    throw new ModelportError('INVALID_VALUE', `the value is ${found}: send an object with the field '${main ?? known[0]!}'`);
  }
  const unknown = Object.keys(value).find((name) => !known.includes(name));
  if (unknown !== undefined) throw new ModelportError('INVALID_VALUE', `there is no field '${unknown}'${didYouMean(unknown, known)}`, { at: unknown });
  return value as Fields;
}

/** A whole number; as text too, as form fields come. Throws `INVALID_VALUE`. */
export function readCount(value: unknown, at: string, fallback: number, most: number): number {
  if (value === undefined) return fallback;
  const count = typeof value === 'string' && /^\d{1,6}$/.test(value) ? Number(value) : value;
  if (typeof count === 'number' && Number.isInteger(count) && count >= 1 && count <= most) return count;
  throw new ModelportError('INVALID_VALUE', `${at} is ${shown(value)}: write a whole number from 1 to ${most}`, { at });
}

/** A number from 0 to 1; as text too. Throws `INVALID_VALUE`. */
export function readShare(value: unknown, at: string, fallback: number): number {
  if (value === undefined) return fallback;
  const share = typeof value === 'string' && /^\d*\.?\d+$/.test(value) ? Number(value) : value;
  if (typeof share === 'number' && share >= 0 && share <= 1) return share;
  throw new ModelportError('INVALID_VALUE', `${at} is ${shown(value)}: write a number from 0 to 1`, { at });
}

/** A value in a message, cut where it is long. */
export function shown(value: unknown): string {
  const text = JSON.stringify(value) ?? String(value);
  return text.length > 80 ? `${text.slice(0, 80)}…` : text;
}
