/**
 * A detector's map of how probably each pixel is text → slanted boxes around the lines (M. Liao et al., "Real-time Scene Text
 * Detection with Differentiable Binarization", 2020: the map marks the cores of lines, which are widened again).
 */
import { areaAndLength, ordered, smallestRectangle, widened, type Point, type Quadrangle } from './polygon.ts';

export interface RegionPlan {
  readonly threshold: number;
  readonly boxThreshold: number;
  readonly unclipRatio: number;
  readonly dilate: boolean;
}

export interface HeatMap {
  readonly width: number;
  readonly height: number;
  readonly data: Float32Array;
}

const mostRegions = 1000;
const leastSide = 3;

/** In whole pixels of a picture of `width × height`, in the order of reading: from above, in one row from the left. */
export function textRegions(map: HeatMap, plan: RegionPlan, width: number, height: number): Quadrangle[] {
  const found: Quadrangle[] = [];
  for (const outline of outlines(marked(map, plan))) {
    const core = smallestRectangle(outline);
    // A map with numbers that are none has regions of which the mean is none.
    if (core.shorterSide < leastSide || !(meanWithin(map, core.corners) >= plan.boxThreshold)) continue;
    const { area, length } = areaAndLength(core.corners);
    const whole = core.corners.map(({ x, y }) => ({ x: Math.trunc(x), y: Math.trunc(y) }));
    const { corners, shorterSide } = smallestRectangle(widened(whole, (area * plan.unclipRatio) / length));
    if (shorterSide < leastSide + 2) continue;
    const scaled = corners.map(({ x, y }) => ({
      x: Math.min(Math.max(Math.round((x / map.width) * width), 0), width - 1),
      y: Math.min(Math.max(Math.round((y / map.height) * height), 0), height - 1),
    }));
    const box = ordered(scaled);
    if (Math.trunc(Math.hypot(box[0].x - box[1].x, box[0].y - box[1].y)) <= 3 || Math.trunc(Math.hypot(box[0].x - box[3].x, box[0].y - box[3].y)) <= 3) continue;
    found.push(box);
  }
  return inReadingOrder(found);
}

/** 1 where there is text. Widened by the pixels to the right, below and both. */
function marked({ width, height, data }: HeatMap, { threshold, dilate }: RegionPlan): { readonly width: number; readonly height: number; readonly lit: Uint8Array } {
  const lit = new Uint8Array(width * height);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const place = y * width + x;
      const here = data[place]! > threshold;
      lit[place] = here || (dilate && ((x > 0 && data[place - 1]! > threshold) || (y > 0 && data[place - width]! > threshold) || (x > 0 && y > 0 && data[place - width - 1]! > threshold))) ? 1 : 0;
    }
  }
  return { width, height, lit };
}

/** Of each region of pixels that touch, corners included: the first and last pixel of every row. */
function* outlines({ width, height, lit }: ReturnType<typeof marked>): Generator<Point[]> {
  const pending: number[] = [];
  let count = 0;
  for (let seed = lit.length - 1; seed >= 0; seed--) {
    if (lit[seed] === 0) continue;
    if (++count > mostRegions) return;
    const rows = new Map<number, { least: number; most: number }>();
    pending.push(seed);
    lit[seed] = 0;
    while (pending.length > 0) {
      const place = pending.pop()!;
      const x = place % width;
      const y = (place - x) / width;
      const row = rows.get(y);
      if (row === undefined) rows.set(y, { least: x, most: x });
      else if (x < row.least) row.least = x;
      else if (x > row.most) row.most = x;
      for (let nextY = Math.max(0, y - 1); nextY <= Math.min(height - 1, y + 1); nextY++) {
        for (let nextX = Math.max(0, x - 1); nextX <= Math.min(width - 1, x + 1); nextX++) {
          const next = nextY * width + nextX;
          if (lit[next] === 0) continue;
          lit[next] = 0;
          pending.push(next);
        }
      }
    }
    yield [...rows].flatMap(([y, { least, most }]) => [{ x: least, y }, { x: most, y }]);
  }
}

/** The mean of the map over a slanted box. */
function meanWithin({ width, height, data }: HeatMap, corners: Quadrangle): number {
  const top = Math.max(0, Math.floor(Math.min(...corners.map(({ y }) => y))));
  const bottom = Math.min(height - 1, Math.ceil(Math.max(...corners.map(({ y }) => y))));
  let sum = 0;
  let count = 0;
  for (let y = top; y <= bottom; y++) {
    const span = spanAt(corners, y);
    if (span === undefined) continue;
    const end = Math.min(width - 1, Math.round(span.most));
    for (let x = Math.max(0, Math.round(span.least)); x <= end; x++) {
      sum += data[y * width + x]!;
      count++;
    }
  }
  return count === 0 ? 0 : sum / count;
}

function spanAt(corners: Quadrangle, y: number): { readonly least: number; readonly most: number } | undefined {
  let [least, most] = [Infinity, -Infinity];
  corners.forEach((from, index) => {
    const to = corners[(index + 1) % 4]!;
    const [low, high] = from.y <= to.y ? [from, to] : [to, from];
    if (y < low.y || y > high.y) return;
    const x = high.y === low.y ? low.x : low.x + ((y - low.y) / (high.y - low.y)) * (high.x - low.x);
    for (const each of high.y === low.y ? [low.x, high.x] : [x]) [least, most] = [Math.min(least, each), Math.max(most, each)];
  });
  return most < least ? undefined : { least, most };
}

/** Boxes whose tops differ by less than ten pixels stand in one row. */
function inReadingOrder(boxes: Quadrangle[]): Quadrangle[] {
  const sorted = boxes.sort((a, b) => a[0].y - b[0].y || a[0].x - b[0].x);
  for (let index = 1; index < sorted.length; index++) {
    for (let place = index; place > 0; place--) {
      const [before, after] = [sorted[place - 1]!, sorted[place]!];
      if (Math.abs(after[0].y - before[0].y) >= 10 || after[0].x >= before[0].x) break;
      [sorted[place - 1], sorted[place]] = [after, before];
    }
  }
  return sorted;
}
