/** Protocol buffers' wire format, from the last byte to the first: a length is known when what it counts has been written. */
import { ByteRange } from './byte-range.ts';
import { FOUR_BYTES, LENGTH_DELIMITED, VARINT } from './wire-reader.ts';

/** Blocks double from the first to the last of these: most messages are small. */
const firstBlockBytes = 1024;
const mostBlockBytes = 64 * 1024;

/** Byte strings from this size on are not copied. */
const ownChunkBytes = 4096;

export class WireWriter {
  /** Last first. */
  readonly #chunks: (Uint8Array | ByteRange)[] = [];
  #blockBytes = firstBlockBytes;
  #block = Buffer.allocUnsafe(firstBlockBytes);
  /** What is filled of the block: from here to its end. */
  #start = firstBlockBytes;
  /** Of the whole chunks. */
  #chunkBytes = 0;

  get byteLength(): number {
    return this.#chunkBytes + this.#block.byteLength - this.#start;
  }

  /** The parts in their order. Ranges are not read. */
  parts(): (Uint8Array | ByteRange)[] {
    const filled = this.#block.subarray(this.#start);
    return filled.byteLength === 0 ? this.#chunks.toReversed() : [filled, ...this.#chunks.toReversed()];
  }

  /** What is left of the block takes what comes next. */
  #close(): void {
    if (this.#start === this.#block.byteLength) return;
    this.#push(this.#block.subarray(this.#start));
    this.#block = this.#block.subarray(0, this.#start);
  }

  #push(chunk: Uint8Array | ByteRange): void {
    this.#chunks.push(chunk);
    this.#chunkBytes += chunk.byteLength;
  }

  #room(bytes: number): void {
    if (this.#start >= bytes) return;
    this.#close();
    this.#blockBytes = Math.min(2 * this.#blockBytes, mostBlockBytes);
    this.#block = Buffer.allocUnsafe(Math.max(bytes, this.#blockBytes));
    this.#start = this.#block.byteLength;
  }

  bytes(bytes: Uint8Array): void {
    if (bytes.byteLength >= ownChunkBytes) {
      this.#close();
      this.#push(bytes);
      return;
    }
    this.#room(bytes.byteLength);
    this.#start -= bytes.byteLength;
    this.#block.set(bytes, this.#start);
  }

  range(range: ByteRange): void {
    if (range.byteLength < ownChunkBytes) {
      this.bytes(range.read());
      return;
    }
    this.#close();
    this.#push(range);
  }

  varint(value: number | bigint): void {
    this.#room(10);
    if (typeof value === 'number' && value >= 0 && value < 2 ** 31) {
      let length = 1;
      for (let rest = value >>> 7; rest > 0; rest >>>= 7) length++;
      this.#start -= length;
      let rest = value;
      for (let index = 0; index < length - 1; index++, rest >>>= 7) this.#block[this.#start + index] = (rest & 0x7f) | 0x80;
      this.#block[this.#start + length - 1] = rest;
      return;
    }
    const bytes: number[] = [];
    let rest = BigInt.asUintN(64, BigInt(value));
    for (; rest > 0x7fn; rest >>= 7n) bytes.push(Number(rest & 0x7fn) | 0x80);
    bytes.push(Number(rest));
    this.#start -= bytes.length;
    this.#block.set(bytes, this.#start);
  }

  float(value: number): void {
    this.#room(4);
    this.#start -= 4;
    this.#block.writeFloatLE(value, this.#start);
  }

  tag(fieldNumber: number, wireType: number): void {
    this.varint(fieldNumber * 8 + wireType);
  }

  varintField(fieldNumber: number, value: number | bigint): void {
    this.varint(value);
    this.tag(fieldNumber, VARINT);
  }

  floatField(fieldNumber: number, value: number): void {
    this.float(value);
    this.tag(fieldNumber, FOUR_BYTES);
  }

  delimitedField(fieldNumber: number, content: Uint8Array | ByteRange): void {
    if (content instanceof ByteRange) this.range(content);
    else this.bytes(content);
    this.varint(content.byteLength);
    this.tag(fieldNumber, LENGTH_DELIMITED);
  }
}
