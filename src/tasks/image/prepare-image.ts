/** Pixels of any picture → the elements of one input tensor, by a plan. Pure and synchronous; may run in any thread. */
import { toHalf } from '../../lib/half-float.ts';
import { centerDrawing } from './drawing.ts';
import type { ImagePlan } from './image-plan.ts';
import { crop, flatten, type Raster } from './raster.ts';
import { resize } from './resize.ts';

/** Elements in the plan's layout, `channels × height × width` of them; FP16 as its bits. */
export type ImageElements = Float32Array<ArrayBuffer> | Float64Array<ArrayBuffer> | Uint16Array<ArrayBuffer> | Uint8Array<ArrayBuffer>;

export function prepareImage(image: Raster, plan: ImagePlan, at: string): ImageElements {
  return normalize(fit(image, plan, at), plan);
}

/** The picture in the plan's size, as one channel or as red, green, blue. */
export function fit(image: Raster, plan: ImagePlan, at: string): Raster {
  const { width, height } = plan;
  if (plan.drawing !== undefined) {
    const drawing = centerDrawing(image, width, height, plan.drawing, at);
    return plan.color === 'grayscale' ? drawing : flatten(drawing, 'rgb', 0);
  }
  const flat = flatten(image, plan.color === 'grayscale' ? 'grayscale' : 'rgb', plan.background);
  const { mode, filter, padValue } = plan.resize;
  const size = resizedSize(image.width, image.height, plan);
  const resized = resize(flat, size.width, size.height, filter);
  if (mode === 'stretch') return resized;
  return crop(resized, Math.floor((size.width - width) / 2), Math.floor((size.height - height) / 2), width, height, padValue);
}

function resizedSize(oldWidth: number, oldHeight: number, plan: ImagePlan): { readonly width: number; readonly height: number } {
  const { width, height } = plan;
  const { mode, shortestSide } = plan.resize;
  if (mode === 'stretch') return { width, height };
  if (mode === 'pad') {
    const ratio = Math.min(width / oldWidth, height / oldHeight);
    return { width: Math.max(1, Math.round(oldWidth * ratio)), height: Math.max(1, Math.round(oldHeight * ratio)) };
  }
  // The longer side is cut down to an integer, as torchvision and transformers do.
  const size = oldWidth <= oldHeight ? { width: shortestSide, height: Math.trunc((shortestSide * oldHeight) / oldWidth) } : { width: Math.trunc((shortestSide * oldWidth) / oldHeight), height: shortestSide };
  // A picture much longer than wide, for a model that wants the opposite: never smaller than what is cut out of it.
  const grow = Math.max(1, width / size.width, height / size.height);
  return grow === 1 ? size : { width: Math.ceil(size.width * grow), height: Math.ceil(size.height * grow) };
}

function normalize(image: Raster, plan: ImagePlan): ImageElements {
  const { channels, data } = image;
  const pixels = image.width * image.height;
  const elements = newElements(plan.datatype, pixels * channels);
  const planar = plan.layout === 'NCHW';
  for (let channel = 0; channel < channels; channel++) {
    // 256 levels: what each becomes is computed once.
    const table = newElements(plan.datatype, 256);
    for (let level = 0; level < 256; level++) {
      const value = (plan.invert ? 255 - level : level) * plan.scale[channel]! + plan.offset[channel]!;
      table[level] = plan.datatype === 'FP16' ? toHalf(value) : plan.datatype === 'UINT8' ? Math.min(255, Math.max(0, Math.round(value))) : value;
    }
    const source = plan.color === 'bgr' ? channels - 1 - channel : channel;
    const step = planar ? 1 : channels;
    let to = planar ? channel * pixels : channel;
    for (let pixel = 0, from = source; pixel < pixels; pixel++, from += channels, to += step) elements[to] = table[data[from]!]!;
  }
  return elements;
}

const arrays = { FP32: Float32Array, FP64: Float64Array, FP16: Uint16Array, UINT8: Uint8Array } as const;

function newElements(datatype: ImagePlan['datatype'], length: number): ImageElements {
  return new arrays[datatype](length);
}
