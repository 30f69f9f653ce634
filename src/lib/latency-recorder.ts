/**
 * Latencies as counts in buckets that are at most 0.1 % wide: any percentile of any number of them in 94 KB, mergeable.
 * Whole microseconds up to 35 minutes; buckets as in HdrHistogram (https://hdrhistogram.org): linear within each power of two.
 */
const bucketsPerDoubling = 1024;
const largestUs = 2 ** 31 - 1;
const bucketCount = (31 - 11) * bucketsPerDoubling + 2 * bucketsPerDoubling;

export class LatencyRecorder {
  readonly counts: Uint32Array<ArrayBuffer>;
  count = 0;
  sumUs = 0;
  maxUs = 0;

  constructor(counts: Uint32Array<ArrayBuffer> = new Uint32Array(bucketCount)) {
    this.counts = counts;
  }

  recordMs(ms: number): void {
    const us = Math.min(largestUs, Math.max(0, Math.round(ms * 1000)));
    this.counts[bucketOf(us)]!++;
    this.count++;
    this.sumUs += us;
    if (us > this.maxUs) this.maxUs = us;
  }

  add(other: Pick<LatencyRecorder, 'counts' | 'count' | 'sumUs' | 'maxUs'>): void {
    for (let bucket = 0; bucket < this.counts.length; bucket++) this.counts[bucket]! += other.counts[bucket]!;
    this.count += other.count;
    this.sumUs += other.sumUs;
    this.maxUs = Math.max(this.maxUs, other.maxUs);
  }

  /** The latency that so many percent of all do not exceed, up to 0.1 % too high; NaN where there are none. */
  percentileMs(percent: number): number {
    if (this.count === 0) return NaN;
    const rank = Math.max(1, Math.ceil((percent / 100) * this.count));
    let seen = 0;
    for (let bucket = 0; bucket < this.counts.length; bucket++) {
      seen += this.counts[bucket]!;
      if (seen >= rank) return Math.min(this.maxUs, highestOf(bucket)) / 1000;
    }
    return this.maxUs / 1000;
  }

  get meanMs(): number {
    return this.sumUs / this.count / 1000;
  }
}

function bucketOf(us: number): number {
  const shift = Math.max(0, 21 - Math.clz32(us));
  return shift * bucketsPerDoubling + (us >>> shift);
}

function highestOf(bucket: number): number {
  const shift = Math.max(0, (bucket >> 10) - 1);
  return (bucket - shift * bucketsPerDoubling + 1) * 2 ** shift - 1;
}
