/** Small facts by key in one JSON file, which several processes add to at once. What can't be read, or is no such fact, is not known. */
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { withFileLock } from '../lib/file-lock.ts';

const maximumEntries = 10_000;

export class RememberedFacts<Fact> {
  readonly #path: string;
  readonly #isFact: (key: string, value: unknown) => boolean;
  readonly #entries: ReadonlyMap<string, Fact>;
  readonly #added = new Map<string, Fact>();

  private constructor(path: string, isFact: (key: string, value: unknown) => boolean, entries: ReadonlyMap<string, Fact>) {
    this.#path = path;
    this.#isFact = isFact;
    this.#entries = entries;
  }

  /** `forget`: what is there is not believed; what is added takes its place. */
  static async open<Fact>(path: string, isFact: (key: string, value: unknown) => boolean, forget = false): Promise<RememberedFacts<Fact>> {
    return new RememberedFacts<Fact>(path, isFact, forget ? new Map() : await readEntries<Fact>(path, isFact));
  }

  get(key: string): Fact | undefined {
    return this.#added.get(key) ?? this.#entries.get(key);
  }

  set(key: string, fact: Fact): void {
    this.#added.set(key, fact);
  }

  /** Of more than 10,000 the oldest are forgotten. */
  async save(): Promise<void> {
    if (this.#added.size === 0) return;
    await mkdir(dirname(this.#path), { recursive: true });
    await withFileLock(`${this.#path}.lock`, async () => {
      const merged = await readEntries<Fact>(this.#path, this.#isFact);
      for (const [key, fact] of this.#added) {
        merged.delete(key);
        merged.set(key, fact);
      }
      const beside = `${this.#path}.${process.pid}.part`;
      await writeFile(beside, JSON.stringify(Object.fromEntries([...merged].slice(-maximumEntries))));
      await rename(beside, this.#path);
    });
    this.#added.clear();
  }
}

async function readEntries<Fact>(path: string, isFact: (key: string, value: unknown) => boolean): Promise<Map<string, Fact>> {
  try {
    const parsed: unknown = JSON.parse(await readFile(path, 'utf8'));
    return new Map(Object.entries(parsed as Record<string, Fact>).filter(([key, value]) => isFact(key, value)));
  } catch {
    return new Map();
  }
}
