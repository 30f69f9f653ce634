import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { ModelportError } from '../../../src/errors.ts';
import { bytesSource } from '../../../src/formats/byte-source.ts';
import { looksLikeWeights, openWeights, readWeights } from '../../../src/importers/state-dict/read-weights.ts';
import { FileWeights, type StoredWeights } from '../../../src/importers/state-dict/weights.ts';
import { fuzzRuns, mutate, random } from '../../fixtures/random.ts';
import { zipFile } from '../../fixtures/zip-file.ts';
import { fixtures, weightsOf } from './tiny.ts';

const forms = ['tiny.pth', 'tiny-legacy.pth', 'tiny.safetensors', 'tiny-parallel.pth', 'tiny-checkpoint.pth', 'tiny-weights.pth', 'tiny-views.pth', 'tiny-half.pth', 'tiny-double.pth'];
const modules = ['module.pt', 'module-checkpoint.pt'];
const bytesOf = (file: string): Buffer => readFileSync(join(fixtures, file));

function floats(weights: StoredWeights): Map<string, number[]> {
  const source = new FileWeights(weights);
  return new Map([...weights].filter(([, { shape }]) => shape.length > 0).map(([key, { shape }]): [string, number[]] => [key, [...source.numbers(key, shape)]]).sort(([left], [right]) => (left < right ? -1 : 1)));
}

test.each(forms)('%s holds the same weights as every other form', (file) => {
  const expected = floats(weightsOf('tiny.pth'));
  const found = floats(weightsOf(file));
  expect([...found.keys()]).toEqual([...expected.keys()]);
  expect(found.size).toBe(28);
  for (const [key, numbers] of expected) {
    for (const [index, number] of numbers.entries()) expect(Math.abs(found.get(key)![index]! - number)).toBeLessThanOrEqual(file === 'tiny-half.pth' ? Math.abs(number) * 1e-3 + 1e-6 : 0);
  }
});

test.each(['tiny.pth', 'tiny.safetensors', 'tiny-views.pth'])('%s: a weight that is copied from its place is the weight that is read', (file) => {
  let placed = 0;
  for (const { place, read } of weightsOf(file).values()) {
    const range = place();
    if (range === undefined) continue;
    placed++;
    const array = read() as Float32Array;
    expect(Buffer.from(range.read()).equals(Buffer.from(array.buffer, array.byteOffset, array.byteLength))).toBe(true);
  }
  // Transposed views have no place.
  expect(placed).toBe(file === 'tiny-views.pth' ? 25 : 28);
});

test.each([...forms, ...modules])('%s is recognized by its content', (file) => {
  expect(looksLikeWeights(bytesOf(file).subarray(0, 65_536))).toBe(true);
});

test('TorchScript, other archives and other pickles are not weights', () => {
  expect(looksLikeWeights(bytesOf('script.pt').subarray(0, 65_536))).toBe(false);
  expect(looksLikeWeights(readFileSync(join(fixtures, '../pickles/arrays-2.pkl')))).toBe(false);
  expect(looksLikeWeights(readFileSync(join(fixtures, '../pickles/arrays.joblib')))).toBe(false);
  const zip = zipFile([{ path: 'word/document.xml', content: Buffer.from('<document/>') }]);
  expect(looksLikeWeights(zip)).toBe(false);
  expect(looksLikeWeights(Buffer.from('PK\x03\x04'))).toBe(false);
});

test('a module is refused with its classes and the way out', () => {
  for (const file of modules) {
    expect(() => openWeights(join(fixtures, file))).toThrow(/whole module, __main__\.Tiny.*torch\.export\.save.*torch\.save\(model\.state_dict\(\)/s);
  }
});

test('what holds no weights, or the weights of two models, is said to', () => {
  expect(() => openWeights(join(fixtures, 'none.pth'))).toThrow(/holds no weights.*it names __main__\.Unknown/s);
  expect(() => openWeights(join(fixtures, 'two.pth'))).toThrow(/holds no weights/);
  expect(() => readWeights(bytesSource(Buffer.alloc(1024), 'nothing.pth'))).toThrow(/no file of torch\.save/);
});

test('classes beside the weights are named and left aside', () => {
  const file = openWeights(join(fixtures, 'tiny-checkpoint.pth'));
  expect(file.classes).toEqual(['argparse.Namespace', '__main__.Unknown']);
  file.close();
});

test('a file that is damaged between its weights is refused, also where they are copied', () => {
  const bytes = Buffer.from(bytesOf('tiny.pth'));
  const at = bytes.indexOf('data/0') + 200;
  bytes[at] = bytes[at]! ^ 1;
  const { weights } = readWeights(bytesSource(bytes, 'tiny.pth'));
  expect(() => [...weights.values()].map((weight) => weight.read())).toThrow(/checksum/);
});

test('files of nonsense are refused or read, never worse', { timeout: 120_000 }, () => {
  const source = random(20);
  const files = [...forms, ...modules].map(bytesOf);
  let refused = 0;
  for (let run = 0; run < fuzzRuns; run++) {
    const bytes = mutate(source.pick(files), source);
    try {
      const { weights } = readWeights(bytesSource(bytes, 'nonsense'));
      const reading = new FileWeights(weights);
      for (const [key, { shape }] of weights) reading.numbers(key, shape);
    } catch (error) {
      if (!(error instanceof ModelportError) || error.code !== 'INVALID_MODEL') throw error;
      refused++;
    }
  }
  expect(refused).toBeGreaterThan(fuzzRuns / 4);
});
