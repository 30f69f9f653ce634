import { cpSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { Artifact } from '../../../src/artifact.ts';
import { Call } from '../../../src/call.ts';
import remoteRuntime from '../../../src/runtimes/remote/remote-runtime.ts';
import { runtimes } from '../../../src/runtimes/index.ts';
import { createTensor, textTensor } from '../../../src/tensor.ts';
import { fixtureDirectory } from '../../onnx/fixtures.ts';
import { startModelport, type RunningModelport } from '../../start-modelport.ts';
import { floats, request, runtimeConformance } from '../conformance.ts';

function artifactOf(url: string, model: string, more: Readonly<Record<string, string>> = {}): Artifact {
  return { format: 'remote', directory: tmpdir(), main: '', files: [], metadata: { url, model, ...more } };
}

const served = ['mlp', 'add', 'fixed', 'datatypes', 'words', 'scalar', 'tree', 'zip-map', 'optional', 'running-sum', 'awkward-names', 'gather', 'external/model'];
const modelName = (fixture: string) => fixture.replace('/model', '');

let modelport: RunningModelport;
let directory: string;

async function startServer() {
  directory = mkdtempSync(join(tmpdir(), 'modelport-remote-'));
  for (const fixture of served) {
    const folder = join(directory, modelName(fixture));
    mkdirSync(folder);
    cpSync(join(fixtureDirectory, `${fixture}.onnx`), join(folder, 'model.onnx'));
  }
  cpSync(join(fixtureDirectory, 'external', 'weights.bin'), join(directory, 'external', 'weights.bin'));
  modelport = await startModelport({ arguments: [directory, '--grpc-port', 'off'] });
}

runtimeConformance(
  'remote',
  async () => {
    await startServer();
    return {
      runtime: remoteRuntime,
      artifact: (fixture) => artifactOf(modelport.url, modelName(fixture)),
      close: async () => {
        await modelport.stop();
        rmSync(directory, { recursive: true });
      },
    };
  },
  {
    'names the classes of its outputs': 'the protocol has no field for them',
    'refuses models that are broken, naming what is wrong': 'the other server refuses them when it loads them',
  },
);

it('is registered', () => {
  expect(runtimes).toContain(remoteRuntime);
});

describe('a server that is not ours', () => {
  let server: Server;
  const seen: { method: string; url: string; headers: IncomingMessage['headers']; body: Buffer }[] = [];
  let answer: (request: IncomingMessage, response: ServerResponse, body: Buffer) => void;
  let url: string;

  const metadata = { name: 'm', versions: ['1'], platform: 'other', inputs: [{ name: 'x', datatype: 'FP32', shape: [-1, 2] }], outputs: [{ name: 'y', datatype: 'FP32', shape: [-1, 2] }] };
  const json = (response: ServerResponse, value: unknown, status = 200) => response.writeHead(status, { 'content-type': 'application/json' }).end(typeof value === 'string' ? value : JSON.stringify(value));
  /** Answers what a plain server has: metadata, and infer with `infer`. */
  const plain = (infer: typeof answer, extensions: readonly string[] = []): typeof answer => (incoming, response, body) => {
    if (incoming.url === '/v2') return json(response, { name: 'other', extensions });
    if (incoming.url!.endsWith('/infer')) return infer(incoming, response, body);
    if (incoming.url!.endsWith('/config')) return json(response, { error: 'no such path' }, 404);
    return json(response, metadata);
  };

  beforeAll(async () => {
    server = createServer((incoming, response) => {
      const chunks: Buffer[] = [];
      incoming.on('data', (chunk: Buffer) => chunks.push(chunk));
      incoming.on('end', () => {
        const body = Buffer.concat(chunks);
        seen.push({ method: incoming.method!, url: incoming.url!, headers: incoming.headers, body });
        answer(incoming, response, body);
      });
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  afterEach(() => seen.splice(0));
  afterAll(() => {
    server.closeAllConnections();
    server.close();
  });

  const load = (parameters: Readonly<Record<string, unknown>> = {}) => remoteRuntime.load(artifactOf(url, 'm'), { threads: 1, parameters });
  const x = floats([1, 2], 1, 2);

  it('gets JSON where it has no binary tensors', async () => {
    answer = plain((_incoming, response) => json(response, '{"model_name":"m","outputs":[{"name":"y","datatype":"FP32","shape":[2,2],"data":[[1.5,NaN],[-Infinity,Infinity]]}]}'));
    const model = await load();
    const { outputs } = await model.infer(request({ x: floats([2, 2], 1, NaN, 3, -Infinity) }), new Call({ id: 'seven' }));
    expect(outputs.get('y')).toEqual({ datatype: 'FP32', shape: [2, 2], data: Float32Array.of(1.5, NaN, -Infinity, Infinity) });
    expect(seen.at(-1)).toMatchObject({ method: 'POST', url: '/v2/models/m/infer', headers: { 'content-type': 'application/json' } });
    expect(seen.at(-1)!.body.toString()).toBe('{"id":"seven","inputs":[{"name":"x","datatype":"FP32","shape":[2,2],"data":[1,NaN,3,-Infinity]}]}');
    expect(model.signature.batch).toEqual({ maxSize: 0, reason: 'cannot batch: its server does not say whether it can' });
    await model[Symbol.asyncDispose]();
  });

  it('gets 64-bit integers, halves, switches and text whole, as JSON too', async () => {
    const kinds = { BOOL: createTensor('BOOL', [2], Uint8Array.of(0, 1)), INT64: createTensor('INT64', [1], BigInt64Array.of(-(2n ** 63n))), FP16: createTensor('FP16', [1], Uint16Array.of(0x3e00)), BF16: createTensor('BF16', [1], Uint16Array.of(0xc020)), BYTES: textTensor([1], ['"ü"']) };
    answer = plain((_incoming, response) =>
      json(response, { outputs: [{ name: 'y', datatype: 'BYTES', shape: [2], data: ['NaN', 'ü'] }, { name: 'half', datatype: 'FP16', shape: [], data: [1.5] }, { name: 'count', datatype: 'INT64', shape: [1], data: [-9007199254740991] }, { name: 'on', datatype: 'BOOL', shape: [2], data: [true, false] }] }),
    );
    const model = await load();
    const { outputs } = await model.infer(request(kinds, ['y', 'half', 'count', 'on']), new Call());
    expect([...outputs.values()].map((tensor) => tensor.data)).toEqual([[new TextEncoder().encode('NaN'), new TextEncoder().encode('ü')], Uint16Array.of(0x3e00), BigInt64Array.of(-9007199254740991n), Uint8Array.of(1, 0)]);
    expect(seen.at(-1)!.body.toString()).toContain('"data":[false,true]');
    expect(seen.at(-1)!.body.toString()).toContain('"data":[-9223372036854775808]');
    expect(seen.at(-1)!.body.toString()).toContain('"data":[1.5]');
    expect(seen.at(-1)!.body.toString()).toContain('"data":[-2.5]');
    expect(seen.at(-1)!.body.toString()).toContain('"data":["\\"ü\\""]');
    await expect(model.infer(request({ x: createTensor('BYTES', [1], [Uint8Array.of(0xff)]) }), new Call())).rejects.toMatchObject({ code: 'INVALID_REQUEST' });
    await model[Symbol.asyncDispose]();
  });

  it('is told sequence, priority, deadline, parameters and trace', async () => {
    answer = plain((_incoming, response) => json(response, { outputs: [{ name: 'y', datatype: 'FP32', shape: [1], data: [1] }] }));
    const model = await load({ apiKey: 'secret', version: 3 });
    const call = new Call({ deadlineMs: performance.now() + 60_000, priority: 2, sequence: { id: 2n ** 63n, start: true, end: false }, trace: { traceId: 'a'.repeat(32), spanId: 'b'.repeat(16), sampled: true } });
    await model.infer({ ...request({ x }, ['y']), parameters: { beams: 4 } }, call);
    const last = seen.at(-1)!;
    expect(last.url).toBe('/v2/models/m/versions/3/infer');
    expect(last.headers).toMatchObject({ authorization: 'Bearer secret', traceparent: `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01` });
    expect(last.body.toString()).toMatch(/^\{"parameters":\{"beams":4,"sequence_id":9223372036854775808,"sequence_start":true,"sequence_end":false,"priority":2,"timeout":\d+\},"inputs":.*"outputs":\[\{"name":"y"\}\]\}$/);
    await model[Symbol.asyncDispose]();
  });

  it.each([
    [400, '{"error":"bad shape"}', 'INVALID_REQUEST', /^bad shape$/],
    [404, '{"error":"no such model"}', 'NOT_FOUND', /no such model/],
    [503, '{"error":"busy"}', 'UNAVAILABLE', /busy/],
    [500, '{"error":"it broke"}', 'RUN_FAILED', /answered 500: it broke/],
    [502, '<html>proxy</html>', 'RUN_FAILED', /answered 502: <html>proxy/],
    [200, '{"outputs":', 'RUN_FAILED', /not JSON/],
    [200, '{}', 'RUN_FAILED', /no list of outputs/],
    [200, '{"outputs":[{"name":"other","datatype":"FP32","shape":[1],"data":[1]}]}', 'RUN_FAILED', /gave no output 'y'/],
    [200, '{"outputs":[{"name":"y","datatype":"FP32","shape":[3],"data":[1]}]}', 'RUN_FAILED', /1 values for 3 elements/],
    [200, '{"outputs":[{"name":"y","datatype":"FP32","shape":[1],"data":["one"]}]}', 'RUN_FAILED', /"one" where FP32 belongs/],
    [200, '{"outputs":[{"name":"y","datatype":"INT64","shape":[1],"data":[9007199254740993]}]}', 'RUN_FAILED', /does not carry exactly/],
    [200, '{"outputs":[{"name":"y","datatype":"FP32","shape":[1099511627776,1099511627776],"parameters":{"binary_data_size":4}}]}', 'RUN_FAILED', /lacks a name, a datatype or a shape/],
    [200, '{"outputs":[{"name":"y","datatype":"FP32","shape":[1],"parameters":{"binary_data_size":4}}]}', 'RUN_FAILED', /does not fit/],
  ])('answers %i %s', async (status, body, code, message) => {
    answer = plain((_incoming, response) => json(response, body, status));
    const model = await load();
    await expect(model.infer(request({ x }), new Call())).rejects.toMatchObject({ code, message: expect.stringMatching(message) as string });
    await model[Symbol.asyncDispose]();
  });

  it('is not waited for when the client has gone, the deadline has passed or the patience is over', async () => {
    const closed: Promise<void>[] = [];
    answer = plain((incoming) => void closed.push(new Promise((resolve) => incoming.socket.on('close', () => resolve()))));
    const model = await load({ timeoutMs: 200 });
    const call = new Call();
    const cancelled = model.infer(request({ x }), call);
    while (closed.length < 1) await new Promise((resolve) => setImmediate(resolve));
    call.cancel();
    await expect(cancelled).rejects.toMatchObject({ code: 'CANCELLED' });
    await closed[0];
    await expect(model.infer(request({ x }), new Call({ deadlineMs: performance.now() + 20 }))).rejects.toMatchObject({ code: 'DEADLINE_EXCEEDED' });
    await expect(model.infer(request({ x }), new Call())).rejects.toMatchObject({ code: 'UNAVAILABLE', message: expect.stringMatching(/no answer in 200 ms/) as string });
    await model[Symbol.asyncDispose]();
  });

  it('may close a connection that was kept open: the request is sent again, once, and never one of a sequence', async () => {
    let destroyNext = false;
    answer = plain((incoming, response) => {
      if (destroyNext) {
        destroyNext = false;
        incoming.socket.destroy();
        return;
      }
      json(response, { outputs: [{ name: 'y', datatype: 'FP32', shape: [1], data: [1] }] });
    });
    const model = await load();
    await model.infer(request({ x }), new Call());
    destroyNext = true;
    expect((await model.infer(request({ x }), new Call())).outputs.get('y')!.shape).toEqual([1]);
    destroyNext = true;
    await expect(model.infer(request({ x }), new Call({ sequence: { id: 1n, start: false, end: false } }))).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    await model[Symbol.asyncDispose]();
  });

  it('cannot fill the memory', async () => {
    answer = plain((_incoming, response) => json(response, `{"outputs":[],"x":"${'x'.repeat(5000)}"}`));
    const model = await load({ maxResponseBytes: 1000 });
    await expect(model.infer(request({ x }), new Call())).rejects.toMatchObject({ code: 'RUN_FAILED', message: expect.stringMatching(/more than 1000 bytes/) as string });
    await model[Symbol.asyncDispose]();
  });

  it('says at load what is wrong', async () => {
    answer = (_incoming, response) => json(response, { error: 'unknown' }, 404);
    await expect(load()).rejects.toMatchObject({ code: 'NOT_FOUND', message: expect.stringMatching(/has no model 'm'/) as string });
    answer = (_incoming, response) => json(response, 'hello');
    await expect(load()).rejects.toMatchObject({ code: 'INVALID_MODEL', message: expect.stringMatching(/gives no JSON/) as string });
    answer = (_incoming, response) => json(response, { ...metadata, inputs: [{ name: 'x', datatype: 'FLOAT', shape: [1] }] });
    await expect(load()).rejects.toMatchObject({ code: 'INVALID_MODEL', message: expect.stringMatching(/describes its inputs/) as string });
    const at = (metadataOf: Readonly<Record<string, string>>) => remoteRuntime.load({ ...artifactOf(url, 'm'), metadata: metadataOf }, { threads: 1, parameters: {} });
    await expect(at({ url: 'http://127.0.0.1:1', model: 'm' })).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    await expect(at({ model: 'm' })).rejects.toMatchObject({ code: 'INVALID_CONFIG', at: 'parameters.url' });
    await expect(at({ url: 'file:///etc/passwd', model: 'm' })).rejects.toMatchObject({ code: 'INVALID_CONFIG' });
    await expect(at({ url, model: 'm', timeoutMs: 'soon' })).rejects.toMatchObject({ code: 'INVALID_CONFIG' });
  });

  it('waits for running calls before it is disposed of', async () => {
    let release: (() => void) | undefined;
    answer = plain((_incoming, response) => void (release = () => json(response, { outputs: [{ name: 'y', datatype: 'FP32', shape: [1], data: [1] }] })));
    const model = await load();
    const running = model.infer(request({ x }), new Call());
    while (release === undefined) await new Promise((resolve) => setImmediate(resolve));
    const disposal = model[Symbol.asyncDispose]();
    await expect(model.infer(request({ x }), new Call())).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    release();
    expect((await running).outputs.size).toBe(1);
    await disposal;
  });
});
