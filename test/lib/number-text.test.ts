import { expect, test } from 'vitest';
import { float32Text, float64Text } from '../../src/lib/number-text.ts';
import { fuzzRuns, random } from '../fixtures/random.ts';

const float = new Float32Array(1);
const bits = new Uint32Array(float.buffer);

function digits(text: string): number {
  return text.replace(/^-/, '').replace(/e.*/, '').replace('.', '').replace(/^0+/, '').replace(/0+$/, '').length;
}

/** How many digits a float32 needs, by trying. */
function needed(value: number): number {
  for (let precision = 1; precision < 9; precision++) if (Math.fround(Number(value.toPrecision(precision))) === value) return digits(value.toPrecision(precision));
  return 9;
}

test('known values', () => {
  const texts: [number, string][] = [[0.1, '0.1'], [5.1, '5.1'], [1, '1.0'], [-0, '-0.0'], [0, '0.0'], [16777216, '16777216.0'], [3.4028234663852886e38, '3.4028235e+38'], [1e21, '1e+21'], [1.401298464324817e-45, '1e-45'], [1.1754943508222875e-38, '1.1754944e-38'], [NaN, 'NaN'], [Infinity, 'Infinity'], [-Infinity, '-Infinity'], [0.3333333432674408, '0.33333334'], [123456.789, '123456.79']];
  for (const [value, text] of texts) expect(float32Text(Math.fround(value))).toBe(text);
  expect([0.1, 1, -0, 1e21, 1e20, NaN, 5e-324, 123456789.125].map(float64Text)).toEqual(['0.1', '1.0', '-0.0', '1e+21', '100000000000000000000.0', 'NaN', '5e-324', '123456789.125']);
});

test('fuzz: every float32 reads back as itself, from the shortest text', () => {
  const source = random(3);
  const check = (value: number): void => {
    const text = float32Text(value);
    if (Number.isNaN(value)) return;
    if (!Object.is(Math.fround(Number(text)), value)) expect.fail(`${value} → ${text}`);
    if (value % 1 !== 0 && digits(text) > needed(value)) expect.fail(`${value} → ${text}, though ${needed(value)} digits are enough`);
  };
  for (let exponent = 0; exponent < 256; exponent++) {
    for (let step = -2; step <= 2; step++) {
      bits[0] = (exponent << 23) + step;
      check(float[0]!);
    }
  }
  for (let run = 0; run < fuzzRuns * 5; run++) {
    bits[0] = source.integer(0, 0xffffffff);
    check(float[0]!);
    check(Math.fround(source.next()));
    check(Math.fround(Number((source.next() * 1000).toFixed(3))));
  }
});
