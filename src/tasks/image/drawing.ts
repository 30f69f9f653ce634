/**
 * Brings a drawing into the form in which MNIST's digits were made (LeCun, Cortes, Burges, "The MNIST database": the ink is
 * scaled by averaging into a box that keeps its shape, and the box is placed with its centre of mass in the middle): light
 * ink on black, whatever the colours, size and place of the drawing were.
 */
import { ModelportError } from '../../errors.ts';
import { crop, flatten, type Raster } from './raster.ts';
import { resize } from './resize.ts';

export interface DrawingPlan {
  /** Cut away the empty border first. */
  readonly crop: boolean;
  /** The longer side of the ink in the result, in pixels. */
  readonly size: number;
  readonly center: 'mass' | 'box';
  /** Strokes thinner or thicker than these widths, in pixels of the result, are brought to them. */
  readonly strokeWidth?: { readonly minimum: number; readonly maximum: number };
}

/** Ink is at least this share of the darkest stroke: paper grain and JPEG noise are not. */
const inkThreshold = 0.2;
/** A drawing whose strongest stroke differs from the paper by less (of 255 levels) is blank. */
const faintest = 24;
/** Strokes are widened and narrowed on a picture that is this many times larger than the result. */
const oversampling = 4;

/** One channel, `width × height`, ink 255 on 0. Throws `INVALID_VALUE` where nothing is drawn. */
export function centerDrawing(image: Raster, width: number, height: number, plan: DrawingPlan, at: string): Raster {
  const ink = extractInk(image, at);
  const { size } = plan;
  const drawn = plan.crop ? cropToInk(ink) : ink;
  const large = scaleTo(drawn, size * oversampling);
  const stroked = plan.strokeWidth === undefined ? large : adjustStrokes(large, plan.strokeWidth);
  const small = stretchLevels(scaleTo(plan.crop ? cropToInk(stroked) : stroked, size));
  const center = plan.center === 'mass' ? centerOfMass(small) : { x: small.width / 2, y: small.height / 2 };
  return crop(small, -place(width, small.width, center.x), -place(height, small.height, center.y), width, height);
}

/** Where the box begins so that `center` lies in the middle, inside the picture as far as it fits. */
function place(size: number, boxSize: number, center: number): number {
  const start = Math.round(size / 2 - center);
  return boxSize > size ? Math.round((size - boxSize) / 2) : Math.min(Math.max(start, 0), size - boxSize);
}

/** How much each pixel differs from the paper: by opacity where the paper is transparent, else from the border's median grey. */
function extractInk(image: Raster, at: string): Raster {
  const { width, height, channels } = image;
  const pixels = width * height;
  const hasAlpha = channels === 2 || channels === 4;
  const ink = new Uint8Array(pixels);
  if (hasAlpha && borderMedian(image, channels - 1) < 128) {
    for (let pixel = 0; pixel < pixels; pixel++) ink[pixel] = image.data[pixel * channels + channels - 1]!;
  } else {
    const grey = flatten(image, 'grayscale', 255);
    const paper = borderMedian(grey, 0);
    for (let pixel = 0; pixel < pixels; pixel++) ink[pixel] = Math.abs(grey.data[pixel]! - paper);
  }
  let strongest = 0;
  for (const level of ink) if (level > strongest) strongest = level;
  if (strongest < faintest) throw new ModelportError('INVALID_VALUE', `${at} is blank: draw something first`, { at });
  const floor = strongest * inkThreshold * 0.5;
  const gain = 255 / (strongest - floor);
  for (let pixel = 0; pixel < pixels; pixel++) ink[pixel] = Math.max(0, Math.round((ink[pixel]! - floor) * gain));
  return { width, height, channels: 1, data: ink };
}

function borderMedian(image: Raster, channel: number): number {
  const { width, height, channels, data } = image;
  const histogram = new Uint32Array(256);
  const count = (x: number, y: number) => histogram[data[(y * width + x) * channels + channel]!]!++;
  for (let x = 0; x < width; x++) {
    count(x, 0);
    count(x, height - 1);
  }
  for (let y = 0; y < height; y++) {
    count(0, y);
    count(width - 1, y);
  }
  let rest = width + height;
  let level = 0;
  while (level < 255 && (rest -= histogram[level]!) > 0) level++;
  return level;
}

function cropToInk(image: Raster): Raster {
  const { width, height, data } = image;
  const threshold = inkThreshold * 255;
  let left = width;
  let right = -1;
  let top = height;
  let bottom = -1;
  for (let y = 0; y < height; y++) {
    const row = y * width;
    for (let x = 0; x < width; x++) {
      if (data[row + x]! < threshold) continue;
      if (x < left) left = x;
      if (x > right) right = x;
      if (y < top) top = y;
      bottom = y;
    }
  }
  return right === -1 ? image : crop(image, left, top, right - left + 1, bottom - top + 1);
}

function scaleTo(image: Raster, longerSide: number): Raster {
  const scale = longerSide / Math.max(image.width, image.height);
  const width = Math.max(1, Math.round(image.width * scale));
  const height = Math.max(1, Math.round(image.height * scale));
  return resize(image, width, height, scale > 1 ? 'bilinear' : 'area');
}

/** Raises the levels so that the strongest is full ink: averaging makes thin strokes faint. */
function stretchLevels(image: Raster): Raster {
  let strongest = 0;
  for (const level of image.data) if (level > strongest) strongest = level;
  if (strongest === 255 || strongest === 0) return image;
  return { ...image, data: image.data.map((level) => Math.round((level * 255) / strongest)) };
}

function adjustStrokes(image: Raster, { minimum, maximum }: { readonly minimum: number; readonly maximum: number }): Raster {
  const stretched = stretchLevels(image);
  const strokeWidth = meanStrokeWidth(stretched);
  if (strokeWidth < minimum * oversampling) {
    const radius = (minimum * oversampling - strokeWidth) / 2;
    const margin = Math.ceil(radius) + 1;
    const roomy = crop(stretched, -margin, -margin, image.width + 2 * margin, image.height + 2 * margin);
    return morph(roomy, radius, Math.max);
  }
  if (strokeWidth > maximum * oversampling) {
    // Beyond a third of its width an erosion may cut a stroke in two.
    const radius = Math.min((strokeWidth - maximum * oversampling) / 2, strokeWidth / 3);
    return morph(crop(stretched, -1, -1, image.width + 2, image.height + 2), radius, Math.min);
  }
  return stretched;
}

/** Area over half the outline; a step of the outline across pixels is on average 4/π of its true length. */
function meanStrokeWidth({ width, height, data }: Raster): number {
  let area = 0;
  let outline = 0;
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const level = data[y * width + x]!;
      area += level;
      outline += Math.abs(level - (x === 0 ? 0 : data[y * width + x - 1]!)) + Math.abs(level - (y === 0 ? 0 : data[(y - 1) * width + x]!));
      if (x === width - 1) outline += level;
      if (y === height - 1) outline += level;
    }
  }
  return outline === 0 ? 0 : ((2 * area) / outline) * (4 / Math.PI);
}

/** Grey dilation (`Math.max`) or erosion (`Math.min`) by a disc; nothing is drawn outside of the picture. */
function morph(image: Raster, radius: number, pick: (a: number, b: number) => number): Raster {
  const { width, height, data } = image;
  const reach = Math.floor(radius);
  const offsets: { x: number; y: number }[] = [];
  for (let y = -reach; y <= reach; y++) {
    for (let x = -reach; x <= reach; x++) if (x * x + y * y <= radius * radius) offsets.push({ x, y });
  }
  const result = new Uint8Array(width * height);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      let level = data[y * width + x]!;
      for (const offset of offsets) {
        const column = x + offset.x;
        const row = y + offset.y;
        const inside = column >= 0 && column < width && row >= 0 && row < height;
        level = pick(level, inside ? data[row * width + column]! : 0);
      }
      result[y * width + x] = level;
    }
  }
  return { width, height, channels: 1, data: result };
}

function centerOfMass({ width, height, data }: Raster): { readonly x: number; readonly y: number } {
  let mass = 0;
  let sumX = 0;
  let sumY = 0;
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const level = data[y * width + x]!;
      mass += level;
      sumX += level * (x + 0.5);
      sumY += level * (y + 0.5);
    }
  }
  return mass === 0 ? { x: width / 2, y: height / 2 } : { x: sumX / mass, y: sumY / mass };
}
