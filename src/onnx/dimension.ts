/**
 * Sizes of dimensions: numbers, names, and what is computed from them (`2*height + 1`, `floor((width - 1)/2)`), each in one
 * normal form, so that equal text means equal size. A size of which nothing is known is a new name that starts with `?`.
 *
 * A name that comes from a file is read as such an expression only where it is written exactly so; any other is one name.
 */
export type Dimension = number | string;
export type Shape = readonly Dimension[];

/** A sum: coefficient by product of names, '' being the constant. The names of a product are sorted and joined by `*`. */
type Sum = ReadonlyMap<string, number>;

let fresh = 0;

/** A size of which nothing is known, not even that it equals another. */
export function unknownDimension(): string {
  return `?${++fresh}`;
}

/** A shape of which only the rank is known; undefined where no value can have such a rank. */
export function unknownShape(rank: number): Shape | undefined {
  return Number.isInteger(rank) && rank >= 0 && rank <= 64 ? Array.from({ length: rank }, unknownDimension) : undefined;
}

export function isUnknownDimension(dimension: Dimension): boolean {
  return typeof dimension === 'string' && dimension.includes('?');
}

export function addDimensions(a: Dimension, b: Dimension): Dimension {
  if (typeof a === 'number' && typeof b === 'number') return a + b;
  return textOf(combine(sumOf(a), sumOf(b), 1));
}

export function subtractDimensions(a: Dimension, b: Dimension): Dimension {
  if (typeof a === 'number' && typeof b === 'number') return a - b;
  return textOf(combine(sumOf(a), sumOf(b), -1));
}

export function multiplyDimensions(a: Dimension, b: Dimension): Dimension {
  if (typeof a === 'number' && typeof b === 'number') return a * b;
  const left = sumOf(a);
  const right = sumOf(b);
  if (left.size * right.size > 64) return unknownDimension();
  const product = new Map<string, number>();
  for (const [names, coefficient] of left) {
    for (const [otherNames, otherCoefficient] of right) {
      const key = [...factors(names), ...factors(otherNames)].sort().join('*');
      product.set(key, (product.get(key) ?? 0) + coefficient * otherCoefficient);
    }
  }
  return textOf(product);
}

/** The product of all; 1 where there are none. */
export function productOfDimensions(dimensions: readonly Dimension[]): Dimension {
  return dimensions.reduce(multiplyDimensions, 1);
}

/** Rounded down. `divisor` is a positive integer. */
export function floorDivideDimension(dimension: Dimension, divisor: number): Dimension {
  if (typeof dimension === 'number') return Math.floor(dimension / divisor);
  if (divisor === 1) return dimension;
  const whole = new Map<string, number>();
  const rest = new Map<string, number>();
  for (const [names, coefficient] of sumOf(dimension)) {
    const remainder = names === '' ? ((coefficient % divisor) + divisor) % divisor : coefficient % divisor;
    if (remainder !== 0) rest.set(names, remainder);
    whole.set(names, (coefficient - remainder) / divisor);
  }
  // What is left is between 0 and 1 where it is only a number.
  if (rest.size > 0 && !(rest.size === 1 && rest.has(''))) {
    const text = String(textOf(rest));
    whole.set(`floor(${splitTerms(text).length > 1 ? `(${text})` : text}/${divisor})`, 1);
  }
  return textOf(whole);
}

/** Rounded up. `divisor` is a positive integer. */
export function ceilDivideDimension(dimension: Dimension, divisor: number): Dimension {
  return floorDivideDimension(addDimensions(dimension, divisor - 1), divisor);
}

/** The quotient of a division that is known to leave no rest; undefined where it cannot be told. */
export function divideDimensions(dimension: Dimension, divisor: Dimension): Dimension | undefined {
  if (dimension === divisor) return 1;
  if (divisor === 0) return undefined;
  if (typeof divisor === 'number') {
    if (typeof dimension === 'number') return dimension % divisor === 0 ? dimension / divisor : undefined;
    return floorDivideDimension(dimension, divisor);
  }
  const by = sumOf(divisor);
  if (by.size !== 1) return undefined;
  const [[divisorNames, divisorCoefficient]] = [...by] as [[string, number]];
  const quotient = new Map<string, number>();
  for (const [names, coefficient] of sumOf(dimension)) {
    const left = factors(names);
    for (const factor of factors(divisorNames)) {
      const index = left.indexOf(factor);
      if (index === -1) return undefined;
      left.splice(index, 1);
    }
    if (coefficient % divisorCoefficient !== 0) return undefined;
    quotient.set(left.join('*'), coefficient / divisorCoefficient);
  }
  return textOf(quotient);
}

/** Whether it cannot be negative, sizes themselves never being so. */
export function isNeverNegative(dimension: Dimension): boolean {
  if (typeof dimension === 'number') return dimension >= 0;
  // What was rounded down may have been negative before.
  for (const [names, coefficient] of sumOf(dimension)) if (coefficient < 0 || (names.includes('floor(') && names.includes('-'))) return false;
  return true;
}

function combine(a: Sum, b: Sum, sign: number): Sum {
  const sum = new Map(a);
  for (const [names, coefficient] of b) sum.set(names, (sum.get(names) ?? 0) + sign * coefficient);
  return sum;
}

/** `*` inside the parentheses of a `floor` divides no factors. */
function factors(names: string): string[] {
  if (names === '') return [];
  if (!names.includes('(')) return names.split('*');
  const parts: string[] = [];
  let depth = 0;
  let start = 0;
  for (let index = 0; index < names.length; index++) {
    const character = names[index];
    if (character === '(') depth++;
    else if (character === ')') depth--;
    else if (character === '*' && depth === 0) {
      parts.push(names.slice(start, index));
      start = index + 1;
    }
  }
  parts.push(names.slice(start));
  return parts;
}

function textOf(sum: Sum): Dimension {
  const terms = [...sum].filter(([, coefficient]) => coefficient !== 0).sort(([a], [b]) => (a === '' ? 1 : b === '' ? -1 : a < b ? -1 : 1));
  if (terms.length === 0) return 0;
  if (terms.length === 1 && terms[0]![0] === '') return terms[0]![1];
  let text = '';
  for (const [names, coefficient] of terms) {
    const magnitude = Math.abs(coefficient);
    const term = names === '' ? String(magnitude) : magnitude === 1 ? names : `${magnitude}*${names}`;
    if (text === '') text = coefficient < 0 ? `-${term}` : term;
    else text += coefficient < 0 ? ` - ${term}` : ` + ${term}`;
  }
  // A size that grows out of all measure says no more than that it is not known.
  return text.length > 400 ? unknownDimension() : text;
}

const sums = new Map<string, Sum>();

function sumOf(dimension: Dimension): Sum {
  if (typeof dimension === 'number') return new Map(dimension === 0 ? [] : [['', dimension]]);
  let sum = sums.get(dimension);
  if (sum === undefined) {
    if (sums.size > 20_000) sums.clear();
    sums.set(dimension, (sum = parse(dimension) ?? new Map([[dimension === '' ? '?' : dimension, 1]])));
  }
  return sum;
}

/** Undefined where the text is not in the normal form: it is then a name. */
function parse(text: string): Sum | undefined {
  if (text.length > 400 || !/[*+\- ]/.test(text)) return undefined;
  const sum = new Map<string, number>();
  for (const [index, part] of splitTerms(text).entries()) {
    const match = /^( [+-] |-)?(?:(\d{1,15})(?:\*(.+))?|(.+))$/s.exec(part);
    if (match === null) return undefined;
    const [, sign = '', number, scaled, bare] = match;
    if ((index > 0) !== (sign.length === 3)) return undefined;
    const names = scaled ?? bare ?? '';
    if (names !== '' && !factors(names).every((factor) => /^(?:[\p{L}_?][\p{L}\p{N}_.?:]*|floor\(.+\/\d+\))$/su.test(factor))) return undefined;
    const key = factors(names).sort().join('*');
    sum.set(key, (sum.get(key) ?? 0) + (sign.includes('-') ? -1 : 1) * Number(number ?? 1));
  }
  return sum;
}

/** Terms with the sign before them; signs inside parentheses divide nothing. */
function splitTerms(text: string): string[] {
  const terms: string[] = [];
  let depth = 0;
  let start = 0;
  for (let index = 0; index < text.length; index++) {
    const character = text[index];
    if (character === '(') depth++;
    else if (character === ')') depth--;
    else if (depth === 0 && index > start && (text.startsWith(' + ', index) || text.startsWith(' - ', index))) {
      terms.push(text.slice(start, index));
      start = index;
      index += 2;
    }
  }
  terms.push(text.slice(start));
  return terms;
}
