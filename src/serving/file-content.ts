/** What a file is, by its first bytes, for the error that says why it is no model. */
import { open } from 'node:fs/promises';

const beginnings: readonly (readonly [offset: number, bytes: string, what: string])[] = [
  [0, 'version https://git-lfs', 'a Git LFS pointer: the model itself was not downloaded, run git lfs pull'],
  [0, 'PK\u0003\u0004', 'a zip file'],
  [0, '\u0089HDF\r\n', 'an HDF5 file'],
  [0, 'GGUF', 'a GGUF file'],
  [0, '\u0093NUMPY', 'a NumPy array'],
  [0, '\u001f\u008b', 'compressed with gzip'],
  [0, '\u0028\u00b5\u002f\u00fd', 'compressed with Zstandard'],
  [0, '\u0080\u0002', 'a Python pickle'],
  [0, '\u0080\u0003', 'a Python pickle'],
  [0, '\u0080\u0004', 'a Python pickle'],
  [0, '\u0080\u0005', 'a Python pickle'],
  [4, 'TFL3', 'a TensorFlow Lite model'],
  [0, '<!DOCTYPE', 'an HTML page, not a downloaded model'],
  [0, '<!doctype', 'an HTML page, not a downloaded model'],
  [0, '<html', 'an HTML page, not a downloaded model'],
  [0, '%PDF', 'a PDF document'],
  [0, '\u0089PNG', 'a PNG image'],
  [0, '\u00ff\u00d8\u00ff', 'a JPEG image'],
  [0, '\u007fELF', 'a program'],
];

/** "a zip file", "empty", or undefined where it cannot be told. `start` holds the first bytes, a few hundred are enough. */
export function describeContent(start: Uint8Array): string | undefined {
  if (start.length === 0) return 'empty';
  const text = Buffer.from(start).toString('latin1');
  for (const [offset, bytes, what] of beginnings) if (text.startsWith(bytes, offset)) return what;
  if (/^\s*\{/.test(text) && isText(start)) return 'text that looks like JSON';
  if (start.every((byte) => byte === 0)) return 'all zeros: it was allocated but not written';
  return isText(start) ? 'text' : undefined;
}

/** The first bytes of a file, at most `count`. */
export async function readStart(path: string, count = 512): Promise<Uint8Array> {
  const file = await open(path, 'r');
  try {
    const buffer = new Uint8Array(count);
    const { bytesRead } = await file.read(buffer, 0, count, 0);
    return buffer.subarray(0, bytesRead);
  } finally {
    await file.close();
  }
}

/** UTF-8 without control characters but tabs and line ends. */
function isText(start: Uint8Array): boolean {
  if (start.some((byte) => byte < 0x20 && byte !== 0x09 && byte !== 0x0a && byte !== 0x0d)) return false;
  try {
    new TextDecoder('utf-8', { fatal: true }).decode(start, { stream: true });
    return true;
  } catch {
    return false;
  }
}
