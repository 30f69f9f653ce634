/** A worker thread that decodes and prepares pictures. See `image-threads.ts`, which owns it. */
import { parentPort } from 'node:worker_threads';
import { toPlainError, type PlainError } from '../../errors.ts';
import { giveWayToEventLoop } from '../../lib/give-way.ts';
import { decodeImage, loadDecoder, readImageHeader } from './decode-image.ts';
import type { ImagePlan } from './image-plan.ts';
import { prepareImage, type PreparedImage } from './prepare-image.ts';

giveWayToEventLoop();

export interface ImageJob {
  readonly id: number;
  /** Handed over, not copied. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly plan: ImagePlan;
  readonly at: string;
}

export type ImageAnswer = { readonly id: number } & ({ readonly prepared: PreparedImage } | { readonly error: PlainError });

async function prepare({ bytes, plan, at }: ImageJob): Promise<PreparedImage> {
  const options = { maxPixels: plan.maxPixels, at };
  const header = await readImageHeader(bytes, options);
  return prepareImage(await decodeImage(bytes, header, options), plan, at);
}

const port = parentPort!;
const answer = (message: ImageAnswer, transferred: ArrayBuffer[]): void => port.postMessage(message, transferred);

port.on('message', (job: ImageJob) => {
  prepare(job).then(
    (prepared) => answer({ id: job.id, prepared }, [prepared.elements.buffer]),
    (error: unknown) => answer({ id: job.id, error: toPlainError(error) }, []),
  );
});

// The first picture shall not wait for the decoder. Where it can't be loaded, each picture says why.
loadDecoder().catch(() => {});
