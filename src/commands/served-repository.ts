/** Everything that `serve` serves, from its paths: models, services, and the models that services name. */
import { isModelportError, ModelportError } from '../errors.ts';
import type { Log } from '../observability/log.ts';
import type { ModelRepository } from '../repository.ts';
import type { Service } from '../service/definition.ts';
import type { FolderModelRepository, LoadFailure } from '../serving/model-repository.ts';
import { createRepository } from './compose.ts';
import { isServiceFile, toServiceFile } from './is-service-file.ts';
import type { ServeFlags } from './serve.ts';

export interface ServedRepository extends AsyncDisposable {
  readonly repository: ModelRepository;
  /** Loads models, then starts services. Gives the models that failed. Throws what keeps everything from serving. */
  start(): Promise<readonly LoadFailure[]>;
}

/** Throws `INVALID_CONFIG` where a service's file is wrong. */
export async function createServedRepository(given: readonly string[], flags: ServeFlags, resources: Readonly<Record<string, number>>, log: Log): Promise<ServedRepository> {
  const paths = given.map(toServiceFile);
  const serviceFiles = paths.filter(isServiceFile);
  const modelPaths = paths.filter((path) => !isServiceFile(path));
  if (serviceFiles.length === 0) {
    if (flags.watch) throw new ModelportError('INVALID_USAGE', '--watch follows the files of services: for models there is --model-control-mode poll');
    const repository = createModels(modelPaths, flags, resources, log);
    return { repository, start: () => repository.start(), [Symbol.asyncDispose]: () => repository[Symbol.asyncDispose]() };
  }
  const [{ loadServiceFiles, watchServiceFiles }, { findServiceModels }, { createServiceHost }, { ServiceRepository }, { surviveServices }] = await Promise.all([
    import('./service-files.ts'),
    import('./service-models.ts'),
    import('./service-host.ts'),
    import('../service/service-repository.ts'),
    import('./survive-services.ts'),
  ]);
  const loaded = await loadServiceFiles(serviceFiles);
  const found = await findServiceModels(loaded.services, modelPaths);
  const all = [...modelPaths, ...found.paths];
  // A file that is watched may name models later.
  const models = all.length === 0 && !flags.watch ? undefined : createModels(all, flags, resources, log);
  const names = new Map(found.names);
  const services = new ServiceRepository(models, { host: (repository) => createServiceHost(repository, names, log) });
  let served = all;
  /** Serves the models that services name newly. */
  const addModels = async (named: readonly Service[]): Promise<void> => {
    const more = await findServiceModels(named, served);
    if (more.paths.length > 0) {
      await models!.add(more.paths);
      served = [...served, ...more.paths];
    }
    for (const [path, name] of more.names) names.set(path, name);
  };
  let watch: Disposable | undefined;
  let survival: Disposable | undefined;
  return {
    repository: services,
    async start() {
      const failures = (await models?.start()) ?? [];
      if (failures.length > 0 && flags.exitOnError) return failures;
      try {
        await services.replace(loaded.services);
      } catch (error) {
        if (isModelportError(error)) throw error;
        log.error({ err: error }, 'a service did not start');
        throw new ModelportError('INVALID_CONFIG', `a service did not start: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
      }
      survival = surviveServices(log);
      if (flags.watch) watch = watchServiceFiles(serviceFiles, loaded, services, addModels, log);
      return failures;
    },
    async [Symbol.asyncDispose]() {
      watch?.[Symbol.dispose]();
      // Services answer what they accepted with the help of models, so those go later.
      await services[Symbol.asyncDispose]();
      await models?.[Symbol.asyncDispose]();
      survival?.[Symbol.dispose]();
    },
  };
}

function createModels(paths: readonly string[], flags: ServeFlags, resources: Readonly<Record<string, number>>, log: Log): FolderModelRepository {
  return createRepository({
    paths,
    mode: flags.modelControlMode,
    ...(flags.loadModel === undefined ? {} : { loadModels: flags.loadModel }),
    pollMs: flags.repositoryPollSecs * 1000,
    storeFiles: async (model, files) => {
      const [{ storeFiles }, { defaultCacheDirectory }] = await Promise.all([import('../packaging/store-files.ts'), import('../packaging/content-store.ts')]);
      return storeFiles(flags.cacheDir ?? defaultCacheDirectory(), model, files);
    },
    log,
    loadTimeoutMs: flags.loadTimeout,
    responseCacheBytes: flags.responseCacheSize,
    ...(flags.cacheDir === undefined ? {} : { cacheDirectory: flags.cacheDir }),
    resources,
  });
}
