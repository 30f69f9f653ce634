import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { isModelportError } from '../../src/errors.ts';
import { bytesSource, fileSource } from '../../src/formats/byte-source.ts';
import { ZipArchive, type ZipLimits } from '../../src/formats/zip.ts';
import { fuzzRuns, mutate, random } from '../fixtures/random.ts';
import { zipFile, type ZipFileMember } from '../fixtures/zip-file.ts';
import { fixture, refusal } from './pickle/describe-pickle.ts';

const text = (value: string): Buffer => Buffer.from(value);
const open = (bytes: Uint8Array, limits: Partial<ZipLimits> = {}): ZipArchive => ZipArchive.open(bytesSource(bytes, 'a.zip'), limits);
const refused = (members: readonly ZipFileMember[], limits: Partial<ZipLimits> = {}): string =>
  refusal(() => {
    const archive = open(zipFile(members), limits);
    for (const { path } of archive.members) archive.read(path);
  });

describe('reading', () => {
  const members = [{ path: 'folder/ä.txt', content: text('stored') }, { path: 'b', content: text('deflate '.repeat(100)), deflate: true }, { path: 'empty', content: text('') }, { path: 'folder/', content: text('') }];

  test.each([{ zip64: false }, { zip64: true }, { zip64: false, comment: 'PK\u0005\u0006 not here' }])('members, $zip64, $comment', (options) => {
    const archive = open(zipFile(members, options));
    expect(archive.members.map(({ path, sizeBytes, method }) => [path, sizeBytes, method])).toEqual([['folder/ä.txt', 6, 'stored'], ['b', 800, 'deflate'], ['empty', 0, 'stored']]);
    expect(Buffer.from(archive.read('folder/ä.txt')).toString()).toBe('stored');
    expect(Buffer.from(archive.read('b')).toString()).toBe('deflate '.repeat(100));
    expect(archive.read('empty')).toHaveLength(0);
    expect(archive.storedOffset('folder/ä.txt')).toBe(30 + Buffer.byteLength('folder/ä.txt'));
    expect(archive.storedOffset('b')).toBeUndefined();
    expect(refusal(() => archive.read('c'))).toBe('a.zip: there is no "c"');
  });

  test('from a file, member by member', () => {
    const folder = mkdtempSync(join(tmpdir(), 'modelport-zip-'));
    try {
      const path = join(folder, 'x.zip');
      writeFileSync(path, zipFile(members));
      const source = fileSource(path);
      const archive = ZipArchive.open(source);
      expect(Buffer.from(archive.read('folder/ä.txt')).toString()).toBe('stored');
      writeFileSync(path, 'short');
      expect(refusal(() => archive.read('b'))).toMatch(/ended at byte|is truncated/);
      source.close();
      expect(refusal(() => archive.read('b'))).toMatch(/is closed/);
      expect(refusal(() => fileSource(join(folder, 'none')))).toMatch(/there is no such file/);
      expect(refusal(() => fileSource(folder))).toMatch(/is no file/);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

describe('what is refused', () => {
  const content = text('content');
  test.each<[string, ZipFileMember[], RegExp]>([
    ['damage', [{ path: 'a', content, crc: 1 }], /"a" is damaged: its checksum differs/],
    ['encryption', [{ path: 'a', content, flags: 1 }], /"a" in the zip archive is encrypted/],
    ['another compression', [{ path: 'a', content, method: 14 }], /compressed by LZMA/],
    ['an unknown compression', [{ path: 'a', content, method: 77 }], /compressed by method 77/],
    ['a path outside', [{ path: '../a', content }], /"\.\.\/a", which is outside/],
    ['an absolute path', [{ path: '/etc/passwd', content }], /outside/],
    ["Windows' path outside", [{ path: String.raw`a\..\..\b`, content }], /outside/],
    ['a drive', [{ path: 'C:/a', content }], /outside/],
    ['one name twice', [{ path: 'a', content }, { path: 'a', content }], /"a" twice/],
    ['two names of one member', [{ path: 'a', content, localPath: 'b' }], /"a" has another name in its own header/],
    ['members that share bytes', [{ path: 'a', content }, { path: 'b', content, sameAs: 0 }], /overlap/],
    ['a size that is not true', [{ path: 'a', content: Buffer.alloc(1000), deflate: true, sizeBytes: 10 }], /cannot be inflated: it is damaged, or larger/],
    ['a size that is too large', [{ path: 'a', content: Buffer.alloc(10), deflate: true, sizeBytes: 1000 }], /inflates to 10 bytes, not to 1000/],
    ['a stored member of two sizes', [{ path: 'a', content, sizeBytes: 1000 }], /two sizes/],
  ])('%s', (_, members, message) => {
    expect(refused(members)).toMatch(message);
  });

  test('bombs', () => {
    const zeros = { path: 'zeros', content: Buffer.alloc(2 ** 25), deflate: true };
    expect(refused([zeros])).toMatch(/inflates \d+ times, which is refused/);
    const claimed = { path: 'claimed', content: text('x'), deflate: true, sizeBytes: 2 ** 24 };
    expect(refused(Array.from({ length: 80 }, (_, index) => ({ ...claimed, path: `claimed${index}` })))).toMatch(/inflates to more than \d+ bytes/);
    expect(refused([{ path: 'a', content }, { path: 'b', content }], { maxMembers: 1 })).toMatch(/has 2 members; at most 1/);
  });

  test('what is no archive', () => {
    expect(refusal(() => open(text('')))).toMatch(/no zip archive/);
    expect(refusal(() => open(zipFile([{ path: 'a', content }]).subarray(0, -5)))).toMatch(/truncated/);
    expect(refusal(() => open(Buffer.concat([text('in front'), zipFile([{ path: 'a', content }])])).read('a'))).toMatch(/does not begin where|does not lie|directory is damaged/);
  });
});

test('fuzz: changed archives are read or refused', () => {
  const seeds = [zipFile([{ path: 'a/b', content: text('stored') }, { path: 'c', content: text('deflate '.repeat(20)), deflate: true }]), zipFile([{ path: 'a', content: text('x') }], { zip64: true }), fixture('compressed.npz')];
  const source = random(6);
  let refusals = 0;
  for (let run = 0; run < fuzzRuns; run++) {
    const bytes = mutate(source.pick(seeds), source);
    try {
      const archive = open(bytes);
      for (const { path } of archive.members) archive.read(path);
    } catch (error) {
      if (!isModelportError(error)) throw error;
      refusals++;
    }
  }
  expect(refusals).toBeGreaterThan(fuzzRuns / 4);
});
