/**
 * Which models lie below the paths that `serve` was given, without any configuration:
 *
 *     iris.onnx                      one model, named after the file (`model.onnx`: after its folder)
 *     models/iris.onnx, wine.onnx    each file a model; `iris.yaml`, `iris.labels.txt` beside belong to it
 *     models/iris/model.onnx         each folder a model, with `model.yaml` or `config.pbtxt` and `labels.txt` beside
 *     models/iris/3/model.onnx       each folder a model, each number in it a version
 *     sentiment/onnx/model.onnx      a folder as it is downloaded from a hub, with config.json and tokenizer.json beside onnx/
 *
 * Entries of a given folder may be links to anywhere: who links there owns the repository. Inside a model's folder links
 * may not leave the repository, except that the model file itself may be one (download caches are made of such links):
 * its content is opened as a model and never shown.
 */
import { readdir, realpath, stat } from 'node:fs/promises';
import { basename, dirname, extname, join, resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { isModelportError, ModelportError } from '../errors.ts';
import { isInside } from './confined-file.ts';
import { fileInOnnxFolder, ignoredPattern } from './find-model-file.ts';
import { fingerprint, type Fingerprint } from './fingerprint.ts';
import { readModelConfigFile, type ConfigReading, type ForeignConfigFormat } from './model-config-file.ts';
import { hasNoFile, mayBeModel, recognizeFormat, type ModelFormat } from './model-format.ts';

export interface LayoutOptions {
  readonly formats: readonly ModelFormat[];
  readonly foreignConfigs: readonly ForeignConfigFormat[];
}

export interface FoundVersion {
  /** A whole number from 1, as text. */
  readonly version: string;
  /** Real path. */
  readonly directory: string;
  /** Changes when a file of this version does. */
  readonly fingerprint: Fingerprint;
}

export interface FoundModel {
  readonly name: string;
  /** The folder of config, labels and warm-up data. Real path. */
  readonly directory: string;
  /** Where it was found, for messages. */
  readonly place: string;
  /** The model file of each version, where it is known by the way the model was found. */
  readonly file?: string;
  readonly labelsFile?: string;
  readonly config?: ConfigReading;
  /** Ascending. */
  readonly versions: readonly FoundVersion[];
  /** Changes when a file beside the versions does (config, labels). */
  readonly fingerprint: Fingerprint;
  /** Why it cannot be loaded, whatever the version. */
  readonly problem?: ModelportError;
}

export interface FoundModels {
  /** Names are unique. */
  readonly models: ReadonlyMap<string, FoundModel>;
  /** Folders whose changes can change the answer. */
  readonly directories: readonly string[];
}

const versionPattern = /^[1-9][0-9]{0,17}$/;
const yamlNames = ['model.yaml', 'model.yml'];

/** Ascending as numbers. */
export function compareVersions(left: string, right: string): number {
  return left.length - right.length || (left < right ? -1 : left > right ? 1 : 0);
}

/** Throws `INVALID_USAGE` where a path does not exist or cannot be read. Faults of single models are their `problem`. */
export async function findModels(paths: readonly string[], options: LayoutOptions): Promise<FoundModels> {
  for (let attempt = 1; ; attempt++) {
    try {
      const scan = new LayoutScan(options);
      for (const path of paths) await scan.path(path);
      return { models: scan.models, directories: [...scan.directories] };
    } catch (error) {
      // Something that was listed is gone: files are being moved right now, and what was seen of them is worth nothing.
      if (isModelportError(error) || (error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
      if (attempt === mostAttempts) throw new ModelportError('INVALID_USAGE', `${paths.join(', ')} changes while it is read: ${(error as Error).message}`, { cause: error });
      await delay(attempt * 10);
    }
  }
}

const mostAttempts = 5;

/** One listed folder: links resolved, unreadable and hidden entries left out. */
interface Listing {
  /** As it was given, for messages. */
  readonly path: string;
  readonly directory: string;
  readonly files: readonly string[];
  readonly folders: readonly string[];
  /** The files that may be models. */
  readonly candidates: readonly string[];
  /** The model file in `onnx/`, see {@link fileInOnnxFolder}. */
  readonly downloadedFile: string | undefined;
}

class LayoutScan {
  readonly models = new Map<string, FoundModel>();
  readonly directories = new Set<string>();
  readonly #options: LayoutOptions;

  constructor(options: LayoutOptions) {
    this.#options = options;
  }

  async path(path: string): Promise<void> {
    let isFile: boolean;
    try {
      isFile = (await stat(path)).isFile();
    } catch (cause) {
      const reason = (cause as NodeJS.ErrnoException).code === 'ENOENT' ? 'there is no such file or folder' : (cause as Error).message;
      throw new ModelportError('INVALID_USAGE', `can't serve ${path}: ${reason}`, { at: path, cause });
    }
    const downloaded = isFile ? dirname(dirname(resolve(path))) : path;
    if (isFile && (await fileInOnnxFolder(downloaded)) === `onnx/${basename(path)}`) {
      const listing = await this.#list(downloaded);
      await this.#folder(listing, listing.directory);
      return;
    }
    if (isFile) {
      this.directories.add(await realpath(dirname(path)));
      await this.#file(dirname(path), basename(path), path);
      return;
    }
    const listing = await this.#list(path).catch((cause: unknown) => {
      throw new ModelportError('INVALID_USAGE', `can't read the folder ${path}: ${(cause as Error).message}`, { at: path, cause });
    });
    if (this.#isModelFolder(listing)) await this.#folder(listing, listing.directory);
    else {
      for (const file of listing.candidates) await this.#file(listing.path, file, join(path, file));
      for (const folder of listing.folders) await this.#child(path, folder, listing.directory);
    }
  }

  async #child(path: string, name: string, root: string): Promise<void> {
    const listing = await this.#list(join(path, name)).catch((cause: unknown) => cause as NodeJS.ErrnoException);
    if (listing instanceof Error) {
      if (listing.code === 'ENOENT') return;
      this.#add({ name, directory: join(path, name), place: join(path, name), versions: [], fingerprint: '', problem: new ModelportError('INVALID_USAGE', `can't read the folder ${join(path, name)}: ${listing.message}`) });
      return;
    }
    const strayVersions = await this.#strayVersions(listing);
    if (this.#isModelFolder(listing) || listing.candidates.length > 0 || strayVersions.length > 0) await this.#folder(listing, root, strayVersions);
  }

  /** A folder is a model where it holds a model's default file or config, or version folders, and no second model file beside. */
  #isModelFolder(listing: Listing): boolean {
    if (listing.downloadedFile !== undefined) return true;
    if (this.#defaultFile(listing) !== undefined) return listing.candidates.length <= 1;
    return hasConfig(listing, this.#options) || listing.folders.some((folder) => versionPattern.test(folder));
  }

  /** A model that is a file of its own. */
  async #file(directory: string, file: string, place: string): Promise<void> {
    const real = await realpath(directory);
    const isDefault = this.#options.formats.some((format) => format.defaultFiles.includes(file));
    const stem = basename(file, extname(file));
    const inVersionFolder = isDefault && versionPattern.test(basename(real));
    const owner = inVersionFolder ? dirname(real) : real;
    const listing = await this.#list(owner);
    // Files named after the model belong to it; the folder's own belong to it where no other model file is beside.
    const alone = isDefault || listing.candidates.length <= 1;
    const labels = [`${stem}.labels.txt`, ...(alone ? ['labels.txt'] : [])].find((name) => listing.files.includes(name));
    const named = isDefault ? basename(owner) || 'model' : stem;
    const configNames = [...(stem === 'model' ? [] : [`${stem}.yaml`, `${stem}.yml`]), ...(alone ? yamlNames : [])];
    const version = inVersionFolder ? basename(real) : '1';
    await this.#model({
      defaultName: named,
      directory: owner,
      place,
      configNames,
      foreign: alone ? this.#options.foreignConfigs : [],
      versions: async () => [{ version, directory: real, fingerprint: await fingerprint(real, (name) => name === file || name.startsWith(`${stem}.`) || name.startsWith(`${stem}_`)) }],
      fingerprint: () => fingerprint(owner, (name) => configNames.includes(name) || name === labels || this.#options.foreignConfigs.some((format) => format.fileName === name)),
      file,
      labels,
    });
  }

  async #folder(listing: Listing, root: string, strayVersions: readonly string[] = []): Promise<void> {
    const numbers = listing.folders.filter((folder) => versionPattern.test(folder)).sort(compareVersions);
    const { candidates } = listing;
    await this.#model({
      defaultName: basename(resolve(listing.path)) || 'model',
      directory: listing.directory,
      place: listing.path,
      configNames: yamlNames,
      foreign: this.#options.foreignConfigs,
      versions: async (config) => {
        if (numbers.length > 0) {
          if (candidates.length > 0) throw new ModelportError('INVALID_MODEL', `${listing.path} holds both ${candidates[0]} and version folders (${numbers.join(', ')}): move the file into a version folder`);
          const found = await Promise.all(numbers.map((number) => this.#versionFolder(listing, number, root)));
          return found.filter((version) => version !== undefined);
        }
        if (!hasNoFile(config, this.#options.formats) && candidates.length === 0 && this.#defaultFile(listing) === undefined && listing.downloadedFile === undefined && config?.file === undefined) {
          if (strayVersions.length > 0) {
            throw new ModelportError('INVALID_MODEL', `${listing.path} holds models in ${strayVersions.join(', ')}, but version folders are whole numbers from 1, like ${join(listing.path, '1')}`);
          }
          return [];
        }
        return [{ version: '1', directory: listing.directory, fingerprint: await fingerprint(listing.directory, (name) => !isSharedFile(name, this.#options)) }];
      },
      fingerprint: () => fingerprint(listing.directory, (name) => !numbers.includes(name) && (numbers.length > 0 || isSharedFile(name, this.#options))),
      file: undefined,
      labels: listing.files.includes('labels.txt') ? 'labels.txt' : undefined,
    });
  }

  /** Undefined where it is gone since it was listed. */
  async #versionFolder(listing: Listing, number: string, root: string): Promise<FoundVersion | undefined> {
    const directory = await realpath(join(listing.directory, number)).catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return undefined;
      throw error;
    });
    if (directory === undefined) return undefined;
    if (!isInside(listing.directory, directory) && !isInside(root, directory)) {
      throw new ModelportError('INVALID_MODEL', `${join(listing.path, number)} is a link to ${directory}, outside the repository`);
    }
    this.directories.add(directory);
    return { version: number, directory, fingerprint: await fingerprint(directory, () => true) };
  }

  async #model(parts: {
    readonly defaultName: string;
    readonly directory: string;
    readonly place: string;
    readonly configNames: readonly string[];
    readonly foreign: readonly ForeignConfigFormat[];
    readonly versions: (config: ConfigReading['config'] | undefined) => Promise<readonly FoundVersion[]>;
    readonly fingerprint: () => Promise<Fingerprint>;
    readonly file: string | undefined;
    readonly labels: string | undefined;
  }): Promise<void> {
    let config: ConfigReading | undefined;
    let problem: ModelportError | undefined;
    let versions: readonly FoundVersion[] = [];
    let print: Fingerprint = '';
    let { defaultName: name } = parts;
    const attempt = async (work: () => Promise<void>) => {
      try {
        await work();
      } catch (error) {
        if (!isModelportError(error)) throw error;
        problem ??= error;
      }
    };
    await attempt(async () => {
      print = await parts.fingerprint();
      config = await readModelConfigFile(parts.directory, parts.configNames, parts.foreign);
      const given = config?.config.name;
      if (given !== undefined && given !== name && parts.file === undefined && parts.foreign.some((format) => format.fileName === config?.source)) {
        throw new ModelportError('INVALID_CONFIG', `unexpected directory name '${name}' for model '${given}', directory name must equal model name (${config!.locate('name')})`);
      }
      if (given !== undefined) name = given;
    });
    // Also where the config is broken: a load request may bring another one.
    await attempt(async () => {
      versions = await parts.versions(config?.config);
    });
    this.#add({
      name,
      directory: parts.directory,
      place: parts.place,
      versions,
      fingerprint: print,
      ...(parts.file === undefined ? {} : { file: parts.file }),
      ...(parts.labels === undefined ? {} : { labelsFile: parts.labels }),
      ...(config === undefined ? {} : { config }),
      ...(problem === undefined ? {} : { problem }),
    });
  }

  #add(model: FoundModel): void {
    const other = this.models.get(model.name);
    if (other === undefined) this.models.set(model.name, model);
    else if (other.directory !== model.directory || other.file !== model.file) {
      const problem = new ModelportError('CONFLICT', `two models are named '${model.name}': ${other.place} and ${model.place}. Rename one, or give it another \`name\` in its model.yaml`, { at: model.place });
      this.models.set(model.name, { ...other, problem });
    }
  }

  async #list(path: string): Promise<Listing> {
    const directory = await realpath(path);
    this.directories.add(directory);
    const files: string[] = [];
    const folders: string[] = [];
    for (const entry of (await readdir(directory, { withFileTypes: true })).sort((left, right) => (left.name < right.name ? -1 : 1))) {
      if (ignoredPattern.test(entry.name)) continue;
      const kind = entry.isSymbolicLink() ? await stat(join(directory, entry.name)).catch(() => undefined) : entry;
      if (kind?.isFile() === true) files.push(entry.name);
      else if (kind?.isDirectory() === true) folders.push(entry.name);
    }
    return { path, directory, files, folders, candidates: await this.#candidates(directory, files), downloadedFile: files.includes('config.json') && folders.includes('onnx') ? await fileInOnnxFolder(directory) : undefined };
  }

  /** Folders like `0` or `v2` that hold a model's default file: versions that somebody misnamed. */
  async #strayVersions(listing: Listing): Promise<string[]> {
    const stray: string[] = [];
    for (const folder of listing.folders) {
      if (!/^v?[0-9]+$/i.test(folder) || versionPattern.test(folder)) continue;
      const inside = await this.#list(join(listing.path, folder)).catch(() => undefined);
      if (inside !== undefined && (this.#defaultFile(inside) !== undefined || inside.candidates.length > 0)) stray.push(folder);
    }
    return stray;
  }

  /** By their endings. Beside a file that is the folder's model by its name, what holds no model is its data: `weights.bin` beside `model.onnx`. */
  async #candidates(directory: string, files: readonly string[]): Promise<string[]> {
    const { formats } = this.#options;
    const named = files.filter((file) => mayBeModel(file, formats));
    const defaults = new Set(formats.flatMap((format) => format.defaultFiles));
    if (named.length < 2 || !named.some((file) => defaults.has(file))) return named;
    const holdModels = await Promise.all(named.map(async (file) => defaults.has(file) || (await recognizeFormat(join(directory, file), formats).then(() => true, () => false))));
    return named.filter((_, index) => holdModels[index]);
  }

  #defaultFile(listing: Listing): string | undefined {
    return this.#options.formats.flatMap((format) => format.defaultFiles).find((file) => listing.files.includes(file) || listing.folders.includes(file));
  }
}

function hasConfig(listing: Listing, options: LayoutOptions): boolean {
  return [...yamlNames, ...options.foreignConfigs.map((format) => format.fileName)].some((name) => listing.files.includes(name));
}

function isSharedFile(name: string, options: LayoutOptions): boolean {
  return yamlNames.includes(name) || name === 'labels.txt' || options.foreignConfigs.some((format) => format.fileName === name);
}
