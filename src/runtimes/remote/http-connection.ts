/** Requests to one server over connections that stay open. */
import { Agent as HttpAgent, request as httpRequest, type IncomingMessage } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import type { Call } from '../../call.ts';
import { ModelportError } from '../../errors.ts';

export interface ConnectionOptions {
  /** Sent with every request. */
  readonly headers: Readonly<Record<string, string>>;
  readonly timeoutMs: number;
  readonly maxResponseBytes: number;
}

export interface Answer {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  readonly body: Uint8Array;
}

export interface Outgoing {
  readonly method: 'GET' | 'POST';
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly parts?: readonly Uint8Array[];
  readonly sizeBytes?: number;
  /** Whether it may be sent again when a connection that had been kept open turns out to be closed. */
  readonly repeatable: boolean;
}

export class HttpConnection {
  readonly url: URL;
  readonly #options: ConnectionOptions;
  readonly #agent: HttpAgent;
  readonly #request: typeof httpRequest;

  constructor(url: URL, options: ConnectionOptions) {
    this.url = url;
    this.#options = options;
    const secure = url.protocol === 'https:';
    this.#agent = new (secure ? HttpsAgent : HttpAgent)({ keepAlive: true, maxFreeSockets: 256 });
    this.#request = secure ? httpsRequest : httpRequest;
  }

  close(): void {
    this.#agent.destroy();
  }

  /** Rejects with `UNAVAILABLE`, `DEADLINE_EXCEEDED` or `CANCELLED`; an answer of any status resolves. */
  async send(outgoing: Outgoing, call?: Call): Promise<Answer> {
    try {
      return await this.#attempt(outgoing, call);
    } catch (error) {
      if (!(error instanceof StaleConnection)) throw error;
      return await this.#attempt({ ...outgoing, repeatable: false }, call);
    }
  }

  #attempt(outgoing: Outgoing, call: Call | undefined): Promise<Answer> {
    const { timeoutMs, maxResponseBytes } = this.#options;
    return new Promise((resolve, reject) => {
      const request = this.#request({
        protocol: this.url.protocol,
        hostname: this.url.hostname.replace(/^\[|\]$/g, ''),
        port: this.url.port,
        method: outgoing.method,
        path: this.url.pathname.replace(/\/$/, '') + outgoing.path,
        agent: this.#agent,
        headers: { ...this.#options.headers, ...outgoing.headers, ...(outgoing.sizeBytes === undefined ? {} : { 'content-length': String(outgoing.sizeBytes) }) },
      });
      let ended = false;
      const end = (settle: () => void): void => {
        if (ended) return;
        ended = true;
        clearTimeout(timer);
        release?.();
        settle();
      };
      const fail = (error: Error): void => end(() => reject(error));
      const abort = (error: Error): void => {
        fail(error);
        request.destroy();
      };
      const untilDeadlineMs = call?.deadlineMs === undefined ? Infinity : call.deadlineMs - performance.now();
      const timer = setTimeout(
        () => abort(untilDeadlineMs <= timeoutMs ? new ModelportError('DEADLINE_EXCEEDED', 'the deadline passed while the remote server worked') : this.#unavailable(`gave no answer in ${timeoutMs} ms`)),
        Math.max(0, Math.min(timeoutMs, untilDeadlineMs)),
      );
      const release = call?.onCancel(() => abort(new ModelportError('CANCELLED', 'the request was cancelled')));
      if (ended) return;
      request.on('error', (error: NodeJS.ErrnoException) => {
        const stale = outgoing.repeatable && request.reusedSocket && (error.code === 'ECONNRESET' || error.code === 'EPIPE');
        fail(stale ? new StaleConnection() : this.#unavailable(`cannot be reached: ${error.message}`, error));
      });
      request.on('response', (response) => {
        const chunks: Buffer[] = [];
        let sizeBytes = 0;
        response.on('data', (chunk: Buffer) => {
          sizeBytes += chunk.length;
          if (sizeBytes > maxResponseBytes) abort(new ModelportError('RUN_FAILED', `${this.url.origin} answered more than ${maxResponseBytes} bytes`));
          else chunks.push(chunk);
        });
        response.on('end', () => end(() => resolve({ status: response.statusCode ?? 0, headers: response.headers, body: chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks) })));
        response.on('error', (error) => fail(this.#unavailable(`broke off its answer: ${error.message}`, error)));
      });
      for (const part of outgoing.parts ?? []) request.write(part);
      request.end();
    });
  }

  #unavailable(what: string, cause?: unknown): ModelportError {
    return new ModelportError('UNAVAILABLE', `the remote server ${this.url.origin} ${what}`, { retryAfterSeconds: 1, ...(cause === undefined ? {} : { cause }) });
  }
}

class StaleConnection extends Error {}
