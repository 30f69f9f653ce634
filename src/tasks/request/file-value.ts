/** What clients send as a file → its bytes. */
import { ModelportError } from '../../errors.ts';

export interface FileKind {
  /** With its article: `a picture`. */
  readonly noun: string;
  /** Of the example in messages: `image/png`. */
  readonly mediaType: string;
}

/**
 * The bytes of a file given as data URL, base64 text or bytes. The media type that a data URL claims is not believed: the
 * content decides. Throws `INVALID_VALUE`.
 */
export function fileBytes(value: unknown, at: string, kind: FileKind): Uint8Array {
  if (value instanceof Uint8Array) return value;
  const expected = `send a data URL (data:${kind.mediaType};base64,…), base64 text, or the file itself as multipart form data`;
  if (value === undefined) throw new ModelportError('INVALID_VALUE', `${at} is missing: ${expected}`, { at });
  if (typeof value !== 'string') {
    const found = value === null ? 'null' : Array.isArray(value) ? 'an array' : `${typeof value === 'object' ? 'an' : 'a'} ${typeof value}`;
    throw new ModelportError('INVALID_VALUE', `${at} is ${found}, not ${kind.noun}: ${expected}`, { at });
  }
  if (/^(https?|ftp|file):/i.test(value)) throw new ModelportError('INVALID_VALUE', `${at} is an address, and addresses are not fetched here: ${expected}`, { at });
  let base64 = value;
  if (value.startsWith('data:')) {
    const comma = value.indexOf(',');
    if (comma === -1 || !value.slice(0, comma).endsWith(';base64')) {
      throw new ModelportError('INVALID_VALUE', `${at} is a data URL without ";base64,": write data:${kind.mediaType};base64, and then the bytes in base64`, { at });
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

/** A file as a data URL of a media type. */
export function dataUrl(bytes: Uint8Array, mediaType: string): string {
  return `data:${mediaType};base64,${Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64')}`;
}
