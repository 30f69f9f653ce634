/**
 * Triton's own clients and self-checking programs, unmodified, from a checkout of triton-inference-server/client that
 * MODELPORT_TRITON_CLIENT names; without it they are skipped. Programs that print PASS are judged by that line and not by
 * their exit code; those that print none by the last line of a run that went through.
 *
 * Not run, of src/python/examples: `*_cudashm_client` (want a GPU), `ensemble_image_client` (its first model decodes pictures),
 * `memory_growth_test` (reports, checks nothing), `simple_grpc_model_control` (wants the status INTERNAL for a client's
 * mistake, which its own text calls wrong; here it is INVALID_ARGUMENT).
 */
import { chmodSync, cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { root, startModelport, type RunningModelport } from '../start-modelport.ts';
import { mustRun, runCommand } from './setup/command.ts';
import { installOnce, skipUnless } from './setup/installed.ts';
import { python, pythonPath } from './setup/python.ts';
import { clientModels } from './setup/serve-client-models.ts';

const named = process.env['MODELPORT_TRITON_CLIENT'];
const checkout: { readonly missing?: string } = named === undefined ? { missing: 'MODELPORT_TRITON_CLIENT names no checkout of triton-inference-server/client' } : existsSync(join(named, 'src/python/examples')) ? {} : { missing: `${named} has no src/python/examples` };
const source = (path: string): string => join(named!, 'src', path);

const examples = join(clientModels, 'examples');
const more = join(clientModels, 'more');
const testRuntimes = { NODE_OPTIONS: `--import=${new URL('./setup/test-runtimes.mjs', import.meta.url).href}` };
const explicit = ['--model-control-mode', 'explicit', '--load-model', '*'];
/** Programs ask a server for its name. */
const asTriton = ['--server-name', 'triton'];
const picture = join(root, 'test/fixtures/images/photo.jpg');

/** Which server a program talks to. */
const servers = {
  /** The seven models of the examples, and nothing else: a program counts them. */
  seven: { arguments: [examples, ...explicit, ...asTriton] },
  everything: { arguments: [examples, more, ...explicit, '--allow-shared-memory', ...asTriton], environment: testRuntimes },
  /** simple_identity for bytes that are no text. */
  bytes: { arguments: [join(examples, 'simple_string'), join(clientModels, 'bytes/simple_identity'), ...asTriton], environment: testRuntimes },
};

interface Program {
  readonly name: string;
  readonly wire: 'http' | 'grpc';
  readonly flags?: readonly string[];
  readonly server?: keyof typeof servers;
  /** The last thing that it prints, where that is not PASS. */
  readonly ends?: RegExp;
}

const lastSum = /15 - -?1 = 1[46]\s*$/;
const programs: readonly Program[] = [
  { name: 'grpc_client', wire: 'grpc' },
  { name: 'grpc_explicit_byte_content_client', wire: 'grpc' },
  { name: 'grpc_explicit_int8_content_client', wire: 'grpc' },
  { name: 'grpc_explicit_int_content_client', wire: 'grpc' },
  { name: 'grpc_image_client', wire: 'grpc', flags: ['-m', 'densenet_onnx', picture] },
  { name: 'image_client', wire: 'http', flags: ['-m', 'densenet_onnx', '-s', 'INCEPTION', '-c', '3', picture] },
  { name: 'image_client', wire: 'http', flags: ['-m', 'densenet_onnx', '-a', picture] },
  { name: 'image_client', wire: 'grpc', flags: ['-m', 'densenet_onnx', '-i', 'grpc', '-c', '3', picture] },
  { name: 'image_client', wire: 'grpc', flags: ['-m', 'densenet_onnx', '-i', 'grpc', '-a', picture] },
  { name: 'image_client', wire: 'grpc', flags: ['-m', 'densenet_onnx', '-i', 'grpc', '-a', '--streaming', picture] },
  { name: 'reuse_infer_objects_client', wire: 'http', ends: /END =+\s*$/ },
  { name: 'reuse_infer_objects_client', wire: 'grpc', flags: ['-i', 'grpc'], ends: /END =+\s*$/ },
  { name: 'simple_grpc_aio_infer_client', wire: 'grpc' },
  { name: 'simple_grpc_aio_sequence_stream_infer_client', wire: 'grpc' },
  { name: 'simple_grpc_aio_sequence_stream_infer_client', wire: 'grpc', flags: ['-d'] },
  { name: 'simple_grpc_async_infer_client', wire: 'grpc' },
  { name: 'simple_grpc_custom_args_client', wire: 'grpc' },
  { name: 'simple_grpc_custom_repeat', wire: 'grpc' },
  { name: 'simple_grpc_infer_client', wire: 'grpc' },
  { name: 'simple_grpc_keepalive_client', wire: 'grpc' },
  { name: 'simple_grpc_sequence_stream_infer_client', wire: 'grpc' },
  { name: 'simple_grpc_sequence_stream_infer_client', wire: 'grpc', flags: ['-d'] },
  { name: 'simple_grpc_sequence_sync_infer_client', wire: 'grpc' },
  { name: 'simple_grpc_sequence_sync_infer_client', wire: 'grpc', flags: ['-d'] },
  { name: 'simple_grpc_shm_client', wire: 'grpc' },
  { name: 'simple_grpc_shm_string_client', wire: 'grpc' },
  { name: 'simple_grpc_string_infer_client', wire: 'grpc', server: 'bytes' },
  { name: 'simple_grpc_health_metadata', wire: 'grpc', ends: /model_name: "simple"|name: "simple"/ },
  { name: 'simple_http_aio_infer_client', wire: 'http' },
  { name: 'simple_http_async_infer_client', wire: 'http', ends: lastSum },
  { name: 'simple_http_health_metadata', wire: 'http', ends: /'name': 'simple'/ },
  { name: 'simple_http_infer_client', wire: 'http', ends: /\[404\] Request for unknown model: 'wrong_model_name' is not found\s*$/ },
  { name: 'simple_http_model_control', wire: 'http', server: 'seven' },
  { name: 'simple_http_sequence_sync_infer_client', wire: 'http' },
  { name: 'simple_http_sequence_sync_infer_client', wire: 'http', flags: ['-d'] },
  { name: 'simple_http_shm_client', wire: 'http' },
  { name: 'simple_http_shm_string_client', wire: 'http' },
  { name: 'simple_http_string_infer_client', wire: 'http', server: 'bytes' },
];

describe.skipIf(skipUnless("Triton's Python programs", checkout, python))("Triton's Python programs", () => {
  const running = new Map<keyof typeof servers, RunningModelport>();

  beforeAll(async () => {
    for (const name of Object.keys(servers) as (keyof typeof servers)[]) running.set(name, await startModelport(servers[name]));
  });
  afterAll(() => Promise.all([...running.values()].map((server) => server.stop())));

  test.each(programs.map((program) => [`${program.name} (${[program.wire, ...(program.flags ?? []).filter((flag) => flag !== picture)].join(' ')})`, program] as const))('%s', { timeout: 70_000 }, async (_title, program) => {
    const { httpPort, grpcPort } = running.get(program.server ?? 'everything')!;
    const { code, stdout, stderr } = await runCommand(pythonPath(), [source(`python/examples/${program.name}.py`), '-u', `127.0.0.1:${program.wire === 'http' ? httpPort : grpcPort}`, ...(program.flags ?? [])], { timeoutMs: 60_000 });
    const output = `${stdout}${stderr}`;
    expect(output).toMatch(program.ends ?? /^PASS/m);
    expect(output).not.toMatch(/^(?:FAILED|Traceback|error:)/m);
    if (program.ends !== undefined) expect(code, output).toBe(0);
  });
});

describe.skipIf(skipUnless("Triton's clients in other languages", checkout))("Triton's clients in other languages", () => {
  const work = mkdtempSync(join(tmpdir(), 'modelport-triton-clients-'));
  const definitions = ['grpc_service.proto', 'model_config.proto', 'health.proto'].map((name) => join(root, 'proto/triton', name));
  let server: RunningModelport | undefined;

  beforeAll(async () => {
    server = await startModelport({ arguments: [examples] });
  });
  afterAll(async () => {
    await server?.stop();
    rmSync(work, { recursive: true, force: true });
  });

  /** A copy that may be built in, with the interface definitions where its README wants them. */
  function copied(path: string, protoFolder?: string): string {
    const folder = join(work, path.replaceAll('/', '-'));
    cpSync(source(path), folder, { recursive: true });
    if (protoFolder !== undefined) {
      mkdirSync(join(folder, protoFolder), { recursive: true });
      for (const file of definitions) cpSync(file, join(folder, protoFolder, file.slice(file.lastIndexOf('/') + 1)));
    }
    return folder;
  }

  async function missing(...commands: readonly string[]): Promise<string | undefined> {
    for (const command of commands) {
      const found = await runCommand('sh', ['-c', `command -v ${command}`]);
      if (found.code !== 0) return `there is no ${command}`;
    }
    return undefined;
  }

  function pairsOf(output: string): number {
    return [...output.matchAll(/^(\d+) ([+-]) (\d+) = (-?\d+)$/gm)].filter(([, left, operator, right, result]) => Number(left) + (operator === '+' ? Number(right) : -Number(right)) === Number(result)).length;
  }

  test('JavaScript', { timeout: 180_000 }, async () => {
    const folder = copied('grpc_generated/javascript', 'proto');
    await mustRun('npm', ['ci', '--no-audit', '--no-fund', '--ignore-scripts'], { cwd: folder, timeoutMs: 120_000 });
    const output = await mustRun('node', ['client.js', '127.0.0.1', String(server!.grpcPort)], { cwd: folder });
    expect(output).toMatch(/Live: true[\s\S]*Ready: true/);
    expect(pairsOf(output)).toBe(32);
  });

  test('Go', { timeout: 480_000 }, async (context) => {
    const reason = await missing('go', 'python3');
    if (reason !== undefined) context.skip(reason);
    const tools = await installOnce('go-protoc', 'protoc-gen-go 1.36.11, protoc-gen-go-grpc 1.5.1, grpcio-tools 1.85.1', async (folder) => {
      await mustRun('python3', ['-m', 'venv', join(folder, 'python')]);
      await mustRun(join(folder, 'python/bin/python'), ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', 'grpcio-tools==1.85.1'], { timeoutMs: 240_000 });
      for (const tool of ['google.golang.org/protobuf/cmd/protoc-gen-go@v1.36.11', 'google.golang.org/grpc/cmd/protoc-gen-go-grpc@v1.5.1']) {
        await mustRun('go', ['install', tool], { environment: { GOBIN: join(folder, 'bin') }, timeoutMs: 240_000 });
      }
      writeFileSync(join(folder, 'bin/protoc'), `#!/bin/sh\nexec "${join(folder, 'python/bin/python')}" -m grpc_tools.protoc "$@"\n`);
      chmodSync(join(folder, 'bin/protoc'), 0o755);
    });
    if (tools.missing !== undefined) context.skip(tools.missing);
    const folder = copied('grpc_generated/go', 'common/protobuf');
    await mustRun('bash', ['gen_go_stubs.sh'], { cwd: folder, environment: { PATH: `${join(tools.folder!, 'bin')}${delimiter}${process.env['PATH'] ?? ''}` } });
    const output = await mustRun('go', ['run', 'grpc_simple_client.go', '-u', `127.0.0.1:${server!.grpcPort}`], { cwd: folder, timeoutMs: 240_000 });
    expect(output).toMatch(/Live: true[\s\S]*Ready: true/);
    expect(pairsOf(output)).toBe(32);
  });

  test('Java, over gRPC', { timeout: 600_000 }, async (context) => {
    const reason = await missing('java', 'mvn');
    if (reason !== undefined) context.skip(reason);
    const library = copied('grpc_generated/java/library', 'src/main/proto');
    await mustRun('mvn', ['-q', '-B', 'compile'], { cwd: library, timeoutMs: 300_000 });
    const program = copied('grpc_generated/java/examples');
    for (const generated of ['java', 'grpc-java']) cpSync(join(library, 'target/generated-sources/protobuf', generated, 'inference'), join(program, 'src/main/java/inference'), { recursive: true });
    await mustRun('mvn', ['-q', '-B', 'compile'], { cwd: program, timeoutMs: 300_000 });
    const output = await mustRun('mvn', ['-q', '-B', 'exec:java', '-Dexec.mainClass=clients.SimpleJavaClient', `-Dexec.args=127.0.0.1 ${server!.grpcPort}`], { cwd: program, timeoutMs: 120_000 });
    expect(output).toMatch(/live: true/);
    expect(pairsOf(output)).toBe(32);
  });

  test('Java, over HTTP', { timeout: 480_000 }, async (context) => {
    const reason = (await missing('java', 'mvn')) ?? ((await isFree(8000)) ? undefined : 'its address is fixed, 0.0.0.0:8000, and port 8000 is taken');
    if (reason !== undefined) context.skip(reason);
    const folder = copied('java');
    expect(readFileSync(join(folder, 'src/main/java/triton/client/examples/SimpleInferClient.java'), 'utf8')).toContain('"0.0.0.0:8000"');
    await mustRun('mvn', ['-q', '-B', 'package', `-Ddir=${join(folder, 'jars')}`], { cwd: folder, timeoutMs: 400_000 });
    const onPort8000 = await startModelport({ arguments: [examples, '--port', '8000', '--allowed-host', '0.0.0.0'] });
    try {
      expect(pairsOf(await mustRun('java', ['-jar', join(folder, 'jars/SimpleInferClient.jar')]))).toBe(32);
    } finally {
      await onPort8000.stop();
    }
  });
});

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = createServer()
      .on('error', () => resolve(false))
      .listen(port, '127.0.0.1', () => probe.close(() => resolve(true)));
  });
}
