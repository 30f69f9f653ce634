/** One endpoint of a running service as a Model with `predict`: what protocols call. */
import type { Call } from '../call.ts';
import { isModelportError, ModelportError } from '../errors.ts';
import type { Model } from '../model.ts';
import { z } from 'zod';
import { Admission } from './admission.ts';
import { Attempt, cancelled } from './attempt.ts';
import { callSite } from './call-site.ts';
import type { EndpointDefinition } from './definition.ts';
import { describeDefinition } from './describe-definition.ts';
import { endpointModelName } from './endpoint-name.ts';
import { RequestContext } from './handler-context.ts';
import type { BatchedFunction, EndpointStatistics } from './host.ts';
import { requireLocations } from './input-locations.ts';
import { createReadInput, createReadInputAsync, isAsyncSchemaError } from './read-input.ts';
import type { EndpointModel, RunningService } from './service-instance.ts';

const defaultTimeoutMs = 60_000;
const defaultQueueSize = 1000;

/** Throws `INVALID_CONFIG` where schemas and path don't fit each other. */
export function createEndpointModel(running: RunningService, endpointName: string, definition: EndpointDefinition): EndpointModel {
  return new ServedEndpoint(running, endpointName, definition);
}

class ServedEndpoint implements EndpointModel {
  readonly name: string;
  readonly signature: Model['signature'];
  readonly statistics: EndpointStatistics;
  predictStream?: NonNullable<Model['predictStream']>;
  readonly #running: RunningService;
  readonly #definition: EndpointDefinition;
  readonly #handler: (input: unknown, context: RequestContext) => unknown;
  readonly #read: (value: unknown) => unknown;
  readonly #readAsync: (value: unknown) => Promise<unknown>;
  readonly #timeoutMs: number;
  readonly #admission: Admission | undefined;
  readonly #batched: BatchedFunction | undefined;
  readonly #usesRequestScope: boolean;
  #async = false;
  #active = 0;
  #idle: (() => void) | undefined;
  #stopping = false;

  constructor(running: RunningService, endpointName: string, definition: EndpointDefinition) {
    const { service, host } = running;
    this.name = endpointModelName(service.name, endpointName);
    this.#running = running;
    this.#definition = definition;
    this.#handler = definition.handler;
    this.#timeoutMs = definition.timeoutMs ?? defaultTimeoutMs;
    const predict = describeDefinition(service.name, endpointName, definition);
    requireLocations(predict, `endpoint '${endpointName}' of service '${service.name}'`);
    this.signature = { inputs: [], outputs: [], batch: { maxSize: definition.batch?.maxSize ?? 0, reason: definition.batch === undefined ? 'a function' : 'its definition says so' }, predict };
    const input = definition.input ?? z.object({});
    this.#read = createReadInput(input, predict.input);
    this.#readAsync = createReadInputAsync(input, predict.input);
    this.#usesRequestScope = Object.values(service.dependencies).some(({ scope }) => scope === 'request');
    this.statistics = host.createStatistics();
    const queueSize = definition.maxQueueSize ?? defaultQueueSize;
    if (definition.batch !== undefined) {
      const { maxSize, maxDelayMs = 0 } = definition.batch;
      this.#batched = host.batch((values, call) => this.#runBatch(values, call), { name: this.name, maxSize, maxDelayMs, concurrency: definition.concurrency ?? 1, maxQueueSize: queueSize });
    } else if (definition.concurrency !== undefined) {
      this.#admission = new Admission(this.name, definition.concurrency, queueSize);
    }
    if (predict.part !== undefined) this.predictStream = (value, call) => this.#stream(value, call);
  }

  async predict(value: unknown, call: Call): Promise<unknown> {
    if (this.predictStream !== undefined) {
      const parts: unknown[] = [];
      for await (const part of this.#stream(value, call)) parts.push(part);
      return parts;
    }
    const startedAtMs = this.#begin(call);
    try {
      const reading = this.#readInput(value);
      const input = reading instanceof Promise ? await reading : reading;
      call.timing.runStartedAtMs = performance.now();
      const answer = this.#batched === undefined ? await this.#admit(input, call) : await this.#batched.run(input, call);
      if (call.cancelled) throw cancelled();
      const given = this.#definition.output === undefined ? answer : await this.#checkAnswer(answer, this.#definition.output);
      const now = performance.now();
      call.timing.runEndedAtMs = now;
      if (this.#batched === undefined) this.statistics.executed(1, 0, now - call.timing.runStartedAtMs, 0);
      this.statistics.succeeded(call, startedAtMs);
      return given;
    } catch (error) {
      throw this.#fail(error, startedAtMs);
    } finally {
      this.#end();
    }
  }

  async *#stream(value: unknown, call: Call): AsyncGenerator<unknown> {
    const startedAtMs = this.#begin(call);
    let ended = false;
    try {
      const reading = this.#readInput(value);
      const input = reading instanceof Promise ? await reading : reading;
      const release = this.#admission === undefined ? undefined : await this.#admission.enter(call);
      const attempt = new Attempt(this.name, this.#timeoutMs, call);
      const scope = this.#usesRequestScope ? this.#running.requestScope(attempt) : undefined;
      try {
        const context = new RequestContext(this.#running, attempt, await this.#dependencies(scope));
        const answer = await this.#handler(input, context);
        if (typeof answer !== 'object' || answer === null || !(Symbol.asyncIterator in answer)) throw new TypeError(`endpoint '${this.name}' says that it streams, but its handler gave no async iterable: write async *handler() { yield … }`);
        const iterator = (answer as AsyncIterable<unknown>)[Symbol.asyncIterator]();
        const { output } = this.#definition;
        try {
          for (;;) {
            const next = await attempt.within(iterator.next());
            if (next.done === true) break;
            yield output === undefined ? next.value : await this.#checkAnswer(next.value, output);
          }
          ended = true;
        } finally {
          // A generator that hangs in an await never comes to its end: nobody waits for it.
          if (!ended) void iterator.return?.()?.then(undefined, () => {});
        }
      } finally {
        attempt.close();
        release?.();
        await scope?.dispose();
      }
      this.statistics.executed(1, 0, performance.now() - startedAtMs, 0);
      this.statistics.succeeded(call, startedAtMs);
    } catch (error) {
      ended = true;
      throw this.#fail(error, startedAtMs);
    } finally {
      // The reader left before the end.
      if (!ended) this.statistics.failed(cancelled(), startedAtMs);
      this.#end();
    }
  }

  /** Waits for requests under way. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopping = true;
    if (this.#active > 0) await new Promise<void>((resolve) => (this.#idle = resolve));
    await this.#batched?.[Symbol.asyncDispose]();
  }

  #begin(call: Call): number {
    if (this.#stopping) throw new ModelportError('UNAVAILABLE', `'${this.name}' is being replaced: try again`, { retryAfterSeconds: 1 });
    if (call.cancelled) throw cancelled();
    this.#active++;
    this.statistics.began();
    return performance.now();
  }

  #end(): void {
    this.#active--;
    if (this.#active === 0) this.#idle?.();
  }

  #readInput(value: unknown): unknown {
    if (this.#async) return this.#readAsync(value);
    try {
      return this.#read(value);
    } catch (error) {
      if (!isAsyncSchemaError(error)) throw error;
      this.#async = true;
      return this.#readAsync(value);
    }
  }

  async #admit(input: unknown, call: Call): Promise<unknown> {
    if (this.#admission === undefined) return this.#run(input, call);
    const release = await this.#admission.enter(call);
    try {
      return await this.#run(input, call);
    } finally {
      release();
    }
  }

  async #run(input: unknown, call: Call): Promise<unknown> {
    const attempt = new Attempt(this.name, this.#timeoutMs, call);
    if (this.#usesRequestScope) return this.#runScoped(input, attempt);
    try {
      const answer = this.#handler(input, new RequestContext(this.#running, attempt, await this.#dependencies(undefined)));
      return answer instanceof Promise ? await attempt.within(answer) : answer;
    } finally {
      attempt.close();
    }
  }

  async #runScoped(input: unknown, attempt: Attempt): Promise<unknown> {
    const scope = this.#running.requestScope(attempt);
    const work = (async () => {
      try {
        return await this.#handler(input, new RequestContext(this.#running, attempt, await this.#dependencies(scope)));
      } finally {
        // When the handler is done with them, however long that takes.
        await scope.dispose();
      }
    })();
    try {
      return await attempt.within(work);
    } finally {
      attempt.close();
    }
  }

  #serviceValues: Record<string, unknown> | undefined;

  #dependencies(scope: ReturnType<RunningService['requestScope']> | undefined): Record<string, unknown> | Promise<Record<string, unknown>> {
    const { dependencies } = this.#running.service;
    if (scope !== undefined) return scope.values(dependencies);
    // Made at the start, so they are there; asked for once.
    if (this.#serviceValues !== undefined) return this.#serviceValues;
    if (Object.keys(dependencies).length === 0) return (this.#serviceValues = {});
    return this.#running.serviceValues().then((values) => (this.#serviceValues = values));
  }

  async #runBatch(values: readonly unknown[], call: Call): Promise<readonly unknown[]> {
    const answers = await this.#run(values, call);
    if (!Array.isArray(answers) || answers.length !== values.length) {
      throw new TypeError(`endpoint '${this.name}' was given ${values.length} inputs and returned ${Array.isArray(answers) ? `${answers.length} answers` : 'no array'}: a batch handler returns one answer for each input, in their order`);
    }
    return answers;
  }

  async #checkAnswer(answer: unknown, output: z.ZodType): Promise<unknown> {
    const parsed = this.#async ? await output.safeParseAsync(answer) : output.safeParse(answer);
    if (parsed.success) return parsed.data;
    const issue = parsed.error.issues[0]!;
    const place = issue.path.map(String).join('.');
    throw new TypeError(`endpoint '${this.name}' answered what its output schema does not allow: ${place === '' ? '' : `${place}: `}${issue.message}`);
  }

  /** What a client is told: its own mistakes and what the handler says on purpose; of a defect only that there is one. */
  #fail(error: unknown, startedAtMs: number): unknown {
    const shown = isModelportError(error) ? error : this.#defect(error);
    this.statistics.failed(shown, startedAtMs);
    return shown;
  }

  #defect(error: unknown): ModelportError {
    const site = callSite(error);
    this.#running.host.log('error', `endpoint '${this.name}' failed${site === undefined ? '' : ` at ${site}`}`, { endpoint: this.name, error });
    return new ModelportError('RUN_FAILED', `endpoint '${this.name}' failed on this request; the server's log says why`, { cause: error });
  }
}
