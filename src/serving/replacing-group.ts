/**
 * Instances that can die, as one Model. The group owns them: it hands each request to a free one, replaces those that die,
 * and gives the requests that died with them to others.
 *
 * An instance runs one `infer` at a time; `stream`, `generate` and `predict` go to the one with the fewest of them.
 */
import type { Call } from '../call.ts';
import { ModelportError } from '../errors.ts';
import type { Model, Signature } from '../model.ts';
import type { InstanceKind } from '../runtime.ts';
import { InstanceLostError, type Instance, type InstanceStart } from './instance.ts';
import { startInstance } from './start-instance.ts';
import { waitIn, type WaitingCalls } from './waiting-call.ts';

export interface RestartPolicy {
  /** An instance that dies before it answered anything is replaced after this long, then twice as long, and so on. Default 100 ms. */
  readonly firstDelayMs?: number;
  /** The longest of these delays; an instance that lived longer did not die in vain. Default 30 s. */
  readonly maxDelayMs?: number;
  /** After so many such deaths in a row an instance counts as broken; when all are, calls are refused. Default 5. */
  readonly maxFutileStarts?: number;
}

export interface InstanceGroupState {
  /** Whether a call would be run now. */
  readonly ready: boolean;
  readonly readyInstances: number;
  /** Why the last instance died, where one did. */
  readonly reason?: string;
}

export interface ReplacingGroupOptions {
  readonly kind: InstanceKind;
  readonly kindReason: string;
  readonly restart?: RestartPolicy;
  readonly onStateChange?: (state: InstanceGroupState) => void;
}

/** The place of one instance: the instance, or its replacement under way. */
interface Slot {
  instance: Instance | undefined;
  /** Runs an `infer`. */
  busy: boolean;
  /** Streams and predictions under way. */
  shared: number;
  /** Whether the instance has answered anything. */
  proven: boolean;
  readyAtMs: number;
  futileStarts: number;
  restart: NodeJS.Timeout | undefined;
  /** A start under way; settles without error. */
  starting: Promise<void> | undefined;
}

export class ReplacingGroup implements Model {
  readonly kind: InstanceKind;
  readonly kindReason: string;
  readonly count: number;
  readonly signature: Signature;
  readonly #start: InstanceStart;
  readonly #restart: Required<RestartPolicy>;
  readonly #onStateChange: ((state: InstanceGroupState) => void) | undefined;
  readonly #slots: Slot[];
  // Calls that wait for an instance of their own: first served are those whose instance died, then by arrival.
  readonly #retrying: WaitingCalls<Slot> = new Set();
  readonly #waiting: WaitingCalls<Slot> = new Set();
  // Calls that share an instance wait only while there is none.
  readonly #waitingToShare: WaitingCalls<Slot> = new Set();
  #active = 0;
  #reason: string | undefined;
  #lastState = '';
  #disposal: Promise<void> | undefined;
  #whenIdle: (() => void) | undefined;
  #released = false;

  infer?: NonNullable<Model['infer']>;
  stream?: NonNullable<Model['stream']>;
  generate?: NonNullable<Model['generate']>;
  predict?: NonNullable<Model['predict']>;

  constructor(start: InstanceStart, options: ReplacingGroupOptions, instances: readonly Instance[]) {
    this.kind = options.kind;
    this.kindReason = options.kindReason;
    this.count = instances.length;
    this.signature = instances[0]!.signature;
    this.#start = start;
    this.#restart = { firstDelayMs: 100, maxDelayMs: 30_000, maxFutileStarts: 5, ...options.restart };
    this.#onStateChange = options.onStateChange;
    this.#slots = instances.map(() => ({ instance: undefined, busy: false, shared: 0, proven: true, readyAtMs: 0, futileStarts: 0, restart: undefined, starting: undefined }));
    const [first] = instances;
    if (first!.infer !== undefined) this.infer = (request, call) => this.#run(call, true, (instance) => instance.infer!(request, call));
    if (first!.predict !== undefined) this.predict = (value, call) => this.#run(call, false, (instance) => instance.predict!(value, call));
    if (first!.stream !== undefined) this.stream = (request, call) => this.#stream(call, (instance) => instance.stream!(request, call));
    if (first!.generate !== undefined) this.generate = (request, call) => this.#stream(call, (instance) => instance.generate!(request, call));
    instances.forEach((instance, index) => this.#adopt(this.#slots[index]!, instance));
  }

  ready(): boolean {
    return this.#disposal === undefined && this.#slots.some((slot) => slot.instance !== undefined);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return (this.#disposal ??= this.#dispose());
  }

  /** Waits for calls under way, those that wait for an instance included: they were accepted. */
  async #dispose(): Promise<void> {
    if (this.#active > 0) await new Promise<void>((resolve) => (this.#whenIdle = resolve));
    this.#released = true;
    await Promise.all(
      this.#slots.map(async (slot) => {
        clearTimeout(slot.restart);
        await slot.starting;
        await slot.instance?.[Symbol.asyncDispose]();
        slot.instance = undefined;
      }),
    );
    this.#noticeState();
  }

  async #run<T>(call: Call, exclusive: boolean, work: (instance: Instance) => Promise<T>): Promise<T> {
    this.#enter(call);
    try {
      for (let lost = 0; ; ) {
        const slot = await this.#take(call, exclusive, lost > 0);
        try {
          const answer = await work(slot.instance!);
          slot.proven = true;
          return answer;
        } catch (error) {
          if (!(error instanceof InstanceLostError)) {
            slot.proven = true;
            throw error;
          }
          lost++;
          throwUnlessRetried(error, call, lost);
        } finally {
          this.#giveBack(slot, exclusive);
        }
      }
    } finally {
      this.#leave();
    }
  }

  async *#stream<T>(call: Call, open: (instance: Instance) => AsyncIterable<T>): AsyncGenerator<T, void, undefined> {
    this.#enter(call);
    try {
      for (let lost = 0; ; ) {
        const slot = await this.#take(call, false, lost > 0);
        let begun = false;
        try {
          for await (const item of open(slot.instance!)) {
            begun = true;
            slot.proven = true;
            yield item;
          }
          return;
        } catch (error) {
          if (!(error instanceof InstanceLostError)) throw error;
          lost++;
          if (begun) throw error;
          throwUnlessRetried(error, call, lost);
        } finally {
          this.#giveBack(slot, false);
        }
      }
    } finally {
      this.#leave();
    }
  }

  #enter(call: Call): void {
    if (this.#disposal !== undefined) throw new ModelportError('UNAVAILABLE', `the model '${this.#start.artifact.main}' was unloaded`);
    call.throwIfCancelled();
    this.#active++;
  }

  #leave(): void {
    if (--this.#active === 0) this.#whenIdle?.();
  }

  /** A slot whose instance takes the call now, or a promise of one. */
  #take(call: Call, exclusive: boolean, retry: boolean): Slot | Promise<Slot> {
    const slot = exclusive ? this.#slots.find(isFree) : this.#leastShared();
    if (slot !== undefined) return occupy(slot, exclusive);
    const broken = this.#brokenError();
    if (broken !== undefined) throw broken;
    const queue = !exclusive ? this.#waitingToShare : retry ? this.#retrying : this.#waiting;
    return waitIn(queue, call, 'an instance of the model');
  }

  #leastShared(): Slot | undefined {
    let least: Slot | undefined;
    for (const slot of this.#slots) if (slot.instance !== undefined && (least === undefined || slot.shared < least.shared)) least = slot;
    return least;
  }

  #giveBack(slot: Slot, exclusive: boolean): void {
    if (!exclusive) {
      slot.shared--;
      return;
    }
    slot.busy = false;
    this.#grantFree();
  }

  #grantFree(): void {
    for (const queue of [this.#retrying, this.#waiting]) {
      for (const waiter of queue) {
        const slot = this.#slots.find(isFree);
        if (slot === undefined) return;
        waiter.grant(occupy(slot, true));
      }
    }
  }

  #adopt(slot: Slot, instance: Instance): void {
    slot.instance = instance;
    slot.proven = false;
    slot.readyAtMs = performance.now();
    instance.onLost((error) => {
      slot.instance = undefined;
      this.#replace(slot, error);
    });
    for (const waiter of this.#waitingToShare) waiter.grant(occupy(slot, false));
    this.#grantFree();
    this.#noticeState();
  }

  /** At once where the instance was of use, else after a delay that doubles. */
  #replace(slot: Slot, error: unknown): void {
    this.#reason = error instanceof Error ? error.message : String(error);
    const useful = slot.proven || (slot.readyAtMs > 0 && performance.now() - slot.readyAtMs > this.#restart.maxDelayMs);
    slot.futileStarts = useful ? 0 : slot.futileStarts + 1;
    slot.proven = false;
    slot.readyAtMs = 0;
    if (this.#released) return;
    const delayMs = slot.futileStarts === 0 ? 0 : Math.min(this.#restart.maxDelayMs, this.#restart.firstDelayMs * 2 ** (slot.futileStarts - 1));
    slot.restart = setTimeout(() => {
      if (this.#released) return;
      slot.starting = this.#startAgain(slot).finally(() => (slot.starting = undefined));
    }, delayMs);
    const broken = this.#brokenError();
    if (broken !== undefined) for (const waiter of [...this.#retrying, ...this.#waiting, ...this.#waitingToShare]) waiter.refuse(broken);
    this.#noticeState();
  }

  async #startAgain(slot: Slot): Promise<void> {
    try {
      this.#adopt(slot, await startInstance[this.kind](this.#start));
    } catch (error) {
      this.#replace(slot, error);
    }
  }

  /** What calls are refused with while every instance died again and again; undefined while there is hope. */
  #brokenError(): ModelportError | undefined {
    const { maxFutileStarts, maxDelayMs } = this.#restart;
    if (!this.#slots.every((slot) => slot.instance === undefined && slot.futileStarts >= maxFutileStarts)) return undefined;
    return new ModelportError('UNAVAILABLE', `no instance of the model '${this.#start.artifact.main}' stays alive: ${this.#reason}`, { retryAfterSeconds: Math.ceil(maxDelayMs / 1000) });
  }

  #noticeState(): void {
    if (this.#onStateChange === undefined) return;
    const state: InstanceGroupState = {
      ready: this.ready(),
      readyInstances: this.#slots.filter((slot) => slot.instance !== undefined).length,
      ...(this.#reason === undefined ? {} : { reason: this.#reason }),
    };
    const text = JSON.stringify(state);
    if (text === this.#lastState) return;
    this.#lastState = text;
    this.#onStateChange(state);
  }
}

function isFree(slot: Slot): boolean {
  return slot.instance !== undefined && !slot.busy;
}

function occupy(slot: Slot, exclusive: boolean): Slot {
  if (exclusive) slot.busy = true;
  else slot.shared++;
  return slot;
}

/** A call whose instance died is tried once more, but not one of a sequence: the instance may have held its state. */
function throwUnlessRetried(error: InstanceLostError, call: Call, lost: number): void {
  call.throwIfCancelled();
  if (call.sequence !== undefined) throw error;
  // Not `UNAVAILABLE`: it is likely the request that does it. The requests that were joined with it are worth a run of their own.
  if (lost > 1) throw new ModelportError('RUN_FAILED', `two instances died while they ran this request; the last one: ${error.message}`);
  if (call.deadlineMs !== undefined && performance.now() > call.deadlineMs) throw new ModelportError('DEADLINE_EXCEEDED', `the deadline of the request passed when the instance that ran it died: ${error.message}`);
}
