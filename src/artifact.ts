/** The files of one model version and what is known about them. Plain data: it crosses thread and process borders. */
export interface ArtifactFile {
  /** Relative to the artifact's directory, with forward slashes. */
  readonly path: string;
  readonly sizeBytes: number;
  /** `sha256:…`, where it was computed already. */
  readonly digest?: string;
}

export interface Artifact {
  /** Found by content, not by name: `onnx`, `ensemble`, later `sklearn`, `torchscript` … */
  readonly format: string;
  /** Absolute. Nothing outside it is read on the artifact's behalf. */
  readonly directory: string;
  /** The file that a runtime opens, relative to `directory`. */
  readonly main: string;
  readonly files: readonly ArtifactFile[];
  /** Key–value pairs that the file carries (ONNX `metadata_props`, safetensors' header …). */
  readonly metadata: Readonly<Record<string, string>>;
  /**
   * What in the file may take long without telling beforehand (`it has loops`): such a model is never loaded, tried or run on
   * the event loop unless its config says so.
   */
  readonly longWork?: string;
}
