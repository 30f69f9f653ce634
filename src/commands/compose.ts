/** Puts the extensions together: formats, runtimes and tasks for a model repository, protocols for a server. */
import type { Artifact } from '../artifact.ts';
import { isTritonConfigJson, readTritonConfigJson, readTritonConfigText } from '../formats/triton-model-config.ts';
import { ModelportError } from '../errors.ts';
import type { ImportConfig } from '../model-config.ts';
import type { Log } from '../observability/log.ts';
import { ModelStatistics, withStatistics } from '../observability/model-statistics.ts';
import { importers } from '../importers/index.ts';
import { looksLikeOnnx } from '../onnx/looks-like-onnx.ts';
import { runtimes } from '../runtimes/index.ts';
import remoteRuntime from '../runtimes/remote/remote-runtime.ts';
import { createAssemble } from '../serving/assemble.ts';
import type { OpenedArtifact } from '../serving/load-version.ts';
import type { ForeignConfigFormat } from '../serving/model-config-file.ts';
import type { ModelFormat } from '../serving/model-layout.ts';
import { FolderModelRepository, type FolderModelRepositoryOptions } from '../serving/model-repository.ts';
import { RateLimiter } from '../serving/rate-limiter.ts';
import { createResponseStore } from '../serving/response-cache.ts';
import { fetchFiles, isReference } from './fetch-files.ts';
import { liftToTask } from './lift-to-task.ts';

/** Kinds of model files, found by content. */
export const formats: readonly ModelFormat[] = [
  { name: 'onnx', extensions: ['.onnx'], defaultFiles: ['model.onnx'], recognize: looksLikeOnnx },
  ...importers.map((importer): ModelFormat => ({ name: importer.name, extensions: importer.extensions, defaultFiles: importer.defaultFiles, recognize: async (start, sizeBytes) => (await importer.load()).accepts(start, sizeBytes) })),
  { name: 'remote', extensions: [], defaultFiles: [], recognize: () => false, withoutFile: true },
];

/** Configs of other servers that are read beside our own. */
export const foreignConfigs: readonly ForeignConfigFormat[] = [
  { fileName: 'config.pbtxt', readText: readTritonConfigText, recognizesJson: isTritonConfigJson, readJson: readTritonConfigJson },
];

/** Reads and verifies a model file, imports one of another framework, or asks the server that has the model. Throws `INVALID_MODEL`, `INVALID_CONFIG`, `UNAVAILABLE`. */
export async function openArtifact(given: Artifact, importing: ImportConfig = {}, cacheDirectory?: string): Promise<OpenedArtifact> {
  if (given.format === 'remote') return openRemote(given);
  const importer = importers.find(({ name }) => name === given.format);
  if (importer === undefined && Object.keys(importing).length > 0) throw new ModelportError('INVALID_CONFIG', `${given.main} is ${given.format} and is not imported: take 'import' out of its config`, { at: 'import' });
  const imported = importer === undefined ? undefined : await (await import('./import-artifact.ts')).importArtifact(given, await importer.load(), importing, cacheDirectory);
  const artifact = imported?.artifact ?? given;
  const { readOnnxFacts } = await import('../onnx/onnx-facts.ts');
  const { signature, warnings, metadata, longWork } = readOnnxFacts(artifact);
  return { artifact: { ...artifact, metadata, ...(longWork === undefined ? {} : { longWork }) }, facts: { signature, source: `${given.main} (graph)` }, platform: 'onnxruntime_onnx', warnings: [...(imported?.notes ?? []), ...warnings] };
}

async function openRemote(artifact: Artifact): Promise<OpenedArtifact> {
  await using model = await remoteRuntime.load(artifact, { threads: 1, parameters: {} });
  return { artifact, facts: { signature: model.signature, source: `the server at ${artifact.metadata['url'] ?? '?'}` }, platform: 'remote' };
}

export interface RepositoryOptions extends Pick<FolderModelRepositoryOptions, 'paths' | 'mode' | 'loadModels' | 'pollMs' | 'storeFiles' | 'loadTimeoutMs'> {
  readonly log: Log;
  /** Where what is imported is kept; default: the user's cache folder. */
  readonly cacheDirectory?: string;
  readonly responseCacheBytes: number;
  /** How much there is of each resource that models hold while they run. */
  readonly resources: Readonly<Record<string, number>>;
}

export function createRepository(options: RepositoryOptions): FolderModelRepository {
  const { log, responseCacheBytes, resources, cacheDirectory, ...found } = options;
  const repository: FolderModelRepository = new FolderModelRepository({
    ...found,
    formats,
    foreignConfigs,
    open: (artifact, importing) => openArtifact(artifact, importing, cacheDirectory),
    isReference,
    fetchFiles: (request) => fetchFiles(request, cacheDirectory, (text) => log.info(text)),
    assemble: createAssemble({
      runtimes,
      createStatistics: () => new ModelStatistics(),
      withStatistics,
      lift: (model, facts) => liftToTask(model, facts, (name) => repository.get(name)),
      lookup: (name, version) => repository.get(name, version).model,
      modelNames: () => new Set(repository.index().map((entry) => entry.name)),
      modelCount: () => new Set(repository.index().map((entry) => entry.name)).size,
      rateLimiter: new RateLimiter(resources),
      responseStore: createResponseStore(responseCacheBytes),
    }),
    log: (level, text, facts) => log[level]({ model: facts.model, ...(facts.version === undefined ? {} : { version: facts.version }), ...(facts.error === undefined ? {} : { reason: (facts.error as Error).message }) }, text),
  });
  return repository;
}
