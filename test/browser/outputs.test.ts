/** Answers that are longer, wider and deeper than a page is made for, and many models to choose from. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { chromiumPath, launchChromium } from './chromium.ts';
import { exampleModels, serve, type Served } from './served.ts';
import { visit, type Visit } from './visit.ts';

interface Document {
  readonly models: { name: string; versions: { served?: { predict?: Record<string, unknown> } }[] }[];
}

describe.skipIf(chromiumPath === undefined)('more than usual', () => {
  let browser: Browser;
  let served: Served;
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'modelport-outputs-'));
    [browser, served] = await Promise.all([launchChromium(), serve([join(exampleModels, 'iris'), join(import.meta.dirname, 'showcase.ts'), join(import.meta.dirname, 'extremes.ts')], ['--cache-dir', join(folder, 'cache')])]);
  });
  afterAll(async () => {
    await browser?.close();
    await served?.stop();
    await rm(folder, { recursive: true, force: true });
  });

  const open = (endpoint: string): Promise<Visit> => visit(browser, `${served.url}#/models/${endpoint}`);
  const output = (page: Page) => page.getByTestId('output');

  test('long labels are read whole, above their bars', async () => {
    await using opened = await open('far.labels');
    const { page } = opened;
    await output(page).locator('.bars').waitFor();
    for (const label of await output(page).locator('.bar-label').all()) {
      expect(await label.evaluate((element) => [element.scrollWidth - element.clientWidth, element.scrollHeight - element.clientHeight].map((over) => Math.max(0, over - 1)))).toEqual([0, 0]);
    }
    const [label, track] = await Promise.all(['.bar-label', '.bar-track'].map((selector) => output(page).locator(selector).first().boundingBox()));
    expect(label!.y + label!.height).toBeLessThanOrEqual(track!.y);
    // A label that long is no headline of 28 pixels.
    expect(Number.parseFloat(await output(page).locator('.headline').evaluate((element) => getComputedStyle(element).fontSize))).toBeLessThan(20);
  });

  test('a long text has a height of its own, and a stream keeps its end in sight', async () => {
    await using opened = await open('far.text');
    const { page } = opened;
    const frame = output(page).getByRole('region', { name: 'Text' });
    await frame.waitFor();
    expect((await frame.boundingBox())!.height).toBeLessThanOrEqual(480);
    expect(await frame.evaluate((element) => [element.scrollHeight > 2000, element.scrollTop])).toEqual([true, 0]);
    // A keyboard scrolls it.
    await frame.focus();
    await page.keyboard.press('PageDown');
    await expect.poll(() => frame.evaluate((element) => element.scrollTop)).toBeGreaterThan(100);
    await page.evaluate(() => { location.hash = '#/models/far.pages'; });
    await page.getByRole('heading', { name: 'far.pages' }).waitFor();
    await page.getByRole('button', { name: 'Run', exact: true }).click();
    await output(page).getByText('line 200:').waitFor();
    const below = () => output(page).locator('.text-frame').evaluate((element) => element.scrollHeight - element.scrollTop - element.clientHeight);
    await expect.poll(below).toBeLessThan(80);
    // Whoever reads further up is left there.
    await output(page).locator('.text-frame').evaluate((element) => { element.scrollTop = 0; });
    const lines = (await output(page).locator('.text-frame').textContent())!.length;
    await expect.poll(async () => (await output(page).locator('.text-frame').textContent())!.length).toBeGreaterThan(lines);
    expect(await output(page).locator('.text-frame').evaluate((element) => element.scrollTop)).toBe(0);
    await page.getByRole('button', { name: 'Stop' }).click();
    await page.locator('section[aria-label=Output][aria-busy=false]').waitFor();
  });

  test('far inside an answer is a tree, but what can be drawn is drawn', async () => {
    await using opened = await open('far.tree');
    const { page } = opened;
    await output(page).locator('.json').waitFor();
    expect(await output(page).locator('.facts').first().textContent()).toBe('ReadyYes');
    expect(await output(page).locator('.bars').count()).toBe(1);
    expect(await output(page).locator('.json').first().locator('summary').allTextContents()).toEqual(['2 members', 'layers: 2 items', '0: 2 members', 'weights: 2 members', '1: 1 member']);
    await output(page).getByText('0: 2 members').click();
    await output(page).getByText('weights: 2 members').click();
    await output(page).getByText('mean: ').waitFor();
    // All of it, as it came.
    await page.getByRole('button', { name: 'JSON' }).click();
    expect(JSON.parse((await page.getByLabel('Answer as JSON').textContent())!)).toMatchObject({ model: { layers: [{ weights: { shape: [10, 20] } }, {}] } });
  });

  test('the number under the pointer is read from a heat map', async () => {
    await using opened = await open('far.heat');
    const { page } = opened;
    const canvas = output(page).getByRole('img', { name: 'Attention, 20 rows of 30, from 0 to 1929' });
    await canvas.waitFor();
    const box = (await canvas.boundingBox())!;
    await page.mouse.move(box.x + (10.5 / 30) * box.width, box.y + (5.5 / 20) * box.height);
    await output(page).getByText('[5, 10] 510').waitFor();
    // Low is light and high is dark, and the other way round at night.
    const corners = () => canvas.evaluate((element: HTMLCanvasElement) => {
      const context = element.getContext('2d')!;
      return [context.getImageData(0, 0, 1, 1).data[1]!, context.getImageData(29, 19, 1, 1).data[1]!];
    });
    const [low, high] = await corners();
    expect(low).toBeGreaterThan(high! + 100);
    await page.emulateMedia({ colorScheme: 'dark' });
    await expect.poll(async () => (await corners())[1]! - (await corners())[0]!).toBeGreaterThan(100);
  });

  test('a wide table scrolls in its frame, and is sorted both ways by numbers and by words', async () => {
    await using opened = await open('far.rows');
    const { page } = opened;
    const table = output(page).getByRole('region', { name: 'Answer' });
    await table.waitFor();
    expect(await table.evaluate((element) => element.scrollWidth > element.clientWidth * 2)).toBe(true);
    expect(await page.locator('main').evaluate((element) => element.scrollWidth - element.clientWidth)).toBe(0);
    await page.getByText('The first 200 of 1,000 rows. Download has all.').waitFor();
    const column = async (index: number): Promise<string[]> => table.locator(`tbody td:nth-child(${index})`).allTextContents();
    await table.getByRole('button', { name: 'column 1', exact: true }).click();
    expect((await column(2)).slice(0, 3)).toEqual(['0', '1', '2']);
    await table.getByRole('button', { name: 'column 1 ↑' }).click();
    expect((await column(2)).slice(0, 3)).toEqual(['999', '998', '997']);
    expect(await table.locator('th').nth(1).getAttribute('aria-sort')).toBe('descending');
    await table.getByRole('button', { name: 'column 0', exact: true }).click();
    // By the number in the word: 10 comes after 9.
    expect((await column(1)).slice(8, 11).map((cell) => cell.replace(/\D/g, ''))).toEqual(['8', '9', '10']);
  });

  test.each([390, 320])('at %i pixels no kind of value is wider than the screen', { timeout: 120_000 }, async (width) => {
    await using opened = await visit(browser, `${served.url}#/gallery`, { viewport: { width, height: 844 }, hasTouch: true, isMobile: true });
    const { page } = opened;
    await page.locator('.gallery-card').first().waitFor();
    const names = ((await (await fetch(`${served.url}ui/models`)).json()) as Document).models.map(({ name }) => name);
    expect(names.length).toBeGreaterThan(20);
    const wide: string[] = [];
    for (const name of names) {
      await page.evaluate((address) => { location.hash = address; }, `#/models/${name}`);
      await page.getByRole('heading', { name, exact: true }).waitFor();
      await page.locator('section[aria-label=Output][aria-busy=false]').waitFor();
      await page.waitForFunction(() => document.querySelector('.control-coming') === null);
      const over = await page.evaluate(() => [document.documentElement.scrollWidth - innerWidth, document.querySelector('main')!.scrollWidth - document.querySelector('main')!.clientWidth]);
      if (over.some((pixels) => pixels > 0)) wide.push(`${name}: ${over.join(', ')}`);
    }
    expect(wide).toEqual([]);
    expect(opened.foreign).toEqual([]);
    expect(opened.printed).toEqual([]);
  });

  /** The page in front of a server that serves more: iris under many names. */
  async function pretend(page: Page, names: readonly string[]): Promise<void> {
    const document = (await (await fetch(`${served.url}ui/models`)).json()) as Document;
    const { versions } = document.models.find(({ name }) => name === 'iris')!;
    const models = [...names].sort().map((name) => {
      const [service, endpoint] = name.split('.');
      const [version] = structuredClone(versions);
      if (endpoint !== undefined) Object.assign(version!.served!.predict!, { task: 'service', http: { method: 'POST', path: `/${service}/${endpoint}`, tags: [service] } });
      return { name, versions: [version] };
    });
    await page.route('**/ui/models', (route) => route.fulfill({ json: { ...document, models } }));
  }

  test('among a hundred models one is found: in the list, in the gallery, with the keyboard', async () => {
    await using opened = await visit(browser, 'about:blank');
    const { page } = opened;
    await pretend(page, Array.from({ length: 100 }, (_, index) => `model-${String(index).padStart(3, '0')}`));
    await page.goto(`${served.url}#/models/model-087`);
    await output(page).locator('.headline').waitFor();
    // What is open is in sight in the list, and the page itself has not moved.
    const current = page.locator('.side [aria-current=page]');
    await expect.poll(async () => (await current.boundingBox())!.y + (await current.boundingBox())!.height).toBeLessThan((await page.locator('.side-end').boundingBox())!.y);
    expect((await current.boundingBox())!.y).toBeGreaterThan(52);
    expect(await page.evaluate(() => [document.documentElement.scrollTop, document.body.scrollTop])).toEqual([0, 0]);
    await page.getByRole('searchbox', { name: 'Filter the list' }).fill('04');
    await expect.poll(() => page.locator('.side a:not(.side-end a)').count()).toBe(11);
    await page.getByRole('searchbox', { name: 'Filter the list' }).fill('nothing');
    await page.locator('.side').getByText('Nothing fits.').waitFor();
    await page.getByRole('searchbox', { name: 'Filter the list' }).fill('');
    await page.keyboard.press('Control+k');
    await page.keyboard.type('odel-055');
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { name: 'model-055' }).waitFor();
    await page.getByRole('link', { name: 'Gallery' }).click();
    await expect.poll(() => page.locator('.gallery-card').count()).toBe(100);
    await page.getByRole('searchbox', { name: 'Search the gallery' }).fill('model-01');
    await page.getByText('10 of 100').waitFor();
    await page.getByRole('searchbox', { name: 'Search the gallery' }).fill('cats');
    await page.getByRole('button', { name: 'Show everything' }).click();
    await expect.poll(() => page.locator('.gallery-card').count()).toBe(100);
  });

  test('a service of thirty endpoints is one line that unfolds', async () => {
    await using opened = await visit(browser, 'about:blank');
    const { page } = opened;
    await pretend(page, ['iris', ...Array.from({ length: 30 }, (_, index) => `shop.step-${index}`), 'photos.classify', 'photos.pixels']);
    await page.goto(`${served.url}#/models/iris`);
    await output(page).locator('.headline').waitFor();
    const side = page.getByRole('navigation');
    await expect.poll(() => side.getByRole('link', { name: 'step-' }).count()).toBe(0);
    expect(await side.locator('summary').allTextContents()).toEqual(['photos2', 'shop30']);
    // From the keyboard.
    await side.locator('summary', { hasText: 'shop' }).focus();
    await page.keyboard.press('Enter');
    await expect.poll(() => side.getByRole('link', { name: 'step-' }).count()).toBe(30);
    await side.getByRole('link', { name: 'step-17' }).click();
    await page.getByRole('heading', { name: 'shop.step-17' }).waitFor();
    await page.evaluate(() => { location.hash = '#/models/photos.pixels'; });
    await side.getByRole('link', { name: 'pixels' }).waitFor();
    // A filter shows what it finds, folded or not.
    await side.locator('summary', { hasText: 'shop' }).click();
    await side.getByRole('searchbox').fill('step-2');
    await expect.poll(() => side.getByRole('link', { name: 'step-' }).count()).toBe(11);
    await page.getByRole('link', { name: 'Gallery' }).click();
    await page.locator('.gallery-card').first().waitFor();
    expect(await page.locator('.gallery-group h2').allTextContents()).toEqual(['Models', 'photos', 'shop']);
  });
});
