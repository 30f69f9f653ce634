import { expect, test } from 'vitest';
import { Call } from '../../../src/call.ts';
import { ModelportError } from '../../../src/errors.ts';
import type { JsonSchema } from '../../../src/model.ts';
import { predict } from '../../../src/protocols/predict/index.ts';
import { FakeRepository, identityModel, type FakeModel } from '../../fixtures/fake-repository.ts';
import { schemaErrors } from '../../fixtures/json-schema.ts';
import { protocolClient, type Answer, type Json, type SendOptions } from '../../fixtures/protocol-client.ts';
import { fuzzRuns, mutate, random } from '../../fixtures/random.ts';

/** Answers with the value that it was given, files as their text. */
function echoModel(name: string, input: JsonSchema, examples: unknown[] = [], version = '1'): FakeModel {
  const show = (value: unknown): unknown =>
    value instanceof Uint8Array ? { file: Buffer.from(value).toString('latin1') } : Array.isArray(value) ? value.map(show) : typeof value === 'object' && value !== null ? Object.fromEntries(Object.entries(value).map(([key, member]) => [key, show(member)])) : value;
  return {
    name,
    version,
    signature: { inputs: [], outputs: [], predict: { task: 'echo', input, output: { type: 'object' }, examples } },
    async predict(value, call) {
      call.timing.queuedAtMs = 1;
      call.timing.dequeuedAtMs = 1.5;
      call.timing.runStartedAtMs = 2;
      call.timing.runEndedAtMs = 4;
      call.timing.batchSize = 3;
      return show(value);
    },
  };
}

const flower: JsonSchema = { type: 'object', properties: { sepal_length: { type: 'number' }, petals: { type: 'integer' }, name: { type: 'string' }, wild: { type: 'boolean' }, sizes: { type: 'array', items: { type: 'number' } } }, required: ['sepal_length'] };
const picture: JsonSchema = { type: 'object', properties: { image: { $ref: '#/$defs/picture' }, topK: { type: 'integer' } }, required: ['image'], $defs: { picture: { type: 'string', format: 'image' } } };
const pictures: JsonSchema = { type: 'object', properties: { images: { type: 'array', items: { type: 'string' } }, left: { type: 'string', format: 'image' }, right: { type: 'string', format: 'image' }, note: { type: 'string' } } };
const sound: JsonSchema = { type: 'object', properties: { audio: { type: 'string', format: 'binary', contentMediaType: 'audio/*' } }, required: ['audio'] };
const text: JsonSchema = { type: 'object', properties: { text: { type: 'string' } }, required: ['text'] };

const repository = new FakeRepository([echoModel('flower', flower, [{ sepal_length: 5.1 }]), echoModel('flower', flower, [], '0'), echoModel('picture', picture), echoModel('pictures', pictures), echoModel('sound', sound), echoModel('text', text), identityModel('FP32')]);
const client = protocolClient(predict, repository);

function send(path: string, contentType: string | undefined, body: SendOptions['body'], query = ''): Promise<Answer> {
  return client.send('POST', path, { body: body!, query, headers: contentType === undefined ? {} : { 'content-type': contentType } });
}

async function value(path: string, contentType: string | undefined, body: SendOptions['body'], query?: string): Promise<unknown> {
  const answer = await send(path, contentType, body, query);
  expect(answer.status, answer.text).toBe(200);
  return answer.json();
}

/** multipart/form-data as a browser would send it. */
async function form(fields: [string, string | Blob][]): Promise<{ type: string; body: Buffer }> {
  const data = new FormData();
  for (const [name, content] of fields) data.append(name, content);
  const response = new Response(data);
  return { type: response.headers.get('content-type')!, body: Buffer.from(await response.arrayBuffer()) };
}

test('JSON in, JSON out, with where the time went', async () => {
  const answer = await send('/models/flower/predict', 'application/json; charset=utf-8', { sepal_length: 5.1, name: 'grüß' });
  expect(answer.json()).toEqual({ sepal_length: 5.1, name: 'grüß' });
  expect(answer.headers['content-type']).toBe('application/json');
  expect(answer.headers['server-timing']).toMatch(/^queue;dur=0\.500, run;dur=2\.000, total;dur=[\d.]+$/);
  expect(answer.headers['modelport-batch-size']).toBe('3');
  expect(answer.headers['modelport-model']).toBe('flower/1');
  expect((await send('/models/flower/versions/0/predict', 'application/json', {})).headers['modelport-model']).toBe('flower/0');
});

test('any JSON value is passed on as it is', async () => {
  for (const each of [[1, 'two', null], { deep: [[{}]] }, [], {}]) expect(await value('/models/flower/predict', 'application/json', JSON.stringify(each))).toEqual(each);
  expect(await value('/models/flower/predict', 'application/vnd.mine+json', '"text"')).toBe('text');
});

test('curl sends JSON under the name of a form, or of nothing', async () => {
  for (const type of ['application/x-www-form-urlencoded', undefined, 'text/plain']) expect(await value('/models/flower/predict', type, ' {"sepal_length": 1}')).toEqual({ sepal_length: 1 });
});

test('forms: text becomes what the schema says', async () => {
  expect(await value('/models/flower/predict', 'application/x-www-form-urlencoded', 'sepal_length=5.1&petals=4&name=gr%C3%BC%C3%9F+dich&wild=true&sizes=1&sizes=2.5')).toEqual({ sepal_length: 5.1, petals: 4, name: 'grüß dich', wild: true, sizes: [1, 2.5] });
  const { type, body } = await form([['sepal_length', '-1e3'], ['name', '12'], ['sizes', '[1, 2]'], ['other', 'kept']]);
  expect(await value('/models/flower/predict', type, body)).toEqual({ sepal_length: -1000, name: '12', sizes: [1, 2], other: 'kept' });
  // What does not fit stays text: the task says what is wrong with it.
  expect(await value('/models/flower/predict', 'application/x-www-form-urlencoded', 'sepal_length=long&wild=maybe')).toEqual({ sepal_length: 'long', wild: 'maybe' });
  expect(await value('/models/flower/predict', undefined, '', 'sepal_length=2')).toEqual({ sepal_length: 2 });
  expect(await value('/models/flower/predict', 'application/x-www-form-urlencoded', '__proto__=1')).toEqual(JSON.parse('{"__proto__":"1"}'));
});

test('where a row may stand alone or in a list, a form is one row', async () => {
  const rows = protocolClient(predict, new FakeRepository([echoModel('rows', { anyOf: [{ type: 'array', items: { $ref: '#/$defs/row' } }, { $ref: '#/$defs/row' }], $defs: { row: flower } })]));
  expect((await rows.send('POST', '/predict', { body: 'sepal_length=5.1', headers: { 'content-type': 'application/x-www-form-urlencoded' } })).json()).toEqual({ sepal_length: 5.1 });
});

test('a file part becomes bytes, a file part of a text field its text', async () => {
  const one = await form([['image', new Blob(['\x89PNG bytes'])], ['topK', '2']]);
  expect(await value('/models/picture/predict', one.type, one.body)).toEqual({ image: { file: Buffer.from('\x89PNG bytes').toString('latin1') }, topK: 2 });
  const several = await form([['left', new Blob(['l'])], ['right', new Blob(['r'])], ['images', new Blob(['1'])], ['images', new Blob(['2'])], ['note', new Blob(['from a file'])]]);
  expect(await value('/models/pictures/predict', several.type, several.body)).toEqual({ left: { file: 'l' }, right: { file: 'r' }, images: [{ file: '1' }, { file: '2' }], note: 'from a file' });
});

test('a body that is an image fills the one field that takes files; options stand in the query', async () => {
  const bytes = Uint8Array.of(0x89, 0x50, 0, 255);
  for (const type of ['image/png', 'application/octet-stream', undefined]) expect(await value('/models/picture/predict', type, bytes, 'topK=3')).toEqual({ image: { file: '\x89P\0\xff' }, topK: 3 });
  expect(await value('/models/sound/predict', 'audio/wav', bytes)).toEqual({ audio: { file: '\x89P\0\xff' } });
  const refused = await send('/models/pictures/predict', 'image/png', bytes);
  expect(refused.status).toBe(415);
  expect(refused.json()).toMatchObject({ code: 'UNSUPPORTED_MEDIA_TYPE', error: expect.stringMatching(/send JSON with 'images', 'left', 'right', 'note'.*multipart\/form-data/) });
});

test('plain text fills the one field of text', async () => {
  expect(await value('/models/text/predict', 'text/plain; charset=utf-8', 'such a film')).toEqual({ text: 'such a film' });
});

test('members of the body win over the query, and the query brings only what the schema knows', async () => {
  expect(await value('/models/flower/predict', 'application/json', { petals: 1 }, 'petals=2&wild=true&unknown=1')).toEqual({ petals: 1, wild: true });
});

test('bytes, long integers and numbers that are none have a form in the answer', async () => {
  const odd = protocolClient(predict, new FakeRepository([{ name: 'odd', signature: { inputs: [], outputs: [], predict: { task: 'odd', input: {}, output: {}, examples: [] } }, predict: async () => ({ bytes: Uint8Array.of(1, 2), long: 9007199254740993n, short: 7n, none: NaN }) }]));
  expect((await odd.post('/predict', {}, { 'content-type': 'application/json' })).json()).toEqual({ bytes: 'AQI=', long: '9007199254740993', short: 7, none: null });
});

test('POST /predict where one model is served, else it says which there are', async () => {
  const one = protocolClient(predict, new FakeRepository([echoModel('only', flower), echoModel('only', flower, [], '0')]));
  expect((await one.post('/predict', '{"sepal_length":1}')).headers['modelport-model']).toBe('only/1');
  const several = await send('/predict', 'application/json', {});
  expect([several.status, several.json().error]).toEqual([400, '6 models are served, say which: POST /models/flower/predict, POST /models/picture/predict, POST /models/pictures/predict, POST /models/sound/predict, POST /models/text/predict …']);
  const none = await protocolClient(predict, new FakeRepository([])).post('/predict', {});
  expect([none.status, none.headers['retry-after']]).toEqual([503, '1']);
});

test('the path is configurable', async () => {
  const moved = protocolClient(predict, new FakeRepository([echoModel('a', flower), echoModel('b', flower)]), { predictPath: '/api/{name}/run' });
  expect((await moved.post('/api/b/run', '{}')).headers['modelport-model']).toBe('b/1');
  expect((await moved.post('/models/b/predict', '{}')).status).toBe(404);
  expect((await moved.post('/predict', '{}')).json().error).toContain('POST /api/a/run');
  const fixed = protocolClient(predict, new FakeRepository([echoModel('a', flower)]), { predictPath: '/classify' });
  expect((await fixed.post('/classify', '{}')).headers['modelport-model']).toBe('a/1');
  const short = protocolClient(predict, new FakeRepository([echoModel('a', flower)]), { predictPath: '/predict' });
  expect((await short.post('/predict', '{}')).status).toBe(200);
});

test('a model without a task says what to do instead', async () => {
  const answer = await send('/models/identity_FP32/predict', 'application/json', {});
  expect([answer.status, answer.json().error]).toEqual([400, expect.stringMatching(/model 'identity_FP32' has no task.*POST \/v2\/models\/identity_FP32\/infer.*task: image-classification/)]);
});

test('mistakes in the body are told in one form', async () => {
  const cut = await form([['image', new Blob(['x'.repeat(1000)])]]);
  const twice = await form([['image', new Blob(['a'])], ['image', new Blob(['b'])]]);
  const cases: [Promise<Answer>, number, RegExp][] = [
    [send('/models/flower/predict', 'application/json', '{"a":'), 400, /not valid JSON/],
    [send('/models/flower/predict', 'application/json', ''), 400, /the request body is empty/],
    [send('/models/flower/predict', 'application/json', Uint8Array.of(34, 0xff, 34)), 400, /not UTF-8/],
    [send('/models/flower/predict', 'application/json', '['.repeat(5000) + ']'.repeat(5000)), 400, /nested deeper than 100/],
    [send('/models/flower/predict', undefined, ''), 400, /the request body is empty: send JSON with 'sepal_length'/],
    [send('/models/sound/predict', 'text/csv', 'x'), 415, /or the bytes of 'audio' \(Content-Type: audio\/…\)/],
    [send('/models/picture/predict', 'image/png', ''), 400, /send the bytes of 'image'/],
    [send('/models/flower/predict', 'text/csv', 'a,b'), 415, /a body of type 'text\/csv' can't be read here/],
    [send('/models/flower/predict', 'multipart/form-data', 'x'), 400, /boundary/],
    [send('/models/picture/predict', cut.type, cut.body.subarray(0, 600)), 400, /the multipart body can't be read: Unexpected end of form/],
    [send('/models/picture/predict', twice.type, twice.body), 422, /'image' is given twice/],
    [send('/models/flower/predict', 'application/x-www-form-urlencoded', 'petals=1&petals=2'), 422, /'petals' is given twice/],
    [send('/models/flower/predict', 'application/x-www-form-urlencoded', 'sizes=[1,'), 422, /'sizes' is not valid JSON/],
    [send('/models/nobody/predict', 'application/json', '{}'), 404, /nobody/],
  ];
  for (const [answer, status, message] of cases) {
    expect((await answer).status, (await answer).text).toBe(status);
    expect((await answer).json()).toMatchObject({ error: expect.stringMatching(message), code: expect.any(String) });
  }
});

test("the task's own complaint keeps its field", async () => {
  const failing = protocolClient(predict, new FakeRepository([{ ...echoModel('f', flower), predict: () => Promise.reject(new ModelportError('INVALID_VALUE', 'sepal_length is missing', { at: 'sepal_length' })) }]));
  const answer = await failing.post('/models/f/predict', '{}');
  expect([answer.status, answer.json()]).toEqual([422, { error: 'sepal_length is missing', code: 'INVALID_VALUE', at: 'sepal_length' }]);
});

test('a large value arrives whole; a client that left is not served', async () => {
  const sizes = Array.from({ length: 30_000 }, (_, index) => index / 4);
  expect(await value('/models/flower/predict', 'application/json', { sizes })).toEqual({ sizes });
  const broken = await send('/models/flower/predict', 'application/json', `${JSON.stringify({ sizes }).slice(0, -1)}x`);
  expect([broken.status, broken.json().error]).toEqual([400, expect.stringContaining('not valid JSON')]);
  const call = new Call();
  call.cancel();
  expect((await client.send('POST', '/models/flower/predict', { body: '{}', call })).status).toBe(499);
});

test('it describes itself: schema, examples that fit it, forms for files', () => {
  const operations = client.router.routes.flatMap(({ route }) => route.describe?.() ?? []);
  expect(operations.map(({ path }) => path)).toEqual(['/models/flower/predict', '/models/picture/predict', '/models/pictures/predict', '/models/sound/predict', '/models/text/predict', '/models/flower/versions/0/predict']);
  const [flowers, pictureOperation] = operations.map(({ operation }) => operation.openapi as Json);
  const json = flowers.requestBody.content['application/json'];
  expect(json.schema).toBe(flower);
  for (const { value: example } of Object.values<Json>(json.examples)) expect(schemaErrors(example, json.schema, json.schema)).toEqual([]);
  expect(Object.keys(pictureOperation.requestBody.content)).toEqual(['application/json', 'multipart/form-data', 'image/png', 'image/jpeg']);
  expect(pictureOperation.requestBody.content['multipart/form-data'].schema.properties.image).toMatchObject({ type: 'string', format: 'binary' });
  expect(Object.keys(pictureOperation.responses)).toEqual(['200', '400', '404', '415', '422', '500', '503']);
});

test('fuzz: broken forms are answered', async () => {
  const source = random(50);
  const { type, body } = await form([['image', new Blob(['\x89PNG\r\n--'])], ['topK', '2'], ['note', 'ü']]);
  for (let run = 0; run < fuzzRuns / 2; run++) {
    const answer = await send('/models/picture/predict', source.next() < 0.9 ? type : source.pick(['multipart/form-data; boundary=', 'multipart/form-data; boundary="', 'application/x-www-form-urlencoded', 'application/json']), mutate(body, source));
    if (![200, 400, 415, 422].includes(answer.status)) expect.fail(`${answer.status} ${answer.text}`);
  }
});
