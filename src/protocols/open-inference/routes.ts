/** The REST endpoints of the Open Inference Protocol v2 with Triton's extensions. */
import { tritonModelConfig } from '../../formats/triton-model-config.ts';
import { ModelportError } from '../../errors.ts';
import type { HttpRequest, HttpResponse, ProtocolContext, Route } from '../../protocol.ts';
import type { ServedModel } from '../../repository.ts';
import { descriptions } from './describe.ts';
import { describeInfer } from './describe-infer.ts';
import { modelMetadata, servedOrUndefined, serverMetadata, statisticsOf } from './documents.ts';
import { generateRoutes, newestVersions } from './generate-routes.ts';
import { inferHandler } from './infer-route.ts';
import { emptyResponse, jsonResponse } from './json-response.ts';
import { parseSettings } from './json-value.ts';
import { repositoryRoutes } from './repository-routes.ts';
import { stateOf } from './state.ts';

export function routes(context: ProtocolContext): Route[] {
  const described = descriptions(context);
  const all = [...healthRoutes(context), ...modelRoutes(context), ...generateRoutes(context), ...repositoryRoutes(context), ...settingsRoutes(context), ...sharedMemoryRoutes(context)];
  return all.map((route) => {
    const describe = described[`${route.method} ${route.path}`];
    return describe === undefined ? route : { ...route, describe };
  });
}

function healthRoutes(context: ProtocolContext): Route[] {
  const { repository, server } = context;
  return [
    { method: 'GET', path: '/v2/health/live', door: 'public', handle: () => health('live', context.live()) },
    { method: 'GET', path: '/v2/health/ready', door: 'public', handle: () => health('ready', context.live() && repository.allReady()) },
    { method: 'GET', path: '/v2', door: 'public', handle: () => jsonResponse(serverMetadata(server)) },
  ];
}

function health(name: 'live' | 'ready', value: boolean): HttpResponse {
  return jsonResponse({ [name]: value }, value ? 200 : 400);
}

/** The same endpoint for a model and for one version of it. What is served by version is not described again. */
function forModelAndVersion(rest: string, route: Omit<Route, 'path' | 'describe'>, describe?: NonNullable<Route['describe']>): Route[] {
  return [
    { ...route, path: `/v2/models/:model${rest}`, ...(describe === undefined ? {} : { describe }) },
    { ...route, path: `/v2/models/:model/versions/:version${rest}` },
  ];
}

function modelRoutes(context: ProtocolContext): Route[] {
  const { repository } = context;
  const served = (request: HttpRequest): ServedModel => repository.get(request.parameters['model']!, request.parameters['version']);

  function ready(request: HttpRequest): HttpResponse {
    const model = servedOrUndefined(() => served(request));
    if (model?.ready() !== true) return jsonResponse({ error: 'Model version not ready' }, 400);
    return jsonResponse({ name: model.name, ready: true });
  }

  function statistics(request: HttpRequest): HttpResponse {
    const { model, version } = request.parameters;
    return jsonResponse({ model_stats: statisticsOf(repository, model, version) });
  }

  return [
    { method: 'GET', path: '/v2/models', door: 'inference', handle: () => jsonResponse({ models: [...new Set(repository.ready().map((model) => model.name))] }) },
    { method: 'GET', path: '/v2/models/stats', door: 'inference', handle: statistics },
    ...forModelAndVersion('', { method: 'GET', door: 'inference', handle: (request) => jsonResponse(modelMetadata(served(request))) }),
    ...forModelAndVersion('/ready', { method: 'GET', door: 'public', handle: ready }),
    ...forModelAndVersion('/config', { method: 'GET', door: 'inference', handle: (request) => jsonResponse(tritonModelConfig(served(request))) }),
    ...forModelAndVersion('/stats', { method: 'GET', door: 'inference', handle: statistics }),
    ...forModelAndVersion('/infer', { method: 'POST', door: 'inference', handle: inferHandler(context) }, () => newestVersions(repository).flatMap(describeInfer)),
  ];
}

function settingsRoutes(context: ProtocolContext): Route[] {
  const { repository } = context;
  const { trace, log } = stateOf(context);

  /** The model that the settings are of, undefined for the server's. Throws where it is not served. */
  function modelName(request: HttpRequest): string | undefined {
    const { model } = request.parameters;
    if (model !== undefined) repository.get(model);
    return model;
  }

  const getTrace = (request: HttpRequest): HttpResponse => jsonResponse(trace.get(modelName(request)));
  const setTrace = (request: HttpRequest): HttpResponse => jsonResponse(trace.update(parseSettings(request.body), modelName(request)));
  return [
    { method: 'GET', path: '/v2/trace/setting', door: 'inference', handle: getTrace },
    { method: 'POST', path: '/v2/trace/setting', door: 'management', handle: setTrace },
    { method: 'GET', path: '/v2/models/:model/trace/setting', door: 'inference', handle: getTrace },
    { method: 'POST', path: '/v2/models/:model/trace/setting', door: 'management', handle: setTrace },
    { method: 'GET', path: '/v2/logging', door: 'inference', handle: () => jsonResponse(log.get()) },
    { method: 'POST', path: '/v2/logging', door: 'management', handle: (request) => jsonResponse(log.update(parseSettings(request.body))) },
  ];
}

function sharedMemoryRoutes(context: ProtocolContext): Route[] {
  const { regions } = stateOf(context);

  function register(request: HttpRequest): HttpResponse {
    const body = parseSettings(request.body);
    if (body['key'] === undefined) throw new ModelportError('INVALID_REQUEST', "Shared memory register request has no 'key' field", { at: 'key' });
    if (body['byte_size'] === undefined) throw new ModelportError('INVALID_REQUEST', "Shared memory register request has no 'byte_size' field", { at: 'byte_size' });
    if (typeof body['key'] !== 'string') throw new ModelportError('INVALID_REQUEST', "Unable to parse 'key': expected text", { at: 'key' });
    regions.register({ name: request.parameters['region']!, key: body['key'], offset: sizeOf('offset', body['offset'] ?? 0), byteSize: sizeOf('byte_size', body['byte_size']) });
    return emptyResponse;
  }

  function unregister(request: HttpRequest): HttpResponse {
    regions.unregister(request.parameters['region']);
    return emptyResponse;
  }

  function status(request: HttpRequest): HttpResponse {
    return jsonResponse(regions.status(request.parameters['region']).map(({ name, key, offset, byteSize }) => ({ name, key, offset, byte_size: byteSize })));
  }

  function nameMissing(kind: string): never {
    throw new ModelportError('INVALID_REQUEST', `'region name' is necessary to register ${kind} shared memory region`);
  }

  // There is no GPU whose memory could be shared: the same answers as a Triton without one.
  function cudaStatus(request: HttpRequest): HttpResponse {
    const { region } = request.parameters;
    if (region !== undefined) throw new ModelportError('NOT_FOUND', `Unable to find cuda shared memory region: '${region}'`);
    return jsonResponse([]);
  }

  function cudaRegister(request: HttpRequest): never {
    throw new ModelportError('INVALID_REQUEST', `failed to register CUDA shared memory region: '${request.parameters['region']!}', GPUs not supported`);
  }

  const door = 'management';
  return [
    { method: 'GET', path: '/v2/systemsharedmemory/status', door, handle: status },
    { method: 'GET', path: '/v2/systemsharedmemory/region/:region/status', door, handle: status },
    { method: 'POST', path: '/v2/systemsharedmemory/register', door, handle: () => nameMissing('system') },
    { method: 'POST', path: '/v2/systemsharedmemory/region/:region/register', door, handle: register },
    { method: 'POST', path: '/v2/systemsharedmemory/unregister', door, handle: unregister },
    { method: 'POST', path: '/v2/systemsharedmemory/region/:region/unregister', door, handle: unregister },
    { method: 'GET', path: '/v2/cudasharedmemory/status', door, handle: cudaStatus },
    { method: 'GET', path: '/v2/cudasharedmemory/region/:region/status', door, handle: cudaStatus },
    { method: 'POST', path: '/v2/cudasharedmemory/register', door, handle: () => nameMissing('cuda') },
    { method: 'POST', path: '/v2/cudasharedmemory/region/:region/register', door, handle: cudaRegister },
    { method: 'POST', path: '/v2/cudasharedmemory/unregister', door, handle: () => emptyResponse },
    { method: 'POST', path: '/v2/cudasharedmemory/region/:region/unregister', door, handle: () => emptyResponse },
  ];
}

function sizeOf(name: string, value: unknown): number {
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0) {
    throw new ModelportError('INVALID_REQUEST', `Unable to parse '${name}': expected an integer of at least 0, got ${JSON.stringify(value).slice(0, 80)}`, { at: name });
  }
  return value;
}
