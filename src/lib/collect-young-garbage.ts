/**
 * V8 fills its whole nursery (16 MB, in use and in reserve) before it collects: where little is asked, rare large work
 * touches fresh memory each time, which then looks like a leak. A collection of the nursery takes less than a millisecond.
 */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

type Collect = (options: { readonly type: 'minor' }) => void;

let collect: Collect | undefined;

/** For the end of large work; never for each request. */
export function collectYoungGarbage(): void {
  collect ??= exposedCollector();
  collect({ type: 'minor' });
}

/** Contexts that are made while the flag is set have the function; this one keeps it. */
function exposedCollector(): Collect {
  setFlagsFromString('--expose-gc');
  try {
    const exposed: unknown = runInNewContext('globalThis.gc');
    return typeof exposed === 'function' ? (exposed as Collect) : () => {};
  } finally {
    setFlagsFromString('--no-expose-gc');
  }
}
