/** Model files that are broken or mean harm, each with what is said of it, and where. */
import { copyFileSync, mkdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { ByteRange } from '../../src/onnx/byte-range.ts';
import type { AttributeProto, FunctionProto, GraphProto, ModelProto, NodeProto, TensorProto, ValueInfoProto } from '../../src/onnx/model-proto.ts';
import { AttributeType } from '../../src/onnx/model-proto.ts';
import { writeModelBytes } from '../../src/onnx/write-model.ts';
import { root } from '../start-modelport.ts';

export interface HostileModel {
  readonly what: string;
  /** What the message says beside the name of the file. */
  readonly message: RegExp;
  /** Writes the model file, and what belongs to it into the same folder. */
  write(path: string): void;
}

const fixture = (name: string): string => join(root, 'test/fixtures/onnx', name);
const FLOAT = 1;
const INT64 = 7;
const BOOL = 9;

const node = (opType: string, input: string[], output: string[], attribute: AttributeProto[] = [], domain?: string): NodeProto => ({ opType, input, output, attribute, ...(domain === undefined ? {} : { domain }) });
const value = (name: string, elemType: number, dims: readonly (number | string)[]): ValueInfoProto => ({
  name,
  type: { tensorType: { elemType, shape: { dim: dims.map((size) => (typeof size === 'number' ? { dimValue: size } : { dimParam: size })) } } },
});
const rows = (name: string): ValueInfoProto => value(name, FLOAT, ['n', 4]);
const graph = (part: Partial<GraphProto>): GraphProto => ({ name: 'g', node: [], initializer: [], sparseInitializer: [], valueInfo: [], input: [rows('x')], output: [rows('y')], ...part });
const integers = (name: string, dims: number[], values: readonly bigint[]): TensorProto => ({ name, dims, dataType: INT64, rawData: ByteRange.of(new Uint8Array(BigInt64Array.from(values).buffer)) });

/** `x` and `y` are float32 of `[n, 4]`. */
export function onnxModel(part: Partial<GraphProto>, functions: FunctionProto[] = []): Uint8Array {
  const model: ModelProto = { irVersion: 8, opsetImport: [{ domain: '', version: 17 }, ...(functions.length === 0 ? [] : [{ domain: 'f', version: 1 }])], metadataProps: [], functions, graph: graph(part) };
  return writeModelBytes(model);
}

const fileOf = (make: () => Uint8Array | string) => (path: string): void => writeFileSync(path, make());
const copyOf = (name: string) => (path: string): void => copyFileSync(fixture(name), path);

const callFunction = (name: string, input: string, output: string): NodeProto => node(name, [input], [output], [], 'f');
const functionOf = (name: string, nodes: NodeProto[]): FunctionProto => ({ name, domain: 'f', input: ['a'], output: ['b'], attribute: [], attributeProto: [], opsetImport: [{ domain: '', version: 17 }, { domain: 'f', version: 1 }], node: nodes });

/** Each function calls the next one twice. */
function billionLaughs(): Uint8Array {
  const last = 25;
  const functions = Array.from({ length: last + 1 }, (_, index) => functionOf(`F${index}`, index === last ? [node('Identity', ['a'], ['b'])] : [callFunction(`F${index + 1}`, 'a', 'm'), callFunction(`F${index + 1}`, 'm', 'b')]));
  return onnxModel({ node: [callFunction('F0', 'x', 'y')] }, functions);
}

/** Subgraphs in subgraphs, deeper than a reader that calls itself has stack for. */
function deepGraph(): Uint8Array {
  const parts: Buffer[] = [];
  let size = 0;
  const wrap = (fieldNumber: number): void => {
    const length: number[] = [];
    for (let rest = size; ; rest = Math.floor(rest / 128)) {
      length.push(rest > 127 ? (rest % 128) | 128 : rest);
      if (rest <= 127) break;
    }
    parts.push(Buffer.from([fieldNumber * 8 + 2, ...length]));
    size += 1 + length.length;
  };
  for (let level = 0; level < 100_000; level++) for (const fieldNumber of [6, 5, 1]) wrap(fieldNumber);
  wrap(7);
  return Buffer.concat(parts.toReversed());
}

export const hostileModels: readonly HostileModel[] = [
  { what: 'an empty file', message: /it is empty/, write: fileOf(() => '') },
  { what: 'a truncated file', message: /is the file complete\?/, write: fileOf(() => readFileSync(fixture('mlp.onnx')).subarray(0, -20)) },
  {
    what: 'a huge file of zeros',
    message: /all zeros/,
    write: (path) => {
      writeFileSync(path, '');
      truncateSync(path, 3 * 2 ** 30);
    },
  },
  {
    what: 'a model with 3 GB of garbage behind it',
    message: /not a valid ONNX model/,
    write: (path) => {
      copyFileSync(fixture('mlp.onnx'), path);
      truncateSync(path, 3 * 2 ** 30);
    },
  },
  { what: 'a web page', message: /HTML/, write: fileOf(() => '<!DOCTYPE html><html></html>') },
  { what: 'a Git LFS pointer', message: /git lfs pull/i, write: fileOf(() => 'version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n') },
  { what: 'a pickle', message: /no model that can be served/, write: fileOf(() => Buffer.from('80049526000000000000008c05706f736978948c0673797374656d9493948c0b746f756368207077306e6564948594529442e', 'hex')) },
  { what: 'subgraphs 100,000 deep', message: /nested more than 100 deep/, write: fileOf(deepGraph) },
  { what: 'an unknown operator', message: /the operator "Frobnicate" does not exist in operator set 17, used by the node "frob"/, write: copyOf('unknown-operator.onnx') },
  { what: 'an operator of an unknown domain', message: /custom operators are not supported/, write: copyOf('unknown-domain.onnx') },
  { what: 'an operator set of the future', message: /newer than the newest/, write: copyOf('future-opset.onnx') },
  { what: 'nodes in a circle', message: /acyclic/, write: fileOf(() => onnxModel({ node: [node('Add', ['x', 'b'], ['a']), node('Identity', ['a'], ['b']), node('Identity', ['a'], ['y'])] })) },
  { what: 'a function that uses itself', message: /function "f:F" uses itself/, write: fileOf(() => onnxModel({ node: [callFunction('F', 'x', 'y')] }, [functionOf('F', [callFunction('F', 'a', 'b')])])) },
  { what: 'functions that unfold to millions of nodes', message: /unfold to more than 2000000 nodes/, write: fileOf(billionLaughs) },
  {
    what: 'a shape that overflows',
    message: /impossible shape/,
    write: fileOf(() => onnxModel({ node: [node('Add', ['x', 'w'], ['y'])], initializer: [{ name: 'w', dims: [2 ** 40, 2 ** 40], dataType: FLOAT, rawData: ByteRange.of(new Uint8Array(4)) }] })),
  },
  {
    what: 'a negative size',
    message: /negative dimension/,
    write: fileOf(() => onnxModel({ node: [node('Add', ['x', 'w'], ['y'])], initializer: [{ name: 'w', dims: [-1], dataType: FLOAT, rawData: ByteRange.of(new Uint8Array(4)) }] })),
  },
  {
    what: 'weights that end early',
    message: /'w': raw_data size \(4 bytes\) does not match/,
    write: fileOf(() => onnxModel({ node: [node('Add', ['x', 'w'], ['y'])], initializer: [{ name: 'w', dims: [4], dataType: FLOAT, rawData: ByteRange.of(new Uint8Array(4)) }] })),
  },
  ...(['absent', 'absolute', 'parent'] as const).map((name): HostileModel => ({
    what: { absent: 'external data that is missing', absolute: 'external data at an absolute path', parent: 'external data in the folder above' }[name],
    message: { absent: /"absent\.bin", which is not beside the model/, absolute: /"\/etc\/passwd" outside the model's folder/, parent: /"\.\.\/mlp\.onnx" outside the model's folder/ }[name],
    write: (path) => {
      copyFileSync(fixture(`external/${name}.onnx`), path);
      // The file that must not be read is there.
      mkdirSync(dirname(path), { recursive: true });
      copyFileSync(fixture('mlp.onnx'), join(dirname(path), '..', 'mlp.onnx'));
    },
  })),
];

/** A run of it never ends: 2⁶² rounds of doing nothing. */
export function endlessModel(): Uint8Array {
  const body = graph({
    node: [node('Identity', ['going'], ['goes_on']), node('Identity', ['now'], ['next'])],
    input: [value('round', INT64, []), value('going', BOOL, []), rows('now')],
    output: [value('goes_on', BOOL, []), rows('next')],
  });
  return onnxModel({ node: [node('Loop', ['rounds', '', 'x'], ['y'], [{ name: 'body', type: AttributeType.GRAPH, g: body }])], initializer: [integers('rounds', [], [2n ** 62n])] });
}
