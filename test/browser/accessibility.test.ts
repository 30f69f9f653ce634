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
    await page.locator('input.entry').first().fill('');
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
    [browser, served] = await Promise.all([launchChromium(), serve([folder], ['--exit-on-error', 'false'])]);
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
