/** A registry for tests that need it to misbehave. Simulated: what a real one does is tested in test/containers. */
import { createHash, randomUUID } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface RegistryBehaviour {
  /** Called first; true where it answered (or cut the connection) itself. */
  intercept?(request: IncomingMessage, response: ServerResponse): boolean | Promise<boolean>;
  readonly knowsReferrers?: boolean;
}

export interface SimulatedRegistry extends AsyncDisposable {
  readonly host: string;
  readonly blobs: Map<string, Buffer>;
  readonly manifests: Map<string, { readonly type: string; readonly bytes: Buffer }>;
  /** Method and path of every request. */
  readonly requests: string[];
  behaviour: RegistryBehaviour;
}

export async function startSimulatedRegistry(behaviour: RegistryBehaviour = {}): Promise<SimulatedRegistry> {
  const blobs = new Map<string, Buffer>();
  const manifests = new Map<string, { readonly type: string; readonly bytes: Buffer }>();
  const uploads = new Map<string, Buffer>();
  const requests: string[] = [];
  const digestOf = (bytes: Buffer): string => `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
  const state = { behaviour };
  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const url = new URL(request.url!, 'http://x');
    requests.push(`${request.method} ${url.pathname}`);
    // Who only looks on must not begin the flow before the registry listens itself.
    request.pause();
    if ((await state.behaviour.intercept?.(request, response)) === true) return;
    const end = (status: number, headers: Record<string, string> = {}, body: Buffer | string = ''): void => void response.writeHead(status, { 'content-length': String(Buffer.byteLength(body)), ...headers }).end(request.method === 'HEAD' ? undefined : body);
    const upload = /^\/v2\/(.+)\/blobs\/uploads\/(.*)$/.exec(url.pathname);
    const blob = /^\/v2\/(.+)\/blobs\/(sha256:[0-9a-f]{64})$/.exec(url.pathname);
    const manifest = /^\/v2\/(.+)\/manifests\/(.+)$/.exec(url.pathname);
    if (url.pathname === '/v2/') return end(200);
    if (upload !== null) {
      const [, repository, id] = upload;
      if (request.method === 'POST') {
        const mount = url.searchParams.get('mount');
        if (mount !== null && blobs.has(mount)) return end(201, { location: `/v2/${repository}/blobs/${mount}` });
        const started = randomUUID();
        uploads.set(started, Buffer.alloc(0));
        return end(202, { location: `/v2/${repository}/blobs/uploads/${started}` });
      }
      const before = uploads.get(id!);
      if (before === undefined) return end(404, {}, JSON.stringify({ errors: [{ code: 'BLOB_UPLOAD_UNKNOWN', message: 'upload unknown' }] }));
      if (request.method === 'GET') return end(204, { location: url.pathname, range: `0-${Math.max(0, before.length - 1)}` });
      // What came before a connection broke stays, as in real ones.
      let size = before.length;
      request.on('data', (chunk: Buffer) => {
        uploads.set(id!, Buffer.concat([uploads.get(id!)!, chunk]));
        size += chunk.length;
      });
      request.resume();
      await new Promise<void>((resolve, reject) => request.on('end', resolve).on('error', reject).on('aborted', () => reject(new Error('cut'))));
      if (request.method === 'PATCH') return end(202, { location: url.pathname, range: `0-${size - 1}` });
      const bytes = uploads.get(id!)!;
      const digest = url.searchParams.get('digest')!;
      uploads.delete(id!);
      if (digestOf(bytes) !== digest) return end(400, {}, JSON.stringify({ errors: [{ code: 'DIGEST_INVALID', message: 'provided digest did not match uploaded content' }] }));
      blobs.set(digest, bytes);
      return end(201, { 'docker-content-digest': digest });
    }
    if (blob !== null) {
      const bytes = blobs.get(blob[2]!);
      if (bytes === undefined) return end(404);
      const from = Number(/^bytes=(\d+)-/.exec(request.headers.range ?? '')?.[1] ?? 0);
      return from > 0 ? end(206, { etag: '"x"' }, bytes.subarray(from)) : end(200, { etag: '"x"' }, bytes);
    }
    if (manifest !== null) {
      const key = `${manifest[1]}:${manifest[2]}`;
      if (request.method === 'PUT') {
        const chunks: Buffer[] = [];
        for await (const chunk of request) chunks.push(chunk as Buffer);
        const bytes = Buffer.concat(chunks);
        const kept = { type: request.headers['content-type']!, bytes };
        manifests.set(key, kept);
        manifests.set(`${manifest[1]}:${digestOf(bytes)}`, kept);
        const { subject } = JSON.parse(bytes.toString()) as { subject?: { digest: string } };
        return end(201, { 'docker-content-digest': digestOf(bytes), ...(subject !== undefined && state.behaviour.knowsReferrers === true ? { 'oci-subject': subject.digest } : {}) });
      }
      const kept = manifests.get(key);
      if (kept === undefined) return end(404, {}, JSON.stringify({ errors: [{ code: 'MANIFEST_UNKNOWN', message: 'manifest unknown' }] }));
      return end(200, { 'content-type': kept.type, 'docker-content-digest': digestOf(kept.bytes) }, kept.bytes);
    }
    end(404);
  };
  const server: Server = createServer((request, response) => {
    answer(request, response).catch(() => response.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    host: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    blobs,
    manifests,
    requests,
    get behaviour() {
      return state.behaviour;
    },
    set behaviour(next: RegistryBehaviour) {
      state.behaviour = next;
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
