import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { isModelportError } from '../../src/errors.ts';
import { assertValidModel, checkModel } from '../../src/onnx/check-model.ts';
import { constantTensor, fromTensorProto, toTensorProto } from '../../src/onnx/constant-tensor.ts';
import { ElementType } from '../../src/onnx/data-type.ts';
import { externalFiles } from '../../src/onnx/external-data.ts';
import { foldConstants } from '../../src/onnx/fold-constants.ts';
import { GraphBuilder } from '../../src/onnx/graph-builder.ts';
import { inferShapes } from '../../src/onnx/infer-shapes.ts';
import type { ModelProto, NodeProto } from '../../src/onnx/model-proto.ts';
import { readModelBytes, readModelFile } from '../../src/onnx/read-model.ts';
import { removeDeadCode } from '../../src/onnx/remove-dead-code.ts';
import { shareSubexpressions } from '../../src/onnx/share-subexpressions.ts';
import { upgradeOpset } from '../../src/onnx/upgrade-opset.ts';
import { tensorsOf } from '../../src/onnx/walk.ts';
import { writeModelBytes } from '../../src/onnx/write-model.ts';
import { writeModelFile } from '../../src/onnx/write-model-file.ts';
import { createTensor } from '../../src/tensor.ts';
import { fuzzRuns, random } from '../fixtures/random.ts';
import { fixture } from './fixtures.ts';
import { runModel } from './run-model.ts';

const { FLOAT, INT64 } = ElementType;

let directory: string;
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'modelport-check-'));
});
afterAll(() => rmSync(directory, { recursive: true }));

/** A model that has a bit of everything, as plain data that a test may change. */
function sample(): ModelProto {
  const graph = new GraphBuilder({ opset: 18 });
  const { op } = graph;
  const x = graph.input('x', FLOAT, ['n', 4]);
  const w = graph.constant(constantTensor(FLOAT, Array.from({ length: 16 }, (_, index) => index), [4, 4]), 'w');
  const y = op.softmax(op.gemm(x, w));
  const [total] = op.loop({ rounds: 3, carried: [y] }, (body, { carried: [value] }) => ({ carried: [body.op.mul(value!, 2)] }));
  const image = op.reshape(op.concat([x, x], 1), [op.sizeOf(x, 0), 1, 2, -1]);
  const kernel = graph.constant(constantTensor(FLOAT, [1, 2, 3, 4], [1, 1, 2, 2]), 'kernel');
  graph.output(op.reduceSum(total!, { axes: 1 }), 'sum');
  graph.output(op.slice(op.pad(op.conv(image, kernel, undefined), [0, 0, 0, 1, 0, 0, 0, 1]), { axis: 3, start: 1, end: -1 }), 'image');
  graph.output(op.topK(op.cast(op.tile(op.unsqueeze(y, 0), [2, 1, 1]), FLOAT), 2)[1], 'top');
  return structuredCloneOf(graph.build({ name: 'sample' }));
}

const structuredCloneOf = (model: ModelProto) => readModelBytes(writeModelBytes(model));

describe('a valid model', () => {
  it('has no problems', () => {
    expect(checkModel(sample())).toEqual([]);
    for (const name of ['add', 'mlp', 'tree', 'words', 'zip-map', 'optional', 'running-sum', 'gather']) expect(checkModel(fixture(name)), name).toEqual([]);
    expect(() => assertValidModel(sample())).not.toThrow();
  });
});

describe('what is wrong is named', () => {
  const node = (opType: string) => (model: ModelProto): NodeProto => model.graph!.node.find((candidate) => candidate.opType === opType)!;
  it.each<[string, (model: ModelProto) => void, string | RegExp]>([
    ['an input of nothing', (model) => (node('Gemm')(model).input[0] = 'nothing'), 'node "Gemm" (Gemm) uses "nothing", which nothing before it makes'],
    ['a value made twice', (model) => (node('Softmax')(model).output[0] = 'Gemm'), 'node "Softmax" makes "Gemm", which is made already'],
    ['an operator', (model) => (node('Gemm')(model).opType = 'Gem'), "there is no such operator; did you mean 'Gemm'?"],
    ['an operator of later', (model) => (model.opsetImport[0]!.version = 8), /the operator exists since version|attribute/],
    ['an attribute', (model) => (node('Softmax')(model).attribute[0]!.name = 'axes'), 'it has no attribute "axes"'],
    ['the type of an attribute', (model) => Object.assign(node('Softmax')(model).attribute[0]!, { type: 1, f: 1, i: undefined }), 'its attribute "axis" is float, not int'],
    ['an attribute that is missing', (model) => (node('Concat')(model).attribute = []), 'its attribute "axis" is missing'],
    ['too few inputs', (model) => (node('Gemm')(model).input = ['x']), 'it has 1 inputs, not 2 to 3'],
    ['a required input that is left out', (model) => (node('Gemm')(model).input[0] = ''), 'its input A is left out'],
    ['shapes', (model) => (model.graph!.initializer[0]!.dims = [2, 8]), 'the shapes [n, 4] and [2, 8] cannot be multiplied'],
    ['data', (model) => (model.graph!.initializer.find((tensor) => tensor.name === 'w')!.dims = [4, 5]), 'has 64 bytes of data, but FLOAT[4, 5] takes 80'],
    ['types', (model) => (model.graph!.input[0]!.type!.tensorType!.elemType = INT64), /is tensor\(float\), where another of the same type is tensor\(int64\)/],
    ['an output', (model) => (model.graph!.output[0]!.name = 'other'), 'the output "other" is made by no node'],
    ['a shape', (model) => delete model.graph!.input[0]!.type!.tensorType!.shape, 'the input "x" has no shape'],
    ['a domain', (model) => (node('Gemm')(model).domain = 'own'), 'is of the domain "own", which is not imported'],
    ['a name', (model) => (model.graph!.name = ''), 'a graph has no name'],
    ['inside a loop', (model) => (node('Loop')(model).attribute[0]!.g!.node[0]!.input[1] = 'nothing'), 'uses "nothing"'],
    ['operator sets', (model) => model.opsetImport.push({ domain: 'ai.onnx', version: 3 }), 'it imports an operator set twice'],
    ['the future', (model) => (model.opsetImport[0]!.version = 999), /imports version 999 of the standard operators; the newest that is known is \d+/],
  ])('%s', (_, change, message) => {
    const model = sample();
    change(model);
    const found = checkModel(model).map((problem) => problem.message).join('\n');
    if (typeof message === 'string') expect(found).toContain(message);
    else expect(found).toMatch(message);
    expect(() => assertValidModel(model)).toThrow(/the model is not valid: /);
  });
});

describe('files', () => {
  it('large weights lie beside the model, aligned, and come back', () => {
    const folder = join(directory, 'split');
    const model = sample();
    mkdirSync(folder);
    const files = writeModelFile(model, join(folder, 'm.onnx'), { externalData: { leastBytes: 16 } });
    expect(files.map((file) => file.path)).toEqual([join(folder, 'm.onnx'), join(folder, 'm.onnx.data')]);
    expect(readdirSync(folder).sort()).toEqual(['m.onnx', 'm.onnx.data']);
    const read = readModelFile(join(folder, 'm.onnx'));
    expect(externalFiles(read, folder)).toMatchObject([{ location: 'm.onnx.data' }]);
    const external = [...tensorsOf(read)].filter((tensor) => tensor.externalData !== undefined);
    expect(external.map((tensor) => tensor.name)).toEqual(expect.arrayContaining(['kernel', 'w']));
    for (const tensor of external) expect(Number(tensor.externalData!.find((entry) => entry.key === 'offset')!.value) % 4096).toBe(0);
    expect(checkModel(read, { directory: folder })).toEqual([]);
    // Back into one file, byte for byte.
    const [whole] = writeModelFile(read, join(directory, 'whole.onnx'), { directory: folder });
    expect(Buffer.compare(readFileSync(whole!.path), writeModelBytes(model))).toBe(0);
  });

  it('run the same with their weights beside them', async () => {
    const inputs = { x: createTensor('FP32', [2, 4], Float32Array.of(1, 2, 3, 4, 5, 6, 7, 8)) };
    const [one, two] = [await runModel(sample(), inputs), await runModel(sample(), inputs, { externalData: { leastBytes: 1, fileName: 'weights.bin' } })];
    expect(two).toEqual(one);
  });

  it('that cannot be written leave nothing', () => {
    expect(() => writeModelFile(sample(), join(directory, 'absent', 'm.onnx'))).toThrow('cannot be written: there is no such folder');
    const model = sample();
    writeFileSync(join(directory, 'gone.onnx'), writeModelBytes({ ...model, graph: { ...model.graph!, initializer: [toTensorProto(constantTensor(FLOAT, new Float32Array(5000)), 'large')] } }));
    const stale = readModelFile(join(directory, 'gone.onnx'));
    writeFileSync(join(directory, 'gone.onnx'), 'other');
    const before = readdirSync(directory);
    expect(() => writeModelFile(stale, join(directory, 'copy.onnx'))).toThrow('changed while it was in use');
    expect(readdirSync(directory)).toEqual(before);
  });

  it('keep every element type', () => {
    for (const elementType of Object.values(ElementType)) {
      if (elementType === 0 || elementType === 14 || elementType === 15) continue;
      const tensor = constantTensor(elementType, elementType === ElementType.STRING ? ['a', 'ü', ''] : [1, 0, 1]);
      expect(fromTensorProto(toTensorProto(tensor))).toEqual(tensor);
    }
  });
});

it('fuzz: models that were changed at random end in an answer or an error of ours', () => {
  const { integer, pick } = random(41);
  const bytes = writeModelBytes(sample());
  const extremes = [-1, 0, 1, 2, 3, 7, 100, -100, 2 ** 31 - 1, -(2 ** 31), Number.MAX_SAFE_INTEGER, -Number.MAX_SAFE_INTEGER];
  for (let run = 0; run < fuzzRuns; run++) {
    const model = readModelBytes(bytes);
    const graph = model.graph!;
    for (let change = integer(1, 3); change > 0; change--) {
      const node = pick(graph.node);
      pick([
        () => {
          for (const attribute of node.attribute) {
            if (attribute.i !== undefined) attribute.i = BigInt(pick(extremes));
            if (attribute.ints !== undefined) attribute.ints = BigInt64Array.from({ length: integer(0, 5) }, () => BigInt(pick(extremes)));
          }
        },
        () => {
          const tensor = pick(graph.initializer);
          const values = Array.from({ length: integer(0, 5) }, () => pick(extremes));
          graph.initializer[graph.initializer.indexOf(tensor)] = toTensorProto(constantTensor(INT64, values), tensor.name);
        },
        () => void (pick(graph.initializer).dims = Array.from({ length: integer(0, 4) }, () => pick(extremes))),
        () => void (graph.input[0]!.type!.tensorType!.shape = { dim: Array.from({ length: integer(0, 5) }, () => ({ dimValue: pick(extremes) })) }),
        () => void (node.input = [...node.input.slice(integer(0, 1)), ...pick([[], [pick([...graph.node.flatMap((other) => other.output), '', 'x', 'w'])]])]),
        () => void (node.opType = pick(graph.node).opType!),
        () => void (node.output = Array.from({ length: integer(0, 3) }, (_, index) => `${node.output[0] ?? 'v'}${index || ''}`)),
        () => void (model.opsetImport[0]!.version = integer(0, 30)),
      ])();
    }
    const others = [inferShapes, shareSubexpressions, removeDeadCode, (changed: ModelProto) => upgradeOpset(changed, 22)];
    for (const use of [checkModel, foldConstants, pick(others)]) {
      try {
        use(model);
      } catch (error) {
        if (!isModelportError(error) || error.code === 'INTERNAL') throw error;
      }
    }
  }
}, 120_000);
