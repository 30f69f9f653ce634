/** Imports one file into a folder that `serve` takes. */
import { existsSync, statSync } from 'node:fs';
import { mkdir, mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { stringify } from 'yaml';
import { ModelportError } from '../errors.ts';
import { importers } from '../importers/index.ts';
import { readOnnxFacts } from '../onnx/onnx-facts.ts';
import { describeContent, readStart } from '../serving/file-content.ts';

const startBytes = 65_536;

export interface ImportedFile {
  /** The paths that were written. */
  readonly model: string;
  readonly config: string;
}

/**
 * Writes `model.onnx`, and a `model.yaml` that tells where it comes from and the labels of its classes. A model that is there is kept, unless `overwrite`
 * says otherwise. Throws `INVALID_USAGE`, or `INVALID_MODEL` naming what is not covered.
 */
export async function importFile(file: string, folder: string, overwrite = false): Promise<ImportedFile> {
  const path = resolve(file);
  const target = resolve(folder);
  if (!existsSync(path)) throw new ModelportError('INVALID_USAGE', `${file}: there is no such file`, { at: file });
  const { size } = statSync(path);
  if (!statSync(path).isFile()) throw new ModelportError('INVALID_USAGE', `${file} is a folder: name a model file`, { at: file });
  const start = await readStart(path, startBytes);
  const all = await Promise.all(importers.map((known) => known.load()));
  const importer = all.find((candidate) => candidate.accepts(start, size));
  if (importer === undefined) {
    const what = describeContent(start);
    throw new ModelportError('INVALID_MODEL', `${file} is none of the kinds that are imported (${importers.map(({ name }) => name).join(', ')})${what === undefined ? '' : `: it is ${what}`}`, { at: file });
  }
  const model = join(target, 'model.onnx');
  const config = join(target, 'model.yaml');
  const there = [model, config].find((written) => existsSync(written));
  if (there !== undefined && !overwrite) throw new ModelportError('INVALID_USAGE', `${there} is there already: choose another folder, or write over it with --force`, { at: there });
  await mkdir(target, { recursive: true });
  const place = await mkdtemp(join(target, '.import-'));
  try {
    const imported = await importer.import({ format: importer.name, directory: dirname(path), main: basename(path), files: [], metadata: {} }, place);
    const facts = readOnnxFacts(imported);
    const labelled = facts.signature.outputs.filter((output) => output.labels !== undefined);
    const text = stringify({
      description: `${facts.description === '' ? importer.name : facts.description}, imported from ${basename(path)}.`,
      ...(labelled.length === 0 ? {} : { outputs: labelled.map(({ name, labels }) => ({ name, labels })) }),
    });
    await writeFile(join(place, 'model.yaml'), text);
    // Weights first, so that the model never stands without them.
    for (const { path: written } of imported.files.toReversed()) await rename(join(place, written), join(target, written));
    await rename(join(place, 'model.yaml'), config);
  } finally {
    await rm(place, { recursive: true, force: true });
  }
  return { model, config };
}
