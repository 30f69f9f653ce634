import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { readTar, tarBytes, writeTar, type TarSource } from '../../src/lib/tar.ts';
import { gzipInParallel } from '../../src/packaging/image/parallel-gzip.ts';
import { random } from '../fixtures/random.ts';

const runs = Number(process.env['MODELPORT_FUZZ_RUNS'] ?? 2000);

async function collect(chunks: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  for await (const chunk of chunks) parts.push(Uint8Array.from(chunk));
  return Buffer.concat(parts);
}

async function* pieces(bytes: Uint8Array, size: number): AsyncIterable<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield await Promise.resolve(bytes.subarray(at, at + size));
}

const long = `${'folder-with-a-name/'.repeat(12)}file.bin`;
const entries: TarSource[] = [
  { path: 'a', type: 'directory', mode: 0o755, sizeBytes: 0 },
  { path: 'a/empty', type: 'file', mode: 0o644, sizeBytes: 0, content: new Uint8Array(0) },
  { path: 'a/link', type: 'symlink', mode: 0o777, sizeBytes: 0, target: '../b' },
  { path: 'a/long-link', type: 'symlink', mode: 0o777, sizeBytes: 0, target: 'x'.repeat(150) },
  { path: long, type: 'file', mode: 0o755, sizeBytes: 5, content: Buffer.from('hello') },
  { path: 'ünïcode/模型.onnx', type: 'file', mode: 0o644, sizeBytes: 513, content: Buffer.alloc(513, 7) },
];

describe('tar', () => {
  it('is read back as it was written, however the bytes come', async () => {
    const bytes = await collect(writeTar(entries));
    expect(bytes.length).toBe(tarBytes(entries));
    for (const size of [1, 511, 512, 4096, bytes.length]) {
      const found: unknown[] = [];
      for await (const entry of readTar(pieces(bytes, size))) found.push({ path: entry.path, type: entry.type, mode: entry.mode, target: entry.target, text: (await collect(entry.content)).toString('latin1') });
      expect(found).toEqual(entries.map(({ path, type, mode, target, content }) => ({ path, type, mode, target, text: Buffer.from((content as Uint8Array | undefined) ?? []).toString('latin1') })));
    }
  });

  it('is understood by GNU tar', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'modelport-tar-'));
    try {
      writeFileSync(join(folder, 'x.tar'), await collect(writeTar(entries)));
      execFileSync('tar', ['-xf', 'x.tar'], { cwd: folder });
      expect(readFileSync(join(folder, long), 'utf8')).toBe('hello');
      expect(readFileSync(join(folder, 'ünïcode/模型.onnx'))).toEqual(Buffer.alloc(513, 7));
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });

  it('reads what GNU tar writes, long names and links included', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'modelport-tar-'));
    try {
      execFileSync('sh', ['-c', `mkdir -p "$(dirname "${long}")" && printf hello > "${long}" && ln -s ${'y'.repeat(140)} link && tar --format=gnu -cf x.tar folder-with-a-name link`], { cwd: folder });
      const found = new Map<string, string>();
      for await (const entry of readTar(pieces(readFileSync(join(folder, 'x.tar')), 1000))) if (entry.type !== 'directory') found.set(entry.path, entry.target ?? (await collect(entry.content)).toString());
      expect(found).toEqual(new Map([[long, 'hello'], ['link', 'y'.repeat(140)]]));
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });

  it('refuses a file that changes its size while it is written', async () => {
    const grown = { path: 'a', type: 'file', mode: 0o644, sizeBytes: 3, content: Buffer.from('four') } as const;
    await expect(collect(writeTar([grown]))).rejects.toThrow('a changed while it was read');
    await expect(collect(writeTar([{ ...grown, content: Buffer.from('2') }]))).rejects.toThrow('it had 3 bytes');
  });

  it('stops at its limits', async () => {
    const bytes = await collect(writeTar(entries));
    const readAll = async (limits: object): Promise<void> => {
      for await (const entry of readTar(pieces(bytes, 512), limits)) await collect(entry.content);
    };
    await expect(readAll({ maxEntries: 3 })).rejects.toThrow('more than 3 entries');
    await expect(readAll({ maxBytes: 100 })).rejects.toThrow('more than 100 bytes');
  });

  it(`fuzz: damaged archives end with entries or an error (${runs} runs)`, async () => {
    const bytes = await collect(writeTar(entries));
    let seed = 1;
    const random = (limit: number): number => {
      seed = (Math.imul(seed, 1_103_515_245) + 12_345) >>> 0;
      return seed % limit;
    };
    let failed = 0;
    for (let run = 0; run < runs; run++) {
      const damaged = Buffer.from(bytes.subarray(0, random(4) === 0 ? random(bytes.length) : bytes.length));
      for (let count = random(6); count >= 0; count--) if (damaged.length > 0) damaged[random(damaged.length)] = random(256);
      try {
        for await (const entry of readTar(pieces(damaged, 4096), { maxEntries: 100, maxBytes: 1e6 })) await collect(entry.content);
      } catch (error) {
        failed++;
        expect(error).toBeInstanceOf(Error);
        expect((error as Error).message).toMatch(/archive|entry|header/);
      }
    }
    expect(failed).toBeGreaterThan(runs / 10);
  });
});

describe('parallel gzip', () => {
  it.each([0, 1, (1 << 20) - 1, 1 << 20, (1 << 20) + 1, 3_500_000])('gives back %i bytes, as one member', async (size) => {
    const bytes = Buffer.alloc(size);
    for (let at = 0; at < size; at++) bytes[at] = (at * 7 + (at >> 9)) & 0xff;
    const packed = await collect(gzipInParallel(pieces(bytes, 100_000)));
    expect(gunzipSync(packed).equals(bytes)).toBe(true);
    expect(packed.equals(await collect(gzipInParallel(pieces(bytes, 33_333))))).toBe(true);
    expect([...packed.subarray(0, 10)]).toEqual([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255]);
  });

  it('codes weights by frequency, stores noise, looks for repetitions in what repeats, and gives all of it back', async () => {
    const { next } = random(5);
    const weights = new Float32Array(1 << 19);
    for (let at = 0; at < weights.length; at++) weights[at] = (next() + next() + next() - 1.5) * 0.05;
    const noise = Buffer.from(Uint8Array.from({ length: 1 << 21 }, () => next() * 256));
    const text = Buffer.from('a model that is trained, a model that is served; '.repeat(43_000));
    for (const [bytes, part] of [[Buffer.from(weights.buffer), 1.005], [noise, 1.001], [text, 1.2]] as const) {
      const packed = await collect(gzipInParallel(pieces(bytes, 100_000)));
      expect(gunzipSync(packed).equals(bytes)).toBe(true);
      expect(packed.byteLength / gzipSync(bytes).byteLength).toBeLessThan(part);
    }
    const mixed = Buffer.concat([text.subarray(0, 700_001), noise.subarray(0, 1_500_000), text, Buffer.from(weights.buffer)]);
    expect(gunzipSync(await collect(gzipInParallel(pieces(mixed, 100_000)))).equals(mixed)).toBe(true);
  });

  it('ends with the error of what it reads', async () => {
    const failing = async function* (): AsyncIterable<Uint8Array> {
      yield await Promise.resolve(Buffer.alloc(2_000_000));
      throw new Error('the disk is gone');
    };
    await expect(collect(gzipInParallel(failing()))).rejects.toThrow('the disk is gone');
  });
});
