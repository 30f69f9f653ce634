import { execFileSync } from 'node:child_process';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { formatJson, parseJson } from '../../ui/src/json.ts';
import { languages, type RequestFacts } from '../../ui/src/code.ts';

const bodies: Record<string, string> = {};
const server = createServer((request, response) => {
  const chunks: Buffer[] = [];
  request.on('data', (chunk: Buffer) => chunks.push(chunk));
  request.on('end', () => {
    bodies[request.url!] = Buffer.concat(chunks).toString();
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify({ key: request.headers.authorization ?? null }));
  });
});
let origin = '';
beforeAll(async () => {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(() => server.close());

const body = `{"text":"it's a \\"test\\" \\\\ $HOME \`x\` \${y} Grüße\\n","id":9007199254740993,"x":[1.5,NaN],"none":null,"yes":true}`;
const facts = (path: string, changes: Partial<RequestFacts> = {}): RequestFacts => ({ url: `${origin}/${path}`, body, needsKey: false, model: 'm', ...changes });
const write = (id: string, request: RequestFacts) => languages.find((language) => language.id === id)!.write(request);

/** Runs without blocking the event loop, on which the server answers. */
async function run(command: string, args: readonly string[], environment: Record<string, string> = {}): Promise<string> {
  const { execFile } = await import('node:child_process');
  return new Promise((resolve, reject) => {
    execFile(command, args, { env: { ...process.env, NO_PROXY: '*', no_proxy: '*', ...environment }, encoding: 'utf8' }, (error, stdout, stderr) => {
      if (error === null) resolve(stdout);
      else reject(new Error(`${error.message}\n${stderr}`));
    });
  });
}

test('curl sends exactly the body of the form', async () => {
  await run('bash', ['-c', write('curl', facts('curl')).full]);
  expect(formatJson(parseJson(bodies['/curl']!))).toBe(body);
});

test('TypeScript sends exactly the body of the form', async () => {
  await run(process.execPath, ['--input-type=module', '-e', write('typescript', facts('typescript')).full]);
  expect(formatJson(parseJson(bodies['/typescript']!))).toBe(body);
  const plain = '{"text":"it\'s a \\"test\\" \\\\ ${y}","a-b":[[1,2]]}';
  await run(process.execPath, ['--input-type=module', '-e', write('typescript', facts('plain', { body: plain })).full]);
  expect(bodies['/plain']).toBe(plain);
});

const python = ((): string | undefined => {
  try {
    execFileSync('python3', ['-c', 'import ast']);
    return 'python3';
  } catch {
    return undefined;
  }
})();

test.skipIf(python === undefined)('Python says the same value', async () => {
  const { full } = write('python', facts('python'));
  const literal = /data=json\.dumps\((\{[\s\S]*?\n {4}\})\)/.exec(full)![1]!;
  expect(JSON.parse(await run(python!, ['-c', `import json\nvalue = ${literal}\nvalue["x"][1] = str(value["x"][1])\nvalue["id"] = str(value["id"])\nprint(json.dumps(value))`]))).toEqual({
    text: 'it\'s a "test" \\ $HOME `x` ${y} Grüße\n', id: '9007199254740993', x: [1.5, 'nan'], none: null, yes: true,
  });
  // The whole of it is Python.
  await run(python!, ['-c', 'import ast, sys; ast.parse(sys.argv[1])', full]);
  await run(python!, ['-c', 'import ast, sys; ast.parse(sys.argv[1])', write('python', facts('python', { needsKey: true, body: '{}' })).full]);
});

test('the key comes from the environment', async () => {
  const answer = await run('bash', ['-c', write('curl', facts('key', { needsKey: true })).full], { MODELPORT_API_KEY: 'secret' });
  expect(JSON.parse(answer)).toEqual({ key: 'Bearer secret' });
  expect(write('typescript', facts('key', { needsKey: true })).full).toContain('process.env.MODELPORT_API_KEY');
});

test('an image is cut short on the screen only, and a large body comes from a file', () => {
  const image = `data:image/png;base64,${'iVBORw0K'.repeat(500)}`;
  const snippet = write('curl', facts('image', { body: JSON.stringify({ image }) }));
  expect(snippet.full).toContain(image);
  expect(snippet.shown).not.toContain(image);
  expect(snippet.shown).toMatch(/base64,iVBORw0KiVBORw0KiVBORw0K… 4 KB/);
  const client = { server: origin, door: 'predict', version: undefined } as const;
  for (const language of languages) {
    const large = language.write(facts('large', { body: JSON.stringify({ x: 'a'.repeat(100_000) }), client }));
    expect(large.bodyFile).toBe('m-input.json');
    expect(large.full).toContain('m-input.json');
    expect(large.full.length).toBeLessThan(600);
  }
});
