/**
 * What happened to a model's requests, counted as Triton's statistics extension means it: a request adds the whole
 * compute time of the run that it was part of; `queue` counts successful requests, those that a cache answered included;
 * `compute*` do not count these; `inferenceCount` counts rows and `executionCount` runs, both of runs that ended well.
 * Unlike Triton, a request that was cancelled is counted in `cancel` and not in `fail`.
 */
import type { Call } from '../call.ts';
import { isModelportError } from '../errors.ts';
import type { ExecutionObserver } from '../execution.ts';
import type { InferRequest, Model, Signature } from '../model.ts';
import { failureReasons, latencyPhases, type DurationStatistic, type FailureReason, type LatencyHistogram, type LatencyPhase, type StatisticsSnapshot } from '../repository.ts';
import { Histogram } from './latency-histogram.ts';

/** Counted in milliseconds; nanoseconds are made when somebody asks. */
interface Duration {
  count: number;
  ms: number;
}

interface BatchDurations {
  count: number;
  computeInputMs: number;
  computeInferMs: number;
  computeOutputMs: number;
}

export class ModelStatistics implements ExecutionObserver {
  #lastInferenceMs = 0;
  #inferenceCount = 0;
  #executionCount = 0;
  #inProgress = 0;
  readonly #success: Duration = { count: 0, ms: 0 };
  readonly #fail: Duration = { count: 0, ms: 0 };
  readonly #cancel: Duration = { count: 0, ms: 0 };
  readonly #queue: Duration = { count: 0, ms: 0 };
  readonly #computeInput: Duration = { count: 0, ms: 0 };
  readonly #computeInfer: Duration = { count: 0, ms: 0 };
  readonly #computeOutput: Duration = { count: 0, ms: 0 };
  readonly #cacheHit: Duration = { count: 0, ms: 0 };
  readonly #cacheMiss: Duration = { count: 0, ms: 0 };
  readonly #batches = new Map<number, BatchDurations>();
  readonly #failures: Record<FailureReason, number> = { REJECTED: 0, CANCELED: 0, BACKEND: 0, OTHER: 0 };
  readonly #histograms: Record<LatencyPhase, Histogram> = {
    request: new Histogram(),
    queue: new Histogram(),
    computeInput: new Histogram(),
    computeInfer: new Histogram(),
    computeOutput: new Histogram(),
  };

  executed(rows: number, computeInputMs: number, computeInferMs: number, computeOutputMs: number): void {
    this.#lastInferenceMs = performance.timeOrigin + performance.now();
    this.#inferenceCount += rows;
    this.#executionCount++;
    let batch = this.#batches.get(rows);
    if (batch === undefined) {
      batch = { count: 0, computeInputMs: 0, computeInferMs: 0, computeOutputMs: 0 };
      this.#batches.set(rows, batch);
    }
    batch.count++;
    batch.computeInputMs += elapsed(computeInputMs);
    batch.computeInferMs += elapsed(computeInferMs);
    batch.computeOutputMs += elapsed(computeOutputMs);
  }

  /** A request began; `succeeded` or `failed` ends it. */
  began(): void {
    this.#inProgress++;
  }

  /** A request that began at `startedAtMs` was answered just now; where its time went is in the call. */
  succeeded(call: Call, startedAtMs: number): void {
    const now = performance.now();
    const { queuedAtMs, dequeuedAtMs, runStartedAtMs, runEndedAtMs, cacheHit, cacheMs } = call.timing;
    this.#inProgress--;
    this.#add(this.#success, 'request', now - startedAtMs);
    this.#queue.count++;
    if (cacheHit) {
      add(this.#cacheHit, cacheMs);
      return;
    }
    if (cacheMs > 0) add(this.#cacheMiss, cacheMs);
    const queueMs = elapsed(dequeuedAtMs - queuedAtMs);
    this.#queue.ms += queueMs;
    this.#histograms.queue.record(queueMs);
    // A stream has no phases: all of it is the model's work.
    const phases = runEndedAtMs > 0;
    this.#add(this.#computeInput, 'computeInput', phases ? runStartedAtMs - dequeuedAtMs : 0);
    this.#add(this.#computeInfer, 'computeInfer', phases ? runEndedAtMs - runStartedAtMs : now - startedAtMs);
    this.#add(this.#computeOutput, 'computeOutput', phases ? now - runEndedAtMs : 0);
  }

  failed(error: unknown, startedAtMs: number): void {
    this.#inProgress--;
    const reason = failureReason(error);
    this.#failures[reason]++;
    add(reason === 'CANCELED' ? this.#cancel : this.#fail, performance.now() - startedAtMs);
  }

  /** As plain data. */
  get histograms(): Readonly<Record<LatencyPhase, LatencyHistogram>> {
    return Object.fromEntries(latencyPhases.map((phase) => [phase, this.#histograms[phase].snapshot()])) as Record<LatencyPhase, LatencyHistogram>;
  }

  snapshot(): StatisticsSnapshot {
    return {
      lastInferenceMs: Math.floor(this.#lastInferenceMs),
      inferenceCount: this.#inferenceCount,
      executionCount: this.#executionCount,
      success: inNanoseconds(this.#success),
      fail: inNanoseconds(this.#fail),
      cancel: inNanoseconds(this.#cancel),
      queue: inNanoseconds(this.#queue),
      computeInput: inNanoseconds(this.#computeInput),
      computeInfer: inNanoseconds(this.#computeInfer),
      computeOutput: inNanoseconds(this.#computeOutput),
      cacheHit: inNanoseconds(this.#cacheHit),
      cacheMiss: inNanoseconds(this.#cacheMiss),
      batches: [...this.#batches]
        .sort(([left], [right]) => left - right)
        .map(([batchSize, { count, computeInputMs, computeInferMs, computeOutputMs }]) => ({
          batchSize,
          computeInput: inNanoseconds({ count, ms: computeInputMs }),
          computeInfer: inNanoseconds({ count, ms: computeInferMs }),
          computeOutput: inNanoseconds({ count, ms: computeOutputMs }),
        })),
      histograms: this.histograms,
      failures: Object.fromEntries(failureReasons.map((reason) => [reason, this.#failures[reason]])) as Record<FailureReason, number>,
      inProgress: this.#inProgress,
    };
  }

  #add(total: Duration, phase: LatencyPhase, durationMs: number): void {
    const ms = elapsed(durationMs);
    total.count++;
    total.ms += ms;
    this.#histograms[phase].record(ms);
  }
}

/**
 * The same model; `statistics` learns how each request ended. Goes around a cache, where there is one. A model that reports
 * no runs of its own (an ensemble) is counted as one run a request.
 */
export function withStatistics(model: Model, statistics: ModelStatistics): Model {
  const { infer, stream, generate, predict } = model;
  return {
    signature: model.signature,
    ...(infer === undefined ? {} : { infer: (request, call) => observe(model, statistics, request, call) }),
    ...(stream === undefined ? {} : { stream: (request, call) => observeStream(stream.call(model, request, call), statistics, call) }),
    ...(generate === undefined ? {} : { generate: (request, call) => observeStream(generate.call(model, request, call), statistics, call) }),
    ...(predict === undefined ? {} : { predict: predict.bind(model) }),
    [Symbol.asyncDispose]: () => model[Symbol.asyncDispose](),
  };
}

async function observe(model: Model, statistics: ModelStatistics, request: InferRequest, call: Call): ReturnType<NonNullable<Model['infer']>> {
  const startedAtMs = performance.now();
  statistics.began();
  try {
    const response = await model.infer!(request, call);
    if (call.timing.batchSize === 0 && !call.timing.cacheHit) {
      call.timing.batchSize = rowsOf(request, model.signature);
      const { dequeuedAtMs, runStartedAtMs, runEndedAtMs } = call.timing;
      statistics.executed(call.timing.batchSize, runStartedAtMs - dequeuedAtMs, runEndedAtMs - runStartedAtMs, 0);
    }
    statistics.succeeded(call, startedAtMs);
    return response;
  } catch (error) {
    statistics.failed(error, startedAtMs);
    throw error;
  }
}

/** A stream is one request: it succeeds with its last answer, and is cancelled where its reader leaves early. */
async function* observeStream<Item>(items: AsyncIterable<Item>, statistics: ModelStatistics, call: Call): AsyncGenerator<Item> {
  const startedAtMs = performance.now();
  statistics.began();
  let ended = false;
  try {
    yield* items;
    ended = true;
    statistics.succeeded(call, startedAtMs);
  } catch (error) {
    ended = true;
    statistics.failed(error, startedAtMs);
    throw error;
  } finally {
    if (!ended) statistics.failed({ isModelportError: true, code: 'CANCELLED' }, startedAtMs);
  }
}

function rowsOf(request: InferRequest, signature: Signature): number {
  for (const spec of signature.inputs) {
    const tensor = spec.batchAxis === undefined ? undefined : request.inputs.get(spec.name);
    if (tensor !== undefined) return tensor.shape[spec.batchAxis!] ?? 1;
  }
  return 1;
}

/** Queue policies reject, clients cancel, models fail; the rest is everything else. */
function failureReason(error: unknown): FailureReason {
  if (!isModelportError(error)) return 'OTHER';
  switch (error.code) {
    case 'CANCELLED':
      return 'CANCELED';
    case 'QUEUE_FULL':
    case 'DEADLINE_EXCEEDED':
      return 'REJECTED';
    case 'RUN_FAILED':
    case 'INTERNAL':
      return 'BACKEND';
    default:
      return 'OTHER';
  }
}

function add(total: Duration, durationMs: number): void {
  total.count++;
  total.ms += elapsed(durationMs);
}

/** Moments that come from other threads can be some microseconds off: nothing ends before it begins. */
function elapsed(durationMs: number): number {
  return durationMs > 0 ? durationMs : 0;
}

function inNanoseconds({ count, ms }: { readonly count: number; readonly ms: number }): DurationStatistic {
  return { count, ns: Math.round(ms * 1e6) };
}
