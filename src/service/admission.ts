/** Lets a bounded number of handlers run at once; a bounded number waits in order; the rest is refused at once. */
import type { Call } from '../call.ts';
import { ModelportError } from '../errors.ts';

export class Admission {
  #free: number;
  readonly #maxQueueSize: number;
  readonly #name: string;
  readonly #waiting = new Set<() => void>();

  constructor(name: string, permits: number, maxQueueSize: number) {
    this.#name = name;
    this.#free = permits;
    this.#maxQueueSize = maxQueueSize;
  }

  /** Resolves to the function that gives the permit back; call it once. Rejects with `QUEUE_FULL`, `CANCELLED`, `DEADLINE_EXCEEDED`. */
  enter(call: Call): Promise<() => void> | (() => void) {
    if (this.#free > 0) {
      this.#free--;
      return this.#leave;
    }
    if (this.#waiting.size >= this.#maxQueueSize) {
      throw new ModelportError('QUEUE_FULL', `${this.#waiting.size} requests wait for '${this.#name}' already; try again later`, { retryAfterSeconds: 1 });
    }
    return new Promise((resolve, reject) => {
      let takeBack = (): void => {};
      const settle = (): void => {
        this.#waiting.delete(grant);
        takeBack();
        clearTimeout(timer);
      };
      const grant = (): void => {
        settle();
        resolve(this.#leave);
      };
      this.#waiting.add(grant);
      const timer =
        call.deadlineMs === undefined
          ? undefined
          : setTimeout(() => {
              settle();
              reject(new ModelportError('DEADLINE_EXCEEDED', `the deadline of the request passed while it waited for '${this.#name}'`));
            }, Math.min(Math.max(0, call.deadlineMs - performance.now()), 2 ** 31 - 1));
      // Last: a call that is cancelled already leaves at once.
      takeBack = call.onCancel(() => {
        settle();
        reject(new ModelportError('CANCELLED', 'the request was cancelled'));
      });
    });
  }

  readonly #leave = (): void => {
    const [next] = this.#waiting;
    // The permit is handed over: nobody can come in between.
    if (next === undefined) this.#free++;
    else next();
  };
}
