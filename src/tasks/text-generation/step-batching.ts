/**
 * Streams of tokens that share steps of the model, wherever each of them is (continuous batching). A stream joins when it comes
 * and leaves when it is done; the others do not wait for it.
 *
 * - Every step reads one row a stream: new streams read their prompts together, then all streams read their last token together.
 * - Rows are lined up at their ends: what is before a shorter one is masked, and positions are told, so a row's tokens are
 *   those that it would have alone.
 * - While no stream joins or leaves, the cache that a step answers is the cache of the next one, uncopied: its memory is given to
 *   the instance that runs the step.
 */
import { setImmediate } from 'node:timers/promises';
import { Call } from '../../call.ts';
import { ModelportError } from '../../errors.ts';
import type { Model, TensorSpec } from '../../model.ts';
import type { Tensor } from '../../tensor.ts';
import { numbers } from '../classification/scores.ts';
import type { CachePlan } from './cache-plan.ts';
import { KeyValueCache } from './key-value-cache.ts';

export interface TokenStream {
  readonly promptIds: readonly number[];
  /** Whether nobody waits for it any more. */
  readonly cancelled: () => boolean;
  /** Gets the scores of all tokens at the next place, in an array that it may change and not keep; gives the token that is chosen, or undefined where the stream ends. */
  next(logits: Float64Array): number | undefined;
  /** Called once, when the stream ended: by itself, cancelled, or with an error. */
  end(error?: unknown): void;
}

interface Row {
  readonly stream: TokenStream;
  /** Prompt and answer. */
  readonly ids: number[];
}

const mostWaiting = 1000;
const longestTurnMs = 3;
/** Scores of one run: a model gives those of every token of a prompt, and 32 prompts of a thousand tokens would be six gigabytes. */
const mostScores = 16 << 20;

export class StepBatching {
  readonly #model: Model;
  readonly #plan: CachePlan;
  readonly #mostRows: number;
  readonly #waiting: TokenStream[] = [];
  #rows: Row[] = [];
  #cache: KeyValueCache;
  #scores = new Float64Array(0);
  #running: Promise<void> | undefined;
  #turnBeganMs = 0;
  /** Steps that were run, and rows of them. */
  steps = 0;
  stepRows = 0;

  constructor(model: Model, plan: CachePlan, mostRows: number) {
    this.#model = model;
    this.#plan = plan;
    this.#mostRows = mostRows;
    this.#cache = KeyValueCache.empty(plan.parts, 0);
  }

  /** Throws `QUEUE_FULL`. */
  add(stream: TokenStream): void {
    if (this.#waiting.length >= mostWaiting) throw new ModelportError('QUEUE_FULL', `${this.#waiting.length} texts wait to be continued already: try again later`, { retryAfterSeconds: 1 });
    this.#waiting.push(stream);
    // Streams that come in the same turn of the event loop begin together.
    this.#running ??= Promise.resolve().then(() => this.#run());
  }

  /** Resolves when no stream is left. */
  async idle(): Promise<void> {
    while (this.#running !== undefined) await this.#running;
  }

  async #run(): Promise<void> {
    this.#turnBeganMs = performance.now();
    while (this.#waiting.length > 0 || this.#rows.length > 0) {
      const gone = this.#rows.filter(({ stream }) => stream.cancelled());
      for (const { stream } of gone) stream.end();
      if (gone.length > 0) await this.#leave(new Set(gone));
      if (this.#waiting.length > 0 && this.#rows.length < this.#mostRows) await this.#join();
      if (this.#rows.length > 0) await this.#step(this.#rows, (row) => [row.ids.at(-1)!], this.#cache);
      // A model that runs on the event loop may answer without ever leaving it.
      await this.#pause();
    }
    this.#running = undefined;
  }

  /** Lets others have the event loop where it was held for a while. */
  async #pause(): Promise<void> {
    if (performance.now() - this.#turnBeganMs <= longestTurnMs) return;
    await setImmediate();
    this.#turnBeganMs = performance.now();
  }

  /** New streams read their prompts. */
  async #join(): Promise<void> {
    const streams = this.#waiting.splice(0, this.#joining(this.#mostRows - this.#rows.length));
    for (const stream of streams) if (stream.cancelled()) stream.end();
    const rows = streams.filter((stream) => !stream.cancelled()).map((stream) => ({ stream, ids: [...stream.promptIds] }));
    if (rows.length === 0) return;
    const before = { rows: this.#rows, cache: this.#cache };
    this.#rows = rows;
    await this.#step(rows, (row) => row.ids, KeyValueCache.empty(this.#plan.parts, rows.length));
    const joined = { rows: this.#rows, cache: this.#cache };
    this.#rows = [...before.rows, ...joined.rows];
    this.#cache =
      before.rows.length === 0 ? joined.cache : joined.rows.length === 0 ? before.cache : await KeyValueCache.join([before, joined].flatMap(({ rows: each, cache }) => each.map((_, row) => ({ cache, row }))));
  }

  /** How many of those that wait read their prompts in one run: what does not fit comes after the next step. */
  #joining(most: number): number {
    const size = this.#plan.logits.shape[2];
    if (typeof size !== 'number' || size < 1) return most;
    let longest = 0;
    for (let count = 0; count < most && count < this.#waiting.length; count++) {
      longest = Math.max(longest, this.#waiting[count]!.promptIds.length);
      if (count > 0 && (count + 1) * longest * size > mostScores) return count;
    }
    return most;
  }

  /** One run: each of `rows` reads what `read` says and chooses its next token. Rows that end leave. */
  async #step(rows: readonly Row[], read: (row: Row) => readonly number[], cache: KeyValueCache): Promise<void> {
    const hasCache = this.#plan.parts.length > 0;
    const ids = hasCache ? rows.map(read) : rows.map((row) => row.ids);
    const length = Math.max(...ids.map((row) => row.length));
    let logits: Tensor;
    try {
      const outputs = [this.#plan.logits.name, ...this.#plan.parts.map(({ output }) => output.name)];
      const response = await this.#model.infer!({ inputs: this.#inputs(ids, length, cache), outputs, givesAway: true }, new Call());
      this.#turnBeganMs = performance.now();
      logits = checkLogits(response.outputs.get(this.#plan.logits.name)!, rows.length);
      this.#cache = hasCache ? cache.grow(response.outputs, length, ids.map((row) => row.length)) : cache;
    } catch (error) {
      this.#rows = [];
      for (const { stream } of rows) stream.end(error);
      return;
    }
    this.steps++;
    this.stepRows += rows.length;
    const ended = new Map<Row, unknown>();
    for (const [index, row] of rows.entries()) {
      // To choose from fifty thousand scores takes up to two milliseconds.
      await this.#pause();
      try {
        const token = row.stream.next(this.#lastScores(logits, index));
        if (token === undefined) ended.set(row, undefined);
        else row.ids.push(token);
      } catch (error) {
        ended.set(row, error);
      }
    }
    for (const [{ stream }, error] of ended) stream.end(error);
    if (ended.size > 0) await this.#leave(new Set(ended.keys()));
  }

  /** A row's scores at its last place, until the next call. */
  #lastScores(logits: Tensor, row: number): Float64Array {
    const [, length, size] = logits.shape as [number, number, number];
    const end = (row + 1) * length * size;
    if (logits.datatype !== 'FP32') return numbers(logits, end - size, end);
    // One array for all rows of all steps: a vocabulary's scores are much memory.
    if (this.#scores.length !== size) this.#scores = new Float64Array(size);
    this.#scores.set((logits.data as Float32Array).subarray(end - size, end));
    return this.#scores;
  }

  async #leave(gone: ReadonlySet<Row>): Promise<void> {
    const cache = this.#cache;
    const left = this.#rows.flatMap((row, index) => (gone.has(row) ? [] : [{ row, index }]));
    this.#rows = left.map(({ row }) => row);
    if (left.length === 0) this.#cache = KeyValueCache.empty(this.#plan.parts, 0);
    else if (this.#plan.parts.length > 0) this.#cache = await KeyValueCache.join(left.map(({ index }) => ({ cache, row: index })));
  }

  #inputs(ids: readonly (readonly number[])[], length: number, cache: KeyValueCache): Map<string, Tensor> {
    const { tokens, branch } = this.#plan;
    const inputs = new Map<string, Tensor>();
    const add = (spec: TensorSpec | undefined, width: number, valueAt: (row: number, column: number) => number): void => {
      if (spec === undefined) return;
      const shape = [ids.length, width];
      const count = ids.length * width;
      if (spec.datatype === 'INT64') inputs.set(spec.name, { datatype: 'INT64', shape, data: BigInt64Array.from({ length: count }, (_, index) => BigInt(valueAt(Math.floor(index / width), index % width))) });
      else inputs.set(spec.name, { datatype: 'INT32', shape, data: Int32Array.from({ length: count }, (_, index) => valueAt(Math.floor(index / width), index % width)) });
    };
    const pad = (row: number): number => length - ids[row]!.length;
    const before = (row: number): number => (cache.lengths[row] ?? 0);
    add(tokens.ids, length, (row, column) => ids[row]![column - pad(row)] ?? 0);
    // The padding of the cache, then what is real of it, then the padding of what is read, then that.
    add(tokens.mask, cache.width + length, (row, column) => (column < cache.width ? (column >= cache.width - before(row) ? 1 : 0) : column - cache.width >= pad(row) ? 1 : 0));
    add(tokens.typeIds, length, () => 0);
    add(tokens.positions, length, (row, column) => Math.max(0, before(row) + column - pad(row)));
    for (const [name, tensor] of cache.tensors) inputs.set(name, tensor);
    if (branch !== undefined) inputs.set(branch.name, { datatype: 'BOOL', shape: [1], data: Uint8Array.of(cache.width > 0 ? 1 : 0) });
    return inputs;
  }
}

function checkLogits(logits: Tensor, rows: number): Tensor {
  const [batch, length, size] = logits.shape;
  if (batch !== rows || length === undefined || size === undefined || length < 1) throw new ModelportError('RUN_FAILED', `the logits are [${logits.shape.join(', ')}], but ${rows} rows of tokens were read`);
  return logits;
}
