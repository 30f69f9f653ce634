/**
 * One request between its arrival at the scheduler and its answer.
 *
 * States: `waiting` (owned by the queue, may leave by cancellation or timeout) → `running` (owned by one run; only the end of that
 * run answers it) → `answered`. {@link resolve} and {@link reject} are called once, by whoever moves it to `answered`.
 */
import type { Call } from '../call.ts';
import type { InferRequest, InferResponse } from '../model.ts';
import type { RequestList } from './request-list.ts';

export type QueuedState = 'waiting' | 'running' | 'answered';

export class QueuedRequest {
  readonly request: InferRequest;
  readonly call: Call;
  /** Arrival number within its model. */
  readonly order: number;
  readonly queuedAtMs: number;
  /** The event-loop turn of its arrival, as the scheduler counts them. */
  readonly turn: number;
  readonly answer: Promise<InferResponse>;
  readonly resolve: (response: InferResponse) => void;
  readonly reject: (error: unknown) => void;
  state: QueuedState = 'waiting';

  /** Rows along the batch axes; 1 where the model has none. */
  rows = 1;
  /** Requests of equal key may be joined; undefined: runs alone. */
  shapeKey: string | undefined = '';
  /** Sizes of the dimensions that padding may change, in the order of `Padding.dimensions`; undefined without padding. */
  sizes: readonly number[] | undefined = undefined;
  /** 0 is the first priority level. */
  level = 0;
  /** When it times out; Infinity: never. */
  expiresAtMs = Infinity;

  // Links of the containers that hold it; each is written by its container only.
  list: RequestList | undefined = undefined;
  previous: QueuedRequest | undefined = undefined;
  next: QueuedRequest | undefined = undefined;
  heapIndex = -1;

  constructor(request: InferRequest, call: Call, order: number, queuedAtMs: number, turn: number) {
    this.request = request;
    this.call = call;
    this.order = order;
    this.queuedAtMs = queuedAtMs;
    this.turn = turn;
    this.answer = new Promise(captureSettlers);
    this.resolve = capturedResolve;
    this.reject = capturedReject;
  }
}

// One function for all promises instead of a closure per request; read back in the same synchronous step.
let capturedResolve: (response: InferResponse) => void;
let capturedReject: (error: unknown) => void;
function captureSettlers(resolve: (response: InferResponse) => void, reject: (error: unknown) => void): void {
  capturedResolve = resolve;
  capturedReject = reject;
}
