/**
 * The types of what people write: a service in TypeScript. A service is plain data; `running-service.ts` gives it life.
 *
 * @example
 * import { defineService, z } from 'modelport';
 * export default defineService({
 *   name: 'flowers',
 *   models: { iris: './iris.onnx' },
 *   endpoints: (endpoint) => ({
 *     classify: endpoint({
 *       input: z.object({ petalLength: z.number().min(0) }),
 *       output: z.object({ label: z.string() }),
 *       handler: async ({ petalLength }, { models }) => models.iris({ petal_length: petalLength }),
 *     }),
 *   }),
 * });
 */
import type { z } from 'zod';
import type { InferResponse, Parameters, TokenEvent } from '../model.ts';
import type { Tensor } from '../tensor.ts';

/** Across copies of the package, and across reloads, a service is known by this member. */
export const serviceMark = Symbol.for('modelport.service');

/** A model as a plain async function: a value by the task's schema in, a value out. Calls of concurrent requests join one batch. */
export interface ModelFunction<Input = unknown, Output = unknown> {
  (value: Input): Promise<Output>;
  /** Tensors to tensors, for models without a task, or beside it. */
  infer(inputs: Readonly<Record<string, Tensor>>, options?: { readonly outputs?: readonly string[]; readonly parameters?: Parameters }): Promise<Record<string, Tensor>>;
  /** Tensors to zero or more answers. */
  stream(inputs: Readonly<Record<string, Tensor>>, options?: { readonly outputs?: readonly string[]; readonly parameters?: Parameters }): AsyncIterable<InferResponse>;
  /** Prompt to tokens. */
  generate(prompt: string, parameters?: Parameters): AsyncIterable<TokenEvent>;
}

/** A model that a service uses: a path from the service's file, or the name of a model that is served beside it. Made by {@link model}. */
export interface ModelReference<Input = unknown, Output = unknown> {
  readonly source: string;
  /** Never there; carries the types. */
  readonly types?: readonly [Input, Output];
}

export type ModelSources = Readonly<Record<string, string | ModelReference>>;
// A model that is only named takes and gives whatever its task says; the task checks.
// oxlint-disable-next-line typescript/no-explicit-any
type FunctionOf<Source> = Source extends ModelReference<infer Input, infer Output> ? ModelFunction<Input, Output> : ModelFunction<unknown, any>;
export type ModelsOf<Models extends ModelSources> = { readonly [Name in keyof Models]: FunctionOf<Models[Name]> };

/** Something that handlers need and that has an end: a connection, a cache, a session. Made by {@link dependency}. */
export interface Dependency<Value = unknown> {
  readonly scope: 'service' | 'request';
  readonly uses: Readonly<Record<string, Dependency>>;
  create(uses: Readonly<Record<string, unknown>>, context: DependencyContext): Value | Promise<Value> | AsyncGenerator<Value, void> | Generator<Value, void>;
}

export interface DependencyContext {
  /** Aborts when the request is cancelled or out of time; of a service's dependency, when the service stops. */
  readonly signal: AbortSignal;
}

export type Dependencies = Readonly<Record<string, Dependency>>;
type ValueOf<D> = D extends Dependency<infer Value> ? Value : never;
export type DependencyValues<D extends Dependencies> = { readonly [Name in keyof D]: ValueOf<D[Name]> };

export interface DependencyOptions<Uses extends Dependencies> {
  /** `service`: made once, when the service starts. `request`: made for each request. Default: `service`. */
  readonly scope?: 'service' | 'request';
  /** Other dependencies that it is made from; each is made once a scope, however many use it. */
  readonly uses?: Uses;
}

/** What a handler gets beside its input. */
export interface HandlerContext<Models extends ModelSources = ModelSources, Deps extends Dependencies = Dependencies, Services extends ServiceSources = ServiceSources> {
  readonly models: ModelsOf<Models>;
  readonly services: ServicesOf<Services>;
  readonly dependencies: DependencyValues<Deps>;
  /** Aborts when the client goes away or the time is over. Give it to `fetch` and to whatever else takes long. */
  readonly signal: AbortSignal;
  /** The client's `X-Request-Id`. */
  readonly requestId: string | undefined;
  /** Tells the client how far the work is: a fraction from 0 to 1, a text, or both. */
  progress(fraction: number | undefined, text?: string): void;
}

type Answer<Value> = Value | Promise<Value>;

interface EndpointOptions<Input extends z.ZodType, Output extends z.ZodType> {
  /** One line for documents, forms and tools. */
  readonly summary?: string;
  readonly description?: string;
  /** Default: POST. */
  readonly method?: 'GET' | 'POST' | 'PUT' | 'DELETE';
  /** `/items/{id}`. Default: `/<service>/<endpoint>`. */
  readonly path?: string;
  /** Status of an answer. Default: 200. */
  readonly status?: number;
  readonly tags?: readonly string[];
  readonly deprecated?: boolean;
  /** A zod schema; the members of an object are the inputs. Default: none. */
  readonly input?: Input;
  /** A zod schema of the answer, or of one part where the handler yields parts. What it does not name is left out of the answer. Default: anything. */
  readonly output?: Output;
  /** Inputs that work as they are; the first fills the form. */
  readonly examples?: readonly z.input<Input>[];
  /** How long the handler may take, of a stream: until the next part. Default: 60,000. */
  readonly timeoutMs?: number;
  /** Handlers that may run at once. Default: any number. */
  readonly concurrency?: number;
  /** Requests that may wait for one of these; more are refused. Default: 1,000. */
  readonly maxQueueSize?: number;
}

export interface BatchOptions {
  readonly maxSize: number;
  /** How long the first request waits for others. Default 0: the requests of one event-loop turn run together. */
  readonly maxDelayMs?: number;
}

export interface PlainEndpoint<Input extends z.ZodType, Output extends z.ZodType, Context> extends EndpointOptions<Input, Output> {
  readonly batch?: undefined;
  /** An async generator answers in parts. */
  readonly handler: (input: z.output<Input>, context: Context) => Answer<z.input<Output>> | AsyncIterable<z.input<Output>>;
  /** Says that a handler answers in parts, where it is no `async function*`. */
  readonly stream?: boolean;
}

export interface BatchEndpoint<Input extends z.ZodType, Output extends z.ZodType, Context> extends EndpointOptions<Input, Output> {
  /** The handler gets the inputs of several requests and gives as many answers, in their order. */
  readonly batch: BatchOptions;
  readonly handler: (inputs: z.output<Input>[], context: Context) => Answer<readonly z.input<Output>[]>;
}

/** An endpoint with its types; {@link defineService} takes them by name. */
export interface EndpointDefinition<Input extends z.ZodType = z.ZodType, Output extends z.ZodType = z.ZodType> extends EndpointOptions<Input, Output> {
  readonly batch?: BatchOptions | undefined;
  readonly stream?: boolean;
  // oxlint-disable-next-line typescript/no-explicit-any
  readonly handler: (input: any, context: any) => any;
}

export interface DefineEndpoint<Context> {
  <Input extends z.ZodType = z.ZodUnknown, Output extends z.ZodType = z.ZodUnknown>(definition: BatchEndpoint<Input, Output, Context>): EndpointDefinition<Input, Output>;
  <Input extends z.ZodType = z.ZodUnknown, Output extends z.ZodType = z.ZodUnknown>(definition: PlainEndpoint<Input, Output, Context>): EndpointDefinition<Input, Output>;
}

export type Endpoints = Readonly<Record<string, EndpointDefinition>>;

/** What `start` and `stop` get. */
export interface LifecycleContext<Models extends ModelSources, Deps extends Dependencies> {
  readonly models: ModelsOf<Models>;
  readonly dependencies: DependencyValues<Deps>;
}

export interface ServiceOptions<E extends Endpoints, Models extends ModelSources = ModelSources, Deps extends Dependencies = Dependencies, Services extends ServiceSources = ServiceSources> {
  /** Letters, digits, `-` and `_`. */
  readonly name: string;
  readonly description?: string;
  readonly version?: string;
  /** Models by the name that handlers call them by: a path from this file, or the name of a model that is served beside it. */
  readonly models?: Models;
  /** Other services: imported ones, or names of services that are served beside this one. */
  readonly services?: Services;
  readonly dependencies?: Deps;
  /** Before the first request. What it throws keeps the service from serving. */
  readonly start?: (context: LifecycleContext<Models, Deps>) => unknown;
  /** After the last request. */
  readonly stop?: (context: LifecycleContext<Models, Deps>) => unknown;
  readonly endpoints: E | ((endpoint: DefineEndpoint<HandlerContext<Models, Deps, Services>>) => E);
}

export interface Service<E extends Endpoints = Endpoints> {
  readonly [serviceMark]: true;
  readonly name: string;
  readonly description?: string;
  readonly version: string;
  readonly models: Readonly<Record<string, string>>;
  readonly services: ServiceSources;
  readonly dependencies: Dependencies;
  readonly endpoints: E;
  readonly start?: (context: LifecycleContext<ModelSources, Dependencies>) => unknown;
  readonly stop?: (context: LifecycleContext<ModelSources, Dependencies>) => unknown;
  /** Where `defineService` was called, as `file:line:column`; relative paths of models start there. */
  readonly definedAt: string | undefined;
}

export type ServiceSources = Readonly<Record<string, Service | string>>;
export type ServiceFunctions<E extends Endpoints> = { readonly [Name in keyof E]: (value: z.input<NonNullable<E[Name]['input']>>) => Promise<z.output<NonNullable<E[Name]['output']>>> };
// oxlint-disable-next-line typescript/no-explicit-any
type FunctionsOf<Source> = Source extends Service<infer E> ? ServiceFunctions<E> : Readonly<Record<string, (value: any) => Promise<any>>>;
export type ServicesOf<Services extends ServiceSources> = { readonly [Name in keyof Services]: FunctionsOf<Services[Name]> };
