/** Files of a Debian package: an `ar` archive whose `data.tar.xz` holds them (deb(5)). No script of the package is run. */
import { createReadStream } from 'node:fs';
import { open } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { Readable } from 'node:stream';
import type { ReadableStream } from 'node:stream/web';
import { createGunzip } from 'node:zlib';
import { ModelportError } from '../../errors.ts';
import { readTar, type ReadTarEntry } from '../../lib/tar.ts';

const magic = '!<arch>\n';
const maximumMembers = 16;

/** The entries of the package's file tree; paths begin without `./`. Throws `INVALID_MODEL` where it is damaged. */
export async function* readDeb(path: string): AsyncIterable<ReadTarEntry> {
  const { name, offset, length } = await findData(path);
  const bytes = createReadStream(path, { start: offset, end: offset + length - 1 });
  try {
    for await (const entry of readTar(decompress(bytes, name), { maxEntries: 100_000, maxBytes: 1e9 })) {
      const relative = entry.path.replace(/^(?:\.\/)+/, '');
      if (relative === '' || relative === '.') continue;
      if (relative.startsWith('/') || relative.split('/').includes('..')) throw new Error(`it holds ${JSON.stringify(relative)}, which is outside of it`);
      yield { ...entry, path: relative };
    }
  } catch (cause) {
    throw new ModelportError('INVALID_MODEL', `the Debian package ${path} can't be read: ${(cause as Error).message}`, { at: path, cause });
  } finally {
    bytes.destroy();
  }
}

async function findData(path: string): Promise<{ readonly name: string; readonly offset: number; readonly length: number }> {
  const file = await open(path, 'r');
  try {
    const { size } = await file.stat();
    const header = Buffer.alloc(60);
    await file.read(header, 0, 8, 0);
    if (header.toString('latin1', 0, 8) !== magic) throw new ModelportError('INVALID_MODEL', `${path} is no Debian package`, { at: path });
    let offset = 8;
    for (let count = 0; count < maximumMembers && offset + 60 <= size; count++) {
      await file.read(header, 0, 60, offset);
      const name = header.toString('latin1', 0, 16).trim().replace(/\/$/, '');
      const length = Number(header.toString('latin1', 48, 58).trim());
      if (!Number.isSafeInteger(length) || length < 0 || offset + 60 + length > size) break;
      if (name.startsWith('data.tar')) return { name, offset: offset + 60, length };
      offset += 60 + length + (length % 2);
    }
    throw new ModelportError('INVALID_MODEL', `the Debian package ${path} has no data, or is damaged`, { at: path });
  } finally {
    await file.close();
  }
}

function decompress(bytes: Readable, name: string): AsyncIterable<Uint8Array> {
  if (name === 'data.tar') return bytes as AsyncIterable<Uint8Array>;
  if (name === 'data.tar.gz') return bytes.pipe(createGunzip()) as AsyncIterable<Uint8Array>;
  if (name !== 'data.tar.xz') throw new Error(`${name} is compressed in a way that is not read here`);
  const { XzReadableStream } = createRequire(import.meta.url)('xz-decompress') as { XzReadableStream: new (stream: ReadableStream) => ReadableStream<Uint8Array> };
  return new XzReadableStream(Readable.toWeb(bytes));
}
