/**
 * Keeps runs of different models from getting in each other's way: each run holds named resources, of which there are
 * so many for all models together. The semantics of Triton's rate limiter (`instance_group.rate_limiter`), with weighted
 * fairness instead of counts of runs since the start, so that a model that was idle does not crowd out the others.
 */
import type { Call } from '../call.ts';
import { ModelportError } from '../errors.ts';
import type { Model } from '../model.ts';
import { waitIn, type WaitingCalls } from './waiting-call.ts';

export interface RunNeeds {
  /** How many of each resource a run holds while it runs. */
  readonly resources: Readonly<Record<string, number>>;
  /** 1 (or 0) is usual; a model with 2 gets half as many turns as one with 1 when both wait. */
  readonly priority?: number;
}

/** A model's runs, as the limiter sees them. */
interface User {
  readonly needs: readonly (readonly [name: string, count: number])[];
  readonly weight: number;
  readonly waiting: WaitingCalls<Release>;
  /** Who has the least is served first; a run adds the weight. */
  turns: number;
}

export type Release = () => void;

/** One for a server. It owns the resources; models borrow them. */
export class RateLimiter {
  readonly #declared: Readonly<Record<string, number>>;
  readonly #inUse = new Map<string, number>();
  readonly #users = new Set<User>();
  /** The `turns` of whoever was served last: who comes back after a pause starts there. */
  #turns = 0;

  /** `pools`: how many there are of each resource; of one that is left out as many as the neediest model's run holds. */
  constructor(pools: Readonly<Record<string, number>> = {}) {
    this.#declared = pools;
  }

  /** `model` with runs that hold `needs`. Throws `INVALID_CONFIG` where a run needs more than there is. */
  limit(model: Model, needs: RunNeeds): Model {
    for (const [name, count] of Object.entries(needs.resources)) {
      const size = this.#declared[name];
      if (size !== undefined && count > size) {
        throw new ModelportError('INVALID_CONFIG', `a run holds ${count} of the resource '${name}', but there are only ${size}: it could never run`, { at: `instances.resources.${name}` });
      }
    }
    const user: User = { needs: Object.entries(needs.resources), weight: Math.max(1, needs.priority ?? 1), waiting: new Set(), turns: this.#turns };
    this.#users.add(user);
    return new LimitedModel(model, (call) => this.#acquire(user, call), () => this.#leave(user));
  }

  /** How many of each resource are held now. */
  inUse(): ReadonlyMap<string, number> {
    return new Map([...this.#inUse].filter(([, count]) => count > 0));
  }

  #acquire(user: User, call: Call): Promise<Release> {
    if (user.waiting.size === 0) user.turns = Math.max(user.turns, this.#turns);
    const granted = waitIn(user.waiting, call, 'resources that other models use');
    this.#grant();
    return granted;
  }

  /**
   * Serves who has had the fewest turns. One whose resources are held keeps them from those behind it, or it might wait
   * for ever; who needs none of them passes.
   */
  #grant(): void {
    for (;;) {
      const kept = new Set<string>();
      const candidates = [...this.#users].filter((user) => user.waiting.size > 0).sort((left, right) => left.turns - right.turns);
      const next = candidates.find((user) => {
        if (user.needs.every(([name, count]) => !kept.has(name) && (this.#inUse.get(name) ?? 0) + count <= this.#size(name))) return true;
        for (const [name] of user.needs) kept.add(name);
        return false;
      });
      if (next === undefined) return;
      this.#turns = next.turns;
      next.turns += next.weight;
      for (const [name, count] of next.needs) this.#inUse.set(name, (this.#inUse.get(name) ?? 0) + count);
      const [first] = next.waiting;
      first!.grant(this.#releaseOf(next));
    }
  }

  #releaseOf(user: User): Release {
    let released = false;
    return () => {
      if (released) return;
      released = true;
      for (const [name, count] of user.needs) this.#inUse.set(name, this.#inUse.get(name)! - count);
      this.#grant();
    };
  }

  #size(name: string): number {
    const declared = this.#declared[name];
    if (declared !== undefined) return declared;
    let most = 0;
    for (const user of this.#users) for (const [needed, count] of user.needs) if (needed === name) most = Math.max(most, count);
    return most;
  }

  #leave(user: User): void {
    this.#users.delete(user);
    this.#grant();
  }
}

class LimitedModel implements Model {
  readonly #model: Model;
  readonly #acquire: (call: Call) => Promise<Release>;
  readonly #leave: () => void;
  #active = 0;
  #whenIdle: (() => void) | undefined;
  #disposal: Promise<void> | undefined;

  infer?: NonNullable<Model['infer']>;
  stream?: NonNullable<Model['stream']>;
  generate?: NonNullable<Model['generate']>;
  predict?: NonNullable<Model['predict']>;

  constructor(model: Model, acquire: (call: Call) => Promise<Release>, leave: () => void) {
    this.#model = model;
    this.#acquire = acquire;
    this.#leave = leave;
    if (model.infer !== undefined) this.infer = (request, call) => this.#run(call, () => model.infer!(request, call));
    if (model.predict !== undefined) this.predict = (value, call) => this.#run(call, () => model.predict!(value, call));
    if (model.stream !== undefined) this.stream = (request, call) => this.#stream(call, () => model.stream!(request, call));
    if (model.generate !== undefined) this.generate = (request, call) => this.#stream(call, () => model.generate!(request, call));
  }

  get signature(): Model['signature'] {
    return this.#model.signature;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return (this.#disposal ??= this.#dispose());
  }

  async #dispose(): Promise<void> {
    if (this.#active > 0) await new Promise<void>((resolve) => (this.#whenIdle = resolve));
    this.#leave();
    await this.#model[Symbol.asyncDispose]();
  }

  async #run<T>(call: Call, work: () => Promise<T>): Promise<T> {
    const release = await this.#enter(call);
    try {
      return await work();
    } finally {
      this.#exit(release);
    }
  }

  async *#stream<T>(call: Call, open: () => AsyncIterable<T>): AsyncGenerator<T, void, undefined> {
    const release = await this.#enter(call);
    try {
      yield* open();
    } finally {
      this.#exit(release);
    }
  }

  async #enter(call: Call): Promise<Release> {
    if (this.#disposal !== undefined) throw new ModelportError('UNAVAILABLE', 'the model was unloaded');
    this.#active++;
    try {
      return await this.#acquire(call);
    } catch (error) {
      this.#exit();
      throw error;
    }
  }

  #exit(release?: Release): void {
    release?.();
    if (--this.#active === 0) this.#whenIdle?.();
  }
}
