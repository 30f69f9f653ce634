/**
 * A server that answers like Modelport with made-up models in every state, for work on the page:
 *
 *     npm run build:ui && node ui/dev/mock-server.mjs [port] [--key secret]
 *
 * Deterministic: the same request gets the same answer and the same timing.
 */
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { join, extname } from 'node:path';
import { deflateSync } from 'node:zlib';

const folder = join(import.meta.dirname, '../../dist/ui');
const key = process.argv.includes('--key') ? process.argv[process.argv.indexOf('--key') + 1] : undefined;
const port = Number(process.argv[2] ?? 8000);
const types = { '.html': 'text/html; charset=utf-8', '.js': 'text/javascript', '.css': 'text/css', '.svg': 'image/svg+xml' };

const scores = { type: 'array', items: { type: 'object', properties: { label: { type: 'string' }, score: { type: 'number' } } } };
const centimetres = (name, minimum, maximum, description) => ({ type: 'number', title: name, description, 'x-modelport': { minimum, maximum, step: 0.1, unit: 'cm' } });

const iris = {
  platform: 'onnxruntime_onnx',
  description: 'Which of three irises a flower is, from the size of its leaves.',
  signature: { inputs: [{ name: 'features', datatype: 'FP32', shape: [-1, 4] }], outputs: [{ name: 'probabilities', datatype: 'FP32', shape: [-1, 3], labels: ['setosa', 'versicolor', 'virginica'] }] },
  predict: {
    task: 'tabular-classification',
    path: 'models/iris/predict',
    input: {
      type: 'object',
      properties: {
        sepal_length: centimetres('Sepal length', 4.3, 7.9, 'The green leaf below the petals.'),
        sepal_width: centimetres('Sepal width', 2, 4.4),
        petal_length: centimetres('Petal length', 1, 6.9),
        petal_width: centimetres('Petal width', 0.1, 2.5),
      },
      required: ['sepal_length', 'sepal_width', 'petal_length', 'petal_width'],
    },
    output: scores,
    examples: [
      { sepal_length: 5.1, sepal_width: 3.5, petal_length: 1.4, petal_width: 0.2 },
      { sepal_length: 6.0, sepal_width: 2.7, petal_length: 4.2, petal_width: 1.3 },
      { sepal_length: 6.5, sepal_width: 3.0, petal_length: 5.8, petal_width: 2.2 },
    ],
  },
  batching: { maxSize: 64, reason: 'the first axis of every tensor is free' },
  instances: { kind: 'inline', count: 1 },
  statistics: { requests: 0, failures: 0, inferences: 0, executions: 0 },
};

const digits = {
  ...iris,
  description: 'Reads one handwritten digit.',
  signature: { inputs: [{ name: 'image', datatype: 'FP32', shape: ['batch', 1, 28, 28] }], outputs: [{ name: 'logits', datatype: 'FP32', shape: ['batch', 10], labels: [...'0123456789'] }] },
  predict: {
    task: 'image-classification',
    path: 'models/digits/predict',
    input: {
      type: 'object',
      properties: {
        image: { type: 'string', title: 'Digit', contentMediaType: 'image/*', contentEncoding: 'base64', 'x-modelport': { widget: 'draw' } },
        top_k: { type: 'integer', title: 'Show', minimum: 1, maximum: 10, default: 5, description: 'How many classes to show.', 'x-modelport': { advanced: true } },
      },
      required: ['image'],
    },
    output: scores,
    examples: [{ image: picture(28, (x, y) => (x > 12 && x < 16 && y > 4 && y < 24 ? 0 : 255)) }, { image: picture(28, (x, y) => (Math.abs(Math.hypot(x - 14, y - 14) - 8) < 1.5 ? 0 : 255)) }],
  },
  instances: { kind: 'thread', count: 2 },
};

const sentiment = {
  ...iris,
  description: 'Whether a sentence is friendly.',
  predict: { task: 'text-classification', path: 'models/sentiment/predict', input: { type: 'object', properties: { text: { type: 'string', title: 'Text' }, language: { enum: ['en', 'de', 'fr'], default: 'en', title: 'Language' } }, required: ['text'] }, output: scores, examples: [{ text: 'What a lovely day.' }] },
};

const { predict: _predict, description: _description, ...untasked } = iris;
const attention = {
  ...untasked,
  signature: {
    inputs: [
      { name: 'tokens', datatype: 'INT64', shape: ['batch', 'length'], description: 'Ids of the tokens.' },
      { name: 'scale', datatype: 'FP32', shape: [], optional: true },
      { name: 'text', datatype: 'BYTES', shape: [-1] },
    ],
    outputs: [{ name: 'attention', datatype: 'FP32', shape: ['batch', 'length', 'length'] }, { name: 'ids', datatype: 'INT64', shape: ['batch', 'length'] }],
  },
};

const document = () => ({
  server: { name: 'modelport', version: '0.1.0' },
  models: [
    { name: 'attention', versions: [{ version: '1', state: 'READY', reason: '', served: attention }] },
    { name: 'broken', versions: [{ version: '1', state: 'UNAVAILABLE', reason: 'model.onnx: node "conv1" uses operator Frobnicate, which no runtime here executes' }] },
    { name: 'digits', versions: [{ version: '1', state: 'READY', reason: '', served: { ...digits, predict: { ...digits.predict, path: 'models/digits/versions/1/predict' } } }, { version: '2', state: 'READY', reason: '', served: digits }, { version: '3', state: 'UNAVAILABLE', reason: 'model.onnx ends after 12,288 of 51,200 bytes' }] },
    { name: 'iris', versions: [{ version: '1', state: 'READY', reason: '', served: iris }] },
    { name: 'sentiment', versions: [{ version: '1', state: 'READY', reason: '', served: sentiment }] },
    { name: 'warming', versions: [{ version: '1', state: 'LOADING', reason: '' }] },
  ],
});

let count = 0;

async function answer(path, method, body) {
  if (path === '/ui/models') return document();
  if (path === '/metrics') return metrics();
  if (method !== 'POST') return undefined;
  if (path.endsWith('/infer')) {
    count++;
    const size = body.inputs[0].shape[1] ?? 4;
    return { model_name: 'attention', model_version: '1', outputs: [
      { name: 'attention', datatype: 'FP32', shape: [1, size, size], data: Array.from({ length: size * size }, (_, index) => Number((Math.abs(Math.sin(index * 1.7)) / (1 + Math.abs((index % size) - Math.floor(index / size)))).toFixed(4))) },
      { name: 'ids', datatype: 'INT64', shape: [1, size], data: body.inputs[0].data },
    ] };
  }
  count++;
  if (path.includes('/iris/')) {
    if (body.sepal_length > 100) throw { status: 422, error: 'sepal_length is 101; a flower is at most 100 cm', code: 'INVALID_VALUE', at: 'sepal_length' };
    const weights = [8 - 2.2 * body.petal_length, 2 - Math.abs(body.petal_length - 4.3) * 1.2, body.petal_length + body.petal_width - 5.6].map(Math.exp);
    return labelled(['setosa', 'versicolor', 'virginica'], weights);
  }
  if (path.includes('/digits/')) return labelled([...'0123456789'], Array.from({ length: 10 }, (_, index) => Math.exp(((body.image.length * (index + 3)) % 17) / 2))).slice(0, body.top_k ?? 5);
  if (path.includes('/sentiment/')) return labelled(['friendly', 'unfriendly'], [body.text.length + 1, 3]);
  return undefined;
}

function labelled(labels, weights) {
  const sum = weights.reduce((total, weight) => total + weight, 0);
  return labels.map((label, index) => ({ label, score: weights[index] / sum })).sort((left, right) => right.score - left.score);
}

function metrics() {
  const labels = '{model="iris",version="1"}';
  const lines = [
    `nv_inference_request_success${labels} ${count}`, `nv_inference_request_failure${labels} 0`, `nv_inference_count${labels} ${count * 3}`, `nv_inference_exec_count${labels} ${count}`,
    `nv_inference_queue_duration_us${labels} ${count * 200}`, `nv_inference_pending_request_count${labels} 0`, 'process_resident_memory_bytes 98000000',
    ...[0.001, 0.002, 0.005, '+Inf'].map((bound, index) => `modelport_request_duration_seconds_bucket{model="iris",version="1",le="${bound}"} ${Math.floor((count * (index + 1)) / 4)}`),
  ];
  return `${lines.join('\n')}\n`;
}

/** A grey PNG as a data URL. */
function picture(size, shade) {
  const rows = Buffer.alloc(size * (size + 1));
  for (let y = 0; y < size; y++) for (let x = 0; x < size; x++) rows[y * (size + 1) + 1 + x] = shade(x, y);
  const header = Buffer.from([0, 0, 0, size, 0, 0, 0, size, 8, 0, 0, 0, 0]);
  const chunks = [['IHDR', header], ['IDAT', deflateSync(rows)], ['IEND', Buffer.alloc(0)]].map(([type, data]) => {
    const chunk = Buffer.concat([Buffer.from(type), data]);
    const frame = Buffer.alloc(chunk.length + 8);
    frame.writeUInt32BE(data.length);
    chunk.copy(frame, 4);
    frame.writeUInt32BE(crc(chunk), chunk.length + 4);
    return frame;
  });
  return `data:image/png;base64,${Buffer.concat([Buffer.from('89504e470d0a1a0a', 'hex'), ...chunks]).toString('base64')}`;
}

function crc(bytes) {
  let sum = 0xffffffff;
  for (const byte of bytes) {
    sum ^= byte;
    for (let bit = 0; bit < 8; bit++) sum = sum & 1 ? (sum >>> 1) ^ 0xedb88320 : sum >>> 1;
  }
  return (sum ^ 0xffffffff) >>> 0;
}

async function respond(request, response) {
  const path = new URL(request.url, 'http://localhost').pathname;
  const file = path === '/' ? 'index.html' : path.slice(1);
  if (request.method === 'GET' && (path === '/' || /^\/assets\/[\w.-]+$|^\/favicon.svg$/.test(path))) {
    const content = await readFile(join(folder, file)).catch(() => undefined);
    if (content !== undefined) return response.writeHead(200, { 'content-type': types[extname(file)] ?? 'application/octet-stream', 'content-security-policy': "default-src 'self'; img-src 'self' data: blob:; media-src 'self' data: blob:; style-src 'self' 'unsafe-inline'; object-src 'none'; base-uri 'self'" }).end(content);
  }
  const send = (status, value, headers = {}) => response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(typeof value === 'string' ? value : JSON.stringify(value));
  if (key !== undefined && path !== '/metrics' && request.headers.authorization !== `Bearer ${key}`) return send(401, { error: 'this server needs an API key', code: 'UNAUTHENTICATED' });
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  try {
    const value = await answer(path, request.method, chunks.length === 0 ? undefined : JSON.parse(Buffer.concat(chunks).toString()));
    if (value === undefined) return send(404, { error: `there is nothing at ${path}`, code: 'NOT_FOUND' });
    return send(200, value, request.method === 'POST' ? { 'server-timing': 'queue;dur=0.2, run;dur=0.4, total;dur=1.1', 'modelport-batch-size': '1' } : {});
  } catch (error) {
    return send(error.status ?? 400, { error: error.error ?? String(error), code: error.code, at: error.at });
  }
}

createServer((request, response) => void respond(request, response)).listen(port, '127.0.0.1', () => process.stdout.write(`http://127.0.0.1:${port}/\n`));
