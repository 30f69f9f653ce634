/** What the predict door needs to know of a task's input schema: its properties and which of them are files. */
import type { JsonSchema } from '../../model.ts';

export interface InputProperty {
  readonly name: string;
  /** JSON types that it takes: `string`, `number` … Empty: any. */
  readonly types: readonly string[];
  /** Of a list's items; empty: any. */
  readonly itemTypes: readonly string[];
  /** Takes the bytes of a file: `format: image`, or content of a media type. */
  readonly file: boolean;
  /** Of the files that it takes: `image/*`, `audio/*`. */
  readonly mediaType?: string;
  readonly required: boolean;
}

/** The properties of the object that a schema describes; none where it describes other values only. `$ref`s into the schema itself are followed. */
export function inputProperties(schema: JsonSchema): InputProperty[] {
  const object = objectSchema(schema);
  if (object === undefined) return [];
  const { properties } = object as { properties?: unknown };
  const required = Array.isArray(object['required']) ? (object['required'] as unknown[]) : [];
  return Object.entries(properties as Record<string, JsonSchema>).map(([name, member]) => {
    const property = resolve(member, schema);
    const { items, format, contentMediaType } = property as { items?: unknown; format?: unknown; contentMediaType?: unknown };
    const itemTypes = typeof items === 'object' && items !== null ? typesOf(resolve(items as JsonSchema, schema)) : [];
    const file = format === 'image' || format === 'binary' || (typeof contentMediaType === 'string' && !contentMediaType.startsWith('text/'));
    return { name, types: typesOf(property), itemTypes, file, ...(typeof contentMediaType === 'string' ? { mediaType: contentMediaType } : {}), required: required.includes(name) };
  });
}

/** The schema itself, or the first of its alternatives, that has properties: a form is one object. */
export function objectSchema(schema: JsonSchema): JsonSchema | undefined {
  const whole = resolve(schema, schema);
  const choices = [whole, ...(['anyOf', 'oneOf'] as const).flatMap((keyword) => (Array.isArray(whole[keyword]) ? (whole[keyword] as JsonSchema[]).map((choice) => resolve(choice, schema)) : []))];
  return choices.find((choice) => typeof choice['properties'] === 'object' && choice['properties'] !== null);
}

/** The property that a body of nothing but a file fills: the only one that takes files. */
export function fileProperty(properties: readonly InputProperty[]): InputProperty | undefined {
  const files = properties.filter((property) => property.file);
  const others = properties.filter((property) => !property.file && property.required);
  return files.length === 1 && others.length === 0 ? files[0] : undefined;
}

function typesOf({ type }: JsonSchema): string[] {
  return typeof type === 'string' ? [type] : Array.isArray(type) ? type.filter((each): each is string => typeof each === 'string') : [];
}

function resolve(schema: JsonSchema, root: JsonSchema): JsonSchema {
  let current = schema;
  for (let step = 0; step < 16 && typeof current['$ref'] === 'string'; step++) {
    const target = current['$ref'].startsWith('#/')
      ? current['$ref']
          .slice(2)
          .split('/')
          .reduce<unknown>((value, key) => (typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[key.replaceAll('~1', '/').replaceAll('~0', '~')] : undefined), root)
      : undefined;
    if (typeof target !== 'object' || target === null) return current;
    current = target as JsonSchema;
  }
  return current;
}
