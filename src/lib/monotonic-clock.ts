/** `performance.now()` starts anew in every thread and process; the monotonic clock below it is one for the whole machine. */
const offsetMs = measureOffsetMs();

/** A pause between the two readings makes the difference smaller than it is, so the largest of several is right. */
function measureOffsetMs(): number {
  let largestMs = -Infinity;
  for (let reading = 0; reading < 5; reading++) largestMs = Math.max(largestMs, Number(process.hrtime.bigint()) / 1e6 - performance.now());
  return largestMs;
}

/** A moment of this thread's `performance.now()` on the machine's monotonic clock. */
export function toMonotonicMs(performanceMs: number): number {
  return performanceMs + offsetMs;
}

/** A moment of the machine's monotonic clock on this thread's `performance.now()`. */
export function fromMonotonicMs(monotonicMs: number): number {
  return monotonicMs - offsetMs;
}
