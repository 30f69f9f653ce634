/**
 * Reads a value the way pydantic reads it in its lax mode (https://docs.pydantic.dev/latest/concepts/conversion_table/):
 * `"12"` is a number where a number is wanted, `"yes"` is true. What does not fit is told with pydantic's names and words.
 * Driven by the JSON Schema that zod writes of an endpoint's input. What only zod knows (refinements) is zod's to check afterwards.
 */
import type { JsonSchema } from '../model.ts';
import type { ValueProblem } from '../value-problem.ts';
import { count, isRecord, mostProblems, problem, type Loc, type Reading } from './conform-problem.ts';
import { readBoolean, readFloat, readInteger } from './conform-scalars.ts';
import { readText } from './conform-text.ts';
import { pythonList, pythonText } from './python-text.ts';

interface Conformed {
  readonly value: unknown;
  readonly problems: readonly ValueProblem[];
}

export function conform(value: unknown, schema: JsonSchema): Conformed {
  const reading: Reading = { root: schema, problems: [], strict: false };
  const read = readValue(value, schema, [], reading);
  return { value: read, problems: reading.problems };
}

function readValue(value: unknown, given: JsonSchema, loc: Loc, reading: Reading): unknown {
  const schema = resolveReference(given, reading.root);
  const alternatives = (schema['anyOf'] ?? schema['oneOf']) as JsonSchema[] | undefined;
  if (Array.isArray(alternatives)) return readUnion(value, alternatives, loc, reading);
  if (Array.isArray(schema['type'])) return readUnion(value, (schema['type'] as string[]).map((type) => ({ ...schema, type })), loc, reading);
  if (Array.isArray(schema['allOf'])) return (schema['allOf'] as JsonSchema[]).reduce((read, part) => merge(read, readValue(read, part, loc, reading)), value);
  if ('const' in schema) return readLiteral(value, [schema['const']], loc, reading);
  if (Array.isArray(schema['enum'])) return readLiteral(value, schema['enum'] as unknown[], loc, reading);
  switch (schema['type']) {
    case 'null':
      return value === null ? value : problem(reading, 'none_required', loc, 'Input should be None', value);
    case 'boolean':
      return readBoolean(value, loc, reading);
    case 'integer':
      return readInteger(value, schema, loc, reading);
    case 'number':
      return readFloat(value, schema, loc, reading);
    case 'string':
      return readText(value, schema, loc, reading);
    case 'array':
      return Array.isArray(schema['prefixItems']) ? readTuple(value, schema, loc, reading) : readList(value, schema, loc, reading);
    case 'object':
      return isRecord(schema['properties']) && (Object.keys(schema['properties']).length > 0 || !isRecord(schema['additionalProperties'])) ? readModel(value, schema, loc, reading) : readDictionary(value, schema, loc, reading);
    default:
      return value;
  }
}

function merge(left: unknown, right: unknown): unknown {
  return isRecord(left) && isRecord(right) ? { ...left, ...right } : right;
}

function resolveReference(schema: JsonSchema, root: JsonSchema): JsonSchema {
  let current = schema;
  for (let step = 0; step < 16 && typeof current['$ref'] === 'string'; step++) {
    const target = current['$ref']
      .replace(/^#\/?/, '')
      .split('/')
      .reduce<unknown>((found, part) => (part === '' ? found : isRecord(found) ? found[part.replaceAll('~1', '/').replaceAll('~0', '~')] : undefined), root);
    if (!isRecord(target)) return current;
    current = target;
  }
  return current;
}

function readLiteral(value: unknown, values: readonly unknown[], loc: Loc, reading: Reading): unknown {
  if (values.includes(value)) return value;
  const expected = pythonList(values.map(pythonText));
  return problem(reading, 'literal_error', loc, `Input should be ${expected}`, value, { expected });
}

/** An object with named members. Members that are not named are zod's to drop, or refused where the schema says so. */
function readModel(value: unknown, schema: JsonSchema, loc: Loc, reading: Reading): unknown {
  if (!isRecord(value)) return problem(reading, 'model_attributes_type', loc, 'Input should be a valid dictionary or object to extract fields from', value);
  const properties = schema['properties'] as Record<string, JsonSchema>;
  const required = new Set(Array.isArray(schema['required']) ? (schema['required'] as string[]) : []);
  const read: Record<string, unknown> = { ...value };
  for (const [name, property] of Object.entries(properties)) {
    if (Object.hasOwn(value, name) && value[name] !== undefined) set(read, name, readValue(value[name], property, [...loc, name], reading));
    else if (required.has(name)) problem(reading, 'missing', [...loc, name], 'Field required', value);
  }
  const { additionalProperties } = schema;
  for (const name of Object.keys(value)) {
    if (Object.hasOwn(properties, name)) continue;
    if (additionalProperties === false) problem(reading, 'extra_forbidden', [...loc, name], 'Extra inputs are not permitted', value[name]);
    else if (isRecord(additionalProperties)) set(read, name, readValue(value[name], additionalProperties, [...loc, name], reading));
  }
  return read;
}

function readDictionary(value: unknown, schema: JsonSchema, loc: Loc, reading: Reading): unknown {
  if (!isRecord(value)) return problem(reading, 'dict_type', loc, 'Input should be a valid dictionary', value);
  const { additionalProperties, propertyNames } = schema;
  const read: Record<string, unknown> = {};
  for (const [name, member] of Object.entries(value)) {
    if (isRecord(propertyNames)) readValue(name, propertyNames, [...loc, name, '[key]'], reading);
    set(read, name, isRecord(additionalProperties) ? readValue(member, additionalProperties, [...loc, name], reading) : member);
  }
  checkLength(value, Object.keys(value).length, schema, ['minProperties', 'maxProperties'], 'Dictionary', loc, reading);
  return read;
}

function readList(value: unknown, schema: JsonSchema, loc: Loc, reading: Reading): unknown {
  if (!Array.isArray(value)) return problem(reading, 'list_type', loc, 'Input should be a valid list', value);
  const { maxItems, items } = schema;
  // As pydantic: a list that is too long is not read to its end.
  if (typeof maxItems === 'number' && value.length > maxItems && !isRecord(items)) return checkLength(value, value.length, schema, ['minItems', 'maxItems'], 'List', loc, reading);
  const before = reading.problems.length;
  const read = isRecord(items) ? value.map((item, index) => (reading.problems.length >= mostProblems ? item : readValue(item, items, [...loc, index], reading))) : value;
  if (reading.problems.length === before || (typeof maxItems === 'number' && value.length > maxItems)) checkLength(value, value.length, schema, ['minItems', 'maxItems'], 'List', loc, reading);
  return read;
}

function readTuple(value: unknown, schema: JsonSchema, loc: Loc, reading: Reading): unknown {
  if (!Array.isArray(value)) return problem(reading, 'tuple_type', loc, 'Input should be a valid tuple', value);
  const wanted = schema['prefixItems'] as JsonSchema[];
  const { items } = schema;
  if (value.length > wanted.length && !isRecord(items)) {
    return problem(reading, 'too_long', loc, `Tuple should have at most ${count(wanted.length, 'item')} after validation, not ${value.length}`, value, { field_type: 'Tuple', max_length: wanted.length, actual_length: value.length });
  }
  const read = wanted.map((item, index) => (index < value.length ? readValue(value[index], item, [...loc, index], reading) : problem(reading, 'missing', [...loc, index], 'Field required', value)));
  return isRecord(items) ? [...read, ...value.slice(wanted.length).map((item, index) => readValue(item, items, [...loc, wanted.length + index], reading))] : read;
}

function checkLength(value: unknown, length: number, schema: JsonSchema, [minimum, maximum]: readonly [string, string], kind: string, loc: Loc, reading: Reading): undefined {
  const least = schema[minimum];
  const most = schema[maximum];
  if (typeof least === 'number' && length < least) problem(reading, 'too_short', loc, `${kind} should have at least ${count(least, 'item')} after validation, not ${length}`, value, { field_type: kind, min_length: least, actual_length: length });
  if (typeof most === 'number' && length > most) problem(reading, 'too_long', loc, `${kind} should have at most ${count(most, 'item')} after validation, not ${length}`, value, { field_type: kind, max_length: most, actual_length: length });
  return undefined;
}

/** The first alternative that takes the value as it is, else the first that can convert it; else what each has against it. */
function readUnion(value: unknown, alternatives: readonly JsonSchema[], loc: Loc, reading: Reading): unknown {
  const { root } = reading;
  const flat = alternatives.flatMap((alternative) => (isUnion(resolveReference(alternative, root)) ? (resolveReference(alternative, root)['anyOf'] as JsonSchema[]) : [alternative])).map((alternative) => resolveReference(alternative, root));
  const others = flat.filter((alternative) => alternative['type'] !== 'null');
  if (others.length < flat.length && value === null) return null;
  if (others.length === 1) return readValue(value, others[0]!, loc, reading);
  const tag = discriminator(others);
  if (tag !== undefined) return readTagged(value, others, tag, loc, reading);
  for (const strict of [true, false]) {
    for (const alternative of others) {
      const attempt: Reading = { root, problems: [], strict };
      const read = readValue(value, alternative, loc, attempt);
      if (attempt.problems.length === 0) return read;
    }
  }
  for (const alternative of others) readValue(value, alternative, [...loc, typeName(alternative, root)], reading);
  return undefined;
}

function isUnion(schema: JsonSchema): boolean {
  return Array.isArray(schema['anyOf']);
}

/** The member that each alternative has a constant of its own for. */
function discriminator(alternatives: readonly JsonSchema[]): string | undefined {
  const [first] = alternatives;
  if (first === undefined || !isRecord(first['properties'])) return undefined;
  return Object.keys(first['properties']).find((name) => alternatives.every((alternative) => isRecord(alternative['properties']) && isRecord(alternative['properties'][name]) && 'const' in alternative['properties'][name]));
}

function readTagged(value: unknown, alternatives: readonly JsonSchema[], name: string, loc: Loc, reading: Reading): unknown {
  if (!isRecord(value)) return problem(reading, 'model_attributes_type', loc, 'Input should be a valid dictionary or object to extract fields from', value);
  const quoted = pythonText(name);
  if (value[name] === undefined) return problem(reading, 'union_tag_not_found', loc, `Unable to extract tag using discriminator ${quoted}`, value, { discriminator: quoted });
  const tags = alternatives.map((alternative) => (alternative['properties'] as Record<string, JsonSchema>)[name]!['const']);
  const place = tags.indexOf(value[name]);
  if (place !== -1) return readValue(value, alternatives[place]!, [...loc, String(tags[place])], reading);
  const expected = tags.map(pythonText).join(', ');
  const tag = typeof value[name] === 'string' ? value[name] : pythonText(value[name]);
  return problem(reading, 'union_tag_invalid', loc, `Input tag '${tag}' found using ${quoted} does not match any of the expected tags: ${expected}`, value, { discriminator: quoted, tag, expected_tags: expected });
}

/** What pydantic calls a type in the place of an error inside a union. */
function typeName(given: JsonSchema, root: JsonSchema): string {
  const schema = resolveReference(given, root);
  const constrained = (names: readonly string[]) => names.some((name) => schema[name] !== undefined);
  switch (schema['type']) {
    case 'integer':
      return hasOwnBounds(schema) ? 'constrained-int' : 'int';
    case 'number':
      return hasOwnBounds(schema) ? 'constrained-float' : 'float';
    case 'boolean':
      return 'bool';
    case 'null':
      return 'none';
    case 'array':
      if (Array.isArray(schema['prefixItems'])) return `tuple[${(schema['prefixItems'] as JsonSchema[]).map((item) => typeName(item, root)).join(',')}]`;
      return `list[${isRecord(schema['items']) ? typeName(schema['items'], root) : 'any'}]`;
    case 'object':
      if (isRecord(schema['properties'])) return typeof schema['title'] === 'string' ? schema['title'] : 'object';
      return `dict[str,${isRecord(schema['additionalProperties']) ? typeName(schema['additionalProperties'], root) : 'any'}]`;
    case 'string':
      if (Array.isArray(schema['enum'])) return `literal[${(schema['enum'] as unknown[]).map(pythonText).join(',')}]`;
      if ('const' in schema) return `literal[${pythonText(schema['const'])}]`;
      return constrained(['minLength', 'maxLength']) || (constrained(['pattern']) && !constrained(['format'])) ? 'constrained-str' : (formatNames[String(schema['format'])] ?? 'str');
    default:
      return Array.isArray(schema['enum']) ? `literal[${(schema['enum'] as unknown[]).map(pythonText).join(',')}]` : 'any';
  }
}

const formatNames: Readonly<Record<string, string>> = { 'date-time': 'datetime', date: 'date', time: 'time', uuid: 'uuid', uri: 'url' };

/** Zod keeps integers within 2^53 unasked; that is no limit that a person set. */
function hasOwnBounds({ minimum, maximum, exclusiveMinimum, exclusiveMaximum, multipleOf }: JsonSchema): boolean {
  return [minimum, maximum].some((bound) => typeof bound === 'number' && Math.abs(bound) !== Number.MAX_SAFE_INTEGER) || exclusiveMinimum !== undefined || exclusiveMaximum !== undefined || multipleOf !== undefined;
}

function set(target: Record<string, unknown>, name: string, value: unknown): void {
  Object.defineProperty(target, name, { value, enumerable: true, configurable: true, writable: true });
}
