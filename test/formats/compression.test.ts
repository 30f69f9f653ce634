import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { deflateSync, gzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { isModelportError } from '../../src/errors.ts';
import { compressionOf, decompress } from '../../src/formats/compression/decompress.ts';
import { fuzzRuns, mutate, random } from '../fixtures/random.ts';

const fixture = (name: string): Buffer => readFileSync(join(import.meta.dirname, '../fixtures/compressed', name));

/** As scripts/fixtures/compressed.py makes it. */
function content(): Buffer {
  let state = 1;
  const noise = Buffer.from(Array.from({ length: 3000 }, () => (state = (Math.imul(state, 1664525) + 1013904223) >>> 0) >>> 24));
  const squares = Buffer.from(Array.from({ length: 20_000 }, (_, index) => (index * index) % 251));
  const runs = [1, 2, 3, 4, 5, 8, 254, 255, 256, 258, 259, 260, 300].map((length) => Buffer.alloc(length, 65 + (length % 26)));
  return Buffer.concat([noise, squares, Buffer.alloc(8000, 'ab'), ...runs, Buffer.alloc(70_000)]);
}

const whole = content();
const inflate = async (name: string, mostBytes = 2 ** 24): Promise<Buffer> => Buffer.from(await decompress(fixture(name), name, mostBytes));

describe('what is compressed as a whole', () => {
  test.each(['whole.bz2', 'streams.bz2', 'whole.xz', 'linked.lz4', 'checked.lz4', 'high.lz4', 'frames.lz4'])('%s', async (name) => {
    expect((await inflate(name)).equals(whole)).toBe(true);
  });

  test('small ones', async () => {
    const small = Buffer.concat([whole.subarray(2900, 5000), whole.subarray(-100)]);
    for (const name of ['small.bz2', 'small.xz', 'small.lz4']) expect((await inflate(name)).equals(small), name).toBe(true);
  });

  test('blocks that are not compressed, and nothing at all', async () => {
    expect((await inflate('stored.lz4')).equals(whole.subarray(0, 3000))).toBe(true);
    for (const name of ['nothing.bz2', 'nothing.xz', 'nothing.lz4']) expect((await inflate(name)).length, name).toBe(0);
  });

  test('gzip and zlib', async () => {
    for (const bytes of [gzipSync(whole), deflateSync(whole), deflateSync(whole, { level: 1 })]) expect(whole.equals(await decompress(bytes, 'file', 2 ** 24))).toBe(true);
  });

  test('what is not compressed stays as it is', async () => {
    for (const text of ['', 'B', 'BZhello', 'x', 'xylophone', '\x80\x04K\x01.', 'ZF', ']']) {
      const bytes = Buffer.from(text, 'latin1');
      expect(compressionOf(bytes), text).toBeUndefined();
      expect(await decompress(bytes, 'file', 10)).toBe(bytes);
    }
  });
});

describe('what is refused', () => {
  test.each(['whole.bz2', 'whole.xz', 'linked.lz4', 'high.lz4'])('more than the limit: %s', async (name) => {
    await expect(inflate(name, whole.length - 1)).rejects.toMatchObject({ code: 'INVALID_MODEL', message: expect.stringMatching(/cannot be inflated: it inflates to more than \d+ bytes, which is refused/) as string });
    expect((await inflate(name, whole.length)).length).toBe(whole.length);
  });

  test.each(['whole.bz2', 'streams.bz2', 'whole.xz', 'checked.lz4', 'high.lz4', 'frames.lz4'])('every file that ends early: %s', async (name) => {
    const bytes = fixture(name);
    const lengths = new Set([10, 20, 40, ...Array.from({ length: 11 }, (_, index) => Math.floor((bytes.length * (index + 1)) / 12)), bytes.length - 5, bytes.length - 1]);
    // Between two frames or streams a file may end.
    const ends = name === 'frames.lz4' ? lengths.size - 1 : lengths.size;
    let refused = 0;
    for (const length of lengths) {
      await decompress(bytes.subarray(0, length), name, 2 ** 24).catch((error: unknown) => {
        expect(isModelportError(error) && error.message).toMatch(/is compressed with \w+, and cannot be inflated: it is truncated or damaged/);
        refused++;
      });
    }
    expect(refused).toBeGreaterThanOrEqual(ends);
  });

  test('a bit that is wrong never gives other bytes', async () => {
    for (const name of ['whole.bz2', 'whole.xz', 'checked.lz4']) {
      const bytes = fixture(name);
      let refused = 0;
      for (let at = 30; at < bytes.length - 40; at += 151) {
        const changed = Buffer.from(bytes);
        changed[at]! ^= 1 << (at % 8);
        const read = await decompress(changed, name, 2 ** 24).catch((error: unknown) => {
          expect(isModelportError(error) && error.code).toBe('INVALID_MODEL');
          refused++;
        });
        expect(read === undefined || whole.equals(read), `${name} at ${at}`).toBe(true);
      }
      expect(refused, name).toBeGreaterThan(10);
    }
  });

  test('what is known, but not read', async () => {
    await expect(decompress(Buffer.from([0x5d, 0, 0, 0x80, 0]), 'm.joblib', 10)).rejects.toThrow(/m\.joblib is compressed with LZMA, which is not read; save it again/);
    await expect(inflate('sha256.xz')).rejects.toThrow(/sha256\.xz is compressed with xz, and cannot be inflated: it uses settings of xz that are not read/);
    await expect(decompress(Buffer.from([0x28, 0xb5, 0x2f, 0xfd]), 'm.joblib', 10)).rejects.toThrow(/compressed with Zstandard, which is not read/);
  });
});

test('fuzz: changed files are inflated or refused, within the limit', { timeout: 600_000 }, async () => {
  const seeds = ['small.bz2', 'small.xz', 'small.lz4', 'frames.lz4', 'stored.lz4', 'nothing.bz2', 'nothing.xz', 'nothing.lz4'].map(fixture);
  const source = random(61);
  const mostBytes = 2 ** 20;
  let refused = 0;
  for (let run = 0; run < fuzzRuns; run++) {
    const bytes = mutate(source.pick(seeds), source);
    try {
      expect((await decompress(bytes, 'file', mostBytes)).length).toBeLessThanOrEqual(Math.max(mostBytes, bytes.length));
    } catch (error) {
      if (!isModelportError(error) || error.code !== 'INVALID_MODEL') throw error;
      refused++;
    }
  }
  expect(refused).toBeGreaterThan(fuzzRuns / 4);
});
