/** Where a request's time went, for people who look at an answer: `Server-Timing`, which browsers show, and the batch it ran in. */
import type { Call } from './call.ts';

/**
 * `Server-Timing: queue;dur=0.2, run;dur=0.4, total;dur=1.1` (milliseconds) and `Modelport-Batch-Size` (rows of the run). Of a stream, whose
 * head goes out with its first part: `first`, the time until then, in the place of `total`.
 */
export function timingHeaders(call: Call, until: 'total' | 'first' = 'total'): Record<string, string> {
  const { queuedAtMs, dequeuedAtMs, runStartedAtMs, runEndedAtMs, batchSize, cacheHit } = call.timing;
  const parts: string[] = [];
  if (dequeuedAtMs > 0 && queuedAtMs > 0) parts.push(`queue;dur=${duration(dequeuedAtMs - queuedAtMs)}`);
  if (runEndedAtMs > 0 && runStartedAtMs > 0) parts.push(`run;dur=${duration(runEndedAtMs - runStartedAtMs)}`);
  if (cacheHit) parts.push('cache;desc="hit"');
  parts.push(`${until};dur=${duration(performance.now() - call.receivedAtMs)}`);
  return { 'server-timing': parts.join(', '), ...(batchSize > 0 ? { 'modelport-batch-size': String(batchSize) } : {}) };
}

function duration(milliseconds: number): string {
  return Math.max(0, milliseconds).toFixed(3);
}
