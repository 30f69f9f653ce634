/**
 * Models as OCI artifacts, without a system around them: ModelPack, CNCF's model specification 0.0.7 (https://github.com/modelpack/model-spec). Every file is a
 * layer of its own, as it is (`.raw`), so that equal weights are kept once wherever they lie.
 */
import { createReadStream } from 'node:fs';
import { createGunzip } from 'node:zlib';
import { Readable, pipeline } from 'node:stream';
import { ModelportError } from '../errors.ts';
import { readTar } from '../lib/tar.ts';
import type { ContentStore, Descriptor } from './content-store.ts';
import { describe, json, memoryBlob } from './image/build-image.ts';
import type { DigestCache } from './image/digest-cache.ts';
import { fileDigest } from './image/file-digest.ts';
import { mediaTypes, type Blob, type Manifest, type ManifestContent } from './image/oci.ts';

export const modelPackType = 'application/vnd.cncf.model.manifest.v1+json';
const configType = 'application/vnd.cncf.model.config.v1+json';
const pathAnnotation = 'org.cncf.model.filepath';
const titleAnnotation = 'org.opencontainers.image.title';

export interface PackedFile {
  /** Relative, with forward slashes. */
  readonly path: string;
  readonly source?: string;
  readonly content?: Uint8Array;
}

export interface ModelPackFacts {
  readonly name: string;
  readonly version?: string;
  readonly description?: string;
  /** `onnx`, `sklearn` … of the models in it. */
  readonly formats: readonly string[];
  readonly annotations?: Readonly<Record<string, string>>;
}

export async function makeModelPack(files: readonly PackedFile[], facts: ModelPackFacts, cache: DigestCache, progress?: (path: string, doneBytes: number, totalBytes: number) => void): Promise<ManifestContent> {
  const blobs: Blob[] = [];
  for (const file of files) {
    const blob = file.source === undefined ? memoryBlob(file.content ?? new Uint8Array(0), layerType(file.path)) : await fileBlob(file.source, layerType(file.path), cache, (done, total) => progress?.(file.path, done, total));
    blobs.push({ ...blob, descriptor: { ...blob.descriptor, annotations: { [pathAnnotation]: file.path, [titleAnnotation]: file.path } } });
  }
  const [format] = facts.formats;
  const config = memoryBlob(
    json({
      descriptor: { name: facts.name, ...(facts.version === undefined ? {} : { version: facts.version }), ...(facts.description === undefined ? {} : { title: facts.description }) },
      modelfs: { type: 'layers', diffIds: blobs.map(({ descriptor }) => descriptor.digest) },
      config: facts.formats.length === 1 && format !== undefined ? { format } : {},
    }),
    configType,
  );
  const manifest: Manifest = { schemaVersion: 2, mediaType: mediaTypes.manifest, artifactType: modelPackType, config: config.descriptor, layers: blobs.map(({ descriptor }) => descriptor), annotations: { 'org.opencontainers.image.title': facts.name, ...facts.annotations } };
  const bytes = json(manifest);
  return { descriptor: { ...describe(bytes, mediaTypes.manifest), artifactType: modelPackType }, bytes, blobs: [config, ...blobs], manifests: [] };
}

function layerType(path: string): string {
  const name = path.toLowerCase();
  const kind = /\.(?:md|txt|rst|pdf)$|(?:^|\/)(?:licen[cs]e|notice)[^/]*$/.test(name) && !name.endsWith('labels.txt') ? 'doc' : /\.(?:[cm]?[jt]s|py|sh)$|package(?:-lock)?\.json$/.test(name) ? 'code' : /\.(?:ya?ml|json|pbtxt|toml)$|labels\.txt$/.test(name) ? 'weight.config' : 'weight';
  return `application/vnd.cncf.model.${kind}.v1.raw`;
}

async function fileBlob(source: string, mediaType: string, cache: DigestCache, progress: (doneBytes: number, totalBytes: number) => void): Promise<Blob> {
  const { digest, size } = await fileDigest(source, cache, progress);
  return { descriptor: { mediaType, digest, size }, open: () => createReadStream(source, { highWaterMark: 1 << 20 }) };
}

const maximumUnpackedBytes = 1e12;
const maximumFiles = 100_000;

/**
 * The files of an artifact whose blobs are in the store, archives among its layers unpacked. Takes ModelPack, and any artifact whose layers have titles.
 * Throws `INVALID_MODEL` for what is none, such as an image.
 */
export async function artifactFiles(manifest: Manifest, store: ContentStore, name: string): Promise<Map<string, Descriptor>> {
  if (manifest.config.mediaType === mediaTypes.config || /docker\.container\.image/.test(manifest.config.mediaType)) {
    throw new ModelportError('INVALID_MODEL', `${name} is a container image, not a model: run it with Docker, podman or Kubernetes`, { at: name });
  }
  const files = new Map<string, Descriptor>();
  const add = (path: string, descriptor: Descriptor): void => {
    if (path === '' || path.length > 4096 || path.startsWith('/') || /[\\\0]/.test(path) || path.split('/').some((part) => part === '' || part === '.' || part === '..')) throw new ModelportError('INVALID_MODEL', `${name} holds the path ${JSON.stringify(path.slice(0, 200))}, which leads out of it`, { at: name });
    if (files.size >= maximumFiles) throw new ModelportError('INVALID_MODEL', `${name} holds more than ${maximumFiles} files, which is refused`, { at: name });
    files.set(path, descriptor);
  };
  for (const layer of manifest.layers) {
    const path = layer.annotations?.[pathAnnotation] ?? layer.annotations?.[titleAnnotation];
    const packed = /[.+]tar(?:\+gzip)?$/.exec(layer.mediaType);
    if (packed === null) {
      if (path === undefined) throw new ModelportError('INVALID_MODEL', `${name} is no model: a layer of it (${layer.mediaType}) has no path`, { at: name });
      add(path, layer);
      continue;
    }
    const bytes = layer.mediaType.endsWith('gzip') ? (pipeline(Readable.from(store.read(layer.digest)), createGunzip(), () => {}) as AsyncIterable<Uint8Array>) : store.read(layer.digest);
    try {
      for await (const entry of readTar(bytes, { maxBytes: maximumUnpackedBytes })) if (entry.type === 'file') add(entry.path.replace(/^(?:\.\/)+/, ''), await store.put(entry.content));
    } catch (cause) {
      if (cause instanceof ModelportError) throw cause;
      throw new ModelportError('INVALID_MODEL', `a layer of ${name} can't be unpacked: ${(cause as Error).message}`, { at: name, cause });
    }
  }
  if (files.size === 0) throw new ModelportError('INVALID_MODEL', `${name} holds no files`, { at: name });
  return files;
}
