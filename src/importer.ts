/** Reads what a framework saved and gives an artifact that a runtime executes. Nothing in the file is ever run. */
import type { Artifact } from './artifact.ts';

export interface Importer {
  readonly name: string;
  /** Raised when equal files are imported differently: what was imported before is then imported again. */
  readonly version: number;
  /** Whether a file that begins so (up to 64 KB) is this framework's. */
  accepts(start: Uint8Array, sizeBytes: number): boolean;
  /** The imported artifact, written below `directory`. Throws `INVALID_MODEL` naming what is not covered. */
  import(artifact: Artifact, directory: string): Promise<Artifact>;
}
