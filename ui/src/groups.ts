/** What is served, as a person looks for it: models, and services with their endpoints. Pure. */
import type { PageModel, PageState, ServedVersion } from './api-types.ts';

export interface ServiceGroup {
  readonly service: string;
  readonly endpoints: readonly PageModel[];
}

export interface Groups {
  readonly models: readonly PageModel[];
  readonly services: readonly ServiceGroup[];
}

/** Whether it is an endpoint of a service; known once a version of it is served. */
export function isService(model: PageModel): boolean {
  return model.versions.some((version) => version.served?.predict?.task === 'service');
}

/** In the order in which they come; `keep` says which of them. */
export function groupModels(models: readonly PageModel[], keep: (model: PageModel) => boolean = () => true): Groups {
  const services = new Map<string, PageModel[]>();
  const others: PageModel[] = [];
  for (const model of models) {
    if (!keep(model)) continue;
    if (!isService(model)) {
      others.push(model);
      continue;
    }
    const service = serviceOf(model);
    services.set(service, [...(services.get(service) ?? []), model]);
  }
  return { models: others, services: [...services].map(([service, endpoints]) => ({ service, endpoints })) };
}

/** `shop` of `shop.order`; the endpoint that has the name of its service is its own. */
export function serviceOf(model: PageModel): string {
  return servedOf(model)?.predict?.http?.tags?.[0] ?? model.name.split('.')[0]!;
}

/** `order` of `shop.order`, below its service. */
export function endpointName(model: PageModel, service: string): string {
  return model.name.startsWith(`${service}.`) ? model.name.slice(service.length + 1) : model.name;
}

/** The state of the version that answers; where none does, of the newest. */
export function stateOf(model: PageModel): PageState {
  return model.versions.find((version) => version.state === 'READY')?.state ?? model.versions.at(-1)?.state ?? 'UNAVAILABLE';
}

/** The newest version that is served. */
export function servedOf(model: PageModel): ServedVersion | undefined {
  return model.versions.findLast((version) => version.served !== undefined)?.served;
}

/** What it is for; undefined until a version of it is served. */
export function taskOf(model: PageModel): string | undefined {
  const served = servedOf(model);
  return served === undefined ? undefined : isService(model) ? 'service' : (served.predict?.task ?? 'tensors');
}

/** One line about it. */
export function aboutOf(model: PageModel): string | undefined {
  const served = servedOf(model);
  return served?.description ?? served?.predict?.summary;
}

/** Whether each word of the query is in its name, its task or what is said about it. */
export function matches(model: PageModel, query: string): boolean {
  const text = `${model.name} ${taskOf(model) ?? ''} ${aboutOf(model) ?? ''}`.toLowerCase();
  return query.toLowerCase().split(/\s+/).every((word) => text.includes(word));
}
