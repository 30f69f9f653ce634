import { copyFileSync, mkdtempSync, readFileSync, rmSync, truncateSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ByteRange } from '../../src/onnx/byte-range.ts';
import { dataTypes } from '../../src/onnx/data-type.ts';
import { readModelBytes, readModelFile } from '../../src/onnx/read-model.ts';
import { tensorElements } from '../../src/onnx/tensor-elements.ts';
import { graphsOf, nodesOf, tensorsOf } from '../../src/onnx/walk.ts';
import { writeModelBytes } from '../../src/onnx/write-model.ts';
import type { AttributeProto, ModelProto } from '../../src/onnx/model-proto.ts';
import { delimited, fixture, fixtureBytes, fixturePath, varint } from './fixtures.ts';

let directory: string;
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'modelport-onnx-'));
});
afterAll(() => rmSync(directory, { recursive: true }));

const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);

/** Ranges by content, so that models from a file and from memory can be compared. */
function plain(value: unknown): unknown {
  if (value instanceof ByteRange) return { range: [...value.read()] };
  if (ArrayBuffer.isView(value)) return { [value.constructor.name]: Array.from(value as Uint8Array, String) };
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value === 'object' && value !== null) return Object.fromEntries(Object.entries(value).map(([key, part]) => [key, plain(part)]));
  return value;
}

describe('a model with every message of the format', () => {
  const model = fixture('everything');
  const graph = model.graph!;
  const attribute = (name: string): AttributeProto => graph.node[1]!.attribute.find((candidate) => candidate.name === name)!;

  it('gives what stands beside the graph', () => {
    expect(model).toMatchObject({
      irVersion: 13,
      producerName: 'modelport-fixtures',
      producerVersion: '1.2',
      domain: 'example.modelport',
      modelVersion: -5n,
      docString: 'Every message of the format.',
      opsetImport: [{ domain: '', version: 25 }, { domain: 'example', version: 1 }],
      metadataProps: [{ key: 'author', value: 'modelport' }, { key: 'language', value: '日本語' }],
      configuration: [{ name: 'pair', numDevices: 2, device: ['cpu:0', 'cpu:1'] }],
    });
    expect(model.functions).toMatchObject([
      { domain: 'example', name: 'Twice', input: ['a'], output: ['b'], attribute: ['unused'], overload: 'plain', metadataProps: [{ key: 'of', value: 'a function' }], node: [{ opType: 'Add' }] },
    ]);
    expect(model.functions[0]!.attributeProto[0]).toMatchObject({ name: 'alpha', f: 0.5, type: 1 });
    expect(model.functions[0]!.valueInfo![0]!.name).toBe('a');
    expect(model.trainingInfo).toMatchObject([
      {
        initialization: { name: 'initialization', node: [{ opType: 'Constant' }] },
        algorithm: { name: 'algorithm' },
        initializationBinding: [{ key: 'start', value: 'w' }],
        updateBinding: [{ key: 'w', value: 'next' }],
      },
    ]);
  });

  it('gives the graph with its annotations', () => {
    expect(graph).toMatchObject({
      name: 'everything',
      docString: 'a graph',
      metadataProps: [{ key: 'of', value: 'the graph' }],
      quantizationAnnotation: [{ tensorName: 'x', quantParameterTensorNames: [{ key: 'SCALE_TENSOR', value: 'scalar' }] }],
    });
    expect(graph.input[0]).toEqual({
      name: 'x',
      docString: 'two numbers',
      metadataProps: [{ key: 'of', value: 'an input' }],
      type: { tensorType: { elemType: 1, shape: { dim: [{ dimParam: 'batch' }, { dimValue: 2, denotation: 'DATA_FEATURE' }] } } },
    });
    expect(graph.node[0]!.metadataProps).toEqual([{ key: 'of', value: 'a node' }]);
    expect(graph.node[0]!.deviceConfigurations).toEqual([
      {
        configurationId: 'pair',
        pipelineStage: 1,
        shardingSpec: [
          {
            tensorName: 'x',
            device: [0, -1],
            indexToDeviceGroupMap: [{ key: -1, value: [0, 1] }],
            shardedDim: [{ axis: 0, simpleSharding: [{ dimParam: 'batch', numShards: 2 }, { dimValue: 8, numShards: 1 }] }],
          },
        ],
      },
    ]);
    expect(graph.initializer[0]).toMatchObject({ name: 'FLOAT_packed', docString: 'a tensor', segment: { begin: 0, end: 5 }, metadataProps: [{ key: 'of', value: 'a tensor' }] });
  });

  it('gives all kinds of types', () => {
    const types = Object.fromEntries(graph.valueInfo.map((info) => [info.name, info.type]));
    expect(types).toEqual({
      z: { tensorType: { elemType: 1, shape: { dim: [{ dimParam: 'batch' }, { dimValue: 2 }] } } },
      m: { mapType: { keyType: 8, valueType: { tensorType: { elemType: 1, shape: { dim: [{ dimValue: 2 }] } } } } },
      s: { sequenceType: { elemType: { optionalType: { elemType: { tensorType: { elemType: 7 } } } } } },
      sparse: { sparseTensorType: { elemType: 11, shape: { dim: [{ dimValue: 3 }, { dimParam: 'k' }] } } },
      opaque: { opaqueType: { domain: 'example', name: 'Thing' }, denotation: 'THING' },
    });
  });

  it('gives all kinds of attributes', () => {
    expect(graph.node[1]).toMatchObject({ name: 'attributes', domain: 'example', overload: 'plain', docString: 'all kinds of attributes', input: ['x', '', 'scalar'] });
    expect(attribute('f')).toMatchObject({ type: 1, f: 1.5 });
    expect(attribute('i')).toMatchObject({ type: 2, i: -(2n ** 63n) });
    expect(text(attribute('s').s!)).toBe('text');
    expect(attribute('floats').floats).toEqual(Float32Array.of(0.5, -1));
    expect(attribute('ints').ints).toEqual(BigInt64Array.of(1n, -2n, 2n ** 63n - 1n));
    expect(attribute('strings').strings!.map(text)).toEqual(['a', 'ü']);
    expect(tensorElements(attribute('t').t!)).toEqual(Float32Array.of(1, 2));
    expect(attribute('tensors').tensors!.map((tensor) => tensorElements(tensor))).toEqual([Float32Array.of(3), Float32Array.of(4, 5)]);
    expect(attribute('g').g!.name).toBe('g');
    expect(attribute('graphs').graphs!.map((subgraph) => subgraph.name)).toEqual(['g0', 'g1']);
    expect(attribute('tp').tp).toEqual({ tensorType: { elemType: 1, shape: { dim: [{ dimParam: 'n' }] } } });
    expect(attribute('type_protos').typeProtos).toEqual([{ tensorType: { elemType: 3 } }]);
    expect(attribute('sparse_tensor').sparseTensor).toMatchObject({ dims: [5], values: { name: 'sv' }, indices: { name: 'si' } });
    expect(attribute('sparse_tensors').sparseTensors).toHaveLength(1);
    expect(attribute('by_reference')).toEqual({ name: 'by_reference', refAttrName: 'outer', type: 1, docString: 'from outside' });
  });

  it('gives the elements of every datatype, from raw data and from typed fields', () => {
    const expected = JSON.parse(readFileSync(fixturePath('everything.json'), 'utf8')) as Record<string, unknown[]>;
    const found = Object.fromEntries(
      graph.initializer.map((tensor) => {
        const elements = tensorElements(tensor);
        if (Array.isArray(elements)) return [tensor.name, elements.map(text)];
        return [tensor.name, Array.from(elements as Float32Array, (element: number | bigint) => (typeof element === 'bigint' ? String(element) : element))];
      }),
    );
    expect(found).toEqual(expected);
    // The two 6-bit types are newer than the package that made the file; see below.
    const types = new Set(graph.initializer.map((tensor) => tensor.dataType));
    expect([...dataTypes.keys()].filter((number) => !types.has(number)).map((number) => dataTypes.get(number)!.name)).toEqual(['FLOAT8E8M0', 'FLOAT6E2M3', 'FLOAT6E3M2']);
  });

  it('walks into subgraphs, functions and training graphs', () => {
    expect([...graphsOf(model)].map((part) => part.name)).toEqual(['everything', 'otherwise', 'then', 'g', 'g0', 'g1', 'initialization', 'algorithm']);
    expect([...nodesOf(model)].filter((node) => node.opType === 'Constant')).toHaveLength(6);
    const names = new Set([...tensorsOf(model)].map((tensor) => tensor.name));
    for (const name of ['large', 'sparse_values', 'sparse_indices', 't', 't1', 'sv', 'si0', 'then_value', 'g1_value', 'start_value']) expect(names).toContain(name);
  });

  it('is the same from a file, from memory and written again', () => {
    const fromMemory = readModelBytes(fixtureBytes('everything.onnx'));
    expect(plain(fromMemory)).toEqual(plain(model));
    const written = writeModelBytes(model);
    expect(plain(readModelBytes(written))).toEqual(plain(model));
    expect(written.length).toBe(fixtureBytes('everything.onnx').length);
  });
});

describe('tensor elements', () => {
  it('unpacks six-bit floats from a stream of bits', () => {
    // The example of onnx.proto: four elements in three bytes, the first in the lowest bits.
    const [x0, x1, x2, x3] = [0b000001, 0b101010, 0b111111, 0b100000];
    const raw = Uint8Array.of(x0 | ((x1 & 3) << 6), (x1 >> 2) | ((x2 & 15) << 4), (x2 >> 4) | (x3 << 2));
    expect(tensorElements({ dims: [4], dataType: 27, rawData: ByteRange.of(raw) })).toEqual(Uint8Array.of(x0, x1, x2, x3));
    expect(tensorElements({ dims: [2], dataType: 28, int32Data: ByteRange.of(Uint8Array.of(63, 7)) })).toEqual(Uint8Array.of(63, 7));
  });

  it('joins numbers that come in several runs, and one by one', () => {
    const floats = (...values: number[]) => new Uint8Array(Float32Array.from(values).buffer);
    const tensor = Buffer.concat([
      Uint8Array.of(0x08, 4, 0x10, 1),
      delimited(4, floats(1.5)), Uint8Array.of(0x25), floats(2.5), delimited(4, floats(-3.5, 4.5)),
    ]);
    const numbers = Buffer.concat([Uint8Array.of(0x08, 3, 0x10, 7), Uint8Array.of(0x38, 5), delimited(7, Uint8Array.of(0xac, 0x02)), Uint8Array.of(0x38), Buffer.alloc(9, 0xff), Uint8Array.of(1)]);
    const [first, second] = readModelBytes(delimited(7, Buffer.concat([delimited(5, tensor), delimited(5, numbers)]))).graph!.initializer;
    expect(tensorElements(first!)).toEqual(Float32Array.of(1.5, 2.5, -3.5, 4.5));
    expect(tensorElements(second!)).toEqual(BigInt64Array.of(5n, 300n, -1n));
  });

  it.each([
    ['too few bytes', { dims: [3], dataType: 1, rawData: ByteRange.of(new Uint8Array(8)) }, /has 8 bytes of data, but FLOAT\[3\] takes 12/],
    ['no data', { dims: [3], dataType: 1 }, /no data for its 3 elements/],
    ['a shape beyond all memory', { dims: [2 ** 40, 2 ** 40], dataType: 1, rawData: ByteRange.of(new Uint8Array(8)) }, /impossible shape/],
    ['few numbers for a huge shape', { dims: [2 ** 40], dataType: 6, int32Data: ByteRange.of(new Uint8Array(8)) }, /at most 8 numbers/],
    ['a negative dimension', { dims: [-1], dataType: 1, rawData: ByteRange.of(new Uint8Array(8)) }, /negative dimension -1/],
    ['an unknown type', { dims: [1], dataType: 99, rawData: ByteRange.of(new Uint8Array(8)) }, /unknown element type 99/],
    ['a number that is cut off', { dims: [2], dataType: 6, int32Data: ByteRange.of(Uint8Array.of(1, 0x80)) }, /cut off/],
    ['strings that are missing', { dims: [2], dataType: 8, stringData: [new Uint8Array(1)] }, /1 strings for the shape \[2\]/],
  ])('refuses %s', (_what, tensor, message) => {
    expect(() => tensorElements({ name: 'w', ...tensor })).toThrow(message);
    expect(() => tensorElements({ name: 'w', ...tensor })).toThrow(expect.objectContaining({ code: 'INVALID_MODEL' }));
  });
});

describe('weights stay in the file', () => {
  it('reads them when asked for, and refuses a file that changed since', () => {
    const path = join(directory, 'changing.onnx');
    copyFileSync(fixturePath('everything.onnx'), path);
    const model = readModelFile(path);
    const tensor = model.graph!.initializer.find((candidate) => candidate.name === 'large')!;
    expect(tensor.rawData!.byteLength).toBe(2400);
    expect((tensorElements(tensor) as Float32Array)[599]).toBe(599);
    utimesSync(path, 1, 1);
    expect(() => tensorElements(tensor)).toThrow(/changed while it was in use/);
    rmSync(path);
    expect(() => tensorElements(tensor)).toThrow(/no such file/);
  });

  it('reads the graph of a file with a gigabyte of weights without reading them', () => {
    // A sparse file: had the weights been read, the test would need a gigabyte.
    const head = fixtureBytes('mlp.onnx');
    const weights = 2 ** 30;
    const tensor = Buffer.concat([Uint8Array.of(0x08), varint(weights / 4), Uint8Array.of(0x10, 0x01), delimited(8, Buffer.from('huge')), Uint8Array.of(0x4a), varint(weights)]);
    const graph = Buffer.concat([Uint8Array.of(0x2a), varint(tensor.length + weights), tensor]);
    const path = join(directory, 'huge.onnx');
    // A second model's bytes would be a second graph: only the fields in front of the graph are taken over.
    const before = head.subarray(0, head.indexOf(0x3a));
    writeFileSync(path, Buffer.concat([before, Uint8Array.of(0x3a), varint(graph.length + weights), graph]));
    const size = before.length + 1 + varint(graph.length + weights).length + graph.length + weights;
    truncateSync(path, size);
    const model: ModelProto = readModelFile(path);
    const huge = model.graph!.initializer[0]!;
    expect([huge.name, huge.dims, huge.rawData!.byteLength]).toEqual(['huge', [weights / 4], weights]);
    rmSync(path);
  });
});

it('keeps fields that it does not know', () => {
  const extra = Buffer.concat([
    fixtureBytes('mlp.onnx'),
    varint(100 * 8), varint(300),
    varint(101 * 8 + 1), Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8),
    delimited(102, Buffer.from('from the future')),
    varint(103 * 8 + 5), Uint8Array.of(9, 9, 9, 9),
  ]);
  const model = readModelBytes(extra);
  expect(model.unknownFields!.map(({ fieldNumber, wireType, value }) => [fieldNumber, wireType, Buffer.from(value.read()).toString('latin1')])).toEqual([
    [100, 0, '\u00ac\u0002'],
    [101, 1, '\u0001\u0002\u0003\u0004\u0005\u0006\u0007\u0008'],
    [102, 2, 'from the future'],
    [103, 5, '\u0009\u0009\u0009\u0009'],
  ]);
  expect(Buffer.compare(writeModelBytes(model), extra)).toBe(0);
});
