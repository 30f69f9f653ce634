/** A service in TypeScript as an image and as a bundle: it starts without esbuild, and its labels say what it answers. */
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { execFileSync } from 'node:child_process';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { root, runModelport, startModelport } from '../start-modelport.ts';
import { runImage, unpackImage } from './run-image.ts';
import { prepareTools, until } from './tools.ts';

const missing = prepareTools(['runc']);

describe.skipIf(missing !== undefined)(`services${missing === undefined ? '' : ` (skipped: ${missing})`}`, () => {
  let folder: string;
  let environment: Record<string, string>;
  let picture: string;
  const modelport = (...args: string[]) => runModelport(args, { cwd: folder, environment });

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'modelport-containers-'));
    mkdirSync(join(folder, 'home'));
    cpSync(join(root, 'examples/postcode'), join(folder, 'service'), { recursive: true });
    // A file beside it, a package of its own, and what it reads by its own address.
    mkdirSync(join(folder, 'service/lib'));
    mkdirSync(join(folder, 'service/node_modules/shout'), { recursive: true });
    writeFileSync(join(folder, 'service/lib/greeting.ts'), `import { readFileSync } from 'node:fs';\nimport { shout } from 'shout';\nexport const greeting: string = shout(readFileSync(new URL('../greeting.txt', import.meta.url), 'utf8').trim());\n`);
    writeFileSync(join(folder, 'service/greeting.txt'), 'good day\n');
    writeFileSync(join(folder, 'service/node_modules/shout/package.json'), '{"name":"shout","version":"1.2.3","main":"index.cjs","license":"MIT"}');
    writeFileSync(join(folder, 'service/node_modules/shout/index.cjs'), `const path = require('node:path');\nexports.shout = (text) => path.basename(text).toUpperCase();\n`);
    writeFileSync(join(folder, 'service/package.json'), '{"name":"postcode-service","version":"1.0.0","dependencies":{"shout":"1.2.3"},"devDependencies":{"modelport":"*"}}');
    const source = readFileSync(join(folder, 'service/app.ts'), 'utf8');
    writeFileSync(join(folder, 'service/app.ts'), `${source.replace("from 'modelport';", "from 'modelport';\nimport { greeting } from './lib/greeting.ts';")}\nexport const greet = defineService({ name: 'greet', endpoints: (endpoint) => ({ hello: endpoint({ input: z.object({ name: z.string() }), output: z.string(), handler: ({ name }) => \`\${greeting}, \${name}\` }), fails: endpoint({ handler: () => { throw new Error('as it was written'); } }) }) });\n`);
    picture = readFileSync(join(folder, 'service/sample.png')).toString('base64');
    environment = { HOME: join(folder, 'home'), XDG_CACHE_HOME: process.env['XDG_CACHE_HOME'] ?? join(folder, 'cache') };
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  const post = async (url: string, body: unknown): Promise<unknown> => {
    const response = await fetch(url, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) });
    expect(response.status).toBe(200);
    return response.json();
  };
  async function answers(url: string): Promise<void> {
    expect(await post(`${url}/greet/hello`, { name: 'Ada' })).toBe('GOOD DAY, Ada');
    const read = (await post(`${url}/postcode/read`, { picture })) as { text: string; digits: unknown[] };
    expect(read.text.replaceAll(/\s/g, '')).toMatch(/^\d+$/);
    expect(read.digits.length).toBe(read.text.replaceAll(/\s/g, '').length);
  }

  it('run as images, without the compiler in them, and with nothing that can be written', async () => {
    const built = await modelport('build', 'service', '-t', 'me/postcode:1', '--base', 'host', '-o', 'oci:image');
    expect(built).toMatchObject({ code: 0, stderr: '' });
    const image = await unpackImage(folder, 'image');
    expect(image.config.config.Cmd).toEqual(['serve', '/app/app.mjs']);
    expect(readdirSync(join(image.rootfs, 'app')).sort()).toEqual(['README.md', 'app.mjs', 'detect', 'digits', 'greeting.txt', 'node_modules', 'package.json', 'sample.png']);
    expect(readdirSync(join(image.rootfs, 'app/node_modules')).sort()).toEqual(['modelport', 'sharp', 'shout', 'zod']);
    expect(readdirSync(join(image.rootfs, 'opt/modelport/node_modules'))).not.toContain('esbuild');
    const labels = JSON.parse(image.config.config.Labels['org.modelport.services']!) as { name: string; endpoints: { name: string; path: string; input: { properties: object }; output: object }[] }[];
    expect(labels.map(({ name, endpoints }) => [name, endpoints.map(({ path }) => path)])).toEqual([['postcode', ['/postcode/read']], ['greet', ['/greet/hello', '/greet/fails']]]);
    expect(labels[1]!.endpoints[0]).toMatchObject({ method: 'POST', input: { properties: { name: { type: 'string' } } }, output: { type: 'string' } });
    const container = await runImage(folder, image, { writableTmp: false });
    try {
      await answers(container.url);
      expect((await fetch(`${container.url}/greet/fails`, { method: 'POST' })).status).toBe(500);
      // The log names the line as it was written.
      await until('the log', () => /\/app\/app\.ts:\d+:\d+/.test(container.output()));
      execFileSync('runc', ['kill', container.id, 'TERM']);
      expect(await container.exited).toBe(0);
    } finally {
      container.child.kill('SIGKILL');
    }
  }, 240_000);

  it('run from bundles, with their packages in them', async () => {
    expect(await modelport('build', 'service/app.ts', '--bundle', '-o', 'oci-archive:service.tar')).toMatchObject({ code: 0, stderr: '' });
    const server = await startModelport({ arguments: ['service.tar'], environment, cwd: folder });
    try {
      await answers(server.url);
    } finally {
      expect(await server.stop()).toBe(0);
    }
    expect(await modelport('build', 'service.tar', '--base', 'host', '-o', 'oci:again')).toMatchObject({ code: 0, stderr: '' });
    const container = await runImage(folder, await unpackImage(folder, 'again'), { writableTmp: false });
    try {
      await answers(container.url);
    } finally {
      execFileSync('runc', ['kill', container.id, 'KILL']);
      await container.exited;
    }
  }, 240_000);

  it('say what an image would lack', async () => {
    const outside = join(folder, 'outside');
    mkdirSync(outside);
    writeFileSync(join(outside, 'app.ts'), `import { defineService } from 'modelport';\nexport default defineService({ name: 'far', models: { add: ${JSON.stringify(join(root, 'test/fixtures/onnx/add.onnx'))} }, endpoints: (endpoint) => ({ ask: endpoint({ handler: () => 1 }) }) });\n`);
    expect(await modelport('build', 'outside/app.ts', '--base', 'host', '--dry-run')).toMatchObject({ code: 2, stderr: expect.stringContaining('would not be in the image') as unknown });
    writeFileSync(join(outside, 'app.ts'), `import { nothing } from './nothing.ts';\nnothing();\n`);
    expect(await modelport('build', 'outside/app.ts', '--base', 'host', '--dry-run')).toMatchObject({ stderr: expect.stringContaining('outside/app.ts:1') as unknown });
  }, 60_000);
});
