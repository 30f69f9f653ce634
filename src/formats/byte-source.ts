/** Bytes at an offset, from memory or from a file that stays open: large files are not read as a whole. */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { ModelportError } from '../errors.ts';

export interface ByteSource {
  /** For error messages. */
  readonly name: string;
  readonly sizeBytes: number;
  /** `length` bytes from `offset`. From memory a view. Throws `INVALID_MODEL` where they do not lie in the source. */
  read(offset: number, length: number): Uint8Array;
  /** Lets go of the file. Reading afterwards is an error. */
  close(): void;
}

/** One call of `read` gives at most 2 GB. */
const largestRead = 2 ** 30;

function checkRange(name: string, sizeBytes: number, offset: number, length: number): void {
  if (!(Number.isSafeInteger(offset) && Number.isSafeInteger(length) && offset >= 0 && length >= 0 && offset + length <= sizeBytes)) {
    throw new ModelportError('INVALID_MODEL', `${name}: ${length} bytes at byte ${offset} are wanted, but the file has ${sizeBytes}; it is truncated or damaged`, { at: name });
  }
}

export function bytesSource(bytes: Uint8Array, name: string): ByteSource {
  return {
    name,
    sizeBytes: bytes.length,
    read(offset, length) {
      checkRange(name, bytes.length, offset, length);
      return bytes.subarray(offset, offset + length);
    },
    close() {},
  };
}

/** Opens a file. A file that shrinks meanwhile gives an error, not wrong bytes. */
export function fileSource(path: string): ByteSource {
  let descriptor: number | undefined;
  try {
    descriptor = openSync(path, 'r');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const reason = code === 'ENOENT' ? 'there is no such file' : code === 'EACCES' ? 'permission denied' : (error as Error).message;
    throw new ModelportError('INVALID_MODEL', `${path} cannot be read: ${reason}`, { at: path, cause: error });
  }
  const status = fstatSync(descriptor);
  if (!status.isFile()) {
    closeSync(descriptor);
    throw new ModelportError('INVALID_MODEL', `${path} is no file`, { at: path });
  }
  const sizeBytes = status.size;
  return {
    name: path,
    sizeBytes,
    read(offset, length) {
      checkRange(path, sizeBytes, offset, length);
      if (descriptor === undefined) throw new ModelportError('INVALID_MODEL', `${path} is closed`, { at: path });
      const bytes = new Uint8Array(length);
      let done = 0;
      while (done < length) {
        const count = readSync(descriptor, bytes, done, Math.min(length - done, largestRead), offset + done);
        if (count === 0) throw new ModelportError('INVALID_MODEL', `${path} ended at byte ${offset + done}, ${length - done} bytes early`, { at: path });
        done += count;
      }
      return bytes;
    },
    close() {
      if (descriptor !== undefined) closeSync(descriptor);
      descriptor = undefined;
    },
  };
}
