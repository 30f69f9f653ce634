import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { isModelportError } from '../../src/errors.ts';
import { decodeText, encodeJson } from '../../src/formats/protobuf-message.ts';
import { parsePrototext, type TextValue } from '../../src/formats/prototext.ts';
import { readTritonConfigText } from '../../src/formats/triton-model-config.ts';
import { tritonModelConfigType } from '../../src/formats/triton-model-config-schema.ts';
import { fuzzRuns, mutate, random } from '../fixtures/random.ts';

const fixtures = join(import.meta.dirname, 'fixtures');
const everything = readFileSync(join(fixtures, 'everything.pbtxt'), 'utf8');

function only(text: string): TextValue {
  const { fields } = parsePrototext(text, 'f');
  expect(fields).toHaveLength(1);
  return fields[0]!.value;
}

function stringOf(text: string): string {
  const value = only(text);
  if (value.kind !== 'string') throw new Error(`a ${value.kind}`);
  return Buffer.from(value.bytes).toString('latin1');
}

function failure(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    if (!isModelportError(error)) throw error;
    expect(error.code).toBe('INVALID_CONFIG');
    return error.message;
  }
  throw new Error('nothing was thrown');
}

/** protobuf writes 64-bit integers and infinities as text; ours are numbers. */
function plain(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value === 'object' && value !== null) return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, plain(member)]));
  return typeof value === 'string' && /^(?:-?[0-9]+|-?Infinity)$/.test(value) ? Number(value) : value;
}

describe('the text format', () => {
  test("reads all of it as protobuf's own reader does", () => {
    // everything.json was written by the Python package protobuf from everything.pbtxt, with defaults.
    const expected: unknown = JSON.parse(readFileSync(join(fixtures, 'everything.json'), 'utf8'));
    const { value } = decodeText(tritonModelConfigType, parsePrototext(everything, 'everything.pbtxt'), 'everything.pbtxt');
    expect(plain(encodeJson(tritonModelConfigType, value))).toEqual(plain(expected));
  });

  test.each([
    [String.raw`a: "\a\b\f\n\r\t\v\?\\\'\""`, '\x07\b\f\n\r\t\v?\\\'"'],
    [String.raw`a: "\101\x42\0c"`, 'AB\0c'],
    [String.raw`a: '\xe2\x82\xac'`, '\xe2\x82\xac'],
    [String.raw`a: "€\U0001F600"`, '\xe2\x82\xac\xf0\x9f\x98\x80'],
    [String.raw`a: "😀"`, '\xf0\x9f\x98\x80'],
    [`a: "x" 'y'\n# between\n"z"`, 'xyz'],
    [`a: "say 'so'"`, "say 'so'"],
  ])('string %s', (text, expected) => {
    expect(stringOf(text)).toBe(expected);
  });

  test.each([
    ['1', 1, 1n], ['-1', -1, -1n], ['0x1F', 31, 31n], ['017', 15, 15n], ['0', 0, 0n], ['18446744073709551615', 2 ** 64, 18446744073709551615n],
    ['1.5', 1.5, undefined], ['.5', 0.5, undefined], ['5.', 5, undefined], ['1e3', 1000, undefined], ['-2.5E-1', -0.25, undefined], ['10f', 10, undefined], ['1.5F', 1.5, undefined],
  ])('number %s', (text, value, integer) => {
    expect(only(`a: ${text}`)).toMatchObject({ kind: 'number', value, integer });
  });

  test('comments, separators and both kinds of brackets', () => {
    const { fields } = parsePrototext('#c\na { b: 1; c: 2, } <'.replace('<', 'd < e: [1, 2] > # end'), 'f');
    expect(fields.map(({ name, line }) => [name, line])).toEqual([['a', 2], ['d', 2]]);
  });

  test.each([
    ['a: 1\nb', /expected ':' or '\{' after 'b', found the end of the text \(f:2\)/],
    ['a {', /'\}' is missing \(f:1\)/],
    ['a < b: 1 }', /expected a field name, found '\}'/],
    ['a: "x\n"', /not closed on its line \(f:1\)/],
    ['a: "\\q"', /unknown escape '\\q'/],
    ['a: 09', /octal/],
    ['a: 1x', /is no number/],
    ['a: -true', /no number/],
    ['a: [1 2]', /expected ',' or ']' in a list, found '2'/],
    ['a [1]', /expected '\{' in a list without ':'/],
    ['[ext.field]: 1', /extensions/],
    ['}', /expected a field name/],
  ])('%j is refused with its line', (text, expected) => {
    expect(failure(() => parsePrototext(text, 'f'))).toMatch(expected);
  });

  test('nesting, size and digits have limits', () => {
    expect(failure(() => parsePrototext('a {'.repeat(100_000), 'f'))).toMatch(/nested more than 64 deep/);
    expect(failure(() => parsePrototext('#'.repeat(5 << 20), 'f'))).toMatch(/larger than/);
    expect(failure(() => parsePrototext(`a: ${'9'.repeat(1_000_000)}`, 'f'))).toMatch(/digits/);
    expect(failure(() => parsePrototext('a:1 '.repeat(300_000), 'f'))).toMatch(/fields/);
  });
});

describe('fitting a text to its message type', () => {
  test.each([
    ['name: "x"\nmax_bach_size: 8', "unknown field 'max_bach_size' of ModelConfig (c.pbtxt:2): did you mean 'max_batch_size'?"],
    ['input {\n  nme: "x"\n}', "unknown field 'nme' of ModelInput (c.pbtxt:2): did you mean 'name'?"],
    ['max_batch_size: "8"', "'max_batch_size' expects a whole number from -2147483648 to 2147483647, found \"8\" (c.pbtxt:1)"],
    ['max_batch_size: 99999999999', "'max_batch_size' expects a whole number from -2147483648 to 2147483647, found 99999999999 (c.pbtxt:1)"],
    ['name: "a"\nname: "b"', "'name' is given twice (c.pbtxt:2)"],
    ['name: "\\xff"', "'name' expects a string of UTF-8 text, found \"\uFFFD\" (c.pbtxt:1)"],
    ['dynamic_batching {}\nsequence_batching {}', "'sequence_batching' and 'dynamic_batching' exclude each other (c.pbtxt:2)"],
    ['parameters { key: "a" valeu {} }', "unknown field 'valeu' in an entry of the map 'parameters', which has 'key' and 'value' (c.pbtxt:1)"],
    ['parameters { key: "a" } parameters { key: "a" }', '\'parameters["a"]\' is given twice (c.pbtxt:1)'],
    ['input: "x"', "'input[0]' is a message: expected { … }, found \"x\" (c.pbtxt:1)"],
  ])('%j', (text, expected) => {
    expect(failure(() => readTritonConfigText(text, 'c.pbtxt'))).toBe(expected);
  });

  test('an unknown enum value names those that exist', () => {
    expect(failure(() => readTritonConfigText('input { name: "x" data_type: TYPE_FP8 }', 'c.pbtxt'))).toMatch(/'input\[0\]\.data_type' has no value 'TYPE_FP8'; it is one of TYPE_INVALID, TYPE_BOOL/);
  });

  test('a map key named __proto__ stays a key', () => {
    const { value } = decodeText(tritonModelConfigType, parsePrototext('metric_tags { key: "__proto__" value: "x" }', 'f'), 'f');
    expect(Object.keys(value.metric_tags!)).toEqual(['__proto__']);
    expect(Object.getPrototypeOf({})).toBe(Object.prototype);
  });
});

test('fuzz: whatever the text, it is read or refused by name', () => {
  const source = random(11);
  const bytes = new TextEncoder().encode(everything);
  let read = 0;
  for (let run = 0; run < fuzzRuns; run++) {
    // Half of them start from a short text, where a change more often leaves something that can be read.
    const start = run % 2 === 0 ? bytes : new TextEncoder().encode('name: "a" max_batch_size: 4 input { name: "x" data_type: TYPE_FP32 dims: [ 3, -1 ] } parameters { key: "k" value { string_value: "v" } }');
    const text = new TextDecoder().decode(mutate(start, source));
    try {
      readTritonConfigText(text, 'fuzz.pbtxt');
      read++;
    } catch (error) {
      if (!isModelportError(error) || error.code !== 'INVALID_CONFIG') throw new Error(`on ${JSON.stringify(text)}`, { cause: error });
      expect(error.message).toMatch(/\(fuzz\.pbtxt(?::\d+)?\)/);
    }
  }
  expect(read).toBeGreaterThan(fuzzRuns / 50);
});
