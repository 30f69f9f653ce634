/** A worker thread that draws what is marked in a picture, each mark a picture of the same size: transparent, and red where the mark is. See `marks.ts`, which owns it. */
import { parentPort } from 'node:worker_threads';
import { giveWayToEventLoop } from '../../lib/give-way.ts';
import sharp from 'sharp';
import { redPng } from './indexed-png.ts';

giveWayToEventLoop();

export interface Box {
  readonly xmin: number;
  readonly ymin: number;
  readonly xmax: number;
  readonly ymax: number;
}

export type MarkJob = { readonly picture: Uint8Array; readonly boxes: readonly Box[] } | { readonly masks: readonly Uint8Array[] };
/** As many as were asked for; undefined where a picture or mask is none. */
export type MarkReply = readonly (Uint8Array | undefined)[];

const port = parentPort!;
const limits = { limitInputPixels: 50_000_000 } as const;
/** As Gradio draws boxes. */
const borderPixels = 3;

port.on('message', (job: MarkJob) => {
  void draw(job)
    .catch((): MarkReply => [])
    .then((reply) => port.postMessage(reply));
});

async function draw(job: MarkJob): Promise<MarkReply> {
  if ('masks' in job) return Promise.all(job.masks.map((mask) => coloured(mask).catch(() => undefined)));
  // What cameras turn is turned back before anything is found in it.
  const { autoOrient } = await sharp(job.picture, limits).metadata();
  return job.boxes.map((box) => drawBox(box, autoOrient.width, autoOrient.height));
}

function drawBox({ xmin, ymin, xmax, ymax }: Box, width: number, height: number): Uint8Array {
  const rows = new Uint8Array((width + 1) * height);
  const [left, right] = [Math.max(0, xmin), Math.min(width, xmax)];
  const [top, bottom] = [Math.max(0, ymin), Math.min(height, ymax)];
  for (let y = top; y < bottom; y++) {
    const start = y * (width + 1) + 1;
    const isBorder = y < top + borderPixels || y >= bottom - borderPixels;
    rows.fill(isBorder ? 2 : 1, start + left, start + right);
    if (isBorder) continue;
    rows.fill(2, start + left, start + Math.min(right, left + borderPixels));
    rows.fill(2, start + Math.max(left, right - borderPixels), start + right);
  }
  return redPng(width, height, rows, [0, 127, 255]);
}

/** A mask that is white where something is. */
async function coloured(mask: Uint8Array): Promise<Uint8Array> {
  const { data, info } = await sharp(mask, limits).flatten().toColourspace('b-w').raw().toBuffer({ resolveWithObject: true });
  const { width, height, channels } = info;
  const rows = new Uint8Array((width + 1) * height);
  for (let y = 0, at = 0; y < height; y++) for (let x = 0; x < width; x++, at += channels) rows[y * (width + 1) + 1 + x] = data[at]! >= 128 ? 1 : 0;
  return redPng(width, height, rows, [0, 255]);
}
