/**
 * A tensor as a person writes or pastes it: nested JSON arrays, rows from a spreadsheet, or one line a text.
 * Elements are kept as JSON tokens, so that 64-bit integers and NaN reach the server as they were written.
 */
import type { PageTensor } from './api-types.ts';
import { formatJson, parseJson, type JsonValue } from './json.ts';

export interface WrittenTensor {
  readonly shape: readonly number[];
  /** JSON tokens in row-major order. */
  readonly tokens: readonly string[];
}

export type Fill = 'zeros' | 'ones' | 'random';

/** What the form holds for one tensor: text, or for large tensors only how to make it. */
export type TensorInput =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'filled'; readonly fill: Fill; readonly shape: readonly number[] };

/** More elements than this are not shown as text. */
export const mostShownElements = 1024;
/** More than this are not sent from the page at all: the client libraries send binary tensors. */
export const mostSentElements = 4_000_000;

export function readTensorInput(input: TensorInput, spec: PageTensor): WrittenTensor {
  return input.kind === 'text' ? parseTensorText(input.text, spec) : fillTensor(spec, input.fill, input.shape);
}

/** Throws Error with one sentence that says what to write instead. */
export function parseTensorText(text: string, spec: PageTensor): WrittenTensor {
  const trimmed = text.trim();
  if (trimmed === '') throw new Error(`needs ${describeShape(spec)}; paste numbers or use “Zeros”`);
  const raw = trimmed.startsWith('[') || trimmed.startsWith('"') ? fromJson(trimmed) : fromLines(trimmed, spec);
  const tokens = raw.tokens.map((token, index) => checkToken(token, spec.datatype, index));
  return { shape: fitShape(raw.shape, tokens.length, spec), tokens };
}

/** `[any, 4] FP32` in words: `FP32 [any, 4]`. */
export function describeShape(spec: PageTensor): string {
  return `${spec.datatype} [${spec.shape.map((size) => (isFree(size) ? (typeof size === 'string' ? size : 'any') : size)).join(', ')}]`;
}

export function isFree(size: number | string): boolean {
  return typeof size === 'string' || size < 0;
}

/** The declared shape with `sizes` for the dimensions that vary (1 where none is given). */
export function concreteShape(spec: PageTensor, sizes: readonly (number | undefined)[] = []): number[] {
  return spec.shape.map((size, axis) => (isFree(size) ? (sizes[axis] ?? 1) : Number(size)));
}

/** A tensor to start from. Small ones are text that can be edited. */
export function filledInput(spec: PageTensor, fill: Fill, shape: readonly number[] = concreteShape(spec)): TensorInput {
  const count = shape.reduce((product, size) => product * size, 1);
  if (count > mostShownElements) return { kind: 'filled', fill, shape };
  return { kind: 'text', text: formatTensor(fillTensor(spec, fill, shape)) };
}

function fillTensor(spec: PageTensor, fill: Fill, shape: readonly number[]): WrittenTensor {
  const count = shape.reduce((product, size) => product * size, 1);
  if (count > mostSentElements) throw new Error(`[${shape.join(', ')}] has ${count.toLocaleString('en')} elements; the page sends at most ${mostSentElements.toLocaleString('en')}`);
  const random = mulberry32(count + 1);
  const tokens = Array.from({ length: count }, () => element(spec, fill, random));
  return { shape, tokens };
}

function element(spec: PageTensor, fill: Fill, random: () => number): string {
  if (spec.datatype === 'BYTES') return fill === 'zeros' ? '""' : JSON.stringify(fill === 'ones' ? 'text' : `text ${Math.floor(random() * 100)}`);
  if (spec.datatype === 'BOOL') return String(fill === 'ones' || (fill === 'random' && random() < 0.5));
  if (fill !== 'random') return fill === 'zeros' ? '0' : '1';
  const whole = !isFloat(spec.datatype);
  const low = spec.minimum ?? 0;
  const high = spec.maximum ?? (whole ? 9 : 1);
  const value = low + random() * (high - low);
  return whole ? String(Math.round(value)) : String(Number(value.toFixed(4)));
}

/** The same numbers on every visit, so that a permalink to a random tensor means what it meant. */
function mulberry32(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}

/** Nested JSON arrays, one line for each innermost row. */
export function formatTensor({ shape, tokens }: WrittenTensor): string {
  if (shape.length === 0) return tokens[0] ?? '';
  let parts = [...tokens];
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    const size = shape[axis]!;
    const innermost = axis === shape.length - 1;
    const groups = shape.slice(0, axis).reduce((product, length) => product * length, 1);
    parts = Array.from({ length: groups }, (_, group) => {
      const members = parts.slice(group * size, (group + 1) * size);
      return `[${members.join(innermost ? ', ' : `,\n${' '.repeat(axis + 1)}`)}]`;
    });
  }
  return parts[0] ?? '[]';
}

function fromJson(text: string): WrittenTensor {
  let value: JsonValue;
  try {
    value = parseJson(text);
  } catch (error) {
    throw new Error(`is not valid JSON: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
  }
  const shape: number[] = [];
  for (let level = value; Array.isArray(level); level = (level as readonly JsonValue[])[0] ?? null) {
    shape.push(level.length);
    if (level.length === 0) break;
  }
  const tokens: string[] = [];
  const visit = (item: JsonValue, depth: number, path: string): void => {
    if (depth === shape.length) {
      if (typeof item === 'object') throw new Error(`has an uneven row at ${path}: expected one element there`);
      tokens.push(formatJson(item));
      return;
    }
    if (!Array.isArray(item)) throw new Error(`has an uneven row at ${path}: expected ${shape[depth]} elements there`);
    if (item.length !== shape[depth]) throw new Error(`has rows of unequal length: ${path || 'the tensor'} has ${item.length} elements, its neighbours ${shape[depth]}`);
    item.forEach((member: JsonValue, index: number) => visit(member, depth + 1, `${path}[${index}]`));
  };
  visit(value, 0, '');
  return { shape, tokens };
}

/** Lines of a spreadsheet (tabs), CSV (commas or semicolons) or columns; for text one element a line. */
function fromLines(text: string, spec: PageTensor): WrittenTensor {
  const lines = text.split(/\r?\n/).filter((line) => line.trim() !== '');
  if (spec.datatype === 'BYTES') return { shape: [lines.length], tokens: lines.map((line) => JSON.stringify(line)) };
  const rows = lines.map((line) => line.trim().split(/\s*[,;\t]\s*|\s+/).filter((cell) => cell !== ''));
  const width = rows[0]!.length;
  rows.forEach((row, index) => {
    if (row.length !== width) throw new Error(`has rows of unequal length: line ${index + 1} has ${row.length} numbers, line 1 has ${width}`);
  });
  const single = rows.length === 1;
  return { shape: single ? (width === 1 && spec.shape.length === 0 ? [] : [width]) : [rows.length, width], tokens: rows.flat() };
}

function isFloat(datatype: string): boolean {
  return datatype.startsWith('FP') || datatype === 'BF16';
}

function checkToken(token: string, datatype: string, index: number): string {
  const place = `element ${index + 1}`;
  if (datatype === 'BYTES') {
    return token.startsWith('"') ? token : JSON.stringify(token);
  }
  if (datatype === 'BOOL') {
    const word = token.toLowerCase();
    if (word === 'true' || word === '1') return 'true';
    if (word === 'false' || word === '0') return 'false';
    throw new Error(`${place} is ${token}; BOOL takes true or false`);
  }
  if (isFloat(datatype)) {
    if (/^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$/.test(token)) return String(Number(token)) === token ? token : formatNumber(token);
    if (/^[+-]?(nan|inf(inity)?)$/i.test(token)) return /nan/i.test(token) ? 'NaN' : token.startsWith('-') ? '-Infinity' : 'Infinity';
    throw new Error(`${place} is ${token}; ${datatype} takes a number`);
  }
  if (!/^[+-]?\d+(\.0+)?$/.test(token)) throw new Error(`${place} is ${token}; ${datatype} takes a whole number`);
  const value = BigInt(token.replace(/^\+/, '').replace(/\.0+$/, ''));
  const bits = BigInt(datatype.replace(/\D/g, ''));
  const unsigned = datatype.startsWith('U');
  const low = unsigned ? 0n : -(1n << (bits - 1n));
  const high = unsigned ? (1n << bits) - 1n : (1n << (bits - 1n)) - 1n;
  if (value < low || value > high) throw new Error(`${place} is ${token}; ${datatype} takes ${low} to ${high}`);
  return String(value);
}

function formatNumber(token: string): string {
  const number = Number(token);
  return Number.isFinite(number) ? String(number) : number > 0 ? 'Infinity' : '-Infinity';
}

/** Accepts the declared shape, the same without leading sizes of 1, and a flat row that fills it exactly. */
function fitShape(shape: readonly number[], count: number, spec: PageTensor): number[] {
  const declared = spec.shape;
  const problem = (): Error => new Error(`has shape [${shape.join(', ')}]; the model takes ${describeShape(spec)}`);
  const fits = (candidate: readonly number[]): boolean =>
    candidate.length === declared.length && candidate.every((size, axis) => isFree(declared[axis]!) || declared[axis] === size);
  if (fits(shape)) return [...shape];
  const padded = [...Array.from({ length: Math.max(0, declared.length - shape.length) }, () => 1), ...shape];
  if (fits(padded)) return padded;
  if (shape.length === 1) {
    const free = declared.flatMap((size, axis) => (isFree(size) ? [axis] : []));
    const known = declared.reduce<number>((product, size) => product * (isFree(size) ? 1 : Number(size)), 1);
    if (free.length === 0 && known === count) return declared.map(Number);
    if (free.length === 1 && known > 0 && count % known === 0) return declared.map((size, axis) => (axis === free[0] ? count / known : Number(size)));
  }
  throw problem();
}

/** The body of an Open Inference request. */
export function inferBody(inputs: readonly { readonly name: string; readonly datatype: string; readonly tensor: WrittenTensor }[]): string {
  const parts = inputs.map(({ name, datatype, tensor }) =>
    `{"name":${JSON.stringify(name)},"datatype":"${datatype}","shape":[${tensor.shape.join(',')}],"data":[${tensor.tokens.join(',')}]}`);
  return `{"inputs":[${parts.join(',')}]}`;
}
