import { spawnSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { parse } from 'yaml';
import { importFile } from '../../src/commands/import-file.ts';
import { parseInputDeclaration } from '../../src/input-declaration.ts';
import type { Tensors } from '../../src/tensor.ts';
import { compareTensors } from '../../src/commands/sample-tensors.ts';
import { explainModels } from '../../src/commands/explain-models.ts';

const fixtures = fileURLToPath(new URL('../importers/sklearn/fixtures/', import.meta.url));
const pipeline = join(fixtures, readdirSync(fixtures).find((name) => /^\d+-Pipeline/.test(name))!);

let directory: string;
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'modelport-import-test-'));
});
afterAll(() => rmSync(directory, { recursive: true }));

it('writes a folder that can be served', async () => {
  const folder = join(directory, 'written');
  const { model, config } = await importFile(pipeline, folder);
  expect(readdirSync(folder).sort()).toEqual(['model.onnx', 'model.yaml']);
  expect([model, config]).toEqual([join(folder, 'model.onnx'), join(folder, 'model.yaml')]);
  const [labels] = (parse(readFileSync(config, 'utf8')) as { outputs: { labels: string[] }[] }).outputs;
  expect(labels!.labels.length).toBeGreaterThan(1);
  const [explained] = await explainModels(folder);
  expect(explained!.name).toBe('written');
  expect(explained!.config.config.task).toBe('tabular-classification');
});

it('writes over nothing that it was not told to', async () => {
  const folder = join(directory, 'kept');
  await importFile(pipeline, folder);
  writeFileSync(join(folder, 'model.yaml'), 'description: mine\n');
  await expect(importFile(pipeline, folder)).rejects.toMatchObject({ code: 'INVALID_USAGE', message: expect.stringContaining('--force') as string });
  expect(readFileSync(join(folder, 'model.yaml'), 'utf8')).toBe('description: mine\n');
  await importFile(pipeline, folder, { overwrite: true });
  expect(readFileSync(join(folder, 'model.yaml'), 'utf8')).not.toContain('mine');
});

it('leaves nothing behind where the file is refused', async () => {
  const folder = join(directory, 'refused');
  const file = join(directory, 'unknown.pkl');
  writeFileSync(file, Buffer.from('\x80\x02csklearn.manifold._t_sne\nTSNE\n)\x81}b.', 'latin1'));
  await expect(importFile(file, folder)).rejects.toMatchObject({ code: 'INVALID_MODEL', message: expect.stringContaining('TSNE') as string });
  expect(readdirSync(folder)).toEqual([]);
  writeFileSync(file, 'a text');
  await expect(importFile(file, join(directory, 'other'))).rejects.toMatchObject({ code: 'INVALID_MODEL' });
  await expect(importFile(join(directory, 'absent'), folder)).rejects.toMatchObject({ code: 'INVALID_USAGE' });
  expect(existsSync(join(directory, 'other'))).toBe(false);
});

it('tells what a file is that is not imported, and the way out', async () => {
  const place = join(directory, 'strange');
  mkdirSync(join(place, 'saved', 'variables'), { recursive: true });
  mkdirSync(join(place, 'hub'));
  const write = (name: string, content: Buffer | string): string => {
    writeFileSync(join(place, name), content);
    return join(place, name);
  };
  const zip = (entry: string): Buffer => {
    const head = Buffer.alloc(30);
    head.write('PK\x03\x04', 'latin1');
    head.writeUInt16LE(entry.length, 26);
    return Buffer.concat([head, Buffer.from(entry)]);
  };
  write('saved/saved_model.pb', '');
  write('hub/model.safetensors', '');
  const npy = writeArray('alone.npy', [1], [1]);
  const onnx = join(directory, 'written', 'model.onnx');
  for (const [path, message] of [
    [npy, /is not imported: it is a NumPy array: numbers without a program\. Files of these are imported: .*scikit-learn.*PyTorch/],
    [write('a.npz', zip('x.npy')), /it is a NumPy archive \(\.npz\)/],
    [write('a.keras', zip('metadata.json')), /it is a Keras model: write it as ONNX with model\.export/],
    [write('a.zip', zip('readme.txt')), /it is a zip file \(its first entry is "readme\.txt"\)/],
    [write('a.tar', Buffer.concat([Buffer.alloc(257, 'a'), Buffer.from('ustar')])), /a tar archive: unpack it/],
    [write('a.gz', gzipSync('text')), /compressed with gzip: decompress it/],
    [write('a.tflite', '\x1c\0\0\0TFL3'), /TensorFlow Lite model: write it as ONNX with python -m tf2onnx\.convert --tflite/],
    [write('a.pb', '\x08\x01\x12\x10\x0a'), /a SavedModel of TensorFlow: write it as ONNX/],
    [write('a.pkl', Buffer.from('\x80\x04K\x01.', 'latin1')), /a Python pickle that names no class of scikit-learn/],
    [join(fixtures, '../../../fixtures/compressed/whole.bz2'), /whole\.bz2 is compressed with bzip2, and no pickle is in it: it is something else/],
    [write('a.bin', Buffer.from([1, 2, 3, 4])), /it is in a format that is not known here/],
    [onnx, /is an ONNX model already: serve it as it is/],
  ] as const) {
    await expect(importFile(path, join(place, 'out')), path).rejects.toMatchObject({ code: 'INVALID_MODEL', message: expect.stringMatching(message) as string });
  }
  for (const [path, message] of [
    [join(place, 'saved'), /is a folder: a SavedModel of TensorFlow, which is not imported/],
    [join(place, 'hub'), /is a folder: name the model file in it, as in .*model\.safetensors$/],
    [place, /is a folder: /],
    [join(npy, 'inside'), /there is no such file/],
  ] as const) {
    await expect(importFile(path, join(place, 'out')), path).rejects.toMatchObject({ code: 'INVALID_USAGE', message: expect.stringMatching(message) as string });
  }
  await expect(importFile(pipeline, npy)).rejects.toMatchObject({ code: 'INVALID_USAGE', message: expect.stringContaining('cannot be written: it is a file') as string });
  await expect(importFile(pipeline, join(npy, 'inside'))).rejects.toMatchObject({ code: 'INVALID_USAGE', message: expect.stringContaining('a part of the path is a file') as string });
});

it('takes away what a killed import left, and nothing of one that still runs', async () => {
  const folder = join(directory, 'killed');
  const { pid } = spawnSync(process.execPath, ['--version']);
  for (const name of [`.import-${pid}-abc`, `.import-${process.ppid}-def`, '.import-mine']) {
    mkdirSync(join(folder, name), { recursive: true });
    writeFileSync(join(folder, name, 'model.onnx'), 'half of a mod');
  }
  // What is not finished is no model.
  expect(await explainModels(folder)).toEqual([]);
  await importFile(pipeline, folder);
  expect(readdirSync(folder).sort()).toEqual([`.import-${process.ppid}-def`, '.import-mine', 'model.onnx', 'model.yaml'].sort());
  expect((await explainModels(folder)).map(({ name }) => name)).toEqual(['killed']);
});

/** A .npy file of version 1. */
function writeArray(name: string, shape: readonly number[], values: readonly number[]): string {
  const data = Float64Array.from(values);
  const header = `{'descr': '<f8', 'fortran_order': False, 'shape': (${shape.join(', ')},), }`.padEnd(117) + '\n';
  const path = join(directory, name);
  writeFileSync(path, Buffer.concat([Buffer.from('\x93NUMPY\x01\x00', 'latin1'), Buffer.from([header.length, 0]), Buffer.from(header), Buffer.from(data.buffer)]));
  return path;
}

it('tries a sample, and tells how far the answers are from those that were expected', async () => {
  const folder = join(directory, 'sampled');
  const { outputs } = await importFile(pipeline, folder);
  expect(outputs).toBeUndefined();
  const [explained] = await explainModels(folder);
  const width = explained!.signature.inputs[0]!.shape.at(-1) as number;
  const sample = writeArray('sample.npy', [2, width], new Array<number>(2 * width).fill(0.5));
  const tried = await importFile(pipeline, folder, { overwrite: true, sample });
  expect([...tried.outputs!.values()].every((shape) => shape[0] === 2)).toBe(true);
  expect(tried.differences).toBeUndefined();
  const [first] = tried.outputs!;
  const expected = writeArray('expected.npy', first![1], new Array<number>(first![1].reduce((product, size) => product * size, 1)).fill(1));
  const failed = importFile(pipeline, folder, { overwrite: true, sample, expected });
  if (explained!.signature.outputs[0]!.datatype === 'BYTES') await expect(failed).rejects.toMatchObject({ code: 'INVALID_USAGE', message: expect.stringContaining('is FP64, but the model has BYTES there') as string });
  else expect((await failed).differences![0]!.largest).toBeGreaterThan(0);
  await expect(importFile(pipeline, folder, { overwrite: true, expected })).rejects.toMatchObject({ code: 'INVALID_USAGE', message: expect.stringContaining('--sample') as string });
  await expect(importFile(pipeline, folder, { overwrite: true, sample: pipeline })).rejects.toMatchObject({ code: 'INVALID_USAGE', message: expect.stringContaining('neither a .npy nor a .npz') as string });
});

it('compares element by element, NaN with NaN, and the classes that win', () => {
  const tensors = (values: readonly number[]): Tensors => new Map([['y', { datatype: 'FP32', shape: [2, 2], data: Float32Array.from(values) }]]);
  expect(compareTensors(tensors([1, 2, NaN, 4]), tensors([1, 2, NaN, 4]), 'f')).toEqual([{ output: 'y', largest: 0, largestRelative: 0, sameLargest: true }]);
  expect(compareTensors(tensors([1, 2, 8, 4]), tensors([3, 2, 8, 4]), 'f')).toEqual([{ output: 'y', largest: 2, largestRelative: 2, sameLargest: false }]);
  expect(compareTensors(tensors([1, 2, 8, 4]), tensors([1, 2, 10, 4]), 'f')).toEqual([{ output: 'y', largest: 2, largestRelative: 0.25, sameLargest: true }]);
  expect(compareTensors(tensors([NaN, 0, 0, 0]), tensors([0, 0, 0, 0]), 'f')[0]!.largest).toBe(Infinity);
});

it('reads declarations of inputs', () => {
  expect(parseInputDeclaration('x:f32[batch,3,224,224]')).toEqual({ name: 'x', datatype: 'FP32', shape: ['batch', 3, 224, 224] });
  expect(parseInputDeclaration('INT64[1, -1]')).toEqual({ datatype: 'INT64', shape: [1, 'size_1'] });
  expect(parseInputDeclaration('mask:bool[]')).toEqual({ name: 'mask', datatype: 'BOOL', shape: [] });
  for (const [text, problem] of [['x', 'not of that form'], ['x:f33[1]', "no type 'f33'; did you mean 'f32'?"], ['x:f32[a b]', "'a b' is neither"], ['x:f32[1,,2]', "'' is neither"]] as const) {
    expect(() => parseInputDeclaration(text)).toThrow(expect.objectContaining({ code: 'INVALID_USAGE', message: expect.stringContaining(problem) as string }) as Error);
  }
});

it('imports as model.yaml says, and keeps both ways apart', async () => {
  const folder = join(directory, 'configured');
  mkdirSync(folder);
  copyFileSync(pipeline, join(folder, 'model.joblib'));
  const datatypes = async (): Promise<string[]> => (await explainModels(folder))[0]!.signature.inputs.map((input) => input.datatype);
  const plain = await datatypes();
  writeFileSync(join(folder, 'model.yaml'), 'import:\n  precision: float32\n');
  const single = await datatypes();
  expect([plain.includes('FP64'), single.includes('FP64')]).toEqual([true, false]);
  writeFileSync(join(folder, 'model.yaml'), 'import:\n  architecture: resnet18\n');
  await expect(explainModels(folder)).rejects.toMatchObject({ message: expect.stringContaining('architecture') as string });
  writeFileSync(join(folder, 'model.yaml'), 'import:\n  precison: float32\n');
  await expect(explainModels(folder)).rejects.toMatchObject({ code: 'INVALID_CONFIG', message: expect.stringContaining("did you mean 'precision'") as string });
});
