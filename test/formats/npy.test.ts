import { describe, expect, test } from 'vitest';
import { isModelportError } from '../../src/errors.ts';
import { bytesSource } from '../../src/formats/byte-source.ts';
import { arrayField, arrayToTensor, type NumpyArray } from '../../src/formats/numpy/numpy-array.ts';
import { parseTypeString } from '../../src/formats/numpy/numpy-dtype.ts';
import { parsePythonLiteral } from '../../src/formats/numpy/python-literal.ts';
import { readNpy } from '../../src/formats/numpy/read-npy.ts';
import { openNpz } from '../../src/formats/numpy/read-npz.ts';
import { ZipArchive } from '../../src/formats/zip.ts';
import { fuzzRuns, mutate, random } from '../fixtures/random.ts';
import { describe as describeValue, expectedValue, fixture, normalize, refusal } from './pickle/describe-pickle.ts';

const files = { 'i4-little': 'i4 <', 'f8-big': 'f8 >', fortran: 'fortran', bytes: 'bytes', text: 'text', records: 'records', times: 'times', 'zero-dimensional': 'zero-dimensional', empty: 'empty', objects: 'objects', bool: 'bool' };
const expected = expectedValue('npy.json') as Record<string, unknown>;

function npy(header: string, content = Buffer.alloc(0), version = 1): Buffer {
  const length = Buffer.alloc(version === 1 ? 2 : 4);
  if (version === 1) length.writeUInt16LE(header.length);
  else length.writeUInt32LE(header.length);
  return Buffer.concat([Buffer.from('\x93NUMPY', 'latin1'), Buffer.from([version, 0]), length, Buffer.from(header), content]);
}

describe('.npy', () => {
  test.each(Object.entries(files))('%s', (file, name) => {
    expect(describeValue(readNpy(fixture(`${file}.npy`)))).toEqual(normalize(expected[name], true));
  });

  test('as tensors', () => {
    expect(arrayToTensor(readNpy(fixture('i4-little.npy')))).toEqual({ datatype: 'INT32', shape: [2, 3], data: Int32Array.of(1, 2, 3, 4, 5, 6) });
    expect(arrayToTensor(readNpy(fixture('bytes.npy')))).toMatchObject({ datatype: 'BYTES', shape: [3] });
    expect(refusal(() => arrayToTensor(readNpy(fixture('times.npy'))))).toBe('an array of M8[ns] is no tensor');
    expect(refusal(() => arrayToTensor(readNpy(fixture('objects.npy'))))).toMatch(/not all text/);
    expect(refusal(() => arrayField(readNpy(fixture('records.npy')), 'z'))).toMatch(/has no field "z"/);
  });

  test.each([
    ['nothing', Buffer.alloc(0), /no \.npy file/],
    ['version 9', npy('{}', undefined, 9), /version 9; 1 to 3 are read/],
    ['too few bytes', npy("{'descr': '<f8', 'fortran_order': False, 'shape': (3,), }", Buffer.alloc(23)), /has 24 bytes, but the file has 23/],
    ['a huge shape', npy("{'descr': '<f8', 'fortran_order': False, 'shape': (99999999999, 99999999999)}"), /bytes, but the file has 0/],
    ['elements of no size', npy("{'descr': '|S0', 'fortran_order': False, 'shape': (99999999999,)}"), /elements of no size/],
    ['extended precision', npy("{'descr': '<f16', 'fortran_order': False, 'shape': (1,)}", Buffer.alloc(16)), /extended precision/],
    ['an unknown type', npy("{'descr': '<q9', 'fortran_order': False, 'shape': ()}"), /cannot be read/],
    ['no shape', npy("{'descr': '<f8', 'fortran_order': False}"), /no shape/],
    ['a header that is code', npy("__import__('os').system('id')"), /is no Python literal/],
    ['a header that goes on', npy("{'descr': '<f8'} + 1"), /is no Python literal/],
    ['a deep header', npy('('.repeat(5000)), /is no Python literal/],
    ['objects that run code', npy("{'descr': '|O', 'fortran_order': False, 'shape': (1,)}", Buffer.from("cos\nsystem\n(S'id'\ntR.")), /os\.system is named/],
    ['objects of another shape', npy("{'descr': '|O', 'fortran_order': False, 'shape': (1,)}", Buffer.from('I1\n.')), /not the array that its header tells/],
    ['much text in few bytes', npy("{'descr': '|S1', 'fortran_order': False, 'shape': (3000,)}", Buffer.alloc(3000)), undefined],
  ])('%s', (_, bytes, message) => {
    if (message === undefined) expect(refusal(() => readNpy(bytes, { maxMemoryBytes: 100_000 }))).toMatch(/100000 bytes of memory/);
    else expect(refusal(() => readNpy(bytes))).toMatch(message);
  });

  test('type strings', () => {
    expect(['<f8', '>i4', '|b1', 'U3', '|S5', '<M8[25s]', 'O', '?', 'e'].map((text) => parseTypeString(text).name)).toEqual(['f8', 'i4', 'b1', 'U3', 'S5', 'M8[25s]', 'O', 'b1', 'f2']);
  });

  test('literals', () => {
    expect(parsePythonLiteral(String.raw`{'a': [1, -2L, (3,), (), (4)], "b'": True, 'c': None, 'd': u'x\'y'}`)).toEqual(new Map<string, unknown>([['a', [1, -2, [3], [], 4]], ["b'", true], ['c', null], ['d', "x'y"]]));
  });
});

test.each(['stored.npz', 'compressed.npz'])('%s', (file) => {
  const archive = openNpz(ZipArchive.open(bytesSource(fixture(file), file)));
  expect(archive.names).toEqual(['a', 'b']);
  expect([...(archive.array('a') as NumpyArray).data]).toEqual([0n, 1n, 2n]);
  expect(archive.array('b').shape).toEqual([2, 2]);
  expect(refusal(() => archive.array('c'))).toMatch(/holds no array "c"/);
});

test('fuzz: changed .npy files are read or refused', () => {
  const seeds = Object.keys(files).map((file) => fixture(`${file}.npy`));
  const source = random(7);
  let refusals = 0;
  for (let run = 0; run < fuzzRuns; run++) {
    try {
      readNpy(mutate(source.pick(seeds), source), { maxMemoryBytes: 2 ** 26 });
    } catch (error) {
      if (!isModelportError(error)) throw error;
      refusals++;
    }
  }
  expect(refusals).toBeGreaterThan(fuzzRuns / 10);
});
