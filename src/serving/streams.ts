/** Several answers to one request: streams that stop when nobody listens any more. */
import type { Call } from '../call.ts';
import { ModelportError } from '../errors.ts';

/**
 * `source` until it ends or `call` is cancelled, whichever is first. On cancellation a `next()` that waits rejects with
 * `CANCELLED` at once, even where the source would never wake up, and the source's iterator is returned. A consumer that
 * leaves early cancels the call, so that what the source waits for is cancelled too.
 */
export function cancellable<T>(source: AsyncIterable<T>, call: Call): AsyncIterable<T> {
  return { [Symbol.asyncIterator]: () => new CancellableIterator(source[Symbol.asyncIterator](), call) };
}

class CancellableIterator<T> implements AsyncIterator<T> {
  readonly #source: AsyncIterator<T>;
  readonly #call: Call;
  readonly #takeBack: () => void;
  #ended = false;
  // At most one of the two: the `next()` that waits, or that the next one is to hear of the cancellation.
  #rejectWaiting: ((error: unknown) => void) | undefined;
  #unheard = false;

  constructor(source: AsyncIterator<T>, call: Call) {
    this.#source = source;
    this.#call = call;
    this.#takeBack = call.onCancel(() => this.#cancel());
  }

  next(): Promise<IteratorResult<T>> {
    if (this.#unheard) {
      this.#unheard = false;
      return Promise.reject(cancelled());
    }
    if (this.#ended) return Promise.resolve({ done: true, value: undefined });
    return new Promise((resolve, reject) => {
      this.#rejectWaiting = reject;
      this.#source.next().then(
        (result) => {
          this.#rejectWaiting = undefined;
          if (result.done === true) this.#finish();
          resolve(result);
        },
        (error: unknown) => {
          this.#finish();
          reject(error);
        },
      );
    });
  }

  async return(): Promise<IteratorResult<T>> {
    if (!this.#ended) {
      this.#finish();
      this.#call.cancel();
      await this.#source.return?.();
    }
    return { done: true, value: undefined };
  }

  #finish(): void {
    this.#ended = true;
    this.#rejectWaiting = undefined;
    this.#takeBack();
  }

  #cancel(): void {
    if (this.#ended) return;
    this.#ended = true;
    if (this.#rejectWaiting === undefined) this.#unheard = true;
    else this.#rejectWaiting(cancelled());
    // A generator that is suspended in an await returns only when that await ends: nobody waits for it here.
    this.#source.return?.().catch(() => {});
  }
}

function cancelled(): ModelportError {
  return new ModelportError('CANCELLED', 'the request was cancelled');
}
