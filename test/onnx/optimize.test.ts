import { describe, expect, it } from 'vitest';
import { checkModel } from '../../src/onnx/check-model.ts';
import { constantTensor, toTensorProto } from '../../src/onnx/constant-tensor.ts';
import { ElementType } from '../../src/onnx/data-type.ts';
import { foldConstants } from '../../src/onnx/fold-constants.ts';
import { GraphBuilder } from '../../src/onnx/graph-builder.ts';
import { AttributeType, type AttributeProto, type ModelProto, type NodeProto } from '../../src/onnx/model-proto.ts';
import { removeDeadCode } from '../../src/onnx/remove-dead-code.ts';
import { shareSubexpressions } from '../../src/onnx/share-subexpressions.ts';
import { upgradeOpset } from '../../src/onnx/upgrade-opset.ts';
import { createTensor, type Tensor } from '../../src/tensor.ts';
import { runModel } from './run-model.ts';

const { FLOAT, INT64 } = ElementType;
const operators = (model: ModelProto) => model.graph!.node.map((node) => node.opType);
const floats = (shape: number[], values: ArrayLike<number>) => createTensor('FP32', shape, Float32Array.from(values));
const elements = (tensor: Tensor | undefined) => Array.from(tensor!.data as Float32Array, Number);

describe('constants, copies and dead code', () => {
  const graph = new GraphBuilder({ opset: 18 });
  const x = graph.input('x', FLOAT, ['n', 4]);
  const { op } = graph;
  const size = op.mul(op.gather(op.shapeOf(graph.constant(constantTensor(FLOAT, new Float32Array(6), [2, 3]))), 1), 4);
  const table = op.transpose(graph.constant(constantTensor(FLOAT, Array.from({ length: 12 }, (_, index) => index), [3, 4])));
  const y = op.matMul(x, op.add(table, 1));
  op.exp(y);
  const again = op.matMul(x, op.add(table, 1));
  graph.output(op.add(op.relu(y), op.relu(again)), 'y');
  graph.output(op.identity(size), 'size');
  graph.output(x, 'copy');
  const model = graph.build({ name: 'optimize' });

  it('go, and the answers stay', async () => {
    const lean = removeDeadCode(shareSubexpressions(foldConstants(model)));
    expect(operators(lean)).toEqual(['MatMul', 'Relu', 'Add', 'Identity', 'Identity']);
    expect(checkModel(lean)).toEqual([]);
    const inputs = { x: floats([2, 4], [1, -2, 3, 4, 5, -6, 7, 8]) };
    const [before, after] = [await runModel(model, inputs), await runModel(lean, inputs)];
    for (const name of ['y', 'size', 'copy']) expect(elements(after[name])).toEqual(elements(before[name]));
    expect(elements(after['size'])).toEqual([12]);
  });

  it('random numbers, large results, defaults of inputs and outputs stay', () => {
    const random = new GraphBuilder({ opset: 18 });
    const noise = () => random.node('RandomNormal', [], { shape: [2] });
    random.output(random.op.sub(noise(), noise()), 'noise');
    random.output(random.node('ConstantOfShape', [random.op.int64s([1000, 1000])]), 'large');
    const lean = removeDeadCode(shareSubexpressions(foldConstants(random.build({ name: 'random' }))));
    expect(operators(lean)).toEqual(['RandomNormal', 'RandomNormal', 'Sub', 'ConstantOfShape']);

    const optional = new GraphBuilder({ opset: 18 });
    optional.output(optional.op.add(optional.op.neg(optional.input('w', FLOAT, [1])), 1), 'y');
    const withDefault = optional.build({ name: 'default' });
    withDefault.graph!.initializer.push(toTensorProto(constantTensor(FLOAT, [1]), 'w'));
    expect(operators(removeDeadCode(foldConstants(withDefault)))).toEqual(['Neg', 'Add']);
  });

  it('inside branches only what is dead goes', () => {
    const outer = new GraphBuilder({ opset: 18 });
    const input = outer.input('x', FLOAT, []);
    const kept = outer.op.exp(input);
    outer.op.log(input);
    const [result] = outer.op.if(outer.op.greater(input, 0), (body) => [(body.op.sin(kept), body.op.cos(kept))], (body) => [body.op.neg(input)]);
    outer.output(result!, 'y');
    const lean = removeDeadCode(outer.build({ name: 'branches' }));
    expect(operators(lean)).toEqual(['Exp', 'Greater', 'If']);
    expect(lean.graph!.node[2]!.attribute.find((attribute) => attribute.name === 'then_branch')!.g!.node.map((node) => node.opType)).toEqual(['Cos']);
  });
});

describe('an old operator set', () => {
  const integer = (name: string, value: number): AttributeProto => ({ name, type: AttributeType.INT, i: BigInt(value) });
  const integers = (name: string, ...values: number[]): AttributeProto => ({ name, type: AttributeType.INTS, ints: BigInt64Array.from(values.map(BigInt)) });
  const float = (name: string, f: number): AttributeProto => ({ name, type: AttributeType.FLOAT, f });
  const text = (name: string, value: string): AttributeProto => ({ name, type: AttributeType.STRING, s: new TextEncoder().encode(value) });
  const node = (opType: string, input: string[], ...attribute: AttributeProto[]): NodeProto => ({ input, output: ['y'], opType, attribute });
  const modelOf = (opset: number, nodes: NodeProto[], shape: number[], constants: Record<string, ReturnType<typeof constantTensor>> = {}): ModelProto => ({
    irVersion: 7,
    opsetImport: [{ domain: '', version: opset }],
    metadataProps: [],
    functions: [],
    graph: {
      name: 'old',
      node: nodes,
      initializer: Object.entries(constants).map(([name, tensor]) => toTensorProto(tensor, name)),
      sparseInitializer: [],
      input: [{ name: 'x', type: { tensorType: { elemType: FLOAT, shape: { dim: shape.map((dimValue) => ({ dimValue })) } } } }],
      output: [{ name: 'y', type: { tensorType: { elemType: FLOAT } } }],
      valueInfo: [],
    },
  });
  const resizeScales = { scales: constantTensor(FLOAT, [1, 1, 2, 1.5]) };

  it.each<[string, number, NodeProto, number[], Record<string, ReturnType<typeof constantTensor>>?]>([
    ['Softmax over several axes', 9, node('Softmax', ['x'], integer('axis', 1)), [2, 3, 4]],
    ['Softmax over the last axis', 11, node('LogSoftmax', ['x'], integer('axis', -1)), [2, 3]],
    ['Softmax over everything', 7, node('Softmax', ['x'], integer('axis', 0)), [2, 3]],
    ['Clip', 9, node('Clip', ['x'], float('min', -1), float('max', 2)), [2, 3]],
    ['Clip with one bound', 9, node('Clip', ['x'], float('max', 2)), [2, 3]],
    ['Pad', 9, node('Pad', ['x'], integers('pads', 0, 1, 1, 0), float('value', 3)), [2, 3]],
    ['Slice', 9, node('Slice', ['x'], integers('starts', 1), integers('ends', 3), integers('axes', 1)), [2, 4]],
    ['TopK', 9, { ...node('TopK', ['x'], integer('k', 2)), output: ['y', 'i'] }, [2, 4]],
    ['Dropout', 7, node('Dropout', ['x'], float('ratio', 0.4)), [2, 4]],
    ['Upsample', 7, node('Upsample', ['x'], { name: 'scales', type: AttributeType.FLOATS, floats: Float32Array.of(1, 1, 2, 3) }), [1, 1, 3, 3]],
    ['Upsample, linear', 9, node('Upsample', ['x', 'scales'], text('mode', 'linear')), [1, 1, 4, 4], { scales: constantTensor(FLOAT, [1, 1, 2, 2]) }],
    ['Resize', 10, node('Resize', ['x', 'scales']), [1, 1, 4, 4], resizeScales],
    ['Squeeze', 11, node('Unsqueeze', ['x'], integers('axes', 0, -1)), [2, 4]],
    ['ReduceSum', 11, node('ReduceSum', ['x'], integers('axes', 1)), [2, 4]],
    ['ReduceMean', 13, node('ReduceMean', ['x'], integers('axes', -1), integer('keepdims', 0)), [2, 4]],
    ['Split', 11, { ...node('Split', ['x'], integers('split', 1, 3), integer('axis', 1)), output: ['z', 'y'] }, [2, 4]],
    ['Split into equal parts', 13, { ...node('Split', ['x'], integer('axis', 1)), output: ['z', 'y'] }, [2, 4]],
    ['BatchNormalization', 8, node('BatchNormalization', ['x', 'w', 'w', 'w', 'w']), [2, 2, 3], { w: constantTensor(FLOAT, [1, 2]) }],
    ['Scatter', 9, node('Scatter', ['x', 'i', 'u'], integer('axis', 0)), [2, 2], { i: constantTensor(INT64, [1, 0], [1, 2]), u: constantTensor(FLOAT, [9, 8], [1, 2]) }],
    ['GridSample', 16, node('GridSample', ['x', 'grid'], text('mode', 'bicubic')), [1, 1, 3, 3], { grid: constantTensor(FLOAT, [-0.5, 0.25, 0.5, 0.75], [1, 1, 2, 2]) }],
    ['RoiAlign', 10, node('RoiAlign', ['x', 'rois', 'rows'], integer('output_height', 2), integer('output_width', 2)), [1, 1, 5, 5], { rois: constantTensor(FLOAT, [0.5, 0.5, 3.5, 3.5], [1, 4]), rows: constantTensor(INT64, [0]) }],
  ])('%s of version %i gives the same in 21', async (_, opset, oldNode, shape, constants) => {
    const old = modelOf(opset, [oldNode], shape, constants);
    const upgraded = upgradeOpset(old, 21);
    expect(upgraded.opsetImport).toEqual([{ domain: '', version: 21 }]);
    expect(upgraded.irVersion).toBe(10);
    // The test leaves the shape of the result open.
    expect(checkModel(upgraded).filter((problem) => problem.at !== 'output "y"')).toEqual([]);
    const count = shape.reduce((product, size) => product * size, 1);
    const inputs = { x: floats(shape, Array.from({ length: count }, (_, index) => Math.sin(index * 1.7) * 3)) };
    const [before, after] = [await runModel(old, inputs), await runModel(upgraded, inputs)];
    expect(after['y']!.shape).toEqual(before['y']!.shape);
    for (const [index, value] of elements(after['y']).entries()) expect(value).toBeCloseTo(elements(before['y'])[index]!, 6);
  });

  it('that is too old, or holds what changed its meaning, is refused by name', () => {
    expect(() => upgradeOpset(modelOf(6, [], [1]), 18)).toThrow('operator set 6; only 7 and later');
    expect(() => upgradeOpset(modelOf(18, [node('GroupNormalization', ['x', 'w', 'w'], integer('num_groups', 1))], [1, 1, 2]), 21)).toThrow(/GroupNormalization \(node for "y"\) cannot be brought to operator set 21: its scale/);
    expect(() => upgradeOpset(modelOf(8, [{ ...node('Dropout', ['x']), output: ['y', 'mask'] }], [1]), 18)).toThrow('its mask is used');
    const model = modelOf(18, [node('Relu', ['x'])], [1]);
    expect(upgradeOpset(model, 17)).toBe(model);
  });
});
