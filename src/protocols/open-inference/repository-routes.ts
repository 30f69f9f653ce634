/** The model repository extension: index, load, unload. */
import { isModelportError, ModelportError } from '../../errors.ts';
import type { ParameterValue } from '../../model.ts';
import type { HttpRequest, HttpResponse, ProtocolContext, Route } from '../../protocol.ts';
import type { LoadRequest, ModelRepository } from '../../repository.ts';
import { indexDocument } from './documents.ts';
import { emptyResponse, jsonResponse } from './json-response.ts';
import { largestInlineBytes } from './json-threads.ts';
import { objectOf, parseJson } from './json-value.ts';
import { stateOf } from './state.ts';

export function repositoryRoutes(context: ProtocolContext): Route[] {
  const { repository } = context;
  const { threads } = stateOf(context);

  /** The body as an object; an empty one where there is none. */
  async function body(request: HttpRequest): Promise<Readonly<Record<string, unknown>>> {
    if (request.body.length === 0) return {};
    return objectOf(request.body.length > largestInlineBytes ? await threads.value(request.body) : parseJson(request.body));
  }

  async function index(request: HttpRequest): Promise<HttpResponse> {
    const { ready } = await body(request);
    if (ready !== undefined && typeof ready !== 'boolean') throw new ModelportError('INVALID_REQUEST', "Invalid value for 'ready': expected a boolean", { at: 'ready' });
    return jsonResponse(indexDocument(repository.index(), ready === true));
  }

  async function load(request: HttpRequest): Promise<HttpResponse> {
    await loadModel(repository, request.parameters['model']!, parametersOf(await body(request)));
    return emptyResponse;
  }

  async function unload(request: HttpRequest): Promise<HttpResponse> {
    const { unload_dependents: unloadDependents = false } = parametersOf(await body(request));
    if (typeof unloadDependents !== 'boolean') throw new ModelportError('INVALID_REQUEST', "Unable to parse 'unload_dependents': expected true or false", { at: 'parameters.unload_dependents' });
    await repository.unload(request.parameters['model']!, { unloadDependents });
    return emptyResponse;
  }

  function refuseRepositoryName(): never {
    throw new ModelportError('UNSUPPORTED', "'repository_name' specification is not supported: leave it out of the path");
  }

  return [
    { method: 'POST', path: '/v2/repository/index', door: 'inference', handle: index },
    { method: 'POST', path: '/v2/repository/:repository/index', door: 'inference', handle: index },
    { method: 'POST', path: '/v2/repository/models/:model/load', door: 'management', handle: load },
    { method: 'POST', path: '/v2/repository/models/:model/unload', door: 'management', handle: unload },
    { method: 'POST', path: '/v2/repository/:repository/models/:model/load', door: 'management', handle: refuseRepositoryName },
    { method: 'POST', path: '/v2/repository/:repository/models/:model/unload', door: 'management', handle: refuseRepositoryName },
  ];
}

function parametersOf(body: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  const { parameters } = body;
  if (parameters === undefined || parameters === null) return {};
  if (typeof parameters !== 'object' || Array.isArray(parameters)) throw new ModelportError('INVALID_REQUEST', "Unable to parse 'parameters': expected a JSON object", { at: 'parameters' });
  return parameters as Readonly<Record<string, unknown>>;
}

/** Loads as `parameters` say. Clients look for "failed to load" in whatever is wrong with the model, its config or its files. */
export async function loadModel(repository: ModelRepository, name: string, parameters: Readonly<Record<string, unknown>>): Promise<void> {
  try {
    await repository.load(name, loadRequest(parameters));
  } catch (error) {
    if (!isModelportError(error) || !['INVALID_REQUEST', 'INVALID_CONFIG', 'INVALID_MODEL'].includes(error.code) || error.message.includes('failed to load')) throw error;
    throw new ModelportError(error.code, `failed to load '${name}': ${error.message}`, error.at === undefined ? { cause: error } : { cause: error, at: error.at });
  }
}

/** `config` and `file:<path>` parameters of a load request, the latter in base64; others are passed on. Throws `INVALID_REQUEST`. */
function loadRequest(given: Readonly<Record<string, unknown>>): LoadRequest {
  let config: string | undefined;
  const files = new Map<string, Uint8Array>();
  const parameters: Record<string, ParameterValue> = {};
  for (const [name, value] of Object.entries(given)) {
    if (name === 'config') {
      if (typeof value === 'object' && value !== null) config = JSON.stringify(value);
      else config = text(name, value);
    } else if (name.startsWith('file:')) {
      files.set(name.slice('file:'.length), value instanceof Uint8Array ? value : fromBase64(name, text(name, value)));
    } else if (typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean' || typeof value === 'bigint') {
      parameters[name] = value;
    } else {
      throw new ModelportError('INVALID_REQUEST', `Unable to parse 'parameters': '${name.slice(0, 80)}' is neither text, number nor boolean`, { at: `parameters.${name}` });
    }
  }
  if (files.size > 0 && config === undefined) {
    throw new ModelportError('INVALID_REQUEST', "a load request with 'file:' parameters needs 'config', too: the files replace the model's folder", { at: 'parameters.config' });
  }
  return { ...(config === undefined ? {} : { config }), ...(files.size === 0 ? {} : { files }), ...(Object.keys(parameters).length === 0 ? {} : { parameters }) };
}

function text(name: string, value: unknown): string {
  if (typeof value !== 'string') throw new ModelportError('INVALID_REQUEST', `Unable to parse 'parameters': '${name.slice(0, 80)}' is not text`, { at: `parameters.${name}` });
  return value;
}

function fromBase64(name: string, encoded: string): Uint8Array {
  const plain = encoded.replace(/[\r\n]/g, '');
  const bytes = Buffer.from(plain, 'base64');
  // Buffer reads over what is not base64; the length tells.
  const expected = Math.floor((plain.replace(/=+$/, '').length * 3) / 4);
  if (bytes.length !== expected) throw new ModelportError('INVALID_REQUEST', `Unable to decode base64 content of parameter '${name.slice(0, 200)}'`, { at: `parameters.${name}` });
  return bytes;
}
