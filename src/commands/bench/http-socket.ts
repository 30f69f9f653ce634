/**
 * One keep-alive connection that sends the same bytes again and again: HTTP/1.1 over a raw socket, because a load generator that is
 * slower than the server measures itself. Reads no more of an answer than where it ends.
 */
import { connect, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';

export interface SocketTarget {
  readonly host: string;
  readonly port: number;
  readonly tls: boolean;
  /** Head and body, as they are sent. */
  readonly request: Uint8Array;
  /** The answer has no body, whatever its head says. */
  readonly headOnly: boolean;
}

export interface SocketEvents {
  /** The whole answer has come; the socket can send again. */
  onAnswer(socket: HttpSocket, status: number): void;
  /** There is no answer and will be none; the socket can send again, over a new connection. */
  onFailure(socket: HttpSocket, reason: string): void;
}

const noBytes = Buffer.alloc(0);
const longestHeadBytes = 1 << 16;

type Reading = 'head' | 'length' | 'chunk-size' | 'chunk' | 'trailers' | 'until-close';

export class HttpSocket {
  readonly #target: SocketTarget;
  readonly #events: SocketEvents;
  #socket: Socket | undefined;
  #busy = false;
  /** The connection had answered before: the server may close it just when the next request is sent, which is nobody's fault. */
  #reused = false;
  #received = false;
  #reading: Reading = 'head';
  #buffer: Buffer = noBytes;
  #left = 0;
  #status = 0;
  #closing = false;
  /** For whoever uses the socket: when the request was meant to start, and its first byte was sent. */
  intendedAtMs = 0;
  sentAtMs = 0;

  constructor(target: SocketTarget, events: SocketEvents) {
    this.#target = target;
    this.#events = events;
  }

  get busy(): boolean {
    return this.#busy;
  }

  /** Not while {@link busy}. */
  send(): void {
    this.#busy = true;
    this.#received = false;
    this.#reading = 'head';
    this.#closing = false;
    this.#socket ??= this.#connect();
    this.#socket.write(this.#target.request);
  }

  /** Gives the request under way up. */
  fail(reason: string): void {
    this.close();
    if (!this.#busy) return;
    this.#busy = false;
    this.#events.onFailure(this, reason);
  }

  /** Without an event. */
  close(): void {
    this.#socket?.destroy();
    this.#socket = undefined;
    this.#buffer = noBytes;
  }

  #connect(): Socket {
    const { host, port, tls } = this.#target;
    const socket = tls ? connectTls({ host, port, ...(/^[\d.]+$|:/.test(host) ? {} : { servername: host }) }) : connect({ host, port });
    socket.setNoDelay(true);
    this.#reused = false;
    socket.on('data', (chunk: Buffer) => {
      if (socket === this.#socket) this.#read(chunk);
    });
    let problem: string | undefined;
    socket.on('error', (error: NodeJS.ErrnoException) => (problem = error.code ?? error.message));
    socket.on('close', () => {
      if (socket !== this.#socket) return;
      this.#socket = undefined;
      this.#buffer = noBytes;
      if (!this.#busy) return;
      if (this.#reading === 'until-close' && problem === undefined) return this.#answered();
      if (this.#reused && !this.#received) return this.send();
      this.#busy = false;
      this.#events.onFailure(this, problem ?? 'closed before the answer');
    });
    return socket;
  }

  #read(chunk: Buffer): void {
    this.#received = true;
    let bytes = this.#buffer.length === 0 ? chunk : Buffer.concat([this.#buffer, chunk]);
    for (;;) {
      if (!this.#busy) return this.close();
      switch (this.#reading) {
        case 'head': {
          const end = bytes.indexOf('\r\n\r\n');
          if (end === -1) {
            if (bytes.length > longestHeadBytes) return this.fail('malformed answer');
            this.#buffer = bytes;
            return;
          }
          if (!this.#readHead(bytes.toString('latin1', 0, end + 2))) return this.fail('malformed answer');
          bytes = bytes.subarray(end + 4);
          if (this.#status >= 100 && this.#status < 200) {
            this.#reading = 'head';
            continue;
          }
          break;
        }
        case 'length':
        case 'chunk': {
          const taken = Math.min(this.#left, bytes.length);
          this.#left -= taken;
          bytes = bytes.subarray(taken);
          if (this.#left > 0) {
            this.#buffer = noBytes;
            return;
          }
          if (this.#reading === 'length') {
            this.#buffer = noBytes;
            return this.#answered();
          }
          this.#reading = 'chunk-size';
          break;
        }
        case 'chunk-size':
        case 'trailers': {
          const end = bytes.indexOf('\r\n');
          if (end === -1) {
            if (bytes.length > longestHeadBytes) return this.fail('malformed answer');
            this.#buffer = bytes;
            return;
          }
          const line = bytes.toString('latin1', 0, end);
          bytes = bytes.subarray(end + 2);
          if (this.#reading === 'trailers') {
            if (line !== '') break;
            this.#buffer = noBytes;
            return this.#answered();
          }
          const size = /^([0-9a-f]{1,12})\s*(?:;|$)/i.exec(line)?.[1];
          if (size === undefined) return this.fail('malformed answer');
          // The chunk's own line end belongs to it.
          this.#left = Number.parseInt(size, 16) + 2;
          this.#reading = size.replace(/0/g, '') === '' ? 'trailers' : 'chunk';
          break;
        }
        case 'until-close':
          this.#buffer = noBytes;
          return;
      }
    }
  }

  /** False where it is none. */
  #readHead(head: string): boolean {
    if (!/^HTTP\/1\.[01] \d{3}/.test(head)) return false;
    this.#status = Number(head.slice(9, 12));
    this.#closing = head.startsWith('HTTP/1.0') || /\r\nconnection:[^\r]*\bclose\b/i.test(head);
    const length = /\r\ncontent-length: *(\d{1,15})\r\n/i.exec(head)?.[1];
    this.#left = Number(length ?? 0);
    if (this.#target.headOnly || this.#status === 204 || this.#status === 304) {
      this.#left = 0;
      this.#reading = 'length';
    } else if (/\r\ntransfer-encoding:[^\r]*\bchunked\b/i.test(head)) this.#reading = 'chunk-size';
    else this.#reading = length === undefined ? 'until-close' : 'length';
    return true;
  }

  #answered(): void {
    this.#busy = false;
    this.#reused = true;
    if (this.#closing) this.close();
    this.#events.onAnswer(this, this.#status);
  }
}
