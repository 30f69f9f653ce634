/**
 * The one interface. A runtime makes a Model, a decorator wraps one, a protocol calls one, a client of a remote server is one.
 */
import type { Call } from './call.ts';
import type { Datatype, Tensors } from './tensor.ts';

/** A size, the name of a symbolic size, or -1: any size. */
export type Dimension = number | string;

export interface TensorSpec {
  readonly name: string;
  readonly datatype: Datatype;
  /** All dimensions, the batch axis included. */
  readonly shape: readonly Dimension[];
  /** The axis along which rows of different requests are joined; undefined for a tensor that has no rows (a scalar, a state). */
  readonly batchAxis?: number;
  readonly optional?: boolean;
  /** Names along the last axis: of an output's classes, of an input's columns. */
  readonly labels?: readonly string[];
  /** Element that fills rows of unequal length where the model allows padding. */
  readonly padValue?: number;
  readonly description?: string;
  /** Facts for forms and documentation, from the config or the training data. */
  readonly minimum?: number;
  readonly maximum?: number;
  readonly unit?: string;
}

/** Whether rows of several requests may be run as one, and why (not). */
export interface BatchFacts {
  /** Most rows of one run. 0: the model has no batch axis; every request runs alone. */
  readonly maxSize: number;
  /** One sentence for `inspect`: how this was found out. */
  readonly reason: string;
}

/** A tensor that a sequence carries from one request to the next: what the model writes to `output` is its next `input`. */
export interface StateSpec {
  readonly input: string;
  readonly output: string;
}

/** A JSON Schema (2020-12). `x-modelport` members are hints for forms: widget, unit, examples. */
export type JsonSchema = { readonly [keyword: string]: unknown };

export interface PredictSignature {
  /** Hugging Face's name of the task; `service` for an endpoint of a typed service. */
  readonly task: string;
  /** Of services, a member's `x-modelport.in` (`path`, `query`, `header`, `cookie`, `body`) and `.name` say where {@link http} has it. */
  readonly input: JsonSchema;
  readonly output: JsonSchema;
  /** Inputs that work as they are; the first fills the form. */
  readonly examples: readonly unknown[];
  /** Schema of one part of an answer that comes in parts (`predictStream`). `output` then describes the list of all parts. */
  readonly part?: JsonSchema;
  /** One line, and more, for documents, forms and tools. */
  readonly summary?: string;
  readonly description?: string;
  /** An address of its own, beside the predict door. */
  readonly http?: HttpBinding;
}

/** The method and path under which an endpoint of a service answers: `GET /items/{id}`. */
export interface HttpBinding {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  readonly path: string;
  /** Of an answer; 200 where absent. */
  readonly status?: number;
  readonly tags?: readonly string[];
  readonly deprecated?: boolean;
}

export interface Signature {
  readonly inputs: readonly TensorSpec[];
  readonly outputs: readonly TensorSpec[];
  readonly batch: BatchFacts;
  readonly states?: readonly StateSpec[];
  readonly predict?: PredictSignature;
}

export type ParameterValue = boolean | number | bigint | string;
export type Parameters = Readonly<Record<string, ParameterValue>>;

export interface InferRequest {
  /** Checked against the signature by whoever made the request (see `checkRequest`). */
  readonly inputs: Tensors;
  /** Names of the wanted outputs; undefined: all. */
  readonly outputs?: readonly string[];
  readonly parameters?: Parameters;
  /** The caller reads the inputs no more: their memory may be handed to an instance instead of copied. No cache answers such a request or keeps its answer. */
  readonly givesAway?: boolean;
}

export interface InferResponse {
  readonly outputs: Tensors;
  readonly parameters?: Parameters;
}

export type TokenEvent =
  | { readonly type: 'text-delta'; readonly text: string; readonly tokenId?: number; readonly logProbability?: number }
  | { readonly type: 'finish'; readonly reason: 'stop' | 'length' | 'cancelled'; readonly promptTokens: number; readonly completionTokens: number };

export interface GenerateRequest {
  readonly prompt: string;
  readonly parameters?: Parameters;
}

/**
 * A warm model that can be called. It has some of four verbs; a verb that it lacks is absent. All verbs may be called
 * concurrently. Disposal waits for calls under way, then gives memory back; calls after it reject with `UNAVAILABLE`.
 */
export interface Model extends AsyncDisposable {
  readonly signature: Signature;
  /** Tensors to tensors: the only verb that batches. Rejects with a `ModelportError`. */
  infer?(request: InferRequest, call: Call): Promise<InferResponse>;
  /** Tensors to zero or more answers. */
  stream?(request: InferRequest, call: Call): AsyncIterable<InferResponse>;
  /** Prompt to token events. */
  generate?(request: GenerateRequest, call: Call): AsyncIterable<TokenEvent>;
  /** A value to a value, both described by `signature.predict`. Rejects with `INVALID_VALUE` where the value does not fit. */
  predict?(value: unknown, call: Call): Promise<unknown>;
  /** As `predict`, part by part as `signature.predict.part` describes them. A model that has it has `predict`, too, which gives all parts as a list. */
  predictStream?(value: unknown, call: Call): AsyncIterable<unknown>;
}

/** A model that wraps another one and disposes of it. */
export type Decorator = (model: Model) => Model;

/** A dimension as numbers on wires say it: -1 where it varies. */
export function wireDimension(dimension: Dimension): number {
  return typeof dimension === 'number' ? dimension : -1;
}
