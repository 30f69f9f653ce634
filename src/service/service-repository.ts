/** The models of a server and the endpoints of its services as one repository, which is all that protocols see. */
import type { Artifact } from '../artifact.ts';
import { isModelportError, ModelportError } from '../errors.ts';
import { suggestName } from '../lib/suggest-name.ts';
import type { ExplainedConfig } from '../model-config.ts';
import type { Model } from '../model.ts';
import type { IndexEntry, LoadRequest, ModelRepository, ServedModel, StatisticsSnapshot } from '../repository.ts';
import type { Service } from './definition.ts';
import type { ServiceHost } from './host.ts';
import { startService, type ServiceOverrides } from './running-service.ts';
import type { EndpointModel, RunningService } from './service-instance.ts';

export interface ServiceRepositoryOptions {
  readonly host: (repository: ModelRepository) => ServiceHost;
  readonly overrides?: ServiceOverrides;
}

export class ServiceRepository implements ModelRepository, AsyncDisposable {
  readonly #models: ModelRepository | undefined;
  readonly #host: ServiceHost;
  readonly #overrides: ServiceOverrides;
  readonly #listeners = new Set<() => void>();
  readonly #retiring = new Set<Promise<void>>();
  #running: readonly RunningService[] = [];
  #endpoints: ReadonlyMap<string, ServedEndpoint> = new Map();
  #started = false;

  /** `models`: those that are served beside the services; undefined where there are none. Whoever made it disposes of it, after this. */
  constructor(models: ModelRepository | undefined, options: ServiceRepositoryOptions) {
    this.#models = models;
    this.#host = options.host(this);
    this.#overrides = options.overrides ?? {};
    models?.onChange(() => this.#changed());
  }

  /**
   * Starts these services, and only when all of them run puts them in the place of those before; these end after their last
   * request. Rejects, and leaves everything as it was, where one does not start or two claim one name.
   */
  async replace(services: readonly Service[]): Promise<void> {
    const all = withUsedServices(services);
    this.#requireDistinct(all);
    const started: RunningService[] = [];
    try {
      for (const service of all) started.push(await startService(service, this.#host, this.#overrides));
    } catch (error) {
      await Promise.all(started.map((running) => Promise.resolve(running[Symbol.asyncDispose]()).catch(() => {})));
      throw error;
    }
    const endpoints = new Map<string, ServedEndpoint>();
    for (const running of started) for (const endpoint of running.endpoints.values()) endpoints.set(endpoint.name, new ServedEndpoint(running.service, endpoint));
    const before = this.#running;
    for (const [name, endpoint] of this.#endpoints) endpoint.successor = endpoints.get(name);
    this.#running = started;
    this.#endpoints = endpoints;
    this.#started = true;
    this.#changed();
    this.#retire(before);
  }

  get(name: string, version?: string): ServedModel {
    const endpoint = this.#endpoints.get(name);
    if (endpoint !== undefined) {
      if (version !== undefined && version !== '' && version !== endpoint.version) throw new ModelportError('NOT_FOUND', `Request for unknown model: '${name}' version ${version} is not found`);
      return endpoint;
    }
    if (this.#models !== undefined) return this.#models.get(name, version);
    if (!this.#started) throw new ModelportError('UNAVAILABLE', `Request for unknown model: '${name}' is not found yet: the server is starting`, { retryAfterSeconds: 1 });
    throw new ModelportError('NOT_FOUND', `Request for unknown model: '${name}' is not found`);
  }

  ready(): readonly ServedModel[] {
    return byName([...this.#endpoints.values(), ...(this.#models?.ready() ?? [])]);
  }

  index(): readonly IndexEntry[] {
    const own = [...this.#endpoints.values()].map(({ name, version }): IndexEntry => ({ name, version, state: 'READY', reason: '' }));
    return byName([...own, ...(this.#models?.index() ?? [])]);
  }

  load(name: string, request?: LoadRequest): Promise<void> {
    return this.#requireModels(name).load(name, request);
  }

  unload(name: string, options?: { readonly unloadDependents?: boolean }): Promise<void> {
    return this.#requireModels(name).unload(name, options);
  }

  allReady(): boolean {
    return this.#started && this.#models?.allReady() !== false;
  }

  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Answers what was accepted and stops every service. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#retire(this.#running);
    this.#running = [];
    await Promise.all(this.#retiring);
  }

  #retire(services: readonly RunningService[]): void {
    // Those that use others end first.
    const ending = (async () => {
      for (const running of [...services].reverse()) {
        try {
          await running[Symbol.asyncDispose]();
        } catch (error) {
          this.#host.log('error', `service '${running.service.name}' failed while it stopped: ${isModelportError(error) || error instanceof Error ? error.message : String(error)}`, { service: running.service.name, error });
        }
      }
    })();
    this.#retiring.add(ending);
    void ending.finally(() => this.#retiring.delete(ending));
  }

  #requireModels(name: string): ModelRepository {
    if (this.#endpoints.has(name) || this.#models === undefined) throw new ModelportError('UNAVAILABLE', `explicit model load / unload is not allowed for '${name}': endpoints of services come and go with their file`);
    return this.#models;
  }

  #requireDistinct(services: readonly Service[]): void {
    const names = new Map<string, Service>();
    for (const service of services) {
      const other = names.get(service.name);
      if (other !== undefined) throw new ModelportError('CONFLICT', `two services are called '${service.name}': ${service.definedAt ?? '?'} and ${other.definedAt ?? '?'}`);
      names.set(service.name, service);
    }
    const paths = new Map<string, string>();
    for (const service of services) {
      for (const [name, { method = 'POST', path = `/${service.name}/${name}` }] of Object.entries(service.endpoints)) {
        const route = `${method} ${path.replace(/\{\w+\}/g, '{}').replace(/(.)\/$/, '$1')}`;
        const other = paths.get(route);
        if (other !== undefined) throw new ModelportError('CONFLICT', `${service.definedAt ?? '?'}: endpoint '${name}' of service '${service.name}' and ${other} answer both at ${method} ${path}: give one of them another path`);
        paths.set(route, `endpoint '${name}' of service '${service.name}'`);
      }
      for (const [member, used] of Object.entries(service.services)) {
        if (typeof used === 'string' && !names.has(used) && !services.some((each) => each.name === used)) {
          throw new ModelportError('INVALID_CONFIG', `${service.definedAt ?? '?'}: services.${member} of service '${service.name}' is '${used}', which is not served${suggestName(used, services.map((each) => each.name))}`);
        }
      }
    }
    const models = new Set(this.#models?.index().map(({ name }) => name) ?? []);
    for (const service of services) {
      for (const name of Object.keys(service.endpoints)) {
        const model = name === 'predict' ? service.name : `${service.name}.${name}`;
        if (models.has(model)) throw new ModelportError('CONFLICT', `${service.definedAt ?? '?'}: service '${service.name}' and a model are both called '${model}': rename one of them`);
      }
    }
  }

  #changed(): void {
    for (const listener of this.#listeners) {
      try {
        listener();
      } catch (error) {
        this.#host.log('error', `a listener of the model repository failed: ${error instanceof Error ? error.message : String(error)}`, { error });
      }
    }
  }
}

/** Services that others import, before those. */
function withUsedServices(services: readonly Service[]): Service[] {
  const all = new Set<Service>();
  const add = (service: Service): void => {
    if (all.has(service)) return;
    for (const used of Object.values(service.services)) if (typeof used !== 'string') add(used);
    all.add(service);
  };
  for (const service of services) add(service);
  return [...all];
}

function byName<Entry extends { readonly name: string }>(entries: Entry[]): Entry[] {
  return entries.sort((left, right) => (left.name < right.name ? -1 : left.name > right.name ? 1 : 0));
}

const noArtifact: Artifact = { format: 'service', directory: '', main: '', files: [], metadata: {} };

/** A request that was handed an endpoint just before its service was replaced is answered by the successor. */
class ServedEndpoint implements ServedModel {
  readonly name: string;
  readonly version: string;
  readonly versions: readonly string[];
  readonly platform = 'modelport_service';
  readonly model: Model;
  readonly config: ExplainedConfig;
  readonly artifact: Artifact = noArtifact;
  successor: ServedEndpoint | undefined;
  readonly #endpoint: EndpointModel;

  constructor(service: Service, endpoint: EndpointModel) {
    this.name = endpoint.name;
    this.version = service.version;
    this.versions = [service.version];
    this.#endpoint = endpoint;
    const { predict } = endpoint.signature;
    const description = predict?.description ?? predict?.summary ?? service.description;
    this.config = { config: description === undefined ? {} : { description }, origins: [], warnings: [] };
    const current = (): EndpointModel => this.#last().#endpoint;
    this.model = {
      signature: endpoint.signature,
      predict: (value, call) => current().predict(value, call),
      // The successor may answer whole: then it is one part.
      ...(endpoint.predictStream === undefined
        ? {}
        : {
            predictStream: (value, call) => {
              const target = current();
              return target.predictStream === undefined ? onePart(target, value, call) : target.predictStream(value, call);
            },
          }),
      async [Symbol.asyncDispose]() {},
    };
  }

  #last(): ServedEndpoint {
    return this.successor === undefined ? this : this.successor.#last();
  }

  statistics(): StatisticsSnapshot {
    return this.#endpoint.statistics.snapshot();
  }

  ready(): boolean {
    return true;
  }
}

async function* onePart(target: EndpointModel, value: unknown, call: Parameters<EndpointModel['predict']>[1]): AsyncGenerator<unknown> {
  yield await target.predict(value, call);
}
