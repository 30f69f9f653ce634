import { connect } from 'node:net';
import { request as httpRequest, Agent } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { deflateRawSync, deflateSync, gunzipSync, gzipSync } from 'node:zlib';
import { afterEach, describe, expect, test } from 'vitest';
import type { Call } from '../../src/call.ts';
import { ModelportError } from '../../src/errors.ts';
import type { HttpRequest, HttpResponse, Protocol, Route } from '../../src/protocol.ts';
import { createGuard, KeySet } from '../../src/server/guard.ts';
import type { RequestEvent } from '../../src/server/exchange.ts';
import { listenHttp, type HttpListener } from '../../src/server/http-listener.ts';
import { createRouter } from '../../src/server/router.ts';

const listeners: HttpListener[] = [];
afterEach(async () => {
  await Promise.all(listeners.splice(0).map((listener) => listener.close()));
});

type Handler = (request: HttpRequest, call: Call) => HttpResponse | Promise<HttpResponse>;

async function start(handlers: Readonly<Record<string, Handler>>, options: { maxBodyBytes?: number; doors?: Record<string, Route['door']>; guard?: Parameters<typeof createGuard>[0]; events?: RequestEvent[] } = {}) {
  const protocol: Protocol = {
    name: 'test',
    routes: () =>
      Object.entries(handlers).map(([key, handle]) => {
        const [method, path] = key.split(' ') as [Route['method'], string];
        return { method, path, door: options.doors?.[key] ?? 'public', handle };
      }),
  };
  const listener = await listenHttp({
    host: '127.0.0.1',
    port: 0,
    maxBodyBytes: options.maxBodyBytes ?? 1_000_000,
    router: createRouter([protocol], {} as never),
    guard: createGuard(options.guard ?? { host: '127.0.0.1' }),
    observeAll: true,
    onRequest: (event) => options.events?.push(event),
  });
  listeners.push(listener);
  return { listener, url: `http://127.0.0.1:${listener.port}` };
}

const echo: Handler = (request) => ({ headers: { 'content-type': 'text/plain' }, body: request.body });

/** Sends bytes as they are and gives what comes back until the server closes or `untilMs` passed. */
async function raw(port: number, bytes: string | Buffer, untilMs = 2000): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => socket.write(bytes));
    let answer = '';
    socket.on('data', (chunk) => (answer += chunk.toString('latin1')));
    socket.on('close', () => resolve(answer));
    socket.on('error', () => resolve(answer));
    setTimeout(() => socket.destroy(), untilMs).unref();
  });
}

describe('bodies', () => {
  test.each([
    ['gzip', gzipSync],
    ['deflate', deflateSync],
    ['deflate', deflateRawSync],
  ] as const)('%s is undone', async (encoding, compress) => {
    const { url } = await start({ 'POST /echo': echo });
    const answer = await fetch(`${url}/echo`, { method: 'POST', headers: { 'content-encoding': encoding }, body: compress('hello'.repeat(100)) });
    expect(await answer.text()).toBe('hello'.repeat(100));
  });

  test('a body over the limit is refused before it is read, in either way of sending it', async () => {
    const { url, listener } = await start({ 'POST /echo': echo }, { maxBodyBytes: 1000 });
    const declared = await fetch(`${url}/echo`, { method: 'POST', body: 'x'.repeat(1001) });
    expect(declared.status).toBe(413);
    expect(((await declared.json()) as { error: string }).error).toContain('--max-body');
    const chunked = await raw(listener.port, `POST /echo HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n${'1f4\r\n' + 'x'.repeat(500) + '\r\n'}${'1f4\r\n' + 'x'.repeat(500) + '\r\n'}${'1f4\r\n' + 'x'.repeat(500)}`);
    expect(chunked).toMatch(/^HTTP\/1.1 413/);
    expect((await fetch(`${url}/echo`, { method: 'POST', body: 'x'.repeat(1000) })).status).toBe(200);
  });

  test('a compressed bomb is refused', async () => {
    const { url } = await start({ 'POST /echo': echo }, { maxBodyBytes: 100_000 });
    const answer = await fetch(`${url}/echo`, { method: 'POST', headers: { 'content-encoding': 'gzip' }, body: gzipSync(Buffer.alloc(10_000_000)) });
    expect(answer.status).toBe(413);
  });

  test('damaged and unknown encodings are named', async () => {
    const { url } = await start({ 'POST /echo': echo });
    const damaged = await fetch(`${url}/echo`, { method: 'POST', headers: { 'content-encoding': 'gzip' }, body: 'not gzip' });
    expect([damaged.status, await damaged.text()]).toEqual([400, expect.stringContaining('not valid gzip')]);
    const unknown = await fetch(`${url}/echo`, { method: 'POST', headers: { 'content-encoding': 'snappy' }, body: 'x' });
    expect([unknown.status, await unknown.text()]).toEqual([415, expect.stringContaining("'snappy'")]);
  });

  test('a body that is cut off reaches no handler, and the next request is answered', async () => {
    let handled = 0;
    const { url, listener } = await start({ 'POST /echo': (request) => (handled++, { body: request.body }) });
    const socket = connect(listener.port, '127.0.0.1');
    socket.write('POST /echo HTTP/1.1\r\nhost: localhost\r\ncontent-length: 100\r\n\r\nhalf');
    await sleep(50);
    socket.destroy();
    await sleep(50);
    expect(handled).toBe(0);
    expect(listener.active).toBe(0);
    expect((await fetch(`${url}/echo`, { method: 'POST', body: 'x' })).status).toBe(200);
  });

  test('100-continue is given only to acceptable heads', async () => {
    const { listener } = await start({ 'POST /echo': echo }, { maxBodyBytes: 10 });
    const head = (length: number) => `POST /echo HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\nexpect: 100-continue\r\ncontent-length: ${length}\r\n\r\n`;
    expect(await raw(listener.port, head(5) + 'hello')).toMatch(/^HTTP\/1.1 100 Continue\r\n\r\nHTTP\/1.1 200/);
    expect(await raw(listener.port, head(50))).toMatch(/^HTTP\/1.1 413/);
  });
});

describe('answers', () => {
  test('large text is compressed for those who ask, small and binary images are not', async () => {
    const text = JSON.stringify(Array.from({ length: 1000 }, (_, index) => index));
    const { listener } = await start({
      'GET /large': () => ({ headers: { 'content-type': 'application/json' }, body: text }),
      'GET /small': () => ({ headers: { 'content-type': 'application/json' }, body: '{}' }),
      'GET /image': () => ({ headers: { 'content-type': 'image/png' }, body: Buffer.alloc(5000) }),
    });
    const get = (path: string, accept?: string) =>
      new Promise<{ encoding: string | undefined; body: Buffer }>((resolve, reject) => {
        httpRequest({ port: listener.port, path, headers: accept === undefined ? {} : { 'accept-encoding': accept } }, (answer) => {
          const chunks: Buffer[] = [];
          answer.on('data', (chunk: Buffer) => chunks.push(chunk));
          answer.on('end', () => resolve({ encoding: answer.headers['content-encoding'], body: Buffer.concat(chunks) }));
        })
          .on('error', reject)
          .end();
      });
    const compressed = await get('/large', 'gzip, deflate');
    expect(compressed.encoding).toBe('gzip');
    expect(gunzipSync(compressed.body).toString()).toBe(text);
    expect((await get('/large')).encoding).toBeUndefined();
    expect((await get('/large', 'gzip;q=0')).encoding).toBeUndefined();
    expect((await get('/large', 'deflate')).encoding).toBe('deflate');
    expect((await get('/small', 'gzip')).encoding).toBeUndefined();
    expect((await get('/image', 'gzip')).encoding).toBeUndefined();
  });

  test('HEAD is GET without its body', async () => {
    const { url } = await start({ 'GET /x': () => ({ body: 'hello' }) });
    const answer = await fetch(`${url}/x`, { method: 'HEAD' });
    expect([answer.status, answer.headers.get('content-length'), await answer.text()]).toEqual([200, '5', '']);
  });

  test('unknown paths and methods say what there is', async () => {
    const { url } = await start({ 'POST /v2/models/:model/infer': echo });
    expect((await fetch(`${url}/nothing`)).status).toBe(404);
    const wrong = await fetch(`${url}/v2/models/m/infer`);
    expect([wrong.status, wrong.headers.get('allow')]).toEqual([405, 'POST']);
  });

  test('path parameters are decoded, and damaged ones refused', async () => {
    const { url } = await start({ 'GET /m/:name': (request) => ({ body: request.parameters['name']! }) });
    expect(await (await fetch(`${url}/m/a%20b%2Fc`)).text()).toBe('a b/c');
    const damaged = await fetch(`${url}/m/%E0%A4%A`);
    expect(damaged.status).toBeGreaterThanOrEqual(400);
    expect(damaged.status).toBeLessThan(500);
  });

  test('a defect is answered 500 without its text, and reported', async () => {
    const events: RequestEvent[] = [];
    const { url } = await start({ 'GET /x': () => Promise.reject(new Error('secret detail')) }, { events });
    const answer = await fetch(`${url}/x`);
    expect(answer.status).toBe(500);
    expect(await answer.text()).not.toContain('secret');
    expect((events[0]!.error as Error).message).toBe('secret detail');
  });

  test('an error says when to come back', async () => {
    const { url } = await start({
      'GET /x': () => {
        throw new ModelportError('QUEUE_FULL', 'Exceeds maximum queue size', { retryAfterSeconds: 1.2 });
      },
    });
    const answer = await fetch(`${url}/x`);
    expect([answer.status, answer.headers.get('retry-after')]).toEqual([503, '2']);
  });

  test('a stream is sent part by part, and ends its source when the client leaves', async () => {
    let ended = false;
    const { url } = await start({
      'GET /events': (_request, call) => ({
        headers: { 'content-type': 'text/event-stream' },
        body: (async function* () {
          try {
            for (let index = 0; !call.cancelled; index++) {
              yield `data: ${index}\n\n`;
              await sleep(5);
            }
          } finally {
            ended = true;
          }
        })(),
      }),
    });
    const abort = new AbortController();
    const answer = await fetch(`${url}/events`, { signal: abort.signal });
    const reader = answer.body!.getReader();
    expect(new TextDecoder().decode((await reader.read()).value)).toContain('data: 0');
    abort.abort();
    await expect.poll(() => ended).toBe(true);
  });

  test('an error before the first part of a stream still has its status', async () => {
    const { url } = await start({
      'GET /events': () => ({
        body: (async function* (): AsyncGenerator<string> {
          throw new ModelportError('UNAVAILABLE', 'not loaded');
          yield '';
        })(),
      }),
    });
    expect((await fetch(`${url}/events`)).status).toBe(503);
  });
});

describe('the life of a call', () => {
  test('it is cancelled when the client goes away', async () => {
    let cancelled = false;
    const { url } = await start({
      'POST /slow': (_request, call) =>
        new Promise((resolve) => {
          call.onCancel(() => {
            cancelled = true;
            resolve({});
          });
        }),
    });
    const abort = new AbortController();
    const answer = fetch(`${url}/slow`, { method: 'POST', body: 'x', signal: abort.signal });
    setTimeout(() => abort.abort(), 50);
    await expect(answer).rejects.toThrow();
    await expect.poll(() => cancelled).toBe(true);
  });

  test('id, deadline and trace come from headers', async () => {
    let seen: Call | undefined;
    const { url } = await start({ 'GET /x': (_request, call) => ((seen = call), {}) });
    await fetch(`${url}/x`, { headers: { 'x-request-id': 'abc', 'x-request-timeout-ms': '1000', traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01' } });
    expect(seen!.id).toBe('abc');
    expect(seen!.deadlineMs! - performance.now()).toBeGreaterThan(0);
    expect(seen!.trace).toEqual({ traceId: '0af7651916cd43dd8448eb211c80319c', spanId: 'b7ad6b7169203331', sampled: true });
    expect((await fetch(`${url}/x`, { headers: { 'x-request-timeout-ms': 'soon' } })).status).toBe(400);
    await fetch(`${url}/x`, { headers: { traceparent: '00-00000000000000000000000000000000-b7ad6b7169203331-01' } });
    expect(seen!.trace).toBeUndefined();
  });

  test('draining answers everything that was accepted, on kept-alive connections too', async () => {
    const { url, listener } = await start({ 'GET /slow': async () => (await sleep(100), { body: 'done' }), 'GET /quick': () => ({ body: 'quick' }) });
    const agent = new Agent({ keepAlive: true });
    const get = (path: string) =>
      new Promise<{ body: string; connection: string | undefined }>((resolve, reject) => {
        httpRequest(`${url}${path}`, { agent }, (answer) => {
          let body = '';
          answer.on('data', (chunk: Buffer) => (body += chunk.toString()));
          answer.on('end', () => resolve({ body, connection: answer.headers.connection }));
        })
          .on('error', reject)
          .end();
      });
    await get('/quick');
    const slow = get('/slow');
    await sleep(20);
    const drained = listener.drain(5000);
    expect((await slow).body).toBe('done');
    expect(await drained).toBe(true);
    await expect(fetch(`${url}/quick`)).rejects.toThrow();
    agent.destroy();
  });

  test('draining gives up after its time', async () => {
    const { url, listener } = await start({ 'GET /never': () => new Promise(() => {}) });
    void fetch(`${url}/never`).catch(() => {});
    await sleep(50);
    expect(await listener.drain(100)).toBe(false);
  });
});

describe('the guard', () => {
  const doors = { 'POST /infer': 'inference', 'POST /load': 'management', 'GET /live': 'public' } as const;
  const handlers = { 'POST /infer': echo, 'POST /load': echo, 'GET /live': () => ({ body: 'ok' }) };
  const send = (port: number, path: string, headers: Record<string, string>, method = 'POST') =>
    raw(port, `${method} ${path} HTTP/1.1\r\nconnection: close\r\n${Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`).join('')}content-length: 0\r\n\r\n`).then((answer) => Number(answer.slice(9, 12)));

  test('a foreign Host is refused on loopback', async () => {
    const { listener } = await start(handlers, { doors });
    for (const host of ['localhost', '127.0.0.1', '127.0.0.1:8000', '[::1]:8000', 'app.localhost:1']) expect(await send(listener.port, '/infer', { host })).toBe(200);
    for (const host of ['evil.example', 'localhost.evil.example', '10.0.0.1', 'evil.example:8000', 'localhost@evil']) expect(await send(listener.port, '/infer', { host })).toBe(403);
  });

  test('a foreign Origin may not change anything, and reads nothing', async () => {
    const { listener, url } = await start(handlers, { doors, guard: { host: '127.0.0.1', allowedOrigins: ['https://friend.example'] } });
    const host = `127.0.0.1:${listener.port}`;
    expect(await send(listener.port, '/infer', { host, origin: 'https://evil.example' })).toBe(403);
    expect(await send(listener.port, '/infer', { host, origin: 'null' })).toBe(403);
    expect(await send(listener.port, '/infer', { host, origin: `http://${host}` })).toBe(200);
    const read = await fetch(`${url}/live`, { headers: { origin: 'https://evil.example' } });
    expect(read.headers.get('access-control-allow-origin')).toBeNull();
    const friend = await fetch(`${url}/infer`, { method: 'POST', headers: { origin: 'https://friend.example' } });
    expect([friend.status, friend.headers.get('access-control-allow-origin')]).toEqual([200, 'https://friend.example']);
  });

  test('keys open doors', async () => {
    const guard = { host: '127.0.0.1', apiKeys: new KeySet(['inference-key-0001']), managementKeys: new KeySet(['management-key-01']) };
    const { listener } = await start(handlers, { doors, guard });
    const host = 'localhost';
    expect(await send(listener.port, '/live', { host }, 'GET')).toBe(200);
    expect(await send(listener.port, '/infer', { host })).toBe(401);
    expect(await send(listener.port, '/infer', { host, authorization: 'Bearer wrong' })).toBe(401);
    expect(await send(listener.port, '/infer', { host, authorization: 'Bearer inference-key-0001' })).toBe(200);
    expect(await send(listener.port, '/infer', { host, 'x-api-key': 'inference-key-0001' })).toBe(200);
    expect(await send(listener.port, '/load', { host, authorization: 'Bearer inference-key-0001' })).toBe(401);
    expect(await send(listener.port, '/load', { host, authorization: 'Bearer management-key-01' })).toBe(200);
  });

  test('a refusal looks as errors look on the wire of the route', async () => {
    const protocol: Protocol = {
      name: 'own',
      routes: () => [{ method: 'POST', path: '/infer', door: 'inference', handle: echo }],
      errorResponse: (error) => ({ status: 401, body: `own words: ${(error as ModelportError).code}` }),
    };
    const guard = createGuard({ host: '127.0.0.1', apiKeys: new KeySet(['inference-key-0001']) });
    const listener = await listenHttp({ host: '127.0.0.1', port: 0, maxBodyBytes: 1000, router: createRouter([protocol], {} as never), guard, observeAll: true, onRequest: () => {} });
    listeners.push(listener);
    const response = await fetch(`http://127.0.0.1:${listener.port}/infer`, { method: 'POST', body: 'x' });
    expect([response.status, await response.text()]).toEqual([401, 'own words: UNAUTHENTICATED']);
  });

  test('management is closed elsewhere without a key', () => {
    const request = { method: 'POST', host: 'model.example', origin: undefined, key: undefined };
    expect(() => createGuard({ host: '0.0.0.0' }).check(request, 'management')).toThrow('--management-key-file');
    expect(() => createGuard({ host: '0.0.0.0' }).check(request, 'inference')).not.toThrow();
    expect(() => createGuard({ host: '0.0.0.0', allowedHosts: ['other.example'] }).check(request, 'inference')).toThrow('--allowed-host');
    expect(() => createGuard({ host: '127.0.0.1' }).check({ ...request, host: 'localhost' }, 'management')).not.toThrow();
  });
});

describe('fuzz', () => {
  test('no bytes take the listener down', async () => {
    const { listener, url } = await start({ 'POST /echo': echo });
    let seed = 7;
    const random = () => ((seed = (seed * 1103515245 + 12345) & 0x7fffffff) / 0x7fffffff);
    const valid = 'POST /echo?x=1 HTTP/1.1\r\nhost: localhost\r\ncontent-length: 5\r\nconnection: close\r\n\r\nhello';
    const runs = Math.min(Number(process.env['MODELPORT_FUZZ_RUNS'] ?? 2000), 20_000);
    for (let batch = 0; batch < runs; batch += 50) {
      await Promise.all(
        Array.from({ length: 50 }, () => {
          const bytes = Buffer.from(valid, 'latin1');
          for (let mutation = 0; mutation < 1 + random() * 6; mutation++) bytes[Math.floor(random() * bytes.length)] = Math.floor(random() * 256);
          return raw(listener.port, bytes.subarray(0, Math.floor(bytes.length * (0.3 + random() * 0.7))), 60);
        }),
      );
    }
    expect(await (await fetch(`${url}/echo`, { method: 'POST', body: 'alive' })).text()).toBe('alive');
    await expect.poll(() => listener.active).toBe(0);
  });
});
