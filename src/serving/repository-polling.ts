/**
 * Follows the files of a repository: events tell at once, a slow rescan finds what events missed. What changed is
 * applied once it has stayed the same for a while, so that a file that is being copied is not loaded half.
 */
import type { FoundModel, FoundModels } from './model-layout.ts';
import { FolderWatch } from './watch-folders.ts';

export interface PollingOptions {
  readonly pollMs: number;
  readonly settleMs: number;
  readonly scan: () => Promise<FoundModels>;
  /** Undefined: nothing is applied, scans alone keep the list of models current. */
  readonly apply: ((changed: readonly string[], removed: readonly string[]) => Promise<void>) | undefined;
  readonly log: (text: string) => void;
}

/** The burst of events that one copied file makes is one event. */
const debounceMs = 50;
const gone = '';

export class RepositoryPolling implements AsyncDisposable {
  readonly #options: PollingOptions;
  readonly #watch: FolderWatch;
  /** By model: what was applied last, and what was seen since when. */
  readonly #applied = new Map<string, string>();
  readonly #pending = new Map<string, { readonly key: string; readonly sinceMs: number }>();
  #timer: NodeJS.Timeout | undefined;
  #running: Promise<void> | undefined;
  #again = false;
  #closed = false;

  constructor(options: PollingOptions) {
    this.#options = options;
    this.#watch = new FolderWatch(debounceMs, () => this.#look());
  }

  /** `found` is what is loaded already. */
  start(found: FoundModels): void {
    for (const [name, model] of found.models) this.#applied.set(name, keyOf(model));
    this.#watch.watch(found.directories);
    // What changed between that scan and the first event would else wait for the slow rescan.
    this.#lookIn(this.#options.settleMs);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#timer);
    this.#watch[Symbol.dispose]();
    await this.#running;
  }

  #lookIn(delayMs: number): void {
    clearTimeout(this.#timer);
    if (!this.#closed) this.#timer = setTimeout(() => this.#look(), delayMs).unref();
  }

  #look(): void {
    if (this.#closed) return;
    if (this.#running !== undefined) {
      this.#again = true;
      return;
    }
    this.#running = this.#round().finally(() => {
      this.#running = undefined;
      if (this.#again) {
        this.#again = false;
        this.#look();
      } else this.#lookIn(this.#pending.size > 0 ? this.#options.settleMs : this.#options.pollMs);
    });
  }

  async #round(): Promise<void> {
    let found: FoundModels;
    try {
      found = await this.#options.scan();
    } catch (error) {
      // A folder that is away for a moment (a remounted volume) must not take down what serves.
      this.#options.log(`looking at the model repository failed: ${(error as Error).message}`);
      return;
    }
    if (this.#closed) return;
    this.#watch.watch(found.directories);
    if (this.#options.apply === undefined) return;
    const changed: string[] = [];
    const removed: string[] = [];
    const nowMs = performance.now();
    for (const name of new Set([...found.models.keys(), ...this.#applied.keys()])) {
      const model = found.models.get(name);
      const key = model === undefined ? gone : keyOf(model);
      if (key === (this.#applied.get(name) ?? gone)) {
        this.#pending.delete(name);
        continue;
      }
      const pending = this.#pending.get(name);
      if (pending?.key !== key) this.#pending.set(name, { key, sinceMs: nowMs });
      // Timers fire up to a millisecond early against this clock.
      else if (nowMs - pending.sinceMs >= this.#options.settleMs - 1) {
        this.#pending.delete(name);
        if (model === undefined) {
          this.#applied.delete(name);
          removed.push(name);
        } else {
          this.#applied.set(name, key);
          changed.push(name);
        }
      }
    }
    if (changed.length > 0 || removed.length > 0) await this.#options.apply(changed, removed);
  }
}

function keyOf(model: FoundModel): string {
  return JSON.stringify([model.directory, model.place, model.fingerprint, model.versions.map(({ version, directory, fingerprint }) => [version, directory, fingerprint]), model.problem?.message]);
}
