/** Files of npm packages that are not installed here: fetched from the registry that npm is told, unpacked into the store, never installed. */
import { createReadStream } from 'node:fs';
import { pipeline } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { ModelportError } from '../../errors.ts';
import { readTar } from '../../lib/tar.ts';
import type { ContentStore, Descriptor } from '../../packaging/content-store.ts';
import { checkManifest, parseDocument } from '../../packaging/image/read-content.ts';
import type { SourceContext } from '../../source.ts';

const artifactType = 'application/vnd.modelport.unpacked.v1';
const titleAnnotation = 'org.opencontainers.image.title';

export interface UnpackedFile {
  readonly path: string;
  /** On this machine, read-only. */
  readonly source: string;
  readonly sizeBytes: number;
}

/** `only`: paths in it; without them all. */
export async function npmFiles(name: string, version: string, store: ContentStore, context: SourceContext, only?: readonly string[]): Promise<UnpackedFile[]> {
  const label = `unpacked/npm/${name}/${version}${only === undefined ? '' : `/${only.join(',')}`}`;
  const known = await store.resolve(label);
  if (known !== undefined) {
    const manifest = checkManifest(parseDocument(await store.get(known.digest), label), label);
    const there = await Promise.all(manifest.layers.map(({ digest }) => store.has(digest)));
    if (there.every(Boolean)) return manifest.layers.map((layer) => unpacked(layer.annotations?.[titleAnnotation] ?? '', layer, store));
  }
  const { fetchNpmPackage } = await import('../../sources/npm/npm-registry.ts');
  const archive = await fetchNpmPackage(name, version, context);
  const files = new Map<string, Descriptor>();
  try {
    const bytes = pipeline(createReadStream(store.path(archive.digest)), createGunzip(), () => {}) as AsyncIterable<Uint8Array>;
    for await (const entry of readTar(bytes, { maxEntries: 100_000, maxBytes: 4e9 })) {
      const path = entry.path.split('/').slice(1).join('/');
      if (entry.type === 'file' && path !== '' && !path.split('/').includes('..') && only?.includes(path) !== false) files.set(path, await store.put(entry.content));
    }
  } catch (cause) {
    if (cause instanceof ModelportError) throw cause;
    throw new ModelportError('INVALID_MODEL', `the npm package ${name} ${version} can't be read: ${(cause as Error).message}`, { cause });
  }
  await store.nameFiles(label, files, artifactType);
  return [...files].map(([path, descriptor]) => unpacked(path, descriptor, store));
}

function unpacked(path: string, { digest, size }: Descriptor, store: ContentStore): UnpackedFile {
  return { path, source: store.path(digest), sizeBytes: size };
}
