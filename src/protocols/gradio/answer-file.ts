/** A stored file as an answer: whole, or the range of it that players ask for. */
import type { HttpRequest, HttpResponse } from '../../protocol.ts';
import type { StoredFile } from './file-store.ts';
import { anyMediaType, mediaTypeOfBytes, mediaTypeOfName } from '../../lib/media-type.ts';

export function answerFile({ name, bytes }: StoredFile, { headers: asked }: HttpRequest): HttpResponse {
  const byName = mediaTypeOfName(name);
  const mediaType = byName === anyMediaType ? mediaTypeOfBytes(bytes) : byName;
  // What clients upload is shown by nobody's browser as a page of this server: it could call it.
  const shown = /^(?:image\/(?!svg)|audio\/|video\/)/.test(mediaType);
  const headers: Record<string, string> = {
    'content-type': mediaType,
    'content-disposition': `${shown ? 'inline' : 'attachment'}; filename*=UTF-8''${encodeURIComponent(name).replace(/['()*]/g, (character) => `%${character.charCodeAt(0).toString(16)}`)}`,
    'content-security-policy': "sandbox; default-src 'none'",
    'x-content-type-options': 'nosniff',
    'cache-control': 'private, max-age=3600',
    'accept-ranges': 'bytes',
  };
  const range = typeof asked['range'] === 'string' ? /^bytes=(\d*)-(\d*)$/.exec(asked['range']) : null;
  if (range === null || (range[1] === '' && range[2] === '')) return { headers, body: bytes, compress: false };
  const size = bytes.byteLength;
  const first = range[1] === '' ? Math.max(0, size - Number(range[2])) : Number(range[1]);
  const last = range[1] === '' || range[2] === '' ? size - 1 : Math.min(Number(range[2]), size - 1);
  if (first > last) return { status: 416, headers: { ...headers, 'content-range': `bytes */${size}` } };
  return { status: 206, headers: { ...headers, 'content-range': `bytes ${first}-${last}/${size}` }, body: bytes.subarray(first, last + 1), compress: false };
}
