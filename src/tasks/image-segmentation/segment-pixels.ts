/** Scores of classes on a coarse grid → the class of each pixel of the picture. */
import type { PreparedImage } from '../image/prepare-image.ts';

export interface ScoreMap {
  /** 1: foreground against background. */
  readonly classes: number;
  readonly width: number;
  readonly height: number;
  /** Distance between neighbouring elements of one class, in a row, between rows, and between classes. */
  readonly strides: { readonly column: number; readonly row: number; readonly category: number };
  readonly data: Float32Array;
}

export interface SegmentPlan {
  readonly activation: 'softmax' | 'sigmoid' | 'none' | 'auto';
  /** Of one class. */
  readonly threshold: number;
  readonly ignored: readonly number[];
}

export interface Segment {
  readonly category: number;
  /** The mean probability of its class over its pixels. */
  readonly score: number;
  readonly pixels: number;
  /** 255 where it is, `width × height`. */
  readonly mask: Uint8Array<ArrayBuffer>;
}

/** Larger pictures are divided more coarsely: nobody sees it, and it takes seconds. */
const mostPixels = 4 << 20;
/** So many pixels tell the mean probability. */
const mostSamples = 1 << 16;

/**
 * Scores between the points of the grid are interpolated linearly between pixel centres, as transformers does; the best one wins.
 * In the order of the classes.
 */
export function segmentPixels(map: ScoreMap, plan: SegmentPlan, place: Pick<PreparedImage, 'original' | 'placement'> & { readonly width: number; readonly height: number }): Segment[] {
  const { original } = place;
  const shrink = Math.max(1, Math.sqrt((original.width * original.height) / mostPixels));
  const width = Math.max(1, Math.round(original.width / shrink));
  const height = Math.max(1, Math.round(original.height / shrink));
  const winners = new Uint16Array(width * height);
  const counts = new Float64Array(Math.max(2, map.classes));
  const sums = new Float64Array(counts.length);
  const sampled = new Float64Array(counts.length);
  const every = Math.max(1, Math.floor((width * height) / mostSamples));
  const columns = axis(width, original.width, place.placement.left, place.placement.width, place.width, map.width);
  const rows = axis(height, original.height, place.placement.top, place.placement.height, place.height, map.height);
  const activation = map.classes > 1 ? (plan.activation === 'auto' ? 'softmax' : plan.activation) : plan.activation === 'auto' ? evidentActivation(map.data) : plan.activation;
  const { column: stepX, row: stepY, category: stepC } = map.strides;
  const line = new Float32Array(map.classes * map.width);
  const scores = new Float64Array(map.classes);
  for (let y = 0; y < height; y++) {
    const { low: top, high: bottom, share: down } = rows[y]!;
    for (let category = 0; category < map.classes; category++) {
      for (let x = 0; x < map.width; x++) {
        const upper = map.data[category * stepC + top * stepY + x * stepX]!;
        line[x * map.classes + category] = upper + (map.data[category * stepC + bottom * stepY + x * stepX]! - upper) * down;
      }
    }
    for (let x = 0; x < width; x++) {
      const { low: left, high: right, share: across } = columns[x]!;
      let best = 0;
      for (let category = 0; category < map.classes; category++) {
        const before = line[left * map.classes + category]!;
        const score = before + (line[right * map.classes + category]! - before) * across;
        scores[category] = score;
        if (score > scores[best]!) best = category;
      }
      const at = y * width + x;
      // Of one class: 0 is the class, 1 what is around it.
      const single = map.classes === 1 ? (activation === 'none' ? scores[0]! : 1 / (1 + Math.exp(-scores[0]!))) : 0;
      const winner = map.classes === 1 ? (single > plan.threshold ? 0 : 1) : best;
      winners[at] = winner;
      counts[winner]!++;
      if (at % every === 0) {
        sums[winner]! += map.classes === 1 ? single : probabilityOf(scores, best, activation);
        sampled[winner]!++;
      }
    }
  }
  const segments: Segment[] = [];
  for (let category = 0; category < map.classes; category++) {
    if (counts[category] === 0 || plan.ignored.includes(category)) continue;
    const small = Uint8Array.from(winners, (winner) => (winner === category ? 255 : 0));
    const mask = shrink === 1 ? small : enlarge(small, width, height, original.width, original.height);
    const score = sampled[category] === 0 ? 0 : sums[category]! / sampled[category]!;
    segments.push({ category, score, pixels: Math.round(counts[category]! * ((original.width * original.height) / (width * height))), mask });
  }
  return segments;
}

function evidentActivation(data: Float32Array): 'sigmoid' | 'none' {
  return data.every((value) => value >= 0 && value <= 1) ? 'none' : 'sigmoid';
}

function probabilityOf(scores: Float64Array, best: number, activation: 'softmax' | 'sigmoid' | 'none'): number {
  if (activation === 'none') return scores[best]!;
  if (activation === 'sigmoid') return 1 / (1 + Math.exp(-scores[best]!));
  let sum = 0;
  for (const score of scores) sum += Math.exp(score - scores[best]!);
  return 1 / sum;
}

interface Between {
  readonly low: number;
  readonly high: number;
  readonly share: number;
}

/** For each pixel: between which points of the grid it lies. The picture lies in the tensor from `left` on, `placed` wide. */
function axis(size: number, original: number, left: number, placed: number, tensor: number, grid: number): Between[] {
  return Array.from({ length: size }, (_, index) => {
    const inPicture = ((index + 0.5) * original) / size;
    const inTensor = left + (inPicture * placed) / original;
    const place = Math.min(Math.max((inTensor * grid) / tensor - 0.5, 0), grid - 1);
    const low = Math.floor(place);
    return { low, high: Math.min(low + 1, grid - 1), share: place - low };
  });
}

function enlarge(mask: Uint8Array, width: number, height: number, newWidth: number, newHeight: number): Uint8Array<ArrayBuffer> {
  const columns = Int32Array.from({ length: newWidth }, (_, x) => Math.min(width - 1, Math.floor(((x + 0.5) * width) / newWidth)));
  const large = new Uint8Array(newWidth * newHeight);
  for (let y = 0; y < newHeight; y++) {
    const row = Math.min(height - 1, Math.floor(((y + 0.5) * height) / newHeight)) * width;
    for (let x = 0; x < newWidth; x++) large[y * newWidth + x] = mask[row + columns[x]!]!;
  }
  return large;
}
