/** Ogg files (RFC 3533) → the packets of their first stream. */
import { textAt } from './file-format.ts';

export interface OggStream {
  readonly packets: Iterable<Uint8Array>;
  /** What the last page says how many samples there are up to its end; undefined where the stream is cut off. Known when all packets were read. */
  endPosition(): number | undefined;
  /** Whether a second stream begins behind the first one. Known when all packets were read. */
  goesOn(): boolean;
}

const headBytes = 27;
const continuedFlag = 1;
const beginFlag = 2;
const endFlag = 4;

/** Damaged stretches are left out: reading goes on at the next page. A packet is a view of `bytes` where it lies in one page. */
export function oggPackets(bytes: Uint8Array): OggStream {
  let end: number | undefined;
  let another = false;
  function* packets(): Generator<Uint8Array> {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    let serial: number | undefined;
    let pieces: Uint8Array[] = [];
    for (let at = nextPage(bytes, 0); at !== -1 && at + headBytes <= bytes.length; ) {
      const segments = bytes[at + 26]!;
      let start = at + headBytes + segments;
      const flags = bytes[at + 5]!;
      const own = view.getUint32(at + 14, true);
      serial ??= own;
      let pageEnd = start;
      for (let index = 0; index < segments; index++) pageEnd += bytes[at + headBytes + index] ?? 0;
      if (own !== serial) {
        if ((flags & beginFlag) !== 0 && end !== undefined) another = true;
      } else {
        // What a lost page began can not be ended.
        let lost = (flags & continuedFlag) !== 0 && pieces.length === 0;
        if ((flags & continuedFlag) === 0) pieces = [];
        for (let index = 0; index < segments && start <= bytes.length; ) {
          let size = 0;
          let part = 255;
          while (part === 255 && index < segments) size += part = bytes[at + headBytes + index++]!;
          pieces.push(bytes.subarray(start, start + size));
          start += size;
          // It goes on in the next page.
          if (part === 255) break;
          const packet = pieces.length === 1 ? pieces[0]! : Buffer.concat(pieces);
          pieces = [];
          if (!lost && start <= bytes.length) yield packet;
          lost = false;
        }
        if ((flags & endFlag) !== 0 && pageEnd <= bytes.length) end = Number(view.getBigInt64(at + 6, true));
      }
      at = nextPage(bytes, pageEnd);
    }
  }
  return { packets: { [Symbol.iterator]: packets }, endPosition: () => end, goesOn: () => another };
}

function nextPage(bytes: Uint8Array, from: number): number {
  if (from >= bytes.length) return -1;
  return textAt(bytes, from, 4) === 'OggS' ? from : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).indexOf('OggS', from, 'latin1');
}
