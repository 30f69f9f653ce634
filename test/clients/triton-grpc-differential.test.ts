/**
 * The same gRPC calls to the real Triton and to Modelport, compared in status, text and message. MODELPORT_TRITON names a
 * virtual environment with nvidia-pytriton (0.7: Triton 2.51); without it the test is skipped. Every difference that is
 * allowed stands in `differences` with its reason, and each of those must still occur.
 */
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Client, credentials, Metadata, type ServiceError } from '@grpc/grpc-js';
import protobuf from 'protobufjs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ModelportError } from '../../src/errors.ts';
import { openInference } from '../../src/protocols/open-inference/index.ts';
import { listenGrpc, type GrpcListener } from '../../src/server/grpc-listener.ts';
import { createGuard } from '../../src/server/guard.ts';
import { FakeRepository } from '../fixtures/fake-repository.ts';
import { serverFacts, type Json } from '../fixtures/protocol-client.ts';
import { commonModels, startTriton, type Triton } from '../fixtures/triton.ts';
import { root } from '../start-modelport.ts';
import { skipUnless } from './setup/installed.ts';

const environment = process.env['MODELPORT_TRITON'];
const tritonEnvironment = environment === undefined ? { missing: 'MODELPORT_TRITON names no virtual environment with nvidia-pytriton' } : {};

const definitions = new protobuf.Root();
definitions.resolvePath = (_origin, target) => join(root, 'proto/triton', target.split('/').at(-1)!);
definitions.loadSync(['grpc_service.proto', 'health.proto'], { keepCase: true });

interface Request {
  readonly name: string;
  /** `ModelInfer`; `ModelStreamInfer` sends `messages`. */
  readonly method: string;
  readonly message?: object;
  readonly messages?: readonly object[];
  readonly metadata?: Readonly<Record<string, string>>;
}

interface Reply {
  /** gRPC status code, or {@link died}. */
  readonly code: number;
  readonly text: string;
  readonly body: Json;
}

interface Difference {
  readonly request: Request;
  readonly what: 'code' | 'text' | 'body';
  readonly triton: Reply;
  readonly ours: Reply;
}

/** The code of a call that ended Triton. */
const died = -1;
const INVALID_ARGUMENT = 3;
const NOT_FOUND = 5;
const INTERNAL = 13;
const UNAVAILABLE = 14;

/** Texts may go on where Triton's end, and lack its full stop. */
const sameStart = (triton: string, ours: string): boolean => triton !== '' && ours.startsWith(triton.trim().replace(/\.$/, ''));

const differences: { readonly reason: string; readonly applies: (difference: Difference) => boolean }[] = [
  { reason: 'the same text, and then where it is and what was expected', applies: ({ what, triton, ours }) => what === 'text' && sameStart(triton.text, ours.text) },
  { reason: 'the same messages in a stream, and then where it is and what was expected', applies: ({ what, request, triton, ours }) => what === 'body' && request.messages !== undefined && streamErrors(triton).length > 0 && streamErrors(triton).every((text, index) => sameStart(text, streamErrors(ours)[index] ?? '')) },
  { reason: "a client's mistake is INVALID_ARGUMENT or NOT_FOUND here, where Triton says INTERNAL", applies: ({ what, triton, ours }) => what === 'code' && triton.code === INTERNAL && [INVALID_ARGUMENT, NOT_FOUND].includes(ours.code) },
  { reason: 'an answer without a text: Triton loses it on the way', applies: ({ what, triton, ours }) => what === 'text' && triton.code === ours.code && triton.text === '' },
  { reason: 'contents are counted in elements, not in bytes', applies: ({ what, ours }) => what === 'text' && ours.text.startsWith('input element count mismatch') },
  { reason: 'a second field of contents is named as what it is', applies: ({ what, request }) => what === 'text' && request.name.endsWith('contents: a second field') },
  { reason: 'a message is in one buffer here, so a length can not be split, and what is too long is told before what is missing', applies: ({ what, request }) => what === 'text' && ['BYTES raw: a byte too many', 'BYTES raw: a length beyond the end'].includes(request.name) },
  { reason: 'what is wrong with shared memory is told with the place instead of the tensor', applies: ({ what, request }) => what === 'text' && ['output: a region without a size', 'output: a size without a region'].includes(request.name) },
  { reason: 'a version is a number or not: what kind of number is not told apart, nor how it was read', applies: ({ what, triton, ours }) => /^(failed to get model version|invalid model version)/.test(triton.text) && ours.text.startsWith('failed to get model version') && what === 'text' },
  { reason: 'the same of a version in a stream', applies: ({ what, request }) => what === 'body' && request.name === 'stream: a version that is text' },
  { reason: 'a number that does not fit the datatype is refused; Triton wraps it', applies: ({ request }) => request.name === 'UINT8 contents: 256' },
  { reason: 'BOOL is a byte 0 or 1; Triton passes on what it is given', applies: ({ request }) => request.name === 'BOOL raw: a byte of 2' },
  { reason: 'a datatype that is none is told from one that is another', applies: ({ what, request }) => what === 'text' && ['an unknown datatype', 'no datatype'].includes(request.name) },
  { reason: 'raw contents that belong to no input are refused; Triton passes over them', applies: ({ request }) => ['two raw contents for one input', 'raw contents and no inputs', 'shared memory: and raw contents'].includes(request.name) },
  { reason: 'what is given twice is refused: Triton takes the first', applies: ({ request }) => request.name === 'an output given twice' },
  { reason: 'an input too many is told by its name', applies: ({ what, request }) => what === 'text' && request.name === 'an input too many' },
  { reason: 'a request may have no rows: its answer has none', applies: ({ request }) => request.name === 'no rows' },
  { reason: 'of two wrong inputs the first one is named, of two numbers of rows both; a shape without rows is a wrong shape', applies: ({ what, request }) => what === 'text' && ['rows that differ', 'the wrong row length', 'a row too deep', 'a row without rows'].includes(request.name) },
  { reason: "parameters of the wrong type are told in the words of REST, with the value that was found", applies: ({ what, triton, ours }) => what === 'text' && triton.text.startsWith('invalid value') && /^(Unable to parse|failed to load)/.test(ours.text) },
  { reason: 'a negative timeout is refused', applies: ({ request }) => request.name === 'timeout: negative' },
  { reason: 'binary_data_output means something in REST alone, and is true or false in both', applies: ({ request }) => request.name === 'binary_data_output: text' },
  { reason: 'the text says which parameter is reserved', applies: ({ what, request }) => what === 'text' && request.name === 'a reserved name' },
  { reason: 'a parameter without a value is none', applies: ({ request }) => request.name === 'a parameter without a value' },
  { reason: 'parameters may be unsigned, as the interface definition has it', applies: ({ request }) => request.name === 'a parameter of type uint64' },
  { reason: 'no best classes are the whole tensor', applies: ({ request }) => request.name === 'output: classification: zero' },
  { reason: "an input is said to be wrong where its data is missing, whatever else is", applies: ({ what, request }) => what === 'text' && request.name.startsWith('input: ') },
  { reason: 'name and version of the server are its own', applies: ({ what, request }) => what === 'body' && request.method === 'ServerMetadata' },
  { reason: 'files in a load request may be base64 text, as in REST', applies: ({ request }) => request.name === 'load with a file that is text' },
  { reason: 'parameters that are not known are passed on', applies: ({ request }) => request.name === 'load with an unknown parameter' },
  { reason: 'a load request without a config says so', applies: ({ what, request }) => what === 'text' && request.name === 'load with files and no config' },
  { reason: 'an unknown model is NOT_FOUND for settings, too', applies: ({ request }) => request.name === 'trace: get of an unknown model' },
  { reason: 'a setting that does not exist, or a value that it can not have, is refused, not passed over or wrapped', applies: ({ request }) => ['trace: an unknown setting', 'trace: an unknown level', 'trace: a rate with a sign', 'log: an unknown setting'].includes(request.name) },
  { reason: 'a setting of the wrong type is told with the value that was found', applies: ({ what, request }) => what === 'text' && /^(trace|log): .* (is|as) text$/.test(request.name) },
  { reason: 'there is no GPU: this Triton was built with one in mind and looks at the handle first', applies: ({ what, request }) => what === 'text' && request.name === 'cuda register' },
  { reason: 'an output in shared memory says where it was written', applies: ({ what, request }) => what === 'body' && request.name === 'shared memory: there and back' },
  { reason: 'the message that only says that it is the last names the version, too', applies: ({ what, request }) => what === 'body' && ['stream: the end alone', 'stream: several answers and the end'].includes(request.name) },
  { reason: 'errors are the status of a stream where its metadata asks for it; this Triton passes over that', applies: ({ request }) => request.name.endsWith(', as a status') },
  { reason: "it ends Triton's process", applies: ({ triton }) => triton.code === died },
];

function streamErrors({ body }: Reply): string[] {
  return ((body ?? []) as { error_message: string }[]).map(({ error_message: text }) => text).filter((text) => text !== '');
}

const samples: readonly [datatype: string, field: string | undefined, elements: readonly unknown[], bytes: Uint8Array][] = [
  ['FP32', 'fp32_contents', [1.5, -2], bytesOf(Float32Array.of(1.5, -2))],
  ['FP64', 'fp64_contents', [1.5, -2], bytesOf(Float64Array.of(1.5, -2))],
  ['FP16', undefined, [], bytesOf(Uint16Array.of(0x3e00, 0xc000))],
  ['INT32', 'int_contents', [2147483647, -2147483648], bytesOf(Int32Array.of(2147483647, -2147483648))],
  ['INT64', 'int64_contents', ['9223372036854775807', '-9223372036854775808'], bytesOf(BigInt64Array.of(9223372036854775807n, -9223372036854775808n))],
  ['UINT8', 'uint_contents', [0, 255], Uint8Array.of(0, 255)],
  ['UINT64', 'uint64_contents', ['18446744073709551615', 0], bytesOf(BigUint64Array.of(18446744073709551615n, 0n))],
  ['BOOL', 'bool_contents', [true, false], Uint8Array.of(1, 0)],
  ['BYTES', 'bytes_contents', [Buffer.from('grüße'), Buffer.from([0, 255])], strings(Buffer.from('grüße'), Buffer.from([0, 255]))],
];
const fields = ['bool_contents', 'int_contents', 'int64_contents', 'uint_contents', 'uint64_contents', 'fp32_contents', 'fp64_contents', 'bytes_contents'];

function bytesOf(array: ArrayBufferView): Uint8Array {
  return new Uint8Array(array.buffer as ArrayBuffer, array.byteOffset, array.byteLength);
}

function strings(...texts: Uint8Array[]): Uint8Array {
  return Buffer.concat(texts.flatMap((text) => [bytesOf(Uint32Array.of(text.length)), text]));
}

const infer = (name: string, model: string, message: object): Request => ({ name, method: 'ModelInfer', message: { model_name: model, ...message } });
const x = (datatype: string, shape: readonly (number | string)[], more: object = {}): object => ({ name: 'x', datatype, shape, ...more });
const raw = (name: string, datatype: string, bytes: Uint8Array, shape: readonly (number | string)[] = [2], more: object = {}): Request =>
  infer(name, `identity_${datatype}`, { inputs: [x(datatype, shape)], raw_input_contents: [bytes], ...more });

const row = bytesOf(Int32Array.from({ length: 16 }, (_, index) => index));
const pair = (rows = 1): object[] => ['INPUT0', 'INPUT1'].map((name) => ({ name, datatype: 'INT32', shape: [rows, 16] }));
const simple = (name: string, message: object, rows = 1): Request => infer(name, 'simple', { inputs: pair(rows), raw_input_contents: [Buffer.concat(Array.from({ length: rows }, () => row)), Buffer.concat(Array.from({ length: rows }, () => row))], ...message });
const floats = bytesOf(Float32Array.of(1.5, -2));
const parameter = (value: unknown): object => (typeof value === 'string' ? { string_param: value } : typeof value === 'boolean' ? { bool_param: value } : { int64_param: value });
const parameters = (values: Readonly<Record<string, unknown>>): object => Object.fromEntries(Object.entries(values).map(([name, value]) => [name, parameter(value)]));

function goodInfers(): Request[] {
  const requests: Request[] = [];
  for (const [datatype, field, elements, bytes] of samples) {
    requests.push(raw(`${datatype} raw`, datatype, bytes), raw(`${datatype} raw, an id`, datatype, bytes, [2], { id: 'grüße' }), raw(`${datatype} raw, version 1`, datatype, bytes, [2], { model_version: '1' }));
    requests.push(raw(`${datatype} raw, an output`, datatype, bytes, [2], { outputs: [{ name: 'y' }] }), raw(`${datatype} raw, no elements`, datatype, new Uint8Array(0), [0]));
    if (field !== undefined) {
      requests.push(infer(`${datatype} contents`, `identity_${datatype}`, { inputs: [x(datatype, [2], { contents: { [field]: elements } })] }));
      requests.push(infer(`${datatype} contents, no elements`, `identity_${datatype}`, { inputs: [x(datatype, [0], { contents: {} })] }));
    }
  }
  requests.push(simple('simple', {}), simple('simple, three rows', {}, 3), simple('simple, eight rows', {}, 8), simple('simple, one output', { outputs: [{ name: 'OUTPUT1' }] }));
  for (const count of [1, 2, 3, 9]) requests.push(infer(`classification ${count}`, 'classifier_FP32', { inputs: [{ name: 'scores', datatype: 'FP32', shape: [2, 3] }], outputs: [{ name: 'classes', parameters: parameters({ classification: count }) }], raw_input_contents: [bytesOf(Float32Array.of(1, 3.5, 2, -1, -2, 0.25))] }));
  requests.push(infer('text', 'upper', { inputs: [{ name: 'text_input', datatype: 'BYTES', shape: [1] }], raw_input_contents: [strings(Buffer.from('abc'))] }));
  requests.push(infer('matrices', 'matrices_FP32', { inputs: [{ name: 'x', datatype: 'FP32', shape: [1, 2, 1] }], raw_input_contents: [floats] }));
  for (const [name, values] of Object.entries({ 'a priority': { priority: 1 }, 'a timeout': { timeout: 5_000_000 }, 'parameters of its own': { a: 'text', b: 3, c: true }, 'no sequence': { sequence_id: 0 } })) requests.push(raw(name, 'FP32', floats, [2], { parameters: parameters(values) }));
  return requests;
}

function badInfers(): Request[] {
  const requests: Request[] = [];
  for (const [datatype, field, elements, bytes] of samples) {
    requests.push(raw(`${datatype} raw: a byte too many`, datatype, Buffer.concat([bytes, Uint8Array.of(0)])), raw(`${datatype} raw: a byte too few`, datatype, bytes.subarray(0, -1)), raw(`${datatype} raw: nothing`, datatype, new Uint8Array(0)));
    requests.push(raw(`${datatype} raw: another shape`, datatype, bytes, [3]), raw(`${datatype} raw: too deep`, datatype, bytes, [1, 2]), raw(`${datatype}: no dimensions`, datatype, bytes, []));
    requests.push(infer(`${datatype}: neither raw nor contents`, `identity_${datatype}`, { inputs: [x(datatype, [2])] }));
    requests.push(infer(`${datatype}: another datatype than the model's`, `identity_${datatype === 'FP32' ? 'INT32' : 'FP32'}`, { inputs: [x(datatype, [2])], raw_input_contents: [bytes] }));
    if (field === undefined) continue;
    requests.push(infer(`${datatype} contents: one too few`, `identity_${datatype}`, { inputs: [x(datatype, [2], { contents: { [field]: elements.slice(1) } })] }));
    requests.push(infer(`${datatype} contents: one too many`, `identity_${datatype}`, { inputs: [x(datatype, [2], { contents: { [field]: [...elements, elements[0]] } })] }));
    requests.push(infer(`${datatype} contents and raw`, `identity_${datatype}`, { inputs: [x(datatype, [2], { contents: { [field]: elements } })], raw_input_contents: [bytes] }));
    for (const other of fields.filter((each) => each !== field).slice(0, 3)) {
      const values = other === 'bytes_contents' ? [Buffer.from('a'), Buffer.from('b')] : other === 'bool_contents' ? [true, false] : [1, 2];
      requests.push(infer(`${datatype} contents: ${other}`, `identity_${datatype}`, { inputs: [x(datatype, [2], { contents: { [other]: values } })] }));
    }
    requests.push(infer(`${datatype} contents: a second field`, `identity_${datatype}`, { inputs: [x(datatype, [2], { contents: { [field]: elements, [field === 'fp64_contents' ? 'fp32_contents' : 'fp64_contents']: [1, 2] } })] }));
  }
  for (const model of ['nobody', '', 'simple']) for (const version of ['', '1', '9', 'abc', '-1', '0']) requests.push(infer(`model '${model}' version '${version}'`, model, { model_version: version, inputs: model === 'simple' ? pair() : [], raw_input_contents: model === 'simple' ? [row, row] : [] }));
  requests.push(
    infer('UINT8 contents: 256', 'identity_UINT8', { inputs: [x('UINT8', [1], { contents: { uint_contents: [256] } })] }),
    raw('BOOL raw: a byte of 2', 'BOOL', Uint8Array.of(2, 0)),
    raw('BYTES raw: a length beyond the end', 'BYTES', bytesOf(Uint32Array.of(100, 0))),
    raw('an unknown datatype', 'FP32', floats, [2], { inputs: [x('FLOAT', [2])] }),
    raw('no datatype', 'FP32', floats, [2], { inputs: [x('', [2])] }),
    raw('a negative size', 'FP32', floats, [-1]),
    raw('a size of zero with elements', 'FP32', floats, [0]),
    raw('two raw contents for one input', 'FP32', floats, [2], { raw_input_contents: [floats, floats] }),
    raw('an unknown output', 'FP32', floats, [2], { outputs: [{ name: 'z' }] }),
    raw('an output given twice', 'FP32', floats, [2], { outputs: [{ name: 'y' }, { name: 'y' }] }),
    raw('an unknown input', 'FP32', floats, [2], { inputs: [{ name: 'z', datatype: 'FP32', shape: [2] }] }),
    raw('an input given twice', 'FP32', floats, [2], { inputs: [x('FP32', [2]), x('FP32', [2])], raw_input_contents: [floats, floats] }),
    raw('an input too many', 'FP32', floats, [2], { inputs: [x('FP32', [2]), { name: 'z', datatype: 'FP32', shape: [2] }], raw_input_contents: [floats, floats] }),
    raw('no inputs', 'FP32', floats, [2], { inputs: [], raw_input_contents: [] }),
    raw('raw contents and no inputs', 'FP32', floats, [2], { inputs: [] }),
    simple('an input missing', { inputs: pair().slice(0, 1), raw_input_contents: [row] }),
    simple('an input without its raw contents', { raw_input_contents: [row] }),
    simple('nine rows', {}, 9),
    simple('no rows', { raw_input_contents: [new Uint8Array(0), new Uint8Array(0)], inputs: pair(0) }),
    simple('rows that differ', { inputs: [pair(1)[0]!, pair(2)[1]!], raw_input_contents: [row, Buffer.concat([row, row])] }),
    simple('the wrong row length', { inputs: pair().map((input) => ({ ...input, shape: [1, 15] })), raw_input_contents: [row.subarray(4), row.subarray(4)] }),
    simple('a row too deep', { inputs: pair().map((input) => ({ ...input, shape: [1, 1, 16] })) }),
    simple('a row without rows', { inputs: pair().map((input) => ({ ...input, shape: [16] })) }),
    infer('a decoupled model', 'repeat', { inputs: [{ name: 'IN', datatype: 'INT32', shape: [2] }], raw_input_contents: [row.subarray(0, 8)] }),
    infer('classification of text', 'upper', { inputs: [{ name: 'text_input', datatype: 'BYTES', shape: [1] }], outputs: [{ name: 'text_output', parameters: parameters({ classification: 1 }) }], raw_input_contents: [strings(Buffer.from('abc'))] }),
  );
  const odd: Record<string, object> = {
    'sequence_id: a boolean': { sequence_id: { bool_param: true } },
    'sequence_start: text': { sequence_start: { string_param: 'yes' } },
    'sequence_end: a number': { sequence_end: { int64_param: 1 } },
    'priority: text': { priority: { string_param: 'high' } },
    'priority: a boolean': { priority: { bool_param: true } },
    'priority: negative': { priority: { int64_param: -1 } },
    'timeout: text': { timeout: { string_param: 'long' } },
    'timeout: negative': { timeout: { int64_param: -5 } },
    'binary_data_output: text': { binary_data_output: { string_param: 'yes' } },
    'a reserved name': { triton_reserved: { string_param: 'yes' } },
    'a parameter without a value': { empty: {} },
    'a parameter of type double': { double: { double_param: 0.5 } },
    'a parameter of type uint64': { unsigned: { uint64_param: 5 } },
  };
  for (const [name, values] of Object.entries(odd)) requests.push(raw(name, 'FP32', floats, [2], { parameters: values }));
  const oddOutputs: Record<string, object> = {
    'classification: text': { classification: { string_param: 'two' } },
    'classification: a boolean': { classification: { bool_param: true } },
    'classification: negative': { classification: { int64_param: -1 } },
    'classification: zero': { classification: { int64_param: 0 } },
    'an unknown region': parameters({ shared_memory_region: 'nowhere', shared_memory_byte_size: 8 }),
    'a region without a size': parameters({ shared_memory_region: 'nowhere' }),
    'a size without a region': parameters({ shared_memory_byte_size: 8 }),
    'a region that is a number': parameters({ shared_memory_region: 3, shared_memory_byte_size: 8 }),
    'a size that is text': parameters({ shared_memory_region: 'nowhere', shared_memory_byte_size: 'eight' }),
    'an offset that is text': parameters({ shared_memory_region: 'nowhere', shared_memory_byte_size: 8, shared_memory_offset: 'one' }),
    'an unknown parameter': parameters({ other: 1 }),
  };
  for (const [name, values] of Object.entries(oddOutputs)) {
    requests.push(raw(`output: ${name}`, 'FP32', floats, [2], { outputs: [{ name: 'y', parameters: values }] }));
    requests.push(infer(`input: ${name}`, 'identity_FP32', { inputs: [x('FP32', [2], { parameters: values })], ...(name.includes('region') || name.includes('text') ? {} : { raw_input_contents: [floats] }) }));
  }
  return requests;
}

function otherCalls(): Request[] {
  const requests: Request[] = ['ServerLive', 'ServerReady', 'ServerMetadata'].map((method) => ({ name: method, method, message: {} }));
  for (const method of ['ModelReady', 'ModelMetadata', 'ModelConfig', 'ModelStatistics']) {
    for (const name of ['simple', 'identity_BYTES', 'classifier_FP32', 'repeat', 'nobody', '']) for (const version of ['', '1', '9', 'abc']) requests.push({ name: `${method} '${name}' version '${version}'`, method, message: { name, version } });
  }
  for (const ready of [true, false]) requests.push({ name: `RepositoryIndex, ready ${ready}`, method: 'RepositoryIndex', message: { ready } });
  requests.push(
    { name: 'RepositoryIndex of a repository', method: 'RepositoryIndex', message: { repository_name: 'other' } },
    { name: 'load an unknown model', method: 'RepositoryModelLoad', message: { model_name: 'nobody' } },
    { name: 'load without a name', method: 'RepositoryModelLoad', message: {} },
    { name: 'load from a repository', method: 'RepositoryModelLoad', message: { model_name: 'simple', repository_name: 'other' } },
    { name: 'load with files and no config', method: 'RepositoryModelLoad', message: { model_name: 'new', parameters: { 'file:1/model.py': { bytes_param: Buffer.from('pass') } } } },
    { name: 'load with a config that is a number', method: 'RepositoryModelLoad', message: { model_name: 'simple', parameters: { config: { int64_param: 3 } } } },
    { name: 'load with a file that is text', method: 'RepositoryModelLoad', message: { model_name: 'simple', parameters: { config: { string_param: '{}' }, 'file:1/model.py': { string_param: 'pass' } } } },
    { name: 'load with an unknown parameter', method: 'RepositoryModelLoad', message: { model_name: 'nobody', parameters: { other: { string_param: 'x' } } } },
    { name: 'unload an unknown model', method: 'RepositoryModelUnload', message: { model_name: 'nobody' } },
    { name: 'unload with text', method: 'RepositoryModelUnload', message: { model_name: 'nobody', parameters: { unload_dependents: { string_param: 'yes' } } } },
    { name: 'unload from a repository', method: 'RepositoryModelUnload', message: { model_name: 'nobody', repository_name: 'other' } },
  );
  const setting = (name: string, model: string, settings: Readonly<Record<string, readonly string[]>>): Request => ({ name, method: 'TraceSetting', message: { model_name: model, settings: Object.fromEntries(Object.entries(settings).map(([key, value]) => [key, { value }])) } });
  requests.push(
    setting('trace: get', '', {}), setting('trace: get of a model', 'simple', {}), setting('trace: get of an unknown model', 'nobody', {}),
    setting('trace: rate', '', { trace_rate: ['17'] }), setting('trace: rate of a model', 'simple', { trace_rate: ['18'] }), setting('trace: rate cleared', 'simple', { trace_rate: [] }),
    setting('trace: count', '', { trace_count: ['5'] }), setting('trace: log frequency', '', { log_frequency: ['10'] }), setting('trace: level off', '', { trace_level: ['OFF'] }),
    setting('trace: an unknown setting', '', { nothing: ['1'] }), setting('trace: an unknown level', '', { trace_level: ['LOUD'] }), setting('trace: a rate that is text', '', { trace_rate: ['often'] }),
    setting('trace: a rate with a sign', '', { trace_rate: ['-1'] }), setting('trace: two rates', '', { trace_rate: ['1', '2'] }), setting('trace: all cleared', '', { trace_rate: [], trace_count: [], log_frequency: [] }),
  );
  const log = (name: string, settings: Readonly<Record<string, object>>): Request => ({ name, method: 'LogSettings', message: { settings } });
  requests.push(
    log('log: get', {}), log('log: verbose', { log_verbose_level: { uint32_param: 1 } }), log('log: no info', { log_info: { bool_param: false } }), log('log: format', { log_format: { string_param: 'ISO8601' } }),
    log('log: an unknown setting', { nothing: { bool_param: true } }), log('log: info as text', { log_info: { string_param: 'yes' } }), log('log: verbose as text', { log_verbose_level: { string_param: 'much' } }), log('log: an unknown format', { log_format: { string_param: 'pretty' } }),
    log('log: back', { log_verbose_level: { uint32_param: 0 }, log_info: { bool_param: true }, log_format: { string_param: 'default' } }),
  );
  return requests;
}

const key = `/modelport-grpc-differential-${process.pid}`;

function sharedMemoryCalls(): Request[] {
  const register = (name: string, message: object): Request => ({ name: `register: ${name}`, method: 'SystemSharedMemoryRegister', message: { name: 'r', key, byte_size: 32, ...message } });
  const status = (name: string): Request => ({ name: `status of '${name}'`, method: 'SystemSharedMemoryStatus', message: { name } });
  const span = (region: string, offset: number, size: number): object => parameters({ shared_memory_region: region, shared_memory_offset: offset, shared_memory_byte_size: size });
  const trip = (name: string, input: object, output: object): Request => infer(`shared memory: ${name}`, 'identity_FP32', { inputs: [x('FP32', [2], { parameters: input })], outputs: [{ name: 'y', parameters: output }] });
  return [
    status(''), status('r'),
    register('no file', { key: '/modelport-no-such-file' }), register('more than there is', { byte_size: 100_000 }), register('no key', { key: '' }), register('it', {}), register('it again', {}),
    status(''), status('r'),
    trip('there and back', span('r', 0, 8), span('r', 16, 8)), trip('from it alone', span('r', 0, 8), {}), trip('too small for the output', span('r', 0, 8), span('r', 16, 4)), trip('an offset beyond it', span('r', 32, 8), span('r', 16, 8)),
    trip('an end beyond it', span('r', 28, 8), span('r', 16, 8)), trip('another size than the shape', span('r', 0, 4), span('r', 16, 8)),
    infer('shared memory: and raw contents', 'identity_FP32', { inputs: [x('FP32', [2], { parameters: span('r', 0, 8) })], raw_input_contents: [floats] }),
    infer('shared memory: and contents', 'identity_FP32', { inputs: [x('FP32', [2], { parameters: span('r', 0, 8), contents: { fp32_contents: [1, 2] } })] }),
    { name: 'unregister what is not there', method: 'SystemSharedMemoryUnregister', message: { name: 't' } },
    { name: 'unregister it', method: 'SystemSharedMemoryUnregister', message: { name: 'r' } },
    { name: 'unregister all', method: 'SystemSharedMemoryUnregister', message: {} },
    register('no name', { name: '' }),
    { name: 'unregister all again', method: 'SystemSharedMemoryUnregister', message: {} },
    { name: 'cuda status', method: 'CudaSharedMemoryStatus', message: {} },
    { name: 'cuda status of one', method: 'CudaSharedMemoryStatus', message: { name: 'g' } },
    { name: 'cuda register', method: 'CudaSharedMemoryRegister', message: { name: 'g', raw_handle: Buffer.alloc(64), device_id: 0, byte_size: 8 } },
    { name: 'cuda unregister', method: 'CudaSharedMemoryUnregister', message: { name: 'g' } },
    { name: 'cuda unregister all', method: 'CudaSharedMemoryUnregister', message: {} },
  ];
}

function streams(): Request[] {
  const of = (name: string, messages: readonly object[], metadata?: Record<string, string>): Request => ({ name: `stream: ${name}`, method: 'ModelStreamInfer', messages, ...(metadata === undefined ? {} : { metadata }) });
  const message = (id: string, more: object = {}): object => ({ model_name: 'identity_FP32', id, inputs: [x('FP32', [2])], raw_input_contents: [floats], ...more });
  const repeat = (id: string, values: readonly number[], more: object = {}): object => ({ model_name: 'repeat', id, inputs: [{ name: 'IN', datatype: 'INT32', shape: [values.length] }], raw_input_contents: [bytesOf(Int32Array.from(values))], ...more });
  const final = { parameters: parameters({ triton_enable_empty_final_response: true }) };
  const fails = { triton_grpc_error: 'true' };
  return [
    of('nothing', []),
    of('one request', [message('1')]),
    of('an unknown model', [message('1', { model_name: 'nobody' })]),
    of('an unknown version', [message('1', { model_version: '9' })]),
    of('a version that is text', [message('1', { model_version: 'abc' })]),
    of('a wrong shape', [message('1', { inputs: [x('FP32', [1, 2])] })]),
    of('too few bytes', [message('1', { raw_input_contents: [floats.subarray(1)] })]),
    of('a missing input', [message('1', { inputs: [], raw_input_contents: [] })]),
    of('an unknown output', [message('1', { outputs: [{ name: 'z' }] })]),
    of('contents and raw', [message('1', { inputs: [x('FP32', [2], { contents: { fp32_contents: [1, 2] } })] })]),
    of('several answers', [repeat('r', [1, 2, 3])]),
    of('no answer', [repeat('r', [])]),
    of('several answers and the end', [repeat('r', [1, 2, 3], final)]),
    of('the end alone', [repeat('r', [], final)]),
    of('one answer and the end', [message('1', final)]),
    of('answers, then an error', [repeat('r', [1, -1])]),
    of('an error', [repeat('r', [-1])]),
    of('an unknown model, as a status', [message('1', { model_name: 'nobody' })], fails),
    of('a wrong shape, as a status', [message('1', { inputs: [x('FP32', [1, 2])] })], fails),
    of('one request, with errors as a status', [message('1')], fails),
  ];
}

type Call = (request: Request) => Promise<Reply>;

function connect(address: string): { call: Call; close(): void } {
  const client = new Client(address, credentials.createInsecure(), { 'grpc.max_receive_message_length': -1 });
  const encode = (type: string) => (message: object) => Buffer.from(definitions.lookupType(type).encode(definitions.lookupType(type).fromObject(message)).finish());
  const decode = (type: string) => (bytes: Buffer) => definitions.lookupType(type).toObject(definitions.lookupType(type).decode(bytes), { longs: String, enums: String, bytes: String, defaults: true, oneofs: true });
  const path = (method: string): string => `/inference.GRPCInferenceService/${method}`;
  const failed = ({ code, details }: Partial<ServiceError>): Reply => ({ code: code!, text: withoutId(details ?? ''), body: undefined });
  return {
    close: () => client.close(),
    call: ({ method, message, messages, metadata = {} }) =>
      new Promise((resolve) => {
        const given = new Metadata();
        for (const [name, value] of Object.entries(metadata)) given.set(name, value);
        const options = { deadline: Date.now() + 20_000 };
        if (messages === undefined) {
          client.makeUnaryRequest(path(method), encode(`inference.${method}Request`), decode(`inference.${method}Response`), message!, given, options, (error, body) => resolve(error === null ? { code: 0, text: '', body } : failed(error)));
          return;
        }
        const stream = client.makeBidiStreamRequest(path(method), encode('inference.ModelInferRequest'), decode('inference.ModelStreamInferResponse'), given, options);
        const answers: Json[] = [];
        stream.on('data', (answer: Json) => answers.push({ ...answer, error_message: withoutId(answer.error_message as string) }));
        stream.on('error', (error: ServiceError) => resolve({ ...failed(error), body: answers }));
        stream.on('end', () => resolve({ code: 0, text: '', body: answers }));
        for (const each of messages) stream.write(each);
        stream.end();
      }),
  };
}

function withoutId(text: string): string {
  return text.replace(/^\[request id: [^\]]*\] /, '');
}

/** What can be compared, and not what differs by nature. */
function comparable({ method }: Request, body: Json): unknown {
  if (body === undefined) return body;
  const tensors = (list: Json[]): unknown[] => list.map(({ name, data_type: type, dims }) => ({ name, type, dims }));
  switch (method) {
    case 'ModelStatistics':
      return body.model_stats.map((each: Json) => [each.name, each.version, Object.keys(each.inference_stats)].join()).sort();
    case 'ModelConfig':
      return { name: body.config.name, max_batch_size: body.config.max_batch_size, input: tensors(body.config.input), output: tensors(body.config.output), decoupled: body.config.model_transaction_policy?.decoupled ?? false };
    case 'ModelMetadata':
      return { ...body, platform: '' };
    case 'ModelStreamInfer':
      return body.map(({ infer_response: response, error_message: error }: Json) => (error === '' ? response : { error }));
    case 'RepositoryIndex':
      return body.models.map(({ name, version, state }: Json) => ({ name, version, state })).sort((a: Json, b: Json) => (a.name < b.name ? -1 : 1));
    case 'TraceSetting':
    case 'LogSettings':
      return Object.entries(body.settings).sort(([a], [b]) => (a < b ? -1 : 1));
    default:
      return body;
  }
}

describe.skipIf(skipUnless('the comparison with Triton over gRPC', tritonEnvironment))('Triton and Modelport over gRPC', () => {
  let triton: Triton;
  let listener: GrpcListener;
  let theirs: ReturnType<typeof connect>;
  let ours: ReturnType<typeof connect>;
  const seen: Difference[] = [];
  let compared = 0;

  beforeAll(async () => {
    writeFileSync(`/dev/shm${key}`, new Uint8Array(8192));
    const repository = new FakeRepository(commonModels());
    // What load of an unknown model says is the repository's part, which the fake does not have.
    repository.load = async (name) => {
      throw new ModelportError('NOT_FOUND', `failed to load '${name}', failed to poll from model repository`);
    };
    const context = { repository, server: serverFacts, live: () => true, mountedRoutes: () => [] };
    listener = await listenGrpc({ host: '127.0.0.1', port: 0, guard: createGuard({ host: '127.0.0.1' }), methods: openInference.grpcMethods!(context), maxMessageBytes: serverFacts.maxBodyBytes });
    ours = connect(`127.0.0.1:${listener.port}`);
    triton = await startTriton(environment!, commonModels());
    theirs = connect(triton.grpcAddress);
  }, 180_000);

  afterAll(async () => {
    ours?.close();
    theirs?.close();
    await listener?.close();
    await triton?.stop();
    rmSync(`/dev/shm${key}`, { force: true });
  });

  async function askTriton(request: Request): Promise<Reply> {
    const reply = await theirs.call(request);
    const alive = reply.code !== UNAVAILABLE || (await fetch(`${triton.httpUrl}/v2/health/live`).then(() => true, () => false));
    if (alive) return reply;
    theirs.close();
    await triton.stop();
    triton = await startTriton(environment!, commonModels());
    theirs = connect(triton.grpcAddress);
    return { code: died, text: 'the connection was closed', body: undefined };
  }

  const groups: [string, () => Request[]][] = [['good infers', goodInfers], ['bad infers', badInfers], ['other calls', otherCalls], ['shared memory', sharedMemoryCalls], ['streams', streams]];
  for (const [group, requests] of groups) {
    test(group, { timeout: 600_000 }, async () => {
      const surprises: string[] = [];
      for (const request of requests()) {
        const their = await askTriton(request);
        const own = await ours.call(request);
        compared++;
        const found: Difference['what'][] = [];
        if (their.code !== own.code) found.push('code');
        if (their.text !== own.text) found.push('text');
        if (their.code === 0 && own.code === 0 && JSON.stringify(comparable(request, their.body)) !== JSON.stringify(comparable(request, own.body))) found.push('body');
        for (const what of found) {
          const difference: Difference = { request, what, triton: their, ours: own };
          seen.push(difference);
          if (!differences.some((allowed) => allowed.applies(difference))) {
            const shown = ({ code, text, body }: Reply): string => `${code} ${text === '' ? JSON.stringify(code === 0 ? comparable(request, body) : body)?.slice(0, 500) : text}`;
            surprises.push(`${request.method} ${request.name}: ${what}\n    Triton ${shown(their)}\n    ours   ${shown(own)}`);
          }
        }
        if (own.code === INTERNAL && !request.name.startsWith('stream: an')) surprises.push(`${request.name}: INTERNAL ${own.text}`);
      }
      expect(surprises.join('\n')).toBe('');
    });
  }

  test('hundreds of calls were compared, and each listed difference still occurs', () => {
    expect(compared).toBeGreaterThan(300);
    const idle = differences.filter((allowed) => !seen.some((difference) => allowed.applies(difference)));
    expect(idle.map(({ reason }) => reason)).toEqual([]);
    const sameRequests = new Set(seen.map(({ request }) => request)).size;
    console.log(`${compared} calls, ${compared - sameRequests} with the same answer\n${differences.map((allowed) => `${String(seen.filter((difference) => allowed.applies(difference)).length).padStart(4)}  ${allowed.reason}`).join('\n')}`);
  });
});
