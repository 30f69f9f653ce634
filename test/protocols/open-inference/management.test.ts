import { readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { afterAll, beforeEach, expect, test } from 'vitest';
import { ModelportError } from '../../../src/errors.ts';
import { openInference } from '../../../src/protocols/open-inference/index.ts';
import { FakeRepository, allFakes, emptyStatistics, identityModel, simpleModel } from '../../fixtures/fake-repository.ts';
import { protocolClient, type Json, type ProtocolClient } from '../../fixtures/protocol-client.ts';
import { fuzzRuns, mutate, random } from '../../fixtures/random.ts';

let repository: FakeRepository;
let client: ProtocolClient;

beforeEach(() => {
  repository = new FakeRepository(allFakes());
  client = protocolClient(openInference, repository);
});

test('health: live and ready, 400 when not', async () => {
  expect((await client.get('/v2/health/live')).json()).toEqual({ live: true });
  expect((await client.get('/v2/health/ready')).json()).toEqual({ ready: true });
  repository.isReady = false;
  const loading = await client.get('/v2/health/ready');
  expect([loading.status, loading.json()]).toEqual([400, { ready: false }]);
  client.live = false;
  repository.isReady = true;
  const draining = await client.get('/v2/health/ready');
  expect([draining.status, (await client.get('/v2/health/live')).status]).toEqual([400, 400]);
});

test('server metadata names the extensions', async () => {
  const { name, version, extensions } = (await client.get('/v2')).json();
  expect([name, version]).toEqual(['modelport', '0.1.0']);
  expect(extensions).toEqual(expect.arrayContaining(['classification', 'sequence', 'model_repository', 'model_configuration', 'binary_tensor_data', 'statistics', 'trace', 'logging', 'parameters']));
  expect((await client.get('/v2/')).json().name).toBe('modelport');
});

test('model metadata: versions, platform, shapes with -1', async () => {
  expect((await client.get('/v2/models/simple')).json()).toEqual({
    name: 'simple',
    versions: ['1', '3'],
    platform: 'onnxruntime_onnx',
    inputs: [
      { name: 'INPUT0', datatype: 'INT32', shape: [-1, 16] },
      { name: 'INPUT1', datatype: 'INT32', shape: [-1, 16] },
    ],
    outputs: [
      { name: 'OUTPUT0', datatype: 'INT32', shape: [-1, 16] },
      { name: 'OUTPUT1', datatype: 'INT32', shape: [-1, 16] },
    ],
  });
  expect((await client.get('/v2/models/simple/versions/1')).json().versions).toEqual(['1', '3']);
  expect((await client.get('/v2/models')).json().models).toEqual(expect.arrayContaining(['simple', 'identity_FP32']));
  for (const path of ['/v2/models/nobody', '/v2/models/simple/versions/7', '/v2/models/nobody/config', '/v2/models/simple/versions/7/config']) expect((await client.get(path)).status, path).toBe(404);
});

test('a name with odd characters is found by its percent-encoded path', async () => {
  repository.add({ ...identityModel('FP32'), name: 'größe 1' });
  expect((await client.get(`/v2/models/${encodeURIComponent('größe 1')}`)).json().name).toBe('größe 1');
});

test('model ready', async () => {
  expect((await client.get('/v2/models/simple/ready')).json()).toEqual({ name: 'simple', ready: true });
  expect((await client.get('/v2/models/simple/versions/1/ready')).status).toBe(200);
  repository.add({ ...simpleModel('4'), ready: false });
  for (const path of ['/v2/models/simple/ready', '/v2/models/simple/versions/9/ready', '/v2/models/nobody/ready']) {
    const answer = await client.get(path);
    expect([answer.status, answer.json()], path).toEqual([400, { error: 'Model version not ready' }]);
  }
});

test("the config is told as Triton's", async () => {
  const config = (await client.get('/v2/models/simple/config')).json();
  expect(config).toMatchObject({ name: 'simple', platform: 'onnxruntime_onnx', backend: 'onnxruntime', max_batch_size: 8 });
  expect(config.input.map((input: Json) => [input.name, input.data_type, input.dims])).toEqual([['INPUT0', 'TYPE_INT32', [16]], ['INPUT1', 'TYPE_INT32', [16]]]);
  expect((await client.get('/v2/models/simple/versions/1/config')).json().name).toBe('simple');
});

test("statistics in Triton's form: of all, of a model, of a version", async () => {
  repository.add({
    ...simpleModel('5'),
    statistics: { ...emptyStatistics, lastInferenceMs: 1700000000000, inferenceCount: 9, executionCount: 2, success: { count: 3, ns: 1234567890123 }, batches: [{ batchSize: 4, computeInput: { count: 1, ns: 5 }, computeInfer: { count: 1, ns: 6 }, computeOutput: { count: 1, ns: 7 } }] },
  });
  const none = { count: 0, ns: 0 };
  expect((await client.get('/v2/models/simple/versions/5/stats')).json()).toEqual({
    model_stats: [
      {
        name: 'simple',
        version: '5',
        last_inference: 1700000000000,
        inference_count: 9,
        execution_count: 2,
        inference_stats: { success: { count: 3, ns: 1234567890123 }, fail: none, queue: none, compute_input: none, compute_infer: none, compute_output: none, cache_hit: none, cache_miss: none },
        response_stats: {},
        batch_stats: [{ batch_size: 4, compute_input: { count: 1, ns: 5 }, compute_infer: { count: 1, ns: 6 }, compute_output: { count: 1, ns: 7 } }],
        memory_usage: [],
      },
    ],
  });
  expect((await client.get('/v2/models/simple/stats')).json().model_stats.map((each: Json) => each.version)).toEqual(['1', '3', '5']);
  expect((await client.get('/v2/models/stats')).json().model_stats.length).toBe(repository.ready().length);
  const unknown = await client.get('/v2/models/nobody/stats');
  expect([unknown.status, unknown.json()]).toEqual([400, { error: "requested model 'nobody' is not available" }]);
});

test('the repository index, all or only what is ready', async () => {
  repository.entries.splice(0, repository.entries.length, { name: 'a', version: '1', state: 'READY', reason: '' }, { name: 'b', version: '2', state: 'UNAVAILABLE', reason: 'broken' }, { name: 'c', version: '', state: 'UNAVAILABLE', reason: '' });
  const all = [{ name: 'a', version: '1', state: 'READY', reason: '' }, { name: 'b', version: '2', state: 'UNAVAILABLE', reason: 'broken' }, { name: 'c' }];
  for (const [path, body] of [['/v2/repository/index', ''], ['/v2/repository/index', '{}'], ['/v2/repository/any/index', '{"ready":false}']]) expect((await client.post(path!, body)).json()).toEqual(all);
  expect((await client.post('/v2/repository/index', { ready: true })).json()).toEqual([all[0]]);
  expect((await client.post('/v2/repository/index', { ready: 'yes' })).status).toBe(400);
});

test('load passes config and files on, unload its option', async () => {
  const file = Buffer.from([8, 7, 0, 255]);
  const parameters = { config: '{"name":"simple"}', 'file:1/model.onnx': file.toString('base64'), 'file:2/empty': '', note: 'mine' };
  const answer = await client.post('/v2/repository/models/simple/load', { parameters });
  expect([answer.status, answer.text]).toEqual([200, '']);
  await client.post('/v2/repository/models/simple/load');
  await client.post('/v2/repository/models/simple/load', { parameters: { config: { name: 'as an object' } } });
  expect(repository.loads.map(({ name, request }) => [name, request?.config, [...(request?.files ?? [])].map(([path, bytes]) => [path, Buffer.from(bytes)]), request?.parameters])).toEqual([
    ['simple', '{"name":"simple"}', [['1/model.onnx', file], ['2/empty', Buffer.alloc(0)]], { note: 'mine' }],
    ['simple', undefined, [], undefined],
    ['simple', '{"name":"as an object"}', [], undefined],
  ]);
  await client.post('/v2/repository/models/simple/unload', { parameters: { unload_dependents: true } });
  await client.post('/v2/repository/models/simple/unload');
  expect(repository.unloads).toEqual([{ name: 'simple', options: { unloadDependents: true } }, { name: 'simple', options: { unloadDependents: false } }]);
});

test('load and unload tell what went wrong', async () => {
  repository.failure = new ModelportError('INVALID_MODEL', "failed to load 'simple', the file is truncated");
  const failed = await client.post('/v2/repository/models/simple/load');
  expect([failed.status, failed.json()]).toEqual([400, { error: "failed to load 'simple', the file is truncated" }]);
  const mistakes: [string, unknown, number, RegExp][] = [
    ['load', '{', 400, /the document ends too early/],
    ['load', [], 400, /expected a JSON object/],
    ['load', { parameters: 5 }, 400, /Unable to parse 'parameters'/],
    ['load', { parameters: { config: 5 } }, 400, /'config' is not text/],
    ['load', { parameters: { 'file:1/m': 'AAAA' } }, 400, /needs 'config', too/],
    ['load', { parameters: { config: '{}', 'file:1/m': '***' } }, 400, /Unable to decode base64 content of parameter 'file:1\/m'/],
    ['load', { parameters: { config: '{}', other: [1] } }, 400, /'other' is neither text, number nor boolean/],
    ['unload', { parameters: { unload_dependents: 'yes' } }, 400, /Unable to parse 'unload_dependents'/],
  ];
  for (const [verb, body, status, message] of mistakes) {
    const answer = await client.post(`/v2/repository/models/simple/${verb}`, body as object);
    expect(answer.status).toBe(status);
    expect(answer.json().error).toMatch(message);
  }
  const named = await client.post('/v2/repository/mine/models/simple/load');
  expect([named.status, named.json().error]).toEqual([501, expect.stringContaining("'repository_name' specification is not supported")]);
  expect((await client.post('/v2/repository/mine/models/simple/unload')).status).toBe(501);
});

test('files larger than the event loop should read arrive whole', async () => {
  const file = Buffer.from(Uint8Array.from({ length: 300_000 }, (_, index) => (index * 7) % 256));
  await client.post('/v2/repository/models/simple/load', { parameters: { config: '{}', 'file:1/model.onnx': file.toString('base64') } });
  expect(Buffer.from(repository.loads[0]!.request!.files!.get('1/model.onnx')!).equals(file)).toBe(true);
});

const defaults = { trace_level: ['OFF'], trace_rate: '1000', trace_count: '-1', log_frequency: '0', trace_file: '', trace_mode: 'triton' };

test('trace settings: kept for the server and for each model, given back, taken back with null', async () => {
  expect((await client.get('/v2/trace/setting')).json()).toEqual(defaults);
  expect((await client.post('/v2/trace/setting', { trace_level: ['TENSORS', 'TIMESTAMPS'], trace_rate: '5' })).json()).toEqual({ ...defaults, trace_level: ['TIMESTAMPS', 'TENSORS'], trace_rate: '5' });
  expect((await client.post('/v2/models/simple/trace/setting', { trace_rate: '7', trace_count: 9 })).json()).toMatchObject({ trace_rate: '7', trace_count: '9', trace_level: ['TIMESTAMPS', 'TENSORS'] });
  expect((await client.get('/v2/models/identity_FP32/trace/setting')).json().trace_rate).toBe('5');
  expect((await client.post('/v2/models/simple/trace/setting', { trace_rate: null })).json()).toMatchObject({ trace_rate: '5', trace_count: '9' });
  expect((await client.post('/v2/trace/setting', { trace_level: null, trace_rate: null })).json()).toEqual(defaults);
  const mistakes: [unknown, number, RegExp][] = [
    [{ trace_file: '/tmp/x' }, 501, /trace file location can not be updated/],
    [{ trace_level: ['OFF', 'TENSORS'] }, 400, /Expect only one trace level 'OFF'/],
    [{ trace_level: ['LOUD'] }, 400, /Unable to parse 'trace_level'/],
    [{ trace_rate: 'often' }, 400, /Unable to parse 'trace_rate', got: "often"/],
    [{ trace_count: '-2' }, 400, /'trace_count', value is out of range/],
    [{ log_frequency: '99999999999' }, 400, /'log_frequency', value is out of range/],
    [{ trace_rat: '1' }, 400, /there is no trace setting 'trace_rat': did you mean 'trace_rate'/],
    [{ toString: 1 }, 400, /there is no trace setting 'toString'/],
    [[], 400, /expected a JSON object/],
    ['', 400, /ends too early/],
  ];
  for (const [body, status, message] of mistakes) {
    const answer = await client.post('/v2/trace/setting', body as object);
    expect(answer.status).toBe(status);
    expect(answer.json().error).toMatch(message);
  }
  expect((await client.post('/v2/trace/setting', { trace_rate: '3', trace_count: 'x' })).status).toBe(400);
  expect((await client.get('/v2/trace/setting')).json()).toEqual(defaults);
  expect((await client.get('/v2/models/nobody/trace/setting')).status).toBe(404);
});

test('log settings: kept and given back', async () => {
  const settings = { log_file: '', log_info: true, log_warning: true, log_error: true, log_verbose_level: 0, log_format: 'default' };
  expect((await client.get('/v2/logging')).json()).toEqual(settings);
  const changed = { ...settings, log_verbose_level: 1, log_format: 'ISO8601', log_info: false };
  expect((await client.post('/v2/logging', { log_verbose_level: 1, log_format: 'ISO8601', log_info: false, log_file: null })).json()).toEqual(changed);
  expect((await client.get('/v2/logging')).json()).toEqual(changed);
  for (const [body, status] of [[{ log_file: '/tmp/x' }, 501], [{ log_format: 'xml' }, 400], [{ log_info: 1 }, 400], [{ log_verbose_level: -1 }, 400], [{ log_inf: true }, 400]] as const) expect((await client.post('/v2/logging', body)).status).toBe(status);
  expect((await client.get('/v2/logging')).json()).toEqual(changed);
});

const key = `/modelport-test-${process.pid}`;
const file = `/dev/shm${key}`;
afterAll(() => {
  rmSync(file, { force: true });
  rmSync(`${file}-link`, { force: true });
});

const onLinux = process.platform === 'linux' ? test : test.skip;

onLinux('shared memory: registered regions give inputs and take outputs', async () => {
  const left = Int32Array.from({ length: 16 }, (_, index) => index);
  const right = new Int32Array(16).fill(2);
  // 4 bytes, the two inputs, then room for both outputs.
  writeFileSync(file, Buffer.concat([Buffer.alloc(4), Buffer.from(left.buffer), Buffer.from(right.buffer), Buffer.alloc(128)]));
  expect((await client.post('/v2/systemsharedmemory/region/in/register', { key, offset: 4, byte_size: 128 })).status).toBe(200);
  expect((await client.post('/v2/systemsharedmemory/region/out/register', { key, offset: 132, byte_size: 128 })).status).toBe(200);
  expect((await client.get('/v2/systemsharedmemory/status')).json()).toEqual([{ name: 'in', key, offset: 4, byte_size: 128 }, { name: 'out', key, offset: 132, byte_size: 128 }]);
  expect((await client.get('/v2/systemsharedmemory/region/in/status')).json()).toEqual([{ name: 'in', key, offset: 4, byte_size: 128 }]);
  const span = (region: string, offset: number, size = 64): object => ({ shared_memory_region: region, shared_memory_byte_size: size, ...(offset === 0 ? {} : { shared_memory_offset: offset }) });
  const inputs = [0, 64].map((offset, index) => ({ name: `INPUT${index}`, shape: [1, 16], datatype: 'INT32', parameters: span('in', offset) }));
  const outputs = [0, 64].map((offset, index) => ({ name: `OUTPUT${index}`, parameters: span('out', offset) }));
  const answer = await client.post('/v2/models/simple/infer', { inputs, outputs });
  expect(answer.status, answer.text).toBe(200);
  expect(answer.json().outputs).toEqual([0, 1].map((index) => ({ name: `OUTPUT${index}`, datatype: 'INT32', shape: [1, 16], parameters: { shared_memory_region: 'out', shared_memory_offset: index * 64, shared_memory_byte_size: 64 } })));
  const written = readFileSync(file);
  expect(new Int32Array(new Uint8Array(written.subarray(132, 196)).buffer)).toEqual(left.map((value) => value + 2));
  expect(new Int32Array(new Uint8Array(written.subarray(196, 260)).buffer)).toEqual(left.map((value) => value - 2));

  const mistakes: [object, number, RegExp][] = [
    [{ inputs: [{ ...inputs[0], parameters: span('nowhere', 0) }] }, 404, /Unable to find shared memory region: 'nowhere'/],
    [{ inputs: [{ ...inputs[0], parameters: span('in', 128) }] }, 400, /Invalid offset for shared memory region: 'in'/],
    [{ inputs: [{ ...inputs[0], parameters: span('in', 100) }] }, 400, /Invalid offset \+ byte size for shared memory region: 'in'/],
    [{ inputs: [{ ...inputs[0], parameters: span('in', 0, 60) }] }, 400, /input byte size mismatch for input 'INPUT0' for model 'simple'\. Expected 64, got 60/],
    [{ inputs: [{ ...inputs[0], parameters: { shared_memory_region: 'in' } }] }, 400, /needs 'shared_memory_byte_size'/],
    [{ inputs, outputs: [{ name: 'OUTPUT0', parameters: span('out', 0, 60) }] }, 400, /shared memory size specified with the request for output 'OUTPUT0' \(60 bytes\) should be at least 64 bytes/],
    [{ inputs, outputs: [{ name: 'OUTPUT0', parameters: { ...span('out', 0), binary_data: true } }] }, 400, /can't set both 'shared_memory_region' and 'binary_data'/],
    [{ inputs, outputs: [{ name: 'OUTPUT0', parameters: { ...span('out', 0), classification: 1 } }] }, 400, /can't set both 'shared_memory_region' and 'classification'/],
  ];
  for (const [body, status, message] of mistakes) {
    const wrong = await client.post('/v2/models/simple/infer', body);
    expect(wrong.status, wrong.text).toBe(status);
    expect(wrong.json().error).toMatch(message);
  }
  // Its owner cut the file: reads see that.
  writeFileSync(file, Buffer.alloc(8));
  expect((await client.post('/v2/models/simple/infer', { inputs })).json().error).toMatch(/was cut/);

  expect((await client.post('/v2/systemsharedmemory/region/in/register', { key, byte_size: 8 })).status).toBe(400);
  expect((await client.post('/v2/systemsharedmemory/region/in/unregister')).status).toBe(200);
  expect((await client.post('/v2/systemsharedmemory/region/in/unregister')).status).toBe(200);
  expect((await client.get('/v2/systemsharedmemory/region/in/status')).status).toBe(404);
  expect((await client.post('/v2/systemsharedmemory/unregister')).status).toBe(200);
  expect((await client.get('/v2/systemsharedmemory/status')).json()).toEqual([]);
});

onLinux('shared memory keys stay below /dev/shm', async () => {
  symlinkSync('/etc/hostname', `${file}-link`);
  const mistakes: [unknown, RegExp][] = [
    [{ key: '/../etc/hostname', byte_size: 1 }, /is not a name like/],
    [{ key: '..', byte_size: 1 }, /is not a name like/],
    [{ key: '/', byte_size: 1 }, /is not a name like/],
    [{ key: 'a/b', byte_size: 1 }, /is not a name like/],
    [{ key: 'a\0b', byte_size: 1 }, /is not a name like/],
    [{ key: `${key}-link`, byte_size: 1 }, /it is a link/],
    [{ key: '/modelport-no-such-region', byte_size: 1 }, /Unable to open shared memory region: '\/modelport-no-such-region': there is no such region/],
    [{ key, byte_size: 1_000_000 }, /failed to register shared memory region 'r': invalid args/],
    [{ key, byte_size: 0 }, /invalid args/],
    [{ key, offset: -1, byte_size: 1 }, /Unable to parse 'offset'/],
    [{ key, byte_size: '8' }, /Unable to parse 'byte_size'/],
    [{ byte_size: 8 }, /has no 'key' field/],
    [{ key }, /has no 'byte_size' field/],
    [{ key: 5, byte_size: 8 }, /Unable to parse 'key'/],
  ];
  writeFileSync(file, Buffer.alloc(16));
  for (const [body, message] of mistakes) {
    const answer = await client.post('/v2/systemsharedmemory/region/r/register', body as object);
    expect(answer.status, answer.text).toBe(400);
    expect(answer.json().error).toMatch(message);
  }
  expect((await client.post('/v2/systemsharedmemory/register', { key, byte_size: 8 })).json().error).toMatch(/'region name' is necessary to register system shared memory region/);
});

test('nobody needs 64 KB to change a setting', async () => {
  for (const path of ['/v2/logging', '/v2/trace/setting', '/v2/systemsharedmemory/region/r/register']) expect((await client.post(path, ' '.repeat(70_000))).status).toBe(413);
});

test('shared memory needs the flag; there is no CUDA', async () => {
  const closed = protocolClient(openInference, repository, { allowSharedMemory: false });
  for (const path of ['region/r/register', 'region/r/unregister', 'unregister']) {
    const answer = await closed.post(`/v2/systemsharedmemory/${path}`, { key: '/x', byte_size: 1 });
    expect([answer.status, answer.json().error]).toEqual([501, expect.stringContaining('Client shared memory is disabled')]);
  }
  expect((await closed.get('/v2/systemsharedmemory/status')).json()).toEqual([]);
  const registered = await client.post('/v2/cudasharedmemory/region/g/register', { raw_handle: { b64: '' }, byte_size: 1, device_id: 0 });
  expect([registered.status, registered.json()]).toEqual([400, { error: "failed to register CUDA shared memory region: 'g', GPUs not supported" }]);
  expect((await client.get('/v2/cudasharedmemory/status')).json()).toEqual([]);
  expect((await client.get('/v2/cudasharedmemory/region/g/status')).status).toBe(404);
  expect((await client.post('/v2/cudasharedmemory/register', {})).status).toBe(400);
  for (const path of ['unregister', 'region/g/unregister']) expect((await client.post(`/v2/cudasharedmemory/${path}`)).status).toBe(200);
});

test('paths and methods that are not there', async () => {
  expect((await client.get('/v2/nothing')).status).toBe(404);
  const wrong = await client.get('/v2/repository/index');
  expect([wrong.status, Object.keys(wrong.json())]).toEqual([405, ['error']]);
});

test('who may come in: management where something is changed, nobody is asked for health', () => {
  const doors = Object.fromEntries(client.router.routes.map(({ route }) => [`${route.method} ${route.path}`, route.door]));
  for (const [route, door] of Object.entries(doors)) {
    const changes = /^POST .*(?:\/load|\/unload|trace\/setting|\/logging|register)$/.test(route) || /sharedmemory/.test(route);
    const open = /health|\/ready$|GET \/v2$/.test(route);
    expect(door, route).toBe(changes ? 'management' : open ? 'public' : 'inference');
  }
});

test('fuzz: broken bodies are answered with a 4xx on every path that takes one', async () => {
  const source = random(40);
  const seeds = ['{"parameters":{"config":"{}","file:1/m":"AAEC","unload_dependents":true}}', '{"ready":true}', '{"trace_level":["OFF"],"trace_rate":"5","trace_count":null}', '{"log_info":true,"log_verbose_level":3}', '{"key":"/modelport-none","offset":0,"byte_size":16}'];
  const paths = client.router.routes.filter(({ route }) => route.method === 'POST' && !/infer|generate/.test(route.path)).map(({ route }) => route.path.replace(':model', 'simple').replace(/:\w+/, 'r'));
  for (let run = 0; run < fuzzRuns; run++) {
    const answer = await client.post(source.pick(paths), mutate(Buffer.from(source.pick(seeds)), source));
    if (![200, 400, 404, 501].includes(answer.status)) expect.fail(`${answer.status} ${answer.text}`);
  }
});
