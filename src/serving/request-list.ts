/** Requests in order of arrival, linked through the requests themselves: append and remove cost the same anywhere. */
import type { QueuedRequest } from './queued-request.ts';

export class RequestList {
  head: QueuedRequest | undefined = undefined;
  #tail: QueuedRequest | undefined = undefined;

  append(request: QueuedRequest): void {
    request.list = this;
    request.previous = this.#tail;
    if (this.#tail === undefined) this.head = request;
    else this.#tail.next = request;
    this.#tail = request;
  }

  remove(request: QueuedRequest): void {
    if (request.previous === undefined) this.head = request.next;
    else request.previous.next = request.next;
    if (request.next === undefined) this.#tail = request.previous;
    else request.next.previous = request.previous;
    request.list = undefined;
    request.previous = undefined;
    request.next = undefined;
  }
}
