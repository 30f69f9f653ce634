/**
 * Answers that a person flagged: kept by the server, one line of JSON each, in one file a model, and downloaded from there.
 * For whoever may manage the server only: a flag holds what people entered.
 */
import { createHash } from 'node:crypto';
import { appendFile, mkdir, readFile, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { ModelportError } from '../../errors.ts';

/** Of one flag, as it is written. */
export const mostFlagBytes = 8_000_000;
/** Of all flags of one model. */
export const mostFileBytes = 64_000_000;

export interface FlagFacts {
  readonly model: string;
  readonly version: string;
}

export interface FlagCount {
  readonly model: string;
  readonly count: number;
  readonly sizeBytes: number;
}

export class FlagStore {
  readonly #directory: string;
  /** Writes to one file wait for each other. */
  readonly #writing = new Map<string, Promise<void>>();

  constructor(cacheDirectory: string) {
    this.#directory = join(cacheDirectory, 'page', 'flags');
  }

  /**
   * Adds `{at, model, version, note, input, output}` and says how many there are. Throws `INVALID_VALUE`, `BODY_TOO_LARGE`, and
   * `CONFLICT` where the file of the model is full.
   */
  async add({ model, version }: FlagFacts, body: Uint8Array, at: Date): Promise<number> {
    if (body.byteLength > mostFlagBytes) throw new ModelportError('BODY_TOO_LARGE', `the flag has ${body.byteLength} bytes; at most ${mostFlagBytes} are kept`);
    const { note, input, output } = readFlag(body);
    const line = `${JSON.stringify({ at: at.toISOString(), model, version, note }).slice(0, -1)},"input":${input},"output":${output}}\n`;
    const before = this.#writing.get(model) ?? Promise.resolve();
    const path = this.#path(model);
    const writing = before.then(async () => {
      await mkdir(this.#directory, { recursive: true });
      const size = await sizeOf(path);
      if (size + Buffer.byteLength(line) > mostFileBytes) {
        throw new ModelportError('CONFLICT', `the flags of '${model}' fill ${size} bytes, and at most ${mostFileBytes} are kept: download them, then DELETE ui/flags/${encodeURIComponent(model)}`);
      }
      await appendFile(path, line, { mode: 0o600 });
    });
    const settled = writing.then(() => {}, () => {});
    this.#writing.set(model, settled);
    try {
      await writing;
    } finally {
      if (this.#writing.get(model) === settled) this.#writing.delete(model);
    }
    return (await this.count(model)).count;
  }

  /** Lines of JSON; undefined where there are none. */
  async read(model: string): Promise<Buffer | undefined> {
    return readFile(this.#path(model)).catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return undefined;
      throw error;
    });
  }

  async count(model: string): Promise<FlagCount> {
    const lines = await this.read(model);
    let count = 0;
    if (lines !== undefined) for (let at = lines.indexOf(10); at >= 0; at = lines.indexOf(10, at + 1)) count++;
    return { model, count, sizeBytes: lines?.byteLength ?? 0 };
  }

  async clear(model: string): Promise<void> {
    await rm(this.#path(model), { force: true });
  }

  /** Names of models hold anything; names of files do not. */
  #path(model: string): string {
    const plain = encodeURIComponent(model).replaceAll('*', '%2A');
    return join(this.#directory, `${plain.length <= 150 ? plain : `${plain.slice(0, 100)}-${createHash('sha256').update(model).digest('hex').slice(0, 16)}`}.jsonl`);
  }
}

async function sizeOf(path: string): Promise<number> {
  return stat(path).then((found) => found.size, () => 0);
}

interface Flag {
  readonly note: string;
  /** JSON texts of one line. */
  readonly input: string;
  readonly output: string;
}

/** `{"note": text, "input": JSON text, "output": JSON text}`: as text, so that 64-bit integers are kept as they are. */
function readFlag(body: Uint8Array): Flag {
  let given: unknown;
  try {
    given = JSON.parse(Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString('utf8'));
  } catch (cause) {
    throw new ModelportError('INVALID_VALUE', 'the flag is not JSON', { cause });
  }
  if (typeof given !== 'object' || given === null) throw new ModelportError('INVALID_VALUE', 'the flag is no object: send {"note": "…", "input": "…", "output": "…"}');
  const { note = '', input, output } = given as Readonly<Record<string, unknown>>;
  if (typeof note !== 'string' || note.length > 2000) throw new ModelportError('INVALID_VALUE', 'note is a text of at most 2000 characters', { at: 'note' });
  return { note, input: oneLine(input, 'input'), output: oneLine(output, 'output') };
}

/** The text as it is where it is JSON; else (NaN, Infinity) as a JSON string. */
function oneLine(text: unknown, at: string): string {
  if (typeof text !== 'string') throw new ModelportError('INVALID_VALUE', `${at} is the value as JSON text`, { at });
  try {
    JSON.parse(text);
  } catch {
    return JSON.stringify(text);
  }
  // Between tokens only: inside of strings JSON has no raw line ends.
  return text.replace(/[\r\n]+/g, ' ');
}
