import { describe, expect, it } from 'vitest';
import {
  addDimensions, ceilDivideDimension, divideDimensions, floorDivideDimension, isNeverNegative, isUnknownDimension, multiplyDimensions, productOfDimensions, subtractDimensions, unknownDimension,
  type Dimension,
} from '../../src/onnx/dimension.ts'; // prettier-ignore
import { fuzzRuns, random } from '../fixtures/random.ts';

describe('sizes that have names', () => {
  it('are written in one form', () => {
    expect(addDimensions('b', 'a')).toBe('a + b');
    expect(addDimensions(addDimensions('a', 1), -1)).toBe('a');
    expect(multiplyDimensions(addDimensions('n', 1), 2)).toBe('2*n + 2');
    expect(multiplyDimensions('b', multiplyDimensions('a', 'b'))).toBe('a*b*b');
    expect(subtractDimensions('n', 'n')).toBe(0);
    expect(subtractDimensions(3, 'n')).toBe('-n + 3');
    expect(productOfDimensions([])).toBe(1);
    expect(floorDivideDimension(addDimensions(multiplyDimensions('n', 4), 5), 4)).toBe('n + 1');
    expect(floorDivideDimension('n', 2)).toBe('floor(n/2)');
    expect(ceilDivideDimension('n', 2)).toBe('floor((n + 1)/2)');
    expect(floorDivideDimension('floor((n + 1)/2)', 2)).toBe('floor(floor((n + 1)/2)/2)');
    expect(divideDimensions(multiplyDimensions(multiplyDimensions('a', 6), 'b'), multiplyDimensions('b', 2))).toBe('3*a');
    expect(divideDimensions('a', 'b')).toBeUndefined();
    expect(isNeverNegative('n - 1')).toBe(false);
    expect(isNeverNegative('2*n + 1')).toBe(true);
  });

  it('that are not known never equal another', () => {
    const [a, b] = [unknownDimension(), unknownDimension()];
    expect(a).not.toBe(b);
    expect(subtractDimensions(a, a)).toBe(0);
    expect(isUnknownDimension(addDimensions(a, b))).toBe(true);
  });

  it.each(['batch size', 'batch-size', 'a+b', '1', 'n - ', ' + ', '?', 'floor(', 'x*'])('a name that is no expression stays a name: "%s"', (name) => {
    expect(addDimensions(name, 0)).toBe(name);
    expect(subtractDimensions(name, name)).toBe(0);
  });
});

it('fuzz: expressions have the value of what they were made from', () => {
  const { integer, pick } = random(7);
  for (let run = 0; run < fuzzRuns; run++) {
    const values: Record<string, number> = { a: integer(0, 9), b: integer(0, 9), batch_size: integer(0, 9) };
    let pool: { dimension: Dimension; value: number }[] = [...Object.entries(values).map(([dimension, value]) => ({ dimension: dimension as Dimension, value })), { dimension: 3, value: 3 }];
    for (let step = 0; step < 6; step++) {
      const [x, y, divisor] = [pick(pool), pick(pool), integer(1, 4)];
      const made = pick([
        () => ({ dimension: addDimensions(x.dimension, y.dimension), value: x.value + y.value }),
        () => ({ dimension: subtractDimensions(x.dimension, y.dimension), value: x.value - y.value }),
        () => ({ dimension: multiplyDimensions(x.dimension, y.dimension), value: x.value * y.value }),
        () => ({ dimension: floorDivideDimension(x.dimension, divisor), value: Math.floor(x.value / divisor) }),
        () => ({ dimension: ceilDivideDimension(x.dimension, divisor), value: Math.ceil(x.value / divisor) }),
      ])();
      pool = [...pool, made];
      if (isUnknownDimension(made.dimension)) continue;
      if (isNeverNegative(made.dimension) && made.value < 0) throw new Error(`${made.dimension} is ${made.value}`);
      if (step === 5 && evaluate(made.dimension, values) !== made.value + 0) throw new Error(`${made.dimension} is ${evaluate(made.dimension, values)}, not ${made.value}`);
    }
  }
});

/** A second reading of the text: sums of products of numbers, names and quotients rounded down. */
function evaluate(dimension: Dimension, values: Record<string, number>): number {
  let rest = String(dimension);
  const take = (text: string): boolean => {
    if (!rest.startsWith(text)) return false;
    rest = rest.slice(text.length);
    return true;
  };
  const factor = (): number => {
    if (take('floor(')) {
      const inner = take('(') ? sum() : product();
      take(')');
      if (!take('/')) throw new Error(`no divisor in ${dimension}`);
      const quotient = Math.floor(inner / factor());
      if (!take(')')) throw new Error(`no end in ${dimension}`);
      return quotient;
    }
    const [word] = /^\w+/.exec(rest) ?? [''];
    if (!take(word) || word === '') throw new Error(`nothing to read in ${dimension}`);
    return values[word] ?? Number(word);
  };
  const product = (): number => {
    const sign = take('-') ? -1 : 1;
    let value = factor();
    while (take('*')) value *= factor();
    return sign * value;
  };
  const sum = (): number => {
    let value = product();
    for (;;) {
      if (take(' + ')) value += product();
      else if (take(' - ')) value -= product();
      else return value;
    }
  };
  const value = sum();
  if (rest !== '') throw new Error(`"${rest}" is left of ${dimension}`);
  return value + 0;
}
