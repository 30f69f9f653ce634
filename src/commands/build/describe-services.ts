/** What services answer, for an image's labels; and that the models which they name by path come along. */
import { realpath } from 'node:fs/promises';
import { dirname, isAbsolute, posix, relative, sep } from 'node:path';
import { ModelportError } from '../../errors.ts';
import type { JsonSchema } from '../../model.ts';
import type { PlannedApplication } from './plan-application.ts';

export interface DescribedService {
  readonly name: string;
  readonly endpoints: readonly { readonly name: string; readonly method: string; readonly path: string; readonly input: JsonSchema; readonly output: JsonSchema }[];
}

export interface DescribedServices {
  readonly services: readonly DescribedService[];
  /** Models that they name by path: real paths. */
  readonly models: readonly string[];
}

/** Loads the files, starts nothing. Throws `INVALID_CONFIG` where a file does not load, `INVALID_USAGE` where a model would be missing. */
export async function describeServices(application: PlannedApplication): Promise<DescribedServices> {
  const described: DescribedService[] = [];
  const named: string[] = [];
  if (application.serviceFiles.length === 0) return { services: described, models: named };
  const [{ loadServices }, { describeDefinition }] = await Promise.all([import('../load-service.ts'), import('../../service/describe-definition.ts')]);
  for (const file of application.serviceFiles) {
    const { services } = await loadServices(file);
    const folder = await realpath(dirname(file));
    for (const { name, endpoints, models } of services) {
      for (const [member, source] of Object.entries(models)) {
        if (!isAbsolute(source)) continue;
        const real = await realpath(source).catch(() => source);
        named.push(real);
        const below = relative(folder, real).split(sep).join('/');
        const place = posix.join('app', below);
        if (!application.files.some(({ path }) => path === place || path.startsWith(`${place}/`))) {
          throw new ModelportError('INVALID_USAGE', `the service '${name}' has its model '${member}' in ${source}, which would not be in the image: keep it in the folder of the service, or name its folder 'models' beside it and build both`, { at: file });
        }
      }
      described.push({
        name,
        endpoints: Object.entries(endpoints).map(([endpoint, definition]) => {
          const { input, output, http } = describeDefinition(name, endpoint, definition);
          return { name: endpoint, method: http?.method ?? 'POST', path: http?.path ?? `/${name}/${endpoint}`, input, output };
        }),
      });
    }
  }
  return { services: described, models: named };
}
