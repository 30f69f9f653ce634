import { expect, test } from 'vitest';
import { didYouMean, nearest } from '../../src/lib/nearest.ts';

test.each([
  ['instnces', ['instances', 'inputs'], 'instances'],
  ['insatnces', ['instances', 'inputs'], 'instances'],
  ['INSTANCES', ['instances'], 'instances'],
  ['maxBatchSize', ['maxSize', 'maxBatch_size'], 'maxBatch_size'],
  ['y', ['x', 'mask'], undefined],
  ['xy', ['x', 'zz'], undefined],
  ['something', ['else', 'entirely'], undefined],
  ['', ['x'], undefined],
  ['x', [], undefined],
])('%s of %j', (word, candidates, expected) => {
  expect(nearest(word, candidates)).toBe(expected);
});

test('as the end of a sentence', () => {
  expect(didYouMean('cuont', ['count'])).toBe(": did you mean 'count'?");
  expect(didYouMean('q', ['count'])).toBe('');
});

test('long words cost nothing', () => {
  expect(nearest('x'.repeat(1_000_000), ['y'.repeat(1_000_000), 'x'])).toBeUndefined();
});
