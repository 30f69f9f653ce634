import { afterEach, expect, test } from 'vitest';
import { ThreadPool, TooLongError } from '../../src/lib/thread-pool.ts';

/** A module of one line as a URL that a thread can load. */
function moduleOf(code: string): URL {
  return new URL(`data:text/javascript,${encodeURIComponent(`import { parentPort } from 'node:worker_threads'; parentPort.on('message', (task) => { ${code} });`)}`);
}

const pools: ThreadPool<unknown, unknown>[] = [];

function pool(code: string, size: number): ThreadPool<unknown, unknown> {
  const made = new ThreadPool<unknown, unknown>(moduleOf(code), size);
  pools.push(made);
  return made;
}

afterEach(async () => {
  for (const made of pools.splice(0)) await made.close();
});

test('every task is answered, whatever the number of threads', async () => {
  const threads = pool('parentPort.postMessage(task * 2);', 2);
  const answers = await Promise.all(Array.from({ length: 50 }, (_, index) => threads.run(index)));
  expect(answers).toEqual(Array.from({ length: 50 }, (_, index) => index * 2));
});

test('a transferred buffer is gone here and arrives there', async () => {
  const threads = pool('parentPort.postMessage(task.length);', 1);
  const bytes = new Uint8Array(1000);
  await expect(threads.run(bytes, [bytes.buffer])).resolves.toBe(1000);
  expect(bytes.length).toBe(0);
});

test('a task that nobody waits for any more is not sent', async () => {
  const threads = pool('parentPort.postMessage(globalThis.count = (globalThis.count ?? 0) + 1);', 1);
  const first = threads.run('a');
  const second = threads.run('b', [], () => new Error('gone'));
  const third = threads.run('c');
  await expect(second).rejects.toThrow('gone');
  expect(await first).toBe(1);
  expect(await third).toBe(2);
});

test('a thread that dies fails its own task only, and the next one gets a new thread', async () => {
  const threads = pool("if (task === 'die') throw new Error('broken'); if (task === 'exit') process.exit(3); parentPort.postMessage(task);", 1);
  const dying = threads.run('die');
  const waiting = threads.run('well');
  await expect(dying).rejects.toThrow('broken');
  await expect(waiting).resolves.toBe('well');
  await expect(threads.run('exit')).rejects.toThrow('exit code 3');
  await expect(threads.run('again')).resolves.toBe('again');
});

test('a thread that works too long is ended, and the next task gets a new one', async () => {
  const threads = pool("if (task === 'loop') for (;;); parentPort.postMessage(task);", 1);
  const looping = threads.run('loop', [], undefined, 100);
  const waiting = threads.run('well', [], undefined, 60_000);
  await expect(looping).rejects.toThrow(TooLongError);
  await expect(waiting).resolves.toBe('well');
});

test('what can not be sent is refused and the thread goes on', async () => {
  const threads = pool('parentPort.postMessage(task);', 1);
  await expect(threads.run(() => 1)).rejects.toThrow();
  await expect(threads.run(1)).resolves.toBe(1);
});

test('closing rejects what was not done', async () => {
  const threads = pool('setTimeout(() => parentPort.postMessage(task), 100000);', 1);
  const running = threads.run(1);
  const queued = threads.run(2);
  const settled = Promise.allSettled([running, queued]);
  await threads.close();
  expect((await settled).map((result) => result.status)).toEqual(['rejected', 'rejected']);
  await expect(threads.run(3)).rejects.toThrow('closed');
});
