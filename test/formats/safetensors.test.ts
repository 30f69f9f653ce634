import { describe, expect, test } from 'vitest';
import { isModelportError } from '../../src/errors.ts';
import { bytesSource, fileSource } from '../../src/formats/byte-source.ts';
import { looksLikeSafetensors, openSafetensors } from '../../src/formats/safetensors.ts';
import { join } from 'node:path';
import { fuzzRuns, mutate, random } from '../fixtures/random.ts';
import { expectedValue, fixture, folder, refusal } from './pickle/describe-pickle.ts';
import { describeTensor, normalizeTensors } from './describe-tensor.ts';

function file(header: unknown, dataBytes = 0): Buffer {
  const text = Buffer.from(typeof header === 'string' ? header : JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(text.length));
  return Buffer.concat([length, text, Buffer.alloc(dataBytes)]);
}

const open = (bytes: Uint8Array) => openSafetensors(bytesSource(bytes, 'm.safetensors'));

test('tensors of every type, from memory and from a file', () => {
  const expected = normalizeTensors(expectedValue('tensors.json'));
  const source = fileSource(join(folder, 'tensors.safetensors'));
  for (const { tensors, metadata } of [open(fixture('tensors.safetensors')), openSafetensors(source)]) {
    expect(metadata).toEqual({ format: 'pt', 'made by': 'ä test' });
    expect(Object.fromEntries([...tensors].map(([name, tensor]) => [name, describeTensor(tensor)]))).toEqual(expected);
  }
  source.close();
  expect(looksLikeSafetensors(fixture('tensors.safetensors'))).toBe(true);
  expect(looksLikeSafetensors(fixture('pipeline-5.pkl'))).toBe(false);
});

describe('what is refused', () => {
  const tensor = { dtype: 'F32', shape: [2], data_offsets: [0, 8] };
  test.each<[string, Buffer, RegExp]>([
    ['nothing', Buffer.alloc(0), /8 bytes at byte 0 are wanted, but the file has 0/],
    ['a header beyond the file', Buffer.from([255, 255, 255, 255, 255, 255, 255, 255, 123]), /no safetensors file, or it is truncated/],
    ['a header that is no JSON', file('{"a"'), /header is no JSON/],
    ['a header that is a list', file([]), /header is no object/],
    ['a type without name', file({ a: { ...tensor, dtype: 'F8_E4M3' } }, 8), /the tensor "a" has the type "F8_E4M3", which is not read/],
    ['a type from the prototype', file({ a: { ...tensor, dtype: 'toString' } }, 8), /has the type "toString"/],
    ['another size', file({ a: { ...tensor, shape: [3] } }, 8), /has 12 bytes, but lies from 0 to 8 of 8/],
    ['too few bytes', file({ a: tensor }, 7), /lies from 0 to 8 of 7/],
    ['too many bytes', file({ a: tensor }, 9), /1 bytes behind the last tensor/],
    ['an overlap', file({ a: tensor, b: { ...tensor, data_offsets: [4, 12] } }, 12), /overlap/],
    ['a hole', file({ a: tensor, b: { ...tensor, data_offsets: [12, 20] } }, 20), /bytes between/],
    ['a negative size', file({ a: { ...tensor, shape: [-2] } }, 8), /no shape/],
    ['a size that overflows', file({ a: { ...tensor, shape: [2 ** 52, 2 ** 52] } }, 8), /but lies/],
    ['metadata that is no text', file({ __metadata__: { a: 1 } }), /metadata .* is no text/],
    ['no description', file({ a: null }), /is not described/],
  ])('%s', (_, bytes, message) => {
    expect(refusal(() => open(bytes))).toMatch(message);
  });
});

test('fuzz: changed files are read or refused', () => {
  const seeds = [fixture('tensors.safetensors'), file({ a: { dtype: 'F32', shape: [2], data_offsets: [0, 8] } }, 8)];
  const source = random(9);
  let refusals = 0;
  for (let run = 0; run < fuzzRuns; run++) {
    try {
      for (const tensor of open(mutate(source.pick(seeds), source)).tensors.values()) tensor.read();
    } catch (error) {
      if (!isModelportError(error)) throw error;
      refusals++;
    }
  }
  expect(refusals).toBeGreaterThan(fuzzRuns / 4);
});
