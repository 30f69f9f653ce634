/** What clients get wrong, on every wire of a real server: refused with a status that says whose mistake it was, and nothing else changes. */
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { Agent, request as httpRequest } from 'node:http';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { credentials, makeGenericClientConstructor, Metadata, type Client, type ServiceError } from '@grpc/grpc-js';
import protobuf from 'protobufjs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { fuzzRuns, mutate, random, type Random } from '../fixtures/random.ts';
import { root, startModelport, type RunningModelport } from '../start-modelport.ts';

const fixture = (name: string): string => join(root, 'test/fixtures/onnx', name);
let server: RunningModelport;
let client: Client;
const agent = new Agent({ keepAlive: true, maxSockets: 16 });
const definitions = new protobuf.Root();
definitions.resolvePath = (_origin, target) => join(root, 'proto/triton', target.split('/').at(-1)!);
definitions.loadSync(['grpc_service.proto'], { keepCase: true });

const garden = join(mkdtempSync(join(tmpdir(), 'modelport-wires-')), 'garden');

beforeAll(async () => {
  mkdirSync(garden);
  copyFileSync(fixture('mlp.onnx'), join(garden, 'model.onnx'));
  writeFileSync(join(garden, 'model.yaml'), 'task:\n  name: tabular-classification\n  features:\n    - name: height\n    - name: width\n    - name: depth\n    - name: kind\n      categories: [wild, garden]\n');
  server = await startModelport({ arguments: [...['mlp', 'words', 'datatypes', 'gather'].map((name) => fixture(`${name}.onnx`)), join(root, 'examples/models/iris'), join(root, 'examples/models/digits'), garden, '--max-body', '1MB'] });
  client = new (makeGenericClientConstructor({}, 'faults'))(`127.0.0.1:${server.grpcPort}`, credentials.createInsecure());
});
afterAll(async () => {
  agent.destroy();
  client.close();
  expect(server.output()).not.toMatch(/\n\s+at |Modelport itself failed/);
  expect(await server.stop()).toBe(0);
  rmSync(join(garden, '..'), { recursive: true });
});

interface Answer {
  readonly status: number;
  readonly text: string;
}

const patienceMs = 15_000;

/** Rejects where nothing is answered: that is the hang that these tests look for. */
function post(path: string, body: string | Uint8Array, headers: Readonly<Record<string, string>> = {}): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const request = httpRequest({ host: '127.0.0.1', port: server.httpPort, method: 'POST', path, agent, timeout: patienceMs, headers: { 'content-length': String(Buffer.byteLength(body)), ...headers } }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('end', () => resolve({ status: response.statusCode!, text: Buffer.concat(chunks).toString() }));
      response.on('error', reject);
    });
    request.on('timeout', () => request.destroy(new Error(`no answer to ${path} within ${patienceMs} ms`)));
    request.on('error', reject);
    request.end(body);
  });
}

function call(bytes: Uint8Array): Promise<{ code: number; details: string }> {
  return new Promise((resolve) => {
    client.makeUnaryRequest('/inference.GRPCInferenceService/ModelInfer', (message: Uint8Array) => Buffer.from(message), (answer: Buffer) => answer, bytes, new Metadata(), { deadline: Date.now() + patienceMs }, (error: ServiceError | null) =>
      resolve(error === null ? { code: 0, details: '' } : { code: error.code, details: error.details }));
  });
}

const inferRequest = definitions.lookupType('inference.ModelInferRequest');
const encode = (message: Record<string, unknown>): Uint8Array => inferRequest.encode(inferRequest.fromObject(message)).finish();

const x = { name: 'x', shape: [1, 4], datatype: 'FP32', data: [1, 2, 3, 4] };
const infer = (document: unknown, model = 'mlp') => post(`/v2/models/${model}/infer`, typeof document === 'string' ? document : JSON.stringify(document));
const errorOf = ({ text }: Answer): string => (JSON.parse(text) as { error: string }).error;

/** That the server answers as if nothing had happened. */
async function expectRightAnswers(): Promise<void> {
  const answer = await infer({ inputs: [x] });
  expect(answer.status).toBe(200);
  expect((JSON.parse(answer.text) as { outputs: { shape: number[] }[] }).outputs[0]!.shape[0]).toBe(1);
  const flower = await post('/models/iris/predict', '{"sepal_length": 6.3, "sepal_width": 3.3, "petal_length": 6.0, "petal_width": 2.5}', { 'content-type': 'application/json' });
  expect([flower.status, (JSON.parse(flower.text) as { label: string }).label]).toEqual([200, 'virginica']);
  expect((await call(encode({ model_name: 'mlp', inputs: [{ name: 'x', datatype: 'FP32', shape: [1, 4] }], raw_input_contents: [new Uint8Array(16)] }))).code).toBe(0);
  expect(server.process.exitCode).toBeNull();
}

describe('mistakes, each with its own message', () => {
  test.each<[string, unknown, RegExp]>([
    ['a wrong name', { inputs: [{ ...x, name: 'y' }] }, /unexpected inference input 'y' for model 'mlp'/],
    ['a wrong datatype', { inputs: [{ ...x, datatype: 'FP64' }] }, /data-type is 'FP64', but model 'mlp' expects 'FP32'/],
    ['a datatype that does not exist', { inputs: [{ ...x, datatype: 'FLOAT' }] }, /FLOAT/],
    ['a wrong shape', { inputs: [{ ...x, shape: [4, 1] }] }, /unexpected shape for input 'x' for model 'mlp'\. Expected \[-1,4\], got \[4,1\]/],
    ['a wrong rank', { inputs: [{ ...x, shape: [4] }] }, /Expected \[-1,4\], got \[4\]/],
    ['more rows than data', { inputs: [{ ...x, shape: [2, 4] }] }, /8|elements/],
    ['less rows than data', { inputs: [{ ...x, data: [...x.data, 5] }] }, /4|elements/],
    ['too many rows', { inputs: [{ ...x, shape: [65, 4], data: Array.from({ length: 260 }, () => 1) }] }, /batch-size must be <= 64 for 'mlp', got 65/],
    ['a row count that nobody has memory for', { inputs: [{ ...x, shape: [2 ** 40, 4] }] }, /elements|shape|too/],
    ['a negative size', { inputs: [{ ...x, shape: [-1, 4] }] }, /shape/],
    ['a size that is no integer', { inputs: [{ ...x, shape: [1.5, 4] }] }, /shape/],
    ['text where a number belongs', { inputs: [{ ...x, data: [1, 2, '3', 4] }] }, /data\[2\]|number/],
    ['no inputs', {}, /inputs/],
    ['an output that is not there', { inputs: [x], outputs: [{ name: 'nobody' }] }, /unexpected inference output 'nobody'/],
    ['no JSON', 'hello', /JSON|parse/i],
    ['nothing', '', /JSON|parse|empty/i],
  ])('%s', async (_what, document, message) => {
    const answer = await infer(document);
    expect([answer.status, errorOf(answer)]).toEqual([400, expect.stringMatching(message)]);
  });

  test('a number where text belongs', async () => {
    const { inputs } = JSON.parse(await (await fetch(`${server.url}/v2/models/words`)).text()) as { inputs: { name: string; datatype: string; shape: number[] }[] };
    expect(inputs.map(({ datatype }) => datatype)).toEqual(['BYTES']);
    const answer = await infer({ inputs: inputs.map((input) => ({ ...input, shape: input.shape.map((size) => Math.max(1, size)), data: Array.from({ length: input.shape.reduce((product, size) => product * Math.max(1, size), 1) }, () => 5) })) }, 'words');
    expect([answer.status, errorOf(answer)]).toEqual([400, "Unable to parse 'data': inputs[0].data[0]: expected text, found a number"]);
  });

  test('an index beyond the end, which only the model knows, fails nobody else', async () => {
    const { inputs } = JSON.parse(await (await fetch(`${server.url}/v2/models/gather`)).text()) as { inputs: { name: string; datatype: string; shape: number[] }[] };
    const look = (index: number) => infer({ inputs: inputs.map((input) => ({ ...input, shape: input.shape.map((size) => Math.max(1, size)), data: Array.from({ length: input.shape.reduce((product, size) => product * Math.max(1, size), 1) }, () => index) })) }, 'gather');
    const right = [0, 1, 2].map(async (index) => (await look(index)).text);
    const alone = await Promise.all(right);
    // All at once: they are joined to one run.
    const answers = await Promise.all(Array.from({ length: 64 }, async (_, index) => [index, await look(index % 8 === 3 ? 1_000_000 : index % 3)] as const));
    for (const [index, answer] of answers) {
      if (index % 8 === 3) expect([answer.status, errorOf(answer)]).toEqual([500, expect.stringMatching(/gather.*failed in .*Gather.*indices element out of data bounds/)]);
      else expect([answer.status, answer.text]).toEqual([200, alone[index % 3]]);
    }
  });

  test.each([
    ['lists in the data', `{"inputs":[{"name":"x","shape":[1,4],"datatype":"FP32","data":${'['.repeat(100_000)}1${']'.repeat(100_000)}}]}`],
    ['lists that are never closed', `{"inputs":[{"name":"x","shape":[1,4],"datatype":"FP32","data":${'['.repeat(500_000)}`],
    ['objects in a member that nobody reads', `{"unread":${'{"a":'.repeat(50_000)}1${'}'.repeat(50_000)},"inputs":[]}`],
    ['objects in parameters', `{"parameters":${'{"a":'.repeat(50_000)}1${'}'.repeat(50_000)},"inputs":[]}`],
    ['lists as the document', '['.repeat(1_000_000)],
  ])('a nesting bomb: %s', async (_what, body) => {
    expect((await post('/v2/models/mlp/infer', body)).status).toBe(400);
    for (const path of ['/v2/models/mlp/generate', '/v2/repository/index', '/v2/logging', '/models/iris/predict', '/models/digits/predict']) {
      const { status } = await post(path, body, { 'content-type': 'application/json' });
      expect([path, status >= 400 && status < 500]).toEqual([path, true]);
    }
    await expectRightAnswers();
  });

  test.each([
    ['by its length', `POST /v2/models/mlp/infer HTTP/1.1\r\nHost: localhost\r\nContent-Length: 500\r\n\r\n{"inputs":[{"name":"x","sha`],
    ['in a chunk', `POST /v2/models/mlp/infer HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n40\r\n{"inputs":[{"name"`],
    ['in a form', `POST /models/digits/predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: multipart/form-data; boundary=b\r\nContent-Length: 900\r\n\r\n--b\r\nContent-Disposition: form-data; name="image"; filename="a.png"\r\n\r\n\x89PNG`],
  ])('a body that is cut off half way, %s', async (_what, bytes) => {
    // Both by going away and by ending politely. In neither case anything is run.
    const count = async () => ((JSON.parse(await (await fetch(`${server.url}/v2/models/mlp/stats`)).text()) as { model_stats: { inference_stats: { success: { count: number }; fail: { count: number } } }[] }).model_stats[0]!).inference_stats;
    const before = await count();
    await Promise.all(Array.from({ length: 20 }, (_, index) => new Promise<void>((resolve) => {
      const socket = connect(server.httpPort, '127.0.0.1', () => {
        socket.write(bytes);
        if (index % 2 === 0) socket.end();
        else setTimeout(() => socket.resetAndDestroy(), 20);
      });
      socket.on('data', () => {});
      socket.on('error', () => {});
      socket.on('close', () => resolve());
    })));
    expect((await count()).success.count).toBe(before.success.count);
    await expectRightAnswers();
  });
});

describe('mistakes in tables, each with its own message', () => {
  const flower = { sepal_length: 6.3, sepal_width: 3.3, petal_length: 6, petal_width: 2.5 };
  test.each<[string, string, string, RegExp]>([
    ['a missing column', JSON.stringify({ ...flower, sepal_width: undefined }), 'sepal_width', /^column 'sepal_width' is missing: write a number in cm$/],
    ['a misspelt column', JSON.stringify({ ...flower, sepal_wdith: 3 }), 'sepal_wdith', /^there is no column 'sepal_wdith'; did you mean 'sepal_width'\?$/],
    ['columns in an order that nobody knows', JSON.stringify([Object.values(flower)]), '[0]', /^a row is a list without column names: write \{"columns": /],
    ['a column twice', JSON.stringify({ columns: ['sepal_width', 'sepal_width', 'petal_length', 'petal_width'], rows: [[1, 2, 3, 4]] }), 'columns[1]', /^column 'sepal_width' is there twice$/],
    ['NaN, as Python writes it', JSON.stringify({ ...flower, petal_width: 0.123 }).replace('0.123', 'NaN'), 'petal_width', /^column 'petal_width' is NaN, not a number: write a number in cm$/],
    ['null', JSON.stringify({ ...flower, petal_width: null }), 'petal_width', /^column 'petal_width' is null/],
    ['text', JSON.stringify({ ...flower, petal_width: 'wide' }), 'petal_width', /^column 'petal_width' is the text 'wide'/],
  ])('%s', async (_what, body, at, message) => {
    const answer = await post('/models/iris/predict', body, { 'content-type': 'application/json' });
    expect([answer.status, JSON.parse(answer.text)]).toEqual([422, { code: 'INVALID_VALUE', at, error: expect.stringMatching(message) as string }]);
  });

  test('an unknown category', async () => {
    const answer = await post('/models/garden/predict', '{"height": 1, "width": 2, "depth": 3, "kind": "gardn"}', { 'content-type': 'application/json' });
    expect([answer.status, JSON.parse(answer.text)]).toEqual([422, { code: 'INVALID_VALUE', at: 'kind', error: "column 'kind' is 'gardn', which is no known category; did you mean 'garden'?" }]);
    expect((await post('/models/garden/predict', '{"height": 1, "width": 2, "depth": 3, "kind": "garden"}', { 'content-type': 'application/json' })).status).toBe(200);
  });

  test('columns in another order, with their names, are put right', async () => {
    const { status, text } = await post('/models/iris/predict', '{"columns": ["petal_width", "petal_length", "sepal_width", "sepal_length"], "rows": [[2.5, 6.0, 3.3, 6.3]]}', { 'content-type': 'application/json' });
    expect([status, (JSON.parse(text) as { label: string }[])[0]!.label]).toEqual([200, 'virginica']);
  });
});

/** Sends everything, some at a time, and gives how often each status came. */
async function flood<Body>(bodies: readonly Body[], send: (body: Body) => Promise<number>): Promise<Map<number, number>> {
  const statuses = new Map<number, number>();
  let next = 0;
  await Promise.all(Array.from({ length: 16 }, async () => {
    while (next < bodies.length) {
      const status = await send(bodies[next++]!);
      statuses.set(status, (statuses.get(status) ?? 0) + 1);
    }
  }));
  return statuses;
}

const refusals = [400, 404, 411, 413, 415, 422];

function expectSensible(statuses: ReadonlyMap<number, number>): void {
  expect([...statuses.keys()].filter((status) => status !== 200 && !refusals.includes(status))).toEqual([]);
  expect(statuses.get(200) ?? 0).toBeGreaterThan(0);
  expect(statuses.get(400) ?? 0).toBeGreaterThan(0);
}

const oddities: readonly unknown[] = [null, true, 0, -1, 1.5, 1e300, 2 ** 53, '', 'x', 'FP32', 'BYTES', [], {}, [[]], [1, 2, 3, 4], { x: 1 }, '\u0000', '\ud800', [null], Number.MAX_SAFE_INTEGER];
const often = (source: Random, right: unknown): unknown => (source.next() < 0.85 ? right : source.pick(oddities));

/** Requests that are right in most parts and wrong in a few. */
function document(source: Random): Record<string, unknown> {
  const rows = source.integer(0, 3);
  const datatype = source.pick(['FP32', 'FP32', 'FP32', 'FP64', 'INT64', 'BYTES', 'BOOL', 'FP16', 'BF16', 'UINT8']);
  const data = Array.from({ length: rows * 4 }, () => (datatype === 'BYTES' ? 'text' : source.integer(0, 1)));
  const input = { name: often(source, 'x'), shape: often(source, [often(source, rows), 4]), datatype: often(source, datatype), data: often(source, data), ...(source.next() < 0.2 ? { parameters: often(source, { binary_data_size: often(source, 16) }) } : {}) };
  return {
    inputs: often(source, source.next() < 0.1 ? [input, input] : [input]),
    ...(source.next() < 0.3 ? { id: often(source, 'a') } : {}),
    ...(source.next() < 0.3 ? { outputs: often(source, [{ name: often(source, 'y'), parameters: often(source, { [source.pick(['classification', 'binary_data', 'shared_memory_region'])]: often(source, 2) }) }]) } : {}),
    ...(source.next() < 0.3 ? { parameters: often(source, { [source.pick(['sequence_id', 'priority', 'sequence_start', 'binary_data_output', 'a'])]: often(source, 1) }) } : {}),
  };
}

describe('generated bodies', () => {
  const outputName = async (): Promise<string> => (JSON.parse(await (await fetch(`${server.url}/v2/models/mlp`)).text()) as { outputs: { name: string }[] }).outputs[0]!.name;
  const limitMs = Math.max(30_000, fuzzRuns * 10);

  test('fuzz: JSON', { timeout: limitMs }, async () => {
    const source = random(31);
    const valid = Buffer.from(JSON.stringify({ id: 'a', inputs: [x], outputs: [{ name: await outputName() }], parameters: { a: 1 } }));
    const bodies = Array.from({ length: fuzzRuns }, () => (source.next() < 0.5 ? mutate(valid, source) : Buffer.from(JSON.stringify(document(source)))));
    expectSensible(await flood(bodies, async (body) => {
      const { status, text } = await post('/v2/models/mlp/infer', body);
      if (status !== 200) expect((JSON.parse(text) as { error: string }).error).toMatch(/\S/);
      return status;
    }));
    await expectRightAnswers();
  });

  test('fuzz: binary tensors', { timeout: limitMs }, async () => {
    const source = random(32);
    const bodies = Array.from({ length: fuzzRuns }, () => {
      const rows = source.integer(0, 3);
      const [input] = [{ ...x, data: undefined, shape: often(source, [rows, 4]), parameters: { binary_data_size: often(source, rows * 16) } }];
      const header = Buffer.from(JSON.stringify({ inputs: source.next() < 0.1 ? [input, input] : [input], ...(source.next() < 0.5 ? { outputs: [{ name: 'nobody' }] } : {}), parameters: { binary_data_output: often(source, true) } }).replace(source.next() < 0.9 ? ',"outputs":[{"name":"nobody"}]' : '\0', ''));
      const tail = Buffer.alloc(source.next() < 0.9 ? rows * 16 : source.integer(0, 100), source.integer(0, 255));
      const body = Buffer.concat([source.next() < 0.2 ? mutate(header, source) : header, tail]);
      const length = source.next() < 0.85 ? String(header.length) : String(source.pick([-1, 0, 1, header.length - 1, header.length + 1, body.length, body.length + 1, 1e20, 'x', '', '0x10', ' 5']));
      return { body, length, compressed: source.next() < 0.05 };
    });
    expectSensible(await flood(bodies, async ({ body, length, compressed }) => {
      const { status } = await post('/v2/models/mlp/infer', body, { 'inference-header-content-length': length, 'content-type': 'application/octet-stream', ...(compressed ? { 'content-encoding': 'gzip' } : {}) });
      return status;
    }));
    await expectRightAnswers();
  });

  test('fuzz: gRPC', { timeout: limitMs }, async () => {
    const source = random(33);
    const output = await outputName();
    const valid = encode({ model_name: 'mlp', id: 'a', parameters: { a: { int64_param: 1 } }, inputs: [{ name: 'x', datatype: 'FP32', shape: [1, 4], contents: { fp32_contents: [1, 2, 3, 4] } }], outputs: [{ name: output }] });
    const message = (): Uint8Array => {
      const rows = source.integer(0, 3);
      const raw = source.next() < 0.5;
      return encode({
        model_name: source.pick(['mlp', 'mlp', 'mlp', 'words', 'datatypes', '', 'nobody', '../mlp', '__proto__']),
        model_version: source.pick(['', '', '', '1', '2', '-1', 'x']),
        inputs: Array.from({ length: source.pick([1, 1, 1, 0, 2]) }, () => ({
          name: source.pick(['x', 'x', 'x', '', 'y']),
          datatype: source.pick(['FP32', 'FP32', 'FP32', 'INT64', 'BYTES', '', 'FP16']),
          shape: source.pick([[rows, 4], [rows, 4], [rows], [], [-1, 4], ['9223372036854775807', 4], [2 ** 31, 2 ** 31]]),
          ...(raw ? {} : { contents: source.pick([{ fp32_contents: Array.from({ length: rows * 4 }, () => 1) }, { int64_contents: [1] }, { bytes_contents: [new Uint8Array(3)] }, {}]) }),
          ...(source.next() < 0.1 ? { parameters: { shared_memory_region: { string_param: 'r' } } } : {}),
        })),
        ...(source.next() < 0.2 ? { outputs: [{ name: source.pick([output, 'nobody']), parameters: { classification: { int64_param: source.pick([1, 0, -5, '9223372036854775807']) } } }] } : {}),
        ...(raw || source.next() < 0.1 ? { raw_input_contents: Array.from({ length: source.pick([1, 1, 1, 0, 3]) }, () => new Uint8Array(source.pick([rows * 16, rows * 16, rows * 16, 5, 0]))) } : {}),
      });
    };
    const codes = await flood(Array.from({ length: fuzzRuns }, () => (source.next() < 0.5 ? mutate(valid, source) : message())), async (bytes) => (await call(bytes)).code);
    // OK, INVALID_ARGUMENT, NOT_FOUND and, for what is not built in, UNIMPLEMENTED.
    expect([...codes.keys()].filter((code) => ![0, 3, 5, 12].includes(code))).toEqual([]);
    expect(codes.get(0) ?? 0).toBeGreaterThan(0);
    expect(codes.get(3) ?? 0).toBeGreaterThan(0);
    await expectRightAnswers();
  });

  test('fuzz: predict', { timeout: limitMs }, async () => {
    const source = random(34);
    const flower = { sepal_length: 6.3, sepal_width: 3.3, petal_length: 6, petal_width: 2.5 };
    const image = readFileSync(join(root, 'examples/models/digits/sample.png'));
    const form = Buffer.concat([Buffer.from('--b\r\nContent-Disposition: form-data; name="image"; filename="a.png"\r\nContent-Type: image/png\r\n\r\n'), image, Buffer.from('\r\n--b--\r\n')]);
    const row = () => Object.fromEntries(Object.entries(flower).map(([column, value]) => [source.next() < 0.95 ? column : source.pick(['x', '__proto__', '']), often(source, value)]));
    const bodies = Array.from({ length: fuzzRuns }, () => {
      const kind = source.next();
      if (kind < 0.4) return { path: '/models/iris/predict', type: 'application/json', body: Buffer.from(JSON.stringify(source.pick([row(), row(), [row(), row()], often(source, { rows: [Object.values(row())] })]))) };
      if (kind < 0.6) return { path: '/models/iris/predict', type: 'application/json', body: Buffer.from(mutate(Buffer.from(JSON.stringify(flower)), source)) };
      if (kind < 0.8) return { path: '/models/digits/predict', type: source.pick(['multipart/form-data; boundary=b', 'multipart/form-data; boundary=b', 'multipart/form-data; boundary=c', 'multipart/form-data']), body: Buffer.from(source.next() < 0.2 ? form : mutate(form, source)) };
      if (kind < 0.9) return { path: '/models/digits/predict', type: 'image/png', body: Buffer.from(mutate(image, source)) };
      return { path: `/models/${source.pick(['iris', 'digits', 'mlp', 'nobody', '%00', '%ff'])}/predict`, type: source.pick(['text/plain', 'application/x-www-form-urlencoded', 'application/xml', 'image/jpeg', '', 'x']), body: Buffer.from(mutate(Buffer.from('sepal_length=6.3&sepal_width=3'), source)) };
    });
    expectSensible(await flood(bodies, async ({ path, type, body }) => (await post(path, body, type === '' ? {} : { 'content-type': type })).status));
    await expectRightAnswers();
  });
});
