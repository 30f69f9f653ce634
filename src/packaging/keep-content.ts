/** Images and artifacts into the store: every blob checked against its digest, manifests last, so that what has a name is whole. */
import { stat } from 'node:fs/promises';
import { createReadStream } from 'node:fs';
import { ModelportError } from '../errors.ts';
import { Semaphore } from '../lib/semaphore.ts';
import { readTar } from '../lib/tar.ts';
import type { ContentStore, Descriptor } from './content-store.ts';
import { mediaTypes, type Blob, type ImageIndex, type ManifestContent } from './image/oci.ts';
import { parseDocument } from './image/read-content.ts';

export interface KeepOptions {
  /** Blobs that are fetched at once. Default 3. */
  readonly parallel?: number;
  progress?(doneBytes: number, totalBytes: number): void;
}

/** Gives the root's descriptor. Blobs that are in the store are not fetched. */
export async function keepContent(content: ManifestContent, store: ContentStore, options: KeepOptions = {}): Promise<Descriptor> {
  const blobs = new Map<string, Blob>();
  const collect = (from: ManifestContent): void => {
    for (const blob of from.blobs) blobs.set(blob.descriptor.digest, blob);
    for (const child of from.manifests) collect(child);
  };
  collect(content);
  const total = [...blobs.values()].reduce((sum, { descriptor }) => sum + descriptor.size, 0);
  let done = 0;
  const semaphore = new Semaphore(options.parallel ?? 3);
  const results = await Promise.allSettled([...blobs.values()].map((blob) => semaphore.run(async () => {
    const { digest, size } = blob.descriptor;
    if (await store.has(digest)) done += size;
    else {
      await store.put(counted(blob.open(), (bytes) => {
        done += bytes;
        options.progress?.(done, total);
      }), { digest, sizeBytes: size });
    }
    options.progress?.(done, total);
  })));
  for (const result of results) if (result.status === 'rejected') throw result.reason;
  const put = async (what: ManifestContent): Promise<void> => {
    for (const child of what.manifests) await put(child);
    await store.put(what.bytes, { digest: what.descriptor.digest });
  };
  await put(content);
  return content.descriptor;
}

async function* counted(chunks: AsyncIterable<Uint8Array>, onBytes: (count: number) => void): AsyncIterable<Uint8Array> {
  for await (const chunk of chunks) {
    onBytes(chunk.byteLength);
    yield chunk;
  }
}

/** Whether a file is an OCI layout as a tar archive. */
export async function isOciArchive(path: string): Promise<boolean> {
  if (!path.endsWith('.tar') || (await stat(path).catch(() => undefined))?.isFile() !== true) return false;
  let seen = 0;
  try {
    for await (const entry of readTar(createReadStream(path), { maxEntries: 20 })) {
      if (entry.path.replace(/^\.\//, '') === 'oci-layout') return true;
      if (++seen > 10) return false;
    }
  } catch {
    return false;
  }
  return false;
}

const maximumIndexBytes = 16 << 20;

/** The only image or artifact of an OCI archive, its blobs kept. Throws `INVALID_MODEL` where a blob is not what its name says. */
export async function keepArchive(path: string, store: ContentStore): Promise<Descriptor> {
  let index: ImageIndex | undefined;
  try {
    for await (const entry of readTar(createReadStream(path, { highWaterMark: 1 << 20 }))) {
      const name = entry.path.replace(/^\.\//, '');
      if (entry.type !== 'file') continue;
      const digest = /^blobs\/sha256\/([0-9a-f]{64})$/.exec(name)?.[1];
      if (digest !== undefined) await store.put(entry.content, { digest: `sha256:${digest}`, sizeBytes: entry.sizeBytes });
      else if (name === 'index.json' && entry.sizeBytes <= maximumIndexBytes) {
        const chunks: Uint8Array[] = [];
        for await (const chunk of entry.content) chunks.push(Uint8Array.from(chunk));
        index = parseDocument(Buffer.concat(chunks), path) as unknown as ImageIndex;
      }
    }
  } catch (cause) {
    if (cause instanceof ModelportError) throw cause;
    throw new ModelportError('INVALID_MODEL', `${path} can't be read: ${(cause as Error).message}`, { at: path, cause });
  }
  const entries = [...new Map((Array.isArray(index?.manifests) ? index.manifests : []).map((entry) => [entry.digest, entry])).values()];
  if (entries.length !== 1) throw new ModelportError('INVALID_MODEL', `${path} holds ${entries.length} images or artifacts, and one was expected`, { at: path });
  const [only] = entries;
  if (!(await store.has(only!.digest))) throw new ModelportError('INVALID_MODEL', `${path} lacks ${only!.digest}, which its index names`, { at: path });
  return { mediaType: only!.mediaType ?? mediaTypes.manifest, digest: only!.digest, size: only!.size };
}
