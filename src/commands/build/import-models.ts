/**
 * Models of other frameworks go into an image as ONNX: what could not be imported is known when the image is built, and a container has nothing to write
 * when it starts.
 */
import { readFile } from 'node:fs/promises';
import { basename, extname, join, posix, relative, sep } from 'node:path';
import { parseDocument } from 'yaml';
import { ModelportError } from '../../errors.ts';
import { importers } from '../../importers/index.ts';
import type { DigestCache } from '../../packaging/image/digest-cache.ts';
import { fileDigest } from '../../packaging/image/file-digest.ts';
import { findModelFile } from '../../serving/find-model-file.ts';
import { hasNoFile, recognizeFormat } from '../../serving/model-format.ts';
import { findModels, type FoundModel, type FoundVersion } from '../../serving/model-layout.ts';
import type { ImportedArtifact } from '../import-artifact.ts';
import { foreignConfigs, formats } from '../model-formats.ts';
import { isDefaultFile, type PlannedApplication, type PlannedFile } from './plan-application.ts';

export interface ImportedModels {
  readonly application: PlannedApplication;
  /** By the path of the file that it was imported from. */
  readonly imported: ReadonlyMap<string, ImportedArtifact>;
  /** What people should know of the imports. */
  readonly notes: readonly string[];
}

export interface ImportModelsOptions {
  readonly cacheDirectory: string;
  readonly cache: DigestCache;
  /** Models that services name by path: folders are looked into, files stay what they are called. */
  readonly serviceModels: readonly string[];
}

/** Throws `INVALID_MODEL` naming what of a model is not covered. */
export async function importModels(application: PlannedApplication, options: ImportModelsOptions): Promise<ImportedModels> {
  const files = new Map(application.files.map((file) => [file.path, file]));
  const bySource = new Map(application.files.flatMap((file) => (file.source === undefined ? [] : [[file.source, file] as const])));
  const kept = new Set(options.serviceModels);
  const imported = new Map<string, ImportedArtifact>();
  const notes: string[] = [];
  const models = [...application.models];
  for (const path of options.serviceModels) {
    // A file, or a name of what is served, is no folder to look into.
    const found = bySource.has(path) ? undefined : await findModels([path], { formats, foreignConfigs }).catch(() => undefined);
    models.push(...(found?.models.values() ?? []));
  }
  for (const model of models) {
    if (hasNoFile(model.config?.config, formats) || namesItsFormat(model)) continue;
    let changed = false;
    for (const version of model.versions) {
      const from = await mainFile(model, version, application);
      const planned = from === undefined ? undefined : bySource.get(from.path);
      if (from === undefined || planned === undefined || kept.has(from.path) || imported.has(from.path)) continue;
      const importer = await importerOf(from.path);
      if (importer === undefined) continue;
      const { importArtifact } = await import('../import-artifact.ts');
      const result = await importArtifact({ format: importer.name, directory: from.directory, main: from.main, files: [], metadata: {} }, await importer.load(), model.config?.config.import, options.cacheDirectory, async (path) => (await fileDigest(path, options.cache)).digest.slice('sha256:'.length));
      imported.set(from.path, result);
      notes.push(...result.notes.map((note) => `${model.name}: ${note}`));
      files.delete(planned.path);
      for (const file of importedFiles(result, planned, model)) {
        // In a folder of its own a model's import may bring its config.json and tokenizer again.
        if (files.has(file.path) && isAmongOthers(planned, model)) throw new ModelportError('INVALID_USAGE', `${planned.source} is imported to ${file.path}, which is there already: give each model a folder of its own`, { at: planned.source! });
        files.set(file.path, file);
      }
      changed = true;
    }
    if (changed) await mendConfig(model, files, bySource);
  }
  return { application: { ...application, files: [...files.values()].sort((left, right) => (left.path < right.path ? -1 : 1)) }, imported, notes };
}

/** Triton's config says of which platform the file is; it goes with the file as it is. */
function namesItsFormat({ config }: FoundModel): boolean {
  return config !== undefined && foreignConfigs.some(({ fileName }) => fileName === config.source) && (config.config.format !== undefined || config.config.file !== undefined);
}

async function mainFile(model: FoundModel, version: FoundVersion, { fetched }: PlannedApplication): Promise<{ readonly path: string; readonly directory: string; readonly main: string } | undefined> {
  const elsewhere = fetched.get(model.name);
  const directory = elsewhere?.directory ?? version.directory;
  const main = elsewhere?.main ?? (await findModelFile(directory, elsewhere === undefined ? (model.config?.config.file ?? model.file) : undefined, formats).catch(() => undefined));
  return main === undefined ? undefined : { path: join(directory, main), directory, main };
}

async function importerOf(path: string): Promise<(typeof importers)[number] | undefined> {
  const format = await recognizeFormat(path, formats).catch(() => undefined);
  return importers.find(({ name }) => name === format);
}

function isAmongOthers(planned: PlannedFile, model: FoundModel): boolean {
  return model.file !== undefined && !isDefaultFile(basename(planned.path));
}

/** A model in a folder of its own is called model.onnx there; one among others keeps its name. */
function importedFiles({ artifact }: ImportedArtifact, planned: PlannedFile, model: FoundModel): PlannedFile[] {
  const folder = posix.dirname(planned.path);
  const amongOthers = isAmongOthers(planned, model);
  const stem = basename(planned.path, extname(planned.path));
  return artifact.files.map(({ path, sizeBytes }) => ({ path: `${folder}/${amongOthers && path === artifact.main ? `${stem}.onnx` : path}`, source: join(artifact.directory, path), sizeBytes }));
}

/** What a config says of the file that was imported is true of it no more. */
async function mendConfig(model: FoundModel, files: Map<string, PlannedFile>, bySource: ReadonlyMap<string, PlannedFile>): Promise<void> {
  if (model.config === undefined) return;
  const path = bySource.get(join(model.directory, model.config.source))?.path;
  const own = path === undefined ? [...files.values()].find(({ content, path: place }) => content !== undefined && place.endsWith(`/${relative(model.directory, join(model.directory, model.config!.source)).split(sep).join('/')}`)) : files.get(path);
  if (own === undefined || !/\.ya?ml$/.test(own.path)) return;
  const document = parseDocument(own.content === undefined ? await readFile(own.source!, 'utf8') : Buffer.from(own.content).toString('utf8'));
  const main = document.get('file');
  for (const key of ['import', 'format', 'file']) document.delete(key);
  if (typeof main === 'string' && main.includes('/')) document.set('file', `${posix.dirname(main)}/model.onnx`);
  const content = Buffer.from(document.toString());
  files.set(own.path, { path: own.path, content, sizeBytes: content.byteLength });
}
