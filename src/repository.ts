/** What protocols may ask of the models that are served. `serving/` implements it. */
import type { Artifact } from './artifact.ts';
import type { ExplainedConfig } from './model-config.ts';
import type { Model, Parameters } from './model.ts';

export type ModelState = 'LOADING' | 'READY' | 'UNLOADING' | 'UNAVAILABLE';

export interface IndexEntry {
  readonly name: string;
  readonly version: string;
  readonly state: ModelState;
  /** Why it is not ready, or '' . */
  readonly reason: string;
}

/** How often something happened and how long it took altogether. Integers; nanoseconds fit a double for 104 days. */
export interface DurationStatistic {
  readonly count: number;
  readonly ns: number;
}

/** How long something took, as a histogram. */
export interface LatencyHistogram {
  /** Upper bounds, ascending; a last bucket above them has no bound. */
  readonly boundsMs: readonly number[];
  /** How many lie in each bucket, not cumulative; one longer than `boundsMs`. */
  readonly counts: readonly number[];
  readonly count: number;
  readonly sumMs: number;
}

/** The phases of successful requests that have histograms. Those that a cache answered have `request` only. */
export const latencyPhases = ['request', 'queue', 'computeInput', 'computeInfer', 'computeOutput'] as const;
export type LatencyPhase = (typeof latencyPhases)[number];

/** Why requests failed, in the terms of Triton's `nv_inference_request_failure`. */
export const failureReasons = ['REJECTED', 'CANCELED', 'BACKEND', 'OTHER'] as const;
export type FailureReason = (typeof failureReasons)[number];

/** Triton's statistics extension, as numbers. */
export interface StatisticsSnapshot {
  /** Milliseconds since the epoch of the last request, 0: none. */
  readonly lastInferenceMs: number;
  /** Rows. */
  readonly inferenceCount: number;
  /** Runs. */
  readonly executionCount: number;
  readonly success: DurationStatistic;
  readonly fail: DurationStatistic;
  readonly cancel: DurationStatistic;
  readonly queue: DurationStatistic;
  readonly computeInput: DurationStatistic;
  readonly computeInfer: DurationStatistic;
  readonly computeOutput: DurationStatistic;
  readonly cacheHit: DurationStatistic;
  readonly cacheMiss: DurationStatistic;
  readonly batches: readonly {
    readonly batchSize: number;
    readonly computeInput: DurationStatistic;
    readonly computeInfer: DurationStatistic;
    readonly computeOutput: DurationStatistic;
  }[];
  /** Beyond Triton's statistics; for metrics. */
  readonly histograms?: Readonly<Record<LatencyPhase, LatencyHistogram>>;
  /** Failed and cancelled requests. */
  readonly failures?: Readonly<Record<FailureReason, number>>;
  /** Requests that were not answered yet. */
  readonly inProgress?: number;
}

/** One loaded version. Holding it keeps nothing alive: use it within one request. */
export interface ServedModel {
  readonly name: string;
  readonly version: string;
  /** All versions of this name that are ready, ascending. */
  readonly versions: readonly string[];
  /** `onnxruntime_onnx`, `ensemble` …: what metadata calls the platform. */
  readonly platform: string;
  readonly model: Model;
  readonly config: ExplainedConfig;
  readonly artifact: Artifact;
  statistics(): StatisticsSnapshot;
  /** False while instances are being replaced. */
  ready(): boolean;
}

export interface LoadRequest {
  /** A config that replaces the file's, as JSON text (Triton's `config` parameter). */
  readonly config?: string;
  /** Files that replace the folder's, by path below it (`1/model.onnx`). */
  readonly files?: ReadonlyMap<string, Uint8Array>;
  readonly parameters?: Parameters;
}

export interface ModelRepository {
  /** The newest ready version, or the given one. Throws `NOT_FOUND` (no such model or version) or `UNAVAILABLE` (known, not ready). */
  get(name: string, version?: string): ServedModel;
  /** Every ready version of every model, by name, then version. */
  ready(): readonly ServedModel[];
  /** Every version that is known, ready or not. */
  index(): readonly IndexEntry[];
  /** Resolves when the new versions serve; rejects, leaving the old ones serving, when one can't be loaded. */
  load(name: string, request?: LoadRequest): Promise<void>;
  /** Resolves when the model no longer serves and its calls are answered. */
  unload(name: string, options?: { readonly unloadDependents?: boolean }): Promise<void>;
  /** Whether every model that was asked for is ready. */
  allReady(): boolean;
  /** Called after every change of the index. Returns the function that takes it back. */
  onChange(listener: () => void): () => void;
}
