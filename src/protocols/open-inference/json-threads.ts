/**
 * Threads for JSON that would hold up the event loop: 3 MB take 10 ms to parse. They start with the first large body and
 * never keep the process alive. Each works on one task at a time; more wait in the order in which they came.
 */
import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import { fromPlainError, ModelportError } from '../../errors.ts';
import type { Call } from '../../call.ts';
import type { NumericArray } from '../../tensor.ts';
import { bytesOfTensor } from './binary-tensors.ts';
import type { WireInferRequest } from './infer-request.ts';
import type { ResponseParts } from './infer-response.ts';
import type { JsonTask, JsonTaskResult } from './json-thread.ts';

/** Larger JSON goes to a thread. A hop costs 20–50 µs; so many bytes take about 150 µs to parse. */
export const largestInlineBytes = 65536;
/** Answers of more elements are written in a thread. */
export const largestInlineElements = 4096;

interface Job {
  readonly task: JsonTask;
  readonly transfer: ArrayBuffer[];
  readonly call: Call | undefined;
  resolve(result: unknown): void;
  reject(error: unknown): void;
}

interface Thread {
  readonly worker: Worker;
  job: Job | undefined;
}

export class JsonThreads {
  readonly #size: number;
  readonly #threads = new Set<Thread>();
  readonly #queue: Job[] = [];

  /** `size`: how many threads at most; half of the cores, two at most, where it is not given. */
  constructor(size = Math.max(1, Math.min(2, Math.floor(availableParallelism() / 2)))) {
    this.#size = size;
  }

  /** As `parseInferRequest`. A body that covers its whole buffer is handed over: it is empty afterwards. */
  parse(body: Uint8Array, call?: Call): Promise<WireInferRequest> {
    const own = handOver(body);
    return this.#run({ kind: 'parse', body: own }, [own.buffer as ArrayBuffer], call) as Promise<WireInferRequest>;
  }

  /** As `parseJson`. */
  async value(body: Uint8Array): Promise<unknown> {
    const own = handOver(body);
    return ((await this.#run({ kind: 'value', body: own }, [own.buffer as ArrayBuffer], undefined)) as { value: unknown }).value;
  }

  /** As `joinParts`, in UTF-8. Elements are copied: they may be views of a whole batch. */
  write({ json, data }: ResponseParts, call?: Call): Promise<Uint8Array> {
    const transfer: ArrayBuffer[] = [];
    const copies = data.map(({ name, datatype, data: elements }) => {
      const copy = datatype === 'BYTES' ? bytesOfTensor({ datatype, shape: [elements.length], data: elements }) : (elements as NumericArray).slice();
      transfer.push(copy.buffer as ArrayBuffer);
      return { name, datatype, count: elements.length, data: copy };
    });
    return this.#run({ kind: 'write', json, data: copies }, transfer, call) as Promise<Uint8Array>;
  }

  /** Ends the threads; tasks that were not done are rejected. */
  async close(): Promise<void> {
    for (const job of this.#queue.splice(0)) job.reject(new ModelportError('UNAVAILABLE', 'the server is shutting down'));
    await Promise.all([...this.#threads].map(({ worker }) => worker.terminate()));
  }

  #run(task: JsonTask, transfer: ArrayBuffer[], call: Call | undefined): Promise<unknown> {
    return new Promise((resolve, reject) => {
      this.#queue.push({ task, transfer, call, resolve, reject });
      const idle = [...this.#threads].find((thread) => thread.job === undefined);
      if (idle !== undefined) this.#next(idle);
      else if (this.#threads.size < this.#size) this.#next(this.#start());
    });
  }

  #next(thread: Thread): void {
    let job = this.#queue.shift();
    while (job?.call?.cancelled === true) {
      job.reject(new ModelportError('CANCELLED', 'the request was cancelled'));
      job = this.#queue.shift();
    }
    thread.job = job;
    // A reference only while there is work: an idle thread must not keep the process alive.
    if (job === undefined) {
      thread.worker.unref();
      return;
    }
    thread.worker.ref();
    thread.worker.postMessage(job.task, job.transfer);
  }

  #start(): Thread {
    const worker = new Worker(new URL('./json-thread.js', import.meta.url));
    const thread: Thread = { worker, job: undefined };
    this.#threads.add(thread);
    worker.on('message', (result: JsonTaskResult) => {
      const { job } = thread;
      if ('error' in result) job?.reject(fromPlainError(result.error));
      else job?.resolve(result.result);
      this.#next(thread);
    });
    const ended = (reason: string): void => {
      if (!this.#threads.delete(thread)) return;
      thread.job?.reject(new ModelportError('INTERNAL', `the thread that reads and writes JSON ended: ${reason}`));
      if (this.#queue.length > 0) this.#next(this.#start());
    };
    worker.on('error', (error) => ended(error.message));
    worker.on('exit', (code) => ended(`exit code ${code}`));
    return thread;
  }
}

function handOver(body: Uint8Array): Uint8Array {
  const whole = body.byteOffset === 0 && body.byteLength === body.buffer.byteLength && body.buffer instanceof ArrayBuffer;
  return whole ? new Uint8Array(body.buffer) : new Uint8Array(body);
}
