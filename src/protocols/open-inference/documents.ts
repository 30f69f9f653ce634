/** What the protocol tells about the server and its models, as plain objects: REST writes them as JSON, gRPC as messages. */
import { isModelportError, ModelportError } from '../../errors.ts';
import type { TensorSpec } from '../../model.ts';
import { wireDimension } from '../../model.ts';
import type { ServerFacts } from '../../protocol.ts';
import type { DurationStatistic, IndexEntry, ModelRepository, ServedModel } from '../../repository.ts';

/** Triton's names of the extensions that are served here. */
export const extensions = [
  'classification',
  'sequence',
  'model_repository',
  'model_repository(unload_dependents)',
  'schedule_policy',
  'model_configuration',
  'system_shared_memory',
  'cuda_shared_memory',
  'binary_tensor_data',
  'parameters',
  'statistics',
  'trace',
  'logging',
] as const;

export interface ServerMetadata {
  readonly name: string;
  readonly version: string;
  readonly extensions: readonly string[];
}

export function serverMetadata(server: ServerFacts): ServerMetadata {
  return { name: server.serverName, version: server.version, extensions };
}

export interface TensorMetadata {
  readonly name: string;
  readonly datatype: string;
  /** All dimensions, the batch axis included; -1 where they vary. */
  readonly shape: readonly number[];
}

export interface ModelMetadata {
  readonly name: string;
  readonly versions: readonly string[];
  readonly platform: string;
  readonly inputs: readonly TensorMetadata[];
  readonly outputs: readonly TensorMetadata[];
}

export function modelMetadata(served: ServedModel): ModelMetadata {
  const { signature } = served.model;
  return {
    name: served.name,
    versions: served.versions,
    platform: served.platform,
    inputs: signature.inputs.map(tensorMetadata),
    outputs: signature.outputs.map(tensorMetadata),
  };
}

function tensorMetadata(spec: TensorSpec): TensorMetadata {
  return { name: spec.name, datatype: spec.datatype, shape: wireShape(spec) };
}

/** The dimensions as numbers, -1 where they vary. */
export function wireShape(spec: TensorSpec): number[] {
  return spec.shape.map((dimension, axis) => (axis === spec.batchAxis ? -1 : wireDimension(dimension)));
}

export interface ModelStatisticsDocument {
  readonly name: string;
  readonly version: string;
  readonly last_inference: number;
  readonly inference_count: number;
  readonly execution_count: number;
  readonly inference_stats: Readonly<Record<'success' | 'fail' | 'queue' | 'compute_input' | 'compute_infer' | 'compute_output' | 'cache_hit' | 'cache_miss', DurationStatistic>>;
  readonly response_stats: Readonly<Record<string, Readonly<Record<string, DurationStatistic>>>>;
  readonly batch_stats: readonly {
    readonly batch_size: number;
    readonly compute_input: DurationStatistic;
    readonly compute_infer: DurationStatistic;
    readonly compute_output: DurationStatistic;
  }[];
  readonly memory_usage: readonly [];
}

export function modelStatistics(served: ServedModel): ModelStatisticsDocument {
  const snapshot = served.statistics();
  return {
    name: served.name,
    version: served.version,
    last_inference: snapshot.lastInferenceMs,
    inference_count: snapshot.inferenceCount,
    execution_count: snapshot.executionCount,
    inference_stats: {
      success: snapshot.success,
      fail: snapshot.fail,
      queue: snapshot.queue,
      compute_input: snapshot.computeInput,
      compute_infer: snapshot.computeInfer,
      compute_output: snapshot.computeOutput,
      cache_hit: snapshot.cacheHit,
      cache_miss: snapshot.cacheMiss,
    },
    response_stats: {},
    batch_stats: snapshot.batches.map((batch) => ({
      batch_size: batch.batchSize,
      compute_input: batch.computeInput,
      compute_infer: batch.computeInfer,
      compute_output: batch.computeOutput,
    })),
    memory_usage: [],
  };
}

/** Of one version, of every version of a model, or of all models. Throws `INVALID_REQUEST` where there is none: so does Triton. */
export function statisticsOf(repository: ModelRepository, name: string | undefined, version: string | undefined): ModelStatisticsDocument[] {
  if (name === undefined) return repository.ready().map(modelStatistics);
  const found = servedOrUndefined(() => repository.get(name, version));
  if (found === undefined) {
    const known = version !== undefined && servedOrUndefined(() => repository.get(name)) !== undefined;
    throw new ModelportError('INVALID_REQUEST', known ? `requested model version is not available for model '${name}': version ${version}` : `requested model '${name}' is not available`, { at: 'model' });
  }
  const versions = version === undefined ? found.versions : [version];
  return versions.map((each) => modelStatistics(repository.get(name, each)));
}

/** undefined where there is no such model or it is not loaded. */
export function servedOrUndefined(find: () => ServedModel): ServedModel | undefined {
  try {
    return find();
  } catch (error) {
    if (isModelportError(error) && (error.code === 'NOT_FOUND' || error.code === 'UNAVAILABLE')) return undefined;
    throw error;
  }
}

export interface IndexDocument {
  readonly name: string;
  readonly version?: string;
  readonly state?: string;
  readonly reason?: string;
}

/** A model that was never loaded has a name only, as Triton tells it. */
export function indexDocument(entries: readonly IndexEntry[], readyOnly: boolean): IndexDocument[] {
  return entries
    .filter((entry) => !readyOnly || entry.state === 'READY')
    .map(({ name, version, state, reason }) => (version === '' && reason === '' && state === 'UNAVAILABLE' ? { name } : { name, ...(version === '' ? {} : { version }), state, reason }));
}
