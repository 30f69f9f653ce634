/**
 * Gzip on all cores: blocks of 1 MiB are deflated by libuv's threads, each with the end of the block before as its dictionary, and stand behind one another as one
 * member (as pigz does it). The bytes depend on the level and on Node's zlib, never on how many cores there are.
 *
 * Trained weights repeat nothing: all that deflate gains from them is that some bytes (of exponents) are more frequent than others. A sample of each block says
 * whether looking for repetitions would pay; where it would not, the block is coded by frequency alone, which is three times as fast and as small, or, where
 * that gains nothing either, stored.
 */
import { availableParallelism } from 'node:os';
import { constants, crc32, deflateRaw, type ZlibOptions } from 'node:zlib';

const blockBytes = 1 << 20;
const windowBytes = 32_768;
/** What zlib is given to write into at a time: a whole block, as it is or smaller. */
const outputBytes = blockBytes + (1 << 14);
/** The sample: so many pieces, evenly spread over the block. */
const samplePieces = 4;
const samplePieceBytes = 8192;
/** Looking for repetitions must make a sample smaller by this part, else it does not pay. */
const worthwhileGain = 0.01;
/** Raised when equal content is compressed to other bytes: what was remembered of it does not hold then. */
export const gzipRecipe = 2;

type Method = 'repetitions' | 'frequencies' | 'stored';

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

async function deflate(block: Uint8Array, dictionary: Uint8Array | undefined, last: boolean, level: number): Promise<Uint8Array> {
  const method = await chooseMethod(block, level);
  return await deflateInThread(block, {
    level: method === 'stored' ? 0 : level,
    strategy: method === 'frequencies' ? constants.Z_HUFFMAN_ONLY : constants.Z_DEFAULT_STRATEGY,
    finishFlush: last ? constants.Z_FINISH : constants.Z_SYNC_FLUSH,
    chunkSize: outputBytes,
    ...(dictionary === undefined || method !== 'repetitions' ? {} : { dictionary }),
  });
}

function deflateInThread(bytes: Uint8Array, options: ZlibOptions): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    deflateRaw(bytes, options, (error, packed) => (error === null ? resolve(packed) : reject(error)));
  });
}

async function chooseMethod(block: Uint8Array, level: number): Promise<Method> {
  const sample = new Uint8Array(samplePieces * samplePieceBytes);
  if (block.byteLength < sample.byteLength) return 'repetitions';
  const step = Math.floor((block.byteLength - samplePieceBytes) / (samplePieces - 1));
  for (let piece = 0; piece < samplePieces; piece++) sample.set(block.subarray(piece * step, piece * step + samplePieceBytes), piece * samplePieceBytes);
  const byFrequency = entropyBytes(sample);
  const { byteLength: byRepetition } = await deflateInThread(sample, { level, chunkSize: sample.byteLength });
  if (byRepetition < byFrequency * (1 - worthwhileGain)) return 'repetitions';
  return byFrequency < sample.byteLength * (1 - worthwhileGain) ? 'frequencies' : 'stored';
}

/** What coding by frequency alone comes to at best (Shannon). */
function entropyBytes(bytes: Uint8Array): number {
  const counts = new Uint32Array(256);
  for (const byte of bytes) counts[byte]!++;
  let bits = 0;
  for (const count of counts) if (count > 0) bits -= count * Math.log2(count / bytes.byteLength);
  return bits / 8;
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
