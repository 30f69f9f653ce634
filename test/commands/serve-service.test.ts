/** Services on the command line: `serve app.ts`, `--watch`, `init`, and what is said about a file that is wrong. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { root, runModelport, startModelport } from '../start-modelport.ts';

const folder = mkdtempSync(join(tmpdir(), 'modelport-service-test-'));
afterAll(() => rmSync(folder, { recursive: true }));

function write(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

async function post(url: string, body: unknown, headers: Readonly<Record<string, string>> = {}): Promise<{ status: number; body: unknown }> {
  const response = await fetch(url, { method: 'POST', body: JSON.stringify(body), headers: { 'content-type': 'application/json', ...headers } });
  return { status: response.status, body: await response.json() };
}

describe('serve app.ts', () => {
  test('needs nothing beside the file, serves models beside it and those that it names', async () => {
    write('text.ts', 'export const suffix: string = `!`;');
    write('data.json', '{"word": "json"}');
    const app = write(
      'app.ts',
      `import { defineService, z } from 'modelport';
import { z as same } from 'zod';
import { suffix } from './text.ts';
import data from './data.json';
export default defineService({
  name: 'app',
  models: { flower: ${JSON.stringify(join(root, 'examples/models/iris'))}, digits: 'digits' },
  endpoints: (endpoint) => ({
    hello: endpoint({ input: z.object({ name: z.string() }), output: z.string(), handler: ({ name }) => 'hello ' + name + suffix + data.word }),
    same: endpoint({ output: z.boolean(), handler: () => z === same && import.meta.url.endsWith('/app.ts') }),
    label: endpoint({ handler: async (_input, { models }) => (await models.flower({ sepal_length: 5.1, sepal_width: 3.5, petal_length: 1.4, petal_width: 0.2 })).label }),
  }),
});`,
    );
    const server = await startModelport({ arguments: [app, 'examples/models/digits'] });
    expect(await post(`${server.url}/app/hello`, { name: 'you' })).toEqual({ status: 200, body: 'hello you!json' });
    expect((await post(`${server.url}/app/same`, {})).body).toBe(true);
    expect((await post(`${server.url}/app/label`, {})).body).toBe('setosa');
    expect((await post(`${server.url}/models/app.hello/predict`, { name: 'you' })).body).toBe('hello you!json');
    const openapi = (await (await fetch(`${server.url}/openapi.json`)).json()) as { paths: Record<string, unknown> };
    expect(Object.keys(openapi.paths)).toEqual(expect.arrayContaining(['/app/hello', '/models/app.hello/predict', '/models/iris/predict', '/models/digits/predict']));
    const page = (await (await fetch(`${server.url}/ui/models`)).json()) as { models: { name: string; versions: { served: { predict: { path: string } } }[] }[] };
    expect(page.models.find(({ name }) => name === 'app.hello')?.versions[0]?.served.predict.path).toBe('models/app.hello/predict');
    expect(await (await fetch(`${server.url}/metrics`)).text()).toMatch(/app\.hello/);
    expect(await server.stop()).toBe(0);
  });

  test.each([
    ['a mistake in the language', "import { z } from 'modelport';\nexport default {\n  a: 1,,\n};", /broken\.ts:3:8: /],
    ['a package that is not there', "import x from 'no-such-package-here';\nexport default x;", /broken\.ts:1:15: Could not resolve "no-such-package-here"/],
    ['a mistake while it is read', "import { z } from 'modelport';\n\nexport const schema = z.objekt({});", /broken\.ts:3:25: z\.objekt is not a function/],
    ['a wrong endpoint', "import { defineService, endpoint } from 'modelport';\nexport default defineService({\n  name: 's',\n  endpoints: {\n    a: endpoint({ handlr: () => 1 }),\n  },\n});", /broken\.ts:5:8: endpoint 'a' of service 's' has no member 'handlr'; did you mean 'handler'\?/],
    ['no service', 'export const x = 1;', /broken\.ts exports no service: write export default defineService/],
    ['a model that is not there', "import { defineService, endpoint } from 'modelport';\nexport default defineService({ name: 's', models: { a: './none.onnx' }, endpoints: { a: endpoint({ handler: () => 1 }) } });", /broken\.ts:2:16: models\.a of service 's': .*none\.onnx/],
    ['a start that fails', "import { defineService, endpoint } from 'modelport';\nexport default defineService({ name: 's', start() { throw new Error('no database'); }, endpoints: { a: endpoint({ handler: () => 1 }) } });", /a service did not start: no database/],
  ])('says file and line of %s', async (_what, text, message) => {
    const { code, stderr } = await runModelport(['serve', write('broken.ts', text), '--port', '0', '--grpc-port', 'off', '--metrics-port', 'off'], { cwd: folder });
    expect(stderr).toMatch(message);
    expect(code).toBe(1);
  });
});

test('--watch loads what is saved, drops no request, and keeps what runs where the new file is wrong', async () => {
  const source = (answer: string, more = ''): string => `import { defineService, endpoint, z } from 'modelport';
export default defineService({ name: 'app', endpoints: {
  say: endpoint({ output: z.string(), handler: async () => { await new Promise((resolve) => setTimeout(resolve, 20)); return '${answer}'; } }),
  ${more}
} });`;
  const app = write('watched.ts', source('one'));
  const server = await startModelport({ arguments: [app, '--watch'] });
  const seen = new Set<unknown>();
  const failures: unknown[] = [];
  let stop = false;
  const clients = Array.from({ length: 4 }, async () => {
    while (!stop) {
      const { status, body } = await post(`${server.url}/app/say`, {}).catch((error: unknown) => ({ status: 0, body: error }));
      if (status === 200) seen.add(body);
      else failures.push(body);
    }
  });
  writeFileSync(app, source('two', "more: endpoint({ method: 'GET', path: '/more', output: z.string(), handler: () => 'more' }),"));
  await expect.poll(() => seen.has('two'), { timeout: 10_000 }).toBe(true);
  expect(await (await fetch(`${server.url}/more`)).json()).toBe('more');
  writeFileSync(app, 'export default {');
  await expect.poll(() => server.output(), { timeout: 10_000 }).toContain('not reloaded, what was served before goes on');
  expect((await post(`${server.url}/app/say`, {})).body).toBe('two');
  writeFileSync(app, source('three'));
  await expect.poll(() => seen.has('three'), { timeout: 10_000 }).toBe(true);
  expect((await fetch(`${server.url}/more`)).status).toBe(404);
  stop = true;
  await Promise.all(clients);
  expect(failures).toEqual([]);
  await server.stop();
});

test('--watch loads models that a saved file names newly, and goes on as before where one of them is none', async () => {
  const source = (models: string, body: string): string => `import { defineService } from 'modelport';
export default defineService({ name: 'app', models: { ${models} }, endpoints: (endpoint) => ({ ask: endpoint({ handler: async (_input, { models }) => ${body} }) }) });`;
  const iris = `iris: ${JSON.stringify(join(root, 'examples/models/iris'))}`;
  const fuel = `fuel: ${JSON.stringify(join(root, 'examples/models/fuel'))}`;
  const classify = '(await models.iris({ sepal_length: 5.1, sepal_width: 3.5, petal_length: 1.4, petal_width: 0.2 })).label';
  const app = write('growing.ts', source('', "'nothing'"));
  const server = await startModelport({ arguments: [app, '--watch'] });
  const ask = async (): Promise<unknown> => (await post(`${server.url}/app/ask`, {})).body;
  expect(await ask()).toBe('nothing');
  writeFileSync(app, source(iris, classify));
  await expect.poll(ask, { timeout: 20_000 }).toBe('setosa');
  writeFileSync(join(folder, 'damaged.onnx'), 'no model');
  writeFileSync(app, source(`${iris}, broken: './damaged.onnx'`, "'broken'"));
  await expect.poll(() => server.output(), { timeout: 20_000 }).toMatch(/not reloaded, what was served before goes on: .*damaged/);
  expect(await ask()).toBe('setosa');
  writeFileSync(app, source(`${iris}, ${fuel}`, `[${classify}, Object.keys(await models.fuel({ cylinders: 8, displacement: 307, horsepower: 130, weight: 3504, acceleration: 12, year: 1970, origin: 'USA' })).length > 0]`));
  await expect.poll(ask, { timeout: 20_000 }).toEqual(['setosa', true]);
  expect((await post(`${server.url}/models/fuel/predict`, { cylinders: 8, displacement: 307, horsepower: 130, weight: 3504, acceleration: 12, year: 1970, origin: 'USA' })).status).toBe(200);
  expect((await fetch(`${server.url}/v2/health/ready`)).status).toBe(200);
  await server.stop();
});

test('answers of services tell where the time went: streams with their first part, others to browsers', async () => {
  const app = write(
    'timed.ts',
    `import { defineService, endpoint, z } from 'modelport';
export default defineService({ name: 'app', endpoints: {
  say: endpoint({ output: z.string(), async *handler() { await new Promise((resolve) => setTimeout(resolve, 60)); yield 'a'; yield 'b'; } }),
  one: endpoint({ output: z.number(), handler: () => 1 }),
} });`,
  );
  const server = await startModelport({ arguments: [app, '--cors-origin', 'http://page.example'] });
  const timingOf = async (path: string, headers: Readonly<Record<string, string>> = {}): Promise<string | null> => {
    const response = await fetch(`${server.url}${path}`, { method: 'POST', body: '{}', headers: { 'content-type': 'application/json', ...headers } });
    await response.text();
    expect(response.status).toBe(200);
    return response.headers.get('server-timing');
  };
  for (const [path, headers] of [['/app/say', {}], ['/models/app.say/predict', { accept: 'text/event-stream' }], ['/app/say', { origin: 'http://page.example' }]] as const) {
    // The handler waited before its first part; timers may fire a millisecond early.
    expect(Number(/first;dur=([\d.]+)/.exec((await timingOf(path, headers)) ?? '')?.[1])).toBeGreaterThan(58);
  }
  expect(await timingOf('/app/one', { 'sec-fetch-site': 'same-origin' })).toMatch(/total;dur=/);
  expect(await timingOf('/app/one')).toBe(null);
  await server.stop();
});

test('what a handler forgets to catch is logged with its line, and the server goes on', async () => {
  const app = write(
    'careless.ts',
    `import { defineService, endpoint } from 'modelport';
export default defineService({ name: 'app', endpoints: {
  rejects: endpoint({ handler: () => { void Promise.reject(new Error('forgotten promise')); return 1; } }),
  throws: endpoint({ handler: () => { setTimeout(() => { throw new Error('forgotten timer'); }, 1); return 1; } }),
} });`,
  );
  const server = await startModelport({ arguments: [app] });
  expect((await post(`${server.url}/app/rejects`, {})).status).toBe(200);
  expect((await post(`${server.url}/app/throws`, {})).status).toBe(200);
  await expect.poll(() => server.output()).toMatch(/a rejection was not handled at .*careless\.ts:3:\d+/);
  await expect.poll(() => server.output()).toMatch(/an error was thrown outside of any request at .*careless\.ts:4:\d+/);
  expect((await post(`${server.url}/app/throws`, {})).status).toBe(200);
  await server.stop();
});

describe('init', () => {
  const made = join(folder, 'My Service');
  beforeAll(async () => {
    const { code, stderr } = await runModelport(['init', made]);
    expect(stderr).toBe('');
    expect(code).toBe(0);
  });

  test('writes a service that runs', async () => {
    const server = await startModelport({ arguments: [join(made, 'app.ts')] });
    expect(await post(`${server.url}/My-Service/count`, { text: 'the quick brown fox', shortest: 4 })).toEqual({ status: 200, body: { words: 2, longest: 'quick' } });
    const spelled = await fetch(`${server.url}/My-Service/spell`, { method: 'POST', body: '{"text": "hi"}' });
    expect(await spelled.text()).toBe('data: "h"\n\ndata: "i"\n\nevent: end\ndata: {}\n\n');
    await server.stop();
  });

  test('overwrites nothing', async () => {
    mkdirSync(join(folder, 'used'));
    writeFileSync(join(folder, 'used', 'app.ts'), 'mine');
    const { code, stderr } = await runModelport(['init', join(folder, 'used')]);
    expect(stderr).toContain('is there already');
    expect(code).toBe(2);
  });
});

test('the example answers as the original does', async () => {
  const server = await startModelport({ arguments: [join(root, 'examples/service/app.ts')] });
  expect(await post(`${server.url}/predict`, { feature1: 1, feature2: 2 })).toEqual({ status: 200, body: { prediction: 1 } });
  expect(await post(`${server.url}/predict`, { feature1: '1.5', feature2: true })).toEqual({ status: 200, body: { prediction: 1 } });
  expect(await post(`${server.url}/predict`, { feature1: 'x' })).toEqual({
    status: 422,
    body: {
      detail: [
        { type: 'float_parsing', loc: ['body', 'feature1'], msg: 'Input should be a valid number, unable to parse string as a number', input: 'x' },
        { type: 'missing', loc: ['body', 'feature2'], msg: 'Field required', input: { feature1: 'x' } },
      ],
    },
  });
  await server.stop();
});
