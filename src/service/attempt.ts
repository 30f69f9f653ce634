/** One run of a handler: until when it may take, and how it learns that nobody waits any more. */
import type { Call } from '../call.ts';
import { ModelportError } from '../errors.ts';

export class Attempt {
  readonly call: Call;
  readonly #name: string;
  readonly #timeoutMs: number;
  #controller: AbortController | undefined;
  #over: ModelportError | undefined;
  #reject: ((error: ModelportError) => void) | undefined;
  #timer: NodeJS.Timeout | undefined;
  #takeBack: (() => void) | undefined;

  constructor(name: string, timeoutMs: number, call: Call) {
    this.#name = name;
    this.#timeoutMs = timeoutMs;
    this.call = call;
  }

  /** Aborts with the error that the request is answered with. Made on first use. */
  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      this.#takeBack ??= this.call.onCancel(() => this.#end(cancelled()));
      if (this.#over !== undefined) this.#controller.abort(this.#over);
    }
    return this.#controller.signal;
  }

  /** What `work` resolves to, or `DEADLINE_EXCEEDED` or `CANCELLED` as soon as that is known: a handler that hangs holds nobody. */
  within<Value>(work: Promise<Value>): Promise<Value> {
    const { deadlineMs } = this.call;
    const leftMs = deadlineMs === undefined ? this.#timeoutMs : Math.min(this.#timeoutMs, deadlineMs - performance.now());
    return new Promise<Value>((resolve, reject) => {
      this.#reject = reject;
      const timer = setTimeout(() => this.#end(this.#late(leftMs)), Math.min(Math.max(0, leftMs), 2 ** 31 - 1));
      this.#timer = timer;
      this.#takeBack ??= this.call.onCancel(() => this.#end(cancelled()));
      work.then(resolve, reject).finally(() => clearTimeout(timer));
      if (this.#over !== undefined) reject(this.#over);
    });
  }

  /** The answer is there, or nobody wants it any more. */
  close(): void {
    clearTimeout(this.#timer);
    this.#takeBack?.();
  }

  #late(leftMs: number): ModelportError {
    return leftMs < this.#timeoutMs
      ? new ModelportError('DEADLINE_EXCEEDED', `the deadline of the request passed while '${this.#name}' worked on it`)
      : new ModelportError('DEADLINE_EXCEEDED', `'${this.#name}' did not answer within ${this.#timeoutMs / 1000} s (its timeoutMs)`);
  }

  #end(error: ModelportError): void {
    this.#over ??= error;
    this.#controller?.abort(this.#over);
    this.#reject?.(this.#over);
    clearTimeout(this.#timer);
  }
}

export function cancelled(): ModelportError {
  return new ModelportError('CANCELLED', 'the request was cancelled');
}
