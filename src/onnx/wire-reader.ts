/** Protocol buffers' wire format over bytes in memory or a window of a file. https://protobuf.dev/programming-guides/encoding/ */
import { readSync } from 'node:fs';
import { ModelportError } from '../errors.ts';
import { ByteRange, readFully, type FileIdentity } from './byte-range.ts';

export const VARINT = 0;
export const EIGHT_BYTES = 1;
export const LENGTH_DELIMITED = 2;
export const FOUR_BYTES = 5;

/** Small enough that seeking past weights reads little, large enough that a graph of nodes is read in few calls. */
const windowBytes = 64 * 1024;

/** Payloads up to this size are read with the graph: they are shapes and constants that inference looks at. */
const eagerBytes = 1024;

const emptyRange = ByteRange.of(new Uint8Array(0));

export class WireReader {
  /** What errors call the source: a path, or "the model". */
  readonly name: string;
  readonly sizeBytes: number;
  position = 0;
  readonly #descriptor: number;
  readonly #file: FileIdentity | undefined;
  #window: Buffer;
  #windowStart = 0;
  #windowLength: number;
  /** The varint that was read last, as two unsigned halves. */
  #low = 0;
  #high = 0;

  private constructor(name: string, sizeBytes: number, window: Buffer, windowLength: number, descriptor: number, file: FileIdentity | undefined) {
    this.name = name;
    this.sizeBytes = sizeBytes;
    this.#window = window;
    this.#windowLength = windowLength;
    this.#descriptor = descriptor;
    this.#file = file;
  }

  /** Ranges that it gives are views of `bytes`. */
  static ofBytes(bytes: Uint8Array, name: string): WireReader {
    return new WireReader(name, bytes.byteLength, Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength), bytes.byteLength, -1, undefined);
  }

  /** The descriptor stays the caller's; it is not needed once reading is over. */
  static ofFile(descriptor: number, file: FileIdentity): WireReader {
    return new WireReader(file.path, file.sizeBytes, Buffer.allocUnsafeSlow(Math.min(windowBytes, Math.max(file.sizeBytes, 16))), 0, descriptor, file);
  }

  malformed(what: string): ModelportError {
    return new ModelportError('INVALID_MODEL', `${this.name} is not a valid ONNX model: ${what} (byte ${this.position} of ${this.sizeBytes})`, {
      at: `${this.name}: byte ${this.position}`,
    });
  }

  /** Index in the window of the next `length` bytes, at most the window's size. */
  #need(length: number): number {
    const index = this.position - this.#windowStart;
    if (index >= 0 && index + length <= this.#windowLength) return index;
    if (this.position + length > this.sizeBytes) throw this.malformed('it ends too early');
    this.#windowStart = this.position;
    this.#windowLength = 0;
    const wanted = Math.min(this.#window.length, this.sizeBytes - this.position);
    while (this.#windowLength < wanted) {
      const count = readSync(this.#descriptor, this.#window, this.#windowLength, wanted - this.#windowLength, this.position + this.#windowLength);
      if (count === 0) throw this.malformed('it ends too early');
      this.#windowLength += count;
    }
    return 0;
  }

  #varint(): void {
    let low = 0;
    let high = 0;
    let shift = 0;
    for (;;) {
      const index = this.#need(1);
      const byte = this.#window[index]!;
      this.position++;
      const bits = byte & 0x7f;
      if (shift < 28) low |= bits << shift;
      else if (shift === 28) {
        low |= bits << 28;
        high = bits >>> 4;
      } else if (shift < 63) high |= bits << (shift - 32);
      else if (shift === 63) high |= (bits & 1) << 31;
      else throw this.malformed('a number is longer than ten bytes');
      if (byte < 0x80) break;
      shift += 7;
    }
    this.#low = low >>> 0;
    this.#high = high >>> 0;
  }

  int64(): bigint {
    this.#varint();
    return BigInt.asIntN(64, (BigInt(this.#high) << 32n) | BigInt(this.#low));
  }

  /** A signed 64-bit number that must be exact as a JavaScript number. */
  integer(): number {
    this.#varint();
    const value = (this.#high | 0) * 0x1_0000_0000 + this.#low;
    if (!Number.isSafeInteger(value)) throw this.malformed(`the number ${value} is beyond 2^53`);
    return value;
  }

  float(): number {
    const value = this.#window.readFloatLE(this.#need(4));
    this.position += 4;
    return value;
  }

  /** A field's number × 8 + its wire type. */
  tag(): number {
    this.#varint();
    if (this.#high !== 0 || this.#low < 8) throw this.malformed('a field number is out of range');
    return this.#low;
  }

  /** A length that stays below `end`. */
  length(end: number): number {
    this.#varint();
    const value = this.#high * 0x1_0000_0000 + this.#low;
    if (value > end - this.position) throw this.malformed(`a field of ${value} bytes does not fit into what is left: is the file complete?`);
    return value;
  }

  string(length: number): string {
    if (length <= this.#window.length) {
      const index = this.#need(length);
      this.position += length;
      return this.#window.toString('utf8', index, index + length);
    }
    return Buffer.from(this.bytes(length)).toString('utf8');
  }

  /** A view of bytes in memory; a copy of what is in a file. */
  bytes(length: number): Uint8Array {
    if (this.#file === undefined) {
      const index = this.#need(length);
      this.position += length;
      return new Uint8Array(this.#window.buffer, this.#window.byteOffset + index, length);
    }
    if (length <= this.#window.length) {
      const index = this.#need(length);
      this.position += length;
      return new Uint8Array(this.#window.subarray(index, index + length));
    }
    if (this.position + length > this.sizeBytes) throw this.malformed('it ends too early');
    const bytes = readFully(this.#descriptor, this.name, this.position, length);
    this.position += length;
    return bytes;
  }

  /** The next bytes, left where they are when they are many. */
  range(length: number): ByteRange {
    if (length === 0) return emptyRange;
    const offset = this.position;
    if (this.#file === undefined || length <= eagerBytes) return ByteRange.of(this.bytes(length), offset);
    if (offset + length > this.sizeBytes) throw this.malformed('it ends too early');
    this.position += length;
    return ByteRange.ofFile(this.#file, offset, length);
  }

  /** The encoded value of a field whose meaning is not known. */
  unknown(wireType: number, end: number): ByteRange {
    switch (wireType) {
      case VARINT: {
        const start = this.position;
        this.#varint();
        const length = this.position - start;
        this.position = start;
        return this.range(length);
      }
      case EIGHT_BYTES:
        return this.range(8);
      case LENGTH_DELIMITED:
        return this.range(this.length(end));
      case FOUR_BYTES:
        return this.range(4);
      default:
        throw this.malformed(`a field has the wire type ${wireType}, which ONNX does not use`);
    }
  }
}
