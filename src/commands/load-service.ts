/**
 * Loads a service that a person wrote in TypeScript or JavaScript. esbuild joins the file and what it imports by path into one
 * module, so it needs no build step and no node_modules beside it: `modelport` and `zod` are those of the running package.
 * Errors name the line of the person's file.
 */
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, extname, join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Message, Plugin } from 'esbuild';
import { isModelportError, ModelportError } from '../errors.ts';
import { callSite, shownPlace } from '../service/call-site.ts';
import { isService } from '../service/define-service.ts';
import type { Service } from '../service/definition.ts';

export interface LoadedServices {
  readonly services: readonly Service[];
  /** The files that it was made of, for those who watch them. Known even where loading fails, see {@link ServiceFileError}. */
  readonly files: readonly string[];
}

/** What is wrong with a service's file; knows the files whose change may mend it. */
export class ServiceFileError extends ModelportError {
  readonly files: readonly string[];
  constructor(message: string, at: string | undefined, files: readonly string[], cause?: unknown) {
    super('INVALID_CONFIG', message, { ...(at === undefined ? {} : { at }), ...(cause === undefined ? {} : { cause }) });
    this.files = files;
  }
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
  const { text, files } = await bundle(path);
  folder ??= temporaryFolder();
  const target = join(await folder, `${loads++}-service.mjs`);
  await writeFile(target, text);
  let exported: Readonly<Record<string, unknown>>;
  try {
    exported = (await import(pathToFileURL(target).href)) as Readonly<Record<string, unknown>>;
  } catch (error) {
    throw new ServiceFileError(explain(error, path), callSite(error), files, error);
  }
  const services = [...new Set(Object.values(exported).filter(isService))];
  if (services.length === 0) throw new ServiceFileError(`${shownPlace(path)} exports no service: write export default defineService({ name: '…', endpoints: { … } })`, path, files);
  return { services, files };
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

async function bundle(path: string): Promise<{ readonly text: string; readonly files: readonly string[] }> {
  const esbuild = await import('esbuild').catch((cause: unknown) => {
    throw new ModelportError('MISSING_DEPENDENCY', 'services in TypeScript need esbuild, which is not installed here: npm install esbuild', { cause });
  });
  const read = new Set<string>([path]);
  try {
    const result = await esbuild.build({
      entryPoints: [path],
      outfile: join(dirname(path), 'service.mjs'),
      absWorkingDir: dirname(path),
      bundle: true,
      write: false,
      format: 'esm',
      platform: 'node',
      target: 'node20',
      sourcemap: 'inline',
      sourcesContent: false,
      sourceRoot: pathToFileURL(`${dirname(path)}/`).href,
      logLevel: 'silent',
      keepNames: true,
      plugins: [resolvePackages(), readSources(read)],
    });
    return { text: result.outputFiles[0]!.text, files: [...read] };
  } catch (error) {
    const { errors } = error as { readonly errors?: readonly Message[] };
    const [first] = errors ?? [];
    if (first === undefined) throw error;
    const { location } = first;
    const place = location === null ? shownPlace(path) : `${shownPlace(resolve(dirname(path), location.file))}:${location.line}:${location.column + 1}`;
    throw new ServiceFileError(`${place}: ${first.text}${location === null ? '' : `\n      ${location.lineText.trim()}`}`, place, [...read], error);
  }
}

/** Packages stay outside, by their address: what was bundled lies elsewhere and could not find them by name. */
function resolvePackages(): Plugin {
  const own: Readonly<Record<string, string>> = {
    modelport: new URL('../index.js', import.meta.url).href,
    'modelport/client': new URL('../client.js', import.meta.url).href,
    zod: import.meta.resolve('zod'),
  };
  return {
    name: 'packages',
    setup(build) {
      build.onResolve({ filter: /^[^./]/ }, async (args) => {
        if (args.pluginData === 'resolving' || args.kind === 'entry-point' || /^(?:node:|[A-Za-z]:[\\/])/.test(args.path)) return undefined;
        const running = own[args.path];
        if (running !== undefined) return { path: running, external: true };
        const found = await build.resolve(args.path, { kind: args.kind, importer: args.importer, resolveDir: args.resolveDir, pluginData: 'resolving' });
        if (found.errors.length > 0 || found.external || !/[\\/]node_modules[\\/]/.test(found.path)) return found;
        return { path: pathToFileURL(found.path).href, external: true };
      });
    },
  };
}

/** Remembers what was read, and tells each file its own address. */
function readSources(read: Set<string>): Plugin {
  const loaders = { '.ts': 'ts', '.mts': 'ts', '.cts': 'ts', '.tsx': 'tsx', '.js': 'js', '.mjs': 'js', '.cjs': 'js', '.jsx': 'jsx' } as const;
  return {
    name: 'sources',
    setup(build) {
      build.onLoad({ filter: /\.(?:[mc]?[tj]s|[tj]sx|json)$/ }, async ({ path }) => {
        read.add(path);
        const loader = loaders[extname(path) as keyof typeof loaders];
        if (loader === undefined) return undefined;
        const text = await readFile(path, 'utf8');
        if (!text.includes('import.meta.')) return undefined;
        const values: Readonly<Record<string, string>> = { url: pathToFileURL(path).href, filename: path, dirname: dirname(path) };
        return { contents: text.replace(/\bimport\.meta\.(url|filename|dirname)\b/g, (_match, member: string) => JSON.stringify(values[member])), loader };
      });
    },
  };
}
