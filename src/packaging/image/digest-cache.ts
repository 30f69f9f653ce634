/** Which layer came of which files: the digests by what `stat` says, so that unchanged files are not read again. */
import { createHash } from 'node:crypto';
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { withFileLock } from '../../lib/file-lock.ts';

export interface KnownLayer {
  readonly digest: string;
  readonly size: number;
  /** Of the tar archive before compression. */
  readonly diffId: string;
}

const maximumEntries = 10_000;

export class DigestCache {
  readonly #path: string;
  readonly #entries: Map<string, KnownLayer>;
  readonly #added = new Map<string, KnownLayer>();

  private constructor(path: string, entries: Map<string, KnownLayer>) {
    this.#path = path;
    this.#entries = entries;
  }

  /** `rehash`: what is remembered is not believed, and written anew. */
  static async open(path: string, rehash = false): Promise<DigestCache> {
    return new DigestCache(path, rehash ? new Map() : await readEntries(path));
  }

  /** `facts` decides: all that the layer is made from, and how. */
  static keyOf(facts: unknown): string {
    return createHash('sha256').update(JSON.stringify(facts)).digest('hex');
  }

  get(key: string): KnownLayer | undefined {
    return this.#entries.get(key) ?? this.#added.get(key);
  }

  set(key: string, layer: KnownLayer): void {
    this.#added.set(key, layer);
  }

  async save(): Promise<void> {
    if (this.#added.size === 0) return;
    await mkdir(dirname(this.#path), { recursive: true });
    await withFileLock(`${this.#path}.lock`, async () => {
      const merged = [...(await readEntries(this.#path)), ...this.#added].slice(-maximumEntries);
      const beside = `${this.#path}.${process.pid}.part`;
      await writeFile(beside, JSON.stringify(Object.fromEntries(merged)));
      await rename(beside, this.#path);
    });
    this.#added.clear();
  }
}

/** A cache that can't be read is empty. */
async function readEntries(path: string): Promise<Map<string, KnownLayer>> {
  try {
    const parsed: unknown = JSON.parse(await readFile(path, 'utf8'));
    return new Map(Object.entries(parsed as Record<string, KnownLayer>).filter(([, { digest, size, diffId }]) => /^sha256:[0-9a-f]{64}$/.test(digest) && /^sha256:[0-9a-f]{64}$/.test(diffId) && Number.isSafeInteger(size)));
  } catch {
    return new Map();
  }
}
