/**
 * OpenTelemetry traces, sent as OTLP over HTTP. Nothing is traced on the hot path: each layer writes its times into
 * `Call.timing`, and when a request has ended its spans are made from them: server → queue, batch, run, and one per part.
 */
import { randomBytes } from 'node:crypto';
import type { ReadableSpan, SpanProcessor } from '@opentelemetry/sdk-trace-base';
import type { Call, TraceContext } from '../call.ts';
import { ModelportError } from '../errors.ts';

export interface TracingOptions {
  /** Of an OTLP/HTTP receiver, e.g. `http://localhost:4318`; `/v1/traces` is added where the path is empty. */
  readonly url: string;
  readonly serviceName: string;
  readonly version: string;
  /** Share of requests without a parent that are traced, 0 to 1. */
  readonly sampleRatio: number;
}

export interface TracedRequest {
  readonly name: string;
  readonly protocol: 'http' | 'grpc';
  readonly status: number;
  readonly durationMs: number;
  readonly failed: boolean;
  readonly call: Call;
}

export interface Tracing {
  /** The context under which a request runs: the client's trace or a new one, with a span of its own. */
  begin(parent: TraceContext | undefined): TraceContext & { readonly parentSpanId?: string };
  end(request: TracedRequest): void;
  /** Sends what is left. */
  close(): Promise<void>;
}

const installLine = 'npm install @opentelemetry/sdk-trace-base @opentelemetry/exporter-trace-otlp-http @opentelemetry/resources @opentelemetry/api';

/** Throws `MISSING_DEPENDENCY` with the line to type, `INVALID_USAGE` where the URL is none. */
export async function startTracing(options: TracingOptions): Promise<Tracing> {
  let url: URL;
  try {
    url = new URL(options.url);
  } catch (cause) {
    throw new ModelportError('INVALID_USAGE', `--trace-url '${options.url}' is not a URL: write http://localhost:4318`, { cause });
  }
  if (url.pathname === '/') url.pathname = '/v1/traces';
  const libraries = await Promise.all([import('@opentelemetry/sdk-trace-base'), import('@opentelemetry/exporter-trace-otlp-http'), import('@opentelemetry/resources')]).catch((cause: unknown) => {
    throw new ModelportError('MISSING_DEPENDENCY', `traces need packages that are not installed: ${installLine}`, { cause });
  });
  const [{ BatchSpanProcessor }, { OTLPTraceExporter }, { resourceFromAttributes }] = libraries;
  const processor: SpanProcessor = new BatchSpanProcessor(new OTLPTraceExporter({ url: url.href }));
  const resource = resourceFromAttributes({ 'service.name': options.serviceName, 'service.version': options.version });
  const scope = { name: 'modelport', version: options.version };

  const emit = (span: SpanFacts): void => {
    const context = { traceId: span.traceId, spanId: span.spanId, traceFlags: 1 };
    const startTime = toHighResolution(span.startMs);
    const endTime = toHighResolution(span.endMs);
    const readable: ReadableSpan = {
      name: span.name,
      kind: span.kind,
      spanContext: () => context,
      ...(span.parentSpanId === undefined ? {} : { parentSpanContext: { traceId: span.traceId, spanId: span.parentSpanId, traceFlags: 1, isRemote: span.kind === serverKind } }),
      startTime,
      endTime,
      duration: toHighResolutionDuration(span.endMs - span.startMs),
      status: { code: span.failed ? 2 : 0 },
      attributes: span.attributes,
      links: [],
      events: [],
      ended: true,
      resource,
      instrumentationScope: scope,
      droppedAttributesCount: 0,
      droppedEventsCount: 0,
      droppedLinksCount: 0,
    };
    processor.onEnd(readable);
  };

  return {
    begin(parent) {
      const spanId = randomBytes(8).toString('hex');
      if (parent !== undefined) return { ...parent, spanId, parentSpanId: parent.spanId };
      return { traceId: randomBytes(16).toString('hex'), spanId, sampled: Math.random() < options.sampleRatio };
    },
    end(request) {
      for (const span of spansOf(request)) emit(span);
    },
    async close() {
      await processor.shutdown();
    },
  };
}

const internalKind = 0;
const serverKind = 1;

export interface SpanFacts {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly name: string;
  readonly kind: typeof internalKind | typeof serverKind;
  /** On `performance.now()`'s clock. */
  readonly startMs: number;
  readonly endMs: number;
  readonly failed: boolean;
  readonly attributes: Readonly<Record<string, string | number | boolean>>;
}

/** The spans of one ended request; none where its trace is not sampled. */
export function spansOf(request: TracedRequest): SpanFacts[] {
  const { call } = request;
  const trace: (TraceContext & { readonly parentSpanId?: string }) | undefined = call.trace;
  if (trace === undefined || !trace.sampled) return [];
  const spans: SpanFacts[] = [];
  spans.push({
    traceId: trace.traceId,
    spanId: trace.spanId,
    ...(trace.parentSpanId === undefined ? {} : { parentSpanId: trace.parentSpanId }),
    name: request.name,
    kind: serverKind,
    startMs: call.receivedAtMs,
    endMs: call.receivedAtMs + request.durationMs,
    failed: request.failed,
    attributes: request.protocol === 'http' ? { 'http.response.status_code': request.status } : { 'rpc.grpc.status_code': request.status },
  });
  addPhases(spans, call, trace.traceId, trace.spanId, request.failed);
  return spans;
}

function addPhases(spans: SpanFacts[], call: Call, traceId: string, parentSpanId: string, failed: boolean): void {
  const { timing } = call;
  const phase = (name: string, startMs: number, endMs: number, attributes: SpanFacts['attributes'] = {}): string => {
    const spanId = randomBytes(8).toString('hex');
    spans.push({ traceId, spanId, parentSpanId, name, kind: internalKind, startMs, endMs: Math.max(startMs, endMs), failed: false, attributes });
    return spanId;
  };
  if (timing.cacheHit) phase('cache hit', call.receivedAtMs, call.receivedAtMs);
  if (timing.queuedAtMs > 0 && timing.dequeuedAtMs > 0) phase('queue', timing.queuedAtMs, timing.dequeuedAtMs);
  if (timing.dequeuedAtMs > 0 && timing.runStartedAtMs > 0) phase('batch', timing.dequeuedAtMs, timing.runStartedAtMs, { 'modelport.batch_size': timing.batchSize });
  if (timing.runStartedAtMs > 0 && timing.runEndedAtMs > 0) phase('run', timing.runStartedAtMs, timing.runEndedAtMs, { 'modelport.batch_size': timing.batchSize });
  for (const child of call.children) {
    const end = Math.max(child.timing.runEndedAtMs, child.timing.dequeuedAtMs, child.receivedAtMs, ...child.children.map((grandchild) => grandchild.timing.runEndedAtMs));
    addPhases(spans, child, traceId, phase(child.name ?? 'part', child.receivedAtMs, end), failed);
  }
}

/** OpenTelemetry's [seconds, nanoseconds] since the epoch. */
function toHighResolution(ms: number): [number, number] {
  return toHighResolutionDuration(performance.timeOrigin + ms);
}

function toHighResolutionDuration(ms: number): [number, number] {
  const seconds = Math.floor(ms / 1000);
  return [seconds, Math.round((ms - seconds * 1000) * 1e6)];
}
