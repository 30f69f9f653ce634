/** How pictures are cut into windows for attention, shifted by half a window or not. */

export interface WindowOrder {
  /** Which token stands at each place of the windows, one window after the other; the number of tokens where it is none of the picture's. */
  readonly tokens: readonly number[];
  /** The place of each token: the way back. */
  readonly places: readonly number[];
  readonly isPadded: boolean;
  readonly isShifted: boolean;
}

/** The picture is padded to whole windows at its right and bottom, then rolled to the left and up. An axis that is one window is not rolled. */
export function windowOrder(height: number, width: number, window: number, wantsShift: boolean): WindowOrder {
  const rows = Math.ceil(height / window) * window;
  const columns = Math.ceil(width / window) * window;
  const [down, right] = shifts(rows, columns, window, wantsShift);
  const tokens: number[] = [];
  const places = Array.from({ length: height * width }, () => 0);
  for (let top = 0; top < rows; top += window) {
    for (let left = 0; left < columns; left += window) {
      for (let row = top; row < top + window; row++) {
        for (let column = left; column < left + window; column++) {
          const y = (row + down) % rows;
          const x = (column + right) % columns;
          const isInside = y < height && x < width;
          if (isInside) places[y * width + x] = tokens.length;
          tokens.push(isInside ? y * width + x : height * width);
        }
      }
    }
  }
  return { tokens, places, isPadded: rows * columns > height * width, isShifted: down + right > 0 };
}

function shifts(rows: number, columns: number, window: number, wantsShift: boolean): [number, number] {
  const half = wantsShift ? Math.floor(window / 2) : 0;
  return [window >= rows ? 0 : half, window >= columns ? 0 : half];
}

/** −100 where two places of a shifted window come from different sides of the picture: [windows, count, count]. */
export function shiftedMask(height: number, width: number, window: number): Float32Array {
  const rows = Math.ceil(height / window) * window;
  const columns = Math.ceil(width / window) * window;
  const [down, right] = shifts(rows, columns, window, true);
  // An axis that is not rolled has its last slice empty from 0 on: its places all get the last number.
  const region = (at: number, size: number, shift: number) => (shift === 0 ? 2 : at < size - window ? 0 : at < size - shift ? 1 : 2);
  const count = window * window;
  const mask = new Float32Array((rows / window) * (columns / window) * count * count);
  let at = 0;
  for (let top = 0; top < rows; top += window) {
    for (let left = 0; left < columns; left += window) {
      const regions: number[] = [];
      for (let row = top; row < top + window; row++) for (let column = left; column < left + window; column++) regions.push(region(row, rows, down) * 3 + region(column, columns, right));
      for (const one of regions) for (const other of regions) mask[at++] = one === other ? 0 : -100;
    }
  }
  return mask;
}
