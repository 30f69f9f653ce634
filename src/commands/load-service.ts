/**
 * Loads a service that a person wrote in TypeScript or JavaScript. esbuild joins the file and what it imports by path into one
 * module, so it needs no build step and no node_modules beside it: `modelport` and `zod` are those of the running package.
 * Errors name the line of the person's file.
 */
import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { isModelportError, ModelportError } from '../errors.ts';
import { callSite, shownPlace } from '../service/call-site.ts';
import { isService } from '../service/define-service.ts';
import type { Service } from '../service/definition.ts';
import { bundleService, isBundledService, ServiceFileError } from './bundle-service.ts';

export { ServiceFileError } from './bundle-service.ts';

export interface LoadedServices {
  readonly services: readonly Service[];
  /** The files that it was made of, for those who watch them. Known even where loading fails, see {@link ServiceFileError}. */
  readonly files: readonly string[];
}

let folder: Promise<string> | undefined;
let loads = 0;

/** Each load is a module of its own: a file that was changed is read again. Throws {@link ServiceFileError}, `INVALID_USAGE`. */
export async function loadServices(given: string): Promise<LoadedServices> {
  const path = resolve(given);
  const found = await stat(path).catch(() => undefined);
  if (found?.isFile() !== true) throw new ModelportError('INVALID_USAGE', `there is no file ${given}`);
  // Stacks name lines of the person's file from here on.
  process.setSourceMapsEnabled(true);
  const { address, files } = await prepare(path);
  let exported: Readonly<Record<string, unknown>>;
  try {
    exported = (await import(address)) as Readonly<Record<string, unknown>>;
  } catch (error) {
    throw new ServiceFileError(explain(error, path), callSite(error), files, error);
  }
  const services = [...new Set(Object.values(exported).filter(isService))];
  if (services.length === 0) throw new ServiceFileError(`${shownPlace(path)} exports no service: write export default defineService({ name: '…', endpoints: { … } })`, path, files);
  return { services, files };
}

/** What was bundled when an image or bundle was made is imported from where it lies. */
async function prepare(path: string): Promise<{ readonly address: string; readonly files: readonly string[] }> {
  if (await isBundledService(path)) return { address: `${pathToFileURL(path).href}?load=${loads++}`, files: [path] };
  const { text, files } = await bundleService(path, 'here');
  folder ??= temporaryFolder();
  const target = join(await folder, `${loads++}-service.mjs`);
  await writeFile(target, text);
  return { address: pathToFileURL(target).href, files };
}

function explain(error: unknown, path: string): string {
  if (isModelportError(error)) return error.message;
  const site = callSite(error);
  const message = error instanceof Error ? error.message : String(error);
  return `${site === undefined ? shownPlace(path) : shownPlace(site)}: ${message}`;
}

async function temporaryFolder(): Promise<string> {
  const made = await mkdtemp(join(tmpdir(), 'modelport-service-'));
  process.on('exit', () => rmSync(made, { recursive: true, force: true }));
  return made;
}

/** For tests and short programs that load a service and go on: what was written is taken away before the process ends. */
export async function forgetLoadedServices(): Promise<void> {
  if (folder !== undefined) await rm(await folder, { recursive: true, force: true });
  folder = undefined;
}
