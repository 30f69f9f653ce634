/** The models that services name by path: which of them are served already, and under which names. */
import { realpath } from 'node:fs/promises';
import { isAbsolute, join } from 'node:path';
import { isModelportError, ModelportError } from '../errors.ts';
import { findModels, type FoundModel } from '../serving/model-layout.ts';
import type { Service } from '../service/definition.ts';
import { foreignConfigs, formats } from './model-formats.ts';

export interface ServiceModels {
  /** To be served beside `paths`. */
  readonly paths: readonly string[];
  /** Names by the path that services write. */
  readonly names: ReadonlyMap<string, string>;
}

/** Throws `INVALID_CONFIG` where a path holds no model or several. */
export async function findServiceModels(services: readonly Service[], given: readonly string[]): Promise<ServiceModels> {
  const names = new Map<string, string>();
  const paths: string[] = [];
  const served = given.length === 0 ? [] : [...(await findModels(given, { formats, foreignConfigs })).models.values()];
  for (const service of withUsed(services)) {
    for (const [member, source] of Object.entries(service.models)) {
      if (!isAbsolute(source) || names.has(source)) continue;
      const model = await onlyModel(source, `${service.definedAt === undefined ? '' : `${service.definedAt}: `}models.${member} of service '${service.name}'`);
      const place = await placeOf(model);
      let same: FoundModel | undefined;
      for (const each of served) if ((await placeOf(each)) === place) same = each;
      names.set(source, same?.name ?? model.name);
      if (same !== undefined) continue;
      paths.push(source);
      served.push(model);
    }
  }
  return { paths, names };
}

async function onlyModel(path: string, what: string): Promise<FoundModel> {
  let found: readonly FoundModel[];
  try {
    found = [...(await findModels([path], { formats, foreignConfigs })).models.values()];
  } catch (error) {
    throw new ModelportError('INVALID_CONFIG', `${what}: ${isModelportError(error) ? error.message : String(error)}`, { cause: error });
  }
  const [model] = found;
  if (model !== undefined && found.length === 1) return model;
  throw new ModelportError('INVALID_CONFIG', model === undefined ? `${what}: there is no model in ${path}` : `${what}: ${path} holds ${found.length} models (${found.slice(0, 5).map(({ name }) => name).join(', ')}): name one of them`);
}

/** A model's file, or its folder. */
async function placeOf({ directory, file }: FoundModel): Promise<string> {
  const path = file === undefined ? directory : isAbsolute(file) ? file : join(directory, file);
  return realpath(path).catch(() => path);
}

function withUsed(services: readonly Service[]): Service[] {
  const all = new Set<Service>();
  const add = (service: Service): void => {
    if (all.has(service)) return;
    all.add(service);
    for (const used of Object.values(service.services)) if (typeof used !== 'string') add(used);
  };
  for (const service of services) add(service);
  return [...all];
}
