/** A call that waits for something that others hold: it gets it, or is refused, or leaves on its own. */
import type { Call } from '../call.ts';
import { ModelportError } from '../errors.ts';

export interface WaitingCall<T> {
  grant(value: T): void;
  refuse(error: unknown): void;
}

/** A set of waiting calls in the order in which they came; those that are settled have left it. */
export type WaitingCalls<T> = Set<WaitingCall<T>>;

/**
 * Waits in `queue` until granted or refused. Rejects with `CANCELLED` when the call is cancelled first, and with
 * `DEADLINE_EXCEEDED` when its deadline passes; `purpose` completes "while it waited for …". Never throws.
 */
export function waitIn<T>(queue: WaitingCalls<T>, call: Call, purpose: string): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    const leave = (): void => {
      queue.delete(waiting);
      takeBack();
      clearTimeout(timer);
    };
    const waiting: WaitingCall<T> = {
      grant: (value) => {
        leave();
        resolve(value);
      },
      refuse: (error) => {
        leave();
        reject(error);
      },
    };
    queue.add(waiting);
    const timer =
      call.deadlineMs === undefined
        ? undefined
        : setTimeout(() => waiting.refuse(new ModelportError('DEADLINE_EXCEEDED', `the deadline of the request passed while it waited for ${purpose}`)), timerDelayMs(call.deadlineMs));
    // Last: a call that is cancelled already leaves at once.
    let takeBack = (): void => {};
    takeBack = call.onCancel(() => waiting.refuse(new ModelportError('CANCELLED', 'the request was cancelled')));
  });
}

/** Longer delays overflow a 32-bit timer and would fire at once. */
function timerDelayMs(deadlineMs: number): number {
  return Math.min(Math.max(0, deadlineMs - performance.now()), 2 ** 31 - 1);
}
