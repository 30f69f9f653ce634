/**
 * HTTP to other people's servers (registries, package indexes, hubs): through the proxy that the environment names, with private certificate authorities,
 * retried where that helps, and downloads that go on where they broke off.
 */
import { readFileSync } from 'node:fs';
import { rootCertificates } from 'node:tls';
import { setTimeout as delay } from 'node:timers/promises';
import type { Dispatcher } from 'undici';
import { ModelportError } from './errors.ts';

export type OutgoingBody = Uint8Array | string | (() => AsyncIterable<Uint8Array>);

export interface OutgoingRequest {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** A function is called once for each attempt; `content-length` must then stand in the headers where the server wants it. */
  readonly body?: OutgoingBody;
  readonly signal?: AbortSignal;
  /** Redirects that are followed. Default 10. `authorization` is not sent to another host. */
  readonly maxRedirects?: number;
  /** How often it is tried in all where the connection fails or the server says to come again (408, 429, 5xx). Default 4; 1 for what must not be repeated. */
  readonly attempts?: number;
}

export interface IncomingResponse {
  readonly status: number;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  /** After redirects. */
  readonly url: string;
  readonly body: AsyncIterable<Uint8Array>;
  /** Throws `INVALID_MODEL` where the body is larger than `maximumBytes`. */
  bytes(maximumBytes: number): Promise<Uint8Array>;
  text(maximumBytes: number): Promise<string>;
  /** Lets go of the connection without reading on. */
  discard(): Promise<void>;
}

export interface HttpClientOptions {
  /** PEM texts of certificate authorities that are trusted beside the usual ones. */
  readonly certificateAuthorities?: readonly string[];
  /** For all requests, in place of `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY`. */
  readonly proxy?: string;
  readonly noProxy?: string;
  /** Accepts any certificate; only where a person wrote that. */
  readonly insecure?: boolean;
  readonly userAgent?: string;
}

const defaultAttempts = 4;
const firstPauseMs = 250;
const longestPauseMs = 20_000;
const silenceMs = 120_000;
const retriedStatuses = new Set([408, 425, 429, 500, 502, 503, 504]);
const redirects = new Set([301, 302, 303, 307, 308]);

export class HttpClient {
  readonly #options: HttpClientOptions;
  #dispatcher: Promise<Dispatcher> | undefined;

  constructor(options: HttpClientOptions = {}) {
    this.#options = options;
  }

  /** The answer, whatever its status. Throws `UNAVAILABLE` naming the host where there is none. */
  async request(url: string, request: OutgoingRequest = {}): Promise<IncomingResponse> {
    const attempts = request.attempts ?? defaultAttempts;
    for (let attempt = 1; ; attempt++) {
      try {
        const response = await this.#follow(url, request);
        if (attempt >= attempts || !retriedStatuses.has(response.status)) return response;
        await response.discard();
        await delay(pauseMs(attempt, response.headers['retry-after']), undefined, request.signal === undefined ? {} : { signal: request.signal });
      } catch (error) {
        if (request.signal?.aborted === true) throw new ModelportError('CANCELLED', `the request to ${shownUrl(url)} was cancelled`, { cause: error });
        if (attempt >= attempts || !isPassing(error)) throw unreachable(url, error);
        await delay(pauseMs(attempt));
      }
    }
  }

  /**
   * The content of an address, from byte `from` on. Where the connection breaks it is asked for what is missing; a server that can't do that sends it again
   * and what came already is passed over. Headers that are a function are made anew for each request. Throws `NOT_FOUND`, `UNAUTHENTICATED`, `UNAVAILABLE`.
   */
  async *download(url: string, { headers = {}, from = 0, signal, onTotal }: { readonly headers?: Readonly<Record<string, string>> | (() => Readonly<Record<string, string>>); readonly from?: number; readonly signal?: AbortSignal; onTotal?(bytes: number): void } = {}): AsyncIterable<Uint8Array> {
    let received = from;
    let entityTag: string | undefined;
    for (let attempt = 1; ; attempt++) {
      const before = received;
      try {
        const range = received === 0 ? {} : { range: `bytes=${received}-`, ...(entityTag === undefined ? {} : { 'if-range': entityTag }) };
        const response = await this.request(url, { headers: { ...(typeof headers === 'function' ? headers() : headers), ...range, 'accept-encoding': 'identity' }, ...(signal === undefined ? {} : { signal }) });
        if (response.status === 416 && received > 0) {
          await response.discard();
          return;
        }
        if (response.status !== 200 && response.status !== 206) throw await statusError(response, url);
        entityTag = response.headers['etag']?.startsWith('"') === true ? response.headers['etag'] : undefined;
        const length = Number(response.headers['content-length'] ?? Number.NaN);
        const total = response.status === 206 ? received + length : length;
        if (Number.isFinite(total)) onTotal?.(total);
        let skip = response.status === 206 ? 0 : received;
        for await (const chunk of response.body) {
          const rest = chunk.subarray(Math.min(skip, chunk.byteLength));
          skip -= chunk.byteLength - rest.byteLength;
          if (rest.byteLength === 0) continue;
          received += rest.byteLength;
          yield rest;
        }
        if (Number.isFinite(total) && received < total) throw new Error(`the connection ended after ${received} of ${total} bytes`);
        return;
      } catch (error) {
        if (signal?.aborted === true) throw error;
        if (error instanceof ModelportError) throw error;
        // A connection that brings something each time is good enough.
        if (received > before) attempt = 1;
        if (attempt >= defaultAttempts) throw unreachable(url, error);
        await delay(pauseMs(attempt));
      }
    }
  }

  async close(): Promise<void> {
    const dispatcher = await this.#dispatcher;
    this.#dispatcher = undefined;
    await dispatcher?.close();
  }

  async #follow(first: string, request: OutgoingRequest): Promise<IncomingResponse> {
    let url = first;
    let { method = 'GET' } = request;
    let headers: Record<string, string> = { 'user-agent': this.#options.userAgent ?? 'modelport', ...request.headers };
    let { body } = request;
    for (let hops = 0; ; hops++) {
      const response = await this.#send(url, method, headers, body, request.signal);
      const { location } = response.headers;
      if (!redirects.has(response.status) || location === undefined || hops >= (request.maxRedirects ?? 10)) return response;
      await response.discard();
      const next = new URL(location, url);
      if (next.protocol !== 'https:' && next.protocol !== 'http:') throw new ModelportError('INVALID_USAGE', `${shownUrl(url)} redirects to ${next.protocol}, which is not followed`);
      if (url.startsWith('https:') && next.protocol === 'http:') throw new ModelportError('INVALID_USAGE', `${shownUrl(url)} redirects to ${shownUrl(next.href)}, without encryption: refused`);
      if (next.origin !== new URL(url).origin) headers = Object.fromEntries(Object.entries(headers).filter(([name]) => name.toLowerCase() !== 'authorization'));
      if (response.status === 303 || (response.status < 303 && method === 'POST')) {
        method = 'GET';
        body = undefined;
      }
      url = next.href;
    }
  }

  async #send(url: string, method: string, headers: Record<string, string>, body: OutgoingBody | undefined, signal: AbortSignal | undefined): Promise<IncomingResponse> {
    const { request } = await import('undici');
    const { Readable } = await import('node:stream');
    this.#dispatcher ??= createDispatcher(this.#options);
    const answer = await request(url, {
      method: method as Dispatcher.HttpMethod,
      headers,
      dispatcher: await this.#dispatcher,
      ...(signal === undefined ? {} : { signal }),
      ...(body === undefined ? {} : { body: typeof body === 'function' ? Readable.from(body(), { objectMode: false }) : body }),
    });
    const flat = Object.fromEntries(Object.entries(answer.headers).map(([name, value]) => [name.toLowerCase(), Array.isArray(value) ? value.join(', ') : (value ?? '')]));
    const bytes = async (maximumBytes: number): Promise<Uint8Array> => {
      const chunks: Uint8Array[] = [];
      let size = 0;
      for await (const chunk of answer.body as AsyncIterable<Uint8Array>) {
        size += chunk.byteLength;
        if (size > maximumBytes) {
          answer.body.destroy();
          throw new ModelportError('INVALID_MODEL', `${shownUrl(url)} answers with more than ${maximumBytes} bytes, which is refused`);
        }
        chunks.push(chunk);
      }
      return Buffer.concat(chunks);
    };
    return {
      status: answer.statusCode,
      headers: flat,
      url,
      body: answer.body as AsyncIterable<Uint8Array>,
      bytes,
      text: async (maximumBytes) => Buffer.from(await bytes(maximumBytes)).toString('utf8'),
      discard: async () => {
        await answer.body.dump({ limit: 65_536 }).catch(() => {});
      },
    };
  }
}

/** What an unwelcome status means to a person. Takes the beginning of the body into the message. */
export async function statusError(response: IncomingResponse, url: string = response.url): Promise<ModelportError> {
  const said = firstLine(await response.text(65_536).catch(() => ''));
  const what = `${shownUrl(url)} answered ${response.status}${said === '' ? '' : `: ${said}`}`;
  if (response.status === 401) return new ModelportError('UNAUTHENTICATED', what);
  if (response.status === 403) return new ModelportError('FORBIDDEN', what);
  if (response.status === 404 || response.status === 410) return new ModelportError('NOT_FOUND', what);
  return new ModelportError('UNAVAILABLE', what);
}

function firstLine(text: string): string {
  const plain = text.trimStart().startsWith('<') ? '' : text;
  return plain.replace(/\s+/g, ' ').trim().slice(0, 300);
}

/** Without user, password and query, which may be secrets. */
export function shownUrl(url: string): string {
  try {
    const { protocol, host, pathname } = new URL(url);
    return `${protocol}//${host}${pathname}`;
  } catch {
    return url.slice(0, 200);
  }
}

async function createDispatcher(options: HttpClientOptions): Promise<Dispatcher> {
  const { EnvHttpProxyAgent } = await import('undici');
  const extra = [...(options.certificateAuthorities ?? [])];
  // Node itself reads NODE_EXTRA_CA_CERTS only where no list of ours takes its place.
  const named = process.env['NODE_EXTRA_CA_CERTS'] ?? '';
  for (const path of new Set([named, process.env['SSL_CERT_FILE'] ?? ''])) {
    if (path === '') continue;
    try {
      extra.push(readFileSync(path, 'utf8'));
    } catch {
      // Node says so itself where it matters.
    }
  }
  const tls = { ...(extra.length === 0 ? {} : { ca: [...rootCertificates, ...extra] }), ...(options.insecure === true ? { rejectUnauthorized: false } : {}) };
  return new EnvHttpProxyAgent({
    connect: { ...tls, timeout: 15_000 },
    requestTls: tls,
    proxyTls: tls,
    headersTimeout: silenceMs,
    bodyTimeout: silenceMs,
    ...(options.proxy === undefined ? {} : { httpProxy: options.proxy, httpsProxy: options.proxy }),
    ...(options.noProxy === undefined ? {} : { noProxy: options.noProxy }),
  });
}

function pauseMs(attempt: number, retryAfter?: string): number {
  const seconds = Number(retryAfter);
  if (retryAfter !== undefined && Number.isFinite(seconds) && seconds >= 0) return Math.min(seconds * 1000, longestPauseMs);
  return Math.min(firstPauseMs * 2 ** (attempt - 1), longestPauseMs) * (0.5 + Math.random());
}

const lastingCodes = new Set(['ENOTFOUND', 'CERT_HAS_EXPIRED', 'DEPTH_ZERO_SELF_SIGNED_CERT', 'SELF_SIGNED_CERT_IN_CHAIN', 'UNABLE_TO_VERIFY_LEAF_SIGNATURE', 'ERR_TLS_CERT_ALTNAME_INVALID', 'UNABLE_TO_GET_ISSUER_CERT_LOCALLY', 'ERR_INVALID_URL', 'UND_ERR_INVALID_ARG']);

function isPassing(error: unknown): boolean {
  if (error instanceof ModelportError) return false;
  return !lastingCodes.has(codeOf(error));
}

function codeOf(error: unknown): string {
  const { code, cause } = error as { code?: unknown; cause?: { code?: unknown } };
  return typeof code === 'string' ? code : typeof cause?.code === 'string' ? cause.code : '';
}

function unreachable(url: string, error: unknown): Error {
  if (error instanceof ModelportError) return error;
  const code = codeOf(error);
  const advice = /CERT|SELF_SIGNED|VERIFY|ISSUER/.test(code) ? '. Its certificate is not trusted: name your authority in NODE_EXTRA_CA_CERTS' : '';
  return new ModelportError('UNAVAILABLE', `can't reach ${shownUrl(url)}: ${error instanceof Error ? error.message || code : String(error)}${advice}`, { cause: error });
}
