/**
 * Answers equal requests from memory. Equal means: same model version, same inputs byte by byte, same wanted outputs, same
 * parameters. Requests of sequences, and those that give their inputs away, are never answered so, and errors are never kept. Requests that are equal to one under
 * way wait for its answer instead of running too.
 */
import { createHash, type Hash } from 'node:crypto';
import type { Call } from '../call.ts';
import { isModelportError, ModelportError } from '../errors.ts';
import type { InferRequest, InferResponse, Model, Signature } from '../model.ts';
import { byteLength, type NumericArray, type Tensor, type TensorData } from '../tensor.ts';

export interface ResponseCacheOptions {
  readonly store: ResponseStore;
  /** Tells this model version from all others, its content included: a new file under the same version is another model. */
  readonly keyPrefix: string;
}

/** Answers by key, the least recently used leave first. May be shared by any number of models. */
export interface ResponseStore {
  readonly maxBytes: number;
  readonly sizeBytes: number;
  readonly entryCount: number;
  get(key: string): InferResponse | undefined;
  /** Keeps a copy, so that a row does not keep the batch that it came from. An answer larger than the store is not kept. */
  set(key: string, response: InferResponse): void;
}

export function createResponseStore(maxBytes: number): ResponseStore {
  return new LeastRecentlyUsed(maxBytes);
}

/** The same model with a cache. Sets `call.timing.cacheHit` and `cacheMs`. A model without `infer` is returned as it is. */
export function responseCache(model: Model, options: ResponseCacheOptions): Model {
  if (model.infer === undefined) return model;
  const { stream, generate, predict } = model;
  const cache = new CachedInfer(model, options);
  return {
    signature: model.signature,
    infer: (request, call) => cache.infer(request, call),
    ...(stream === undefined ? {} : { stream: stream.bind(model) }),
    ...(generate === undefined ? {} : { generate: generate.bind(model) }),
    ...(predict === undefined ? {} : { predict: predict.bind(model) }),
    [Symbol.asyncDispose]: () => model[Symbol.asyncDispose](),
  };
}

class CachedInfer {
  readonly #model: Model;
  readonly #store: ResponseStore;
  readonly #keyPrefix: string;
  /** Runs that others may wait for. */
  readonly #underWay = new Map<string, Promise<InferResponse>>();

  constructor(model: Model, options: ResponseCacheOptions) {
    this.#model = model;
    this.#store = options.store;
    this.#keyPrefix = options.keyPrefix;
  }

  async infer(request: InferRequest, call: Call): Promise<InferResponse> {
    if (call.sequence !== undefined || request.givesAway === true) return this.#model.infer!(request, call);
    call.throwIfCancelled();
    const lookupAtMs = performance.now();
    const key = requestKey(this.#keyPrefix, this.#model.signature, request);
    for (;;) {
      const known = this.#store.get(key);
      if (known !== undefined) return hit(call, known, performance.now() - lookupAtMs);
      const other = this.#underWay.get(key);
      if (other === undefined) return this.#run(key, request, call, performance.now() - lookupAtMs);
      const lookupMs = performance.now() - lookupAtMs;
      try {
        return hit(call, await waitFor(other, call), lookupMs);
      } catch (error) {
        call.throwIfCancelled();
        // What happened to the other request only (it was cancelled, late, refused) says nothing about this one.
        if (error instanceof OwnDeadline || !concernsOneRequest(error)) throw error instanceof OwnDeadline ? error.error : error;
      }
    }
  }

  async #run(key: string, request: InferRequest, call: Call, lookupMs: number): Promise<InferResponse> {
    const running = this.#model.infer!(request, call);
    this.#underWay.set(key, running);
    try {
      const response = await running;
      const insertAtMs = performance.now();
      this.#store.set(key, response);
      call.timing.cacheMs = lookupMs + performance.now() - insertAtMs;
      return response;
    } finally {
      this.#underWay.delete(key);
    }
  }
}

function hit(call: Call, response: InferResponse, lookupMs: number): InferResponse {
  call.timing.cacheHit = true;
  call.timing.cacheMs = lookupMs;
  return response;
}

function concernsOneRequest(error: unknown): boolean {
  return isModelportError(error) && ['CANCELLED', 'DEADLINE_EXCEEDED', 'QUEUE_FULL', 'UNAVAILABLE'].includes(error.code);
}

/** Tells the waiting request's own deadline from that of the request it waits for. */
class OwnDeadline extends Error {
  readonly error = new ModelportError('DEADLINE_EXCEEDED', 'Request timeout expired while it waited for an equal request', { retryAfterSeconds: 1 });
}

/** The answer of another request, unless this one's own client leaves or its own deadline passes first. */
function waitFor(other: Promise<InferResponse>, call: Call): Promise<InferResponse> {
  return new Promise((resolve, reject) => {
    let timer: NodeJS.Timeout | undefined;
    const takeBack = call.onCancel(() => settle(() => reject(new ModelportError('CANCELLED', 'the request was cancelled'))));
    const settle = (deliver: () => void): void => {
      clearTimeout(timer);
      takeBack();
      deliver();
    };
    if (call.deadlineMs !== undefined) {
      const remainingMs = Math.min(Math.max(0, call.deadlineMs - performance.now()), 2 ** 31 - 1);
      timer = setTimeout(() => settle(() => reject(new OwnDeadline())), remainingMs);
    }
    other.then(
      (response) => settle(() => resolve(response)),
      (error: unknown) => settle(() => reject(error)),
    );
  });
}

/** A digest of everything that the answer depends on. Each part is preceded by its length, so that parts can't run together. */
function requestKey(keyPrefix: string, signature: Signature, request: InferRequest): string {
  const hash = createHash('sha256');
  addText(hash, keyPrefix);
  // In the order of the signature: the order in which a client names things does not matter.
  for (const { name } of signature.inputs) {
    const tensor = request.inputs.get(name);
    if (tensor === undefined) continue;
    addText(hash, `input ${name} ${tensor.datatype} ${tensor.shape.join()}`);
    addContent(hash, tensor);
  }
  for (const name of [...(request.outputs ?? [])].sort()) addText(hash, `output ${name}`);
  for (const [name, value] of Object.entries(request.parameters ?? {}).sort(([left], [right]) => (left < right ? -1 : 1))) {
    addText(hash, `parameter ${name}`);
    addText(hash, `${typeof value} ${String(value)}`);
  }
  return hash.digest('base64');
}

function addText(hash: Hash, text: string): void {
  hash.update(`${text.length}:`);
  hash.update(text);
}

function addContent(hash: Hash, tensor: Tensor): void {
  if (tensor.datatype !== 'BYTES') {
    const data = tensor.data as NumericArray;
    hash.update(`${data.byteLength}:`);
    hash.update(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
    return;
  }
  for (const element of tensor.data as Uint8Array[]) {
    hash.update(`${element.byteLength}:`);
    hash.update(element);
  }
}

/** About what an entry and a tensor take beside their elements. */
const entryOverheadBytes = 400;
const tensorOverheadBytes = 300;
const elementOverheadBytes = 100;

class LeastRecentlyUsed implements ResponseStore {
  readonly maxBytes: number;
  #sizeBytes = 0;
  /** The least recently used first: a map keeps the order of insertion. */
  readonly #entries = new Map<string, { readonly response: InferResponse; readonly sizeBytes: number }>();

  constructor(maxBytes: number) {
    this.maxBytes = maxBytes;
  }

  get sizeBytes(): number {
    return this.#sizeBytes;
  }

  get entryCount(): number {
    return this.#entries.size;
  }

  get(key: string): InferResponse | undefined {
    const entry = this.#entries.get(key);
    if (entry === undefined) return undefined;
    this.#entries.delete(key);
    this.#entries.set(key, entry);
    return entry.response;
  }

  set(key: string, response: InferResponse): void {
    const sizeBytes = sizeOf(response);
    if (sizeBytes > this.maxBytes) return;
    this.#remove(key);
    this.#entries.set(key, { response: compact(response), sizeBytes });
    this.#sizeBytes += sizeBytes;
    for (const oldest of this.#entries.keys()) {
      if (this.#sizeBytes <= this.maxBytes) break;
      this.#remove(oldest);
    }
  }

  #remove(key: string): void {
    const entry = this.#entries.get(key);
    if (entry === undefined) return;
    this.#entries.delete(key);
    this.#sizeBytes -= entry.sizeBytes;
  }
}

function sizeOf({ outputs }: InferResponse): number {
  let sizeBytes = entryOverheadBytes;
  for (const tensor of outputs.values()) {
    sizeBytes += tensorOverheadBytes + byteLength(tensor) + (tensor.datatype === 'BYTES' ? elementOverheadBytes * tensor.data.length : 0);
  }
  return sizeBytes;
}

/** The same answer in memory of its own. */
function compact(response: InferResponse): InferResponse {
  const outputs = new Map<string, Tensor>();
  for (const [name, tensor] of response.outputs) {
    const data: TensorData = Array.isArray(tensor.data) ? tensor.data.map((element) => Uint8Array.from(element)) : tensor.data.slice();
    outputs.set(name, { datatype: tensor.datatype, shape: tensor.shape, data });
  }
  return response.parameters === undefined ? { outputs } : { outputs, parameters: response.parameters };
}
