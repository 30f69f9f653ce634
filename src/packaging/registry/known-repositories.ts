/** Which repository of a registry has which content, as far as this machine sent it: a push to another repository there takes it over, and sends nothing. */
import { RememberedFacts } from '../remembered-facts.ts';

/** What it says may be out of date: a registry that has the content no more is sent it. */
export class KnownRepositories {
  readonly #facts: RememberedFacts<string>;

  private constructor(facts: RememberedFacts<string>) {
    this.#facts = facts;
  }

  static async open(path: string): Promise<KnownRepositories> {
    return new KnownRepositories(await RememberedFacts.open<string>(path, (key, value) => /^\S+ sha256:[0-9a-f]{64}$/.test(key) && typeof value === 'string'));
  }

  /** The repository that was last seen with it. */
  find(registry: string, digest: string): string | undefined {
    return this.#facts.get(`${registry} ${digest}`);
  }

  add(registry: string, repository: string, digest: string): void {
    if (this.find(registry, digest) !== repository) this.#facts.set(`${registry} ${digest}`, repository);
  }

  async save(): Promise<void> {
    await this.#facts.save();
  }
}
