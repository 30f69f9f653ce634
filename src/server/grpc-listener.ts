/** gRPC methods over @grpc/grpc-js: messages stay bytes here, protocols read and write them. */
import { Metadata, Server, ServerCredentials, status, type sendUnaryData, type ServerDuplexStream, type ServerUnaryCall, type ServiceDefinition, type StatusObject, type UntypedServiceImplementation } from '@grpc/grpc-js';
import { Call, type CallOptions } from '../call.ts';
import { isModelportError, ModelportError } from '../errors.ts';
import type { GrpcCall, GrpcMethod } from '../protocol.ts';
import type { Guard } from './guard.ts';
import { parseTraceparent } from './exchange.ts';
import { listenError } from './http-listener.ts';

export interface GrpcListenerOptions {
  readonly host: string;
  readonly port: number;
  readonly methods: readonly GrpcMethod[];
  readonly guard: Guard;
  readonly maxMessageBytes: number;
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
      implementation[name] = method.requestStream || method.responseStream ? handleStreaming(method, options.guard) : handleUnary(method, options.guard);
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

function handleUnary(method: GrpcMethod, guard: Guard) {
  return (rpc: ServerUnaryCall<unknown, unknown>, done: sendUnaryData<unknown>): void => {
    let grpcCall: GrpcCall;
    try {
      grpcCall = accept(rpc, method, guard);
      rpc.on('cancelled', () => grpcCall.call.cancel());
      const response = method.unary!(rpc.request, grpcCall);
      if (response instanceof Promise) {
        response.then(
          (message: unknown) => done(null, message),
          (error: unknown) => done(statusOf(error)),
        );
      } else {
        done(null, response);
      }
    } catch (error) {
      done(statusOf(error));
    }
  };
}

function handleStreaming(method: GrpcMethod, guard: Guard) {
  return (rpc: ServerDuplexStream<unknown, unknown>): void => {
    void (async () => {
      let responses: AsyncIterator<unknown> | undefined;
      try {
        const grpcCall = accept(rpc, method, guard);
        rpc.on('cancelled', () => grpcCall.call.cancel());
        responses = method.streaming!(rpc, grpcCall)[Symbol.asyncIterator]();
        for (let next = await responses.next(); next.done !== true; next = await responses.next()) {
          if (rpc.cancelled) break;
          if (!rpc.write(next.value)) await new Promise<void>((resolve) => {
            rpc.once('drain', resolve);
            rpc.once('cancelled', resolve);
          });
        }
        rpc.end();
      } catch (error) {
        rpc.emit('error', statusOf(error));
      } finally {
        await responses?.return?.();
      }
    })();
  };
}

/** The call of an RPC: its deadline, trace, id and key come from the metadata. */
function accept(rpc: { metadata: Metadata; getDeadline(): Date | number }, method: GrpcMethod, guard: Guard): GrpcCall {
  const metadata = rpc.metadata.getMap() as Record<string, string>;
  const authorization = metadata['authorization'];
  guard.check({ method: 'POST', host: undefined, origin: undefined, key: authorization === undefined ? metadata['x-api-key'] : authorization.replace(/^bearer /i, '') }, method.door);
  const deadline = rpc.getDeadline();
  const untilMs = (deadline instanceof Date ? deadline.getTime() : deadline) - Date.now();
  const traceparent = metadata['traceparent'];
  const trace = traceparent === undefined ? undefined : parseTraceparent(traceparent, metadata['tracestate']);
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
