/**
 * Recordings as people have them: `sound.wav` in other formats (scripts/fixtures/recordings.py), what Chromium's MediaRecorder wrote of a tone, and
 * what is wrong with a file.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { Call } from '../../src/call.ts';
import { isModelportError } from '../../src/errors.ts';
import type { AudioPlan } from '../../src/tasks/audio/audio-plan.ts';
import { audioElements } from '../../src/tasks/audio/audio-threads.ts';
import { decodeRecording } from '../../src/tasks/audio/decode-recording.ts';
import { loadDecoder } from '../../src/tasks/audio/load-decoder.ts';
import { oggPackets } from '../../src/tasks/audio/ogg-packets.ts';
import type { Recording } from '../../src/tasks/audio/recording.ts';
import { resample } from '../../src/tasks/audio/resample.ts';
import { webmTrack } from '../../src/tasks/audio/webm-packets.ts';
import { fuzzRuns, mutate, random } from '../fixtures/random.ts';

const folder = join(import.meta.dirname, '..', 'fixtures', 'tasks');
const read = (name: string): Uint8Array<ArrayBuffer> => new Uint8Array(readFileSync(join(folder, 'recordings', name)));
const decode = (bytes: Uint8Array, maxSeconds = 10): Promise<Recording> => decodeRecording(bytes, { maxSeconds, at: 'audio' });

// Decoders tell the console of each damaged frame.
beforeAll(() => void vi.spyOn(console, 'error').mockImplementation(() => {}));
afterAll(() => vi.restoreAllMocks());

const sum = (values: Float32Array, term: (value: number, index: number) => number): number => values.reduce((total, value, index) => total + term(value, index), 0);

describe('a second of sound', () => {
  const wave = new Uint8Array(readFileSync(join(folder, 'sound.wav')));
  it.each([
    ['sound.flac', 16_000, 0.99999, 1],
    ['sound.mp3', 16_000, 0.99, 0.94],
    ['sound.ogg', 16_000, 0.998, 1],
    ['sound.opus', 48_000, 0.9, 1],
    ['sound.webm', 48_000, 0.9, 1],
    ['stereo.webm', 48_000, 0.998, 0.707],
  ])('%s: as long as it was, at the same place, nearly the same samples', async (name, rate, least, loudness) => {
    const original = (await decode(wave)).samples;
    const { samples, sampleRate } = await decode(read(name));
    expect([sampleRate, samples.length]).toEqual([rate, rate]);
    const found = resample(samples, rate, 16_000);
    const likeness = sum(found, (value, index) => value * original[index]!) / Math.sqrt(sum(found, (value) => value ** 2) * sum(original, (value) => value ** 2));
    expect(likeness).toBeGreaterThan(least);
    // LAME makes it a little quieter, and so does FFmpeg where it doubles a channel.
    expect(Math.sqrt(sum(found, (value) => value ** 2) / sum(original, (value) => value ** 2))).toBeCloseTo(loudness, 1);
  });

  it("what a browser recorded, in pieces whose sizes it did not know: a tone of 440 Hz", async () => {
    const { samples, sampleRate } = await decode(read('browser.webm'));
    expect(sampleRate).toBe(48_000);
    expect(samples.length / sampleRate).toBeGreaterThan(0.5);
    const middle = samples.subarray(9600, 19_200);
    const power = (hertz: number): number => Math.hypot(sum(middle, (value, index) => value * Math.cos((2 * Math.PI * hertz * index) / sampleRate)), sum(middle, (value, index) => value * Math.sin((2 * Math.PI * hertz * index) / sampleRate)));
    expect(power(440)).toBeGreaterThan(20 * power(1000));
  });

  it('in a thread, resampled', async () => {
    const plan: AudioPlan = { features: 'waveform', sampleRate: 16_000, normalize: false, bands: 0, frames: 0, mean: 0, std: 1, window: 400, hop: 160, maxSeconds: 600 };
    const answers = await Promise.all(['sound.mp3', 'sound.opus', 'sound.flac', 'browser.webm'].map((name) => audioElements(read(name), plan, 'audio', new Call())));
    expect(answers.slice(0, 3).map(({ shape, seconds }) => [shape, seconds])).toEqual(Array.from({ length: 3 }, () => [[16_000], 1]));
    await expect(audioElements(read('sound.mp3').subarray(0, 40), plan, 'audio', new Call())).rejects.toMatchObject({ code: 'INVALID_VALUE', at: 'audio' });
  });
});

/** An Ogg page of whole packets. */
function page(packets: readonly Uint8Array[], { flags = 0, granule = 0n, serial = 1 } = {}): Buffer {
  const lacing = packets.flatMap(({ length }) => [...new Array<number>(Math.floor(length / 255)).fill(255), length % 255]);
  const head = Buffer.alloc(27);
  head.write('OggS', 0, 'latin1');
  head[5] = flags;
  head.writeBigInt64LE(granule, 6);
  head.writeUInt32LE(serial, 14);
  head[26] = lacing.length;
  return Buffer.concat([head, Buffer.from(lacing), ...packets]);
}

function opusHead(channels = 1, family = 0, more: readonly number[] = []): Buffer {
  return Buffer.concat([Buffer.from('OpusHead', 'latin1'), Buffer.from([1, channels, 0, 0, 0x80, 0xbb, 0, 0, 0, 0, family, ...more])]);
}

const ogg = (...pages: readonly Buffer[]): Uint8Array => new Uint8Array(Buffer.concat(pages));
const tags = Buffer.from('OpusTags', 'latin1');
/** One frame of 60 ms, empty: silence. Two of them are a packet. */
const silence = Uint8Array.of((3 << 3) | 1);

/** Of a few bytes, hours of silence. */
function longFlac(totalSamples: number): Uint8Array {
  const bytes = read('sound.flac').slice();
  const view = new DataView(bytes.buffer);
  bytes[21] = (bytes[21]! & 0xf0) | Math.floor(totalSamples / 2 ** 32);
  view.setUint32(22, totalSamples >>> 0);
  return bytes;
}

function ebml(id: number, content: Uint8Array): Buffer {
  const name = Buffer.from(id.toString(16).padStart(id > 0xffff ? 8 : id > 0xff ? 4 : 2, '0'), 'hex');
  const size = Buffer.alloc(8);
  size.writeBigUInt64BE(BigInt(content.length));
  size[0] = 1;
  return Buffer.concat([name, size, content]);
}

function webm(codec: string, { type = 2, more = [] as readonly Buffer[], blocks = [] as readonly Buffer[] } = {}): Uint8Array {
  const track = ebml(0xae, Buffer.concat([ebml(0xd7, Buffer.of(1)), ebml(0x83, Buffer.of(type)), ebml(0x86, Buffer.from(codec)), ebml(0x63a2, opusHead()), ...more]));
  return new Uint8Array(Buffer.concat([ebml(0x1a45dfa3, Buffer.alloc(0)), ebml(0x18538067, Buffer.concat([ebml(0x1654ae6b, track), ebml(0x1f43b675, Buffer.concat(blocks))]))]));
}

describe('what is wrong with a file', () => {
  const start = (text: string): Uint8Array => new Uint8Array(Buffer.concat([Buffer.from(text, 'latin1'), Buffer.alloc(40)]));
  it.each<[string, () => Uint8Array, RegExp]>([
    ['nothing', () => new Uint8Array(0), /audio is empty: send a recording/],
    ['text', () => start('hello'), /is not a recording that can be read here: its first bytes are 68 65 6c 6c\. Send a WAVE, MP3, FLAC, Ogg or WebM file/],
    ['AAC', () => start('\xff\xf1\x50\x80'), /it is an AAC file/],
    ['M4A', () => start('\0\0\0\x20ftypM4A '), /it is an MP4 file/],
    ['AIFF', () => start('FORM\0\0\0\0AIFF'), /it is an AIFF file/],
    ['a picture', () => start('\x89PNG\r\n'), /it is a picture/],
    ['MP3 of nothing', () => start('ID3\x04'), /is a damaged MP3 file, or none/],
    ['MP3 of noise', () => new Uint8Array(Buffer.concat([Buffer.from([0xff, 0xfb, 0x90, 0x64]), Buffer.alloc(5000, 0x5a)])), /is a damaged MP3 file/],
    ['FLAC that is cut off', () => read('sound.flac').subarray(0, 30), /is a damaged FLAC file: it is cut off/],
    ['FLAC without a frame', () => read('sound.flac').subarray(0, 60), /is a damaged FLAC file/],
    ['Ogg with Speex', () => ogg(page([Buffer.from('Speex   1.2')], { flags: 2 })), /is an Ogg file with Speex inside, and only Opus and Vorbis are read here/],
    ['Ogg with FLAC', () => ogg(page([Buffer.from('\x7fFLAC\x01', 'latin1')], { flags: 2 })), /is an Ogg file with FLAC inside/],
    ['Ogg with a film', () => ogg(page([Buffer.from('\x80theora', 'latin1')], { flags: 2 })), /with something else inside/],
    ['Vorbis with its head cut off', () => ogg(page([Buffer.from('\x01vorbis\0', 'latin1')], { flags: 2 })), /its head is cut off/],
    ['Vorbis of 200 channels', () => ogg(page([Buffer.from('\x01vorbis\0\0\0\0\xc8\x80\x3e\0\0', 'latin1')], { flags: 2 })), /has 200 channels, but 1 to 8 are read here/],
    ['Opus with its head cut off', () => ogg(page([opusHead().subarray(0, 12)], { flags: 2 })), /its head is cut off/],
    ['Opus of 255 channels', () => ogg(page([opusHead(255, 255)], { flags: 2 })), /has 255 channels, but 1 to 8/],
    ['Opus whose head contradicts itself', () => ogg(page([opusHead(3, 1, [2, 1, 0, 9, 1])], { flags: 2 })), /its head contradicts itself/],
    ['Opus without a packet', () => ogg(page([opusHead()], { flags: 2 }), page([tags])), /has no samples: record something first/],
    ['Opus that is none', () => ogg(page([opusHead()], { flags: 2 }), page([tags]), page([Buffer.alloc(600, 0xff), Buffer.alloc(5000, 0x12)], { flags: 4 })), /its packets are no Opus/],
    ['two recordings in one', () => ogg(page([opusHead()], { flags: 2 }), page([tags]), page([silence], { flags: 4, granule: 2880n }), page([opusHead()], { flags: 2, serial: 2 })), /holds several recordings/],
    ['WebM with nothing in it', () => start('\x1a\x45\xdf\xa3'), /is a WebM or Matroska file without sound/],
    ['WebM with a film alone', () => webm('V_VP8', { type: 1 }), /without sound/],
    ['WebM with Vorbis', () => webm('A_VORBIS'), /with A_VORBIS inside, and only Opus \(A_OPUS\) is read here/],
    ['WebM that is packed once more', () => webm('A_OPUS', { more: [ebml(0x6d80, Buffer.alloc(2))] }), /packed once more/],
    ['WebM with laced packets', () => webm('A_OPUS', { blocks: [ebml(0xa3, Buffer.from([0x81, 0, 0, 0x06, 1, 2, 3]))] }), /laced packets, which are not read here/],
    ['WebM without a packet', () => webm('A_OPUS'), /has no samples/],
  ])('%s', async (_name, bytes, message) => {
    await expect(decode(bytes())).rejects.toMatchObject({ code: 'INVALID_VALUE', at: 'audio', message: expect.stringMatching(message) as string });
  });

  const hoursOfSilence = (): Uint8Array => ogg(page([opusHead()], { flags: 2 }), page([tags]), ...Array.from({ length: 500 }, () => page(Array.from({ length: 250 }, () => silence))));
  it.each<[string, () => Uint8Array, RegExp]>([
    ['MP3', () => read('sound.mp3'), /lasts more than the 0 seconds that are accepted/],
    ['Vorbis', () => read('sound.ogg'), /lasts more than the 0 seconds/],
    ['FLAC, which says so', () => longFlac(2 ** 35), /lasts 2147484 seconds, but at most 0 are accepted/],
    ['FLAC, which does not say so', () => longFlac(0), /lasts more than the 0 seconds/],
    ['Opus, which is hours of silence in few bytes', hoursOfSilence, /lasts more than the 0 seconds/],
  ])('too long: %s', async (_name, bytes, message) => {
    await expect(decode(bytes(), 0.1)).rejects.toMatchObject({ code: 'INVALID_VALUE', at: 'audio', message: expect.stringMatching(message) as string });
  });

  it('a decoder that is not installed is named, with the line to type', async () => {
    await expect(loadDecoder('opus-decoder', () => import('no-such-decoder' as string))).rejects.toMatchObject({ code: 'MISSING_DEPENDENCY', message: expect.stringMatching(/npm install opus-decoder/) as string });
  });
});

describe('packets', () => {
  it('of Ogg pages: those that go on, other streams, and damaged stretches', () => {
    const long = Buffer.alloc(700, 7);
    const [first, second] = [page([opusHead(), long.subarray(0, 510)], { flags: 2 }), page([long.subarray(510), Buffer.from('b')], { flags: 1, granule: 5n })];
    // Its last lacing value of 255 says that the packet goes on.
    first[26]!--;
    const cut = Buffer.concat([first.subarray(0, 27 + first[26]!), first.subarray(28 + first[26]!)]);
    const packets = [...oggPackets(ogg(cut, page([Buffer.from('other')], { serial: 9 }), Buffer.from('garbage'), second)).packets];
    expect(packets.map(({ length }) => length)).toEqual([19, 700, 1]);
    // Where the first page is lost, so is what it began.
    expect([...oggPackets(ogg(second)).packets].map(({ length }) => length)).toEqual([1]);
  });

  it('of WebM: the first track of sound, of blocks alone and in groups', () => {
    const fail = (): never => expect.fail('nothing is wrong with it');
    const blocks = [ebml(0xa3, Buffer.from([0x81, 0, 0, 0, 1, 2])), ebml(0xa3, Buffer.from([0x82, 0, 0, 0, 9])), ebml(0xa0, Buffer.concat([ebml(0xa1, Buffer.from([0x81, 0, 0, 0, 3])), ebml(0x75a2, Buffer.from([0x01, 0, 0]))]))];
    const track = webmTrack(webm('A_OPUS', { blocks }), fail)!;
    expect([...track.packets].map((packet) => [...packet])).toEqual([[1, 2], [3]]);
    expect(track.discarded()).toBe(65_536);
  });

  it('fuzz: any bytes end, with packets or without', () => {
    const source = random(7);
    const files = [read('sound.opus'), read('sound.ogg'), read('browser.webm'), webm('A_OPUS')].map((bytes) => bytes.subarray(0, 3000));
    for (let run = 0; run < fuzzRuns; run++) {
      const bytes = mutate(source.pick(files), source);
      expect([...oggPackets(bytes).packets].reduce((total, packet) => total + packet.length, 0)).toBeLessThanOrEqual(bytes.length);
      const track = webmTrack(bytes, () => new Error('told') as never);
      try {
        for (const packet of track?.packets ?? []) expect(packet.length).toBeLessThan(bytes.length);
      } catch (error) {
        if ((error as Error).message !== 'told') throw error;
      }
    }
  });
});

it('fuzz: damaged files give samples or INVALID_VALUE, and never anything else', { timeout: 300_000 }, async () => {
  const source = random(5);
  const files = readdirSync(join(folder, 'recordings')).map((name) => read(name).subarray(0, 1200));
  let refused = 0;
  for (let run = 0; run < fuzzRuns; run++) {
    try {
      const { samples } = await decode(mutate(source.pick(files), source), 2);
      expect(samples.length).toBeGreaterThan(0);
    } catch (error) {
      if (!isModelportError(error) || error.code !== 'INVALID_VALUE') throw error;
      refused++;
    }
  }
  expect(refused).toBeGreaterThan(fuzzRuns / 50);
  expect(refused).toBeLessThan(fuzzRuns);
});
