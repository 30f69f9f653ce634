/**
 * Resizing as Pillow does it (its `src/libImaging/Resample.c`, described in Pillow's documentation of filters): separable,
 * the filter widened by the reduction, weights in 22-bit fixed point, and each pass rounded to 8 bits. Models
 * were trained on pictures that were resized so; other libraries' bilinear differs by several grey levels.
 */
import type { Raster } from './raster.ts';

/**
 * `area` weighs each pixel by the part of it that the new pixel covers (OpenCV's INTER_AREA); the others are Pillow's.
 */
export const resizeFilters = ['nearest', 'box', 'bilinear', 'hamming', 'bicubic', 'lanczos', 'area'] as const;
export type ResizeFilter = (typeof resizeFilters)[number];

interface Kernel {
  /** Half the width, in pixels of the smaller picture. */
  readonly support: number;
  weight(distance: number): number;
}

const kernels: Record<Exclude<ResizeFilter, 'nearest' | 'area'>, Kernel> = {
  box: { support: 0.5, weight: (x) => (x > -0.5 && x <= 0.5 ? 1 : 0) },
  bilinear: { support: 1, weight: (x) => Math.max(0, 1 - Math.abs(x)) },
  hamming: {
    support: 1,
    weight(x) {
      const distance = Math.abs(x);
      if (distance === 0) return 1;
      if (distance >= 1) return 0;
      const angle = distance * Math.PI;
      return (Math.sin(angle) / angle) * (0.54 + 0.46 * Math.cos(angle));
    },
  },
  bicubic: {
    support: 2,
    weight(x) {
      const a = -0.5;
      const distance = Math.abs(x);
      if (distance < 1) return ((a + 2) * distance - (a + 3)) * distance * distance + 1;
      if (distance < 2) return (((distance - 5) * distance + 8) * distance - 4) * a;
      return 0;
    },
  },
  lanczos: { support: 3, weight: (x) => (x >= -3 && x < 3 ? sinc(x) * sinc(x / 3) : 0) },
};

function sinc(x: number): number {
  if (x === 0) return 1;
  const angle = x * Math.PI;
  return Math.sin(angle) / angle;
}

const precisionBits = 22;
const half = 1 << (precisionBits - 1);

/** For each new pixel: the first old pixel that counts, how many do, and their weights in fixed point. */
interface Weights {
  readonly taps: number;
  readonly firsts: Int32Array;
  readonly counts: Int32Array;
  readonly fixed: Int32Array;
}

function weigh(oldSize: number, newSize: number, filter: Exclude<ResizeFilter, 'nearest'>): Weights {
  const scale = oldSize / newSize;
  const area = filter === 'area';
  const widening = area ? scale : Math.max(scale, 1);
  const support = area ? scale / 2 + 1 : kernels[filter].support * widening;
  const taps = Math.ceil(support) * 2 + 1;
  const firsts = new Int32Array(newSize);
  const counts = new Int32Array(newSize);
  const fixed = new Int32Array(newSize * taps);
  const exact = new Float64Array(taps);
  for (let index = 0; index < newSize; index++) {
    const center = (index + 0.5) * scale;
    const first = Math.max(0, Math.trunc(center - support + 0.5));
    const count = Math.min(oldSize, Math.trunc(center + support + 0.5)) - first;
    let sum = 0;
    for (let tap = 0; tap < count; tap++) {
      const weight = area
        ? Math.max(0, Math.min(first + tap + 1, center + scale / 2) - Math.max(first + tap, center - scale / 2))
        : kernels[filter].weight((first + tap - center + 0.5) / widening);
      exact[tap] = weight;
      sum += weight;
    }
    for (let tap = 0; tap < count; tap++) {
      const weight = (sum === 0 ? exact[tap]! : exact[tap]! / sum) * (1 << precisionBits);
      fixed[index * taps + tap] = Math.trunc(weight < 0 ? weight - 0.5 : weight + 0.5);
    }
    firsts[index] = first;
    counts[index] = count;
  }
  return { taps, firsts, counts, fixed };
}

/** The picture in another size. Takes 1, 3 or any other number of channels; alpha is not premultiplied: flatten it before. */
export function resize(image: Raster, width: number, height: number, filter: ResizeFilter): Raster {
  if (image.width === width && image.height === height) return image;
  if (filter === 'nearest') return pickNearest(image, width, height);
  const alongRows = (raster: Raster) => (width === raster.width ? raster : resizeRows(raster, width, weigh(raster.width, width, filter)));
  const alongColumns = (raster: Raster) => (height === raster.height ? raster : resizeColumns(raster, height, weigh(raster.height, height, filter)));
  return columnsFirst(image, width, height) ? alongRows(alongColumns(image)) : alongColumns(alongRows(image));
}

/**
 * Which pass comes first shows where the first one clips. Pillow 13 was found to begin with the columns exactly when they
 * shrink by more than twice as many pixels as the rows do (2,503 random sizes); older versions always begin with the rows.
 */
function columnsFirst(image: Raster, width: number, height: number): boolean {
  return height < image.height && image.height - height > 2 * (image.width - width);
}

function clip(sum: number): number {
  const level = sum >> precisionBits;
  return level < 0 ? 0 : level > 255 ? 255 : level;
}

function resizeRows(image: Raster, width: number, weights: Weights): Raster {
  const { channels, height, data } = image;
  const { taps, firsts, counts, fixed } = weights;
  const stride = image.width * channels;
  const resized = new Uint8Array(width * height * channels);
  let to = 0;
  for (let y = 0; y < height; y++) {
    const row = y * stride;
    for (let x = 0; x < width; x++) {
      const firstWeight = x * taps;
      const endWeight = firstWeight + counts[x]!;
      let from = row + firsts[x]! * channels;
      if (channels === 3) {
        let red = half;
        let green = half;
        let blue = half;
        for (let tap = firstWeight; tap < endWeight; tap++, from += 3) {
          const weight = fixed[tap]!;
          red = (red + Math.imul(data[from]!, weight)) | 0;
          green = (green + Math.imul(data[from + 1]!, weight)) | 0;
          blue = (blue + Math.imul(data[from + 2]!, weight)) | 0;
        }
        resized[to] = clip(red);
        resized[to + 1] = clip(green);
        resized[to + 2] = clip(blue);
        to += 3;
      } else {
        for (let channel = 0; channel < channels; channel++) {
          let sum = half;
          for (let tap = firstWeight, at = from + channel; tap < endWeight; tap++, at += channels) sum = (sum + Math.imul(data[at]!, fixed[tap]!)) | 0;
          resized[to++] = clip(sum);
        }
      }
    }
  }
  return { width, height, channels, data: resized };
}

function resizeColumns(image: Raster, height: number, weights: Weights): Raster {
  const { channels, width, data } = image;
  const { taps, firsts, counts, fixed } = weights;
  const stride = width * channels;
  const resized = new Uint8Array(stride * height);
  const sums = new Int32Array(stride);
  for (let y = 0; y < height; y++) {
    // A whole row of sums at a time: the old picture is read in the order in which it lies in memory.
    sums.fill(half);
    for (let tap = 0; tap < counts[y]!; tap++) {
      const weight = fixed[y * taps + tap]!;
      if (weight === 0) continue;
      const row = (firsts[y]! + tap) * stride;
      for (let column = 0; column < stride; column++) sums[column] = sums[column]! + Math.imul(data[row + column]!, weight);
    }
    const to = y * stride;
    for (let column = 0; column < stride; column++) resized[to + column] = clip(sums[column]!);
  }
  return { width, height, channels, data: resized };
}

/** Adds up the position in steps, as Pillow does, so that rounding falls on the same side. */
function nearestPositions(oldSize: number, newSize: number): Int32Array {
  const step = oldSize / newSize;
  const positions = new Int32Array(newSize);
  let position = step * 0.5;
  for (let index = 0; index < newSize; index++) {
    positions[index] = Math.min(oldSize - 1, Math.trunc(position));
    position += step;
  }
  return positions;
}

function pickNearest(image: Raster, width: number, height: number): Raster {
  const { channels, data } = image;
  const columns = nearestPositions(image.width, width);
  const rows = nearestPositions(image.height, height);
  const picked = new Uint8Array(width * height * channels);
  let to = 0;
  for (let y = 0; y < height; y++) {
    const row = rows[y]! * image.width;
    for (let x = 0; x < width; x++) {
      const from = (row + columns[x]!) * channels;
      for (let channel = 0; channel < channels; channel++) picked[to++] = data[from + channel]!;
    }
  }
  return { width, height, channels, data: picked };
}
