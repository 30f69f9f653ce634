/**
 * The worker threads that prepare large pictures, shared by all models of the process and owned by this file. A thread
 * is started when a picture finds none free, does one picture at a time, and ends after it had nothing to do for a while.
 */
import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import { fromPlainError, ModelportError, type PlainError } from '../../errors.ts';
import type { ImageJob } from './image-thread.ts';
import type { ImageElements } from './prepare-image.ts';

const mostThreads = Math.min(4, availableParallelism());
const idleMs = 30_000;

interface Waiting {
  readonly job: ImageJob;
  resolve(elements: ImageElements): void;
  reject(error: unknown): void;
}

interface Thread {
  readonly worker: Worker;
  current: Waiting | undefined;
  idleTimer: NodeJS.Timeout | undefined;
}

const threads = new Set<Thread>();
const waiting: Waiting[] = [];

export async function prepareInThread(job: ImageJob): Promise<ImageElements> {
  return await new Promise((resolve, reject) => {
    waiting.push({ job, resolve, reject });
    const free = [...threads].find((thread) => thread.current === undefined);
    if (free !== undefined) next(free);
    else if (threads.size < mostThreads) next(start());
  });
}

function next(thread: Thread): void {
  const task = waiting.shift();
  thread.current = task;
  if (task === undefined) {
    // An idle thread does not keep the process alive.
    thread.worker.unref();
    thread.idleTimer = setTimeout(() => end(thread), idleMs).unref();
    return;
  }
  clearTimeout(thread.idleTimer);
  thread.worker.ref();
  thread.worker.postMessage(task.job, []);
}

function end(thread: Thread): void {
  threads.delete(thread);
  void thread.worker.terminate();
}

function start(): Thread {
  const worker = new Worker(new URL('./image-thread.js', import.meta.url), { name: 'image' });
  const thread: Thread = { worker, current: undefined, idleTimer: undefined };
  threads.add(thread);
  worker.on('message', (answer: { readonly elements: ImageElements } | { readonly error: PlainError }) => {
    const task = thread.current!;
    if ('elements' in answer) task.resolve(answer.elements);
    else task.reject(fromPlainError(answer.error));
    next(thread);
  });
  const fail = (reason: unknown) => {
    if (!threads.delete(thread)) return;
    clearTimeout(thread.idleTimer);
    thread.current?.reject(new ModelportError('RUN_FAILED', `the thread that prepared ${thread.current.job.at} ended: ${reason instanceof Error ? reason.message : String(reason)}`, { cause: reason }));
    thread.current = undefined;
    if (waiting.length > 0 && threads.size < mostThreads) next(start());
  };
  worker.on('error', fail);
  worker.on('exit', (code) => fail(`exit code ${code}`));
  return thread;
}
