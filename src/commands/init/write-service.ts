/** What `init` does. */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { basename, join, relative, resolve } from 'node:path';
import { ModelportError } from '../../errors.ts';
import { version } from '../../version.ts';
import { appSource, packageSource, readmeSource, testSource, typescriptConfig } from './service-template.ts';

/** Throws `INVALID_USAGE` where a file that it would write is there; then nothing is written. */
export async function writeService(given: string): Promise<void> {
  const folder = resolve(given);
  const name = serviceName(basename(folder));
  const files = new Map([
    ['app.ts', appSource(name)],
    ['app.test.ts', testSource(name)],
    ['package.json', packageSource(name, version)],
    ['tsconfig.json', typescriptConfig],
    ['README.md', readmeSource(name)],
  ]);
  for (const file of files.keys()) {
    const there = await readFile(join(folder, file)).then(() => true, () => false);
    if (there) throw new ModelportError('INVALID_USAGE', `${join(given, file)} is there already: name another folder, as in modelport init my-service`);
  }
  await mkdir(folder, { recursive: true });
  for (const [file, text] of files) await writeFile(join(folder, file), text, { flag: 'wx' });
  const shown = relative(process.cwd(), folder) || '.';
  process.stdout.write(`Written to ${shown}: ${[...files.keys()].join(', ')}\n\n  modelport serve ${join(shown, 'app.ts')} --watch\n`);
}

/** A folder's name as a service's. */
export function serviceName(folder: string): string {
  const name = folder.replace(/[^A-Za-z0-9_-]+/g, '-').replace(/^[^A-Za-z0-9]+|-+$/g, '').slice(0, 50);
  return name === '' ? 'service' : name;
}
