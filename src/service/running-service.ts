/** A service while it serves: its dependencies are made, `start` has run, every endpoint is a Model. */
import { Call } from '../call.ts';
import { ModelportError } from '../errors.ts';
import { Attempt } from './attempt.ts';
import type { Dependency, LifecycleContext, ModelSources, Dependencies, Service } from './definition.ts';
import { DependencyScope } from './dependency-scope.ts';
import { createEndpointModel } from './endpoint-model.ts';
import type { EndpointModel, RunningService } from './service-instance.ts';
import { RequestContext } from './handler-context.ts';
import type { ServiceHost } from './host.ts';
import type { ModelOverrides } from './model-functions.ts';

/** What tests replace, by the names that the service gives them. */
export interface ServiceOverrides {
  readonly dependencies?: Readonly<Record<string, unknown>>;
  readonly models?: ModelOverrides;
}

/** Throws what `start` or a dependency throws; nothing is left behind then. Disposal waits for requests under way, then runs `stop`. */
export async function startService(service: Service, host: ServiceHost, overrides: ServiceOverrides = {}): Promise<RunningService> {
  const stopping = new AbortController();
  const replaced = new Map<Dependency, unknown>();
  for (const [name, value] of Object.entries(overrides.dependencies ?? {})) {
    const dependency = service.dependencies[name];
    if (dependency === undefined) throw new ModelportError('INVALID_USAGE', `service '${service.name}' has no dependency '${name}' to replace`);
    replaced.set(dependency, value);
  }
  const own = Object.fromEntries(Object.entries(service.dependencies).filter(([, dependency]) => dependency.scope === 'service'));
  const scope = new DependencyScope('service', { signal: stopping.signal }, replaced);
  const endpoints = new Map<string, EndpointModel>();
  const running: RunningService = {
    service,
    host,
    modelOverrides: overrides.models ?? {},
    endpoints,
    serviceValues: () => scope.values(own),
    requestScope: (attempt) => new DependencyScope('request', requestContext(attempt), replaced, scope),
    async [Symbol.asyncDispose]() {
      await Promise.all([...endpoints.values()].map((endpoint) => endpoint[Symbol.asyncDispose]()));
      try {
        await service.stop?.(await lifecycle());
      } finally {
        stopping.abort();
        await scope.dispose();
      }
    },
  };
  const lifecycle = async (): Promise<LifecycleContext<ModelSources, Dependencies>> => new RequestContext(running, new Attempt(service.name, Infinity, new Call()), await scope.values(own));
  try {
    const context = await lifecycle();
    for (const [name, definition] of Object.entries(service.endpoints)) endpoints.set(name, createEndpointModel(running, name, definition));
    await service.start?.(context);
    return running;
  } catch (error) {
    await Promise.all([...endpoints.values()].map((endpoint) => endpoint[Symbol.asyncDispose]()));
    await scope.dispose().catch(() => {});
    throw error;
  }
}

/** The signal is made only for dependencies that look at it. */
function requestContext(attempt: Attempt): { readonly signal: AbortSignal } {
  return {
    get signal() {
      return attempt.signal;
    },
  };
}
