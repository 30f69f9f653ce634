/** A picture file as one row of the input of a model. */
import type { Call } from '../../call.ts';
import type { Tensor } from '../../tensor.ts';
import type { ImagePlan } from './image-plan.ts';
import { preparedImage } from './image-threads.ts';
import type { PreparedImage } from './prepare-image.ts';

export interface ImageTensor {
  /** One row: `[1, channels, height, width]`, or the channels last. */
  readonly tensor: Tensor;
  /** Where the picture lies in it. */
  readonly prepared: PreparedImage;
}

/** Rejects with `INVALID_VALUE` naming `at`; see {@link preparedImage}. */
export async function imageTensor(bytes: Uint8Array, plan: ImagePlan, at: string, call: Call): Promise<ImageTensor> {
  const prepared = await preparedImage(bytes, plan, at, call);
  const { elements, width, height } = prepared;
  const channels = plan.color === 'grayscale' ? 1 : 3;
  const shape = plan.layout === 'NCHW' ? [1, channels, height, width] : [1, height, width, channels];
  return { tensor: { datatype: plan.datatype, shape, data: elements }, prepared };
}
