import { setImmediate as nextTurn } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { collectYoungGarbage } from '../../src/lib/collect-young-garbage.ts';

test('what nobody holds is collected, and nothing else', async () => {
  const held = { a: 1 };
  const references = [new WeakRef({ b: 2 }), new WeakRef(held)];
  // What a WeakRef was made of lives at least until the turn ends.
  await nextTurn();
  collectYoungGarbage();
  expect(references.map((reference) => reference.deref())).toEqual([undefined, { a: 1 }]);
});

test('the collector stays private', () => {
  collectYoungGarbage();
  expect((globalThis as { gc?: unknown }).gc).toBeUndefined();
});
