import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { AsyncQueue } from '../../src/lib/async-queue.ts';

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

async function settled(promise: Promise<unknown>): Promise<boolean> {
  let done = false;
  void promise.then(() => (done = true), () => (done = true));
  await turn();
  return done;
}

async function collect<T>(source: AsyncIterable<T>): Promise<T[]> {
  const values: T[] = [];
  for await (const value of source) values.push(value);
  return values;
}

describe('AsyncQueue', () => {
  test('gives values in order, then the end', async () => {
    const queue = new AsyncQueue<number>();
    void queue.push(1);
    void queue.push(2);
    queue.end();
    expect(await collect(queue)).toEqual([1, 2]);
    expect(await queue.push(3)).toBe(false);
    expect(await queue.next()).toEqual({ done: true, value: undefined });
  });

  test('gives waiting values before the error, and the error once', async () => {
    const queue = new AsyncQueue<number>();
    void queue.push(1);
    queue.fail(new Error('broken'));
    queue.end();
    expect(await queue.next()).toEqual({ done: false, value: 1 });
    await expect(queue.next()).rejects.toThrow('broken');
    expect(await queue.next()).toEqual({ done: true, value: undefined });
  });

  test('an error reaches the one who waits', async () => {
    const queue = new AsyncQueue<number>();
    const [first, second] = [queue.next(), queue.next()];
    queue.fail(new Error('broken'));
    await expect(first).rejects.toThrow('broken');
    expect(await second).toEqual({ done: true, value: undefined });
  });

  test('holds the producer back when full, one value for one taken', async () => {
    const queue = new AsyncQueue<number>({ capacity: 2 });
    expect(await settled(queue.push(1))).toBe(true);
    const second = queue.push(2);
    expect(await settled(second)).toBe(false);
    await queue.next();
    expect(await second).toBe(true);
    expect(queue.size).toBe(1);
  });

  test('a consumer that leaves frees the producer and is reported once', async () => {
    let abandoned = 0;
    const queue = new AsyncQueue<number>({ capacity: 1, onAbandon: () => abandoned++ });
    const held = queue.push(1);
    void queue.push(2);
    for await (const value of queue) {
      expect(value).toBe(1);
      break;
    }
    expect(await held).toBe(false);
    expect(await queue.push(3)).toBe(false);
    await queue.return();
    expect({ abandoned, size: queue.size }).toEqual({ abandoned: 1, size: 0 });
  });

  test('leaving after the end abandons nothing', async () => {
    let abandoned = 0;
    const queue = new AsyncQueue<number>({ onAbandon: () => abandoned++ });
    queue.end();
    await queue.return();
    expect(abandoned).toBe(0);
  });

  test('any interleaving of pushes and takes loses nothing and keeps the order', async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 4 }), fc.array(fc.boolean(), { maxLength: 300 }), async (capacity, actions) => {
        const queue = new AsyncQueue<number>({ capacity });
        const taken: Promise<IteratorResult<number>>[] = [];
        let pushed = 0;
        for (const push of actions) {
          if (push) void queue.push(pushed++);
          else taken.push(queue.next());
        }
        queue.end();
        const results = await Promise.all(taken);
        const values = [...results.filter((result) => !result.done).map((result) => result.value), ...(await collect(queue))];
        expect(values).toEqual(Array.from({ length: pushed }, (_, index) => index));
      }),
      { numRuns: 200, seed: 20261121 },
    );
  });
});
