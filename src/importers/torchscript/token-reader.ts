/** Reads tokens one after the other, and says what is wrong, and in which line. */
import { ModelportError } from '../../errors.ts';
import { printable } from '../../formats/pickle/pickle-value.ts';
import type { Place } from './syntax.ts';
import type { Token } from './tokens.ts';

export class TokenReader {
  readonly #tokens: readonly Token[];
  readonly #file: string;
  #at = 0;

  constructor(tokens: readonly Token[], file: string) {
    this.#tokens = tokens;
    this.#file = file;
  }

  /** Goes past the present token, or several. */
  skip(count = 1): void {
    this.#at += count;
  }

  /** The present token, or one after it; at the end the last. */
  peek(ahead = 0): Token {
    return this.#tokens[this.#at + ahead] ?? this.#tokens.at(-1)!;
  }

  place(): Place {
    return { file: this.#file, line: this.peek().line };
  }

  is(symbol: string): boolean {
    const token = this.peek();
    return token.kind === 'symbol' && token.text === symbol;
  }

  isName(name: string): boolean {
    const token = this.peek();
    return token.kind === 'name' && token.text === name;
  }

  take(symbol: string): boolean {
    if (!this.is(symbol)) return false;
    this.#at++;
    return true;
  }

  takeName(name: string): boolean {
    if (!this.isName(name)) return false;
    this.#at++;
    return true;
  }

  name(): string {
    const token = this.peek();
    if (token.kind !== 'name') this.fail(`there is ${shown(token)} where a name is expected`);
    this.#at++;
    return token.text;
  }

  expect(symbol: string): void {
    if (!this.take(symbol)) this.fail(`there is ${shown(this.peek())} where '${symbol}' is expected`);
  }

  expectName(name: string): void {
    if (!this.takeName(name)) this.fail(`there is ${shown(this.peek())} where '${name}' is expected`);
  }

  endOfLine(): void {
    const { kind } = this.peek();
    if (kind === 'newline') this.#at++;
    else if (kind !== 'end' && kind !== 'dedent') this.fail(`there is ${shown(this.peek())} where the line should end`);
  }

  fail(problem: string, place: Place = this.place()): never {
    throw new ModelportError('INVALID_MODEL', `${place.file}, line ${place.line}: ${problem}`, { at: `${place.file}:${place.line}` });
  }
}

/** For messages. */
export function shown(token: Token): string {
  if (token.kind === 'newline') return 'the end of the line';
  if (token.kind === 'indent' || token.kind === 'dedent') return 'another indentation';
  if (token.kind === 'end') return 'the end of the file';
  return token.kind === 'string' ? 'a string' : `'${printable(token.text)}'`;
}
