/**
 * Holds answers back until all requests that arrived earlier were answered. A request that is refused before it runs
 * leaves at once and holds nobody up.
 */
import type { QueuedRequest } from './queued-request.ts';

export class AnswerOrder {
  /** Unanswered and held back requests in order of arrival, each with the function that answers it once it is known. */
  readonly #arrivals = new Map<QueuedRequest, (() => void) | undefined>();

  get heldBack(): number {
    return this.#arrivals.size;
  }

  admit(request: QueuedRequest): void {
    this.#arrivals.set(request, undefined);
  }

  answer(request: QueuedRequest, deliver: () => void): void {
    this.#arrivals.set(request, deliver);
    this.#release();
  }

  withdraw(request: QueuedRequest): void {
    this.#arrivals.delete(request);
    this.#release();
  }

  #release(): void {
    for (const [request, deliver] of this.#arrivals) {
      if (deliver === undefined) return;
      this.#arrivals.delete(request);
      deliver();
    }
  }
}
