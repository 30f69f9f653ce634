#!/usr/bin/env node
/**
 * A tiny model (4 → 16 → 3) over REST: the cost of everything but the model. Beside it FastAPI + onnxruntime and a node:http
 * server that does nothing. BENCH_TRITON names a command that starts Triton on port {port} with a model of the same name.
 *
 *     node bench/rest-tiny.mjs
 */
import { benchModel, compare, freePort, post, pssMb, python, startServer } from './harness.mjs';

const model = benchModel('model');
const values = [5.1, 3.5, 1.4, 0.2];
const json = JSON.stringify({ inputs: [{ name: 'input', shape: [1, 4], datatype: 'FP32', data: values }] });
const head = JSON.stringify({ inputs: [{ name: 'input', shape: [1, 4], datatype: 'FP32', parameters: { binary_data_size: 16 } }], parameters: { binary_data_output: true } });
const binary = Buffer.concat([Buffer.from(head), Buffer.from(Float32Array.from(values).buffer)]);
const binaryHeaders = { 'content-type': 'application/octet-stream', 'Inference-Header-Content-Length': String(head.length) };

const fastapiPython = python('fastapi', ['fastapi', 'uvicorn[standard]', 'onnxruntime', 'numpy']);
const ports = [await freePort(), await freePort(), await freePort(), await freePort()];
const infer = (port) => `http://127.0.0.1:${port}/v2/models/model/infer`;
const servers = [
  await startServer({ name: 'modelport', command: 'node', args: ['dist/cli.js', 'serve', model, '--port', ports[0], '--grpc-port', 'off', '--metrics-port', 'off'], probe: () => post(infer(ports[0]), json) }),
  await startServer({ name: 'fastapi', command: fastapiPython, args: ['-m', 'uvicorn', 'fastapi_app:app', '--app-dir', 'bench/peers', '--port', ports[1], '--no-access-log', '--log-level', 'warning'], env: { MODEL: model }, probe: () => post(`http://127.0.0.1:${ports[1]}/predict`, JSON.stringify({ input: [values] })) }),
  await startServer({ name: 'node:http no-op', command: 'node', args: ['bench/peers/node_noop.mjs'], env: { PORT: String(ports[2]) }, probe: () => post(`http://127.0.0.1:${ports[2]}/`, json) }),
];
const targets = [
  { name: 'modelport', pid: servers[0].pid, url: infer(ports[0]), body: json },
  { name: 'fastapi', pid: servers[1].pid, url: `http://127.0.0.1:${ports[1]}/predict`, body: JSON.stringify({ input: [values] }) },
  { name: 'node:http no-op', pid: servers[2].pid, url: `http://127.0.0.1:${ports[2]}/`, body: json },
];
const binaryTargets = [{ name: 'modelport binary', pid: servers[0].pid, url: infer(ports[0]), body: binary, headers: binaryHeaders }];
if (process.env.BENCH_TRITON) {
  const triton = await startServer({ name: 'triton', command: 'bash', args: ['-c', process.env.BENCH_TRITON.replaceAll('{port}', ports[3])], probe: () => post(infer(ports[3]), json) });
  servers.push(triton);
  targets.push({ name: 'triton', pid: triton.pid, url: infer(ports[3]), body: json });
  binaryTargets.push({ name: 'triton binary', pid: triton.pid, url: infer(ports[3]), body: binary, headers: binaryHeaders });
}
try {
  for (const connections of [32, 1]) await compare({ title: 'tiny model, REST JSON', targets, connections, against: ['fastapi', 'node:http no-op', 'triton'] });
  await compare({ title: 'tiny model, REST binary tensors', targets: [...binaryTargets, targets[1]], connections: 32, against: ['fastapi', 'triton binary'] });
  console.log(`\nstart to first answer and memory after the load\n${servers.map((server) => `${server.name.padEnd(26)} ${(server.startMs / 1000).toFixed(2)} s  ${pssMb(server.pid).toFixed(0)} MB`).join('\n')}`);
} finally {
  await Promise.all(servers.map((server) => server.stop()));
}
