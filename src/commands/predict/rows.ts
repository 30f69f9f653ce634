/** Many inputs, one after the other: rows of a CSV file, lines of JSON, files of a folder. */
import { createReadStream } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import { ModelportError } from '../../errors.ts';
import { readCsv } from '../../formats/csv.ts';
import { readLines } from '../../lib/read-lines.ts';
import { suggestName } from '../../lib/suggest-name.ts';
import { fieldsValue } from '../../protocols/predict/form-fields.ts';
import type { InputProperty } from '../../protocols/predict/input-schema.ts';

export interface Row {
  /** From 1, in the order of the input. */
  readonly number: number;
  /** How messages call its place: `line 7`, `cat.png`. */
  readonly place: string;
  /** How much of the input was read when it came, 0 to 1; undefined where that is unknown. */
  readonly share: number | undefined;
  /** What the output repeats of the input: cells by {@link Rows.columns}. */
  readonly cells: readonly string[];
  /** Throws a `ModelportError` where the row can't be read. */
  readonly value: () => unknown;
}

export interface Rows {
  /** What tells rows apart in the output: their number, or their file. */
  readonly key: 'row' | 'file';
  /** Columns of the input that a CSV output repeats. */
  readonly columns: readonly string[];
  /** What the user should know of the input as a whole. */
  readonly notes: readonly string[];
  readonly rows: AsyncIterable<Row>;
}

const longestLineBytes = 64 << 20;
const largestFileBytes = 64 << 20;

/** A file or `-`, standard input, in pieces; `share` says how much of it was read. */
function openBytes(path: string): { readonly chunks: AsyncIterable<Uint8Array>; share(): number | undefined } {
  if (path === '-') return { chunks: process.stdin, share: () => undefined };
  let readBytes = 0;
  let sizeBytes = 0;
  return {
    chunks: (async function* () {
      try {
        sizeBytes = (await stat(path)).size;
        for await (const chunk of createReadStream(path, { highWaterMark: 1 << 16 }) as AsyncIterable<Uint8Array>) {
          readBytes += chunk.length;
          yield chunk;
        }
      } catch (cause) {
        throw new ModelportError('INVALID_USAGE', `can't read ${path}: ${(cause as Error).message}`, { at: path, cause });
      }
    })(),
    share: () => (sizeBytes === 0 ? undefined : Math.min(1, readBytes / sizeBytes)),
  };
}

/** Rows of a CSV file with a header, their cells as the types of the task's schema. Throws `INVALID_USAGE` where the header does not fit. */
export async function csvRows(path: string, properties: readonly InputProperty[], fixed: Readonly<Record<string, unknown>>): Promise<Rows> {
  const { chunks, share } = openBytes(path);
  const records = readCsv(chunks);
  const first = await records.next();
  const name = path === '-' ? 'standard input' : path;
  if (first.done === true) throw new ModelportError('INVALID_USAGE', `${name} is empty: the first line of a CSV file names its columns`, { at: path });
  if ('problem' in first.value) throw new ModelportError('INVALID_USAGE', `${name}, line ${first.value.line}: ${first.value.problem}`, { at: path });
  const columns = first.value.cells.map((cell, index) => (index === 0 ? cell.replace(/^\uFEFF/, '') : cell).trim());
  const known = new Map(properties.map((property) => [property.name, property]));
  const twice = columns.find((column, index) => columns.indexOf(column) !== index);
  if (twice !== undefined) throw new ModelportError('INVALID_USAGE', `${name} has the column '${twice}' twice`, { at: path });
  for (const property of properties) {
    if (property.required && !columns.includes(property.name) && !Object.hasOwn(fixed, property.name)) {
      throw new ModelportError('INVALID_USAGE', `${name} has no column '${property.name}', which the model needs${suggestName(property.name, columns.filter((column) => !known.has(column)))}`, { at: path });
    }
  }
  const others = columns.filter((column) => !known.has(column));
  return {
    key: 'row',
    columns,
    notes: others.length === 0 ? [] : [`${others.length === 1 ? `column '${others[0]!}' is` : `columns ${others.map((column) => `'${column}'`).join(', ')} are`} no input of the model: passed on to the output only`],
    rows: (async function* (): AsyncGenerator<Row> {
      let number = 0;
      for await (const record of records) {
        number++;
        const { line } = record;
        if ('problem' in record) {
          yield { number, place: `line ${line}`, share: share(), cells: [], value: () => { throw new ModelportError('INVALID_VALUE', record.problem); } };
          continue;
        }
        const { cells } = record;
        yield { number, place: `line ${line}`, share: share(), cells, value: () => ({ ...fixed, ...csvValue(columns, cells, known, properties) }) };
      }
    })(),
  };
}

function csvValue(columns: readonly string[], cells: readonly string[], known: ReadonlyMap<string, InputProperty>, properties: readonly InputProperty[]): Record<string, unknown> {
  if (cells.length !== columns.length) throw new ModelportError('INVALID_VALUE', `there ${cells.length === 1 ? 'is 1 cell' : `are ${cells.length} cells`}, but the header names ${columns.length} columns`);
  const empty: [string, unknown][] = [];
  const fields: [string, string][] = [];
  columns.forEach((column, index) => {
    const property = known.get(column);
    if (property === undefined) return;
    const cell = cells[index]!;
    if (cell.trim() !== '' || (property.types.length === 1 && property.types[0] === 'string')) fields.push([column, cell]);
    else if (property.types.includes('null')) empty.push([column, null]);
    // A cell that is left empty leaves its field out, if it may be left out; else the task says what is missing.
    else if (property.required) empty.push([column, '']);
  });
  return { ...fieldsValue(fields, properties), ...Object.fromEntries(empty) };
}

/** Lines of JSON, each a value, or with `tensors` the bytes of an Open Inference request. Blank lines are passed over. */
export function jsonLineRows(path: string, tensors: boolean, fixed: Readonly<Record<string, unknown>>): Rows {
  const { chunks, share } = openBytes(path);
  return {
    key: 'row',
    columns: [],
    notes: [],
    rows: (async function* (): AsyncGenerator<Row> {
      let count = 0;
      for await (const { number: line, bytes, tooLong } of readLines(chunks, longestLineBytes)) {
        if (bytes.every((byte) => byte === 32 || byte === 9)) continue;
        count++;
        yield {
          number: count,
          place: `line ${line}`,
          share: share(),
          cells: [],
          value: () => {
            if (tooLong) throw new ModelportError('INVALID_VALUE', `the line is longer than ${longestLineBytes >> 20} MiB`);
            return tensors ? bytes : withFixed(parseJson(bytes, 'the line'), fixed);
          },
        };
      }
    })(),
  };
}

/** Each file a value: a picture, or JSON. Read when it is its turn. */
export function fileRows(paths: readonly string[], read: (path: string) => Promise<unknown>): Rows {
  return {
    key: 'file',
    columns: ['file'],
    notes: [],
    rows: (async function* (): AsyncGenerator<Row> {
      let number = 0;
      for (const path of paths) yield { number: ++number, place: path, share: number / paths.length, cells: [path], value: () => read(path) };
    })(),
  };
}

/** The bytes of a file of a size that a request may have. Throws `INVALID_USAGE`. */
export async function readSmallFile(path: string): Promise<Uint8Array> {
  try {
    const { size } = await stat(path);
    if (size > largestFileBytes) throw new ModelportError('INVALID_USAGE', `${path} has ${Math.round(size / 1e6)} MB, more than the ${largestFileBytes >> 20} MiB that one input may have`, { at: path });
    return new Uint8Array(await readFile(path));
  } catch (error) {
    if (error instanceof ModelportError) throw error;
    throw new ModelportError('INVALID_USAGE', `can't read ${path}: ${(error as Error).message}`, { at: path, cause: error });
  }
}

/** Throws `INVALID_VALUE`. `what`: how the message calls the text. */
export function parseJson(bytes: Uint8Array, what: string): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes)) as unknown;
  } catch (cause) {
    throw new ModelportError('INVALID_VALUE', `${what} is not valid JSON: ${(cause as Error).message}`, { cause });
  }
}

/** Fields that are the same for every input (`--set`); an input's own win. */
export function withFixed(value: unknown, fixed: Readonly<Record<string, unknown>>): unknown {
  if (Object.keys(fixed).length === 0 || typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  return { ...fixed, ...value };
}
