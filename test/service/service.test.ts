/** Services in process: what handlers get, how their time and number is bounded, what happens when they fail. */
import { join } from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, expect, test } from 'vitest';
import { isModelportError } from '../../src/errors.ts';
import { audio, chat, cookie, defineService, dependency, endpoint, file, fileBytes, header, image, InvalidValueError, model, ModelportError, nestedNumbers, query, table, tensor, testService, z } from '../../src/index.ts';
import { root } from '../start-modelport.ts';

const iris = join(root, 'examples/models/iris');
const flower = { sepal_length: 5.1, sepal_width: 3.5, petal_length: 1.4, petal_width: 0.2 };

async function errorOf(work: Promise<unknown>): Promise<ModelportError> {
  const error: unknown = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!isModelportError(error)) throw new Error(`no ModelportError: ${String(error)}`);
  return error;
}

describe('models', () => {
  const service = defineService({
    name: 'flowers',
    models: { iris: model<typeof flower, { label: string }>(iris) },
    endpoints: (define) => ({
      classify: define({ input: z.object({ size: z.number() }), output: z.object({ label: z.string() }), handler: ({ size }, { models }) => models.iris({ ...flower, petal_length: size }) }),
      tensors: define({ output: z.array(z.number()), handler: async (_input, { models }) => Object.keys(await models.iris.infer({ measurements: { datatype: 'FP32', shape: [1, 4], data: Float32Array.of(5.1, 3.5, 1.4, 0.2) } })).map(() => 1) }),
      wrong: define({ handler: async (_input, { models }) => models.iris({ ...flower, petal_width: 'x' } as never) }),
    }),
  });

  test('are plain functions, and calls of concurrent requests join a batch', async () => {
    await using tested = await testService(service);
    expect(await tested.call.classify({ size: 1.4 })).toEqual({ label: 'setosa' });
    const labels = await Promise.all(Array.from({ length: 20 }, (_, index) => tested.call.classify({ size: 1 + (index % 7) })));
    expect(new Set(labels.map(({ label }) => label)).size).toBeGreaterThan(1);
    expect((await tested.call.tensors({})).length).toBeGreaterThan(0);
  });

  test('say what is wrong with what they are given', async () => {
    await using tested = await testService(service);
    expect((await errorOf(tested.call.wrong({}))).code).toBe('INVALID_VALUE');
  });

  test('are replaced in tests', async () => {
    await using tested = await testService(service, { models: { iris: (value) => ({ label: `fake ${(value as typeof flower).petal_length}`, extra: 1 }) } });
    expect(await tested.call.classify({ size: 2 })).toEqual({ label: 'fake 2' });
  });
});

describe('a handler', () => {
  test('that fails tells the log and not the client', async () => {
    const logged: string[] = [];
    const service = defineService({ name: 's', endpoints: { fails: endpoint({ handler: () => { throw new Error('secret'); } }), refuses: endpoint({ handler: () => { throw new ModelportError('NOT_FOUND', 'no item 7'); } }) } });
    await using tested = await testService(service, { log: (level, text, error) => logged.push(`${level} ${text} ${(error as Error).message}`) });
    const response = await tested.fetch('/s/fails', { method: 'POST' });
    expect(response.status).toBe(500);
    expect(await response.text()).not.toContain('secret');
    expect(logged).toHaveLength(1);
    expect(logged[0]).toMatch(/^error endpoint 's\.fails' failed at .*service\.test\.ts:\d+:\d+ secret$/);
    const refused = await tested.fetch('/s/refuses', { method: 'POST' });
    expect([refused.status, await refused.json()]).toEqual([404, { detail: 'no item 7' }]);
  });

  test('that answers what its schema does not allow has failed', async () => {
    const logged: unknown[] = [];
    const service = defineService({ name: 's', endpoints: { bad: endpoint({ output: z.object({ a: z.number() }), handler: () => ({ a: 'x' }) as never }) } });
    await using tested = await testService(service, { log: (_level, _text, error) => logged.push((error as Error).message) });
    expect((await errorOf(tested.call.bad({}))).code).toBe('RUN_FAILED');
    expect(logged).toEqual(["endpoint 's.bad' answered what its output schema does not allow: a: Invalid input: expected number, received string"]);
  });

  test('that hangs is given up, aborted, and keeps nobody waiting', async () => {
    let aborted: unknown;
    const service = defineService({
      name: 's',
      endpoints: {
        hangs: endpoint({ timeoutMs: 30, concurrency: 1, handler: (_input, { signal }) => new Promise(() => signal.addEventListener('abort', () => (aborted = signal.reason))) }),
        drips: endpoint({ timeoutMs: 30, output: z.string(), async *handler() { yield 'one'; await new Promise(() => {}); } }),
      },
    });
    await using tested = await testService(service);
    const first = await errorOf(tested.call.hangs({}));
    expect([first.code, first.message]).toEqual(['DEADLINE_EXCEEDED', "'s.hangs' did not answer within 0.03 s (its timeoutMs)"]);
    expect(aborted).toBe(first);
    // Its place is free again.
    expect((await errorOf(tested.call.hangs({}))).code).toBe('DEADLINE_EXCEEDED');
    const parts: unknown[] = [];
    const reading = (async () => {
      for await (const part of tested.stream('drips', {})) parts.push(part);
    })();
    expect((await errorOf(reading)).code).toBe('DEADLINE_EXCEEDED');
    expect(parts).toEqual(['one']);
  });

  test('is aborted when its client leaves', async () => {
    const events: string[] = [];
    const service = defineService({
      name: 's',
      endpoints: {
        waits: endpoint({ handler: (_input, { signal }) => new Promise((_resolve, reject) => signal.addEventListener('abort', () => { events.push('aborted'); reject(signal.reason as Error); })) }),
        streams: endpoint({ output: z.int(), async *handler() { try { for (let n = 0; ; n++) { yield n; await new Promise((resolve) => setImmediate(resolve)); } } finally { events.push('stopped'); } } }),
      },
    });
    await using tested = await testService(service);
    const controller = new AbortController();
    const waiting = tested.fetch('/s/waits', { method: 'POST', signal: controller.signal });
    setTimeout(() => controller.abort(), 20);
    expect((await waiting).status).toBe(499);
    for await (const part of tested.stream('streams', {})) if (part === 5) break;
    expect(events).toEqual(['aborted', 'stopped']);
  });

  test('runs at most as often as it says, and what waits beyond the queue is refused', async () => {
    let running = 0;
    let most = 0;
    const open: (() => void)[] = [];
    const service = defineService({ name: 's', endpoints: { work: endpoint({ concurrency: 2, maxQueueSize: 3, handler: async () => { most = Math.max(most, ++running); await new Promise<void>((resolve) => open.push(resolve)); running--; } }) } });
    await using tested = await testService(service);
    const calls = Array.from({ length: 7 }, () => tested.call.work({}).then(() => 'done', (error: ModelportError) => error.code));
    await new Promise((resolve) => setTimeout(resolve, 10));
    for (let turn = 0; turn < 20; turn++) {
      open.splice(0).forEach((resolve) => resolve());
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect((await Promise.all(calls)).sort()).toEqual(['QUEUE_FULL', 'QUEUE_FULL', 'done', 'done', 'done', 'done', 'done']);
    expect(most).toBe(2);
  });
});

test('failures, timeouts, cancellations and streams that are left leave nothing behind', { timeout: 120_000 }, async () => {
  setFlagsFromString('--expose_gc');
  const collect = runInNewContext('gc') as () => void;
  const heapMb = (): number => {
    collect();
    return process.memoryUsage().heapUsed / 1e6;
  };
  const service = defineService({
    name: 's',
    endpoints: {
      fails: endpoint({ handler: () => { throw new Error('x'); } }),
      hangs: endpoint({ timeoutMs: 1, handler: (_input, { signal }) => new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason as Error))) }),
      parts: endpoint({ output: z.string(), async *handler() { for (;;) yield 'x'.repeat(1000); } }),
    },
  });
  await using tested = await testService(service);
  const round = async (): Promise<number> => {
    await Promise.all(Array.from({ length: 1000 }, () => tested.call.hangs({}).catch(() => {})));
    for (let run = 0; run < 1000; run++) await tested.call.fails({}).catch(() => {});
    for (let run = 0; run < 200; run++) {
      let parts = 0;
      for await (const _part of tested.stream('parts', {})) if (++parts === 20) break;
    }
    return heapMb();
  };
  await round();
  const before = await round();
  await round();
  // 1,000 forgotten calls would be more.
  expect((await round()) - before).toBeLessThan(1);
});

describe('a batch', () => {
  test('gets what came together, and gives each its own answer', async () => {
    const sizes: number[] = [];
    const service = defineService({ name: 's', endpoints: { double: endpoint({ input: z.object({ x: z.number() }), output: z.number(), batch: { maxSize: 4 }, handler: (inputs) => { sizes.push(inputs.length); return inputs.map(({ x }) => x * 2); } }) } });
    await using tested = await testService(service);
    expect(await Promise.all([1, 2, 3, 4, 5, 6].map((x) => tested.call.double({ x })))).toEqual([2, 4, 6, 8, 10, 12]);
    expect(Math.max(...sizes)).toBeGreaterThan(1);
    expect(Math.max(...sizes)).toBeLessThanOrEqual(4);
    expect(sizes.reduce((sum, size) => sum + size, 0)).toBe(6);
  });

  test('in which one input fails fails for that one only', async () => {
    const service = defineService({ name: 's', endpoints: { picky: endpoint({ input: z.object({ x: z.number() }), output: z.number(), batch: { maxSize: 8, maxDelayMs: 5 }, handler: (inputs) => inputs.map(({ x }) => { if (x === 3) throw new ModelportError('INVALID_REQUEST', 'not 3'); return x; }) }) } });
    await using tested = await testService(service);
    const answers = await Promise.all([1, 2, 3, 4].map((x) => tested.call.picky({ x }).catch((error: ModelportError) => error.message)));
    expect(answers).toEqual([1, 2, 'not 3', 4]);
  });

  test('that answers too little has failed', async () => {
    const logged: string[] = [];
    const service = defineService({ name: 's', endpoints: { short: endpoint({ output: z.number(), batch: { maxSize: 4 }, handler: () => [] }) } });
    await using tested = await testService(service, { log: (_level, _text, error) => logged.push((error as Error).message) });
    expect((await errorOf(tested.call.short({}))).code).toBe('RUN_FAILED');
    expect(logged[0]).toContain('was given 1 inputs and returned 0 answers');
  });
});

describe('dependencies', () => {
  test('are made once a service or once a request, from each other, and taken down in the opposite order', async () => {
    const events: string[] = [];
    const database = dependency(async function* () { events.push('open'); yield { name: 'db' }; events.push('close'); });
    const session = dependency({ scope: 'request', uses: { database } }, function* ({ database: { name } }) { events.push('begin'); yield { id: `${name} session` }; events.push('end'); });
    const both = dependency({ scope: 'request', uses: { session } }, ({ session: { id } }) => id.toUpperCase());
    const service = defineService({
      name: 's',
      dependencies: { database, session, both },
      start: ({ dependencies }) => void events.push(`start ${dependencies.database.name}`),
      stop: () => void events.push('stop'),
      endpoints: (define) => ({ show: define({ handler: (_input, { dependencies }) => `${dependencies.session.id} ${dependencies.both}` }), fail: define({ handler: () => { throw new ModelportError('CONFLICT', 'no'); } }) }),
    });
    {
      await using tested = await testService(service);
      expect(await tested.call.show({})).toBe('db session DB SESSION');
      expect((await errorOf(tested.call.fail({}))).code).toBe('CONFLICT');
    }
    expect(events).toEqual(['open', 'start db', 'begin', 'end', 'begin', 'end', 'stop', 'close']);
    events.length = 0;
    await using replaced = await testService(service, { dependencies: { database: { name: 'fake' } } });
    expect(await replaced.call.show({})).toBe('fake session FAKE SESSION');
    expect(events).not.toContain('open');
  });

  test('that can not be made keep the service from starting, and what was made is taken down', async () => {
    const events: string[] = [];
    const good = dependency(function* () { yield 1; events.push('down'); });
    const bad = dependency(() => { throw new Error('no database'); });
    const service = defineService({ name: 's', dependencies: { good, bad }, endpoints: { a: endpoint({ handler: () => 1 }) } });
    await expect(testService(service)).rejects.toThrow('no database');
    expect(events).toEqual(['down']);
  });
});

describe('types', () => {
  const service = defineService({
    name: 'types',
    endpoints: {
      picture: endpoint({ input: z.object({ image: image(), sound: audio().optional(), size: z.int().default(3) }), output: z.object({ bytes: z.int(), size: z.int(), copy: image() }), handler: ({ image: bytes, size }) => ({ bytes: bytes.length, size, copy: fileBytes(bytes, 'image/png') }) }),
      raw: endpoint({ output: file(), handler: () => fileBytes(new TextEncoder().encode('hello'), 'text/plain') }),
      rows: endpoint({ input: z.object({ rows: table({ a: z.number(), b: z.string() }, { maxRows: 2 }) }), output: z.number(), handler: ({ rows }) => rows.reduce((sum, { a }) => sum + a, 0) }),
      matrix: endpoint({ input: z.object({ x: tensor('FP32', [-1, 2]) }), output: z.unknown(), handler: ({ x }) => ({ shape: x.shape, back: nestedNumbers(x) }) }),
      talk: endpoint({ input: z.object({ messages: chat() }), output: z.string(), handler: ({ messages }) => messages.at(-1)!.content }),
    },
  });

  test('files come as data URL, as base64 or in a form, and go out as data URL or as they are', async () => {
    await using tested = await testService(service);
    const base64 = Buffer.from('\x89PNG\r\n\x1a\n....', 'latin1').toString('base64');
    expect(await tested.call.picture({ image: base64 })).toMatchObject({ bytes: 12, size: 3 });
    const form = new FormData();
    form.set('image', new Blob([Buffer.from(base64, 'base64')]), 'a.png');
    form.set('size', '7');
    const response = await tested.fetch('/types/picture', { method: 'POST', body: form });
    expect(await response.json()).toEqual({ bytes: 12, size: 7, copy: `data:image/png;base64,${base64}` });
    const wrong = await tested.fetch('/types/picture', { method: 'POST', body: JSON.stringify({ image: '!!' }) });
    expect(await wrong.json()).toEqual({ detail: [{ type: 'value_error', loc: ['body', 'image'], msg: 'Value error, the text is not base64', input: '!!', ctx: { error: {} } }] });
    const raw = await tested.fetch('/types/raw', { method: 'POST' });
    expect([raw.headers.get('content-type'), await raw.text()]).toEqual(['text/plain', 'hello']);
  });

  test('tables, tensors and conversations', async () => {
    await using tested = await testService(service);
    expect(await tested.call.rows({ rows: [{ a: 1, b: 'x' }, { a: 2, b: 'y' }] })).toBe(3);
    expect(await tested.call.matrix({ x: [[1, 2], [3, 4], [5, 6]] })).toEqual({ shape: [3, 2], back: [[1, 2], [3, 4], [5, 6]] });
    expect(await tested.call.talk({ messages: [{ role: 'user', content: 'hi' }] })).toBe('hi');
    const error = await errorOf(tested.call.matrix({ x: [[1, 2], [3]] }));
    expect(error).toBeInstanceOf(InvalidValueError);
    expect(error.message).toBe('x[1]: List should have at least 2 items after validation, not 1');
  });

  test('say in their schema what forms need', async () => {
    await using tested = await testService(service);
    const document = (await (await tested.fetch('/types/picture', { method: 'POST', body: '{}' })).json()) as { detail: unknown[] };
    expect(document.detail).toEqual([{ type: 'missing', loc: ['body', 'image'], msg: 'Field required', input: {} }]);
  });
});

describe('requests', () => {
  const service = defineService({
    name: 's',
    endpoints: {
      item: endpoint({ method: 'GET', path: '/items/{id}', input: z.object({ id: z.int(), tags: z.array(z.string()).default([]), agent: header(z.string(), 'user-agent').optional(), session: cookie(z.int()).default(0) }), handler: (input) => input }),
      save: endpoint({ method: 'PUT', path: '/items/{id}', status: 201, input: z.object({ id: z.int(), dry: query(z.boolean().default(false)), name: z.string() }), handler: (input) => input }),
      count: endpoint({ input: z.object({ n: z.int() }), output: z.int(), async *handler({ n }, { progress }) { for (let index = 0; index < n; index++) { progress(index / n); yield index; } if (n === 13) throw new ModelportError('CONFLICT', 'thirteen'); } }),
    },
  });

  test('hold inputs in path, query, headers, cookies and body', async () => {
    await using tested = await testService(service);
    const item = await tested.fetch('/items/7?tags=a&tags=b', { headers: { 'user-agent': 'me', cookie: 'session=5' } });
    expect(await item.json()).toEqual({ id: 7, tags: ['a', 'b'], agent: 'me', session: 5 });
    const saved = await tested.fetch('/items/7?dry=yes', { method: 'PUT', body: '{"name": "x", "id": 9}' });
    expect([saved.status, await saved.json()]).toEqual([201, { id: 7, dry: true, name: 'x' }]);
    const form = await tested.fetch('/items/7', { method: 'PUT', body: new URLSearchParams({ name: 'y' }) });
    expect(await form.json()).toEqual({ id: 7, dry: false, name: 'y' });
    const wrong = await tested.fetch('/items/x?dry=maybe', { method: 'PUT', body: '{}' });
    expect(((await wrong.json()) as { detail: { loc: unknown }[] }).detail.map(({ loc }) => loc)).toEqual([['path', 'id'], ['query', 'dry'], ['body', 'name']]);
  });

  test('are answered in parts as events or lines, or whole', async () => {
    await using tested = await testService(service);
    const ask = (n: number, accept?: string) => tested.fetch('/s/count', { method: 'POST', body: JSON.stringify({ n }), ...(accept === undefined ? {} : { headers: { accept } }) });
    const events = await (await ask(2)).text();
    expect(events).toBe('event: progress\ndata: {"fraction":0}\n\ndata: 0\n\nevent: progress\ndata: {"fraction":0.5}\n\ndata: 1\n\nevent: end\ndata: {}\n\n');
    expect(await (await ask(3, 'application/x-ndjson')).text()).toBe('0\n1\n2\n');
    expect(await (await ask(3, 'application/json')).json()).toEqual([0, 1, 2]);
    expect((await ask(13)).status).toBe(200);
    expect(await (await ask(13)).text()).toContain('event: error\ndata: {"detail":"thirteen"}');
    const wrong = await tested.fetch('/s/count', { method: 'POST', body: '{"n": "x"}' });
    expect([wrong.status, ((await wrong.json()) as { detail: { type: string }[] }).detail[0]!.type]).toEqual([422, 'int_parsing']);
  });
});

describe('services', () => {
  test('call each other', async () => {
    const inner = defineService({ name: 'inner', endpoints: { twice: endpoint({ input: z.object({ x: z.number() }), output: z.number(), handler: ({ x }) => x * 2 }) } });
    const outer = defineService({ name: 'outer', services: { inner }, endpoints: (define) => ({ four: define({ input: z.object({ x: z.number() }), output: z.number(), handler: async ({ x }, { services }) => services.inner.twice({ x: await services.inner.twice({ x }) }) }) }) });
    await using tested = await testService(outer);
    expect(await tested.call.four({ x: 3 })).toBe(12);
  });

  test.each([
    ['a name', () => defineService({ name: 'no spaces', endpoints: {} }), /the service's name is "no spaces": write letters/],
    ['no endpoints', () => defineService({ name: 's', endpoints: {} }), /service 's' has no endpoints/],
    ['a plain object as schema', () => defineService({ name: 's', endpoints: { a: endpoint({ input: { x: 1 } as never, handler: () => 1 }) } }), /input of endpoint 'a' of service 's' is a plain object: write a zod schema, input: z\.object\(\{ x:/],
    ['an unknown member', () => defineService({ name: 's', endpoints: { a: endpoint({ inputs: z.object({}), handler: () => 1 } as never) } }), /has no member 'inputs'; did you mean 'input'\?/],
    ['no handler', () => defineService({ name: 's', endpoints: { a: endpoint({} as never) } }), /endpoint 'a' of service 's' has no handler/],
    ['a path', () => defineService({ name: 's', endpoints: { a: endpoint({ path: 'items/:id', handler: () => 1 }) } }), /begin it with \/ and write inputs in braces/],
  ])('are refused with the line and what to write: %s', (_what, define, message) => {
    let error: unknown;
    try {
      define();
    } catch (thrown) {
      error = thrown;
    }
    expect((error as ModelportError).code).toBe('INVALID_CONFIG');
    expect((error as ModelportError).message).toMatch(message);
    expect((error as ModelportError).message).toMatch(/^test\/service\/service\.test\.ts:\d+:\d+: /);
  });

  test('whose path names no input, or whose endpoints answer at one path, do not start', async () => {
    await expect(testService(defineService({ name: 's', endpoints: { a: endpoint({ path: '/items/{idd}', input: z.object({ id: z.int() }), handler: () => 1 }) } }))).rejects.toThrow("names 'idd', which is no input; did you mean 'id'?");
    await expect(testService(defineService({ name: 's', endpoints: { a: endpoint({ path: '/x/{p}', input: z.object({ p: z.string() }), handler: () => 1 }), b: endpoint({ path: '/x/{q}', input: z.object({ q: z.string() }), handler: () => 1 }) } }))).rejects.toThrow('answer both at POST /x/{q}');
  });
});
