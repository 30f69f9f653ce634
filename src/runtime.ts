/** What executes models. A runtime lives in a module of its own that a thread or process can import. */
import type { Artifact } from './artifact.ts';
import type { Model } from './model.ts';

/**
 * Where a model runs: `inline` on the event loop (only for runs well under the cost of a thread hop), `thread` in a
 * worker thread, `process` in a child process (survives a native crash, gives all memory back on unload).
 */
export const instanceKinds = ['inline', 'thread', 'process'] as const;
export type InstanceKind = (typeof instanceKinds)[number];

export interface LoadOptions {
  /** Threads that one run may use. */
  readonly threads: number;
  /** Runtime-specific settings from the model config's `parameters`. Plain data. */
  readonly parameters: Readonly<Record<string, unknown>>;
}

export interface Runtime {
  readonly name: string;
  /** URL of the module whose default export is this runtime; threads and processes import it. */
  readonly moduleUrl: string;
  readonly instanceKinds: readonly InstanceKind[];
  /** Calls that one instance takes at once; default 1. More only where it waits for somebody else's work. */
  readonly concurrency?: number;
  /** Whether this runtime executes the format. */
  accepts(artifact: Artifact): boolean;
  /**
   * One warm model. May block the thread. Throws `INVALID_MODEL` naming file, node or operator. In a thread or process the
   * memory of a request is used again after its answer, and large outputs are given away with it: the model keeps neither.
   */
  load(artifact: Artifact, options: LoadOptions): Promise<Model>;
}
