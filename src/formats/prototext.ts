/**
 * A reader of protobuf's text format, as its specification describes it (protobuf.dev, "Text Format Language
 * Specification"), without a schema: it gives fields in the order of the text, each with its line.
 * `protobuf-message.ts` fits them to message types. Extensions and `Any` expansions (`[a.b] { … }`) are refused.
 */
import { ModelportError } from '../errors.ts';

export interface TextMessage {
  readonly kind: 'message';
  readonly fields: readonly TextField[];
}

export interface TextField {
  readonly name: string;
  /** Counted from 1. */
  readonly line: number;
  readonly value: TextValue;
}

export type TextValue =
  | TextMessage
  /** Adjacent literals are joined. Escapes can make any bytes: whoever expects text decodes them. */
  | { readonly kind: 'string'; readonly bytes: Uint8Array }
  /** An enum value, `true`, `inf` …, with its sign. */
  | { readonly kind: 'identifier'; readonly text: string; readonly negative: boolean }
  /** `integer` is set where the literal has neither point, exponent nor `f`. */
  | { readonly kind: 'number'; readonly text: string; readonly value: number; readonly integer: bigint | undefined }
  | { readonly kind: 'list'; readonly values: readonly TextValue[] };

export interface PrototextLimits {
  readonly maximumLength: number;
  readonly maximumDepth: number;
  readonly maximumFields: number;
}

const defaultLimits: PrototextLimits = { maximumLength: 4 << 20, maximumDepth: 64, maximumFields: 200_000 };

/** Throws `INVALID_CONFIG` naming file and line. */
export function parsePrototext(text: string, fileName: string, limits: PrototextLimits = defaultLimits): TextMessage {
  if (text.length > limits.maximumLength) {
    throw new ModelportError('INVALID_CONFIG', `${fileName} is larger than ${limits.maximumLength} characters`, { at: fileName });
  }
  return new Parser(text, fileName, limits).message();
}

const identifierPattern = /[A-Za-z_][A-Za-z0-9_]*/y;
const hexadecimalPattern = /0[xX][0-9a-fA-F]+/y;
const floatPattern = /(?:[0-9]+\.[0-9]*|\.[0-9]+|[0-9]+(?=[eEfF]))(?:[eE][+-]?[0-9]+)?[fF]?/y;
const integerPattern = /[0-9]+/y;
const blankPattern = /[ \t\r\n\v\f]+|#[^\n]*/y;

class Parser {
  readonly #text: string;
  readonly #fileName: string;
  readonly #limits: PrototextLimits;
  #position = 0;
  #fieldCount = 0;
  // Lines are counted forward from the last asked position: positions only grow.
  #countedTo = 0;
  #line = 1;

  constructor(text: string, fileName: string, limits: PrototextLimits) {
    this.#text = text.startsWith('\uFEFF') ? text.slice(1) : text;
    this.#fileName = fileName;
    this.#limits = limits;
  }

  message(): TextMessage {
    return { kind: 'message', fields: this.#fields(undefined, 0) };
  }

  #fields(closing: '}' | '>' | undefined, depth: number): TextField[] {
    if (depth > this.#limits.maximumDepth) throw this.#error(`messages are nested more than ${this.#limits.maximumDepth} deep`);
    const fields: TextField[] = [];
    for (;;) {
      this.#skipBlank();
      const next = this.#text[this.#position];
      if (next === undefined) {
        if (closing === undefined) return fields;
        throw this.#error(`the text ends inside a message: '${closing}' is missing`);
      }
      if (next === closing) {
        this.#position++;
        return fields;
      }
      fields.push(this.#field(depth));
      this.#skipBlank();
      const separator = this.#text[this.#position];
      if (separator === ',' || separator === ';') this.#position++;
    }
  }

  #field(depth: number): TextField {
    if (++this.#fieldCount > this.#limits.maximumFields) throw this.#error(`more than ${this.#limits.maximumFields} fields`);
    const line = this.#currentLine();
    if (this.#text[this.#position] === '[') throw this.#error('extensions and Any expansions ([name] …) are not covered');
    const name = this.#match(identifierPattern);
    if (name === undefined) throw this.#error(`expected a field name, found ${this.#found()}`);
    this.#skipBlank();
    const colon = this.#text[this.#position] === ':';
    if (colon) {
      this.#position++;
      this.#skipBlank();
    }
    const next = this.#text[this.#position];
    if (next === '[') return { name, line, value: this.#list(depth, colon) };
    if (next === '{' || next === '<') return { name, line, value: this.#nested(depth) };
    if (!colon) throw this.#error(`expected ':' or '{' after '${name}', found ${this.#found()}`);
    return { name, line, value: this.#scalar() };
  }

  #nested(depth: number): TextMessage {
    const closing = this.#text[this.#position] === '{' ? '}' : '>';
    this.#position++;
    return { kind: 'message', fields: this.#fields(closing, depth + 1) };
  }

  #list(depth: number, scalarsAllowed: boolean): TextValue {
    this.#position++;
    const values: TextValue[] = [];
    this.#skipBlank();
    if (this.#text[this.#position] === ']') {
      this.#position++;
      return { kind: 'list', values };
    }
    for (;;) {
      if (++this.#fieldCount > this.#limits.maximumFields) throw this.#error(`more than ${this.#limits.maximumFields} fields`);
      this.#skipBlank();
      const next = this.#text[this.#position];
      if (next === '{' || next === '<') values.push(this.#nested(depth));
      else if (!scalarsAllowed) throw this.#error(`expected '{' in a list without ':', found ${this.#found()}`);
      else values.push(this.#scalar());
      this.#skipBlank();
      const separator = this.#text[this.#position];
      if (separator === ',') this.#position++;
      else if (separator === ']') {
        this.#position++;
        return { kind: 'list', values };
      } else throw this.#error(`expected ',' or ']' in a list, found ${this.#found()}`);
    }
  }

  #scalar(): TextValue {
    const first = this.#text[this.#position];
    if (first === '"' || first === "'") return { kind: 'string', bytes: this.#strings() };
    const negative = first === '-';
    if (negative) {
      this.#position++;
      this.#skipBlank();
    }
    const identifier = this.#match(identifierPattern);
    if (identifier !== undefined) {
      if (negative && !/^(?:inf|infinity|nan)$/i.test(identifier)) throw this.#error(`'-' before '${identifier}', which is no number`);
      return { kind: 'identifier', text: identifier, negative };
    }
    return this.#number(negative);
  }

  #number(negative: boolean): TextValue {
    const sign = negative ? '-' : '';
    let text = this.#match(hexadecimalPattern);
    let integer: bigint | undefined;
    let value: number;
    if (text !== undefined) {
      integer = BigInt(text);
      value = Number(integer);
    } else if ((text = this.#match(floatPattern)) !== undefined) {
      value = Number(text.replace(/[fF]$/, ''));
    } else if ((text = this.#match(integerPattern)) !== undefined) {
      // A decimal literal of many thousand digits would take quadratic time to convert.
      if (text.length > 400) throw this.#error(`a number of ${text.length} digits`);
      const octal = text.length > 1 && text.startsWith('0');
      if (octal && /[89]/.test(text)) throw this.#error(`'${text}' begins with 0, so it is octal, but holds an 8 or 9`);
      integer = BigInt(octal ? `0o${text.slice(1)}` : text);
      value = Number(integer);
    } else throw this.#error(`expected a value, found ${this.#found()}`);
    if (/[A-Za-z0-9_.]/.test(this.#text[this.#position] ?? '')) throw this.#error(`'${sign}${text}${this.#text[this.#position]}…' is no number`);
    return { kind: 'number', text: sign + text, value: negative ? -value : value, integer: integer === undefined ? undefined : negative ? -integer : integer };
  }

  #strings(): Uint8Array {
    const parts: Buffer[] = [];
    for (;;) {
      const quote = this.#text[this.#position];
      if (quote !== '"' && quote !== "'") return Buffer.concat(parts);
      this.#position++;
      this.#string(quote, parts);
      this.#skipBlank();
    }
  }

  #string(quote: string, parts: Buffer[]): void {
    let plainFrom = this.#position;
    const flush = () => {
      if (this.#position > plainFrom) parts.push(Buffer.from(this.#text.slice(plainFrom, this.#position), 'utf8'));
    };
    for (;;) {
      const character = this.#text[this.#position];
      if (character === undefined || character === '\n') throw this.#error('a string is not closed on its line');
      if (character === quote) {
        flush();
        this.#position++;
        return;
      }
      if (character !== '\\') {
        this.#position++;
        continue;
      }
      flush();
      this.#position++;
      parts.push(this.#escape());
      plainFrom = this.#position;
    }
  }

  #escape(): Buffer {
    const letter = this.#text[this.#position] ?? '';
    const plain = simpleEscapes[letter];
    if (plain !== undefined) {
      this.#position++;
      return Buffer.from([plain]);
    }
    const octal = this.#match(/[0-7]{1,3}/y);
    if (octal !== undefined) {
      const byte = Number.parseInt(octal, 8);
      if (byte > 255) throw this.#error(`the escape \\${octal} is more than a byte`);
      return Buffer.from([byte]);
    }
    const hexadecimal = this.#match(/x[0-9a-fA-F]{1,2}/y);
    if (hexadecimal !== undefined) return Buffer.from([Number.parseInt(hexadecimal.slice(1), 16)]);
    const unicode = this.#match(/u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}/y);
    if (unicode !== undefined) {
      let code = Number.parseInt(unicode.slice(1), 16);
      if (code >= 0xd800 && code < 0xdc00) {
        const low = this.#match(/\\u[dD][c-fC-F][0-9a-fA-F]{2}/y);
        if (low !== undefined) code = 0x10000 + ((code - 0xd800) << 10) + (Number.parseInt(low.slice(2), 16) - 0xdc00);
      }
      if (code > 0x10ffff || (code >= 0xd800 && code < 0xe000)) throw this.#error(`the escape \\${unicode} is no Unicode character`);
      return Buffer.from(String.fromCodePoint(code), 'utf8');
    }
    throw this.#error(letter === '' ? 'a string is not closed' : `unknown escape '\\${printable(letter)}'`);
  }

  #match(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.#position;
    const match = pattern.exec(this.#text);
    if (match === null) return undefined;
    this.#position = pattern.lastIndex;
    return match[0];
  }

  #skipBlank(): void {
    for (;;) {
      blankPattern.lastIndex = this.#position;
      if (!blankPattern.test(this.#text)) return;
      this.#position = blankPattern.lastIndex;
    }
  }

  #currentLine(): number {
    for (let index = this.#countedTo; index < this.#position; index++) if (this.#text.charCodeAt(index) === 10) this.#line++;
    this.#countedTo = this.#position;
    return this.#line;
  }

  #found(): string {
    const character = this.#text[this.#position];
    if (character === undefined) return 'the end of the text';
    const word = /[A-Za-z0-9_]{1,40}/y;
    word.lastIndex = this.#position;
    return `'${word.exec(this.#text)?.[0] ?? printable(character)}'`;
  }

  #error(message: string): ModelportError {
    const at = `${this.#fileName}:${this.#currentLine()}`;
    return new ModelportError('INVALID_CONFIG', `${message} (${at})`, { at });
  }
}

const simpleEscapes: Readonly<Record<string, number>> = {
  a: 7, b: 8, t: 9, n: 10, v: 11, f: 12, r: 13, '?': 63, '\\': 92, "'": 39, '"': 34,
};

function printable(character: string): string {
  return /[\x20-\x7e]/.test(character) ? character : `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
}
