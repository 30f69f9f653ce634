/** Models (and a service) of a person's folders as one ModelPack artifact, for bundles and for registries. */
import { join } from 'node:path';
import { humanBytes } from '../../lib/human-number.ts';
import { bar, LiveLine } from '../../lib/live-line.ts';
import { defaultCacheDirectory } from '../../packaging/content-store.ts';
import { DigestCache } from '../../packaging/image/digest-cache.ts';
import type { ManifestContent } from '../../packaging/image/oci.ts';
import { makeModelPack, type PackedFile } from '../../packaging/model-pack.ts';
import { version } from '../../version.ts';
import { planApplication } from './plan-application.ts';

export interface PackOptions {
  /** Of the artifact, where the models do not say it. */
  readonly name: string;
  readonly tag?: string | undefined;
  readonly included?: readonly string[] | undefined;
  readonly excluded?: readonly string[] | undefined;
  readonly cacheDirectory?: string | undefined;
  /** What is remembered of digests is not believed. */
  readonly rehash?: boolean;
}

export interface PackedModels {
  readonly name: string;
  readonly content: ManifestContent;
  readonly files: readonly (PackedFile & { readonly sizeBytes: number })[];
}

export async function packModels(paths: readonly string[], options: PackOptions): Promise<PackedModels> {
  const { included, excluded, cacheDirectory } = options;
  const application = await planApplication(paths, { services: 'alone', ...(included === undefined ? {} : { included }), ...(excluded === undefined ? {} : { excluded }), ...(cacheDirectory === undefined ? {} : { cacheDirectory }) });
  const [only] = application.models;
  const alone = application.models.length === 1 && application.services.length === 0 ? `models/${only!.name}/` : undefined;
  // One model lies at the top, so that others find model.onnx where they look for it; with a service beside, everything keeps its folder.
  const strip = alone !== undefined && application.files.every(({ path }) => path.startsWith(alone)) ? alone : application.services.length === 0 ? 'models/' : '';
  const files = application.files.map((file) => ({ ...file, path: file.path.slice(strip.length) }));
  const name = alone === undefined ? options.name : only!.name;
  const cache = await DigestCache.open(join(cacheDirectory ?? defaultCacheDirectory(), 'layers.json'), options.rehash === true);
  const line = new LiveLine();
  const content = await makeModelPack(
    files,
    {
      name,
      ...(options.tag === undefined ? {} : { version: options.tag }),
      ...(only?.config?.config.description === undefined || alone === undefined ? {} : { description: only.config.config.description }),
      formats: [...new Set(application.models.map((model) => formatOf(model.file ?? model.config?.config.file ?? files.map(({ path }) => path).find((path) => path.endsWith('.onnx')) ?? '')))].filter((format) => format !== ''),
      annotations: { 'org.modelport.version': version },
    },
    cache,
    (path, done, total) => line.show(() => `${path}  ${bar(done / Math.max(1, total), 24)}  ${humanBytes(done)}`),
  );
  line.clear();
  await cache.save();
  return { name, content, files };
}

function formatOf(file: string): string {
  return /\.([A-Za-z0-9]+)(?:#.*)?$/.exec(file)?.[1]?.toLowerCase() ?? '';
}
