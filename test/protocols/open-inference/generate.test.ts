import { expect, test } from 'vitest';
import { Call } from '../../../src/call.ts';
import { openInference } from '../../../src/protocols/open-inference/index.ts';
import { FakeRepository, allFakes, recordingModel } from '../../fixtures/fake-repository.ts';
import { protocolClient, type Json } from '../../fixtures/protocol-client.ts';
import { fuzzRuns, mutate, random } from '../../fixtures/random.ts';

const client = protocolClient(openInference, new FakeRepository(allFakes()));

/** The JSON of each server-sent event. */
function eventsOf(text: string): Json[] {
  expect(text.endsWith('\n\n')).toBe(true);
  return text.split('\n\n').slice(0, -1).map((event) => JSON.parse(event.replace(/^data: /, '')));
}

test('generate answers the whole text once', async () => {
  const answer = await client.post('/v2/models/generator/generate', { id: '7', text_input: 'one two three', parameters: { max_tokens: 2 } });
  expect(answer.status).toBe(200);
  expect(answer.headers['content-type']).toBe('application/json');
  expect(answer.json()).toEqual({ id: '7', model_name: 'generator', model_version: '1', text_output: 'three two' });
  const versioned = await client.post('/v2/models/generator/versions/1/generate', { text_input: 'a b', max_tokens: 1 });
  expect(versioned.json()).toEqual({ model_name: 'generator', model_version: '1', text_output: 'b' });
});

test('generate_stream sends each piece as a server-sent event', async () => {
  const answer = await client.post('/v2/models/generator/generate_stream', { text_input: 'one two' });
  expect(answer.status).toBe(200);
  expect(answer.headers['content-type']).toBe('text/event-stream; charset=utf-8');
  expect(answer.parts.length).toBe(2);
  expect(eventsOf(answer.text)).toEqual([
    { model_name: 'generator', model_version: '1', text_output: 'two' },
    { model_name: 'generator', model_version: '1', text_output: ' one' },
  ]);
});

test('an error before the first piece has its status, one after it comes as the last event', async () => {
  const before = await client.post('/v2/models/generator/generate_stream', { text_input: 'one two', fail_after: 0 });
  expect(before.status).toBe(500);
  expect(before.json()).toEqual({ error: 'out of words' });
  const after = await client.post('/v2/models/generator/generate_stream', { text_input: 'one two', fail_after: 1 });
  expect(after.status).toBe(200);
  expect(eventsOf(after.text)).toEqual([{ model_name: 'generator', model_version: '1', text_output: 'two' }, { error: 'out of words' }]);
});

test('a model that takes tensors: members with the name of an input become it, outputs become members', async () => {
  expect((await client.post('/v2/models/upper/generate', { id: 'i', text_input: 'grüß "dich"' })).json()).toEqual({ id: 'i', model_name: 'upper', model_version: '1', text_output: 'GRÜSS "DICH"' });
  expect((await client.post('/v2/models/upper/generate', { text_input: ['in a list'] })).json().text_output).toBe('IN A LIST');
  expect((await client.post('/v2/models/identity_INT64/generate', '{"x":[1,9007199254740993]}')).text).toContain('"y":[1,9007199254740993]');
  expect((await client.post('/v2/models/identity_FP32/generate', '{"parameters":{"x":[0.5, NaN]}}')).text).toContain('"y":[0.5,NaN]');
  expect((await client.post('/v2/models/classifier_FP32/generate', { scores: [1, 2, 3] })).json().classes).toEqual([1, 2, 3]);
});

test('a model that streams: every answer an event; generate wants exactly one', async () => {
  const answer = await client.post('/v2/models/repeat/generate_stream', { IN: [3, 4] });
  expect(eventsOf(answer.text)).toEqual([
    { model_name: 'repeat', model_version: '1', OUT: 3 },
    { model_name: 'repeat', model_version: '1', OUT: 4 },
  ]);
  expect((await client.post('/v2/models/repeat/generate', { IN: 5 })).json().OUT).toBe(5);
  const none = await client.post('/v2/models/repeat/generate_stream', { IN: [] });
  expect([none.status, none.text]).toEqual([200, '']);
  for (const IN of [[], [1, 2]]) {
    const several = await client.post('/v2/models/repeat/generate', { IN });
    expect(several.status).toBe(400);
    expect(several.json().error).toMatch(/generate expects model to produce exactly 1 response/);
  }
  const broken = await client.post('/v2/models/repeat/generate_stream', { IN: [1, -1, 2] });
  expect(eventsOf(broken.text)).toEqual([expect.objectContaining({ OUT: 1 }), { error: "can't say -1" }]);
});

test('other members and parameters reach the model; the reserved ones steer the call', async () => {
  const recording = recordingModel('recording', { inputs: [{ name: 'x', datatype: 'FP32', shape: [1] }], outputs: [] });
  const recorder = protocolClient(openInference, new FakeRepository([recording]));
  await recorder.post('/v2/models/recording/generate', { x: 1, temperature: 0.5, parameters: { stream: false, priority: 3 } });
  expect(recording.requests[0]!.request.parameters).toEqual({ temperature: 0.5, stream: false });
  expect(recording.requests[0]!.call.priority).toBe(3);
});

test('a client that leaves ends the generation', async () => {
  const call = new Call();
  const answer = client.send('POST', '/v2/models/generator/generate_stream', { body: { text_input: 'a b c d' }, call });
  call.cancel();
  const { status, text } = await answer;
  expect(status === 499 || /the request was cancelled/.test(text)).toBe(true);
});

const mistakes: [path: string, body: string, status: number, message: RegExp][] = [
  ['generator/generate', '{}', 400, /has no 'text_input'/],
  ['generator/generate', '{"text_input":5}', 400, /Unable to parse 'text_input': text_input: expected text, found a number/],
  ['generator/generate', '{"text_input":"a"', 400, /the document ends too early/],
  ['generator/generate', '', 400, /the document ends too early/],
  ['generator/generate', '{"text_input":"a","parameters":{"list":[1]}}', 400, /parameters\.list: expected a boolean, a number or text/],
  ['generator/generate', '{"text_input":"a","sequence_start":"yes"}', 400, /Unable to parse 'sequence_start'/],
  ['upper/generate', '{"text_input":5}', 400, /text_input/],
  ['upper/generate', '{"text_input":["a","b"]}', 400, /text_input: it has 2 elements, which do not fill shape \[1\]/],
  ['upper/generate', '{}', 400, /expected 1 inputs but got 0 inputs/],
  ['classifier_FP32/generate', '{"scores":[1,2]}', 400, /it has 2 elements, which do not fill shape \[1, 3\]/],
  ['identity_INT32/generate', '{"x":[1,2.5]}', 400, /x\[1\]: 2\.5 does not fit INT32/],
  ['nobody/generate', '{}', 404, /nobody/],
  ['nobody/generate_stream', '{}', 404, /nobody/],
];

test('mistakes are told with their field', async () => {
  for (const [path, body, status, message] of mistakes) {
    const answer = await client.post(`/v2/models/${path}`, body);
    expect(answer.status, `${path} ${body}`).toBe(status);
    expect(answer.headers['content-type']).toBe('application/json');
    expect(answer.json().error).toMatch(message);
  }
});

test('fuzz: broken bodies are answered', async () => {
  const source = random(30);
  const seeds = ['{"id":"1","text_input":"one two \\u00e9","parameters":{"max_tokens":3,"half":0.5},"flag":true}', '{"x":[1,2,3],"parameters":{"x2":null}}'];
  for (let run = 0; run < fuzzRuns / 2; run++) {
    const answer = await client.post(source.pick(['/v2/models/generator/generate', '/v2/models/identity_INT32/generate', '/v2/models/generator/generate_stream']), mutate(Buffer.from(source.pick(seeds)), source));
    expect([200, 400]).toContain(answer.status);
  }
});
