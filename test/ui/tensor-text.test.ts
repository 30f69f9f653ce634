import { describe, expect, test } from 'vitest';
import * as fastCheck from 'fast-check';
import type { PageTensor } from '../../ui/src/api-types.ts';
import { parseJson } from '../../ui/src/json.ts';
import { filledInput, formatTensor, inferBody, mostShownElements, parseTensorText, readTensorInput } from '../../ui/src/tensor-text.ts';

const spec = (datatype: string, shape: PageTensor['shape']): PageTensor => ({ name: 'x', datatype, shape });

describe('tensors as a person writes them', () => {
  test.each([
    ['nested JSON', '[[1, 2], [3, 4]]', [-1, 2], [2, 2], ['1', '2', '3', '4']],
    ['one row where rows are wanted', '[1, 2]', [-1, 2], [1, 2], ['1', '2']],
    ['a flat row that fills several rows', '1 2 3 4 5 6', ['batch', 2], [3, 2], ['1', '2', '3', '4', '5', '6']],
    ['rows of a spreadsheet', '1\t2\n3\t4', [-1, 2], [2, 2], ['1', '2', '3', '4']],
    ['CSV with blanks', ' 1, 2 \n\n 3;4 ', [-1, 2], [2, 2], ['1', '2', '3', '4']],
    ['a scalar', '7', [], [], ['7']],
    ['a flat row for a fixed shape', '[1,2,3,4]', [2, 2], [2, 2], ['1', '2', '3', '4']],
  ])('%s', (_, text, shape, expectedShape, tokens) => {
    expect(parseTensorText(text, spec('FP32', shape))).toEqual({ shape: expectedShape, tokens });
  });

  test('64-bit integers, NaN and texts reach the body as they were written', () => {
    const integers = parseTensorText('[9223372036854775807, -9223372036854775808]', spec('INT64', [-1]));
    const floats = parseTensorText('nan, inf, -Infinity, 1e-3', spec('FP32', [-1]));
    const texts = parseTensorText('Grüße, "Welt"\nzwei', spec('BYTES', [-1]));
    expect(inferBody([{ name: 'i', datatype: 'INT64', tensor: integers }])).toBe('{"inputs":[{"name":"i","datatype":"INT64","shape":[2],"data":[9223372036854775807,-9223372036854775808]}]}');
    expect(floats.tokens).toEqual(['NaN', 'Infinity', '-Infinity', '0.001']);
    expect(texts.tokens.map((token) => JSON.parse(token) as string)).toEqual(['Grüße, "Welt"', 'zwei']);
  });

  test.each([
    ['a shape that does not fit', '[[1, 2, 3]]', spec('FP32', [-1, 4]), 'has shape [1, 3]; the model takes FP32 [any, 4]'],
    ['uneven rows', '[[1, 2], [3]]', spec('FP32', [-1, 2]), 'has rows of unequal length: [1] has 1 elements, its neighbours 2'],
    ['uneven lines', '1 2\n3', spec('FP32', [-1, 2]), 'has rows of unequal length: line 2 has 1 numbers, line 1 has 2'],
    ['a fraction for an integer', '[1, 1.5]', spec('INT64', [-1]), 'element 2 is 1.5; INT64 takes a whole number'],
    ['too large an integer', '[256]', spec('UINT8', [-1]), 'element 1 is 256; UINT8 takes 0 to 255'],
    ['a word for a number', '1 two', spec('FP32', [-1]), 'element 2 is two; FP32 takes a number'],
    ['half-written JSON', '[[1, 2', spec('FP32', [-1, 2]), 'is not valid JSON'],
    ['nothing', '  ', spec('FP32', ['batch', 4]), 'needs FP32 [batch, 4]'],
  ])('says what is wrong with %s', (_, text, tensor, message) => {
    expect(() => parseTensorText(text, tensor)).toThrow(message);
  });

  test('large tensors are kept as how to make them', () => {
    const image = filledInput(spec('FP32', [-1, 3, 224, 224]), 'random');
    expect(image).toEqual({ kind: 'filled', fill: 'random', shape: [1, 3, 224, 224] });
    const made = readTensorInput(image, spec('FP32', [-1, 3, 224, 224]));
    expect(made.tokens).toHaveLength(3 * 224 * 224);
    expect(readTensorInput(image, spec('FP32', [-1, 3, 224, 224])).tokens).toEqual(made.tokens);
    expect(() => readTensorInput({ kind: 'filled', fill: 'zeros', shape: [1e9] }, spec('FP32', [-1]))).toThrow('elements');
  });

  test('what is formatted is read as the same tensor', () => {
    const shapes = fastCheck.array(fastCheck.integer({ min: 1, max: 4 }), { minLength: 1, maxLength: 4 });
    fastCheck.assert(fastCheck.property(shapes, fastCheck.constantFrom('INT32', 'FP32', 'BOOL', 'BYTES'), (shape, datatype) => {
      const tensor = spec(datatype, shape);
      const input = filledInput(tensor, 'random', shape);
      expect(shape.reduce((product, size) => product * size, 1)).toBeLessThanOrEqual(mostShownElements);
      const read = readTensorInput(input, tensor);
      expect(read.shape).toEqual(shape);
      expect(parseTensorText(formatTensor(read), tensor)).toEqual(read);
    }), { seed: 1 });
  });

  test('anything that is typed is a tensor or one clear sentence (fuzz)', () => {
    const runs = Number(process.env['MODELPORT_FUZZ_RUNS'] ?? 2000);
    const pieces = fastCheck.array(fastCheck.constantFrom('[', ']', ',', '1', '-2.5', '"a"', ' ', '\n', '\t', 'NaN', '1e999', 'null', '{', '}', ':', 'true', '\\', '🦊'), { maxLength: 40 }).map((parts) => parts.join(''));
    fastCheck.assert(fastCheck.property(fastCheck.oneof(pieces, fastCheck.string()), fastCheck.constantFrom('FP32', 'INT64', 'BOOL', 'BYTES'), (text, datatype) => {
      try {
        const { shape, tokens } = parseTensorText(text, spec(datatype, [-1, 'n']));
        expect(shape.reduce((product, size) => product * size, 1)).toBe(tokens.length);
        expect(parseJson(`[${tokens.join(',')}]`)).toHaveLength(tokens.length);
      } catch (error) {
        expect((error as Error).message).toMatch(/^(needs|has|is|element) /);
      }
    }), { numRuns: runs, seed: 7 });
  });
});
