/** The browser that the tests drive. Without one they are skipped, which the tier counts and this says. */
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { chromium, type Browser } from 'playwright-core';

/** `CHROMIUM_PATH`, else where distributions put it, else installed with apt where that is possible. */
function findChromium(): string | undefined {
  const named = process.env['CHROMIUM_PATH'];
  if (named !== undefined && named !== '') {
    if (existsSync(named)) return named;
    throw new Error(`CHROMIUM_PATH names ${named}, which does not exist`);
  }
  const usual = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome', '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome'];
  const found = usual.find((path) => existsSync(path));
  if (found !== undefined || process.getuid?.() !== 0 || !existsSync('/usr/bin/apt-get')) return found;
  try {
    execFileSync('apt-get', ['install', '-y', '--no-install-recommends', '-o', 'DPkg::Lock::Timeout=300', 'chromium'], { stdio: 'ignore', timeout: 600_000 });
  } catch {
    return undefined;
  }
  return usual.find((path) => existsSync(path));
}

export const chromiumPath = findChromium();

if (chromiumPath === undefined) {
  process.stderr.write('browser tests are skipped: there is no Chromium. Install one or name it with CHROMIUM_PATH.\n');
}

/** Only to be called where {@link chromiumPath} is defined. */
export function launchChromium(): Promise<Browser> {
  return chromium.launch({
    executablePath: chromiumPath!,
    args: ['--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', '--disable-background-networking', '--disable-component-update', '--no-first-run', '--no-proxy-server', '--use-fake-device-for-media-stream', '--use-fake-ui-for-media-stream'],
  });
}
