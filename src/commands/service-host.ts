/** What services need of the server around them, put together. */
import { ModelportError } from '../errors.ts';
import { ModelStatistics } from '../observability/model-statistics.ts';
import type { Log } from '../observability/log.ts';
import type { ModelRepository } from '../repository.ts';
import type { ServiceHost } from '../service/host.ts';
import { batchValues } from './batch-values.ts';

/** `modelNames`: by absolute path, as services write them. */
export function createServiceHost(repository: ModelRepository, modelNames: ReadonlyMap<string, string>, log: Pick<Log, 'info' | 'warn' | 'error'>): ServiceHost {
  return {
    lookup: (name) => repository.get(name).model,
    nameOf(path) {
      const name = modelNames.get(path);
      if (name === undefined) throw new ModelportError('UNAVAILABLE', `the model ${path} is not loaded`);
      return name;
    },
    batch: batchValues,
    createStatistics: () => new ModelStatistics(),
    log: (level, text, { error, ...facts }) => log[level](error === undefined ? facts : { ...facts, err: error }, text),
  };
}
