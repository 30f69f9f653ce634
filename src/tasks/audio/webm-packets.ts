/**
 * WebM and Matroska files → the packets of their first track of sound. After RFC 8794 (EBML) and RFC 9559 (Matroska): elements are a number, a
 * size and content; what recorders write as they record has sizes that nobody knows yet.
 */
import type { Fail } from './recording.ts';

export interface WebmTrack {
  /** `A_OPUS` */
  readonly codec: string;
  readonly codecPrivate: Uint8Array;
  /** Views of the file. */
  readonly packets: Iterable<Uint8Array>;
  /** How much of the end is filling, in nanoseconds. Known when all packets were read. */
  discarded(): number;
}

const ids = { segment: 0x18538067, tracks: 0x1654ae6b, track: 0xae, trackNumber: 0xd7, trackType: 0x83, codec: 0x86, codecPrivate: 0x63a2, encodings: 0x6d80, cluster: 0x1f43b675, blockGroup: 0xa0, block: 0xa1, simpleBlock: 0xa3, discardPadding: 0x75a2 } as const;
/** Their members are read as if they stood in the place of them. */
const opened: ReadonlySet<number> = new Set([ids.segment, ids.tracks, ids.cluster, ids.blockGroup]);
const soundType = 2;
const lacingBits = 0x06;

interface Element {
  readonly id: number;
  readonly start: number;
  /** Behind its content; the end of the file where nobody knows. */
  readonly end: number;
}

/** Undefined where there is no sound in it. What is cut off ends there. Throws where it is packed in a way that is not read. */
export function webmTrack(bytes: Uint8Array, fail: Fail): WebmTrack | undefined {
  const elements = walk(bytes, 0, bytes.length);
  for (const element of elements) {
    if (element.id === ids.cluster) return undefined;
    if (element.id !== ids.track) continue;
    const track = readTrack(bytes, element);
    if (track.type !== soundType) continue;
    if (track.packed) throw fail('is a WebM file whose sound is packed once more, which is not read here');
    let discarded = 0;
    function* packets(): Generator<Uint8Array> {
      for (const { id, start, end } of walk(bytes, element.end, bytes.length)) {
        if (id === ids.discardPadding) discarded = Math.max(0, numberAt(bytes, start, end));
        if ((id !== ids.simpleBlock && id !== ids.block) || end > bytes.length) continue;
        const number = readSize(bytes, start);
        if (number === undefined || number.value !== track.number) continue;
        const flagsAt = number.end + 2;
        if (((bytes[flagsAt] ?? 0) & lacingBits) !== 0) throw fail('is a Matroska file with laced packets, which are not read here: mkvmerge --disable-lacing 0:1 leaves them out');
        discarded = 0;
        if (flagsAt + 1 < end) yield bytes.subarray(flagsAt + 1, end);
      }
    }
    return { codec: track.codec, codecPrivate: track.codecPrivate, packets: { [Symbol.iterator]: packets }, discarded: () => discarded };
  }
  return undefined;
}

function readTrack(bytes: Uint8Array, element: Element): { readonly number: number; readonly type: number; readonly codec: string; readonly codecPrivate: Uint8Array; readonly packed: boolean } {
  const track = { number: 0, type: 0, codec: '', codecPrivate: new Uint8Array(0), packed: false };
  for (const { id, start, end } of walk(bytes, element.start, Math.min(element.end, bytes.length))) {
    const content = bytes.subarray(start, end);
    if (id === ids.trackNumber) track.number = numberAt(bytes, start, end);
    else if (id === ids.trackType) track.type = numberAt(bytes, start, end);
    else if (id === ids.codec) track.codec = Buffer.from(content.subarray(0, 100)).toString('latin1').replace(/\0+$/, '');
    else if (id === ids.codecPrivate) track.codecPrivate = new Uint8Array(content);
    else if (id === ids.encodings) track.packed = true;
  }
  return track;
}

function* walk(bytes: Uint8Array, from: number, to: number): Generator<Element> {
  for (let at = from; at < to; ) {
    const id = readId(bytes, at);
    const size = id === undefined ? undefined : readSize(bytes, id.end);
    if (id === undefined || size === undefined) return;
    const end = size.unknown ? to : size.end + size.value;
    yield { id: id.value, start: size.end, end };
    at = opened.has(id.value) ? size.end : end;
  }
}

/** With its marker, as they are written down. */
function readId(bytes: Uint8Array, at: number): { readonly value: number; readonly end: number } | undefined {
  const length = Math.clz32(bytes[at] ?? 0) - 23;
  if (length > 4 || at + length > bytes.length) return undefined;
  let value = 0;
  for (let index = 0; index < length; index++) value = value * 256 + bytes[at + index]!;
  return { value, end: at + length };
}

function readSize(bytes: Uint8Array, at: number): { readonly value: number; readonly end: number; readonly unknown: boolean } | undefined {
  const length = Math.clz32(bytes[at] ?? 0) - 23;
  if (length > 8 || at + length > bytes.length) return undefined;
  let value = bytes[at]! & (0xff >> length);
  let ones = value === 0xff >> length;
  for (let index = 1; index < length; index++) {
    value = value * 256 + bytes[at + index]!;
    ones &&= bytes[at + index] === 0xff;
  }
  return { value, end: at + length, unknown: ones };
}

function numberAt(bytes: Uint8Array, start: number, end: number): number {
  let value = 0;
  for (let at = start; at < Math.min(end, start + 8, bytes.length); at++) value = value * 256 + bytes[at]!;
  return value;
}
