#!/usr/bin/env node
/** After `npm ci` in a checkout, `npx modelport` runs this checkout: its command is linked where npx looks first. */
import { chmodSync, existsSync, rmSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';

const root = join(import.meta.dirname, '..');
const folder = join(root, 'node_modules', '.bin');
if (process.platform !== 'win32' && existsSync(folder)) {
  const link = join(folder, 'modelport');
  rmSync(link, { force: true });
  symlinkSync(join('..', '..', 'bin', 'modelport.js'), link);
  chmodSync(join(root, 'bin', 'modelport.js'), 0o755);
}
