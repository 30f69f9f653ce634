/** What `serve` does: listeners first (a port in use is said at once), then models, then requests until a signal, then the drain. */
import { availableParallelism } from 'node:os';
import { isModelportError, ModelportError } from '../errors.ts';
import { createStyle, usesColor } from '../lib/terminal.ts';
import { createLog, type Log } from '../observability/log.ts';
import { createMetrics } from '../observability/metrics.ts';
import type { Tracing } from '../observability/tracing.ts';
import { defaultCacheDirectory } from '../packaging/content-store.ts';
import { protocols } from '../protocols/index.ts';
import { readKeyFile } from '../server/guard.ts';
import type { RequestEvent } from '../server/exchange.ts';
import { startServer, type RunningServer } from '../server/server.ts';
import type { ModelRepository } from '../repository.ts';
import { schemeOf } from '../source.ts';
import { version } from '../version.ts';
import type { ServeFlags } from './serve.ts';
import { createServedRepository } from './served-repository.ts';
import { startFacts, startScreen } from './start-screen.ts';

/** Resolves when the server has been stopped by a signal and drained. */
export async function runServe(paths: readonly string[], flags: ServeFlags): Promise<void> {
  const given = [...paths, ...(flags.modelRepository ?? [])];
  if (given.length === 0) {
    throw new ModelportError('INVALID_USAGE', 'nothing to serve: name a model file, a folder of models or a service, as in "modelport serve model.onnx" or "modelport serve app.ts"');
  }
  // Work that libuv gives to its threads (files, compression, images) must not wait behind four of them on large machines.
  process.env['UV_THREADPOOL_SIZE'] ??= String(Math.max(4, availableParallelism()));
  const log = createLog(flags.logFormat);
  const quiet: Quiet = { active: flags.logFormat === 'text' };
  // References and bundles become folders; paths stay what they are, and cost nothing.
  const prepared = given.some((path) => schemeOf(path) !== undefined || path.endsWith('.tar')) ? await (await import('./served-paths.ts')).prepareServedPaths(given, flags.cacheDir) : undefined;
  const served = await createServedRepository(prepared?.paths ?? given, flags, readResources(flags.rateLimitResource ?? []), quietly(log, quiet));
  const { repository } = served;
  const tracing = flags.traceUrl === undefined ? undefined : await (await import('../observability/tracing.ts')).startTracing({ url: flags.traceUrl, serviceName: flags.serverName, version, sampleRatio: 1 });
  const server = await startListeners(flags, repository, log, tracing);
  const stopped = untilStopped();
  try {
    const startedAtMs = performance.now();
    const failures = await Promise.race([served.start(), stopped.promise.then(() => undefined)]);
    if (failures !== undefined) {
      if (failures.length > 0 && flags.exitOnError) {
        throw new ModelportError('INVALID_MODEL', `${failures.map((failure) => failure.error.message).join('\n      ')}\n      (--exit-on-error=false serves the others)`);
      }
      const facts = { version, server, host: flags.host, repository, durationMs: performance.now() - startedAtMs };
      if (flags.logFormat === 'json') log.info(startFacts(facts), 'ready');
      else process.stdout.write(startScreen({ ...facts, style: createStyle(usesColor(process.stdout)) }));
    }
    quiet.active = false;
    if (flags.modelControlMode === 'poll') prepared?.watch(flags.repositoryPollSecs * 1000, log);
    await stopped.promise;
    quiet.active = flags.logFormat === 'text';
    await drain(server, flags, log);
  } finally {
    await server.close();
    await release(served, flags, log);
    await tracing?.close();
    await prepared?.[Symbol.asyncDispose]();
    stopped.release();
  }
}

async function startListeners(flags: ServeFlags, repository: ModelRepository, log: Log, tracing: Tracing | undefined): Promise<RunningServer> {
  const metrics = createMetrics(repository);
  const port = (given: number | 'off') => (given === 'off' ? undefined : given);
  return startServer({
    guard: {
      host: flags.host,
      ...(flags.allowedHost === undefined ? {} : { allowedHosts: flags.allowedHost }),
      ...(flags.corsOrigin === undefined ? {} : { allowedOrigins: flags.corsOrigin }),
      ...(flags.apiKeyFile === undefined ? {} : { apiKeys: readKeyFile(flags.apiKeyFile) }),
      ...(flags.managementKeyFile === undefined ? {} : { managementKeys: readKeyFile(flags.managementKeyFile) }),
    },
    httpPort: port(flags.httpPort),
    grpcPort: port(flags.grpcPort),
    metricsPort: port(flags.metricsPort),
    facts: {
      serverName: flags.serverName,
      version,
      allowSharedMemory: flags.allowSharedMemory,
      maxBodyBytes: flags.maxBody,
      cacheDirectory: flags.cacheDir ?? defaultCacheDirectory(),
      ...(flags.predictPath === undefined ? {} : { predictPath: flags.predictPath }),
    },
    protocols: [...protocols, metrics],
    metricsProtocol: metrics,
    repository,
    observeAllRequests: flags.logRequests || tracing !== undefined,
    ...(tracing === undefined ? {} : { beginTrace: (parent) => tracing.begin(parent) }),
    onRequest: (event) => observe(event, flags, log, tracing),
  });
}

function observe(event: RequestEvent, flags: ServeFlags, log: Log, tracing: Tracing | undefined): void {
  const { protocol, method, path, status, durationMs, requestId, call, error } = event;
  if (tracing !== undefined && call !== undefined) tracing.end({ name: `${method} ${path}`, protocol, status, durationMs, failed: error !== undefined, call });
  const facts = { ...(requestId === undefined ? {} : { request: requestId }), ...(call?.trace === undefined ? {} : { trace: call.trace.traceId }), status, ms: Number(durationMs.toFixed(2)) };
  // The stack is for defects of ours; what a model or its instances said tells all there is to know.
  if (error !== undefined) log.error({ ...facts, ...(isModelportError(error) && error.code !== 'INTERNAL' ? { reason: error.message } : { err: error }) }, `${method} ${path} failed`);
  else if (flags.logRequests) log.info(facts, `${method} ${path}`);
}

interface Quiet {
  /** While true, news of single models are left out: at a terminal the start screen tells them, and the end is silent. */
  active: boolean;
}

function quietly(log: Log, quiet: Quiet): Log {
  return {
    debug: log.debug.bind(log),
    warn: log.warn.bind(log),
    error: log.error.bind(log),
    info: ((...args: Parameters<Log['info']>) => (quiet.active ? undefined : log.info(...args))) as Log['info'],
  };
}

function readResources(given: readonly string[]): Record<string, number> {
  return Object.fromEntries(
    given.map((text) => {
      const match = /^([^:]+):([1-9]\d*)$/.exec(text);
      if (match === null) throw new ModelportError('INVALID_USAGE', `--rate-limit-resource '${text}': write name:count, as in gpu:2`);
      return [match[1]!, Number(match[2])];
    }),
  );
}

async function drain(server: RunningServer, flags: ServeFlags, log: Log): Promise<void> {
  const waiting = server.http?.active ?? 0;
  if (waiting > 0) log.info(`stopping: ${waiting} request${waiting === 1 ? '' : 's'} under way get up to ${flags.drainTimeout / 1000} s`);
  if (!(await server.drain(flags.drainTimeout))) log.warn('the drain timeout is over: requests that are still under way are cut off');
}

/** A run that never ends cannot be stopped in a thread, and keeps neither its model nor the server from going. */
async function release(repository: AsyncDisposable, flags: ServeFlags, log: Log): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const waited = new Promise<'timeout'>((resolve) => (timer = setTimeout(() => resolve('timeout'), flags.drainTimeout)));
  if ((await Promise.race([repository[Symbol.asyncDispose](), waited])) === 'timeout') {
    log.warn('a model still loads or runs after the drain timeout: ending without it');
    process.exit(1);
  }
  clearTimeout(timer);
}

/** Resolves on SIGTERM or SIGINT; a second one ends the process at once. */
function untilStopped(): { readonly promise: Promise<void>; release(): void } {
  let stop: () => void;
  const promise = new Promise<void>((resolve) => (stop = resolve));
  let asked = false;
  const onSignal = (signal: NodeJS.Signals): void => {
    if (asked) process.exit(signal === 'SIGINT' ? 130 : 143);
    asked = true;
    stop();
  };
  process.on('SIGTERM', onSignal);
  process.on('SIGINT', onSignal);
  return {
    promise,
    release() {
      process.off('SIGTERM', onSignal);
      process.off('SIGINT', onSignal);
    },
  };
}
