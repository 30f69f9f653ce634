/** A person's look at the page: opens it, and keeps what must not happen. */
import type { Browser, BrowserContextOptions, Page } from 'playwright-core';

export interface Visit extends AsyncDisposable {
  readonly page: Page;
  /** What was printed to the console, and exceptions that nobody caught. */
  readonly printed: readonly string[];
  /** Addresses outside of the page's own origin that were asked for. */
  readonly foreign: readonly string[];
}

export async function visit(browser: Browser, url: string, options: BrowserContextOptions = {}): Promise<Visit> {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, reducedMotion: 'reduce', permissions: ['clipboard-read', 'clipboard-write'], ...options });
  const page = await context.newPage();
  const printed: string[] = [];
  const foreign: string[] = [];
  const { origin } = new URL(url);
  page.on('console', (message) => printed.push(`${message.type()}: ${message.text()}`));
  page.on('pageerror', (error) => printed.push(String(error)));
  page.on('request', (request) => {
    const address = request.url();
    if (!address.startsWith(`${origin}/`) && !/^(data|blob):/.test(address)) foreign.push(address);
  });
  await page.goto(url);
  return { page, printed, foreign, [Symbol.asyncDispose]: () => context.close() };
}

/** Runs the form with its button, and waits for the answer. */
export async function run(page: Page): Promise<void> {
  const answered = page.waitForResponse((response) => response.request().method() === 'POST');
  await page.getByRole('button', { name: 'Run', exact: true }).click();
  await answered;
}
