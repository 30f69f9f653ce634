/** PNG files of few colours (https://www.w3.org/TR/png-3/): one byte a pixel, red of some opacity each, as Gradio lays marks over a picture. */
import { crc32, deflateSync } from 'node:zlib';

const signature = Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a);
const indexedColour = 3;

/** `rows`: an index of `opacities` for each pixel, behind each row's filter, which is 0. */
export function redPng(width: number, height: number, rows: Uint8Array, opacities: readonly number[]): Buffer {
  const head = Buffer.alloc(13);
  head.writeUInt32BE(width, 0);
  head.writeUInt32BE(height, 4);
  head.set([8, indexedColour, 0, 0, 0], 8);
  return Buffer.concat([signature, ...chunk('IHDR', head), ...chunk('PLTE', Buffer.from(opacities.flatMap(() => [255, 0, 0]))), ...chunk('tRNS', Buffer.from(opacities)), ...chunk('IDAT', deflateSync(rows, { level: 1 })), ...chunk('IEND', Buffer.alloc(0))]);
}

function chunk(name: string, data: Uint8Array): readonly Uint8Array[] {
  const size = Buffer.alloc(4);
  size.writeUInt32BE(data.length);
  const named = Buffer.concat([Buffer.from(name, 'latin1'), data]);
  const check = Buffer.alloc(4);
  check.writeUInt32BE(crc32(named));
  return [size, named, check];
}
