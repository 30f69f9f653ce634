/** A picture file → elements of an input tensor: small pictures on the event loop, large ones in a thread. */
import type { Call } from '../../call.ts';
import { decodeImage, readImageHeader } from './decode-image.ts';
import type { ImagePlan } from './image-plan.ts';
import { prepareInThread } from './image-threads.ts';
import { prepareCost, prepareImage, type ImageElements } from './prepare-image.ts';

/** The longest that preparing a picture may keep the event loop, by {@link prepareCost}. A thread costs less than that. */
const mostInlineNs = 2_500_000;

/** Rejects with `INVALID_VALUE` naming `at` where the bytes are no picture, damaged, too large or blank. */
export async function imageElements(bytes: Uint8Array, plan: ImagePlan, at: string, call: Call): Promise<ImageElements> {
  const options = { maxPixels: plan.maxPixels, at };
  const header = await readImageHeader(bytes, options);
  call.throwIfCancelled();
  if (prepareCost(header.width, header.height, plan) > mostInlineNs) return await prepareInThread({ bytes, header, plan, at });
  const raster = await decodeImage(bytes, header, options);
  call.throwIfCancelled();
  return prepareImage(raster, plan, at);
}
