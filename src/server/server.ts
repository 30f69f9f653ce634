/** All listeners of one process over one set of protocols: start, drain, close. */
import type { TraceContext } from '../call.ts';
import type { GrpcMethod, Protocol, ProtocolContext, ServerFacts } from '../protocol.ts';
import type { ModelRepository } from '../repository.ts';
import { createGuard, type GuardOptions } from './guard.ts';
import type { GrpcListener, GrpcListenerOptions } from './grpc-listener.ts';
import type { RequestEvent } from './exchange.ts';
import { listenHttp, type HttpListener } from './http-listener.ts';
import { createRouter, type Router } from './router.ts';

/** A port number, 0 for a free one, or undefined for no such listener. */
export type Port = number | undefined;

export interface ServerOptions {
  readonly guard: GuardOptions;
  readonly httpPort: Port;
  readonly grpcPort: Port;
  readonly metricsPort: Port;
  readonly facts: ServerFacts;
  readonly protocols: readonly Protocol[];
  /** What the metrics port answers; all of it is also on HTTP when it is among `protocols`. */
  readonly metricsProtocol: Protocol;
  readonly repository: ModelRepository;
  readonly onRequest?: (event: RequestEvent) => void;
  readonly observeAllRequests?: boolean;
  /** The context under which a request runs, where traces are made. */
  readonly beginTrace?: (parent: TraceContext | undefined) => TraceContext;
}

export interface RunningServer {
  readonly http: HttpListener | undefined;
  readonly grpc: GrpcListener | undefined;
  readonly metrics: HttpListener | undefined;
  /** Not live, not ready, no new connections; resolves true when every accepted request was answered within `timeoutMs`. */
  drain(timeoutMs: number): Promise<boolean>;
  close(): Promise<void>;
}

/** Throws `INVALID_USAGE` where a port can't be had; nothing keeps listening then. */
export async function startServer(options: ServerOptions): Promise<RunningServer> {
  const guard = createGuard(options.guard);
  let draining = false;
  let router: Router | undefined;
  const context: ProtocolContext = {
    repository: options.repository,
    server: options.facts,
    mountedRoutes: () => router?.routes.map(({ route }) => route) ?? [],
    live: () => !draining,
  };
  const routes = createRouter(options.protocols, context);
  router = routes;

  const observed = {
    ...(options.onRequest === undefined ? {} : { onRequest: options.onRequest }),
    ...(options.observeAllRequests === undefined ? {} : { observeAll: options.observeAllRequests }),
    ...(options.beginTrace === undefined ? {} : { beginTrace: options.beginTrace }),
  };
  const { host } = options.guard;
  const opened: { drain(timeoutMs: number): Promise<boolean>; close(): Promise<void> }[] = [];
  const open = async <L extends (typeof opened)[number]>(listener: Promise<L>): Promise<L> => {
    const value = await listener;
    opened.push(value);
    return value;
  };
  try {
    const { httpPort, grpcPort, metricsPort } = options;
    const http = httpPort === undefined ? undefined : await open(listenHttp({ host, port: httpPort, maxBodyBytes: options.facts.maxBodyBytes, router: routes, guard, ...observed }));
    const grpc = grpcPort === undefined ? undefined : await open(startGrpc(options, context, { host, port: grpcPort, guard, ...observed }));
    const metrics =
      metricsPort === undefined
        ? undefined
        : await open(listenHttp({ host, port: metricsPort, maxBodyBytes: 1024, router: createRouter([options.metricsProtocol], context), guard }));
    return {
      http,
      grpc,
      metrics,
      async drain(timeoutMs) {
        draining = true;
        // The metrics port stays until the end: it tells how the drain goes.
        const [first, second] = await Promise.all([http?.drain(timeoutMs), grpc?.drain(timeoutMs)]);
        return first !== false && second !== false;
      },
      async close() {
        await Promise.all(opened.map((listener) => listener.close()));
      },
    };
  } catch (error) {
    await Promise.all(opened.map((listener) => listener.close()));
    throw error;
  }
}

async function startGrpc(options: ServerOptions, context: ProtocolContext, listening: Omit<GrpcListenerOptions, 'methods' | 'maxMessageBytes'>): Promise<GrpcListener> {
  const methods: GrpcMethod[] = options.protocols.flatMap((protocol) => protocol.grpcMethods?.(context) ?? []);
  const { listenGrpc } = await import('./grpc-listener.ts');
  return listenGrpc({ ...listening, methods, maxMessageBytes: options.facts.maxBodyBytes });
}
