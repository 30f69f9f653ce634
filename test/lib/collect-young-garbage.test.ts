import { getHeapSpaceStatistics } from 'node:v8';
import { expect, test } from 'vitest';
import { collectYoungGarbage } from '../../src/lib/collect-young-garbage.ts';

const youngBytes = (): number => getHeapSpaceStatistics().find((space) => space.space_name === 'new_space')!.space_used_size;

test('the nursery is emptied of what nobody holds, and nothing else', () => {
  const held = { a: 1 };
  collectYoungGarbage();
  const emptyBytes = youngBytes();
  let last: number[] = [];
  // Some hundred kilobytes: not enough that V8 would collect by itself.
  for (let round = 0; round < 1000; round++) last = Array.from({ length: 50 }, (_, index) => index + round);
  expect(last).toHaveLength(50);
  const filledBytes = youngBytes();
  expect(filledBytes - emptyBytes).toBeGreaterThan(100_000);
  collectYoungGarbage();
  expect(youngBytes()).toBeLessThan(filledBytes - 100_000);
  expect(held).toEqual({ a: 1 });
});

test('the collector stays private', () => {
  collectYoungGarbage();
  expect((globalThis as { gc?: unknown }).gc).toBeUndefined();
});
