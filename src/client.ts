/**
 * A client for Node and browsers: tensors over REST as bytes, values over the predict door. `modelport types` writes
 * declarations of the served models, and then a wrong name or array type does not compile.
 *
 * @example
 * import { createClient } from 'modelport/client';
 * const client = createClient('http://127.0.0.1:8000');
 * const { probabilities } = await client.infer('iris', { measurements: Float32Array.of(5.1, 3.5, 1.4, 0.2) });
 * const { label } = await client.predict('iris', { sepal_length: 5.1, sepal_width: 3.5, petal_length: 1.4, petal_width: 0.2 });
 */
import { errorTable, ModelportError, type ErrorCode } from './errors.ts';
import { datatypes, elementCount, isDatatype, type DataOf, type Datatype, type NumericArray, type Tensor } from './tensor.ts';

/** What an input may be given as: elements (the shape is found from the model's), text for BYTES, or a tensor with its shape. */
export type InputOf<D extends Datatype> = Elements<D> | { readonly shape: readonly number[]; readonly data: Elements<D> };
type Elements<D extends Datatype> = D extends 'BYTES' ? readonly (string | Uint8Array)[] : DataOf<D>;

/** An output: its elements, which also know their shape. BYTES elements are byte strings. */
export type OutputOf<D extends Datatype> = Tensor<D>;

/** One served model, as `modelport types` writes it. */
export interface ModelTypes {
  readonly inputs: object;
  readonly outputs: object;
  readonly predict?: { readonly input: unknown; readonly output: unknown };
  /** Of those that answer in parts. */
  readonly stream?: { readonly input: unknown; readonly part: unknown };
}

/** Filled in by the file that `modelport types` writes. Empty: every name and tensor is accepted, and checked by the server. */
// eslint-disable-next-line typescript/no-empty-interface
export interface Models {}

type Name = [keyof Models] extends [never] ? string : Extract<keyof Models, string>;
type TypesOf<N> = N extends keyof Models ? (Models[N] extends ModelTypes ? Models[N] : ModelTypes) : { inputs: Readonly<Record<string, InputOf<Datatype>>>; outputs: Readonly<Record<string, Tensor>>; predict: { input: unknown; output: unknown }; stream: { input: unknown; part: unknown } };
type PredictOf<N> = TypesOf<N> extends { predict: { input: infer Input; output: infer Output } } ? { input: Input; output: Output } : never;

type StreamOf<N> = TypesOf<N> extends { stream: { input: infer Input; part: infer Part } } ? { input: Input; part: Part } : never;

export interface ClientOptions {
  readonly apiKey?: string;
  /** Default: the platform's. */
  readonly fetch?: typeof globalThis.fetch;
  readonly headers?: Readonly<Record<string, string>>;
}

export interface RequestOptions {
  readonly version?: string;
  readonly signal?: AbortSignal;
  /** How long the server may take altogether; it refuses at once what it can't do in time. */
  readonly timeoutMs?: number;
  /** Names of the wanted outputs; default: all. */
  readonly outputs?: readonly string[];
  readonly parameters?: Readonly<Record<string, string | number | boolean>>;
}

export interface StreamOptions extends Omit<RequestOptions, 'outputs' | 'parameters'> {
  /** How far the work is, where the server tells. */
  readonly onProgress?: (progress: { readonly fraction?: number; readonly text?: string }) => void;
}

export interface ModelMetadata {
  readonly name: string;
  readonly versions: readonly string[];
  readonly platform: string;
  readonly inputs: readonly { readonly name: string; readonly datatype: Datatype; readonly shape: readonly number[] }[];
  readonly outputs: readonly { readonly name: string; readonly datatype: Datatype; readonly shape: readonly number[] }[];
}

export interface Client {
  /** Tensors to tensors. Rejects with a `ModelportError` that says what was wrong. */
  infer<N extends Name>(model: N, inputs: TypesOf<N>['inputs'], options?: RequestOptions): Promise<TypesOf<N>['outputs']>;
  /** A value to a value, by the schema of the model's task. */
  predict<N extends Name>(model: N, value: PredictOf<N>['input'], options?: Omit<RequestOptions, 'outputs' | 'parameters'>): Promise<PredictOf<N>['output']>;
  /** As `predict`, part by part. Leaving the loop stops the work on the server. */
  stream<N extends Name>(model: N, value: StreamOf<N>['input'], options?: StreamOptions): AsyncIterable<StreamOf<N>['part']>;
  metadata(model: Name, version?: string): Promise<ModelMetadata>;
  ready(): Promise<boolean>;
}

/** `url`: where the server is, path prefix included. */
export function createClient(url: string, options: ClientOptions = {}): Client {
  return new RestClient(url, options);
}

class RestClient {
  readonly #base: string;
  readonly #options: ClientOptions;
  readonly #metadata = new Map<string, Promise<ModelMetadata>>();

  constructor(url: string, options: ClientOptions) {
    this.#base = url.replace(/\/+$/, '');
    this.#options = options;
  }

  async infer(model: string, inputs: Readonly<Record<string, InputOf<Datatype>>>, options: RequestOptions = {}): Promise<Record<string, Tensor>> {
    const metadata = await this.metadata(model, options.version);
    const parts: Uint8Array[] = [];
    const described = Object.entries(inputs).map(([name, given]) => {
      const spec = metadata.inputs.find((input) => input.name === name);
      if (spec === undefined) throw new ModelportError('INVALID_REQUEST', `model '${model}' has no input '${name}': it takes ${metadata.inputs.map((input) => input.name).join(', ')}`, { at: name });
      const { shape, bytes } = encodeInput(spec, given);
      parts.push(bytes);
      return { name, datatype: spec.datatype, shape, parameters: { binary_data_size: bytes.byteLength } };
    });
    const head = new TextEncoder().encode(
      JSON.stringify({
        inputs: described,
        ...(options.outputs === undefined ? {} : { outputs: options.outputs.map((name) => ({ name })) }),
        parameters: { ...options.parameters, ...(options.timeoutMs === undefined ? {} : { timeout: Math.ceil(options.timeoutMs * 1000) }), binary_data_output: true },
      }),
    );
    const response = await this.#request(`${modelPath('v2/models', model, options.version)}/infer`, join([head, ...parts]), {
      'content-type': 'application/octet-stream',
      'inference-header-content-length': String(head.byteLength),
    }, options.signal);
    const body = new Uint8Array(await response.arrayBuffer());
    const headLength = Number(response.headers.get('inference-header-content-length') ?? body.byteLength);
    return decodeOutputs(JSON.parse(new TextDecoder().decode(body.subarray(0, headLength))) as InferDocument, body, headLength);
  }

  async predict(model: string, value: unknown, options: RequestOptions = {}): Promise<unknown> {
    const headers = { 'content-type': 'application/json', ...(options.timeoutMs === undefined ? {} : { 'x-request-timeout-ms': String(options.timeoutMs) }) };
    const response = await this.#request(`${modelPath('models', model, options.version)}/predict`, JSON.stringify(value), headers, options.signal);
    return response.json();
  }

  async *stream(model: string, value: unknown, options: StreamOptions = {}): AsyncGenerator<never> {
    const headers = { 'content-type': 'application/json', accept: 'text/event-stream', ...(options.timeoutMs === undefined ? {} : { 'x-request-timeout-ms': String(options.timeoutMs) }) };
    const response = await this.#request(`${modelPath('models', model, options.version)}/predict`, JSON.stringify(value), headers, options.signal);
    for await (const { event, data } of readEvents(response.body!)) {
      if (event === 'end') return;
      if (event === 'progress') options.onProgress?.(JSON.parse(data) as { fraction?: number; text?: string });
      else if (event === 'error') throw readErrorDocument(data, 500);
      else if (event === 'message') yield JSON.parse(data) as never;
    }
    throw new ModelportError('UNAVAILABLE', 'the connection ended before the answer did');
  }

  /** Asked once a model and version; a failure is not remembered. */
  metadata(model: string, version?: string): Promise<ModelMetadata> {
    const path = modelPath('v2/models', model, version);
    let known = this.#metadata.get(path);
    if (known === undefined) {
      known = this.#request(path).then((response) => response.json() as Promise<ModelMetadata>);
      this.#metadata.set(path, known);
      known.catch(() => this.#metadata.delete(path));
    }
    return known;
  }

  async ready(): Promise<boolean> {
    const { fetch = globalThis.fetch } = this.#options;
    const response = await fetch(`${this.#base}/v2/health/ready`);
    await response.arrayBuffer();
    return response.ok;
  }

  async #request(path: string, body?: string | Uint8Array<ArrayBuffer>, headers: Readonly<Record<string, string>> = {}, signal?: AbortSignal): Promise<Response> {
    const { fetch = globalThis.fetch, apiKey, headers: own } = this.#options;
    const response = await fetch(`${this.#base}/${path}`, {
      method: body === undefined ? 'GET' : 'POST',
      headers: { ...own, ...headers, ...(apiKey === undefined ? {} : { authorization: `Bearer ${apiKey}` }) },
      ...(body === undefined ? {} : { body }),
      ...(signal === undefined ? {} : { signal }),
    });
    if (!response.ok) throw await readError(response);
    return response;
  }
}

function modelPath(prefix: string, model: string, version: string | undefined): string {
  return `${prefix}/${encodeURIComponent(model)}${version === undefined ? '' : `/versions/${encodeURIComponent(version)}`}`;
}

async function readError(response: Response): Promise<ModelportError> {
  return readErrorDocument(await response.text(), response.status, Number(response.headers.get('retry-after') ?? NaN));
}

function readErrorDocument(text: string, status: number, retryAfter = NaN): ModelportError {
  let document: { error?: unknown; code?: unknown; at?: unknown } = {};
  try {
    document = JSON.parse(text) as typeof document;
  } catch {
    // Something in front of the server answered.
  }
  const known = typeof document.code === 'string' && Object.hasOwn(errorTable, document.code) ? (document.code as ErrorCode) : undefined;
  const code = known ?? (Object.keys(errorTable) as ErrorCode[]).find((candidate) => errorTable[candidate].httpStatus === status) ?? 'INTERNAL';
  return new ModelportError(code, typeof document.error === 'string' ? document.error : `the server answered ${status}: ${text.slice(0, 200)}`, {
    ...(typeof document.at === 'string' ? { at: document.at } : {}),
    ...(Number.isNaN(retryAfter) ? {} : { retryAfterSeconds: retryAfter }),
  });
}

/** Server-Sent Events as our servers write them: one line of data each. */
async function* readEvents(body: ReadableStream<Uint8Array>): AsyncGenerator<{ readonly event: string; readonly data: string }> {
  const reader = body.getReader();
  const decoder = new TextDecoder();
  let text = '';
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      text += decoder.decode(value, { stream: true });
      let start = 0;
      for (let end = text.indexOf('\n\n'); end !== -1; end = text.indexOf('\n\n', start)) {
        let event = 'message';
        let data: string | undefined;
        for (const line of text.slice(start, end).split('\n')) {
          if (line.startsWith('event: ')) event = line.slice('event: '.length);
          else if (line.startsWith('data: ')) data = line.slice('data: '.length);
        }
        start = end + 2;
        if (data !== undefined) yield { event, data };
      }
      text = text.slice(start);
    }
  } finally {
    await reader.cancel().catch(() => {});
  }
}

function encodeInput(spec: ModelMetadata['inputs'][number], given: InputOf<Datatype>): { shape: readonly number[]; bytes: Uint8Array<ArrayBuffer> } {
  const tensor = 'shape' in given ? given : undefined;
  const data = (tensor?.data ?? given) as NumericArray | readonly (string | Uint8Array)[];
  const { datatype, name } = spec;
  const wanted = datatypes[datatype].array;
  if (datatype === 'BYTES' ? !Array.isArray(data) : !(data instanceof (wanted as unknown as new () => object))) {
    throw new ModelportError('INVALID_REQUEST', `input '${name}' is ${datatype}: give ${datatype === 'BYTES' ? 'an array of texts or byte strings' : `a ${(wanted as { name: string }).name}`}`, { at: name });
  }
  const shape = tensor?.shape ?? inferShape(name, spec.shape, data.length);
  if (elementCount(shape) !== data.length) throw new ModelportError('INVALID_REQUEST', `input '${name}' has ${data.length} elements, which its shape [${shape.join(', ')}] does not`, { at: name });
  if (datatype === 'BYTES') return { shape, bytes: encodeByteStrings(data as readonly (string | Uint8Array)[]) };
  const { buffer, byteOffset, byteLength } = data as NumericArray;
  return { shape, bytes: new Uint8Array(buffer, byteOffset, byteLength) };
}

/** The model's shape with its free size found from the number of elements; where several are free, the first is 1. */
function inferShape(name: string, spec: readonly number[], length: number): number[] {
  const shape = [...spec];
  while (shape.filter((size) => size === -1).length > 1) shape[shape.indexOf(-1)] = 1;
  const free = shape.indexOf(-1);
  const known = elementCount(shape.filter((size) => size !== -1));
  if (free !== -1) shape[free] = known === 0 ? 0 : length / known;
  if (!shape.every(Number.isInteger)) throw new ModelportError('INVALID_REQUEST', `input '${name}' has ${length} elements, which don't fill rows of shape [${spec.join(', ')}]: give the shape as {shape, data}`, { at: name });
  return shape;
}

function encodeByteStrings(elements: readonly (string | Uint8Array)[]): Uint8Array<ArrayBuffer> {
  const encoder = new TextEncoder();
  const parts = elements.map((element) => (typeof element === 'string' ? encoder.encode(element) : element));
  const bytes = new Uint8Array(parts.reduce((total, part) => total + 4 + part.byteLength, 0));
  const view = new DataView(bytes.buffer);
  let offset = 0;
  for (const part of parts) {
    view.setUint32(offset, part.byteLength, true);
    bytes.set(part, offset + 4);
    offset += 4 + part.byteLength;
  }
  return bytes;
}

interface InferDocument {
  readonly outputs: readonly { readonly name: string; readonly datatype: string; readonly shape: readonly number[]; readonly parameters?: { readonly binary_data_size?: number } }[];
}

function decodeOutputs(document: InferDocument, body: Uint8Array, start: number): Record<string, Tensor> {
  const outputs: Record<string, Tensor> = {};
  let offset = start;
  for (const { name, datatype, shape, parameters } of document.outputs) {
    const size = parameters?.binary_data_size;
    if (!isDatatype(datatype) || size === undefined || offset + size > body.byteLength) throw new ModelportError('INTERNAL', `the server's answer is malformed at output '${name}'`);
    // Copied, because elements must be aligned.
    const bytes = body.slice(offset, offset + size);
    offset += size;
    const data = datatype === 'BYTES' ? decodeByteStrings(bytes) : new (datatypes[datatype].array as unknown as new (buffer: ArrayBuffer) => NumericArray)(bytes.buffer);
    Object.defineProperty(outputs, name, { value: { datatype, shape, data }, enumerable: true });
  }
  return outputs;
}

function decodeByteStrings(bytes: Uint8Array): Uint8Array[] {
  const elements: Uint8Array[] = [];
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let offset = 0; offset < bytes.byteLength; ) {
    const length = view.getUint32(offset, true);
    elements.push(bytes.subarray(offset + 4, offset + 4 + length));
    offset += 4 + length;
  }
  return elements;
}

function join(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(parts.reduce((total, part) => total + part.byteLength, 0));
  let offset = 0;
  for (const part of parts) {
    whole.set(part, offset);
    offset += part.byteLength;
  }
  return whole;
}
