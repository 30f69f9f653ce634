/** Endpoints of services under their own methods and paths, with inputs from every part of a request and FastAPI's errors. */
import type { Call } from '../../call.ts';
import { asEndpoint, type Endpoint } from '../../endpoint.ts';
import { isModelportError, ModelportError } from '../../errors.ts';
import type { JsonSchema } from '../../model.ts';
import type { HttpRequest, HttpResponse, Operation, Protocol, ProtocolContext, Route } from '../../protocol.ts';
import { timingHeaders } from '../../timing-headers.ts';
import { acceptedStream, acceptsOnlyJson, streamAnswer } from './answer-stream.ts';
import { describeEndpoint } from './describe-endpoint.ts';
import { endpointErrorResponse, locateProblems } from './endpoint-errors.ts';
import { planEndpoint, type EndpointPlan } from './endpoint-plan.ts';
import { plain } from '../json/plain.ts';
import { readEndpointRequest, type EndpointRequest } from './read-endpoint-request.ts';

export const endpointRoutes: Protocol = {
  name: 'endpoints',
  routes: () => [],
  changingRoutes: ({ repository }: ProtocolContext) =>
    repository.ready().flatMap((served) => {
      const endpoint = served.model.signature.predict?.http === undefined ? undefined : asEndpoint(served);
      return endpoint === undefined ? [] : [endpointRoute(endpoint)];
    }),
  errorResponse: endpointErrorResponse,
};

const jsonHeaders = { 'content-type': 'application/json' };

function endpointRoute(endpoint: Endpoint): Route {
  const { http, output } = endpoint.signature;
  const { method, path, status = 200 } = http!;
  const plan = planEndpoint(endpoint);
  let described: { readonly path: string; readonly operation: Operation } | undefined;
  return {
    method,
    path: path.replace(/\{(\w+)\}/g, ':$1'),
    door: 'inference',
    handle: (request, call) => answer(endpoint, plan, request, call, status, output),
    describe: () => [(described ??= { path, operation: describeEndpoint(endpoint, plan) })],
  };
}

async function answer(endpoint: Endpoint, plan: EndpointPlan, request: HttpRequest, call: Call, status: number, output: JsonSchema): Promise<HttpResponse> {
  const read = await readEndpointRequest(request, plan);
  const format = acceptedStream(request) ?? (endpoint.predictStream !== undefined && !acceptsOnlyJson(request) ? 'events' : undefined);
  if (format !== undefined) return locatedStream(endpoint, plan, read, call, status, format);
  let value: unknown;
  try {
    value = await endpoint.predict(read.value, call);
  } catch (error) {
    throw locateProblems(error, plan, read);
  }
  // A file is an answer of its own.
  if (value instanceof Uint8Array) return { status, headers: { 'content-type': mediaTypeOf(value, output) }, body: value };
  // Only people who look at a page want to know, and the headers take as long as a quick handler.
  const headers = request.headers['sec-fetch-site'] === undefined ? jsonHeaders : { ...jsonHeaders, ...timingHeaders(call) };
  return { status, headers, body: JSON.stringify(value, plain) ?? 'null' };
}

function mediaTypeOf(value: Uint8Array & { readonly mediaType?: string }, { contentMediaType }: JsonSchema): string {
  if (value.mediaType !== undefined && /^[\w.+-]+\/[\w.+-]+$/.test(value.mediaType)) return value.mediaType;
  return typeof contentMediaType === 'string' && !contentMediaType.includes('*') ? contentMediaType : 'application/octet-stream';
}

/** The first part is fetched before the head goes out, and with it every wrong value is found: it has the form of any other. */
function locatedStream(endpoint: Endpoint, plan: EndpointPlan, read: EndpointRequest, call: Call, status: number, format: 'events' | 'lines'): HttpResponse {
  const response = streamAnswer(endpoint, read.value, call, format, errorBody);
  const body = response.body as AsyncIterable<string>;
  return {
    compress: false,
    get headers() {
      return response.headers!;
    },
    status,
    body: {
      [Symbol.asyncIterator]() {
        const iterator = body[Symbol.asyncIterator]();
        return {
          next: () => iterator.next().catch((error: unknown) => Promise.reject(locateProblems(error, plan, read) as Error)),
          return: async () => (await iterator.return?.()) ?? { done: true as const, value: undefined },
        };
      },
    },
  };
}

function errorBody(error: unknown): string {
  const shown = isModelportError(error) ? error : new ModelportError('INTERNAL', 'the server failed on this request; its log says why');
  return endpointErrorResponse(shown).body as string;
}
