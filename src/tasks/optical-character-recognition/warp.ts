/** Cutting slanted lines out of a picture, and bringing them to a size, as OpenCV does it. */
import type { Raster } from '../image/raster.ts';
import { distance, type Quadrangle } from './polygon.ts';

/**
 * What lies within a quadrangle, as an upright rectangle: by cubic interpolation (a = −0.75); beyond its edges the picture
 * continues with its last pixels. Rectangles one and a half times as high as wide are turned to the left.
 */
export function straighten(image: Raster, corners: Quadrangle): Raster {
  const [a, b, c, d] = corners;
  const width = Math.max(1, Math.trunc(Math.max(distance(a, b), distance(c, d))));
  const height = Math.max(1, Math.trunc(Math.max(distance(a, d), distance(b, c))));
  const toPicture = projection(corners, width, height);
  const { channels, data: source } = image;
  const data = new Uint8Array(width * height * channels);
  const columns = new Int32Array(4);
  for (let v = 0; v < height; v++) {
    for (let u = 0; u < width; u++) {
      const { x, y } = toPicture(u, v);
      const left = Math.floor(x);
      const top = Math.floor(y);
      const across = cubicWeights(x - left);
      const down = cubicWeights(y - top);
      for (let column = 0; column < 4; column++) columns[column] = clamp(left + column - 1, image.width) * channels;
      for (let channel = 0; channel < channels; channel++) {
        let sum = 0;
        for (let row = 0; row < 4; row++) {
          const start = clamp(top + row - 1, image.height) * image.width * channels + channel;
          let line = 0;
          for (let column = 0; column < 4; column++) line += across[column]! * source[start + columns[column]!]!;
          sum += down[row]! * line;
        }
        data[(v * width + u) * channels + channel] = sum <= 0 ? 0 : sum >= 255 ? 255 : Math.round(sum);
      }
    }
  }
  const straight = { width, height, channels, data };
  return height / width >= 1.5 ? turnLeft(straight) : straight;
}

function clamp(place: number, size: number): number {
  return place < 0 ? 0 : place >= size ? size - 1 : place;
}

function cubicWeights(fraction: number): readonly [number, number, number, number] {
  const a = -0.75;
  const t = fraction;
  const first = ((a * (t + 1) - 5 * a) * (t + 1) + 8 * a) * (t + 1) - 4 * a;
  const second = ((a + 2) * t - (a + 3)) * t * t + 1;
  const third = ((a + 2) * (1 - t) - (a + 3)) * (1 - t) * (1 - t) + 1;
  return [first, second, third, 1 - first - second - third];
}

/** The projective map that takes (0, 0), (width, 0), (width, height), (0, height) to the corners (P. Heckbert, 1989). */
function projection([a, b, c, d]: Quadrangle, width: number, height: number): (u: number, v: number) => { readonly x: number; readonly y: number } {
  const sumX = a.x - b.x + c.x - d.x;
  const sumY = a.y - b.y + c.y - d.y;
  const [dx1, dy1, dx2, dy2] = [b.x - c.x, b.y - c.y, d.x - c.x, d.y - c.y];
  const determinant = dx1 * dy2 - dx2 * dy1;
  const g = determinant === 0 ? 0 : (sumX * dy2 - dx2 * sumY) / determinant;
  const h = determinant === 0 ? 0 : (dx1 * sumY - sumX * dy1) / determinant;
  const [ax, ay] = [b.x - a.x + g * b.x, b.y - a.y + g * b.y];
  const [bx, by] = [d.x - a.x + h * d.x, d.y - a.y + h * d.y];
  return (u, v) => {
    const [s, t] = [u / width, v / height];
    const scale = 1 / (g * s + h * t + 1);
    return { x: (ax * s + bx * t + a.x) * scale, y: (ay * s + by * t + a.y) * scale };
  };
}

function turnLeft({ width, height, channels, data }: Raster): Raster {
  const turned = new Uint8Array(data.length);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const from = (y * width + x) * channels;
      turned.set(data.subarray(from, from + channels), ((width - 1 - x) * height + y) * channels);
    }
  }
  return { width: height, height: width, channels, data: turned };
}

export function turnAround({ width, height, channels, data }: Raster): Raster {
  const turned = new Uint8Array(data.length);
  for (let from = 0, to = data.length - channels; from < data.length; from += channels, to -= channels) turned.set(data.subarray(from, from + channels), to);
  return { width, height, channels, data: turned };
}

const bits = 11;

/**
 * OpenCV's linear resize: between pixel centres, in fixed point, without smoothing where it shrinks. These models were trained
 * on pictures that were resized so.
 */
export function resizeLinear(image: Raster, width: number, height: number): Raster {
  if (image.width === width && image.height === height) return image;
  const { channels, data } = image;
  const columns = along(width, image.width);
  const rows = along(height, image.height);
  const resized = new Uint8Array(width * height * channels);
  const stride = image.width * channels;
  const line = (row: number): Int32Array => {
    const values = new Int32Array(width * channels);
    for (let x = 0, to = 0; x < width; x++) {
      const { low, high, first, second } = columns[x]!;
      for (let channel = 0; channel < channels; channel++, to++) values[to] = data[row * stride + low * channels + channel]! * first + data[row * stride + high * channels + channel]! * second;
    }
    return values;
  };
  const lines = new Map<number, Int32Array>();
  const lineAt = (row: number): Int32Array => {
    let values = lines.get(row);
    if (values === undefined) lines.set(row, (values = line(row)));
    return values;
  };
  rows.forEach(({ low, high, first, second }, y) => {
    for (const row of lines.keys()) if (row < low) lines.delete(row);
    const upper = lineAt(low);
    const lower = lineAt(high);
    const start = y * width * channels;
    for (let place = 0; place < width * channels; place++) {
      const sum = ((first * (upper[place]! >> 4)) >> 16) + ((second * (lower[place]! >> 4)) >> 16);
      resized[start + place] = Math.min(255, Math.max(0, (sum + 2) >> 2));
    }
  });
  return { width, height, channels, data: resized };
}

function along(size: number, oldSize: number): { readonly low: number; readonly high: number; readonly first: number; readonly second: number }[] {
  return Array.from({ length: size }, (_, index) => {
    const position = ((index + 0.5) * oldSize) / size - 0.5;
    const low = Math.floor(position);
    const fraction = low < 0 || low >= oldSize - 1 ? 0 : position - low;
    const second = Math.round(fraction * (1 << bits));
    return { low: clamp(low, oldSize), high: clamp(low + 1, oldSize), first: (1 << bits) - second, second };
  });
}
