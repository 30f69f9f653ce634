/** A service without a port, for its tests. */
import { Call } from '../call.ts';
import { isModelportError, ModelportError } from '../errors.ts';
import type { HttpRequest, HttpResponse, Protocol, ProtocolContext } from '../protocol.ts';
import type { Router } from '../server/router.ts';
import { endpointModelName } from '../service/endpoint-name.ts';
import type { Endpoints, Service, ServiceFunctions } from '../service/definition.ts';
import type { ServiceRepository } from '../service/service-repository.ts';

export interface TestOverrides {
  /** Values in place of dependencies, by the names that the service gives them. Theirs are not made, and not taken down. */
  readonly dependencies?: Readonly<Record<string, unknown>>;
  /** Functions in place of models, by the names that the service gives them. Models that are not replaced are loaded. */
  readonly models?: Readonly<Record<string, (value: unknown) => unknown>>;
  /** Where what the service logs goes. Default: nowhere. */
  readonly log?: (level: 'info' | 'warn' | 'error', text: string, error?: unknown) => void;
}

export interface TestedService<E extends Endpoints> extends AsyncDisposable {
  /** Endpoints as functions. They reject with `InvalidValueError`, whose `problems` say what is wrong, and other `ModelportError`s. */
  readonly call: ServiceFunctions<E>;
  /** The parts of an endpoint that answers in parts. */
  stream(endpoint: keyof E & string, value: unknown, options?: { readonly signal?: AbortSignal }): AsyncIterable<unknown>;
  /** A request as it would come over HTTP: `fetch('/items/3?q=x')`. */
  fetch(path: string, init?: RequestInit): Promise<Response>;
}

/**
 * Starts the service in this process.
 *
 * @example
 * await using flowers = await testService(service, { models: { iris: () => ({ label: 'setosa' }) } });
 * expect(await flowers.call.classify({ petalLength: 1 })).toEqual({ label: 'setosa' });
 */
export async function testService<E extends Endpoints>(service: Service<E>, overrides: TestOverrides = {}): Promise<TestedService<E>> {
  const [{ createRepository }, { createServiceHost }, { findServiceModels }, { ServiceRepository }, { createRouter }, { endpointRoutes, predict }, { version }, { createLog }] = await Promise.all([
    import('./compose.ts'),
    import('./service-host.ts'),
    import('./service-models.ts'),
    import('../service/service-repository.ts'),
    import('../server/router.ts'),
    import('../protocols/predict/index.ts'),
    import('../version.ts'),
    import('../observability/log.ts'),
  ]);
  const loaded = Object.fromEntries(Object.entries(service.models).filter(([name]) => overrides.models?.[name] === undefined));
  const found = await findServiceModels([{ ...service, models: loaded } as Service], []);
  const models = found.paths.length === 0 ? undefined : createRepository({ paths: found.paths, mode: 'none', log: createLog('text', 'warn'), responseCacheBytes: 0, resources: {} });
  const tell = (level: 'info' | 'warn' | 'error') => (facts: unknown, text?: string) => overrides.log?.(level, text ?? '', (facts as { err?: unknown }).err);
  const repository: ServiceRepository = new ServiceRepository(models, {
    host: (self) => createServiceHost(self, found.names, { info: tell('info'), warn: tell('warn'), error: tell('error') } as never),
    overrides: { ...(overrides.dependencies === undefined ? {} : { dependencies: overrides.dependencies }), ...(overrides.models === undefined ? {} : { models: overrides.models }) },
  });
  const dispose = async (): Promise<void> => {
    await repository[Symbol.asyncDispose]();
    await models?.[Symbol.asyncDispose]();
  };
  try {
    const failures = (await models?.start()) ?? [];
    if (failures[0] !== undefined) throw failures[0].error;
    await repository.replace([service as unknown as Service]);
  } catch (error) {
    await dispose();
    throw error;
  }
  const protocols = [predict, endpointRoutes];
  const context: ProtocolContext = { repository, server: { serverName: service.name, version, allowSharedMemory: false, maxBodyBytes: 64_000_000 }, live: () => true, mountedRoutes: () => router.routes.map(({ route }) => route) };
  const router: Router = createRouter(protocols, context);
  const modelOf = (endpoint: string) => repository.get(endpointModelName(service.name, endpoint)).model;
  const call = Object.fromEntries(Object.keys(service.endpoints).map((name) => [name, (value: unknown) => modelOf(name).predict!(value, new Call())]));
  return {
    call: call as unknown as ServiceFunctions<E>,
    stream(endpoint, value, { signal } = {}) {
      const stream = modelOf(endpoint).predictStream;
      if (stream === undefined) throw new ModelportError('UNSUPPORTED', `endpoint '${endpoint}' does not answer in parts: use call.${endpoint}`);
      return stream(value, callOf(signal));
    },
    fetch: (path, init) => answer(router, path, init),
    [Symbol.asyncDispose]: dispose,
  };
}

function callOf(signal: AbortSignal | null | undefined): Call {
  const call = new Call();
  if (signal?.aborted === true) call.cancel();
  signal?.addEventListener('abort', () => call.cancel(), { once: true });
  return call;
}

/** What the listener does, without the wire. */
async function answer(router: Router, path: string, init: RequestInit = {}): Promise<Response> {
  const request = new Request(new URL(path, 'http://service.test'), { ...init, ...(init.body instanceof ReadableStream ? { duplex: 'half' } : {}) } as RequestInit);
  const url = new URL(request.url);
  let protocol: Protocol | undefined;
  try {
    const found = router.find(request.method, url.pathname);
    protocol = found.protocol;
    const message: HttpRequest = {
      method: request.method,
      path: url.pathname,
      parameters: found.parameters,
      query: url.search.slice(1),
      headers: { ...Object.fromEntries(request.headers), ...cookieOf(init) },
      body: new Uint8Array(await request.arrayBuffer()),
    };
    return await toResponse(await found.route.handle(message, callOf(init.signal)));
  } catch (error) {
    if (!isModelportError(error)) throw error;
    return toResponse(protocol?.errorResponse?.(error) ?? { status: error.httpStatus, headers: { 'content-type': 'application/json' }, body: JSON.stringify({ detail: error.message }) });
  }
}

/** The platform's `Request` drops cookies. */
function cookieOf({ headers }: RequestInit): Record<string, string> {
  const cookie = headers === undefined ? null : new Headers(headers).get('cookie');
  return cookie === null ? {} : { cookie };
}

async function toResponse({ status = 200, headers = {}, body }: HttpResponse): Promise<Response> {
  const options = { status, headers: { ...headers } };
  if (body === undefined) return new Response(null, options);
  if (typeof body === 'string') return new Response(body, options);
  if (body instanceof Uint8Array) return new Response(new Uint8Array(body), options);
  if (Array.isArray(body)) return new Response(Buffer.concat(body as Uint8Array[]), options);
  const iterator = (body as AsyncIterable<string | Uint8Array>)[Symbol.asyncIterator]();
  // The first part is awaited before there is an answer, so that an error before it has a status.
  let next: IteratorResult<string | Uint8Array> | undefined = await iterator.next();
  const encoder = new TextEncoder();
  return new Response(
    new ReadableStream({
      async pull(controller) {
        const part = next ?? (await iterator.next());
        next = undefined;
        if (part.done === true) controller.close();
        else controller.enqueue(typeof part.value === 'string' ? encoder.encode(part.value) : part.value);
      },
      async cancel() {
        await iterator.return?.();
      },
    }),
    options,
  );
}
