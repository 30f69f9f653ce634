/** A histogram with fixed buckets: recording one duration is a few comparisons and two additions. */
import type { LatencyHistogram } from '../repository.ts';

/** 50 µs to 60 s, each about twice the one before, round enough to be read in a dashboard. */
export const latencyBoundsMs: readonly number[] = [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 30_000, 60_000];

export class Histogram {
  readonly #counts = new Float64Array(latencyBoundsMs.length + 1);
  #count = 0;
  #sumMs = 0;

  record(durationMs: number): void {
    let bucket = 0;
    while (bucket < latencyBoundsMs.length && durationMs > latencyBoundsMs[bucket]!) bucket++;
    this.#counts[bucket]!++;
    this.#count++;
    this.#sumMs += durationMs;
  }

  snapshot(): LatencyHistogram {
    return { boundsMs: latencyBoundsMs, counts: [...this.#counts], count: this.#count, sumMs: this.#sumMs };
  }
}
