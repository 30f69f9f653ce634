/**
 * The scheduler of every model without sequences: requests that fit together become one run.
 *
 * Who owns a request, and when it is given up:
 *
 *     infer ──► RequestQueue ──► a run ──► answered
 *       │          │   │           │
 *       │          │   └─ timeout, cancellation: answered with that error
 *       │          └───── its run fails because of one of its requests: each is run again, alone, once
 *       └ refused (full, cannot be in time, too many rows, disposed): never owned
 *
 * - Whoever owns a request is the only one to move it on; `QueuedRequest.state` says who that is. So each is answered
 *   exactly once, and the queue's counts return to zero.
 * - Runs own their requests from the moment they leave the queue until the model answers. A request that is cancelled
 *   meanwhile stays in its run, and its part of the answer is dropped.
 * - A request's tensors are read, never written. A batch of several is fresh memory; a batch of one is the request itself.
 * - At most `concurrency` runs are under way. While one more could start, no request waits longer than the queue delay,
 *   and with no delay not beyond the end of the event-loop turn it arrived in.
 * - The end of every turn in which requests arrived, the end of every run, and one timer are the only things that start
 *   runs (a batch that is full starts at once). There is one timer a model; it wakes for the next queue delay or timeout.
 */
import { Call } from '../call.ts';
import { isModelportError, ModelportError } from '../errors.ts';
import type { ExecutionObserver } from '../execution.ts';
import { systemClock, type Clock } from '../lib/clock.ts';
import type { InferRequest, InferResponse, Model, Signature, TensorSpec } from '../model.ts';
import { AnswerOrder } from './answer-order.ts';
import { gatherRequest, scatterResponse } from './batch-tensors.ts';
import { JoinRules, rowBytes } from './join-rules.ts';
import { Padding } from './padding.ts';
import { queuePolicy, type QueueConfig, type QueuePolicy } from './queue-policy.ts';
import { QueuedRequest } from './queued-request.ts';
import { RequestQueue } from './request-queue.ts';
import { RunEstimate } from './run-estimate.ts';

export interface DynamicBatchingOptions {
  /** For messages. */
  readonly modelName: string;
  /** Runs that may be under way at once: the number of instances. */
  readonly concurrency: number;
  /** Most rows of a run, those of client batches counted. Default: the signature's. Where the signature's is 0, every request runs alone. */
  readonly maxSize?: number;
  /** Sizes of a batch that need not wait for more. */
  readonly preferredSizes?: readonly number[];
  /** How long the first request of a batch waits for others. Default 0: only until the end of its event-loop turn. */
  readonly maxQueueDelayMs?: number;
  /** Answer what was run in the order of arrival. Requests that are refused before they run are told at once. */
  readonly preserveOrder?: boolean;
  /** Join requests of unequal lengths, see `Padding`. */
  readonly padding?: boolean;
  /** The input that is 1 for real elements and 0 for padding; made where a request lacks it. */
  readonly maskInput?: string;
  readonly queue?: QueueConfig;
  /** Whether the requests of a batch that failed because of one of them are run again, each alone. Default true. */
  readonly rerunAlone?: boolean;
  readonly observer?: ExecutionObserver;
  /** Told once, when an answer of the model did not have the rows that were put in; from then on its requests run alone. */
  readonly onBatchAxisIgnored?: (reason: string) => void;
  readonly clock?: Clock;
}

export interface DynamicBatchingModel extends Model {
  infer(request: InferRequest, call: Call): Promise<InferResponse>;
  /** Requests that wait, and runs under way. */
  occupancy(): { readonly waiting: number; readonly running: number };
}

/**
 * The same model, whose `infer` queues and batches. It rejects with `QUEUE_FULL`, `DEADLINE_EXCEEDED`, `CANCELLED`,
 * `UNAVAILABLE` (after disposal), `INVALID_REQUEST` (more rows than a run may have), and with what the model rejects with.
 * Throws `INVALID_CONFIG`. A model without `infer` is returned as it is.
 */
export function dynamicBatching(model: Model, options: DynamicBatchingOptions): Model | DynamicBatchingModel {
  return model.infer === undefined ? model : new BatchScheduler(model, options);
}

const largeRowBytes = 256 * 1024;
/** What a row of this size costs to copy into a batch and out of it, with room to spare. */
const quickRowMs = 2;

class BatchScheduler implements DynamicBatchingModel {
  readonly signature: Signature;
  declare readonly stream?: NonNullable<Model['stream']>;
  declare readonly generate?: NonNullable<Model['generate']>;
  declare readonly predict?: NonNullable<Model['predict']>;
  readonly #model: Model;
  readonly #modelName: string;
  readonly #maxSize: number;
  readonly #maxQueueDelayMs: number;
  readonly #rerunAlone: boolean;
  readonly #observer: ExecutionObserver | undefined;
  readonly #onBatchAxisIgnored: ((reason: string) => void) | undefined;
  readonly #clock: Clock;
  readonly #outputSpecs: ReadonlyMap<string, TensorSpec>;
  readonly #padding: Padding | undefined;
  readonly #policy: QueuePolicy;
  readonly #queue: RequestQueue;
  readonly #estimate: RunEstimate;
  readonly #order: AnswerOrder | undefined;
  #rules: JoinRules;
  /** Joining copies rows: where they are large and quick to run, and nobody asked for batches, requests run as they come. */
  readonly #avoidsCopies: boolean;
  #arrivals = 0;
  /** Requests of a failed batch, to be run alone before anything else. They are `running`, not in the queue. */
  readonly #reruns: QueuedRequest[] = [];
  /** Event-loop turns in which something was scheduled; a request that arrived in an earlier one need not wait for its neighbours. */
  #turn = 0;
  #turnEndScheduled = false;
  readonly #arrivedThisTurn: QueuedRequest[] = [];
  #wakeAtMs = Infinity;
  #cancelWake: () => void = () => {};
  /** Nothing is let in any more, and nothing waits for others. */
  #draining = false;
  #disposal: Promise<void> | undefined;
  #drained: (() => void) | undefined;

  constructor(model: Model, options: DynamicBatchingOptions) {
    this.#model = model;
    this.#modelName = options.modelName;
    this.#maxSize = model.signature.batch.maxSize === 0 ? 0 : (options.maxSize ?? model.signature.batch.maxSize);
    this.#maxQueueDelayMs = options.maxQueueDelayMs ?? 0;
    this.#rerunAlone = options.rerunAlone ?? true;
    this.#observer = options.observer;
    this.#onBatchAxisIgnored = options.onBatchAxisIgnored;
    this.#clock = options.clock ?? systemClock;
    this.#outputSpecs = new Map(model.signature.outputs.map((spec) => [spec.name, spec]));
    this.#padding = options.padding === true && this.#maxSize > 0 ? new Padding(model.signature, options.maskInput, options.modelName) : undefined;
    this.signature = visibleSignature(model.signature, this.#maxSize, this.#padding);
    this.#rules = new JoinRules(model.signature, this.#maxSize, this.#padding);
    this.#policy = queuePolicy(options.queue);
    const preferredSizes = [...(options.preferredSizes ?? [])].sort((a, b) => a - b);
    this.#avoidsCopies = this.#maxQueueDelayMs === 0 && preferredSizes.length === 0 && options.padding !== true && rowBytes(model.signature) >= largeRowBytes;
    if (this.#maxSize > 0 && (preferredSizes.at(-1) ?? 0) > this.#maxSize) {
      throw new ModelportError('INVALID_CONFIG', `model '${this.#modelName}': preferred batch size ${preferredSizes.at(-1)} is larger than the largest batch, ${this.#maxSize}`, { at: 'batching.preferredSizes' });
    }
    this.#queue = new RequestQueue(this.#policy, { maxSize: this.#maxSize, preferredSizes, maxQueueDelayMs: this.#maxQueueDelayMs });
    this.#estimate = new RunEstimate(options.concurrency);
    this.#order = options.preserveOrder === true ? new AnswerOrder() : undefined;
    if (model.stream !== undefined) this.stream = model.stream.bind(model);
    if (model.generate !== undefined) this.generate = model.generate.bind(model);
    if (model.predict !== undefined) this.predict = model.predict.bind(model);
  }

  occupancy(): { readonly waiting: number; readonly running: number } {
    return { waiting: this.#queue.count + this.#reruns.length, running: this.#estimate.underWay };
  }

  infer(request: InferRequest, call: Call): Promise<InferResponse> {
    const now = this.#clock.now();
    const queued = new QueuedRequest(request, call, this.#arrivals++, now, this.#turn);
    call.timing.queuedAtMs = now;
    this.#rules.describe(queued);
    if (this.#avoidsCopies && this.#estimate.quickestRowMs < quickRowMs && this.#estimate.quickestRowMs > 0) queued.shapeKey = undefined;
    const { levels, defaultLevel } = this.#policy;
    queued.level = call.priority >= 1 && call.priority <= levels.length ? call.priority - 1 : defaultLevel;
    const refusal = this.#refusal(queued, now);
    if (refusal !== undefined) {
      queued.state = 'answered';
      queued.reject(refusal);
      return queued.answer;
    }
    this.#order?.admit(queued);
    const whole = this.#queue.add(queued);
    if (whole && this.#estimate.hasCapacity) this.#dispatch(now);
    if (queued.state === 'waiting') {
      this.#arrivedThisTurn.push(queued);
      this.#scheduleTurnEnd();
    }
    return queued.answer;
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#draining = true;
    return (this.#disposal ??= this.#drainAndDispose());
  }

  async #drainAndDispose(): Promise<void> {
    const drained = new Promise<void>((resolve) => (this.#drained = resolve));
    this.#dispatch(this.#clock.now());
    await drained;
    this.#cancelWake();
    await this.#model[Symbol.asyncDispose]();
  }

  #settleDrained(): void {
    if (this.#drained !== undefined && this.#queue.count === 0 && this.#reruns.length === 0 && this.#estimate.underWay === 0) this.#drained();
  }

  /** Why a request is not let in, if so. Sets when it times out. */
  #refusal(queued: QueuedRequest, now: number): ModelportError | undefined {
    const { call, level, rows } = queued;
    if (this.#draining) return new ModelportError('UNAVAILABLE', `model '${this.#modelName}' is being unloaded`, { retryAfterSeconds: 1 });
    if (call.cancelled) return cancelled();
    if (this.#maxSize > 0 && rows > this.#maxSize) {
      return new ModelportError('INVALID_REQUEST', `inference request batch-size must be <= ${this.#maxSize} for '${this.#modelName}', got ${rows}`, { at: 'inputs' });
    }
    const { defaultTimeoutMs, timeoutAction, allowTimeoutOverride, maxSize } = this.#policy.levels[level]!;
    // A queue that is full while a run could start only waits for neighbours: it need not.
    if (this.#queue.isFull(level) && this.#estimate.hasCapacity) this.#dispatch(now, true);
    if (this.#queue.isFull(level)) {
      const retryAfterSeconds = seconds(this.#estimate.waitMs(this.#queue.runsAhead(level), now));
      return new ModelportError('QUEUE_FULL', `Exceeds maximum queue size: ${maxSize} requests wait for model '${this.#modelName}' already; try again later`, { retryAfterSeconds });
    }
    const deadlineMs = allowTimeoutOverride ? (call.deadlineMs ?? Infinity) : Infinity;
    queued.expiresAtMs = Math.min(now + defaultTimeoutMs, deadlineMs);
    if (queued.expiresAtMs === Infinity || timeoutAction === 'delay') return undefined;
    if (queued.expiresAtMs <= now) return this.#expired(queued, now);
    const waitMs = this.#estimate.waitMs(this.#queue.runsAhead(level), now);
    if (waitMs === 0 || (now + waitMs <= queued.expiresAtMs && now + waitMs + this.#estimate.averageRunMs <= deadlineMs)) return undefined;
    return new ModelportError(
      'DEADLINE_EXCEEDED',
      `Request timeout expired before it began: requests to model '${this.#modelName}' now wait about ${waitMs.toFixed(1)} ms, and this one has ${(queued.expiresAtMs - now).toFixed(1)} ms`,
      { retryAfterSeconds: seconds(waitMs) },
    );
  }

  #expired(queued: QueuedRequest, now: number): ModelportError {
    const retryAfterSeconds = seconds(this.#estimate.waitMs(this.#queue.runsAhead(queued.level), now));
    return new ModelportError('DEADLINE_EXCEEDED', `Request timeout expired: it waited ${(now - queued.queuedAtMs).toFixed(1)} ms for model '${this.#modelName}'`, { retryAfterSeconds });
  }

  #scheduleTurnEnd(): void {
    if (this.#turnEndScheduled) return;
    this.#turnEndScheduled = true;
    this.#clock.afterTurn(this.#endTurn);
  }

  readonly #endTurn = (): void => {
    this.#turnEndScheduled = false;
    this.#turn++;
    this.#dispatch(this.#clock.now());
    // Only now, because most requests run at the end of their turn and never need to be told of a cancellation.
    const arrived = this.#arrivedThisTurn;
    for (let index = 0; index < arrived.length; index++) {
      const queued = arrived[index]!;
      if (queued.state === 'waiting') queued.call.onCancel(() => this.#cancel(queued));
    }
    arrived.length = 0;
  };

  #cancel(queued: QueuedRequest): void {
    if (queued.state !== 'waiting') return;
    this.#queue.remove(queued);
    this.#refuse(queued, cancelled());
    this.#settleDrained();
  }

  readonly #discard = (queued: QueuedRequest): void => this.#refuse(queued, cancelled());

  /** Starts every run that can start, then makes sure to be woken for those that must wait. */
  #dispatch(now: number, hurry = this.#draining): void {
    if (this.#queue.expiries.nextMs <= now) this.#expire(now);
    while (this.#estimate.hasCapacity) {
      const batch = this.#nextRerun(now) ?? this.#queue.take(now, this.#turn, hurry, this.#discard);
      if (batch === undefined) break;
      this.#run(batch, now);
    }
    if (this.#queue.count > 0) this.#scheduleWake(now);
    this.#settleDrained();
  }

  #nextRerun(now: number): QueuedRequest[] | undefined {
    while (this.#reruns.length > 0) {
      const queued = this.#reruns.shift()!;
      const late = this.#policy.levels[queued.level]!.allowTimeoutOverride && now >= (queued.call.deadlineMs ?? Infinity);
      if (!late && !queued.call.cancelled) return [queued];
      this.#answerError(queued, this.#expired(queued, now));
    }
    return undefined;
  }

  #expire(now: number): void {
    for (let queued = this.#queue.expiries.first; queued !== undefined && queued.expiresAtMs <= now; queued = this.#queue.expiries.first) {
      if (this.#policy.levels[queued.level]!.timeoutAction === 'delay') {
        this.#queue.delay(queued);
      } else {
        this.#queue.remove(queued);
        this.#refuse(queued, this.#expired(queued, now));
      }
    }
  }

  #scheduleWake(now: number): void {
    const ripeAtMs = this.#estimate.hasCapacity ? this.#queue.nextRipeMs() : Infinity;
    // Timers count whole milliseconds. For what is left below that, and for requests of this very turn, the loop goes round.
    if (ripeAtMs < now + 1) this.#scheduleTurnEnd();
    const wakeAtMs = Math.min(ripeAtMs < now + 1 ? Infinity : ripeAtMs, this.#queue.expiries.nextMs);
    // A timer that is early does no harm: it finds nothing to do and is set again.
    if (wakeAtMs >= this.#wakeAtMs) return;
    this.#cancelWake();
    this.#wakeAtMs = wakeAtMs;
    this.#cancelWake = this.#clock.after(Math.max(1, Math.floor(wakeAtMs - now)), this.#wake);
  }

  readonly #wake = (): void => {
    this.#wakeAtMs = Infinity;
    this.#dispatch(this.#clock.now());
  };

  #run(batch: QueuedRequest[], now: number): void {
    let rows = 0;
    for (let index = 0; index < batch.length; index++) {
      const queued = batch[index]!;
      queued.state = 'running';
      queued.call.timing.dequeuedAtMs = now;
      rows += queued.rows;
    }
    this.#estimate.started(now);
    // A batch of one keeps its call, so that a model elsewhere learns of its deadline, trace and cancellation.
    const call = batch.length === 1 ? batch[0]!.call : new Call();
    let response: Promise<InferResponse>;
    try {
      const request = gatherRequest(batch, rows, this.#model.signature, this.#padding);
      call.timing.runStartedAtMs = this.#clock.now();
      call.timing.runEndedAtMs = 0;
      response = this.#model.infer!(request, call);
    } catch (error) {
      response = Promise.reject(error);
    }
    response.then(
      (answer) => this.#runSucceeded(batch, rows, call, answer),
      (error: unknown) => this.#runFailed(batch, error),
    );
  }

  #runSucceeded(batch: QueuedRequest[], rows: number, runCall: Call, response: InferResponse): void {
    // The layers below may know better when the run itself began and ended.
    const { runStartedAtMs, runEndedAtMs: toldEndedAtMs } = runCall.timing;
    const runEndedAtMs = toldEndedAtMs === 0 ? this.#clock.now() : toldEndedAtMs;
    const { dequeuedAtMs } = batch[0]!.call.timing;
    let answers: InferResponse[] | undefined;
    if (batch.length > 1) {
      try {
        answers = scatterResponse(response, batch, rows, this.#outputSpecs, this.#padding, this.#modelName);
      } catch (error) {
        this.#stopJoining(error);
        this.#runFailed(batch, error);
        return;
      }
    }
    for (let index = 0; index < batch.length; index++) {
      const queued = batch[index]!;
      const { timing } = queued.call;
      timing.runStartedAtMs = runStartedAtMs;
      timing.runEndedAtMs = runEndedAtMs;
      timing.batchSize = rows;
      this.#answer(queued, answers === undefined ? response : answers[index]!);
    }
    const now = this.#clock.now();
    this.#estimate.ended();
    this.#estimate.measured(now - dequeuedAtMs, rows);
    this.#observer?.executed(rows, runStartedAtMs - dequeuedAtMs, runEndedAtMs - runStartedAtMs, now - runEndedAtMs);
    this.#dispatch(now);
  }

  #runFailed(batch: QueuedRequest[], error: unknown): void {
    this.#estimate.ended();
    if (batch.length > 1 && this.#rerunAlone && mayComeFromOneRequest(error)) {
      this.#reruns.push(...batch);
    } else {
      for (const queued of batch) this.#answerError(queued, error);
    }
    this.#dispatch(this.#clock.now());
  }

  /** A model that answers with other rows than it was given cannot be batched, whatever its signature says. */
  #stopJoining(error: unknown): void {
    if (this.#rules.never !== undefined) return;
    this.#rules = new JoinRules({ ...this.#model.signature, batch: { maxSize: 0, reason: 'the model does not honour its batch axis' } }, 0, this.#padding);
    this.#onBatchAxisIgnored?.(error instanceof Error ? error.message : String(error));
  }

  /** For requests that never ran: they hold nobody up. */
  #refuse(queued: QueuedRequest, error: ModelportError): void {
    queued.state = 'answered';
    this.#order?.withdraw(queued);
    queued.reject(error);
  }

  #answer(queued: QueuedRequest, response: InferResponse): void {
    queued.state = 'answered';
    if (this.#order === undefined) deliver(queued, response);
    else this.#order.answer(queued, () => deliver(queued, response));
  }

  #answerError(queued: QueuedRequest, error: unknown): void {
    queued.state = 'answered';
    const reject = (): void => queued.reject(queued.call.cancelled ? cancelled() : error);
    if (this.#order === undefined) reject();
    else this.#order.answer(queued, reject);
  }
}

/** What clients are checked against: the size of a run as configured, and no mask where the scheduler makes it. */
function visibleSignature(signature: Signature, maxSize: number, padding: Padding | undefined): Signature {
  const mask = padding?.maskInput;
  if (maxSize === signature.batch.maxSize && mask === undefined) return signature;
  return {
    ...signature,
    batch: { ...signature.batch, maxSize },
    inputs: signature.inputs.map((spec) => (spec.name === mask ? { ...spec, optional: true } : spec)),
  };
}

/** Nobody waits any more for the answer to a cancelled request. */
function deliver(queued: QueuedRequest, response: InferResponse): void {
  if (queued.call.cancelled) queued.reject(cancelled());
  else queued.resolve(response);
}

function cancelled(): ModelportError {
  return new ModelportError('CANCELLED', 'the request was cancelled');
}

/** Whether another batch without the culprit could do better. */
function mayComeFromOneRequest(error: unknown): boolean {
  return !isModelportError(error) || error.code === 'INVALID_REQUEST' || error.code === 'RUN_FAILED';
}

/** For `Retry-After`, which is whole seconds. */
function seconds(durationMs: number): number {
  return Math.max(1, Math.ceil(durationMs / 1000));
}
