import { expect, test } from 'vitest';
import { DecimalScanner } from '../../src/lib/decimal.ts';
import { fuzzRuns, random } from '../fixtures/random.ts';

const scanner = new DecimalScanner();
const encoder = new TextEncoder();

/** Scans the whole text; undefined where it is no number of JSON. */
function scan(text: string): DecimalScanner | undefined {
  const bytes = encoder.encode(text);
  return scanner.scan(bytes, 0) === bytes.length ? scanner : undefined;
}

function check(text: string): void {
  const read = scan(text);
  // Plain conditions: an expect for each of 100,000 numbers takes longer than reading them.
  if (read?.text() !== text) expect.fail(`${text} was not read to its end`);
  if (!Object.is(read.toDouble(), Number(text))) expect.fail(`${text} → ${read.toDouble()}`);
  if (!Object.is(read.toFloat32(), Math.fround(Number(text)))) expect.fail(`${text} → float32 ${read.toFloat32()}`);
}

test('reads the numbers that are hard to round', () => {
  const hard = [
    '0', '-0', '0.0', '-0.0', '0e5', '0e-999', '1e400', '-1e400', '1e-400', '4.9e-324', '2.4703282292062327e-324', '2.4703282292062328e-324', '2.2250738585072014e-308', '2.2250738585072011e-308',
    '1.7976931348623157e308', '1.7976931348623159e308', '9007199254740993', '9007199254740993.0', '9007199254740992.9999999999999999', '123456789012345678901234567890', `0.${'0'.repeat(400)}1`, `1${'0'.repeat(400)}`,
    '1e999999999', '1e-999999999', '3.4028235677973366e38', '3.4028234663852886e38', '1.401298464324817e-45', '7.006492321624085e-46', '7.0064923216240853546186479164495e-46', '1.00000005960464477539062500000000000000000000000001',
    '1.00000005960464477539062499999999999999999999999999', '16777217', '16777217.0000000001', '8.5899346e+9', '0.000000000000000000000000000000000000011754942807573643', '5e-1', '5E+1', '1.5e3',
  ];
  for (const text of hard) check(text);
});

test('refuses what the grammar of JSON refuses', () => {
  for (const text of ['', '-', '+1', '01', '-01', '1.', '.5', '-.5', '1e', '1e+', '1.e5', '0x10', '1_000', 'Infinity', 'NaN', '--1', '1..2', '1,5', ' 1', '1 ', '００']) expect(scan(text), JSON.stringify(text)).toBeUndefined();
});

test('says where a number stops being one', () => {
  expect(scanner.scan(encoder.encode('1.x'), 0)).toBe(-1 - 2);
  expect(scanner.scan(encoder.encode('x1.5,'), 1)).toBe(4);
  expect(scanner.scan(encoder.encode('-'), 0)).toBe(-1 - 1);
});

test('tells integers from what only looks like one', () => {
  const integers: [string, number][] = [['0', 0], ['-0', 0], ['12', 12], ['-7', -7], ['1.0', 1], ['1e3', 1000], ['1.5e1', 15], ['9007199254740991', Number.MAX_SAFE_INTEGER], ['100000000000000000000e-18', 100], ['1.00000000000000000000', 1]];
  for (const [text, value] of integers) expect(scan(text)!.toSafeInteger(), text).toBe(value);
  for (const text of ['1.5', '1e-1', '9007199254740993', '1e300', '1.00000000000000000001', '0.99999999999999999999']) expect(scan(text)!.toSafeInteger(), text).toBeNaN();
});

test('fuzz: reads random numbers as the platform does, in every notation', () => {
  const source = random(1);
  const view = new DataView(new ArrayBuffer(8));
  for (let run = 0; run < fuzzRuns * 5; run++) {
    view.setUint32(0, source.integer(0, 0xffffffff));
    view.setUint32(4, source.integer(0, 0xffffffff));
    const any = view.getFloat64(0);
    if (Number.isFinite(any)) check(String(any));
    const usual = (source.next() - 0.5) * 10 ** source.integer(-20, 20);
    check(String(usual));
    check(usual.toPrecision(source.integer(1, 40)));
    check(String(Math.fround(usual)));
    if (Math.abs(usual) < 1e20) check(usual.toFixed(source.integer(0, 60)));
    // Just beside the middle of two float32: what is closest to being rounded wrongly.
    const float = Math.fround(source.next());
    const middle = float + 2 ** (Math.floor(Math.log2(float)) - 24);
    check(middle.toPrecision(17));
    check(`${middle.toFixed(40)}1`);
  }
});
