/** What Gradio's clients sent when they were recorded, answered again; then each route with what clients do not send. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { Call } from '../../../src/call.ts';
import { createGradio } from '../../../src/protocols/gradio/index.ts';
import { FakeRepository } from '../../fixtures/fake-repository.ts';
import { protocolClient, type Answer, type Json, type ProtocolClient } from '../../fixtures/protocol-client.ts';
import { fuzzRuns, mutate, random } from '../../fixtures/random.ts';
import recorded from './fixtures/clients.json' with { type: 'json' };
import { clientParts, part, type Hanging } from './parts.ts';

const folder = mkdtempSync(join(tmpdir(), 'modelport-gradio-test-'));
afterAll(() => rmSync(folder, { recursive: true }));

function start(hanging?: Hanging): ProtocolClient {
  return protocolClient(createGradio(), new FakeRepository(clientParts(hanging)), { cacheDirectory: folder });
}

const fnIndex = async (client: ProtocolClient, name: string): Promise<number> => (await client.get('/config')).json().dependencies.find((each: Json) => each.api_name === name).id as number;
const events = ({ text }: { readonly text: string }): Json[] => [...text.matchAll(/^data: (.*)$/gm)].map(([, data]) => JSON.parse(data!) as Json);
const host = { host: 'models.example:8000' };

async function join_(client: ProtocolClient, name: string, data: unknown[], session = 'abc'): Promise<Answer> {
  return client.post('/gradio_api/queue/join', { data, fn_index: await fnIndex(client, name), session_hash: session }, host);
}

/** As clients do: leaves when it is told to. `onText`: what came so far. */
async function readSession(client: ProtocolClient, session = 'abc', call = new Call(), onText: (text: string) => void = () => {}): Promise<{ readonly text: string }> {
  const { route, parameters } = client.router.find('GET', '/gradio_api/queue/data');
  const { body } = await route.handle({ method: 'GET', path: '/gradio_api/queue/data', parameters, query: `session_hash=${session}`, headers: {}, body: new Uint8Array(0) }, call);
  if (typeof body === 'string') return { text: body };
  let text = '';
  for await (const each of body as AsyncIterable<string>) {
    text += each;
    onText(text);
    if (text.includes('close_stream')) call.cancel();
  }
  return { text };
}

/** Until the jobs of the session have been begun: that is where they can be cancelled. */
async function readUntilStarted(client: ProtocolClient, call: Call): Promise<{ readonly stream: Promise<{ readonly text: string }> }> {
  let started: () => void = () => {};
  const begun = new Promise<void>((resolve) => (started = resolve));
  const stream = readSession(client, 'abc', call, (text) => text.includes('process_starts') && setImmediate(started));
  await begun;
  return { stream };
}

interface Exchange {
  readonly method: string;
  readonly path: string;
  readonly contentType: string | null;
  readonly body: string;
  readonly answer?: string;
}

test.each(Object.entries(recorded))('answers what %s sent', async (_name, exchanges: readonly Exchange[]) => {
  const hanging = { cancelled: 0 };
  const client = start(hanging);
  // Ids and paths are other ones in each run.
  const now = new Map<string, string>();
  const translated = (text: string): string => [...now].reduce((result, [before, after]) => result.replaceAll(before, after), text);
  const streams: Promise<{ readonly text: string }>[] = [];
  for (const { method, path, contentType, body, answer } of exchanges) {
    const [bare, query = ''] = translated(path).split('?') as [string, string?];
    if (bare.endsWith('/queue/data')) {
      // Read to the end before the next request, but for the job that hangs: it is cancelled when it has begun.
      let begun: () => void = () => {};
      const hangs = new Promise<void>((resolve) => (begun = resolve));
      const stream = readSession(client, new URLSearchParams(query).get('session_hash')!, new Call(), (text) => text.includes('process_starts') && setImmediate(begun));
      streams.push(stream);
      await (streams.length < 4 ? stream : hangs);
      continue;
    }
    const got = await client.send(method, bare, { body: Buffer.from(translated(body), 'latin1'), query, headers: { ...host, ...(contentType === null ? {} : { 'content-type': contentType }) } });
    expect(got.status, `${method} ${path}: ${got.text}`).toBe(200);
    if (answer === undefined) continue;
    const before = JSON.parse(answer) as Json;
    const after = got.json();
    if (bare.endsWith('/join')) now.set(before.event_id as string, after.event_id as string);
    else if (bare.endsWith('/upload')) for (const [index, each] of (before as string[]).entries()) now.set(each, (after as string[])[index]!);
    else expect(after).toEqual(before);
  }
  const last = (await Promise.all(streams)).map((stream) => events(stream).findLast(({ msg }) => msg === 'process_completed'));
  expect(last[0]).toMatchObject({ success: true, output: { data: ['HELLO ADA', 9] } });
  expect(last[1]).toMatchObject({ success: true, output: { data: ['one two three'] } });
  const [first, second] = last[2].output.data as { path: string; url: string; size: number }[];
  expect((await client.get(`/gradio_api/file=${first!.path}`)).text).toBe('hello\n');
  expect(first!.url).toBe(`http://models.example:8000/gradio_api/file=${first!.path}`);
  expect((await client.get(`/gradio_api/file=${second!.path}`)).text).toMatch(/^(first file|hello\n)$/);
  expect(last[3]).toMatchObject({ success: false, output: { error: 'the job was cancelled' } });
  expect(hanging.cancelled).toBe(1);
});

describe('documents', () => {
  test('/config and /info tell functions, parameters, defaults and outputs', async () => {
    const client = start();
    const config = (await client.get('/config')).json();
    expect(config).toMatchObject({ protocol: 'sse_v3', api_prefix: '/gradio_api', root: '', enable_queue: true });
    expect(config.dependencies.map((each: Json) => each.api_name)).toEqual(['parts.greet', 'parts.words', 'parts.swap', 'parts.hang', 'parts.fails']);
    const greet = config.dependencies[0];
    const typesOf = (ids: number[]): string[] => ids.map((id) => config.components.find((each: Json) => each.id === id).type as string);
    expect(typesOf(greet.inputs)).toEqual(['textbox', 'number', 'checkbox', 'dropdown', 'textbox']);
    expect(typesOf(greet.outputs)).toEqual(['textbox', 'number']);
    expect(config.dependencies[1].types.generator).toBe(true);
    const { named_endpoints: named } = (await client.get('/gradio_api/info')).json();
    expect(named['/parts.greet'].parameters.map((each: Json) => [each.parameter_name, each.parameter_has_default, each.parameter_default, each.component, each.python_type.type])).toEqual([
      ['name', false, null, 'Textbox', 'str'],
      ['times', true, 1, 'Number', 'int'],
      ['loud', true, false, 'Checkbox', 'bool'],
      ['mood', true, 'happy', 'Dropdown', "Literal['happy', 'sad']"],
      ['note', true, null, 'Textbox', 'str'],
    ]);
    expect(named['/parts.greet'].parameters[0].example_input).toBe('Ada');
    expect((await client.get('/info')).json()).toEqual({ named_endpoints: named, unnamed_endpoints: {} });
    expect((await client.get('/gradio_api/app_id')).json()).toEqual({ app_id: config.app_id });
    expect((await client.get('/gradio_api/startup-events')).json()).toBe(false);
  });

  test('numbers of functions stay when models come, and the only one is /predict, too', async () => {
    const repository = new FakeRepository([part('odd name/ü', () => 'x', { output: { type: 'string' } })]);
    const client = protocolClient(createGradio(), repository, { cacheDirectory: folder });
    const alone = (await client.get('/config')).json().dependencies as Json[];
    expect(alone.map((each) => [each.api_name, each.api_visibility])).toEqual([['odd_name__', 'public'], ['predict', 'undocumented']]);
    expect(alone[1].id).toBe(0);
    repository.add(part('odd name/ö', () => 'y', { output: { type: 'string' } }));
    const both = (await client.get('/config')).json().dependencies as Json[];
    expect(both.map((each) => each.api_name)).toEqual(['odd_name__', 'odd_name___1']);
    expect(both[0].id).toBe(alone[0].id);
    const gone = await client.post('/gradio_api/queue/join', { data: [], fn_index: 0, session_hash: 's' });
    expect(gone.status).toBe(404);
    expect(gone.json().detail).toContain('Connect again');
  });
});

describe('jobs', () => {
  test('messages come in order, with changes only after the first value', async () => {
    const client = start();
    const { event_id: id } = (await join_(client, 'parts.words', ['one two three'])).json() as { event_id: string };
    const told = events(await readSession(client));
    expect(told.map(({ msg }) => msg as string)).toEqual(['estimation', 'process_starts', 'process_generating', 'process_generating', 'process_generating', 'process_completed', 'close_stream']);
    expect(told.slice(0, -1).every((each) => each.event_id === id)).toBe(true);
    expect(told[0]).toMatchObject({ rank: 0, queue_size: 1 });
    expect(told.slice(2, 5).map((each) => each.output.data as unknown)).toEqual([['one'], [[['append', [], ' two']]], [[['append', [], ' three']]]]);
    expect(told[5]).toMatchObject({ success: true, output: { data: ['one two three'], is_generating: false } });
  });

  test('an event that comes while the client is told to close waits until it has', async () => {
    const client = start();
    await join_(client, 'parts.greet', ['Ada']);
    const { route, parameters } = client.router.find('GET', '/gradio_api/queue/data');
    const call = new Call();
    const { body } = await route.handle({ method: 'GET', path: '', parameters, query: 'session_hash=abc', headers: {}, body: new Uint8Array(0) }, call);
    let joined = false;
    let second: Promise<Answer> | undefined;
    for await (const text of body as AsyncIterable<string>) {
      if (!text.includes('close_stream')) continue;
      second = join_(client, 'parts.greet', ['Bo']).then((answer) => ((joined = true), answer));
      await new Promise((resolve) => setTimeout(resolve, 50));
      expect(joined).toBe(false);
      call.cancel();
    }
    expect((await second!).status).toBe(200);
    expect(events(await readSession(client)).at(-2)).toMatchObject({ output: { data: ['Hello Bo', 9] } });
  });

  test('a session without events: the stream ends, and says so where nothing was submitted', async () => {
    const client = start();
    expect(events(await readSession(client, 'nobody'))).toEqual([expect.objectContaining({ msg: 'unexpected_error', session_not_found: true }), expect.objectContaining({ msg: 'close_stream' })]);
    await join_(client, 'parts.greet', ['Ada'], 'read');
    await readSession(client, 'read');
    expect(events(await readSession(client, 'read')).map(({ msg }) => msg as string)).toEqual(['close_stream']);
  });

  test('a reader that leaves cancels what it waited for', async () => {
    const hanging = { cancelled: 0 };
    const client = start(hanging);
    await join_(client, 'parts.hang', []);
    const call = new Call();
    const { stream } = await readUntilStarted(client, call);
    call.cancel();
    await stream;
    expect(hanging.cancelled).toBe(1);
    expect((await client.get('/gradio_api/queue/status')).json().queue_size).toBe(0);
  });

  test('only its own session, or who knows its id alone, cancels an event', async () => {
    const hanging = { cancelled: 0 };
    const client = start(hanging);
    const { event_id: id } = (await join_(client, 'parts.hang', [])).json() as { event_id: string };
    expect((await client.post('/gradio_api/cancel', { event_id: id, session_hash: 'other', fn_index: 0 })).json()).toEqual({ success: true });
    expect(hanging.cancelled).toBe(0);
    await readUntilStarted(client, new Call());
    await client.post('/gradio_api/reset', { event_id: id });
    expect(hanging.cancelled).toBe(1);
  });

  test('/call: one stream a job, whole values, named arguments in its second version', async () => {
    const client = start();
    const { event_id: id } = (await client.post('/gradio_api/call/parts.words', { data: ['a b'] })).json() as { event_id: string };
    expect((await client.get(`/gradio_api/call/parts.words/${id}`)).text).toBe('event: generating\ndata: ["a"]\n\nevent: generating\ndata: ["a b"]\n\nevent: complete\ndata: ["a b"]\n\n');
    expect((await client.get(`/gradio_api/call/parts.words/${id}`)).status).toBe(404);
    const named = (await client.post('/gradio_api/call/v2/parts.greet', { loud: true, name: 'Bo' })).json() as { event_id: string };
    expect((await client.get(`/gradio_api/call/v2/parts.greet/${named.event_id}`)).text).toBe('event: complete\ndata: ["HELLO BO",9]\n\n');
    const failing = (await client.post('/gradio_api/call/parts.fails', { data: [] })).json() as { event_id: string };
    expect((await client.get(`/gradio_api/call/parts.fails/${failing.event_id}`)).text).toMatch(/^event: error\ndata: \{"error":"endpoint 'parts.fails' failed"/);
    expect((await client.post('/gradio_api/call/v2/parts.greet', { nam: 'Bo' })).json().error).toContain("did you mean 'name'?");
    expect((await client.post('/gradio_api/call/parts.gret', { data: [] })).json().error).toContain("did you mean 'parts.greet'?");
  });

  test('/run answers at once; of a stream the last value', async () => {
    const client = start();
    expect((await client.post('/gradio_api/run/parts.greet', { data: ['Ada'] })).json()).toMatchObject({ data: ['Hello Ada', 9], is_generating: false });
    expect((await client.post('/gradio_api/api/parts.words', { data: ['a b c'] })).json()).toMatchObject({ data: ['a b c'] });
    const tooMany = await client.post('/gradio_api/run/parts.greet', { data: [1, 2, 3, 4, 5, 6] });
    expect([tooMany.status, tooMany.json().error]).toEqual([422, 'data has 6 values, and there are 5 parameters: name, times, loud, mood, note']);
  });

  test('a heartbeat that ends ends its session', async () => {
    const hanging = { cancelled: 0 };
    const client = start(hanging);
    await join_(client, 'parts.hang', []);
    const call = new Call();
    const alive = client.send('GET', '/gradio_api/heartbeat/abc', { call });
    await readUntilStarted(client, new Call());
    call.cancel();
    expect((await alive).text).toBe('data: ALIVE\n\n');
    expect(hanging.cancelled).toBe(1);
  });
});

describe('requests that no client makes', () => {
  test('are refused by name', async () => {
    const client = start();
    const id = await fnIndex(client, 'parts.greet');
    for (const [path, body, text] of [
      ['/gradio_api/queue/join', { data: [], fn_index: id }, 'session_hash is missing'],
      ['/gradio_api/queue/join', { data: [], fn_index: id, session_hash: 'x'.repeat(201) }, 'session_hash is missing'],
      ['/gradio_api/queue/join', { data: {}, fn_index: id, session_hash: 's' }, 'data is no list'],
      ['/gradio_api/queue/join', '[]', 'the body is no JSON object'],
      ['/gradio_api/queue/join', '{', 'the request body is not valid JSON'],
      ['/gradio_api/upload', '{}', 'multipart/form-data'],
    ] as const) {
      const answer = await client.post(path, body);
      expect(answer.status, answer.text).toBeOneOf([400, 415]);
      expect(answer.json().detail).toContain(text);
    }
    // 422 at this place would be read as something else by the Python client.
    expect((await client.post('/gradio_api/queue/join', { data: [], fn_index: 'x', session_hash: 's' })).status).toBe(404);
  });

  test('addresses are not fetched, and only stored files are read', async () => {
    const client = start();
    const swap = async (first: unknown): Promise<string> => (await client.post('/gradio_api/run/parts.swap', { data: [first, 'aGk='] })).json().error as string;
    const meta = { _type: 'gradio.FileData' };
    expect(await swap({ path: 'http://169.254.169.254/latest', url: 'http://169.254.169.254/latest', meta })).toContain('addresses are not fetched here');
    expect(await swap({ path: '/etc/passwd', meta })).toContain('no file that was uploaded here');
    expect(await swap({ path: 'file:///etc/passwd', meta })).toContain('addresses are not fetched here');
    expect(await swap({ path: `${'a'.repeat(32)}/x.txt`, meta })).toContain('not here any more');
    for (const path of ['/etc/passwd', '../../../etc/passwd', `${'a'.repeat(32)}/../../passwd`, `${'a'.repeat(32)}/x%00`, '']) {
      expect((await client.get(`/gradio_api/file=${path}`)).status, path).toBe(404);
    }
  });

  test('a page that was uploaded is never shown as one of this server', async () => {
    const client = start();
    const form = new FormData();
    form.append('files', new File(['<script>alert(1)</script>'], '../..\\evil name.html', { type: 'text/html' }));
    const body = new Response(form);
    const uploaded = await client.send('POST', '/gradio_api/upload', { body: Buffer.from(await body.clone().arrayBuffer()), headers: { 'content-type': body.headers.get('content-type')! } });
    const [path] = uploaded.json() as [string];
    expect(path).toMatch(/^[0-9a-f]{32}\/evil name\.html$/);
    const file = await client.get(`/gradio_api/file=${path.replace(' ', '%20')}`);
    expect(file.text).toBe('<script>alert(1)</script>');
    expect(file.headers).toMatchObject({ 'content-type': 'application/octet-stream', 'x-content-type-options': 'nosniff', 'content-security-policy': "sandbox; default-src 'none'" });
    expect(file.headers['content-disposition']).toBe("attachment; filename*=UTF-8''evil%20name.html");
    const part_ = await client.send('GET', `/gradio_api/file=${path.replace(' ', '%20')}`, { headers: { range: 'bytes=1-6' } });
    expect([part_.status, part_.text, part_.headers['content-range']]).toEqual([206, 'script', 'bytes 1-6/25']);
    expect((await client.send('GET', `/gradio_api/file=${path.replace(' ', '%20')}`, { headers: { range: 'bytes=99-' } })).status).toBe(416);
  });

  test('without a key, clients are told what they show', async () => {
    const { ModelportError } = await import('../../../src/errors.ts');
    const response = createGradio().errorResponse!(new ModelportError('UNAUTHENTICATED', 'an API key is needed'));
    expect(response).toMatchObject({ status: 401, body: '{"error":"an API key is needed","detail":{"error":"Not authenticated","auth_message":"an API key is needed"}}' });
  });
});

test('fuzz: damaged requests are answered, never with a failure of ours', { timeout: 600_000 }, async () => {
  const source = random(29);
  const client = start();
  const id = await fnIndex(client, 'parts.greet');
  const bodies: readonly (readonly [string, string, string])[] = [
    ['/gradio_api/queue/join', 'application/json', JSON.stringify({ data: ['Ada', 1, true, 'happy', null], fn_index: id, session_hash: 'fuzz' })],
    ['/gradio_api/run/parts.swap', 'application/json', JSON.stringify({ data: [{ path: `${'a'.repeat(32)}/x`, url: 'data:text/plain;base64,aGk=', meta: { _type: 'gradio.FileData' } }, 'aGk='] })],
    ['/gradio_api/run/parts.greet', 'application/json', JSON.stringify({ data: ['Ada', 1, true, 'happy', null] })],
    ['/gradio_api/cancel', 'application/json', JSON.stringify({ event_id: 'x', session_hash: 'fuzz', fn_index: id })],
    ['/gradio_api/call/v2/parts.greet', 'application/json', JSON.stringify({ name: 'Ada', loud: true })],
    ['/gradio_api/upload', 'multipart/form-data; boundary=b', '--b\r\nContent-Disposition: form-data; name="files"; filename="a.txt"\r\nContent-Type: text/plain\r\n\r\nhello\r\n--b--\r\n'],
  ];
  let accepted = 0;
  for (let run = 0; run < fuzzRuns; run++) {
    const [path, type, text] = source.pick(bodies);
    const body = mutate(Buffer.from(text), source);
    const answer = await client.send('POST', path, { body, headers: { 'content-type': type } });
    expect(answer.status, `${path} ${Buffer.from(body).toString()} → ${answer.text}`).toBeOneOf([200, 400, 404, 415, 422, 503]);
    if (answer.status === 200) accepted++;
  }
  expect(accepted).toBeGreaterThan(fuzzRuns / 50);
  expect(accepted).toBeLessThan(fuzzRuns);
});
