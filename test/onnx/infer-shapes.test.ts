import { describe, expect, it } from 'vitest';
import { constantTensor } from '../../src/onnx/constant-tensor.ts';
import { ElementType } from '../../src/onnx/data-type.ts';
import { isUnknownDimension, type Shape } from '../../src/onnx/dimension.ts';
import { GraphBuilder, type Value } from '../../src/onnx/graph-builder.ts';
import { inferModel, inferShapes } from '../../src/onnx/infer-shapes.ts';
import type { ModelProto } from '../../src/onnx/model-proto.ts';
import { readModelBytes } from '../../src/onnx/read-model.ts';
import { writeModelBytes } from '../../src/onnx/write-model.ts';
import { fixture } from './fixtures.ts';

const { FLOAT, INT64, STRING } = ElementType;

/** The model after a trip through a file, so that nothing is known but what the file says. */
function built(build: (graph: GraphBuilder) => Record<string, Value>): { model: ModelProto; types: Record<string, string> } {
  const graph = new GraphBuilder({ opset: 21, machineLearningOpset: 5 });
  for (const [name, value] of Object.entries(build(graph))) graph.output(value, name);
  const model = readModelBytes(writeModelBytes(graph.build({ name: 'test' })));
  for (const output of model.graph!.output) delete output.type;
  const { graphs, problems } = inferModel(model);
  expect(problems).toEqual([]);
  const known = graphs.get(model.graph!)!;
  const show = (shape: Shape | undefined) => (shape === undefined ? '…' : shape.map((size) => (isUnknownDimension(size) ? '?' : size)).join(' '));
  const types = Object.fromEntries(
    model.graph!.output.map((output) => {
      const type = known.get(output.name!)?.type;
      return [output.name!, type?.kind === 'tensor' ? `${type.elementType} [${show(type.shape)}]` : (type?.kind ?? 'nothing')];
    }),
  );
  return { model, types };
}

describe('sizes by name', () => {
  it('go through convolutions and pools', () => {
    expect(
      built((graph) => {
        const x = graph.input('x', FLOAT, ['batch', 3, 'height', 'width']);
        const weight = graph.constant(constantTensor(FLOAT, new Float32Array(8 * 3 * 3 * 3), [8, 3, 3, 3]));
        const y = graph.op.conv(x, weight, undefined, { strides: [2, 2], pads: [1, 1, 1, 1] });
        const side = graph.op.conv(x, weight, undefined, { strides: [2, 2], pads: [1, 1, 1, 1] });
        return { sum: graph.op.add(y, side), pooled: graph.op.maxPool(y, { kernel: [2, 2], strides: [2, 2] }), flat: graph.op.flatten(graph.op.globalAveragePool(y)) };
      }).types,
    ).toEqual({
      sum: '1 [batch 8 floor((height + 1)/2) floor((width + 1)/2)]',
      pooled: '1 [batch 8 floor(floor((height + 1)/2)/2) floor(floor((width + 1)/2)/2)]',
      flat: '1 [batch 8]',
    });
  });

  it('go through shapes that are computed, branches, loops, texts', () => {
    const { types } = built((graph) => {
      const { op } = graph;
      const x = graph.input('x', FLOAT, ['n', 'm']);
      const text = graph.input('text', STRING, ['k']);
      const many = op.gather(op.shapeOf(x), 0);
      const [branch] = op.if(op.greater(many, 3), (body) => [body.op.neg(x)], (body) => [body.op.abs(x)]);
      const [sum, rows] = op.loop({ rounds: many, carried: [op.reduceSum(x, { axes: 0 })] }, (body, { carried: [value] }) => ({ carried: [body.op.mul(value!, 2)], scanned: [value!] }));
      return {
        branch: branch!, sum: sum!, rows: rows!,
        flat: op.reshape(x, [-1]),
        twice: op.concat([x, x], 0),
        filled: op.expand(graph.constant(constantTensor(FLOAT, [1])), op.shapeOf(x)),
        range: op.range(0, op.mul(many, 2), 1),
        words: op.stringSplit(text)[0],
        codes: op.labelEncoder(text, { keys: ['a'], values: [1] }),
        outer: op.einsum('ab,cd->acbd', x, x),
      };
    });
    expect(types).toEqual({
      branch: '1 [n m]', sum: '1 [m]', rows: '1 [? m]', flat: '1 [m*n]', twice: '1 [2*n m]', filled: '1 [n m]', range: '7 [2*n]', words: '8 [k ?]', codes: '7 [k]', outer: '1 [n n m m]',
    });
  });
});

describe('a model', () => {
  it('gets what is known of its values', () => {
    const { model } = built((graph) => ({ y: graph.op.relu(graph.op.matMul(graph.input('x', FLOAT, ['n', 2]), graph.constant(constantTensor(FLOAT, [1, 2, 3, 4, 5, 6], [2, 3])))) }));
    const inferred = inferShapes(model).graph!;
    expect(inferred.valueInfo).toMatchObject([{ name: 'MatMul', type: { tensorType: { elemType: FLOAT, shape: { dim: [{ dimParam: 'n' }, { dimValue: 3 }] } } } }]);
    expect(inferred.output).toMatchObject([{ name: 'y', type: { tensorType: { shape: { dim: [{ dimParam: 'n' }, { dimValue: 3 }] } } } }]);
  });

  it('with functions is looked at through them', () => {
    const model = fixture('everything');
    const { graphs } = inferModel(model);
    expect(graphs.get(model.graph!)!.size).toBeGreaterThan(0);
  });

  it('that contradicts itself is told where', () => {
    const { model } = built((graph) => ({ y: graph.op.relu(graph.input('x', FLOAT, ['n', 2])) }));
    model.graph!.output[0]!.type = { tensorType: { elemType: INT64 } };
    expect(inferModel(model).problems).toEqual(['"y" is declared as tensor(int64), but is tensor(float) [n, 2]']);
    expect(() => inferShapes(model, { strict: true })).toThrow('"y" is declared as tensor(int64)');
    expect(inferShapes(model).graph!.output[0]!.type!.tensorType!.elemType).toBe(FLOAT);
  });

  it('whose function calls itself ends', () => {
    const call = { input: ['a'], output: ['b'], opType: 'Self', domain: 'own', attribute: [] };
    const model: ModelProto = {
      opsetImport: [{ domain: '', version: 18 }, { domain: 'own', version: 1 }],
      metadataProps: [],
      functions: [{ name: 'Self', domain: 'own', input: ['a'], output: ['b'], attribute: [], attributeProto: [], node: [call, { ...call, input: ['b'], output: ['c'] }], opsetImport: [] }],
      graph: { name: 'g', node: [call], initializer: [], sparseInitializer: [], input: [{ name: 'a' }], output: [{ name: 'b' }], valueInfo: [] },
    };
    expect(() => inferModel(model)).toThrow('its function "own:Self" uses itself');
  });
});
