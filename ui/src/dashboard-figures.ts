/** From two readings of /metrics, what happened in between. Pure. */
import { bucketsOf, quantileBetween, sumOf, type Sample } from './prometheus.ts';

/** Names that the server's /metrics uses; Triton's where it has one. */
const names = {
  success: 'nv_inference_request_success',
  failure: 'nv_inference_request_failure',
  rows: 'nv_inference_count',
  runs: 'nv_inference_exec_count',
  queueMicroseconds: 'nv_inference_queue_duration_us',
  pending: 'nv_inference_pending_request_count',
  duration: 'modelport_request_duration_seconds',
  memory: 'process_resident_memory_bytes',
} as const;

export interface Reading {
  readonly atMs: number;
  readonly samples: readonly Sample[];
}

/** Undefined where nothing happened, or the server does not say. */
export interface Figures {
  readonly requestsPerSecond: number | undefined;
  readonly failuresPerSecond: number | undefined;
  readonly p50Ms: number | undefined;
  readonly p95Ms: number | undefined;
  /** Rows of a run, on average. */
  readonly batchSize: number | undefined;
  /** Requests that wait now. */
  readonly waiting: number | undefined;
  /** How long requests waited, on average. */
  readonly queueMs: number | undefined;
  readonly memoryBytes: number | undefined;
}

/** Of all models, or of one. */
export function figuresBetween(before: Reading, after: Reading, model?: string): Figures {
  const labels: Record<string, string> = model === undefined ? {} : { model };
  const seconds = Math.max(0.001, (after.atMs - before.atMs) / 1000);
  const grown = (name: string): number | undefined => {
    const now = sumOf(after.samples, name, labels);
    // A counter that fell began anew: the server was restarted.
    return now === undefined ? undefined : Math.max(0, now - (sumOf(before.samples, name, labels) ?? 0));
  };
  const success = grown(names.success);
  const failure = grown(names.failure);
  const runs = grown(names.runs) ?? 0;
  const requests = (success ?? 0) + (failure ?? 0);
  const quantile = (share: number): number | undefined => {
    const value = quantileBetween(bucketsOf(before.samples, names.duration, labels), bucketsOf(after.samples, names.duration, labels), share);
    return value === undefined ? undefined : value * 1000;
  };
  return {
    requestsPerSecond: success === undefined ? undefined : requests / seconds,
    failuresPerSecond: failure === undefined ? undefined : failure / seconds,
    p50Ms: quantile(0.5),
    p95Ms: quantile(0.95),
    batchSize: runs === 0 ? undefined : (grown(names.rows) ?? 0) / runs,
    waiting: sumOf(after.samples, names.pending, labels),
    queueMs: requests === 0 ? undefined : (grown(names.queueMicroseconds) ?? 0) / requests / 1000,
    memoryBytes: sumOf(after.samples, names.memory),
  };
}

/** How many requests were answered since the server started. */
export function totalRequests(reading: Reading, model: string): number {
  return (sumOf(reading.samples, names.success, { model }) ?? 0) + (sumOf(reading.samples, names.failure, { model }) ?? 0);
}
