/** Reads model files whole, with a limit, and what JSON says in them, with errors that name the place. */
import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { Artifact } from '../../artifact.ts';
import { ModelportError } from '../../errors.ts';
import type { ImportOptions } from '../../importer.ts';

/** A text of JavaScript is no longer than about half a gigabyte. */
const mostTextBytes = 480 << 20;
/** What Node reads at once. */
export const mostFileBytes = 2 ** 31 - 1;

/** Throws `INVALID_MODEL` where the file is too large or can't be read. */
export function readWhole(artifact: Artifact, mostBytes = mostTextBytes): Buffer {
  const path = join(artifact.directory, artifact.main);
  try {
    const { size } = statSync(path);
    if (size > mostBytes) throw new ModelportError('INVALID_MODEL', `${path} has ${size} bytes; the largest that is imported has ${mostBytes}`, { at: path });
    return readFileSync(path);
  } catch (error) {
    if (error instanceof ModelportError) throw error;
    throw new ModelportError('INVALID_MODEL', `${path} cannot be read: ${(error as Error).message}`, { at: path, cause: error });
  }
}

/** What is wrong with a file is said by its name. */
export async function naming<Result>(artifact: Artifact, read: () => Result | Promise<Result>): Promise<Result> {
  const path = join(artifact.directory, artifact.main);
  try {
    return await read();
  } catch (error) {
    if (!(error instanceof ModelportError) || error.code !== 'INVALID_MODEL' || error.message.startsWith(path)) throw error;
    const said = error.message.startsWith(artifact.main) ? error.message.slice(artifact.main.length) : `: ${error.message}`;
    throw new ModelportError('INVALID_MODEL', `${path}${said}`, { cause: error, at: error.at ?? path });
  }
}

/** An option that says what these files say themselves is refused: `INVALID_USAGE`. `what`: `an XGBoost model`. */
export function refuseMeaningless({ inputs, architecture }: ImportOptions, what: string): void {
  if (inputs !== undefined && inputs.length > 0) throw new ModelportError('INVALID_USAGE', `${what} says itself what its inputs are: leave the declaration of inputs out`);
  if (architecture !== undefined) throw new ModelportError('INVALID_USAGE', `${what} holds its program as well as its numbers: leave the architecture '${architecture.slice(0, 80)}' out`);
}

/** A library that calculates in one precision only. Throws `INVALID_USAGE` where another is asked for. */
export function refusePrecision({ precision }: ImportOptions, only: 'float32' | 'float64', library: string): void {
  if (precision !== undefined && precision !== only) throw new ModelportError('INVALID_USAGE', `${library} calculates in ${only}, and so does the imported model: leave precision ${precision} out`);
}

export function refused(what: string, at?: string): ModelportError {
  return new ModelportError('INVALID_MODEL', what, at === undefined ? {} : { at });
}

/** A value of a parsed document, and where it is. Its readers throw `INVALID_MODEL` where something else is there. */
export class Item {
  readonly value: unknown;
  readonly at: string;

  constructor(value: unknown, at: string) {
    this.value = value;
    this.at = at;
  }

  get isAbsent(): boolean {
    return this.value === undefined || this.value === null;
  }

  member(name: string): Item {
    if (typeof this.value !== 'object' || this.value === null || Array.isArray(this.value) || ArrayBuffer.isView(this.value)) throw this.wrong('an object');
    return new Item(Object.hasOwn(this.value, name) ? (this.value as Record<string, unknown>)[name] : undefined, this.at === '' ? name : `${this.at}.${name}`);
  }

  keys(): string[] {
    if (typeof this.value !== 'object' || this.value === null || Array.isArray(this.value)) throw this.wrong('an object');
    return Object.keys(this.value);
  }

  items(): Item[] {
    if (!Array.isArray(this.value)) {
      if (ArrayBuffer.isView(this.value)) return Array.from(this.value as unknown as ArrayLike<unknown>, (item, index) => new Item(item, `${this.at}[${index}]`));
      throw this.wrong('a list');
    }
    return (this.value as unknown[]).map((item, index) => new Item(item, `${this.at}[${index}]`));
  }

  text(): string {
    if (typeof this.value !== 'string') throw this.wrong('a text');
    return this.value;
  }

  /** A number, or the text of one. */
  number(): number {
    const number = typeof this.value === 'string' && this.value.trim() !== '' ? Number(this.value) : this.value;
    if (typeof number === 'boolean') return Number(number);
    if (typeof number !== 'number' || Number.isNaN(number)) throw this.wrong('a number');
    return number;
  }

  integer(least = 0, most = 2 ** 31 - 1): number {
    const number = this.number();
    if (!Number.isInteger(number) || number < least || number > most) throw this.wrong(`a whole number from ${least} to ${most}`);
    return number;
  }

  /** A list of numbers in which some may be missing: NaN. */
  numbersOrMissing(length?: number): ArrayLike<number> {
    if (ArrayBuffer.isView(this.value)) {
      const { length: found } = this.value as unknown as ArrayLike<number>;
      return length === undefined || found === length ? (this.value as unknown as ArrayLike<number>) : this.numbers(length);
    }
    if (!Array.isArray(this.value)) throw this.wrong('a list of numbers');
    const present = new Item((this.value as unknown[]).map((element) => (element === null || Number.isNaN(element) ? 0 : element)), this.at).numbers(length);
    return Float64Array.from(present, (element, index) => ((this.value as unknown[])[index] === null ? Number.NaN : element));
  }

  /** A list of numbers; `length` where it must have one. */
  numbers(length?: number): ArrayLike<number> {
    const { value } = this;
    const isList = Array.isArray(value) || (ArrayBuffer.isView(value) && !(value instanceof DataView));
    if (!isList) throw this.wrong('a list of numbers');
    const list = value as unknown as ArrayLike<unknown>;
    if (length !== undefined && list.length !== length) throw refused(`${this.at} has ${list.length} elements instead of ${length}`, this.at);
    for (let index = 0; index < list.length; index++) {
      const element = list[index];
      if (typeof element === 'number' && !Number.isNaN(element)) continue;
      if (typeof element === 'boolean') return Array.from(list, (_, place) => new Item(list[place], `${this.at}[${place}]`).number());
      throw new Item(element, `${this.at}[${index}]`).wrong('a number');
    }
    return list as ArrayLike<number>;
  }

  wrong(expected: string): ModelportError {
    const { value } = this;
    const found = value === undefined ? 'nothing' : typeof value === 'string' || typeof value === 'number' ? JSON.stringify(value).slice(0, 80) : Array.isArray(value) ? 'a list' : value === null ? 'null' : `a ${typeof value}`;
    return refused(`${this.at === '' ? 'the document' : this.at} should be ${expected}, but is ${found}`, this.at);
  }
}

/** Numbers that JSON does not have but that are written nevertheless become null. Throws `INVALID_MODEL` where it is no JSON. */
export function parseJson(bytes: Uint8Array): Item {
  if (bytes.length > mostTextBytes) throw refused(`its JSON has ${bytes.length} bytes; the longest that is imported has ${mostTextBytes}. Save it in the binary format of its library`);
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
    try {
      return new Item(JSON.parse(text), '');
    } catch (error) {
      if (!/[:,[]\s*-?(?:NaN|Infinity|nan|inf)\b/.test(text)) throw error;
      return new Item(JSON.parse(text.replaceAll(/"(?:[^"\\]|\\.)*"|-?\b(?:NaN|Infinity|nan|inf)\b/g, (token) => (token.startsWith('"') ? token : 'null'))), '');
    }
  } catch (error) {
    throw new ModelportError('INVALID_MODEL', `it is no valid JSON: ${(error as Error).message}`, { cause: error });
  }
}
