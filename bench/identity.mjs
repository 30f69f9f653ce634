#!/usr/bin/env node
/**
 * 600 KB of binary tensor in and out through a model that gives its input back, beside Triton with the equal model in its Python
 * backend. BENCH_TRITON_ENVIRONMENT names a virtual environment with nvidia-pytriton.
 *
 *     BENCH_TRITON_ENVIRONMENT=… node bench/identity.mjs
 */
import { join } from 'node:path';
import { benchModel, compare, freePort, post, root, startServer } from './harness.mjs';
import { tritonCommand } from './peers/triton.mjs';

const environment = process.env.BENCH_TRITON_ENVIRONMENT;
if (environment === undefined) throw new Error('BENCH_TRITON_ENVIRONMENT names no virtual environment with nvidia-pytriton');
const numbers = 150_528;
const model = benchModel('identity');
const head = JSON.stringify({ inputs: [{ name: 'input', shape: [1, numbers], datatype: 'FP32', parameters: { binary_data_size: numbers * 4 } }], parameters: { binary_data_output: true } });
const body = Buffer.concat([Buffer.from(head), Buffer.from(Float32Array.from({ length: numbers }, () => Math.random()).buffer)]);
const headers = { 'content-type': 'application/octet-stream', 'Inference-Header-Content-Length': String(head.length) };
const ports = [await freePort(), await freePort()];
const infer = (port) => `http://127.0.0.1:${port}/v2/models/identity/infer`;
const probe = (port) => () => post(infer(port), body, headers);
const triton = tritonCommand(environment, { name: 'identity', code: join(root, 'bench/peers/triton_identity.py'), input: numbers, output: numbers, port: ports[1] });
const servers = [
  await startServer({ name: 'modelport', command: 'node', args: ['dist/cli.js', 'serve', model, '--port', ports[0], '--grpc-port', 'off', '--metrics-port', 'off'], probe: probe(ports[0]) }),
  await startServer({ name: 'triton', ...triton, probe: probe(ports[1]) }),
];
try {
  const targets = servers.map(({ name, pid }, index) => ({ name, pid, url: infer(ports[index]), body, headers }));
  for (const connections of [1, 4, 32]) await compare({ title: '600 KB identity, REST binary tensors', targets, connections, against: ['triton'] });
} finally {
  await Promise.all(servers.map((server) => server.stop()));
}
