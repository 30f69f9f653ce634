/** One layer of an image: files at their places, as a tar archive that is the same for the same files, compressed or not. */
import { createHash } from 'node:crypto';
import { createReadStream, statSync, type BigIntStats } from 'node:fs';
import * as zlib from 'node:zlib';
import { ModelportError } from '../../errors.ts';
import { tarBytes, writeTar, type TarSource } from '../../lib/tar.ts';
import type { ContentStore, Descriptor } from '../content-store.ts';
import { DigestCache } from './digest-cache.ts';
import { mediaTypes, type Blob } from './oci.ts';
import { gzipInParallel, gzipRecipe } from './parallel-gzip.ts';

export type Compression = 'none' | 'gzip' | 'zstd';

/** One thing in a layer. Folders above it come by themselves. */
export interface LayerEntry {
  /** In the image, without a slash in front. */
  readonly path: string;
  readonly type: 'file' | 'directory' | 'symlink';
  /** Permission bits; `source`: 0755 where the file that it comes from may be run, else 0644. Default 0644, folders 0755. */
  readonly mode?: number | 'source';
  /** Of a symbolic link. */
  readonly target?: string;
  /** A file's bytes, or the path of a file that has them. */
  readonly content?: Uint8Array;
  readonly source?: string;
}

export interface LayerPlan {
  /** For people: `base debian`, `weights digits/model.onnx`. */
  readonly title: string;
  readonly compression: Compression;
  /** Where what is in it follows from less than its files: they are then made only if they are needed. */
  readonly key?: string;
  /** Whether it is of use to this image alone: a large one is then sent while it is made, where that can be, and never kept. */
  readonly ownToImage?: boolean;
  readonly entries: () => Promise<readonly LayerEntry[]>;
}

export interface Layer extends Blob {
  readonly title: string;
  /** Of the tar archive before compression. */
  readonly diffId: string;
  /** Whether it was known already, and nothing was read. */
  readonly cached: boolean;
}

export interface LayerContext {
  readonly store: ContentStore;
  readonly cache: DigestCache;
  readonly level?: number;
  /**
   * Takes a large compressed layer while it is made, to where the image goes, so that it need not lie on the disk first. `make` gives its bytes as often as it
   * is called, the same each time.
   */
  readonly send?: (make: () => AsyncIterable<Uint8Array>, mediaType: string) => Promise<Descriptor>;
  progress?(title: string, doneBytes: number, totalBytes: number): void;
}

/** Whether this Node can write zstd. */
export function canWriteZstd(): boolean {
  return typeof (zlib as { createZstdCompress?: unknown }).createZstdCompress === 'function';
}

interface PreparedEntry extends TarSource {
  readonly source?: string;
  readonly fingerprint: string;
}

const readBytes = 1 << 20;
/** From so many bytes on, a layer is sent while it is made. */
const sentWhileMadeBytes = 16 << 20;

/** Makes the layer, or finds that it was made before. What is not compressed is not copied either: it is read again when it is wanted. */
export async function makeLayer(plan: LayerPlan, context: LayerContext): Promise<Layer> {
  const { store, cache } = context;
  const how = compressionFacts(plan.compression, context.level ?? 6);
  const givenKey = plan.key === undefined ? undefined : DigestCache.keyOf([plan.key, how]);
  const early = givenKey === undefined ? undefined : cache.get(givenKey);
  if (early !== undefined && (await store.has(early.digest))) return fromStore(plan, early, store);
  const entries = prepare(await plan.entries());
  const key = givenKey ?? DigestCache.keyOf([entries.map(({ path, type, mode, target, fingerprint }) => [path, type, mode, target, fingerprint]), how]);
  const known = cache.get(key);
  const archive = (onBytes?: (count: number) => void): AsyncIterable<Uint8Array> => writeTar(entries.map((entry) => readable(entry, onBytes)));
  if (plan.compression === 'none' && plan.key === undefined) {
    if (known !== undefined) return { title: plan.title, diffId: known.diffId, cached: true, descriptor: { mediaType: mediaTypes.layer, digest: known.digest, size: known.size }, open: () => archive() };
    const total = tarBytes(entries);
    const { digest, size } = await digestOf(counted(archive(), (done) => context.progress?.(plan.title, done, total)));
    cache.set(key, { digest, size, diffId: digest });
    return { title: plan.title, diffId: digest, cached: false, descriptor: { mediaType: mediaTypes.layer, digest, size }, open: () => archive() };
  }
  if (known !== undefined && (await store.has(known.digest))) return fromStore(plan, known, store);
  const total = tarBytes(entries);
  let diffId = '';
  const make = async function* (): AsyncIterable<Uint8Array> {
    const hash = createHash('sha256');
    yield* compress(counted(archive(), (done) => context.progress?.(plan.title, done, total), hash), plan.compression, context.level ?? 6);
    diffId = `sha256:${hash.digest('hex')}`;
  };
  const mediaType = mediaTypeOf(plan.compression);
  const sends = context.send !== undefined && plan.ownToImage === true && plan.compression !== 'none' && total >= sentWhileMadeBytes;
  if (sends && known !== undefined) return { title: plan.title, diffId: known.diffId, cached: true, descriptor: { mediaType, digest: known.digest, size: known.size }, open: make };
  const { digest, size } = sends ? await context.send!(make, mediaType) : await store.put(make());
  const made = { digest, size, diffId };
  cache.set(key, made);
  return sends ? { title: plan.title, diffId, cached: false, descriptor: { mediaType, digest, size }, open: make } : { ...fromStore(plan, made, store), cached: false };
}

function fromStore(plan: LayerPlan, known: { readonly digest: string; readonly size: number; readonly diffId: string }, store: ContentStore): Layer {
  return { title: plan.title, diffId: known.diffId, cached: true, descriptor: { mediaType: mediaTypeOf(plan.compression), digest: known.digest, size: known.size }, open: () => store.read(known.digest) };
}

/** What decides to which bytes equal content is compressed. */
function compressionFacts(compression: Compression, level: number): readonly unknown[] {
  const { zlib: zlibVersion, zstd: zstdVersion } = process.versions as Partial<Record<string, string>>;
  if (compression === 'none') return [compression, process.arch];
  return compression === 'gzip' ? [compression, level, gzipRecipe, zlibVersion, process.arch] : [compression, zstdVersion, process.arch];
}

function mediaTypeOf(compression: Compression): string {
  return compression === 'none' ? mediaTypes.layer : compression === 'gzip' ? mediaTypes.layerGzip : mediaTypes.layerZstd;
}

function compress(chunks: AsyncIterable<Uint8Array>, compression: Compression, level: number): AsyncIterable<Uint8Array> {
  if (compression === 'none') return chunks;
  if (compression === 'gzip') return gzipInParallel(chunks, level);
  return compressZstd(chunks);
}

async function* compressZstd(chunks: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> {
  const { createZstdCompress } = zlib as unknown as { createZstdCompress?: () => NodeJS.ReadWriteStream };
  if (createZstdCompress === undefined) throw new ModelportError('INVALID_USAGE', `zstd is not in Node ${process.versions.node}: use gzip, or Node 22.15 and newer`);
  const { Readable, pipeline } = await import('node:stream');
  const stream = createZstdCompress();
  yield* pipeline(Readable.from(chunks), stream, () => {}) as unknown as AsyncIterable<Uint8Array>;
}

/** Everything below, each once, in the order of names, with the folders above. */
function prepare(entries: readonly LayerEntry[]): PreparedEntry[] {
  const all = new Map<string, LayerEntry>();
  for (const entry of entries) {
    const parts = entry.path.split('/');
    if (entry.path === '' || parts.some((part) => part === '' || part === '.' || part === '..')) throw new Error(`${JSON.stringify(entry.path)} is no place in an image`);
    for (let count = 1; count < parts.length; count++) {
      const folder = parts.slice(0, count).join('/');
      if (!all.has(folder)) all.set(folder, { path: folder, type: 'directory' });
    }
    all.set(entry.path, entry);
  }
  const sorted = [...all.values()].sort((left, right) => (left.path < right.path ? -1 : 1));
  return sorted.map((entry): PreparedEntry => {
    const { path, type, target, content, source } = entry;
    const mode = typeof entry.mode === 'number' ? entry.mode : type === 'directory' ? 0o755 : type === 'symlink' ? 0o777 : 0o644;
    if (type !== 'file') return { path, type, mode, sizeBytes: 0, fingerprint: '', ...(target === undefined ? {} : { target }) };
    if (source === undefined) {
      const bytes = content ?? new Uint8Array(0);
      return { path, type, mode, sizeBytes: bytes.byteLength, content: bytes, fingerprint: createHash('sha256').update(bytes).digest('hex') };
    }
    const status = statusOf(source);
    return { path, type, mode: entry.mode === 'source' && (status.mode & 0o111n) !== 0n ? 0o755 : mode, sizeBytes: Number(status.size), source, fingerprint: [source, status.size, status.mtimeNs, status.ctimeNs, status.ino, status.dev].join(' ') };
  });
}

/** At once: there are thousands of files, each is answered from memory, and waiting for each would take ten times as long. */
function statusOf(source: string): BigIntStats {
  try {
    return statSync(source, { bigint: true });
  } catch (cause) {
    throw new ModelportError('INVALID_USAGE', `can't read ${source}: ${(cause as Error).message}`, { at: source, cause });
  }
}

function readable(entry: PreparedEntry, onBytes?: (count: number) => void): TarSource {
  const { source } = entry;
  if (source === undefined) return entry;
  return {
    ...entry,
    content: async function* () {
      try {
        for await (const chunk of createReadStream(source, { highWaterMark: readBytes }) as AsyncIterable<Uint8Array>) {
          onBytes?.(chunk.byteLength);
          yield chunk;
        }
      } catch (cause) {
        throw new ModelportError('INVALID_USAGE', `can't read ${source}: ${(cause as Error).message}`, { at: source, cause });
      }
    },
  };
}

async function* counted(chunks: AsyncIterable<Uint8Array>, onBytes: (done: number) => void, hash?: { update(bytes: Uint8Array): unknown }): AsyncIterable<Uint8Array> {
  let done = 0;
  for await (const chunk of chunks) {
    done += chunk.byteLength;
    hash?.update(chunk);
    onBytes(done);
    yield chunk;
  }
}

async function digestOf(chunks: AsyncIterable<Uint8Array>): Promise<{ readonly digest: string; readonly size: number }> {
  const hash = createHash('sha256');
  let size = 0;
  for await (const chunk of chunks) {
    hash.update(chunk);
    size += chunk.byteLength;
  }
  return { digest: `sha256:${hash.digest('hex')}`, size };
}
