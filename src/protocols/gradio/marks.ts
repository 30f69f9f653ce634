/** What is marked in a picture as Gradio's AnnotatedImage has it: a picture a mark, drawn in a thread. */
import { ThreadPool } from '../../lib/thread-pool.ts';
import type { Box, MarkJob, MarkReply } from './mark-thread.ts';

export type { Box } from './mark-thread.ts';

/** A picture a box costs memory and time: the first ones are drawn, and all are told. */
const mostBoxes = 100;
const longestWorkMs = 60_000;

let threads: ThreadPool<MarkJob, MarkReply> | undefined;

/** The job's memory is handed over. */
function draw(job: MarkJob, memory: ArrayBuffer[]): Promise<MarkReply> {
  threads ??= new ThreadPool(new URL('./mark-thread.js', import.meta.url), 1);
  return threads.run(job, memory, undefined, longestWorkMs).catch(() => []);
}

/** The first hundred boxes, each in a picture as large as `picture`. Fewer where that is none. */
export function drawBoxes(picture: Uint8Array, boxes: readonly Box[]): Promise<MarkReply> {
  if (boxes.length === 0) return Promise.resolve([]);
  const copy = new Uint8Array(picture);
  return draw({ picture: copy, boxes: boxes.slice(0, mostBoxes) }, [copy.buffer]);
}

/** Masks that are white where something is, made transparent elsewhere. */
export function drawMasks(masks: readonly Uint8Array[]): Promise<MarkReply> {
  if (masks.length === 0) return Promise.resolve([]);
  const copies = masks.map((mask) => new Uint8Array(mask));
  return draw({ masks: copies }, copies.map(({ buffer }) => buffer));
}
