import { describe, expect, it } from 'vitest';
import { constantTensor, fromTensorProto, scalar } from '../../src/onnx/constant-tensor.ts';
import { ElementType } from '../../src/onnx/data-type.ts';
import { GraphBuilder } from '../../src/onnx/graph-builder.ts';
import { readModelBytes } from '../../src/onnx/read-model.ts';
import { writeModelBytes } from '../../src/onnx/write-model.ts';
import { createTensor, textOf, textTensor, type Tensor } from '../../src/tensor.ts';
import { runModel } from './run-model.ts';

const { FLOAT, DOUBLE, INT64, STRING, BOOL } = ElementType;
const floats = (shape: number[], ...values: number[]) => createTensor('FP32', shape, Float32Array.from(values));
const int64s = (shape: number[], ...values: number[]) => createTensor('INT64', shape, BigInt64Array.from(values.map(BigInt)));
const numbers = (tensor: Tensor | undefined) => Array.from(tensor!.data as Float32Array, Number);

describe('a classifier, built and run', () => {
  const graph = new GraphBuilder({ opset: 18 });
  const x = graph.input('x', FLOAT, ['rows', 3], 'measurements');
  const weights = graph.constant(constantTensor(FLOAT, [1, 0, 0, 1, 1, 1], [3, 2]), 'weights');
  const hidden = graph.scope('dense', () => graph.op.relu(graph.op.add(graph.op.matMul(x, weights), 0.5)));
  const scores = graph.op.softmax(hidden);
  graph.output(graph.op.argMax(scores, 1), 'label');
  graph.output(scores, 'probabilities');
  const model = graph.build({ name: 'classifier', producer: { name: 'test', version: '1' }, docString: 'A test.', metadata: { author: 'us' } });

  it('has shapes, names and metadata', () => {
    expect(hidden).toMatchObject({ elementType: FLOAT, shape: ['rows', 2], name: 'dense/Relu' });
    expect(model).toMatchObject({ irVersion: 8, producerName: 'test', producerVersion: '1', opsetImport: [{ domain: '', version: 18 }], metadataProps: [{ key: 'author', value: 'us' }] });
    expect(model.graph!.node.map((node) => `${node.output.join(',')} = ${node.opType}(${node.input.join(', ')})`)).toEqual([
      'dense/MatMul = MatMul(x, weights)',
      'dense/Add = Add(dense/MatMul, constant)',
      'dense/Relu = Relu(dense/Add)',
      'probabilities = Softmax(dense/Relu)',
      'label = ArgMax(probabilities)',
    ]);
    expect(model.graph!.output).toMatchObject([
      { name: 'label', type: { tensorType: { elemType: INT64, shape: { dim: [{ dimParam: 'rows' }] } } } },
      { name: 'probabilities', type: { tensorType: { elemType: FLOAT, shape: { dim: [{ dimParam: 'rows' }, { dimValue: 2 }] } } } },
    ]);
  });

  it('runs', async () => {
    const outputs = await runModel(model, { x: floats([2, 3], 1, 0, 0, 0, 2, 0) });
    expect(numbers(outputs['label'])).toEqual([0, 1]);
    expect(numbers(outputs['probabilities'])[0]).toBeCloseTo(Math.E / (Math.E + 1), 6);
  });

  it('is the same after writing and reading', () => {
    const again = readModelBytes(writeModelBytes(model));
    expect(Buffer.compare(writeModelBytes(again), writeModelBytes(model))).toBe(0);
    expect(again.graph!.node[1]).toMatchObject({ opType: 'Add', name: 'dense/Add' });
  });
});

describe('weights of all sizes', () => {
  it('are read as they were written', () => {
    const graph = new GraphBuilder({ opset: 20 });
    const counts = [0, 1, 100, 255, 256, 257, 1023, 1024, 1025, 3000, 16_384, 5, 20_000, 7];
    const weights = counts.map((count, index) => graph.constant(constantTensor(FLOAT, Array.from({ length: count }, (_, place) => index * 1000 + place)), `w${index}`));
    graph.output(graph.op.concat(weights, 0), 'all');
    const { initializer } = readModelBytes(writeModelBytes(graph.build({ name: 'weights' }))).graph!;
    expect(initializer.map((tensor) => [tensor.name, Array.from(fromTensorProto(tensor).data as Float32Array)])).toEqual(
      counts.map((count, index) => [`w${index}`, Array.from({ length: count }, (_, place) => index * 1000 + place)]),
    );
  });
});

describe('names', () => {
  it('are unique, and an output takes the one it is given', () => {
    const graph = new GraphBuilder({ opset: 20 });
    const x = graph.input('x', FLOAT, [2]);
    const first = graph.op.add(x, 1);
    const second = graph.op.add(first, 1);
    expect([first.name, second.name]).toEqual(['Add', 'Add_2']);
    graph.output(second, 'Add');
    graph.output(x, 'copy of x');
    graph.output(second, 'again');
    const model = graph.build({ name: 'names' });
    const names = model.graph!.node.flatMap((node) => node.output);
    expect(new Set(names).size).toBe(names.length);
    expect(names).toEqual(expect.arrayContaining(['Add', 'copy of x', 'again']));
    expect(() => graph.output(first, 'again')).toThrow('two outputs named "again"');
    expect(() => graph.output(first, 'x')).toThrow('an input and an output named "x"');
    expect(() => graph.input('x', FLOAT)).toThrow('two values named "x"');
  });

  it('pass over those that somebody chose', () => {
    const graph = new GraphBuilder({ opset: 20 });
    const named = (name: string) => graph.constant(scalar(FLOAT, 1), name).name;
    expect(['w', 'w', 'w_3', 'w', 'w_3', 'w', 'w_2'].map(named)).toEqual(['w', 'w_2', 'w_3', 'w_4', 'w_3_2', 'w_5', 'w_2_2']);
  });

  it('of constants that are equal are one, not those of different signs of zero', () => {
    const graph = new GraphBuilder({ opset: 20 });
    expect(graph.constant(scalar(FLOAT, 1))).toBe(graph.constant(scalar(FLOAT, 1)));
    expect(graph.constant(scalar(FLOAT, 0))).not.toBe(graph.constant(scalar(FLOAT, -0)));
    expect(graph.constant(scalar(FLOAT, 1))).not.toBe(graph.constant(scalar(DOUBLE, 1)));
    expect(graph.constant(constantTensor(STRING, ['a,b']))).not.toBe(graph.constant(constantTensor(STRING, ['a', 'b'])));
  });
});

describe('shapes that are computed in the graph', () => {
  const graph = new GraphBuilder({ opset: 18 });
  const x = graph.input('x', FLOAT, ['batch', 'length', 8]);
  const heads = graph.op.reshape(x, [graph.op.sizeOf(x, 0), graph.op.sizeOf(x, 1), 2, -1]);
  const swapped = graph.op.transpose(heads, [0, 2, 1, 3]);
  const merged = graph.op.reshape(swapped, [-1, graph.op.mul(graph.op.sizeOf(x, 1), 4)]);

  it('keep their names', () => {
    expect(heads.shape).toEqual(['batch', 'length', 2, 4]);
    expect(swapped.shape).toEqual(['batch', 2, 'length', 4]);
    expect(merged.shape).toEqual(['2*batch', '4*length']);
    expect(graph.op.concat([merged, merged], 1).shape).toEqual(['2*batch', '8*length']);
    expect(graph.op.slice(x, { axis: 1, start: 0, end: -1 }).shape).toEqual(['batch', 'length - 1', 8]);
  });

  it('are right', async () => {
    graph.output(merged, 'y');
    const { y } = await runModel(graph.build({ name: 'shapes' }), { x: floats([1, 2, 8], ...Array.from({ length: 16 }, (_, index) => index)) });
    expect(y!.shape).toEqual([2, 8]);
    expect(numbers(y)).toEqual([0, 1, 2, 3, 8, 9, 10, 11, 4, 5, 6, 7, 12, 13, 14, 15]);
  });
});

describe('control flow', () => {
  it('branches, with values of the graph around them', async () => {
    const graph = new GraphBuilder({ opset: 18 });
    const x = graph.input('x', FLOAT, ['n']);
    const positive = graph.op.greater(graph.op.reduceSum(x), 0);
    const [y] = graph.op.if(
      positive,
      (body) => [body.op.mul(x, 2)],
      () => [x],
    );
    expect(y!.shape).toEqual(['n']);
    graph.output(y!, 'y');
    const model = graph.build({ name: 'branch' });
    expect(numbers((await runModel(model, { x: floats([2], 1, 2) }))['y'])).toEqual([2, 4]);
    expect(numbers((await runModel(model, { x: floats([2], -1, -2) }))['y'])).toEqual([-1, -2]);
  });

  it('loops, with a carried value that grows', async () => {
    const graph = new GraphBuilder({ opset: 18 });
    const rounds = graph.input('rounds', INT64, []);
    const start = graph.constant(constantTensor(INT64, [1]));
    const [grown, squares] = graph.op.loop({ rounds, carried: [start] }, (body, { round, carried: [list] }) => ({
      carried: [body.op.concat([list!, body.op.unsqueeze(round, 0)], 0)],
      scanned: [body.op.mul(round, round)],
    }));
    expect(grown!.shape).toHaveLength(1);
    expect(typeof grown!.shape![0]).toBe('string');
    graph.output(grown!, 'list');
    graph.output(squares!, 'squares');
    const outputs = await runModel(graph.build({ name: 'loop' }), { rounds: int64s([], 4) });
    expect(numbers(outputs['list'])).toEqual([1, 0, 1, 2, 3]);
    expect(numbers(outputs['squares'])).toEqual([0, 1, 4, 9]);
  });

  it('scans, forwards and back', async () => {
    const graph = new GraphBuilder({ opset: 18 });
    const x = graph.input('x', FLOAT, ['steps', 2]);
    const zero = graph.constant(constantTensor(FLOAT, [0, 0]));
    for (const reverse of [false, true]) {
      const [last, sums] = graph.op.scan([zero], [x], (body, [sum], [row]) => {
        const next = body.op.add(sum!, row!);
        return { states: [next], scanned: [next] };
      }, { reverse });
      expect([last!.shape, sums!.shape]).toEqual([[2], ['steps', 2]]);
      graph.output(sums!, reverse ? 'back' : 'forth');
    }
    const outputs = await runModel(graph.build({ name: 'scan' }), { x: floats([2, 2], 1, 2, 3, 4) });
    expect(numbers(outputs['forth'])).toEqual([1, 2, 4, 6]);
    expect(numbers(outputs['back'])).toEqual([4, 6, 3, 4]);
  });

  it('refuses a value of another graph', () => {
    const graph = new GraphBuilder({ opset: 18 });
    const x = graph.input('x', FLOAT, []);
    let inner = x;
    graph.op.if(graph.constant(scalar(BOOL, true)), (body) => [(inner = body.op.neg(x))], (body) => [body.op.abs(x)]);
    expect(() => graph.op.neg(inner)).toThrow(/made inside another graph/);
  });
});

describe('ai.onnx.ml and texts', () => {
  it('encodes labels', async () => {
    const graph = new GraphBuilder({ opset: 18, machineLearningOpset: 4 });
    const x = graph.input('x', STRING, ['n']);
    const codes = graph.op.labelEncoder(x, { keys: ['a', 'b'], values: [10, 20], fallback: -1 });
    expect(codes).toMatchObject({ elementType: INT64, shape: ['n'] });
    graph.output(codes, 'codes');
    graph.output(graph.op.labelEncoder(codes, { keys: [10, 20], values: ['ten', 'twenty'], fallback: '?' }), 'names');
    graph.output(graph.op.labelEncoder(codes, { keys: [10, 20], values: [0.1, 0.2], valueType: DOUBLE, fallback: NaN }), 'doubles');
    const outputs = await runModel(graph.build({ name: 'labels' }), { x: textTensor([3], ['b', 'c', 'a']) });
    expect(numbers(outputs['codes'])).toEqual([20, -1, 10]);
    expect(textOf(outputs['names']!)).toEqual(['twenty', '?', 'ten']);
    expect(numbers(outputs['doubles'])).toEqual([0.2, NaN, 0.1]);
  });

  it('evaluates trees in float64', async () => {
    const graph = new GraphBuilder({ opset: 18, machineLearningOpset: 5 });
    const x = graph.input('x', DOUBLE, ['n', 1]);
    const y = graph.op.treeEnsemble(x, {
      n_targets: 1, tree_roots: [0], nodes_modes: constantTensor(ElementType.UINT8, [0]), nodes_featureids: [0], nodes_splits: constantTensor(DOUBLE, [0.1]),
      nodes_truenodeids: [0], nodes_trueleafs: [1], nodes_falsenodeids: [1], nodes_falseleafs: [1], leaf_targetids: [0, 0], leaf_weights: constantTensor(DOUBLE, [1.1, 2.2]),
    }); // prettier-ignore
    expect(y).toMatchObject({ elementType: DOUBLE, shape: ['n', 1] });
    graph.output(y, 'y');
    const outputs = await runModel(graph.build({ name: 'trees' }), { x: createTensor('FP64', [2, 1], Float64Array.of(0.1, 0.1000000001)) });
    expect(numbers(outputs['y'])).toEqual([1.1, 2.2]);
  });
});

describe('what cannot be', () => {
  const graph = new GraphBuilder({ opset: 18 });
  const x = graph.input('x', FLOAT, ['n', 3]);
  it.each([
    ['MatMul', () => graph.op.matMul(x, x.shape === undefined ? x : graph.constant(constantTensor(FLOAT, [1, 2], [2, 1]))), 'the shapes [n, 3] and [2, 1] cannot be multiplied'],
    ['Add', () => graph.op.add(x, graph.constant(constantTensor(FLOAT, [1, 2]))), 'do not fit together'],
    ['Reshape', () => graph.op.reshape(graph.constant(constantTensor(FLOAT, [1, 2])), [3]), 'cannot have the shape [3]'],
    ['an attribute', () => graph.node('Relu', [x], { alpha: 1 }), "Relu of operator set 18 has no attribute 'alpha'"],
    ['too few inputs', () => graph.node('Add', [x]), 'Add takes 2 to 2 inputs, not 1'],
    ['an old operator set', () => new GraphBuilder({ opset: 9 }), 'operator sets 18 to'],
  ])('%s', (_, build, message) => expect(build).toThrow(message));
});
