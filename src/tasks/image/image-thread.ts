/** A worker thread that decodes and prepares large pictures. See `image-threads.ts`. */
import { parentPort } from 'node:worker_threads';
import { toPlainError } from '../../errors.ts';
import { decodeImage, type ImageHeader } from './decode-image.ts';
import type { ImagePlan } from './image-plan.ts';
import { prepareImage } from './prepare-image.ts';

export interface ImageJob {
  readonly bytes: Uint8Array;
  readonly header: ImageHeader;
  readonly plan: ImagePlan;
  readonly at: string;
}

const port = parentPort!;
port.on('message', (job: ImageJob) => {
  decodeImage(job.bytes, job.header, { maxPixels: job.plan.maxPixels, at: job.at }).then((raster) => {
    const elements = prepareImage(raster, job.plan, job.at);
    port.postMessage({ elements }, [elements.buffer]);
  }).catch((error: unknown) => port.postMessage({ error: toPlainError(error) }));
});
