/** Reads what a framework saved and gives an artifact that a runtime executes. Nothing in the file is ever run. */
import type { Artifact } from './artifact.ts';
import type { Dimension } from './model.ts';
import type { Datatype } from './tensor.ts';

/** What a person may say of an input that the file does not describe: `x:f32[batch,3,224,224]`. */
export interface InputDeclaration {
  /** The program's own name of it; where absent, declarations count in the order of the program's inputs. */
  readonly name?: string;
  readonly datatype: Datatype;
  /** A name is a size that varies; equal names are equal sizes. */
  readonly shape: readonly Dimension[];
}

export interface ImportOptions {
  readonly inputs?: readonly InputDeclaration[];
  /** The program, by name, of a file that holds weights alone. */
  readonly architecture?: string;
  /** Where a framework computes in float64: as it does (the default), or in float32 for speed. */
  readonly precision?: 'float32' | 'float64';
  /** Told what a person should know of the result and would not see in it: an output that was left out, a size that was fixed. One sentence each. */
  note?(sentence: string): void;
  /** Told how far a long import is: what is done now, and the part that is done (0–1). */
  progress?(step: string, part: number): void;
}

export interface Importer {
  readonly name: string;
  /** Raised when equal files are imported differently: what was imported before is then imported again. */
  readonly version: number;
  /** Names of files beside it that the import depends on, where they are there: what was imported before is used again only where they are equal too. */
  readonly readsBeside?: readonly string[];
  /** Whether a file that begins so (up to 64 KB) is this framework's. */
  accepts(start: Uint8Array, sizeBytes: number): boolean;
  /**
   * The imported artifact, written below `directory`. Throws `INVALID_MODEL` naming what is not covered, `INVALID_USAGE` for an option that does not
   * fit the file. An option that means nothing to this framework is refused, never passed over.
   */
  import(artifact: Artifact, directory: string, options?: ImportOptions): Promise<Artifact>;
}
