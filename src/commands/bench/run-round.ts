/** One round of load on one target, from several threads. */
import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import { LatencyRecorder } from '../../lib/latency-recorder.ts';
import type { SocketTarget } from './http-socket.ts';
import type { LoadProgress, LoadResult, LoadSpec } from './load-generator.ts';
import type { ThreadMessage } from './load-thread.ts';

export interface RoundSettings {
  readonly connections: number;
  readonly ratePerSecond: number | undefined;
  readonly arrivals: 'constant' | 'poisson';
  readonly durationMs: number;
  readonly warmupMs: number;
  readonly timeoutMs: number;
  readonly threads: number;
  readonly seed: number;
}

export interface Round {
  readonly latency: LatencyRecorder;
  readonly lag: LatencyRecorder;
  readonly statuses: ReadonlyMap<string, number>;
  readonly failures: ReadonlyMap<string, number>;
  readonly answered: number;
  readonly offered: number;
  readonly waited: number;
  readonly measuredMs: number;
  /** Of the busiest thread. */
  readonly utilization: number;
}

/** Ends early, with what was measured until then, when the signal aborts. */
export async function runRound(target: SocketTarget, settings: RoundSettings, signal: AbortSignal, onProgress: (progress: LoadProgress) => void): Promise<Round> {
  const { connections, ratePerSecond } = settings;
  const threads = Math.min(settings.threads, connections);
  const progress: (LoadProgress | undefined)[] = new Array<LoadProgress | undefined>(threads).fill(undefined);
  const results = await Promise.all(
    progress.map((_, thread) => {
      const spec: LoadSpec = {
        target: { host: target.host, port: target.port, tls: target.tls, request: target.request, headOnly: target.headOnly },
        connections: Math.floor(connections / threads) + (thread < connections % threads ? 1 : 0),
        ratePerSecond: ratePerSecond === undefined ? undefined : ratePerSecond / threads,
        arrivals: settings.arrivals,
        phase: thread / threads,
        seed: settings.seed * 1000 + thread,
        warmupMs: settings.warmupMs,
        durationMs: settings.durationMs,
        timeoutMs: settings.timeoutMs,
        // Where cores are few, the server needs them more than the clock.
        spin: availableParallelism() >= 4,
      };
      return runThread(spec, signal, (told) => {
        progress[thread] = told;
        onProgress(sum(progress));
      });
    }),
  );
  return merge(results);
}

function runThread(spec: LoadSpec, signal: AbortSignal, onProgress: (progress: LoadProgress) => void): Promise<LoadResult> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(new URL('./load-thread.js', import.meta.url), { workerData: spec });
    const stop = (): void => worker.postMessage('stop');
    signal.addEventListener('abort', stop, { once: true });
    if (signal.aborted) stop();
    worker.on('message', (message: ThreadMessage) => {
      if ('result' in message) resolve(message.result);
      else onProgress(message.progress);
    });
    worker.on('error', reject);
    worker.on('exit', (code) => {
      signal.removeEventListener('abort', stop);
      reject(new Error(`a thread of the load generator ended with exit code ${code}`));
    });
  });
}

function sum(parts: readonly (LoadProgress | undefined)[]): LoadProgress {
  const known = parts.filter((part) => part !== undefined);
  return {
    answered: known.reduce((total, part) => total + part.answered, 0),
    failed: known.reduce((total, part) => total + part.failed, 0),
    // Near enough for a line that is gone in a moment; the report merges the counts.
    p50Ms: known.reduce((total, part) => total + part.p50Ms, 0) / known.length,
    p99Ms: Math.max(...known.map((part) => part.p99Ms)),
  };
}

function merge(results: readonly LoadResult[]): Round {
  const [latency, lag] = [new LatencyRecorder(), new LatencyRecorder()];
  const [statuses, failures] = [new Map<string, number>(), new Map<string, number>()];
  for (const result of results) {
    latency.add(result.latency);
    lag.add(result.lag);
    for (const [status, count] of Object.entries(result.statuses)) statuses.set(status, (statuses.get(status) ?? 0) + count);
    for (const [reason, count] of Object.entries(result.failures)) failures.set(reason, (failures.get(reason) ?? 0) + count);
  }
  const total = (of: (result: LoadResult) => number) => results.reduce((before, result) => before + of(result), 0);
  return {
    latency,
    lag,
    statuses,
    failures,
    answered: total((result) => result.answered),
    offered: total((result) => result.offered),
    waited: total((result) => result.waited),
    measuredMs: Math.max(...results.map((result) => result.measuredMs)),
    utilization: Math.max(...results.map((result) => result.utilization)),
  };
}
