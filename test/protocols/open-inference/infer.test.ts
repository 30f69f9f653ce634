import { expect, test } from 'vitest';
import { Call } from '../../../src/call.ts';
import { ModelportError } from '../../../src/errors.ts';
import { openInference } from '../../../src/protocols/open-inference/index.ts';
import type { Datatype } from '../../../src/tensor.ts';
import { FakeRepository, allFakes, failingModel, recordingModel, simpleModel } from '../../fixtures/fake-repository.ts';
import { protocolClient, type Json } from '../../fixtures/protocol-client.ts';

const repository = new FakeRepository(allFakes());
const client = protocolClient(openInference, repository);

function identity(datatype: Datatype, data: string, shape: string): Promise<{ status: number; text: string }> {
  return client.post(`/v2/models/identity_${datatype}/infer`, `{"inputs":[{"name":"x","shape":${shape},"datatype":"${datatype}","data":${data}}]}`);
}

/** The text of `data` in the answer, digit by digit. */
async function echoed(datatype: Datatype, data: string, length: number): Promise<string> {
  const answer = await identity(datatype, data, `[${length}]`);
  expect(answer.status, answer.text).toBe(200);
  return /"data":(\[.*\])\}\]\}$/s.exec(answer.text)![1]!;
}

test('answers the documented example: names, version, id, outputs in order', async () => {
  const row = Array.from({ length: 16 }, (_, index) => index);
  const input = (name: string, data: number[]): object => ({ name, shape: [1, 16], datatype: 'INT32', data });
  const answer = await client.post('/v2/models/simple/infer', { id: '42', inputs: [input('INPUT0', row), input('INPUT1', row.map(() => 1))] });
  expect(answer.status).toBe(200);
  expect(answer.headers['content-type']).toBe('application/json');
  expect(answer.json()).toEqual({
    id: '42',
    model_name: 'simple',
    model_version: '3',
    outputs: [
      { name: 'OUTPUT0', datatype: 'INT32', shape: [1, 16], data: row.map((value) => value + 1) },
      { name: 'OUTPUT1', datatype: 'INT32', shape: [1, 16], data: row.map((value) => value - 1) },
    ],
  });
  const older = await client.post('/v2/models/simple/versions/1/infer', { inputs: [input('INPUT0', row), input('INPUT1', row)], outputs: [{ name: 'OUTPUT1' }] });
  expect(older.json()).toEqual({ model_name: 'simple', model_version: '1', outputs: [{ name: 'OUTPUT1', datatype: 'INT32', shape: [1, 16], data: row.map(() => 0) }] });
});

test('the id comes back as it went in, whatever it is made of', async () => {
  const id = '"quotes", \\ and \n, grüß 😀';
  const answer = await client.post('/v2/models/identity_FP32/infer', { id, inputs: [{ name: 'x', shape: [1], datatype: 'FP32', data: [1] }] });
  expect(answer.json().id).toBe(id);
  const none = await client.post('/v2/models/identity_FP32/infer', { id: '', inputs: [{ name: 'x', shape: [1], datatype: 'FP32', data: [1] }] });
  expect(none.json()).not.toHaveProperty('id');
});

test('numbers come back digit by digit', async () => {
  expect(await echoed('INT64', '[9223372036854775807, -9223372036854775808, 9007199254740993, -9007199254740993, 0, -1]', 6)).toBe('[9223372036854775807,-9223372036854775808,9007199254740993,-9007199254740993,0,-1]');
  expect(await echoed('UINT64', '[18446744073709551615, 9007199254740993, 1e3]', 3)).toBe('[18446744073709551615,9007199254740993,1000]');
  expect(await echoed('INT8', '[-128, 127, -0, 1.0, 12e1]', 5)).toBe('[-128,127,0,1,120]');
  expect(await echoed('UINT8', '[255, 0]', 2)).toBe('[255,0]');
  expect(await echoed('INT16', '[-32768,32767]', 2)).toBe('[-32768,32767]');
  expect(await echoed('UINT16', '[65535]', 1)).toBe('[65535]');
  expect(await echoed('INT32', '[-2147483648,2147483647]', 2)).toBe('[-2147483648,2147483647]');
  expect(await echoed('UINT32', '[4294967295]', 1)).toBe('[4294967295]');
  expect(await echoed('FP32', '[0.1, 0.10000000149011612, 5.1, 1, -0, 1e-45, 3.4028235e38, 1e-46, 16777217]', 9)).toBe('[0.1,0.1,5.1,1.0,-0.0,1e-45,3.4028235e+38,0.0,16777216.0]');
  expect(await echoed('FP64', '[0.1, 5e-324, 1.7976931348623157e308, 0.30000000000000004, 100000000000000000000000, 123456789012345678]', 6)).toBe('[0.1,5e-324,1.7976931348623157e+308,0.30000000000000004,1e+23,123456789012345680.0]');
  expect(await echoed('FP16', '[0.1, 65504, 6e-8, 1.0009765625]', 4)).toBe('[0.099975586,65504.0,5.9604645e-8,1.0009766]');
  expect(await echoed('BF16', '[0.1, 3.3895314e38, 1.0078125]', 3)).toBe('[0.100097656,3.3895314e+38,1.0078125]');
});

test('NaN and the infinities are taken and given as bare words by every float type', async () => {
  for (const datatype of ['FP16', 'BF16', 'FP32', 'FP64'] as const) expect(await echoed(datatype, '[NaN, Infinity, -Infinity, 1.5]', 4)).toBe('[NaN,Infinity,-Infinity,1.5]');
});

test('booleans may be 0 and 1', async () => {
  expect(await echoed('BOOL', '[true, false, 1, 0]', 4)).toBe('[true,false,true,false]');
});

test('text comes back whatever it holds', async () => {
  expect(await echoed('BYTES', String.raw`["", "plain", "grüß", "gr\u00fc\u00df", "\ud83d\ude00", "😀", "\"\\\/\b\f\n\r\t", "\u0000", "﻿bom"]`, 9)).toBe(JSON.stringify(['', 'plain', 'grüß', 'grüß', '😀', '😀', '"\\/\b\f\n\r\t', '\u0000', '\ufeffbom']));
});

test('data is flat or nested as the shape says; no elements are fine', async () => {
  const matrices = (shape: string, data: string): Promise<{ status: number; text: string; json(): Json }> =>
    client.post('/v2/models/matrices_INT16/infer', `{"inputs":[{"name":"x","shape":${shape},"datatype":"INT16","data":${data}}]}`);
  for (const data of ['[1,2,3,4,5,6]', '[[[1,2,3],[4,5,6]]]', ' [ [ [ 1 , 2 , 3 ] ,\n[ 4,5,6 ] ]\t] ']) expect((await matrices('[1,2,3]', data)).json().outputs[0].data).toEqual([1, 2, 3, 4, 5, 6]);
  for (const [shape, data] of [['[0,2,3]', '[]'], ['[1,0,3]', '[[]]'], ['[1,0,3]', '[]'], ['[2,1,0]', '[[[]],[[]]]'], ['[2,1,0]', '[]']]) expect((await matrices(shape!, data!)).json().outputs[0], `${shape} ${data}`).toEqual({ name: 'y', datatype: 'INT16', shape: JSON.parse(shape!), data: [] });
});

test('members come in any order, and members that the protocol does not have are read over', async () => {
  const bodies = [
    '{"inputs":[{"data":[[[1,2],[3,4]]],"datatype":"FP32","shape":[1,2,2],"name":"x"}]}',
    '{"model_name":"other","inputs":[{"data":[1,2,3,4],"name":"x","x-note":{"deep":[[{"a":null}]]},"datatype":"FP32","shape":[1,2,2],"parameters":{"content_type":"np","list":[1]}}],"outputs":null,"parameters":null,"more":[NaN,-Infinity,"\\u00e9"]}',
    '\n{ "inputs" : [ { "shape":[1,2,2] , "data":[1,2,3,4] , "name":"x","datatype":"FP32" } ] }\r\n',
  ];
  for (const body of bodies) expect((await client.post('/v2/models/matrices_FP32/infer', body)).json().outputs[0].data).toEqual([1, 2, 3, 4]);
});

const mistakes: [name: string, model: string, body: string, message: RegExp][] = [
  ['nothing', 'simple', '', /^failed to parse the request JSON buffer: the document ends too early at byte 0$/],
  ['cut off', 'simple', '{"inputs":[{"name":"INPUT0","sha', /the document ends too early at byte 32 in inputs\[0\]/],
  ['no object', 'simple', '[1]', /^Unable to parse the request: expected an object, found an array$/],
  ['text after it', 'simple', '{"inputs":[]} x', /unexpected text after the end of the document at byte 14/],
  ['a comma too many', 'identity_FP32', '{"inputs":[{"name":"x","shape":[2],"datatype":"FP32","data":[1,2,]}]}', /failed to parse the request JSON buffer|Shape does not match/],
  ['no inputs', 'simple', '{"id":"1"}', /it has no 'inputs'/],
  ['inputs of the wrong kind', 'simple', '{"inputs":{}}', /^Unable to parse 'inputs': inputs: expected an array, found an object$/],
  ['an input of the wrong kind', 'simple', '{"inputs":[7]}', /^Unable to parse 'inputs': inputs\[0\]: expected an object, found a number$/],
  ['no name', 'simple', '{"inputs":[{"shape":[1],"datatype":"FP32","data":[1]}]}', /inputs\[0\]: it has no 'name'/],
  ['no shape', 'simple', '{"inputs":[{"name":"x","datatype":"FP32","data":[1]}]}', /input 'x' has no 'shape'/],
  ['no datatype', 'simple', '{"inputs":[{"name":"x","shape":[1],"data":[1]}]}', /input 'x' has no 'datatype'/],
  ['an unknown datatype', 'simple', '{"inputs":[{"name":"x","shape":[1],"datatype":"FP33","data":[1]}]}', /Unable to parse 'datatype': inputs\[0\]\.datatype: 'FP33' is not a datatype/],
  ['a shape that is no list', 'simple', '{"inputs":[{"name":"x","shape":4,"datatype":"FP32","data":[1]}]}', /Unable to parse 'shape': inputs\[0\]\.shape: expected an array, found a number/],
  ['a negative size', 'simple', '{"inputs":[{"name":"x","shape":[1,-1],"datatype":"FP32","data":[1]}]}', /Unable to parse 'shape': inputs\[0\]\.shape\[1\]: -1 is not an integer from 0/],
  ['a broken size', 'simple', '{"inputs":[{"name":"x","shape":[1.5],"datatype":"FP32","data":[1]}]}', /Unable to parse 'shape': inputs\[0\]\.shape\[0\]: 1\.5 is not an integer/],
  ['a size that kills others', 'simple', '{"inputs":[{"name":"x","shape":[1,1152921504606846976],"datatype":"FP32","data":[1]}]}', /Unable to parse 'shape': inputs\[0\]\.shape\[1\]/],
  ['a product that overflows', 'matrices_FP32', '{"inputs":[{"name":"x","shape":[2147483647,2147483647,2147483647],"datatype":"FP32","data":[1]}]}', /Shape does not match true shape of 'data' field: it has 1 elements/],
  ['no data', 'simple', '{"inputs":[{"name":"x","shape":[1],"datatype":"FP32"}]}', /Input must set only one of the following fields: 'data', 'binary_data_size' in 'parameters', 'shared_memory_region' in 'parameters'\. But no field is set/],
  ['data twice over', 'simple', '{"inputs":[{"name":"x","shape":[1],"datatype":"FP32","data":[1],"parameters":{"binary_data_size":4}}]}', /But set 'data' 'binary_data_size'/],
  ['a name twice', 'simple', '{"inputs":[{"name":"x","shape":[1],"datatype":"FP32","data":[1]},{"name":"x","shape":[1],"datatype":"FP32","data":[1]}]}', /inputs\[1\]: 'x' is given twice/],
  ['inputs twice', 'simple', '{"inputs":[],"inputs":[]}', /inputs: it is given twice/],
  ['too few elements', 'identity_FP32', '{"inputs":[{"name":"x","shape":[4],"datatype":"FP32","data":[1,2,3]}]}', /inputs\[0\]\.data: Shape does not match true shape of 'data' field: it has 3 elements, but shape \[4\]/],
  ['too many elements', 'identity_FP32', '{"inputs":[{"name":"x","shape":[2],"datatype":"FP32","data":[1,2,3]}]}', /it has 3 elements, but shape \[2\]/],
  ['a ragged row', 'matrices_FP32', '{"inputs":[{"name":"x","shape":[1,2,2],"datatype":"FP32","data":[[[1,2],[3]]]}]}', /inputs\[0\]\.data\[0\]\[1\]: Shape does not match true shape of 'data' field: there are 1 here, but shape \[1, 2, 2\] has 2 along axis 2/],
  ['a missing row', 'matrices_FP32', '{"inputs":[{"name":"x","shape":[1,2,2],"datatype":"FP32","data":[[[1,2]]]}]}', /inputs\[0\]\.data\[0\]: Shape does not match.* there are 1 here/],
  ['nested too deep', 'matrices_FP32', '{"inputs":[{"name":"x","shape":[1,1,1],"datatype":"FP32","data":[[[[1]]]]}]}', /Unable to parse 'data': inputs\[0\]\.data\[0\]\[0\]\[0\]: expected a number, found an array/],
  ['nested too little', 'matrices_FP32', '{"inputs":[{"name":"x","shape":[1,1,1],"datatype":"FP32","data":[[1]]}]}', /inputs\[0\]\.data\[0\]\[0\]: expected an array of 1/],
  ['a bomb of brackets', 'identity_FP32', `{"inputs":[{"name":"x","datatype":"FP32","data":${'['.repeat(100_000)}`, /JSON nesting depth exceeds maximum allowed limit \(100\)/],
  ['a bomb of braces', 'identity_FP32', `{"x":${'{"a":'.repeat(100_000)}`, /JSON nesting depth exceeds maximum allowed limit \(100\)/],
  ['a shape with too many dimensions', 'identity_FP32', `{"inputs":[{"name":"x","shape":[${'1,'.repeat(200)}1],"datatype":"FP32","data":[1]}]}`, /at most 100 dimensions/],
  ['text for a number', 'identity_FP32', '{"inputs":[{"name":"x","shape":[2],"datatype":"FP32","data":[1,"2"]}]}', /inputs\[0\]\.data\[1\]: expected a number, found text/],
  ['null for a number', 'identity_FP32', '{"inputs":[{"name":"x","shape":[1],"datatype":"FP32","data":[null]}]}', /inputs\[0\]\.data\[0\]: expected a number, found null/],
  ['a boolean for a number', 'identity_INT32', '{"inputs":[{"name":"x","shape":[1],"datatype":"INT32","data":[true]}]}', /inputs\[0\]\.data\[0\]: expected a number, found a boolean/],
  ['a number for text', 'identity_BYTES', '{"inputs":[{"name":"x","shape":[1],"datatype":"BYTES","data":[5]}]}', /inputs\[0\]\.data\[0\]: expected text, found a number/],
  ['2 for a boolean', 'identity_BOOL', '{"inputs":[{"name":"x","shape":[1],"datatype":"BOOL","data":[2]}]}', /inputs\[0\]\.data\[0\]: expected true or false/],
  ['10 for a boolean', 'identity_BOOL', '{"inputs":[{"name":"x","shape":[1],"datatype":"BOOL","data":[10]}]}', /inputs\[0\]\.data\[0\]: 10 is not a BOOL/],
  ['NaN for an integer', 'identity_INT32', '{"inputs":[{"name":"x","shape":[1],"datatype":"INT32","data":[NaN]}]}', /inputs\[0\]\.data\[0\]: expected a number/],
  ['a leading zero', 'identity_INT32', '{"inputs":[{"name":"x","shape":[1],"datatype":"INT32","data":[01]}]}', /this is not a number of JSON at byte 63 in inputs\[0\]\.data\[0\]/],
  ['half a number', 'identity_FP32', '{"inputs":[{"name":"x","shape":[1],"datatype":"FP32","data":[1.]}]}', /this is not a number of JSON/],
  ['half a surrogate pair', 'identity_BYTES', '{"inputs":[{"name":"x","shape":[1],"datatype":"BYTES","data":["\\ud800"]}]}', /half of a surrogate pair.* in inputs\[0\]\.data\[0\]/],
  ['an unknown escape', 'identity_BYTES', '{"inputs":[{"name":"x","shape":[1],"datatype":"BYTES","data":["\\x"]}]}', /this escape is not one of JSON/],
  ['a control character', 'identity_BYTES', '{"inputs":[{"name":"x","shape":[1],"datatype":"BYTES","data":["\u0001"]}]}', /control character/],
  ['parameters of the wrong kind', 'identity_FP32', '{"parameters":[],"inputs":[]}', /Unable to parse 'parameters': parameters: expected an object, found an array/],
  ['a parameter that is a list', 'identity_FP32', '{"parameters":{"a":[1]},"inputs":[]}', /parameters\.a: expected a boolean, a number or text, found an array/],
  ['a parameter beyond 64 bits', 'identity_FP32', '{"parameters":{"a":18446744073709551616},"inputs":[]}', /parameters\.a: 18446744073709551616 does not fit 64 bits/],
  ['a reserved parameter', 'identity_FP32', '{"parameters":{"triton_x":1},"inputs":[]}', /parameter keys starting with 'triton_' are reserved/],
  ['a sequence id that is none', 'identity_FP32', '{"parameters":{"sequence_id":1.5},"inputs":[]}', /Unable to parse 'sequence_id': parameters\.sequence_id is 1\.5/],
  ['a negative timeout', 'identity_FP32', '{"parameters":{"timeout":-1},"inputs":[]}', /Unable to parse 'timeout'/],
  ['an output twice', 'simple', '{"inputs":[],"outputs":[{"name":"OUTPUT0"},{"name":"OUTPUT0"}]}', /outputs\[1\]: 'OUTPUT0' is given twice/],
  ['an output without a name', 'simple', '{"inputs":[],"outputs":[{}]}', /outputs\[0\]: it has no 'name'/],
  ['an unknown output', 'identity_FP32', '{"inputs":[{"name":"x","shape":[1],"datatype":"FP32","data":[1]}],"outputs":[{"name":"z"}]}', /unexpected inference output 'z' for model 'identity_FP32'/],
  ['a missing input', 'simple', '{"inputs":[{"name":"INPUT0","shape":[1,16],"datatype":"INT32","data":[0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15]}]}', /expected 2 inputs but got 1 inputs for model 'simple'\. Got input\(s\) \['INPUT0'\], but missing required input\(s\) \['INPUT1'\]/],
  ['the wrong shape', 'simple', '{"inputs":[{"name":"INPUT0","shape":[1,2],"datatype":"INT32","data":[0,1]},{"name":"INPUT1","shape":[1,2],"datatype":"INT32","data":[0,1]}]}', /unexpected shape for input 'INPUT0' for model 'simple'\. Expected \[-1,16\], got \[1,2\]/],
  ['the wrong datatype', 'identity_FP32', '{"inputs":[{"name":"x","shape":[1],"datatype":"INT32","data":[0]}]}', /inference input 'x' data-type is 'INT32', but model 'identity_FP32' expects 'FP32'/],
  ['too many rows', 'classifier_FP32', `{"inputs":[{"name":"scores","shape":[5,3],"datatype":"FP32","data":[${'1,'.repeat(14)}1]}]}`, /inference request batch-size must be <= 4 for 'classifier_FP32', got 5/],
];

for (const [name, model, body, message] of mistakes) {
  test(`a client's mistake is a 400 that says where: ${name}`, async () => {
    const answer = await client.post(`/v2/models/${model}/infer`, body);
    expect(answer.status).toBe(400);
    expect(Object.keys(answer.json())).toEqual(['error']);
    expect(answer.json().error).toMatch(message);
  });
}

test('an integer that does not fit is never wrapped', async () => {
  const tooLarge: [Datatype, string][] = [
    ['UINT8', '256'], ['UINT8', '-1'], ['INT8', '128'], ['INT8', '-129'], ['UINT16', '65536'], ['INT16', '32768'], ['INT16', '-32769'], ['UINT32', '4294967296'], ['UINT32', '-1'], ['INT32', '2147483648'], ['INT32', '-2147483649'],
    ['UINT64', '18446744073709551616'], ['UINT64', '-1'], ['INT64', '9223372036854775808'], ['INT64', '-9223372036854775809'], ['INT64', '1e300'], ['INT32', '1.5'], ['INT64', '1.5'], ['INT64', '1e-1'], ['INT32', '1e99999'], ['UINT64', '123456789012345678901234567890'],
    ['FP32', '1e39'], ['FP32', '-3.5e38'], ['FP64', '1e309'], ['FP16', '65520'], ['FP16', '-1e6'], ['BF16', '3.4e38'], ['BF16', '1e39'],
  ];
  for (const [datatype, text] of tooLarge) {
    const answer = await identity(datatype, `[0, ${text}]`, '[2]');
    expect(answer.status, `${datatype} ${text}`).toBe(400);
    expect(answer.text).toContain(`inputs[0].data[1]: ${text} does not fit`);
  }
});

test('text that is not UTF-8 is refused where it stands', async () => {
  for (const bytes of [[0xff], [0xc3], [0xed, 0xa0, 0x80], [0xc0, 0x80]]) {
    const body = Buffer.concat([Buffer.from('{"inputs":[{"name":"x","shape":[1],"datatype":"BYTES","data":["'), Buffer.from(bytes), Buffer.from('"]}]}')]);
    const answer = await client.post('/v2/models/identity_BYTES/infer', body);
    expect(answer.status).toBe(400);
    expect(answer.json().error).toMatch(/not valid UTF-8.* in inputs\[0\]\.data\[0\]/);
  }
});

test('unknown models and versions are 404, whatever the body', async () => {
  for (const [path, name] of [['/v2/models/nobody/infer', "unknown model: 'nobody'"], ['/v2/models/simple/versions/9/infer', 'version 9'], ['/v2/models/nobody/versions/1/infer', "'nobody'"]]) {
    const answer = await client.post(path!, '{');
    expect(answer.status).toBe(404);
    expect(answer.json().error).toContain(name);
  }
});

test("what the model itself says is wrong keeps its code; what it does not say stays inside", async () => {
  for (const [code, status] of [['RUN_FAILED', 500], ['QUEUE_FULL', 503], ['DEADLINE_EXCEEDED', 503], ['UNAVAILABLE', 503], ['CANCELLED', 499]] as const) {
    const failing = protocolClient(openInference, new FakeRepository([failingModel(new ModelportError(code, 'Exceeds maximum queue size', { retryAfterSeconds: 1.5 }))]));
    const answer = await failing.post('/v2/models/failing/infer', { inputs: [{ name: 'x', shape: [1], datatype: 'FP32', data: [1] }] });
    expect(answer.status).toBe(status);
    expect(answer.json()).toEqual({ error: 'Exceeds maximum queue size' });
    expect(answer.headers['retry-after']).toBe('2');
  }
});

test('parameters: the reserved ones steer the call, the others reach the model and come back', async () => {
  const recording = recordingModel('recording', { inputs: [{ name: 'x', datatype: 'FP32', shape: [1] }], outputs: [{ name: 'y', datatype: 'FP32', shape: [1] }] });
  const recorder = protocolClient(openInference, new FakeRepository([recording]));
  const call = new Call({ id: 'outer' });
  const body = '{"parameters":{"sequence_id":18446744073709551615,"sequence_start":true,"priority":2,"timeout":2000000,"mine":7,"flag":false,"text":"t","big":9007199254740993,"__proto__":"odd","half":0.5},"inputs":[{"name":"x","shape":[1],"datatype":"FP32","data":[1]}]}';
  const answer = await recorder.send('POST', '/v2/models/recording/infer', { body, call });
  expect(answer.status).toBe(200);
  const [{ request, call: seen }] = recording.requests as [(typeof recording.requests)[0]];
  expect(Object.entries(request.parameters!)).toEqual([['mine', 7], ['flag', false], ['text', 't'], ['big', 9007199254740993n], ['__proto__', 'odd'], ['half', 0.5]]);
  expect(seen.sequence).toEqual({ id: 18446744073709551615n, start: true, end: false });
  expect(seen.priority).toBe(2);
  expect(seen.deadlineMs).toBeCloseTo(call.receivedAtMs + 2000, 3);
  expect(seen.timing).toBe(call.timing);
  call.cancel();
  expect(seen.cancelled).toBe(true);

  await recorder.post('/v2/models/recording/infer', { parameters: { sequence_id: 'by text', sequence_end: true }, inputs: [{ name: 'x', shape: [1], datatype: 'FP32', data: [1] }] });
  expect(recording.requests[1]!.call.sequence).toEqual({ id: 'by text', start: false, end: true });
  expect(recording.requests[1]!.request).not.toHaveProperty('parameters');

  const echo = await client.post('/v2/models/identity_FP32/infer', '{"parameters":{"mine":7,"big":9007199254740993,"q":"a\\"b"},"inputs":[{"name":"x","shape":[1],"datatype":"FP32","data":[1]}]}');
  expect(echo.text).toContain('"parameters":{"mine":7,"big":9007199254740993,"q":"a\\"b"}');
});

test("the earlier deadline counts: the listener's or the parameter's", async () => {
  const recording = recordingModel('recording', { inputs: [{ name: 'x', datatype: 'FP32', shape: [1] }], outputs: [] });
  const recorder = protocolClient(openInference, new FakeRepository([recording]));
  const deadlineMs = performance.now() + 10;
  await recorder.send('POST', '/v2/models/recording/infer', { body: { parameters: { timeout: 60_000_000 }, inputs: [{ name: 'x', shape: [1], datatype: 'FP32', data: [1] }] }, call: new Call({ deadlineMs }) });
  expect(recording.requests[0]!.call.deadlineMs).toBe(deadlineMs);
});

test('only the outputs that were asked for are asked of the model', async () => {
  const asked: unknown[] = [];
  const { infer, ...rest } = simpleModel();
  const watched = protocolClient(openInference, new FakeRepository([{ ...rest, infer: (request, call) => (asked.push(request.outputs), infer!(request, call)) }]));
  const inputs = ['INPUT0', 'INPUT1'].map((name) => ({ name, shape: [1, 16], datatype: 'INT32', data: Array.from({ length: 16 }, () => 1) }));
  await watched.post('/v2/models/simple/infer', { inputs, outputs: [{ name: 'OUTPUT1' }] });
  await watched.post('/v2/models/simple/infer', { inputs });
  await watched.post('/v2/models/simple/infer', { inputs, outputs: [] });
  expect(asked).toEqual([['OUTPUT1'], undefined, undefined]);
});

test('classification: best classes of each row with their labels', async () => {
  const classify = async (count: number, data: number[], rows: number): Promise<Json> =>
    (await client.post('/v2/models/classifier_FP32/infer', { inputs: [{ name: 'scores', shape: [rows, 3], datatype: 'FP32', data }], outputs: [{ name: 'classes', parameters: { classification: count } }] })).json().outputs[0];
  expect(await classify(2, [0.125, 0.5, 0.25, 3, -1, 3], 2)).toEqual({ name: 'classes', datatype: 'BYTES', shape: [2, 2], data: ['0.500000:1:dog', '0.250000:2:owl', '3.000000:0:cat', '3.000000:2:owl'] });
  expect(await classify(99, [1, 2, 3], 1)).toMatchObject({ shape: [1, 3], data: ['3.000000:2:owl', '2.000000:1:dog', '1.000000:0:cat'] });
  expect(await classify(0, [1, 2, 3], 1)).toMatchObject({ datatype: 'FP32', shape: [1, 3] });
  expect(await classify(2, [], 0)).toEqual({ name: 'classes', datatype: 'BYTES', shape: [0, 2], data: [] });
  const whole = async (datatype: Datatype, data: string): Promise<Json> =>
    (await client.post(`/v2/models/identity_${datatype}/infer`, `{"inputs":[{"name":"x","shape":[3],"datatype":"${datatype}","data":${data}}],"outputs":[{"name":"y","parameters":{"classification":3}}]}`)).json();
  expect((await whole('INT64', '[1,9007199254740993,-5]')).outputs[0]).toMatchObject({ shape: [3], data: ['9007199254740993:1', '1:0', '-5:2'] });
  expect((await whole('FP32', '[NaN,-Infinity,Infinity]')).outputs[0].data).toEqual(['inf:2', '-inf:1', 'nan:0']);
  expect((await whole('FP16', '[0.5,1,65504]')).outputs[0].data).toEqual(['65504.000000:2', '1.000000:1', '0.500000:0']);
  expect((await whole('BYTES', '["a","b","c"]')).error).toMatch(/class result not available for output 'y' due to unsupported type 'BYTES'/);
});

test('a model that streams, generates or predicts says which door is its own', async () => {
  const stream = await client.post('/v2/models/repeat/infer', { inputs: [{ name: 'IN', shape: [1], datatype: 'INT32', data: [1] }] });
  expect(stream.status).toBe(501);
  expect(stream.json().error).toMatch(/HTTP end point doesn't support models with decoupled transaction policy.*generate_stream/);
  const generate = await client.post('/v2/models/generator/infer', { inputs: [] });
  expect(generate.status).toBe(501);
  expect(generate.json().error).toMatch(/use POST \/v2\/models\/generator\/generate$/);
});

test('bytes that are no text can not be answered as JSON, and the answer says what to ask for', async () => {
  const head = '{"inputs":[{"name":"x","shape":[1],"datatype":"BYTES","parameters":{"binary_data_size":5}}]}';
  const answer = await client.post('/v2/models/identity_BYTES/infer', Buffer.concat([Buffer.from(head), Buffer.from([1, 0, 0, 0, 0xff])]), { 'inference-header-content-length': String(head.length) });
  expect(answer.status).toBe(400);
  expect(answer.json().error).toMatch(/element 0 of output 'y' is not UTF-8.*"binary_data": true/);
});

test('browsers are told where the time went, programs are spared it', async () => {
  const body = { inputs: [{ name: 'x', shape: [1], datatype: 'FP32', data: [1] }] };
  expect((await client.post('/v2/models/identity_FP32/infer', body, { 'sec-fetch-site': 'same-origin' })).headers['server-timing']).toMatch(/^total;dur=[\d.]+$/);
  expect((await client.post('/v2/models/identity_FP32/infer', body)).headers).not.toHaveProperty('server-timing');
});
