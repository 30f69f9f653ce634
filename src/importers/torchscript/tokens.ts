/** Splits TorchScript's source into tokens: lines and their indentation as in Python. */
import { ModelportError } from '../../errors.ts';
import { printable } from '../../formats/pickle/pickle-value.ts';

export type TokenKind = 'name' | 'int' | 'float' | 'imaginary' | 'string' | 'symbol' | 'newline' | 'indent' | 'dedent' | 'end';

export interface Token {
  readonly kind: TokenKind;
  /** The characters; of a string, what it stands for. */
  readonly text: string;
  readonly line: number;
}

/** A larger source is no program that somebody wrote. */
const mostCharacters = 2 ** 26;
const mostIndentation = 400;

const patterns = {
  space: /[ \t\f]*/y,
  name: /[\p{L}_][\p{L}\p{N}_]*/uy,
  number: /(?:\d[\d_]*\.?\d*|\.\d+)(?:[eE][+-]?\d+)?j?/y,
  symbol: /->|\*\*|\/\/|==|!=|<=|>=|[-+*/%@&|^~<>()[\]{},:.;=]/y,
} as const;

const escapes: Readonly<Record<string, string>> = { n: '\n', t: '\t', r: '\r', a: '\u0007', b: '\b', f: '\f', v: '\v', '\\': '\\', "'": "'", '"': '"', '\n': '' };

/** Throws `INVALID_MODEL` that names the file and the line. */
export function tokenize(source: string, file: string): Token[] {
  const tokens: Token[] = [];
  const indentation = [0];
  let at = 0;
  let line = 1;
  let depth = 0;
  const fail = (problem: string): never => {
    throw new ModelportError('INVALID_MODEL', `${file}, line ${line}: ${problem}`, { at: `${file}:${line}` });
  };
  const match = (pattern: RegExp): string | undefined => {
    pattern.lastIndex = at;
    return pattern.exec(source)?.[0];
  };
  if (source.length > mostCharacters) fail(`the source has ${source.length} characters; at most ${mostCharacters} are read`);
  let startOfLine = true;
  while (at < source.length) {
    if (startOfLine && depth === 0) {
      const space = match(patterns.space)!;
      const next = source[at + space.length];
      at += space.length;
      if (next === undefined) break;
      if (next === '\n' || next === '\r' || next === '#') {
        skipLine();
        continue;
      }
      const width = space.replaceAll('\t', '        ').length;
      if (width > indentation.at(-1)!) {
        if (indentation.length >= mostIndentation) fail(`blocks are nested more than ${mostIndentation} deep`);
        indentation.push(width);
        tokens.push({ kind: 'indent', text: '', line });
      }
      while (width < indentation.at(-1)!) {
        indentation.pop();
        tokens.push({ kind: 'dedent', text: '', line });
      }
      if (width !== indentation.at(-1)!) fail('the indentation fits no block');
      startOfLine = false;
    }
    const character = source[at]!;
    if (character === '\n') {
      if (depth === 0) {
        tokens.push({ kind: 'newline', text: '', line });
        startOfLine = true;
      }
      at++;
      line++;
    } else if (character === ' ' || character === '\t' || character === '\r' || character === '\f') at++;
    else if (character === '#') {
      while (at < source.length && source[at] !== '\n') at++;
    } else if (character === '\\' && /^\\\r?\n/.test(source.slice(at, at + 3))) {
      at += source[at + 1] === '\r' ? 3 : 2;
      line++;
    } else if (character === '"' || character === "'") tokens.push({ kind: 'string', text: readString(), line });
    else {
      const name = match(patterns.name);
      const number = name === undefined && /[\d.]/.test(character) ? match(patterns.number) : undefined;
      if (name !== undefined) {
        tokens.push({ kind: 'name', text: name, line });
        at += name.length;
      } else if (number !== undefined) {
        tokens.push({ kind: number.endsWith('j') ? 'imaginary' : /[.eE]/.test(number) ? 'float' : 'int', text: number.replaceAll('_', ''), line });
        at += number.length;
      } else {
        const symbol = match(patterns.symbol) ?? fail(`there is ${printable(character)}, which TorchScript does not write`);
        if ('([{'.includes(symbol)) depth++;
        else if (')]}'.includes(symbol)) depth = Math.max(0, depth - 1);
        tokens.push({ kind: 'symbol', text: symbol, line });
        at += symbol.length;
      }
    }
  }
  if (!startOfLine) tokens.push({ kind: 'newline', text: '', line });
  while (indentation.length > 1) {
    indentation.pop();
    tokens.push({ kind: 'dedent', text: '', line });
  }
  tokens.push({ kind: 'end', text: '', line });
  return tokens;

  function skipLine(): void {
    const end = source.indexOf('\n', at);
    at = end === -1 ? source.length : end + 1;
    line++;
  }

  function readString(): string {
    const quote = source[at]!;
    const triple = source.startsWith(quote.repeat(3), at);
    const close = triple ? quote.repeat(3) : quote;
    const pieces: string[] = [];
    at += close.length;
    let start = at;
    for (;;) {
      const character = source[at];
      if (character === undefined || (character === '\n' && !triple)) return fail('a string has no end');
      if (character === '\n') line++;
      if (source.startsWith(close, at)) {
        pieces.push(source.slice(start, at));
        at += close.length;
        return pieces.join('');
      }
      if (character !== '\\') {
        at++;
        continue;
      }
      pieces.push(source.slice(start, at));
      pieces.push(readEscape());
      start = at;
    }
  }

  /** Octal escapes are what TorchScript writes for bytes that cannot be printed. */
  function readEscape(): string {
    const octal = /\\([0-7]{1,3})/y;
    const hexadecimal = /\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4}))/y;
    octal.lastIndex = hexadecimal.lastIndex = at;
    const [text, digits] = octal.exec(source) ?? [];
    if (text !== undefined) {
      at += text.length;
      return String.fromCharCode(Number.parseInt(digits!, 8) & 0xff);
    }
    const found = hexadecimal.exec(source);
    if (found !== null) {
      at += found[0].length;
      return String.fromCharCode(Number.parseInt(found[1] ?? found[2]!, 16));
    }
    const escaped = source[at + 1];
    if (escaped === undefined) return fail('a string has no end');
    at += 2;
    if (escaped === '\n') line++;
    return escapes[escaped] ?? `\\${escaped}`;
  }
}
