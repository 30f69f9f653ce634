/** The same requests to a running FastAPI and to us, with equal models: the same status, and where values are wrong the same body. */
import { spawn } from 'node:child_process';
import { createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { root, startModelport } from '../start-modelport.ts';
import { generateRequests, type EqualRequest } from './services/generate-requests.ts';
import { differences, known, type Answer } from './services/fastapi-differences.ts';
import { skipUnless } from './setup/installed.ts';
import { python, pythonPath } from './setup/python.ts';

const services = join(root, 'test/clients/services');

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

async function startFastApi(): Promise<{ url: string; stop(): void }> {
  const port = await freePort();
  const child = spawn(process.env['MODELPORT_FASTAPI_PYTHON'] ?? pythonPath(), ['-m', 'uvicorn', 'equal:app', '--app-dir', services, '--port', String(port), '--log-level', 'error'], { stdio: ['ignore', 'inherit', 'inherit'] });
  const url = `http://127.0.0.1:${port}`;
  for (let attempt = 0; ; attempt++) {
    const answered = await fetch(`${url}/openapi.json`).then((response) => response.ok, () => false);
    if (answered) return { url, stop: () => child.kill() };
    if (attempt === 300 || child.exitCode !== null) throw new Error('FastAPI did not start');
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

async function ask(url: string, { method, path, headers, body }: EqualRequest): Promise<Answer> {
  const response = await fetch(`${url}${path}`, { method, headers: { ...headers, accept: 'application/json' }, ...(body === undefined || method === 'GET' ? {} : { body }) });
  const text = await response.text();
  return { status: response.status, body: text.startsWith('{') ? (JSON.parse(text) as unknown) : text };
}

describe.skipIf(process.env['MODELPORT_FASTAPI_PYTHON'] === undefined && skipUnless('FastAPI', python))('wrong values are told as FastAPI tells them', () => {
  test('for every kind of mistake', { timeout: 180_000 }, async () => {
    const [fastapi, ours] = await Promise.all([startFastApi(), startModelport({ arguments: [join(services, 'equal.ts')] })]);
    try {
      const requests = generateRequests(7);
      const kinds = new Set<string>();
      const unexplained: unknown[] = [];
      for (const request of requests) {
        const [theirs, own] = await Promise.all([ask(fastapi.url, request), ask(ours.url, request)]);
        const { detail } = theirs.body as { detail?: unknown };
        if (Array.isArray(detail)) for (const { type } of detail as { type: string }[]) kinds.add(type);
        const found = differences(theirs, own);
        if (found !== undefined) unexplained.push({ request: `${request.method} ${request.path} ${request.body ?? ''} ${JSON.stringify(request.headers)}`, ...found });
      }
      process.stdout.write(`FastAPI: ${requests.length} requests, ${requests.length - unexplained.length} equal, ${kinds.size} kinds of mistakes: ${[...kinds].sort().join(', ')}\n`);
      expect(unexplained.slice(0, 10), `${unexplained.length} differences without a reason`).toEqual([]);
      expect(requests.length).toBeGreaterThan(1500);
      expect(kinds.size).toBeGreaterThan(30);
      for (const { reason, request, statuses } of known) {
        const [theirs, own] = await Promise.all([ask(fastapi.url, request), ask(ours.url, request)]);
        expect([theirs.status, own.status], reason).toEqual(statuses);
        expect(differences(theirs, own), `no longer differs: ${reason}`).toBeDefined();
      }
    } finally {
      fastapi.stop();
      await ours.stop();
    }
  });
});
