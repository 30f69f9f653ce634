import { describe, expect, test } from 'vitest';
import { Call } from '../../src/call.ts';
import { AsyncQueue } from '../../src/lib/async-queue.ts';
import { cancellable } from '../../src/serving/streams.ts';

async function collect<T>(source: AsyncIterable<T>): Promise<T[]> {
  const values: T[] = [];
  for await (const value of source) values.push(value);
  return values;
}

describe('cancellable', () => {
  test('cancellation wakes who waits and returns the source', async () => {
    let abandoned = false;
    const source = new AsyncQueue<number>({ onAbandon: () => (abandoned = true) });
    const call = new Call();
    const iterator = cancellable(source, call)[Symbol.asyncIterator]();
    void source.push(1);
    expect(await iterator.next()).toEqual({ done: false, value: 1 });
    const waiting = iterator.next();
    call.cancel();
    await expect(waiting).rejects.toMatchObject({ code: 'CANCELLED' });
    expect(abandoned).toBe(true);
    expect(await iterator.next()).toEqual({ done: true, value: undefined });
  });

  test('a source that never wakes up does not hold the listener', async () => {
    const call = new Call();
    const endless = (async function* (): AsyncGenerator<number> {
      await new Promise(() => {});
      yield 1;
    })();
    const listening = collect(cancellable(endless, call));
    await new Promise((resolve) => setImmediate(resolve));
    call.cancel();
    await expect(listening).rejects.toMatchObject({ code: 'CANCELLED' });
  });

  test('cancellation between two values is heard at the next', async () => {
    const call = new Call();
    const source = new AsyncQueue<number>();
    void source.push(1);
    void source.push(2);
    const seen: number[] = [];
    await expect(
      (async () => {
        for await (const value of cancellable(source, call)) {
          seen.push(value);
          call.cancel();
        }
      })(),
    ).rejects.toMatchObject({ code: 'CANCELLED' });
    expect(seen).toEqual([1]);
    expect(await source.push(3)).toBe(false);
  });

  test('a listener that leaves early cancels the call and runs the cleanup of the source', async () => {
    const call = new Call();
    let cleaned = false;
    const source = (async function* (): AsyncGenerator<number> {
      try {
        yield 1;
        yield 2;
      } finally {
        cleaned = true;
      }
    })();
    for await (const value of cancellable(source, call)) {
      expect(value).toBe(1);
      break;
    }
    expect([cleaned, call.cancelled]).toEqual([true, true]);
  });

  test('a stream that was heard to its end cancels nothing', async () => {
    const call = new Call();
    const source = new AsyncQueue<number>();
    void source.push(1);
    source.end();
    expect(await collect(cancellable(source, call))).toEqual([1]);
    expect(call.cancelled).toBe(false);
    call.cancel();
  });

  test('errors of the source pass', async () => {
    const source = new AsyncQueue<number>();
    source.fail(new Error('broken'));
    await expect(collect(cancellable(source, new Call()))).rejects.toThrow('broken');
  });
});
