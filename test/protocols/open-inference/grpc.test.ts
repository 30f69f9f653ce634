/** The gRPC side of the Open Inference Protocol, spoken by grpc-js over a real port, with messages made from the vendored definitions. */
import { join } from 'node:path';
import { type Client, credentials, makeGenericClientConstructor, Metadata, type ServiceError } from '@grpc/grpc-js';
import protobuf from 'protobufjs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { readInferRequest } from '../../../src/protocols/open-inference/grpc/infer-messages.ts';
import { root, startModelport, type RunningModelport } from '../../start-modelport.ts';

const definitions = new protobuf.Root();
definitions.resolvePath = (_origin, target) => join(root, 'proto/triton', target.split('/').at(-1)!);
definitions.loadSync(['grpc_service.proto', 'health.proto'], { keepCase: true });

type Message = Record<string, unknown>;
const encode = (type: string) => (message: Message) => Buffer.from(definitions.lookupType(type).encode(definitions.lookupType(type).fromObject(message)).finish());
const decode = (type: string) => (bytes: Buffer) => definitions.lookupType(type).toObject(definitions.lookupType(type).decode(bytes), { longs: Number, enums: String, defaults: true, oneofs: true });

let server: RunningModelport;
let client: Client;
beforeAll(async () => {
  server = await startModelport({ arguments: [join(root, 'test/fixtures/onnx/mlp.onnx'), join(root, 'test/fixtures/onnx/words.onnx'), join(root, 'test/fixtures/onnx/datatypes.onnx'), join(root, 'examples/models/iris'), '--model-control-mode', 'explicit', '--load-model', '*'] });
  client = new (makeGenericClientConstructor({}, 'test'))(`127.0.0.1:${server.grpcPort}`, credentials.createInsecure());
});
afterAll(async () => {
  client.close();
  await server.stop();
});

function call(name: string, message: Message = {}, options: { service?: string; request?: string; response?: string; deadlineMs?: number } = {}): Promise<Message> {
  const service = options.service ?? 'inference.GRPCInferenceService';
  const packageName = service.slice(0, service.lastIndexOf('.'));
  return new Promise((resolve, reject) => {
    client.makeUnaryRequest(
      `/${service}/${name}`,
      encode(`${packageName}.${options.request ?? `${name}Request`}`),
      decode(`${packageName}.${options.response ?? `${name}Response`}`),
      message,
      new Metadata(),
      options.deadlineMs === undefined ? {} : { deadline: Date.now() + options.deadlineMs },
      (error, response) => (error === null ? resolve(response as Message) : reject(error)),
    );
  });
}

const infer = (message: Message) => call('ModelInfer', message);
const code = (promise: Promise<unknown>) => promise.then(() => ({ code: 0, details: '' }), ({ code: status, details }: ServiceError) => ({ code: status, details }));

async function streamInfer(messages: Message[], metadata: Record<string, string> = {}): Promise<Message[]> {
  const given = new Metadata();
  for (const [name, value] of Object.entries(metadata)) given.set(name, value);
  const stream = client.makeBidiStreamRequest('/inference.GRPCInferenceService/ModelStreamInfer', encode('inference.ModelInferRequest'), decode('inference.ModelStreamInferResponse'), given);
  const answers: Message[] = [];
  return new Promise((resolve, reject) => {
    stream.on('data', (answer: Message) => answers.push(answer));
    stream.on('end', () => resolve(answers));
    stream.on('error', reject);
    for (const message of messages) stream.write(message);
    stream.end();
  });
}

const floats = (bytes: unknown) => [...new Float32Array(new Uint8Array(bytes as Uint8Array).buffer)];
const raw = (values: number[]) => new Uint8Array(Float32Array.from(values).buffer);

async function mlpInput(values: number[]): Promise<Message> {
  const metadata = await call('ModelMetadata', { name: 'mlp' });
  const [input] = metadata['inputs'] as { name: string }[];
  return { model_name: 'mlp', inputs: [{ name: input!.name, datatype: 'FP32', shape: [values.length / 4, 4] }], raw_input_contents: [raw(values)] };
}

describe('the server', () => {
  test('is live, ready, and says what it is', async () => {
    expect(await call('ServerLive')).toEqual({ live: true });
    expect(await call('ServerReady')).toEqual({ ready: true });
    expect(await call('ServerMetadata')).toMatchObject({ name: 'modelport', extensions: expect.arrayContaining(['binary_tensor_data', 'statistics']) as string[] });
    expect(await call('ModelReady', { name: 'mlp' })).toEqual({ ready: true });
    expect(await call('ModelReady', { name: 'nobody' })).toEqual({ ready: false });
  });

  test('answers health checks', async () => {
    const health = { service: 'grpc.health.v1.Health', request: 'HealthCheckRequest', response: 'HealthCheckResponse' };
    expect(await call('Check', {}, health)).toEqual({ status: 'SERVING' });
    expect(await call('Check', { service: 'iris' }, health)).toEqual({ status: 'SERVING' });
    expect(await code(call('Check', { service: 'nobody' }, health))).toMatchObject({ code: 5 });
  });

  test('tells of changes of health as they come', async () => {
    const stream = client.makeServerStreamRequest('/grpc.health.v1.Health/Watch', encode('grpc.health.v1.HealthCheckRequest'), decode('grpc.health.v1.HealthCheckResponse'), { service: 'datatypes' });
    const seen: unknown[] = [];
    stream.on('data', (answer: Message) => seen.push(answer['status']));
    stream.on('error', () => {});
    await expect.poll(() => seen).toEqual(['SERVING']);
    await call('RepositoryModelUnload', { model_name: 'datatypes' });
    await expect.poll(() => seen).toEqual(['SERVING', 'NOT_SERVING']);
    await call('RepositoryModelLoad', { model_name: 'datatypes' });
    await expect.poll(() => seen.at(-1)).toBe('SERVING');
    stream.cancel();
  });

  test('tells metadata, config, statistics and the index', async () => {
    expect(await call('ModelMetadata', { name: 'iris' })).toMatchObject({ name: 'iris', versions: ['1'], inputs: [{ name: 'measurements', datatype: 'FP32', shape: [-1, 4] }] });
    const { config } = (await call('ModelConfig', { name: 'iris' })) as { config: Message };
    expect(config).toMatchObject({ name: 'iris', max_batch_size: 64, input: [{ name: 'measurements', data_type: 'TYPE_FP32', dims: [4] }] });
    await infer(await mlpInput([1, 2, 3, 4]));
    const { model_stats: stats } = (await call('ModelStatistics', { name: 'mlp' })) as { model_stats: { name: string; inference_stats: { success: { count: number } } }[] };
    expect(stats[0]!.inference_stats.success.count).toBeGreaterThan(0);
    expect(((await call('ModelStatistics')) as { model_stats: unknown[] }).model_stats.length).toBe(4);
    const { models } = (await call('RepositoryIndex')) as { models: { name: string; state: string }[] };
    expect(models.map(({ name, state }) => [name, state])).toContainEqual(['mlp', 'READY']);
    expect(await code(call('RepositoryIndex', { repository_name: 'x' }))).toMatchObject({ code: 12 });
  });

  test('unloads and loads', async () => {
    await call('RepositoryModelUnload', { model_name: 'words' });
    expect(await call('ModelReady', { name: 'words' })).toEqual({ ready: false });
    await call('RepositoryModelLoad', { model_name: 'words' });
    expect(await call('ModelReady', { name: 'words' })).toEqual({ ready: true });
    expect(await code(call('RepositoryModelLoad', { model_name: 'nobody' }))).toMatchObject({ details: expect.stringContaining("failed to load 'nobody'") as string });
  });

  test('keeps trace and log settings', async () => {
    const trace = (await call('TraceSetting', { settings: { trace_rate: { value: ['7'] } } })) as { settings: Record<string, { value: string[] }> };
    expect(trace.settings['trace_rate']).toEqual({ value: ['7'] });
    const log = (await call('LogSettings', { settings: { log_verbose_level: { uint32_param: 2 } } })) as { settings: Record<string, Message> };
    expect(log.settings['log_verbose_level']).toMatchObject({ uint32_param: 2 });
    expect(await code(call('TraceSetting', { settings: { nothing: { value: ['7'] } } }))).toMatchObject({ code: 3 });
  });

  test('has no GPU, and no shared memory unless it was asked for', async () => {
    expect(await call('CudaSharedMemoryStatus')).toEqual({ regions: {} });
    expect(await code(call('CudaSharedMemoryRegister', { name: 'r' }))).toMatchObject({ code: 3, details: expect.stringContaining('GPUs not supported') as string });
    expect(await call('SystemSharedMemoryStatus')).toEqual({ regions: {} });
    expect(await code(call('SystemSharedMemoryRegister', { name: 'r', key: '/r', byte_size: 4 }))).toMatchObject({ code: 12, details: expect.stringContaining('--allow-shared-memory') as string });
  });

  test('reflects', async () => {
    const grpc = { Request: { fields: { listServices: { type: 'string', id: 7 }, symbol: { type: 'string', id: 4 } } }, Response: { fields: { files: { type: 'Files', id: 4 }, list: { type: 'List', id: 6 } } }, Files: { fields: { file: { rule: 'repeated', type: 'bytes', id: 1 } } }, List: { fields: { service: { rule: 'repeated', type: 'Service', id: 1 } } }, Service: { fields: { name: { type: 'string', id: 1 } } } };
    const types = protobuf.Root.fromJSON({ nested: grpc as never });
    for (const version of ['v1', 'v1alpha']) {
      const stream = client.makeBidiStreamRequest(`/grpc.reflection.${version}.ServerReflection/ServerReflectionInfo`, (message: Message) => Buffer.from(types.lookupType('Request').encode(message).finish()), (bytes) => types.lookupType('Response').toObject(types.lookupType('Response').decode(bytes)));
      const answers: Message[] = [];
      stream.on('data', (answer: Message) => answers.push(answer));
      stream.write({ listServices: '*' });
      stream.write({ symbol: 'inference.GRPCInferenceService' });
      stream.end();
      await new Promise((resolve) => stream.on('end', resolve));
      expect((answers[0]!['list'] as { service: { name: string }[] }).service.map(({ name }) => name)).toEqual(expect.arrayContaining(['inference.GRPCInferenceService', 'grpc.health.v1.Health']));
      const file = Buffer.from((answers[1]!['files'] as { file: Uint8Array[] }).file[0]!).toString('latin1');
      expect(file).toContain('ModelStreamInfer');
    }
  });
});

describe('ModelInfer', () => {
  test('raw contents, typed contents and REST agree', async () => {
    const message = await mlpInput([1, 2, 3, 4, 5, 6, 7, 8]);
    const fromRaw = await infer({ ...message, id: 'abc' });
    expect(fromRaw).toMatchObject({ model_name: 'mlp', model_version: '1', id: 'abc' });
    const [input] = message['inputs'] as { name: string; shape: number[] }[];
    const typed = await infer({ model_name: 'mlp', inputs: [{ ...input, datatype: 'FP32', contents: { fp32_contents: [1, 2, 3, 4, 5, 6, 7, 8] } }] });
    expect(typed['raw_output_contents']).toEqual(fromRaw['raw_output_contents']);
    const rest = (await (await fetch(`${server.url}/v2/models/mlp/infer`, { method: 'POST', body: JSON.stringify({ inputs: [{ ...input, datatype: 'FP32', data: [1, 2, 3, 4, 5, 6, 7, 8] }] }) })).json()) as { outputs: { shape: number[]; data: number[] }[] };
    const outputs = fromRaw['outputs'] as { shape: number[] }[];
    expect(outputs[0]!.shape).toEqual(rest.outputs[0]!.shape);
    expect(floats((fromRaw['raw_output_contents'] as Uint8Array[])[0])).toEqual(rest.outputs[0]!.data.map(Math.fround));
  });

  test('text goes in and out', async () => {
    const { inputs } = (await call('ModelMetadata', { name: 'words' })) as { inputs: { name: string; shape: number[] }[] };
    const answer = await infer({ model_name: 'words', inputs: [{ name: inputs[0]!.name, datatype: 'BYTES', shape: inputs[0]!.shape.map((size) => (size === -1 ? 1 : size)), contents: { bytes_contents: Array.from({ length: inputs[0]!.shape.reduce((product, size) => product * Math.abs(size), 1) }, () => Buffer.from('grüße 🙂')) } }] });
    expect((answer['outputs'] as unknown[]).length).toBeGreaterThan(0);
  });

  test.each([
    ['an unknown model', { model_name: 'nobody' }, 5, "Request for unknown model: 'nobody' is not found"],
    ['an unknown version', { model_name: 'mlp', model_version: '9' }, 5, '9'],
    ['no inputs', { model_name: 'mlp' }, 3, 'missing required input(s)'],
    ['an unknown datatype', { model_name: 'mlp', inputs: [{ name: 'x', datatype: 'FP12', shape: [1, 4] }] }, 3, 'FP12'],
    ['a negative size', { model_name: 'mlp', inputs: [{ name: 'x', datatype: 'FP32', shape: [-1, -4], contents: { fp32_contents: [1, 2, 3, 4] } }] }, 3, '-1'],
    ['a huge shape', { model_name: 'mlp', inputs: [{ name: 'x', datatype: 'FP32', shape: [1, 2 ** 60] }], raw_input_contents: [new Uint8Array(16)] }, 3, 'a size is from 0 to 2147483647'],
    ['too few bytes', { model_name: 'mlp', inputs: [{ name: 'x', datatype: 'FP32', shape: [1, 4] }], raw_input_contents: [new Uint8Array(15)] }, 3, '16'],
    ['too many raw contents', { model_name: 'mlp', inputs: [{ name: 'x', datatype: 'FP32', shape: [1, 4] }], raw_input_contents: [new Uint8Array(16), new Uint8Array(16)] }, 3, 'raw_input_contents'],
    ['contents of another type', { model_name: 'mlp', inputs: [{ name: 'x', datatype: 'FP32', shape: [1, 4], contents: { int_contents: [1, 2, 3, 4] } }] }, 3, 'fp32_contents'],
    ['both kinds of contents', { model_name: 'mlp', inputs: [{ name: 'x', datatype: 'FP32', shape: [1, 4], contents: { fp32_contents: [1, 2, 3, 4] } }], raw_input_contents: [new Uint8Array(16)] }, 3, 'raw_input_contents'],
    ['contents for half floats', { model_name: 'mlp', inputs: [{ name: 'x', datatype: 'FP16', shape: [1, 4], contents: { fp32_contents: [1, 2, 3, 4] } }] }, 3, 'raw_input_contents'],
    ['a number out of range', { model_name: 'mlp', inputs: [{ name: 'x', datatype: 'INT8', shape: [1], contents: { int_contents: [300] } }] }, 3, '300'],
    ['a reserved parameter', { model_name: 'mlp', parameters: { triton_x: { int64_param: 1 } }, inputs: [] }, 3, 'triton_'],
  ] as const)('%s is told apart', async (_name, message, status, text) => {
    const answer = await code(infer(message as unknown as Message));
    expect(answer).toEqual({ code: status, details: expect.stringContaining(text) as string });
    expect(await call('ServerLive')).toEqual({ live: true });
  });

  test('a deadline that has passed is an error, not an answer', async () => {
    expect(await code(call('ModelInfer', await mlpInput([1, 2, 3, 4]), { deadlineMs: -1 }))).toMatchObject({ code: 4 });
  });
});

describe('ModelStreamInfer', () => {
  test('answers every request of a stream', async () => {
    const messages = await Promise.all(Array.from({ length: 200 }, async (_, index) => ({ ...(await mlpInput([index, 0, 0, 0])), id: String(index) })));
    const answers = await streamInfer(messages);
    expect(answers.map((answer) => (answer['infer_response'] as { id: string }).id).sort((a, b) => Number(a) - Number(b))).toEqual(messages.map(({ id }) => id));
  });

  test('errors are messages, or the status of the stream for those who ask', async () => {
    const good = await mlpInput([1, 2, 3, 4]);
    const answers = await streamInfer([{ model_name: 'nobody', id: 'bad' }, { ...good, id: 'good' }]);
    const failed = answers.find((answer) => answer['error_message'] !== '')!;
    expect(failed['error_message']).toContain('nobody');
    expect(answers.some((answer) => (answer['infer_response'] as { id: string } | null)?.id === 'good' && answer['error_message'] === '')).toBe(true);
    await expect(streamInfer([{ model_name: 'nobody' }], { triton_grpc_error: 'true' })).rejects.toMatchObject({ code: 5 });
  });

  test('every answer says whether it is the last', async () => {
    for (const parameters of [{}, { triton_enable_empty_final_response: { bool_param: true } }]) {
      const answers = await streamInfer([{ ...(await mlpInput([1, 2, 3, 4])), parameters }]);
      expect(answers).toHaveLength(1);
      const only = answers[0]!['infer_response'] as { parameters: Record<string, { bool_param: boolean }> };
      expect(only.parameters['triton_final_response']).toMatchObject({ bool_param: true });
    }
  });
});

describe('fuzz', () => {
  test('no bytes of a ModelInferRequest take the reader down', () => {
    const valid = encode('inference.ModelInferRequest')({ model_name: 'm', id: 'x', parameters: { a: { int64_param: 1 }, b: { string_param: 'c' } }, inputs: [{ name: 'i', datatype: 'FP32', shape: [1, 4], contents: { fp32_contents: [1, 2, 3, 4], int64_contents: [1, -1] } }], outputs: [{ name: 'o', parameters: { classification: { int64_param: 3 } } }], raw_input_contents: [new Uint8Array(8)] });
    let seed = 5;
    const random = () => ((seed = (seed * 1103515245 + 12345) & 0x7fffffff) / 0x7fffffff);
    let read = 0;
    for (let run = 0; run < Number(process.env['MODELPORT_FUZZ_RUNS'] ?? 2000); run++) {
      const bytes = Buffer.from(valid);
      for (let mutation = 0; mutation < 1 + random() * 8; mutation++) bytes[Math.floor(random() * bytes.length)] = Math.floor(random() * 256);
      try {
        readInferRequest(bytes.subarray(0, Math.floor(bytes.length * (0.5 + random() / 2))));
        read++;
      } catch (error) {
        expect((error as Error).constructor.name).toBe('MalformedMessageError');
      }
    }
    expect(read).toBeGreaterThan(0);
  });

  test('reading is the inverse of the definitions’ own writing', () => {
    const message = { model_name: 'm', model_version: '2', id: 'x', parameters: { big: { uint64_param: '18446744073709551615' }, small: { int64_param: -5 }, real: { double_param: 0.5 }, yes: { bool_param: true }, word: { string_param: 'é' } }, inputs: [{ name: 'i', datatype: 'INT64', shape: [2], contents: { int64_contents: ['-9223372036854775808', '9223372036854775807'] } }] };
    const read = readInferRequest(encode('inference.ModelInferRequest')(message));
    expect({ ...read.parameters }).toEqual({ big: 18446744073709551615n, small: -5, real: 0.5, yes: true, word: 'é' });
    expect(read.inputs[0]!.contents[0]!.data).toEqual(BigInt64Array.from([-(2n ** 63n), 2n ** 63n - 1n]));
    expect(read.inputs[0]!.shape).toEqual([2]);
  });
});
