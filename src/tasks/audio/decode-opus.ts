/** Opus in Ogg (RFC 7845) and in WebM → samples. What browsers record. */
import type { OpusDecoder } from 'opus-decoder';
import { textAt } from './file-format.ts';
import { loadDecoder } from './load-decoder.ts';
import { oggPackets } from './ogg-packets.ts';
import { SampleCollector, type Fail, type Recording } from './recording.ts';
import { webmTrack } from './webm-packets.ts';

const sampleRate = 48_000;
const mostChannels = 8;
/** More than that at the end is no filling. */
const longestFilling = sampleRate;

interface OpusHead {
  readonly channels: number;
  readonly preSkip: number;
  readonly gain: number;
  readonly streams: number;
  readonly coupled: number;
  readonly mapping: number[];
}

/** `head`: the packet that begins with `OpusHead`. */
function readHead(head: Uint8Array, fail: Fail): OpusHead {
  if (head.length < 19 || textAt(head, 0, 8) !== 'OpusHead' || head[8]! >= 16) throw fail('is a damaged recording: its head is cut off');
  const view = new DataView(head.buffer, head.byteOffset, head.byteLength);
  const channels = head[9]!;
  const common = { channels, preSkip: view.getUint16(10, true), gain: 10 ** (view.getInt16(16, true) / 5120) };
  if (channels < 1 || channels > mostChannels) throw fail(`has ${channels} channels, but 1 to ${mostChannels} are read here`);
  if (head[18] === 0) {
    if (channels > 2) throw fail('is a damaged recording: its head contradicts itself');
    return { ...common, streams: 1, coupled: channels - 1, mapping: channels === 2 ? [0, 1] : [0] };
  }
  const [streams = 0, coupled = 0, ...mapping] = head.subarray(19, 21 + channels);
  if (streams < 1 || coupled > streams || streams + coupled > 255 || mapping.length !== channels || mapping.some((stream) => stream !== 255 && stream >= streams + coupled)) throw fail('is a damaged recording: its head contradicts itself');
  return { ...common, streams, coupled, mapping };
}

export async function decodeOggOpus(bytes: Uint8Array, maxSeconds: number, fail: Fail): Promise<Recording> {
  const stream = oggPackets(bytes);
  const [first] = stream.packets;
  const head = readHead(first ?? new Uint8Array(0), fail);
  return decodePackets(head, soundOf(stream.packets), maxSeconds, fail, (count) => {
    if (stream.goesOn()) throw fail('holds several recordings, one behind the other: send one');
    const end = stream.endPosition();
    return end === undefined ? 0 : count - (end - head.preSkip);
  });
}

/** Without head and tags. */
function* soundOf(packets: Iterable<Uint8Array>): Generator<Uint8Array> {
  let index = 0;
  for (const packet of packets) if (index++ >= 2) yield packet;
}

export async function decodeWebm(bytes: Uint8Array, maxSeconds: number, fail: Fail): Promise<Recording> {
  const track = webmTrack(bytes, fail);
  if (track === undefined) throw fail('is a WebM or Matroska file without sound');
  if (track.codec !== 'A_OPUS') throw fail(`is a WebM or Matroska file with ${track.codec === '' ? 'an unknown codec' : track.codec} inside, and only Opus (A_OPUS) is read here: ffmpeg -i recording out.wav makes a WAVE file`);
  return decodePackets(readHead(track.codecPrivate, fail), track.packets, maxSeconds, fail, () => Math.round((track.discarded() * sampleRate) / 1e9));
}

/** `fillingOf`: how many of so many samples the end is filled up with, asked at the end. */
async function decodePackets(head: OpusHead, packets: Iterable<Uint8Array>, maxSeconds: number, fail: Fail, fillingOf: (count: number) => number): Promise<Recording> {
  const { OpusDecoder: Decoder } = await loadDecoder('opus-decoder', () => import('opus-decoder'));
  const { channels, preSkip, gain, streams, coupled, mapping } = head;
  const decoder: OpusDecoder = new Decoder({ channels, preSkip, streamCount: streams, coupledStreamCount: coupled, channelMappingTable: mapping });
  await decoder.ready;
  try {
    const collector = new SampleCollector(maxSeconds, fail);
    let damaged = 0;
    let whole = 0;
    // One by one: a packet of two bytes may be 120 ms of silence.
    for (const packet of packets) {
      const { channelData, errors, samplesDecoded } = decodeOrNothing(decoder, packet);
      if (errors.length > 0) damaged++;
      else if (samplesDecoded >= 0) whole++;
      collector.add(channelData, sampleRate, gain);
    }
    const filling = fillingOf(collector.count);
    const recording = collector.finish(filling > 0 && filling <= longestFilling ? filling : 0);
    if (recording === undefined || damaged > whole) throw fail(recording === undefined && damaged === 0 ? 'has no samples: record something first' : 'is a damaged recording: its packets are no Opus');
    return recording;
  } finally {
    decoder.free();
  }
}

type Decoded = Pick<ReturnType<OpusDecoder['decodeFrame']>, 'channelData' | 'samplesDecoded'> & { readonly errors: readonly unknown[] };

function decodeOrNothing(decoder: OpusDecoder, packet: Uint8Array): Decoded {
  try {
    return decoder.decodeFrame(packet);
  } catch (error) {
    // A packet that is larger than any may be.
    if (error instanceof RangeError) return { channelData: [], samplesDecoded: 0, errors: [error] };
    throw error;
  }
}
