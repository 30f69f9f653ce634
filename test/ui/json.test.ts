import { expect, test } from 'vitest';
import * as fastCheck from 'fast-check';
import { formatJson, parseJson, type JsonValue } from '../../ui/src/json.ts';

test('what JSON.parse loses survives', () => {
  expect(parseJson('{"id": 9007199254740993, "x": [NaN, Infinity, -Infinity], "t": "NaN 1234567890123456"}')).toEqual({
    id: 9007199254740993n, x: [Number.NaN, Infinity, -Infinity], t: 'NaN 1234567890123456',
  });
  expect(formatJson({ id: 9007199254740993n, x: [Number.NaN, 1.5] })).toBe('{"id":9007199254740993,"x":[NaN,1.5]}');
});

test('rows of numbers stay on one line', () => {
  expect(formatJson({ a: [[1, 2], [3, 4]], b: {} }, 2)).toBe('{\n  "a": [\n    [1, 2],\n    [3, 4]\n  ],\n  "b": {}\n}');
});

test('says where JSON is broken', () => {
  expect(() => parseJson('[NaN, oops]')).toThrow('unexpected "o" at character 7');
  expect(() => parseJson('[NaN')).toThrow('ends too early');
  expect(() => parseJson(`${'['.repeat(5000)}NaN`)).toThrow('nested deeper');
});

test('agrees with JSON.parse on all JSON, also where it reads by itself', () => {
  fastCheck.assert(fastCheck.property(fastCheck.jsonValue(), (value) => {
    const text = JSON.stringify(value);
    // The word in a name makes it take its own way.
    const own = (parseJson(`{"NaN":${text}}`) as { readonly NaN: JsonValue }).NaN;
    expect(JSON.parse(formatJson(own))).toEqual(JSON.parse(text));
  }), { seed: 3, numRuns: 1000 });
});

test('broken JSON is refused, never misread (fuzz)', () => {
  const runs = Number(process.env['MODELPORT_FUZZ_RUNS'] ?? 2000);
  const pieces = fastCheck.array(fastCheck.constantFrom('{', '}', '[', ']', ',', ':', '"a"', '"', '\\', '1', '-', '.', 'e', 'NaN', 'Infinity', 'null', ' '), { maxLength: 24 });
  fastCheck.assert(fastCheck.property(pieces, (parts) => {
    const text = parts.join('');
    const plain = text.includes('NaN') || text.includes('Infinity') ? undefined : attempt(() => JSON.parse(text) as unknown);
    const own = attempt(() => parseJson(`{"NaN":${text}}`) as { NaN: unknown });
    if (plain !== undefined) expect(own?.value.NaN).toEqual(plain.value);
  }), { numRuns: runs, seed: 11 });
});

function attempt<T>(read: () => T): { readonly value: T } | undefined {
  try {
    return { value: read() };
  } catch (error) {
    expect(error).toBeInstanceOf(SyntaxError);
    return undefined;
  }
}
