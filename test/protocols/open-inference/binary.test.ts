import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { expect, test } from 'vitest';
import { isModelportError } from '../../../src/errors.ts';
import { toHalf } from '../../../src/lib/half-float.ts';
import { openInference } from '../../../src/protocols/open-inference/index.ts';
import { bytesOfTensor, tensorDataFromBytes } from '../../../src/protocols/open-inference/binary-tensors.ts';
import type { Datatype, Tensor } from '../../../src/tensor.ts';
import { FakeRepository, allFakes } from '../../fixtures/fake-repository.ts';
import { protocolClient, type Answer, type Json } from '../../fixtures/protocol-client.ts';
import { fuzzRuns, mutate, random } from '../../fixtures/random.ts';

const client = protocolClient(openInference, new FakeRepository(allFakes()));

interface Recorded {
  readonly name: string;
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string;
  readonly base64?: string;
}

const recorded = (JSON.parse(readFileSync(`${import.meta.dirname}/fixtures/tritonclient.json`, 'utf8')) as { requests: Recorded[] }).requests;

/** Replays what NVIDIA's client sent. The listener undoes compression, so that is done here. */
async function replay(name: string): Promise<Answer> {
  const { method, path, headers, body, base64 } = recorded.find((request) => request.name === name)!;
  const bytes = base64 === undefined ? Buffer.from(body ?? '') : Buffer.from(base64, 'base64');
  return client.send(method, path, { headers, body: headers['content-encoding'] === 'gzip' ? gunzipSync(bytes) : bytes });
}

/** The outputs of an answer with their bytes taken from where the JSON says they are. */
function outputsOf(answer: Answer): { name: string; shape: number[]; datatype: string; bytes: Uint8Array | undefined; data: unknown }[] {
  expect(answer.status, answer.text).toBe(200);
  const header = answer.headers['inference-header-content-length'];
  const length = header === undefined ? answer.bytes.length : Number(header);
  let offset = length;
  const outputs = JSON.parse(Buffer.from(answer.bytes.subarray(0, length)).toString()).outputs.map((output: Json) => {
    const size: number | undefined = output.parameters?.binary_data_size;
    const bytes = size === undefined ? undefined : Buffer.from(answer.bytes.subarray(offset, (offset += size)));
    return { name: output.name, shape: output.shape, datatype: output.datatype, bytes, data: output.data };
  });
  expect(offset).toBe(answer.bytes.length);
  return outputs;
}

const bytesOf = (array: ArrayBufferView): Buffer => Buffer.from(array.buffer as ArrayBuffer, array.byteOffset, array.byteLength);
const row = Int32Array.from({ length: 16 }, (_, index) => index);

test("NVIDIA's client: JSON and binary tensors, each output as it was asked for", async () => {
  for (const [kind, first, second] of [['json', false, true], ['binary', true, false]] as const) {
    const outputs = outputsOf(await replay(`simple ${kind}`));
    const expected = [row.map((value) => value + 1), row.map((value) => value - 1)];
    for (const [index, binary] of [first, second].entries()) {
      expect(outputs[index]).toMatchObject({ name: `OUTPUT${index}`, shape: [1, 16], datatype: 'INT32' });
      if (binary) expect(outputs[index]!.bytes).toEqual(bytesOf(expected[index]!));
      else expect(outputs[index]!.data).toEqual(Array.from(expected[index]!));
    }
    // It asks for all outputs in binary with one parameter of the request.
    const all = outputsOf(await replay(`simple ${kind}, all outputs`));
    expect(all.map((output) => output.bytes)).toEqual(expected.map(bytesOf));
  }
  expect(outputsOf(await replay('gzip')).map((output) => output.bytes)).toEqual([bytesOf(row.map((value) => value + 1)), bytesOf(row.map((value) => value - 1))]);
});

test("NVIDIA's client: every datatype", async () => {
  const arrays: Record<string, ArrayBufferView> = {
    BOOL: Uint8Array.of(1, 0, 1),
    UINT8: Uint8Array.of(0, 255),
    UINT16: Uint16Array.of(0, 65535),
    UINT32: Uint32Array.of(0, 4294967295),
    UINT64: BigUint64Array.of(0n, 18446744073709551615n, 9007199254740993n),
    INT8: Int8Array.of(-128, 127),
    INT16: Int16Array.of(-32768, 32767),
    INT32: Int32Array.of(-2147483648, 2147483647),
    INT64: BigInt64Array.of(-9223372036854775808n, 9223372036854775807n, 9007199254740993n),
    FP16: Uint16Array.of(toHalf(0.1), toHalf(-65504), toHalf(Infinity)),
    FP32: Float32Array.of(0.1, -3.4028235e38, NaN, Infinity, -Infinity),
    FP64: Float64Array.of(0.1, 5e-324, NaN),
  };
  for (const [datatype, array] of Object.entries(arrays)) {
    expect(outputsOf(await replay(`identity ${datatype} binary`))[0]!.bytes, datatype).toEqual(bytesOf(array));
    if (datatype === 'FP16') continue;
    const text = (await replay(`identity ${datatype} json`)).text;
    const written = /"data":\[(.*)\]\}\]\}$/.exec(text)![1]!.split(',');
    const read = Array.from(array as unknown as ArrayLike<number | bigint>, (value) => (datatype === 'BOOL' ? (value === 1 ? 'true' : 'false') : String(value)));
    const numbers = (texts: string[]): unknown[] => texts.map((each) => (/^(FP)/.test(datatype) ? (datatype === 'FP32' ? Math.fround(Number(each)) : Number(each)) : each));
    expect(numbers(written), datatype).toEqual(numbers(read));
  }
  const texts = ['plain', 'grüß 😀', '', 'quote " and \\ and \n'];
  expect(outputsOf(await replay('identity BYTES json'))[0]!.data).toEqual(texts);
  const bytes = Buffer.concat(texts.flatMap((text) => [Buffer.from(Uint32Array.of(Buffer.byteLength(text)).buffer), Buffer.from(text)]));
  expect(outputsOf(await replay('identity BYTES binary'))[0]!.bytes).toEqual(bytes);
});

test("NVIDIA's client: no elements, classes, sequences", async () => {
  expect(outputsOf(await replay('no elements json'))[0]).toMatchObject({ shape: [0], data: [] });
  const empty = await replay('no elements binary');
  expect(empty.json().outputs[0]).toEqual({ name: 'y', datatype: 'FP32', shape: [0], parameters: { binary_data_size: 0 } });
  expect(outputsOf(await replay('classes json'))[0]).toMatchObject({ datatype: 'BYTES', shape: [2, 2], data: ['0.700000:1:dog', '0.200000:2:owl', '0.500000:0:cat', '0.250000:1:dog'] });
  const classes = outputsOf(await replay('classes binary'))[0]!;
  expect(Buffer.from(classes.bytes!).toString()).toContain('0.700000:1:dog');
  expect((await replay('sequence')).status).toBe(200);
  expect((await replay('sequence by text')).status).toBe(200);
});

function binaryInfer(model: string, json: string | object, binary: Uint8Array, header?: string): Promise<Answer> {
  const text = Buffer.from(typeof json === 'string' ? json : JSON.stringify(json));
  return client.post(`/v2/models/${model}/infer`, Buffer.concat([text, binary]), { 'inference-header-content-length': header ?? String(text.length) });
}

const floats = (size: number, shape = [2]): object => ({ inputs: [{ name: 'x', shape, datatype: 'FP32', parameters: { binary_data_size: size } }] });

test('binary data that does not fit is a 400 that says by how much', async () => {
  const cases: [Promise<Answer>, RegExp][] = [
    [binaryInfer('identity_FP32', floats(8), new Uint8Array(7)), /unexpected size for input 'x', expecting 1 additional bytes for model 'identity_FP32'/],
    [binaryInfer('identity_FP32', floats(8), new Uint8Array(9)), /unexpected additional input data for model 'identity_FP32': 1 bytes/],
    [binaryInfer('identity_FP32', floats(4), new Uint8Array(4)), /input byte size mismatch for input 'x' for model 'identity_FP32'\. Expected 8, got 4/],
    [binaryInfer('identity_FP32', floats(0), new Uint8Array(0)), /Expected 8, got 0/],
    [client.post('/v2/models/identity_FP32/infer', floats(8)), /must specify valid 'Inference-Header-Content-Length'/],
    [binaryInfer('identity_FP32', floats(8), new Uint8Array(8), '9999'), /inference header size should be in range \(0, \d+\), got: 9999/],
    [binaryInfer('identity_FP32', floats(8), new Uint8Array(8), '-1'), /inference header size should be in range \(0, \d+\), got: -1/],
    [binaryInfer('identity_FP32', floats(8), new Uint8Array(8), 'many'), /Unable to parse Inference-Header-Content-Length, got: many/],
    [binaryInfer('identity_FP32', floats(8), new Uint8Array(8), '5'), /the document ends too early/],
    [binaryInfer('identity_BOOL', { inputs: [{ name: 'x', shape: [2], datatype: 'BOOL', parameters: { binary_data_size: 2 } }] }, Uint8Array.of(1, 2)), /element 1 of input 'x' is 2: a BOOL is a byte 0 or 1/],
    [binaryInfer('identity_FP32', { inputs: [{ name: 'x', shape: [2147483647, 2147483647], datatype: 'FP32', parameters: { binary_data_size: 4 } }] }, new Uint8Array(4)), /input byte size mismatch/],
  ];
  for (const [answer, message] of cases) {
    expect((await answer).status).toBe(400);
    expect((await answer).json().error).toMatch(message);
  }
});

test('BYTES that are cut off, too many or too few are a 400 that says which', async () => {
  const strings = (bytes: number[], shape: number[]): Promise<Answer> => binaryInfer('identity_BYTES', { inputs: [{ name: 'x', shape, datatype: 'BYTES', parameters: { binary_data_size: bytes.length } }] }, Uint8Array.from(bytes));
  const cases: [Promise<Answer>, RegExp][] = [
    [strings([1, 0, 0, 0, 65, 1, 0], [2]), /incomplete string length indicator for inference input 'x' for model 'identity_BYTES', expecting 4 bytes but only 2 bytes available/],
    [strings([9, 0, 0, 0, 65], [1]), /incomplete string data for inference input 'x', expecting string of length 9 but only 1 bytes available/],
    [strings([255, 255, 255, 255], [1]), /expecting string of length 4294967295/],
    [strings([1, 0, 0, 0, 65, 0, 0, 0, 0], [1]), /unexpected number of string elements 2 for inference input 'x' for model 'identity_BYTES', expecting 1/],
    [strings([8, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8], [3]), /expected 3 string elements for inference input 'x' for model 'identity_BYTES', got 1/],
    [strings([], [1]), /expected 1 string elements.*got 0/],
    [strings([0, 0, 0, 0], [1000000000]), /expected 1000000000 string elements.*got 1/],
  ];
  for (const [answer, message] of cases) {
    expect((await answer).status).toBe(400);
    expect((await answer).json().error).toMatch(message);
  }
});

test('binary elements lie anywhere in the body: they need not be aligned', async () => {
  const values = Float64Array.of(1.5, -2.25);
  for (let padding = 0; padding < 8; padding++) {
    const json = `${' '.repeat(padding)}${JSON.stringify({ inputs: [{ name: 'x', shape: [2], datatype: 'FP64', parameters: { binary_data_size: 16 } }] })}`;
    expect((await binaryInfer('identity_FP64', json, bytesOf(values))).json().outputs[0].data).toEqual([1.5, -2.25]);
  }
});

test('binary_data of an output wins over binary_data_output of the request', async () => {
  const inputs = ['INPUT0', 'INPUT1'].map((name) => ({ name, shape: [1, 16], datatype: 'INT32', data: Array.from(row) }));
  const outputs = outputsOf(await client.post('/v2/models/simple/infer', { inputs, parameters: { binary_data_output: true }, outputs: [{ name: 'OUTPUT0', parameters: { binary_data: false } }, { name: 'OUTPUT1' }] }));
  expect(outputs.map((output) => output.bytes === undefined)).toEqual([true, false]);
});

test('a raw body is the only input, one row, and all outputs come back binary', async () => {
  const raw = (model: string, body: Uint8Array): Promise<Answer> => client.post(`/v2/models/${model}/infer`, body, { 'inference-header-content-length': '0' });
  const values = Float32Array.of(1.5, -2, 3);
  expect(outputsOf(await raw('identity_FP32', bytesOf(values)))).toMatchObject([{ name: 'y', shape: [3], datatype: 'FP32', bytes: bytesOf(values) }]);
  expect(outputsOf(await raw('classifier_FP32', bytesOf(values)))).toMatchObject([{ name: 'classes', shape: [1, 3], bytes: bytesOf(values) }]);
  expect(outputsOf(await raw('upper', Buffer.from('grüß')))).toMatchObject([{ shape: [1], datatype: 'BYTES', bytes: Buffer.concat([Buffer.from([6, 0, 0, 0]), Buffer.from('GRÜSS')]) }]);
  expect((await raw('identity_FP32', new Uint8Array(0))).json().outputs[0].shape).toEqual([0]);
  const mistakes: [string, Uint8Array, RegExp][] = [
    ['simple', new Uint8Array(64), /Raw request must only have 1 input \(found 2\)/],
    ['matrices_FP32', new Uint8Array(16), /more than one variable-sized dimension/],
    ['identity_FP32', new Uint8Array(6), /6 bytes are no multiple of 4/],
    ['classifier_FP32', new Uint8Array(8), /Expected 12, got 8/],
    ['identity_BYTES', Buffer.from('a'), /must have input shape \[1\]/],
  ];
  for (const [model, body, message] of mistakes) {
    const answer = await raw(model, body);
    expect(answer.status, model).toBe(400);
    expect(answer.json().error).toMatch(message);
  }
});

test('fuzz: random tensors become bytes and tensors again', () => {
  const source = random(20);
  for (let run = 0; run < fuzzRuns; run++) {
    const data = Array.from({ length: source.integer(0, 6) }, () => Uint8Array.from({ length: source.integer(0, 9) }, () => source.integer(0, 255)));
    const tensor: Tensor = { datatype: 'BYTES', shape: [data.length], data };
    expect(tensorDataFromBytes('x', 'BYTES', tensor.shape, bytesOfTensor(tensor), 'm')).toEqual(data);
  }
});

test('fuzz: broken bytes end in a 400 and never in anything else', () => {
  const source = random(21);
  const seed = bytesOfTensor({ datatype: 'BYTES', shape: [3], data: ['one', '', 'three'].map((text) => Buffer.from(text)) });
  for (let run = 0; run < fuzzRuns; run++) {
    const bytes = mutate(seed, source);
    const datatype = source.pick<Datatype>(['BYTES', 'BYTES', 'FP32', 'BOOL', 'INT64']);
    try {
      const data = tensorDataFromBytes('x', datatype, [3], bytes, 'm');
      expect(data.length).toBe(3);
    } catch (error) {
      if (!isModelportError(error) || error.code !== 'INVALID_REQUEST') throw error;
    }
  }
});
