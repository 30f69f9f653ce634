import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Browser } from 'playwright-core';
import sharp from 'sharp';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { chromiumPath, launchChromium } from './chromium.ts';
import { exampleModels, serve, type Served } from './served.ts';
import { run, visit } from './visit.ts';

/** Everything that is not the happy path, each as a person meets it. */
describe.skipIf(chromiumPath === undefined)('states of the page', () => {
  let browser: Browser;
  let folder: string;
  let served: Served | undefined;
  beforeAll(async () => {
    browser = await launchChromium();
  });
  afterAll(() => browser?.close());
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'modelport-page-'));
  });
  afterEach(async () => {
    await served?.stop();
    served = undefined;
    await rm(folder, { recursive: true, force: true });
  });

  /** `iris` with its config, as numbered versions. */
  async function irisVersions(...versions: readonly string[]): Promise<void> {
    await mkdir(join(folder, 'iris'));
    const config = await readFile(join(exampleModels, 'iris/model.yaml'), 'utf8');
    await writeFile(join(folder, 'iris/model.yaml'), `versions: all\n${config}`);
    for (const version of versions) {
      await mkdir(join(folder, 'iris', version));
      await cp(join(exampleModels, 'iris/model.onnx'), join(folder, 'iris', version, 'model.onnx'));
    }
  }

  test('versions: the newest answers, an older one can be chosen, a broken one says why', async () => {
    await irisVersions('1', '2', '3');
    await writeFile(join(folder, 'iris/3/model.onnx'), 'not a model');
    served = await serve([folder], ['--exit-on-error', 'false']);
    await using opened = await visit(browser, `${served.url}#/models/iris`);
    const { page } = opened;
    await page.getByTestId('output').locator('.headline').waitFor();
    const chooser = page.getByRole('combobox', { name: 'Version' });
    expect(await chooser.inputValue()).toBe('2');
    await page.fill('[data-field="petal_width"] input.entry', '1.23');
    const [request] = await Promise.all([page.waitForRequest((asked) => asked.method() === 'POST'), chooser.selectOption('1')]);
    expect(new URL(request.url()).pathname).toBe('/models/iris/versions/1/predict');
    expect(page.url()).toContain('#/models/iris/versions/1');
    // The other version answers the same input.
    expect(request.postDataJSON()).toMatchObject({ petal_width: 1.23 });
    await chooser.selectOption('3');
    await page.getByRole('heading', { name: 'This version is unavailable' }).waitFor();
    expect((await page.locator('.message pre').textContent())!.length).toBeGreaterThan(10);
    await page.getByRole('link', { name: 'Use version 2' }).click();
    await page.getByTestId('output').locator('.headline').waitFor();
  });

  test('the server goes away and comes back: the input stays, the page notices by itself', async () => {
    await irisVersions('1');
    served = await serve([folder]);
    const { port } = served;
    await using opened = await visit(browser, `${served.url}#/models/iris`);
    const { page } = opened;
    await page.getByTestId('output').locator('.headline').waitFor();
    await page.fill('[data-field="petal_length"] input.entry', '5.55');
    await served.stop();
    await page.getByText('The server does not answer. Your input is kept').waitFor();
    await page.getByRole('button', { name: 'Run', exact: true }).click();
    await page.getByRole('alert').getByText('The server does not answer.').waitFor();
    served = await serve([folder], [], port);
    await expect.poll(() => page.locator('.banner').count(), { timeout: 15_000 }).toBe(0);
    expect(await page.inputValue('[data-field="petal_length"] input.entry')).toBe('5.55');
    await run(page);
    await expect.poll(() => page.locator('.problem').count()).toBe(0);
  });

  test('a page that was opened without a server waits for one', async () => {
    await irisVersions('1');
    served = await serve([folder]);
    await using opened = await visit(browser, served.url);
    const { page } = opened;
    await page.route('**/ui/models', (route) => route.abort());
    await page.reload();
    await page.getByRole('heading', { name: 'The server does not answer' }).waitFor();
    await page.unroute('**/ui/models');
    await page.getByTestId('output').locator('.headline').waitFor({ timeout: 15_000 });
  });

  test('an API key is asked for, a wrong one said, the right one kept for the tab', async () => {
    await irisVersions('1');
    const keys = join(folder, '..', `${folder.split('/').at(-1)}.keys`);
    await writeFile(keys, 'correct-horse-battery\n');
    try {
      served = await serve([folder], ['--api-key-file', keys]);
      await using opened = await visit(browser, served.url);
      const { page } = opened;
      await page.getByLabel('API key').fill('wrong');
      await page.keyboard.press('Enter');
      await page.getByText('The key was not accepted').waitFor();
      await page.getByLabel('API key').fill('correct-horse-battery');
      await page.keyboard.press('Enter');
      await page.getByTestId('output').locator('.headline').waitFor();
      await page.reload();
      await page.getByTestId('output').locator('.headline').waitFor();
      await page.keyboard.press('c');
      const code = await page.getByTestId('code').textContent();
      expect(code).toContain('$MODELPORT_API_KEY');
      expect(code).not.toContain('correct-horse');
    } finally {
      await rm(keys, { force: true });
    }
  });

  test('a mistake names its field, marks it and says what to write', async () => {
    await irisVersions('1');
    served = await serve([folder]);
    await using opened = await visit(browser, `${served.url}#/models/iris`);
    const { page } = opened;
    await page.getByTestId('output').locator('.headline').waitFor();
    const field = page.locator('[data-field="sepal_width"]');
    await field.locator('input.entry').fill('');
    await page.getByRole('button', { name: 'Run', exact: true }).click();
    expect(await field.locator('.field-problem').textContent()).toBe('Write a number from 2 to 4.4.');
    expect(await field.locator('input.entry').getAttribute('aria-invalid')).toBe('true');
    expect(await field.locator('input.entry').evaluate((element) => element === document.activeElement)).toBe(true);
    await field.locator('input.entry').fill('3');
    expect(await page.locator('.field-problem').count()).toBe(0);
    // What only the server can know: it names the field, the page marks it.
    await page.route('**/models/iris/predict', (route) => route.fulfill({ status: 422, contentType: 'application/json', body: '{"error":"petal_width is 0.2, which no flower has","code":"INVALID_VALUE","at":"petal_width"}' }));
    await page.getByRole('button', { name: 'Run', exact: true }).click();
    expect(await page.locator('[data-field="petal_width"] .field-problem').textContent()).toBe('petal_width is 0.2, which no flower has');
    expect(await page.getByRole('alert').textContent()).toContain('which no flower has');
    // The last answer stays, dimmed.
    expect(await page.locator('[data-testid=output][data-stale=true] .headline').count()).toBe(1);
  });

  test('a blank drawing is refused by the server in words', async () => {
    await cp(join(exampleModels, 'digits'), join(folder, 'digits'), { recursive: true });
    served = await serve([folder]);
    await using opened = await visit(browser, `${served.url}#/models/digits`);
    const { page } = opened;
    await page.getByTestId('output').locator('.headline').waitFor();
    const [chooser] = await Promise.all([page.waitForEvent('filechooser'), page.getByRole('button', { name: 'Choose an image file' }).click()]);
    const blank = await sharp({ create: { width: 32, height: 32, channels: 3, background: 'white' } }).png().toBuffer();
    await chooser.setFiles({ name: 'blank.png', mimeType: 'image/png', buffer: blank });
    await page.getByRole('button', { name: 'Run', exact: true }).click();
    await page.locator('[data-field="image"] .field-problem').waitFor();
    expect(await page.locator('[data-field="image"] .field-problem').textContent()).toContain('blank');
    const [again] = await Promise.all([page.waitForEvent('filechooser'), page.getByRole('button', { name: 'Choose an image file' }).click()]);
    await again.setFiles({ name: 'notes.txt', mimeType: 'text/plain', buffer: Buffer.from('hello') });
    await page.getByText('notes.txt is not an image.').waitFor();
  });

  test('a slow run can be stopped', async () => {
    await irisVersions('1');
    served = await serve([folder]);
    await using opened = await visit(browser, `${served.url}#/models/iris`);
    const { page } = opened;
    await page.getByTestId('output').locator('.headline').waitFor();
    await page.route('**/models/iris/predict', () => {
      // Never answered.
    });
    await page.getByRole('button', { name: 'Run', exact: true }).click();
    await page.getByRole('button', { name: 'Stop' }).waitFor();
    expect(await page.locator('[data-testid=output]').getAttribute('data-stale')).toBe('true');
    await page.keyboard.press('Escape');
    await page.getByRole('button', { name: 'Clear', exact: true }).waitFor();
    expect(await page.locator('[data-testid=output]').getAttribute('data-stale')).toBe('false');
    expect(await page.locator('.problem').count()).toBe(0);
  });

  test('a server without models says what to do; one that appears is shown', async () => {
    await mkdir(join(folder, 'empty'));
    served = await serve([join(folder, 'empty')], ['--model-control-mode', 'explicit']);
    await using opened = await visit(browser, served.url);
    const { page } = opened;
    await page.getByRole('heading', { name: 'No models yet' }).waitFor();
    await irisVersions('1');
    await cp(join(folder, 'iris'), join(folder, 'empty/iris'), { recursive: true });
    expect((await fetch(`${served.url}v2/repository/models/iris/load`, { method: 'POST' })).status).toBe(200);
    await page.getByTestId('output').locator('.headline').waitFor();
  });

  test('pages of a stranger’s answer do not break the page', async () => {
    const stranger = createServer((request, response) => {
      if (request.url === '/ui/models') response.writeHead(500, { 'content-type': 'text/html' }).end('<h1>oops</h1>');
      else void fetch(new URL(request.url!, served!.url)).then(async (answer) => response.writeHead(answer.status, { 'content-type': answer.headers.get('content-type') ?? '' }).end(Buffer.from(await answer.arrayBuffer())));
    });
    await irisVersions('1');
    served = await serve([folder]);
    await new Promise<void>((resolve) => stranger.listen(0, '127.0.0.1', resolve));
    try {
      await using opened = await visit(browser, `http://127.0.0.1:${(stranger.address() as AddressInfo).port}/`);
      await opened.page.getByRole('heading', { name: 'The server refused' }).waitFor();
      expect(await opened.page.locator('.message pre').textContent()).toContain('500');
    } finally {
      stranger.closeAllConnections();
      stranger.close();
    }
  });
});
