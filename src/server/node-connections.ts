/** Exchanges over node:http: every form of HTTP/1 that its parser accepts. */
import { createServer, type IncomingMessage, type OutgoingHttpHeaders, type Server, type ServerResponse } from 'node:http';
import { bodyTooLarge } from './body.ts';
import { Exchange, type ExchangeHandler } from './exchange.ts';
import { byteSize, type Reply, type ResponseHeaders, type WholeBody } from './respond.ts';

export interface NodeConnections {
  /** Listens nowhere itself: connections are handed to it by `emit('connection')`. */
  readonly server: Server;
  readonly active: number;
  /** From now on answers close their connection. */
  startDraining(onIdle: () => void): void;
}

const emptyBody = Buffer.alloc(0);

export function createNodeConnections(handler: ExchangeHandler): NodeConnections {
  let active = 0;
  let draining = false;
  let idle: (() => void) | undefined;

  const server = createServer({ keepAliveTimeout: 75_000, headersTimeout: 30_000, requestTimeout: 300_000, maxHeaderSize: 32 * 1024, noDelay: true });
  server.on('request', (message, response) => receive(message, response, false));
  // A client that waits for "100 Continue" sends its body only if the head is acceptable.
  server.on('checkContinue', (message: IncomingMessage, response: ServerResponse) => receive(message, response, true));
  server.on('clientError', (error: NodeJS.ErrnoException, socket) => {
    if (!socket.writable || error.code === 'ECONNRESET') {
      socket.destroy();
      return;
    }
    const status = error.code === 'HPE_HEADER_OVERFLOW' ? '431 Request Header Fields Too Large' : error.code === 'ERR_HTTP_REQUEST_TIMEOUT' ? '408 Request Timeout' : '400 Bad Request';
    const body = JSON.stringify({ error: `the request is not valid HTTP: ${status.slice(4)}` });
    socket.end(`HTTP/1.1 ${status}\r\ncontent-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}\r\nconnection: close\r\n\r\n${body}`);
  });

  function receive(message: IncomingMessage, response: ServerResponse, awaitsContinue: boolean): void {
    active++;
    const url = message.url!;
    const question = url.indexOf('?');
    const head = {
      method: message.method!,
      path: question === -1 ? url : url.slice(0, question),
      query: question === -1 ? '' : url.slice(question + 1),
      headers: message.headers,
    };
    const exchange = new Exchange(head, new NodeReply(response, () => draining));
    response.on('close', () => {
      handler.abandon(exchange);
      active--;
      if (active === 0) idle?.();
    });
    try {
      exchange.found = handler.admit(head);
      if (awaitsContinue) response.writeContinue();
    } catch (error) {
      refuse(exchange, message, response, error);
      return;
    }
    readBody(exchange, message, response);
  }

  /** An error before the body was read: the answer goes out, and what still arrives of the body is thrown away with the connection. */
  function refuse(exchange: Exchange, message: IncomingMessage, response: ServerResponse, error: unknown): void {
    const length = message.headers['content-length'];
    if ((length !== undefined && length !== '0') || message.headers['transfer-encoding'] !== undefined) response.shouldKeepAlive = false;
    message.resume();
    handler.answerError(exchange, error);
  }

  function readBody(exchange: Exchange, message: IncomingMessage, response: ServerResponse): void {
    let first: Buffer | undefined;
    let chunks: Buffer[] | undefined;
    let size = 0;
    message.on('data', (chunk: Buffer) => {
      size += chunk.length;
      if (size > handler.maxBodyBytes) {
        message.removeAllListeners('data');
        message.removeAllListeners('end');
        refuse(exchange, message, response, bodyTooLarge(handler.maxBodyBytes));
        return;
      }
      if (first === undefined) first = chunk;
      else (chunks ??= [first]).push(chunk);
    });
    message.on('end', () => handler.handle(exchange, chunks === undefined ? (first ?? emptyBody) : Buffer.concat(chunks, size)));
    // A body that is cut off: 'close' of the response follows and ends the exchange.
    message.on('error', () => {});
  }

  return {
    server,
    get active() {
      return active;
    },
    startDraining(onIdle) {
      draining = true;
      idle = onIdle;
    },
  };
}

class NodeReply implements Reply {
  readonly #response: ServerResponse;
  readonly #closing: () => boolean;

  constructor(response: ServerResponse, closing: () => boolean) {
    this.#response = response;
    this.#closing = closing;
  }

  get started(): boolean {
    return this.#response.headersSent;
  }

  get closed(): boolean {
    return this.#response.destroyed;
  }

  send(status: number, headers: ResponseHeaders, body: WholeBody, withoutBody: boolean): void {
    const response = this.#response;
    if (response.destroyed) return;
    this.#writeHead(status, status === 204 || status === 304 ? headers : { ...headers, 'content-length': String(body === undefined ? 0 : byteSize(body)) });
    if (body === undefined || withoutBody) {
      response.end();
    } else if (typeof body === 'string' || body instanceof Uint8Array) {
      response.end(body);
    } else {
      response.cork();
      for (const part of body) response.write(part);
      response.end();
      response.uncork();
    }
  }

  start(status: number, headers: ResponseHeaders): void {
    if (this.#response.destroyed) return;
    this.#writeHead(status, headers);
    this.#response.flushHeaders();
  }

  write(part: string | Uint8Array): void | Promise<void> {
    const response = this.#response;
    if (response.destroyed || response.write(part)) return;
    return new Promise((resolve) => {
      const go = (): void => {
        response.off('drain', go);
        response.off('close', go);
        resolve();
      };
      response.on('drain', go);
      response.on('close', go);
    });
  }

  end(): void {
    if (!this.#response.destroyed) this.#response.end();
  }

  destroy(): void {
    this.#response.destroy();
  }

  #writeHead(status: number, headers: ResponseHeaders): void {
    const all: OutgoingHttpHeaders = this.#closing() ? { ...headers, connection: 'close' } : { ...headers };
    this.#response.writeHead(status, all);
  }
}
