/**
 * Hands values from a producer that pushes to a consumer that iterates, at the consumer's pace.
 *
 * The producer awaits {@link push}: it resolves `true` when there is room for another value, `false` when the consumer
 * is gone and the producer should stop. One consumer; values that it has not taken when it leaves are dropped.
 */
export class AsyncQueue<T> implements AsyncIterableIterator<T> {
  readonly #capacity: number;
  readonly #onAbandon: (() => void) | undefined;
  // Only values from #head onward are waiting: shifting an array costs its length.
  #values: T[] = [];
  #head = 0;
  #ended = false;
  // Thrown once, to the first taker that finds no value.
  #failure: { readonly error: unknown } | undefined;
  // Not both are non-empty: a taker waits only where no value does.
  readonly #takers: { resolve(result: IteratorResult<T>): void; reject(error: unknown): void }[] = [];
  readonly #pushers: ((roomLeft: boolean) => void)[] = [];

  /**
   * `capacity`: how many values may wait before {@link push} holds the producer back (default 16).
   * `onAbandon` runs once if the consumer stops before the end.
   */
  constructor(options: { readonly capacity?: number; readonly onAbandon?: () => void } = {}) {
    this.#capacity = Math.max(1, options.capacity ?? 16);
    this.#onAbandon = options.onAbandon;
  }

  /** Values that were pushed and not taken yet. */
  get size(): number {
    return this.#values.length - this.#head;
  }

  /** Takes the value in at once, whatever the capacity: awaiting the answer is what holds a producer back. */
  push(value: T): Promise<boolean> {
    if (this.#ended) return Promise.resolve(false);
    const taker = this.#takers.shift();
    if (taker !== undefined) {
      taker.resolve({ done: false, value });
      return Promise.resolve(true);
    }
    this.#values.push(value);
    if (this.size < this.#capacity) return Promise.resolve(true);
    return new Promise((resolve) => this.#pushers.push(resolve));
  }

  /** The consumer's loop ends after the values that are waiting. */
  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    for (const resolve of this.#pushers.splice(0)) resolve(false);
    for (const taker of this.#takers.splice(0)) this.#finish(taker);
  }

  /** The consumer's loop throws `error` after the values that are waiting. */
  fail(error: unknown): void {
    if (this.#ended) return;
    this.#failure = { error };
    this.end();
  }

  next(): Promise<IteratorResult<T>> {
    if (this.size > 0) return Promise.resolve({ done: false, value: this.#take() });
    return new Promise((resolve, reject) => {
      if (this.#ended) this.#finish({ resolve, reject });
      else this.#takers.push({ resolve, reject });
    });
  }

  /** The consumer leaves: what waits is dropped, the producer's pushes answer `false`. */
  return(): Promise<IteratorResult<T>> {
    const abandoned = !this.#ended;
    this.#values = [];
    this.#head = 0;
    this.#failure = undefined;
    this.end();
    if (abandoned) this.#onAbandon?.();
    return Promise.resolve({ done: true, value: undefined });
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  #take(): T {
    const value = this.#values[this.#head]!;
    this.#values[this.#head++] = undefined as T;
    if (this.#head > 64 && this.#head * 2 > this.#values.length) {
      this.#values = this.#values.slice(this.#head);
      this.#head = 0;
    }
    if (this.size < this.#capacity) this.#pushers.shift()?.(true);
    return value;
  }

  #finish(taker: { resolve(result: IteratorResult<T>): void; reject(error: unknown): void }): void {
    const failure = this.#failure;
    this.#failure = undefined;
    if (failure === undefined) taker.resolve({ done: true, value: undefined });
    else taker.reject(failure.error);
  }
}
