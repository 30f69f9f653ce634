/** What a service needs of the server around it. The composition root has it. */
import type { Call } from '../call.ts';
import type { Model } from '../model.ts';
import type { StatisticsSnapshot } from '../repository.ts';

export interface BatchFunctionOptions {
  readonly name: string;
  readonly maxSize: number;
  readonly maxDelayMs: number;
  /** Batches that may run at once. */
  readonly concurrency: number;
  /** Requests that may wait. */
  readonly maxQueueSize: number;
}

/** One value among others. `dispose` waits for those under way. */
export interface BatchedFunction extends AsyncDisposable {
  /** Rejects with `QUEUE_FULL`, `CANCELLED`, `DEADLINE_EXCEEDED`, and with what the batch rejects with. */
  run(value: unknown, call: Call): Promise<unknown>;
}

/** Counts how requests end. */
export interface EndpointStatistics {
  began(): void;
  succeeded(call: Call, startedAtMs: number): void;
  failed(error: unknown, startedAtMs: number): void;
  executed(rows: number, computeInputMs: number, computeInferMs: number, computeOutputMs: number): void;
  snapshot(): StatisticsSnapshot;
}

export interface ServiceHost {
  /** A model or endpoint that is served, by name. Throws `NOT_FOUND`, `UNAVAILABLE`. */
  lookup(name: string): Model;
  /** The name under which the model of a path is served. Throws `NOT_FOUND`. */
  nameOf(path: string): string;
  /** Runs values of concurrent requests together. `runBatch` gives as many answers as it gets values. */
  batch(runBatch: (values: readonly unknown[], call: Call) => Promise<readonly unknown[]>, options: BatchFunctionOptions): BatchedFunction;
  createStatistics(): EndpointStatistics;
  log(level: 'info' | 'warn' | 'error', text: string, facts: { readonly endpoint?: string; readonly service?: string; readonly error?: unknown }): void;
}
