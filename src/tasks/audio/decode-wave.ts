/**
 * WAVE files → samples. After Microsoft's and IBM's "Multimedia Programming Interface and Data Specifications 1.0" (1991) and
 * "WAVEFORMATEXTENSIBLE": integers of 8, 16, 24 and 32 bits, floats of 32 and 64, A-law and µ-law (ITU-T G.711).
 */
import { firstBytes, formatOf, textAt } from './file-format.ts';
import { checkFormat, checkLength, failAt, type Fail, type Recording, type RecordingLimits } from './recording.ts';

const mostChannels = 64;

/** Throws `INVALID_VALUE` for what is no WAVE file, is damaged, or too long. */
export function decodeWave(bytes: Uint8Array, { maxSeconds, at }: RecordingLimits): Recording {
  const fail = failAt(at);
  if (bytes.length === 0) throw fail('is empty: send a recording');
  const found = formatOf(bytes);
  if (found === undefined || !('read' in found) || found.read !== 'WAVE') throw fail(`is no WAVE file: its first bytes are ${firstBytes(bytes)}`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let format: WaveFormat | undefined;
  for (let offset = 12; offset + 8 <= bytes.length; ) {
    const name = textAt(bytes, offset, 4);
    const size = view.getUint32(offset + 4, true);
    const start = offset + 8;
    if (name === 'fmt ') {
      if (size < 16 || start + Math.min(size, 40) > bytes.length) throw fail('is a damaged WAVE file: its format chunk is cut off');
      format = readFormat(view, start, size, fail);
    } else if (name === 'data') {
      if (format === undefined) throw fail('is a damaged WAVE file: its samples come before its format');
      const present = bytes.length - start;
      // Who writes while recording does not know the size yet.
      const unknown = size === 0xffffffff || (size === 0 && present > 0);
      if (!unknown && size > present) throw fail(`is cut off: it says that it has ${size} bytes of samples, but only ${present} came`);
      return readSamples(view, start, unknown ? present : size, format, maxSeconds, fail);
    }
    offset = start + size + (size & 1);
  }
  throw fail(`is a damaged WAVE file: it has no ${format === undefined ? 'format' : 'samples'}`);
}

interface WaveFormat {
  readonly encoding: 'integer' | 'float' | 'a-law' | 'mu-law';
  readonly channels: number;
  readonly sampleRate: number;
  /** Of one sample of one channel. */
  readonly sampleBytes: number;
  readonly blockBytes: number;
}

const encodings: Readonly<Record<number, readonly [encoding: WaveFormat['encoding'], bits: readonly number[]]>> = {
  1: ['integer', [8, 16, 24, 32]],
  3: ['float', [32, 64]],
  6: ['a-law', [8]],
  7: ['mu-law', [8]],
};
const otherEncodings: Readonly<Record<number, string>> = { 2: 'Microsoft ADPCM', 17: 'IMA ADPCM', 49: 'GSM 6.10', 80: 'MPEG', 85: 'MP3', 255: 'AAC' };
const extensible = 0xfffe;

function readFormat(view: DataView, start: number, size: number, fail: Fail): WaveFormat {
  let code = view.getUint16(start, true);
  const channels = view.getUint16(start + 2, true);
  const sampleRate = view.getUint32(start + 4, true);
  const blockBytes = view.getUint16(start + 12, true);
  const bits = view.getUint16(start + 14, true);
  if (code === extensible) {
    if (size < 40) throw fail('is a damaged WAVE file: its extended format is cut off');
    // The first two bytes of the subformat's identifier are the code.
    code = view.getUint16(start + 24, true);
  }
  const known = encodings[code];
  if (known === undefined) throw fail(`is a WAVE file with ${otherEncodings[code] ?? `encoding ${code}`} inside, which is not read here: send PCM (ffmpeg -i recording -c:a pcm_s16le out.wav)`);
  const [encoding, widths] = known;
  if (!widths.includes(bits)) throw fail(`is a WAVE file with ${bits} bits a sample, but ${widths.join(', ')} are read here`);
  checkFormat(channels, sampleRate, mostChannels, fail);
  const sampleBytes = bits / 8;
  if (blockBytes !== sampleBytes * channels) throw fail(`is a damaged WAVE file: ${channels} channels of ${bits} bits do not make blocks of ${blockBytes} bytes`);
  return { encoding, channels, sampleRate, sampleBytes, blockBytes };
}

function readSamples(view: DataView, start: number, size: number, format: WaveFormat, maxSeconds: number, fail: Fail): Recording {
  const { channels, sampleRate, sampleBytes, blockBytes } = format;
  const count = Math.floor(size / blockBytes);
  checkLength(count, sampleRate, maxSeconds, fail);
  const read = reader(view, format);
  const samples = new Float32Array(count);
  for (let index = 0, offset = start; index < count; index++) {
    let sum = 0;
    for (let channel = 0; channel < channels; channel++, offset += sampleBytes) sum += read(offset);
    const mean = sum / channels;
    if (!Number.isFinite(mean)) throw fail(`has a sample that is ${mean}`);
    samples[index] = mean;
  }
  return { sampleRate, samples };
}

function reader(view: DataView, { encoding, sampleBytes }: WaveFormat): (offset: number) => number {
  if (encoding === 'float') return sampleBytes === 4 ? (offset) => view.getFloat32(offset, true) : (offset) => view.getFloat64(offset, true);
  if (encoding === 'a-law') return (offset) => expandALaw(view.getUint8(offset));
  if (encoding === 'mu-law') return (offset) => expandMuLaw(view.getUint8(offset));
  if (sampleBytes === 1) return (offset) => (view.getUint8(offset) - 128) / 128;
  if (sampleBytes === 2) return (offset) => view.getInt16(offset, true) / 32768;
  if (sampleBytes === 3) return (offset) => (view.getUint16(offset, true) | (view.getInt8(offset + 2) << 16)) / 8388608;
  return (offset) => view.getInt32(offset, true) / 2147483648;
}

function expandMuLaw(code: number): number {
  const value = ~code & 0xff;
  const magnitude = (((value & 0x0f) << 3) + 0x84) << ((value & 0x70) >> 4);
  return ((value & 0x80) !== 0 ? 0x84 - magnitude : magnitude - 0x84) / 32768;
}

function expandALaw(code: number): number {
  const value = code ^ 0x55;
  const segment = (value & 0x70) >> 4;
  const step = (value & 0x0f) << 4;
  const magnitude = segment === 0 ? step + 8 : (step + 0x108) << (segment - 1);
  return ((value & 0x80) !== 0 ? magnitude : -magnitude) / 32768;
}
