/** `.xz` files, by the WebAssembly build of XZ Embedded: https://tukaani.org/xz/xz-file-format.txt */
import { createRequire } from 'node:module';
import { ModelportError } from '../../errors.ts';
import { damaged, GrowingBytes } from './inflating.ts';

/** Throws where the file is damaged, or holds more than `mostBytes`. */
export async function inflateXz(input: Uint8Array, mostBytes: number): Promise<Uint8Array> {
  const { XzReadableStream } = createRequire(import.meta.url)('xz-decompress') as { XzReadableStream: new (stream: ReadableStream) => ReadableStream<Uint8Array> };
  const output = new GrowingBytes(mostBytes, Math.min(4 * input.length, 1 << 26));
  let ended = false;
  const source = new ReadableStream({
    pull(controller) {
      if (ended) return controller.close();
      ended = true;
      controller.enqueue(input);
    },
  });
  try {
    for await (const piece of new XzReadableStream(source)) output.append(piece);
  } catch (error) {
    throw named(error as Error);
  }
  return output.written();
}

/** The library tells XZ Embedded's number alone. */
function named(error: Error): Error {
  const code = /error code (\d)/.exec(error.message)?.[1];
  if (code === undefined) return error;
  if (code === '3' || code === '4') return new ModelportError('INVALID_MODEL', 'it wants a larger dictionary than is read (64 MB)');
  return code === '6' ? new ModelportError('INVALID_MODEL', 'it uses settings of xz that are not read') : damaged(`error ${code} of XZ Embedded`);
}
