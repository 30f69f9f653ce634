/** File events as a hint that something changed; what changed, a scan finds out. */
import { watch, type FSWatcher } from 'node:fs';

/** Folders beyond this number are found by the slow rescan only: each watcher takes a handle of the system. */
const maximumWatchers = 2_000;

/** Watches a changing set of folders. Calls `changed` at most once per `debounceMs`, after the events of a burst ended. */
export class FolderWatch implements Disposable {
  readonly #watchers = new Map<string, FSWatcher>();
  readonly #changed: () => void;
  readonly #debounceMs: number;
  #timer: NodeJS.Timeout | undefined;

  constructor(debounceMs: number, changed: () => void) {
    this.#debounceMs = debounceMs;
    this.#changed = changed;
  }

  /** Replaces the set of watched folders. A folder that cannot be watched is left out. */
  watch(directories: readonly string[]): void {
    const wanted = new Set(directories.slice(0, maximumWatchers));
    for (const [directory, watcher] of this.#watchers) {
      if (wanted.has(directory)) continue;
      watcher.close();
      this.#watchers.delete(directory);
    }
    for (const directory of wanted) {
      if (this.#watchers.has(directory)) continue;
      try {
        const watcher = watch(directory, { persistent: false }, () => this.#event());
        // A folder that is removed ends its watcher with an error on some systems.
        watcher.on('error', () => {
          watcher.close();
          this.#watchers.delete(directory);
          this.#event();
        });
        this.#watchers.set(directory, watcher);
      } catch {
        continue;
      }
    }
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    for (const watcher of this.#watchers.values()) watcher.close();
    this.#watchers.clear();
  }

  #event(): void {
    if (this.#watchers.size === 0 && this.#timer === undefined) return;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#changed();
    }, this.#debounceMs).unref();
  }
}
