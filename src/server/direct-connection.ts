/**
 * Exchanges straight over a socket, for requests in their usual form: one read, one write, no stream objects in between,
 * which is several times cheaper than node:http. The first request that is unusual, damaged or refused before its body is
 * handed, with its connection, to node:http, which also answers all that come after it. So there is one judge of what HTTP
 * is, and this file only recognizes what is beyond doubt.
 *
 * A connection has one exchange at a time; bytes that arrive meanwhile (pipelining) wait.
 */
import { STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import { allocateLarge } from '../lib/large-memory.ts';
import { Exchange, type ExchangeHandler } from './exchange.ts';
import { readHead, type ReadHead } from './read-head.ts';
import { byteSize, type Reply, type ResponseHeaders, type WholeBody } from './respond.ts';
import type { FoundRoute } from './router.ts';

export interface DirectConnectionOptions {
  readonly handler: ExchangeHandler;
  /** Takes the socket over, with the bytes that were read from it. */
  readonly handOver: (socket: Socket, bytes: Buffer) => void;
  readonly onClose: (connection: DirectConnection) => void;
}

const headEnd = Buffer.from('\r\n\r\n');
const emptyBody = Buffer.alloc(0);
/** A head that takes more than one packet is rare enough for node:http. */
const largestHeadBytes = 16 * 1024;
/** Reading stops while so much waits behind an unanswered request. */
const largestWaitingBytes = 1024 * 1024;
/** Bodies up to this size are gathered in memory of their declared size, larger ones as they come. */
const largestReservedBytes = 4 * 1024 * 1024;

export class DirectConnection implements Reply {
  /** 0: something was read or answered since the listener last looked. Else since when nothing was, on `performance.now()`'s clock. */
  idleSinceMs = 0;
  readonly #socket: Socket;
  readonly #options: DirectConnectionOptions;
  #exchange: Exchange | undefined;
  #started = false;
  #closing = false;
  // The last head and what it led to: a client repeats its heads.
  #headText = '';
  #generation = 0;
  #head: ReadHead | undefined;
  #found: FoundRoute | undefined;
  /** The body that is being read. */
  #body: Buffer | Buffer[] | undefined;
  #bodyBytes = 0;
  #waiting: Buffer | undefined;

  constructor(socket: Socket, options: DirectConnectionOptions) {
    this.#socket = socket;
    this.#options = options;
    socket.on('data', this.#onData);
    socket.on('end', this.#onEnd);
    socket.on('close', this.#onClose);
    socket.on('error', ignore);
  }

  /** Whether a whole request waits for its answer. */
  get busy(): boolean {
    return this.#exchange !== undefined;
  }

  /** Whether a request is being read or answered. */
  get active(): boolean {
    return this.#exchange !== undefined || this.#body !== undefined;
  }

  /** After the answer under way, or now where there is none, the connection ends. */
  endSoon(): void {
    this.#closing = true;
    if (!this.active) this.#socket.end();
  }

  readonly #onData = (chunk: Buffer): void => {
    this.idleSinceMs = 0;
    if (this.#body !== undefined) this.#readBody(chunk);
    else if (this.#exchange !== undefined) this.#wait(chunk);
    else this.#readRequest(chunk);
  };

  /** A client that ends its side has gone, as it has for node:http. */
  readonly #onEnd = (): void => {
    if (this.active) this.#socket.destroy();
    else this.#socket.end();
  };

  readonly #onClose = (): void => {
    const exchange = this.#exchange;
    this.#exchange = undefined;
    this.#body = undefined;
    if (exchange !== undefined) this.#options.handler.abandon(exchange);
    this.#options.onClose(this);
  };

  #wait(chunk: Buffer): void {
    this.#waiting = this.#waiting === undefined ? chunk : Buffer.concat([this.#waiting, chunk]);
    if (this.#waiting.length > largestWaitingBytes) this.#socket.pause();
  }

  #readRequest(chunk: Buffer): void {
    const end = chunk.indexOf(headEnd);
    if (end === -1 || end > largestHeadBytes) {
      this.#handOver(chunk);
      return;
    }
    const text = chunk.toString('latin1', 0, end);
    const { generation } = this.#options.handler;
    if (text !== this.#headText || generation !== this.#generation) {
      this.#headText = '';
      this.#head = readHead(text);
      if (this.#head === undefined) {
        this.#handOver(chunk);
        return;
      }
      try {
        this.#found = this.#options.handler.admit(this.#head);
      } catch {
        this.#handOver(chunk);
        return;
      }
      this.#headText = text;
      this.#generation = generation;
    }
    const { contentLength } = this.#head!;
    const start = end + headEnd.length;
    const here = chunk.length - start;
    if (here >= contentLength) {
      if (here > contentLength) this.#waiting = chunk.subarray(start + contentLength);
      this.#handle(contentLength === 0 ? emptyBody : chunk.subarray(start, start + contentLength));
      return;
    }
    this.#body = contentLength <= largestReservedBytes ? memoryWithAlignedEnd(contentLength) : [];
    this.#bodyBytes = 0;
    if (here > 0) this.#readBody(chunk.subarray(start));
  }

  #readBody(chunk: Buffer): void {
    const { contentLength } = this.#head!;
    const body = this.#body!;
    const missing = contentLength - this.#bodyBytes;
    const part = chunk.length <= missing ? chunk : chunk.subarray(0, missing);
    if (Array.isArray(body)) body.push(part);
    else part.copy(body, this.#bodyBytes);
    this.#bodyBytes += part.length;
    if (this.#bodyBytes < contentLength) return;
    this.#body = undefined;
    if (part.length < chunk.length) this.#waiting = chunk.subarray(missing);
    this.#handle(Array.isArray(body) ? gather(body, contentLength) : body);
  }

  #handle(body: Buffer): void {
    this.#started = false;
    const exchange = new Exchange(this.#head!, this, this.#found);
    this.#exchange = exchange;
    this.#options.handler.handle(exchange, body);
  }

  #handOver(bytes: Buffer): void {
    const socket = this.#socket;
    socket.off('data', this.#onData);
    socket.off('end', this.#onEnd);
    socket.off('close', this.#onClose);
    socket.off('error', ignore);
    this.#options.onClose(this);
    this.#options.handOver(socket, bytes);
  }

  /** The answer is on its way: the next request, or the end. */
  #finishExchange(): void {
    this.#exchange = undefined;
    this.idleSinceMs = 0;
    if (this.#closing) {
      this.#socket.end();
      return;
    }
    if (this.#waiting !== undefined) setImmediate(this.#continue);
  }

  readonly #continue = (): void => {
    const waiting = this.#waiting;
    if (waiting === undefined || this.active || this.#socket.destroyed) return;
    this.#waiting = undefined;
    if (this.#socket.isPaused()) this.#socket.resume();
    this.#readRequest(waiting);
  };

  // Reply

  get started(): boolean {
    return this.#started;
  }

  get closed(): boolean {
    return this.#socket.destroyed;
  }

  send(status: number, headers: ResponseHeaders, body: WholeBody, withoutBody: boolean): void {
    const socket = this.#socket;
    if (socket.destroyed) return;
    const size = body === undefined ? 0 : byteSize(body);
    const head = `${this.#startOfHead(status, headers)}${status === 204 || status === 304 ? '' : `content-length: ${size}\r\n`}\r\n`;
    this.#started = true;
    if (body === undefined || withoutBody) {
      socket.write(head, 'latin1');
    } else if (typeof body === 'string') {
      // A body of as many bytes as characters is ASCII.
      socket.write(head + body, size === body.length ? 'latin1' : 'utf8');
    } else {
      socket.cork();
      socket.write(head, 'latin1');
      if (body instanceof Uint8Array) socket.write(body);
      else for (const part of body) socket.write(part);
      socket.uncork();
    }
    this.#finishExchange();
  }

  start(status: number, headers: ResponseHeaders): void {
    if (this.#socket.destroyed) return;
    this.#started = true;
    this.#socket.write(`${this.#startOfHead(status, headers)}transfer-encoding: chunked\r\n\r\n`, 'latin1');
  }

  write(part: string | Uint8Array): void | Promise<void> {
    const socket = this.#socket;
    const size = byteSize(part);
    if (socket.destroyed || size === 0) return;
    socket.cork();
    socket.write(`${size.toString(16)}\r\n`, 'latin1');
    socket.write(part);
    const flowing = socket.write('\r\n', 'latin1');
    socket.uncork();
    if (flowing) return;
    return new Promise((resolve) => {
      const go = (): void => {
        socket.off('drain', go);
        socket.off('close', go);
        resolve();
      };
      socket.on('drain', go);
      socket.on('close', go);
    });
  }

  end(): void {
    if (this.#socket.destroyed) return;
    this.#socket.write('0\r\n\r\n', 'latin1');
    this.#finishExchange();
  }

  destroy(): void {
    this.#socket.destroy();
  }

  #startOfHead(status: number, headers: ResponseHeaders): string {
    return `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}\r\n${fieldLines(headers)}date: ${currentDate()}\r\n${this.#closing ? 'connection: close\r\n' : ''}`;
  }
}

function ignore(): void {}

/** Protocols answer with constant header objects; their text is made once. */
const knownFieldLines = new WeakMap<ResponseHeaders, string>();

function fieldLines(headers: ResponseHeaders): string {
  let lines = knownFieldLines.get(headers);
  if (lines === undefined) {
    lines = '';
    for (const [name, value] of Object.entries(headers)) {
      // eslint-disable-next-line no-control-regex
      if (!/^[\w-]+$/.test(name) || /[^\t\x20-\x7e\x80-\xff]/.test(value)) throw new TypeError(`the response header ${JSON.stringify(name)} has a character that HTTP does not allow`);
      lines += `${name}: ${value}\r\n`;
    }
    knownFieldLines.set(headers, lines);
  }
  return lines;
}

let date = '';
let dateMs = 0;

/** To the second, as HTTP wants it. */
function currentDate(): string {
  const now = Date.now();
  if (now - dateMs >= 1000 || now < dateMs) {
    dateMs = now - (now % 1000);
    date = new Date(now).toUTCString();
  }
  return date;
}

/** Protocols put tensors last in a body; where its end is aligned, so are the elements of nearly all of them, and nobody copies them to align them. */
function memoryWithAlignedEnd(bytes: number): Buffer {
  return allocateLarge(bytes, -bytes & 7);
}

function gather(chunks: readonly Buffer[], bytes: number): Buffer {
  const whole = memoryWithAlignedEnd(bytes);
  let offset = 0;
  for (const chunk of chunks) offset += chunk.copy(whole, offset);
  return whole;
}
