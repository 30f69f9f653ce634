/** Files that are compressed as a whole, told by their first bytes. */
import { constants } from 'node:buffer';
import { gunzipSync, inflateSync } from 'node:zlib';
import { isModelportError, ModelportError } from '../../errors.ts';
import { inflateBzip2 } from './bzip2.ts';
import { inflateLz4 } from './lz4.ts';
import { inflateXz } from './xz.ts';

interface Compression {
  readonly name: string;
  begins(start: Uint8Array): boolean;
  /** Absent where it is not read. Throws an error that says what is damaged. */
  readonly inflate?: (bytes: Uint8Array, mostBytes: number) => Uint8Array | Promise<Uint8Array>;
}

function magic(...bytes: readonly number[]): Compression['begins'] {
  return (start) => bytes.every((byte, index) => start[index] === byte);
}

const compressions: readonly Compression[] = [
  { name: 'gzip', begins: magic(0x1f, 0x8b), inflate: (bytes, maxOutputLength) => gunzipSync(bytes, { maxOutputLength }) },
  // zlib's second byte makes the first two a multiple of 31; no pickle begins with an 'x'.
  { name: 'zlib', begins: (start) => start[0] === 0x78 && start.length > 1 && (0x7800 + start[1]!) % 31 === 0, inflate: (bytes, maxOutputLength) => inflateSync(bytes, { maxOutputLength }) },
  { name: 'bzip2', begins: (start) => magic(0x42, 0x5a, 0x68)(start) && start[3]! >= 0x31 && start[3]! <= 0x39 && (start[4] === 0x31 || start[4] === 0x17), inflate: inflateBzip2 },
  { name: 'LZ4', begins: magic(0x04, 0x22, 0x4d, 0x18), inflate: inflateLz4 },
  { name: 'xz', begins: magic(0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00), inflate: inflateXz },
  { name: 'LZMA', begins: magic(0x5d, 0x00, 0x00) },
  { name: 'Zstandard', begins: magic(0x28, 0xb5, 0x2f, 0xfd) },
  { name: "joblib's own layout of before 2016 (ZFILE)", begins: magic(0x5a, 0x46, 0x30, 0x78) },
];

/** What the file is compressed with, whether that is read or not. */
export function compressionOf(start: Uint8Array): string | undefined {
  return compressions.find((compression) => compression.begins(start))?.name;
}

/**
 * The content of a file that is compressed as a whole, or the file itself where it is not. Throws `INVALID_MODEL`, naming the file, where the compression is not
 * read, the file is damaged, or more than `mostBytes` come out; no more memory than that is taken.
 */
export async function decompress(bytes: Uint8Array, name: string, mostBytes: number): Promise<Uint8Array> {
  const compression = compressions.find((known) => known.begins(bytes));
  if (compression === undefined) return bytes;
  if (compression.inflate === undefined) {
    throw new ModelportError('INVALID_MODEL', `${name} is compressed with ${compression.name}, which is not read; save it again with joblib.dump(joblib.load(${JSON.stringify(name)}), 'model.joblib', compress=3)`, { at: name });
  }
  const most = Math.max(1, Math.min(mostBytes, constants.MAX_LENGTH));
  try {
    return await compression.inflate(bytes, most);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const problem = isModelportError(error) ? error.message : code === 'ERR_BUFFER_TOO_LARGE' ? `it inflates to more than ${most} bytes, which is refused` : `it is truncated or damaged (${message})`;
    throw new ModelportError('INVALID_MODEL', `${name} is compressed with ${compression.name}, and cannot be inflated: ${problem}`, { at: name, cause: error });
  }
}
