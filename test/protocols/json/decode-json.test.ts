import { expect, test } from 'vitest';
import { decodeJson } from '../../../src/protocols/json/decode-json.ts';

const decode = (text: string): unknown => decodeJson(new TextEncoder().encode(text));

test('numbers that Python writes and JSON lacks', () => {
  expect(decode('{"a": NaN, "b": [Infinity, -Infinity, -1], "c": "NaN"}')).toEqual({ a: NaN, b: [Infinity, -Infinity, -1], c: 'NaN' });
  expect(decode('NaN')).toBe(NaN);
  // In strings they are text, also behind escapes and beside what marks them.
  expect(decode('["\\\\", NaN, "\\" NaN", "\ue000NaN", "\ue000"]')).toEqual(['\\', NaN, '" NaN', '\ue000NaN', '\ue000']);
  expect(Object.keys(decode('{"__proto__": NaN}') as object)).toEqual(['__proto__']);
});

test.each(['nan', 'NaNs', '-NaN', '{NaN: 1}x', '[NaN', '"NaN', '[NaN Infinity]', '{"a": Infinityy}', 'N', '-'])('%s is refused', (text) => {
  expect(() => decode(text)).toThrow(expect.objectContaining({ code: 'INVALID_REQUEST', message: expect.stringMatching(/not valid JSON/) as string }) as Error);
});

test('depth has its limit beside them, too', () => {
  expect(() => decode(`${'['.repeat(200)}NaN${']'.repeat(200)}`)).toThrow(/nested deeper than 100/);
  expect(() => decode(`${'['.repeat(500_000)}NaN${']'.repeat(500_000)}`)).toThrow(expect.objectContaining({ code: 'INVALID_REQUEST' }) as Error);
});
