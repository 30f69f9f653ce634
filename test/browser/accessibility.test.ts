import { readFileSync } from 'node:fs';
import { cp, mkdtemp, mkdir, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { chromiumPath, launchChromium } from './chromium.ts';
import { exampleModels, serve, type Served } from './served.ts';
import { visit } from './visit.ts';

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

interface Violation {
  readonly id: string;
  readonly nodes: readonly { readonly html: string; readonly failureSummary?: string }[];
}

/** WCAG 2.2 A and AA and best practice, and of AAA that text stands out from its ground 7:1. */
async function violations(page: Page): Promise<string[]> {
  await page.evaluate(axe);
  const found = await page.evaluate(async () => {
    const { run } = (globalThis as unknown as { axe: { run(options: unknown): Promise<{ violations: unknown }> } }).axe;
    const report = await run({ runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'], rules: { 'color-contrast-enhanced': { enabled: true } } });
    return JSON.stringify(report.violations);
  });
  return (JSON.parse(found) as Violation[]).flatMap(({ id, nodes }) => nodes.map((node) => `${id}: ${node.html.slice(0, 160)} ${node.failureSummary ?? ''}`));
}

/** What axe is shown: how to get there from an open page. */
const states: readonly { readonly name: string; readonly hash: string; readonly ready: string; act?(page: Page): Promise<void> }[] = [
  { name: 'a form with an answer', hash: '#/models/iris', ready: '[data-testid=output] .bars' },
  { name: 'a drawing with an answer', hash: '#/models/digits', ready: '[data-testid=output] .bars' },
  { name: 'tensors', hash: '#/models/plain', ready: 'textarea', act: async (page) => {
    await page.getByRole('button', { name: 'Run', exact: true }).click();
    await page.locator('[data-testid=output] .output-part').first().waitFor();
  } },
  { name: 'a mistake in the form', hash: '#/models/iris', ready: '[data-testid=output] .bars', act: async (page) => {
    await page.locator('main input.entry').first().fill('');
    await page.keyboard.press('Enter');
    await page.locator('.field-problem').waitFor();
  } },
  { name: 'code', hash: '#/models/iris', ready: '[data-testid=output] .bars', act: async (page) => {
    await page.getByRole('button', { name: 'Use from code' }).click();
    await page.getByTestId('code').waitFor();
  } },
  { name: 'the palette', hash: '#/models/iris', ready: '[data-testid=output] .bars', act: (page) => page.keyboard.press('Control+k') },
  { name: 'the keys', hash: '#/models/iris', ready: '[data-testid=output] .bars', act: (page) => page.keyboard.press('?') },
  { name: 'an unavailable model', hash: '#/models/broken', ready: 'h1:has-text("unavailable")' },
  { name: 'the dashboard', hash: '#/dashboard', ready: '.spark' },
  { name: 'the gallery', hash: '#/gallery', ready: '.gallery-card' },
  { name: 'boxes', hash: '#/models/show.boxes', ready: '[data-testid=output] polygon' },
  { name: 'masks', hash: '#/models/show.masks', ready: '[data-testid=output] .mask' },
  { name: 'highlighted text', hash: '#/models/show.entities', ready: '[data-testid=output] mark' },
  { name: 'a recording and its line', hash: '#/models/show.loudness', ready: '[data-testid=output] .chart-line' },
  { name: 'a table to fill in', hash: '#/models/show.totals', ready: '[data-testid=output] table' },
  { name: 'a conversation', hash: '#/models/show.chat', ready: '.said-by-assistant' },
  { name: 'captions, choices, a ranking', hash: '#/models/show.captions', ready: '[data-testid=output] .bars' },
  { name: 'files', hash: '#/models/show.files', ready: '.drop-zone', act: async (page) => {
    await page.locator('input[type=file]').setInputFiles([{ name: 'a.txt', mimeType: 'text/plain', buffer: Buffer.from('a') }, { name: 'b.txt', mimeType: 'text/plain', buffer: Buffer.from('b') }]);
    await page.getByRole('button', { name: 'Run', exact: true }).click();
    await page.locator('[data-testid=output] audio').waitFor();
  } },
  { name: 'a recording being made', hash: '#/models/show.ears', ready: '.drop-zone', act: async (page) => {
    await page.getByRole('button', { name: 'Record', exact: true }).click();
    await page.locator('.recording').waitFor();
  } },
  { name: 'the camera', hash: '#/models/far.crowd', ready: '.paper', act: async (page) => {
    await page.getByRole('button', { name: 'Use the camera' }).click();
    await page.locator('video').waitFor();
  } },
  { name: 'long labels', hash: '#/models/far.labels', ready: '[data-testid=output] .bars' },
  { name: 'a long text', hash: '#/models/far.text', ready: '[data-testid=output] .text-frame' },
  { name: 'a tree', hash: '#/models/far.tree', ready: '[data-testid=output] .json' },
  { name: 'a heat map', hash: '#/models/far.heat', ready: '[data-testid=output] canvas' },
  { name: 'a wide table', hash: '#/models/far.rows', ready: '[data-testid=output] table' },
  { name: 'a list that is narrowed', hash: '#/gallery', ready: '.gallery-card', act: async (page) => {
    await page.getByRole('searchbox', { name: 'Filter the list' }).fill('cap');
    await page.getByRole('searchbox', { name: 'Search the gallery' }).fill('nothing of the kind');
    await page.getByRole('button', { name: 'Show everything' }).waitFor();
  } },
  { name: 'a model that is not there', hash: '#/models/nobody', ready: 'h1:has-text("no model")' },
  { name: 'no server', hash: '#/models/iris', ready: '[data-testid=output] .bars', act: async (page) => {
    await page.route('**/{ui/models,models/iris/predict}', (route) => route.abort());
    await page.getByRole('button', { name: 'Run', exact: true }).click();
    await page.locator('.problem').waitFor();
    await page.locator('.banner').waitFor();
  } },
  { name: 'a key that is asked for', hash: '#/models/iris', ready: '[data-testid=output] .bars', act: async (page) => {
    await page.route('**/ui/models', (route) => route.fulfill({ status: 401, json: { error: 'no' } }));
    await page.getByLabel('API key').waitFor();
  } },
  { name: 'waiting', hash: '#/models/show.slow', ready: '[data-field=seconds] input.entry', act: async (page) => {
    await page.locator('[data-field=seconds] input.entry').fill('5');
    await page.getByRole('button', { name: 'Run', exact: true }).click();
    await page.locator('.waiting progress').waitFor();
  } },
  { name: 'a flag', hash: '#/models/iris', ready: '[data-testid=output] .bars', act: async (page) => {
    await page.getByRole('button', { name: 'Flag', exact: true }).click();
    await page.locator('.flag-card').waitFor();
  } },
  { name: 'many at once', hash: '#/models/iris', ready: '[data-testid=output] .bars', act: async (page) => {
    await page.getByRole('button', { name: 'Many at once' }).click();
    await page.locator('#batch-text').fill('5.1,3.5,1.4,0.2\n5.1,3.5,x,0.2');
    await page.getByRole('button', { name: /^Run 2/ }).click();
    await page.getByText(/^2 of 2/).waitFor();
  } },
];

describe.skipIf(chromiumPath === undefined)('axe finds nothing', () => {
  let browser: Browser;
  let served: Served;
  let folder: string;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'modelport-page-'));
    await cp(join(exampleModels, 'iris'), join(folder, 'iris'), { recursive: true });
    await cp(join(exampleModels, 'digits'), join(folder, 'digits'), { recursive: true });
    await cp(join(exampleModels, 'iris-classify'), join(folder, 'plain'), { recursive: true });
    await mkdir(join(folder, 'broken'));
    await writeFile(join(folder, 'broken/model.onnx'), 'not a model');
    [browser, served] = await Promise.all([launchChromium(), serve([folder, join(import.meta.dirname, 'showcase.ts'), join(import.meta.dirname, 'extremes.ts')], ['--exit-on-error', 'false', '--cache-dir', join(folder, 'cache')])]);
  });
  afterAll(async () => {
    await browser?.close();
    await served?.stop();
    await rm(folder, { recursive: true, force: true });
  });

  for (const colorScheme of ['light', 'dark'] as const) {
    for (const { name, hash, ready, act } of states) {
      test(`${name}, ${colorScheme}`, async () => {
        await using opened = await visit(browser, `${served.url}${hash}`, { colorScheme });
        await opened.page.locator(ready).first().waitFor();
        await act?.(opened.page);
        expect(await violations(opened.page)).toEqual([]);
        // Everything that a page needs comes from its server: it works offline.
        expect(opened.foreign).toEqual([]);
      });
    }
  }

  test('on a phone', async () => {
    await using opened = await visit(browser, `${served.url}#/models/iris`, { viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true });
    await opened.page.locator('[data-testid=output] .bars').waitFor();
    expect(await violations(opened.page)).toEqual([]);
    await opened.page.getByRole('button', { name: 'Models and pages', exact: true }).click();
    await opened.page.getByRole('link', { name: 'digits' }).waitFor();
    expect(await violations(opened.page)).toEqual([]);
  });
});
