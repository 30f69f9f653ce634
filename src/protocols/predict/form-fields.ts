/** Fields of forms and queries, which are all text, as a value of the task's schema. */
import { ModelportError } from '../../errors.ts';
import type { InputProperty } from './input-schema.ts';

/** Text fields (form, query) as the value: each read as its property's type; a field that comes twice is a list. */
export function fieldsValue(fields: Iterable<[string, string]>, properties: readonly InputProperty[]): Record<string, unknown> {
  const value: Record<string, unknown> = {};
  for (const [name, text] of fields) {
    const property = properties.find((each) => each.name === name);
    const isList = property?.types.includes('array') === true && !text.trim().startsWith('[');
    const read = fieldValue(name, text, isList ? property.itemTypes : (property?.types ?? []));
    const before = Object.hasOwn(value, name) ? value[name] : undefined;
    if (before !== undefined && !isList) throw new ModelportError('INVALID_VALUE', `the field '${name.slice(0, 80)}' is given twice`, { at: name });
    set(value, name, isList ? [...((before as unknown[] | undefined) ?? []), read] : read);
  }
  return value;
}

/** Text as the JSON type that is wanted. What does not fit stays text: the task says what is wrong with it. */
function fieldValue(name: string, text: string, types: readonly string[]): unknown {
  const trimmed = text.trim();
  if (types.includes('number') || types.includes('integer')) {
    if (/^-?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(trimmed)) return Number(trimmed);
  }
  if (types.includes('boolean') && (trimmed === 'true' || trimmed === 'false')) return trimmed === 'true';
  if (types.includes('null') && trimmed === 'null') return null;
  const structured = (types.includes('array') && trimmed.startsWith('[')) || (types.includes('object') && trimmed.startsWith('{'));
  if (structured || (types.length === 0 && /^[[{]/.test(trimmed))) {
    try {
      return JSON.parse(trimmed) as unknown;
    } catch (cause) {
      throw new ModelportError('INVALID_VALUE', `the field '${name.slice(0, 80)}' is not valid JSON: ${(cause as Error).message}`, { at: name, cause });
    }
  }
  return text;
}

/** As an own member, whatever its name. */
export function set(value: Record<string, unknown>, name: string, member: unknown): void {
  Object.defineProperty(value, name, { value: member, enumerable: true, configurable: true, writable: true });
}
