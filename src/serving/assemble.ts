/**
 * From an opened artifact to the Model that requests meet. The only place that decides what wraps what:
 *
 *     task( statistics( cache( reshape( scheduler( rate limiter( instance group ) ) ) ) ) )
 *     task( statistics( cache( ensemble ) ) )
 */
import type { Artifact } from '../artifact.ts';
import { ModelportError } from '../errors.ts';
import type { ExecutionObserver } from '../execution.ts';
import type { ModelConfig, Origin } from '../model-config.ts';
import type { Model, Signature } from '../model.ts';
import type { StatisticsSnapshot } from '../repository.ts';
import type { Runtime } from '../runtime.ts';
import { dynamicBatching } from './dynamic-batching.ts';
import { ensemble, type ModelLookup } from './ensemble.ts';
import { honoursBatchAxis } from './honours-batch-axis.ts';
import { instanceGroup, type InstanceGroup } from './instance-group.ts';
import type { AssembleRequest } from './load-version.ts';
import type { LifecycleLog } from './model-lifecycle.ts';
import type { RateLimiter } from './rate-limiter.ts';
import { reshape } from './reshape.ts';
import { responseCache, type ResponseStore } from './response-cache.ts';
import { sequenceBatching } from './sequence-batching.ts';
import { readInitialStates } from './sequence-states.ts';
import type { AssembledModel } from './served-version.ts';
import { shareCores } from './share-cores.ts';
import { cancellable } from './streams.ts';
import { warmUp } from './warm-up.ts';

/** What counts a model's requests and runs. */
export interface AssemblyStatistics extends ExecutionObserver {
  snapshot(): StatisticsSnapshot;
}

export interface AssembleOptions<Statistics extends AssemblyStatistics> {
  readonly runtimes: readonly Runtime[];
  readonly createStatistics: () => Statistics;
  readonly withStatistics: (model: Model, statistics: Statistics) => Model;
  /** Lifts a model to what its task does, or gives it back as it is; with what it chose, for the explanation. */
  readonly lift: (model: Model, facts: LiftFacts) => Promise<{ readonly model: Model; readonly origins: readonly Origin[]; readonly config: Partial<ModelConfig> }>;
  /** Finds the models of an ensemble's steps. */
  readonly lookup: ModelLookup;
  readonly modelNames: () => Iterable<string>;
  /** Models that may run at once, which share the cores. */
  readonly modelCount: () => number;
  readonly rateLimiter: RateLimiter;
  /** Answers of models whose config says `cache: true`. */
  readonly responseStore: ResponseStore;
  /** What is noticed of a model while it serves. */
  readonly log?: LifecycleLog;
}

export interface LiftFacts {
  readonly config: ModelConfig;
  readonly artifact: Artifact;
  readonly directory: string;
}

/** Gives the function that loads, warms up and wraps. What it rejects with leaves nothing behind. */
export function createAssemble<Statistics extends AssemblyStatistics>(options: AssembleOptions<Statistics>): (request: AssembleRequest) => Promise<AssembledModel> {
  return async (request) => {
    const statistics = options.createStatistics();
    const opened = request.explanation.config.config.ensemble === undefined ? await assembleLoaded(request, options, statistics) : assembleEnsemble(request, options);
    try {
      const cached = request.explanation.config.config.cache === true ? responseCache(opened.model, { store: options.responseStore, keyPrefix: cacheKey(request) }) : opened.model;
      const { explanation, artifact, directory } = request;
      const lifted = await options.lift(options.withStatistics(cached, statistics), { config: opened.config, artifact, directory });
      return {
        model: lifted.model,
        config: { ...explanation.config, config: { ...opened.config, ...lifted.config }, origins: [...opened.origins, ...lifted.origins], warnings: [...explanation.config.warnings, ...opened.warnings] },
        statistics: () => statistics.snapshot(),
        ready: opened.ready,
      };
    } catch (error) {
      await opened.model[Symbol.asyncDispose]();
      throw error;
    }
  };
}

interface Opened {
  readonly model: Model;
  readonly config: ModelConfig;
  readonly origins: readonly Origin[];
  readonly warnings: readonly string[];
  readonly ready: () => boolean;
}

function assembleEnsemble(request: AssembleRequest, options: Pick<AssembleOptions<never>, 'lookup' | 'modelNames'>): Opened {
  const { config, origins } = request.explanation.config;
  const model = ensemble(config.ensemble!, { inputs: config.inputs, outputs: config.outputs }, options.lookup, { name: request.name, modelNames: options.modelNames });
  return { model, config, origins, warnings: [], ready: () => true };
}

async function assembleLoaded<Statistics extends AssemblyStatistics>(request: AssembleRequest, options: AssembleOptions<Statistics>, observer: Statistics): Promise<Opened> {
  const { artifact, name, explanation, directory } = request;
  const { config } = explanation.config;
  const runtime = options.runtimes.find((candidate) => candidate.accepts(artifact));
  if (runtime === undefined) {
    throw new ModelportError('INVALID_MODEL', `no runtime executes the format '${artifact.format}' of model '${name}': there are ${options.runtimes.map((candidate) => candidate.name).join(', ')}`);
  }
  const wantedCount = config.instances?.count ?? 1;
  const threads = config.instances?.threads ?? shareCores(wantedCount * Math.max(1, options.modelCount()));
  const group = await instanceGroup(runtime, artifact, {
    kind: config.instances?.kind ?? 'auto',
    count: wantedCount,
    load: { threads, parameters: config.parameters ?? {} },
    maxBatchSize: explanation.modelSignature.batch.maxSize,
  });
  try {
    const loaded = withSignature(group, explanation.modelSignature);
    const measured = await checkBatchAxis(loaded, config);
    const cold = await warmUp(measured.model, config, directory);
    const limited = config.instances?.resources === undefined ? measured.model : options.rateLimiter.limit(measured.model, { resources: config.instances.resources, ...(config.instances.priority === undefined ? {} : { priority: config.instances.priority }) });
    const warn = (text: string): void => options.log?.('warn', text, { model: name, version: request.version });
    const scheduled = await schedule(limited, config, { name, directory, concurrency: group.count * (runtime.concurrency ?? 1), observer, warn });
    const instances = { ...config.instances, kind: group.kind, count: group.count, threads };
    return {
      model: explanation.signature === explanation.modelSignature ? scheduled : reshape(scheduled, reshapedSignature(scheduled.signature, explanation.signature)),
      config: { ...config, instances, ...(measured.origins.length === 0 ? {} : { batching: false as const }) },
      origins: [...instanceOrigins(explanation.config.origins, group, config, threads).filter(({ path }) => measured.origins.length === 0 || !path.startsWith('batching')), ...measured.origins],
      warnings: cold === undefined ? measured.warnings : [...measured.warnings, cold],
      ready: () => group.ready(),
    };
  } catch (error) {
    await group[Symbol.asyncDispose]();
    throw error;
  }
}

/** What is left of the model's tensors after scheduling (states and controls are gone), in the shapes that clients see. */
function reshapedSignature(scheduled: Signature, seen: Signature): Signature {
  const shown = (role: 'inputs' | 'outputs') => scheduled[role].map((own) => seen[role].find((spec) => spec.name === own.name) ?? own);
  return { ...scheduled, inputs: shown('inputs'), outputs: shown('outputs') };
}

/** The group as the config describes it: batch axes, labels and names that the runtime can't know. */
function withSignature(group: InstanceGroup, signature: Signature): Model {
  return {
    signature,
    ...(group.infer === undefined ? {} : { infer: (request, call) => group.infer!(request, call) }),
    ...(group.stream === undefined ? {} : { stream: (request, call) => cancellable(group.stream!(request, call), call) }),
    ...(group.generate === undefined ? {} : { generate: (request, call) => cancellable(group.generate!(request, call), call) }),
    ...(group.predict === undefined ? {} : { predict: (value, call) => group.predict!(value, call) }),
    [Symbol.asyncDispose]: () => group[Symbol.asyncDispose](),
  };
}

/** A model that declares a free batch axis and does not honour it is served one request at a time. */
async function checkBatchAxis(model: Model, config: ModelConfig): Promise<{ model: Model; origins: Origin[]; warnings: string[] }> {
  // What a sequence's model answers depends on what came before: its rows can't be compared.
  if (model.signature.batch.maxSize === 0 || config.sequences !== undefined) return { model, origins: [], warnings: [] };
  const verdict = await honoursBatchAxis(model);
  if (verdict.honours) return { model, origins: [], warnings: [] };
  const signature: Signature = { ...model.signature, batch: { maxSize: 0, reason: `does not batch: ${verdict.reason}` } };
  return {
    model: { ...model, signature, [Symbol.asyncDispose]: () => model[Symbol.asyncDispose]() },
    origins: [{ path: 'batching', source: 'measured at warm-up', reason: verdict.reason }],
    warnings: [`batching is off: ${verdict.reason}`],
  };
}

async function schedule(model: Model, config: ModelConfig, facts: { name: string; directory: string; concurrency: number; observer: ExecutionObserver; warn: (text: string) => void }): Promise<Model> {
  const { name, directory, concurrency, observer, warn } = facts;
  const batching = config.batching === false ? undefined : config.batching;
  const queue = config.queue === undefined ? {} : { queue: config.queue };
  const gathering = {
    ...(batching?.maxQueueDelayMs === undefined ? {} : { maxQueueDelayMs: batching.maxQueueDelayMs }),
    ...(batching?.preferredSizes === undefined ? {} : { preferredSizes: batching.preferredSizes }),
  };
  if (config.sequences !== undefined) {
    const initialStates = await readInitialStates(directory, config.sequences);
    return sequenceBatching(model, { modelName: name, sequences: config.sequences, concurrency, initialStates, observer, ...queue, ...gathering });
  }
  return dynamicBatching(model, {
    modelName: name,
    concurrency,
    maxSize: model.signature.batch.maxSize,
    observer,
    onBatchAxisIgnored: (reason) => warn(`requests are no longer joined: ${reason}`),
    ...queue,
    ...gathering,
    ...(batching?.preserveOrder === undefined ? {} : { preserveOrder: batching.preserveOrder }),
    ...(batching?.padding === undefined ? {} : { padding: batching.padding }),
    ...(batching?.maskInput === undefined ? {} : { maskInput: batching.maskInput }),
  });
}

function instanceOrigins(origins: readonly Origin[], group: InstanceGroup, config: ModelConfig, threads: number): Origin[] {
  const kept = origins.filter(({ path }) => path !== 'instances.kind' || (config.instances?.kind ?? 'auto') !== 'auto');
  const measured = kept.length === origins.length ? [] : [{ path: 'instances.kind', source: 'measured at warm-up', reason: `${group.kind}: ${group.kindReason}` }];
  const shared = config.instances?.threads === undefined ? [{ path: 'instances.threads', source: 'default', reason: `${threads}: the cores, shared out` }] : [];
  return [...kept, ...measured, ...shared];
}

/** Answers of another version or file are never taken. */
function cacheKey({ name, version, artifact }: AssembleRequest): string {
  return JSON.stringify([name, version, artifact.directory, artifact.files]);
}
