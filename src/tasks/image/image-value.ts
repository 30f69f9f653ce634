/** What clients send as a picture → the bytes of the file. */
import { dataUrl, fileBytes } from '../request/file-value.ts';
import type { JsonSchema } from '../../model.ts';

/** The bytes of a picture given as data URL, base64 text or bytes. Throws `INVALID_VALUE`. */
export function imageBytes(value: unknown, at: string): Uint8Array {
  return fileBytes(value, at, { noun: 'a picture', mediaType: 'image/png' });
}

/** The picture as a data URL, for examples. */
export function imageDataUrl(bytes: Uint8Array): string {
  const head = Buffer.from(bytes.subarray(0, 4)).toString('latin1');
  const type = head.startsWith('\xff\xd8') ? 'jpeg' : head.startsWith('GIF') ? 'gif' : head.startsWith('RIFF') ? 'webp' : head.startsWith('\x89PNG') ? 'png' : 'octet-stream';
  return dataUrl(bytes, `${type === 'octet-stream' ? 'application' : 'image'}/${type}`);
}

/** The schema of a field that takes a picture. */
export function imageSchema(title = 'Image', widget: 'image' | 'draw' = 'image'): JsonSchema {
  return {
    type: 'string',
    title,
    format: 'image',
    contentMediaType: 'image/*',
    contentEncoding: 'base64',
    description: 'A JPEG, PNG, WebP, GIF, TIFF or AVIF file: as data URL, as base64 text, or as a file of a multipart form.',
    'x-modelport': { widget },
  };
}
