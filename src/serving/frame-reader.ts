/** Messages on a byte stream: 2 bytes of magic, 6 bytes of length (little-endian), then the message. */
import { ModelportError } from '../errors.ts';
import { maxMessageBytes } from './instance-wire.ts';

const magic = 0x504d;
const headerBytes = 8;

/** What goes before a message of `bytes` bytes. */
export function frameHeader(bytes: number): Uint8Array {
  const header = Buffer.allocUnsafe(headerBytes);
  header.writeUInt16LE(magic, 0);
  header.writeUIntLE(bytes, 2, 6);
  return header;
}

export interface FrameReaderOptions {
  /** The largest message that is believed. Default 2 GiB. */
  readonly maxBytes?: number;
  /** Memory of at least `bytes` bytes for the next message, where there is some to be used again. */
  readonly reuse?: (bytes: number) => ArrayBuffer | undefined;
}

/** Cuts a stream of chunks into messages; each message gets memory of its own, so that its tensors can be views of it. */
export class FrameReader {
  readonly #onMessage: (bytes: ArrayBuffer) => void;
  readonly #maxBytes: number;
  readonly #reuse: ((bytes: number) => ArrayBuffer | undefined) | undefined;
  readonly #header = Buffer.alloc(headerBytes);
  #headerFilled = 0;
  #message: Uint8Array<ArrayBuffer> | undefined;
  #messageFilled = 0;

  constructor(onMessage: (bytes: ArrayBuffer) => void, options: FrameReaderOptions = {}) {
    this.#onMessage = onMessage;
    this.#maxBytes = options.maxBytes ?? maxMessageBytes;
    this.#reuse = options.reuse;
  }

  /** Takes the next bytes of the stream. Throws `INTERNAL` where they are no frames; the stream is useless then. */
  push(chunk: Uint8Array): void {
    let at = 0;
    while (at < chunk.byteLength) {
      if (this.#message === undefined) {
        const taken = Math.min(headerBytes - this.#headerFilled, chunk.byteLength - at);
        this.#header.set(chunk.subarray(at, at + taken), this.#headerFilled);
        this.#headerFilled += taken;
        at += taken;
        if (this.#headerFilled < headerBytes) return;
        this.#message = this.#begin();
        this.#messageFilled = 0;
      }
      const message = this.#message;
      const taken = Math.min(message.byteLength - this.#messageFilled, chunk.byteLength - at);
      message.set(chunk.subarray(at, at + taken), this.#messageFilled);
      this.#messageFilled += taken;
      at += taken;
      if (this.#messageFilled === message.byteLength) {
        this.#message = undefined;
        this.#headerFilled = 0;
        this.#onMessage(message.buffer);
      }
    }
  }

  #begin(): Uint8Array<ArrayBuffer> {
    if (this.#header.readUInt16LE(0) !== magic) throw new ModelportError('INTERNAL', 'the stream between server and instance holds something that is no message (did the model write to a file descriptor of ours?)');
    const bytes = this.#header.readUIntLE(2, 6);
    if (bytes > this.#maxBytes) throw new ModelportError('INTERNAL', `a message of ${bytes} bytes is larger than the ${this.#maxBytes} that are allowed between server and instance`);
    const memory = this.#reuse?.(bytes);
    if (memory !== undefined) return new Uint8Array(memory, 0, bytes);
    // Unzeroed memory of its own: every byte is overwritten before anybody sees it.
    return bytes < 4096 ? new Uint8Array(bytes) : Buffer.allocUnsafeSlow(bytes);
  }
}
