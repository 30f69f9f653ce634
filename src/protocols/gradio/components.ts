/**
 * JSON Schema → Gradio's components: which one a value is shown as, how its value looks on the wire, and the way back. One row a
 * component; the first row that takes a shape is its component.
 */
import type { JsonSchema } from '../../model.ts';
import { fileDataSchema, saysFileData, type JobFiles } from './file-data.ts';
import { isRecord, itemShape, membersOf, type Shape } from './schema.ts';

export interface Component {
  /** As `/info` writes it: one capital letter. */
  readonly name: string;
  /** JSON Schema of the value on the wire; `{}`: any. */
  readonly type: JsonSchema;
  /** For people who read `view_api()`. */
  readonly pythonType: string;
  readonly props: Readonly<Record<string, unknown>>;
  /** What a client sends → what the endpoint takes; to be awaited. `at`: the parameter. */
  read(value: unknown, at: string, files: JobFiles): unknown;
  /** What the endpoint answers → what clients get; to be awaited. `label`: what a file is called. */
  write(value: unknown, label: string, files: JobFiles): unknown;
}

interface Row extends Omit<Component, 'type' | 'pythonType' | 'props' | 'read' | 'write'> {
  readonly takes: (shape: Shape) => boolean;
  readonly only?: 'input' | 'output';
  readonly type: (shape: Shape) => JsonSchema;
  readonly python: (shape: Shape) => string;
  readonly props?: (shape: Shape) => Readonly<Record<string, unknown>>;
  readonly read?: Component['read'];
  readonly write?: (value: unknown, label: string, files: JobFiles, shape: Shape) => unknown;
}

const isFileOf = (kind: string) => (shape: Shape) => shape.mediaType?.startsWith(kind) === true;
const areFiles = (shape: Shape) => itemShape(shape)?.mediaType !== undefined;
const has = (type: string) => (shape: Shape) => shape.types.includes(type);
const isWidget =
  (...widgets: string[]) =>
  ({ hints }: Shape) =>
    widgets.includes(String(hints['widget']));
const asFile = { type: () => fileDataSchema, python: () => 'filepath', read: readFile, write: writeFile };
const anything = { type: () => ({}), python: () => 'str | float | bool | list | dict' };

const table: readonly Row[] = [
  { name: 'Image', takes: isFileOf('image/'), ...asFile },
  { name: 'Audio', takes: isFileOf('audio/'), ...asFile },
  { name: 'Video', takes: isFileOf('video/'), ...asFile },
  { name: 'File', takes: ({ mediaType }) => mediaType !== undefined, ...asFile, props: () => ({ file_count: 'single' }) },
  {
    name: 'Gallery',
    only: 'output',
    takes: (shape) => areFiles(shape) && isFileOf('image/')(itemShape(shape)!),
    type: () => ({ type: 'array', items: { type: 'object', title: 'GalleryImage', properties: { image: fileDataSchema, caption: { anyOf: [{ type: 'string' }, { type: 'null' }] } }, required: ['image'] } }),
    python: () => 'list[dict(image: filepath, caption: str | None)]',
    write: async (value, label, files, shape) => Promise.all(list(value).map(async (each) => ({ image: await writeFile(each, label, files, itemShape(shape)!), caption: null }))),
  },
  {
    name: 'File',
    takes: areFiles,
    type: () => ({ type: 'array', items: fileDataSchema }),
    python: () => 'list[filepath]',
    props: () => ({ file_count: 'multiple' }),
    read: async (value, at, files) => (Array.isArray(value) ? Promise.all(value.map((each, index) => readFile(each, `${at}[${index}]`, files))) : readFile(value, at, files)),
    write: async (value, label, files, shape) => Promise.all(list(value).map((each) => writeFile(each, label, files, itemShape(shape)!))),
  },
  {
    name: 'Chatbot',
    takes: isWidget('chat'),
    type: () => ({ type: 'array', items: { type: 'object', properties: { role: { type: 'string' }, content: { type: 'string' } }, required: ['role', 'content'] } }),
    python: () => 'list[dict(role: str, content: str)]',
    props: () => ({ type: 'messages' }),
    read: readMessages,
  },
  {
    name: 'Dataframe',
    takes: (shape) => isWidget('table', 'ranking')(shape) && columnsOf(shape) !== undefined,
    type: () => ({ type: 'object', properties: { headers: { type: 'array', items: { type: 'string' } }, data: { type: 'array', items: { type: 'array', items: {} } }, metadata: { type: 'null' } }, required: ['headers', 'data'] }),
    python: () => 'dict(headers: list[str], data: list[list[Any]], metadata: None)',
    props: (shape) => ({ headers: columnsOf(shape) }),
    read: readRows,
    write: (value, _label, _files, shape) => writeRows(value, columnsOf(shape)!),
  },
  {
    name: 'Checkboxgroup',
    takes: (shape) => itemShape(shape)?.choices !== undefined,
    type: (shape) => ({ type: 'array', items: { enum: itemShape(shape)!.choices } }),
    python: (shape) => `list[${literal(itemShape(shape)!.choices!)}]`,
    props: (shape) => ({ choices: pairs(itemShape(shape)!.choices!) }),
  },
  { name: 'Dropdown', takes: ({ choices }) => choices !== undefined && choices.length > 0, type: ({ choices, types }) => ({ enum: choices, ...(types.length === 1 ? { type: types[0] } : {}) }), python: ({ choices }) => literal(choices!), props: ({ choices }) => ({ choices: pairs(choices!) }), only: 'input' },
  { name: 'Checkbox', takes: has('boolean'), type: () => ({ type: 'boolean' }), python: () => 'bool' },
  { name: 'Textbox', takes: has('string'), type: () => ({ type: 'string' }), python: () => 'str', props: ({ hints }) => ({ lines: hints['widget'] === 'textarea' ? 4 : 1 }) },
  { name: 'Slider', only: 'input', takes: (shape) => isWidget('slider')(shape) && limitsOf(shape) !== undefined, type: (shape) => ({ type: numberType(shape), ...limitsOf(shape) }), python: pythonNumber, props: (shape) => ({ ...limitsOf(shape), ...(typeof shape.hints['step'] === 'number' ? { step: shape.hints['step'] } : {}) }) },
  { name: 'Number', takes: (shape) => has('number')(shape) || has('integer')(shape), type: (shape) => ({ type: numberType(shape) }), python: pythonNumber, props: (shape) => ({ precision: numberType(shape) === 'integer' ? 0 : null }) },
  // Any texts, or one of a fixed place each: a list that one may type into.
  { name: 'Dropdown', takes: (shape) => isWidget('tags', 'lines')(shape) && itemShape(shape)?.types[0] === 'string', type: () => ({ type: 'array', items: { type: 'string' } }), python: () => 'list[str]', props: () => ({ multiselect: true, allow_custom_value: true, choices: [] }), only: 'input' },
  { name: 'Json', takes: () => true, ...anything, read: readAnything },
];

export function componentOf(shape: Shape, direction: 'input' | 'output'): Component {
  const row = table.find((each) => (each.only === undefined || each.only === direction) && each.takes(shape))!;
  const { read, write } = row;
  return {
    name: row.name,
    type: row.type(shape),
    pythonType: row.python(shape),
    props: row.props?.(shape) ?? {},
    read: (value, at, files) => (value === null || read === undefined ? value : read(value, at, files)),
    write: (value, label, files) => (value === null || value === undefined ? null : write === undefined ? toWire(value, label, files) : write(value, label, files, shape)),
  };
}

/** A component that answers have whatever their schema says; its value is on the wire as it is given. */
export function answerComponent(name: string, type: JsonSchema, pythonType: string): Component {
  return { name, type, pythonType, props: {}, read: (value) => value, write: (value, label, files) => toWire(value, label, files) };
}

/** Picture editors send layers: the picture is all of them together. */
function readFile(value: unknown, at: string, files: JobFiles): Promise<unknown> {
  const editor = isRecord(value) && value['path'] === undefined && value['url'] === undefined ? (value['composite'] ?? value['background'] ?? value['image']) : undefined;
  return files.read(editor ?? value, at);
}

async function writeFile(value: unknown, label: string, files: JobFiles, shape: Shape): Promise<unknown> {
  if (typeof value === 'string') {
    const bytes = bytesOfText(value);
    return bytes === undefined ? null : files.write(bytes, label, bytes.mediaType ?? shape.mediaType);
  }
  return value instanceof Uint8Array ? files.write(value, label, shape.mediaType) : toWire(value, label, files);
}

const dataUrl = /^data:([\w.+-]+\/[\w.+-]+)?(?:;[\w=.-]+)*;base64,/;

/** Of a data URL or of base64 text. Undefined where there is nothing in it. */
function bytesOfText(text: string): (Uint8Array & { readonly mediaType?: string }) | undefined {
  const head = dataUrl.exec(text.slice(0, 200));
  const bytes = Buffer.from(head === null ? text : text.slice(head[0].length), 'base64');
  return bytes.length === 0 ? undefined : Object.defineProperty(new Uint8Array(bytes), 'mediaType', { value: head?.[1] });
}

/** Of a file in a value: bytes, a data URL or base64 text. Undefined where it is none. */
export function bytesOf(value: unknown): Uint8Array | undefined {
  if (value instanceof Uint8Array) return value.length === 0 ? undefined : value;
  return typeof value === 'string' ? bytesOfText(value) : undefined;
}

/** Values without a form of their own: bytes and data URLs of media become files, wherever they are; big integers text. */
export async function toWire(value: unknown, label: string, files: JobFiles): Promise<unknown> {
  if (value instanceof Uint8Array) return files.write(value, label);
  if (typeof value === 'string') {
    if (!/^data:(?:image|audio|video)\/[\w.+-]+;base64,/.test(value.slice(0, 100))) return value;
    const bytes = bytesOfText(value);
    return bytes === undefined ? value : files.write(bytes, label, bytes.mediaType);
  }
  if (typeof value === 'bigint') return Number.isSafeInteger(Number(value)) ? Number(value) : String(value);
  if (typeof value !== 'object' || value === null) return typeof value === 'number' && !Number.isFinite(value) ? null : value;
  if (Array.isArray(value)) {
    // Rows of numbers need no visit each.
    if (value.every((each) => typeof each === 'number')) return value.map((each) => (Number.isFinite(each) ? each : null));
    return Promise.all(value.map((each) => toWire(each, label, files)));
  }
  if ('toJSON' in value && typeof value.toJSON === 'function') return (value as { toJSON(): unknown }).toJSON();
  if (ArrayBuffer.isView(value)) return toWire(Array.from(value as unknown as ArrayLike<number | bigint>), label, files);
  return Object.fromEntries(await Promise.all(Object.entries(value).map(async ([name, member]) => [name, await toWire(member, name, files)] as const)));
}

/** What says that it is a file is one, wherever it is. */
async function readAnything(value: unknown, at: string, files: JobFiles): Promise<unknown> {
  if (typeof value !== 'object' || value === null) return value;
  if (saysFileData(value)) return files.read(value, at);
  if (Array.isArray(value)) {
    if (value.every((each) => typeof each !== 'object' || each === null)) return value;
    return Promise.all(value.map((each, index) => readAnything(each, `${at}[${index}]`, files)));
  }
  const members = await Promise.all(Object.entries(value).map(async ([name, member]) => [name, await readAnything(member, `${at}.${name}`, files)] as const));
  return Object.fromEntries(members);
}

/** Messages with their text alone; newer clients send it as a list of parts. */
function readMessages(value: unknown): unknown {
  if (!Array.isArray(value)) return value;
  return value.map((message: unknown) => {
    if (!isRecord(message)) return message;
    const { role, content } = message;
    const parts = Array.isArray(content) ? (content as unknown[]).map((part) => (isRecord(part) && typeof part['text'] === 'string' ? part['text'] : part)) : undefined;
    return { role, content: parts?.every((part) => typeof part === 'string') === true ? parts.join('') : content };
  });
}

/** Names of the columns of a list of objects that hold scalars. */
function columnsOf(shape: Shape): readonly string[] | undefined {
  const item = itemShape(shape);
  const members = item === undefined ? undefined : membersOf(item);
  return members === undefined || members.length === 0 ? undefined : members.map(({ name }) => name);
}

function readRows(value: unknown): unknown {
  if (!isRecord(value) || !Array.isArray(value['data'])) return value;
  const { headers, data } = value as { readonly headers?: unknown; readonly data: readonly unknown[] };
  if (!Array.isArray(headers)) return data;
  return data.map((row) => (Array.isArray(row) ? Object.fromEntries((headers as unknown[]).flatMap((name, index) => (typeof name === 'string' && index < row.length ? [[name, row[index] as unknown]] : []))) : row));
}

function writeRows(value: unknown, columns: readonly string[]): unknown {
  const rows = list(value).map((row) => columns.map((name) => (isRecord(row) ? (row[name] ?? null) : null)));
  return { headers: columns, data: rows, metadata: null };
}

function list(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? (value as unknown[]) : [];
}

function literal(choices: readonly unknown[]): string {
  const shown = choices.slice(0, 50).map((choice) => (typeof choice === 'string' ? `'${choice}'` : String(choice)));
  return `Literal[${shown.join(', ')}${choices.length > 50 ? ', …' : ''}]`;
}

function pairs(choices: readonly unknown[]): readonly (readonly [string, unknown])[] {
  return choices.map((choice) => [String(choice), choice]);
}

function numberType({ types }: Shape): 'number' | 'integer' {
  return types.includes('number') ? 'number' : 'integer';
}

function pythonNumber(shape: Shape): string {
  return numberType(shape) === 'integer' ? 'int' : 'float';
}

/** Where a slider begins and ends: the hint's range, which is narrower than what is allowed. */
function limitsOf({ hints, schema }: Shape): { readonly minimum: number; readonly maximum: number } | undefined {
  const minimum = hints['minimum'] ?? schema['minimum'];
  const maximum = hints['maximum'] ?? schema['maximum'];
  return typeof minimum === 'number' && typeof maximum === 'number' ? { minimum, maximum } : undefined;
}
