/** Protocol buffers' wire format, from the last byte to the first: a length is known when what it counts has been written. */
import { ByteRange } from './byte-range.ts';
import { FOUR_BYTES, LENGTH_DELIMITED, VARINT } from './wire-reader.ts';

const blockBytes = 64 * 1024;

/** Byte strings from this size on are not copied. */
const ownChunkBytes = 4096;

export class WireWriter {
  /** Last first. */
  readonly #chunks: (Uint8Array | ByteRange)[] = [];
  #block = Buffer.allocUnsafe(blockBytes);
  /** What is filled of the block: from here to its end. */
  #start = blockBytes;
  /** Of the whole chunks. */
  #chunkBytes = 0;

  get byteLength(): number {
    return this.#chunkBytes + blockBytes - this.#start;
  }

  /** The parts in their order. Ranges are not read. */
  parts(): (Uint8Array | ByteRange)[] {
    this.#close();
    return this.#chunks.toReversed();
  }

  #close(): void {
    if (this.#start === blockBytes) return;
    this.#push(this.#block.subarray(this.#start));
    this.#block = Buffer.allocUnsafe(blockBytes);
    this.#start = blockBytes;
  }

  #push(chunk: Uint8Array | ByteRange): void {
    this.#chunks.push(chunk);
    this.#chunkBytes += chunk.byteLength;
  }

  #room(bytes: number): void {
    if (this.#start < bytes) this.#close();
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
