/** Images and artifacts as files: an OCI layout as a folder or tar archive, and the archive that `docker load` takes. */
import { createWriteStream } from 'node:fs';
import { mkdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { randomBytes } from 'node:crypto';
import { ModelportError } from '../../errors.ts';
import { writeTar, type TarSource } from '../../lib/tar.ts';
import { withUnfinishedFile } from '../../lib/unfinished-files.ts';
import type { Descriptor } from '../content-store.ts';
import { mediaTypes, type Blob, type Manifest, type ManifestContent } from './oci.ts';

const nameAnnotation = 'org.opencontainers.image.ref.name';
/** What containerd and Docker call an image after. */
const fullNameAnnotation = 'io.containerd.image.name';

/** A manifest with the name that it gets; artifacts that belong to others have none. */
export interface NamedContent {
  readonly content: ManifestContent;
  /** `host/team/app:1` */
  readonly name?: string;
}

/** Every manifest and blob below, each once; what others name comes first. */
export function allBlobs(contents: readonly NamedContent[]): Blob[] {
  const blobs = new Map<string, Blob>();
  const add = (content: ManifestContent): void => {
    for (const blob of content.blobs) if (!blobs.has(blob.descriptor.digest)) blobs.set(blob.descriptor.digest, blob);
    for (const child of content.manifests) add(child);
    blobs.set(content.descriptor.digest, { descriptor: content.descriptor, open: () => once(content.bytes) });
  };
  for (const { content } of contents) add(content);
  return [...blobs.values()];
}

async function* once(bytes: Uint8Array): AsyncIterable<Uint8Array> {
  yield await Promise.resolve(bytes);
}

function indexEntries(contents: readonly NamedContent[]): Descriptor[] {
  return contents.map(({ content, name }) => ({
    ...content.descriptor,
    ...(name === undefined ? {} : { annotations: { ...content.descriptor.annotations, [fullNameAnnotation]: name, [nameAnnotation]: tagOf(name) } }),
  }));
}

/** Tools look an image up in a layout by its tag alone. */
function tagOf(name: string): string {
  return /:([^:/@]+)$/.exec(name)?.[1] ?? 'latest';
}

/** Adds to a layout that is there. */
export async function writeOciLayout(directory: string, contents: readonly NamedContent[]): Promise<void> {
  await failing(directory, async () => {
    await mkdir(join(directory, 'blobs', 'sha256'), { recursive: true });
    for (const blob of allBlobs(contents)) {
      const path = join(directory, 'blobs', 'sha256', blob.descriptor.digest.slice('sha256:'.length));
      if ((await stat(path).catch(() => undefined))?.size === blob.descriptor.size) continue;
      await besides(path, (beside) => pipeline(blob.open(), createWriteStream(beside)));
    }
    const entries = indexEntries(contents);
    const before = await readFile(join(directory, 'index.json'), 'utf8').catch(() => undefined);
    const kept = before === undefined ? [] : ((JSON.parse(before) as { manifests?: Descriptor[] }).manifests ?? []);
    const replaced = kept.filter((entry) => !entries.some(({ digest, annotations }) => digest === entry.digest || (annotations?.[nameAnnotation] !== undefined && annotations[nameAnnotation] === entry.annotations?.[nameAnnotation])));
    await besides(join(directory, 'index.json'), (beside) => writeFile(beside, JSON.stringify({ schemaVersion: 2, mediaType: mediaTypes.index, manifests: [...replaced, ...entries] })));
    await writeFile(join(directory, 'oci-layout'), JSON.stringify({ imageLayoutVersion: '1.0.0' }));
  });
}

export async function writeOciArchive(path: string, contents: readonly NamedContent[], progress?: (doneBytes: number, totalBytes: number) => void): Promise<void> {
  const files: TarSource[] = [
    file('oci-layout', Buffer.from(JSON.stringify({ imageLayoutVersion: '1.0.0' }))),
    file('index.json', Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: mediaTypes.index, manifests: indexEntries(contents) }))),
    directory('blobs'),
    directory('blobs/sha256'),
    ...allBlobs(contents).map(({ descriptor, open }): TarSource => ({ path: `blobs/sha256/${descriptor.digest.slice('sha256:'.length)}`, type: 'file', mode: 0o644, sizeBytes: descriptor.size, content: open })),
  ];
  await writeArchive(path, files, progress);
}

/** For one platform: the format has no others. */
export async function writeDockerArchive(path: string, content: ManifestContent, names: readonly string[], progress?: (doneBytes: number, totalBytes: number) => void): Promise<void> {
  await writeArchive(path, dockerArchiveFiles(content, names), progress);
}

/** The same as a stream, for `docker load`. */
export function dockerArchive(content: ManifestContent, names: readonly string[]): AsyncIterable<Uint8Array> {
  return writeTar(dockerArchiveFiles(content, names));
}

function dockerArchiveFiles(content: ManifestContent, names: readonly string[]): TarSource[] {
  const manifest = JSON.parse(Buffer.from(content.bytes).toString('utf8')) as Manifest;
  const blobOf = (digest: string): Blob => content.blobs.find(({ descriptor }) => descriptor.digest === digest)!;
  const layers = manifest.layers.map(({ digest, mediaType }) => {
    if (mediaType === mediaTypes.layerZstd) throw new ModelportError('INVALID_USAGE', 'Docker archives have no zstd layers: use --compression gzip');
    return { name: `${digest.slice('sha256:'.length)}.tar`, blob: blobOf(digest) };
  });
  const config = `${manifest.config.digest.slice('sha256:'.length)}.json`;
  const unique = new Map([{ name: config, blob: blobOf(manifest.config.digest) }, ...layers].map((entry) => [entry.name, entry.blob]));
  return [
    ...[...unique].map(([name, blob]): TarSource => ({ path: name, type: 'file', mode: 0o644, sizeBytes: blob.descriptor.size, content: blob.open })),
    file('manifest.json', Buffer.from(JSON.stringify([{ Config: config, RepoTags: names, Layers: layers.map(({ name }) => name) }]))),
  ];
}

function file(path: string, content: Uint8Array): TarSource {
  return { path, type: 'file', mode: 0o644, sizeBytes: content.byteLength, content };
}

function directory(path: string): TarSource {
  return { path, type: 'directory', mode: 0o755, sizeBytes: 0 };
}

async function writeArchive(path: string, files: readonly TarSource[], progress: ((doneBytes: number, totalBytes: number) => void) | undefined): Promise<void> {
  const total = files.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  await failing(path, () =>
    besides(path, (beside) =>
      pipeline(async function* () {
        let done = 0;
        for await (const chunk of writeTar(files)) {
          done += chunk.byteLength;
          progress?.(done, total);
          yield chunk;
        }
      }, createWriteStream(beside, { highWaterMark: 4 << 20 })),
    ),
  );
}

/** Written beside and renamed: an interrupted build leaves no half image. */
async function besides(path: string, write: (beside: string) => Promise<unknown>): Promise<void> {
  const beside = join(dirname(path), `.${randomBytes(6).toString('hex')}.part`);
  try {
    await withUnfinishedFile(beside, async () => {
      await write(beside);
      await rename(beside, path);
    });
  } finally {
    await rm(beside, { force: true });
  }
}

async function failing(path: string, work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (cause) {
    switch ((cause as NodeJS.ErrnoException).code) {
      case 'ENOSPC': case 'EDQUOT':
        throw new ModelportError('INVALID_USAGE', `no space left for ${path}: nothing was written`, { at: path, cause });
      case 'EACCES': case 'EPERM': case 'EROFS': case 'ENOENT': case 'ENOTDIR': case 'EISDIR': case 'EEXIST':
        throw new ModelportError('INVALID_USAGE', `can't write ${path}: ${(cause as Error).message}`, { at: path, cause });
      default:
        throw cause;
    }
  }
}
