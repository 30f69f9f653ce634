/**
 * V8 counts memory of array buffers against a limit that follows the size of its own small heap: requests of some 100 KB each make it
 * mark the whole heap every dozen requests, which costs several times what the requests do. Nearly all of that memory dies young, and a
 * collection of the nursery, a third of a millisecond, frees it before V8 counts it as old.
 */
import { setFlagsFromString } from 'node:v8';
import { collectYoungGarbage } from './collect-young-garbage.ts';

const largeBytes = 64 * 1024;
const collectAfterBytes = 4 * 1024 * 1024;
/** Of the heap that lives, before all of it is marked again. V8 goes down to 10 % where it collects often, and then collects more often. */
const growthPercent = 200;

let sinceCollected = 0;
let isSetUp = false;

/** Unfilled memory of its own for short use, in the buffer's last `bytes` bytes. */
export function allocateLarge(bytes: number, before = 0): Buffer {
  if (bytes >= largeBytes) count(bytes);
  return Buffer.from(Buffer.allocUnsafeSlow(before + bytes).buffer, before, bytes);
}

function count(bytes: number): void {
  if (!isSetUp) {
    isSetUp = true;
    setFlagsFromString(`--heap-growing-percent=${growthPercent}`);
    // Freed on another core, it holds the lock of the address space that this one needs for new memory: a fifth of a request.
    setFlagsFromString('--no-concurrent-array-buffer-sweeping');
  }
  sinceCollected += bytes;
  if (sinceCollected < collectAfterBytes) return;
  sinceCollected = 0;
  // Not in the middle of a request, which still holds what it was given.
  setImmediate(collectYoungGarbage);
}
