/** A disk without room, which only root can make: a small tmpfs. */
import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { root, runModelport } from '../start-modelport.ts';

const mayMount = process.platform === 'linux' && process.getuid?.() === 0;

describe.skipIf(!mayMount)(`a full disk${mayMount ? '' : ' (skipped: only root can make one)'}`, () => {
  let folder: string;
  const parts = (place: string): string[] => readdirSync(join(folder, place), { recursive: true, encoding: 'utf8' }).filter((path) => /\.part$|\.tar$/.test(path));
  const build = (...args: string[]) => runModelport(['build', 'models', '--bundle', ...args], { cwd: folder, environment: { HOME: folder } });

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'modelport-disk-'));
    for (const name of ['small', 'models/add']) mkdirSync(join(folder, name), { recursive: true });
    copyFileSync(join(root, 'test/fixtures/onnx/add.onnx'), join(folder, 'models/add/model.onnx'));
    writeFileSync(join(folder, 'models/add/weights.bin'), Buffer.alloc(8 << 20, 7));
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=2m', 'tmpfs', join(folder, 'small')]);
  });
  afterAll(() => {
    execFileSync('umount', ['-l', join(folder, 'small')]);
    rmSync(folder, { recursive: true, force: true });
  });

  it('takes no half archive, layout or store, and what is said names it', async () => {
    expect(await build('-o', 'oci-archive:small/models.tar', '--cache-dir', 'cache')).toMatchObject({ code: 2, stderr: expect.stringContaining('no space left for small/models.tar') as unknown });
    expect(parts('small')).toEqual([]);
    expect(await build('-o', 'oci:small/layout', '--cache-dir', 'cache')).toMatchObject({ code: 2, stderr: expect.stringContaining('no space left for small/layout') as unknown });
    expect(parts('small')).toEqual([]);
    rmSync(join(folder, 'small/layout'), { recursive: true });
    const full = await build('-o', 'oci-archive:models.tar', '--cache-dir', 'small/cache');
    expect(full.code).not.toBe(0);
    expect(full.stderr).toContain('no space left');
    expect(full.stderr).not.toContain('please report');
    expect(parts('small')).toEqual([]);
  }, 60_000);
});
