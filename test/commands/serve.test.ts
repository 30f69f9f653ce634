/** `modelport serve` as a person and as an orchestrator meet it. */
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { root, runModelport, startModelport, type RunningModelport } from '../start-modelport.ts';

const model = join(root, 'test/fixtures/onnx/mlp.onnx');
const examples = join(root, 'examples/models');
const folder = mkdtempSync(join(tmpdir(), 'modelport-serve-'));
const running: RunningModelport[] = [];
afterEach(async () => {
  await Promise.all(running.splice(0).map((server) => server.stop('SIGKILL')));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function start(...args: string[]): Promise<RunningModelport> {
  const server = await startModelport({ arguments: args });
  running.push(server);
  return server;
}

describe('one start', () => {
  let server: RunningModelport;
  beforeAll(async () => {
    server = await startModelport({ arguments: [examples] });
  });
  afterAll(async () => {
    expect(await server.stop()).toBe(0);
  });

  test('the screen says what is served, and where', () => {
    const screen = server.output();
    for (const expected of ['iris', 'digits', 'tabular-classification', 'image-classification', `http://127.0.0.1:${server.httpPort}`, `127.0.0.1:${server.grpcPort}`, '/docs', '/metrics']) expect(screen).toContain(expected);
    expect(screen).not.toContain('\u001b');
  });

  test('a flower is classified', async () => {
    const answer = await fetch(`${server.url}/models/iris/predict`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ sepal_length: 6.3, sepal_width: 3.3, petal_length: 6.0, petal_width: 2.5 }),
    });
    expect(answer.status).toBe(200);
    expect(((await answer.json()) as { label: string }).label).toBe('virginica');
    expect(answer.headers.get('server-timing')).toMatch(/total;dur=/);
  });

  test('page, documentation and metrics are there', async () => {
    for (const [path, type] of [['/', 'text/html'], ['/docs', 'text/html'], ['/openapi.json', 'application/json'], ['/metrics', 'text/plain'], ['/ui/models', 'application/json'], ['/docs/swagger-ui-bundle.js', 'text/javascript']] as const) {
      const answer = await fetch(`${server.url}${path}`);
      expect([path, answer.status, answer.headers.get('content-type')]).toEqual([path, 200, expect.stringContaining(type)]);
    }
    expect((await fetch(`${server.url}/docs/..%2f..%2fpackage.json`)).status).toBe(404);
    expect((await fetch(`${server.url}/assets/..%2findex.html`)).status).toBe(404);
  });

  test('every model of the page has what the page needs', async () => {
    const { models } = (await (await fetch(`${server.url}/ui/models`)).json()) as { models: { name: string; versions: { state: string; served: { batching: { maxSize: number }; predict?: { path: string; examples: unknown[] } } }[] }[] };
    expect(models.map(({ name }) => name)).toEqual(['digits', 'films', 'fuel', 'iris', 'iris-classify', 'iris-ensemble', 'iris-scale', 'spam']);
    for (const { versions } of models) expect(versions[0]!.state).toBe('READY');
    const { predict } = models.find(({ name }) => name === 'digits')!.versions[0]!.served;
    const answer = await fetch(`${server.url}/${predict!.path}`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(predict!.examples[0]) });
    expect(answer.status).toBe(200);
  });
});

describe('mistakes are told in a sentence, with exit code and without a stack', () => {
  test.each([
    [['serve'], 2, 'nothing to serve'],
    [['serve', '/no/such/model.onnx'], 2, '/no/such/model.onnx'],
    [['serve', model, '--port', '99999'], 2, 'write a port'],
    [['serve', model, '--prot', '1'], 2, '--port'],
    [['serve', model, '--model-control-mode', 'sometimes'], 2, 'explicit'],
    [['serve', model, '--max-body', 'big'], 2, '64MB'],
    [['serve', model, '--api-key-file', '/no/such/file', '--port', '0'], 2, '/no/such/file'],
    [['serve', model, '--host', '203.0.113.1', '--port', '0'], 2, 'not an address of this machine'],
    [['srve', model], 2, 'serve'],
  ] as const)('%j', async (args, code, text) => {
    const result = await runModelport(args);
    expect(result.stderr).toContain(text);
    expect(result.stderr).not.toMatch(/\n\s+at /);
    expect(result.code).toBe(code);
  });

  test('a port in use', async () => {
    const taken = createServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => taken.on('listening', resolve));
    const { port } = taken.address() as AddressInfo;
    const result = await runModelport(['serve', model, '--port', String(port), '--grpc-port', 'off', '--metrics-port', 'off']);
    expect([result.code, result.stderr]).toEqual([2, expect.stringContaining(`port ${port} on 127.0.0.1 is in use`)]);
    const grpc = await runModelport(['serve', model, '--port', '0', '--grpc-port', String(port), '--metrics-port', 'off']);
    expect([grpc.code, grpc.stderr]).toEqual([2, expect.stringContaining('in use')]);
    taken.close();
  });

  test('files that are no models', async () => {
    const cases: Record<string, [string | Buffer, RegExp]> = {
      'empty.onnx': ['', /empty/],
      'page.onnx': ['<!DOCTYPE html><html></html>', /HTML/],
      'pointer.onnx': ['version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n', /git lfs pull/i],
      'archive.onnx': [Buffer.from('504b0304140000000800', 'hex'), /zip/],
      'noise.onnx': [Buffer.from('08ffffffffffffffffffffff', 'hex'), /ONNX/],
    };
    for (const [name, [content, text]] of Object.entries(cases)) {
      const path = join(folder, name);
      writeFileSync(path, content);
      const result = await runModelport(['serve', path, '--port', '0', '--grpc-port', 'off', '--metrics-port', 'off']);
      expect(result.stderr, name).toMatch(text);
      expect(result.stderr, name).toContain(name);
      expect(result.stderr, name).not.toMatch(/\n\s+at /);
      expect(result.code, name).not.toBe(0);
    }
  });

  test('--exit-on-error=false serves the others and says why in the index', async () => {
    const mixed = join(folder, 'mixed');
    cpSync(join(examples, 'iris'), join(mixed, 'iris'), { recursive: true });
    mkdirSync(join(mixed, 'broken'));
    writeFileSync(join(mixed, 'broken', 'model.onnx'), 'nonsense');
    const strict = await runModelport(['serve', mixed, '--port', '0', '--grpc-port', 'off', '--metrics-port', 'off']);
    expect([strict.code, strict.stderr]).toEqual([1, expect.stringContaining('--exit-on-error=false')]);
    const server = await start(mixed, '--exit-on-error=false');
    const index = (await (await fetch(`${server.url}/v2/repository/index`, { method: 'POST' })).json()) as { name: string; state: string; reason?: string }[];
    expect(index.find(({ name }) => name === 'iris')!.state).toBe('READY');
    expect(index.find(({ name }) => name === 'broken')).toMatchObject({ state: 'UNAVAILABLE', reason: expect.stringContaining('model.onnx') as string });
    expect((await fetch(`${server.url}/v2/health/ready`)).status).toBe(400);
    expect((await fetch(`${server.url}/v2/health/live`)).status).toBe(200);
  });
});

describe('settings', () => {
  test('a flag wins over the environment, and that over modelport.yaml', async () => {
    const place = join(folder, 'settings');
    mkdirSync(place);
    writeFileSync(join(place, 'modelport.yaml'), 'server-name: from-file\ngrpc-port: off\nmax-body: 1KB\n');
    const name = async (args: string[], environment: Record<string, string> = {}) => {
      const server = await startModelport({ arguments: [model, ...args], environment, cwd: place });
      running.push(server);
      return ((await (await fetch(`${server.url}/v2`)).json()) as { name: string }).name;
    };
    expect(await name([])).toBe('from-file');
    expect(await name([], { MODELPORT_SERVER_NAME: 'from-environment' })).toBe('from-environment');
    expect(await name(['--server-name', 'from-flag'], { MODELPORT_SERVER_NAME: 'from-environment' })).toBe('from-flag');
    const server = running.at(-1)!;
    expect((await fetch(`${server.url}/v2/models/mlp/infer`, { method: 'POST', body: 'x'.repeat(2000) })).status).toBe(413);
    writeFileSync(join(place, 'modelport.yaml'), 'server-nmae: x\n');
    const typo = await runModelport(['serve', model], { cwd: place });
    expect([typo.code, typo.stderr]).toEqual([1, expect.stringContaining("did you mean 'server-name'")]);
  });

  test('keys guard their doors', async () => {
    const keys = join(folder, 'keys.txt');
    writeFileSync(keys, '# clients\nan-api-key-of-some-length\n');
    const server = await start(model, '--api-key-file', keys);
    const infer = (headers: Record<string, string>) => fetch(`${server.url}/v2/models/mlp`, { headers }).then((answer) => answer.status);
    expect(await infer({})).toBe(401);
    expect(await infer({ authorization: 'Bearer an-api-key-of-some-length' })).toBe(200);
    expect((await fetch(`${server.url}/v2/health/ready`)).status).toBe(200);
  });
});

describe('the end', () => {
  test('SIGTERM answers what was accepted, under load', async () => {
    const server = await start(model);
    const body = JSON.stringify({ inputs: [{ name: 'x', shape: [1, 4], datatype: 'FP32', data: [1, 2, 3, 4] }] });
    const metadata = (await (await fetch(`${server.url}/v2/models/mlp`)).json()) as { inputs: { name: string }[] };
    const request = body.replace('"x"', JSON.stringify(metadata.inputs[0]!.name));
    let answered = 0;
    let broken = 0;
    let stopping = false;
    const client = async (): Promise<void> => {
      for (;;) {
        try {
          const answer = await fetch(`${server.url}/v2/models/mlp/infer`, { method: 'POST', body: request });
          await answer.arrayBuffer();
          if (answer.status === 200) answered++;
          else broken++;
        } catch (error) {
          const code = ((error as Error).cause as NodeJS.ErrnoException | undefined)?.code;
          // Nobody listens any more, or a kept-alive connection was closed before anything of the request was read.
          if (!stopping || !['ECONNREFUSED', 'ECONNRESET', 'UND_ERR_SOCKET'].includes(code ?? '')) broken++;
          if (stopping) return;
        }
      }
    };
    const clients = Array.from({ length: 16 }, client);
    await sleep(300);
    stopping = true;
    expect(await server.stop('SIGTERM')).toBe(0);
    await Promise.all(clients);
    expect(answered).toBeGreaterThan(16);
    expect(broken).toBe(0);
    await expect(fetch(server.url)).rejects.toThrow();
  });

  test('Ctrl-C while nothing is going on is quick and clean', async () => {
    const server = await start(model);
    expect(await server.stop('SIGINT')).toBe(0);
    expect(server.output()).not.toMatch(/\n\s+at /);
  });
});
