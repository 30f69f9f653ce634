/** Boxes that a model found: overlap, non-maximum suppression, and the way back to the pixels of the picture. */
import type { PreparedImage } from '../image/prepare-image.ts';

/** One found object; corners in pixels of the tensor, `category` the number of its class. */
export interface Detection {
  readonly category: number;
  readonly score: number;
  readonly xmin: number;
  readonly ymin: number;
  readonly xmax: number;
  readonly ymax: number;
}

export interface Box {
  readonly xmin: number;
  readonly ymin: number;
  readonly xmax: number;
  readonly ymax: number;
}

/** The area that two boxes share over the area that they cover together; 0 where both are empty. */
export function intersectionOverUnion(a: Box, b: Box): number {
  const width = Math.min(a.xmax, b.xmax) - Math.max(a.xmin, b.xmin);
  const height = Math.min(a.ymax, b.ymax) - Math.max(a.ymin, b.ymin);
  if (width <= 0 || height <= 0) return 0;
  const shared = width * height;
  return shared / (area(a) + area(b) - shared);
}

function area({ xmin, ymin, xmax, ymax }: Box): number {
  return (xmax - xmin) * (ymax - ymin);
}

/**
 * Greedy non-maximum suppression: of boxes that overlap by more than `threshold` the best one stays. `sorted`: the best
 * first. Boxes of different classes do not know each other unless `acrossClasses`. At most `most` are kept.
 */
export function suppress(sorted: readonly Detection[], threshold: number, acrossClasses: boolean, most: number): Detection[] {
  const kept: Detection[] = [];
  const byClass = new Map<number, Detection[]>();
  for (const candidate of sorted) {
    if (kept.length >= most) break;
    const category = acrossClasses ? 0 : candidate.category;
    const rivals = byClass.get(category);
    if (rivals?.some((one) => intersectionOverUnion(one, candidate) > threshold) === true) continue;
    kept.push(candidate);
    if (rivals === undefined) byClass.set(category, [candidate]);
    else rivals.push(candidate);
  }
  return kept;
}

/** In whole pixels of the original picture, cut at its edges; fractions are cut off, as transformers does. */
export function toOriginal(box: Box, { original, placement }: Pick<PreparedImage, 'original' | 'placement'>): Box {
  const x = (value: number): number => within(((value - placement.left) * original.width) / placement.width, original.width);
  const y = (value: number): number => within(((value - placement.top) * original.height) / placement.height, original.height);
  return { xmin: x(box.xmin), ymin: y(box.ymin), xmax: x(box.xmax), ymax: y(box.ymax) };
}

function within(value: number, size: number): number {
  // A hair below a whole number is that number in single precision.
  return Math.trunc(Math.min(size, Math.max(0, value)) + 1e-4);
}
