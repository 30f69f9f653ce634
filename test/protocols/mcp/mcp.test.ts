/** The official MCP client against a served service and model. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { fuzzRuns, mutate, random } from '../../fixtures/random.ts';
import { startModelport, type RunningModelport } from '../../start-modelport.ts';

const source = `
import { defineService, endpoint, fileBytes, image, z } from 'modelport';
const png = Buffer.from('iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==', 'base64');
let cancelled = 0;
export default defineService({
  name: 'tools',
  endpoints: {
    add: endpoint({ summary: 'Adds', description: 'Adds two numbers.', input: z.object({ a: z.number(), b: z.number().default(1) }), output: z.object({ sum: z.number() }), examples: [{ a: 1, b: 2 }], handler: ({ a, b }) => ({ sum: a + b }) }),
    total: endpoint({ input: z.array(z.number()), output: z.number(), handler: (numbers) => numbers.reduce((sum, each) => sum + each, 0) }),
    words: endpoint({ input: z.object({ count: z.int() }), output: z.string(), async *handler({ count }) { for (let n = 0; n < count; n++) yield 'word' + n + ' '; } }),
    work: endpoint({ handler: async (_input, { progress }) => { for (let step = 1; step <= 3; step++) { progress(step / 3, 'step ' + step); await new Promise((resolve) => setTimeout(resolve, 5)); } return 'done'; } }),
    hang: endpoint({ handler: (_input, { signal }) => new Promise((_resolve, reject) => signal.addEventListener('abort', () => { cancelled++; reject(signal.reason); })) }),
    hung: endpoint({ output: z.number(), handler: () => cancelled }),
    picture: endpoint({ output: image(), handler: () => fileBytes(new Uint8Array(png), 'image/png') }),
    fails: endpoint({ handler: () => { throw new Error('secret'); } }),
  },
});
`;

let server: RunningModelport;
let client: Client;
const folder = mkdtempSync(join(tmpdir(), 'modelport-mcp-'));

beforeAll(async () => {
  writeFileSync(join(folder, 'app.ts'), source);
  server = await startModelport({ arguments: [join(folder, 'app.ts'), 'examples/models/iris'] });
  client = new Client({ name: 'test', version: '1' });
  await client.connect(new StreamableHTTPClientTransport(new URL(`${server.url}/mcp`)));
});

afterAll(async () => {
  await client.close();
  await server.stop();
  rmSync(folder, { recursive: true });
});

test('lists every endpoint and every model with a task', async () => {
  const { tools } = await client.listTools();
  expect(tools.map(({ name }) => name)).toEqual(['iris', 'tools_add', 'tools_fails', 'tools_hang', 'tools_hung', 'tools_picture', 'tools_total', 'tools_words', 'tools_work']);
  const add = tools.find(({ name }) => name === 'tools_add')!;
  expect(add.title).toBe('Adds');
  expect(add.description).toBe('Adds two numbers.\n\nExample: {"a":1,"b":2}');
  expect(add.inputSchema).toMatchObject({ type: 'object', properties: { a: { type: 'number' }, b: { type: 'number', default: 1 } }, required: ['a'] });
  expect(JSON.stringify(tools)).not.toContain('x-modelport');
});

test('calls them: structured answers, text, pictures, streams', async () => {
  expect(await client.callTool({ name: 'tools_add', arguments: { a: 2, b: 3 } })).toMatchObject({ structuredContent: { sum: 5 }, content: [{ type: 'text', text: '{"sum":5}' }] });
  expect((await client.callTool({ name: 'tools_total', arguments: { value: [1, 2, 3] } })).content).toEqual([{ type: 'text', text: '6' }]);
  expect((await client.callTool({ name: 'tools_words', arguments: { count: 3 } })).content).toEqual([{ type: 'text', text: 'word0 word1 word2 ' }]);
  const [picture] = (await client.callTool({ name: 'tools_picture' })).content as { type: string; mimeType: string }[];
  expect(picture).toMatchObject({ type: 'image', mimeType: 'image/png' });
  const iris = await client.callTool({ name: 'iris', arguments: { sepal_length: 5.1, sepal_width: 3.5, petal_length: 1.4, petal_width: 0.2 } });
  expect(iris.structuredContent).toMatchObject({ label: 'setosa' });
});

test('what is wrong is the answer of the tool; what there is not is an error of the protocol', async () => {
  const wrong = await client.callTool({ name: 'tools_add', arguments: { a: 'x' } });
  expect(wrong).toMatchObject({ isError: true, content: [{ type: 'text', text: expect.stringContaining('a: Input should be a valid number') }] });
  const failed = await client.callTool({ name: 'tools_fails' });
  expect(failed.isError).toBe(true);
  expect(JSON.stringify(failed)).not.toContain('secret');
  await expect(client.callTool({ name: 'tools_ad' })).rejects.toThrow("did you mean 'tools_add'?");
  await expect(client.listPrompts()).rejects.toThrow(/prompts/);
});

test('tells progress', async () => {
  const told: unknown[] = [];
  const result = await client.callTool({ name: 'tools_work' }, undefined, { onprogress: (progress) => void told.push(progress) });
  expect(result.content).toEqual([{ type: 'text', text: 'done' }]);
  expect(told).toEqual([1, 2, 3].map((step) => ({ progress: step / 3, total: 1, message: `step ${step}` })));
});

test('a cancelled call aborts its handler', async () => {
  const controller = new AbortController();
  const call = client.callTool({ name: 'tools_hang' }, undefined, { signal: controller.signal });
  setTimeout(() => controller.abort(), 100);
  await expect(call).rejects.toThrow();
  await expect.poll(async () => (await client.callTool({ name: 'tools_hung' })).content).toEqual([{ type: 'text', text: '1' }]);
});

test('fuzz: damaged messages are answered, never with a failure of ours', { timeout: 120_000 }, async () => {
  const source = random(5);
  const messages = [
    '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"tools_add","arguments":{"a":1,"b":2},"_meta":{"progressToken":"x"}}}',
    '{"jsonrpc":"2.0","id":"a","method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"c","version":"1"}}}',
    '{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}',
  ];
  for (let run = 0; run < fuzzRuns; run++) {
    const body = mutate(new TextEncoder().encode(source.pick(messages)), source);
    const response = await fetch(`${server.url}/mcp`, { method: 'POST', body: new Uint8Array(body), headers: { 'content-type': 'application/json', accept: 'application/json, text/event-stream', 'mcp-session-id': 'fuzz' } });
    const text = await response.text();
    expect([200, 202, 400], `${new TextDecoder().decode(body)} → ${text}`).toContain(response.status);
  }
});
