/** The object that clients send to a task, field by field. Everything here throws `INVALID_VALUE` that names the field. */
import { ModelportError } from '../../errors.ts';
import { didYouMean } from '../../lib/nearest.ts';

export type Fields = Readonly<Record<string, unknown>>;

/** The fields of a value, all of them known. `main`: the field that a text or file alone stands for. */
export function readFields(value: unknown, known: readonly string[], main?: string): Fields {
  if (main !== undefined && (value instanceof Uint8Array || typeof value === 'string')) return { [main]: value };
  if (typeof value !== 'object' || value === null || Array.isArray(value) || value instanceof Uint8Array) {
    throw new ModelportError('INVALID_VALUE', `the value is ${describe(value)}: send an object with the field '${main ?? known[0]!}'`);
  }
  const unknown = Object.keys(value).find((name) => !known.includes(name));
  if (unknown !== undefined) throw new ModelportError('INVALID_VALUE', `there is no field '${unknown.slice(0, 80)}'${didYouMean(unknown, known)}`, { at: unknown.slice(0, 80) });
  return value as Fields;
}

/** As {@link readFields} of a task on texts: a text alone is its first field, a file is none. */
export function readTextFields(value: unknown, known: readonly [string, ...string[]]): Fields {
  return typeof value === 'string' ? { [known[0]]: value } : readFields(value, known);
}

/** A whole number; as text too, as forms send it. */
export function readCount(fields: Fields, name: string, otherwise: number, least: number, most: number): number {
  const value = fields[name];
  if (value === undefined) return Math.min(otherwise, most);
  const count = typeof value === 'string' && /^\d{1,10}$/.test(value) ? Number(value) : value;
  if (typeof count === 'number' && Number.isInteger(count) && count >= least && count <= most) return count;
  throw new ModelportError('INVALID_VALUE', `${name} is ${shown(value)}: write a whole number from ${least} to ${most}`, { at: name });
}

/** A number; as text too. */
export function readNumber(fields: Fields, name: string, otherwise: number, least: number, most: number): number {
  const value = fields[name];
  if (value === undefined) return otherwise;
  const number = typeof value === 'string' && value.trim() !== '' ? Number(value) : value;
  if (typeof number === 'number' && number >= least && number <= most) return number;
  throw new ModelportError('INVALID_VALUE', `${name} is ${shown(value)}: write a number from ${least} to ${most}`, { at: name });
}

/** True or false; as text too. */
export function readBoolean(fields: Fields, name: string, otherwise: boolean): boolean {
  const value = fields[name];
  if (value === undefined) return otherwise;
  if (value === true || value === 'true') return true;
  if (value === false || value === 'false') return false;
  throw new ModelportError('INVALID_VALUE', `${name} is ${shown(value)}: write true or false`, { at: name });
}

export function readChoice<Choice extends string>(fields: Fields, name: string, otherwise: Choice, choices: readonly Choice[]): Choice {
  const value = fields[name];
  if (value === undefined) return otherwise;
  const found = choices.find((choice) => choice === value);
  if (found !== undefined) return found;
  throw new ModelportError('INVALID_VALUE', `${name} is ${shown(value)}: write one of ${choices.join(', ')}${typeof value === 'string' ? didYouMean(value, choices) : ''}`, { at: name });
}

/** What a value is, in a message. */
export function describe(value: unknown): string {
  if (value === undefined) return 'missing';
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'an array';
  return value instanceof Uint8Array ? 'a file' : `a ${typeof value}`;
}

/** A value in a message, cut where it is long. */
export function shown(value: unknown): string {
  const text = JSON.stringify(value) ?? String(value);
  return text.length > 80 ? `${text.slice(0, 80)}…` : text;
}
