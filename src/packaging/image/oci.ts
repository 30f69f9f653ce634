/** OCI's documents as types: Image Format Specification 1.1 and Distribution Specification 1.1. */
import type { Descriptor } from '../content-store.ts';

export const mediaTypes = {
  index: 'application/vnd.oci.image.index.v1+json',
  manifest: 'application/vnd.oci.image.manifest.v1+json',
  config: 'application/vnd.oci.image.config.v1+json',
  layer: 'application/vnd.oci.image.layer.v1.tar',
  layerGzip: 'application/vnd.oci.image.layer.v1.tar+gzip',
  layerZstd: 'application/vnd.oci.image.layer.v1.tar+zstd',
  empty: 'application/vnd.oci.empty.v1+json',
  dockerManifest: 'application/vnd.docker.distribution.manifest.v2+json',
  dockerList: 'application/vnd.docker.distribution.manifest.list.v2+json',
} as const;

export interface Platform {
  readonly os: string;
  /** Go's names: amd64, arm64. */
  readonly architecture: string;
}

export interface PlatformDescriptor extends Descriptor {
  readonly platform?: Platform;
}

export interface Manifest {
  readonly schemaVersion: 2;
  readonly mediaType: string;
  readonly artifactType?: string;
  readonly config: Descriptor;
  readonly layers: readonly Descriptor[];
  readonly subject?: Descriptor;
  readonly annotations?: Readonly<Record<string, string>>;
}

export interface ImageIndex {
  readonly schemaVersion: 2;
  readonly mediaType: string;
  readonly manifests: readonly PlatformDescriptor[];
  readonly annotations?: Readonly<Record<string, string>>;
}

/** What containers are started with. Durations are nanoseconds. `Healthcheck` is Docker's; others pass over it. */
export interface ContainerConfig {
  readonly User?: string;
  readonly ExposedPorts?: Readonly<Record<string, object>>;
  readonly Env?: readonly string[];
  readonly Entrypoint?: readonly string[];
  readonly Cmd?: readonly string[];
  readonly WorkingDir?: string;
  readonly Labels?: Readonly<Record<string, string>>;
  readonly StopSignal?: string;
  readonly Healthcheck?: { readonly Test: readonly string[]; readonly Interval?: number; readonly Timeout?: number; readonly StartPeriod?: number; readonly Retries?: number };
}

export interface History {
  readonly created?: string;
  readonly created_by?: string;
  readonly comment?: string;
  readonly empty_layer?: boolean;
}

export interface ImageConfig {
  readonly created?: string;
  readonly architecture: string;
  readonly os: string;
  readonly config?: ContainerConfig;
  readonly rootfs: { readonly type: 'layers'; readonly diff_ids: readonly string[] };
  readonly history?: readonly History[];
}

/** Content that can be read as often as it is wanted. */
export interface Blob {
  readonly descriptor: Descriptor;
  open(): AsyncIterable<Uint8Array>;
  /** A registry and repository that has it, from which a push to the same registry may take it over. */
  readonly mountFrom?: { readonly registry: string; readonly repository: string };
}

/** A manifest and all that it names. */
export interface ManifestContent {
  readonly descriptor: PlatformDescriptor;
  readonly bytes: Uint8Array;
  readonly blobs: readonly Blob[];
  /** Those that an index names. */
  readonly manifests: readonly ManifestContent[];
}
