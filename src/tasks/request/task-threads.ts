/** Worker threads that all models of the process share for one kind of work, started when there is some. */
import { availableParallelism } from 'node:os';
import type { Call } from '../../call.ts';
import { fromPlainError, ModelportError, type PlainError } from '../../errors.ts';
import { ThreadPool, TooLongError } from '../../lib/thread-pool.ts';
import { holdBytes } from './waiting-bytes.ts';

export interface TaskWork {
  /** Nobody waits for the work where the call was cancelled. Default: it is always done. */
  readonly call?: Call;
  /** What the work holds in memory until it is done. */
  readonly sizeBytes: number;
  readonly transferred?: ArrayBuffer[];
  /** A thread that works longer is ended, and the work fails with `RUN_FAILED`. Default: no limit. */
  readonly limitMs?: number;
}

export class TaskThreads<Job, Reply extends object> {
  readonly #moduleUrl: URL;
  readonly #what: string;
  #pool: ThreadPool<Job, Reply | { readonly error: PlainError }> | undefined;

  /** The module answers every message with a reply, or with an error. `what` it works on, for messages: pictures. */
  constructor(moduleUrl: URL, what: string) {
    this.#moduleUrl = moduleUrl;
    this.#what = what;
  }

  /** Rejects with the thread's error, with `QUEUE_FULL` where too many bytes wait, and with `CANCELLED`. */
  async run(job: Job, { call, sizeBytes, transferred = [], limitMs }: TaskWork): Promise<Reply> {
    call?.throwIfCancelled();
    const release = holdBytes(sizeBytes, this.#what);
    try {
      this.#pool ??= new ThreadPool(this.#moduleUrl, Math.min(2, availableParallelism()));
      const reply = await this.#pool.run(job, transferred, () => (call?.cancelled === true ? new ModelportError('CANCELLED', 'the request was cancelled') : undefined), limitMs);
      if ('error' in reply) throw fromPlainError(reply.error);
      call?.throwIfCancelled();
      return reply;
    } catch (error) {
      if (error instanceof TooLongError) throw new ModelportError('RUN_FAILED', `the thread that works on ${this.#what} was ended, because it needed more than ${limitMs} ms`, { cause: error });
      throw error;
    } finally {
      release();
    }
  }
}
