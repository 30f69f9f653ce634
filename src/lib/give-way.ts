import { getPriority, setPriority } from 'node:os';

/** Levels of niceness: a third of the share of a thread that has none, and preempted as soon as one wakes. */
const steps = 5;

/**
 * For a thread (or process) that computes, as the first thing it does: where cores are short, the event loop, which needs little, comes before it, and so do health
 * checks. The threads that it starts inherit this. On Linux alone: elsewhere a priority belongs to the whole process.
 */
export function giveWayToEventLoop(): void {
  if (process.platform !== 'linux') return;
  try {
    // There, 0 is the calling thread.
    setPriority(0, Math.min(19, getPriority(0) + steps));
  } catch {
    // Some sandboxes forbid it; nothing depends on it.
  }
}
