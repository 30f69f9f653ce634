#!/usr/bin/env node
/**
 * An image endpoint: a JPEG of 640 x 480 in, decoded, brought to 224 x 224 and scaled, a model of about 30 ms (conv), the five best classes out. 4 connections,
 * beside onnxruntime in a bare loop that is given ready tensors: the target is 0.9 of it. Each round runs both, one after the other.
 *
 *     node bench/image-endpoint.mjs
 */
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { benchModel, cpuSeconds, freePort, median, must, post, printTable, pssMb, python, range, root, rounds, seconds, startServer, wrk } from './harness.mjs';

const model = benchModel('conv');
const runner = process.env.BENCH_ONNX_PYTHON ?? python('fastapi', ['fastapi', 'uvicorn[standard]', 'onnxruntime', 'numpy']);
const folder = mkdtempSync(join(tmpdir(), 'bench-image-'));
const repository = join(folder, 'photo');
must('mkdir', [repository]);
symlinkSync(model, join(repository, 'model.onnx'));
writeFileSync(join(repository, 'model.yaml'), 'task: {name: image-classification, topK: 5}\n');

const port = await freePort();
const url = `http://127.0.0.1:${port}/models/photo/predict`;
const headers = { 'content-type': 'image/jpeg' };
const body = await photo(640, 480);
const server = await startServer({ name: 'modelport', command: 'node', args: ['dist/cli.js', 'serve', repository, '--port', port, '--grpc-port', 'off', '--metrics-port', 'off'], probe: () => post(url, body, headers) });
const load = () => loadavg().map((each) => each.toFixed(2)).join(' ');

/** Blobs of colour with some grain: about as hard to decode as a photograph of its size. */
async function photo(width, height) {
  const random = (size) => Buffer.from(Array.from({ length: size }, () => Math.floor(Math.random() * 256)));
  const grain = await sharp(random(width * height * 3), { raw: { width, height, channels: 3 } }).blur(0.8).raw().toBuffer();
  const blobs = await sharp(random(20 * 15 * 3), { raw: { width: 20, height: 15, channels: 3 } }).resize(width, height, { kernel: 'cubic' }).raw().toBuffer();
  return await sharp(Buffer.from(blobs.map((level, place) => (level * 7 + grain[place]) / 8)), { raw: { width, height, channels: 3 } }).jpeg({ quality: 88 }).toBuffer();
}

try {
  const answer = await (await fetch(url, { method: 'POST', body, headers })).json();
  if (answer.labels?.length !== 5) throw new Error(`the server answers ${JSON.stringify(answer)}`);
  console.log(`JPEG of ${Math.round(body.length / 1000)} KB; load average before: ${load()}`);
  wrk({ url, body, headers, connections: 4 });
  const results = [];
  for (let round = 0; round < rounds; round++) {
    const bare = JSON.parse(must(runner, [join(root, 'bench/peers/bare.py'), model, String(seconds)])).perSecond;
    const before = cpuSeconds(server.pid);
    const own = wrk({ url, body, headers, connections: 4 });
    results.push({ ...own, bare, cpuMs: ((cpuSeconds(server.pid) - before) / own.requests) * 1e3 });
  }
  printTable(
    `image endpoint, JPEG in, 4 connections, ${rounds} rounds of ${seconds} s`,
    ['requests/s (min–max)', 'bare onnxruntime, 1 thread', 'ratio (min–max)', 'p50 ms', 'p99 ms', 'CPU ms', 'failed'],
    [[range(results.map((r) => r.perSecond), 1), range(results.map((r) => r.bare), 1), range(results.map((r) => r.perSecond / r.bare), 2), median(results.map((r) => r.p50Ms)).toFixed(0), median(results.map((r) => r.p99Ms)).toFixed(0), median(results.map((r) => r.cpuMs)).toFixed(1), String(results.reduce((sum, r) => sum + r.failed, 0))]],
  );
  console.log(`\nmemory after the load: ${pssMb(server.pid).toFixed(0)} MB; load average after: ${load()}`);
} finally {
  await server.stop();
  rmSync(folder, { recursive: true });
}
