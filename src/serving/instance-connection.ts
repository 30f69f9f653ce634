/**
 * The server's end of an instance that runs in a thread or process: calls become messages, messages become answers.
 * It knows which calls the instance has not answered yet; what carries the messages is the link's business.
 */
import type { Artifact } from '../artifact.ts';
import { Call } from '../call.ts';
import { fromPlainError, ModelportError, type PlainError } from '../errors.ts';
import { AsyncQueue } from '../lib/async-queue.ts';
import { fromMonotonicMs, toMonotonicMs } from '../lib/monotonic-clock.ts';
import type { GenerateRequest, InferRequest, InferResponse, Model, Parameters, Signature, TokenEvent } from '../model.ts';
import type { LoadOptions } from '../runtime.ts';
import { InstanceLostError, type Instance } from './instance.ts';
import type { Message } from './instance-wire.ts';

/** What carries messages to an instance. Each of ours reports messages and the end by calling the connection's methods. */
export interface InstanceLink {
  /** Throws where the message cannot be sent as it is (a value that is no plain data). */
  send(message: Message): void;
  /** Asks the instance, which has answered all calls, to release the model and to end. Resolves when it has. */
  close(): Promise<void>;
}

export const verbs = ['infer', 'stream', 'generate', 'predict'] as const;
export type Verb = (typeof verbs)[number];

/** What an instance says when its model is loaded. */
export interface ReadyFacts {
  readonly signature: Signature;
  readonly verbs: readonly Verb[];
}

/** What a call's first message carries beside its tensors, where it has any of it. */
export interface CallFacts {
  readonly callId?: string;
  readonly sequence?: Call['sequence'];
  readonly trace?: Call['trace'];
  readonly outputs?: readonly string[];
  readonly parameters?: Parameters;
  /** The prompt of `generate`, the value of `predict`. */
  readonly value?: unknown;
}

export interface LoadFacts {
  readonly moduleUrl: string;
  readonly artifact: Artifact;
  readonly options: LoadOptions;
}

/** How many items of a stream may be under way or waiting before the instance holds the model back. */
export const streamWindow = 16;
const creditStep = 4;

interface Pending {
  answer(message: Message): void;
  fail(error: unknown): void;
}

export class InstanceConnection implements Instance {
  readonly #link: InstanceLink;
  readonly #pending = new Map<number, Pending>();
  readonly #lostListeners: ((error: InstanceLostError) => void)[] = [];
  #lastId = 0;
  #lost: InstanceLostError | undefined;
  #ready: ReadyFacts | undefined;
  #closing: Promise<void> | undefined;

  infer?: NonNullable<Model['infer']>;
  stream?: NonNullable<Model['stream']>;
  generate?: NonNullable<Model['generate']>;
  predict?: NonNullable<Model['predict']>;

  constructor(link: InstanceLink) {
    this.#link = link;
  }

  /** Has the instance load the model; afterwards the verbs that the model has are there. Rejects with the runtime's error. */
  async load(facts: LoadFacts): Promise<void> {
    const message = await this.#ask({ kind: 'load', id: this.#nextId(), rest: facts });
    const ready = message.rest as ReadyFacts;
    this.#ready = ready;
    if (ready.verbs.includes('infer')) this.infer = (request, call) => this.#infer(request, call);
    if (ready.verbs.includes('predict')) this.predict = (value, call) => this.#predict(value, call);
    if (ready.verbs.includes('stream')) this.stream = (request, call) => this.#stream(request, call);
    if (ready.verbs.includes('generate')) this.generate = (request, call) => this.#generate(request, call);
  }

  get signature(): Signature {
    if (this.#ready === undefined) throw new Error('the instance has not loaded its model: this is a bug');
    return this.#ready.signature;
  }

  async measure(request: InferRequest): Promise<number> {
    const facts = callFacts(new Call(), request);
    const answer = await this.#ask({ kind: 'measure', id: this.#nextId(), tensors: request.inputs, ...(facts === undefined ? {} : { rest: facts }) });
    return answer.first!;
  }

  onLost(listener: (error: InstanceLostError) => void): void {
    if (this.#lost === undefined) this.#lostListeners.push(listener);
    else listener(this.#lost);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return (this.#closing ??= this.#lost === undefined ? this.#link.close() : Promise.resolve());
  }

  /** For the link: a message from the instance. Answers to calls that nobody waits for any more are dropped. */
  receive(message: Message): void {
    this.#pending.get(message.id)?.answer(message);
  }

  /** For the link: the instance is gone, for the reason given. What it has not answered is rejected. */
  lose(reason: string): void {
    if (this.#lost !== undefined) return;
    const error = new InstanceLostError(reason);
    this.#lost = error;
    for (const pending of this.#pending.values()) pending.fail(error);
    this.#pending.clear();
    if (this.#closing === undefined) for (const listener of this.#lostListeners) listener(error);
  }

  #nextId(): number {
    this.#lastId = (this.#lastId + 1) >>> 0 || 1;
    return this.#lastId;
  }

  #ask(message: Message): Promise<Message> {
    return new Promise((resolve, reject) => {
      this.#send(message, {
        answer: (answer) => {
          this.#pending.delete(answer.id);
          if (answer.kind === 'error') reject(fromPlainError(answer.rest as PlainError));
          else resolve(answer);
        },
        fail: reject,
      });
    });
  }

  #send(message: Message, pending: Pending): void {
    if (this.#lost !== undefined) {
      pending.fail(this.#lost);
      return;
    }
    this.#pending.set(message.id, pending);
    try {
      this.#link.send(message);
    } catch (error) {
      this.#pending.delete(message.id);
      pending.fail(error);
    }
  }

  /** Sends the first message of a call; when the call is cancelled, tells the instance. */
  #begin(message: Message, call: Call, pending: Pending): void {
    const takeBack = call.onCancel(() => {
      if (this.#pending.has(message.id)) this.#link.send({ kind: 'cancel', id: message.id });
    });
    this.#send(message, {
      answer: (answer) => {
        if (answer.kind !== 'item') {
          this.#pending.delete(message.id);
          takeBack();
        }
        pending.answer(answer);
      },
      fail: (error) => {
        takeBack();
        pending.fail(error);
      },
    });
  }

  #infer(request: InferRequest, call: Call): Promise<InferResponse> {
    return new Promise((resolve, reject) => {
      const facts = callFacts(call, request);
      const message: Message = { kind: 'infer', id: this.#nextId(), ...callTimes(call), tensors: request.inputs, ...(facts === undefined ? {} : { rest: facts }), ...(request.givesAway === true ? { givesAway: true } : {}) };
      this.#begin(message, call, {
        answer: (answer) => {
          if (call.cancelled) return reject(new ModelportError('CANCELLED', 'the request was cancelled'));
          if (answer.kind === 'error') return reject(fromPlainError(answer.rest as PlainError));
          call.timing.runStartedAtMs = fromMonotonicMs(answer.first!);
          call.timing.runEndedAtMs = fromMonotonicMs(answer.second!);
          return resolve(inferResponse(answer));
        },
        fail: reject,
      });
    });
  }

  #predict(value: unknown, call: Call): Promise<unknown> {
    return new Promise((resolve, reject) => {
      this.#begin({ kind: 'predict', id: this.#nextId(), ...callTimes(call), rest: { ...callFacts(call), value } }, call, {
        answer: (answer) => {
          if (call.cancelled) reject(new ModelportError('CANCELLED', 'the request was cancelled'));
          else if (answer.kind === 'error') reject(fromPlainError(answer.rest as PlainError));
          else resolve(answer.rest);
        },
        fail: reject,
      });
    });
  }

  #stream(request: InferRequest, call: Call): AsyncIterable<InferResponse> {
    const rest = callFacts(call, request);
    return this.#items(() => ({ kind: 'stream', id: this.#nextId(), ...callTimes(call), tensors: request.inputs, ...(rest === undefined ? {} : { rest }) }), call, inferResponse);
  }

  #generate(request: GenerateRequest, call: Call): AsyncIterable<TokenEvent> {
    const rest = { ...callFacts(call), value: request };
    return this.#items(() => ({ kind: 'generate', id: this.#nextId(), ...callTimes(call), rest }), call, (answer) => answer.rest as TokenEvent);
  }

  /** The answers to one request, at the consumer's pace; each iteration asks anew. */
  #items<T>(open: () => Message, call: Call, read: (message: Message) => T): AsyncIterable<T> {
    return {
      [Symbol.asyncIterator]: () => {
        const message = open();
        const { id } = message;
        let credit = 0;
        const queue = new AsyncQueue<T>({
          capacity: streamWindow,
          onAbandon: () => {
            if (this.#pending.delete(id)) this.#link.send({ kind: 'cancel', id });
          },
        });
        this.#begin(message, call, {
          answer: (answer) => {
            if (answer.kind === 'end') queue.end();
            else if (answer.kind === 'error') queue.fail(fromPlainError(answer.rest as PlainError));
            else {
              void queue.push(read(answer)).then((roomLeft) => {
                if (!roomLeft || ++credit < creditStep || !this.#pending.has(id)) return;
                this.#link.send({ kind: 'credit', id, first: credit });
                credit = 0;
              });
            }
          },
          fail: (error) => queue.fail(error),
        });
        return queue;
      },
    };
  }
}

function inferResponse(message: Message): InferResponse {
  const outputs = message.tensors ?? new Map();
  return message.rest === undefined ? { outputs } : { outputs, parameters: message.rest as Parameters };
}

function callTimes(call: Call): { readonly first: number; readonly second: number } {
  return { first: call.deadlineMs === undefined ? 0 : toMonotonicMs(call.deadlineMs), second: call.priority };
}

function callFacts(call: Call, request?: InferRequest): CallFacts | undefined {
  if (call.id === undefined && call.sequence === undefined && call.trace === undefined && request?.outputs === undefined && request?.parameters === undefined) return undefined;
  return {
    ...(call.id === undefined ? {} : { callId: call.id }),
    ...(call.sequence === undefined ? {} : { sequence: call.sequence }),
    ...(call.trace === undefined ? {} : { trace: call.trace }),
    ...(request?.outputs === undefined ? {} : { outputs: request.outputs }),
    ...(request?.parameters === undefined ? {} : { parameters: request.parameters }),
  };
}
