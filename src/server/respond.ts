/** Writes a response: one write for what is small, compressed where the client asks for it, streamed where it is a stream. */
import type { IncomingMessage, OutgoingHttpHeaders, ServerResponse } from 'node:http';
import { once } from 'node:events';
import { promisify } from 'node:util';
import { deflate, gzip } from 'node:zlib';
import type { HttpResponse } from '../protocol.ts';

/** Smaller bodies fit one packet: compressing them costs more than it saves. */
const minimumCompressedBytes = 1400;
const encoders = { gzip: promisify(gzip) as (body: Uint8Array | string, options: { level: number }) => Promise<Buffer>, deflate: promisify(deflate) as (body: Uint8Array | string, options: { level: number }) => Promise<Buffer> };

/** Sends `response`. Rejects only where a stream's source fails after the head was sent; the connection is destroyed then. */
export function respond(message: IncomingMessage, reply: ServerResponse, response: HttpResponse, closing: boolean): void | Promise<void> {
  const { body } = response;
  if (body !== undefined && typeof body !== 'string' && !(body instanceof Uint8Array) && !Array.isArray(body)) {
    return respondStream(message, reply, response, body as AsyncIterable<string | Uint8Array>);
  }
  const whole = body as string | Uint8Array | readonly Uint8Array[] | undefined;
  const acceptEncoding = message.headers['accept-encoding'];
  if (acceptEncoding !== undefined && whole !== undefined && response.headers?.['content-encoding'] === undefined) {
    const encoding = chooseEncoding(acceptEncoding);
    if (encoding !== undefined && sizeOf(whole) >= minimumCompressedBytes && compressible(response)) return respondCompressed(message, reply, response, whole, encoding, closing);
  }
  send(message, reply, response, whole, closing);
}

function send(message: IncomingMessage, reply: ServerResponse, response: HttpResponse, body: string | Uint8Array | readonly Uint8Array[] | undefined, closing: boolean): void {
  if (reply.destroyed) return;
  const status = response.status ?? 200;
  const headers: OutgoingHttpHeaders = { ...response.headers };
  if (status !== 204 && status !== 304) headers['content-length'] = body === undefined ? 0 : sizeOf(body);
  if (closing) headers['connection'] = 'close';
  reply.writeHead(status, headers);
  if (body === undefined || message.method === 'HEAD') {
    reply.end();
  } else if (typeof body === 'string' || body instanceof Uint8Array) {
    reply.end(body);
  } else {
    reply.cork();
    for (const part of body) reply.write(part);
    reply.end();
    reply.uncork();
  }
}

async function respondCompressed(
  message: IncomingMessage,
  reply: ServerResponse,
  response: HttpResponse,
  body: string | Uint8Array | readonly Uint8Array[],
  encoding: 'gzip' | 'deflate',
  closing: boolean,
): Promise<void> {
  const whole = typeof body === 'string' || body instanceof Uint8Array ? body : Buffer.concat(body as Uint8Array[]);
  // Level 1: answers are made once and read once; the ratio of numbers hardly grows above it.
  const compressed = await encoders[encoding](whole, { level: 1 });
  send(message, reply, { ...response, headers: { ...response.headers, 'content-encoding': encoding, vary: 'Accept-Encoding' } }, compressed, closing);
}

async function respondStream(message: IncomingMessage, reply: ServerResponse, response: HttpResponse, body: AsyncIterable<string | Uint8Array>): Promise<void> {
  const iterator = body[Symbol.asyncIterator]();
  try {
    // The first part is awaited before the head goes out, so that an error before it still has a status.
    let part = await iterator.next();
    if (reply.destroyed) return;
    reply.writeHead(response.status ?? 200, { 'cache-control': 'no-store', ...response.headers });
    if (message.method === 'HEAD') {
      reply.end();
      return;
    }
    reply.flushHeaders();
    while (part.done !== true && !reply.destroyed) {
      if (!reply.write(part.value)) await Promise.race([once(reply, 'drain'), once(reply, 'close')]);
      part = await iterator.next();
    }
    if (!reply.destroyed) reply.end();
  } catch (error) {
    if (!reply.headersSent) throw error;
    reply.destroy();
    throw error;
  } finally {
    await iterator.return?.();
  }
}

function sizeOf(body: string | Uint8Array | readonly Uint8Array[]): number {
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
