/**
 * Bytes from the network to routes and back, over node:http. It owns limits, the guard, compression, the life of each Call
 * and draining; what lies behind it sees {@link HttpRequest} and {@link Call} only.
 *
 * One request: head read → route found → guard → body read → Call made → `route.handle` → answer written. An error at any
 * step becomes the protocol's own error answer.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Call, type CallOptions, type TraceContext } from '../call.ts';
import { isModelportError, ModelportError } from '../errors.ts';
import type { HttpRequest, HttpResponse } from '../protocol.ts';
import { bodyTooLarge, decompressBody, refuseBody } from './body.ts';
import type { Guard } from './guard.ts';
import { respond } from './respond.ts';
import { MethodNotAllowedError, type FoundRoute, type Router } from './router.ts';

export interface HttpListenerOptions {
  readonly host: string;
  /** 0: a free one. */
  readonly port: number;
  readonly maxBodyBytes: number;
  readonly router: Router;
  readonly guard: Guard;
  /** Called when the answer is on its way; `error` is set where the server itself was at fault. */
  readonly onRequest?: (event: RequestEvent) => void;
  /** Whether `onRequest` is to be called for requests that ended well, too. */
  readonly observeAll?: boolean;
}

export interface RequestEvent {
  readonly method: string;
  readonly path: string;
  readonly status: number;
  readonly durationMs: number;
  readonly requestId: string | undefined;
  readonly call: Call | undefined;
  readonly error: unknown;
}

export interface HttpListener {
  readonly host: string;
  readonly port: number;
  /** Requests that were accepted and are not answered yet. */
  readonly active: number;
  /** Takes no new connections; resolves when every accepted request is answered, or after `timeoutMs`. True: all were. */
  drain(timeoutMs: number): Promise<boolean>;
  close(): Promise<void>;
}

/** Idle connections may carry a request that is already on its way when draining begins: they get this long to show it. */
const idleGraceMs = 100;

/** Throws `INVALID_USAGE` where the address can't be listened on. */
export async function listenHttp(options: HttpListenerOptions): Promise<HttpListener> {
  const { guard, router, maxBodyBytes, onRequest, observeAll = false } = options;
  let active = 0;
  let draining = false;
  let onIdle: (() => void) | undefined;

  const server = createServer({
    keepAliveTimeout: 75_000,
    headersTimeout: 30_000,
    requestTimeout: 300_000,
    maxHeaderSize: 32 * 1024,
    noDelay: true,
  });

  server.on('request', (message, reply) => receive(message, reply, false));
  // A client that waits for "100 Continue" sends its body only if the head is acceptable.
  server.on('checkContinue', (message: IncomingMessage, reply: ServerResponse) => receive(message, reply, true));
  server.on('clientError', (error: NodeJS.ErrnoException, socket) => {
    if (!socket.writable || error.code === 'ECONNRESET') {
      socket.destroy();
      return;
    }
    const status = error.code === 'HPE_HEADER_OVERFLOW' ? '431 Request Header Fields Too Large' : error.code === 'ERR_HTTP_REQUEST_TIMEOUT' ? '408 Request Timeout' : '400 Bad Request';
    const body = JSON.stringify({ error: `the request is not valid HTTP: ${status.slice(4)}` });
    socket.end(`HTTP/1.1 ${status}\r\ncontent-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}\r\nconnection: close\r\n\r\n${body}`);
  });

  function receive(message: IncomingMessage, reply: ServerResponse, awaitsContinue: boolean): void {
    active++;
    const url = message.url!;
    const question = url.indexOf('?');
    const exchange: Exchange = {
      message,
      reply,
      path: question === -1 ? url : url.slice(0, question),
      query: question === -1 ? '' : url.slice(question + 1),
      receivedAtMs: performance.now(),
      found: undefined,
      call: undefined,
      finished: false,
    };
    reply.on('close', () => {
      if (!exchange.finished) {
        exchange.call?.cancel();
        finish(exchange, 499, undefined);
      }
      active--;
      if (draining && active === 0) onIdle?.();
    });
    try {
      const found = router.find(message.method!, exchange.path);
      exchange.found = found;
      const { headers } = message;
      guard.check({ method: message.method!, host: headers.host, origin: headers.origin, key: keyOf(headers) }, found.route.door);
      const refusal = refuseBody(message, maxBodyBytes);
      if (refusal !== undefined) throw refusal;
      if (awaitsContinue) reply.writeContinue();
    } catch (error) {
      refuse(exchange, error);
      return;
    }
    readBody(exchange);
  }

  /** An error before the body was read: the answer goes out, and what still arrives of the body is thrown away with the connection. */
  function refuse(exchange: Exchange, error: unknown): void {
    const { message, reply } = exchange;
    const hasBody = message.headers['content-length'] !== undefined && message.headers['content-length'] !== '0' || message.headers['transfer-encoding'] !== undefined;
    if (hasBody) reply.shouldKeepAlive = false;
    message.resume();
    answerError(exchange, error);
  }

  function readBody(exchange: Exchange): void {
    const { message } = exchange;
    let first: Buffer | undefined;
    let chunks: Buffer[] | undefined;
    let size = 0;
    message.on('data', (chunk: Buffer) => {
      size += chunk.length;
      if (size > maxBodyBytes) {
        message.removeAllListeners('data');
        message.removeAllListeners('end');
        refuse(exchange, bodyTooLarge(maxBodyBytes));
        return;
      }
      if (first === undefined) first = chunk;
      else (chunks ??= [first]).push(chunk);
    });
    message.on('end', () => {
      handle(exchange, chunks === undefined ? (first ?? emptyBody) : Buffer.concat(chunks, size));
    });
    // A body that is cut off: 'close' of the reply follows and ends the exchange.
    message.on('error', () => {});
  }

  function handle(exchange: Exchange, body: Uint8Array): void {
    const encoding = exchange.message.headers['content-encoding'];
    if (encoding !== undefined && encoding !== 'identity') {
      decompressBody(body, encoding, maxBodyBytes).then(
        (plain) => dispatch(exchange, plain),
        (error: unknown) => answerError(exchange, error),
      );
      return;
    }
    dispatch(exchange, body);
  }

  function dispatch(exchange: Exchange, body: Uint8Array): void {
    const { message, found } = exchange;
    const { route, parameters } = found!;
    const request: HttpRequest = { method: message.method!, path: exchange.path, parameters, query: exchange.query, headers: message.headers, body };
    try {
      const call = new Call(callOptions(message, route.callOptions?.(request)));
      exchange.call = call;
      if (exchange.finished) call.cancel();
      const response = route.handle(request, call);
      if (response instanceof Promise) {
        response.then(
          (value) => answer(exchange, value),
          (error: unknown) => answerError(exchange, error),
        );
      } else {
        answer(exchange, response);
      }
    } catch (error) {
      answerError(exchange, error);
    }
  }

  function answer(exchange: Exchange, response: HttpResponse, error?: unknown): void {
    if (exchange.finished) return;
    const { message, reply } = exchange;
    const { origin } = message.headers;
    const allowed = origin !== undefined && guard.allowsOrigin(origin) ? { ...response, headers: { ...response.headers, 'access-control-allow-origin': origin, vary: 'Origin' } } : response;
    const sent = respond(message, reply, allowed, draining);
    if (sent === undefined) {
      finish(exchange, response.status ?? 200, error);
    } else {
      sent.then(
        () => finish(exchange, response.status ?? 200, error),
        (failure: unknown) => (reply.headersSent ? finish(exchange, response.status ?? 200, failure) : answerError(exchange, failure)),
      );
    }
  }

  function answerError(exchange: Exchange, error: unknown): void {
    if (exchange.finished) return;
    const ours = isModelportError(error);
    const shown = ours ? error : new ModelportError('INTERNAL', 'the server failed on this request; its log says why');
    const response = exchange.found?.protocol.errorResponse?.(shown) ?? {
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

  function finish(exchange: Exchange, status: number, error: unknown): void {
    if (exchange.finished) return;
    exchange.finished = true;
    if (onRequest !== undefined && (observeAll || error !== undefined || status >= 500)) {
      onRequest({
        method: exchange.message.method!,
        path: exchange.path,
        status,
        durationMs: performance.now() - exchange.receivedAtMs,
        requestId: exchange.call?.id ?? headerText(exchange.message.headers['x-request-id']),
        call: exchange.call,
        error,
      });
    }
  }

  await listen(server, options.host, options.port);
  const address = server.address() as AddressInfo;

  return {
    host: options.host,
    port: address.port,
    get active() {
      return active;
    },
    async drain(timeoutMs) {
      draining = true;
      server.close();
      const idle = new Promise<void>((resolve) => {
        onIdle = resolve;
        if (active === 0) resolve();
      });
      let timer: NodeJS.Timeout | undefined;
      const late = new Promise<void>((resolve) => (timer = setTimeout(resolve, timeoutMs)));
      await Promise.race([idle, late]);
      clearTimeout(timer);
      await new Promise((resolve) => setTimeout(resolve, Math.min(idleGraceMs, timeoutMs)));
      if (active > 0) await Promise.race([new Promise<void>((resolve) => (onIdle = resolve)), new Promise((resolve) => setTimeout(resolve, timeoutMs))]);
      server.closeIdleConnections();
      return active === 0;
    },
    async close() {
      server.close();
      server.closeAllConnections();
    },
  };
}

interface Exchange {
  readonly message: IncomingMessage;
  readonly reply: ServerResponse;
  readonly path: string;
  readonly query: string;
  readonly receivedAtMs: number;
  found: FoundRoute | undefined;
  call: Call | undefined;
  finished: boolean;
}

const emptyBody = Buffer.alloc(0);

async function listen(server: Server, host: string, port: number): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => reject(listenError(error, host, port)));
    server.listen(port, host, resolve);
  });
}

/** What a person reads when an address can't be had. */
export function listenError(error: NodeJS.ErrnoException, host: string, port: number): ModelportError {
  const reason =
    error.code === 'EADDRINUSE'
      ? `port ${port} on ${host} is in use: stop what listens there, or choose another with --port (0 takes a free one)`
      : error.code === 'EACCES'
        ? `this user may not listen on port ${port}: choose one above 1023`
        : error.code === 'EADDRNOTAVAIL' || error.code === 'ENOTFOUND'
          ? `${host} is not an address of this machine: --host takes 127.0.0.1, 0.0.0.0 or one of its own`
          : `can't listen on ${host}:${port}: ${error.message}`;
  return new ModelportError('INVALID_USAGE', reason, { cause: error });
}

function keyOf(headers: IncomingMessage['headers']): string | undefined {
  const authorization = headers.authorization;
  if (authorization !== undefined && /^bearer /i.test(authorization)) return authorization.slice('bearer '.length).trim();
  return headerText(headers['x-api-key']);
}

function headerText(header: string | string[] | undefined): string | undefined {
  return Array.isArray(header) ? header[0] : header;
}

/** What every protocol's requests may say in headers: an id, a deadline, W3C trace context. A route's own reading wins. */
function callOptions(message: IncomingMessage, own: CallOptions | undefined): CallOptions {
  const { headers } = message;
  const requestId = headers['x-request-id'];
  const timeout = headers['x-request-timeout-ms'];
  const traceparent = headers['traceparent'];
  if (requestId === undefined && timeout === undefined && traceparent === undefined) return own ?? noOptions;
  const trace = typeof traceparent === 'string' ? parseTraceparent(traceparent, headerText(headers['tracestate'])) : undefined;
  const timeoutMs = timeout === undefined ? undefined : Number(timeout);
  if (timeoutMs !== undefined && !(timeoutMs > 0)) {
    throw new ModelportError('INVALID_REQUEST', `the header X-Request-Timeout-Ms is '${String(timeout).slice(0, 50)}', not a positive number of milliseconds`);
  }
  return {
    ...(requestId === undefined ? {} : { id: headerText(requestId)!.slice(0, 256) }),
    ...(timeoutMs === undefined ? {} : { deadlineMs: performance.now() + timeoutMs }),
    ...(trace === undefined ? {} : { trace }),
    ...own,
  };
}

const noOptions: CallOptions = {};

/** https://www.w3.org/TR/trace-context/ §3.2; an invalid header counts as absent. */
export function parseTraceparent(header: string, state?: string): TraceContext | undefined {
  const match = /^[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(?:-.*)?$/.exec(header);
  if (match === null || header.startsWith('ff') || /^0+$/.test(match[1]!) || /^0+$/.test(match[2]!)) return undefined;
  return { traceId: match[1]!, spanId: match[2]!, sampled: (parseInt(match[3]!, 16) & 1) === 1, ...(state === undefined ? {} : { state: state.slice(0, 512) }) };
}
