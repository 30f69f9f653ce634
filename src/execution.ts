/** What the layer that runs batches reports about each run; statistics and metrics listen. */
export interface ExecutionObserver {
  /** One run of `rows` rows ended well. Durations in milliseconds: gathering inputs, the run itself, scattering outputs. */
  executed(rows: number, computeInputMs: number, computeInferMs: number, computeOutputMs: number): void;
}
