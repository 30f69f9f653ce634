/**
 * Every error that a user or client can be shown, in one table: what it means on each wire.
 *
 * A message says what was wrong, where (file, field, operator, line) and what to do. An error that is not a
 * {@link ModelportError} is a defect of ours: wires answer it as `INTERNAL` and the log keeps its stack.
 */

/** gRPC status codes, from the gRPC specification's `code.proto`. */
const grpc = {
  CANCELLED: 1,
  INVALID_ARGUMENT: 3,
  DEADLINE_EXCEEDED: 4,
  NOT_FOUND: 5,
  ALREADY_EXISTS: 6,
  PERMISSION_DENIED: 7,
  RESOURCE_EXHAUSTED: 8,
  FAILED_PRECONDITION: 9,
  UNIMPLEMENTED: 12,
  INTERNAL: 13,
  UNAVAILABLE: 14,
  UNAUTHENTICATED: 16,
} as const;

export const errorTable = {
  /** The request does not fit the model or the protocol: name, datatype, shape, row count, encoding. */
  INVALID_REQUEST: { httpStatus: 400, grpcStatus: grpc.INVALID_ARGUMENT },
  /** The value does not fit the schema of a task or endpoint. */
  INVALID_VALUE: { httpStatus: 422, grpcStatus: grpc.INVALID_ARGUMENT },
  UNAUTHENTICATED: { httpStatus: 401, grpcStatus: grpc.UNAUTHENTICATED },
  /** A management door that is closed here, a foreign Host or Origin, a path outside the folder. */
  FORBIDDEN: { httpStatus: 403, grpcStatus: grpc.PERMISSION_DENIED },
  /** No such route, model, version, region. */
  NOT_FOUND: { httpStatus: 404, grpcStatus: grpc.NOT_FOUND },
  METHOD_NOT_ALLOWED: { httpStatus: 405, grpcStatus: grpc.UNIMPLEMENTED },
  CONFLICT: { httpStatus: 409, grpcStatus: grpc.ALREADY_EXISTS },
  BODY_TOO_LARGE: { httpStatus: 413, grpcStatus: grpc.RESOURCE_EXHAUSTED },
  UNSUPPORTED_MEDIA_TYPE: { httpStatus: 415, grpcStatus: grpc.INVALID_ARGUMENT },
  /** The client went away or asked to stop. 499 is what proxies log for it. */
  CANCELLED: { httpStatus: 499, grpcStatus: grpc.CANCELLED },
  INTERNAL: { httpStatus: 500, grpcStatus: grpc.INTERNAL },
  /** The model failed on valid input. */
  RUN_FAILED: { httpStatus: 500, grpcStatus: grpc.INTERNAL },
  UNSUPPORTED: { httpStatus: 501, grpcStatus: grpc.UNIMPLEMENTED },
  /** Not loaded, loading, or its instances died; try again later. */
  UNAVAILABLE: { httpStatus: 503, grpcStatus: grpc.UNAVAILABLE },
  QUEUE_FULL: { httpStatus: 503, grpcStatus: grpc.UNAVAILABLE },
  /** The deadline passed, or it is known already that it cannot be met. */
  DEADLINE_EXCEEDED: { httpStatus: 503, grpcStatus: grpc.DEADLINE_EXCEEDED },
  /** A model file is truncated, malformed, of no known format, or holds what is not covered. */
  INVALID_MODEL: { httpStatus: 400, grpcStatus: grpc.FAILED_PRECONDITION },
  /** `model.yaml`, `config.pbtxt` or `modelport.yaml` is wrong: file, field, nearest key. */
  INVALID_CONFIG: { httpStatus: 400, grpcStatus: grpc.FAILED_PRECONDITION },
  /** Command line, environment or file system: port in use, unreadable folder, full disk. Never a client's mistake. */
  INVALID_USAGE: { httpStatus: 500, grpcStatus: grpc.FAILED_PRECONDITION },
  /** An optional package is not installed; the message is the `npm install` line to type. */
  MISSING_DEPENDENCY: { httpStatus: 501, grpcStatus: grpc.UNIMPLEMENTED },
} as const;

export type ErrorCode = keyof typeof errorTable;

export interface ErrorDetails {
  readonly cause?: unknown;
  /** After how many seconds a retry makes sense; becomes `Retry-After`. */
  readonly retryAfterSeconds?: number;
  /** Where in the value or file: `inputs[0].shape`, `model.yaml:12`, `node "conv1"`. */
  readonly at?: string;
}

/** Recognized by {@link isModelportError}, not by `instanceof`: errors cross threads and processes as plain data. */
export class ModelportError extends Error {
  readonly code: ErrorCode;
  readonly at: string | undefined;
  readonly retryAfterSeconds: number | undefined;
  readonly isModelportError = true;

  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.name = 'ModelportError';
    this.code = code;
    this.at = details.at;
    this.retryAfterSeconds = details.retryAfterSeconds;
  }

  get httpStatus(): number {
    return errorTable[this.code].httpStatus;
  }

  get grpcStatus(): number {
    return errorTable[this.code].grpcStatus;
  }
}

export function isModelportError(error: unknown): error is ModelportError {
  return typeof error === 'object' && error !== null && 'isModelportError' in error && error.isModelportError === true;
}

/** The form in which an error crosses a thread or process border. */
export interface PlainError {
  readonly code: ErrorCode;
  readonly message: string;
  readonly at?: string;
  readonly retryAfterSeconds?: number;
  readonly stack?: string;
}

/** Any thrown value as plain data; what is not ours becomes `INTERNAL` and keeps its stack for the log. */
export function toPlainError(error: unknown): PlainError {
  if (isModelportError(error)) {
    return {
      code: error.code,
      message: error.message,
      ...(error.at === undefined ? {} : { at: error.at }),
      ...(error.retryAfterSeconds === undefined ? {} : { retryAfterSeconds: error.retryAfterSeconds }),
    };
  }
  if (error instanceof Error) return { code: 'INTERNAL', message: error.message, ...(error.stack === undefined ? {} : { stack: error.stack }) };
  return { code: 'INTERNAL', message: String(error) };
}

export function fromPlainError(plain: PlainError): ModelportError {
  const error = new ModelportError(plain.code, plain.message, {
    ...(plain.at === undefined ? {} : { at: plain.at }),
    ...(plain.retryAfterSeconds === undefined ? {} : { retryAfterSeconds: plain.retryAfterSeconds }),
  });
  if (plain.stack !== undefined) error.stack = plain.stack;
  return error;
}
