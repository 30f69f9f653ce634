import { describe, expect, it } from 'vitest';
import { inOrder, untilAborted } from '../../src/lib/in-order.ts';

async function* numbers(count: number, taken: number[] = []): AsyncGenerator<number> {
  for (let number = 0; number < count; number++) {
    taken.push(number);
    yield number;
  }
}

describe('in order', () => {
  it('results come in the order of inputs, no more than so many under way', async () => {
    let [running, most] = [0, 0];
    const results: number[] = [];
    const work = async (number: number): Promise<number> => {
      most = Math.max(most, ++running);
      for (let turn = 0; turn < (number * 7) % 5; turn++) await new Promise(setImmediate);
      running--;
      return number * 10;
    };
    for await (const result of inOrder(numbers(50), 4, work)) results.push(result);
    expect(results).toEqual(Array.from({ length: 50 }, (_, index) => index * 10));
    expect(most).toBe(4);
  });

  it('a result does not wait for an input that has not come', async () => {
    let more!: () => void;
    const inputs = (async function* () {
      yield 1;
      await new Promise<void>((resolve) => (more = resolve));
      yield 2;
    })();
    const results = inOrder(inputs, 8, async (number) => number);
    expect(await results.next()).toEqual({ done: false, value: 1 });
    more();
    expect(await results.next()).toEqual({ done: false, value: 2 });
    expect((await results.next()).done).toBe(true);
  });

  it('takes no more inputs than it needs, and lets a consumer leave', async () => {
    const taken: number[] = [];
    for await (const result of inOrder(numbers(1000, taken), 3, async (number) => number)) if (result === 5) break;
    expect(taken.length).toBeLessThanOrEqual(10);
  });

  it('passes on what the source throws', async () => {
    const broken = (async function* (): AsyncGenerator<number> {
      yield 1;
      throw new Error('broken');
    })();
    await expect(async () => {
      for await (const _ of inOrder(broken, 2, async (number) => number)) void _;
    }).rejects.toThrow('broken');
  });
});

describe('until aborted', () => {
  it('ends while its source is silent', async () => {
    const controller = new AbortController();
    const silent = (async function* () {
      yield 1;
      await new Promise(() => {});
    })();
    const values: unknown[] = [];
    for await (const value of untilAborted(silent, controller.signal)) {
      values.push(value);
      setImmediate(() => controller.abort());
    }
    expect(values).toEqual([1]);
  });

  it('gives everything where nobody aborts', async () => {
    const values: number[] = [];
    for await (const value of untilAborted(numbers(20), new AbortController().signal)) values.push(value);
    expect(values.length).toBe(20);
  });
});
