/**
 * The worker threads that decode and prepare pictures, shared by all models of the process and owned by this file: neither
 * decoding nor loading the decoder ever holds up the event loop. A thread is started when all others are busy and ends
 * when it had nothing to do for a while; the last one stays.
 */
import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import type { Call } from '../../call.ts';
import { fromPlainError, ModelportError } from '../../errors.ts';
import { holdBytes } from '../request/waiting-bytes.ts';
import type { ImagePlan } from './image-plan.ts';
import type { ImageAnswer, ImageJob } from './image-thread.ts';
import type { ImageElements, PreparedImage } from './prepare-image.ts';

const mostThreads = Math.min(4, availableParallelism());
/** While one picture is decoded (in a thread of the decoder's own), another one is prepared. */
const jobsPerThread = 2;
const idleMs = 30_000;

interface Waiting {
  readonly job: ImageJob;
  readonly call: Call;
  /** Its bytes wait no more. */
  readonly release: () => void;
  resolve(prepared: PreparedImage): void;
  reject(error: unknown): void;
}

interface Thread {
  readonly worker: Worker;
  readonly jobs: Map<number, Waiting>;
  idleTimer: NodeJS.Timeout | undefined;
}

const threads = new Set<Thread>();
const queue: Waiting[] = [];
let lastId = 0;

/**
 * A picture file as elements of an input tensor. The bytes are copied before this returns. Rejects with `INVALID_VALUE`
 * naming `at` where they are no picture, damaged, too large or blank, and with `QUEUE_FULL` when too many wait.
 */
export async function imageElements(bytes: Uint8Array, plan: ImagePlan, at: string, call: Call): Promise<ImageElements> {
  return (await preparedImage(bytes, plan, at, call)).elements;
}

/** The same, with where the picture lies in the tensor. */
export async function preparedImage(bytes: Uint8Array, plan: ImagePlan, at: string, call: Call): Promise<PreparedImage> {
  call.throwIfCancelled();
  const release = holdBytes(bytes.length, 'pictures');
  const job: ImageJob = { id: ++lastId, bytes: new Uint8Array(bytes), plan, at };
  const prepared = await new Promise<PreparedImage>((resolve, reject) => {
    queue.push({ job, call, release, resolve, reject });
    dispatch();
  });
  call.throwIfCancelled();
  return prepared;
}

/** Starts a thread, so that the first picture does not wait for it. */
export function warmImageThreads(): void {
  if (threads.size === 0) rest(start());
}

function dispatch(): void {
  while (queue.length > 0) {
    let thread = leastBusy();
    if (thread === undefined || (thread.jobs.size > 0 && threads.size < mostThreads)) thread = start();
    if (thread.jobs.size >= jobsPerThread) return;
    const task = queue.shift()!;
    task.release();
    if (task.call.cancelled) {
      task.reject(new ModelportError('CANCELLED', 'the request was cancelled'));
      continue;
    }
    clearTimeout(thread.idleTimer);
    thread.jobs.set(task.job.id, task);
    thread.worker.ref();
    thread.worker.postMessage(task.job, [task.job.bytes.buffer]);
  }
}

function leastBusy(): Thread | undefined {
  let least: Thread | undefined;
  for (const thread of threads) if (least === undefined || thread.jobs.size < least.jobs.size) least = thread;
  return least;
}

/** An idle thread does not keep the process alive. */
function rest(thread: Thread): void {
  thread.worker.unref();
  thread.idleTimer = setTimeout(() => {
    if (threads.size === 1) return;
    threads.delete(thread);
    void thread.worker.terminate();
  }, idleMs).unref();
}

function start(): Thread {
  const worker = new Worker(new URL('./image-thread.js', import.meta.url), { name: 'image' });
  const thread: Thread = { worker, jobs: new Map(), idleTimer: undefined };
  threads.add(thread);
  worker.on('message', (answer: ImageAnswer) => {
    const task = thread.jobs.get(answer.id)!;
    thread.jobs.delete(answer.id);
    if (thread.jobs.size === 0) rest(thread);
    if ('prepared' in answer) task.resolve(answer.prepared);
    else task.reject(fromPlainError(answer.error));
    dispatch();
  });
  const end = (reason: string, cause?: unknown): void => {
    if (!threads.delete(thread)) return;
    clearTimeout(thread.idleTimer);
    for (const { job, reject } of thread.jobs.values()) {
      reject(new ModelportError('RUN_FAILED', `the thread that prepared ${job.at} ended: ${reason}`, { cause }));
    }
    thread.jobs.clear();
    dispatch();
  };
  worker.on('error', (error) => end(error instanceof Error ? error.message : String(error), error));
  worker.on('exit', (code) => end(`exit code ${code}`));
  return thread;
}
