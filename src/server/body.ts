/** Reads the body of a request: whole, bounded, decompressed. */
import { promisify } from 'node:util';
import { brotliDecompress, gunzip, inflate, inflateRaw } from 'node:zlib';
import { ModelportError } from '../errors.ts';
import type { HttpRequest } from '../protocol.ts';

const decoders: Readonly<Record<string, (body: Uint8Array, options: { maxOutputLength: number }) => Promise<Buffer>>> = {
  gzip: promisify(gunzip) as (body: Uint8Array, options: { maxOutputLength: number }) => Promise<Buffer>,
  'x-gzip': promisify(gunzip) as (body: Uint8Array, options: { maxOutputLength: number }) => Promise<Buffer>,
  // "deflate" means the zlib format; some clients send the raw stream.
  deflate: async (body, options) => {
    const zlibHeader = body.length >= 2 && (body[0]! & 0x0f) === 8 && ((body[0]! << 8) | body[1]!) % 31 === 0;
    return promisify(zlibHeader ? inflate : inflateRaw)(body, options);
  },
  br: promisify(brotliDecompress) as (body: Uint8Array, options: { maxOutputLength: number }) => Promise<Buffer>,
};

export function bodyTooLarge(maxBytes: number): ModelportError {
  return new ModelportError('BODY_TOO_LARGE', `the request body is larger than ${maxBytes} bytes: start the server with a larger --max-body`);
}

/** What is wrong with the message before its body is read, or undefined. */
export function refuseBody(headers: HttpRequest['headers'], maxBytes: number): ModelportError | undefined {
  const length = headers['content-length'];
  if (length !== undefined && Number(length) > maxBytes) return bodyTooLarge(maxBytes);
  const encoding = headers['content-encoding'] as string | undefined;
  if (encoding !== undefined && encoding !== 'identity' && decoders[encoding.toLowerCase()] === undefined) {
    return new ModelportError('UNSUPPORTED_MEDIA_TYPE', `the content encoding '${encoding.slice(0, 100)}' is not known: use gzip, deflate, br or none`);
  }
  return undefined;
}

/** Undoes the content encoding. Throws `BODY_TOO_LARGE` where the result is over `maxBytes` (a bomb), `INVALID_REQUEST` where it is damaged. */
export async function decompressBody(body: Uint8Array, encoding: string, maxBytes: number): Promise<Uint8Array> {
  try {
    return await decoders[encoding.toLowerCase()]!(body, { maxOutputLength: maxBytes });
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE') throw bodyTooLarge(maxBytes);
    throw new ModelportError('INVALID_REQUEST', `the request body is not valid ${encoding}: ${(cause as Error).message}`, { cause });
  }
}
