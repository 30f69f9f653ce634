/** `performance.now()` starts anew in every thread and process; the monotonic clock below it is one for the whole machine. */
const offsetMs = Number(process.hrtime.bigint()) / 1e6 - performance.now();

/** A moment of this thread's `performance.now()` on the machine's monotonic clock. */
export function toMonotonicMs(performanceMs: number): number {
  return performanceMs + offsetMs;
}

/** A moment of the machine's monotonic clock on this thread's `performance.now()`. */
export function fromMonotonicMs(monotonicMs: number): number {
  return monotonicMs - offsetMs;
}
