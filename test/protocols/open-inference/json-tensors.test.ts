/** The hand-written reader of infer bodies against the platform's parser and BigInt. */
import { expect, test } from 'vitest';
import { isModelportError } from '../../../src/errors.ts';
import { fromBfloat16, fromHalf, toBfloat16, toHalf } from '../../../src/lib/half-float.ts';
import { parseInferRequest } from '../../../src/protocols/open-inference/infer-request.ts';
import { tensorText } from '../../../src/protocols/open-inference/infer-response.ts';
import { jsonPathAt } from '../../../src/protocols/open-inference/json-path.ts';
import { JsonReader } from '../../../src/protocols/open-inference/json-reader.ts';
import { readTensorData } from '../../../src/protocols/open-inference/json-tensors.ts';
import { parseJson } from '../../../src/protocols/open-inference/json-value.ts';
import type { Datatype, TensorData } from '../../../src/tensor.ts';
import { fuzzRuns, mutate, random, type Random } from '../../fixtures/random.ts';

function read(datatype: Datatype, text: string, shape: readonly number[]): TensorData {
  const reader = new JsonReader(Buffer.from(text));
  const data = readTensorData(reader, datatype, shape);
  reader.end();
  return data;
}

/** A random element of the datatype: what the array holds and one way to write it. */
function element(datatype: Datatype, source: Random): { value: unknown; text: string } {
  switch (datatype) {
    case 'BOOL': {
      const value = source.integer(0, 1);
      return { value, text: source.pick([value === 1 ? 'true' : 'false', String(value)]) };
    }
    case 'INT64':
    case 'UINT64': {
      const raw = (BigInt(source.integer(0, 0xffffffff)) << 32n) | BigInt(source.integer(0, 0xffffffff));
      const value = BigInt.asUintN(64, raw >> BigInt(source.integer(0, 63)));
      const signed = datatype === 'INT64' ? BigInt.asIntN(64, source.next() < 0.5 ? value : -value) : value;
      return { value: signed, text: String(signed) };
    }
    case 'BYTES': {
      const characters = Array.from({ length: source.integer(0, 8) }, () => source.pick(['a', '"', '\\', '\n', 'ü', '€', '😀', '\u0000', '\u007f', '\uffff', ']', ',']));
      const value = characters.join('');
      const text = source.next() < 0.5 ? JSON.stringify(value) : `"${[...value].map((each) => [...each].map((unit) => Array.from({ length: unit.length }, (_, index) => `\\u${unit.charCodeAt(index).toString(16).padStart(4, '0')}`).join('')).join('')).join('')}"`;
      return { value: Buffer.from(value), text };
    }
    case 'FP16':
    case 'BF16':
    case 'FP32':
    case 'FP64': {
      const special = source.integer(0, 20);
      if (special === 0) {
        const text = source.pick(['NaN', 'Infinity', '-Infinity']);
        const number = Number(text);
        return { value: datatype === 'FP16' ? toHalf(number) : datatype === 'BF16' ? toBfloat16(number) : number, text };
      }
      const number = (source.next() - 0.5) * 10 ** source.integer(-8, 4);
      const text = source.pick([String(number), number.toPrecision(17), number.toPrecision(9), number.toExponential(source.integer(0, 20)), number.toFixed(source.integer(0, 20))]);
      const parsed = Number(text);
      return { value: datatype === 'FP16' ? toHalf(parsed) : datatype === 'BF16' ? toBfloat16(parsed) : datatype === 'FP32' ? Math.fround(parsed) : parsed, text };
    }
    default: {
      const bits = Number(/\d+$/.exec(datatype)![0]);
      const least = datatype.startsWith('U') ? 0 : -(2 ** (bits - 1));
      const value = source.integer(0, 3) === 0 ? source.pick([least, least + 2 ** bits - 1, 0]) : source.integer(least, least + 2 ** bits - 1);
      return { value, text: source.pick([String(value), `${value}.0`, `${value}e0`, value === 0 ? '0e-1' : `${value}0e-1`]) };
    }
  }
}

const datatypeNames: readonly Datatype[] = ['BOOL', 'UINT8', 'UINT16', 'UINT32', 'UINT64', 'INT8', 'INT16', 'INT32', 'INT64', 'FP16', 'BF16', 'FP32', 'FP64', 'BYTES'];

/** Writes elements nested as the shape says, with white space here and there. */
function nested(texts: readonly string[], shape: readonly number[], source: Random): string {
  const space = (): string => source.pick(['', '', '', ' ', '\n ', '\t', '\r\n']);
  if (shape.length <= 1) return `[${texts.map((text) => space() + text + space()).join(',')}${space()}]`;
  const size = texts.length / shape[0]!;
  return `[${Array.from({ length: shape[0]! }, (_, index) => space() + nested(texts.slice(index * size, (index + 1) * size), shape.slice(1), source)).join(',')}${space()}]`;
}

test('fuzz: every datatype: random elements, flat and nested, arrive as they were written', () => {
  const source = random(10);
  for (let run = 0; run < fuzzRuns; run++) {
    const datatype = source.pick(datatypeNames);
    const shape = Array.from({ length: source.integer(1, 4) }, () => source.integer(1, 4));
    const elements = Array.from({ length: shape.reduce((a, b) => a * b) }, () => element(datatype, source));
    const text = nested(elements.map((each) => each.text), source.next() < 0.5 ? shape : [1], source);
    const data = read(datatype, text, shape);
    expect(Array.from(data as ArrayLike<unknown>, (each) => (each instanceof Uint8Array ? Buffer.from(each) : each)), `${datatype} ${text}`).toEqual(elements.map((each) => each.value));
  }
});

test('fuzz: what is written is read again as the same elements', () => {
  const source = random(11);
  const same = (left: unknown, right: unknown): boolean => (left instanceof Uint8Array ? Buffer.from(left).equals(Buffer.from(right as Uint8Array)) : Object.is(left, right) || (typeof left === 'number' && Number.isNaN(left)));
  for (let run = 0; run < fuzzRuns; run++) {
    const datatype = source.pick(datatypeNames);
    const count = source.integer(0, 12);
    const elements = Array.from({ length: count }, () => element(datatype, source));
    const data = read(datatype, `[${elements.map((each) => each.text).join(',')}]`, [count]);
    const again = read(datatype, tensorText('x', datatype, data), [count]);
    for (let index = 0; index < count; index++) {
      const left = (data as ArrayLike<unknown>)[index];
      const right = (again as ArrayLike<unknown>)[index];
      if (datatype === 'FP16' && Number.isNaN(fromHalf(left as number))) continue;
      if (datatype === 'BF16' && Number.isNaN(fromBfloat16(left as number))) continue;
      if (!same(left, right)) expect.fail(`${datatype}: ${elements[index]!.text} became ${String(right)}`);
    }
  }
});

test('a shape that the document can not fill takes no memory', () => {
  expect(() => read('FP64', '[1]', [0x7fffffff])).toThrow(/Shape does not match/);
  expect(() => read('BYTES', '["a"]', [0x7fffffff, 0x7fffffff])).toThrow(/Shape does not match/);
});

/** Bodies that are valid, to be broken. */
const seeds = [
  '{"id":"42","parameters":{"sequence_id":7,"a":true,"b":-1.5e3,"c":"grüß"},"inputs":[{"name":"x","shape":[2,2],"datatype":"FP32","data":[[0.1,-2e3],[3,4.5]]},{"name":"y","shape":[2],"datatype":"BYTES","data":["a\\u00fc\\ud83d\\ude00","b\\n"]}],"outputs":[{"name":"z","parameters":{"binary_data":true,"classification":3}}]}',
  '{"inputs":[{"data":[1,2,3],"shape":[3],"name":"n","datatype":"INT64"},{"name":"m","shape":[1,3],"datatype":"BOOL","data":[true,false,1],"parameters":{"more":{"deep":[null,1,"x"]}}}]}',
  '{"inputs":[{"name":"b","shape":[4],"datatype":"UINT8","parameters":{"binary_data_size":4}},{"name":"s","shape":[1],"datatype":"FP16","parameters":{"shared_memory_region":"r","shared_memory_byte_size":2,"shared_memory_offset":0}}],"outputs":[{"name":"o","parameters":{"shared_memory_region":"r","shared_memory_byte_size":8}}]}',
];

test('fuzz: broken bodies end in a 400 and never in anything else', () => {
  const source = random(12);
  let valid = 0;
  for (let run = 0; run < fuzzRuns; run++) {
    const body = mutate(Buffer.from(source.pick(seeds)), source);
    const text = Buffer.from(body).toString('latin1');
    try {
      const request = parseInferRequest(body);
      valid++;
      // What was taken has elements for its shape.
      for (const { data, shape } of request.inputs) if (data !== undefined) expect(data.length, text).toBe(shape.reduce((a, b) => a * b, 1));
    } catch (error) {
      if (!isModelportError(error) || error.code !== 'INVALID_REQUEST' || error.message.length > 2000) expect.fail(`${text}\n${String((error as Error).stack)}`);
    }
  }
  // Some mutations hit only white space, text or digits.
  expect(valid).toBeGreaterThan(0);
  expect(valid).toBeLessThan(fuzzRuns);
});

test('every body that is cut off is a 400 that says so', () => {
  for (const seed of seeds) {
    const bytes = Buffer.from(seed);
    for (let length = 0; length < bytes.length; length++) {
      expect(() => parseInferRequest(bytes.subarray(0, length)), `${length} of ${seed}`).toThrow(/the document ends too early|not a number|Unable to parse/);
    }
  }
});

test('fuzz: the reader takes what the platform takes and refuses what it refuses', () => {
  const source = random(13);
  const documents = ['{"a":[1,2.5,-3e-4,true,false,null,"x\\u00e9\\n"],"b":{"c":{}},"d":[]}', '[[],{},"",0,-0.0,1e5,"\\ud83d\\ude00"]', '  "text"  ', '[1,[2,[3,[4,[5]]]]]'];
  let taken = 0;
  for (let run = 0; run < fuzzRuns; run++) {
    const body = mutate(Buffer.from(source.pick(documents)), source);
    let platform: { value: unknown } | undefined;
    try {
      platform = { value: JSON.parse(new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(body)) };
    } catch {
      // Not JSON, or not UTF-8.
    }
    let ours: { value: unknown } | undefined;
    try {
      ours = { value: parseJson(body) };
    } catch (error) {
      if (!isModelportError(error)) throw error;
      // Text that could not be given back is refused here only.
      if (platform !== undefined && /surrogate/.test(error.message)) continue;
    }
    expect(ours, Buffer.from(body).toString('latin1')).toEqual(platform);
    if (ours !== undefined) taken++;
  }
  expect(taken).toBeGreaterThan(0);
});

test('paths lead to the byte', () => {
  const document = '{"a":[{"b\\"":1},[2,{"c":[3,44]}]],"d,e":"x[{,","f":7}';
  const at = (needle: string): string => jsonPathAt(Buffer.from(document), document.indexOf(needle));
  expect(['{"a"', '"a"', '[{', '1}', '2,{', '44', '"x[', '7}'].map(at)).toEqual(['', '', 'a', 'a[0].b\\"', 'a[1][0]', 'a[1][1].c[1]', 'd,e', 'f']);
  expect(jsonPathAt(Buffer.from('[[1,2],[3'), 9)).toBe('[1][0]');
});
