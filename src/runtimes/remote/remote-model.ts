/** A model that another server runs. */
import type { Call } from '../../call.ts';
import { ModelportError, type ErrorCode } from '../../errors.ts';
import type { InferRequest, InferResponse, Model, ParameterValue, Signature } from '../../model.ts';
import type { Answer, HttpConnection } from './http-connection.ts';
import { decodeResponse, encodeRequest } from './wire.ts';

export interface RemoteModelFacts {
  readonly signature: Signature;
  /** `/v2/models/{name}[/versions/{version}]` */
  readonly path: string;
  /** Whether the server takes tensors in binary. */
  readonly binary: boolean;
}

export class RemoteModel implements Model {
  readonly signature: Signature;
  readonly #facts: RemoteModelFacts;
  readonly #connection: HttpConnection;
  #running = 0;
  #disposed: Promise<void> | undefined;
  #idle: (() => void) | undefined;

  constructor(connection: HttpConnection, facts: RemoteModelFacts) {
    this.#connection = connection;
    this.#facts = facts;
    this.signature = facts.signature;
  }

  async infer(request: InferRequest, call: Call): Promise<InferResponse> {
    if (this.#disposed !== undefined) throw new ModelportError('UNAVAILABLE', `the remote model at ${this.#connection.url.origin} was unloaded`);
    call.throwIfCancelled();
    const message = encodeRequest(request, this.#facts.binary, controls(call), call.id);
    this.#running++;
    try {
      const answer = await this.#connection.send({ method: 'POST', path: `${this.#facts.path}/infer`, ...message, headers: { ...message.headers, ...trace(call) }, repeatable: call.sequence === undefined }, call);
      if (answer.status !== 200) throw remoteError(answer, this.#connection.url);
      const length = answer.headers['inference-header-content-length'];
      const outputs = decodeResponse(answer.body, length === undefined ? undefined : Number(length));
      return { outputs: inOrder(outputs, request.outputs ?? this.signature.outputs.map((output) => output.name)) };
    } finally {
      this.#running--;
      if (this.#running === 0) this.#idle?.();
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#disposed ??= this.#close();
    return this.#disposed;
  }

  async #close(): Promise<void> {
    if (this.#running > 0) await new Promise<void>((resolve) => (this.#idle = resolve));
    this.#connection.close();
  }
}

/** What the call says beside the tensors, in the parameters that Triton gave it. */
function controls({ sequence, priority, deadlineMs }: Call): Record<string, ParameterValue> {
  const parameters: Record<string, ParameterValue> = {};
  if (sequence !== undefined) {
    parameters['sequence_id'] = sequence.id;
    parameters['sequence_start'] = sequence.start;
    parameters['sequence_end'] = sequence.end;
  }
  if (priority > 0) parameters['priority'] = priority;
  // Microseconds.
  if (deadlineMs !== undefined) parameters['timeout'] = Math.max(1, Math.round((deadlineMs - performance.now()) * 1000));
  return parameters;
}

function trace({ trace: context }: Call): Record<string, string> {
  if (context === undefined) return {};
  return { traceparent: `00-${context.traceId}-${context.spanId}-${context.sampled ? '01' : '00'}`, ...(context.state === undefined ? {} : { tracestate: context.state }) };
}

function inOrder<T>(outputs: ReadonlyMap<string, T>, names: readonly string[]): Map<string, T> {
  const ordered = new Map<string, T>();
  for (const name of names) {
    const tensor = outputs.get(name);
    if (tensor === undefined) throw new ModelportError('RUN_FAILED', `the remote server gave no output '${name}'`);
    ordered.set(name, tensor);
  }
  return ordered;
}

const codes: Readonly<Record<number, ErrorCode>> = { 400: 'INVALID_REQUEST', 404: 'NOT_FOUND', 413: 'BODY_TOO_LARGE', 422: 'INVALID_VALUE', 429: 'QUEUE_FULL', 499: 'CANCELLED', 501: 'UNSUPPORTED', 503: 'UNAVAILABLE', 504: 'DEADLINE_EXCEEDED' };

/** The server's own text, with the code of its status. */
export function remoteError({ status, body, headers }: Answer, url: URL): ModelportError {
  let text = Buffer.from(body.subarray(0, 4096)).toString('utf8').trim();
  try {
    const { error } = JSON.parse(text) as { error?: unknown };
    if (typeof error === 'string') text = error;
  } catch {
    // Not every server, and no proxy, answers in the protocol's form.
  }
  const retryAfter = Number(headers['retry-after']);
  const code = codes[status] ?? 'RUN_FAILED';
  return new ModelportError(code, code === 'RUN_FAILED' ? `the remote server ${url.origin} answered ${status}: ${text}` : text, Number.isFinite(retryAfter) && retryAfter > 0 ? { retryAfterSeconds: retryAfter } : {});
}

