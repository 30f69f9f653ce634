/** A loaded ONNX model. One run is one call of the native module, on the calling thread. */
import { isUtf8 } from 'node:buffer';
import type { Call } from '../../call.ts';
import { ModelportError } from '../../errors.ts';
import type { InferRequest, InferResponse, Model, Signature } from '../../model.ts';
import { createTensor, type DataOf, type Datatype, type Tensor } from '../../tensor.ts';
import { bfloat16FromFloat, floatFromBfloat16 } from './bfloat16.ts';
import { explainRunError } from './explain-error.ts';
import { FetchedTensor, nativeTypes } from './fetched-tensor.ts';
import type { FedTensor, NativeSession } from './native.ts';
import { cutRow, withOneRow } from './without-rows.ts';

/** A session with what the caller sees of it. */
export interface LoadedSession {
  readonly session: NativeSession;
  readonly signature: Signature;
  /** What errors call the model. */
  readonly name: string;
  /** Names in the session of inputs and outputs that are called otherwise there: bfloat16 ones, which travel as float32. */
  readonly nativeNames: ReadonlyMap<string, string>;
  /** The value of each optional input where the caller gives none. */
  readonly defaults: ReadonlyMap<string, Tensor>;
}

interface InputPlan {
  readonly name: string;
  readonly nativeName: string;
  readonly datatype: Datatype;
  readonly default: Tensor | undefined;
  /** Filled for the time of a run. */
  readonly fed: FedTensor;
}

interface OutputPlan {
  readonly name: string;
  readonly nativeName: string;
  readonly bfloat16: boolean;
}

export class OnnxModel implements Model {
  readonly signature: Signature;
  readonly #name: string;
  #session: NativeSession | undefined;
  readonly #inputs: readonly InputPlan[];
  readonly #outputs: readonly OutputPlan[];
  readonly #allFetches: Readonly<Record<string, null>>;
  /** Runs never overlap, so one object serves all. */
  readonly #feeds: Readonly<Record<string, FedTensor>>;

  constructor({ session, signature, name, nativeNames, defaults }: LoadedSession) {
    this.#session = session;
    this.signature = signature;
    this.#name = name;
    this.#inputs = signature.inputs.map((input) => ({
      name: input.name,
      nativeName: nativeNames.get(input.name) ?? input.name,
      datatype: input.datatype,
      default: defaults.get(input.name),
      fed: { type: nativeTypes[input.datatype] ?? 'float32', location: 'cpu', dims: [], data: undefined },
    }));
    this.#outputs = signature.outputs.map((output) => ({
      name: output.name,
      nativeName: nativeNames.get(output.name) ?? output.name,
      bfloat16: output.datatype === 'BF16',
    }));
    this.#allFetches = record(this.#outputs.map((output) => [output.nativeName, null]));
    this.#feeds = record(this.#inputs.map((input) => [input.nativeName, input.fed]));
  }

  /** Settled when it returns: the run is over. */
  infer(request: InferRequest, call?: Call): Promise<InferResponse> {
    try {
      if (call !== undefined) call.throwIfCancelled();
      return Promise.resolve(this.inferSync(request));
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /** `infer` without the promise, for callers on the same thread that run many small batches. Throws what `infer` rejects with. */
  inferSync(request: InferRequest): InferResponse {
    const session = this.#session;
    if (session === undefined) throw new ModelportError('UNAVAILABLE', `the model ${this.#name} was unloaded`);
    const wanted = request.outputs === undefined ? this.#outputs : this.#wanted(request.outputs);
    const fetches = request.outputs === undefined ? this.#allFetches : record(wanted.map((output) => [output.nativeName, null]));
    try {
      const feeds = this.#feed(request);
      let fetched: Record<string, FetchedTensor>;
      try {
        fetched = session.run(feeds, fetches);
      } catch (error) {
        const oneRow = withOneRow(request, this.signature);
        if (oneRow !== undefined) return cutRow(this.inferSync(oneRow), this.signature);
        if (!this.#copySharedMemory()) throw explainRunError(error, this.#name);
        fetched = this.#runAgain(session, feeds, fetches);
      }
      return { outputs: this.#collect(wanted, fetched) };
    } finally {
      for (const input of this.#inputs) input.fed.data = undefined;
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    const session = this.#session;
    this.#session = undefined;
    session?.dispose();
    return Promise.resolve();
  }

  #wanted(names: readonly string[]): OutputPlan[] {
    return names.map((name) => {
      const output = this.#outputs.find((candidate) => candidate.name === name);
      if (output === undefined) throw new ModelportError('INVALID_REQUEST', `the model ${this.#name} has no output '${name}'`, { at: 'outputs' });
      return output;
    });
  }

  #feed(request: InferRequest): Readonly<Record<string, FedTensor>> {
    for (const input of this.#inputs) {
      const tensor = request.inputs.get(input.name) ?? input.default;
      if (tensor === undefined) throw new ModelportError('INVALID_REQUEST', `the input '${input.name}' is missing for the model ${this.#name}`, { at: `inputs.${input.name}` });
      if (tensor.datatype !== input.datatype) {
        throw new ModelportError('INVALID_REQUEST', `the input '${input.name}' of the model ${this.#name} is ${input.datatype}, got ${tensor.datatype}`, {
          at: `inputs.${input.name}.datatype`,
        });
      }
      input.fed.dims = tensor.shape;
      input.fed.data = fedData(tensor, input.name);
    }
    return this.#feeds;
  }

  /** ONNX Runtime takes no shared memory. Whether there was some is looked at only when a run failed. */
  #copySharedMemory(): boolean {
    let copied = false;
    for (const { fed } of this.#inputs) {
      if (!ArrayBuffer.isView(fed.data) || !(fed.data.buffer instanceof SharedArrayBuffer)) continue;
      fed.data = (fed.data as Uint8Array).slice();
      copied = true;
    }
    return copied;
  }

  #runAgain(session: NativeSession, feeds: Readonly<Record<string, FedTensor>>, fetches: Readonly<Record<string, null>>): Record<string, FetchedTensor> {
    try {
      return session.run(feeds, fetches);
    } catch (error) {
      throw explainRunError(error, this.#name);
    }
  }

  #collect(wanted: readonly OutputPlan[], fetched: Record<string, FetchedTensor>): Map<string, Tensor> {
    const outputs = new Map<string, Tensor>();
    for (const { name, nativeName, bfloat16 } of wanted) {
      const tensor = fetched[nativeName];
      if (!(tensor instanceof FetchedTensor)) throw new ModelportError('RUN_FAILED', `the model ${this.#name} gave no output '${name}'`);
      outputs.set(name, bfloat16 ? createTensor('BF16', tensor.shape, bfloat16FromFloat(tensor.data as Float32Array)) : tensor);
    }
    return outputs;
  }
}

function fedData(tensor: Tensor, name: string): ArrayBufferView | readonly string[] {
  if (tensor.datatype === 'BYTES') return texts(tensor.data as Uint8Array[], name);
  if (tensor.datatype === 'BF16') return floatFromBfloat16(tensor.data as Uint16Array);
  return tensor.data as Exclude<DataOf<Datatype>, Uint8Array[]>;
}

function texts(data: readonly Uint8Array[], name: string): string[] {
  return data.map((bytes, index) => {
    const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8');
    // The native module ends a string at a NUL byte and knows UTF-8 only: such bytes would reach the model changed.
    if (!isUtf8(bytes) || text.includes('\0')) {
      throw new ModelportError(
        'INVALID_REQUEST',
        `element ${index} of the input '${name}' is not text: strings of ONNX models are UTF-8 without NUL characters, send other bytes as UINT8`,
        { at: `inputs.${name}.data[${index}]` },
      );
    }
    return text;
  });
}

/** An object without a prototype: the native module asks `name in object`, and inputs may be called `constructor`. */
function record<T>(entries: readonly (readonly [string, T])[]): Record<string, T> {
  const object = Object.create(null) as Record<string, T>;
  for (const [name, value] of entries) object[name] = value;
  return object;
}
