/** From a protocol's response to a reply: whole or streamed, compressed where the client asks for it. */
import { promisify } from 'node:util';
import { deflate, gzip } from 'node:zlib';
import type { HttpResponse } from '../protocol.ts';
import type { RequestHead } from './exchange.ts';

export type WholeBody = string | Uint8Array | readonly Uint8Array[] | undefined;
export type ResponseHeaders = Readonly<Record<string, string>>;

/** Where a connection takes an answer: either `send` once, or `start`, any number of `write`, `end`. */
export interface Reply {
  /** Whether the head was sent. */
  readonly started: boolean;
  /** Whether the client can't receive anything any more. */
  readonly closed: boolean;
  /** The headers are a constant of the protocol or made for this answer; `content-length` is added. */
  send(status: number, headers: ResponseHeaders, body: WholeBody, withoutBody: boolean): void;
  start(status: number, headers: ResponseHeaders): void;
  /** Resolves when more may be written; at once where nothing is held back. */
  write(part: string | Uint8Array): void | Promise<void>;
  end(): void;
  /** Ends the connection, so that the client sees that the answer is not whole. */
  destroy(): void;
}

/** Smaller bodies fit one packet: compressing them costs more than it saves. */
const minimumCompressedBytes = 1400;
type Encoder = (body: Uint8Array | string, options: { level: number }) => Promise<Buffer>;
const encoders: Readonly<Record<'gzip' | 'deflate', Encoder>> = { gzip: promisify(gzip) as Encoder, deflate: promisify(deflate) as Encoder };
const noHeaders: ResponseHeaders = {};

/** Rejects where a stream's source fails: after the head was sent the connection is destroyed first. */
export function respond(head: RequestHead, reply: Reply, response: HttpResponse): void | Promise<void> {
  const { body } = response;
  if (body !== undefined && typeof body !== 'string' && !(body instanceof Uint8Array) && !Array.isArray(body)) {
    return respondStream(head, reply, response, body as AsyncIterable<string | Uint8Array>);
  }
  const whole = body as WholeBody;
  const acceptEncoding = head.headers['accept-encoding'];
  if (acceptEncoding !== undefined && whole !== undefined && response.compress !== false && response.headers?.['content-encoding'] === undefined) {
    const encoding = chooseEncoding(acceptEncoding as string);
    if (encoding !== undefined && byteSize(whole) >= minimumCompressedBytes && compressible(response)) return respondCompressed(head, reply, response, whole, encoding);
  }
  reply.send(response.status ?? 200, response.headers ?? noHeaders, whole, head.method === 'HEAD');
}

async function respondCompressed(head: RequestHead, reply: Reply, response: HttpResponse, body: string | Uint8Array | readonly Uint8Array[], encoding: 'gzip' | 'deflate'): Promise<void> {
  const whole = typeof body === 'string' || body instanceof Uint8Array ? body : Buffer.concat(body);
  // Level 1: answers are made once and read once; the ratio of numbers hardly grows above it.
  const compressed = await encoders[encoding](whole, { level: 1 });
  reply.send(response.status ?? 200, { ...response.headers, 'content-encoding': encoding, vary: 'Accept-Encoding' }, compressed, head.method === 'HEAD');
}

async function respondStream(head: RequestHead, reply: Reply, response: HttpResponse, body: AsyncIterable<string | Uint8Array>): Promise<void> {
  const iterator = body[Symbol.asyncIterator]();
  try {
    // The first part is awaited before the head goes out, so that an error before it still has a status.
    let part = await iterator.next();
    if (reply.closed) return;
    const headers = { 'cache-control': 'no-store', ...response.headers };
    if (head.method === 'HEAD') {
      reply.send(response.status ?? 200, headers, undefined, true);
      return;
    }
    reply.start(response.status ?? 200, headers);
    while (part.done !== true && !reply.closed) {
      const held = reply.write(part.value);
      if (held !== undefined) await held;
      part = await iterator.next();
    }
    reply.end();
  } catch (error) {
    if (reply.started) reply.destroy();
    throw error;
  } finally {
    await iterator.return?.();
  }
}

export function byteSize(body: string | Uint8Array | readonly Uint8Array[]): number {
  if (typeof body === 'string') return Buffer.byteLength(body);
  if (body instanceof Uint8Array) return body.byteLength;
  let total = 0;
  for (const part of body) total += part.byteLength;
  return total;
}

function chooseEncoding(accept: string): 'gzip' | 'deflate' | undefined {
  for (const encoding of ['gzip', 'deflate'] as const) {
    const match = new RegExp(`(?:^|,)\\s*${encoding}\\s*(?:;\\s*q=([\\d.]+))?\\s*(?:,|$)`, 'i').exec(accept);
    if (match !== null && Number(match[1] ?? 1) > 0) return encoding;
  }
  return undefined;
}

function compressible(response: HttpResponse): boolean {
  const type = response.headers?.['content-type'] ?? '';
  return !/^(?:image\/(?!svg)|video\/|audio\/)|zip|gzip|woff2/.test(type);
}
