/**
 * Wire ↔ Model. A protocol is routes and gRPC methods that take bytes, headers and a {@link Call} and give bytes: no
 * framework's request object gets behind the listener, so listeners can be exchanged and protocols tested without a port.
 */
import type { Call, CallOptions } from './call.ts';
import type { JsonSchema } from './model.ts';
import type { ModelRepository } from './repository.ts';

/** Who may come in: `inference` needs the API key where one is set, `management` loopback or the management key, `public` nothing. */
export type Door = 'public' | 'inference' | 'management';

export interface HttpRequest {
  readonly method: string;
  /** Without query, percent-decoding undone only in `parameters`. */
  readonly path: string;
  /** Values of `:name` parts of the route's path, percent-decoded. */
  readonly parameters: Readonly<Record<string, string | undefined>>;
  /** After `?`, undecoded; '' where there is none. */
  readonly query: string;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  /** Whole and decompressed, at most `--max-body`. Not to be kept or written into; a body that covers all of its buffer, but for up to 7 bytes before it, may be transferred to a thread. */
  readonly body: Uint8Array;
}

export interface HttpResponse {
  /** 200 where absent. */
  readonly status?: number;
  /** Of a stream read when its first part is there: a getter may tell what is known then. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Parts are sent one after the other; an iterable is streamed, and the Call is cancelled when the client leaves it. */
  readonly body?: string | Uint8Array | readonly Uint8Array[] | AsyncIterable<string | Uint8Array>;
  /** false: never compressed, for clients that say they accept it and don't undo it. */
  readonly compress?: false;
}

/** For `/openapi.json`: what one route means, possibly for one served model. */
export interface Operation {
  readonly summary: string;
  readonly description?: string;
  readonly tags?: readonly string[];
  /** OpenAPI 3.1 operation members: parameters, requestBody, responses. */
  readonly openapi: JsonSchema;
}

export interface Route {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE' | 'OPTIONS' | 'HEAD';
  /** `/v2/models/:model/infer`; a trailing `*` takes the rest. */
  readonly path: string;
  readonly door: Door;
  /** How the Call begins (id, deadline, priority, trace) where the listener's reading of headers is not enough. */
  callOptions?(request: HttpRequest): CallOptions;
  handle(request: HttpRequest, call: Call): HttpResponse | Promise<HttpResponse>;
  /** What `/openapi.json` says of it; left out where it has none. Called again after every change of the repository. */
  describe?(): readonly { readonly path: string; readonly operation: Operation }[];
}

/** One method of a gRPC service, independent of the library that listens. */
export interface GrpcMethod {
  /** `/inference.GRPCInferenceService/ModelInfer` */
  readonly path: string;
  readonly door: Door;
  readonly requestStream: boolean;
  readonly responseStream: boolean;
  deserialize(bytes: Uint8Array): unknown;
  serialize(message: unknown): Uint8Array;
  /** For methods without streams. */
  unary?(request: unknown, call: GrpcCall): unknown;
  /** For methods with a stream on either side. */
  streaming?(requests: AsyncIterable<unknown>, call: GrpcCall): AsyncIterable<unknown>;
}

export interface GrpcCall {
  /** Fresh for a unary call; for streams the parent of one call per request. Cancelled with the RPC; carries its deadline. */
  readonly call: Call;
  readonly metadata: Readonly<Record<string, string>>;
}

export interface ServerFacts {
  readonly serverName: string;
  readonly version: string;
  readonly allowSharedMemory: boolean;
  readonly maxBodyBytes: number;
  /** Path of people's predict door; `/models/{name}/predict` where undefined. */
  readonly predictPath?: string;
  /** Where a protocol may keep files of its own, below a folder of its name; undefined: nowhere. */
  readonly cacheDirectory?: string;
}

export interface ProtocolContext {
  readonly repository: ModelRepository;
  readonly server: ServerFacts;
  /** Every mounted route, those that change included, for documents about them. Not to be called while routes are still being mounted. */
  mountedRoutes(): readonly Route[];
  /** Whether the process takes requests: false while it drains. */
  live(): boolean;
}

export interface Protocol {
  readonly name: string;
  routes(context: ProtocolContext): readonly Route[];
  /**
   * Routes that come and go with what is served. Asked again after every change of the repository. They win over mounted
   * ones; of two that are equal the first wins.
   */
  changingRoutes?(context: ProtocolContext): readonly Route[];
  grpcMethods?(context: ProtocolContext): readonly GrpcMethod[];
  /** How an error looks on this wire, for errors that happen before a route is reached (no such path, body too large, no key). */
  errorResponse?(error: unknown): HttpResponse;
}
