/**
 * What waits for one model: priority levels, shape buckets, limits and timeouts. It decides which requests make the next
 * batch; it neither runs nor answers them.
 *
 * Invariants: a request is in the queue if and only if its state is `waiting`; it is then in exactly one list, the list
 * of its level (or of its level's delayed ones) in the bucket of its shape key. The counts are those of the lists.
 */
import { ExpiryHeap } from './expiry-heap.ts';
import type { QueuePolicy } from './queue-policy.ts';
import type { QueuedRequest } from './queued-request.ts';
import { RequestList } from './request-list.ts';

export interface BatchLimits {
  /** Most rows of a batch. */
  readonly maxSize: number;
  /** Ascending; a batch of one of these sizes need not wait for more. */
  readonly preferredSizes: readonly number[];
  /** How long the oldest request of a batch may wait for others while there is capacity. */
  readonly maxQueueDelayMs: number;
}

/** Requests that may be joined with each other, by level. */
class Bucket {
  /** Undefined: its requests run alone. */
  readonly key: string | undefined;
  /** Two lists a level: those in time, then those that timed out and are served after them. */
  readonly lists: readonly RequestList[];
  count = 0;
  rows = 0;

  constructor(key: string | undefined, levels: number) {
    this.key = key;
    this.lists = Array.from({ length: 2 * levels }, () => new RequestList());
  }

  firstList(): number {
    let index = 0;
    while (this.lists[index]!.head === undefined) index++;
    return index;
  }

  /** The request that arrived first, of any level. */
  oldest(): QueuedRequest {
    let oldest: QueuedRequest | undefined;
    for (const list of this.lists) {
      if (list.head !== undefined && (oldest === undefined || list.head.order < oldest.order)) oldest = list.head;
    }
    return oldest!;
  }
}

export class RequestQueue {
  readonly expiries = new ExpiryHeap();
  readonly #policy: QueuePolicy;
  readonly #limits: BatchLimits;
  readonly #joined: Bucket;
  readonly #alone: Bucket;
  /** Buckets of other shapes; an empty one is removed. */
  readonly #shapes = new Map<string, Bucket>();
  readonly #countOfLevel: number[];
  readonly #runsOfLevel: number[];
  #count = 0;

  constructor(policy: QueuePolicy, limits: BatchLimits) {
    this.#policy = policy;
    this.#limits = limits;
    this.#joined = new Bucket('', policy.levels.length);
    this.#alone = new Bucket(undefined, policy.levels.length);
    this.#countOfLevel = policy.levels.map(() => 0);
    this.#runsOfLevel = policy.levels.map(() => 0);
  }

  get count(): number {
    return this.#count;
  }

  isFull(level: number): boolean {
    return this.#countOfLevel[level]! >= this.#policy.levels[level]!.maxSize;
  }

  /** About how many runs the waiting requests of this level and of those before it take, at best. */
  runsAhead(level: number): number {
    let runs = 0;
    for (let index = 0; index <= level; index++) runs += this.#runsOfLevel[index]!;
    return Math.floor(runs);
  }

  /** Returns whether its bucket now holds a whole batch. */
  add(request: QueuedRequest): boolean {
    const bucket = this.#bucketOf(request.shapeKey);
    bucket.lists[2 * request.level]!.append(request);
    bucket.count++;
    bucket.rows += request.rows;
    this.#count++;
    this.#countOfLevel[request.level]!++;
    this.#runsOfLevel[request.level]! += this.#runsOf(request);
    if (request.expiresAtMs !== Infinity) this.expiries.add(request);
    return request.shapeKey === undefined || bucket.rows >= this.#limits.maxSize;
  }

  remove(request: QueuedRequest): void {
    const bucket = this.#bucketOf(request.shapeKey);
    request.list!.remove(request);
    bucket.count--;
    bucket.rows -= request.rows;
    if (bucket.count === 0 && bucket.key !== undefined && bucket.key !== '') this.#shapes.delete(bucket.key);
    this.#count--;
    this.#runsOfLevel[request.level]! -= this.#runsOf(request);
    // Sums of fractions drift; an empty level is exactly empty.
    if (--this.#countOfLevel[request.level]! === 0) this.#runsOfLevel[request.level] = 0;
    if (request.heapIndex !== -1) this.expiries.remove(request);
  }

  /** A request that timed out waits on, after all others of its level, and does not time out again. */
  delay(request: QueuedRequest): void {
    this.expiries.remove(request);
    request.expiresAtMs = Infinity;
    request.list!.remove(request);
    this.#bucketOf(request.shapeKey).lists[2 * request.level + 1]!.append(request);
  }

  /**
   * Takes the next batch out of the queue: of the highest level that has a batch that need not wait, the one whose first
   * request waited longest, filled up with requests of the same shape from lower levels. Undefined where all can wait.
   * `now` and `turn` are the present moment; `hurry`: nothing waits for others. Requests whose client went away are
   * taken out too and handed to `discard`.
   */
  take(now: number, turn: number, hurry: boolean, discard: (request: QueuedRequest) => void): QueuedRequest[] | undefined {
    for (;;) {
      const bucket = this.#nextBucket(now, turn, hurry);
      if (bucket === undefined) return undefined;
      const batch = this.#takeFrom(bucket, discard);
      if (batch.length > 0) return batch;
    }
  }

  /** When the next batch need not wait for others any more; Infinity where nothing waits. */
  nextRipeMs(): number {
    let ripeAt = Infinity;
    if (this.#alone.count > 0) ripeAt = this.#alone.oldest().queuedAtMs;
    if (this.#joined.count > 0) ripeAt = Math.min(ripeAt, this.#joined.oldest().queuedAtMs + this.#limits.maxQueueDelayMs);
    if (this.#shapes.size > 0) {
      for (const bucket of this.#shapes.values()) ripeAt = Math.min(ripeAt, bucket.oldest().queuedAtMs + this.#limits.maxQueueDelayMs);
    }
    return ripeAt;
  }

  #runsOf(request: QueuedRequest): number {
    return request.shapeKey === undefined ? 1 : request.rows / this.#limits.maxSize;
  }

  #bucketOf(key: string | undefined): Bucket {
    if (key === '') return this.#joined;
    if (key === undefined) return this.#alone;
    let bucket = this.#shapes.get(key);
    if (bucket === undefined) {
      bucket = new Bucket(key, this.#policy.levels.length);
      this.#shapes.set(key, bucket);
    }
    return bucket;
  }

  #nextBucket(now: number, turn: number, hurry: boolean): Bucket | undefined {
    let best: Bucket | undefined;
    if (this.#joined.count > 0 && this.#isRipe(this.#joined, now, turn, hurry)) best = this.#joined;
    if (this.#alone.count > 0 && (best === undefined || goesFirst(this.#alone, best))) best = this.#alone;
    if (this.#shapes.size > 0) {
      for (const bucket of this.#shapes.values()) {
        if ((best === undefined || goesFirst(bucket, best)) && this.#isRipe(bucket, now, turn, hurry)) best = bucket;
      }
    }
    return best;
  }

  /** Whether waiting for more requests of its shape is over: a batch is full, or has a preferred size, or waited long enough. */
  #isRipe(bucket: Bucket, now: number, turn: number, hurry: boolean): boolean {
    const { maxSize, maxQueueDelayMs, preferredSizes } = this.#limits;
    if (hurry || bucket.rows >= maxSize) return true;
    const oldest = bucket.oldest();
    if (oldest.turn >= turn) return false;
    if (now >= oldest.queuedAtMs + maxQueueDelayMs) return true;
    return preferredSizes.length > 0 && bucket.rows >= preferredSizes[0]! && this.#countUpToPreferred(bucket) > 0;
  }

  /** How many requests from the front make the largest preferred size that they can make exactly; 0 where they make none. */
  #countUpToPreferred(bucket: Bucket): number {
    const { maxSize, preferredSizes } = this.#limits;
    let rows = 0;
    let count = 0;
    let found = 0;
    for (const list of bucket.lists) {
      for (let request = list.head; request !== undefined; request = request.next) {
        rows += request.rows;
        if (rows > maxSize) return found;
        count++;
        if (preferredSizes.includes(rows)) found = count;
      }
    }
    return found;
  }

  #takeFrom(bucket: Bucket, discard: (request: QueuedRequest) => void): QueuedRequest[] {
    const { maxSize, preferredSizes } = this.#limits;
    const batch: QueuedRequest[] = [];
    if (bucket.key === undefined) {
      const request = bucket.lists[bucket.firstList()]!.head!;
      this.remove(request);
      if (request.call.cancelled) discard(request);
      else batch.push(request);
      return batch;
    }
    const most = preferredSizes.length === 0 ? Infinity : this.#countUpToPreferred(bucket) || Infinity;
    let rows = 0;
    for (const list of bucket.lists) {
      for (let request = list.head; request !== undefined; request = list.head) {
        if (request.call.cancelled) {
          this.remove(request);
          discard(request);
          continue;
        }
        // Requests without rows cost no row; they count as requests.
        if (rows + request.rows > maxSize || batch.length === maxSize || batch.length === most) return batch;
        this.remove(request);
        batch.push(request);
        rows += request.rows;
      }
    }
    return batch;
  }
}

function goesFirst(bucket: Bucket, other: Bucket): boolean {
  const list = bucket.firstList();
  const otherList = other.firstList();
  return list !== otherList ? list < otherList : bucket.lists[list]!.head!.order < other.lists[otherList]!.head!.order;
}
