/** Puts an image together: layers in the order in which they change, a config for each platform, an index over them, and documents about it. */
import { createHash } from 'node:crypto';
import type { Descriptor } from '../content-store.ts';
import { makeLayer, type Layer, type LayerContext, type LayerPlan } from './layer.ts';
import { mediaTypes, type Blob, type ContainerConfig, type History, type ImageConfig, type ImageIndex, type Manifest, type ManifestContent, type Platform } from './oci.ts';

/** Layers that are taken as they are, from another image. */
export interface BaseImage {
  readonly layers: readonly Blob[];
  readonly diffIds: readonly string[];
  readonly config: ContainerConfig;
  readonly history: readonly History[];
  /** For the annotations: what was asked for, and its digest. */
  readonly name: string;
  readonly digest: string;
}

export interface PlatformPlan {
  readonly platform: Platform;
  readonly base?: BaseImage;
  readonly layers: readonly LayerPlan[];
}

export interface ImagePlan {
  readonly platforms: readonly PlatformPlan[];
  /** On top of what a base says. */
  readonly config: ContainerConfig;
  readonly annotations: Readonly<Record<string, string>>;
  /** RFC 3339. */
  readonly created: string;
}

export interface BuiltPlatform {
  readonly platform: Platform;
  readonly content: ManifestContent;
  readonly config: ImageConfig;
  /** Ours, in order; the base's are not in it. */
  readonly layers: readonly Layer[];
  readonly base: BaseImage | undefined;
}

export interface BuiltImage {
  /** What is named: an index where there is more than one platform, else the manifest. */
  readonly content: ManifestContent;
  readonly platforms: readonly BuiltPlatform[];
}

export async function buildImage(plan: ImagePlan, context: LayerContext): Promise<BuiltImage> {
  const platforms: BuiltPlatform[] = [];
  for (const { platform, base, layers: plans } of plan.platforms) {
    const layers: Layer[] = [];
    for (const layer of plans) layers.push(await makeLayer(layer, context));
    platforms.push(assemble(plan, platform, base, layers));
  }
  const [only] = platforms;
  if (platforms.length === 1) return { content: only!.content, platforms };
  const index: ImageIndex = { schemaVersion: 2, mediaType: mediaTypes.index, manifests: platforms.map(({ content }) => content.descriptor), annotations: plan.annotations };
  const bytes = json(index);
  return { content: { descriptor: { ...describe(bytes, mediaTypes.index) }, bytes, blobs: [], manifests: platforms.map(({ content }) => content) }, platforms };
}

function assemble(plan: ImagePlan, platform: Platform, base: BaseImage | undefined, layers: readonly Layer[]): BuiltPlatform {
  const config: ImageConfig = {
    created: plan.created,
    architecture: platform.architecture,
    os: platform.os,
    config: mergeConfig(base?.config, plan.config),
    rootfs: { type: 'layers', diff_ids: [...(base?.diffIds ?? []), ...layers.map(({ diffId }) => diffId)] },
    history: [...(base?.history ?? []), ...layers.map(({ title }): History => ({ created: plan.created, created_by: `modelport build: ${title}` }))],
  };
  const configBytes = json(config);
  const configBlob = memoryBlob(configBytes, mediaTypes.config);
  const blobs = [...(base?.layers ?? []), ...layers];
  const annotations = base === undefined ? plan.annotations : { ...plan.annotations, 'org.opencontainers.image.base.name': base.name, 'org.opencontainers.image.base.digest': base.digest };
  const manifest: Manifest = { schemaVersion: 2, mediaType: mediaTypes.manifest, config: configBlob.descriptor, layers: blobs.map(({ descriptor }) => plain(descriptor)), annotations };
  const bytes = json(manifest);
  return { platform, config, layers, base, content: { descriptor: { ...describe(bytes, mediaTypes.manifest), platform }, bytes, blobs: [configBlob, ...blobs], manifests: [] } };
}

function plain({ mediaType, digest, size }: Descriptor): Descriptor {
  // A base in Docker's own format may stand beside OCI's layers only under OCI's names.
  const types: Readonly<Record<string, string>> = { 'application/vnd.docker.image.rootfs.diff.tar.gzip': mediaTypes.layerGzip, 'application/vnd.docker.image.rootfs.diff.tar': mediaTypes.layer };
  return { mediaType: types[mediaType] ?? mediaType, digest, size };
}

function mergeConfig(base: ContainerConfig | undefined, own: ContainerConfig): ContainerConfig {
  const names = new Set((own.Env ?? []).map((line) => line.split('=')[0]));
  const inherited = (base?.Env ?? []).filter((line) => !names.has(line.split('=')[0]));
  const env = own.Env === undefined ? inherited : [...inherited, ...own.Env];
  return { ...own, ...(env.length === 0 ? {} : { Env: env }), Labels: { ...base?.Labels, ...own.Labels } };
}

/** A document that says something about an image, found through it: an OCI artifact with the image as its subject. */
export function makeReferrer(subject: Descriptor, artifactType: string, bytes: Uint8Array, annotations: Readonly<Record<string, string>>): ManifestContent {
  const blob = memoryBlob(bytes, artifactType);
  const empty = memoryBlob(Buffer.from('{}'), mediaTypes.empty);
  const manifest: Manifest = { schemaVersion: 2, mediaType: mediaTypes.manifest, artifactType, config: empty.descriptor, layers: [blob.descriptor], subject: { mediaType: subject.mediaType, digest: subject.digest, size: subject.size }, annotations };
  const content = json(manifest);
  return { descriptor: { ...describe(content, mediaTypes.manifest), artifactType, annotations }, bytes: content, blobs: [empty, blob], manifests: [] };
}

export function memoryBlob(bytes: Uint8Array, mediaType: string): Blob {
  return {
    descriptor: describe(bytes, mediaType),
    open: async function* () {
      yield await Promise.resolve(bytes);
    },
  };
}

export function describe(bytes: Uint8Array, mediaType: string): Descriptor {
  return { mediaType, digest: `sha256:${createHash('sha256').update(bytes).digest('hex')}`, size: bytes.byteLength };
}

export function json(value: unknown): Uint8Array {
  return Buffer.from(JSON.stringify(value));
}
