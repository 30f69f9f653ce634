/** What a JSON Schema says of a value, as far as components are chosen by it. */
import type { JsonSchema } from '../../model.ts';

export interface Shape {
  /** Without `$ref` and without the alternative `null`. */
  readonly schema: JsonSchema;
  /** What `$ref`s point into. */
  readonly root: JsonSchema;
  /** JSON types; empty: any. */
  readonly types: readonly string[];
  readonly nullable: boolean;
  readonly hints: Readonly<Record<string, unknown>>;
  /** Of a file, by the schema: `image/*`. Undefined: no file. */
  readonly mediaType: string | undefined;
  /** All values that are allowed, where they are listed. */
  readonly choices: readonly unknown[] | undefined;
}

export interface Member {
  readonly name: string;
  readonly shape: Shape;
  readonly required: boolean;
}

export function shapeOf(schema: JsonSchema, root: JsonSchema = schema): Shape {
  const whole = followed(schema, root);
  const alternatives = alternativesOf(whole, root);
  const others = alternatives.filter(({ type }) => type !== 'null');
  // `anyOf: [X, null]` is X or nothing; what stands beside it (title, default) holds for both.
  const single = alternatives.length > 0 && others.length === 1 ? { ...whole, anyOf: undefined, oneOf: undefined, ...others[0] } : whole;
  const types = typesOf(single);
  return {
    schema: single,
    root,
    types: types.filter((type) => type !== 'null'),
    nullable: types.includes('null') || others.length < alternatives.length,
    hints: record(single['x-modelport']),
    mediaType: mediaTypeOf(single),
    choices: choicesOf(single),
  };
}

/** Of the items of a list; undefined where the schema says nothing of them. */
export function itemShape({ schema, root, types }: Shape): Shape | undefined {
  const { items } = schema;
  return types.includes('array') && isRecord(items) ? shapeOf(items, root) : undefined;
}

/**
 * The members of an object, or of the first alternative that is one: rows of tables are given alone or as a list, and a form is
 * one row. Undefined where the value is no object, or one of any members.
 */
export function membersOf(shape: Shape): readonly Member[] | undefined {
  const object = [shape.schema, ...alternativesOf(shape.schema, shape.root)].find(({ properties }) => isRecord(properties));
  if (object === undefined) return undefined;
  const { properties, required, additionalProperties } = object;
  if (isRecord(additionalProperties) && Object.keys(properties as object).length === 0) return undefined;
  const needed = Array.isArray(required) ? (required as unknown[]) : [];
  return Object.entries(properties as Record<string, JsonSchema>).map(([name, member]) => ({ name, shape: shapeOf(member, shape.root), required: needed.includes(name) }));
}

/** The first alternative, where there are several: what comes back for one row. */
export function firstAlternative(schema: JsonSchema): Shape {
  const shape = shapeOf(schema);
  const [first] = alternativesOf(shape.schema, shape.root);
  return first === undefined ? shape : shapeOf(first, schema);
}

function alternativesOf(schema: JsonSchema, root: JsonSchema): readonly JsonSchema[] {
  const { anyOf, oneOf } = schema;
  const listed = Array.isArray(anyOf) ? (anyOf as unknown[]) : Array.isArray(oneOf) ? (oneOf as unknown[]) : [];
  return listed.filter(isRecord).map((each) => followed(each, root));
}

function typesOf({ type }: JsonSchema): readonly string[] {
  return typeof type === 'string' ? [type] : Array.isArray(type) ? type.filter((each): each is string => typeof each === 'string') : [];
}

function choicesOf({ enum: choices, const: only }: JsonSchema): readonly unknown[] | undefined {
  if (only !== undefined && typeof only !== 'object') return [only];
  return Array.isArray(choices) ? choices.filter((each) => each !== null) : undefined;
}

function mediaTypeOf({ format, contentMediaType }: JsonSchema): string | undefined {
  const told = typeof contentMediaType === 'string' && !contentMediaType.startsWith('text/') ? contentMediaType : undefined;
  return told ?? (format === 'image' ? 'image/*' : format === 'binary' ? 'application/octet-stream' : undefined);
}

function followed(schema: JsonSchema, root: JsonSchema): JsonSchema {
  let current = schema;
  for (let step = 0; step < 16 && typeof current['$ref'] === 'string'; step++) {
    const pointer = current['$ref'];
    if (!pointer.startsWith('#/')) return current;
    let target: unknown = root;
    for (const key of pointer.slice(2).split('/')) target = isRecord(target) ? target[key.replaceAll('~1', '/').replaceAll('~0', '~')] : undefined;
    if (!isRecord(target)) return current;
    current = target;
  }
  return current;
}

function record(value: unknown): Readonly<Record<string, unknown>> {
  return isRecord(value) ? value : {};
}

export function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
