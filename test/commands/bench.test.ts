/** `modelport bench`: what it counts. How fast anything is, is asserted nowhere. */
import { createServer as createHttpServer, type RequestListener } from 'node:http';
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { HttpSocket } from '../../src/commands/bench/http-socket.ts';
import { LoadGenerator, type LoadSpec } from '../../src/commands/bench/load-generator.ts';
import { summarize } from '../../src/commands/bench/summarize.ts';
import { LatencyRecorder } from '../../src/lib/latency-recorder.ts';
import { root, runModelport, startModelport, type RunningModelport } from '../start-modelport.ts';

const open: Server[] = [];
const sockets = new Set<Socket>();
afterEach(() => {
  for (const socket of sockets) socket.destroy();
  for (const server of open.splice(0)) server.close();
});

async function listen(server: Server): Promise<number> {
  open.push(server);
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    socket.on('error', () => {});
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return (server.address() as AddressInfo).port;
}

const answering = (listener: RequestListener) => listen(createHttpServer(listener));
/** A server that says these bytes to every request, in pieces of `size`. */
const saying = (text: string, size = 10_000, end = false) =>
  listen(
    createServer((socket) => {
      socket.on('data', () => {
        const bytes = Buffer.from(text, 'latin1');
        for (let at = 0; at < bytes.length; at += size) socket.write(bytes.subarray(at, at + size));
        if (end) socket.end();
      });
    }),
  );

const request = Buffer.from('GET / HTTP/1.1\r\nhost: x\r\n\r\n');

/** What comes of requests one after the other over one connection: statuses and reasons. */
async function outcomes(port: number, count: number, headOnly = false): Promise<(number | string)[]> {
  const found: (number | string)[] = [];
  await new Promise<void>((resolve) => {
    const next = (socket: HttpSocket, outcome: number | string): void => {
      found.push(outcome);
      if (found.length < count) socket.send();
      else {
        socket.close();
        resolve();
      }
    };
    new HttpSocket({ host: '127.0.0.1', port, tls: false, request, headOnly }, { onAnswer: next, onFailure: next }).send();
  });
  return found;
}

describe('a connection', () => {
  it.each([
    ['a length', 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello'],
    ['no body', 'HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n'],
    ['chunks', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nA;x=y\r\n0123456789\r\n0\r\nTrailer: 1\r\n\r\n'],
    ['an interim answer', 'HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok'],
    ['its end asked for', 'HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok'],
  ])('reads an answer with %s, in any pieces', async (_, text) => {
    for (const size of [1, 3, 10_000]) expect(await outcomes(await saying(text, size), 3)).toEqual([200, 200, 200]);
  });

  it('reads an answer that ends with the connection, and one without a body', async () => {
    expect(await outcomes(await saying('HTTP/1.1 200 OK\r\n\r\nhello', 2, true), 3)).toEqual([200, 200, 200]);
    expect(await outcomes(await saying('HTTP/1.1 304 Not Modified\r\ncontent-length: 5\r\n\r\n'), 2)).toEqual([304, 304]);
    expect(await outcomes(await saying('HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n'), 2, true)).toEqual([200, 200]);
  });

  it('tells what is no answer', async () => {
    expect(await outcomes(await saying('SSH-2.0-OpenSSH\r\n\r\n'), 2)).toEqual(['malformed answer', 'malformed answer']);
    expect(await outcomes(await saying('HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nxyz\r\n'), 1)).toEqual(['malformed answer']);
    expect(await outcomes(await saying('x'.repeat(100_000)), 1)).toEqual(['malformed answer']);
    expect(await outcomes(await saying('HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\nhello', 100, true), 1)).toEqual(['closed before the answer']);
    expect(await outcomes(1, 1)).toEqual(['ECONNREFUSED']);
  });

  it('sends again what met a connection that the server had just closed', async () => {
    let connections = 0;
    const port = await listen(
      createServer((socket) => {
        connections++;
        let requests = 0;
        socket.on('data', () => {
          // Every second request finds the connection closed.
          if (++requests === 2) socket.end();
          else socket.write('HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n');
        });
      }),
    );
    expect(await outcomes(port, 5)).toEqual([200, 200, 200, 200, 200]);
    expect(connections).toBe(5);
  });
});

const spec = (port: number, more: Partial<LoadSpec> = {}): LoadSpec => ({
  target: { host: '127.0.0.1', port, tls: false, request, headOnly: false },
  connections: 4, ratePerSecond: undefined, arrivals: 'constant', phase: 0, seed: 1, warmupMs: 50, durationMs: 300, timeoutMs: 5000, spin: false,
  ...more,
});

describe('load', () => {
  it('counts every request once, by status', async () => {
    let count = 0;
    const port = await answering((_, response) => response.writeHead(++count % 5 === 0 ? 503 : 200).end('x'));
    const result = await new LoadGenerator(spec(port)).run();
    const counted = Object.values(result.statuses).reduce((sum, each) => sum + each, 0);
    expect(Object.keys(result.statuses)).toEqual(['200', '503']);
    expect([result.latency.count, result.answered, result.failures]).toEqual([counted, counted, {}]);
    expect(count).toBeGreaterThanOrEqual(counted);
    expect(result.statuses['503']! / counted).toBeCloseTo(0.2, 1);
  });

  it('has no more requests under way than connections', async () => {
    let [now, most] = [0, 0];
    const port = await answering((_, response) => {
      most = Math.max(most, ++now);
      setTimeout(() => {
        now--;
        response.end();
      }, 5);
    });
    await new LoadGenerator(spec(port, { connections: 3 })).run();
    expect(most).toBe(3);
  });

  it('at a rate offers so many whatever the server does', async () => {
    const port = await answering((_, response) => response.end());
    const constant = await new LoadGenerator(spec(port, { ratePerSecond: 400, durationMs: 500 })).run();
    expect(Math.abs(constant.offered - 200)).toBeLessThanOrEqual(1);
    expect(constant.latency.count).toBe(constant.offered);
    const silent = await listen(createServer(() => {}));
    const unanswered = await new LoadGenerator(spec(silent, { ratePerSecond: 400, durationMs: 200, timeoutMs: 150, connections: 2 })).run();
    expect(Math.abs(unanswered.offered - 80)).toBeLessThanOrEqual(1);
    // Each is accounted for, be it given up or never begun.
    expect(Object.values(unanswered.failures).reduce((sum, count) => sum + count, 0)).toBe(unanswered.offered);
    expect([unanswered.latency.count, unanswered.statuses]).toEqual([unanswered.offered, {}]);
  });

  it('at a rate charges a slow server for those who wait', async () => {
    // One connection of 50 ms a request can answer 20 a second; 100 come.
    const port = await answering((_, response) => setTimeout(() => response.end(), 50));
    const slow = await new LoadGenerator(spec(port, { ratePerSecond: 100, connections: 1, warmupMs: 0, durationMs: 1000 })).run();
    const latency = Object.assign(new LatencyRecorder(slow.latency.counts), { count: slow.latency.count, maxUs: slow.latency.maxUs });
    expect(slow.latency.count).toBe(slow.offered);
    expect(slow.waited).toBeGreaterThan(50);
    expect(latency.percentileMs(50)).toBeGreaterThan(500);
  });

  it('at random has the same arrivals for the same seed, about as many as asked for', async () => {
    const port = await answering((_, response) => response.end());
    const offered = async (seed: number) => (await new LoadGenerator(spec(port, { ratePerSecond: 1000, arrivals: 'poisson', seed, warmupMs: 0, durationMs: 400, connections: 64 })).run()).offered;
    const [first, again, other] = [await offered(1), await offered(1), await offered(2)];
    expect(again).toBe(first);
    expect([first, other].every((count) => count > 400 - 6 * 20 && count < 400 + 6 * 20)).toBe(true);
    expect(other).not.toBe(first);
  });

  it('stops at once when it is asked to', async () => {
    const port = await answering((_, response) => response.end());
    const load = new LoadGenerator(spec(port, { warmupMs: 0, durationMs: 3_600_000 }));
    setTimeout(() => load.stop(), 200);
    const result = await load.run();
    expect(result.latency.count).toBe(result.answered);
    expect(result.answered).toBeGreaterThan(0);
  });
});

describe('the summary', () => {
  const round = (answered: number, latencyMs: number, more: object = {}) => {
    const latency = new LatencyRecorder();
    for (let index = 0; index < answered; index++) latency.recordMs(latencyMs);
    return { latency, lag: new LatencyRecorder(), statuses: new Map([['200', answered]]), failures: new Map<string, number>(), answered, offered: 0, waited: 0, measuredMs: 1000, utilization: 0.5, ...more };
  };

  it('compares rounds in pairs', () => {
    const [first, second] = [[round(100, 1), round(50, 2), round(100, 1)], [round(200, 0.5), round(100, 1), round(150, 1)]];
    const summary = summarize('http://b', '', second, first, false);
    expect(summary.comparedToFirst).toEqual({ requestsPerSecond: { median: 2, least: 1.5, most: 2 }, p50: { median: 0.5, least: 0.5, most: 1 }, p99: { median: 0.5, least: 0.5, most: 1 } });
    expect(summary).toMatchObject({ requestsPerSecond: 150, requestsPerSecondByRound: [200, 100, 150], requests: 450, failed: 0 });
  });

  it('says when the generator was the bottleneck, and counts errors', () => {
    expect(summarize('', '', [round(10, 1)], undefined, false)).not.toHaveProperty('generatorSaturated');
    expect(summarize('', '', [round(10, 1, { utilization: 0.99 })], undefined, false).generatorSaturated).toContain('99 %');
    const lag = new LatencyRecorder();
    lag.recordMs(80);
    expect(summarize('', '', [round(10, 1, { lag, offered: 10 })], undefined, true).generatorSaturated).toContain('late');
    expect(summarize('', '', [round(10, 1, { statuses: new Map([['200', 7], ['503', 3]]), failures: new Map([['timeout', 2]]) })], undefined, false).failed).toBe(5);
  });
});

describe('the command', () => {
  let server: RunningModelport;
  let folder: string;
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'modelport-bench-'));
    server = await startModelport({ arguments: [join(root, 'examples/models')] });
  });
  afterAll(async () => {
    await server.stop();
    rmSync(folder, { recursive: true, force: true });
  });
  const bench = (...args: string[]) => runModelport(['bench', '--duration', '300ms', '--warmup', '50ms', '-c', '4', ...args], { cwd: folder });

  it.each([
    ['tensors as JSON', ['--model', 'iris']],
    ['tensors as bytes', ['--model', 'iris', '--binary', '--rows', '3']],
    ['a picture of a given size', ['--model', 'digits', '--shape', 'image:2,1,28,28', '--binary']],
    ["a model's own example", ['--model', 'digits', '--predict']],
    ['a rate', ['--model', 'iris', '--rate', '100', '--arrivals', 'poisson']],
  ])('makes requests that the model takes: %s', async (_, args) => {
    const { code, stdout, stderr } = await bench(server.url, '--json', ...args);
    expect(stderr).toBe('');
    const { results } = JSON.parse(stdout) as { results: { requests: number; statuses: Record<string, number>; failed: number; latencyMs: Record<string, number> }[] };
    expect(results.map(({ statuses, failed }) => [Object.keys(statuses), failed])).toEqual([[['200'], 0]]);
    expect(Object.keys(results[0]!.latencyMs)).toEqual(['mean', 'p50', 'p90', 'p95', 'p99', 'p99.9', 'max']);
    expect(code).toBe(0);
  });

  it('asks any URL as it is, with a body or without', async () => {
    writeFileSync(join(folder, 'flower.json'), JSON.stringify({ sepal_length: 6, sepal_width: 2.2, petal_length: 4, petal_width: 1 }));
    const body = await bench(`${server.url}/models/iris/predict`, '--body', 'flower.json', '--json');
    expect(JSON.parse(body.stdout)).toMatchObject({ results: [{ failed: 0, url: `${server.url}/models/iris/predict` }] });
    expect((await bench(`${server.url}/v2/health/live`)).stdout).toMatch(/GET http.*\n[\s\S]*requests\/s[\s\S]*p99\.9[\s\S]*status 200/);
  });

  it('compares several servers in alternating rounds', async () => {
    const { stdout, code } = await bench(server.url, `${server.url}/`, '--model', 'iris', '--rounds', '2', '--json');
    const { results } = JSON.parse(stdout) as { results: { requestsPerSecondByRound: number[]; comparedToFirst?: { requestsPerSecond: object } }[] };
    expect(results.map((result) => [result.requestsPerSecondByRound.length, Object.keys(result.comparedToFirst?.requestsPerSecond ?? {})])).toEqual([[2, []], [2, ['median', 'least', 'most']]]);
    expect(code).toBe(0);
  });

  it('errors make the exit code 1', async () => {
    let count = 0;
    const port = await answering((_, response) => response.writeHead(count++ === 0 ? 200 : 503).end());
    const { code, stdout } = await bench(`http://127.0.0.1:${port}/x`);
    expect([code, stdout]).toEqual([1, expect.stringMatching(/status 503 +\d/)]);
  });

  it.each([
    [['not-a-url'], 'no URL'],
    [['http://127.0.0.1:9'], 'does not answer'],
    [['SERVER'], '--model digits'],
    [['SERVER', '--model', 'nothing'], 'answered 404'],
    [['SERVER', '--model', 'iris', '--shape', 'x:1'], "no input 'x'"],
    [['SERVER', '--model', 'iris', '--shape', 'measurements:1,5'], 'answered 400'],
    [['SERVER', '--model', 'iris-scale', '--predict'], 'has no task'],
    [['SERVER', '--model', 'iris', '--rate', 'fast'], 'requests a second'],
    [['SERVER', '--model', 'iris', '--body', 'nothing.json'], "can't read nothing.json"],
    [['SERVER/nothing'], 'answered 404'],
  ])('mistakes are told before any load: %j', async (args, text) => {
    const { code, stderr } = await bench(...args.map((argument) => argument.replace('SERVER', server.url)));
    expect(stderr).toContain(text);
    expect(stderr).not.toMatch(/\n\s+at /);
    expect(code).toBe(2);
  });
});
