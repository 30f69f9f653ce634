#!/usr/bin/env node
/**
 * The tiny model over gRPC ModelInfer, beside Python's grpc.aio with onnxruntime. Load generator: ghz (Go), held to one
 * processor, one connection per worker; it is installed with `go install` where it is missing.
 *
 *     node bench/grpc-tiny.mjs
 */
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { benchModel, cpuSeconds, freePort, median, must, printTable, python, range, root, rounds, seconds, startServer } from './harness.mjs';

const model = benchModel('model');
const folder = join(root, '.cache', 'bench');
const ghz = join(folder, 'bin', 'ghz');
if (!existsSync(ghz)) must('go', ['install', 'github.com/bojand/ghz/cmd/ghz@v0.121.0'], { env: { ...process.env, GOBIN: join(folder, 'bin') } });
const aio = python('grpcaio', ['grpcio', 'grpcio-tools', 'protobuf', 'onnxruntime', 'numpy']);
const generated = join(folder, 'proto');
if (!existsSync(generated)) {
  mkdirSync(generated);
  must(aio, ['-m', 'grpc_tools.protoc', '-Iproto/triton', `--python_out=${generated}`, `--grpc_python_out=${generated}`, 'grpc_service.proto', 'model_config.proto'], { cwd: root });
}

const values = [5.1, 3.5, 1.4, 0.2];
const tensor = { name: 'input', datatype: 'FP32', shape: [1, 4] };
const bodies = {
  contents: { model_name: 'model', inputs: [{ ...tensor, contents: { fp32_contents: values } }] },
  raw: { model_name: 'model', inputs: [tensor], raw_input_contents: [Buffer.from(Float32Array.from(values).buffer).toString('base64')] },
};

function load(port, kind, connections) {
  const file = join(folder, `grpc-${kind}.json`);
  writeFileSync(file, JSON.stringify(bodies[kind]));
  const report = JSON.parse(must(ghz, ['--insecure', '--proto', 'proto/triton/grpc_service.proto', '-i', 'proto/triton', '--call', 'inference.GRPCInferenceService.ModelInfer', '-D', file, '-c', String(connections), '--connections', String(connections), '--cpus', '1', '-z', `${seconds}s`, '--duration-stop', 'wait', '-O', 'json', `127.0.0.1:${port}`], { cwd: root }));
  const at = (percentage) => report.latencyDistribution.find((entry) => entry.percentage === percentage).latency / 1e6;
  const ok = report.statusCodeDistribution.OK ?? 0;
  return { perSecond: report.count / (report.total / 1e9), requests: report.count, p50Ms: at(50), p99Ms: at(99), failed: report.count - ok };
}

const ports = [await freePort(), await freePort(), await freePort()];
const listening = (port) => () => new Promise((resolve) => connect(port, '127.0.0.1', () => resolve(true)).on('error', () => resolve(false)));
const servers = [
  await startServer({ name: 'modelport', command: 'node', args: ['dist/cli.js', 'serve', model, '--port', ports[0], '--grpc-port', ports[1], '--metrics-port', 'off'], probe: () => fetch(`http://127.0.0.1:${ports[0]}/v2/health/ready`).then((answer) => answer.ok) }),
  await startServer({ name: 'grpc.aio', command: aio, args: ['bench/peers/grpcaio_app.py'], env: { MODEL: model, PORT: String(ports[2]), PROTO_OUT: generated }, probe: listening(ports[2]) }),
];
const targets = [{ name: 'modelport', port: ports[1], pid: servers[0].pid }, { name: 'grpc.aio', port: ports[2], pid: servers[1].pid }];
try {
  for (const kind of ['contents', 'raw']) {
    for (const connections of [32, 1]) {
      const results = new Map(targets.map(({ name }) => [name, []]));
      for (const { port } of targets) load(port, kind, connections);
      for (let round = 0; round < rounds; round++) {
        for (const { name, port, pid } of targets) {
          const before = cpuSeconds(pid);
          const result = load(port, kind, connections);
          results.get(name).push({ ...result, cpuUs: ((cpuSeconds(pid) - before) / result.requests) * 1e6 });
        }
      }
      const peer = results.get('grpc.aio');
      printTable(
        `tiny model, gRPC ModelInfer (${kind}), ${connections} connection${connections === 1 ? '' : 's'}, ${rounds} rounds of ${seconds} s`,
        ['server', 'requests/s (min–max)', '÷ grpc.aio', 'p50 ms', 'p50 ÷ grpc.aio', 'p99 ms', 'CPU µs', 'failed'],
        targets.map(({ name }) => {
          const own = results.get(name);
          return [name, range(own.map((r) => r.perSecond), 0), range(own.map((r, i) => r.perSecond / peer[i].perSecond), 2), median(own.map((r) => r.p50Ms)).toFixed(3), range(own.map((r, i) => r.p50Ms / peer[i].p50Ms), 2), median(own.map((r) => r.p99Ms)).toFixed(2), median(own.map((r) => r.cpuUs)).toFixed(0), String(own.reduce((sum, r) => sum + r.failed, 0))];
        }),
      );
    }
  }
} finally {
  await Promise.all(servers.map((server) => server.stop()));
}
