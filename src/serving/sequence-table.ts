/**
 * The sequences of one model between their runs: which exist, which have a slot, what waits in each of them, and when
 * they are over. It owns every request from its arrival until it is taken into a run.
 */
import type { Call, SequencePosition } from '../call.ts';
import { ModelportError } from '../errors.ts';
import type { InferRequest, InferResponse, Model } from '../model.ts';
import type { Tensor } from '../tensor.ts';
import type { LevelPolicy } from './queue-policy.ts';

/** One request from its arrival to its answer. */
export interface SequenceRequest {
  readonly request: InferRequest;
  readonly call: Call;
  readonly position: SequencePosition;
  readonly sequence: Sequence;
  /** Rises with every request: who came first runs first. */
  readonly order: number;
  readonly resolve: (response: InferResponse) => void;
  readonly reject: (error: unknown) => void;
  /** The caller has its answer, which may be before the run ends. */
  answered: boolean;
  /** Ends the watch over cancellation and deadline. */
  release: () => void;
}

/** The requests with one id from START to END. A later START after END makes a new one. */
export interface Sequence {
  readonly key: string;
  readonly id: bigint | string;
  readonly order: number;
  /** In order of arrival. */
  readonly queue: SequenceRequest[];
  /** Undefined while it waits for a slot. */
  lane: SequenceLane | undefined;
  slot: number;
  /** Its first request is in the lane's `ready`. */
  offered: boolean;
  running: boolean;
  /** What the last run left, by state input; undefined: the initial states. */
  states: ReadonlyMap<string, Tensor> | undefined;
  stateBytes: number;
  /** Takes no further requests: its END has come, or its START was withdrawn. */
  closing: boolean;
  /** Sequences with the same id follow each other: one begins when the one before is over. */
  predecessor: Sequence | undefined;
  successor: Sequence | undefined;
  idleSinceMs: number;
}

/** What runs sequences: one instance with its slots, or for `oldest` without pinned instances all of them. */
export interface SequenceLane {
  readonly model: Required<Pick<Model, 'infer'>>;
  readonly slots: (Sequence | undefined)[];
  /** Runs that may be under way at once. */
  readonly parallel: number;
  occupied: number;
  inFlight: number;
  /** Sequences whose first request can run now, by that request's order. */
  readonly ready: Sequence[];
  timer: NodeJS.Timeout | undefined;
}

export interface SequenceTableOptions {
  readonly modelName: string;
  readonly lanes: readonly SequenceLane[];
  readonly policy: LevelPolicy;
  readonly idleTimeoutMs: number;
  /** Bytes of the state of a sequence that just started, and the most that all together may have. */
  readonly initialStateBytes: number;
  readonly maxStateBytes: number;
  /** A request can run now that could not before. */
  readonly onReady: () => void;
}

const longestTimeoutMs = 2 ** 31 - 1;

export class SequenceTable {
  readonly #options: SequenceTableOptions;
  /** The newest sequence of each id, until it is over. */
  readonly #newest = new Map<string, Sequence>();
  /** Sequences without a slot, in order of arrival. Each has a request that waits. */
  readonly #backlog: Sequence[] = [];
  /** Sequences with a slot and without a request, longest idle first. */
  readonly #idle = new Set<Sequence>();
  #idleTimer: NodeJS.Timeout | undefined;
  #alive = 0;
  #waiting = 0;
  #stateBytes = 0;
  #nextOrder = 0;
  #closed = false;
  #onEmpty: (() => void) | undefined;

  constructor(options: SequenceTableOptions) {
    this.#options = options;
  }

  occupancy(): { active: number; waiting: number; stateBytes: number } {
    return { active: this.#options.lanes.reduce((sum, lane) => sum + lane.occupied, 0), waiting: this.#backlog.length, stateBytes: this.#stateBytes };
  }

  /** Puts a request at the end of its sequence, which its START begins. Throws why not; afterwards it is answered once. */
  accept(request: InferRequest, call: Call, resolve: SequenceRequest['resolve'], reject: SequenceRequest['reject']): void {
    const { modelName, policy } = this.#options;
    if (this.#closed) throw new ModelportError('UNAVAILABLE', `model '${modelName}' is unloaded`);
    call.throwIfCancelled();
    const position = call.sequence!;
    const key = `${typeof position.id}:${position.id}`;
    const newest = this.#newest.get(key);
    let sequence = newest?.closing === false ? newest : undefined;
    if (sequence === undefined && !position.start) throw this.#notStarted(position.id);
    const nowMs = performance.now();
    const expiresAtMs = expiry(policy, call, nowMs);
    if (expiresAtMs <= nowMs) throw expired();
    if (this.#waiting >= policy.maxSize) {
      throw new ModelportError('QUEUE_FULL', `Exceeds maximum queue size: ${this.#waiting} requests to model '${modelName}' are waiting`, { retryAfterSeconds: 1 });
    }

    const order = this.#nextOrder++;
    if (sequence === undefined) {
      sequence = {
        key, id: position.id, order, queue: [], lane: undefined, slot: -1, offered: false, running: false, states: undefined, stateBytes: 0,
        closing: false, predecessor: newest, successor: undefined, idleSinceMs: 0,
      };
      if (newest !== undefined) newest.successor = sequence;
      this.#newest.set(key, sequence);
      this.#alive++;
    }
    const waiting: SequenceRequest = { request, call, position, sequence, order, resolve, reject, answered: false, release: () => {} };
    waiting.release = this.#watch(waiting, expiresAtMs, nowMs);
    call.timing.queuedAtMs = nowMs;
    sequence.queue.push(waiting);
    this.#waiting++;
    if (position.end) sequence.closing = true;
    this.#idle.delete(sequence);
    if (sequence.lane !== undefined) this.#offer(sequence);
    else if (sequence.order === order && sequence.predecessor === undefined) this.#line(sequence);
  }

  /** The sequence's first request goes into a run. It comes back with {@link finish}. */
  take(sequence: Sequence): SequenceRequest {
    this.#takeBackOffer(sequence);
    const taken = sequence.queue.shift()!;
    this.#waiting--;
    sequence.running = true;
    if (taken.position.start) {
      sequence.states = undefined;
      this.#hold(sequence, this.#options.initialStateBytes);
    }
    return taken;
  }

  /** The run of a request has ended, and its sequence's next request may run. */
  finish(taken: SequenceRequest): void {
    taken.release();
    taken.sequence.running = false;
    this.#proceed(taken.sequence);
  }

  /** Settles a request's answer, unless it was answered before. */
  answer(waiting: SequenceRequest, settle: () => void): void {
    if (waiting.answered) return;
    waiting.answered = true;
    waiting.release();
    settle();
  }

  /**
   * Keeps what a run left of a sequence. Where all states together would take too much memory the sequence ends and what
   * waits in it fails: returns that error.
   */
  keepStates(sequence: Sequence, states: ReadonlyMap<string, Tensor>, bytes: number): ModelportError | undefined {
    const { modelName, maxStateBytes } = this.#options;
    if (this.#stateBytes - sequence.stateBytes + bytes <= maxStateBytes) {
      this.#hold(sequence, bytes);
      sequence.states = states;
      return undefined;
    }
    sequence.closing = true;
    this.#removeFrom(sequence, 0, sequence.queue.length, () => this.#notStarted(sequence.id));
    return new ModelportError(
      'RUN_FAILED',
      `the state of sequence ${sequence.id} grew to ${bytes} bytes, and all states of model '${modelName}' together may take ${maxStateBytes}: the sequence was ended`,
    );
  }

  /** Takes nothing more. Resolves when everything that waits or runs is answered. */
  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#idleTimer);
    const empty = new Promise<void>((resolve) => (this.#onEmpty = resolve));
    for (const sequence of this.#idle) this.#end(sequence);
    if (this.#alive > 0) await empty;
  }

  #notStarted(id: bigint | string): ModelportError {
    return new ModelportError(
      'INVALID_REQUEST',
      `inference request for sequence ${id} to model '${this.#options.modelName}' must specify the START flag on the first request of the sequence`,
      { at: 'parameters.sequence_start' },
    );
  }

  /** Withdraws the request when it is cancelled or expires before it runs. Returns what ends that. */
  #watch(waiting: SequenceRequest, expiresAtMs: number, nowMs: number): () => void {
    const takeBack = waiting.call.onCancel(() => this.#cancel(waiting));
    if (expiresAtMs === Infinity) return takeBack;
    const timer = setTimeout(() => this.#withdraw(waiting, expired()), Math.min(longestTimeoutMs, Math.ceil(expiresAtMs - nowMs)));
    return () => {
      takeBack();
      clearTimeout(timer);
    };
  }

  #cancel(waiting: SequenceRequest): void {
    const error = new ModelportError('CANCELLED', 'the request was cancelled');
    // A run under way ends, and the state that it leaves counts: only nobody waits for this answer.
    if (!this.#withdraw(waiting, error)) this.answer(waiting, () => waiting.reject(error));
  }

  /** Takes a request that has not run out of its sequence. False where it runs or has run. */
  #withdraw(waiting: SequenceRequest, error: ModelportError): boolean {
    const { sequence } = waiting;
    const index = sequence.queue.indexOf(waiting);
    if (index < 0) return false;
    if (index === 0) this.#takeBackOffer(sequence);
    let end = index + 1;
    if (waiting.position.start) {
      // What follows was meant for the state that this START would have begun; the next START begins another.
      while (end < sequence.queue.length && !sequence.queue[end]!.position.start) end++;
      if (end === sequence.queue.length) sequence.closing = true;
    }
    this.#removeFrom(sequence, index, end, (one) => (one === waiting ? error : this.#notStarted(sequence.id)));
    this.#proceed(sequence);
    return true;
  }

  #removeFrom(sequence: Sequence, start: number, end: number, errorOf: (one: SequenceRequest) => ModelportError): void {
    const removed = sequence.queue.splice(start, end - start);
    this.#waiting -= removed.length;
    for (const one of removed) this.answer(one, () => one.reject(errorOf(one)));
  }

  /** After a run or a withdrawal: the next request, a rest, or the end of the sequence. */
  #proceed(sequence: Sequence): void {
    if (sequence.running) return;
    if (sequence.queue.length > 0) this.#offer(sequence);
    else if (sequence.closing || sequence.lane === undefined || this.#closed) this.#end(sequence);
    else this.#rest(sequence);
  }

  /** Its first request can run. Does nothing where the sequence waits for a slot or is offered already. */
  #offer(sequence: Sequence): void {
    const { lane } = sequence;
    if (lane === undefined || sequence.running || sequence.offered) return;
    sequence.offered = true;
    insertByOrder(lane.ready, sequence, (one) => one.queue[0]!.order);
    this.#options.onReady();
  }

  #takeBackOffer(sequence: Sequence): void {
    if (!sequence.offered) return;
    sequence.offered = false;
    const { ready } = sequence.lane!;
    ready.splice(ready.indexOf(sequence), 1);
  }

  #rest(sequence: Sequence): void {
    sequence.idleSinceMs = performance.now();
    this.#idle.add(sequence);
    if (this.#idleTimer === undefined) this.#endIdle();
  }

  /** Ends what has been idle too long. One timer, for the longest idle; it keeps no process alive. */
  #endIdle(): void {
    this.#idleTimer = undefined;
    const nowMs = performance.now();
    for (const sequence of this.#idle) {
      const leftMs = sequence.idleSinceMs + this.#options.idleTimeoutMs - nowMs;
      if (leftMs > 0) {
        this.#idleTimer = setTimeout(() => this.#endIdle(), Math.min(longestTimeoutMs, Math.ceil(leftMs))).unref();
        return;
      }
      this.#end(sequence);
    }
  }

  /** Puts a sequence in line for a slot. */
  #line(sequence: Sequence): void {
    insertByOrder(this.#backlog, sequence, (one) => one.order);
    this.#admit();
  }

  /** Gives free slots to those that wait longest, on the instance with most of them. */
  #admit(): void {
    const { lanes, initialStateBytes, maxStateBytes } = this.#options;
    while (this.#backlog.length > 0 && this.#stateBytes + initialStateBytes <= maxStateBytes) {
      const lane = lanes.reduce((best, candidate) => (candidate.slots.length - candidate.occupied > best.slots.length - best.occupied ? candidate : best));
      if (lane.occupied === lane.slots.length) return;
      const sequence = this.#backlog.shift()!;
      sequence.lane = lane;
      sequence.slot = lane.slots.indexOf(undefined);
      lane.slots[sequence.slot] = sequence;
      lane.occupied++;
      this.#hold(sequence, initialStateBytes);
      this.#offer(sequence);
    }
  }

  #hold(sequence: Sequence, bytes: number): void {
    this.#stateBytes += bytes - sequence.stateBytes;
    sequence.stateBytes = bytes;
  }

  /** The sequence is over: slot, states and id are free. */
  #end(sequence: Sequence): void {
    const { lane, predecessor, successor } = sequence;
    this.#idle.delete(sequence);
    this.#hold(sequence, 0);
    sequence.states = undefined;
    if (lane !== undefined) {
      lane.slots[sequence.slot] = undefined;
      lane.occupied--;
    } else if (predecessor === undefined) {
      this.#backlog.splice(this.#backlog.indexOf(sequence), 1);
    }
    if (predecessor !== undefined) predecessor.successor = successor;
    if (successor !== undefined) successor.predecessor = predecessor;
    if (this.#newest.get(sequence.key) === sequence) {
      if (predecessor === undefined) this.#newest.delete(sequence.key);
      else this.#newest.set(sequence.key, predecessor);
    }
    this.#alive--;
    if (successor !== undefined && predecessor === undefined) this.#line(successor);
    else this.#admit();
    if (this.#alive === 0) this.#onEmpty?.();
  }
}

function insertByOrder(list: Sequence[], sequence: Sequence, orderOf: (sequence: Sequence) => number): void {
  const order = orderOf(sequence);
  let place = list.length;
  while (place > 0 && orderOf(list[place - 1]!) > order) place--;
  list.splice(place, 0, sequence);
}

/** When waiting ends: at the client's own deadline or the queue's timeout, whichever is first. Infinity: never. */
function expiry(policy: LevelPolicy, call: Call, nowMs: number): number {
  const own = policy.allowTimeoutOverride ? (call.deadlineMs ?? Infinity) : Infinity;
  // Later requests of a sequence cannot pass a delayed one, so that one keeps its place and waits on.
  return policy.timeoutAction === 'delay' ? own : Math.min(own, nowMs + policy.defaultTimeoutMs);
}

function expired(): ModelportError {
  return new ModelportError('DEADLINE_EXCEEDED', 'Request timeout expired', { retryAfterSeconds: 1 });
}
