/**
 * Regular expressions of `tokenizer.json` (Oniguruma's Ruby syntax) as JavaScript's. Translated: `(?i:…)`, possessive
 * quantifiers and atomic groups, POSIX brackets, class intersections of two, `\h`, `\A`, `\z`, and what `\s`, `\w`, `\d` mean
 * in Unicode. Throws `INVALID_MODEL` for what has no equal.
 */
import { ModelportError } from '../../errors.ts';

const longestPattern = 20_000;
const deepest = 50;
/** Endless repetitions in a row of which a text of some hundred characters has no unlucky one. */
const mostEndless = 2;
/** More repetitions are as bad as endless ones. */
const fewTimes = 8;

const posix: Readonly<Record<string, string>> = {
  alpha: '\\p{Alphabetic}',
  alnum: '\\p{L}\\p{M}\\p{N}',
  digit: '\\p{Nd}',
  lower: '\\p{Ll}',
  upper: '\\p{Lu}',
  punct: '\\p{P}\\p{S}',
  space: '\\p{White_Space}',
  word: '\\p{L}\\p{M}\\p{N}\\p{Pc}',
  xdigit: '0-9a-fA-F',
};
const space = '\\p{White_Space}';
/** Oniguruma counts these superscripts and fractions of Latin-1 as parts of words. */
const word = '\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}\\u00b2\\u00b3\\u00b9\\u00bc-\\u00be';
const generalCategories = /^(?:C|Cc|Cf|Cn|Co|Cs|L|LC|Ll|Lm|Lo|Lt|Lu|M|Mc|Me|Mn|N|Nd|Nl|No|P|Pc|Pd|Pe|Pf|Pi|Po|Ps|S|Sc|Sk|Sm|So|Z|Zl|Zp|Zs|Any|ASCII|Alphabetic|White_Space|Letter|Mark|Number|Punctuation|Symbol|Separator|Emoji|Extended_Pictographic|Uppercase|Lowercase)$/;

/** With the flags `gu`. */
export function fromOniguruma(pattern: string): RegExp {
  const source = pattern.length > longestPattern ? refuse(pattern, 'it is too long') : new Translator(pattern).translate();
  try {
    return new RegExp(source, 'gmu');
  } catch (cause) {
    throw new ModelportError('INVALID_MODEL', `tokenizer.json has a pattern that can't be translated: ${shown(pattern)} (${(cause as Error).message})`, { cause });
  }
}

/**
 * Whether a pattern may be tried in very many ways on an unlucky text: it repeats what itself varies in length, or has more than two
 * endless repetitions in a row. Throws `INVALID_MODEL`.
 */
export function mayBacktrack(pattern: string): boolean {
  if (pattern.length > longestPattern) refuse(pattern, 'it is too long');
  const translator = new Translator(pattern);
  translator.translate();
  return translator.backtracks;
}

/** A pattern for exactly that text. */
export function fromLiteral(text: string): RegExp {
  return new RegExp(text.replaceAll(/[\\^$.*+?()[\]{}|/]/g, '\\$&'), 'gu');
}

function shown(pattern: string): string {
  return JSON.stringify(pattern.length > 100 ? `${pattern.slice(0, 100)}…` : pattern);
}

function refuse(pattern: string, reason: string): never {
  throw new ModelportError('INVALID_MODEL', `tokenizer.json has a pattern that can't be translated, because ${reason}: ${shown(pattern)}`);
}

class Translator {
  readonly #pattern: string;
  readonly #characters: string[];
  #at = 0;
  #atomics = 0;
  /** Whether what was read last can match in several lengths, and how many endless repetitions it has in a row. */
  #varies = false;
  #endless = 0;
  backtracks = false;

  constructor(pattern: string) {
    this.#pattern = pattern;
    this.#characters = Array.from(pattern);
  }

  translate(): string {
    const source = this.#alternatives(false, 0);
    if (this.#at < this.#characters.length) this.#refuse('a parenthesis is closed that was not opened');
    return source;
  }

  #refuse(reason: string): never {
    refuse(this.#pattern, reason);
  }

  #peek(): string | undefined {
    return this.#characters[this.#at];
  }

  #looksAt(text: string): boolean {
    return this.#characters.slice(this.#at, this.#at + text.length).join('') === text;
  }

  #take(text: string): boolean {
    if (!this.#looksAt(text)) return false;
    this.#at += text.length;
    return true;
  }

  #alternatives(ignoreCase: boolean, depth: number): string {
    if (depth > deepest) this.#refuse('its groups are nested too deeply');
    let source = '';
    let varies = false;
    let most = 0;
    let endless = 0;
    for (let next = this.#peek(); next !== undefined && next !== ')'; next = this.#peek()) {
      if (next === '|') {
        this.#at++;
        source += '|';
        varies = true;
        endless = 0;
      } else {
        this.#varies = false;
        this.#endless = 0;
        source += this.#quantified(this.#atom(ignoreCase, depth));
        varies ||= this.#varies;
        endless += this.#endless;
        most = Math.max(most, endless);
      }
    }
    this.#varies = varies;
    this.#endless = most;
    if (most > mostEndless) this.backtracks = true;
    return source;
  }

  #quantified(atom: string): string {
    let source = atom;
    for (;;) {
      const next = this.#peek();
      let quantifier: string | undefined;
      if (next === '*' || next === '+' || next === '?') {
        quantifier = next;
        this.#at++;
      } else if (next === '{') {
        const rest = /^\{(\d*)(,?)(\d*)\}/.exec(this.#characters.slice(this.#at, this.#at + 24).join(''));
        if (rest !== null && (rest[1] !== '' || rest[3] !== '')) {
          quantifier = `{${rest[1] === '' ? '0' : rest[1]}${rest[2]}${rest[3]}}`;
          this.#at += rest[0].length;
        }
      }
      if (quantifier === undefined) return source;
      const possessive = !quantifier.startsWith('{') && this.#peek() === '+';
      this.#repeat(quantifier, possessive);
      if (this.#take('?')) source += `${quantifier}?`;
      else if (!quantifier.startsWith('{') && this.#take('+')) source = this.#atomic(source + quantifier);
      else source += quantifier;
      // Ruby reads `a{2}+` as a quantified group.
      if (this.#peek() === '+' || this.#peek() === '*' || this.#peek() === '?' || this.#peek() === '{') source = `(?:${source})`;
    }
  }

  #repeat(quantifier: string, possessive: boolean): void {
    const [, least, comma, most] = /^\{(\d+)(,?)(\d*)\}$/.exec(quantifier) ?? [];
    const exact = least !== undefined && (comma === '' || most === least);
    const endless = quantifier === '*' || quantifier === '+' || (comma === ',' && (most === '' || Number(most) > fewTimes)) || (exact && Number(least) > fewTimes);
    if (endless && this.#varies) this.backtracks = true;
    this.#varies = !possessive && (this.#varies || !exact);
    if (endless && !exact) this.#endless = possessive ? 0 : Math.max(1, this.#endless);
  }

  /** Once matched, it is not tried in another way. */
  #atomic(source: string): string {
    const name = `a${++this.#atomics}`;
    return `(?:(?=(?<${name}>${source}))\\k<${name}>)`;
  }

  #atom(ignoreCase: boolean, depth: number): string {
    const character = this.#characters[this.#at++]!;
    switch (character) {
      case '(':
        return this.#group(ignoreCase, depth + 1);
      case '[':
        return this.#class(ignoreCase, depth + 1);
      case '.':
        return '[^\\n]';
      case '^':
      case '$':
        return character;
      case '\\':
        return this.#escape(ignoreCase, false);
      case '*':
      case '+':
      case '?':
        return this.#refuse(`'${character}' repeats nothing`);
      default:
        return literal(character, ignoreCase);
    }
  }

  #group(ignoreCase: boolean, depth: number): string {
    let open = '(?:';
    let close = ')';
    let inner = ignoreCase;
    let atomic = false;
    if (this.#take('?')) {
      if (this.#take(':')) open = '(?:';
      else if (this.#take('=')) open = '(?=';
      else if (this.#take('!')) open = '(?!';
      else if (this.#take('<=')) open = '(?<=';
      else if (this.#take('<!')) open = '(?<!';
      else if (this.#take('>')) atomic = true;
      else if (this.#take('i:')) inner = true;
      else if (this.#take('-i:')) inner = false;
      else if (this.#take('i)')) {
        // From here to the end of the enclosing group.
        return `(?:${this.#alternatives(true, depth)})`;
      } else this.#refuse(`it has a group of the kind '(?${this.#peek() ?? ''}'`);
    }
    const source = this.#alternatives(inner, depth);
    if (!this.#take(')')) this.#refuse('a group is not closed');
    if (atomic || open.startsWith('(?=') || open.startsWith('(?!') || open.startsWith('(?<')) {
      this.#varies = false;
      this.#endless = 0;
    }
    if (atomic) {
      open = '';
      close = '';
      return this.#atomic(source);
    }
    return `${open}${source}${close}`;
  }

  /** After `[`. */
  #class(ignoreCase: boolean, depth: number): string {
    if (depth > deepest) this.#refuse('its classes are nested too deeply');
    const negated = this.#take('^');
    const operands: string[] = [];
    let members = '';
    let first = true;
    for (;;) {
      const character = this.#characters[this.#at++];
      if (character === undefined) this.#refuse('a class is not closed');
      if (character === ']' && !first) break;
      first = false;
      if (character === '[') {
        const bracket = /^:(\^?)(\w+):\]/.exec(this.#characters.slice(this.#at, this.#at + 16).join(''));
        const known = bracket === null ? undefined : posix[bracket[2]!];
        if (bracket !== null && known !== undefined && bracket[1] === '') {
          this.#at += bracket[0].length;
          members += known;
        } else {
          const nested = this.#class(ignoreCase, depth + 1);
          const plain = /^\[([^^].*)\]$/su.exec(nested);
          if (plain === null) this.#refuse('it has a negated class within a class');
          members += plain[1]!;
        }
      } else if (character === '&' && this.#peek() === '&') {
        this.#at++;
        operands.push(members);
        members = '';
      } else if (character === '\\') {
        members += this.#escape(ignoreCase, true);
      } else if (character === '-' ) {
        // A range, or a hyphen where nothing is before or after it.
        members += members === '' || this.#peek() === ']' ? '\\-' : '-';
      } else {
        members += ignoreCase ? caseVariants(character).map(classLiteral).join('') : classLiteral(character);
      }
    }
    if (operands.length === 0) return members === '' ? '[]' : `[${negated ? '^' : ''}${members}]`;
    operands.push(members);
    const wanted = operands.map((operand) => `(?=[${operand}])`).join('');
    return negated ? `(?:(?!${wanted})[\\s\\S])` : `(?:${wanted}[\\s\\S])`;
  }

  /** After a backslash. */
  #escape(ignoreCase: boolean, inClass: boolean): string {
    const character = this.#characters[this.#at++];
    const set = (members: string): string => (inClass ? members : `[${members}]`);
    switch (character) {
      case undefined:
        return this.#refuse('it ends with a backslash');
      case 's':
        return set(space);
      case 'w':
        return set(word);
      case 'd':
        return set('\\p{Nd}');
      case 'h':
        return set('0-9a-fA-F');
      case 'S':
        return inClass ? '\\P{White_Space}' : `[^${space}]`;
      case 'W':
        return inClass ? this.#refuse('it has \\W within a class') : `[^${word}]`;
      case 'D':
        return inClass ? '\\P{Nd}' : '[^\\p{Nd}]';
      case 'b':
        return inClass ? '\\x08' : `(?:(?<=[${word}])(?![${word}])|(?<![${word}])(?=[${word}]))`;
      case 'B':
        return `(?:(?<=[${word}])(?=[${word}])|(?<![${word}])(?![${word}]))`;
      case 'A':
        return '(?<![\\s\\S])';
      case 'z':
        return '(?![\\s\\S])';
      case 'Z':
        return '(?=\\n?(?![\\s\\S]))';
      case 'n':
      case 'r':
      case 't':
      case 'f':
      case 'v':
        return `\\${character}`;
      case 'a':
        return '\\x07';
      case 'e':
        return '\\x1b';
      case 'p':
      case 'P':
        return this.#property(character);
      case 'x':
      case 'u': {
        const braced = /^\{\s*([0-9a-fA-F]{1,6})\s*\}/.exec(this.#characters.slice(this.#at, this.#at + 12).join(''));
        const plain = (character === 'x' ? /^[0-9a-fA-F]{1,2}/ : /^[0-9a-fA-F]{4}/).exec(this.#characters.slice(this.#at, this.#at + 4).join(''));
        const digits = braced?.[1] ?? plain?.[0];
        if (digits === undefined) this.#refuse(`it has '\\${character}' without a number`);
        this.#at += (braced ?? plain)![0].length;
        return `\\u{${digits}}`;
      }
      default:
        if (/[a-zA-Z0-9]/.test(character)) this.#refuse(`it has '\\${character}'`);
        return inClass ? classLiteral(character) : literal(character, ignoreCase);
    }
  }

  #property(letter: 'p' | 'P'): string {
    const match = /^\{(\^?)([\w ]+)\}/.exec(this.#characters.slice(this.#at, this.#at + 48).join('')) ?? this.#refuse(`it has '\\${letter}' without {…}`);
    this.#at += match[0].length;
    const name = match[2]!.trim();
    const negated = (letter === 'P') !== (match[1] === '^');
    const bracket = posix[name.toLowerCase()];
    if (bracket !== undefined && !generalCategories.test(name)) {
      if (negated) this.#refuse(`it has '\\P{${name}}'`);
      return bracket.startsWith('\\p') && bracket.indexOf('\\p', 1) === -1 ? bracket : this.#refuse(`it has '\\p{${name}}'`);
    }
    return `\\${negated ? 'P' : 'p'}{${generalCategories.test(name) ? name : `Script=${name}`}}`;
  }
}

function literal(character: string, ignoreCase: boolean): string {
  const variants = ignoreCase ? caseVariants(character) : [character];
  if (variants.length > 1) return `[${variants.map(classLiteral).join('')}]`;
  return /[\\^$.*+?()[\]{}|/]/.test(character) ? `\\${character}` : character;
}

function classLiteral(character: string): string {
  return /[\\^\]\-[]/.test(character) ? `\\${character}` : character;
}

/** Simple case folding: `s` is also `S` and `ſ`. */
function caseVariants(character: string): string[] {
  const variants = new Set([character, character.toLowerCase(), character.toUpperCase()]);
  if (variants.has('s')) variants.add('ſ');
  if (variants.has('k')) variants.add('\u212a');
  return [...variants].filter((variant) => Array.from(variant).length === 1);
}
