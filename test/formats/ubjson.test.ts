import { describe, expect, it } from 'vitest';
import { isModelportError } from '../../src/errors.ts';
import { readUbjson } from '../../src/formats/ubjson.ts';
import { fuzzRuns, mutate, random } from '../fixtures/random.ts';

/** Text as it is, numbers as bytes. */
function bytesOf(...parts: readonly (string | number)[]): Buffer {
  return Buffer.concat(parts.map((part) => (typeof part === 'string' ? Buffer.from(part, 'latin1') : Buffer.of(part))));
}

describe('values', () => {
  it.each([
    ['null', bytesOf('Z'), null],
    ['true after no-ops', bytesOf('NNT'), true],
    ['false', bytesOf('F'), false],
    ['int8', bytesOf('i', 0xff), -1],
    ['uint8', bytesOf('U', 0xff), 255],
    ['int16', bytesOf('I', 0x80, 0), -32768],
    ['int32', bytesOf('l', 0, 0, 1, 0), 256],
    ['int64', bytesOf('L', 0, 0, 0, 1, 0, 0, 0, 0), 4294967296],
    ['float32', bytesOf('d', 0x3f, 0xc0, 0, 0), 1.5],
    ['float64', bytesOf('D', 0xc0, 0x04, 0, 0, 0, 0, 0, 0), -2.5],
    ['a character', bytesOf('Cx'), 'x'],
    ['text in UTF-8', Buffer.concat([bytesOf('SU', 2), Buffer.from('é')]), 'é'],
    ['a number of high precision', bytesOf('HU', 4, '1e10'), 1e10],
    ['a list', bytesOf('[i', 1, 'T[]]'), [1, true, []]],
    ['a counted list', bytesOf('[#U', 2, 'i', 1, 'Z'), [1, null]],
    ['an object', bytesOf('{U', 1, 'ai', 7, 'U', 1, 'b{}}'), { a: 7, b: {} }],
    ['a counted object', bytesOf('{#U', 1, 'U', 1, 'aT'), { a: true }],
    ['a typed object', bytesOf('{$U#U', 1, 'U', 1, 'a', 9), { a: 9 }],
    ['a typed list of texts', bytesOf('[$S#U', 2, 'U', 1, 'aU', 1, 'b'), ['a', 'b']],
    ['a typed list of int32', bytesOf('[$l#U', 2, 0, 0, 0, 1, 0xff, 0xff, 0xff, 0xff), Int32Array.of(1, -1)],
    ['a typed list of int64', bytesOf('[$L#U', 1, 0, 0, 0, 0, 0, 0, 1, 0), Float64Array.of(256)],
    ['a typed list of float32', bytesOf('[$d#U', 1, 0x3f, 0xc0, 0, 0), Float32Array.of(1.5)],
  ])('%s', (_, bytes, value) => {
    expect(readUbjson(bytes)).toEqual(value);
  });

  it('keeps a key that JavaScript knows as a plain member', () => {
    const value = readUbjson(bytesOf('{U', 9, '__proto__i', 1, '}')) as object;
    expect(Object.keys(value)).toEqual(['__proto__']);
    expect(({} as { i?: unknown }).i).toBeUndefined();
  });
});

describe('what is refused', () => {
  it.each([
    ['nothing', bytesOf(''), /ends 1 bytes early/],
    ['a cut number', bytesOf('l', 0, 0), /ends 2 bytes early/],
    ['a text that is longer than the file', bytesOf('Sl', 0x7f, 0xff, 0xff, 0xff, 'a'), /bytes early/],
    ['a list that is longer than the file', bytesOf('[$d#l', 0x7f, 0xff, 0xff, 0xff), /bytes early/],
    ['a negative length', bytesOf('Si', 0xff), /a length is -1/],
    ['a length that is a text', bytesOf('SS'), /a length is no integer/],
    ['an unknown type', bytesOf('x'), /'x' is no type of UBJSON/],
    ['a type without a count', bytesOf('[$i', 1), /a type but no count/],
    ['bytes that are left over', bytesOf('TT'), /1 bytes are left over/],
    ['depth', bytesOf('['.repeat(100)), /nested too deeply/],
  ])('%s', (_, bytes, message) => {
    expect(() => readUbjson(bytes)).toThrow(message);
  });

  it('more values than the limit, and a list of nothing that claims to be long', () => {
    expect(() => readUbjson(bytesOf('[TTTT]'), { values: 3 })).toThrow(/too many values/);
    expect(() => readUbjson(bytesOf('[$Z#l', 0x7f, 0xff, 0xff, 0xff), { values: 1000 })).toThrow(/too many values/);
  });
});

it('fuzz: spoiled documents are read or refused', () => {
  const whole = bytesOf('{U', 1, 'a[$d#U', 2, 0x3f, 0xc0, 0, 0, 0x3f, 0xc0, 0, 0, 'U', 1, 'b[i', 1, 'SU', 2, 'hi{}]U', 1, 'cL', 0, 0, 0, 1, 0, 0, 0, 0, '}');
  expect(readUbjson(whole)).toMatchObject({ c: 4294967296 });
  const source = random(21);
  let refused = 0;
  for (let run = 0; run < fuzzRuns; run++) {
    try {
      readUbjson(mutate(whole, source), { values: 100_000 });
    } catch (error) {
      if (!isModelportError(error) || error.code !== 'INVALID_MODEL') throw error;
      refused++;
    }
  }
  expect(refused).toBeGreaterThan(0);
});
