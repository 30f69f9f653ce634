/** Pixels in memory: 8 bits a channel, rows from the top, channels interleaved. */
export interface Raster {
  readonly width: number;
  readonly height: number;
  /** 1: grey, 2: grey and alpha, 3: red, green, blue, 4: and alpha. */
  readonly channels: number;
  /** `width × height × channels` bytes. */
  readonly data: Uint8Array;
}

/**
 * The picture without its alpha channel, laid on a background of one grey level (255: white), as three channels or, by
 * ITU-R 601 luma in Pillow's rounding, as one.
 */
export function flatten(image: Raster, color: 'rgb' | 'grayscale', background: number): Raster {
  const { width, height, channels, data } = image;
  const wanted = color === 'rgb' ? 3 : 1;
  if (channels === wanted) return image;
  const pixels = width * height;
  const flat = new Uint8Array(pixels * wanted);
  const hasAlpha = channels === 2 || channels === 4;
  const hasColor = channels >= 3;
  for (let pixel = 0, from = 0, to = 0; pixel < pixels; pixel++, from += channels, to += wanted) {
    let red = data[from]!;
    let green = hasColor ? data[from + 1]! : red;
    let blue = hasColor ? data[from + 2]! : red;
    if (hasAlpha) {
      const alpha = data[from + channels - 1]!;
      if (alpha !== 255) {
        const rest = background * (255 - alpha) + 127;
        red = ((red * alpha + rest) / 255) | 0;
        green = ((green * alpha + rest) / 255) | 0;
        blue = ((blue * alpha + rest) / 255) | 0;
      }
    }
    if (wanted === 3) {
      flat[to] = red;
      flat[to + 1] = green;
      flat[to + 2] = blue;
    } else {
      flat[to] = luma(red, green, blue);
    }
  }
  return { width, height, channels: wanted, data: flat };
}

/** Pillow's `convert("L")`: ITU-R 601-2 in 16-bit fixed point. */
function luma(red: number, green: number, blue: number): number {
  return (red * 19595 + green * 38470 + blue * 7471 + 0x8000) >> 16;
}

/** The part of the picture at (`left`, `top`); what lies outside of the picture is filled with `fill`. */
export function crop(image: Raster, left: number, top: number, width: number, height: number, fill = 0): Raster {
  if (left === 0 && top === 0 && width === image.width && height === image.height) return image;
  const { channels } = image;
  const data = new Uint8Array(width * height * channels);
  if (fill !== 0) data.fill(fill);
  const firstColumn = Math.max(0, left);
  const endColumn = Math.min(image.width, left + width);
  if (endColumn > firstColumn) {
    for (let row = Math.max(0, top); row < Math.min(image.height, top + height); row++) {
      const start = row * image.width;
      data.set(image.data.subarray((start + firstColumn) * channels, (start + endColumn) * channels), ((row - top) * width + firstColumn - left) * channels);
    }
  }
  return { width, height, channels, data };
}
