/** Images and artifacts that are somewhere already: in a registry, an OCI layout or the store. Read one manifest at a time; layers only when they are wanted. */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ModelportError } from '../../errors.ts';
import type { ContentStore, Descriptor } from '../content-store.ts';
import type { Reference } from '../registry/reference.ts';
import { showReference } from '../registry/reference.ts';
import type { RegistryClient } from '../registry/registry-client.ts';
import type { BaseImage } from './build-image.ts';
import { mediaTypes, type Blob, type ImageConfig, type ImageIndex, type Manifest, type ManifestContent, type Platform } from './oci.ts';

/** Where manifests and blobs are read from. */
export interface ContentPlace {
  /** For messages. */
  readonly name: string;
  /** The manifest or index that is meant when nobody says which. */
  root(): Promise<{ readonly descriptor: Descriptor; readonly bytes: Uint8Array }>;
  manifest(descriptor: Descriptor): Promise<Uint8Array>;
  blob(descriptor: Descriptor): Blob;
}

const maximumDocumentBytes = 16 << 20;
const digestPattern = /^sha256:[0-9a-f]{64}$/;

export function registryPlace(client: RegistryClient, reference: Reference): ContentPlace {
  const { registry, repository } = reference;
  return {
    name: showReference(reference),
    root: () => client.manifest(reference),
    manifest: async ({ digest }) => (await client.manifest({ registry, repository, tag: undefined, digest })).bytes,
    blob: (descriptor) => ({ descriptor, mountFrom: { registry, repository }, open: () => verified(client.blob(repository, descriptor), descriptor, showReference(reference)) }),
  };
}

/** `name`: a tag or digest in it; needed where it holds several images. */
export async function layoutPlace(directory: string, name?: string): Promise<ContentPlace> {
  const path = (digest: string): string => {
    if (!digestPattern.test(digest)) throw new ModelportError('INVALID_MODEL', `${directory} names ${JSON.stringify(digest.slice(0, 100))}, which is no digest`);
    return join(directory, 'blobs', 'sha256', digest.slice('sha256:'.length));
  };
  const text = await readFile(join(directory, 'index.json'), 'utf8').catch((cause: unknown) => {
    throw new ModelportError('INVALID_USAGE', `${directory} is no OCI layout: it has no index.json`, { at: directory, cause });
  });
  const { manifests } = parseDocument(Buffer.from(text), `${directory}/index.json`) as unknown as ImageIndex;
  const subjects = (Array.isArray(manifests) ? manifests : []).filter(isDescriptor);
  const tagOf = ({ annotations }: Descriptor): string => annotations?.['org.opencontainers.image.ref.name'] ?? '';
  const named = subjects.filter((entry) => (name === undefined ? entry.artifactType === undefined || subjects.length === 1 || tagOf(entry) !== '' : tagOf(entry) === name || entry.annotations?.['io.containerd.image.name'] === name || entry.digest === name));
  if (named.length !== 1) {
    const tags = subjects.map(tagOf).filter((tag) => tag !== '');
    throw new ModelportError('INVALID_USAGE', named.length === 0 ? `${directory} holds no image${name === undefined ? '' : ` '${name}'`}${tags.length === 0 ? '' : `; it has ${tags.join(', ')}`}` : `${directory} holds several images (${tags.join(', ') || named.length}): name one, as in ${directory}:${tags[0] ?? 'tag'}`, { at: directory });
  }
  const read = async (descriptor: Descriptor): Promise<Uint8Array> => {
    const bytes = await readFile(path(descriptor.digest)).catch((cause: unknown) => {
      throw new ModelportError('INVALID_MODEL', `${directory} lacks ${descriptor.digest}`, { at: directory, cause });
    });
    checkBytes(bytes, descriptor, directory);
    return bytes;
  };
  return {
    name: directory,
    root: async () => ({ descriptor: named[0]!, bytes: await read(named[0]!) }),
    manifest: read,
    blob: (descriptor) => ({ descriptor, open: () => verified(createReadStream(path(descriptor.digest)), descriptor, directory) }),
  };
}

export function storePlace(store: ContentStore, descriptor: Descriptor, name: string): ContentPlace {
  return {
    name,
    root: async () => ({ descriptor, bytes: await store.get(descriptor.digest) }),
    manifest: ({ digest }) => store.get(digest),
    blob: (wanted) => ({ descriptor: wanted, open: () => store.read(wanted.digest) }),
  };
}

/** All of it, layers still closed. */
export async function readContent(place: ContentPlace, given?: { readonly descriptor: Descriptor; readonly bytes: Uint8Array }, depth = 0): Promise<ManifestContent> {
  const { descriptor, bytes } = given ?? (await place.root());
  const document = parseDocument(bytes, place.name);
  if (isIndex(document)) {
    if (depth > 2) throw new ModelportError('INVALID_MODEL', `${place.name} nests indexes too deep`);
    const children = document.manifests.filter(isDescriptor);
    const manifests: ManifestContent[] = [];
    for (const child of children) manifests.push(await readContent(place, { descriptor: child, bytes: await place.manifest(child) }, depth + 1));
    return { descriptor, bytes, blobs: [], manifests };
  }
  const manifest = checkManifest(document, place.name);
  return { descriptor, bytes, blobs: [manifest.config, ...manifest.layers].map((blob) => place.blob(blob)), manifests: [] };
}

/** An image to build on, for one platform. Throws `INVALID_USAGE` where it has no such platform. */
export async function readBase(place: ContentPlace, platform: Platform, name: string): Promise<BaseImage> {
  const root = await place.root();
  let { bytes } = root;
  let { digest } = root.descriptor;
  const document = parseDocument(bytes, place.name);
  if (isIndex(document)) {
    const candidates = document.manifests.filter((entry) => isDescriptor(entry) && entry.platform !== undefined);
    const fitting = candidates.find((entry) => entry.platform?.os === platform.os && entry.platform.architecture === platform.architecture);
    if (fitting === undefined) throw wrongPlatform(name, platform, candidates.map((entry) => `${entry.platform!.os}/${entry.platform!.architecture}`));
    bytes = await place.manifest(fitting);
    digest = fitting.digest;
  }
  const manifest = checkManifest(parseDocument(bytes, place.name), place.name);
  const config = parseDocument(await collect(place.blob(manifest.config)), place.name) as unknown as ImageConfig;
  if (config.os !== platform.os || config.architecture !== platform.architecture) throw wrongPlatform(name, platform, [`${config.os}/${config.architecture}`]);
  const diffIds = config.rootfs?.diff_ids;
  if (!Array.isArray(diffIds) || diffIds.length !== manifest.layers.length) throw new ModelportError('INVALID_MODEL', `${name} is no image to build on: its config and its layers do not fit together`);
  return { layers: manifest.layers.map((layer) => place.blob(layer)), diffIds, config: config.config ?? {}, history: config.history ?? [], name, digest };
}

function wrongPlatform(name: string, { os, architecture }: Platform, there: readonly string[]): ModelportError {
  return new ModelportError('INVALID_USAGE', `the base ${name} is not there for ${os}/${architecture}${there.length === 0 ? '' : `; it is for ${[...new Set(there)].join(', ')}`}`);
}

async function collect(blob: Blob): Promise<Uint8Array> {
  if (blob.descriptor.size > maximumDocumentBytes) throw new ModelportError('INVALID_MODEL', `a document of ${blob.descriptor.size} bytes is refused`);
  const chunks: Uint8Array[] = [];
  for await (const chunk of blob.open()) chunks.push(chunk);
  return Buffer.concat(chunks);
}

/** The same chunks; ends with an error where they are not what the descriptor says. */
export async function* verified(chunks: AsyncIterable<Uint8Array>, { digest, size }: Descriptor, place: string): AsyncIterable<Uint8Array> {
  const hash = createHash('sha256');
  let received = 0;
  for await (const chunk of chunks) {
    received += chunk.byteLength;
    if (received > size) break;
    hash.update(chunk);
    yield chunk;
  }
  const found = `sha256:${hash.digest('hex')}`;
  if (received !== size || found !== digest) throw new ModelportError('INVALID_MODEL', `${place} gave ${received === size ? `something with the digest ${found}` : `${received > size ? 'more than' : received} of ${size} bytes`} for ${digest}: it was damaged or changed`);
}

function checkBytes(bytes: Uint8Array, { digest }: Descriptor, place: string): void {
  if (`sha256:${createHash('sha256').update(bytes).digest('hex')}` !== digest) throw new ModelportError('INVALID_MODEL', `${digest} in ${place} is damaged: its content has another digest`);
}

export function parseDocument(bytes: Uint8Array, place: string): Record<string, unknown> {
  if (bytes.byteLength > maximumDocumentBytes) throw new ModelportError('INVALID_MODEL', `${place} holds a manifest of ${bytes.byteLength} bytes, which is refused`);
  try {
    const parsed: unknown = JSON.parse(Buffer.from(bytes).toString('utf8'));
    if (typeof parsed === 'object' && parsed !== null && !Array.isArray(parsed)) return parsed as Record<string, unknown>;
  } catch {
    // Told below.
  }
  throw new ModelportError('INVALID_MODEL', `${place} holds a manifest that is no JSON object`);
}

function isIndex(document: Record<string, unknown>): document is Record<string, unknown> & ImageIndex {
  return Array.isArray(document['manifests']) && (document['mediaType'] === undefined || document['mediaType'] === mediaTypes.index || document['mediaType'] === mediaTypes.dockerList);
}

export function checkManifest(document: Record<string, unknown>, place: string): Manifest {
  const { layers, config } = document as unknown as Manifest;
  if (!Array.isArray(layers) || !layers.every(isDescriptor) || !isDescriptor(config)) throw new ModelportError('INVALID_MODEL', `${place} holds no manifest of an image or artifact`);
  return document as unknown as Manifest;
}

function isDescriptor(value: unknown): value is Descriptor {
  const { mediaType, digest, size } = (value ?? {}) as Partial<Descriptor>;
  return typeof mediaType === 'string' && typeof digest === 'string' && digestPattern.test(digest) && Number.isSafeInteger(size) && size! >= 0;
}
