import { getPriority } from 'node:os';
import { Worker } from 'node:worker_threads';
import { expect, test } from 'vitest';

const entry = new URL('../../dist/lib/give-way.js', import.meta.url).href;

test.runIf(process.platform === 'linux')('a thread that computes stands behind the event loop, and it alone', async () => {
  const before = getPriority(0);
  const worker = new Worker(`import { parentPort } from 'node:worker_threads'; import { getPriority } from 'node:os'; import { giveWayToEventLoop } from '${entry}'; giveWayToEventLoop(); parentPort.postMessage(getPriority(0));`, { eval: true, execArgv: ['--input-type=module'] });
  const [inside] = await new Promise<[number]>((resolve, reject) => worker.on('message', (priority: number) => resolve([priority])).on('error', reject));
  await worker.terminate();
  expect(inside).toBe(Math.min(19, before + 5));
  expect(getPriority(0)).toBe(before);
});
