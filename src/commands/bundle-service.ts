/**
 * A service's files joined by esbuild into one module. Where it is served from its sources, packages stay outside by their address; where it goes into an
 * image or a bundle it is written so that it runs anywhere beside the packages that it names, without esbuild.
 */
import { open, readFile } from 'node:fs/promises';
import { basename, dirname, extname, join, relative, resolve, sep } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Message, Plugin } from 'esbuild';
import { ModelportError } from '../errors.ts';
import { shownPlace } from '../service/call-site.ts';

/** What is wrong with a service's file; knows the files whose change may mend it. */
export class ServiceFileError extends ModelportError {
  readonly files: readonly string[];
  constructor(message: string, at: string | undefined, files: readonly string[], cause?: unknown) {
    super('INVALID_CONFIG', message, { ...(at === undefined ? {} : { at }), ...(cause === undefined ? {} : { cause }) });
    this.files = files;
  }
}

export interface BundledService {
  /** An ES module. */
  readonly text: string;
  /** The files that it was made of. */
  readonly files: readonly string[];
  /** Names of the packages that it still imports by name. Empty for what is served from here. */
  readonly packages: readonly string[];
}

/**
 * `here`: to be run by this process, from any folder. `image`: to be run where it lies in its folder, with its packages in a node_modules beside it.
 * `alone`: with its packages in it; only those of the running Modelport stay outside.
 */
export type BundleUse = 'here' | 'image' | 'alone';

/** How a file begins that was bundled already. */
const mark = '/* Service bundled by modelport build. */';

/** Whether a file is a service that `build` bundled: it is imported as it is. */
export async function isBundledService(path: string): Promise<boolean> {
  if (extname(path) !== '.mjs') return false;
  const file = await open(path, 'r');
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(mark.length), 0, mark.length, 0);
    return buffer.toString('latin1', 0, bytesRead) === mark;
  } finally {
    await file.close();
  }
}

/** Throws {@link ServiceFileError} naming the line, `MISSING_DEPENDENCY` where esbuild is not installed. */
export async function bundleService(path: string, use: BundleUse): Promise<BundledService> {
  const esbuild = await import('esbuild').catch((cause: unknown) => {
    throw new ModelportError('MISSING_DEPENDENCY', 'services in TypeScript need esbuild, which is not installed here: npm install esbuild', { cause });
  });
  const read = new Set<string>([path]);
  const packages = new Set<string>();
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
      ...(use === 'here' ? { sourceRoot: pathToFileURL(`${dirname(path)}/`).href } : { banner: { js: use === 'image' ? mark : `${mark}\nimport { createRequire as createRequireOfService } from 'node:module';\nconst require = createRequireOfService(import.meta.url);` } }),
      logLevel: 'silent',
      keepNames: true,
      plugins: [use === 'here' ? resolvePackages() : leavePackages(use, packages), readSources(read, use === 'here' ? undefined : dirname(path))],
    });
    return { text: result.outputFiles[0]!.text, files: [...read], packages: [...packages].sort() };
  } catch (error) {
    const { errors } = error as { readonly errors?: readonly Message[] };
    const [first] = errors ?? [];
    if (first === undefined) throw error;
    const { location } = first;
    const place = location === null ? shownPlace(path) : `${shownPlace(resolve(dirname(path), location.file))}:${location.line}:${location.column + 1}`;
    throw new ServiceFileError(`${place}: ${first.text}${location === null ? '' : `\n      ${location.lineText.trim()}`}`, place, [...read], error);
  }
}

/** Packages that a service has of the running Modelport. */
export const ownPackages: readonly string[] = ['modelport', 'zod', 'sharp'];

const byName = /^[^./]/;

function isNoPackage({ path, kind, pluginData }: { readonly path: string; readonly kind: string; readonly pluginData?: unknown }): boolean {
  return pluginData === 'resolving' || kind === 'entry-point' || /^(?:node:|[A-Za-z]:[\\/])/.test(path);
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
      build.onResolve({ filter: byName }, async (args) => {
        if (isNoPackage(args)) return undefined;
        const running = own[args.path];
        if (running !== undefined) return { path: running, external: true };
        const found = await build.resolve(args.path, { kind: args.kind, importer: args.importer, resolveDir: args.resolveDir, pluginData: 'resolving' });
        // Pictures are worked on with the package that the server has for it, where none lies beside the file.
        if (found.errors.length > 0 && args.path === 'sharp') return { path: import.meta.resolve('sharp'), external: true };
        if (found.errors.length > 0 || found.external || !/[\\/]node_modules[\\/]/.test(found.path)) return found;
        return { path: pathToFileURL(found.path).href, external: true };
      });
    },
  };
}

/** Packages stay outside by their name; `alone`: only those of Modelport, whatever else lies in a node_modules comes in. */
function leavePackages(use: BundleUse, packages: Set<string>): Plugin {
  return {
    name: 'packages',
    setup(build) {
      build.onResolve({ filter: byName }, async (args) => {
        if (isNoPackage(args)) return undefined;
        const name = args.path.split('/', args.path.startsWith('@') ? 2 : 1).join('/');
        if (!ownPackages.includes(name)) {
          const found = await build.resolve(args.path, { kind: args.kind, importer: args.importer, resolveDir: args.resolveDir, pluginData: 'resolving' });
          if (found.errors.length > 0 || found.external || use === 'alone' || !/[\\/]node_modules[\\/]/.test(found.path)) return found;
        }
        packages.add(name);
        return { path: args.path, external: true };
      });
    },
  };
}

/** Remembers what was read, and tells each file its own address: the one on this machine, or below `root` that beside the bundled file. */
function readSources(read: Set<string>, root: string | undefined): Plugin {
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
        const values: Readonly<Record<string, string>> =
          root === undefined ? { url: JSON.stringify(pathToFileURL(path).href), filename: JSON.stringify(path), dirname: JSON.stringify(dirname(path)) } : addressesBeside(relative(root, path).split(sep));
        return { contents: text.replace(/\bimport\.meta\.(url|filename|dirname)\b/g, (_match, member: string) => values[member]!), loader };
      });
    },
  };
}

/** Expressions of what a file below the bundled one would say of itself. */
function addressesBeside(parts: readonly string[]): Record<string, string> {
  const join = (list: readonly string[]): string => `[import.meta.dirname${list.map((part) => `, ${JSON.stringify(part)}`).join('')}].join("/")`;
  return { url: `new URL(${JSON.stringify(`./${parts.map(encodeURIComponent).join('/')}`)}, import.meta.url).href`, filename: join(parts), dirname: join(parts.slice(0, -1)) };
}

/** What a service's bundled file is called: beside the sources, under a name that is free. */
export function bundledName(path: string, taken: (name: string) => boolean): string {
  const stem = basename(path, extname(path));
  const name = `${stem}.mjs`;
  return name === basename(path) || !taken(name) ? name : `${stem}.bundled.mjs`;
}
