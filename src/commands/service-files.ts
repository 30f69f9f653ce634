/** The service files of one server: loaded together, and again when one of them is saved. */
import { dirname } from 'node:path';
import { stat } from 'node:fs/promises';
import { isModelportError } from '../errors.ts';
import type { Log } from '../observability/log.ts';
import { FolderWatch } from '../serving/watch-folders.ts';
import type { Service } from '../service/definition.ts';
import type { ServiceRepository } from '../service/service-repository.ts';
import { loadServices, ServiceFileError } from './load-service.ts';

export interface ServiceFiles {
  readonly services: readonly Service[];
  readonly files: readonly string[];
}

export async function loadServiceFiles(paths: readonly string[]): Promise<ServiceFiles> {
  const services: Service[] = [];
  const files = new Set<string>();
  for (const path of paths) {
    try {
      const loaded = await loadServices(path);
      services.push(...loaded.services);
      for (const file of loaded.files) files.add(file);
    } catch (error) {
      if (!(error instanceof ServiceFileError)) throw error;
      throw new ServiceFileError(error.message, error.at, [...files, ...error.files], error);
    }
  }
  return { services, files: [...files] };
}

/** Loads anew after each save, and with `addModels` the models that are named newly. What does not load is said, and the services before go on. */
export function watchServiceFiles(paths: readonly string[], loaded: ServiceFiles, repository: ServiceRepository, addModels: (services: readonly Service[]) => Promise<void>, log: Log): Disposable {
  let files = loaded.files;
  let seen: Promise<string> = fingerprint(files);
  let running: Promise<void> = Promise.resolve();
  const reload = async (): Promise<void> => {
    const before = await seen;
    seen = fingerprint(files);
    if ((await seen) === before) return;
    const startedAtMs = performance.now();
    try {
      const next = await loadServiceFiles(paths);
      files = next.files;
      await addModels(next.services);
      await repository.replace(next.services);
      log.info({ ms: Math.round(performance.now() - startedAtMs) }, `reloaded ${paths.join(', ')}`);
    } catch (error) {
      if (error instanceof ServiceFileError) files = [...new Set([...files, ...error.files])];
      log.error(isModelportError(error) ? {} : { err: error }, `not reloaded, what was served before goes on: ${error instanceof Error ? error.message : String(error)}`);
    }
    seen = fingerprint(files);
    watch.watch(folders(files));
  };
  const watch = new FolderWatch(50, () => {
    running = running.then(reload);
  });
  watch.watch(folders(files));
  return watch;
}

function folders(files: readonly string[]): string[] {
  return [...new Set(files.map((file) => dirname(file)))];
}

async function fingerprint(files: readonly string[]): Promise<string> {
  const parts = await Promise.all(files.map(async (file) => stat(file, { bigint: true }).then(({ mtimeNs, size }) => `${file} ${mtimeNs} ${size}`, () => `${file} gone`)));
  return parts.join('\n');
}
