/** Puts the extensions together: formats, runtimes and tasks for a model repository. */
import type { Log } from '../observability/log.ts';
import { ModelStatistics, withStatistics } from '../observability/model-statistics.ts';
import { runtimes } from '../runtimes/index.ts';
import { createAssemble } from '../serving/assemble.ts';
import type { LifecycleLog } from '../serving/model-lifecycle.ts';
import { FolderModelRepository, type FolderModelRepositoryOptions } from '../serving/model-repository.ts';
import { RateLimiter } from '../serving/rate-limiter.ts';
import { createResponseStore } from '../serving/response-cache.ts';
import { fetchFiles, isReference } from './fetch-files.ts';
import { liftToTask } from './lift-to-task.ts';
import { foreignConfigs, formats, openArtifact } from './model-formats.ts';

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
  const told: LifecycleLog = (level, text, facts) => log[level]({ model: facts.model, ...(facts.version === undefined ? {} : { version: facts.version }), ...(facts.error === undefined ? {} : { reason: (facts.error as Error).message }) }, text);
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
      log: told,
    }),
    log: told,
  });
  return repository;
}
