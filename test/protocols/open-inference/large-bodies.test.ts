/** Bodies and answers that are read and written in threads. */
import { afterAll, expect, test } from 'vitest';
import { Call } from '../../../src/call.ts';
import { openInference } from '../../../src/protocols/open-inference/index.ts';
import { JsonThreads } from '../../../src/protocols/open-inference/json-threads.ts';
import { stateOf } from '../../../src/protocols/open-inference/state.ts';
import { FakeRepository, allFakes } from '../../fixtures/fake-repository.ts';
import { protocolClient } from '../../fixtures/protocol-client.ts';

const client = protocolClient(openInference, new FakeRepository(allFakes()));
afterAll(() => stateOf(client.context).threads.close());

function bodyOf(datatype: string, texts: readonly string[]): Buffer {
  return Buffer.from(`{"id":"big","inputs":[{"name":"x","shape":[${texts.length}],"datatype":"${datatype}","data":[${texts.join(',')}]}]}`);
}

test('an image as JSON goes through a thread both ways, number by number', async () => {
  const values = Float32Array.from({ length: 150_528 }, (_, index) => Math.sin(index));
  const answer = await client.post('/v2/models/identity_FP32/infer', bodyOf('FP32', Array.from(values, String)));
  expect(answer.status).toBe(200);
  const { id, outputs } = answer.json();
  expect([id, outputs[0].shape]).toEqual(['big', [150_528]]);
  expect(Float32Array.from(outputs[0].data)).toEqual(values);
});

test('large integers and text, too', async () => {
  const integers = Array.from({ length: 9000 }, (_, index) => String(9007199254740993n + BigInt(index)));
  expect((await client.post('/v2/models/identity_INT64/infer', bodyOf('INT64', integers))).text).toContain(`"data":[${integers.join(',')}]`);
  const texts = Array.from({ length: 9000 }, (_, index) => `"grüß ${index} \\u00e9\\n"`);
  const answer = await client.post('/v2/models/identity_BYTES/infer', bodyOf('BYTES', texts));
  expect(answer.json().outputs[0].data).toEqual(texts.map((text) => JSON.parse(text)));
  const long = `"${'ü'.repeat(100_000)}"`;
  expect((await client.post('/v2/models/identity_BYTES/infer', bodyOf('BYTES', [long, '"b"']))).json().outputs[0].data).toEqual([JSON.parse(long), 'b']);
});

test('a long text to generate from, and a long list for a model that takes tensors', async () => {
  const words = Array.from({ length: 20_000 }, (_, index) => `w${index}`);
  const answer = await client.post('/v2/models/generator/generate', { text_input: words.join(' '), max_tokens: 2 });
  expect(answer.json().text_output).toBe('w19999 w19998');
  const values = Array.from({ length: 20_000 }, (_, index) => index - 9_000_000);
  expect((await client.post('/v2/models/identity_INT32/generate', { x: values })).json().y).toEqual(values);
  const wrong = await client.post('/v2/models/identity_INT32/generate', { x: [...values, 0.5] });
  expect([wrong.status, wrong.json().error]).toEqual([400, expect.stringContaining('x[20000]: 0.5 does not fit INT32')]);
});

test('mistakes in large bodies are told as in small ones', async () => {
  const numbers = Array.from({ length: 50_000 }, () => '1');
  numbers[33_333] = '1.5';
  const wrong = await client.post('/v2/models/identity_INT32/infer', bodyOf('INT32', numbers));
  expect([wrong.status, wrong.json().error]).toEqual([400, expect.stringContaining('inputs[0].data[33333]: 1.5 does not fit INT32')]);
  const cut = await client.post('/v2/models/identity_INT32/infer', bodyOf('INT32', numbers).subarray(0, 90_000));
  expect([cut.status, cut.json().error]).toEqual([400, expect.stringContaining('inputs[0].data[33333]: 1.5')]);
  const short = await client.post('/v2/models/identity_FP32/infer', bodyOf('FP32', numbers).subarray(0, 90_000));
  expect([short.status, short.json().error]).toEqual([400, expect.stringMatching(/the document ends too early at byte 90000 in inputs\[0\]\.data\[\d+\]/)]);
});

test('bytes that are no text are refused when a thread writes them, too', async () => {
  const count = 6000;
  const head = `{"inputs":[{"name":"x","shape":[${count}],"datatype":"BYTES","parameters":{"binary_data_size":${count * 5}}}]}`;
  const strings = Buffer.concat(Array.from({ length: count }, (_, index) => Buffer.from([1, 0, 0, 0, index === 5000 ? 0xff : 65])));
  const answer = await client.post('/v2/models/identity_BYTES/infer', Buffer.concat([Buffer.from(head), strings]), { 'inference-header-content-length': String(head.length) });
  expect([answer.status, answer.json().error]).toEqual([400, expect.stringContaining("element 5000 of output 'y' is not UTF-8")]);
});

test('many large bodies at once get their own answers', async () => {
  const answers = await Promise.all(Array.from({ length: 12 }, (_, index) => client.post('/v2/models/identity_INT32/infer', bodyOf('INT32', Array.from({ length: 20_000 }, () => String(1_000_000 + index))))));
  expect(answers.map((answer) => new Set(answer.json().outputs[0].data as number[]))).toEqual(answers.map((_, index) => new Set([1_000_000 + index])));
});

test('a body that lies in memory of others is copied, one that has its own is handed over', async () => {
  const threads = new JsonThreads(1);
  const text = bodyOf('FP32', ['1', '2']);
  const own = new Uint8Array(text.length);
  own.set(text);
  const shared = new Uint8Array(text.length + 8).subarray(4, text.length + 4);
  shared.set(text);
  const [first, second] = await Promise.all([threads.parse(own), threads.parse(shared)]);
  expect([first.inputs[0]!.data, second.inputs[0]!.data]).toEqual([Float32Array.of(1, 2), Float32Array.of(1, 2)]);
  expect([own.length, shared.length]).toEqual([0, text.length]);
  await threads.close();
});

test('a request that was cancelled while it waited is not parsed', async () => {
  const threads = new JsonThreads(1);
  const call = new Call();
  const first = threads.parse(bodyOf('FP32', ['1']));
  const second = threads.parse(bodyOf('FP32', ['2']), call);
  call.cancel();
  await expect(second).rejects.toMatchObject({ code: 'CANCELLED' });
  await expect(first).resolves.toBeDefined();
  await threads.close();
});

test('elements of an answer are copied, so that a batch which is shared stays whole', async () => {
  const threads = new JsonThreads(1);
  const batch = Float32Array.from({ length: 10 }, (_, index) => index / 2);
  const written = await threads.write({ json: ['[', ']'], data: [{ name: 'y', datatype: 'FP32', data: batch.subarray(2, 5) }], binary: [] });
  expect(Buffer.from(written).toString()).toBe('[[1.0,1.5,2.0]]');
  expect(batch.length).toBe(10);
  await threads.close();
});
