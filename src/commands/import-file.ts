/** Imports one file into a folder that `serve` takes. */
import { existsSync, statSync } from 'node:fs';
import { mkdir, mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { stringify } from 'yaml';
import type { Artifact } from '../artifact.ts';
import { Call } from '../call.ts';
import { ModelportError } from '../errors.ts';
import type { ImportOptions } from '../importer.ts';
import { importers } from '../importers/index.ts';
import type { Dimension } from '../model.ts';
import { readOnnxFacts } from '../onnx/onnx-facts.ts';
import onnxRuntime from '../runtimes/onnx/onnx-runtime.ts';
import { describeContent, readStart } from '../serving/file-content.ts';
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
  await mkdir(target, { recursive: true });
  const place = await mkdtemp(join(target, '.import-'));
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
    // Weights first, so that the model never stands without them.
    for (const { path: written } of imported.files.toReversed()) {
      await mkdir(dirname(join(target, written)), { recursive: true });
      await rename(join(place, written), join(target, written));
    }
    await rename(join(place, 'model.yaml'), config);
    return { model, config, importer: importer.name, ...tried };
  } finally {
    await rm(place, { recursive: true, force: true });
  }
}

async function importerOf(path: string, file: string): Promise<Awaited<ReturnType<(typeof importers)[number]['load']>> & { readonly declaresInputs: boolean }> {
  if (!existsSync(path)) throw new ModelportError('INVALID_USAGE', `${file}: there is no such file`, { at: file });
  const status = statSync(path);
  if (!status.isFile()) throw new ModelportError('INVALID_USAGE', `${file} is a folder: name a model file`, { at: file });
  const start = await readStart(path, startBytes);
  for (const known of importers) {
    const importer = await known.load();
    if (importer.accepts(start, status.size)) return { ...importer, declaresInputs: known.declaresInputs === true };
  }
  const what = describeContent(start);
  throw new ModelportError('INVALID_MODEL', `${file} is none of the kinds that are imported (${importers.map(({ name }) => name).join(', ')})${what === undefined ? '' : `: it is ${what}`}`, { at: file });
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
