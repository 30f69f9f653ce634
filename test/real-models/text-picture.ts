/** What stands around the three models that read text from pictures: scaling, finding the lit region, decoding characters. */
import sharp from 'sharp';
import type { Tensor } from '../../src/tensor.ts';

/** Three bytes a pixel, blue first: the order that the models were trained on. */
export interface Picture {
  readonly width: number;
  readonly height: number;
  readonly data: Uint8Array;
}

export interface Box {
  readonly left: number;
  readonly top: number;
  readonly right: number;
  readonly bottom: number;
}

export async function readPicture(path: string): Promise<Picture> {
  const { data, info } = await sharp(path).removeAlpha().toColourspace('srgb').raw().toBuffer({ resolveWithObject: true });
  for (let index = 0; index < data.length; index += 3) [data[index], data[index + 2]] = [data[index + 2]!, data[index]!];
  return { width: info.width, height: info.height, data };
}

/** Corners from the upper left one clockwise. */
export type Corners = readonly (readonly [x: number, y: number])[];

/** What lies within a slanted rectangle, by cubic interpolation (a = −0.75); beyond its edges the picture continues with its last pixels. */
export function straighten(picture: Picture, [origin, right, , below]: Corners): Picture {
  const side = (to: readonly [number, number]): number => Math.trunc(Math.hypot(to[0] - origin![0], to[1] - origin![1]));
  const [width, height] = [side(right!), side(below!)];
  const data = new Uint8Array(width * height * 3);
  for (let v = 0; v < height; v++) {
    for (let u = 0; u < width; u++) {
      const at = (axis: 0 | 1): number => origin![axis] + (u / width) * (right![axis] - origin![axis]) + (v / height) * (below![axis] - origin![axis]);
      const [x, y] = [at(0), at(1)];
      const [columns, rows] = [cubicWeights(x - Math.floor(x)), cubicWeights(y - Math.floor(y))];
      for (let channel = 0; channel < 3; channel++) {
        let sum = 0;
        rows.forEach((rowWeight, row) => {
          const line = Math.min(picture.height - 1, Math.max(0, Math.floor(y) + row - 1));
          columns.forEach((weight, column) => {
            const place = Math.min(picture.width - 1, Math.max(0, Math.floor(x) + column - 1));
            sum += rowWeight * weight * picture.data[(line * picture.width + place) * 3 + channel]!;
          });
        });
        data[(v * width + u) * 3 + channel] = Math.min(255, Math.max(0, Math.round(sum)));
      }
    }
  }
  return { width, height, data };
}

function cubicWeights(fraction: number): number[] {
  const a = -0.75;
  return [-1, 0, 1, 2].map((offset) => {
    const d = Math.abs(fraction - offset);
    return d <= 1 ? ((a + 2) * d - (a + 3)) * d * d + 1 : d < 2 ? ((a * d - 5 * a) * d + 8 * a) * d - 4 * a : 0;
  });
}

export function turnAround(picture: Picture): Picture {
  const data = new Uint8Array(picture.data.length);
  for (let pixel = 0; pixel * 3 < data.length; pixel++) data.set(picture.data.subarray(pixel * 3, pixel * 3 + 3), data.length - (pixel + 1) * 3);
  return { ...picture, data };
}

/** Bilinear between pixel centres, without smoothing when it shrinks. */
export function resize(picture: Picture, width: number, height: number): Picture {
  const data = new Uint8Array(width * height * 3);
  const along = (size: number, from: number): { low: number; high: number; weight: number }[] =>
    Array.from({ length: size }, (_, index) => {
      const position = Math.min(from - 1, Math.max(0, ((index + 0.5) * from) / size - 0.5));
      const low = Math.floor(position);
      return { low, high: Math.min(from - 1, low + 1), weight: position - low };
    });
  const columns = along(width, picture.width);
  along(height, picture.height).forEach((row, y) => {
    columns.forEach((column, x) => {
      for (let channel = 0; channel < 3; channel++) {
        const at = (line: number, place: number): number => picture.data[(line * picture.width + place) * 3 + channel]!;
        const upper = at(row.low, column.low) * (1 - column.weight) + at(row.low, column.high) * column.weight;
        const lower = at(row.high, column.low) * (1 - column.weight) + at(row.high, column.high) * column.weight;
        data[(y * width + x) * 3 + channel] = Math.round(upper * (1 - row.weight) + lower * row.weight);
      }
    });
  });
  return { width, height, data };
}

/** FP32[1, 3, height, width] from -1 to 1; columns right of the picture are 0. */
export function toTensor(picture: Picture, width = picture.width): Tensor<'FP32'> {
  const data = new Float32Array(3 * picture.height * width);
  for (let channel = 0; channel < 3; channel++) {
    for (let y = 0; y < picture.height; y++) {
      for (let x = 0; x < picture.width; x++) {
        data[(channel * picture.height + y) * width + x] = picture.data[(y * picture.width + x) * 3 + channel]! / 127.5 - 1;
      }
    }
  }
  return { datatype: 'FP32', shape: [1, 3, picture.height, width], data };
}

/** Scaled to `height` at most `width` wide, and filled up to that width. */
export function line(picture: Picture, height: number, width: number): Tensor<'FP32'> {
  return toTensor(resize(picture, Math.min(width, Math.ceil((height * picture.width) / picture.height)), height), width);
}

/** The boxes around connected regions of a heat map FP32[1, 1, height, width] above `threshold`, largest first. */
export function regions(heat: Tensor, threshold: number): Box[] {
  const [, , height, width] = heat.shape as [number, number, number, number];
  const lit = (heat.data as Float32Array).map((value) => (value > threshold ? 1 : 0));
  const found: (Box & { area: number })[] = [];
  for (let seed = 0; seed < lit.length; seed++) {
    if (lit[seed] === 0) continue;
    const box = { left: width, top: height, right: 0, bottom: 0, area: 0 };
    const pending = [seed];
    lit[seed] = 0;
    while (pending.length > 0) {
      const pixel = pending.pop()!;
      const x = pixel % width;
      const y = (pixel - x) / width;
      box.left = Math.min(box.left, x);
      box.top = Math.min(box.top, y);
      box.right = Math.max(box.right, x + 1);
      box.bottom = Math.max(box.bottom, y + 1);
      box.area++;
      for (const next of [x > 0 ? pixel - 1 : -1, x + 1 < width ? pixel + 1 : -1, pixel - width, pixel + width]) {
        if (next < 0 || next >= lit.length || lit[next] === 0) continue;
        lit[next] = 0;
        pending.push(next);
      }
    }
    found.push(box);
  }
  return found.sort((a, b) => b.area - a.area).map(({ left, top, right, bottom }) => ({ left, top, right, bottom }));
}

/** The model marks the core of a text; its outline lies area · ratio / circumference further out. */
export function grow({ left, top, right, bottom }: Box, ratio: number): Box {
  const [width, height] = [right - left, bottom - top];
  const distance = (width * height * ratio) / (2 * (width + height));
  return { left: left - distance, top: top - distance, right: right + distance, bottom: bottom + distance };
}

/** The text of FP32[1, steps, classes] by connectionist temporal classification: the best class of each step, repetitions and class 0 left out. */
export function decodeText(scores: Tensor, characters: readonly string[]): { readonly text: string; readonly score: number } {
  const [, steps, classes] = scores.shape as [number, number, number];
  let text = '';
  let sum = 0;
  let count = 0;
  let previous = 0;
  for (let step = 0; step < steps; step++) {
    const row = (scores.data as Float32Array).subarray(step * classes, (step + 1) * classes);
    let best = 0;
    for (let index = 1; index < classes; index++) if (row[index]! > row[best]!) best = index;
    if (best !== 0 && best !== previous) {
      text += characters[best - 1]!;
      sum += row[best]!;
      count++;
    }
    previous = best;
  }
  return { text, score: count === 0 ? 0 : sum / count };
}
