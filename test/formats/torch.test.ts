import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { isModelportError } from '../../src/errors.ts';
import { bytesSource, fileSource } from '../../src/formats/byte-source.ts';
import { data, type PickleClasses } from '../../src/formats/pickle/pickle-class.ts';
import { isTuple, type PickledGlobal, type PickledObject, type PickleValue } from '../../src/formats/pickle/pickle-value.ts';
import { TorchArchive, readTorch, stateDictOf } from '../../src/formats/torch/read-torch.ts';
import type { ReadTorchOptions } from '../../src/formats/torch/torch-options.ts';
import { TorchTensor } from '../../src/formats/torch/torch-tensor.ts';
import { ZipArchive } from '../../src/formats/zip.ts';
import { fuzzRuns, mutate, random } from '../fixtures/random.ts';
import { zipFile } from '../fixtures/zip-file.ts';
import { describeTensor, normalizeTensors } from './describe-tensor.ts';
import { expectedValue, fixture, folder, refusal } from './pickle/describe-pickle.ts';

const read = (bytes: Uint8Array, options: ReadTorchOptions = {}): PickleValue => readTorch(bytesSource(bytes, 'm.pth'), options);
const described = (tensors: ReadonlyMap<string, TorchTensor>): unknown => Object.fromEntries([...tensors].map(([name, tensor]) => [name, describeTensor(tensor)]));
const modules: PickleClasses = (module) => (module.startsWith('torch.nn.modules.') || module.startsWith('__torch__.') ? data : undefined);

/** An archive of one pickle and storages. */
function archive(pickle: string, storages: Record<string, Uint8Array> = {}, extra: Record<string, string> = {}): Buffer {
  return zipFile([
    { path: 'm/data.pkl', content: Buffer.from(pickle, 'latin1') },
    ...Object.entries(extra).map(([name, text]) => ({ path: `m/${name}`, content: Buffer.from(text) })),
    ...Object.entries(storages).map(([key, content]) => ({ path: `m/data/${key}`, content })),
  ]);
}

/** The pickle of one tensor: elements of `type` in the storage '0'. */
const tensorPickle = (type: string, elements: number, offset: number, shape: string, strides: string): string =>
  `\x80\x02ctorch._utils\n_rebuild_tensor_v2\n((S'storage'\nctorch\n${type}\nS'0'\nS'cpu'\nI${elements}\ntQI${offset}\n${shape}${strides}I00\nccollections\nOrderedDict\n)RtR.`;
const sizes = (...numbers: number[]): string => `(${numbers.map((number) => `I${number}\n`).join('')}t`;

describe('state dicts', () => {
  test.each(['state.pth', 'state-legacy.pth', 'checkpoint.pth'])('%s', (file) => {
    const source = fileSource(join(folder, file));
    const tensors = stateDictOf(readTorch(source));
    expect(described(tensors!)).toEqual(normalizeTensors(expectedValue('state.json')));
    source.close();
  });

  test.each(['tensors.pth', 'tensors-legacy.pth', 'tensors-4.pth'])('tensors of every type and stride: %s', (file) => {
    const tensors = stateDictOf(read(fixture(file)))!;
    expect(described(tensors)).toEqual(normalizeTensors(expectedValue('tensors.json')));
    expect(tensors.get('transposed')).toMatchObject({ shape: [6, 4], strides: [1, 6], isContiguous: false, isParameter: false });
    expect(tensors.get('expanded')).toMatchObject({ strides: [0, 1] });
    expect(tensors.get('row')).toMatchObject({ offset: 12, isContiguous: true });
    expect(tensors.get('parameter')).toMatchObject({ isParameter: true, requiresGrad: true });
    expect(tensors.get('transposed')!.storage.bytes()).toBe(tensors.get('part')!.storage.bytes());
  });

  test('the rest of a checkpoint', () => {
    const value = read(fixture('checkpoint.pth')) as Map<string, PickleValue>;
    expect(value.get('epoch')).toBe(3);
    expect(isTuple(value.get('size')) && value.get('size')).toEqual([1, 2]);
    expect((value.get('dtype') as PickledGlobal).path).toBe('torch.float16');
    expect(stateDictOf('text')).toBeUndefined();
    expect(stateDictOf(new Map([['epoch', 3]]))).toBeUndefined();
  });
});

describe('whole modules and TorchScript', () => {
  test('a module is named, and data where the caller says so', () => {
    expect(refusal(() => read(fixture('module.pth')))).toMatch(/^m\.pth: data\.pkl: at byte \d+ of the pickle, torch\.nn\.modules\.linear\.Linear is named/);
    const module = read(fixture('module.pth'), { classes: modules }) as PickledObject;
    expect(module.path).toBe('torch.nn.modules.linear.Linear');
    expect(module.attributes.get('in_features')).toBe(3);
    expect(((module.attributes.get('_parameters') as Map<string, unknown>).get('weight') as TorchTensor).shape).toEqual([2, 3]);
  });

  test('the pickles of a TorchScript archive', () => {
    const opened = new TorchArchive(ZipArchive.open(bytesSource(fixture('script.pt'), 'script.pt')));
    expect(opened.root).toBe('script/');
    const module = opened.readPickle('data.pkl', { classes: modules }) as PickledObject;
    expect(module.path).toBe('__torch__.torch.nn.modules.linear.Linear');
    expect((module.attributes.get('weight') as TorchTensor).shape).toEqual([2, 3]);
    expect(opened.readPickle('constants.pkl')).toEqual([]);
    expect(refusal(() => opened.readPickle('other.pkl'))).toMatch(/holds no other\.pkl/);
  });
});

describe('tensors and storages', () => {
  test('big-endian files', () => {
    const content = Buffer.alloc(8);
    content.writeFloatBE(1.5, 0);
    content.writeFloatBE(-2, 4);
    const bytes = archive(tensorPickle('FloatStorage', 2, 0, sizes(2), sizes(1)), { 0: content }, { byteorder: 'big' });
    const tensor = read(bytes) as TorchTensor;
    expect([...(tensor.read() as Float32Array)]).toEqual([1.5, -2]);
    expect([...(tensor.read() as Float32Array)]).toEqual([1.5, -2]);
    expect(refusal(() => read(archive('N.', {}, { byteorder: 'middle' })))).toMatch(/byte order middle/);
  });

  test.each<[string, Buffer, RegExp]>([
    ['a tensor beyond its storage', archive(tensorPickle('FloatStorage', 2, 1, sizes(2), sizes(1)), { 0: Buffer.alloc(8) }), /does not lie in its storage "0" of 8 bytes/],
    ['a tensor that repeats a byte without end', archive(tensorPickle('ByteStorage', 1, 0, sizes(1e6, 1e6), sizes(0, 0)), { 0: Buffer.alloc(1) }), /repeats a storage of 1 bytes to 1000000000000, which is refused/],
    ['a storage that is missing', archive(tensorPickle('FloatStorage', 2, 0, sizes(2), sizes(1))), /the storage "m\/data\/0" is not in the archive/],
    ['a storage that is too short', archive(tensorPickle('FloatStorage', 2, 0, sizes(2), sizes(1)), { 0: Buffer.alloc(7) }), /has 7 bytes, not 8/],
    ['complex numbers', archive(tensorPickle('ComplexFloatStorage', 1, 0, sizes(1), sizes(1)), { 0: Buffer.alloc(8) }), /a storage of the type torch\.ComplexFloatStorage cannot be read/],
    ['a shape without strides', archive(tensorPickle('FloatStorage', 2, 0, sizes(2), sizes()), { 0: Buffer.alloc(8) }), /malformed shape, offset or strides/],
    ['a quantized tensor', archive('ctorch._utils\n_rebuild_qtensor\n)R.'), /a quantized tensor \(torch\._utils\._rebuild_qtensor\), which cannot be read/],
    ['a persistent id of another kind', archive("S'x'\nQ."), /a persistent id is a str, not a storage/],
    ['code', archive("cos\nsystem\n(S'id'\ntR."), /os\.system is named/],
    ['code by way of a subclass', archive("ctorch._tensor\n_rebuild_from_type_v2\n(cbuiltins\nset\ncbuiltins\nset\n)NtR."), /rebuilt by something else than PyTorch/],
    ['torch.load in a pickle', archive("ctorch.storage\n_load_from_bytes\n(S''\ntR."), /torch\.storage\._load_from_bytes is named/],
    ['a zip archive of something else', zipFile([{ path: 'word/document.xml', content: Buffer.from('x') }]), /none of PyTorch's: it holds no data\.pkl/],
    ['a pickle', Buffer.from('\x80\x02}.', 'latin1'), /is no file of torch\.save/],
    ['a tar archive', Buffer.concat([Buffer.alloc(257), Buffer.from('ustar'), Buffer.alloc(250)]), /tar layout of PyTorch before/],
    ['an older file that is truncated', fixture('state-legacy.pth').subarray(0, -3), /does not lie in the file; it is truncated/],
    ['an older file without storages', fixture('state-legacy.pth').subarray(0, 400), /bytes are wanted|ends without|does not end/],
  ])('%s', (_, bytes, message) => {
    expect(refusal(() => read(bytes))).toMatch(message);
  });

  test('damage is found when the tensor is read', () => {
    const bytes = archive(tensorPickle('FloatStorage', 2, 0, sizes(2), sizes(1)), { 0: Buffer.alloc(8) });
    const tensor = read(bytes) as TorchTensor;
    bytes[bytes.indexOf('m/data/0') + 8] = 1;
    expect(refusal(() => tensor.read())).toMatch(/"m\/data\/0" is damaged: its checksum differs/);
  });
});

test('fuzz: changed files are read or refused', () => {
  const seeds = [...['state.pth', 'tensors-4.pth', 'tensors-legacy.pth', 'state-legacy.pth'].map(fixture), archive(tensorPickle('FloatStorage', 4, 0, sizes(2, 2), sizes(1, 2)), { 0: Buffer.alloc(16) })];
  const source = random(10);
  let refusals = 0;
  for (let run = 0; run < fuzzRuns; run++) {
    try {
      const value = read(mutate(source.pick(seeds), source), { limits: { maxMemoryBytes: 2 ** 26 } });
      for (const tensor of stateDictOf(value)?.values() ?? []) tensor.read();
      if (value instanceof TorchTensor) value.read();
    } catch (error) {
      if (!isModelportError(error)) throw error;
      refusals++;
    }
  }
  expect(refusals).toBeGreaterThan(fuzzRuns / 4);
});

test('fuzz: changed pickles in sound archives', () => {
  const pickles = [tensorPickle('FloatStorage', 4, 0, sizes(2, 2), sizes(1, 2)), tensorPickle('LongStorage', 2, 1, sizes(1), sizes(1))].map((text) => Buffer.from(text, 'latin1'));
  const source = random(11);
  for (let run = 0; run < fuzzRuns; run++) {
    try {
      const value = read(archive(Buffer.from(mutate(source.pick(pickles), source)).toString('latin1'), { 0: Buffer.alloc(16) }), { limits: { maxMemoryBytes: 2 ** 26 } });
      if (value instanceof TorchTensor) value.read();
    } catch (error) {
      expect(isModelportError(error)).toBe(true);
    }
  }
});
