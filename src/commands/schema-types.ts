/** JSON Schema as the text of a TypeScript type. What a type can't say (lengths, ranges, formats) is left out. */
import type { JsonSchema } from '../model.ts';

const deepest = 20;

export function typeOfSchema(schema: unknown, root: JsonSchema = isSchema(schema) ? schema : {}, depth = 0): string {
  if (schema === true || !isSchema(schema) || depth > deepest) return schema === false ? 'never' : 'unknown';
  const { $ref, const: constant, enum: values, anyOf, oneOf, allOf, type } = schema;
  if (typeof $ref === 'string') return typeOfSchema(resolve($ref, root), root, depth + 1);
  if (constant !== undefined) return JSON.stringify(constant);
  if (Array.isArray(values)) return union(values.map((value) => JSON.stringify(value)));
  const alternatives = anyOf ?? oneOf;
  if (Array.isArray(alternatives)) return union(alternatives.map((alternative) => typeOfSchema(alternative, root, depth + 1)));
  if (Array.isArray(allOf)) return allOf.map((part) => typeOfSchema(part, root, depth + 1)).join(' & ') || 'unknown';
  if (Array.isArray(type)) return union(type.map((one) => typeOfSchema({ ...schema, type: one as unknown }, root, depth + 1)));
  switch (type) {
    case 'string':
      return 'string';
    case 'number':
    case 'integer':
      return 'number';
    case 'boolean':
      return 'boolean';
    case 'null':
      return 'null';
    case 'array':
      return arrayType(schema, root, depth);
    case 'object':
      return objectType(schema, root, depth);
    default:
      return isSchema(schema['properties']) ? objectType(schema, root, depth) : 'unknown';
  }
}

function arrayType(schema: JsonSchema, root: JsonSchema, depth: number): string {
  const { items, prefixItems } = schema;
  if (Array.isArray(prefixItems)) return `[${prefixItems.map((item) => typeOfSchema(item, root, depth + 1)).join(', ')}${items === false ? '' : `, ...${bracketed(typeOfSchema(items ?? true, root, depth + 1))}[]`}]`;
  return `${bracketed(typeOfSchema(items ?? true, root, depth + 1))}[]`;
}

function objectType(schema: JsonSchema, root: JsonSchema, depth: number): string {
  const required = new Set(Array.isArray(schema['required']) ? (schema['required'] as string[]) : []);
  const properties = isSchema(schema['properties']) ? Object.entries(schema['properties']) : [];
  const members = properties.map(([name, property]) => `${JSON.stringify(name)}${required.has(name) ? '' : '?'}: ${typeOfSchema(property, root, depth + 1)}`);
  const { additionalProperties } = schema;
  if (members.length === 0) return additionalProperties === false ? 'Record<string, never>' : `Record<string, ${typeOfSchema(additionalProperties ?? true, root, depth + 1)}>`;
  return `{ ${members.join('; ')} }`;
}

function union(types: readonly string[]): string {
  return [...new Set(types)].join(' | ') || 'never';
}

function bracketed(type: string): string {
  return /[|&]/.test(type) ? `(${type})` : type;
}

function isSchema(value: unknown): value is JsonSchema {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** `#/$defs/name` */
function resolve(reference: string, root: JsonSchema): unknown {
  let found: unknown = root;
  for (const part of reference.replace(/^#\/?/, '').split('/')) {
    if (part === '') continue;
    found = isSchema(found) ? found[part.replaceAll('~1', '/').replaceAll('~0', '~')] : undefined;
  }
  return found;
}
