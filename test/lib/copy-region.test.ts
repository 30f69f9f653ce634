import fc from 'fast-check';
import { expect, it } from 'vitest';
import { copyRegion } from '../../src/lib/copy-region.ts';

const axis = fc.record({ size: fc.integer({ min: 0, max: 4 }), from: fc.integer({ min: 0, max: 2 }), after: fc.integer({ min: 0, max: 2 }), to: fc.integer({ min: 0, max: 2 }), rest: fc.integer({ min: 0, max: 2 }) });

function indices(shape: readonly number[]): number[][] {
  return shape.reduce<number[][]>((all, size) => all.flatMap((index) => Array.from({ length: size }, (_, position) => [...index, position])), [[]]);
}

const flat = (index: readonly number[], shape: readonly number[]) => index.reduce((offset, position, at) => offset * shape[at]! + position, 0);

it.each(['typed', 'plain'])('copies exactly the region, element by element (%s arrays)', (kind) => {
  fc.assert(
    fc.property(fc.array(axis, { maxLength: 4 }), (axes) => {
      const size = axes.map((one) => one.size);
      const sourceShape = axes.map((one) => one.from + one.size + one.after);
      const targetShape = axes.map((one) => one.to + one.size + one.rest);
      const numbers = indices(sourceShape).map((_, position) => position + 1);
      const empty = indices(targetShape).map(() => 0);
      const source = kind === 'typed' ? Float32Array.from(numbers) : numbers;
      const target = kind === 'typed' ? Float32Array.from(empty) : empty;
      const expected = indices(targetShape).map(() => 0);
      for (const index of indices(size)) {
        expected[flat(index.map((position, at) => position + axes[at]!.to), targetShape)] = numbers[flat(index.map((position, at) => position + axes[at]!.from), sourceShape)]!;
      }
      copyRegion({ data: source as number[], shape: sourceShape, start: axes.map((one) => one.from) }, { data: target as number[], shape: targetShape, start: axes.map((one) => one.to) }, size);
      expect(Array.from(target)).toEqual(expected);
    }),
    { numRuns: 500, seed: 11 },
  );
});
