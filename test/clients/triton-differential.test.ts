/**
 * The same requests to the real Triton and to Modelport, compared in status, error text and body. MODELPORT_TRITON names a
 * virtual environment with nvidia-pytriton (0.7: Triton 2.51); without it the test is skipped. Every difference that is
 * allowed stands in `differences` with its reason, and each of those must still occur.
 */
import { rmSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ModelportError } from '../../src/errors.ts';
import { openInference } from '../../src/protocols/open-inference/index.ts';
import { createGuard } from '../../src/server/guard.ts';
import { listenHttp, type HttpListener } from '../../src/server/http-listener.ts';
import { createRouter } from '../../src/server/router.ts';
import { FakeRepository } from '../fixtures/fake-repository.ts';
import { serverFacts, type Json } from '../fixtures/protocol-client.ts';
import { commonModels, startTriton, type Triton } from '../fixtures/triton.ts';
import { skipUnless } from './setup/installed.ts';

const environment = process.env['MODELPORT_TRITON'];
const tritonEnvironment = environment === undefined ? { missing: 'MODELPORT_TRITON names no virtual environment with nvidia-pytriton' } : {};

interface Request {
  readonly name: string;
  readonly method: string;
  readonly path: string;
  readonly body?: string | Uint8Array;
  readonly headers?: Readonly<Record<string, string>>;
}

interface Reply {
  readonly status: number;
  readonly error: string | undefined;
  /** The JSON with tensors that came as bytes, NaN and infinities as text; the text where it is no JSON. */
  readonly body: unknown;
}

/** The status of a request that ended Triton. */
const died = 0;

/** What differs: `triton` and `ours` as they were seen. */
interface Difference {
  readonly request: Request;
  readonly what: 'status' | 'error' | 'body';
  readonly triton: Reply;
  readonly ours: Reply;
}

const differences: { readonly reason: string; readonly applies: (difference: Difference) => boolean }[] = [
  { reason: "a client's mistake is a 4xx here, where Triton says 500, 503 or, once an answer was begun, 200", applies: ({ what, triton, ours }) => what === 'status' && [500, 503, 200].includes(triton.status) && ours.status >= 400 && ours.status < 500 && triton.error !== undefined },
  { reason: 'the same text, and then where it is and what was expected', applies: ({ what, triton, ours }) => what === 'error' && triton.error !== undefined && triton.error !== '' && ours.error?.includes(triton.error.trim().replace(/\.$/, '')) === true },
  { reason: 'where JSON stops being JSON is said in other words, with the path', applies: ({ what, triton, ours }) => what === 'error' && /failed to parse the request JSON buffer|^Unable to parse/.test(triton.error ?? '') && /failed to parse the request JSON buffer|Unable to parse|has no '/.test(ours.error ?? '') },
  { reason: 'what Triton calls an attempt to access JSON is told as the value that was found and the one that was expected', applies: ({ what, triton, ours }) => what === 'error' && /attempt to access/.test(triton.error ?? '') && /^(Unable to parse|Invalid value for)/.test(ours.error ?? '') },
  { reason: 'what is wrong is said of the first thing that is: an input that is no object, a datatype that is none, an input that is unknown', applies: ({ what, request }) => what === 'error' && ['an input is a number', 'an unknown datatype', 'an input too many'].includes(request.name) },
  { reason: 'of two wrong inputs the first one is named, of two numbers of rows both', applies: ({ what, request }) => what === 'error' && ['the wrong row length', 'rows that differ'].includes(request.name) },
  { reason: 'what is missing is the header that says where the bytes begin', applies: ({ what, request }) => what === 'error' && request.name === 'bytes without a header' },
  { reason: 'an encoding that is not known is 415, and the text says which are', applies: ({ request }) => request.name === 'an unknown encoding' },
  { reason: "a raw body's input is named as the model names it, and the text says why no shape was found", applies: ({ what, request }) => what === 'error' && request.name.startsWith('a raw body') },
  { reason: 'a header that is no number is refused; this Triton takes it for 0, a raw body', applies: ({ request }) => request.name === 'a header that is text' },
  { reason: 'an unknown model is 404 for settings, too', applies: ({ request }) => /nobody\/trace/.test(request.path) },
  { reason: 'parameters that have the wrong form are refused, of models that are not there, too', applies: ({ request }) => ['load with parameters that are a list', 'unload with text'].includes(request.name) },
  { reason: 'a body is in one buffer here, so a length can not be split', applies: ({ what, request }) => what === 'error' && request.name === 'bytes: a length cut off' },
  { reason: 'a key may be registered in several parts; this Triton fails at the second', applies: ({ request }) => ['register another part', 'status of one', 'status as cuda', 'shared memory round trip with room'].includes(request.name) },
  { reason: 'tracing needs no file here', applies: ({ request }) => ['trace: level', 'trace: levels'].includes(request.name) },
  { reason: 'settings are named as they are sent, not as flags of a command line', applies: ({ what, request }) => what === 'error' && request.name === 'log: an unknown format' },
  { reason: 'a path or method that is not there says what is', applies: ({ what, request, triton, ours }) => (what === 'error' && /Not Found|Method Not Allowed/.test(triton.error ?? '') && /is nothing at|is not allowed at/.test(ours.error ?? '')) || /versions\/abc/.test(request.path) },
  { reason: 'health answers have a body, as the protocol document says', applies: ({ what, request }) => what === 'body' && /health|\/ready$/.test(request.path) },
  { reason: 'GET /v2/models lists the models, as KServe does; Triton has no such path', applies: ({ request }) => request.path === '/v2/models' },
  { reason: 'name, version and platform of the server are its own', applies: ({ what, request }) => what === 'body' && request.path === '/v2' },
  { reason: 'the index says why, even where there is nothing to say', applies: ({ what, request }) => what === 'body' && /repository.*index/.test(request.path) },
  { reason: 'a number that does not fit the datatype is refused; Triton wraps it, cuts it, or makes it infinite', applies: ({ request }) => /does not fit/.test(request.name) },
  { reason: 'FP16 is read and written as JSON; Triton wants it binary', applies: ({ request }) => /FP16 as JSON/.test(request.name) },
  { reason: 'integers may be written with a fraction of zero or an exponent: 1.0 and 1e2 are integers in JSON', applies: ({ request }) => /integers written as floats/.test(request.name) },
  { reason: '0 and 1 are taken for BOOL: that is what arrays of booleans become in many languages', applies: ({ request }) => /0 and 1 for BOOL/.test(request.name) },
  { reason: 'nested data must be nested as the shape says; Triton counts elements only', applies: ({ request }) => /nested unlike its shape/.test(request.name) },
  { reason: 'BOOL is a byte 0 or 1; Triton passes on what it is given', applies: ({ request }) => /a BOOL byte of 2/.test(request.name) },
  { reason: 'what is given twice is refused: Triton takes the first', applies: ({ request }) => /given twice/.test(request.name) },
  { reason: 'what JSON forbids is refused: text that is no UTF-8, halves of surrogate pairs, control characters', applies: ({ request }) => /no text for JSON/.test(request.name) },
  { reason: 'a setting that does not exist is refused, not passed over', applies: ({ request }) => /unknown setting/.test(request.name) },
  { reason: 'settings that are numbers may be numbers', applies: ({ request }) => /setting as a number/.test(request.name) },
  { reason: 'binary_data_output counts for listed outputs that do not say otherwise, as its document has it', applies: ({ request }) => /binary_data_output beside listed outputs/.test(request.name) },
  { reason: 'outputs of an answer come in the order in which they were asked for', applies: ({ request }) => /outputs in another order/.test(request.name) },
  { reason: 'an output in shared memory says where it was written', applies: ({ what, request }) => what === 'body' && request.name === 'shared memory round trip' },
  { reason: 'there is no GPU: this Triton was built with one in mind and looks at the handle first', applies: ({ request, what }) => what === 'error' && /cuda register/.test(request.name) },
  { reason: 'a body that is empty is an error of JSON here; Triton takes it for a raw tensor', applies: ({ request, what }) => what !== 'body' && /empty body/.test(request.name) },
  { reason: "it ends Triton's process", applies: ({ triton }) => triton.status === died },
];

const row = JSON.stringify(Array.from({ length: 16 }, (_, index) => index));
const simpleInputs = `[{"name":"INPUT0","shape":[1,16],"datatype":"INT32","data":${row}},{"name":"INPUT1","shape":[1,16],"datatype":"INT32","data":${row}}]`;
const x = (datatype: string, data: string, shape = '[2]', more = ''): string => `{"inputs":[{"name":"x","shape":${shape},"datatype":"${datatype}","data":${data}}]${more}}`;
const infer = (name: string, model: string, body: string | Uint8Array, headers?: Record<string, string>): Request => ({ name, method: 'POST', path: `/v2/models/${model}/infer`, body, ...(headers === undefined ? {} : { headers }) });
const post = (name: string, path: string, body = ''): Request => ({ name, method: 'POST', path, body });

function binary(name: string, model: string, json: string, bytes: Uint8Array, header?: string): Request {
  const text = Buffer.from(json);
  return infer(name, model, Buffer.concat([text, bytes]), { 'Inference-Header-Content-Length': header ?? String(text.length) });
}

const bytesOf = (array: ArrayBufferView): Uint8Array => new Uint8Array(array.buffer as ArrayBuffer, array.byteOffset, array.byteLength);
const strings = (...texts: string[]): Uint8Array => Buffer.concat(texts.flatMap((text) => [bytesOf(Uint32Array.of(Buffer.byteLength(text))), Buffer.from(text)]));

/** JSON data and the same elements as bytes. */
const samples: readonly [datatype: string, data: string, length: number, bytes: Uint8Array][] = [
  ['FP32', '[0.5,-2.25,3.4028235e38,1e-45,0,123456789]', 6, bytesOf(Float32Array.of(0.5, -2.25, 3.4028235e38, 1e-45, 0, 123456789))],
  ['FP32', '[NaN,Infinity,-Infinity]', 3, bytesOf(Float32Array.of(NaN, Infinity, -Infinity))],
  ['FP64', '[0.1,5e-324,1.7976931348623157e308]', 3, bytesOf(Float64Array.of(0.1, 5e-324, 1.7976931348623157e308))],
  ['INT64', '[9223372036854775807,-9223372036854775808,9007199254740993]', 3, bytesOf(BigInt64Array.of(9223372036854775807n, -9223372036854775808n, 9007199254740993n))],
  ['UINT64', '[18446744073709551615,0]', 2, bytesOf(BigUint64Array.of(18446744073709551615n, 0n))],
  ['INT32', '[2147483647,-2147483648,-1]', 3, bytesOf(Int32Array.of(2147483647, -2147483648, -1))],
  ['UINT8', '[0,255]', 2, Uint8Array.of(0, 255)],
  ['BOOL', '[true,false,true]', 3, Uint8Array.of(1, 0, 1)],
  ['BYTES', '["","plain","gr\\u00fc\\u00df \\ud83d\\ude00 \\"\\\\\\n\\/"]', 3, strings('', 'plain', 'grüß 😀 "\\\n/')],
];

function goodInfers(): Request[] {
  const requests: Request[] = [infer('documented example', 'simple', `{"id":"42","inputs":${simpleInputs}}`), infer('one output', 'simple', `{"inputs":${simpleInputs},"outputs":[{"name":"OUTPUT1"}]}`), infer('no outputs listed', 'simple', `{"inputs":${simpleInputs},"outputs":[]}`)];
  for (const [datatype, data, length, bytes] of samples) {
    const model = `identity_${datatype}`;
    const head = (more = ''): string => `{"inputs":[{"name":"x","shape":[${length}],"datatype":"${datatype}","parameters":{"binary_data_size":${bytes.length}}}]${more}}`;
    requests.push(
      infer(`${datatype} ${data}`, model, x(datatype, data, `[${length}]`)),
      infer(`${datatype} ${data} with spaces`, model, ` ${x(datatype, data.replaceAll(/([[\],])/g, ' $1\n'), `[${length}]`)}\r\n`),
      infer(`${datatype} ${data} to bytes`, model, x(datatype, data, `[${length}]`, ',"outputs":[{"name":"y","parameters":{"binary_data":true}}]')),
      infer(`${datatype} ${data} to bytes by request`, model, x(datatype, data, `[${length}]`, ',"parameters":{"binary_data_output":true}')),
      binary(`${datatype} ${data} from bytes`, model, head(), bytes),
      binary(`${datatype} ${data} from bytes to bytes`, model, head(',"outputs":[{"name":"y","parameters":{"binary_data":true}}]'), bytes),
      binary(`${datatype} ${data} version`, `${model}/versions/1`, head(), bytes),
    );
    if (datatype !== 'BYTES') requests.push(infer(`${datatype} ${data} raw`, model, bytes, { 'Inference-Header-Content-Length': '0' }));
    requests.push(infer(`${datatype} no elements`, model, x(datatype, '[]', '[0]')));
  }
  requests.push(
    binary('FP16 from bytes to bytes', 'identity_FP16', '{"inputs":[{"name":"x","shape":[2],"datatype":"FP16","parameters":{"binary_data_size":4}}],"parameters":{"binary_data_output":true}}', Uint8Array.of(0, 0x3c, 0xff, 0x7b)),
    infer('FP16 as JSON', 'identity_FP16', x('FP16', '[0.5,1]')),
    binary('FP16 as JSON only in the answer', 'identity_FP16', '{"inputs":[{"name":"x","shape":[2],"datatype":"FP16","parameters":{"binary_data_size":4}}]}', Uint8Array.of(0, 0x3c, 0xff, 0x7b)),
    infer('nested', 'matrices_FP32', x('FP32', '[[[1,2],[3,4]]]', '[1,2,2]')),
    infer('flat', 'matrices_FP32', x('FP32', '[1,2,3,4]', '[1,2,2]')),
    infer('two rows', 'matrices_FP32', x('FP32', '[[[1],[2]],[[3],[4]]]', '[2,2,1]')),
    infer('nested unlike its shape', 'matrices_FP32', x('FP32', '[[1,2,3,4]]', '[1,2,2]')),
    infer('nested unlike its shape, ragged', 'matrices_FP32', x('FP32', '[[[1,2,3],[4]]]', '[1,2,2]')),
    infer('members in another order', 'identity_FP32', '{"inputs":[{"data":[1,2],"datatype":"FP32","shape":[2],"name":"x"}]}'),
    infer('members that are unknown', 'identity_FP32', '{"model_name":"other","more":[null,{"a":[]}],"inputs":[{"name":"x","shape":[2],"datatype":"FP32","data":[1,2],"parameters":{"content_type":"np"},"note":null}]}'),
    infer('custom parameters', 'identity_FP32', x('FP32', '[1,2]', '[2]', ',"parameters":{"mine":7,"flag":true,"text":"t"}')),
    infer('timeout and priority', 'identity_FP32', x('FP32', '[1,2]', '[2]', ',"parameters":{"timeout":60000000,"priority":0}')),
    infer('integers written as floats', 'identity_INT32', x('INT32', '[1.0,2]')),
    infer('integers written as floats with exponents', 'identity_INT32', x('INT32', '[1e2,2]')),
    infer('0 and 1 for BOOL', 'identity_BOOL', x('BOOL', '[0,1]')),
    infer('outputs in another order', 'simple', `{"inputs":${simpleInputs},"outputs":[{"name":"OUTPUT1"},{"name":"OUTPUT0"}]}`),
    infer('binary_data_output beside listed outputs', 'simple', `{"inputs":${simpleInputs},"parameters":{"binary_data_output":true},"outputs":[{"name":"OUTPUT0"},{"name":"OUTPUT1","parameters":{"binary_data":false}}]}`),
    infer('a long id', 'identity_FP32', x('FP32', '[1,2]', '[2]', `,"id":"${'i'.repeat(300)}"`)),
    infer('an id with odd characters', 'identity_FP32', x('FP32', '[1,2]', '[2]', ',"id":"\\"q\\" \\\\ gr\\u00fc\\u00df"')),
    infer('an empty id', 'identity_FP32', x('FP32', '[1,2]', '[2]', ',"id":""')),
    infer('raw text', 'upper', 'such a text', { 'Inference-Header-Content-Length': '0' }),
    infer('raw row', 'classifier_FP32', bytesOf(Float32Array.of(1, 2, 3)), { 'Inference-Header-Content-Length': '0' }),
  );
  for (const [name, parameters, data, rows] of [['two classes', '{"classification":2}', '[0.5,0.25,0.125,3,5,4]', 2], ['more classes than there are', '{"classification":9}', '[0.5,0.25,0.125]', 1], ['no classes', '{"classification":0}', '[0.5,0.25,0.125]', 1], ['classes as bytes', '{"classification":1,"binary_data":true}', '[0.5,0.25,0.125]', 1]] as const) {
    requests.push(infer(name, 'classifier_FP32', `{"inputs":[{"name":"scores","shape":[${rows},3],"datatype":"FP32","data":${data}}],"outputs":[{"name":"classes","parameters":${parameters}}]}`));
  }
  requests.push(infer('classes of integers', 'identity_INT64', x('INT64', '[5,9007199254740993,-1]', '[3]', ',"outputs":[{"name":"y","parameters":{"classification":3}}]')));
  return requests;
}

function badInfers(): Request[] {
  const f = (name: string, body: string): Request => infer(name, 'identity_FP32', body);
  const input = (members: string): string => `{"inputs":[{${members}}]}`;
  const requests = [
    f('empty body', ''),
    f('a brace', '{'),
    f('cut off', '{"inputs":[{"name":"x","shape":[2],"data'),
    f('a list', '[1]'),
    f('a number', '7'),
    f('text after it', `${x('FP32', '[1,2]')} x`),
    f('a comma too many', x('FP32', '[1,2,]')),
    f('a missing comma', x('FP32', '[1 2]')),
    f('a missing colon', '{"inputs" []}'),
    f('single quotes', "{'inputs':[]}"),
    f('a leading zero', x('FP32', '[01,2]')),
    f('half a number', x('FP32', '[1.,2]')),
    f('a plus sign', x('FP32', '[+1,2]')),
    f('no inputs', '{}'),
    f('inputs are an object', '{"inputs":{}}'),
    f('inputs are null', '{"inputs":null}'),
    f('an input is a number', '{"inputs":[7]}'),
    f('an empty list of inputs', '{"inputs":[]}'),
    f('no name', input('"shape":[2],"datatype":"FP32","data":[1,2]')),
    f('a name that is a number', input('"name":5,"shape":[2],"datatype":"FP32","data":[1,2]')),
    f('no shape', input('"name":"x","datatype":"FP32","data":[1,2]')),
    f('no datatype', input('"name":"x","shape":[2],"data":[1,2]')),
    f('no data', input('"name":"x","shape":[2],"datatype":"FP32"')),
    f('a shape that is a number', x('FP32', '[1,2]', '2')),
    f('a shape of text', x('FP32', '[1,2]', '["2"]')),
    f('a negative shape', x('FP32', '[1,2]', '[-2]')),
    f('a broken shape', x('FP32', '[1,2]', '[2.5]')),
    f('data that is a number', x('FP32', '1')),
    f('data that is an object', x('FP32', '{}')),
    f('data that is null', x('FP32', 'null')),
    f('too few elements', x('FP32', '[1]')),
    f('too many elements', x('FP32', '[1,2,3]')),
    f('text for a number', x('FP32', '["1",2]')),
    f('null for a number', x('FP32', '[null,2]')),
    f('a boolean for a number', x('FP32', '[true,2]')),
    f('an object for a number', x('FP32', '[{},2]')),
    f('an unknown name', '{"inputs":[{"name":"z","shape":[2],"datatype":"FP32","data":[1,2]}]}'),
    f('the wrong datatype', x('INT32', '[1,2]')),
    f('the wrong number of dimensions', x('FP32', '[1,2]', '[2,1]')),
    f('an unknown datatype', x('FP33', '[1,2]')),
    f('an unknown output', x('FP32', '[1,2]', '[2]', ',"outputs":[{"name":"q"}]')),
    f('an output without a name', x('FP32', '[1,2]', '[2]', ',"outputs":[{}]')),
    f('outputs are an object', x('FP32', '[1,2]', '[2]', ',"outputs":{}')),
    f('data and bytes', input('"name":"x","shape":[2],"datatype":"FP32","data":[1,2],"parameters":{"binary_data_size":8}')),
    f('bytes without a header', input('"name":"x","shape":[2],"datatype":"FP32","parameters":{"binary_data_size":8}')),
    f('an id that is a number', x('FP32', '[1,2]', '[2]', ',"id":5')),
    f('a reserved parameter', x('FP32', '[1,2]', '[2]', ',"parameters":{"triton_mine":1}')),
    f('a priority of text', x('FP32', '[1,2]', '[2]', ',"parameters":{"priority":"high"}')),
    f('a negative timeout', x('FP32', '[1,2]', '[2]', ',"parameters":{"timeout":-5}')),
    f('a sequence start of text', x('FP32', '[1,2]', '[2]', ',"parameters":{"sequence_start":"yes"}')),
    f('a sequence id of a boolean', x('FP32', '[1,2]', '[2]', ',"parameters":{"sequence_id":true}')),
    f('binary_data_output of text', x('FP32', '[1,2]', '[2]', ',"parameters":{"binary_data_output":"yes"}')),
    f('binary_data of text', x('FP32', '[1,2]', '[2]', ',"outputs":[{"name":"y","parameters":{"binary_data":"yes"}}]')),
    f('classification of text', x('FP32', '[1,2]', '[2]', ',"outputs":[{"name":"y","parameters":{"classification":"two"}}]')),
    f('an unknown region', input('"name":"x","shape":[2],"datatype":"FP32","parameters":{"shared_memory_region":"none","shared_memory_byte_size":8}')),
    f('an output to an unknown region', x('FP32', '[1,2]', '[2]', ',"outputs":[{"name":"y","parameters":{"shared_memory_region":"none","shared_memory_byte_size":8}}]')),
    f('shared memory and classes', x('FP32', '[1,2]', '[2]', ',"outputs":[{"name":"y","parameters":{"shared_memory_region":"none","shared_memory_byte_size":8,"classification":1}}]')),
    f('shared memory and bytes', x('FP32', '[1,2]', '[2]', ',"outputs":[{"name":"y","parameters":{"shared_memory_region":"none","shared_memory_byte_size":8,"binary_data":true}}]')),
    f('an input given twice', '{"inputs":[{"name":"x","shape":[1],"datatype":"FP32","data":[1]},{"name":"x","shape":[1],"datatype":"FP32","data":[1]}]}'),
    f('inputs given twice', '{"inputs":[{"name":"x","shape":[1],"datatype":"FP32","data":[1]}],"inputs":[]}'),
    f('an output given twice', x('FP32', '[1,2]', '[2]', ',"outputs":[{"name":"y"},{"name":"y"}]')),
    f('a number that does not fit FP32', x('FP32', '[1e39,2]')),
    f('FP64 does not fit: 1e400', x('FP64', '[1e400,2]').replace('FP32', 'FP64')),
    infer('number that does not fit INT32', 'identity_INT32', x('INT32', '[2147483648,2]')),
    infer('number that does not fit UINT8', 'identity_UINT8', x('UINT8', '[256,2]')),
    infer('number that does not fit UINT8: negative', 'identity_UINT8', x('UINT8', '[-1,2]')),
    infer('half for an integer', 'identity_INT32', x('INT32', '[1.5,2]')),
    infer('NaN for an integer', 'identity_INT32', x('INT32', '[NaN,2]')),
    infer('beyond 64 bits', 'identity_INT64', x('INT64', '[9223372036854775808,2]')),
    infer('a number for text', 'identity_BYTES', x('BYTES', '[1,"b"]')),
    infer('no text for JSON: half of a surrogate pair', 'identity_BYTES', x('BYTES', '["\\ud800","b"]')),
    infer('no text for JSON: a control character', 'identity_BYTES', x('BYTES', '["\u0001","b"]')),
    infer('no text for JSON: bytes that are no UTF-8', 'identity_BYTES', Buffer.concat([Buffer.from('{"inputs":[{"name":"x","shape":[1],"datatype":"BYTES","data":["'), Buffer.of(0xff), Buffer.from('"]}]}')])),
    infer('an unknown escape', 'identity_BYTES', x('BYTES', '["\\x","b"]')),
    infer('a missing input', 'simple', `{"inputs":[{"name":"INPUT0","shape":[1,16],"datatype":"INT32","data":${row}}]}`),
    infer('an input too many', 'simple', `{"inputs":${simpleInputs.slice(0, -1)},{"name":"INPUT2","shape":[1],"datatype":"INT32","data":[1]}]}`),
    infer('the wrong row length', 'simple', simpleInputs.replaceAll('[1,16]', '[1,8]').replaceAll(row, '[0,1,2,3,4,5,6,7]').replace(/^/, '{"inputs":').replace(/$/, '}')),
    infer('rows that differ', 'simple', `{"inputs":[{"name":"INPUT0","shape":[2,16],"datatype":"INT32","data":[${row.slice(1, -1)},${row.slice(1, -1)}]},{"name":"INPUT1","shape":[1,16],"datatype":"INT32","data":${row}}]}`),
    infer('too many rows', 'classifier_FP32', `{"inputs":[{"name":"scores","shape":[5,3],"datatype":"FP32","data":[${'1,'.repeat(14)}1]}]}`),
    infer('classes of text', 'identity_BYTES', x('BYTES', '["a","b"]', '[2]', ',"outputs":[{"name":"y","parameters":{"classification":1}}]')),
    infer('an unknown model', 'nobody', x('FP32', '[1,2]')),
    infer('an unknown version', 'identity_FP32/versions/9', x('FP32', '[1,2]')),
    infer('a version that is text', 'identity_FP32/versions/abc', x('FP32', '[1,2]')),
    infer('a model that streams', 'repeat', '{"inputs":[{"name":"IN","shape":[1],"datatype":"INT32","data":[1]}]}'),
    infer('an unknown encoding', 'identity_FP32', x('FP32', '[1,2]'), { 'Content-Encoding': 'compress' }),
    infer('a raw body for two inputs', 'simple', new Uint8Array(64), { 'Inference-Header-Content-Length': '0' }),
    infer('a raw body of the wrong size', 'classifier_FP32', new Uint8Array(8), { 'Inference-Header-Content-Length': '0' }),
    infer('a raw body that is no multiple', 'identity_FP32', new Uint8Array(6), { 'Inference-Header-Content-Length': '0' }),
    infer('a raw body with two sizes open', 'matrices_FP32', new Uint8Array(16), { 'Inference-Header-Content-Length': '0' }),
    infer('a header that is text', 'identity_FP32', x('FP32', '[1,2]'), { 'Inference-Header-Content-Length': 'many' }),
    infer('a header that is negative', 'identity_FP32', x('FP32', '[1,2]'), { 'Inference-Header-Content-Length': '-1' }),
    infer('a header beyond the body', 'identity_FP32', x('FP32', '[1,2]'), { 'Inference-Header-Content-Length': '9999' }),
    infer('a header beyond 32 bits', 'identity_FP32', x('FP32', '[1,2]'), { 'Inference-Header-Content-Length': '99999999999' }),
  ];
  const head = (size: number, datatype = 'FP32', shape = '[2]'): string => `{"inputs":[{"name":"x","shape":${shape},"datatype":"${datatype}","parameters":{"binary_data_size":${size}}}]}`;
  requests.push(
    binary('bytes: one too few', 'identity_FP32', head(8), new Uint8Array(7)),
    binary('bytes: one too many', 'identity_FP32', head(8), new Uint8Array(9)),
    binary('bytes: another size than the shape', 'identity_FP32', head(4), new Uint8Array(4)),
    binary('bytes: none', 'identity_FP32', head(0), new Uint8Array(0)),
    binary('bytes: the header is too short', 'identity_FP32', head(8), new Uint8Array(8), '5'),
    binary('bytes: a size of text', 'identity_FP32', head(8).replace(':8', ':"8"'), new Uint8Array(8)),
    binary('bytes: a length cut off', 'identity_BYTES', head(7, 'BYTES'), Uint8Array.of(1, 0, 0, 0, 65, 1, 0)),
    binary('bytes: a text cut off', 'identity_BYTES', head(5, 'BYTES', '[1]'), Uint8Array.of(9, 0, 0, 0, 65)),
    binary('bytes: a text too few', 'identity_BYTES', head(5, 'BYTES'), Uint8Array.of(1, 0, 0, 0, 65)),
    binary('bytes: a text too many', 'identity_BYTES', head(10, 'BYTES', '[1]'), Uint8Array.of(1, 0, 0, 0, 65, 1, 0, 0, 0, 66)),
    binary('a BOOL byte of 2', 'identity_BOOL', head(2, 'BOOL'), Uint8Array.of(1, 2)),
  );
  return requests;
}

function otherRequests(): Request[] {
  const get = (path: string): Request => ({ name: `GET ${path}`, method: 'GET', path });
  const models = ['simple', 'identity_FP32', 'classifier_FP32', 'upper', 'nobody'];
  const requests: Request[] = ['/v2', '/v2/health/live', '/v2/health/ready', '/v2/models', '/v2/models/stats', '/v2/trace/setting', '/v2/logging', '/v2/systemsharedmemory/status', '/v2/systemsharedmemory/region/none/status', '/v2/cudasharedmemory/status', '/v2/cudasharedmemory/region/none/status', '/nothing', '/v2/nothing', '/v2/health/nothing'].map(get);
  for (const model of models) {
    for (const rest of ['', '/ready', '/config', '/stats']) for (const version of ['', '/versions/1', '/versions/9', '/versions/abc']) requests.push(get(`/v2/models/${model}${version}${rest}`));
    requests.push(get(`/v2/models/${model}/trace/setting`));
  }
  for (const path of ['/v2', '/v2/health/live', '/v2/health/ready', '/v2/models/simple', '/v2/models/simple/ready', '/v2/models/simple/config', '/v2/models/simple/stats', '/v2/systemsharedmemory/status', '/v2/cudasharedmemory/status']) requests.push(post(`wrong method POST ${path}`, path));
  for (const path of ['/v2/models/simple/infer', '/v2/models/simple/generate', '/v2/models/simple/generate_stream', '/v2/repository/index', '/v2/repository/models/simple/load', '/v2/repository/models/simple/unload', '/v2/systemsharedmemory/region/r/register', '/v2/systemsharedmemory/unregister', '/v2/cudasharedmemory/region/r/register']) requests.push({ ...get(path), name: `wrong method GET ${path}` });
  for (const path of ['/v2/models/simple/infer', '/v2/trace/setting', '/v2/logging']) requests.push({ name: `wrong method DELETE ${path}`, method: 'DELETE', path });
  requests.push(
    post('index', '/v2/repository/index'),
    post('index of what is ready', '/v2/repository/index', '{"ready":true}'),
    post('index of another repository', '/v2/repository/any/index', '{}'),
    post('index with text', '/v2/repository/index', '{"ready":"yes"}'),
    post('index of no JSON', '/v2/repository/index', '{'),
    post('load of an unknown model', '/v2/repository/models/nobody/load'),
    post('load of no JSON', '/v2/repository/models/nobody/load', '{'),
    post('load with parameters that are a list', '/v2/repository/models/nobody/load', '{"parameters":[]}'),
    post('load in a named repository', '/v2/repository/any/models/simple/load'),
    post('unload in a named repository', '/v2/repository/any/models/simple/unload'),
    post('unload of an unknown model', '/v2/repository/models/nobody/unload'),
    post('unload with text', '/v2/repository/models/nobody/unload', '{"parameters":{"unload_dependents":"yes"}}'),
    post('trace: level', '/v2/trace/setting', '{"trace_level":["TIMESTAMPS"]}'),
    post('trace: levels', '/v2/trace/setting', '{"trace_level":["TENSORS","TIMESTAMPS"]}'),
    post('trace: levels back', '/v2/trace/setting', '{"trace_level":null}'),
    post('trace: off and more', '/v2/trace/setting', '{"trace_level":["OFF","TENSORS"]}'),
    post('trace: rate', '/v2/trace/setting', '{"trace_rate":"5","trace_count":"9","log_frequency":"3"}'),
    post('trace: a model has its own', '/v2/models/simple/trace/setting', '{"trace_rate":"7"}'),
    get('/v2/models/simple/trace/setting'),
    post('trace: and takes it back', '/v2/models/simple/trace/setting', '{"trace_rate":null}'),
    post('trace: of an unknown model', '/v2/models/nobody/trace/setting', '{"trace_rate":"7"}'),
    post('trace: a file', '/v2/trace/setting', '{"trace_file":"/tmp/x"}'),
    post('trace: a rate that is text', '/v2/trace/setting', '{"trace_rate":"often"}'),
    post('trace: a setting as a number', '/v2/trace/setting', '{"trace_rate":5}'),
    post('trace: a count too small', '/v2/trace/setting', '{"trace_count":"-2"}'),
    post('trace: beyond 32 bits', '/v2/trace/setting', '{"log_frequency":"99999999999"}'),
    post('trace: unknown setting', '/v2/trace/setting', '{"nonsense":"5"}'),
    post('trace: unknown setting of a level', '/v2/trace/setting', '{"trace_level":["LOUD"]}'),
    post('trace: all back', '/v2/trace/setting', '{"trace_level":null,"trace_rate":null,"trace_count":null,"log_frequency":null}'),
    get('/v2/trace/setting'),
    post('log: change', '/v2/logging', '{"log_verbose_level":1,"log_format":"ISO8601","log_info":false}'),
    post('log: back', '/v2/logging', '{"log_verbose_level":0,"log_format":"default","log_info":true}'),
    post('log: a file', '/v2/logging', '{"log_file":"/tmp/x"}'),
    post('log: null', '/v2/logging', '{"log_info":null}'),
    post('log: an unknown format', '/v2/logging', '{"log_format":"xml"}'),
    post('log: a number for a boolean', '/v2/logging', '{"log_info":5}'),
    post('log: a negative level', '/v2/logging', '{"log_verbose_level":-1}'),
    post('log: unknown setting', '/v2/logging', '{"nonsense":5}'),
    post('log: no JSON', '/v2/logging', '{'),
    post('generate', '/v2/models/upper/generate', '{"text_input":"abc"}'),
    post('generate with an id and more', '/v2/models/upper/generate', '{"id":"7","text_input":"abc","more":1,"parameters":{"other":true}}'),
    post('generate a list', '/v2/models/upper/generate', '{"text_input":["abc"]}'),
    post('generate without text', '/v2/models/upper/generate', '{}'),
    post('generate from a number', '/v2/models/upper/generate', '{"text_input":5}'),
    post('generate from no JSON', '/v2/models/upper/generate', '{'),
    post('generate from an unknown model', '/v2/models/nobody/generate', '{}'),
    post('generate numbers', '/v2/models/identity_INT32/generate', '{"x":[1,2,3]}'),
    post('generate too many answers', '/v2/models/repeat/generate', '{"IN":[1,2]}'),
    post('generate one answer', '/v2/models/repeat/generate', '{"IN":[5]}'),
    post('generate a stream', '/v2/models/repeat/generate_stream', '{"IN":[1,2,3]}'),
    post('generate a stream of one', '/v2/models/upper/generate_stream', '{"text_input":"abc"}'),
    post('generate a stream that breaks', '/v2/models/repeat/generate_stream', '{"IN":[1,-2,3]}'),
    post('generate a stream without input', '/v2/models/repeat/generate_stream', '{}'),
  );
  return requests;
}

const key = `/modelport-differential-${process.pid}`;

function sharedMemoryRequests(): Request[] {
  const register = (name: string, region: string, body: string): Request => post(name, `/v2/systemsharedmemory/region/${region}/register`, body);
  const span = (region: string, offset: number, size: number): string => `{"shared_memory_region":"${region}","shared_memory_byte_size":${size},"shared_memory_offset":${offset}}`;
  const trip = (name: string, input: string, output: string): Request => infer(name, 'identity_FP32', `{"inputs":[{"name":"x","shape":[2],"datatype":"FP32","parameters":${input}}],"outputs":[{"name":"y","parameters":${output}}]}`);
  return [
    register('register: no file', 'r', '{"key":"/modelport-no-such-file","byte_size":8}'),
    register('register: no key', 'r', '{"byte_size":8}'),
    register('register: no size', 'r', `{"key":"${key}"}`),
    register('register: a size of text', 'r', `{"key":"${key}","byte_size":"8"}`),
    register('register: a key that is a number', 'r', '{"key":5,"byte_size":8}'),
    register('register: more than there is', 'r', `{"key":"${key}","byte_size":100000}`),
    register('register: no JSON', 'r', '{'),
    post('register: no name', '/v2/systemsharedmemory/register', '{}'),
    register('register', 'r', `{"key":"${key}","byte_size":32}`),
    register('register again', 'r', `{"key":"${key}","byte_size":32}`),
    register('register another part', 's', `{"key":"${key}","offset":4096,"byte_size":16}`),
    { name: 'status of one', method: 'GET', path: '/v2/systemsharedmemory/region/s/status' },
    { name: 'status as cuda', method: 'GET', path: '/v2/cudasharedmemory/region/s/status' },
    trip('shared memory round trip', span('r', 0, 8), span('r', 16, 8)),
    trip('shared memory round trip with room', span('s', 0, 8), span('r', 16, 16)),
    trip('shared memory: too small for the output', span('r', 0, 8), span('r', 16, 4)),
    trip('shared memory: an offset beyond it', span('r', 32, 8), span('r', 16, 8)),
    trip('shared memory: an end beyond it', span('r', 28, 8), span('r', 16, 8)),
    trip('shared memory: another size than the shape', span('r', 0, 4), span('r', 16, 8)),
    post('unregister one', '/v2/systemsharedmemory/region/s/unregister'),
    post('unregister what is not there', '/v2/systemsharedmemory/region/t/unregister'),
    post('unregister all', '/v2/systemsharedmemory/unregister'),
    post('cuda register', '/v2/cudasharedmemory/region/g/register', '{"raw_handle":{"b64":"AAAA"},"byte_size":8,"device_id":0}'),
    post('cuda register without a name', '/v2/cudasharedmemory/register', '{}'),
    post('cuda unregister', '/v2/cudasharedmemory/region/g/unregister'),
    post('cuda unregister all', '/v2/cudasharedmemory/unregister'),
  ];
}

async function send(base: string, { method, path, body, headers }: Request): Promise<Reply> {
  const response = await fetch(base + path, { method, ...(body === undefined ? {} : { body }), headers: { 'content-type': 'application/octet-stream', ...headers }, signal: AbortSignal.timeout(20_000) });
  const bytes = Buffer.from(await response.arrayBuffer());
  const header = response.headers.get('inference-header-content-length');
  const json = header === null ? bytes : bytes.subarray(0, Number(header));
  const parsed = parse(json.toString());
  const error = typeof parsed === 'object' && parsed !== null && typeof (parsed as Json).error === 'string' ? ((parsed as Json).error as string).replace(/^\[request id: [^\]]*\] /, '') : undefined;
  return { status: response.status, error, body: header === null ? parsed : { json: parsed, bytes: bytes.subarray(Number(header)).toString('hex') } };
}

/** JSON with bare NaN and infinities, and integers beyond 2^53, as text; server-sent events as a list. */
function parse(text: string): unknown {
  if (text.startsWith('data: ')) return text.trimEnd().split('\n\n').map((event) => parse(event.slice('data: '.length)));
  try {
    return JSON.parse(text.replace(/(?<=[[,:])(-?(?:NaN|Infinity)|-?\d{16,})(?=[,\]}])/g, '"$1"'));
  } catch {
    return text;
  }
}

/** What can be compared: floats as float32 where the tensor is one, and not what differs by nature. */
function comparable({ path }: Request, body: unknown): unknown {
  const value = structuredClone(body) as Json;
  const document = value?.json ?? value;
  for (const output of document?.outputs ?? []) if (output.datatype === 'FP32' && Array.isArray(output.data)) output.data = output.data.map((element: unknown) => (typeof element === 'number' ? Math.fround(element) : element));
  if (path.endsWith('/stats')) return (document?.model_stats ?? [document]).map((each: Json) => [Object.keys(each), Object.keys(each?.inference_stats ?? {})]);
  if (path.endsWith('/config') && document?.name !== undefined) {
    return { name: document.name, max_batch_size: document.max_batch_size, input: tensors(document.input), output: tensors(document.output) };
  }
  if (document?.platform !== undefined) delete document.platform;
  // The order of members means nothing; Triton sorts them here.
  if (/\/generate/.test(path)) return (Array.isArray(value) ? value : [value]).map((each: Json) => Object.entries(each).sort(([a], [b]) => a.localeCompare(b)));
  return value;
}

function tensors(list: Json[]): unknown[] {
  return list.map(({ name, data_type: type, dims }) => ({ name, type, dims }));
}

describe.skipIf(skipUnless('the comparison with Triton over REST', tritonEnvironment))('Triton and Modelport', () => {
  let triton: Triton;
  let listener: HttpListener;
  let ours: string;
  const seen: Difference[] = [];
  let compared = 0;

  beforeAll(async () => {
    writeFileSync(`/dev/shm${key}`, new Uint8Array(8192));
    const repository = new FakeRepository(commonModels());
    const context = { repository, server: serverFacts, live: () => true, mountedRoutes: () => [] };
    const router = createRouter([openInference], context);
    listener = await listenHttp({ host: '127.0.0.1', port: 0, maxBodyBytes: serverFacts.maxBodyBytes, router, guard: createGuard({ host: '127.0.0.1' }) });
    ours = `http://127.0.0.1:${listener.port}`;
    // What load of an unknown model says is the repository's part, which the fake does not have.
    repository.load = async (name) => {
      throw new ModelportError('NOT_FOUND', `failed to load '${name}', failed to poll from model repository`);
    };
    triton = await startTriton(environment!, commonModels());
  }, 180_000);

  afterAll(async () => {
    await listener?.close();
    await triton?.stop();
    rmSync(`/dev/shm${key}`, { force: true });
  });

  const groups: [string, () => Request[]][] = [['good infers', goodInfers], ['bad infers', badInfers], ['other endpoints', otherRequests], ['shared memory', sharedMemoryRequests]];
  for (const [group, requests] of groups) {
    test(group, { timeout: 600_000 }, async () => {
      const surprises: string[] = [];
      for (const request of requests()) {
        const theirs = await send(triton.httpUrl, request).catch(async (): Promise<Reply> => {
          await triton.stop();
          triton = await startTriton(environment!, commonModels());
          return { status: died, error: 'the connection was closed', body: undefined };
        });
        const own = await send(ours, request);
        compared++;
        const found: Difference['what'][] = [];
        if (theirs.status !== own.status) found.push('status');
        if (theirs.error !== own.error) found.push('error');
        if (theirs.error === undefined && own.error === undefined && JSON.stringify(comparable(request, theirs.body)) !== JSON.stringify(comparable(request, own.body))) found.push('body');
        for (const what of found) {
          const difference: Difference = { request, what, triton: theirs, ours: own };
          seen.push(difference);
          if (!differences.some((allowed) => allowed.applies(difference))) {
            surprises.push(`${request.name} (${request.method} ${request.path}): ${what}\n    Triton ${theirs.status} ${theirs.error ?? JSON.stringify(theirs.body)?.slice(0, 600)}\n    ours   ${own.status} ${own.error ?? JSON.stringify(own.body)?.slice(0, 600)}`);
          }
        }
        if (own.status >= 500 && own.status !== 501) surprises.push(`${request.name}: ${own.status} ${own.error}`);
      }
      expect(surprises.join('\n')).toBe('');
    });
  }

  test('hundreds of requests were compared, and each listed difference still occurs', () => {
    expect(compared).toBeGreaterThan(300);
    const idle = differences.filter((allowed) => !seen.some((difference) => allowed.applies(difference)));
    expect(idle.map(({ reason }) => reason)).toEqual([]);
    // One line a reason, for those who read the log.
    const sameRequests = new Set(seen.map(({ request }) => request)).size;
    console.log(`${compared} requests, ${compared - sameRequests} with the same answer\n${differences.map((allowed) => `${String(seen.filter((difference) => allowed.applies(difference)).length).padStart(4)}  ${allowed.reason}`).join('\n')}`);
  });
});
