/** Which layer came of which files: the digests by what `stat` says, so that unchanged files are not read again. */
import { createHash } from 'node:crypto';
import { RememberedFacts } from '../remembered-facts.ts';

export interface KnownLayer {
  readonly digest: string;
  readonly size: number;
  /** Of the tar archive before compression. */
  readonly diffId: string;
}

export class DigestCache {
  readonly #facts: RememberedFacts<KnownLayer>;

  private constructor(facts: RememberedFacts<KnownLayer>) {
    this.#facts = facts;
  }

  /** `rehash`: what is remembered is not believed, and written anew. */
  static async open(path: string, rehash = false): Promise<DigestCache> {
    return new DigestCache(await RememberedFacts.open<KnownLayer>(path, isKnownLayer, rehash));
  }

  /** `facts` decides: all that the layer is made from, and how. */
  static keyOf(facts: unknown): string {
    return createHash('sha256').update(JSON.stringify(facts)).digest('hex');
  }

  get(key: string): KnownLayer | undefined {
    return this.#facts.get(key);
  }

  set(key: string, layer: KnownLayer): void {
    this.#facts.set(key, layer);
  }

  async save(): Promise<void> {
    await this.#facts.save();
  }
}

function isKnownLayer(_key: string, value: unknown): boolean {
  const { digest, size, diffId } = (value ?? {}) as Partial<KnownLayer>;
  return /^sha256:[0-9a-f]{64}$/.test(digest ?? '') && /^sha256:[0-9a-f]{64}$/.test(diffId ?? '') && Number.isSafeInteger(size);
}
