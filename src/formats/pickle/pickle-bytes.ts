/** A position in the bytes of a pickle, and the encodings that its opcodes use. */
import { ModelportError } from '../../errors.ts';

/** Longest line of a text opcode. */
const maxLineBytes = 2 ** 28;
/** Digits of an int that is written as text; parsing is not linear. */
const maxDigits = 10_000;
/** Bytes of an int that is written in binary. */
const maxLongBytes = 2 ** 20;

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

export class PickleBytes {
  readonly bytes: Buffer;
  position: number;
  /** Where the opcode that is being read begins; errors name it. */
  opcodeAt: number;
  readonly #name: string;

  constructor(bytes: Uint8Array, offset: number, name: string) {
    this.bytes = Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.position = offset;
    this.opcodeAt = offset;
    this.#name = name;
  }

  fail(problem: string): never {
    throw new ModelportError('INVALID_MODEL', `${this.#name}: at byte ${this.opcodeAt} of the pickle, ${problem}`, { at: `byte ${this.opcodeAt}` });
  }

  get remaining(): number {
    return this.bytes.length - this.position;
  }

  #advance(length: number): number {
    if (length > this.remaining) this.fail(`${length} bytes are wanted, but the file ends after ${this.remaining}`);
    const at = this.position;
    this.position += length;
    return at;
  }

  take(length: number): Buffer {
    const at = this.#advance(length);
    return this.bytes.subarray(at, at + length);
  }

  uint8(): number {
    return this.bytes[this.#advance(1)]!;
  }

  uint16(): number {
    return this.bytes.readUInt16LE(this.#advance(2));
  }

  int32(): number {
    return this.bytes.readInt32LE(this.#advance(4));
  }

  uint32(): number {
    return this.bytes.readUInt32LE(this.#advance(4));
  }

  /** A length; beyond 2^53 it is certainly longer than the file. */
  uint64(): number {
    const at = this.#advance(8);
    return this.bytes.readUInt32LE(at) + this.bytes.readUInt32LE(at + 4) * 2 ** 32;
  }

  doubleBigEndian(): number {
    return this.bytes.readDoubleBE(this.#advance(8));
  }

  /** A two's complement integer of any length, least significant byte first. */
  long(length: number): number | bigint {
    if (length < 0) this.fail('the length of an int is negative');
    if (length > maxLongBytes) this.fail(`an int has ${length} bytes; at most ${maxLongBytes} are read`);
    const bytes = this.take(length);
    if (length === 0) return 0;
    if (length <= 6) return bytes.readIntLE(0, length);
    const magnitude = BigInt(`0x${Buffer.from(bytes).reverse().toString('hex')}`);
    return compact(BigInt.asIntN(length * 8, magnitude));
  }

  /** A line without its end, as latin-1. */
  line(): string {
    const end = this.bytes.indexOf(10, this.position);
    if (end === -1) this.fail('a line does not end');
    if (end - this.position > maxLineBytes) this.fail('a line is too long');
    const text = this.bytes.toString('latin1', this.position, end);
    this.position = end + 1;
    return text.endsWith('\r') ? text.slice(0, -1) : text;
  }

  integerLine(): number | bigint {
    return this.#decimal(this.line());
  }

  /** `L` behind the digits is Python 2's. */
  longLine(): number | bigint {
    const line = this.line();
    return this.#decimal(line.endsWith('L') ? line.slice(0, -1) : line);
  }

  #decimal(text: string): number | bigint {
    if (!/^\s*[+-]?[0-9]+\s*$/.test(text)) this.fail('an int is expected');
    if (text.length > maxDigits) this.fail(`an int has more than ${maxDigits} digits`);
    const number = Number(text);
    if (Number.isSafeInteger(number)) return number === 0 ? 0 : number;
    return compact(BigInt(text.trim().replace(/^\+/, '')));
  }

  floatLine(): number {
    const text = this.line().trim().toLowerCase();
    const special = specialFloats.get(text.replace(/^[+-]/, ''));
    if (special !== undefined) return text.startsWith('-') ? -special : special;
    if (!/^[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:e[+-]?[0-9]+)?$/.test(text)) this.fail('a float is expected');
    return Number(text);
  }

  /** UTF-8 as Python writes it with `surrogatepass`: a lone surrogate stands as its three bytes. */
  utf8(length: number): string {
    const bytes = this.take(length);
    if (length < 24) {
      // Short strings are names, nearly always ASCII: a decoder costs more than the loop.
      let ascii = true;
      for (let index = 0; index < length && ascii; index++) ascii = bytes[index]! < 0x80;
      if (ascii) return bytes.toString('latin1');
    }
    try {
      return utf8.decode(bytes);
    } catch {
      return this.#utf8WithSurrogates(bytes);
    }
  }

  #utf8WithSurrogates(bytes: Buffer): string {
    const parts: string[] = [];
    let start = 0;
    for (let index = 0; index + 2 < bytes.length; index++) {
      if (bytes[index] !== 0xed || bytes[index + 1]! < 0xa0 || bytes[index + 1]! > 0xbf || (bytes[index + 2]! & 0xc0) !== 0x80) continue;
      parts.push(this.#decodeUtf8(bytes.subarray(start, index)), String.fromCharCode(0xd000 | ((bytes[index + 1]! & 0x3f) << 6) | (bytes[index + 2]! & 0x3f)));
      index += 2;
      start = index + 1;
    }
    parts.push(this.#decodeUtf8(bytes.subarray(start)));
    return parts.join('');
  }

  #decodeUtf8(bytes: Buffer): string {
    try {
      return utf8.decode(bytes);
    } catch {
      return this.fail('a str is not UTF-8');
    }
  }

  /** Protocol 0's str: `\uXXXX` and `\UXXXXXXXX`, all else latin-1. */
  rawUnicodeEscapeLine(): string {
    const end = this.bytes.indexOf(10, this.position);
    if (end === -1) this.fail('a line does not end');
    const text = this.bytes.toString('latin1', this.position, end);
    this.position = end + 1;
    if (!text.includes('\\')) return text;
    // A backslash is an escape where an odd number of them stands before the u.
    return text.replace(/(\\+)(u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8})/g, (whole: string, slashes: string, escape: string) => {
      if (slashes.length % 2 === 0) return whole;
      const point = Number.parseInt(escape.slice(1), 16);
      if (point > 0x10ffff) this.fail('a character is beyond U+10FFFF');
      return slashes.slice(1) + String.fromCodePoint(point);
    });
  }

  /** Python 2's str in protocol 0: a literal in quotes with escapes. Its bytes as latin-1. */
  quotedLine(): string {
    const text = this.line().trim();
    const quote = text[0];
    if (text.length < 2 || (quote !== "'" && quote !== '"') || !text.endsWith(quote)) this.fail('a str in quotes is expected');
    return text.slice(1, -1).replace(/\\(?:x([0-9a-fA-F]{2})|([0-7]{1,3})|([\s\S]))/g, (whole: string, hexadecimal: string | undefined, octal: string | undefined, letter: string | undefined) => {
      if (hexadecimal !== undefined) return String.fromCharCode(Number.parseInt(hexadecimal, 16));
      if (octal !== undefined) return String.fromCharCode(Number.parseInt(octal, 8) & 0xff);
      return escapes.get(letter!) ?? whole;
    });
  }
}

const specialFloats = new Map([['inf', Infinity], ['infinity', Infinity], ['nan', NaN]]);
const escapes = new Map([['n', '\n'], ['r', '\r'], ['t', '\t'], ['\\', '\\'], ["'", "'"], ['"', '"'], ['a', '\x07'], ['b', '\b'], ['f', '\f'], ['v', '\v']]);

/** As a number where that is exact. */
export function compact(value: bigint): number | bigint {
  return value >= BigInt(Number.MIN_SAFE_INTEGER) && value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : value;
}
