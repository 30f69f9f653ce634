/** Recordings as people and browsers have them → samples. WAVE is read here; MP3, FLAC, Vorbis and Opus by decoders compiled to WebAssembly. */
import { isModelportError } from '../../errors.ts';
import { decodeOggOpus, decodeWebm } from './decode-opus.ts';
import { decodeWave } from './decode-wave.ts';
import { firstBytes, formatOf, textAt, type RecordingFormat } from './file-format.ts';
import { loadDecoder } from './load-decoder.ts';
import { oggPackets } from './ogg-packets.ts';
import { checkFormat, checkLength, failAt, SampleCollector, type Fail, type Recording, type RecordingLimits } from './recording.ts';

const mostChannels = 8;

/**
 * Takes as much time as the recording is long, divided by a hundred or so: for a thread. Rejects with `INVALID_VALUE` for what is no
 * recording, is damaged, or too long, and with `MISSING_DEPENDENCY`.
 */
export async function decodeRecording(bytes: Uint8Array, limits: RecordingLimits): Promise<Recording> {
  const fail = failAt(limits.at);
  if (bytes.length === 0) throw fail('is empty: send a recording');
  const format = formatOf(bytes);
  if (format === undefined || 'other' in format) throw fail(`is not a recording that can be read here: ${format === undefined ? `its first bytes are ${firstBytes(bytes)}` : `it is ${format.other}`}. Send a WAVE, MP3, FLAC, Ogg or WebM file (ffmpeg -i recording out.wav makes one)`);
  if (format.read === 'WAVE') return decodeWave(bytes, limits);
  try {
    return await decoders[format.read](bytes, limits.maxSeconds, fail);
  } catch (error) {
    if (isModelportError(error)) throw error;
    // Decoders run into what nobody wrote on purpose.
    throw fail(`is a damaged ${format.read} file: ${error instanceof Error ? error.message : String(error)}`);
  }
}

type Decode = (bytes: Uint8Array, maxSeconds: number, fail: Fail) => Promise<Recording>;

const decoders: Readonly<Record<Exclude<RecordingFormat, 'WAVE'>, Decode>> = { MP3: decodeMp3, FLAC: decodeFlac, Ogg: decodeOgg, WebM: decodeWebm };

/** What a decoder gives for a piece of a file. */
interface Decoded {
  readonly channelData: readonly Float32Array[];
  readonly sampleRate: number;
  readonly errors: readonly unknown[];
}

interface Decoder {
  readonly ready: Promise<unknown>;
  decode(piece: Uint8Array): Decoded | Promise<Decoded>;
  /** What it holds back until the end. */
  flush?(): Decoded | Promise<Decoded>;
  free(): void;
}

/** Owns the decoder. Fed in pieces that it makes at most some tens of megabytes of, so that what is too long is noticed early. */
async function decodePieces(decoder: Decoder, bytes: Uint8Array, pieceBytes: number, maxSeconds: number, fail: Fail): Promise<{ readonly recording: Recording | undefined; readonly damaged: number }> {
  const collector = new SampleCollector(maxSeconds, fail);
  let damaged = 0;
  const take = ({ channelData, sampleRate, errors }: Decoded): void => {
    damaged += errors.length;
    collector.add(channelData, sampleRate);
  };
  await decoder.ready;
  try {
    for (let at = 0; at < bytes.length; at += pieceBytes) take(await decoder.decode(bytes.subarray(at, at + pieceBytes)));
    if (decoder.flush !== undefined) take(await decoder.flush());
  } finally {
    decoder.free();
  }
  return { recording: collector.finish(), damaged };
}

/** Players skip what is damaged; a file that is hardly anything else is none. */
const usualFrame = 1152;

async function decodeMp3(bytes: Uint8Array, maxSeconds: number, fail: Fail): Promise<Recording> {
  const { MPEGDecoder } = await loadDecoder('mpg123-decoder', () => import('mpg123-decoder'));
  const { recording, damaged } = await decodePieces(new MPEGDecoder(), bytes, 16 << 10, maxSeconds, fail);
  if (recording === undefined || damaged > recording.samples.length / usualFrame) throw fail('is a damaged MP3 file, or none');
  return recording;
}

async function decodeFlac(bytes: Uint8Array, maxSeconds: number, fail: Fail): Promise<Recording> {
  // The first block tells what comes (RFC 9639, section 8.2): 20 bits of the sample rate, 3 of the channels, 5 of the bits, 36 of the length.
  if (bytes.length < 42) throw fail('is a damaged FLAC file: it is cut off');
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const rate = view.getUint32(18) >>> 12;
  checkFormat(((bytes[20]! >> 1) & 7) + 1, rate, mostChannels, fail);
  checkLength((bytes[21]! & 15) * 2 ** 32 + view.getUint32(22), rate, maxSeconds, fail);
  const { FLACDecoder } = await loadDecoder('@wasm-audio-decoders/flac', () => import('@wasm-audio-decoders/flac'));
  // A frame of a dozen bytes may be 65,535 samples of silence.
  const { recording, damaged } = await decodePieces(new FLACDecoder(), bytes, 1 << 10, maxSeconds, fail);
  if (recording === undefined || damaged > 0) throw fail('is a damaged FLAC file');
  return recording;
}

async function decodeOgg(bytes: Uint8Array, maxSeconds: number, fail: Fail): Promise<Recording> {
  const [first = new Uint8Array(0)] = oggPackets(bytes).packets;
  const name = textAt(first, 0, 8);
  if (name === 'OpusHead') return decodeOggOpus(bytes, maxSeconds, fail);
  if (!name.startsWith('\x01vorbis')) throw fail(`is an Ogg file with ${name.startsWith('\x7fFLAC') ? 'FLAC' : name.startsWith('Speex') ? 'Speex' : 'something else'} inside, and only Opus and Vorbis are read here: ffmpeg -i recording out.wav makes a WAVE file`);
  if (first.length < 16) throw fail('is a damaged Ogg file: its head is cut off');
  checkFormat(first[11]!, new DataView(first.buffer, first.byteOffset).getUint32(12, true), mostChannels, fail);
  const { OggVorbisDecoder } = await loadDecoder('@wasm-audio-decoders/ogg-vorbis', () => import('@wasm-audio-decoders/ogg-vorbis'));
  const { recording, damaged } = await decodePieces(new OggVorbisDecoder(), bytes, 1 << 10, maxSeconds, fail);
  if (recording === undefined || damaged > 0) throw fail('is a damaged Ogg file');
  return recording;
}
