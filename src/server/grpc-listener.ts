/** gRPC methods over @grpc/grpc-js: messages stay bytes here, protocols read and write them. */
import { type Metadata, Server, ServerCredentials, status, type sendUnaryData, type ServerDuplexStream, type ServerUnaryCall, type ServiceDefinition, type StatusObject, type UntypedServiceImplementation } from '@grpc/grpc-js';
import { Call, type CallOptions, type TraceContext } from '../call.ts';
import { isModelportError, ModelportError } from '../errors.ts';
import type { GrpcCall, GrpcMethod } from '../protocol.ts';
import type { Guard } from './guard.ts';
import { parseTraceparent, type RequestEvent } from './exchange.ts';
import { listenError } from './http-listener.ts';

export interface GrpcListenerOptions {
  readonly host: string;
  readonly port: number;
  readonly methods: readonly GrpcMethod[];
  readonly guard: Guard;
  readonly maxMessageBytes: number;
  readonly onRequest?: (event: RequestEvent) => void;
  /** Whether `onRequest` is to be called for calls that ended well, too. */
  readonly observeAll?: boolean;
  readonly beginTrace?: (parent: TraceContext | undefined) => TraceContext;
}

export interface GrpcListener {
  readonly port: number;
  drain(timeoutMs: number): Promise<boolean>;
  close(): Promise<void>;
}

/** Throws `INVALID_USAGE` where the port can't be had. */
export async function listenGrpc(options: GrpcListenerOptions): Promise<GrpcListener> {
  const server = new Server({
    'grpc.max_receive_message_length': options.maxMessageBytes,
    'grpc.max_send_message_length': -1,
    // A port that is in use must be an error, not shared with who is there.
    'grpc.so_reuseport': 0,
  });
  for (const methods of groupByService(options.methods).values()) {
    const definition: Record<string, ServiceDefinition[string]> = {};
    const implementation: UntypedServiceImplementation = {};
    for (const method of methods) {
      const name = method.path.slice(method.path.lastIndexOf('/') + 1);
      definition[name] = {
        path: method.path,
        requestStream: method.requestStream,
        responseStream: method.responseStream,
        requestDeserialize: (bytes) => method.deserialize(bytes),
        requestSerialize: unused,
        responseSerialize: (message) => asBuffer(method.serialize(message)),
        responseDeserialize: unused,
      };
      implementation[name] = method.requestStream || method.responseStream ? handleStreaming(method, options) : handleUnary(method, options);
    }
    server.addService(definition, implementation);
  }
  const host = options.host.includes(':') ? `[${options.host}]` : options.host;
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync(`${host}:${options.port}`, ServerCredentials.createInsecure(), (error, bound) => {
      if (error === null) resolve(bound);
      else reject(listenError(/EADDRINUSE/.test(error.message) ? Object.assign(error, { code: 'EADDRINUSE' }) : error, options.host, options.port));
    });
  });
  return {
    port,
    async drain(timeoutMs) {
      let timer: NodeJS.Timeout | undefined;
      const late = new Promise<boolean>((resolve) => (timer = setTimeout(() => resolve(false), timeoutMs)));
      const done = new Promise<boolean>((resolve) => server.tryShutdown(() => resolve(true)));
      const drained = await Promise.race([late, done]);
      clearTimeout(timer);
      return drained;
    },
    async close() {
      server.forceShutdown();
    },
  };
}

function groupByService(methods: readonly GrpcMethod[]): Map<string, GrpcMethod[]> {
  const services = new Map<string, GrpcMethod[]>();
  for (const method of methods) {
    const service = method.path.slice(1, method.path.lastIndexOf('/'));
    const known = services.get(service);
    if (known === undefined) services.set(service, [method]);
    else known.push(method);
  }
  return services;
}

function handleUnary(method: GrpcMethod, options: GrpcListenerOptions) {
  return (rpc: ServerUnaryCall<unknown, unknown>, done: sendUnaryData<unknown>): void => {
    const observed = observe(method, options);
    const fail = (error: unknown): void => {
      const answered = statusOf(error);
      observed.end(answered.code!, error);
      done(answered);
    };
    const succeed = (message: unknown): void => {
      observed.end(status.OK, undefined);
      done(null, message);
    };
    try {
      const grpcCall = accept(rpc, method, options);
      observed.call = grpcCall.call;
      rpc.on('cancelled', () => grpcCall.call.cancel());
      const response = method.unary!(rpc.request, grpcCall);
      if (response instanceof Promise) response.then(succeed, fail);
      else succeed(response);
    } catch (error) {
      fail(error);
    }
  };
}

function handleStreaming(method: GrpcMethod, options: GrpcListenerOptions) {
  return (rpc: ServerDuplexStream<unknown, unknown>): void => {
    const observed = observe(method, options);
    void (async () => {
      let responses: AsyncIterator<unknown> | undefined;
      try {
        const grpcCall = accept(rpc, method, options);
        observed.call = grpcCall.call;
        rpc.on('cancelled', () => grpcCall.call.cancel());
        responses = method.streaming!(method.requestStream ? messagesOf(rpc) : onlyRequest(rpc), grpcCall)[Symbol.asyncIterator]();
        for (let next = await responses.next(); next.done !== true && !rpc.cancelled; next = await responses.next()) {
          if (!rpc.write(next.value)) await flowing(rpc);
        }
        observed.end(status.OK, undefined);
        rpc.end();
      } catch (error) {
        const answered = statusOf(error);
        observed.end(answered.code!, error);
        rpc.emit('error', answered);
      } finally {
        await responses?.return?.();
      }
    })();
  };
}

/**
 * What the client sends. Not the stream's own iterator, which destroys the stream, answers included, when its messages end.
 * Messages are read one at a time, so that a client that is faster than the models is held back by flow control.
 */
async function* messagesOf(rpc: ServerDuplexStream<unknown, unknown>): AsyncGenerator<unknown> {
  let wake: (() => void) | undefined;
  let ended = false;
  const notify = (): void => wake?.();
  const end = (): void => {
    ended = true;
    notify();
  };
  rpc.on('readable', notify);
  rpc.on('end', end);
  rpc.on('cancelled', end);
  rpc.on('close', end);
  for (;;) {
    const message: unknown = rpc.read();
    if (message !== null) {
      yield message;
    } else if (ended) {
      return;
    } else {
      await new Promise<void>((resolve) => (wake = resolve));
      wake = undefined;
    }
  }
}

/** A call whose client sends one message and gets a stream has that message as a property. */
async function* onlyRequest(rpc: object): AsyncGenerator<unknown> {
  yield (rpc as { readonly request: unknown }).request;
}

async function flowing(rpc: ServerDuplexStream<unknown, unknown>): Promise<void> {
  await new Promise<void>((resolve) => {
    rpc.once('drain', resolve);
    rpc.once('cancelled', resolve);
  });
}

/** One call as the log and traces see it. */
function observe(method: GrpcMethod, { onRequest, observeAll }: GrpcListenerOptions): { call: Call | undefined; end(status: number, error: unknown): void } {
  const startedAtMs = performance.now();
  return {
    call: undefined,
    end(code, error) {
      const fault = error === undefined || (isModelportError(error) && error.grpcStatus !== status.INTERNAL) ? undefined : error;
      if (onRequest === undefined || !(observeAll === true || fault !== undefined)) return;
      onRequest({ protocol: 'grpc', method: 'gRPC', path: method.path, status: code, durationMs: performance.now() - startedAtMs, requestId: this.call?.id, call: this.call, error: fault });
    },
  };
}

/** The call of an RPC: its deadline, trace, id and key come from the metadata. */
function accept(rpc: { metadata: Metadata; getDeadline(): Date | number }, method: GrpcMethod, { guard, beginTrace }: GrpcListenerOptions): GrpcCall {
  const metadata = rpc.metadata.getMap() as Record<string, string>;
  const authorization = metadata['authorization'];
  guard.check({ method: 'POST', host: undefined, origin: undefined, key: authorization === undefined ? metadata['x-api-key'] : authorization.replace(/^bearer /i, '') }, method.door);
  const deadline = rpc.getDeadline();
  const untilMs = (deadline instanceof Date ? deadline.getTime() : deadline) - Date.now();
  const traceparent = metadata['traceparent'];
  const parent = traceparent === undefined ? undefined : parseTraceparent(traceparent, metadata['tracestate']);
  const trace = beginTrace === undefined ? parent : beginTrace(parent);
  const requestId = metadata['x-request-id'];
  const callOptions: CallOptions = {
    ...(Number.isFinite(untilMs) ? { deadlineMs: performance.now() + untilMs } : {}),
    ...(trace === undefined ? {} : { trace }),
    ...(requestId === undefined ? {} : { id: requestId.slice(0, 256) }),
  };
  return { call: new Call(callOptions), metadata };
}

function statusOf(error: unknown): Partial<StatusObject> {
  if (isModelportError(error)) return { code: error.grpcStatus, details: error.message };
  return { code: status.INTERNAL, details: 'the server failed on this request; its log says why' };
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function unused(): never {
  throw new ModelportError('INTERNAL', 'a server does not send requests');
}
