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
  readonly role: SchemaHints['role'];
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
    | { readonly kind: 'tags'; readonly numeric: boolean; readonly options: readonly unknown[] | undefined; readonly most: number | undefined }
    | { readonly kind: 'date'; readonly type: 'date' | 'datetime-local' | 'time' }
    | { readonly kind: 'select'; readonly options: readonly unknown[] }
    | { readonly kind: 'switch' }
    | { readonly kind: 'image'; readonly draw: boolean; readonly ink: 'black-on-white' | 'white-on-black' }
    | { readonly kind: 'audio'; readonly sampleRate: number | undefined }
    | { readonly kind: 'file'; readonly accept: string; readonly many: boolean; readonly most: number | undefined }
    | { readonly kind: 'table'; readonly columns: readonly Column[]; readonly most: number | undefined }
    | { readonly kind: 'tensor'; readonly datatype: string; readonly shape: readonly number[] }
    | { readonly kind: 'chat' }
    | { readonly kind: 'json' }
  );

/** Of a table that is filled in. */
export interface Column {
  readonly name: string;
  readonly title: string;
  readonly type: 'text' | 'number' | 'boolean';
  readonly required: boolean;
  readonly options: readonly unknown[] | undefined;
}

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
    role: hints.role,
    initial: schema['default'] ?? schema['const'],
  };
  const type = Array.isArray(schema['type']) ? (schema['type'] as unknown[]).find((member) => member !== 'null') : schema['type'];
  const mediaType = text(schema['contentMediaType']) ?? '';
  const format = text(schema['format']) ?? '';
  if (hints.widget === 'json') return { ...common, kind: 'json' };
  if (hints.widget === 'chat') return { ...common, kind: 'chat' };
  if (hints.widget === 'tensor') return { ...common, kind: 'tensor', datatype: text(hints.datatype) ?? 'FP32', shape: Array.isArray(hints.shape) ? hints.shape.map(Number) : [-1] };
  if (type === 'array') return listField(schema, root, hints, common);
  if (hints.widget === 'image' || hints.widget === 'draw' || mediaType.startsWith('image/') || format === 'image' || format === 'data-url') {
    return { ...common, kind: 'image', draw: hints.widget === 'draw', ink: hints.ink ?? 'black-on-white' };
  }
  if (hints.widget === 'audio' || mediaType.startsWith('audio/') || format === 'audio') return { ...common, kind: 'audio', sampleRate: number(hints.sampleRate) };
  if (isFile(hints, mediaType, format)) return { ...common, kind: 'file', accept: acceptOf(mediaType), many: false, most: undefined };
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
  const dateType = dateTypes[format];
  if (type === 'string' && dateType !== undefined && hints.widget === undefined) return { ...common, kind: 'date', type: dateType };
  if (type === 'string' || hints.widget === 'text' || hints.widget === 'textarea') {
    const maxLength = number(schema['maxLength']);
    const multiline = hints.widget === 'textarea' || (hints.widget !== 'text' && (maxLength === undefined || maxLength > 200));
    return { ...common, kind: 'text', multiline, maxLength };
  }
  return { ...common, kind: 'json' };
}

const dateTypes: Readonly<Record<string, FieldOf<'date'>['type']>> = { date: 'date', 'date-time': 'datetime-local', time: 'time' };

function isFile(hints: FormHints, mediaType: string, format: string): boolean {
  return hints.widget === 'file' || format === 'binary' || (mediaType !== '' && !/^text\/|json/.test(mediaType));
}

/** For the chooser; '' takes anything. */
function acceptOf(mediaType: string): string {
  return mediaType === 'application/octet-stream' || mediaType === '*/*' ? '' : mediaType;
}

function listField(schema: JsonSchema, root: JsonSchema, hints: FormHints, common: Common): Field {
  const items = resolve(isObject(schema['items']) ? schema['items'] : {}, root);
  const itemHints = hintsOf(items);
  const most = number(schema['maxItems']);
  const mediaType = text(items['contentMediaType']) ?? '';
  const format = text(items['format']) ?? '';
  if (items['type'] === 'string' && (isFile(itemHints, mediaType, format) || ['image', 'draw', 'audio'].includes(itemHints.widget ?? '') || ['image', 'audio'].includes(format))) {
    return { ...common, kind: 'file', accept: acceptOf(mediaType), many: true, most };
  }
  const options = Array.isArray(items['enum']) ? (items['enum'] as unknown[]) : undefined;
  if (hints.widget === 'tags' || options !== undefined) return { ...common, kind: 'tags', numeric: items['type'] === 'number' || items['type'] === 'integer', options, most };
  if (items['type'] === 'string') return { ...common, kind: 'lines' };
  if (items['type'] === 'number' || items['type'] === 'integer') return { ...common, kind: 'tags', numeric: true, options: undefined, most };
  const columns = columnsOf(items, root);
  return columns === undefined ? { ...common, kind: 'json' } : { ...common, kind: 'table', columns, most };
}

/** The columns of rows that hold scalars only. */
function columnsOf(items: JsonSchema, root: JsonSchema): Column[] | undefined {
  const properties = items['properties'];
  if (!isObject(properties) || Object.keys(properties).length === 0) return undefined;
  const required = Array.isArray(items['required']) ? (items['required'] as unknown[]) : [];
  const columns: Column[] = [];
  for (const [name, property] of Object.entries(properties)) {
    const cell = resolve(isObject(property) ? property : {}, root);
    const type = Array.isArray(cell['type']) ? (cell['type'] as unknown[]).find((member) => member !== 'null') : cell['type'];
    const options = Array.isArray(cell['enum']) ? (cell['enum'] as unknown[]) : undefined;
    if (type === 'object' || type === 'array' || (type === undefined && options === undefined)) return undefined;
    columns.push({ name, title: text(cell['title']) ?? name, type: type === 'number' || type === 'integer' ? 'number' : type === 'boolean' ? 'boolean' : 'text', required: required.includes(name), options });
  }
  return columns;
}

/** A cell as it is written → the value of its column; undefined: empty. */
export function readCell(column: Column, written: string): unknown {
  const trimmed = written.trim();
  if (trimmed === '') return undefined;
  if (column.options !== undefined) return column.options.find((option) => writtenText(option) === trimmed) ?? trimmed;
  if (column.type === 'boolean') return /^(?:true|yes|1)$/i.test(trimmed) ? true : /^(?:false|no|0)$/i.test(trimmed) ? false : trimmed;
  if (column.type === 'text') return written;
  const value = Number(trimmed.replace(',', '.'));
  return Number.isNaN(value) ? trimmed : value;
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

export function hintsOf(schema: JsonSchema): FormHints {
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

/**
 * The value as it is sent: what may be left out and says what holds without it is left out. A default is the server's to keep (one that
 * depends on the rest of the input, say), and code that is copied from the page is as short as it can be.
 */
export function withoutDefaults(fields: readonly Field[], value: unknown): unknown {
  return fields.reduce((left, entry) => (entry.required || entry.initial === undefined || entry.path.length === 0 || getAt(value, entry.path) !== entry.initial ? left : setAt(left, entry.path, undefined)), value);
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
    const wanted = wantedText[entry.kind];
    if (entry.kind === 'image' && entry.draw) return 'Draw, drop or paste an image.';
    if (wanted !== undefined) return wanted;
    return entry.kind === 'number' ? `Write a number${rangeText(entry)}.` : 'Fill this in.';
  }
  if (entry.kind === 'number') {
    if (typeof value !== 'number' || Number.isNaN(value)) return `Write a number${rangeText(entry)}.`;
    if (entry.integer && !Number.isInteger(value)) return 'Write a whole number.';
    if (entry.minimum !== undefined && value < entry.minimum) return `At least ${entry.minimum}, please.`;
    if (entry.maximum !== undefined && value > entry.maximum) return `At most ${entry.maximum}, please.`;
  }
  if (entry.kind === 'text' && entry.maxLength !== undefined && writtenText(value).length > entry.maxLength) return `At most ${entry.maxLength} characters; this has ${writtenText(value).length}.`;
  if (value instanceof UnreadJson) return value.message;
  if (entry.kind === 'table') return problemOfRows(entry, value);
  if (entry.kind === 'chat' && entry.required && lastWords(value) === '') return 'Write a message.';
  if (Array.isArray(value) && value.length === 0 && entry.required) return wantedText[entry.kind] ?? 'Add at least one.';
  return undefined;
}

/** What to do about a field that is empty and must not be. */
const wantedText: Partial<Record<FieldKind, string>> = {
  image: 'Drop, paste or choose an image.',
  audio: 'Record something, or drop or choose a file.',
  file: 'Drop or choose a file.',
  table: 'Fill in a row, or paste some from a spreadsheet.',
  chat: 'Write a message.',
  tags: 'Add at least one.',
  lines: 'Write at least one line.',
};

function problemOfRows({ columns }: FieldOf<'table'>, value: unknown): string | undefined {
  if (!Array.isArray(value)) return 'This is no table.';
  for (const [index, row] of value.entries()) {
    for (const column of columns) {
      const cell: unknown = isObject(row) ? row[column.name] : undefined;
      if (cell === undefined || cell === null) {
        if (column.required) return `Row ${index + 1}: ${column.title} is empty.`;
      } else if (column.type === 'number' && typeof cell !== 'number') return `Row ${index + 1}: ${column.title} is no number.`;
      else if (column.type === 'boolean' && typeof cell !== 'boolean') return `Row ${index + 1}: ${column.title} is yes or no.`;
    }
  }
  return undefined;
}

/** Of a conversation: what its last message says, '' where that is not the person's. */
export function lastWords(value: unknown): string {
  const last: unknown = Array.isArray(value) ? value.at(-1) : undefined;
  return isObject(last) && last['role'] === 'user' ? writtenText(last['content']).trim() : '';
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
