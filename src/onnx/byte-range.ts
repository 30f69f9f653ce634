/** Bytes that are read when somebody asks for them: weights stay in their file until then. */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { ModelportError } from '../errors.ts';

/** A file as it was when it was first looked at. A range of a file that changed since is refused, not read wrongly. */
export interface FileIdentity {
  readonly path: string;
  readonly sizeBytes: number;
  readonly modifiedMs: number;
}

/** A run of bytes, in memory or in a file. Nothing is held open in between. */
export class ByteRange {
  readonly byteLength: number;
  /** Where the run begins: in its file, or in the bytes that the model was read from. */
  readonly offset: number;
  readonly #bytes: Uint8Array | undefined;
  readonly #file: FileIdentity | undefined;

  private constructor(bytes: Uint8Array | undefined, file: FileIdentity | undefined, offset: number, byteLength: number) {
    this.#bytes = bytes;
    this.#file = file;
    this.offset = offset;
    this.byteLength = byteLength;
  }

  /** Bytes in memory; not copied. */
  static of(bytes: Uint8Array, offset = 0): ByteRange {
    return new ByteRange(bytes, undefined, offset, bytes.byteLength);
  }

  static ofFile(file: FileIdentity, offset: number, byteLength: number): ByteRange {
    return new ByteRange(undefined, file, offset, byteLength);
  }

  /** The bytes: a view where they are in memory, else read from the file now. Throws `INVALID_MODEL` where the file is gone or changed. */
  read(): Uint8Array {
    if (this.#bytes !== undefined) return this.#bytes;
    const descriptor = this.#open();
    try {
      return readFully(descriptor, this.#file!.path, this.offset, this.byteLength);
    } finally {
      closeSync(descriptor);
    }
  }

  /** The bytes in pieces of at most `mostBytes`, each read when it is asked for. Throws as `read`. */
  *pieces(mostBytes: number): Generator<Uint8Array> {
    if (this.#bytes !== undefined) {
      yield this.#bytes;
      return;
    }
    const descriptor = this.#open();
    try {
      for (let done = 0; done < this.byteLength; done += mostBytes) {
        yield readFully(descriptor, this.#file!.path, this.offset + done, Math.min(mostBytes, this.byteLength - done));
      }
    } finally {
      closeSync(descriptor);
    }
  }

  #open(): number {
    const file = this.#file!;
    const descriptor = openForReading(file.path);
    const status = fstatSync(descriptor);
    if (status.size === file.sizeBytes && status.mtimeMs === file.modifiedMs) return descriptor;
    closeSync(descriptor);
    throw new ModelportError('INVALID_MODEL', `${file.path} changed while it was in use; load the model again`, { at: file.path });
  }
}

/** Opens a file, with an error that a person understands. */
export function openForReading(path: string): number {
  try {
    return openSync(path, 'r');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const reason = code === 'ENOENT' ? 'there is no such file' : code === 'EACCES' ? 'permission denied' : (error as Error).message;
    throw new ModelportError('INVALID_MODEL', `${path} cannot be read: ${reason}`, { at: path, cause: error });
  }
}

/** `length` bytes from `offset`; a file that ends before is an error. One call of `read` gives at most 2 GB, hence the loop. */
export function readFully(descriptor: number, path: string, offset: number, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  let done = 0;
  while (done < length) {
    const count = readSync(descriptor, bytes, done, Math.min(length - done, 0x4000_0000), offset + done);
    if (count === 0) throw new ModelportError('INVALID_MODEL', `${path} ended at byte ${offset + done}, ${length - done} bytes early`, { at: path });
    done += count;
  }
  return bytes;
}
