/** Copies between row-major arrays of any number of dimensions. */

type Elements = Float32Array | unknown[];

/** An array with its shape, and where in it a region begins. */
export interface RegionOf<Data> {
  readonly data: Data;
  readonly shape: readonly number[];
  readonly start: readonly number[];
}

/** Copies the region of the given size from `source` to `target`, which are arrays of one type. The region lies within both. */
export function copyRegion<Data extends { readonly length: number }>(source: RegionOf<Data>, target: RegionOf<Data>, size: readonly number[]): void {
  const axes = size.length;
  if (size.includes(0)) return;
  const runLength = axes === 0 ? 1 : size[axes - 1]!;
  const sourceStrides = strides(source.shape);
  const targetStrides = strides(target.shape);
  let from = offset(source.start, sourceStrides);
  let to = offset(target.start, targetStrides);
  const position = new Array<number>(Math.max(0, axes - 1)).fill(0);
  for (;;) {
    copyRun(source.data as unknown as Elements, target.data as unknown as Elements, from, to, runLength);
    let axis = axes - 2;
    while (axis >= 0 && ++position[axis]! === size[axis]!) {
      from -= (size[axis]! - 1) * sourceStrides[axis]!;
      to -= (size[axis]! - 1) * targetStrides[axis]!;
      position[axis] = 0;
      axis--;
    }
    if (axis < 0) return;
    from += sourceStrides[axis]!;
    to += targetStrides[axis]!;
  }
}

function copyRun(source: Elements, target: Elements, from: number, to: number, length: number): void {
  if (Array.isArray(target)) {
    for (let index = 0; index < length; index++) target[to + index] = source[from + index];
  } else {
    target.set((source as Float32Array).subarray(from, from + length), to);
  }
}

function strides(shape: readonly number[]): number[] {
  const result = new Array<number>(shape.length);
  let stride = 1;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    result[axis] = stride;
    stride *= shape[axis]!;
  }
  return result;
}

function offset(start: readonly number[], steps: readonly number[]): number {
  let sum = 0;
  for (let axis = 0; axis < start.length; axis++) sum += start[axis]! * steps[axis]!;
  return sum;
}
