/** Points, convex hulls and slanted rectangles. */

export interface Point {
  readonly x: number;
  readonly y: number;
}

/** Clockwise from the upper left, as seen on the screen. */
export type Quadrangle = readonly [Point, Point, Point, Point];

export function distance(a: Point, b: Point): number {
  return Math.hypot(a.x - b.x, a.y - b.y);
}

/** Andrew's monotone chain; points on edges are left out. */
export function convexHull(points: readonly Point[]): Point[] {
  const sorted = [...points].sort((a, b) => a.x - b.x || a.y - b.y).filter((point, index, all) => index === 0 || point.x !== all[index - 1]!.x || point.y !== all[index - 1]!.y);
  if (sorted.length < 3) return sorted;
  const half = (ordered: readonly Point[]): Point[] => {
    const chain: Point[] = [];
    for (const point of ordered) {
      while (chain.length >= 2 && cross(chain.at(-2)!, chain.at(-1)!, point) <= 0) chain.pop();
      chain.push(point);
    }
    chain.pop();
    return chain;
  };
  return [...half(sorted), ...half(sorted.toReversed())];
}

function cross(origin: Point, a: Point, b: Point): number {
  return (a.x - origin.x) * (b.y - origin.y) - (a.y - origin.y) * (b.x - origin.x);
}

export interface SmallestRectangle {
  readonly corners: Quadrangle;
  readonly shorterSide: number;
}

/** The rectangle of the smallest area around the points; one of its sides lies along a side of their hull. */
export function smallestRectangle(points: readonly Point[]): SmallestRectangle {
  const hull = convexHull(points);
  const first = hull[0]!;
  if (hull.length === 1) return { corners: [first, first, first, first], shorterSide: 0 };
  let best: { area: number; corners: Point[]; shorterSide: number } | undefined;
  for (let index = 0; index < hull.length; index++) {
    const from = hull[index]!;
    const to = hull[(index + 1) % hull.length]!;
    const length = distance(from, to);
    if (length === 0) continue;
    const [ux, uy] = [(to.x - from.x) / length, (to.y - from.y) / length];
    let [least, most, low, high] = [Infinity, -Infinity, Infinity, -Infinity];
    for (const { x, y } of hull) {
      const along = x * ux + y * uy;
      const across = y * ux - x * uy;
      least = Math.min(least, along);
      most = Math.max(most, along);
      low = Math.min(low, across);
      high = Math.max(high, across);
    }
    const area = (most - least) * (high - low);
    if (best !== undefined && area >= best.area) continue;
    const at = (along: number, across: number): Point => ({ x: along * ux - across * uy, y: along * uy + across * ux });
    best = { area, corners: [at(least, low), at(most, low), at(most, high), at(least, high)], shorterSide: Math.min(most - least, high - low) };
  }
  return { corners: ordered(best!.corners), shorterSide: best!.shorterSide };
}

/** Of the two leftmost corners the upper one first, then clockwise. */
export function ordered(corners: readonly Point[]): Quadrangle {
  const [a, b, c, d] = [...corners].sort((one, other) => one.x - other.x) as [Point, Point, Point, Point];
  const [topLeft, bottomLeft] = a.y <= b.y ? [a, b] : [b, a];
  const [topRight, bottomRight] = c.y <= d.y ? [c, d] : [d, c];
  return [topLeft, topRight, bottomRight, bottomLeft];
}

export function areaAndLength(corners: readonly Point[]): { readonly area: number; readonly length: number } {
  let twice = 0;
  let length = 0;
  corners.forEach((point, index) => {
    const next = corners[(index + 1) % corners.length]!;
    twice += point.x * next.y - next.x * point.y;
    length += distance(point, next);
  });
  return { area: Math.abs(twice) / 2, length };
}

/** The outline of all that lies within `reach` of the corners' polygon: round at the corners, in whole numbers. */
export function widened(corners: readonly Point[], reach: number): Point[] {
  const steps = Math.max(8, Math.ceil(Math.PI / Math.acos(1 - Math.min(0.25, reach / 2) / Math.max(reach, 0.5))));
  return corners.flatMap(({ x, y }) =>
    Array.from({ length: steps }, (_, step) => {
      const angle = (2 * Math.PI * step) / steps;
      return { x: Math.round(x + reach * Math.cos(angle)), y: Math.round(y + reach * Math.sin(angle)) };
    }),
  );
}
