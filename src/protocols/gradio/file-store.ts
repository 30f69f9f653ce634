/**
 * Files that clients upload and that answers hold, each for a limited time. Whoever knows a path may read its file: paths hold 128
 * random bits. Behind several replicas, an implementation over storage that they share takes the place of this one.
 */
import { randomBytes } from 'node:crypto';
import { constants, rmSync } from 'node:fs';
import { mkdir, mkdtemp, open, readdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ModelportError } from '../../errors.ts';

export interface FileStore {
  /** Gives the path by which clients name the file from now on. Throws `QUEUE_FULL` where there is no room. */
  write(bytes: Uint8Array, name: string): Promise<string>;
  /** Undefined where the store holds no file of that path (any more); whatever the text is. */
  read(path: string): Promise<StoredFile | undefined>;
}

export interface StoredFile {
  readonly name: string;
  readonly bytes: Uint8Array;
}

export interface FileStoreLimits {
  /** How long a file is kept at least; old ones go when a new one comes, some minutes later. */
  readonly keptMs: number;
  /** Of all files together. */
  readonly mostBytes: number;
  readonly mostFiles: number;
}

export const defaultFileLimits: FileStoreLimits = { keptMs: 60 * 60_000, mostBytes: 2_000_000_000, mostFiles: 20_000 };

/** `<32 hexadecimal digits>/<name>`: nothing else leads to a file. */
const pathForm = /^([0-9a-f]{32})\/([^/\\\0]+)$/;

/** Keeps files in a folder: `<directory>/<id>/<name>`. Several processes may share it. */
export class DirectoryFileStore implements FileStore {
  readonly #parent: string | undefined;
  readonly #limits: FileStoreLimits;
  #directory: Promise<string> | undefined;
  #sweeping: Promise<void> | undefined;
  #sweptAtMs = -Infinity;
  #bytes = 0;
  #files = 0;

  /** `parent`: the folder that holds `gradio/files`; undefined: a folder of this process alone, which goes with it. */
  constructor(parent: string | undefined, limits: FileStoreLimits = defaultFileLimits) {
    this.#parent = parent;
    this.#limits = limits;
  }

  async write(bytes: Uint8Array, name: string): Promise<string> {
    const directory = await this.#open();
    await this.#sweep(directory);
    const { mostBytes, mostFiles } = this.#limits;
    if (this.#bytes + bytes.byteLength > mostBytes || this.#files >= mostFiles) {
      throw new ModelportError('QUEUE_FULL', `there is no room for a file of ${bytes.byteLength} bytes: ${this.#files} files with ${this.#bytes} bytes are kept for clients. Try again later`, { retryAfterSeconds: 60 });
    }
    this.#bytes += bytes.byteLength;
    this.#files++;
    const id = randomBytes(16).toString('hex');
    const plain = plainFileName(name);
    const beside = join(directory, `.${id}`);
    try {
      await mkdir(beside, { mode: 0o700 });
      await writeFile(join(beside, plain), bytes, { mode: 0o600, flag: 'wx' });
      await rename(beside, join(directory, id));
    } catch (error) {
      this.#bytes -= bytes.byteLength;
      this.#files--;
      await rm(beside, { recursive: true, force: true });
      throw error;
    }
    return `${id}/${plain}`;
  }

  async read(path: string): Promise<StoredFile | undefined> {
    const match = pathForm.exec(path);
    const name = match?.[2];
    if (match === null || name === undefined || name.startsWith('.')) return undefined;
    const directory = await this.#open();
    const file = await open(join(directory, match[1]!, name), constants.O_RDONLY | constants.O_NOFOLLOW).catch((error: NodeJS.ErrnoException) => {
      if (['ENOENT', 'ENOTDIR', 'ELOOP', 'ENAMETOOLONG'].includes(error.code ?? '')) return undefined;
      throw error;
    });
    if (file === undefined) return undefined;
    try {
      if (!(await file.stat()).isFile()) return undefined;
      // Memory of its own: whoever reads it may hand it to a thread.
      return { name, bytes: new Uint8Array(await file.readFile()) };
    } finally {
      await file.close();
    }
  }

  #open(): Promise<string> {
    return (this.#directory ??= this.#create());
  }

  async #create(): Promise<string> {
    if (this.#parent === undefined) {
      const directory = await mkdtemp(join(tmpdir(), 'modelport-gradio-'));
      process.once('exit', () => rmSync(directory, { recursive: true, force: true }));
      return directory;
    }
    const directory = join(this.#parent, 'gradio', 'files');
    await mkdir(directory, { recursive: true, mode: 0o700 });
    return directory;
  }

  /** Removes what is too old and counts the rest, now and then. Nothing is written meanwhile, so that the count holds. */
  async #sweep(directory: string): Promise<void> {
    if (performance.now() - this.#sweptAtMs >= this.#limits.keptMs / 6) {
      this.#sweptAtMs = performance.now();
      this.#sweeping = this.#sweepNow(directory);
    }
    await this.#sweeping;
  }

  async #sweepNow(directory: string): Promise<void> {
    let bytes = 0;
    let files = 0;
    const oldest = Date.now() - this.#limits.keptMs;
    for (const id of await readdir(directory)) {
      const folder = join(directory, id);
      const names = await readdir(folder).catch(() => []);
      const found = await stat(folder).catch(() => undefined);
      if (found === undefined) continue;
      if (found.mtimeMs < oldest) {
        await rm(folder, { recursive: true, force: true });
        continue;
      }
      for (const name of names) {
        bytes += await stat(join(folder, name)).then(({ size }) => size, () => 0);
        files++;
      }
    }
    this.#bytes = bytes;
    this.#files = files;
  }
}

const longestNameBytes = 150;

/** The last part of a client's name for a file, of characters that no file system and no shell minds. */
export function plainFileName(name: string): string {
  const last = name.split(/[/\\]/).at(-1)!.normalize('NFC').replace(/[^\p{L}\p{N}\p{M}._() -]/gu, '_').replace(/^[. ]+/, '').replace(/[. ]+$/, '');
  const dot = last.lastIndexOf('.');
  const extension = dot > 0 && last.length - dot <= 16 ? last.slice(dot) : '';
  let stem = last.slice(0, last.length - extension.length);
  while (Buffer.byteLength(stem + extension) > longestNameBytes) stem = [...stem].slice(0, -1).join('');
  return stem === '' ? `file${extension}` : stem + extension;
}
