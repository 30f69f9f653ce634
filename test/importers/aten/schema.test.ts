import { describe, expect, it } from 'vitest';
import { parseSchema, resolveOverload, schemaOf, schemasOf } from '../../../src/importers/aten/schema.ts';
import { schemaTable } from '../../../src/importers/aten/schema-table.ts';
import { lowerings } from '../../../src/importers/aten/registry.ts';
import { promoteTypes, resultType } from '../../../src/importers/aten/promotion.ts';
import { AtenStorage, AtenTensor } from '../../../src/importers/aten/value.ts';
import { ElementType } from '../../../src/onnx/data-type.ts';

const { BOOL, DOUBLE, FLOAT, FLOAT16, INT32, INT64, INT8, UINT8, INT16 } = ElementType;

function tensor(elementType: number, rank: number | undefined, isWrapped = false): AtenTensor {
  const value = { name: 'x', type: undefined, elementType, shape: rank === undefined ? undefined : Array.from({ length: rank }, () => 2) };
  return new AtenTensor(new AtenStorage(value), [], value, isWrapped);
}

describe('schemas', () => {
  it('all are read', () => {
    const lines = schemaTable.split('\n');
    expect(lines.length).toBeGreaterThan(1500);
    for (const line of lines) expect(parseSchema(line).name, line).toMatch(/^\w+$/);
  });

  it('every lowering has one, in place or not', () => {
    const missing = [...lowerings.keys()].filter((key) => {
      const [name, overload] = key.split('.') as [string, string?];
      const found = schemasOf(name);
      return overload === undefined ? found.length === 0 : !found.some((schema) => schema.overload === overload);
    });
    expect(missing).toEqual([]);
  });

  it('reads types, lengths, aliases and defaults', () => {
    const schema = parseSchema('x.y(Tensor(a!) self, SymInt[2] size=[1, 2], int[2] padding=0, Tensor?[] list, *, float? scale=None, str mode="a, b", Scalar alpha=1, bool flag=False, float eps=1.0000000000000001e-05) -> (Tensor(a), Tensor[])');
    expect(schema).toMatchObject({ name: 'x', overload: 'y', returns: ['Tensor', 'Tensor[]'] });
    expect(schema.arguments.map(({ name, type, lists, length, isWritten, keywordOnly, isOptional, fallback }) => [name, type, lists, length, isWritten, keywordOnly, isOptional, fallback])).toEqual([
      ['self', 'Tensor', 0, undefined, true, false, false, undefined],
      ['size', 'int', 1, 2, false, false, false, [1n, 2n]],
      ['padding', 'int', 1, 2, false, false, false, [0n, 0n]],
      ['list', 'Tensor', 1, undefined, false, false, false, undefined],
      ['scale', 'float', 0, undefined, false, true, true, null],
      ['mode', 'str', 0, undefined, false, true, false, 'a, b'],
      ['alpha', 'Scalar', 0, undefined, false, true, false, 1n],
      ['flag', 'bool', 0, undefined, false, true, false, false],
      ['eps', 'float', 0, undefined, false, true, false, 1e-5],
    ]);
    expect(schema.arguments[3]!.elementsAreOptional).toBe(true);
  });

  it('takes the overload that PyTorch takes', () => {
    const x = tensor(FLOAT, 1);
    const overload = (name: string, ...values: Parameters<typeof resolveOverload>[1]) => resolveOverload(name, values, new Map())?.schema.overload;
    expect(overload('add', x, x)).toBe('Tensor');
    expect(overload('add', x, 1n)).toBe('Scalar');
    expect(overload('add', 1n, 2n)).toBe('int');
    expect(overload('add', 1n, 2)).toBe('int_float');
    expect(overload('max', x)).toBe('');
    expect(overload('max', x, 1n)).toBe('dim');
    expect(overload('max', x, x)).toBe('other');
    expect(overload('slice', x, 0n, null, 3n)).toBe('Tensor');
    expect(overload('slice', [1n, 2n], 0n)).toBe('t');
    expect(overload('relu', x, 1n)).toBeUndefined();
    expect(resolveOverload('max_pool2d', [x, 2n], new Map())!.values.get('kernel_size')).toEqual([2n, 2n]);
    expect(resolveOverload('sum', [x], new Map([['dtype', 7n]]))!.values.get('dtype')).toBe(7n);
    expect(schemaOf('relu', 'default')!.text).toBe('relu(Tensor self) -> Tensor');
  });
});

describe('promotion', () => {
  it.each([
    [UINT8, INT8, INT16],
    [INT32, INT64, INT64],
    [INT64, FLOAT16, FLOAT16],
    [FLOAT16, ElementType.BFLOAT16, FLOAT],
    [BOOL, UINT8, UINT8],
    [FLOAT, DOUBLE, DOUBLE],
    [FLOAT, ElementType.STRING, undefined],
  ])('%i and %i', (a, b, both) => {
    expect(promoteTypes(a, b)).toBe(both);
    expect(promoteTypes(b, a)).toBe(both);
  });

  it('counts tensors with axes before those without, and those before numbers', () => {
    expect(resultType([tensor(FLOAT16, 2), tensor(DOUBLE, 0)])).toBe(FLOAT16);
    expect(resultType([tensor(INT32, 2), tensor(DOUBLE, 0)])).toBe(DOUBLE);
    expect(resultType([tensor(INT32, 2), tensor(INT64, 0)])).toBe(INT32);
    expect(resultType([tensor(UINT8, 1), 3n])).toBe(UINT8);
    expect(resultType([tensor(UINT8, 1), 0.5])).toBe(FLOAT);
    expect(resultType([tensor(BOOL, 1), 3n])).toBe(INT64);
    expect(resultType([tensor(INT64, 0), 0.5])).toBe(FLOAT);
    expect(resultType([tensor(FLOAT16, 1), tensor(DOUBLE, 0, true)])).toBe(FLOAT16);
    expect(resultType([tensor(INT32, undefined), tensor(INT64, 1)])).toBeUndefined();
    expect(resultType([tensor(INT64, undefined), tensor(INT64, 1)])).toBe(INT64);
  });
});
