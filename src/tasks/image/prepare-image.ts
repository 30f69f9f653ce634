/** Pixels of any picture → the elements of one input tensor, by a plan. Pure and synchronous; may run in any thread. */
import { toHalf } from '../../lib/half-float.ts';
import { centerDrawing } from './drawing.ts';
import type { ImagePlan } from './image-plan.ts';
import { crop, flatten, type Raster } from './raster.ts';
import { resize } from './resize.ts';

/** Elements in the plan's layout, `channels × height × width` of them; FP16 as its bits. */
export type ImageElements = Float32Array<ArrayBuffer> | Float64Array<ArrayBuffer> | Uint16Array<ArrayBuffer> | Uint8Array<ArrayBuffer>;

/** Where a picture lies in the tensor: `left` and `top` are negative where it was cut. */
export interface Placement {
  readonly left: number;
  readonly top: number;
  readonly width: number;
  readonly height: number;
}

export interface PreparedImage {
  readonly elements: ImageElements;
  /** Of the tensor. */
  readonly width: number;
  readonly height: number;
  /** Of the picture as it came, turned as the camera asks for. */
  readonly original: { readonly width: number; readonly height: number };
  readonly placement: Placement;
}

export function prepareImage(image: Raster, plan: ImagePlan, at: string): PreparedImage {
  const fitted = fit(image, plan, at);
  const { width, height } = fitted;
  const original = { width: image.width, height: image.height };
  const placement = plan.drawing === undefined ? place(image.width, image.height, plan) : { left: 0, top: 0, width, height };
  const elements = normalize(fitted, plan);
  const multiple = plan.resize.mode === 'within' ? (plan.resize.multipleOf ?? 1) : 1;
  const wide = Math.ceil(width / multiple) * multiple;
  const high = Math.ceil(height / multiple) * multiple;
  if (wide === width && high === height) return { elements, width, height, original, placement };
  return { elements: fillUp(elements, fitted, plan, wide, high), width: wide, height: high, original, placement };
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
  const placement = place(image.width, image.height, plan);
  const resized = resize(flat, placement.width, placement.height, filter);
  if (mode === 'stretch' || mode === 'within') return resized;
  return crop(resized, -placement.left, -placement.top, width, height, padValue);
}

/** Where a picture of this size lies in the tensor. */
export function place(oldWidth: number, oldHeight: number, plan: ImagePlan): Placement {
  const size = resizedSize(oldWidth, oldHeight, plan);
  const { mode, align } = plan.resize;
  if (mode === 'stretch' || mode === 'within' || align === 'start') return { left: 0, top: 0, ...size };
  return { left: -Math.floor((size.width - plan.width) / 2), top: -Math.floor((size.height - plan.height) / 2), ...size };
}

interface Size {
  readonly width: number;
  readonly height: number;
}

function resizedSize(oldWidth: number, oldHeight: number, plan: ImagePlan): Size {
  const { width, height } = plan;
  const { mode, shortestSide, longestSide } = plan.resize;
  if (mode === 'stretch') return { width, height };
  if (mode === 'within') return sizeWithin(oldWidth, oldHeight, shortestSide, longestSide ?? Infinity);
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

/** As transformers' DETR finds it: the shorter side is lowered where the longer one would be too long. */
function sizeWithin(oldWidth: number, oldHeight: number, shortestSide: number, longestSide: number): Size {
  const short = Math.min(oldWidth, oldHeight);
  const long = Math.max(oldWidth, oldHeight);
  let exact = shortestSide;
  let wanted = shortestSide;
  if ((long / short) * shortestSide > longestSide) {
    exact = (longestSide * short) / long;
    wanted = Math.round(exact);
  }
  if (wanted === short) return { width: oldWidth, height: oldHeight };
  const other = Math.max(1, Math.trunc((exact * long) / short));
  return oldWidth < oldHeight ? { width: Math.max(1, wanted), height: other } : { width: other, height: Math.max(1, wanted) };
}

/** The elements in the upper left corner of a larger tensor of zeros. */
function fillUp(elements: ImageElements, { width, height, channels }: Raster, plan: ImagePlan, wide: number, high: number): ImageElements {
  const filled = newElements(plan.datatype, wide * high * channels);
  const planes = plan.layout === 'NCHW' ? channels : 1;
  const step = plan.layout === 'NCHW' ? 1 : channels;
  for (let plane = 0; plane < planes; plane++) {
    for (let y = 0; y < height; y++) {
      const from = (plane * height + y) * width * step;
      filled.set(elements.subarray(from, from + width * step), (plane * high + y) * wide * step);
    }
  }
  return filled;
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
