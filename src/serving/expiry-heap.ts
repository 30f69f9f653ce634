/**
 * Waiting requests by the moment at which they time out. A binary heap that requests know their place in, so that one
 * that runs or is cancelled leaves it at once and does not stay in memory until its time has come.
 */
import type { QueuedRequest } from './queued-request.ts';

export class ExpiryHeap {
  readonly #items: QueuedRequest[] = [];

  /** When the first of them times out; Infinity where none does. */
  get nextMs(): number {
    return this.#items[0]?.expiresAtMs ?? Infinity;
  }

  get first(): QueuedRequest | undefined {
    return this.#items[0];
  }

  add(request: QueuedRequest): void {
    this.#items.push(request);
    this.#rise(request, this.#items.length - 1);
  }

  /** Does nothing where the request is not in the heap. */
  remove(request: QueuedRequest): void {
    const index = request.heapIndex;
    if (index === -1) return;
    request.heapIndex = -1;
    const last = this.#items.pop()!;
    if (last === request) return;
    const parent = this.#items[(index - 1) >> 1];
    if (index > 0 && parent!.expiresAtMs > last.expiresAtMs) this.#rise(last, index);
    else this.#sink(last, index);
  }

  #rise(request: QueuedRequest, from: number): void {
    let index = from;
    while (index > 0) {
      const above = (index - 1) >> 1;
      const parent = this.#items[above]!;
      if (parent.expiresAtMs <= request.expiresAtMs) break;
      this.#place(parent, index);
      index = above;
    }
    this.#place(request, index);
  }

  #sink(request: QueuedRequest, from: number): void {
    const items = this.#items;
    let index = from;
    for (;;) {
      let below = 2 * index + 1;
      if (below >= items.length) break;
      if (below + 1 < items.length && items[below + 1]!.expiresAtMs < items[below]!.expiresAtMs) below++;
      if (items[below]!.expiresAtMs >= request.expiresAtMs) break;
      this.#place(items[below]!, index);
      index = below;
    }
    this.#place(request, index);
  }

  #place(request: QueuedRequest, index: number): void {
    this.#items[index] = request;
    request.heapIndex = index;
  }
}
