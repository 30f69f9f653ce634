/** The bytes of pictures, recordings, maps and texts that wait for a thread, counted for the whole process: beyond a limit new ones are refused. */
import { ModelportError } from '../../errors.ts';

const mostBytes = 256 << 20;
let heldBytes = 0;

/**
 * Counts bytes until the function that it gives is called. Throws `QUEUE_FULL` where more than 256 MiB would wait; one thing
 * alone may be larger. `what`: pictures.
 */
export function holdBytes(sizeBytes: number, what: string): () => void {
  if (heldBytes > 0 && heldBytes + sizeBytes > mostBytes) {
    throw new ModelportError('QUEUE_FULL', `${Math.round(heldBytes / 2 ** 20)} MiB of requests wait for a thread already, so no more ${what} are taken: send fewer at a time`, { retryAfterSeconds: 1 });
  }
  heldBytes += sizeBytes;
  let held = true;
  return () => {
    if (held) heldBytes -= sizeBytes;
    held = false;
  };
}
