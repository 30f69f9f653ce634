#!/usr/bin/env node
/**
 * A typed service that returns a constant, beside FastAPI's equal; and how fast a stream of tokens from a generator that does
 * nothing arrives: altogether over several connections, and the first token of one.
 *
 *     node bench/service.mjs
 */
import { loadavg } from 'node:os';
import { connect } from 'node:net';
import { compare, freePort, median, post, python, range, rounds, startServer } from './harness.mjs';

const body = JSON.stringify({ feature1: 1, feature2: 2 });
const fastapiPython = python('fastapi', ['fastapi', 'uvicorn[standard]', 'onnxruntime', 'numpy']);
const ports = [await freePort(), await freePort()];
const url = (port) => `http://127.0.0.1:${port}/constant`;
const servers = [
  await startServer({ name: 'modelport', command: 'node', args: ['dist/cli.js', 'serve', 'bench/peers/service.ts', '--port', ports[0], '--grpc-port', 'off', '--metrics-port', 'off'], probe: () => post(url(ports[0]), body) }),
  await startServer({ name: 'fastapi', command: fastapiPython, args: ['-m', 'uvicorn', 'fastapi_service:app', '--app-dir', 'bench/peers', '--port', ports[1], '--no-access-log', '--log-level', 'warning'], probe: () => post(url(ports[1]), body) }),
];

/** One streamed answer over a socket: resolves when its end has come, with when its first token came. */
function stream(count) {
  const text = JSON.stringify({ count });
  return new Promise((resolve, reject) => {
    const startedAt = performance.now();
    let firstMs;
    let tail = '';
    const socket = connect(ports[0], '127.0.0.1', () => socket.write(`POST /tokens HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\ncontent-length: ${text.length}\r\n\r\n${text}`));
    socket.on('data', (chunk) => {
      const part = tail + chunk.toString('latin1');
      if (firstMs === undefined && part.includes('data: ')) firstMs = performance.now() - startedAt;
      if (part.includes('event: end')) {
        socket.destroy();
        resolve(firstMs);
      }
      tail = part.slice(-20);
    });
    socket.on('error', reject);
  });
}

try {
  console.log(`load average ${loadavg().map((value) => value.toFixed(2)).join(' ')}`);
  const targets = servers.map((server, index) => ({ name: server.name, pid: server.pid, url: url(ports[index]), body }));
  for (const connections of [32, 1]) await compare({ title: 'typed service, constant', targets, connections, against: ['fastapi'] });

  const [tokens, connections] = [50_000, 8];
  await stream(tokens);
  const rates = [];
  for (let round = 0; round < rounds; round++) {
    const startedAt = performance.now();
    await Promise.all(Array.from({ length: connections }, () => stream(tokens)));
    rates.push((tokens * connections) / ((performance.now() - startedAt) / 1000));
  }
  const firsts = [];
  for (let index = 0; index < 200; index++) firsts.push(await stream(10));
  const sorted = [...firsts].sort((a, b) => a - b);
  console.log(`\ntoken streaming, ${connections} connections of ${tokens} tokens, ${rounds} rounds\n\n${range(rates, 0)} tokens/s altogether; first token after ${median(firsts).toFixed(2)} ms (p99 ${sorted[197].toFixed(2)} ms)`);
} finally {
  await Promise.all(servers.map((server) => server.stop()));
}
