/** The parts of reading text that take long: a worker thread does them. Pure but for decoding the file. */
import { decodeImage, readImageHeader } from '../image/decode-image.ts';
import { crop, flatten, type Raster } from '../image/raster.ts';
import { lineElements, writePlanes } from './line-tensors.ts';
import type { Quadrangle } from './polygon.ts';
import { textRegions, type HeatMap, type RegionPlan } from './text-regions.ts';
import { resizeLinear, straighten, turnAround } from './warp.ts';

type Color = 'bgr' | 'rgb';

export type TextWork =
  | { readonly kind: 'picture'; readonly bytes: Uint8Array; readonly color: Color; readonly shortestSide: number; readonly longestSide: number; readonly maxPixels: number }
  | { readonly kind: 'regions'; readonly picture: Raster; readonly map: HeatMap; readonly plan: RegionPlan; readonly mostLines: number }
  | { readonly kind: 'lines'; readonly lines: readonly Raster[]; readonly turned: readonly boolean[]; readonly color: Color; readonly height: number; readonly width: number };

export interface WorkedPicture {
  /** As it came, turned as the camera asks for. */
  readonly original: { readonly width: number; readonly height: number };
  /** Three channels, not too large, with a black margin of `top` rows above and below where it is flat. */
  readonly picture: Raster;
  readonly top: number;
  /** Pixels of `picture` (without the margin) for one of the original. */
  readonly scaleX: number;
  readonly scaleY: number;
  /** `[1, 3, height, width]` for the detector. */
  readonly elements: Float32Array<ArrayBuffer>;
  readonly width: number;
  readonly height: number;
}

export interface WorkedRegions {
  /** In pixels of the picture that was asked about. */
  readonly boxes: readonly Quadrangle[];
  readonly lines: readonly Raster[];
}

export interface WorkedLines {
  readonly elements: Float32Array<ArrayBuffer>;
}

/** Smaller pictures are enlarged first. */
const leastSide = 30;
const leastHeight = 30;
const flattest = 8;
/** The detector halves its input five times. */
const multiple = 32;

export async function workOnPicture({ bytes, color, shortestSide, longestSide, maxPixels }: Extract<TextWork, { kind: 'picture' }>): Promise<WorkedPicture> {
  const at = { maxPixels, at: 'image' };
  const decoded = flatten(await decodeImage(bytes, await readImageHeader(bytes, at), at), 'rgb', 255);
  const bounded = withinSides(decoded, longestSide);
  const top = marginOf(bounded);
  const picture = top === 0 ? bounded : crop(bounded, 0, -top, bounded.width, bounded.height + 2 * top);
  const ratio = Math.max(1, shortestSide / Math.min(picture.width, picture.height));
  // A long strip is not enlarged beyond four times what may be.
  const bound = Math.min(ratio, (4 * longestSide) / Math.max(picture.width, picture.height));
  const width = toMultiple(Math.trunc(picture.width * bound));
  const height = toMultiple(Math.trunc(picture.height * bound));
  const elements = new Float32Array(3 * width * height);
  writePlanes(resizeLinear(picture, width, height), color, width, height, elements);
  return {
    original: { width: decoded.width, height: decoded.height },
    // What sharp gives can not be handed to another thread.
    picture: { ...picture, data: new Uint8Array(picture.data) },
    top,
    scaleX: bounded.width / decoded.width,
    scaleY: bounded.height / decoded.height,
    elements,
    width,
    height,
  };
}

function withinSides(image: Raster, longestSide: number): Raster {
  const most = Math.max(image.width, image.height);
  const least = Math.min(image.width, image.height);
  const ratio = most > longestSide ? longestSide / most : least < leastSide ? Math.min(leastSide / least, longestSide / most) : 1;
  return ratio === 1 ? image : resizeLinear(image, toMultiple(Math.trunc(image.width * ratio)), toMultiple(Math.trunc(image.height * ratio)));
}

function toMultiple(size: number): number {
  return Math.max(multiple, Math.round(size / multiple) * multiple);
}

function marginOf({ width, height }: Raster): number {
  if (height > leastHeight && width / height <= flattest) return 0;
  return Math.trunc(Math.abs(Math.max(Math.trunc(width / flattest), leastHeight) * 2 - height) / 2);
}

export function workOnRegions({ picture, map, plan, mostLines }: Extract<TextWork, { kind: 'regions' }>): WorkedRegions {
  const boxes = textRegions(map, plan, picture.width, picture.height).slice(0, mostLines);
  return { boxes, lines: boxes.map((box) => straighten(picture, box)) };
}

export function workOnLines({ lines, turned, color, height, width }: Extract<TextWork, { kind: 'lines' }>): WorkedLines {
  return { elements: lineElements(lines.map((line, index) => (turned[index] === true ? turnAround(line) : line)), height, width, color) };
}
