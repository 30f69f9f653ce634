#!/usr/bin/env node
/**
 * Memory over a million requests: half of them JSON, the rest binary tensors and gRPC, with some mistakes among them. Prints a
 * curve and compares the medians of its second quarter and its last; exits with 1 where memory grows. BENCH_REQUESTS: another number.
 * Load generator: this file, 16 connections for REST and 16 calls at a time for gRPC.
 *
 *     node bench/memory.mjs
 */
import { readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { credentials, makeGenericClientConstructor } from '@grpc/grpc-js';
import protobuf from 'protobufjs';
import { freePort, median, pssMb, root, startServer } from './harness.mjs';

const total = Number(process.env.BENCH_REQUESTS ?? 1_000_000);
const steps = 20;
const step = Math.round(total / steps);
const concurrency = 16;

const [port, grpcPort] = [await freePort(), await freePort()];
const server = await startServer({
  name: 'modelport',
  command: join(root, 'bin', 'modelport.js'),
  args: ['serve', join(root, 'examples/models/iris-classify'), '--port', String(port), '--grpc-port', String(grpcPort), '--metrics-port', 'off'],
  probe: async () => (await fetch(`http://127.0.0.1:${port}/v2/health/ready`)).ok,
});
const { name } = await (await fetch(`http://127.0.0.1:${port}/v2/models/iris-classify`)).json();
const { inputs } = await (await fetch(`http://127.0.0.1:${port}/v2/models/${name}`)).json();
const [input] = inputs;
const values = Float32Array.of(0.5, -0.2, 0.1, 0.7).subarray(0, input.shape[1]);
const shape = [1, values.length];

/** A whole HTTP request as bytes. */
function request(body, headers = {}) {
  const lines = Object.entries({ host: `127.0.0.1:${port}`, 'content-length': body.length, ...headers }).map(([key, value]) => `${key}: ${value}\r\n`);
  return Buffer.concat([Buffer.from(`POST /v2/models/${name}/infer HTTP/1.1\r\n${lines.join('')}\r\n`), body]);
}

const json = (document) => request(Buffer.from(JSON.stringify(document)), { 'content-type': 'application/json' });
const head = Buffer.from(JSON.stringify({ inputs: [{ name: input.name, shape, datatype: 'FP32', parameters: { binary_data_size: values.byteLength } }], parameters: { binary_data_output: true } }));
const kinds = {
  json: { share: 0.5, status: 200, bytes: json({ inputs: [{ name: input.name, shape, datatype: 'FP32', data: [...values] }] }) },
  mistake: { share: 0.05, status: 400, bytes: json({ inputs: [{ name: input.name, shape: [1, 99], datatype: 'FP32', data: [...values] }] }) },
  binary: { share: 0.25, status: 200, bytes: request(Buffer.concat([head, Buffer.from(values.buffer, 0, values.byteLength)]), { 'inference-header-content-length': head.length }) },
};
const grpcShare = 0.2;

/** Sends `count` requests, one after the other on each connection. Rejects where an answer is not what it should be. */
async function rest({ bytes, status }, count) {
  let left = count;
  await Promise.all(Array.from({ length: concurrency }, () => new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1');
    socket.setNoDelay(true);
    let received = '';
    const next = () => {
      if (left-- > 0) socket.write(bytes);
      else socket.end();
    };
    socket.on('connect', next);
    socket.on('data', (chunk) => {
      received += chunk.toString('latin1');
      const end = received.indexOf('\r\n\r\n');
      if (end < 0) return;
      const length = Number(/content-length: (\d+)/i.exec(received)?.[1]);
      if (received.length < end + 4 + length) return;
      if (!received.startsWith(`HTTP/1.1 ${status} `)) reject(new Error(received));
      received = '';
      next();
    });
    socket.on('error', reject);
    socket.on('close', resolve);
  })));
}

const definitions = new protobuf.Root();
definitions.resolvePath = (_origin, target) => join(root, 'proto/triton', target.split('/').at(-1));
definitions.loadSync(['grpc_service.proto'], { keepCase: true });
const inferRequest = definitions.lookupType('inference.ModelInferRequest');
const message = Buffer.from(inferRequest.encode(inferRequest.fromObject({ model_name: name, inputs: [{ name: input.name, datatype: 'FP32', shape }], raw_input_contents: [new Uint8Array(values.buffer, 0, values.byteLength)] })).finish());
const client = new (makeGenericClientConstructor({}, 'bench'))(`127.0.0.1:${grpcPort}`, credentials.createInsecure());

async function grpc(count) {
  let left = count;
  const call = () => new Promise((resolve, reject) => client.makeUnaryRequest('/inference.GRPCInferenceService/ModelInfer', (bytes) => bytes, (bytes) => bytes, message, (error) => (error === null ? resolve() : reject(error))));
  await Promise.all(Array.from({ length: concurrency }, async () => {
    while (left-- > 0) await call();
  }));
}

/** Of the server: proportional and resident memory, V8's heap in use, and what lies outside it. In MB. */
async function measure() {
  const metrics = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
  const metric = (key) => Number(new RegExp(`^${key} (\\S+)$`, 'm').exec(metrics)?.[1]) / 2 ** 20;
  const resident = Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${server.pid}/status`, 'utf8'))[1]) / 1024;
  return { pss: pssMb(server.pid), resident, heap: metric('nodejs_heap_size_used_bytes'), external: metric('nodejs_external_memory_bytes') };
}

const columns = (cells) => cells.map((cell, index) => String(cell).padStart(index === 0 ? 9 : 11)).join('');
const row = (sent, figures) => console.log(`${columns([sent, ...['pss', 'resident', 'heap', 'external'].map((key) => figures[key].toFixed(1))])}  ${'▇'.repeat(Math.round(figures.pss / 3))}`);
console.log(columns(['requests', 'PSS MB', 'RSS MB', 'heap MB', 'external']));
const curve = [];
row(0, await measure());
const startedAtMs = performance.now();
for (let sent = step; sent <= step * steps; sent += step) {
  for (const kind of Object.values(kinds)) await rest(kind, Math.round(step * kind.share));
  await grpc(Math.round(step * grpcShare));
  const figures = await measure();
  curve.push(figures.pss);
  row(sent, figures);
}
client.close();
await server.stop();

// V8 lets garbage lie until it pays to collect it: the curve is a saw, and its middle is what stays.
const growth = median(curve.slice(-steps / 4)) / median(curve.slice(steps / 4, steps / 2));
console.log(`${step * steps} requests in ${((performance.now() - startedAtMs) / 1000).toFixed(0)} s; median of the last quarter / of the second: ${growth.toFixed(3)}: ${growth < 1.05 ? 'flat' : 'it grows'}`);
process.exitCode = growth < 1.05 ? 0 : 1;
