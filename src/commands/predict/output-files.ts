/**
 * Answers and bad rows as files. Lines are written to `<output>.part` and `<errors>.part`, which get their names when all is done: what has
 * the name is whole. A run that was stopped leaves the parts, and `--resume` goes on after the rows that they hold.
 */
import { existsSync } from 'node:fs';
import { open, readFile, rename, rm, type FileHandle } from 'node:fs/promises';
import { extname } from 'node:path';
import { ModelportError } from '../../errors.ts';
import { csvLine } from '../../formats/csv.ts';
import { readLines } from '../../lib/read-lines.ts';
import { answerCell, type AnswerColumn } from './answer-columns.ts';
import type { Row, Rows } from './rows.ts';

export interface OutputOptions {
  /** `.csv`, `.tsv`, `.jsonl` or `.ndjson`. */
  readonly path: string;
  readonly mode: 'fresh' | 'resume' | 'overwrite';
  readonly key: Rows['key'];
  /** Of the input. */
  readonly columns: readonly string[];
  readonly answerColumns: readonly AnswerColumn[];
}

const flushAtLength = 1 << 16;
const flushAfterMs = 200;

/** The side file of an output: `out.csv` → `out.errors.jsonl`. */
export function errorsPath(path: string): string {
  return `${path.slice(0, path.length - extname(path).length)}.errors.jsonl`;
}

export class OutputFiles {
  readonly #options: OutputOptions;
  readonly #delimiter: string | undefined;
  readonly #done: DoneRows;
  readonly #answers: PartFile;
  readonly #errors: PartFile;
  #timer: NodeJS.Timeout | undefined;
  /** Writes follow one another; the last of them. */
  #written: Promise<void> = Promise.resolve();

  private constructor(options: OutputOptions, done: DoneRows, answers: PartFile, errors: PartFile) {
    this.#options = options;
    this.#delimiter = delimiterOf(options.path);
    this.#done = done;
    this.#answers = answers;
    this.#errors = errors;
  }

  /** Throws `INVALID_USAGE` where the files are not those of this input, or a stopped run would be lost. */
  static async open(options: OutputOptions): Promise<OutputFiles> {
    const { path, mode, key } = options;
    const delimiter = delimiterOf(path);
    const header = delimiter === undefined ? '' : csvLine(headerOf(options), delimiter);
    const errors = errorsPath(path);
    const part = `${path}.part`;
    if (mode === 'fresh' && existsSync(part)) {
      throw new ModelportError('INVALID_USAGE', `${part} holds what a run that was stopped had done: go on with --resume, or begin anew with --overwrite`, { at: part });
    }
    const done = new DoneRows();
    let [keptBytes, keptErrorBytes] = [0, 0];
    if (mode === 'resume') {
      // A whole output may be gone on with, too: its input has grown. It keeps its name until it is known to be one.
      const whole = !existsSync(part) && existsSync(path);
      const [answersFile, errorsFile] = whole ? [path, errors] : [part, `${errors}.part`];
      if (existsSync(answersFile)) keptBytes = await readDone(answersFile, done, header, delimiter, key);
      if (existsSync(errorsFile)) keptErrorBytes = await readDone(errorsFile, done, '', undefined, key);
      if (whole) {
        await rename(path, part);
        if (existsSync(errors)) await rename(errors, `${errors}.part`);
      }
    }
    const files = new OutputFiles(options, done, await PartFile.open(path, keptBytes), await PartFile.open(errors, keptErrorBytes));
    if (keptBytes === 0 && header !== '') files.#answers.add(header);
    await files.flush();
    return files;
  }

  /** How many rows earlier runs had done. */
  get doneBefore(): number {
    return this.#done.count;
  }

  has(row: Row): boolean {
    return this.#done.has(this.#options.key === 'row' ? row.number : row.cells[0]!);
  }

  /** `answer`: a value, or the JSON text of one. */
  async write(row: Row, answer: unknown, text: string | undefined): Promise<void> {
    const { key, columns, answerColumns } = this.#options;
    if (this.#delimiter !== undefined) {
      const cells = columns.map((_, index) => row.cells[index] ?? '');
      this.#answers.add(csvLine([...(key === 'row' ? [String(row.number)] : []), ...cells, ...answerColumns.map((column) => answerCell(answer, column))], this.#delimiter));
    } else {
      const input = columns.length === 0 || key === 'file' ? '' : `"input":${JSON.stringify(Object.fromEntries(columns.map((column, index) => [column, row.cells[index] ?? ''])))},`;
      this.#answers.add(`{${keyMember(key, row)},${input}"output":${text ?? JSON.stringify(answer)}}\n`);
    }
    await this.#flushSometimes();
  }

  async fail(row: Row, error: ModelportError): Promise<void> {
    const { columns, key } = this.#options;
    const input = columns.length === 0 || key === 'file' || row.cells.length !== columns.length ? undefined : Object.fromEntries(columns.map((column, index) => [column, row.cells[index]!]));
    this.#errors.add(`{${keyMember(key, row)},${JSON.stringify({ place: row.place, error: error.message, code: error.code, ...(error.at === undefined ? {} : { at: error.at }), ...(input === undefined ? {} : { input }) }).slice(1)}\n`);
    await this.#flushSometimes();
  }

  /** What was added lies in the files when it resolves. */
  flush(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#written = this.#written.then(async () => {
      await this.#answers.flush();
      await this.#errors.flush();
    });
    return this.#written;
  }

  /** `complete`: the input is at its end, so the parts get their names. Gives the path of the bad rows if there are any. */
  async close(complete: boolean): Promise<string | undefined> {
    await this.flush();
    const bad = await this.#errors.close(complete);
    await this.#answers.close(complete, true);
    return bad;
  }

  #flushSometimes(): Promise<void> {
    if (this.#answers.length + this.#errors.length > flushAtLength) return this.flush();
    // Inputs may come slowly, and whoever follows the output wants to see them. A failure is told by the next write, or the end.
    this.#timer ??= setTimeout(() => void this.flush().catch(() => {}), flushAfterMs);
    return Promise.resolve();
  }
}

function keyMember(key: Rows['key'], row: Row): string {
  return key === 'row' ? `"row":${row.number}` : `"file":${JSON.stringify(row.cells[0])}`;
}

function headerOf({ key, columns, answerColumns }: OutputOptions): string[] {
  const before = [...(key === 'row' ? ['row'] : []), ...columns];
  // A column of the input may be called like one of the answer: `label`, the truth.
  return [...before, ...answerColumns.map(({ title }) => (before.includes(title) ? `predicted.${title}` : title))];
}

function delimiterOf(path: string): string | undefined {
  switch (extname(path).toLowerCase()) {
    case '.csv':
      return ',';
    case '.tsv':
      return '\t';
    case '.jsonl':
    case '.ndjson':
      return undefined;
    default:
      throw new ModelportError('INVALID_USAGE', `-o ${path}: give it the ending .csv or .jsonl, which says what to write`, { at: '--output' });
  }
}

/** A file under its provisional name; text is gathered and written together. */
class PartFile {
  readonly #path: string;
  readonly #handle: FileHandle;
  #text = '';
  #sizeBytes: number;

  private constructor(path: string, handle: FileHandle, sizeBytes: number) {
    this.#path = path;
    this.#handle = handle;
    this.#sizeBytes = sizeBytes;
  }

  /** Of what lies there, the first `keptBytes` stay. */
  static async open(path: string, keptBytes: number): Promise<PartFile> {
    try {
      const handle = await open(`${path}.part`, keptBytes === 0 ? 'w' : 'r+');
      await handle.truncate(keptBytes);
      return new PartFile(path, handle, keptBytes);
    } catch (cause) {
      throw new ModelportError('INVALID_USAGE', `can't write ${path}: ${(cause as Error).message}`, { at: path, cause });
    }
  }

  get length(): number {
    return this.#text.length;
  }

  add(text: string): void {
    this.#text += text;
  }

  async flush(): Promise<void> {
    if (this.#text === '') return;
    const bytes = Buffer.from(this.#text);
    this.#text = '';
    try {
      for (let written = 0; written < bytes.length; ) {
        const { bytesWritten } = await this.#handle.write(bytes, written, bytes.length - written, this.#sizeBytes);
        written += bytesWritten;
        this.#sizeBytes += bytesWritten;
      }
    } catch (cause) {
      throw new ModelportError('INVALID_USAGE', `can't write ${this.#path}: ${(cause as Error).message}`, { at: this.#path, cause });
    }
  }

  /** Gives the file its name if it is complete; an empty one is no file, unless `evenEmpty`. Gives the path under which it lies. */
  async close(complete: boolean, evenEmpty = false): Promise<string | undefined> {
    await this.#handle.close();
    if (this.#sizeBytes === 0 && !(complete && evenEmpty)) {
      await rm(`${this.#path}.part`, { force: true });
      if (complete) await rm(this.#path, { force: true });
      return undefined;
    }
    if (!complete) return `${this.#path}.part`;
    await rename(`${this.#path}.part`, this.#path);
    return this.#path;
  }
}

/** Which rows are done: numbers as bits, files by name. */
class DoneRows {
  #bits = new Uint8Array(1024);
  readonly #files = new Set<string>();
  count = 0;

  has(key: number | string): boolean {
    return typeof key === 'string' ? this.#files.has(key) : ((this.#bits[key >> 3] ?? 0) & (1 << (key & 7))) !== 0;
  }

  add(key: number | string): void {
    if (this.has(key)) return;
    this.count++;
    if (typeof key === 'string') {
      this.#files.add(key);
      return;
    }
    if (key >> 3 >= this.#bits.length) {
      const larger = new Uint8Array(Math.max(this.#bits.length * 2, (key >> 3) + 1));
      larger.set(this.#bits);
      this.#bits = larger;
    }
    this.#bits[key >> 3]! |= 1 << (key & 7);
  }
}

/** Gives how many bytes are whole lines. */
async function readDone(path: string, done: DoneRows, header: string, delimiter: string | undefined, key: Rows['key']): Promise<number> {
  let keptBytes = 0;
  const mismatch = (what: string) => new ModelportError('INVALID_USAGE', `${path} is no output of this input and model (${what}): begin anew with --overwrite, or name another output`, { at: path });
  const handle = await open(path, 'r');
  try {
    let record: Uint8Array[] = [];
    let quotes = 0;
    let size = 0;
    for await (const { bytes, tooLong, number, sizeBytes, ended } of readLines(handle.createReadStream({ autoClose: false }) as AsyncIterable<Uint8Array>, 256 << 20)) {
      if (tooLong) throw mismatch(`line ${number} is too long`);
      // Cut off while it was written.
      if (!ended) break;
      record.push(bytes);
      size += sizeBytes;
      // Within quotes a line end is part of a cell.
      if (delimiter !== undefined) for (let at = bytes.indexOf(34); at !== -1; at = bytes.indexOf(34, at + 1)) quotes++;
      if (quotes % 2 === 1) continue;
      const text = Buffer.concat(record.flatMap((line) => [line, Buffer.from('\n')])).toString();
      if (keptBytes === 0 && header !== '') {
        if (text !== header) throw mismatch(`its columns are ${text.trim().slice(0, 200)}, not ${header.trim().slice(0, 200)}`);
      } else {
        const found = keyOf(text, delimiter, key);
        if (found === undefined) throw mismatch(`line ${number} has no ${key}`);
        done.add(found);
      }
      keptBytes += size;
      [record, quotes, size] = [[], 0, 0];
    }
  } finally {
    await handle.close();
  }
  return keptBytes;
}

function keyOf(text: string, delimiter: string | undefined, key: Rows['key']): number | string | undefined {
  if (delimiter === undefined) {
    try {
      const value = (JSON.parse(text) as { row?: unknown; file?: unknown })[key];
      return (key === 'row' ? Number.isSafeInteger(value) : typeof value === 'string') ? (value as number | string) : undefined;
    } catch {
      return undefined;
    }
  }
  const quoted = /^"((?:[^"]|"")*)"/.exec(text);
  const cell = quoted === null ? text.slice(0, text.indexOf(delimiter)) : quoted[1]!.replaceAll('""', '"');
  if (key === 'file') return cell;
  return /^\d{1,15}$/.test(cell) ? Number(cell) : undefined;
}

/** The bad rows of a side file, for what is said at the end. */
export async function firstErrors(path: string, count: number): Promise<string[]> {
  const text = await readFile(path, 'utf8');
  return text.split('\n', count).filter((line) => line !== '').map((line) => {
    const { place, error } = JSON.parse(line) as { place: string; error: string };
    return `${place}: ${error}`;
  });
}
