import { copyFileSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { externalFiles } from '../../src/onnx/external-data.ts';
import { readModelFile } from '../../src/onnx/read-model.ts';
import { tensorElements } from '../../src/onnx/tensor-elements.ts';
import type { ModelProto, StringStringEntryProto } from '../../src/onnx/model-proto.ts';
import { fixturePath } from './fixtures.ts';

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'modelport-external-'));
  for (const name of ['model.onnx', 'absolute.onnx', 'parent.onnx', 'absent.onnx', 'linked.onnx', 'weights.bin']) copyFileSync(fixturePath(`external/${name}`), join(directory, name));
});
afterEach(() => rmSync(directory, { recursive: true }));

const read = (name: string): ModelProto => readModelFile(join(directory, name));

function withEntries(...entries: StringStringEntryProto[]): ModelProto {
  const model = read('model.onnx');
  model.graph!.initializer[0]!.externalData = entries;
  return model;
}

it('finds the file and reads the weights from it', () => {
  const model = read('model.onnx');
  expect(externalFiles(model, directory)).toMatchObject([{ location: 'weights.bin', sizeBytes: 48 }]);
  expect(tensorElements(model.graph!.initializer[0]!, directory)).toEqual(Float32Array.from({ length: 12 }, (_, index) => index));
  expect(() => tensorElements(model.graph!.initializer[0]!)).toThrow(/there is no folder to look in/);
});

it.each([
  ['absolute.onnx', /names the file "\/etc\/passwd" outside the model's folder/],
  ['parent.onnx', /names the file "\.\.\/mlp\.onnx" outside the model's folder/],
  ['absent.onnx', /"absent\.bin", which is not beside the model/],
])('%s is refused', (name, message) => {
  expect(() => externalFiles(read(name), directory)).toThrow(message);
  expect(() => tensorElements(read(name).graph!.initializer[0]!, directory)).toThrow(expect.objectContaining({ code: 'INVALID_MODEL' }));
});

it('follows links inside the folder only', () => {
  const linked = join(directory, 'linked.bin');
  symlinkSync('/etc/passwd', linked);
  expect(() => externalFiles(read('linked.onnx'), directory)).toThrow(/a link that leads outside the model's folder/);
  rmSync(linked);
  symlinkSync('weights.bin', linked);
  expect(externalFiles(read('linked.onnx'), directory)).toHaveLength(1);
  rmSync(linked);
  mkdirSync(linked);
  expect(() => externalFiles(read('linked.onnx'), directory)).toThrow(/is not a file/);
});

it('does not take a folder whose name begins alike for its own', () => {
  const sibling = `${directory}-sibling`;
  mkdirSync(sibling);
  writeFileSync(join(sibling, 'weights.bin'), new Uint8Array(48));
  symlinkSync(join(sibling, 'weights.bin'), join(directory, 'linked.bin'));
  expect(() => externalFiles(read('linked.onnx'), directory)).toThrow(/a link that leads outside/);
  rmSync(sibling, { recursive: true });
});

it.each([
  ['a file that is too short', () => withEntries({ key: 'location', value: 'weights.bin' }, { key: 'offset', value: '8' }), /which has only 48/],
  ['a length that is not that of the tensor', () => withEntries({ key: 'location', value: 'weights.bin' }, { key: 'length', value: '44' }), /takes 48/],
  ['an offset that is no number', () => withEntries({ key: 'location', value: 'weights.bin' }, { key: 'offset', value: '-1' }), /not a number of bytes/],
  ['no location', () => withEntries({ key: 'offset', value: '0' }), /does not say in which/],
  ['a path of Windows', () => withEntries({ key: 'location', value: 'C:\\secret' }), /outside the model's folder/],
  ['parents behind backslashes', () => withEntries({ key: 'location', value: 'a\\..\\..\\secret' }), /outside the model's folder/],
  ['a NUL', () => withEntries({ key: 'location', value: 'weights.bin\0' }), /outside the model's folder/],
  ["an address in ONNX Runtime's memory", () => withEntries({ key: 'location', value: '*/_ORT_MEM_ADDR_/*' }), /is no file/],
  ['of two locations the last', () => withEntries({ key: 'location', value: 'weights.bin' }, { key: 'location', value: '../mlp.onnx' }), /outside the model's folder/],
])('refuses %s', (_what, make, message) => {
  expect(() => externalFiles(make(), directory)).toThrow(message);
});

it('refuses weights that end early', () => {
  truncateSync(join(directory, 'weights.bin'), 40);
  expect(() => externalFiles(read('model.onnx'), directory)).toThrow(/bytes 0 to 48 of "weights.bin", which has only 40: is the file complete\?/);
});

it('refuses strings in another file', () => {
  const model = read('model.onnx');
  model.graph!.initializer[0]!.dataType = 8;
  expect(() => externalFiles(model, directory)).toThrow(/STRING in another file/);
});
