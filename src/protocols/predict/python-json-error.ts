/**
 * Where and why a text is no JSON, in the words of Python's `json` module, which FastAPI passes on. Only asked when parsing
 * has failed.
 */
export interface PythonJsonError {
  readonly message: string;
  /** Characters from the start. */
  readonly position: number;
}

class Stop {
  readonly message: string;
  readonly position: number;
  constructor(message: string, position: number) {
    this.message = message;
    this.position = position;
  }
}

export function pythonJsonError(text: string): PythonJsonError {
  try {
    const scanner = new Scanner(text);
    const end = scanner.skip(scanner.value(scanner.skip(0)));
    return { message: end < text.length ? 'Extra data' : 'Expecting value', position: end };
  } catch (error) {
    if (error instanceof Stop) return { message: error.message, position: characterCount(text.slice(0, error.position)) };
    // Deeper than the stack.
    return { message: 'Expecting value', position: 0 };
  }
}

/** Code points, which Python counts. */
function characterCount(text: string): number {
  return Array.from(text).length;
}

/** Python's scanner (Lib/json/scanner.py, decoder.py of 3.11): each method gives the position after what it read. */
class Scanner {
  readonly #text: string;

  constructor(text: string) {
    this.#text = text;
  }

  skip(position: number): number {
    let at = position;
    while (at < this.#text.length && ' \t\n\r'.includes(this.#text[at]!)) at++;
    return at;
  }

  value(position: number): number {
    const text = this.#text;
    const character = text[position];
    if (character === '"') return this.#string(position + 1);
    if (character === '{') return this.#object(position + 1);
    if (character === '[') return this.#array(position + 1);
    for (const word of ['null', 'true', 'false', 'NaN', 'Infinity', '-Infinity']) if (text.startsWith(word, position)) return position + word.length;
    const number = /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][-+]?\d+)?/.exec(text.slice(position, position + 400));
    if (number === null) throw new Stop('Expecting value', position);
    return position + number[0].length;
  }

  #string(start: number): number {
    const text = this.#text;
    for (let at = start; ; at++) {
      const character = text[at];
      if (character === undefined) throw new Stop('Unterminated string starting at', start - 1);
      if (character === '"') return at + 1;
      if (character < ' ') throw new Stop('Invalid control character at', at);
      if (character !== '\\') continue;
      const escape = text[at + 1];
      if (escape === undefined) throw new Stop('Unterminated string starting at', start - 1);
      if (escape === 'u') {
        if (!/^[0-9a-fA-F]{4}$/.test(text.slice(at + 2, at + 6))) throw new Stop('Invalid \\uXXXX escape', at + 2 > text.length ? at : at + 1);
        at += 5;
      } else if (!'"\\/bfnrt'.includes(escape)) {
        throw new Stop('Invalid \\escape', at);
      } else {
        at++;
      }
    }
  }

  #object(start: number): number {
    const text = this.#text;
    let at = this.skip(start);
    if (text[at] === '}') return at + 1;
    if (text[at] !== '"') throw new Stop('Expecting property name enclosed in double quotes', at);
    for (;;) {
      at = this.skip(this.#string(at + 1));
      if (text[at] !== ':') throw new Stop("Expecting ':' delimiter", at);
      at = this.skip(this.value(this.skip(at + 1)));
      if (text[at] === '}') return at + 1;
      if (text[at] !== ',') throw new Stop("Expecting ',' delimiter", at);
      at = this.skip(at + 1);
      if (text[at] !== '"') throw new Stop('Expecting property name enclosed in double quotes', at);
    }
  }

  #array(start: number): number {
    const text = this.#text;
    let at = this.skip(start);
    if (text[at] === ']') return at + 1;
    for (;;) {
      at = this.skip(this.value(at));
      if (text[at] === ']') return at + 1;
      if (text[at] !== ',') throw new Stop("Expecting ',' delimiter", at);
      at = this.skip(at + 1);
    }
  }
}
