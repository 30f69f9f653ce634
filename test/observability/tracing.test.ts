/** Traces as an OpenTelemetry collector receives them, and what Prometheus reads. */
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { root, startModelport, type RunningModelport } from '../start-modelport.ts';

interface OtlpSpan {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly name: string;
  readonly kind: number;
  readonly startTimeUnixNano: string;
  readonly endTimeUnixNano: string;
}

/** A receiver of OTLP over HTTP in its JSON form. */
const spans: OtlpSpan[] = [];
let collector: Server;
let server: RunningModelport;
beforeAll(async () => {
  collector = createServer((request, response) => {
    let body = '';
    request.on('data', (chunk: Buffer) => (body += chunk.toString()));
    request.on('end', () => {
      const document = JSON.parse(body) as { resourceSpans: { scopeSpans: { spans: OtlpSpan[] }[] }[] };
      spans.push(...document.resourceSpans.flatMap(({ scopeSpans }) => scopeSpans.flatMap((scope) => scope.spans)));
      response.writeHead(200, { 'content-type': 'application/json' }).end('{}');
    });
  }).listen(0, '127.0.0.1');
  await new Promise((resolve) => collector.on('listening', resolve));
  const { port } = collector.address() as AddressInfo;
  server = await startModelport({ arguments: [join(root, 'examples/models'), '--trace-url', `http://127.0.0.1:${port}`, '--log-format', 'json', '--log-requests'], environment: { OTEL_BSP_SCHEDULE_DELAY: '100' } });
});
afterAll(async () => {
  await server.stop();
  collector.close();
});

async function infer(model: string, headers: Record<string, string> = {}): Promise<Response> {
  return fetch(`${server.url}/v2/models/${model}/infer`, { method: 'POST', headers, body: JSON.stringify({ inputs: [{ name: 'measurements', shape: [1, 4], datatype: 'FP32', data: [1, 2, 3, 4] }] }) });
}

test('with logs of JSON lines, every line is one, and the first says what is served where', () => {
  const lines = server.output().trim().split('\n').map((line) => JSON.parse(line) as Record<string, unknown>);
  expect(lines.find(({ msg }) => msg === 'ready')).toMatchObject({ level: 'info', page: server.url, rest: `${server.url}/v2`, grpc: `127.0.0.1:${server.grpcPort}`, models: expect.arrayContaining([{ name: 'iris', version: '1', state: 'READY' }]) as unknown });
});

describe('traces', () => {
  test('a request is a span with its queue and run inside, under the client’s own trace', async () => {
    const traceId = '0af7651916cd43dd8448eb211c80319c';
    expect((await infer('iris', { traceparent: `00-${traceId}-b7ad6b7169203331-01` })).status).toBe(200);
    await expect.poll(() => spans.filter((span) => span.traceId === traceId).length, { timeout: 10_000 }).toBeGreaterThanOrEqual(3);
    const own = spans.filter((span) => span.traceId === traceId);
    const request = own.find((span) => span.name.startsWith('POST'))!;
    expect(request).toMatchObject({ parentSpanId: 'b7ad6b7169203331', name: 'POST /v2/models/iris/infer' });
    for (const name of ['queue', 'run']) {
      const phase = own.find((span) => span.name === name)!;
      expect(phase.parentSpanId).toBe(request.spanId);
      expect(BigInt(phase.startTimeUnixNano)).toBeGreaterThanOrEqual(BigInt(request.startTimeUnixNano));
      expect(BigInt(phase.endTimeUnixNano)).toBeLessThanOrEqual(BigInt(request.endTimeUnixNano) + 1_000_000n);
    }
    const now = BigInt(Date.now()) * 1_000_000n;
    expect(now - BigInt(request.startTimeUnixNano)).toBeLessThan(60_000_000_000n);
  });

  test('the steps of an ensemble are spans of the same trace', async () => {
    const traceId = '1af7651916cd43dd8448eb211c80319c';
    await infer('iris-ensemble', { traceparent: `00-${traceId}-b7ad6b7169203331-01` });
    const own = () => spans.filter((span) => span.traceId === traceId);
    await expect.poll(() => own().map(({ name }) => name), { timeout: 10_000 }).toEqual(expect.arrayContaining(['iris-scale', 'iris-classify']));
    for (const step of ['iris-scale', 'iris-classify']) {
      const { spanId } = own().find(({ name }) => name === step)!;
      expect(own().some(({ name, parentSpanId }) => name === 'run' && parentSpanId === spanId)).toBe(true);
    }
  });

  test('a client that does not sample is not traced', async () => {
    const traceId = '2af7651916cd43dd8448eb211c80319c';
    await infer('iris', { traceparent: `00-${traceId}-b7ad6b7169203331-00` });
    await infer('iris', { traceparent: '00-3af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01' });
    await expect.poll(() => spans.some((span) => span.traceId.startsWith('3af')), { timeout: 10_000 }).toBe(true);
    expect(spans.some((span) => span.traceId === traceId)).toBe(false);
  });
});

describe('logs', () => {
  test('a request is a line of JSON with its id and trace, and no tensor', async () => {
    await infer('iris', { 'x-request-id': 'abc-123' });
    await expect.poll(() => server.output()).toContain('abc-123');
    const line = server.output().split('\n').find((text) => text.includes('abc-123'))!;
    expect(JSON.parse(line)).toMatchObject({ level: 'info', request: 'abc-123', status: 200, msg: 'POST /v2/models/iris/infer' });
    expect(line).not.toContain('measurements');
  });
});

describe('metrics', () => {
  test('own names with histograms, Triton’s names, and the process', async () => {
    await infer('iris');
    const text = await (await fetch(`${server.url}/metrics`)).text();
    const value = (pattern: RegExp) => Number(pattern.exec(text)?.[1]);
    expect(value(/^modelport_requests_total\{model="iris",version="1",outcome="success"\} (\d+)$/m)).toBeGreaterThan(0);
    expect(value(/^nv_inference_request_success\{model="iris",version="1"\} (\d+)$/m)).toBe(value(/^modelport_requests_total\{model="iris",version="1",outcome="success"\} (\d+)$/m));
    const count = value(/^modelport_request_duration_seconds_count\{model="iris",version="1"\} (\d+)$/m);
    expect(value(/^modelport_request_duration_seconds_bucket\{model="iris",version="1",le="\+Inf"\} (\d+)$/m)).toBe(count);
    for (const name of ['process_resident_memory_bytes', 'nodejs_eventloop_lag_seconds', 'modelport_model_state']) expect(text).toContain(name);
    // Every line is a comment or a sample, and every family is described once.
    for (const line of text.split('\n').filter(Boolean)) expect(line).toMatch(/^(# (HELP|TYPE) \w+ .+|\w+(\{.*\})? (-?[\d.eE+-]+|NaN|[+-]Inf)( \d+)?)$/);
    const described = [...text.matchAll(/^# TYPE (\w+)/gm)].map(([, name]) => name);
    expect(new Set(described).size).toBe(described.length);
  });
});
