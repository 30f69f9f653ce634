/**
 * Protocol buffers' wire format over bytes in memory. Strings and bytes are views or decoded in place; nothing is kept.
 * https://protobuf.dev/programming-guides/encoding/
 */

export const wireType = { varint: 0, eightBytes: 1, lengthDelimited: 2, fourBytes: 5 } as const;

/** Thrown for bytes that are no message; the protocol says what that means on its wire. */
export class MalformedMessageError extends Error {}

export class ProtobufReader {
  readonly #buffer: Buffer;
  #position: number;
  readonly #end: number;
  #low = 0;
  #high = 0;

  constructor(bytes: Uint8Array) {
    this.#buffer = Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#position = 0;
    this.#end = this.#buffer.length;
  }

  get done(): boolean {
    return this.#position >= this.#end;
  }

  /** A field's number × 8 + its wire type. */
  tag(): number {
    const tag = this.uint32();
    if (tag < 8) throw new MalformedMessageError('a field number is 0');
    return tag;
  }

  uint32(): number {
    const byte = this.#buffer[this.#position];
    if (byte !== undefined && byte < 0x80 && this.#position < this.#end) {
      this.#position++;
      return byte;
    }
    this.#varint();
    return this.#low;
  }

  bool(): boolean {
    this.#varint();
    return this.#low !== 0 || this.#high !== 0;
  }

  int32(): number {
    this.#varint();
    return this.#low | 0;
  }

  /** As a JavaScript number; beyond 2^53 the nearest one. */
  int64Number(): number {
    this.#varint();
    return (this.#high | 0) * 0x1_0000_0000 + this.#low;
  }

  int64(): bigint {
    this.#varint();
    return BigInt.asIntN(64, (BigInt(this.#high) << 32n) | BigInt(this.#low));
  }

  uint64(): bigint {
    this.#varint();
    return (BigInt(this.#high) << 32n) | BigInt(this.#low);
  }

  float(): number {
    this.#need(4);
    const value = this.#buffer.readFloatLE(this.#position);
    this.#position += 4;
    return value;
  }

  double(): number {
    this.#need(8);
    const value = this.#buffer.readDoubleLE(this.#position);
    this.#position += 8;
    return value;
  }

  /** A view of the message's memory. */
  bytes(): Buffer {
    const length = this.uint32();
    this.#need(length);
    const start = this.#position;
    this.#position += length;
    return this.#buffer.subarray(start, this.#position);
  }

  string(): string {
    const length = this.uint32();
    this.#need(length);
    const start = this.#position;
    this.#position += length;
    return this.#buffer.toString('utf8', start, this.#position);
  }

  message(): ProtobufReader {
    return new ProtobufReader(this.bytes());
  }

  skip(tag: number): void {
    switch (tag & 7) {
      case wireType.varint:
        this.#varint();
        return;
      case wireType.eightBytes:
        this.#need(8);
        this.#position += 8;
        return;
      case wireType.lengthDelimited:
        this.bytes();
        return;
      case wireType.fourBytes:
        this.#need(4);
        this.#position += 4;
        return;
      default:
        throw new MalformedMessageError(`a field has the wire type ${tag & 7}`);
    }
  }

  #need(length: number): void {
    if (this.#position + length > this.#end) throw new MalformedMessageError('it ends too early');
  }

  #varint(): void {
    let low = 0;
    let high = 0;
    let shift = 0;
    for (;;) {
      if (this.#position >= this.#end) throw new MalformedMessageError('it ends too early');
      const byte = this.#buffer[this.#position++]!;
      const bits = byte & 0x7f;
      if (shift < 28) low |= bits << shift;
      else if (shift === 28) {
        low |= bits << 28;
        high = bits >>> 4;
      } else if (shift < 63) high |= bits << (shift - 32);
      else if (shift === 63) high |= (bits & 1) << 31;
      else throw new MalformedMessageError('a number is longer than ten bytes');
      if (byte < 0x80) break;
      shift += 7;
    }
    this.#low = low >>> 0;
    this.#high = high >>> 0;
  }
}
