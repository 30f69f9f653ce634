/** Reading the values that text tasks take, and saying what is wrong with them. */
import { ModelportError } from '../../errors.ts';
import { didYouMean } from '../../lib/nearest.ts';
import type { JsonSchema } from '../../model.ts';

export type Fields = Readonly<Record<string, unknown>>;

/** The object that was sent; a text alone is its first field. Throws `INVALID_VALUE` naming the field. */
export function readFields(value: unknown, fields: readonly [string, ...string[]]): Fields {
  if (typeof value === 'string') return { [fields[0]]: value };
  if (typeof value !== 'object' || value === null || Array.isArray(value) || value instanceof Uint8Array) {
    throw new ModelportError('INVALID_VALUE', `the value is ${describe(value)}: send an object with the field '${fields[0]}'`);
  }
  const unknown = Object.keys(value).find((name) => !fields.includes(name));
  if (unknown !== undefined) throw new ModelportError('INVALID_VALUE', `there is no field '${unknown.slice(0, 80)}'${didYouMean(unknown, fields)}`, { at: unknown.slice(0, 80) });
  return value as Fields;
}

export function describe(value: unknown): string {
  if (value === undefined) return 'missing';
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'an array';
  return value instanceof Uint8Array ? 'a file' : `a ${typeof value}`;
}

/** A text that is not empty. */
export function readText(fields: Fields, name: string): string {
  const value = fields[name];
  if (typeof value !== 'string') throw new ModelportError('INVALID_VALUE', value === undefined ? `the field '${name}' is missing: it is a text` : `${name} is ${describe(value)}: it must be a text`, { at: name });
  if (!/\S/.test(value)) throw new ModelportError('INVALID_VALUE', `${name} is empty: write a text`, { at: name });
  return value;
}

export function readOptionalText(fields: Fields, name: string): string | undefined {
  return fields[name] === undefined || fields[name] === '' ? undefined : readText(fields, name);
}

/** One text or several; the second says which it was. */
export function readTexts(fields: Fields, name: string, most: number): { readonly texts: readonly string[]; readonly single: boolean } {
  const value = fields[name];
  if (!Array.isArray(value)) return { texts: [readText(fields, name)], single: true };
  if (value.length === 0 || value.length > most) throw new ModelportError('INVALID_VALUE', `${name} has ${value.length} texts: send 1 to ${most}`, { at: name });
  return { texts: value.map((text, index) => readText({ [`${name}[${index}]`]: text as unknown }, `${name}[${index}]`)), single: false };
}

/** A whole number; forms send it as text. */
export function readCount(fields: Fields, name: string, otherwise: number, least: number, most: number): number {
  const value = fields[name];
  if (value === undefined) return Math.min(otherwise, most);
  const count = typeof value === 'string' && /^\d{1,9}$/.test(value) ? Number(value) : value;
  if (typeof count !== 'number' || !Number.isInteger(count) || count < least || count > most) {
    throw new ModelportError('INVALID_VALUE', `${name} is ${JSON.stringify(value)?.slice(0, 80)}: write a whole number from ${least} to ${most}`, { at: name });
  }
  return count;
}

export function readNumber(fields: Fields, name: string, otherwise: number, least: number, most: number): number {
  const value = fields[name];
  if (value === undefined) return otherwise;
  const number = typeof value === 'string' && value.trim() !== '' ? Number(value) : value;
  if (typeof number !== 'number' || !(number >= least && number <= most)) throw new ModelportError('INVALID_VALUE', `${name} is ${JSON.stringify(value)?.slice(0, 80)}: write a number from ${least} to ${most}`, { at: name });
  return number;
}

export function readBoolean(fields: Fields, name: string, otherwise: boolean): boolean {
  const value = fields[name];
  if (value === undefined) return otherwise;
  if (value === true || value === 'true') return true;
  if (value === false || value === 'false') return false;
  throw new ModelportError('INVALID_VALUE', `${name} is ${JSON.stringify(value)?.slice(0, 80)}: write true or false`, { at: name });
}

export function readChoice<Choice extends string>(fields: Fields, name: string, otherwise: Choice, choices: readonly Choice[]): Choice {
  const value = fields[name];
  if (value === undefined) return otherwise;
  const found = choices.find((choice) => choice === value);
  if (found === undefined) throw new ModelportError('INVALID_VALUE', `${name} is ${JSON.stringify(value)?.slice(0, 80)}: write one of ${choices.join(', ')}${typeof value === 'string' ? didYouMean(value, choices) : ''}`, { at: name });
  return found;
}

export function textSchema(title: string, description: string): JsonSchema {
  return { type: 'string', minLength: 1, title, description, 'x-modelport': { widget: 'textarea' } };
}

/** Said where a text had more tokens than the model takes. */
export const truncatedSchema: JsonSchema = { type: 'boolean', description: 'Whether the text was longer than the model reads, so that only a part of it counted.' };

/** Positions in UTF-16 units as positions in characters, which is how Python and this API count. */
export function characterPositions(text: string): (position: number) => number {
  if (!/[\ud800-\udfff]/.test(text)) return (position) => position;
  const positions = new Int32Array(text.length + 1);
  let characters = 0;
  for (let index = 0; index < text.length; index++) {
    positions[index] = characters;
    const unit = text.charCodeAt(index);
    if (unit < 0xd800 || unit > 0xdbff) characters++;
  }
  positions[text.length] = characters;
  return (position) => positions[position]!;
}
