import { describe, expect, it } from 'vitest';
import { LoweringContext } from '../../../src/importers/aten/lowering.ts';
import { lowerings } from '../../../src/importers/aten/registry.ts';
import { binaryScalar, unaryScalar } from '../../../src/importers/aten/scalars.ts';
import { GraphScalar, toScalar, type AtenTensor, type AtenValue } from '../../../src/importers/aten/value.ts';
import { constantTensor, fromTensorProto } from '../../../src/onnx/constant-tensor.ts';
import { ElementType } from '../../../src/onnx/data-type.ts';
import { foldConstants } from '../../../src/onnx/fold-constants.ts';
import { GraphBuilder } from '../../../src/onnx/graph-builder.ts';

const { FLOAT, INT64 } = ElementType;

function begin() {
  const graph = new GraphBuilder({ opset: 20 });
  const context = new LoweringContext({ graph, lowerings });
  const constant = (values: readonly number[], shape: readonly number[] = [values.length], type: number = FLOAT): AtenTensor => context.tensor(graph.constant(constantTensor(type, values, shape), 'c'));
  const call = (operator: string, values: Record<string, AtenValue>): AtenTensor => context.call(operator, values) as AtenTensor;
  /** What the graph computes, where nothing depends on an input. */
  const numbers = (tensor: AtenTensor): number[] => {
    graph.output(graph.op.identity(context.read(tensor)), 'answer');
    const model = foldConstants(graph.build({ name: 'm' }));
    const last = model.graph!.node.find((node) => node.output.includes('answer'))!;
    const initializer = model.graph!.initializer.find(({ name }) => name === last.input[0]);
    if (initializer === undefined) throw new Error(`${last.input[0]} is no constant`);
    return Array.from(fromTensorProto(initializer).data as Float32Array, Number);
  };
  return { graph, context, constant, call, numbers };
}

describe('writes', () => {
  it('through views are seen by the whole, and by other views of it', () => {
    const { constant, call, numbers } = begin();
    const x = call('aten::clone', { self: constant([1, 2, 3, 4, 5, 6], [2, 3]) });
    const flat = call('aten::view', { self: x, size: [-1n] });
    const row = call('aten::select.int', { self: x, dim: 0n, index: 1n });
    call('aten::mul_.Tensor', { self: call('aten::slice.Tensor', { self: row, dim: 0n, start: 1n, end: 3n }), other: 10n });
    call('aten::fill_.Scalar', { self: call('aten::select.int', { self: flat, dim: 0n, index: 0n }), value: -1n });
    call('aten::add_.Tensor', { self: call('aten::t', { self: x }), other: 100n });
    expect(numbers(flat)).toEqual([99, 102, 103, 104, 150, 160]);
  });

  it('keep the type of what is written', () => {
    const { constant, call } = begin();
    const x = call('aten::clone', { self: constant([1, 2], [2], INT64) });
    expect(call('aten::add_.Tensor', { self: x, other: constant([1, 2], [2], INT64) })).toBe(x);
    expect(x.elementType).toBe(INT64);
  });

  it('where PyTorch may have copied or not are refused on reading', () => {
    const { context, constant, call } = begin();
    const x = call('aten::clone', { self: constant([1, 2, 3, 4], [2, 2]) });
    const y = call('aten::reshape', { self: call('aten::t', { self: x }), shape: [4n] });
    call('aten::add_.Tensor', { self: x, other: 1n });
    expect(() => context.read(y)).toThrow(/perhaps shares memory .*aten::add_\.Tensor.*Use clone\(\) before the write/);
    expect(() => context.read(x)).not.toThrow();
  });

  it('of shapes in place, and into repeated elements, are refused', () => {
    const { constant, call } = begin();
    const x = call('aten::clone', { self: constant([1, 2, 3], [1, 3]) });
    expect(() => call('aten::squeeze_', { self: x })).toThrow(/aten::squeeze_: it gives a tensor another shape/);
    const wide = call('aten::expand', { self: x, size: [2n, 3n] });
    expect(() => call('aten::zero_', { self: wide })).toThrow(/a view that cannot be written/);
  });

  it('of a body are put back, and told', () => {
    const { graph, context, constant, call } = begin();
    const x = call('aten::clone', { self: constant([1, 2]) });
    const before = context.read(x);
    const body: string[] = [];
    graph.subgraph('body', (inner) => {
      const { writes } = context.inside(inner, () => context.trackWrites(() => call('aten::add_.Tensor', { self: x, other: 1n })));
      body.push(...[...writes.values()].map((value) => value.name));
      return [...writes.values()];
    });
    expect(body.length).toBe(1);
    expect(context.read(x)).toBe(before);
  });
});

describe('lowerings', () => {
  it('name the operator and its line where they refuse', () => {
    const { context, constant, call } = begin();
    context.sourceLine = 'model.py line 3: y = x.foo()';
    expect(() => call('aten::foo', {})).toThrow('aten::foo (model.py line 3: y = x.foo()): this operator is not covered');
    expect(() => call('aten::relu', { self: 'x' })).toThrow(/aten::relu .*its arguments do not fit relu\(Tensor self\)/);
    expect(() => call('aten::matmul', { self: constant([1, 2, 3]), other: constant([1, 2]) })).toThrow(/aten::matmul \(model\.py line 3/);
    expect(() => call('aten::dropout', { input: constant([1]), p: 0.5, train: true })).toThrow(/call model\.eval\(\) before it is saved/);
  });

  it('leave one size that varies to the reshape', () => {
    const { graph, context, call } = begin();
    const x = context.input(graph.input('x', FLOAT, ['batch', 4, 6]));
    const batch = context.call('aten::size.int', { self: x, dim: 0n });
    expect(batch).toBeInstanceOf(GraphScalar);
    const y = call('aten::view', { self: x, size: [batch, 24n] });
    expect(y.shape).toEqual(['batch', 24]);
    expect(call('aten::view', { self: x, size: [-1n, 12n] }).shape).toEqual(['2*batch', 12]);
    expect(call('aten::flatten.using_ints', { self: x, start_dim: 1n }).shape).toEqual(['batch', 24]);
  });
});

describe('numbers of Python', () => {
  const { context } = begin();
  it.each([
    ['floordiv', -7n, 2n, -4n],
    ['mod', -7n, 2n, 1n],
    ['mod', 7n, -2n, -1n],
    ['floordiv', 7, 2n, 3],
    ['mod', -7, 2, 1],
    ['truediv', 7n, 2n, 3.5],
    ['add', 2n ** 63n - 1n, 1n, -(2n ** 63n)],
    ['mul', 6364136223846793005n, 3n, BigInt.asIntN(64, 6364136223846793005n * 3n)],
    ['eq', 1n, 1, true],
    ['lt', true, 2n, true],
    ['max', 3n, 5n, 5n],
    ['pow', 2n, 10n, 1024n],
    ['and', true, false, false],
  ] as const)('%s of %s and %s', (operator, a, b, result) => {
    expect(binaryScalar(context, operator, a, b)).toBe(result);
  });

  it('stay known as sizes with names', () => {
    const { graph, context: own } = begin();
    const x = graph.input('x', FLOAT, ['batch', 3]);
    const batch = toScalar(graph.op.sizeOf(x, 0));
    const twice = binaryScalar(own, 'mul', batch, 2n) as GraphScalar;
    expect(twice.dimension).toBe('2*batch');
    expect(binaryScalar(own, 'ge', batch, 0n)).toBe(true);
    expect(binaryScalar(own, 'sub', twice, twice)).toBe(0n);
    expect(unaryScalar(own, 'round', 2.5)).toBe(2n);
    expect(() => binaryScalar(own, 'floordiv', 1n, 0n)).toThrow(/divides by zero/);
  });
});
