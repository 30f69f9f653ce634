/**
 * Worker threads that each do one task at a time; more tasks wait in the order in which they came. Threads start when there
 * is work, stay for the next, and keep the process alive only while they work.
 */
import { Worker } from 'node:worker_threads';

interface Job {
  readonly task: unknown;
  readonly transfer: ArrayBuffer[];
  /** The reason why it needs not be done any more, or undefined. */
  readonly abandoned: (() => Error | undefined) | undefined;
  readonly limitMs: number | undefined;
  resolve(reply: unknown): void;
  reject(error: unknown): void;
}

interface Thread {
  readonly worker: Worker;
  job: Job | undefined;
  /** Ends the thread where its job takes too long. */
  timer: NodeJS.Timeout | undefined;
}

/** Why a task was ended. */
export class TooLongError extends Error {}

export class ThreadPool<Task, Reply> {
  readonly #moduleUrl: URL;
  readonly #size: number;
  readonly #threads = new Set<Thread>();
  readonly #queue: Job[] = [];
  #closed = false;

  /** The module answers every message with exactly one message and catches its errors. `size`: threads at most. */
  constructor(moduleUrl: URL, size: number) {
    this.#moduleUrl = moduleUrl;
    this.#size = size;
  }

  /**
   * Rejects with `abandoned`'s reason if there is one when a thread is free, and where the thread ends before it answers. One that
   * works at it for longer than `limitMs` is ended, whatever it does, and another one takes its place: a {@link TooLongError}.
   */
  run(task: Task, transfer: ArrayBuffer[] = [], abandoned?: () => Error | undefined, limitMs?: number): Promise<Reply> {
    if (this.#closed) return Promise.reject(new Error('the threads were closed'));
    return new Promise((resolve, reject) => {
      this.#queue.push({ task, transfer, abandoned, limitMs, resolve, reject });
      for (const thread of this.#threads) {
        if (thread.job === undefined) {
          this.#next(thread);
          return;
        }
      }
      if (this.#threads.size < this.#size) this.#next(this.#start());
    });
  }

  /** Ends the threads; tasks that were not done are rejected. */
  async close(): Promise<void> {
    this.#closed = true;
    for (const job of this.#queue.splice(0)) job.reject(new Error('the threads were closed'));
    await Promise.all([...this.#threads].map(({ worker }) => worker.terminate()));
  }

  #next(thread: Thread): void {
    thread.job = undefined;
    clearTimeout(thread.timer);
    for (let job = this.#queue.shift(); job !== undefined; job = this.#queue.shift()) {
      const reason = job.abandoned?.();
      if (reason !== undefined) {
        job.reject(reason);
        continue;
      }
      thread.job = job;
      thread.worker.ref();
      try {
        thread.worker.postMessage(job.task, job.transfer);
        if (job.limitMs !== undefined) thread.timer = this.#limit(thread, job.limitMs);
        return;
      } catch (error) {
        // What can't be sent harms only its own sender.
        thread.job = undefined;
        job.reject(error);
      }
    }
    thread.worker.unref();
  }

  #limit(thread: Thread, limitMs: number): NodeJS.Timeout {
    return setTimeout(() => {
      this.#threads.delete(thread);
      thread.job?.reject(new TooLongError(`the work was ended after ${limitMs} ms`));
      void thread.worker.terminate();
      if (this.#queue.length > 0) this.#next(this.#start());
    }, limitMs);
  }

  #start(): Thread {
    const worker = new Worker(this.#moduleUrl);
    const thread: Thread = { worker, job: undefined, timer: undefined };
    this.#threads.add(thread);
    worker.on('message', (reply: unknown) => {
      // It came as the thread was ended.
      if (!this.#threads.has(thread)) return;
      thread.job?.resolve(reply);
      this.#next(thread);
    });
    const ended = (reason: string): void => {
      if (!this.#threads.delete(thread)) return;
      clearTimeout(thread.timer);
      thread.job?.reject(new Error(`a worker thread ended: ${reason}`));
      if (this.#queue.length > 0 && !this.#closed) this.#next(this.#start());
    };
    worker.on('error', (error) => ended(error instanceof Error ? error.message : String(error)));
    worker.on('exit', (code) => ended(`exit code ${code}`));
    return thread;
  }
}
