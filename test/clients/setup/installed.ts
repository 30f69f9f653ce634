/** Programs that the tests install themselves, below `.cache/clients`: once, and anew when what is asked for changes. */
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { withFileLock } from '../../../src/lib/file-lock.ts';
import { root } from '../../start-modelport.ts';
import { lastLine } from './command.ts';

/** A folder that holds what was asked for, or why it can't be had: then tests are skipped, and this is printed. */
export type Installed = { readonly folder: string; readonly missing?: undefined } | { readonly folder?: undefined; readonly missing: string };

/**
 * `install` fills an empty folder. `recipe` is all that it depends on: when it changes, the folder is made again. Test files
 * run side by side, so one installs and the others wait.
 */
export async function installOnce(name: string, recipe: string, install: (folder: string) => Promise<void>): Promise<Installed> {
  const cache = join(root, '.cache/clients');
  const folder = join(cache, name);
  const stamp = join(folder, 'recipe.sha256');
  const digest = createHash('sha256').update(recipe).digest('hex');
  mkdirSync(cache, { recursive: true });
  try {
    return await withFileLock(
      join(cache, `${name}.lock`),
      async () => {
        if (existsSync(stamp) && readFileSync(stamp, 'utf8') === digest) return { folder };
        rmSync(folder, { recursive: true, force: true });
        mkdirSync(folder, { recursive: true });
        await install(folder);
        writeFileSync(stamp, digest);
        return { folder };
      },
      { timeoutMs: 600_000 },
    );
  } catch (error) {
    return { missing: `${name} could not be installed: ${lastLine(error)}` };
  }
}

/** Says on the terminal why tests are skipped; gives the condition for `describe.skipIf`. */
export function skipUnless(what: string, ...needs: readonly { readonly missing?: string | undefined }[]): boolean {
  const missing = needs.find((need) => need.missing !== undefined)?.missing;
  if (missing !== undefined) process.stderr.write(`skipped: ${what}: ${missing}\n`);
  return missing !== undefined;
}
