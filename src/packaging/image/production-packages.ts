/**
 * The npm packages that run in production, as npm laid them out: what package.json files name as dependencies, from where Node itself would find them, with
 * the native binaries of the wanted platform in place of this machine's. Nothing is installed and no script is run.
 */
import { readdirSync } from 'node:fs';
import { lstat, readFile } from 'node:fs/promises';
import { dirname, join, relative, sep } from 'node:path';
import { ModelportError } from '../../errors.ts';
import type { LayerEntry } from './layer.ts';

export interface NodePlatform {
  readonly os: 'linux';
  /** Node's names: x64, arm64. */
  readonly cpu: 'x64' | 'arm64';
}

export interface ProductionPackage {
  readonly name: string;
  readonly version: string;
  readonly licence: string | undefined;
  /** Where it goes, below the root. */
  readonly place: string;
  /** Undefined where it is not on this machine and has to be fetched. */
  readonly directory: string | undefined;
}

interface PackageDocument {
  readonly name?: string;
  readonly version?: string;
  readonly license?: unknown;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
  readonly os?: readonly string[];
  readonly cpu?: readonly string[];
  readonly libc?: readonly string[];
}

/** Reports every install to a host that is not the registry, and does nothing else. */
const never = new Set(['@scarf/scarf']);

/** `root`: the folder of the package.json that begins it; `left`: packages that are there already, which are left out with all that they need; `also`: packages beside the root that it can do without. Throws `INVALID_USAGE` where a package that is needed is not installed. */
export async function findProductionPackages(root: string, platform: NodePlatform, left: readonly string[] = [], also: readonly string[] = []): Promise<ProductionPackage[]> {
  const top = topFolder(root);
  const found = new Map<string, ProductionPackage>();
  const visit = async (directory: string): Promise<void> => {
    const document = await readDocument(directory);
    const { optionalDependencies = {}, dependencies = {} } = document;
    const asked = directory === root ? Object.fromEntries(also.map((name) => [name, ''])) : {};
    for (const [name, range] of Object.entries({ ...asked, ...dependencies, ...optionalDependencies })) {
      if (never.has(name) || left.includes(name)) continue;
      const optional = Object.hasOwn(optionalDependencies, name);
      const place = await findPackage(name, directory);
      if (place === undefined) {
        if (Object.hasOwn(asked, name)) throw new ModelportError('INVALID_USAGE', `the npm package ${name}, which the image is to have, is not installed beside Modelport: npm install ${name}`, { at: name });
        if (!optional) throw new ModelportError('INVALID_USAGE', `${document.name ?? directory} needs the npm package ${name}, which is not installed: run npm install there`, { at: directory });
        if (isBinaryFor(name, platform)) add({ name, version: exactVersion(range), licence: undefined, place: `node_modules/${name}`, directory: undefined });
        continue;
      }
      const dependency = await readDocument(place);
      if (!fits(dependency, platform)) continue;
      const at = relative(top, place).split(sep).join('/');
      if (found.has(at)) continue;
      add({ name, version: dependency.version ?? '0.0.0', licence: typeof dependency.license === 'string' ? dependency.license : undefined, place: at, directory: place });
      await visit(place);
    }
  };
  const add = (entry: ProductionPackage): void => void found.set(entry.place, entry);
  await visit(root);
  return [...found.values()].sort((left, right) => (left.place < right.place ? -1 : 1));
}

/** The folder that everything lies below: that of the outermost node_modules above the package, else the package's own. */
export function topFolder(root: string): string {
  const parts = root.split(sep);
  const at = parts.indexOf('node_modules');
  return at < 0 ? root : parts.slice(0, at).join(sep);
}

async function readDocument(directory: string): Promise<PackageDocument> {
  const path = join(directory, 'package.json');
  try {
    return JSON.parse(await readFile(path, 'utf8')) as PackageDocument;
  } catch (cause) {
    throw new ModelportError('INVALID_USAGE', `can't read ${path}: ${(cause as Error).message}`, { at: path, cause });
  }
}

/** As Node looks for it: in every node_modules on the way up. */
async function findPackage(name: string, from: string): Promise<string | undefined> {
  for (let folder = from; ; folder = dirname(folder)) {
    const place = join(folder, 'node_modules', name);
    if ((await lstat(join(place, 'package.json')).catch(() => undefined)) !== undefined) return place;
    if (dirname(folder) === folder) return undefined;
  }
}

function fits({ os, cpu, libc }: PackageDocument, platform: NodePlatform): boolean {
  const allows = (list: readonly string[] | undefined, value: string): boolean => list === undefined || list.length === 0 || list.includes(value) || (list.every((entry) => entry.startsWith('!')) && !list.includes(`!${value}`));
  return allows(os, platform.os) && allows(cpu, platform.cpu) && allows(libc, 'glibc');
}

/** Packages of binaries are named after their platform: `@img/sharp-linux-arm64`, `…-linux-x64-gnu`. */
function isBinaryFor(name: string, { os, cpu }: NodePlatform): boolean {
  return new RegExp(`(?:^|[-/.])${os}-${cpu}(?:-gnu|-glibc)?$`).test(name);
}

function exactVersion(range: string): string {
  return range.replace(/^[\^~>=v\s]+/, '').split(' ')[0]!;
}

const unneeded = /^(?:tests?|__tests__|docs|examples?|benchmarks?)\/|\.(?:map|md|markdown|tsx?|mts|cts|flow|gyp|c|cc|cpp|h|hpp|o|obj|tsbuildinfo)$|(?:^|\/)\.[^/]+$/i;
const licence = /(?:^|\/)(?:licen[cs]e|notice|copying|thirdparty)[^/]*$/i;
/** Of these only what is served. */
const trimmed: Readonly<Record<string, RegExp>> = { 'swagger-ui-dist': /^(?:package\.json|swagger-ui\.css|swagger-ui-(?:bundle|standalone-preset)\.js(?:\.LICENSE\.txt)?|favicon-\d+x\d+\.png|LICENSE|NOTICE|(?:index|absolute-path)\.js)$/ };

/** Whether a file of a package is of use when it runs. Licences always come along. */
export function isNeeded(packageName: string, path: string): boolean {
  const only = trimmed[packageName];
  if (only !== undefined) return only.test(path);
  return licence.test(path) || !unneeded.test(path);
}

/** The package's own files below `into`, without the packages that lie in it. Reads folders at once: there are hundreds, and each is answered from memory. */
export function packageEntries(directory: string, into: string, keep: (path: string) => boolean): LayerEntry[] {
  const entries: LayerEntry[] = [];
  const walk = (folder: string, prefix: string): void => {
    for (const item of readdirSync(folder, { withFileTypes: true }).sort((left, right) => (left.name < right.name ? -1 : 1))) {
      const path = prefix === '' ? item.name : `${prefix}/${item.name}`;
      const source = join(folder, item.name);
      if (item.isDirectory()) {
        if (item.name !== 'node_modules') walk(source, path);
      } else if (item.isFile() && keep(path)) entries.push({ path: `${into}/${path}`, type: 'file', mode: 'source', source });
    }
  };
  walk(directory, '');
  return entries;
}
