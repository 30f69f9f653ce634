/**
 * Gzip on all cores: blocks of 1 MiB are deflated by libuv's threads, each with the end of the block before as its dictionary, and stand behind one another as one
 * member (as pigz does it). The bytes depend on the level and on Node's zlib, never on how many cores there are.
 */
import { availableParallelism } from 'node:os';
import { constants, crc32, deflateRaw } from 'node:zlib';

const blockBytes = 1 << 20;
const windowBytes = 32_768;
/** Deflate, no name, no time, no system. */
const header = Uint8Array.from([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255]);

export async function* gzipInParallel(chunks: AsyncIterable<Uint8Array>, level = 6): AsyncIterable<Uint8Array> {
  yield header;
  const width = availableParallelism() + 1;
  const running: Promise<Uint8Array>[] = [];
  let previous: Uint8Array | undefined;
  let checksum = 0;
  let size = 0;
  try {
    for await (const { block, last } of blocksOf(chunks)) {
      checksum = crc32(block, checksum);
      size += block.byteLength;
      const promise = deflate(block, previous?.subarray(-windowBytes), last, level);
      // Whoever stops reading early must not leave an unhandled rejection behind.
      promise.catch(() => {});
      running.push(promise);
      previous = block;
      if (running.length >= width) yield await running.shift()!;
    }
    while (running.length > 0) yield await running.shift()!;
  } finally {
    await Promise.allSettled(running);
  }
  const trailer = Buffer.alloc(8);
  trailer.writeUInt32LE(checksum, 0);
  trailer.writeUInt32LE(size % 2 ** 32, 4);
  yield trailer;
}

function deflate(block: Uint8Array, dictionary: Uint8Array | undefined, last: boolean, level: number): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    const options = { level, finishFlush: last ? constants.Z_FINISH : constants.Z_SYNC_FLUSH, ...(dictionary === undefined ? {} : { dictionary }) };
    deflateRaw(block, options, (error, bytes) => (error === null ? resolve(bytes) : reject(error)));
  });
}

/** Blocks of equal size, the last one smaller, perhaps empty. */
async function* blocksOf(chunks: AsyncIterable<Uint8Array>): AsyncIterable<{ readonly block: Uint8Array; readonly last: boolean }> {
  let block = Buffer.allocUnsafe(blockBytes);
  let filled = 0;
  for await (const chunk of chunks) {
    for (let at = 0; at < chunk.byteLength; ) {
      if (filled === blockBytes) {
        yield { block, last: false };
        block = Buffer.allocUnsafe(blockBytes);
        filled = 0;
      }
      const part = chunk.subarray(at, at + blockBytes - filled);
      block.set(part, filled);
      filled += part.byteLength;
      at += part.byteLength;
    }
  }
  yield { block: block.subarray(0, filled), last: true };
}
