import { expect, it } from 'vitest';
import { Call } from '../../src/call.ts';
import { isModelportError } from '../../src/errors.ts';
import { audioElements } from '../../src/tasks/audio/audio-threads.ts';
import { holdBytes } from '../../src/tasks/request/waiting-bytes.ts';
import { TaskThreads } from '../../src/tasks/request/task-threads.ts';

const mebibyte = 1 << 20;

it('counts what waits for any thread, and lets one thing alone be larger', () => {
  const all = holdBytes(1000 * mebibyte, 'pictures');
  expect(() => holdBytes(1, 'recordings')).toThrow(/1000 MiB of requests wait for a thread already, so no more recordings are taken/);
  all();
  all();
  const half = holdBytes(200 * mebibyte, 'pictures');
  expect(() => holdBytes(100 * mebibyte, 'pictures')).toThrow(expect.objectContaining({ code: 'QUEUE_FULL', retryAfterSeconds: 1 }));
  const rest = holdBytes(56 * mebibyte, 'pictures');
  half();
  rest();
  holdBytes(256 * mebibyte, 'pictures')();
});

it('refuses recordings beyond it, and takes them again when others are done', async () => {
  const noise = new Uint8Array(60 * mebibyte);
  const plan = { maxSeconds: 30 } as Parameters<typeof audioElements>[1];
  const codes = async (count: number): Promise<string[]> =>
    (await Promise.allSettled(Array.from({ length: count }, () => audioElements(noise, plan, 'audio', new Call())))).map((result) => (result.status === 'rejected' && isModelportError(result.reason) ? result.reason.code : 'fulfilled'));
  expect(await codes(6)).toEqual(['INVALID_VALUE', 'INVALID_VALUE', 'INVALID_VALUE', 'INVALID_VALUE', 'QUEUE_FULL', 'QUEUE_FULL']);
  expect(await codes(1)).toEqual(['INVALID_VALUE']);
});

it('says that work was ended, and gives its bytes free', async () => {
  const module = new URL(`data:text/javascript,${encodeURIComponent("import { parentPort } from 'node:worker_threads'; parentPort.on('message', (job) => { while (job.loops); parentPort.postMessage({ done: job }); });")}`);
  const threads = new TaskThreads<{ loops: boolean }, { done: object }>(module, 'texts');
  await expect(threads.run({ loops: true }, { sizeBytes: 300 * mebibyte, limitMs: 50 })).rejects.toMatchObject({ code: 'RUN_FAILED', message: 'the thread that works on texts was ended, because it needed more than 50 ms' });
  await expect(threads.run({ loops: false }, { sizeBytes: 300 * mebibyte })).resolves.toEqual({ done: { loops: false } });
});
