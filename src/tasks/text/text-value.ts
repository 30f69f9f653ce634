/** The texts in values that tasks take, and how schemas tell of them. */
import { ModelportError } from '../../errors.ts';
import type { JsonSchema } from '../../model.ts';
import { describe, type Fields } from '../request/read-fields.ts';

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
