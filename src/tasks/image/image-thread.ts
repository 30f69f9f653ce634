/** A worker thread that decodes and prepares pictures. See `image-threads.ts`, which owns it. */
import { parentPort } from 'node:worker_threads';
import { toPlainError, type PlainError } from '../../errors.ts';
import { decodeImage, loadDecoder, readImageHeader } from './decode-image.ts';
import type { ImagePlan } from './image-plan.ts';
import { prepareImage, type ImageElements } from './prepare-image.ts';

export interface ImageJob {
  readonly id: number;
  /** Handed over, not copied. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly plan: ImagePlan;
  readonly at: string;
}

export type ImageAnswer = { readonly id: number } & ({ readonly elements: ImageElements } | { readonly error: PlainError });

async function prepare({ bytes, plan, at }: ImageJob): Promise<ImageElements> {
  const options = { maxPixels: plan.maxPixels, at };
  const header = await readImageHeader(bytes, options);
  return prepareImage(await decodeImage(bytes, header, options), plan, at);
}

const port = parentPort!;
const answer = (message: ImageAnswer, transferred: ArrayBuffer[]): void => port.postMessage(message, transferred);

port.on('message', (job: ImageJob) => {
  prepare(job).then(
    (elements) => answer({ id: job.id, elements }, [elements.buffer]),
    (error: unknown) => answer({ id: job.id, error: toPlainError(error) }, []),
  );
});

// The first picture shall not wait for the decoder. Where it can't be loaded, each picture says why.
loadDecoder().catch(() => {});
