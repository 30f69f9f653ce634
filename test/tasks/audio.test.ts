/** Decoding, resampling and spectra, against what SciPy and transformers make of the same samples (scripts/parity/tasks_media.py). */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { Call } from '../../src/call.ts';
import { isModelportError } from '../../src/errors.ts';
import { toAudioElements, type AudioPlan } from '../../src/tasks/audio/audio-plan.ts';
import { audioElements } from '../../src/tasks/audio/audio-threads.ts';
import { decodeWave } from '../../src/tasks/audio/decode-wave.ts';
import { PowerSpectrum } from '../../src/tasks/audio/fourier.ts';
import { kaldiSpectrogram, whisperSpectrogram } from '../../src/tasks/audio/mel-spectrogram.ts';
import type { Recording } from '../../src/tasks/audio/recording.ts';
import { resample } from '../../src/tasks/audio/resample.ts';
import { waveFile, type WaveOptions } from './wave-file.ts';

const decode = (bytes: Uint8Array, maxSeconds = 10): Recording => decodeWave(bytes, { maxSeconds, at: 'audio' });
const waveform: AudioPlan = { features: 'waveform', sampleRate: 16_000, normalize: false, bands: 0, frames: 0, mean: 0, std: 1, window: 400, hop: 160, maxSeconds: 600 };
const given = (count: number): Float32Array<ArrayBuffer> => Float32Array.from({ length: count }, (_, i) => 0.5 * Math.sin(i * 0.05) + 0.2 * Math.sin(i * i * 0.0001));
const farthest = (a: ArrayLike<number>, b: ArrayLike<number>): number => Array.from(a, (value, index) => Math.abs(value - b[index]!)).reduce((x, y) => Math.max(x, y), a.length === b.length ? 0 : Infinity);

describe('WAVE files', () => {
  const levels = [0, 0.5, -0.5, 0.25, -1, 0.75];
  it.each<[string, WaveOptions, number]>([
    ['8 bits', { bits: 8 }, 1 / 120],
    ['16 bits', {}, 1e-4],
    ['24 bits', { bits: 24 }, 1e-6],
    ['32 bits', { bits: 32 }, 1e-8],
    ['floats', { bits: 32, code: 3 }, 1e-8],
    ['long floats', { bits: 64, code: 3 }, 1e-8],
    ['an extended format', { extensible: true, bits: 24 }, 1e-6],
    ['other chunks before', { before: Buffer.from('LIST\x03\0\0\0abc\0', 'latin1') }, 1e-4],
    ['a size that was never filled in', { dataSize: 0xffffffff }, 1e-4],
    ['a size of 0', { dataSize: 0 }, 1e-4],
  ])('%s', (_, options, tolerance) => {
    const { sampleRate, samples } = decode(waveFile(levels, { sampleRate: 22_050, ...options }));
    expect(sampleRate).toBe(22_050);
    expect(farthest(samples, levels)).toBeLessThanOrEqual(tolerance);
  });

  it('takes the mean of the channels', () => {
    expect([...decode(waveFile([0.5, 0, -0.5, 0.5], { channels: 2 })).samples]).toEqual([0.25, 0]);
    expect(decode(waveFile(new Array<number>(18).fill(0.5), { channels: 6 })).samples).toHaveLength(3);
  });

  it('expands telephone codes (ITU-T G.711)', () => {
    const muLaw = decode(waveFile([0xff, 0x7f, 0x80, 0x00, 0xf0], { bits: 8, code: 7 })).samples.map((sample) => sample * 32768);
    expect([...muLaw].map(Math.abs)).toEqual([0, 0, 32124, 32124, 120]);
    expect([Math.sign(muLaw[2]!), Math.sign(muLaw[3]!)]).toEqual([1, -1]);
    expect(Array.from(decode(waveFile([0xd5, 0x55, 0xaa, 0x2a], { bits: 8, code: 6 })).samples, (sample) => sample * 32768)).toEqual([8, -8, 32256, -32256]);
  });

  const start = (text: string): Uint8Array => new Uint8Array(Buffer.concat([Buffer.from(text, 'latin1'), Buffer.alloc(40)]));
  it.each<[string, Uint8Array, RegExp]>([
    ['nothing', new Uint8Array(0), /audio is empty: send a recording/],
    ['what is no WAVE file', start('hello'), /audio is no WAVE file: its first bytes are 68 65 6c 6c/],
    ['ADPCM', waveFile([0, 0], { bits: 8, code: 17 }), /with IMA ADPCM inside, which is not read here: send PCM/],
    ['an unknown encoding', waveFile([0, 0], { bits: 8, code: 999 }), /with encoding 999 inside/],
    ['12 bits', waveFile([0, 0], { bits: 8 }).with(34, 12), /with 12 bits a sample, but 8, 16, 24, 32 are read here/],
    ['no channels', waveFile([0, 0]).with(22, 0), /has 0 channels/],
    ['too slow', waveFile([0, 0], { sampleRate: 10 }), /has 10 samples a second/],
    ['too fast', waveFile([0, 0], { sampleRate: 1e6 }), /has 1000000 samples a second/],
    ['blocks that do not fit', waveFile([0, 0]).with(32, 3), /do not make blocks of 3 bytes/],
    ['cut off', waveFile(new Array<number>(100).fill(0)).subarray(0, 100), /audio is cut off: it says that it has 200 bytes of samples, but only 56 came/],
    ['too long', waveFile(new Array<number>(2000).fill(0), { sampleRate: 1000, bits: 8 }), /lasts 2 seconds, but at most 1 are accepted/],
    ['no samples', waveFile([]).subarray(0, 36), /is a damaged WAVE file: it has no samples/],
    ['no format', start('RIFF\0\0\0\0WAVE').subarray(0, 12), /is a damaged WAVE file: it has no format/],
    ['infinite', waveFile([Infinity], { bits: 32, code: 3 }), /has a sample that is Infinity/],
  ])('%s is refused', (_, bytes, message) => {
    expect(() => decode(bytes, 1)).toThrow(expect.objectContaining({ code: 'INVALID_VALUE', at: 'audio', message: expect.stringMatching(message) as string }) as Error);
  });

  it('fuzz: damaged bytes give samples or INVALID_VALUE, and never anything else', () => {
    const runs = Number(process.env['MODELPORT_FUZZ_RUNS'] ?? 2000);
    const files = [waveFile(levels), waveFile(levels, { bits: 24, extensible: true, channels: 2 }), waveFile(levels, { bits: 32, code: 3, before: Buffer.from('fact\x04\0\0\0abcd', 'latin1') })];
    let state = 99;
    const random = (limit: number): number => {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      return Math.floor((state / 2 ** 32) * limit);
    };
    let refused = 0;
    for (let run = 0; run < runs; run++) {
      const bytes = files[random(files.length)]!.slice();
      for (let change = random(6); change >= 0; change--) bytes[random(bytes.length)] = random(256);
      try {
        decode(random(3) === 0 ? bytes.subarray(0, random(bytes.length)) : bytes);
      } catch (error) {
        if (!isModelportError(error) || error.code !== 'INVALID_VALUE') throw error;
        refused++;
      }
    }
    expect(refused).toBeGreaterThan(runs / 10);
    expect(refused).toBeLessThan(runs);
  });
});

interface Fixture {
  readonly whisper: { readonly bands: number; readonly frames: number; readonly values: string };
  readonly kaldi: { readonly bands: number; readonly frames: number; readonly mean: number; readonly std: number; readonly values: string };
  readonly wav2vec2: string;
  readonly resampled: readonly { readonly from: number; readonly to: number; readonly count: number; readonly values: string }[];
}
const fixture = JSON.parse(readFileSync(join(process.env['MODELPORT_TASK_FIXTURES'] ?? join(import.meta.dirname, '..', 'fixtures', 'tasks'), 'audio-features.json'), 'utf8')) as Fixture;
const floats = (text: string): Float32Array => new Float32Array(new Uint8Array(Buffer.from(text, 'base64')).buffer);

describe('resampling', () => {
  it.each(fixture.resampled)("from $from to $to as SciPy's resample_poly", ({ from, to, count, values }) => {
    expect(farthest(resample(given(count), from, to), floats(values))).toBeLessThan(1e-6);
  });

  it('keeps a tone through rates without a common divisor', () => {
    const tone = Float32Array.from({ length: 44_101 }, (_, index) => Math.sin((2 * Math.PI * 440 * index) / 44_101));
    const slow = resample(tone, 44_101, 16_000);
    expect(Math.abs(slow.length - 16_000)).toBeLessThanOrEqual(1);
    const wanted = slow.map((_, index) => Math.sin((2 * Math.PI * 440 * index) / 16_000));
    expect(farthest(slow.subarray(200, 15_800), wanted.subarray(200, 15_800))).toBeLessThan(1e-3);
  });

  it('leaves alone what fits', () => {
    const samples = given(10);
    expect(resample(samples, 16_000, 16_000)).toBe(samples);
    expect(resample(new Float32Array(0), 8000, 16_000)).toHaveLength(0);
  });
});

describe('spectra', () => {
  it.each([8, 400, 25, 1])('of %i samples are those of the definition', (length) => {
    const samples = Float64Array.from(given(length));
    const wanted = Array.from({ length: Math.floor(length / 2) + 1 }, (_, bin) => {
      let [real, imaginary] = [0, 0];
      samples.forEach((sample, index) => {
        real += sample * Math.cos((2 * Math.PI * bin * index) / length);
        imaginary -= sample * Math.sin((2 * Math.PI * bin * index) / length);
      });
      return real * real + imaginary * imaginary;
    });
    expect(farthest(new PowerSpectrum(length).power(samples), wanted)).toBeLessThan(1e-8 * Math.max(1, length));
  });

  it("equal Whisper's feature extractor", () => {
    const { bands, frames, values } = fixture.whisper;
    expect(farthest(whisperSpectrogram(given(4000), { sampleRate: 16_000, bands, frames, window: 400, hop: 160 }), floats(values))).toBeLessThan(1e-4);
  });

  it("equal the audio spectrogram transformer's", () => {
    const { bands, frames, mean, std, values } = fixture.kaldi;
    expect(farthest(kaldiSpectrogram(given(4000), { sampleRate: 16_000, bands, frames, mean, std }), floats(values))).toBeLessThan(1e-3);
  });

  it("equal wav2vec2's", () => {
    const { elements, shape } = toAudioElements({ sampleRate: 16_000, samples: given(200) }, { ...waveform, normalize: true });
    expect(shape).toEqual([200]);
    expect(farthest(elements, floats(fixture.wav2vec2))).toBeLessThan(1e-5);
  });

  it('of nothing are those of silence', () => {
    expect(new Set(kaldiSpectrogram(new Float32Array(0), { sampleRate: 16_000, bands: 4, frames: 3, mean: 2, std: 1 }))).toEqual(new Set([-1]));
    expect(whisperSpectrogram(new Float32Array(0), { sampleRate: 16_000, bands: 4, frames: 3, window: 400, hop: 160 })).toHaveLength(12);
  });
});

describe('the event loop', () => {
  it('is free while a long recording is prepared', async () => {
    const long = waveFile(Array.from(given(48_000 * 20)), { sampleRate: 48_000 });
    await audioElements(waveFile([0, 0]), waveform, 'audio', new Call());
    let turns = 0;
    const timer = setInterval(() => turns++, 1);
    const { elements, seconds } = await audioElements(long, waveform, 'audio', new Call());
    clearInterval(timer);
    expect(elements).toHaveLength(16_000 * 20);
    expect(seconds).toBe(20);
    expect(turns).toBeGreaterThan(10);
  });

  it('cuts and fills up to a fixed length', async () => {
    const fixed = { ...waveform, samples: 4 };
    expect([...(await audioElements(waveFile([0.5, 0.25]), fixed, 'audio', new Call())).elements]).toEqual([0.5, 0.25, 0, 0]);
    expect((await audioElements(waveFile([0, 0, 0, 0, 0, 0]), fixed, 'audio', new Call())).elements).toHaveLength(4);
  });

  it('says what is wrong, and stops when the client has gone', async () => {
    await expect(audioElements(new Uint8Array(3), waveform, 'audio', new Call())).rejects.toMatchObject({ code: 'INVALID_VALUE', at: 'audio' });
    const call = new Call();
    call.cancel();
    await expect(audioElements(waveFile([0]), waveform, 'audio', call)).rejects.toMatchObject({ code: 'CANCELLED' });
  });
});
