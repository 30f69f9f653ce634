/**
 * One request on its way through the layers: who asked, until when, in which order, and where its time went.
 * A protocol makes it, every layer passes it on, nobody keeps it after the answer.
 */
import { ModelportError } from './errors.ts';

/** The place of a request in a sequence of requests that share state (Triton's `sequence_id`, `sequence_start`, `sequence_end`). */
export interface SequencePosition {
  /** 64-bit number or text; `0` and `''` mean "no sequence". */
  readonly id: bigint | string;
  readonly start: boolean;
  readonly end: boolean;
}

/** W3C trace context: the parent span that the client sent, or undefined where it sent none. */
export interface TraceContext {
  readonly traceId: string;
  readonly spanId: string;
  readonly sampled: boolean;
  readonly state?: string;
}

export interface CallOptions {
  readonly id?: string;
  /** What the call is for where it is a part of another one: the model of an ensemble's step. */
  readonly name?: string;
  /** The moment, on `performance.now()`'s clock, after which the answer is worth nothing. */
  readonly deadlineMs?: number;
  /** 1 is served first; 0 means the model's default level. */
  readonly priority?: number;
  readonly sequence?: SequencePosition;
  readonly trace?: TraceContext;
}

/**
 * Where a request's time went, in milliseconds on `performance.now()`'s clock; written by the layer that knows.
 * `0` where a phase did not happen.
 */
export interface CallTiming {
  /** When the request entered a model's queue and when it left it. */
  queuedAtMs: number;
  dequeuedAtMs: number;
  /** When the runtime began and ended the run that answered it. */
  runStartedAtMs: number;
  runEndedAtMs: number;
  /** Rows of the run that answered it, those of other requests included. */
  batchSize: number;
  cacheHit: boolean;
  /** How long the response cache took to look up and, on a miss, to insert. 0: none was asked. */
  cacheMs: number;
}

/** How far a piece of work is. */
export interface Progress {
  /** From 0 to 1; undefined where nobody knows. */
  readonly fraction?: number;
  readonly text?: string;
}

export class Call {
  readonly id: string | undefined;
  readonly name: string | undefined;
  readonly receivedAtMs: number;
  readonly deadlineMs: number | undefined;
  readonly priority: number;
  readonly sequence: SequencePosition | undefined;
  readonly trace: TraceContext | undefined;
  readonly timing: CallTiming;

  // An AbortController costs microseconds, and most calls are never asked for a signal: it is made on first use.
  #controller: AbortController | undefined;
  #listeners: Set<() => void> | undefined;
  #cancelled = false;
  #children: Call[] | undefined;
  #progressListeners: Set<(progress: Progress) => void> | undefined;
  readonly #whole: Call;

  /** `whole`: the call that this one refines (see {@link refine}). */
  constructor(options: CallOptions = {}, whole?: Call) {
    this.#whole = whole === undefined ? this : whole.#whole;
    this.id = options.id;
    this.name = options.name;
    this.receivedAtMs = whole === undefined ? performance.now() : whole.receivedAtMs;
    this.timing = whole === undefined ? { queuedAtMs: 0, dequeuedAtMs: 0, runStartedAtMs: 0, runEndedAtMs: 0, batchSize: 0, cacheHit: false, cacheMs: 0 } : whole.timing;
    this.deadlineMs = options.deadlineMs;
    this.priority = options.priority ?? 0;
    this.sequence = options.sequence;
    this.trace = options.trace;
  }

  get cancelled(): boolean {
    return this.#cancelled;
  }

  /** Aborts when the client goes away; for `fetch` and other platform functions. Inside Modelport prefer {@link onCancel}. */
  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      if (this.#cancelled) this.#controller.abort(new ModelportError('CANCELLED', 'the request was cancelled'));
    }
    return this.#controller.signal;
  }

  /** Called by the protocol when the client went away or cancelled. Later calls do nothing. */
  cancel(): void {
    if (this.#cancelled) return;
    this.#cancelled = true;
    this.#controller?.abort(new ModelportError('CANCELLED', 'the request was cancelled'));
    for (const listener of this.#listeners ?? []) listener();
    this.#listeners = undefined;
  }

  /** Runs `listener` once when the call is cancelled, at once if it already is. Returns the function that takes it back. */
  onCancel(listener: () => void): () => void {
    if (this.#cancelled) {
      listener();
      return () => {};
    }
    this.#listeners ??= new Set();
    this.#listeners.add(listener);
    return () => this.#listeners?.delete(listener);
  }

  /** Tells whoever listens how far the work is. Costs nothing where nobody does. */
  reportProgress(progress: Progress): void {
    for (const listener of this.#whole.#progressListeners ?? []) listener(progress);
  }

  /** For wires that can show progress. Returns the function that takes it back. */
  onProgress(listener: (progress: Progress) => void): () => void {
    const whole = this.#whole;
    whole.#progressListeners ??= new Set();
    whole.#progressListeners.add(listener);
    return () => whole.#progressListeners?.delete(listener);
  }

  /** The parts of the work that were done under calls of their own, in the order in which they began. */
  get children(): readonly Call[] {
    return this.#whole.#children ?? [];
  }

  throwIfCancelled(): void {
    if (this.#cancelled) throw new ModelportError('CANCELLED', 'the request was cancelled');
  }

  /**
   * The same request with what only its body says (id, priority, sequence, a deadline: the earlier one counts). It is
   * cancelled with this call and shares its timing and children, so whoever made this call still sees where the time went.
   */
  refine(options: CallOptions): Call {
    const id = options.id ?? this.id;
    const sequence = options.sequence ?? this.sequence;
    const deadlineMs = Math.min(this.deadlineMs ?? Infinity, options.deadlineMs ?? Infinity);
    const refined = new Call(
      {
        ...(id === undefined ? {} : { id }),
        ...(deadlineMs === Infinity ? {} : { deadlineMs }),
        priority: options.priority ?? this.priority,
        ...(sequence === undefined ? {} : { sequence }),
        ...(this.trace === undefined ? {} : { trace: this.trace }),
      },
      this,
    );
    this.onCancel(() => refined.cancel());
    return refined;
  }

  /** A call with the same client, deadline and trace for a part of the work (a step of an ensemble, a model that a service calls). */
  child(options: Pick<CallOptions, 'name' | 'sequence'> = {}): Call {
    const child = new Call({
      ...options,
      ...(this.id === undefined ? {} : { id: this.id }),
      ...(this.deadlineMs === undefined ? {} : { deadlineMs: this.deadlineMs }),
      priority: this.priority,
      ...(this.trace === undefined ? {} : { trace: this.trace }),
    });
    (this.#whole.#children ??= []).push(child);
    this.onCancel(() => child.cancel());
    return child;
  }
}
