/** Time as the scheduler sees it. Passed in, so that tests decide what happens when. */
export interface Clock {
  /** Milliseconds on `performance.now()`'s scale. */
  now(): number;
  /** Runs `callback` once the events of this event-loop turn were handled. */
  afterTurn(callback: () => void): void;
  /** Runs `callback` after at least `delayMs`, up to a millisecond late. Returns the function that takes it back. */
  after(delayMs: number, callback: () => void): () => void;
}

export const systemClock: Clock = {
  now: () => performance.now(),
  afterTurn: (callback) => {
    setImmediate(callback);
  },
  after: (delayMs, callback) => {
    // Longer delays overflow a 32-bit timer and would fire at once.
    const timer = setTimeout(callback, Math.min(delayMs, 2 ** 31 - 1));
    return () => clearTimeout(timer);
  },
};
