/**
 * A reader of JSON (RFC 8259) straight over its bytes, for bodies that are mostly numbers: nothing is made of what is
 * not asked for. Besides JSON's own grammar it takes `NaN`, `Infinity` and `-Infinity` where a number may stand, because
 * Python's `json` writes them.
 */
import { isUtf8 } from 'node:buffer';
import { DecimalScanner } from '../../lib/decimal.ts';

/** Deeper documents are refused: nothing in the protocol needs more, and a bomb must not exhaust the stack. */
export const maxDepth = 100;

/**
 * What is wrong at which byte. Turned into an error for people where the whole document is at hand (see `describeJsonError`).
 * `syntax`: this is no JSON. `value`: it is, but not what was expected here.
 */
export class JsonError extends Error {
  readonly kind: 'syntax' | 'value';
  readonly offset: number;
  constructor(kind: 'syntax' | 'value', message: string, offset: number) {
    super(message);
    this.kind = kind;
    this.offset = offset;
  }
}

const scanner = new DecimalScanner();

const QUOTE = 34;
const BACKSLASH = 92;

export class JsonReader {
  readonly bytes: Uint8Array;
  /** One for all readers of a thread: what it says of a number is asked for before the next one is read. */
  readonly numbers = scanner;
  position = 0;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
  }

  fail(message: string, offset = this.position): never {
    throw new JsonError('syntax', offset >= this.bytes.length ? 'the document ends too early' : message, offset);
  }

  /** The value at `offset` is JSON, but not what was expected. */
  reject(message: string, offset: number): never {
    throw new JsonError('value', message, offset);
  }

  /** The value that is next is not what was expected. */
  expected(what: string): never {
    if (this.peek() === undefined) this.fail('');
    return this.reject(`expected ${what}, found ${this.describe()}`, this.position);
  }

  /** The next byte that is not white space, which stays unread; undefined at the end. */
  peek(): number | undefined {
    const { bytes } = this;
    let position = this.position;
    let byte = bytes[position];
    while (byte === 32 || byte === 10 || byte === 13 || byte === 9) byte = bytes[++position];
    this.position = position;
    return byte;
  }

  /** Reads `{` or `[`. */
  open(byte: number, what: string): void {
    if (this.peek() !== byte) this.expected(what);
    this.position++;
  }

  /** Reads the closing byte if it is next: the container is empty. */
  closes(byte: number): boolean {
    if (this.peek() !== byte) return false;
    this.position++;
    return true;
  }

  /** After a value: true where a comma follows, false where the container was closed. */
  next(closing: number): boolean {
    const byte = this.peek();
    if (byte === 44) {
      this.position++;
      return true;
    }
    if (byte !== closing) this.fail(`expected ',' or '${String.fromCharCode(closing)}'`);
    this.position++;
    return false;
  }

  /** A member's name and its colon. */
  key(): string {
    if (this.peek() !== QUOTE) this.fail('expected the name of a member in quotation marks');
    const name = this.string();
    if (this.peek() !== 58) this.fail("expected ':'");
    this.position++;
    return name;
  }

  /** The end of the document: nothing but white space may follow. */
  end(): void {
    if (this.peek() !== undefined) this.fail('unexpected text after the end of the document');
  }

  string(): string {
    if (this.peek() !== QUOTE) this.expected('text');
    const { bytes } = this;
    const start = this.position + 1;
    let position = start;
    let hash = 0;
    let byte = bytes[position]!;
    while (byte !== QUOTE && byte !== BACKSLASH && byte >= 32 && byte < 128) {
      hash = (Math.imul(hash, 31) + byte) | 0;
      byte = bytes[++position]!;
    }
    if (byte === QUOTE) {
      this.position = position + 1;
      return interned(bytes, start, position, hash);
    }
    const text = new Uint8Array(this.stringSize());
    const end = this.copyString(text, 0);
    return decoder.decode(text.subarray(0, end));
  }

  /** An upper bound of the bytes of the string that is next, which stays unread. Throws where it does not end. */
  stringSize(): number {
    return this.endOfString() - this.position - 2;
  }

  /**
   * Reads a string into `target` as UTF-8, from `offset`; there is room for {@link stringSize} bytes. Returns the position
   * after it in `target`. Text that is not valid UTF-8, or half of a surrogate pair, is an error: it could not be given back.
   */
  copyString(target: Uint8Array, offset: number): number {
    const { bytes } = this;
    let position = this.position + 1;
    let write = offset;
    let ascii = true;
    for (;;) {
      const byte = bytes[position]!;
      if (byte === QUOTE) break;
      if (byte === BACKSLASH) {
        const escape = bytes[position + 1]!;
        if (escape === 117) {
          const code = this.#unicodeEscape(position);
          write = putUtf8(target, write, code);
          position += code > 0xffff ? 12 : 6;
        } else {
          const plain = escapes.get(escape);
          if (plain === undefined) this.fail('this escape is not one of JSON', position);
          target[write++] = plain;
          position += 2;
        }
      } else if (byte >= 32) {
        if (byte >= 128) ascii = false;
        target[write++] = byte;
        position++;
      } else {
        // undefined at the end of the document, else a control character.
        this.fail('a control character in a string must be escaped', byte === undefined ? bytes.length : position);
      }
    }
    if (!ascii && !isUtf8(target.subarray(offset, write))) this.fail('this text is not valid UTF-8', this.position);
    this.position = position + 1;
    return write;
  }

  /** The position after the string that is next. */
  endOfString(): number {
    if (this.peek() !== QUOTE) this.expected('text');
    const { bytes } = this;
    let position = this.position + 1;
    for (;;) {
      const byte = bytes[position];
      if (byte === QUOTE) return position + 1;
      if (byte === undefined) this.fail('', bytes.length);
      position += byte === BACKSLASH ? 2 : 1;
    }
  }

  boolean(): boolean {
    const byte = this.peek();
    if (byte === 116 && this.#word('true')) return true;
    if (byte === 102 && this.#word('false')) return false;
    return this.expected('true or false');
  }

  /** Scans a number into {@link numbers}. */
  number(): void {
    this.peek();
    const end = this.numbers.scan(this.bytes, this.position);
    if (end < 0) this.failNumber(-1 - end);
    this.position = end;
  }

  /** `NaN`, `Infinity` or `-Infinity` if one is next. */
  nonFinite(): number | undefined {
    const byte = this.peek();
    if (byte === 78 && this.#word('NaN')) return NaN;
    if (byte === 73 && this.#word('Infinity')) return Infinity;
    if (byte === 45 && this.bytes[this.position + 1] === 73 && this.#word('-Infinity')) return -Infinity;
    return undefined;
  }

  failNumber(offset: number): never {
    const byte = this.bytes[this.position];
    const isNumber = byte === 45 || (byte !== undefined && byte >= 48 && byte <= 57);
    return isNumber ? this.fail('this is not a number of JSON', offset) : this.expected('a number');
  }

  /** Reads an integer from 0 to `most`. */
  size(most = Number.MAX_SAFE_INTEGER): number {
    this.peek();
    const start = this.position;
    this.number();
    const value = this.numbers.toSafeInteger();
    if (!(value >= 0 && value <= most)) this.reject(`${this.numbers.text().slice(0, 40)} is not an integer from 0 to ${most}`, start);
    return value;
  }

  /** Reads any value and forgets it; its syntax is checked. */
  skip(depth = 1): void {
    if (depth > maxDepth) this.fail(`JSON nesting depth exceeds maximum allowed limit (${maxDepth})`);
    const byte = this.peek();
    switch (byte) {
      case 123:
        this.position++;
        if (this.closes(125)) return;
        do {
          this.key();
          this.skip(depth + 1);
        } while (this.next(125));
        return;
      case 91:
        this.position++;
        if (this.closes(93)) return;
        do this.skip(depth + 1);
        while (this.next(93));
        return;
      case QUOTE:
        this.string();
        return;
      case 116:
        if (this.#word('true')) return;
        break;
      case 102:
        if (this.#word('false')) return;
        break;
      case 110:
        if (this.#word('null')) return;
        break;
      default:
        if (this.nonFinite() !== undefined) return;
        if (byte === 45 || (byte !== undefined && byte >= 48 && byte <= 57)) {
          this.number();
          return;
        }
    }
    this.fail('expected a value');
  }

  null(): boolean {
    return this.peek() === 110 && this.#word('null');
  }

  /** What the next value is, for messages. */
  describe(): string {
    const byte = this.peek();
    switch (byte) {
      case undefined:
        return 'the end of the document';
      case 123:
        return 'an object';
      case 91:
        return 'an array';
      case QUOTE:
        return 'text';
      case 116:
      case 102:
        return 'a boolean';
      case 110:
        return 'null';
      default:
        return byte === 45 || byte === 78 || byte === 73 || (byte >= 48 && byte <= 57) ? 'a number' : `'${String.fromCharCode(byte)}'`;
    }
  }

  #word(word: string): boolean {
    const { bytes, position } = this;
    for (let index = 0; index < word.length; index++) {
      const byte = bytes[position + index];
      if (byte === undefined) this.fail('', bytes.length);
      if (byte !== word.charCodeAt(index)) return false;
    }
    this.position = position + word.length;
    return true;
  }

  /** The code point of `\uXXXX` at `position`, of a pair of them where the first is half of a surrogate pair. */
  #unicodeEscape(position: number): number {
    const unit = this.#hex(position + 2);
    if (unit < 0xd800 || unit > 0xdfff) return unit;
    const { bytes } = this;
    if (unit < 0xdc00 && bytes[position + 6] === BACKSLASH && bytes[position + 7] === 117) {
      const low = this.#hex(position + 8);
      if (low >= 0xdc00 && low <= 0xdfff) return 0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00);
    }
    return this.fail('this is half of a surrogate pair, which is no text', position);
  }

  #hex(position: number): number {
    let value = 0;
    for (let index = position; index < position + 4; index++) {
      const byte = this.bytes[index]!;
      const digit = byte >= 48 && byte <= 57 ? byte - 48 : byte >= 97 && byte <= 102 ? byte - 87 : byte >= 65 && byte <= 70 ? byte - 55 : -1;
      if (digit === -1) this.fail('expected four hexadecimal digits after \\u', index);
      value = value * 16 + digit;
    }
    return value;
  }
}

const decoder = new TextDecoder('utf-8', { ignoreBOM: true });

/** Escaped byte → the byte it stands for. */
const escapes = new Map([...'"\\/bfnrt'].map((letter) => [letter.charCodeAt(0), '"\\/\b\f\n\r\t'.charCodeAt('"\\/bfnrt'.indexOf(letter))]));

function putUtf8(target: Uint8Array, offset: number, code: number): number {
  let write = offset;
  if (code < 0x80) {
    target[write++] = code;
  } else if (code < 0x800) {
    target[write++] = 0xc0 | (code >> 6);
    target[write++] = 0x80 | (code & 0x3f);
  } else if (code < 0x10000) {
    target[write++] = 0xe0 | (code >> 12);
    target[write++] = 0x80 | ((code >> 6) & 0x3f);
    target[write++] = 0x80 | (code & 0x3f);
  } else {
    target[write++] = 0xf0 | (code >> 18);
    target[write++] = 0x80 | ((code >> 12) & 0x3f);
    target[write++] = 0x80 | ((code >> 6) & 0x3f);
    target[write++] = 0x80 | (code & 0x3f);
  }
  return write;
}

/**
 * The short strings that were read last, by hash. Names of members, tensors and datatypes are the same in every request:
 * finding them again costs a fifth of making them. Its size does not depend on what clients send.
 */
const internedStrings: string[] = Array.from({ length: 512 }, () => '');
const longestInterned = 48;

function interned(bytes: Uint8Array, start: number, end: number, hash: number): string {
  const length = end - start;
  if (length > longestInterned) return Buffer.from(bytes.buffer, bytes.byteOffset + start, length).toString('latin1');
  const slot = (hash ^ (hash >>> 9)) & 511;
  const known = internedStrings[slot]!;
  if (known.length === length) {
    let index = 0;
    while (index < length && known.charCodeAt(index) === bytes[start + index]) index++;
    if (index === length) return known;
  }
  let text = '';
  for (let index = start; index < end; index++) text += String.fromCharCode(bytes[index]!);
  internedStrings[slot] = text;
  return text;
}
