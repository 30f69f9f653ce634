/** Reads what a framework saved and gives an artifact that a runtime executes. Nothing in the file is ever run. */
import type { Artifact } from './artifact.ts';

export interface Importer {
  readonly name: string;
  /** Whether the artifact's content (not its name) is this framework's. */
  accepts(artifact: Artifact): Promise<boolean>;
  /** The imported artifact, written below `directory`. Throws `INVALID_MODEL` naming what is not covered. */
  import(artifact: Artifact, directory: string): Promise<Artifact>;
}
