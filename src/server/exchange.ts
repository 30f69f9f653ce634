/**
 * One request and its answer, whatever connection carries them: guard → route → Call → handler → answer, and errors at any
 * step as the protocol's own error answer. Connections read heads and bodies and write bytes; everything else is here.
 */
import { Call, type CallOptions, type TraceContext } from '../call.ts';
import { isModelportError, ModelportError } from '../errors.ts';
import type { HttpRequest, HttpResponse } from '../protocol.ts';
import { decompressBody, refuseBody } from './body.ts';
import type { Guard } from './guard.ts';
import { respond, type Reply } from './respond.ts';
import { MethodNotAllowedError, type FoundRoute, type Router } from './router.ts';

export type Headers = HttpRequest['headers'];

/** What is known of a request before its body is read. */
export interface RequestHead {
  readonly method: string;
  readonly path: string;
  readonly query: string;
  /** Names in lower case. */
  readonly headers: Headers;
}

export interface RequestEvent {
  readonly protocol: 'http' | 'grpc';
  readonly method: string;
  readonly path: string;
  readonly status: number;
  readonly durationMs: number;
  readonly requestId: string | undefined;
  readonly call: Call | undefined;
  /** Set where the server itself was at fault. */
  readonly error: unknown;
}

export interface ExchangeOptions {
  readonly maxBodyBytes: number;
  readonly router: Router;
  readonly guard: Guard;
  /** Called when the answer is on its way. */
  readonly onRequest?: (event: RequestEvent) => void;
  /** Whether `onRequest` is to be called for requests that ended well, too. */
  readonly observeAll?: boolean;
  /** The context under which a request runs, where traces are made. */
  readonly beginTrace?: (parent: TraceContext | undefined) => TraceContext;
}

/** One request. Its connection makes it, and tells it when the client has gone. */
export class Exchange {
  readonly head: RequestHead;
  readonly reply: Reply;
  readonly startedAtMs: number = performance.now();
  found: FoundRoute | undefined;
  call: Call | undefined;
  finished = false;

  constructor(head: RequestHead, reply: Reply, found?: FoundRoute) {
    this.head = head;
    this.reply = reply;
    this.found = found;
  }
}

export interface ExchangeHandler {
  readonly maxBodyBytes: number;
  /** Of the routes: a result of `admit` holds while it stays. */
  readonly generation: number;
  /** Finds the route and asks the guard. Throws what is to be answered. A connection may keep the result for an equal head of the same generation. */
  admit(head: RequestHead): FoundRoute;
  /** Whole body in, answer out. */
  handle(exchange: Exchange, body: Uint8Array): void;
  answerError(exchange: Exchange, error: unknown): void;
  /** The client went away before its answer was sent. */
  abandon(exchange: Exchange): void;
}

export function createExchangeHandler(options: ExchangeOptions): ExchangeHandler {
  const { guard, router, maxBodyBytes, onRequest, observeAll = false, beginTrace } = options;

  function admit(head: RequestHead): FoundRoute {
    const found = router.find(head.method, head.path);
    const { headers } = head;
    guard.check({ method: head.method, host: headers['host'] as string | undefined, origin: headers['origin'] as string | undefined, key: keyOf(headers) }, found.route.door);
    const refusal = refuseBody(headers, maxBodyBytes);
    if (refusal !== undefined) throw refusal;
    return found;
  }

  function handle(exchange: Exchange, body: Uint8Array): void {
    const encoding = exchange.head.headers['content-encoding'];
    if (encoding !== undefined && encoding !== 'identity') {
      decompressBody(body, encoding as string, maxBodyBytes).then(
        (plain) => dispatch(exchange, plain),
        (error: unknown) => answerError(exchange, error),
      );
      return;
    }
    dispatch(exchange, body);
  }

  function dispatch(exchange: Exchange, body: Uint8Array): void {
    const { method, path, query, headers } = exchange.head;
    const { route, parameters } = exchange.found!;
    const request: HttpRequest = { method, path, parameters, query, headers, body };
    try {
      let callOptions = readCallOptions(headers, route.callOptions?.(request));
      if (beginTrace !== undefined) callOptions = { ...callOptions, trace: beginTrace(callOptions.trace) };
      const call = new Call(callOptions);
      exchange.call = call;
      if (exchange.finished) call.cancel();
      const response = route.handle(request, call);
      if (response instanceof Promise) {
        response.then(
          (value) => answer(exchange, value, undefined),
          (error: unknown) => answerError(exchange, error),
        );
      } else {
        answer(exchange, response, undefined);
      }
    } catch (error) {
      answerError(exchange, error);
    }
  }

  function answer(exchange: Exchange, response: HttpResponse, error: unknown): void {
    if (exchange.finished) return;
    const { headers } = exchange.head;
    const origin = headers['origin'] as string | undefined;
    const allowed = origin !== undefined && guard.allowsOrigin(origin) ? allowing(response, origin) : response;
    const sent = respond(exchange.head, exchange.reply, allowed);
    if (sent === undefined) {
      finish(exchange, response.status ?? 200, error);
    } else {
      sent.then(
        () => finish(exchange, response.status ?? 200, error),
        (failure: unknown) => (exchange.reply.started ? finish(exchange, response.status ?? 200, failure) : answerError(exchange, failure)),
      );
    }
  }

  function answerError(exchange: Exchange, error: unknown): void {
    if (exchange.finished) return;
    const ours = isModelportError(error);
    const shown = ours ? error : new ModelportError('INTERNAL', 'the server failed on this request; its log says why');
    const response = protocolOf(exchange)?.errorResponse?.(shown) ?? {
      status: shown.httpStatus,
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ error: shown.message }),
    };
    const headers: Record<string, string> = { ...response.headers };
    if (shown.retryAfterSeconds !== undefined) headers['retry-after'] = String(Math.max(1, Math.ceil(shown.retryAfterSeconds)));
    if (shown.code === 'UNAUTHENTICATED') headers['www-authenticate'] = 'Bearer';
    if (error instanceof MethodNotAllowedError) headers['allow'] = error.allowed.join(', ');
    answer(exchange, { ...response, headers }, ours && shown.httpStatus !== 500 ? undefined : error);
  }

  /** Of the route; also where the request was refused before it got there. */
  function protocolOf({ found, head }: Exchange): FoundRoute['protocol'] | undefined {
    if (found !== undefined) return found.protocol;
    try {
      return router.find(head.method, head.path).protocol;
    } catch {
      return undefined;
    }
  }

  function abandon(exchange: Exchange): void {
    if (exchange.finished) return;
    exchange.call?.cancel();
    finish(exchange, 499, undefined);
  }

  function finish(exchange: Exchange, status: number, error: unknown): void {
    if (exchange.finished) return;
    exchange.finished = true;
    if (onRequest === undefined || !(observeAll || error !== undefined || status >= 500)) return;
    const { method, path, headers } = exchange.head;
    onRequest({
      protocol: 'http',
      method,
      path,
      status,
      durationMs: performance.now() - exchange.startedAtMs,
      requestId: exchange.call?.id ?? firstText(headers['x-request-id']),
      call: exchange.call,
      error,
    });
  }

  return {
    maxBodyBytes,
    get generation() {
      return router.generation;
    },
    admit,
    handle,
    answerError,
    abandon,
  };
}

function keyOf(headers: Headers): string | undefined {
  const authorization = headers['authorization'];
  if (typeof authorization === 'string' && /^bearer /i.test(authorization)) return authorization.slice('bearer '.length).trim();
  return firstText(headers['x-api-key']);
}

function firstText(header: string | string[] | undefined): string | undefined {
  return Array.isArray(header) ? header[0] : header;
}

const noOptions: CallOptions = {};

/** What every protocol's requests may say in headers: an id, a deadline, W3C trace context. A route's own reading wins. */
function readCallOptions(headers: Headers, own: CallOptions | undefined): CallOptions {
  const requestId = firstText(headers['x-request-id']);
  const timeout = firstText(headers['x-request-timeout-ms']);
  const traceparent = firstText(headers['traceparent']);
  if (requestId === undefined && timeout === undefined && traceparent === undefined) return own ?? noOptions;
  const trace = traceparent === undefined ? undefined : parseTraceparent(traceparent, firstText(headers['tracestate']));
  const timeoutMs = timeout === undefined ? undefined : Number(timeout);
  if (timeoutMs !== undefined && !(timeoutMs > 0)) {
    throw new ModelportError('INVALID_REQUEST', `the header X-Request-Timeout-Ms is '${timeout!.slice(0, 50)}', not a positive number of milliseconds`);
  }
  return {
    ...(requestId === undefined ? {} : { id: requestId.slice(0, 256) }),
    ...(timeoutMs === undefined ? {} : { deadlineMs: performance.now() + timeoutMs }),
    ...(trace === undefined ? {} : { trace }),
    ...own,
  };
}

/** https://www.w3.org/TR/trace-context/ §3.2; an invalid header counts as absent. */
export function parseTraceparent(header: string, state?: string): TraceContext | undefined {
  const match = /^[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(?:-.*)?$/.exec(header);
  if (match === null || header.startsWith('ff') || /^0+$/.test(match[1]!) || /^0+$/.test(match[2]!)) return undefined;
  return { traceId: match[1]!, spanId: match[2]!, sampled: (parseInt(match[3]!, 16) & 1) === 1, ...(state === undefined ? {} : { state: state.slice(0, 512) }) };
}

/** Headers of a stream are read when its first part is there. */
function allowing(response: HttpResponse, origin: string): HttpResponse {
  return {
    ...(response.status === undefined ? {} : { status: response.status }),
    ...(response.body === undefined ? {} : { body: response.body }),
    ...(response.compress === undefined ? {} : { compress: response.compress }),
    get headers() {
      return { ...response.headers, 'access-control-allow-origin': origin, vary: 'Origin' };
    },
  };
}
