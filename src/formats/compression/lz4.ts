/**
 * LZ4 frames, as `lz4.frame` writes them: https://github.com/lz4/lz4/blob/dev/doc/lz4_Frame_format.md and lz4_Block_format.md.
 * Read here because no library for Node reads frames with a limit of what comes out.
 */
import { damaged, GrowingBytes } from './inflating.ts';
import { xxHash32 } from './xx-hash-32.ts';

const frameMagic = 0x184d2204;
/** Sixteen numbers, of frames that are passed over. */
const skippableMagic = 0x184d2a50;
const flags = { dictionary: 1, contentChecksum: 4, contentSize: 8, blockChecksum: 16, independentBlocks: 32 } as const;
const shortestMatch = 4;

/** The content of all frames. Throws `INVALID_MODEL` where they are damaged, or hold more than `mostBytes`. */
export function inflateLz4(input: Uint8Array, mostBytes: number): Uint8Array {
  const output = new GrowingBytes(mostBytes, Math.min(4 * input.length, 1 << 26));
  const reader = new FrameReader(input);
  while (!reader.atEnd) {
    const magic = reader.uint32();
    if ((magic & 0xfffffff0) >>> 0 === skippableMagic) reader.take(reader.uint32());
    else if (magic === frameMagic) readFrame(reader, output);
    else throw damaged('a frame does not begin as frames do');
  }
  return output.written();
}

class FrameReader {
  position = 0;
  readonly #input: Uint8Array;
  readonly #view: DataView;

  constructor(input: Uint8Array) {
    this.#input = input;
    this.#view = new DataView(input.buffer, input.byteOffset, input.byteLength);
  }

  get atEnd(): boolean {
    return this.position === this.#input.length;
  }

  take(count: number): Uint8Array {
    if (this.position + count > this.#input.length) throw damaged(`it ends after ${this.#input.length} bytes, within a frame`);
    this.position += count;
    return this.#input.subarray(this.position - count, this.position);
  }

  uint32(): number {
    this.take(4);
    return this.#view.getUint32(this.position - 4, true);
  }

  from(start: number): Uint8Array {
    return this.#input.subarray(start, this.position);
  }
}

function readFrame(reader: FrameReader, output: GrowingBytes): void {
  const headerAt = reader.position;
  const [flag, descriptor] = reader.take(2) as unknown as [number, number];
  if (flag >> 6 !== 1 || (flag & 2) !== 0 || (descriptor & 0x8f) !== 0) throw damaged('the header of a frame has bits that are not known');
  const blockSize = [65_536, 262_144, 1_048_576, 4_194_304][((descriptor >> 4) & 7) - 4];
  if (blockSize === undefined) throw damaged('the header of a frame has a block size that is not known');
  if ((flag & flags.contentSize) !== 0) reader.take(8);
  if ((flag & flags.dictionary) !== 0) throw damaged('it needs a dictionary that is not in the file');
  const header = reader.from(headerAt);
  if (reader.take(1)[0] !== ((xxHash32(header) >>> 8) & 0xff)) throw damaged('the checksum of a header differs');

  const frameAt = output.length;
  for (;;) {
    const size = reader.uint32();
    if (size === 0) break;
    const data = reader.take(size & 0x7fffffff);
    if ((flag & flags.blockChecksum) !== 0 && reader.uint32() !== xxHash32(data)) throw damaged('the checksum of a block differs');
    if (size > 0x7fffffff) {
      if (data.length > blockSize) throw damaged('a block is longer than its frame allows');
      output.append(data);
    } else readBlock(data, output, (flag & flags.independentBlocks) === 0 ? frameAt : output.length, blockSize);
  }
  if ((flag & flags.contentChecksum) !== 0 && reader.uint32() !== xxHash32(output.bytes.subarray(frameAt, output.length))) throw damaged('the checksum of the content differs');
}

/** Literals and copies of what was written before, but not before `windowAt`. */
function readBlock(input: Uint8Array, output: GrowingBytes, windowAt: number, blockSize: number): void {
  const blockAt = output.length;
  let at = 0;
  /** A length goes on as long as bytes are 255. */
  const longer = (length: number): number => {
    if (length !== 15) return length;
    let total = length;
    for (let byte = 255; byte === 255; ) {
      if (at >= input.length) throw damaged('a block ends within a length');
      byte = input[at++]!;
      total += byte;
    }
    return total;
  };
  while (at < input.length) {
    const token = input[at++]!;
    const literals = longer(token >> 4);
    if (at + literals > input.length || output.length + literals - blockAt > blockSize) throw damaged('a block has more literals than bytes');
    output.append(input.subarray(at, at + literals));
    at += literals;
    // The last sequence has literals alone.
    if (at === input.length) return;
    if (at + 2 > input.length) throw damaged('a block ends within an offset');
    const offset = input[at]! | (input[at + 1]! << 8);
    at += 2;
    const length = longer(token & 15) + shortestMatch;
    const from = output.length - offset;
    if (offset === 0 || from < windowAt || output.length + length - blockAt > blockSize) throw damaged('a block repeats bytes that are not there');
    output.reserve(length);
    const { bytes, length: to } = output;
    if (offset >= length) bytes.copyWithin(to, from, from + length);
    // What is copied may be part of what is being written.
    else for (let index = 0; index < length; index++) bytes[to + index] = bytes[from + index]!;
    output.length += length;
  }
  throw damaged('a block ends without literals');
}
