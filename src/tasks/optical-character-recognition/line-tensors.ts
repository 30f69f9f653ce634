/** Lines of text as rows of the input of a model. */
import type { Raster } from '../image/raster.ts';
import { resizeLinear } from './warp.ts';

/** `[lines, 3, height, width]`, levels from −1 to 1: scaled to the height, and zeros to the right of what is narrower. */
export function lineElements(lines: readonly Raster[], height: number, width: number, color: 'bgr' | 'rgb'): Float32Array<ArrayBuffer> {
  const elements = new Float32Array(lines.length * 3 * height * width);
  lines.forEach((line, row) => {
    const scaled = resizeLinear(line, Math.min(width, Math.ceil((height * line.width) / line.height)), height);
    writePlanes(scaled, color, width, height, elements.subarray(row * 3 * height * width));
  });
  return elements;
}

/** Red, green and blue in planes of `width × height`, levels from −1 to 1. */
export function writePlanes(image: Raster, color: 'bgr' | 'rgb', width: number, height: number, elements: Float32Array): void {
  for (let channel = 0; channel < 3; channel++) {
    const source = color === 'bgr' ? 2 - channel : channel;
    for (let y = 0; y < image.height; y++) {
      let to = (channel * height + y) * width;
      for (let x = 0, from = y * image.width * 3 + source; x < image.width; x++, from += 3) elements[to++] = image.data[from]! / 127.5 - 1;
    }
  }
}

/** The width of a batch: that of its longest line, and not less than `least`. */
export function batchWidth(lines: readonly Pick<Raster, 'width' | 'height'>[], height: number, least: number): number {
  return Math.trunc(height * lines.reduce((most, line) => Math.max(most, line.width / line.height), least / height));
}
