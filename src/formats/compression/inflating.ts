/** What readers of compressed formats share: an output that grows up to a limit, and the error of a file that cannot be read. */
import { ModelportError } from '../../errors.ts';

/** Thrown by the readers of this folder; `decompress` says which file it was. */
export function damaged(problem: string): ModelportError {
  return new ModelportError('INVALID_MODEL', `it is truncated or damaged (${problem})`);
}

/** Bytes that are written one after the other. Memory grows with what is written, never with what a file announces. */
export class GrowingBytes {
  /** What was written, and room behind it; another array after each `reserve`. */
  bytes: Uint8Array;
  length = 0;
  readonly #mostBytes: number;

  constructor(mostBytes: number, expectedBytes = 65_536) {
    this.#mostBytes = mostBytes;
    this.bytes = new Uint8Array(Math.max(1, Math.min(expectedBytes, mostBytes)));
  }

  /** Makes room for `count` bytes more. Throws `INVALID_MODEL` above the limit. */
  reserve(count: number): void {
    const wanted = this.length + count;
    if (wanted <= this.bytes.length) return;
    if (wanted > this.#mostBytes) throw new ModelportError('INVALID_MODEL', `it inflates to more than ${this.#mostBytes} bytes, which is refused`);
    const grown = new Uint8Array(Math.min(this.#mostBytes, Math.max(wanted, 2 * this.bytes.length)));
    grown.set(this.bytes.subarray(0, this.length));
    this.bytes = grown;
  }

  append(source: Uint8Array): void {
    this.reserve(source.length);
    this.bytes.set(source, this.length);
    this.length += source.length;
  }

  written(): Uint8Array {
    return this.bytes.subarray(0, this.length);
  }
}
