#!/usr/bin/env node
/**
 * Takes the README's picture of the page again: docs/images/page.png, the example models in a real browser.
 *
 *     npm run build && node scripts/take-page-picture.mjs
 *
 * Needs Chromium where distributions put it, or named by CHROMIUM_PATH.
 */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { chromium } from 'playwright-core';

const root = join(import.meta.dirname, '..');
const executablePath = [process.env.CHROMIUM_PATH, '/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome', '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome'].find((path) => path !== undefined && existsSync(path));
if (executablePath === undefined) fail('there is no Chromium: install one, or name it with CHROMIUM_PATH');
if (!existsSync(join(root, 'dist/ui/index.html'))) fail('dist/ is missing: run npm run build');

const server = spawn(process.execPath, [join(root, 'dist/cli.js'), 'serve', join(root, 'examples/models'), '--port', '0', '--grpc-port', 'off', '--metrics-port', 'off'], { stdio: ['ignore', 'pipe', 'inherit'], env: { ...process.env, NO_COLOR: '1' } });
try {
  const origin = await addressOf(server);
  const browser = await chromium.launch({ executablePath, args: ['--no-sandbox', '--disable-gpu', '--no-proxy-server'] });
  const page = await browser.newPage({ viewport: { width: 1280, height: 800 }, colorScheme: 'light', reducedMotion: 'reduce' });
  await page.goto(`${origin}/#/models/iris`);
  await page.getByTestId('output').locator('.headline').waitFor();
  // The first run warms everything up; the second one's times are told.
  await page.getByRole('button', { name: 'Run', exact: true }).click();
  await page.locator('section[aria-label=Output][aria-busy=false]').waitFor();
  await page.mouse.move(1270, 790);
  await page.evaluate(() => document.activeElement?.blur());
  await page.waitForTimeout(300);
  await page.screenshot({ path: join(root, 'docs/images/page.png') });
  await browser.close();
  process.stdout.write('docs/images/page.png\n');
} finally {
  server.kill('SIGTERM');
}

/** Resolves when every model answers. */
async function addressOf(child) {
  let output = '';
  for await (const chunk of child.stdout) {
    output += chunk;
    const origin = /http:\/\/(?:127\.0\.0\.1|localhost):\d+/.exec(output)?.[0];
    if (origin === undefined) continue;
    while (!(await fetch(`${origin}/v2/health/ready`).catch(() => undefined))?.ok) await new Promise((resolve) => setTimeout(resolve, 100));
    child.stdout.resume();
    return origin;
  }
  return fail(`serve ended:\n${output}`);
}

function fail(message) {
  process.stderr.write(`${message}\n`);
  process.exit(1);
}
