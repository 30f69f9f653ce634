/**
 * The page at `/`: the built files of `ui/`, `ui/models`, which tells it what is served, `ui/queue`, how many wait, and `ui/flags`, where flagged
 * answers are kept (types: `ui/src/api-types.ts`).
 */
import { readFile } from 'node:fs/promises';
import { createHash } from 'node:crypto';
import { extname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ModelportError } from '../../errors.ts';
import type { HttpRequest, HttpResponse, Protocol, Route } from '../../protocol.ts';
import type { ModelRepository } from '../../repository.ts';
import { describePage, describeQueue } from './describe-page.ts';
import { FlagStore } from './flags.ts';

const folder = fileURLToPath(new URL('../../ui/', import.meta.url));

const contentTypes: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
  '.json': 'application/json',
  '.webmanifest': 'application/manifest+json',
};

// Inline styles: React sets style attributes. Blob and data images: what a person draws or drops is shown before it is sent; masks and sound come as data URLs.
const contentSecurityPolicy = "default-src 'self'; img-src 'self' data: blob:; media-src 'self' data: blob:; style-src 'self' 'unsafe-inline'; object-src 'none'; base-uri 'self'";

export const page: Protocol = {
  name: 'page',
  routes: ({ repository, server }) => [
    { method: 'GET', path: '/', door: 'public', handle: (request) => file('index.html', request) },
    { method: 'GET', path: '/assets/:file', door: 'public', handle: (request) => file(`assets/${request.parameters['file']!}`, request) },
    { method: 'GET', path: '/favicon.svg', door: 'public', handle: (request) => file('favicon.svg', request) },
    {
      method: 'GET',
      path: '/ui/models',
      door: 'inference',
      handle: () => json(describePage(repository, server)),
    },
    {
      method: 'GET',
      path: '/ui/queue/:model/:version',
      door: 'inference',
      handle: ({ parameters }) => json(describeQueue(repository.get(parameters['model']!, parameters['version']))),
    },
    ...(server.cacheDirectory === undefined ? [] : flagRoutes(repository, new FlagStore(server.cacheDirectory))),
  ],
};

/** Flags hold what people entered, so they are behind the management door: loopback, or the management key. */
function flagRoutes(repository: ModelRepository, store: FlagStore): Route[] {
  const door = 'management';
  return [
    { method: 'GET', path: '/ui/flags/:model', door, handle: async ({ parameters }) => json(await store.count(repository.get(parameters['model']!).name)) },
    {
      method: 'GET',
      path: '/ui/flags/:model/lines',
      door,
      handle: async ({ parameters }) => {
        const lines = await store.read(repository.get(parameters['model']!).name);
        if (lines === undefined) throw new ModelportError('NOT_FOUND', `no answer of '${parameters['model']!}' was flagged`);
        return { headers: { 'content-type': 'application/x-ndjson', 'cache-control': 'no-store', 'content-disposition': 'attachment; filename="flags.jsonl"' }, body: lines };
      },
    },
    {
      method: 'POST',
      path: '/ui/flags/:model/:version',
      door,
      handle: async ({ parameters, body }) => {
        const { name, version } = repository.get(parameters['model']!, parameters['version']);
        return { ...json({ count: await store.add({ model: name, version }, body, new Date()) }), status: 201 };
      },
    },
    {
      method: 'DELETE',
      path: '/ui/flags/:model',
      door,
      handle: async ({ parameters }) => {
        await store.clear(repository.get(parameters['model']!).name);
        return { status: 204 };
      },
    },
  ];
}

function json(value: unknown): HttpResponse {
  return { headers: { 'content-type': 'application/json', 'cache-control': 'no-store' }, body: JSON.stringify(value) };
}

interface CachedFile {
  readonly body: Buffer;
  readonly etag: string;
}

/** Files of the page by name; they don't change while the server runs. */
const files = new Map<string, Promise<CachedFile>>();

async function file(name: string, request: HttpRequest): Promise<HttpResponse> {
  if (!/^(?:assets\/)?[\w-][\w.-]*$/.test(name)) throw missing(request);
  let cached = files.get(name);
  if (cached === undefined) {
    cached = readFile(join(folder, name)).then((body) => ({ body, etag: `"${createHash('sha256').update(body).digest('base64url').slice(0, 22)}"` }));
    // Only what exists is remembered, so that made-up names don't fill the memory.
    cached.then(() => files.set(name, cached!), () => {});
  }
  let content: CachedFile;
  try {
    content = await cached;
  } catch (cause) {
    if (name === 'index.html') throw new ModelportError('NOT_FOUND', 'this build has no page: run `npm run build:ui`', { cause });
    throw missing(request);
  }
  const headers: Record<string, string> = {
    'content-type': contentTypes[extname(name)] ?? 'application/octet-stream',
    etag: content.etag,
    // Names below assets/ hold a digest of their content.
    'cache-control': name.startsWith('assets/') ? 'public, max-age=31536000, immutable' : 'no-cache',
    'x-content-type-options': 'nosniff',
    ...(name === 'index.html' ? { 'content-security-policy': contentSecurityPolicy, 'referrer-policy': 'same-origin' } : {}),
  };
  if (request.headers['if-none-match'] === content.etag) return { status: 304, headers };
  return { headers, body: content.body };
}

function missing(request: HttpRequest): ModelportError {
  return new ModelportError('NOT_FOUND', `there is nothing at ${request.path.slice(0, 200)}`);
}
