import { expect, test } from 'vitest';
import { fromBfloat16, fromHalf, toBfloat16, toHalf } from '../../src/lib/half-float.ts';
import { fuzzRuns, random } from '../fixtures/random.ts';

test('every half and bfloat16 survives the way there and back', () => {
  for (let bits = 0; bits < 65536; bits++) {
    const half = fromHalf(bits);
    if (Number.isNaN(half)) expect(Number.isNaN(fromHalf(toHalf(half)))).toBe(true);
    else if (toHalf(half) !== bits) expect.fail(`half ${bits} became ${toHalf(half)}`);
    const bfloat = fromBfloat16(bits);
    if (Number.isNaN(bfloat)) expect(Number.isNaN(fromBfloat16(toBfloat16(bfloat)))).toBe(true);
    else if (toBfloat16(bfloat) !== bits) expect.fail(`bfloat16 ${bits} became ${toBfloat16(bfloat)}`);
  }
});

test('known values', () => {
  expect([toHalf(1), toHalf(-2), toHalf(65504), toHalf(65519.99), toHalf(65520), toHalf(0.1), toHalf(5.960464477539063e-8), toHalf(-0), toHalf(Infinity)]).toEqual([0x3c00, 0xc000, 0x7bff, 0x7bff, 0x7c00, 0x2e66, 1, 0x8000, 0x7c00]);
  expect([toBfloat16(1), toBfloat16(-2), toBfloat16(3.14159), toBfloat16(-0), toBfloat16(-Infinity), toBfloat16(3.4e38)]).toEqual([0x3f80, 0xc000, 0x4049, 0x8000, 0xff80, 0x7f80]);
});

test('fuzz: rounds to the nearest, ties to even, straight from the double', () => {
  const source = random(2);
  const nearest = (value: number, lower: number, from: (bits: number) => number): number => {
    const middle = (from(lower) + from(lower + 1)) / 2;
    return value < middle ? lower : value > middle ? lower + 1 : lower % 2 === 0 ? lower : lower + 1;
  };
  for (let run = 0; run < fuzzRuns; run++) {
    for (const [largest, from, to] of [[0x7bfe, fromHalf, toHalf], [0x7f7e, fromBfloat16, toBfloat16]] as const) {
      const lower = source.integer(from === fromHalf ? 0 : 0x80, largest);
      const middle = (from(lower) + from(lower + 1)) / 2;
      // A double next to the middle becomes the middle itself as a float32: it must not be rounded twice.
      for (const value of [middle, middle * (1 + 2 ** -52), middle * (1 - 2 ** -53), from(lower) + source.next() * (from(lower + 1) - from(lower))]) {
        expect(to(value), String(value)).toBe(nearest(value, lower, from));
        expect(to(-value)).toBe(0x8000 | nearest(value, lower, from));
      }
    }
  }
});
