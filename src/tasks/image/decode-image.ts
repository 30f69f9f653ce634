/** A picture file → pixels. sharp decodes; loading it takes a while, so only worker threads import this file. */
import type { Sharp } from 'sharp';
import { ModelportError } from '../../errors.ts';
import type { Raster } from './raster.ts';

type SharpModule = typeof import('sharp').default;
let loaded: Promise<SharpModule> | undefined;

export async function loadDecoder(): Promise<SharpModule> {
  loaded ??= import('sharp').then(({ default: sharp }) => {
    // Every picture comes once: keeping operations in memory only costs.
    sharp.cache(false);
    return sharp;
  });
  return await loaded;
}

/** What the first bytes of a file say it is, and whether it is a picture that is decoded here. */
function formatOf(bytes: Uint8Array): { readonly name: string; readonly decoded: boolean } | undefined {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, Math.min(bytes.length, 256)).toString('latin1');
  if (text.startsWith('\xff\xd8\xff')) return { name: 'JPEG', decoded: true };
  if (text.startsWith('\x89PNG\r\n\x1a\n')) return { name: 'PNG', decoded: true };
  if (/^GIF8[79]a/.test(text)) return { name: 'GIF', decoded: true };
  if (/^RIFF[^]{4}WEBP/.test(text)) return { name: 'WebP', decoded: true };
  if (text.startsWith('II*\0') || text.startsWith('MM\0*')) return { name: 'TIFF', decoded: true };
  if (/^[^]{4}ftypavi[fs]/.test(text)) return { name: 'AVIF', decoded: true };
  if (/^[^]{4}ftyp(hei|mif|hev)/.test(text)) return { name: 'HEIC', decoded: false };
  if (text.startsWith('BM')) return { name: 'BMP', decoded: false };
  if (text.startsWith('%PDF')) return { name: 'PDF', decoded: false };
  if (text.startsWith('PK\x03\x04')) return { name: 'zip', decoded: false };
  if (/^\s*(<\?xml[^]*)?<svg/i.test(text)) return { name: 'SVG', decoded: false };
  if (/^\s*<(!doctype|html)/i.test(text)) return { name: 'HTML', decoded: false };
  return undefined;
}

export interface DecodeOptions {
  /** Pictures with more pixels are refused before they are decoded. */
  readonly maxPixels: number;
  /** Where the picture lies in the value, for messages. */
  readonly at: string;
}

export interface ImageHeader {
  /** After the turn that the camera asks for. */
  readonly width: number;
  readonly height: number;
  readonly format: string;
  /** Colours in ink (cyan, magenta, yellow, black). */
  readonly cmyk: boolean;
}

/** Reads size and format without decoding. Throws `INVALID_VALUE` for what is no picture, or is too large. */
export async function readImageHeader(bytes: Uint8Array, options: DecodeOptions): Promise<ImageHeader> {
  const { at, maxPixels } = options;
  if (bytes.length === 0) throw new ModelportError('INVALID_VALUE', `${at} is empty: send a picture`, { at });
  const format = formatOf(bytes);
  if (format?.decoded !== true) {
    const found = format === undefined ? `its first bytes are ${firstBytes(bytes)}` : `it is ${/^[aeiouhs]/i.test(format.name) && format.name !== 'zip' ? 'an' : 'a'} ${format.name} file`;
    throw new ModelportError('INVALID_VALUE', `${at} is not a picture that can be read here: ${found}. Send a JPEG, PNG, WebP, GIF, TIFF or AVIF file`, { at });
  }
  const sharp = await loadDecoder();
  let metadata;
  try {
    metadata = await sharp(bytes, { limitInputPixels: false, failOn: 'error' }).metadata();
  } catch (error) {
    throw damaged(format.name, error, at);
  }
  const { width, height } = metadata.autoOrient;
  if (width * height > maxPixels) {
    throw new ModelportError(
      'INVALID_VALUE',
      `${at} has ${width} × ${height} = ${millions(width * height)} million pixels, but at most ${millions(maxPixels)} million are accepted: send a smaller picture`,
      { at },
    );
  }
  return { width, height, format: format.name, cmyk: metadata.space === 'cmyk' };
}

/**
 * Pixels of the first frame, turned as the camera asks for, 16-bit levels cut to 8, CMYK converted. Colour profiles of RGB
 * pictures are ignored, as they were when models were trained. Throws `INVALID_VALUE` where the file is damaged.
 */
export async function decodeImage(bytes: Uint8Array, header: ImageHeader, options: DecodeOptions): Promise<Raster> {
  const sharp = await loadDecoder();
  const open: Sharp = sharp(bytes, { limitInputPixels: options.maxPixels, failOn: 'error', pages: 1, ignoreIcc: !header.cmyk });
  try {
    const { data, info } = await open.autoOrient().toColourspace('srgb').raw({ depth: 'uchar' }).toBuffer({ resolveWithObject: true });
    return { width: info.width, height: info.height, channels: info.channels, data };
  } catch (error) {
    throw damaged(header.format, error, options.at);
  }
}

function damaged(format: string, error: unknown, at: string): ModelportError {
  const reason = (error instanceof Error ? error.message : String(error)).split('\n')[0]!.trim();
  return new ModelportError('INVALID_VALUE', `${at} is a damaged ${format} file: ${reason}`, { at, cause: error });
}

function firstBytes(bytes: Uint8Array): string {
  return [...bytes.subarray(0, 4)].map((byte) => byte.toString(16).padStart(2, '0')).join(' ');
}

function millions(pixels: number): string {
  return String(Math.round(pixels / 1e4) / 100);
}
