/** The far end of an instance: loads the model in this thread or process and answers the server's messages. */
import { Call } from '../call.ts';
import { ModelportError, toPlainError } from '../errors.ts';
import { fromMonotonicMs, toMonotonicMs } from '../lib/monotonic-clock.ts';
import type { GenerateRequest, InferRequest, InferResponse, Model, TokenEvent } from '../model.ts';
import type { Runtime } from '../runtime.ts';
import { streamWindow, verbs, type CallFacts, type LoadFacts, type ReadyFacts } from './instance-connection.ts';
import type { Message } from './instance-wire.ts';
import { measureRun } from './measure-run.ts';

export interface HostLink {
  /** Throws where the message cannot be sent as it is. */
  send(message: Message): void;
  /** The model is released: end this thread or process. */
  end(): void;
}

interface Answering {
  readonly call: Call;
  /** How many items the server will take. */
  credit: number;
  wake: (() => void) | undefined;
}

export class InstanceHost {
  readonly #link: HostLink;
  readonly #calls = new Map<number, Answering>();
  #model: Model | undefined;

  constructor(link: HostLink) {
    this.#link = link;
  }

  receive(message: Message): void {
    switch (message.kind) {
      case 'load':
        return this.#answer(message, undefined, () => this.#load(message.rest as LoadFacts));
      case 'infer':
        return this.#answer(message, this.#begin(message), (call) => this.#infer(message, call));
      case 'predict':
        return this.#answer(message, this.#begin(message), async (call) => ({ kind: 'value', id: message.id, rest: await this.#loaded.predict!((message.rest as CallFacts).value, call) }));
      case 'measure':
        return this.#answer(message, undefined, async () => ({ kind: 'value', id: message.id, first: await measureRun(this.#loaded, inferRequest(message)) }));
      case 'stream':
        return void this.#stream(message, (call) => this.#loaded.stream!(inferRequest(message), call), (item: InferResponse) => answerOf('item', message.id, item));
      case 'generate':
        return void this.#stream(message, (call) => this.#loaded.generate!((message.rest as CallFacts).value as GenerateRequest, call), (item: TokenEvent) => ({ kind: 'item', id: message.id, rest: item }));
      case 'credit':
        return this.#credit(message);
      case 'cancel':
        return this.#calls.get(message.id)?.call.cancel();
      case 'close':
        return void this.close();
      default:
        throw new ModelportError('INTERNAL', `an instance got a message of kind '${message.kind}': this is a bug`);
    }
  }

  /** Releases the model when its calls are answered, then ends this thread or process. */
  async close(): Promise<void> {
    try {
      await this.#model?.[Symbol.asyncDispose]();
    } finally {
      this.#link.end();
    }
  }

  get #loaded(): Model {
    if (this.#model === undefined) throw new ModelportError('INTERNAL', 'an instance was called before it was loaded: this is a bug');
    return this.#model;
  }

  async #load(facts: LoadFacts): Promise<Message> {
    const module = (await import(facts.moduleUrl)) as { default?: Partial<Runtime> };
    if (typeof module.default?.load !== 'function') throw new ModelportError('INTERNAL', `${facts.moduleUrl} has no runtime as its default export`);
    const model = await module.default.load(facts.artifact, facts.options);
    this.#model = model;
    const ready: ReadyFacts = { signature: model.signature, verbs: verbs.filter((verb) => model[verb] !== undefined) };
    return { kind: 'ready', id: 0, rest: ready };
  }

  #begin(message: Message): Answering {
    const facts = message.rest as CallFacts | undefined;
    const call = new Call({
      ...(message.first === 0 ? {} : { deadlineMs: fromMonotonicMs(message.first!) }),
      priority: message.second!,
      ...(facts?.callId === undefined ? {} : { id: facts.callId }),
      ...(facts?.sequence === undefined ? {} : { sequence: facts.sequence }),
      ...(facts?.trace === undefined ? {} : { trace: facts.trace }),
    });
    const answering: Answering = { call, credit: streamWindow, wake: undefined };
    this.#calls.set(message.id, answering);
    return answering;
  }

  /** Exactly one message answers the request, whatever happens in `work`. */
  #answer(message: Message, answering: Answering | undefined, work: (call: Call) => Promise<Message>): void {
    const { id } = message;
    work(answering?.call as Call)
      .then((answer) => this.#link.send({ ...answer, id }))
      .catch((error: unknown) => this.#link.send({ kind: 'error', id, rest: toPlainError(error) }))
      .finally(() => this.#calls.delete(id));
  }

  async #infer(message: Message, call: Call): Promise<Message> {
    const startedAtMs = performance.now();
    const response = await this.#loaded.infer!(inferRequest(message), call);
    return {
      ...answerOf('answer', message.id, response),
      first: toMonotonicMs(call.timing.runStartedAtMs || startedAtMs),
      second: toMonotonicMs(call.timing.runEndedAtMs || performance.now()),
    };
  }

  async #stream<T>(message: Message, open: (call: Call) => AsyncIterable<T>, write: (item: T) => Message): Promise<void> {
    const { id } = message;
    const answering = this.#begin(message);
    const { call } = answering;
    call.onCancel(() => answering.wake?.());
    try {
      for await (const item of open(call)) {
        while (answering.credit === 0 && !call.cancelled) await new Promise<void>((resolve) => (answering.wake = resolve));
        call.throwIfCancelled();
        answering.credit--;
        this.#link.send(write(item));
      }
      this.#link.send({ kind: 'end', id });
    } catch (error) {
      this.#link.send({ kind: 'error', id, rest: toPlainError(error) });
    } finally {
      this.#calls.delete(id);
    }
  }

  #credit(message: Message): void {
    const answering = this.#calls.get(message.id);
    if (answering === undefined) return;
    answering.credit += message.first!;
    answering.wake?.();
  }
}

function inferRequest(message: Message): InferRequest {
  const inputs = message.tensors ?? new Map();
  const facts = message.rest as CallFacts | undefined;
  if (facts === undefined) return { inputs };
  return { inputs, ...(facts.outputs === undefined ? {} : { outputs: facts.outputs }), ...(facts.parameters === undefined ? {} : { parameters: facts.parameters }) };
}

function answerOf(kind: 'answer' | 'item', id: number, response: InferResponse): Message {
  return { kind, id, tensors: response.outputs, ...(response.parameters === undefined ? {} : { rest: response.parameters }) };
}
