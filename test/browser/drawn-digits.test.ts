import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { drawnDigits } from '../fixtures/drawn-digits.ts';
import { chromiumPath, launchChromium } from './chromium.ts';
import { exampleModels, serve, type Served } from './served.ts';
import { run, visit } from './visit.ts';

describe.skipIf(chromiumPath === undefined)('digits drawn by mouse', () => {
  let browser: Browser;
  let served: Served;
  beforeAll(async () => {
    [browser, served] = await Promise.all([launchChromium(), serve([exampleModels])]);
  });
  afterAll(async () => {
    await browser?.close();
    await served?.stop();
  });

  test('of thirty at least 27 are read right', { timeout: 120_000 }, async () => {
    await using opened = await visit(browser, `${served.url}#/models/digits`);
    const { page } = opened;
    const output = page.getByTestId('output');
    await output.locator('.headline').waitFor();
    const paper = (await page.locator('.paper canvas').boundingBox())!;
    const wrong: string[] = [];
    for (const { digit, style, strokes } of drawnDigits) {
      await page.getByRole('button', { name: 'Clear the image' }).click();
      for (const [start, ...rest] of strokes) {
        const place = ([x, y]: readonly [number, number]): [number, number] => [paper.x + x * paper.width, paper.y + y * paper.height];
        await page.mouse.move(...place(start!));
        await page.mouse.down();
        for (const point of rest) await page.mouse.move(...place(point));
        await page.mouse.up();
      }
      await run(page);
      await page.locator('[data-testid=output][data-stale=false]').waitFor();
      const read = await output.locator('.headline-label').textContent();
      if (read !== String(digit)) wrong.push(`${digit} (${style}) was read as ${read}`);
    }
    expect(drawnDigits).toHaveLength(30);
    expect(30 - wrong.length, wrong.join('\n')).toBeGreaterThanOrEqual(27);
  });

  test('undo takes the last stroke away; the keyboard draws too', async () => {
    await using opened = await visit(browser, `${served.url}#/models/digits`);
    const { page } = opened;
    await page.getByTestId('output').locator('.headline').waitFor();
    await page.getByRole('button', { name: 'Clear the image' }).click();
    const canvas = page.locator('.paper canvas');
    await canvas.focus();
    for (let step = 0; step < 8; step++) await page.keyboard.press('ArrowUp');
    await page.keyboard.press(' ');
    for (let step = 0; step < 16; step++) await page.keyboard.press('ArrowDown');
    await page.keyboard.press(' ');
    await page.keyboard.press('Control+Enter');
    await expect.poll(() => page.getByTestId('output').locator('.headline-label').textContent()).toBe('1');
    await page.getByRole('button', { name: 'Undo the last stroke' }).click();
    await page.getByRole('button', { name: 'Run', exact: true }).click();
    // Nothing is left to read: the field says so and has the focus.
    await expect.poll(() => page.locator('.field-problem').textContent()).toContain('Draw');
    expect(await page.evaluate(() => document.activeElement?.tagName)).toBe('CANVAS');
  });
});
