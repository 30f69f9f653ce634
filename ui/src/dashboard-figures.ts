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
  processor: 'process_cpu_seconds_total',
  batches: 'modelport_batch_runs_total',
  inProgress: 'modelport_requests_in_progress',
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
  readonly p99Ms: number | undefined;
  /** Rows of a run, on average. */
  readonly batchSize: number | undefined;
  /** Requests that wait now. */
  readonly waiting: number | undefined;
  /** How long requests waited, on average. */
  readonly queueMs: number | undefined;
  /** Requests that wait or run now. */
  readonly inProgress: number | undefined;
  /** Of the whole server. */
  readonly memoryBytes: number | undefined;
  /** Of the whole server: 1 is one processor kept busy. */
  readonly processors: number | undefined;
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
    p99Ms: quantile(0.99),
    batchSize: runs === 0 ? undefined : (grown(names.rows) ?? 0) / runs,
    waiting: sumOf(after.samples, names.pending, labels),
    queueMs: requests === 0 ? undefined : (grown(names.queueMicroseconds) ?? 0) / requests / 1000,
    inProgress: sumOf(after.samples, names.inProgress, labels),
    memoryBytes: sumOf(after.samples, names.memory),
    processors: processorsBetween(before, after, seconds),
  };
}

function processorsBetween(before: Reading, after: Reading, seconds: number): number | undefined {
  const [from, to] = [sumOf(before.samples, names.processor), sumOf(after.samples, names.processor)];
  return from === undefined || to === undefined ? undefined : Math.max(0, to - from) / seconds;
}

export interface Share {
  readonly label: string;
  readonly value: number;
}

/** Runs by their number of rows, fewest rows first. */
export function batchSizesBetween(before: Reading, after: Reading, model?: string): Share[] {
  return grownBy(before, after, names.batches, 'batch_size', model).sort((left, right) => Number(left.label) - Number(right.label));
}

/** Failed requests by Triton's reasons. */
export function failuresBetween(before: Reading, after: Reading, model?: string): Share[] {
  return grownBy(before, after, names.failure, 'reason', model);
}

const phases = [['Waiting', 'queue'], ['Joining', 'batch_gather'], ['Running', 'run'], ['Dividing', 'batch_scatter']] as const;

/** Where the time of a request goes: milliseconds of each step, on average. Empty where nothing was answered. */
export function phasesBetween(before: Reading, after: Reading, model?: string): Share[] {
  const labels: Record<string, string> = model === undefined ? {} : { model };
  const grown = (name: string): number => Math.max(0, (sumOf(after.samples, name, labels) ?? 0) - (sumOf(before.samples, name, labels) ?? 0));
  const shares = phases.map(([label, name]) => {
    const count = grown(`modelport_${name}_duration_seconds_count`);
    return { label, value: count === 0 ? 0 : (grown(`modelport_${name}_duration_seconds_sum`) / count) * 1000 };
  });
  return shares.some(({ value }) => value > 0) ? shares : [];
}

/** How much the samples of a name grew, by one of their labels; what did not grow is left out. */
function grownBy(before: Reading, after: Reading, name: string, label: string, model: string | undefined): Share[] {
  const sums = new Map<string, number>();
  for (const [{ samples }, sign] of [[after, 1], [before, -1]] as const) {
    for (const sample of samples) {
      const key = sample.labels[label];
      if (sample.name !== name || key === undefined || (model !== undefined && sample.labels['model'] !== model)) continue;
      sums.set(key, (sums.get(key) ?? 0) + sign * sample.value);
    }
  }
  return [...sums].flatMap(([key, value]) => (value > 0 ? [{ label: key, value }] : []));
}

/** How many requests were answered since the server started. */
export function totalRequests(reading: Reading, model: string): number {
  return (sumOf(reading.samples, names.success, { model }) ?? 0) + (sumOf(reading.samples, names.failure, { model }) ?? 0);
}
