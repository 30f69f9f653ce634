/** Runs functions: at once, or as events whose messages clients read from a stream. */
import { randomUUID } from 'node:crypto';
import { Call } from '../../call.ts';
import type { Endpoint } from '../../endpoint.ts';
import { isModelportError, ModelportError } from '../../errors.ts';
import type { Parameters } from '../../model.ts';
import type { EventStore } from './event-store.ts';
import type { JobFiles } from './file-data.ts';
import { generatesText, type GradioFunction } from './functions.ts';
import { queueFormat, type JobFormat, type JobMessage } from './messages.ts';
import { isRecord } from './schema.ts';

/** A job that takes longer is cancelled. */
export const longestJobMs = 60 * 60_000;

export interface JobRequest {
  readonly data: readonly unknown[];
  readonly files: JobFiles;
  /** Of the request that brings the job, which ends before the job does: its id, deadline and trace go on. */
  readonly call: Call;
}

export interface Result {
  readonly data: readonly unknown[];
  readonly seconds: number;
  readonly averageSeconds: number;
}

export class Jobs {
  readonly #events: EventStore;
  /** Seconds of the last jobs of each function, on average. */
  readonly #averages = new Map<string, number>();

  constructor(events: EventStore) {
    this.#events = events;
  }

  /** Gives the event's id; its messages are the session's. `session` undefined: the event has one of its own, with its id as name. Throws `QUEUE_FULL`. */
  async submit(called: GradioFunction, request: JobRequest, session: string | undefined, format?: JobFormat): Promise<string> {
    const id = randomUUID().replaceAll('-', '');
    const { call: asked } = request;
    const call = new Call({
      ...(asked.id === undefined ? {} : { id: asked.id }),
      ...(asked.deadlineMs === undefined ? {} : { deadlineMs: asked.deadlineMs }),
      ...(asked.trace === undefined ? {} : { trace: asked.trace }),
      priority: asked.priority,
    });
    const write = format ?? queueFormat(id);
    const ahead = await this.#events.waiting(called.apiName);
    const fail = (title: string, message: string): void => void this.#events.end(id, write({ kind: 'failed', title, message })!);
    const cancel = (): void => {
      call.cancel();
      fail('Cancelled', 'the job was cancelled');
    };
    await this.#events.begin({ id, session: session ?? id, apiName: called.apiName, cancel });
    // After the answer to this request, so that the client knows the event before it hears of it.
    setImmediate(() => void this.#work(id, called, { ...request, call }, ahead, write, fail));
    return id;
  }

  async #work(id: string, called: GradioFunction, request: JobRequest, ahead: number, write: JobFormat, fail: (title: string, message: string) => void): Promise<void> {
    const { call } = request;
    const tell = async (message: JobMessage): Promise<void> => {
      const written = write(message);
      if (written !== undefined && !(await this.#events.append(id, written))) call.cancel();
    };
    const timer = setTimeout(() => {
      call.cancel();
      fail('Error', `the job took longer than ${longestJobMs / 60_000} minutes and was cancelled`);
    }, longestJobMs);
    timer.unref();
    const takeBack = call.onProgress((progress) => void tell({ kind: 'progress', progress }));
    try {
      const etaSeconds = this.#averages.get(called.apiName) ?? null;
      await tell({ kind: 'estimation', ahead, waiting: ahead + 1, etaSeconds: etaSeconds === null ? null : etaSeconds * (ahead + 1) });
      await tell({ kind: 'starts', etaSeconds });
      const result = await this.run(called, request, (data) => tell({ kind: 'generating', data }));
      await this.#events.end(id, write({ kind: 'completed', ...result })!);
    } catch (error) {
      fail('Error', messageOf(error));
    } finally {
      takeBack();
      clearTimeout(timer);
    }
  }

  /** The outputs of one call. `generating`: is told each value that comes before the last one, and awaited. */
  async run(called: GradioFunction, { data, files, call }: JobRequest, generating?: (data: readonly unknown[]) => Promise<void>): Promise<Result> {
    const startedAtMs = performance.now();
    const { endpoint, outputs } = called;
    const input = await called.read(data, files);
    call.throwIfCancelled();
    const written = (answer: unknown): Promise<readonly unknown[]> => Promise.all(outputs.map((output) => output.write(answer, input, files)));
    let last: readonly unknown[] | undefined;
    const parts = generating === undefined && endpoint.signature.part === undefined ? undefined : growingAnswers(endpoint, input, call);
    if (parts === undefined) {
      last = await written(await endpoint.predict(input, call));
    } else {
      for await (const answer of parts) {
        last = await written(answer);
        call.throwIfCancelled();
        await generating?.(last);
      }
    }
    call.throwIfCancelled();
    const seconds = (performance.now() - startedAtMs) / 1000;
    const before = this.#averages.get(called.apiName);
    const averageSeconds = before === undefined ? seconds : before * 0.8 + seconds * 0.2;
    if (before !== undefined || this.#averages.size < 10_000) this.#averages.set(called.apiName, averageSeconds);
    return { data: last ?? outputs.map(() => null), seconds, averageSeconds };
  }
}

/** The answer as it is after each part: a text grows, other parts take the place of the one before. Undefined where it comes at once. */
function growingAnswers(endpoint: Endpoint, input: unknown, call: Call): AsyncIterable<unknown> | undefined {
  if (endpoint.predictStream !== undefined) return growing(endpoint.predictStream(input, call));
  const parameters = generatesText(endpoint) && isRecord(input) ? generateParameters(input) : undefined;
  return parameters === undefined ? undefined : growingText(endpoint, parameters, call);
}

async function* growing(parts: AsyncIterable<unknown>): AsyncGenerator<unknown> {
  let text = '';
  for await (const part of parts) yield typeof part === 'string' && !part.startsWith('data:') ? (text += part) : part;
}

interface Generation {
  readonly prompt: string;
  readonly parameters: Parameters;
}

/** Undefined where the verb for text can't say it: lists, and what is wrong and is to be told so by `predict`. */
function generateParameters({ prompt, ...others }: Readonly<Record<string, unknown>>): Generation | undefined {
  if (typeof prompt !== 'string') return undefined;
  const given = Object.entries(others).filter(([, value]) => value !== null && value !== undefined);
  if (!given.every(([, value]) => ['string', 'number', 'boolean'].includes(typeof value))) return undefined;
  return { prompt, parameters: Object.fromEntries(given) as Parameters };
}

async function* growingText(endpoint: Endpoint, request: Generation, call: Call): AsyncGenerator<unknown> {
  let text = '';
  for await (const event of endpoint.served.model.generate!(request, call)) {
    if (event.type === 'text-delta') {
      text += event.text;
      yield { text };
    } else {
      if (event.reason === 'cancelled') throw new ModelportError('CANCELLED', 'the job was cancelled');
      yield { text, finishReason: event.reason, promptTokens: event.promptTokens, completionTokens: event.completionTokens };
    }
  }
}

function messageOf(error: unknown): string {
  if (isModelportError(error)) return error.message;
  process.emitWarning(error instanceof Error ? (error.stack ?? error.message) : String(error), 'GradioJobFailure');
  return 'the server failed on this job; its log says why';
}
