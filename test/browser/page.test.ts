import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { createServer, request as forward, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { promisify } from 'node:util';
import { gzipSync } from 'node:zlib';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { chromiumPath, launchChromium } from './chromium.ts';
import { exampleModels, serve, type Served } from './served.ts';
import { run, visit } from './visit.ts';

const entry = (field: string): string => `[data-field="${field}"] input.entry`;

describe.skipIf(chromiumPath === undefined)('the page', () => {
  let browser: Browser;
  let served: Served;
  beforeAll(async () => {
    [browser, served] = await Promise.all([launchChromium(), serve([exampleModels])]);
  });
  afterAll(async () => {
    await browser?.close();
    await served?.stop();
  });

  test('a person classifies a flower', async () => {
    await using opened = await visit(browser, served.url);
    const { page, printed, foreign } = opened;
    await page.getByRole('link', { name: /^iris(?!-)/ }).click();
    const output = page.getByTestId('output');
    // The first example is answered before anyone asks.
    await output.locator('.headline').waitFor();
    for (const [field, value] of [['sepal_length', '5.0'], ['sepal_width', '3,6'], ['petal_length', '1.4'], ['petal_width', '0.2']] as const) await page.fill(entry(field), value);
    await run(page);
    await expect.poll(() => output.locator('.headline-label').textContent()).toBe('setosa');
    expect(await output.locator('.bars li').count()).toBe(3);
    expect(await page.getByTestId('timing').textContent()).toMatch(/^queue [\d.]+ · run [\d.]+ · total [\d.]+ ms · batch of 1$/);
    // A slider and its number are one.
    await page.locator('[data-field="petal_length"] input[type=range]').fill('6');
    expect(await page.inputValue(entry('petal_length'))).toBe('6');
    await page.fill(entry('petal_width'), '2.3');
    await page.fill(entry('sepal_length'), '7.2');
    await run(page);
    await expect.poll(() => output.locator('.headline-label').textContent()).toBe('virginica');
    expect(await page.locator('.history-item').count()).toBe(3);
    expect({ printed, foreign }).toEqual({ printed: [], foreign: [] });
  });

  test('from the keyboard alone', async () => {
    await using opened = await visit(browser, served.url);
    const { page } = opened;
    await page.getByTestId('output').waitFor();
    await page.keyboard.press('Control+k');
    await page.keyboard.type('digi');
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { name: 'digits', exact: true }).waitFor();
    await page.keyboard.press('Control+k');
    await page.keyboard.type('iris-ens');
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { name: 'iris-ensemble' }).waitFor();
    const headline = page.getByTestId('output').locator('.headline-label');
    await headline.waitFor();
    const before = await headline.textContent();
    const answered = page.waitForResponse((response) => response.url().endsWith('/predict'));
    await page.keyboard.press('e');
    await answered;
    await expect.poll(() => headline.textContent()).not.toBe(before);
    // Tab reaches the form; Enter runs it and the focus stays where it was.
    while (!(await page.evaluate(() => document.activeElement?.matches('[data-field="petal_width"] input.entry')))) await page.keyboard.press('Tab');
    await page.keyboard.press('Control+a');
    await page.keyboard.type('2.4');
    const again = page.waitForResponse((response) => response.url().endsWith('/predict'));
    await page.keyboard.press('Enter');
    await again;
    await expect.poll(() => page.getByTestId('output').getAttribute('data-stale')).toBe('false');
    expect(await page.evaluate(() => document.activeElement?.matches('[data-field="petal_width"] input.entry'))).toBe(true);
    expect(await page.locator('[role=status]').allTextContents()).toContainEqual(expect.stringMatching(/^Result: \w+ [\d.]+ %$/));
    await page.keyboard.press('Tab');
    await page.keyboard.press('?');
    await page.getByRole('dialog', { name: 'Keys' }).waitFor();
    await page.keyboard.press('Escape');
    await expect.poll(() => page.locator('dialog').count()).toBe(0);
  });

  test('the code drawer follows the form, and its curl is the same request', async () => {
    await using opened = await visit(browser, `${served.url}#/models/iris`);
    const { page } = opened;
    const headline = page.getByTestId('output').locator('.headline');
    await headline.waitFor();
    await page.getByRole('button', { name: 'Use from code' }).click();
    await page.fill(entry('petal_length'), '5.9');
    expect(await page.getByTestId('code').textContent()).toContain('"petal_length": 5.9');
    const answered = page.waitForResponse((response) => response.url().endsWith('/predict'));
    await page.keyboard.press('Control+Enter');
    const shown = JSON.parse(await (await answered).text()) as unknown;
    await page.getByRole('button', { name: 'Copy', exact: true }).last().click();
    await expect.poll(() => page.locator('.toast').textContent()).toBe('Code copied');
    const curl = await page.evaluate(() => navigator.clipboard.readText());
    const { stdout } = await promisify(execFile)('bash', ['-c', curl], { env: { ...process.env, NO_PROXY: '*', no_proxy: '*' } });
    expect(JSON.parse(stdout)).toEqual(shown);
    await page.getByRole('tab', { name: 'TypeScript' }).click();
    await page.getByRole('button', { name: 'Copy', exact: true }).last().click();
    const script = await page.evaluate(() => navigator.clipboard.readText());
    const run = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', script.replace('console.log(answer)', 'console.log(JSON.stringify(answer))')]);
    expect(JSON.parse(run.stdout)).toEqual(shown);
    await page.getByRole('tab', { name: 'Python' }).click();
    expect(await page.getByTestId('code').textContent()).toContain('requests.post(');
    await page.keyboard.press('Escape');
    await expect.poll(() => page.getByTestId('code').count()).toBe(0);
    expect(await page.evaluate(() => document.activeElement?.getAttribute('aria-label'))).toBe('Use from code');
  });

  test('an image is copied in full though it is shown short', async () => {
    await using opened = await visit(browser, `${served.url}#/models/digits`);
    const { page } = opened;
    await page.getByTestId('output').locator('.headline').waitFor();
    const expected = await page.getByTestId('output').locator('.headline-label').textContent();
    await page.keyboard.press('c');
    expect(await page.getByTestId('code').textContent()).toMatch(/base64,[\w+/]{24}… \d+ KB/);
    await page.getByRole('button', { name: 'Copy', exact: true }).last().click();
    const { stdout } = await promisify(execFile)('bash', ['-c', await page.evaluate(() => navigator.clipboard.readText())], { env: { ...process.env, NO_PROXY: '*', no_proxy: '*' } });
    expect((JSON.parse(stdout) as { label: string }).label).toBe(expected);
  });

  test('a link brings the form and its answer to somebody else', async () => {
    let link: string;
    {
      await using opened = await visit(browser, `${served.url}#/models/iris`);
      await opened.page.getByTestId('output').locator('.headline').waitFor();
      await opened.page.fill(entry('petal_width'), '0.35');
      await run(opened.page);
      await opened.page.getByRole('button', { name: 'Share' }).click();
      await expect.poll(() => opened.page.locator('.toast').textContent()).toBe('Link copied');
      link = await opened.page.evaluate(() => navigator.clipboard.readText());
    }
    await using other = await visit(browser, link);
    await other.page.getByTestId('output').locator('.headline').waitFor();
    expect(await other.page.inputValue(entry('petal_width'))).toBe('0.35');
    expect(link).toContain('petal_width');
  });

  test('a row from a spreadsheet fills the form', async () => {
    await using opened = await visit(browser, `${served.url}#/models/iris`);
    const { page } = opened;
    await page.locator(entry('sepal_length')).focus();
    await page.evaluate(() => navigator.clipboard.writeText('6.3\t2.9\t5.6\t1.8'));
    await page.keyboard.press('Control+v');
    await expect.poll(() => Promise.all(['sepal_length', 'sepal_width', 'petal_length', 'petal_width'].map((field) => page.inputValue(entry(field))))).toEqual(['6.3', '2.9', '5.6', '1.8']);
  });

  test('nothing that was filled in is lost, and history brings back what was', async () => {
    await using opened = await visit(browser, `${served.url}#/models/iris`);
    const { page } = opened;
    const headline = page.getByTestId('output').locator('.headline-label');
    await headline.waitFor();
    const first = await headline.textContent();
    const firstValue = await page.inputValue(entry('petal_length'));
    await page.getByRole('button', { name: /^5\.8/ }).click();
    await expect.poll(() => headline.textContent()).not.toBe(first);
    await page.fill(entry('sepal_width'), '3.33');
    await page.getByRole('link', { name: /^digits/ }).click();
    await page.locator('.paper').waitFor();
    await page.getByRole('link', { name: /^iris(?!-)/ }).click();
    await expect.poll(() => page.inputValue(entry('sepal_width'))).toBe('3.33');
    await page.locator('.history-item').last().click();
    await expect.poll(() => headline.textContent()).toBe(first);
    expect(await page.inputValue(entry('petal_length'))).toBe(firstValue);
    await expect.poll(() => page.url()).not.toContain('input');
    await page.reload();
    await expect.poll(() => page.locator('.history-item').count()).toBe(2);
  });

  test('tensors are checked while one types, and run', async () => {
    await using opened = await visit(browser, `${served.url}#/models/iris-classify`);
    const { page } = opened;
    const field = page.locator('textarea.entry');
    await field.fill('[[1, 2], [3]]');
    expect(await page.locator('.field-problem').textContent()).toContain('rows of unequal length');
    await field.fill('0.1\t0.2\t0.3\t0.4\n1\t1\t1\t1');
    await expect.poll(() => page.getByText('Shape [2, 4]').count()).toBe(1);
    await run(page);
    const table = page.getByTestId('output').locator('table');
    await table.waitFor();
    expect(await table.locator('tbody tr').count()).toBe(2);
    expect(await table.locator('thead th').allTextContents()).toEqual(['setosa', 'versicolor', 'virginica']);
    await field.fill('1 1 1 1');
    await run(page);
    await page.getByTestId('output').locator('.bars').waitFor();
  });

  test('live runs follow a slider', async () => {
    await using opened = await visit(browser, `${served.url}#/models/iris`);
    const { page } = opened;
    await page.getByTestId('output').locator('.headline').waitFor();
    await page.getByRole('switch', { name: 'Run on change' }).check();
    const slider = page.locator('[data-field="petal_length"] input[type=range]');
    await slider.fill('1');
    await page.locator('[data-field="sepal_width"] input[type=range]').fill('4');
    await page.locator('[data-field="petal_width"] input[type=range]').fill('0.1');
    await expect.poll(() => page.getByTestId('output').locator('.headline-label').textContent()).toBe('setosa');
    expect(await page.locator('.history-item').count()).toBe(1);
  });

  test.each([['light', 'dark'], ['dark', 'light']] as const)('the %s theme of the system, and %s by choice, which is remembered', async (system, chosen) => {
    await using opened = await visit(browser, served.url, { colorScheme: system });
    const { page } = opened;
    const ground = (): Promise<number> => page.evaluate(() => {
      const canvas = document.createElement('canvas').getContext('2d', { willReadFrequently: true })!;
      canvas.fillStyle = getComputedStyle(document.body).backgroundColor;
      canvas.fillRect(0, 0, 1, 1);
      return canvas.getImageData(0, 0, 1, 1).data[0]!;
    });
    const isLight = async (): Promise<boolean> => (await ground()) > 128;
    await page.getByRole('button', { name: /^Theme/ }).waitFor();
    expect(await isLight()).toBe(system === 'light');
    await page.getByRole('button', { name: /^Theme: system/ }).click();
    if (chosen === 'dark') await page.getByRole('button', { name: /^Theme: light/ }).click();
    await page.getByRole('button', { name: `Theme: ${chosen}` }).waitFor();
    expect(await isLight()).toBe(chosen === 'light');
    await page.reload();
    await page.getByRole('button', { name: `Theme: ${chosen}` }).waitFor();
    expect(await isLight()).toBe(chosen === 'light');
  });

  test.each([1440, 900, 390])('at %i pixels nothing is wider than the screen', async (width) => {
    await using opened = await visit(browser, served.url, { viewport: { width, height: 844 } });
    const { page } = opened;
    for (const hash of ['#/models/iris', '#/models/digits', '#/models/iris-classify', '#/dashboard', '#/models/none']) {
      await page.evaluate((address) => { location.hash = address; }, hash);
      await page.locator('main h1').waitFor();
      await page.waitForTimeout(100);
      const wide = await page.evaluate(() => {
        const main = document.querySelector('main')!;
        return { page: document.documentElement.scrollWidth - innerWidth, main: main.scrollWidth - main.clientWidth };
      });
      expect(wide, hash).toEqual({ page: 0, main: 0 });
    }
  });

  test('on a phone the list is a drawer and Run stays at the bottom edge', async () => {
    await using opened = await visit(browser, `${served.url}#/models/iris`, { viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true });
    const { page } = opened;
    const button = page.getByRole('button', { name: 'Run', exact: true });
    await button.waitFor();
    expect((await button.boundingBox())!.y).toBeGreaterThan(760);
    expect(await page.getByRole('link', { name: /^digits/ }).isVisible()).toBe(false);
    await page.getByRole('button', { name: 'Models and pages', exact: true }).tap();
    await page.getByRole('link', { name: /^digits/ }).tap();
    await page.getByRole('heading', { name: 'digits', exact: true }).waitFor();
    await expect.poll(() => page.getByRole('link', { name: /^digits/ }).isVisible()).toBe(false);
    // From the keyboard the focus goes in, and back out.
    await page.getByRole('button', { name: 'Models and pages', exact: true }).focus();
    await page.keyboard.press('Enter');
    await expect.poll(() => page.evaluate(() => document.activeElement?.closest('nav') !== null)).toBe(true);
    await page.keyboard.press('Escape');
    expect(await page.evaluate(() => document.activeElement?.getAttribute('aria-label'))).toBe('Models and pages');
  });

  test('nothing jumps when an answer arrives', async () => {
    await using opened = await visit(browser, `${served.url}#/models/iris`);
    const { page } = opened;
    await page.getByTestId('output').locator('.headline').waitFor();
    const places = (): Promise<unknown> => page.evaluate(() => ['.actions', '.output', '.output-foot', '.history', '.headline'].map((selector) => {
      const { x, y, width, height } = document.querySelector(selector)!.getBoundingClientRect();
      return [selector, x, y, selector === '.headline' ? 0 : width, height];
    }));
    const before = await places();
    await page.getByRole('button', { name: /^5\.8/ }).click();
    await expect.poll(() => page.locator('.history-item').count()).toBe(2);
    expect(await places()).toEqual(before);
  });

  test('?embed shows the middle only', async () => {
    await using opened = await visit(browser, `${served.url}?embed#/models/iris`);
    await opened.page.getByTestId('output').locator('.headline').waitFor();
    expect(await opened.page.locator('nav, .top').count()).toBe(0);
  });

  test('the first load is small', async () => {
    const index = await (await fetch(served.url)).text();
    const files = [...index.matchAll(/(?:src|href)="(\.\/[^"]+)"/g)].map((match) => match[1]!);
    expect(files.length).toBeGreaterThanOrEqual(3);
    let size = gzipSync(index).length;
    for (const file of files) {
      const response = await fetch(new URL(file, served.url));
      expect(response.status, file).toBe(200);
      size += gzipSync(Buffer.from(await response.arrayBuffer())).length;
    }
    expect(size).toBeLessThan(300 * 1024);
  });

  test('behind a path prefix and a proxy', async () => {
    const proxy = createServer((incoming, outgoing) => {
      if (!incoming.url!.startsWith('/tools/models/')) {
        outgoing.writeHead(404).end();
        return;
      }
      const onward = forward({ host: '127.0.0.1', port: served.port, method: incoming.method, path: incoming.url!.slice('/tools/models'.length), headers: incoming.headers }, (answer) => {
        outgoing.writeHead(answer.statusCode!, answer.headers);
        answer.pipe(outgoing);
      });
      onward.on('error', () => outgoing.writeHead(502).end());
      incoming.pipe(onward);
    });
    await listen(proxy);
    try {
      const url = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}/tools/models/`;
      await using opened = await visit(browser, `${url}#/models/iris`);
      const { page, printed } = opened;
      await page.getByTestId('output').locator('.headline').waitFor();
      await page.keyboard.press('c');
      expect(await page.getByTestId('code').textContent()).toContain(`${url}models/iris/predict`);
      await page.getByRole('link', { name: 'API docs' }).first().click();
      await page.waitForURL(/\/tools\/models\/docs/);
      expect(printed.filter((line) => !line.includes('docs'))).toEqual([]);
    } finally {
      proxy.closeAllConnections();
      proxy.close();
    }
  });

  test('the dashboard shows what happens', async () => {
    await using opened = await visit(browser, `${served.url}#/dashboard`);
    const { page } = opened;
    const card = page.getByRole('region', { name: 'Requests' });
    await card.waitFor();
    const body = await readFile(`${exampleModels}/iris/sample.json`, 'utf8').catch(() => '{"sepal_length":6,"sepal_width":2.2,"petal_length":4,"petal_width":1}');
    const value = JSON.stringify([JSON.parse(body)].flat()[0]);
    const stop = setInterval(() => void fetch(`${served.url}models/iris/predict`, { method: 'POST', body: value, headers: { 'content-type': 'application/json' } }), 20);
    try {
      await expect.poll(async () => Number((await card.locator('.card-value').textContent())!.match(/^[\d,.]+/)?.[0] ?? 0), { timeout: 10_000 }).toBeGreaterThan(5);
      const row = page.getByRole('row', { name: /^iris ready/ });
      await expect.poll(() => row.getByRole('cell').allTextContents(), { timeout: 10_000 }).not.toContain('–');
      await expect.poll(() => page.getByRole('region', { name: 'Memory' }).locator('.card-value').textContent()).toMatch(/^\d+MB/);
    } finally {
      clearInterval(stop);
    }
  });
});

function listen(server: Server): Promise<void> {
  return new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
}
