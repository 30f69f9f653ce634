/** Turns the JSON Schema of a predict input into the fields of a form. Pure. */
import type { JsonSchema, SchemaHints } from './api-types.ts';
import { writtenText } from './json.ts';

interface Common {
  /** '' for a value that is not an object. */
  readonly path: readonly string[];
  readonly name: string;
  readonly title: string;
  readonly description: string | undefined;
  readonly required: boolean;
  /** Left empty it is sent as `null`. */
  readonly nullable: boolean;
  readonly advanced: boolean;
  readonly initial: unknown;
}

export type Field = Common &
  (
    | {
        readonly kind: 'number';
        readonly integer: boolean;
        readonly slider: boolean;
        /** What the slider spans and the placeholder says. */
        readonly low: number | undefined;
        readonly high: number | undefined;
        /** What the schema forbids to leave. */
        readonly minimum: number | undefined;
        readonly maximum: number | undefined;
        readonly step: number | undefined;
        readonly unit: string | undefined;
      }
    | { readonly kind: 'text'; readonly multiline: boolean; readonly maxLength: number | undefined }
    | { readonly kind: 'lines' }
    | { readonly kind: 'select'; readonly options: readonly unknown[] }
    | { readonly kind: 'switch' }
    | { readonly kind: 'image'; readonly draw: boolean; readonly ink: 'black-on-white' | 'white-on-black' }
    | { readonly kind: 'json' }
  );

export type FieldKind = Field['kind'];
export type FieldOf<K extends FieldKind> = Extract<Field, { kind: K }>;

const maxDepth = 6;
/** A number whose limits lie farther apart is written, not slid. */
const widestRange = 1e6;

/** The fields of a schema, nested objects flattened; one field without a path for a value that is not an object. */
export function fieldsOf(schema: JsonSchema): Field[] {
  return collect(schema, schema, { path: [], required: true, depth: 0, advanced: false });
}

interface Place {
  readonly path: readonly string[];
  readonly required: boolean;
  readonly depth: number;
  readonly advanced: boolean;
}

function collect(schema: JsonSchema, root: JsonSchema, place: Place): Field[] {
  const resolved = resolve(schema, root);
  const hints = hintsOf(resolved);
  const properties = resolved['properties'];
  if (isObject(properties) && place.depth < maxDepth && hints.widget === undefined) {
    const required = Array.isArray(resolved['required']) ? (resolved['required'] as unknown[]) : [];
    return Object.entries(properties).flatMap(([name, property]) =>
      collect(isObject(property) ? property : {}, root, {
        path: [...place.path, name],
        required: place.required && required.includes(name),
        depth: place.depth + 1,
        advanced: place.advanced || hints.advanced === true,
      }));
  }
  return [field(resolved, root, hints, place)];
}

function field(schema: JsonSchema, root: JsonSchema, hints: FormHints, place: Place): Field {
  const name = place.path.at(-1) ?? '';
  const common: Common = {
    path: place.path,
    name,
    title: text(schema['title']) ?? humanize(name),
    description: text(schema['description']),
    required: place.required,
    nullable: Array.isArray(schema['type']) && schema['type'].includes('null'),
    advanced: place.advanced || hints.advanced === true,
    initial: schema['default'] ?? schema['const'],
  };
  const type = Array.isArray(schema['type']) ? (schema['type'] as unknown[]).find((member) => member !== 'null') : schema['type'];
  const mediaType = text(schema['contentMediaType']) ?? '';
  const format = text(schema['format']) ?? '';
  if (hints.widget === 'json') return { ...common, kind: 'json' };
  if (hints.widget === 'image' || hints.widget === 'draw' || mediaType.startsWith('image/') || format === 'image' || format === 'data-url') {
    return { ...common, kind: 'image', draw: hints.widget === 'draw', ink: hints.ink ?? 'black-on-white' };
  }
  const choices = Array.isArray(schema['enum']) ? (schema['enum'] as unknown[]) : Array.isArray(hints.options) ? hints.options : undefined;
  if (choices !== undefined) return { ...common, kind: 'select', options: choices, initial: common.initial ?? (common.required ? choices[0] : undefined) };
  if (type === 'number' || type === 'integer') {
    const minimum = number(schema['minimum']) ?? number(schema['exclusiveMinimum']);
    const maximum = number(schema['maximum']) ?? number(schema['exclusiveMaximum']);
    // Limits that only say what the datatype holds help nobody.
    const narrow = minimum !== undefined && maximum !== undefined ? maximum - minimum <= widestRange : Math.abs(minimum ?? maximum ?? 0) <= widestRange;
    const low = number(hints.minimum) ?? (narrow ? minimum : undefined);
    const high = number(hints.maximum) ?? (narrow ? maximum : undefined);
    const integer = type === 'integer';
    return {
      ...common,
      kind: 'number',
      integer,
      slider: hints.widget === 'slider' || (hints.widget === undefined && low !== undefined && high !== undefined && high > low),
      low,
      high,
      minimum,
      maximum,
      step: hints.step ?? number(schema['multipleOf']) ?? (integer ? 1 : undefined),
      unit: hints.unit,
    };
  }
  if (type === 'boolean') return { ...common, kind: 'switch', initial: common.initial ?? (common.required ? false : undefined) };
  if (type === 'array') {
    const items = resolve(isObject(schema['items']) ? schema['items'] : {}, root);
    return { ...common, kind: items['type'] === 'string' && items['contentMediaType'] === undefined ? 'lines' : 'json' };
  }
  if (type === 'string' || hints.widget === 'text' || hints.widget === 'textarea') {
    const maxLength = number(schema['maxLength']);
    const multiline = hints.widget === 'textarea' || (hints.widget !== 'text' && (maxLength === undefined || maxLength > 200));
    return { ...common, kind: 'text', multiline, maxLength };
  }
  return { ...common, kind: 'json' };
}

/** `$ref` into the document, and of alternatives the one that a form can show: an object before a list, `null` last. */
export function resolve(schema: JsonSchema, root: JsonSchema, depth = 0): JsonSchema {
  if (depth > 20) return {};
  const reference = text(schema['$ref']);
  if (reference?.startsWith('#') === true) {
    let target: unknown = root;
    for (const part of reference.slice(1).split('/').filter((name) => name !== '')) {
      target = isObject(target) ? target[decodeURIComponent(part).replaceAll('~1', '/').replaceAll('~0', '~')] : undefined;
    }
    const { $ref: _, ...beside } = schema;
    return resolve({ ...(isObject(target) ? target : {}), ...beside }, root, depth + 1);
  }
  const alternatives = schema['anyOf'] ?? schema['oneOf'];
  if (Array.isArray(alternatives)) {
    const resolved = (alternatives as readonly unknown[]).filter(isObject).map((alternative) => resolve(alternative, root, depth + 1));
    const best = resolved.find((alternative) => isObject(alternative['properties'])) ?? resolved.find((alternative) => alternative['type'] !== 'null');
    const { anyOf: _, oneOf: __, ...beside } = schema;
    const nullable = resolved.some((alternative) => alternative['type'] === 'null') && typeof best?.['type'] === 'string';
    return { ...best, ...(nullable ? { type: [best['type'], 'null'] } : {}), ...beside };
  }
  return schema;
}

type FormHints = SchemaHints & {
  /** Softer than the schema's own limits: what the slider spans. */
  readonly minimum?: number;
  readonly maximum?: number;
  /** Values to choose from where others are allowed too. */
  readonly options?: readonly unknown[];
};

function hintsOf(schema: JsonSchema): FormHints {
  const hints = schema['x-modelport'];
  return isObject(hints) ? hints : {};
}

/** `sepal_length` → `Sepal length`. */
export function humanize(name: string): string {
  const words = name.replace(/[_-]+/g, ' ').replace(/([a-z])([A-Z])/g, '$1 $2').trim();
  return words === '' ? 'Input' : words[0]!.toUpperCase() + words.slice(1);
}

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function text(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined;
}

function number(value: unknown): number | undefined {
  return typeof value === 'number' && Number.isFinite(value) ? value : undefined;
}

export function getAt(value: unknown, path: readonly string[]): unknown {
  return path.reduce<unknown>((node, name) => (isObject(node) ? node[name] : undefined), value);
}

/** A copy with the value at `path`; `undefined` removes it. */
export function setAt(value: unknown, path: readonly string[], item: unknown): unknown {
  const [name, ...rest] = path;
  if (name === undefined) return item;
  const object = isObject(value) ? value : {};
  const inner = setAt(object[name], rest, item);
  if (inner === undefined) {
    const { [name]: _, ...others } = object;
    return others;
  }
  return { ...object, [name]: inner };
}

/** The value of an untouched form. */
export function initialValue(fields: readonly Field[]): unknown {
  return fields.reduce<unknown>((value, entry) => (entry.initial === undefined ? value : setAt(value, entry.path, entry.initial)), fields.some((entry) => entry.path.length > 0) ? {} : undefined);
}

export interface FieldProblem {
  /** Dotted path of the field, '' for the whole value. */
  readonly field: string;
  readonly message: string;
}

/** What can be said before asking the server; the server has the last word. */
export function problemsOf(fields: readonly Field[], value: unknown): FieldProblem[] {
  return fields.flatMap((entry) => {
    const message = problemOf(entry, getAt(value, entry.path));
    return message === undefined ? [] : [{ field: entry.path.join('.'), message }];
  });
}

function problemOf(entry: Field, value: unknown): string | undefined {
  if (value === undefined || value === null || value === '') {
    if (!entry.required || (value === null && entry.nullable)) return undefined;
    if (entry.kind === 'image') return entry.draw ? 'Draw, drop or paste an image.' : 'Drop, paste or choose an image.';
    return entry.kind === 'number' ? `Write a number${rangeText(entry)}.` : 'Fill this in.';
  }
  if (entry.kind === 'number') {
    if (typeof value !== 'number' || Number.isNaN(value)) return `Write a number${rangeText(entry)}.`;
    if (entry.integer && !Number.isInteger(value)) return 'Write a whole number.';
    if (entry.minimum !== undefined && value < entry.minimum) return `At least ${entry.minimum}, please.`;
    if (entry.maximum !== undefined && value > entry.maximum) return `At most ${entry.maximum}, please.`;
  }
  if (entry.kind === 'text' && entry.maxLength !== undefined && writtenText(value).length > entry.maxLength) return `At most ${entry.maxLength} characters; this has ${writtenText(value).length}.`;
  if (entry.kind === 'json' && value instanceof UnreadJson) return value.message;
  return undefined;
}

/** JSON in the form that cannot be read yet. */
export class UnreadJson {
  readonly text: string;
  readonly message: string;

  constructor(text: string, message: string) {
    this.text = text;
    this.message = message;
  }
}

export function rangeText(entry: FieldOf<'number'>): string {
  const { low, high } = entry;
  if (low !== undefined && high !== undefined) return ` from ${low} to ${high}`;
  if (low !== undefined) return ` of at least ${low}`;
  return high === undefined ? '' : ` of at most ${high}`;
}

/** The field that a server's `at` means: `rows[0].sepal_length`, `/sepal_length` and `body.sepal_length` all do. */
export function fieldAt(fields: readonly Field[], at: string | undefined): Field | undefined {
  if (at === undefined) return undefined;
  const parts = at.replaceAll('"', '').split(/[./[\]]+/).filter((part) => part !== '');
  for (let start = 0; start < parts.length; start++) {
    const tail = parts.slice(start);
    const found = fields.find((entry) => entry.path.length > 0 && entry.path.every((name, index) => name === tail[index]));
    if (found !== undefined) return found;
  }
  return fields.length === 1 && fields[0]!.path.length === 0 ? fields[0] : undefined;
}
