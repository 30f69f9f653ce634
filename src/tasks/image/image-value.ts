/** What clients send as a picture → the bytes of the file. */
import { ModelportError } from '../../errors.ts';

const expected = 'send a data URL (data:image/png;base64,…), base64 text, or the file itself as multipart form data';

/**
 * The bytes of a picture given as data URL, base64 text or bytes. The media type that a data URL claims is not believed:
 * the content decides. Throws `INVALID_VALUE`.
 */
export function imageBytes(value: unknown, at: string): Uint8Array {
  if (value instanceof Uint8Array) return value;
  if (value === undefined) throw new ModelportError('INVALID_VALUE', `${at} is missing: ${expected}`, { at });
  if (typeof value !== 'string') {
    const kind = value === null ? 'null' : Array.isArray(value) ? 'an array' : `${typeof value === 'object' ? 'an' : 'a'} ${typeof value}`;
    throw new ModelportError('INVALID_VALUE', `${at} is ${kind}, not a picture: ${expected}`, { at });
  }
  if (/^(https?|ftp|file):/i.test(value)) throw new ModelportError('INVALID_VALUE', `${at} is an address, and addresses are not fetched here: ${expected}`, { at });
  let base64 = value;
  if (value.startsWith('data:')) {
    const comma = value.indexOf(',');
    if (comma === -1 || !value.slice(0, comma).endsWith(';base64')) {
      throw new ModelportError('INVALID_VALUE', `${at} is a data URL without ";base64,": write data:image/png;base64, and then the bytes in base64`, { at });
    }
    base64 = value.slice(comma + 1);
  }
  const bytes = Buffer.from(base64, 'base64');
  // Buffer skips what is no base64 without a word, which shows in the length. Blanks and line ends are allowed.
  if (bytes.length !== base64Length(base64) && bytes.length !== base64Length(base64.replace(/\s+/g, ''))) {
    throw new ModelportError('INVALID_VALUE', `${at} is neither a data URL nor base64 text: ${expected}`, { at });
  }
  return bytes;
}

function base64Length(base64: string): number {
  const padding = base64.endsWith('==') ? 2 : base64.endsWith('=') ? 1 : 0;
  return Math.floor(((base64.length - padding) * 3) / 4);
}

/** The picture as a data URL, for examples. */
export function imageDataUrl(bytes: Uint8Array): string {
  const head = Buffer.from(bytes.subarray(0, 4)).toString('latin1');
  const type = head.startsWith('\xff\xd8') ? 'jpeg' : head.startsWith('GIF') ? 'gif' : head.startsWith('RIFF') ? 'webp' : head.startsWith('\x89PNG') ? 'png' : 'octet-stream';
  return `data:${type === 'octet-stream' ? 'application' : 'image'}/${type};base64,${Buffer.from(bytes).toString('base64')}`;
}
