/**
 * JSON as model servers write it: `NaN`, `Infinity` and integers beyond 2^53 survive. Large integers become `bigint`.
 */
export type JsonValue = null | boolean | number | bigint | string | readonly JsonValue[] | { readonly [name: string]: JsonValue };

/** Throws SyntaxError with the place. */
export function parseJson(text: string): JsonValue {
  // The engine's own parser is much quicker; it loses nothing unless one of these occurs (inside strings they do no harm).
  if (!/NaN|Infinity|\d{16}/.test(text)) return JSON.parse(text) as JsonValue;
  return new Reader(text).whole();
}

/** Throws TypeError for `undefined` and functions. */
export function formatJson(value: unknown, indent = 0): string {
  return write(value, indent, '\n');
}

/** A value as a person reads it: text as it is, anything else as JSON, nothing as ''. */
export function writtenText(value: unknown): string {
  if (value === undefined || value === null) return '';
  return typeof value === 'string' ? value : formatJson(value);
}

function write(value: unknown, indent: number, lineStart: string): string {
  switch (typeof value) {
    case 'string': return JSON.stringify(value);
    case 'number': case 'bigint': case 'boolean': return String(value);
    case 'object': break;
    default: throw new TypeError(`${typeof value} is not JSON`);
  }
  if (value === null) return 'null';
  const inner = indent === 0 ? '' : lineStart + ' '.repeat(indent);
  const close = indent === 0 ? '' : lineStart;
  const separator = indent === 0 ? ',' : `,${inner}`;
  if (Array.isArray(value)) {
    if (value.length === 0) return '[]';
    // A row of numbers stays on one line: tensors are read by rows.
    if (value.every((item) => typeof item !== 'object' || item === null)) {
      return `[${value.map((item) => write(item, 0, '')).join(indent === 0 ? ',' : ', ')}]`;
    }
    return `[${inner}${value.map((item) => write(item, indent, inner)).join(separator)}${close}]`;
  }
  const entries = Object.entries(value).filter(([, item]) => item !== undefined);
  if (entries.length === 0) return '{}';
  const colon = indent === 0 ? ':' : ': ';
  return `{${inner}${entries.map(([name, item]) => JSON.stringify(name) + colon + write(item, indent, inner)).join(separator)}${close}}`;
}

const maxDepth = 200;

class Reader {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  whole(): JsonValue {
    const value = this.#value(0);
    this.#space();
    if (this.#at < this.#text.length) this.#fail();
    return value;
  }

  #space(): void {
    while (/\s/.test(this.#text[this.#at] ?? 'x')) this.#at++;
  }

  #fail(): never {
    const found = this.#text[this.#at];
    throw new SyntaxError(found === undefined ? 'the JSON ends too early' : `unexpected ${JSON.stringify(found)} at character ${this.#at + 1}`);
  }

  #take(character: string): boolean {
    this.#space();
    if (this.#text[this.#at] !== character) return false;
    this.#at++;
    return true;
  }

  #value(depth: number): JsonValue {
    if (depth > maxDepth) throw new SyntaxError(`nested deeper than ${maxDepth} levels`);
    this.#space();
    const first = this.#text[this.#at];
    if (first === '{') return this.#object(depth);
    if (first === '[') return this.#array(depth);
    if (first === '"') return this.#string();
    return this.#word();
  }

  #object(depth: number): JsonValue {
    this.#at++;
    const entries: [string, JsonValue][] = [];
    if (this.#take('}')) return {};
    do {
      this.#space();
      if (this.#text[this.#at] !== '"') this.#fail();
      const name = this.#string();
      if (!this.#take(':')) this.#fail();
      entries.push([name, this.#value(depth + 1)]);
    } while (this.#take(','));
    if (!this.#take('}')) this.#fail();
    return Object.fromEntries(entries);
  }

  #array(depth: number): JsonValue {
    this.#at++;
    const items: JsonValue[] = [];
    if (this.#take(']')) return items;
    do items.push(this.#value(depth + 1));
    while (this.#take(','));
    if (!this.#take(']')) this.#fail();
    return items;
  }

  #string(): string {
    const start = this.#at++;
    while (this.#at < this.#text.length && this.#text[this.#at] !== '"') this.#at += this.#text[this.#at] === '\\' ? 2 : 1;
    if (this.#at >= this.#text.length) this.#fail();
    this.#at++;
    return JSON.parse(this.#text.slice(start, this.#at)) as string;
  }

  #word(): JsonValue {
    const pattern = /-?(?:\d+(?:\.\d+)?(?:[eE][+-]?\d+)?|Infinity)|NaN|true|false|null/y;
    pattern.lastIndex = this.#at;
    const word = pattern.exec(this.#text)?.[0];
    if (word === undefined) this.#fail();
    this.#at += word.length;
    if (word === 'true' || word === 'false') return word === 'true';
    if (word === 'null') return null;
    const number = Number(word);
    return /^-?\d+$/.test(word) && !Number.isSafeInteger(number) ? BigInt(word) : number;
  }
}
