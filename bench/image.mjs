#!/usr/bin/env node
/**
 * A model of about 30 ms on one thread (conv) with 600 KB tensors (3 MB as JSON), 4 connections, beside onnxruntime in a bare
 * loop; and how long a health check takes meanwhile, on a new connection every 20 ms as an orchestrator makes it.
 *
 *     node bench/image.mjs
 */
import { request } from 'node:http';
import { spawn } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { benchModel, freePort, median, must, post, printTable, pssMb, python, range, root, rounds, seconds, startServer } from './harness.mjs';

const model = benchModel('conv');
const runner = python('fastapi', ['fastapi', 'uvicorn[standard]', 'onnxruntime', 'numpy']);
const pixels = Float32Array.from({ length: 3 * 224 * 224 }, () => Math.random());
const shape = [1, 3, 224, 224];
// Seventeen digits, as Python clients write float32 arrays.
const json = JSON.stringify({ inputs: [{ name: 'input', shape, datatype: 'FP32', data: Array.from(pixels) }] });
const head = JSON.stringify({ inputs: [{ name: 'input', shape, datatype: 'FP32', parameters: { binary_data_size: pixels.byteLength } }], parameters: { binary_data_output: true } });
const binary = Buffer.concat([Buffer.from(head), Buffer.from(pixels.buffer)]);
const ways = [
  { name: 'JSON', body: json, headers: {} },
  { name: 'binary', body: binary, headers: { 'content-type': 'application/octet-stream', 'Inference-Header-Content-Length': String(head.length) } },
];

const port = await freePort();
const url = `http://127.0.0.1:${port}/v2/models/conv/infer`;
const server = await startServer({ name: 'modelport', command: 'node', args: ['dist/cli.js', 'serve', model, '--port', port, '--grpc-port', 'off', '--metrics-port', 'off'], probe: () => post(url, binary, ways[1].headers) });

/** wrk in the background, so that health can be asked meanwhile. */
function load({ body, headers }, connections) {
  const file = join(tmpdir(), `bench-body-${process.pid}`);
  writeFileSync(file, body);
  const lines = Object.entries({ 'content-type': 'application/json', ...headers }).map(([name, value]) => `${name}: ${value}`);
  const child = spawn('wrk', ['-t1', `-c${connections}`, `-d${seconds}s`, '--timeout', '60s', '-s', join(root, 'bench/post.lua'), url], { env: { ...process.env, BENCH_BODY: file, BENCH_HEADERS: lines.join('\n') } });
  let output = '';
  child.stdout.on('data', (chunk) => (output += chunk));
  return new Promise((resolve) => child.on('exit', () => {
    const result = JSON.parse(output.split('\n').find((line) => line.startsWith('BENCH ')).slice(6));
    resolve({ ...result, perSecond: result.requests / result.seconds });
  }));
}

function health() {
  return new Promise((resolve) => {
    const startedAt = performance.now();
    request({ port, host: '127.0.0.1', path: '/v2/health/live', agent: false }, (answer) => {
      answer.resume();
      answer.on('end', () => resolve(performance.now() - startedAt));
    })
      .on('error', () => resolve(Infinity))
      .end();
  });
}

try {
  const rows = [];
  for (const way of ways) {
    const results = [];
    const pings = [];
    await load(way, 4);
    for (let round = 0; round < rounds; round++) {
      const bare = JSON.parse(must(runner, [join(root, 'bench/peers/bare.py'), model, String(seconds)])).perSecond;
      let running = true;
      const under = load(way, 4).then((result) => {
        running = false;
        return result;
      });
      while (running) {
        const [took] = await Promise.all([health(), new Promise((resolve) => setTimeout(resolve, 20))]);
        pings.push(took);
      }
      results.push({ ...(await under), bare });
    }
    pings.sort((a, b) => a - b);
    rows.push([way.name, range(results.map((r) => r.perSecond), 1), range(results.map((r) => r.bare), 1), range(results.map((r) => r.perSecond / r.bare), 2), median(results.map((r) => r.p50Ms)).toFixed(0), `${pings[Math.floor(pings.length / 2)].toFixed(1)} / ${pings[Math.floor(pings.length * 0.99)].toFixed(1)} / ${pings.at(-1).toFixed(1)}`, String(results.reduce((sum, r) => sum + r.failed, 0))]);
  }
  printTable(`image model, 4 connections, ${rounds} rounds of ${seconds} s`, ['tensors', 'requests/s (min–max)', 'bare onnxruntime, 1 thread', 'ratio (min–max)', 'p50 ms', 'health p50 / p99 / max ms', 'failed'], rows);
  console.log(`\nmemory after the load: ${pssMb(server.pid).toFixed(0)} MB; ${readFileSync('/proc/loadavg', 'utf8').trim()}`);
} finally {
  await server.stop();
}
