/** What of a person's folders goes into an image or bundle, and where: models below `models/`, services below `app/`. */
import { readdir, readFile, realpath, stat } from 'node:fs/promises';
import { basename, dirname, extname, join, relative, resolve, sep } from 'node:path';
import { parseDocument } from 'yaml';
import { ModelportError } from '../../errors.ts';
import { listApplicationFiles, type ApplicationOptions } from '../../packaging/image/application-files.ts';
import type { FetchedFiles } from '../../serving/load-version.ts';
import { findModels, type FoundModel } from '../../serving/model-layout.ts';
import { bundledName, bundleService, isBundledService, ownPackages, type BundleUse } from '../bundle-service.ts';
import { foreignConfigs, formats } from '../model-formats.ts';
import { fetchFiles, isReference } from '../fetch-files.ts';

export interface PlannedFile {
  /** Below the root: `models/digits/model.onnx`. */
  readonly path: string;
  /** On this machine; undefined where the content is made. */
  readonly source?: string;
  readonly content?: Uint8Array;
  readonly sizeBytes: number;
}

export interface PlannedApplication {
  /** By path. */
  readonly files: readonly PlannedFile[];
  readonly models: readonly FoundModel[];
  /** Services, as paths below the root. */
  readonly services: readonly string[];
  /** The files of services on this machine, in the same order. */
  readonly serviceFiles: readonly string[];
  /** The folders of services on this machine, where they have a package.json. */
  readonly serviceFolders: readonly string[];
  /** Packages that services import by name. */
  readonly servicePackages: readonly string[];
  /** By name of the model, where its config says where to get files: the folder that holds all of it, and the model file where that was fetched. */
  readonly fetched: ReadonlyMap<string, FetchedFiles>;
}

export interface PlanOptions extends ApplicationOptions {
  readonly cacheDirectory?: string;
  /** How services go in: bundled for an image, bundled with their packages, or as their sources. Default: `image`. */
  readonly services?: Exclude<BundleUse, 'here'> | 'sources';
}

const serviceEndings = new Set(['.ts', '.mts', '.js', '.mjs']);
const codeEnding = /\.(?:[mc]?[tj]s|[tj]sx)$/;

/** Throws `INVALID_USAGE` where there is nothing to serve, two things want one place, or something must not go out. */
export async function planApplication(paths: readonly string[], options: PlanOptions): Promise<PlannedApplication> {
  const files = new Map<string, PlannedFile>();
  const models: FoundModel[] = [];
  const services: string[] = [];
  const serviceFiles: string[] = [];
  const serviceFolders = new Set<string>();
  const servicePackages = new Set<string>();
  const fetched = new Map<string, FetchedFiles>();
  const add = (file: PlannedFile): void => {
    const other = files.get(file.path);
    if (other !== undefined && other.source !== file.source) throw new ModelportError('INVALID_USAGE', `${other.source} and ${file.source} both want to be ${file.path}: build them apart, or rename one`, { at: file.path });
    files.set(file.path, file);
  };
  for (const path of paths) {
    const status = await stat(path).catch((cause: unknown) => {
      throw new ModelportError('INVALID_USAGE', `can't build ${path}: there is no such file or folder`, { at: path, cause });
    });
    if (status.isFile() && serviceEndings.has(extname(path))) {
      const folder = dirname(path);
      const taken = await listApplicationFiles(folder, options);
      const service = await planService(path, taken, options.services ?? 'image');
      for (const file of service.files) add({ ...file, path: `app/${file.path}` });
      services.push(`app/${service.name}`);
      serviceFiles.push(resolve(path));
      for (const name of service.packages) servicePackages.add(name);
      if (!service.alone && (await stat(join(folder, 'package.json')).catch(() => undefined))?.isFile() === true) serviceFolders.add(await realpath(folder));
      continue;
    }
    const found = [...(await findModels([path], { formats, foreignConfigs })).models.values()];
    const problem = found.find((model) => model.problem !== undefined)?.problem;
    if (problem !== undefined) throw problem;
    if (found.length === 0) throw new ModelportError('INVALID_USAGE', `there are no models in ${path}`, { at: path });
    models.push(...found);
    const root = await realpath(status.isFile() ? dirname(path) : path);
    const alone = found.length === 1 && found[0]!.directory === root;
    const prefix = alone && !(status.isFile() && !isDefaultFile(basename(path))) ? `models/${found[0]!.name}` : 'models';
    const taken = status.isFile() ? await beside(root, basename(path), options) : await listApplicationFiles(path, options);
    for (const file of taken) add({ ...file, path: `${prefix}/${file.path}` });
    for (const model of found) {
      const there = await fetchInto(model, root, prefix, files, options.cacheDirectory);
      if (there !== undefined) fetched.set(model.name, there);
    }
  }
  const names = new Set<string>();
  for (const { name } of models) {
    if (names.has(name)) throw new ModelportError('INVALID_USAGE', `two models are called '${name}': rename one`, { at: name });
    names.add(name);
  }
  return { files: [...files.values()].sort((left, right) => (left.path < right.path ? -1 : 1)), models, services, serviceFiles, serviceFolders: [...serviceFolders], servicePackages: [...servicePackages].sort(), fetched };
}

/** A service as one file that starts without a compiler, in place of the files that it was made of; what else lies in its folder comes along. */
async function planService(path: string, taken: readonly PlannedFile[], use: NonNullable<PlanOptions['services']>): Promise<{ readonly name: string; readonly files: readonly PlannedFile[]; readonly packages: readonly string[]; readonly alone: boolean }> {
  if (use === 'sources') return { name: basename(path), files: taken, packages: [], alone: false };
  if (await isBundledService(path)) return { name: basename(path), files: taken, packages: ownPackages, alone: true };
  const folder = await realpath(dirname(path));
  const { text, files, packages } = await bundleService(join(folder, basename(path)), use);
  const made = new Set(files.filter((file) => codeEnding.test(file)));
  const others = taken.filter(({ source }) => source === undefined || !made.has(source));
  const name = bundledName(path, (wanted) => others.some((file) => file.path === wanted));
  const content = Buffer.from(text);
  return { name, files: [...others, { path: name, content, sizeBytes: content.byteLength }], packages, alone: use === 'alone' };
}

export function isDefaultFile(name: string): boolean {
  return formats.some(({ defaultFiles }) => defaultFiles.includes(name));
}

/** A single file, and what belongs to it. */
async function beside(folder: string, name: string, options: ApplicationOptions): Promise<{ readonly path: string; readonly source: string; readonly sizeBytes: number }[]> {
  const stem = name.slice(0, name.length - extname(name).length);
  const shared = isDefaultFile(name) ? ['model.yaml', 'model.yml', 'labels.txt', ...foreignConfigs.map(({ fileName }) => fileName)] : [];
  const wanted = (await readdir(folder)).filter((other) => other === name || other.startsWith(`${stem}.`) || other.startsWith(`${stem}_`) || shared.includes(other));
  const others = (await readdir(folder)).filter((other) => !wanted.includes(other));
  return await listApplicationFiles(folder, { ...options, excluded: [...(options.excluded ?? []), ...others.map((other) => other.replaceAll('*', '\\*'))] });
}

/** A model whose config says where to get its files takes them along, and a config that names them as they lie there. */
async function fetchInto(model: FoundModel, root: string, prefix: string, files: Map<string, PlannedFile>, cacheDirectory: string | undefined): Promise<FetchedFiles | undefined> {
  const { file, files: more = {} } = model.config?.config ?? {};
  const main = file !== undefined && isReference(file) ? file : undefined;
  if (model.config === undefined || (main === undefined && Object.keys(more).length === 0)) return undefined;
  const fetched = await fetchFiles({ model: model.name, ...(main === undefined ? {} : { main }), files: more, directories: [model.directory] }, cacheDirectory);
  const below = relative(root, model.directory).split(sep).join('/');
  const place = below === '' ? prefix : `${prefix}/${below}`;
  const names = (await readdir(fetched.directory, { recursive: true, withFileTypes: true })).filter((entry) => entry.isFile());
  for (const entry of names) {
    const source = join(entry.parentPath, entry.name);
    const path = `${place}/${relative(fetched.directory, source).split(sep).join('/')}`;
    if (!files.has(path)) files.set(path, { path, source, sizeBytes: (await stat(source)).size });
  }
  const configPath = `${place}/${model.config.source}`;
  const own = files.get(configPath);
  if (own?.source === undefined) return fetched;
  const document = parseDocument(await readFile(own.source, 'utf8'));
  document.delete('files');
  if (main !== undefined) {
    if (fetched.main === undefined) document.delete('file');
    else document.set('file', fetched.main);
  }
  const content = Buffer.from(document.toString());
  files.set(configPath, { path: configPath, content, sizeBytes: content.byteLength });
  return fetched;
}
