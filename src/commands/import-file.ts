/** Imports one file into a folder that `serve` takes. */
import { existsSync, readdirSync, statSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { basename, dirname, extname, join, resolve } from 'node:path';
import { stringify } from 'yaml';
import type { Artifact } from '../artifact.ts';
import { Call } from '../call.ts';
import { isModelportError, ModelportError } from '../errors.ts';
import { describeContent, readStart } from '../file-content.ts';
import type { ImportOptions } from '../importer.ts';
import { importers } from '../importers/index.ts';
import { withUnfinishedFile } from '../lib/unfinished-files.ts';
import type { Dimension } from '../model.ts';
import { looksLikeOnnx } from '../onnx/looks-like-onnx.ts';
import { readOnnxFacts } from '../onnx/onnx-facts.ts';
import onnxRuntime from '../runtimes/onnx/onnx-runtime.ts';
import type { Tensors } from '../tensor.ts';
import { compareTensors, matchTensors, readSampleFile, type Difference } from './sample-tensors.ts';

const startBytes = 65_536;

export interface ImportFileOptions extends ImportOptions {
  /** Write over a model that is there. */
  readonly overwrite?: boolean;
  /** Inputs to try the imported model with, `.npy` or `.npz`. They declare the inputs, too, where nothing else does: the first dimension varies. */
  readonly sample?: string;
  /** The outputs that the sample gives in the framework, to compare with. */
  readonly expected?: string;
}

export interface ImportedFile {
  /** The paths that were written. */
  readonly model: string;
  readonly config: string;
  readonly importer: string;
  /** Where a sample was given: shapes of the outputs that it gave. */
  readonly outputs?: ReadonlyMap<string, readonly number[]>;
  /** Where expected outputs were given. */
  readonly differences?: readonly Difference[];
}

/**
 * Writes `model.onnx`, and a `model.yaml` that tells where it comes from and the labels of its classes. A model that is there is kept, unless `overwrite`
 * says otherwise. Throws `INVALID_USAGE`, or `INVALID_MODEL` naming what is not covered.
 */
export async function importFile(file: string, folder: string, options: ImportFileOptions = {}): Promise<ImportedFile> {
  const { overwrite = false, sample, expected, ...given } = options;
  const path = resolve(file);
  const target = resolve(folder);
  const importer = await importerOf(path, file);
  if (sample === undefined && expected !== undefined) throw new ModelportError('INVALID_USAGE', 'expected outputs are compared with those of a sample: give its inputs with --sample', { at: 'expect' });
  const tensors = sample === undefined ? undefined : readSampleFile(sample);
  const wanted = expected === undefined ? undefined : readSampleFile(expected);
  const inputs = given.inputs ?? (tensors === undefined || !importer.declaresInputs ? undefined : declarations(tensors));
  const model = join(target, 'model.onnx');
  const config = join(target, 'model.yaml');
  const there = [model, config].find((written) => existsSync(written));
  if (there !== undefined && !overwrite) throw new ModelportError('INVALID_USAGE', `${there} is there already: choose another folder, or write over it with --force`, { at: there });
  const place = await makePlace(target, folder);
  return await withUnfinishedFile(place, async () => {
    try {
      const imported = await importer.import({ format: importer.name, directory: dirname(path), main: basename(path), files: [], metadata: {} }, place, { ...given, ...(inputs === undefined ? {} : { inputs }) });
      const tried = tensors === undefined ? {} : await tryModel(imported, tensors, sample!, wanted, expected);
      const facts = readOnnxFacts(imported);
      const labelled = facts.signature.outputs.filter((output) => output.labels !== undefined);
      const text = stringify({
        description: `${facts.description === '' ? importer.name : facts.description}, imported from ${basename(path)}.`,
        ...(labelled.length === 0 ? {} : { outputs: labelled.map(({ name, labels }) => ({ name, labels })) }),
      });
      await writeFile(join(place, 'model.yaml'), text);
      await moveInto(target, place, imported.files.map((written) => written.path));
      return { model, config, importer: importer.name, ...tried };
    } catch (error) {
      throw unwritable(error, folder, place);
    } finally {
      await rm(place, { recursive: true, force: true });
    }
  });
}

const placePrefix = '.import-';

/** A hidden folder beside where the files will be, so that moving them is renaming. What killed imports left there is taken away. */
async function makePlace(target: string, folder: string): Promise<string> {
  try {
    await mkdir(target, { recursive: true });
    for (const name of await readdir(target)) {
      const writer = name.startsWith(placePrefix) ? Number(/^\d+(?=-)/.exec(name.slice(placePrefix.length))?.[0]) : Number.NaN;
      if (writer > 0 && writer !== process.pid && !isAlive(writer)) await rm(join(target, name), { recursive: true, force: true });
    }
    return await mkdtemp(join(target, `${placePrefix}${process.pid}-`));
  } catch (error) {
    throw unwritable(error, folder);
  }
}

function isAlive(processId: number): boolean {
  try {
    process.kill(processId, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/** The first of `files` is the model. It comes after its weights, so that it never stands without them or beside those of another model. */
async function moveInto(target: string, place: string, files: readonly string[]): Promise<void> {
  if (files.length > 1) await rm(join(target, files[0]!), { force: true });
  for (const written of files.toReversed()) {
    await mkdir(dirname(join(target, written)), { recursive: true });
    await rename(join(place, written), join(target, written));
  }
  await rename(join(place, 'model.yaml'), join(target, 'model.yaml'));
}

/** Errors of the file system, as what a person can do something about. */
function unwritable(error: unknown, folder: string, place = folder): unknown {
  const { code, message } = error as NodeJS.ErrnoException;
  if (isModelportError(error) && message.includes(place)) return new ModelportError(error.code, message.replaceAll(place, folder), { at: folder, cause: error });
  if (isModelportError(error) || code === undefined || !/^E[A-Z]+$/.test(code)) return error;
  const reasons: Readonly<Record<string, string>> = { ENOSPC: 'the disk is full', EDQUOT: 'the disk quota is used up', EACCES: 'permission denied', EPERM: 'permission denied', EROFS: 'the file system is read-only', EEXIST: 'it is a file', ENOTDIR: 'a part of the path is a file' };
  return new ModelportError('INVALID_USAGE', `${folder} cannot be written: ${reasons[code] ?? message}`, { at: folder, cause: error });
}

async function importerOf(path: string, file: string): Promise<Awaited<ReturnType<(typeof importers)[number]['load']>> & { readonly declaresInputs: boolean }> {
  const start = await beginningOf(path, file);
  const { size } = statSync(path);
  for (const known of importers) {
    const importer = await known.load();
    if (importer.accepts(start, size)) return { ...importer, declaresInputs: known.declaresInputs === true };
  }
  if (looksLikeOnnx(start, size)) throw new ModelportError('INVALID_MODEL', `${file} is an ONNX model already: serve it as it is`, { at: file });
  const frameworks = [...new Set(importers.map(({ framework }) => framework))].join(', ');
  throw new ModelportError('INVALID_MODEL', `${file} is not imported: it is ${describeContent(start) ?? 'in a format that is not known here'}. Files of these are imported: ${frameworks}`, { at: file });
}

async function beginningOf(path: string, file: string): Promise<Uint8Array> {
  try {
    if (statSync(path).isDirectory()) throw new ModelportError('INVALID_USAGE', `${file} is a folder: ${whatToName(file, readdirSync(path))}`, { at: file });
    return await readStart(path, startBytes);
  } catch (error) {
    if (isModelportError(error)) throw error;
    const { code, message } = error as NodeJS.ErrnoException;
    const reason = code === 'ENOENT' || code === 'ENOTDIR' ? 'there is no such file' : code === 'EACCES' || code === 'EPERM' ? 'it cannot be read: permission denied' : `it cannot be read: ${message}`;
    throw new ModelportError('INVALID_USAGE', `${file}: ${reason}`, { at: file, cause: error });
  }
}

function whatToName(folder: string, names: readonly string[]): string {
  if (names.includes('saved_model.pb')) return 'a SavedModel of TensorFlow, which is not imported: write it as ONNX with python -m tf2onnx.convert --saved-model FOLDER --output model.onnx';
  const endings = new Set(importers.flatMap(({ extensions }) => extensions));
  const defaults = new Set(importers.flatMap(({ defaultFiles }) => defaultFiles));
  const models = names.filter((name) => defaults.has(name) || endings.has(extname(name).toLowerCase())).sort();
  return models.length === 0 ? 'name a model file' : `name the model file in it, as in ${join(folder, models[0]!)}`;
}

function declarations(tensors: Tensors): NonNullable<ImportOptions['inputs']> {
  return [...tensors].map(([name, { datatype, shape }]) => ({
    ...(name === '' || /^arr_\d+$/.test(name) ? {} : { name }),
    datatype,
    shape: shape.map((size, axis): Dimension => (axis === 0 && shape.length > 1 ? 'batch' : size)),
  }));
}

async function tryModel(artifact: Artifact, given: Tensors, sample: string, wanted: Tensors | undefined, expected: string | undefined): Promise<Pick<ImportedFile, 'outputs' | 'differences'>> {
  await using model = await onnxRuntime.load(artifact, { threads: 1, parameters: {} });
  const { outputs } = await model.infer({ inputs: matchTensors(given, model.signature.inputs, sample) }, new Call());
  return {
    outputs: new Map([...outputs].map(([name, { shape }]) => [name, shape])),
    ...(wanted === undefined ? {} : { differences: compareTensors(matchTensors(wanted, model.signature.outputs, expected!), outputs, expected!) }),
  };
}
