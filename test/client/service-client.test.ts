/** The client with endpoints of services: typed values, parts of a stream, progress, cancellation. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createClient, type Client } from '../../src/client.ts';
import { runModelport, startModelport, type RunningModelport } from '../start-modelport.ts';

const source = `import { defineService, endpoint, ModelportError, z } from 'modelport';
let stopped = 0;
export default defineService({ name: 'app', endpoints: {
  add: endpoint({ input: z.object({ a: z.number(), b: z.number().default(1) }), output: z.object({ sum: z.number() }), handler: ({ a, b }) => ({ sum: a + b }) }),
  count: endpoint({ input: z.object({ n: z.int() }), output: z.object({ index: z.int() }), async *handler({ n }, { progress }) {
    try {
      for (let index = 0; index < n; index++) { progress(index / n, 'at ' + index); yield { index }; await new Promise((resolve) => setImmediate(resolve)); if (index === 12) throw new ModelportError('CONFLICT', 'no thirteen'); }
    } finally { stopped++; }
  } }),
  stopped: endpoint({ output: z.int(), handler: () => stopped }),
} });`;

const folder = mkdtempSync(join(tmpdir(), 'modelport-service-client-'));
let server: RunningModelport;
let client: Client;
beforeAll(async () => {
  writeFileSync(join(folder, 'app.ts'), source);
  server = await startModelport({ arguments: [join(folder, 'app.ts')] });
  client = createClient(server.url);
});
afterAll(async () => {
  await server.stop();
  rmSync(folder, { recursive: true });
});

test('calls an endpoint', async () => {
  expect(await client.predict('app.add', { a: 2 })).toEqual({ sum: 3 });
  await expect(client.predict('app.add', { a: 'x' })).rejects.toMatchObject({ code: 'INVALID_VALUE', at: 'a' });
});

test('reads parts and progress, and what went wrong in between', async () => {
  const parts: unknown[] = [];
  const progress: unknown[] = [];
  for await (const part of client.stream('app.count', { n: 3 }, { onProgress: (told) => progress.push(told) })) parts.push(part);
  expect(parts).toEqual([{ index: 0 }, { index: 1 }, { index: 2 }]);
  expect(progress.at(-1)).toEqual({ fraction: 2 / 3, text: 'at 2' });
  const some: unknown[] = [];
  const reading = (async () => {
    for await (const part of client.stream('app.count', { n: 20 })) some.push(part);
  })();
  await expect(reading).rejects.toMatchObject({ code: 'CONFLICT', message: 'no thirteen' });
  expect(some).toHaveLength(13);
  await expect(client.stream('app.count', { n: 'x' })[Symbol.asyncIterator]().next()).rejects.toMatchObject({ code: 'INVALID_VALUE' });
});

test('leaving the loop stops the handler', async () => {
  const before = (await client.predict('app.stopped', {})) as number;
  for await (const part of client.stream('app.count', { n: 1_000_000 })) if ((part as { index: number }).index === 3) break;
  await expect.poll(() => client.predict('app.stopped', {})).toBe(before + 1);
});

test('types of endpoints come from the server or from the file, without starting it', async () => {
  const declared = `"app.add": {
      inputs: {};
      outputs: {};
      predict: { input: { "a": number; "b"?: number }; output: { "sum": number } };
    };`;
  const fromFile = await runModelport(['types', join(folder, 'app.ts')]);
  expect(fromFile.stdout).toContain(declared);
  expect(fromFile.stdout).toContain('stream: { input: { "n": number }; part: { "index": number } };');
  const fromServer = await runModelport(['types', server.url]);
  expect(fromServer.stdout).toContain(declared);
});
