/** The page as people have it: two tabs, a connection that breaks, keys that get in the way, a proxy in between. */
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer as createHttpServer, request as forward } from 'node:http';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { chromiumPath, launchChromium } from './chromium.ts';
import { exampleModels, serve, type Served } from './served.ts';
import { visit } from './visit.ts';

/** A line between browser and server that can be cut, and mended. */
async function line(port: number): Promise<{ readonly url: string; cut(): void; mend(): void; close(): void }> {
  const sockets = new Set<Socket>();
  let whole = true;
  const server = createServer((incoming) => {
    if (!whole) {
      incoming.destroy();
      return;
    }
    const onward = connect(port, '127.0.0.1');
    for (const socket of [incoming, onward]) {
      sockets.add(socket);
      socket.on('error', () => socket.destroy()).on('close', () => sockets.delete(socket));
    }
    incoming.pipe(onward).pipe(incoming);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const cut = (): void => {
    whole = false;
    for (const socket of sockets) socket.destroy();
  };
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    cut,
    mend: () => {
      whole = true;
    },
    close: () => {
      cut();
      server.close();
    },
  };
}

describe.skipIf(chromiumPath === undefined)('as people have it', () => {
  let browser: Browser;
  let served: Served;
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'modelport-people-'));
    [browser, served] = await Promise.all([launchChromium(), serve([join(exampleModels, 'iris'), join(exampleModels, 'digits'), join(import.meta.dirname, 'showcase.ts')], ['--cache-dir', join(folder, 'cache')])]);
  });
  afterAll(async () => {
    await browser?.close();
    await served?.stop();
    await rm(folder, { recursive: true, force: true });
  });

  const output = (page: Page) => page.getByTestId('output');

  test('a stream that breaks says so, keeps what came, and runs again when the server is back', async () => {
    const between = await line(served.port);
    try {
      await using opened = await visit(browser, `${between.url}#/models/show.count`);
      const { page } = opened;
      await output(page).locator('tbody tr').nth(4).waitFor();
      await page.locator('[data-field=to] input.entry').fill('400');
      await page.getByRole('button', { name: 'Run', exact: true }).click();
      await expect.poll(() => output(page).locator('tbody tr').count()).toBeGreaterThan(6);
      between.cut();
      await page.getByRole('alert').getByText('The connection broke before the answer was whole.').waitFor();
      expect(await output(page).locator('tbody tr').count()).toBeGreaterThan(6);
      await page.getByText('The server does not answer. Your input is kept').waitFor();
      between.mend();
      await expect.poll(() => page.locator('.banner').count(), { timeout: 15_000 }).toBe(0);
      expect(await page.inputValue('[data-field=to] input.entry')).toBe('400');
      await page.locator('[data-field=to] input.entry').fill('3');
      await page.getByRole('button', { name: 'Run', exact: true }).click();
      await expect.poll(() => output(page).locator('tbody tr').count()).toBe(3);
      expect(await page.locator('.problem').count()).toBe(0);
    } finally {
      between.close();
    }
  });

  test('many at once stop where the server goes away, and say what was not run', async () => {
    const between = await line(served.port);
    try {
      await using opened = await visit(browser, `${between.url}#/models/show.slow`);
      const { page } = opened;
      await page.getByRole('button', { name: 'Many at once' }).click();
      await page.locator('#batch-text').fill(`0\n${'1\n'.repeat(30)}`);
      await page.getByRole('button', { name: 'Run 31' }).click();
      await page.getByRole('region', { name: 'Results' }).locator('tbody tr').first().getByRole('button').waitFor();
      between.cut();
      await page.getByText(/· stopped$/).waitFor();
      const rows = await page.getByRole('region', { name: 'Results' }).locator('tbody tr').allTextContents();
      expect(rows.filter((row) => row.includes('The server does not answer')).length).toBeGreaterThan(0);
      expect(rows.at(-1)).toContain('…');
      await page.getByText('The server does not answer. Your input is kept').waitFor();
    } finally {
      between.close();
    }
  });

  test('the dashboard says that its figures are old, and goes on', async () => {
    const between = await line(served.port);
    try {
      await using opened = await visit(browser, `${between.url}#/dashboard`);
      const { page } = opened;
      const memory = page.getByRole('region', { name: 'Memory' }).locator('.card-value');
      await expect.poll(() => memory.textContent(), { timeout: 10_000 }).toMatch(/^\d+MB/);
      between.cut();
      await page.getByText('Metrics do not answer; the last figures stand.').waitFor();
      expect(await memory.textContent()).toMatch(/^\d+MB/);
      between.mend();
      await page.getByText('The last two minutes, live.').waitFor({ timeout: 15_000 });
      await expect.poll(() => page.locator('.banner').count(), { timeout: 15_000 }).toBe(0);
    } finally {
      between.close();
    }
  });

  test('two tabs: each has its own form, the theme is one, and many at once in one leave the other its turn', async () => {
    const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, reducedMotion: 'reduce' });
    try {
      const first = await context.newPage();
      const second = await context.newPage();
      await first.goto(`${served.url}#/models/show.slow`);
      await first.getByRole('button', { name: 'Many at once' }).click();
      await first.locator('#batch-text').fill('10\n'.repeat(12));
      await first.getByRole('button', { name: 'Run 12' }).click();
      await first.getByText('0 of 12').waitFor();
      await second.goto(`${served.url}#/models/iris`);
      await second.getByTestId('output').locator('.headline').waitFor();
      // None of the first tab's was answered in the meantime.
      expect(await first.getByText('0 of 12').count()).toBe(1);
      await first.getByRole('button', { name: 'Stop' }).click();
      await second.getByRole('button', { name: /^Theme: system/ }).click();
      await second.getByRole('button', { name: /^Theme: light/ }).click();
      await first.getByRole('button', { name: /^Theme: dark/ }).waitFor();
      expect(await first.evaluate(() => document.documentElement.dataset['theme'])).toBe('dark');
      await first.goto(`${served.url}#/models/iris`);
      await first.fill('[data-field=petal_width] input.entry', '0.42');
      expect(await second.inputValue('[data-field=petal_width] input.entry')).not.toBe('0.42');
      expect(await second.locator('.history-item').count()).toBe(1);
    } finally {
      await context.close();
    }
  });

  test('keys without Ctrl can be switched off, and are found again', async () => {
    await using opened = await visit(browser, `${served.url}#/models/iris`);
    const { page } = opened;
    await output(page).locator('.headline').waitFor();
    await page.keyboard.press('c');
    await page.getByTestId('code').waitFor();
    await page.keyboard.press('Escape');
    await page.keyboard.press('?');
    await page.getByRole('switch', { name: 'Keys without ⌘ or Ctrl' }).uncheck();
    await page.keyboard.press('Escape');
    await expect.poll(() => page.locator('dialog').count()).toBe(0);
    await page.reload();
    await output(page).locator('.headline').waitFor();
    await page.keyboard.press('c');
    await page.keyboard.press('?');
    await page.keyboard.press('Control+k');
    await page.getByRole('dialog', { name: 'Search' }).waitFor();
    expect(await page.getByTestId('code').count()).toBe(0);
    await page.keyboard.type('keys');
    await page.keyboard.press('Enter');
    await page.getByRole('dialog', { name: 'Keys' }).getByRole('switch').check();
    await page.keyboard.press('Escape');
    await page.keyboard.press('c');
    await page.getByTestId('code').waitFor();
  });

  test('the first load, as a browser has it, is small; what comes later comes when it is needed', async () => {
    await using opened = await visit(browser, 'about:blank');
    const { page } = opened;
    const loads: Promise<readonly [string, number]>[] = [];
    page.on('requestfinished', (request) => {
      if (new URL(request.url()).pathname !== '/ui/models') loads.push(request.sizes().then(({ responseBodySize }) => [new URL(request.url()).pathname, responseBodySize] as const));
    });
    await page.goto(`${served.url}#/models/iris`);
    await output(page).locator('.headline').waitFor();
    const first = await Promise.all(loads);
    expect(first.map(([path]) => path)).toContainEqual(expect.stringMatching(/\/assets\/index-[\w-]+\.js$/));
    expect(first.reduce((sum, [, size]) => sum + size, 0)).toBeLessThan(300 * 1024);
    expect(first.map(([path]) => path).filter((path) => /dashboard|gallery|batch|audio/.test(path))).toEqual([]);
    await page.getByRole('link', { name: 'Dashboard' }).click();
    await page.getByRole('heading', { name: 'Dashboard' }).waitFor();
    expect((await Promise.all(loads)).map(([path]) => path)).toContainEqual(expect.stringContaining('dashboard'));
  });

  test('behind a prefix everything is found: parts, pieces of the page, flags, streams, the recorder', async () => {
    const proxy = createHttpServer((incoming, outgoing) => {
      if (!incoming.url!.startsWith('/a/b%20c/')) {
        outgoing.writeHead(404).end();
        return;
      }
      const onward = forward({ host: '127.0.0.1', port: served.port, method: incoming.method, path: incoming.url!.slice('/a/b%20c'.length), headers: incoming.headers }, (answer) => {
        outgoing.writeHead(answer.statusCode!, answer.headers);
        answer.pipe(outgoing);
      });
      onward.on('error', () => outgoing.writeHead(502).end());
      incoming.pipe(onward);
    });
    await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
    try {
      await using opened = await visit(browser, `http://127.0.0.1:${(proxy.address() as AddressInfo).port}/a/b%20c/#/models/show.chat`);
      const { page, printed, foreign } = opened;
      await page.locator('.said-by-assistant').waitFor();
      await page.getByRole('button', { name: 'Flag', exact: true }).click();
      await page.getByRole('button', { name: 'Flag it' }).click();
      await expect.poll(() => page.locator('.toast').textContent()).toContain('Flagged');
      for (const [link, ready] of [['Gallery', '.gallery-card'], ['Dashboard', '.spark']] as const) {
        await page.getByRole('link', { name: link }).click();
        await page.locator(ready).first().waitFor();
      }
      await page.evaluate(() => { location.hash = '#/models/show.ears'; });
      await page.getByRole('button', { name: 'Record', exact: true }).click();
      await expect.poll(async () => Number((await page.locator('.recording .number').textContent())!.replace('0:', '')), { timeout: 15_000 }).toBeGreaterThan(0.2);
      await page.getByRole('button', { name: 'Stop recording' }).click();
      await page.evaluate(() => { location.hash = '#/models/show.slow'; });
      await page.locator('[data-field=seconds] input.entry').fill('0.8');
      await page.getByRole('button', { name: 'Run', exact: true }).click();
      await expect.poll(() => page.locator('.waiting').textContent()).toMatch(/step \d of 4/);
      await output(page).getByText('Yes').waitFor();
      expect({ printed, foreign }).toEqual({ printed: [], foreign: [] });
    } finally {
      proxy.closeAllConnections();
      proxy.close();
    }
  });

  test('?embed is a whole page in a frame: it runs, its code opens, and nothing else is around it', async () => {
    await using opened = await visit(browser, `${served.url}?embed#/models/iris`, { viewport: { width: 640, height: 700 } });
    const { page } = opened;
    await output(page).locator('.headline').waitFor();
    expect(await page.locator('nav, .top').count()).toBe(0);
    await page.getByRole('button', { name: 'Use from code' }).click();
    await page.getByTestId('code').waitFor();
    await page.keyboard.press('Escape');
    await page.getByRole('button', { name: /^5\.8/ }).click();
    await expect.poll(() => page.locator('.history-item').count()).toBe(2);
    // What is shared opens in the same dress.
    expect(page.url()).toContain('?embed');
    expect(await page.locator('main').evaluate((element) => element.scrollWidth - element.clientWidth)).toBe(0);
  });

  test('where a person’s own colours replace ours, bars and switches are still seen', async () => {
    await using opened = await visit(browser, `${served.url}#/models/iris`, { forcedColors: 'active' });
    const { page } = opened;
    await output(page).locator('.bars').waitFor();
    const [fill, ground] = await output(page).locator('.bars li').first().evaluate((row) => ['.bar-fill', '.bar-track'].map((selector) => getComputedStyle(row.querySelector(selector)!).backgroundColor));
    expect(fill).not.toBe(ground);
    expect(await output(page).locator('.bar-track').first().evaluate((element) => getComputedStyle(element).borderTopStyle)).toBe('solid');
  });
});
