/** Decision trees as gradient boosting libraries save them, in one form: what a split asks, and where each answer leads. */

/**
 * A split of one feature: the numbers fall into intervals at `bounds` (ascending), and each interval goes left or right.
 * An ordinary split has one bound; a set of categories has two for each run of neighbouring ones.
 */
export interface Split {
  readonly feature: number;
  readonly bounds: readonly number[];
  /** One for each interval, so one more than bounds: whether it goes left. */
  readonly goesLeft: readonly boolean[];
  /** Where NaN goes. */
  readonly missingLeft: boolean;
  /** A split's index; or `-1 - leaf`. */
  readonly left: number;
  readonly right: number;
}

export interface DecisionTree {
  /** The output that a leaf of one weight adds to. Leaves of several weights add to the outputs from here on. */
  readonly target: number;
  /** The first is the root; empty: the tree is its only leaf. */
  readonly splits: readonly Split[];
  /** Rows of `width` weights. */
  readonly leaves: Float64Array;
  readonly width: number;
}

/**
 * How a number is compared with a bound: `less`, x < bound lies below it; `lessOrEqual`, x <= bound does.
 */
export type Comparison = 'less' | 'lessOrEqual';

export interface Forest {
  readonly trees: readonly DecisionTree[];
  readonly comparison: Comparison;
  readonly featureCount: number;
  readonly targetCount: number;
}

/** Neighbouring intervals that lead to the same side are one. */
export function simplify(bounds: readonly number[], goesLeft: readonly boolean[]): Pick<Split, 'bounds' | 'goesLeft'> {
  const kept: number[] = [];
  const sides = [goesLeft[0]!];
  for (let index = 0; index < bounds.length; index++) {
    if (goesLeft[index + 1] === sides.at(-1)) continue;
    kept.push(bounds[index]!);
    sides.push(goesLeft[index + 1]!);
  }
  return { bounds: kept, goesLeft: sides };
}

/**
 * The intervals of the categories in a set, where a number is the category that it is truncated to. `bound` gives the bound
 * that parts numbers from `category` on from those below.
 */
export function categoryIntervals(categories: readonly number[], inSetGoesLeft: boolean, bound: (category: number) => number): Pick<Split, 'bounds' | 'goesLeft'> {
  const sorted = [...new Set(categories)].sort((a, b) => a - b);
  const bounds: number[] = [];
  const goesLeft = [!inSetGoesLeft];
  for (let index = 0; index < sorted.length; index++) {
    const category = sorted[index]!;
    if (index === 0 || sorted[index - 1] !== category - 1) {
      bounds.push(bound(category));
      goesLeft.push(inSetGoesLeft);
    }
    if (sorted[index + 1] !== category + 1) {
      bounds.push(bound(category + 1));
      goesLeft.push(!inSetGoesLeft);
    }
  }
  return { bounds, goesLeft };
}

const float64 = new Float64Array(1);
const bits64 = new BigInt64Array(float64.buffer);

/** The largest float64 below a number. */
export function nextDown(value: number): number {
  if (Number.isNaN(value) || value === -Infinity) return value;
  if (value === 0) return -Number.MIN_VALUE;
  float64[0] = value;
  bits64[0] = bits64[0]! + (value > 0 ? -1n : 1n);
  return float64[0];
}

const float32 = new Float32Array(1);
const bits32 = new Int32Array(float32.buffer);

/**
 * A bound among float32 numbers that parts them as `bound` does: of `x <= bound` the largest that is not above it, of `x < bound` the smallest that is not below.
 */
export function boundInFloat32(bound: number, comparison: Comparison): number {
  const nearest = Math.fround(bound);
  const fits = comparison === 'lessOrEqual' ? nearest <= bound : nearest >= bound;
  if (fits || Number.isNaN(bound)) return nearest;
  // A neighbour: downward for `<=`, upward for `<`.
  const up = comparison === 'less';
  if (nearest === 0) return up ? 2 ** -149 : -(2 ** -149);
  float32[0] = nearest;
  bits32[0] = bits32[0]! + (up === nearest > 0 ? 1 : -1);
  return float32[0];
}
