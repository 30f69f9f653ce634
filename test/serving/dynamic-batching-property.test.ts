/**
 * What must hold whatever happens: no row reaches another request, no batch exceeds its limit, every request is answered
 * once and with an error only for a reason that it had, order is kept where asked, nothing waits for ever, nothing is left behind.
 *
 * A script of random events drives the scheduler on a clock that stands still; the model's runs end when the script says so.
 */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { Call } from '../../src/call.ts';
import { ModelportError } from '../../src/errors.ts';
import type { InferRequest, InferResponse } from '../../src/model.ts';
import { dynamicBatching, type DynamicBatchingModel } from '../../src/serving/dynamic-batching.ts';
import type { Tensor } from '../../src/tensor.ts';
import { ManualClock, microtasks } from './manual-clock.ts';
import { RecordingModel, signatureOf, spec, type Run } from './recording-model.ts';

const scripts = Number(process.env['MODELPORT_FUZZ_RUNS'] ?? 2000);

interface Options {
  readonly concurrency: number;
  readonly maxSize: number;
  readonly preferredSizes: readonly number[];
  readonly maxQueueDelayMs: number;
  readonly preserveOrder: boolean;
  readonly padding: boolean;
  readonly rerunAlone: boolean;
  readonly levels: number;
  readonly queueSize: number;
  readonly defaultTimeoutMs: number;
  readonly timeoutAction: 'reject' | 'delay';
}

type Event =
  | { readonly type: 'arrive'; readonly rows: number; readonly length: number; readonly priority: number; readonly deadlineInMs: number; readonly outputs: readonly string[] | undefined; readonly poisoned: boolean; readonly shared: number }
  | { readonly type: 'cancel'; readonly pick: number }
  | { readonly type: 'end-turn' }
  | { readonly type: 'advance'; readonly ms: number }
  | { readonly type: 'end-run'; readonly pick: number; readonly broken: boolean };

const options: fc.Arbitrary<Options> = fc.record({
  concurrency: fc.integer({ min: 1, max: 3 }),
  maxSize: fc.constantFrom(0, 1, 2, 4, 7),
  preferredSizes: fc.constantFrom([], [], [2], [2, 4]),
  maxQueueDelayMs: fc.constantFrom(0, 0, 0.5, 3, 20),
  preserveOrder: fc.boolean(),
  padding: fc.boolean(),
  rerunAlone: fc.boolean(),
  levels: fc.integer({ min: 1, max: 3 }),
  queueSize: fc.constantFrom(0, 0, 3),
  defaultTimeoutMs: fc.constantFrom(0, 0, 15),
  timeoutAction: fc.constantFrom('reject', 'delay'),
});

const events: fc.Arbitrary<Event[]> = fc.array(
  fc.oneof(
    {
      weight: 6,
      arbitrary: fc.record({
        type: fc.constant('arrive' as const),
        rows: fc.constantFrom(0, 1, 1, 1, 2, 3, 8),
        length: fc.integer({ min: 0, max: 3 }),
        priority: fc.integer({ min: 0, max: 4 }),
        deadlineInMs: fc.constantFrom(Infinity, Infinity, Infinity, 2, 10, 40),
        outputs: fc.constantFrom(undefined, ['y'], ['sum'], ['sum', 'y'], ['y', 'count']),
        poisoned: fc.constantFrom(false, false, false, false, false, true),
        shared: fc.constantFrom(1, 1, 1, 2),
      }),
    },
    { weight: 1, arbitrary: fc.record({ type: fc.constant('cancel' as const), pick: fc.nat() }) },
    { weight: 3, arbitrary: fc.record({ type: fc.constant('end-turn' as const) }) },
    { weight: 2, arbitrary: fc.record({ type: fc.constant('advance' as const), ms: fc.constantFrom(0.2, 1, 4, 30) }) },
    { weight: 3, arbitrary: fc.record({ type: fc.constant('end-run' as const), pick: fc.nat(), broken: fc.constantFrom(false, false, false, false, true) }) },
  ),
  { minLength: 1, maxLength: 60 },
);

/** Elements are unique over a script: request · 64 + row · 8 + column. Poison is told by the `poison` input. */
class Sent {
  readonly index: number;
  readonly event: Event & { type: 'arrive' };
  readonly call: Call;
  readonly arrivedAtMs: number;
  readonly request: InferRequest;
  readonly refusedAtOnce: boolean;
  cancelledWaiting = false;
  cancelled = false;
  settled = 0;
  answer: InferResponse | undefined;
  error: ModelportError | undefined;
  /** Runs that it was part of, with the other requests of each. */
  readonly runs: { readonly run: Run; readonly requests: readonly Sent[]; broken: boolean }[] = [];

  constructor(index: number, event: Event & { type: 'arrive' }, nowMs: number, maxSize: number, levels: number) {
    this.index = index;
    this.event = event;
    this.arrivedAtMs = nowMs;
    this.call = new Call({ priority: event.priority > levels ? 0 : event.priority, ...(event.deadlineInMs === Infinity ? {} : { deadlineMs: nowMs + event.deadlineInMs }) });
    const elements = Array.from({ length: event.rows }, (_, row) => Array.from({ length: event.length }, (_, column) => index * 64 + row * 8 + column)).flat();
    const inputs = new Map<string, Tensor>([
      ['x', { datatype: 'INT32', shape: [event.rows, event.length], data: Int32Array.from(elements) }],
      ['poison', { datatype: 'BOOL', shape: [1, event.rows], data: Uint8Array.from({ length: event.rows }, () => (event.poisoned ? 1 : 0)) }],
      ['owner', { datatype: 'INT64', shape: [event.rows], data: BigInt64Array.from({ length: event.rows }, () => BigInt(index)) }],
      ['shared', { datatype: 'FP32', shape: [], data: Float32Array.of(event.shared) }],
    ]);
    this.request = { inputs, ...(event.outputs === undefined ? {} : { outputs: event.outputs }) };
    this.refusedAtOnce = maxSize > 0 && event.rows > maxSize;
  }

  /** What the model says about these rows alone. */
  expected(): Map<string, { readonly shape: readonly number[]; readonly values: readonly number[] }> {
    const { rows, length, shared } = this.event;
    const elements = Array.from(this.request.inputs.get('x')!.data as Int32Array);
    const sums = Array.from({ length: rows }, (_, row) => elements.slice(row * length, (row + 1) * length).reduce((sum, value) => sum + value, 0) * shared);
    return new Map<string, { shape: readonly number[]; values: readonly number[] }>([
      ['y', { shape: [length, rows], values: transposed(elements.map((value) => value * shared), rows, length) }],
      ['sum', { shape: [rows], values: sums }],
    ]);
  }
}

function transposed(elements: readonly number[], rows: number, columns: number): number[] {
  return Array.from({ length: rows * columns }, (_, index) => elements[(index % rows) * columns + Math.floor(index / rows)]!);
}

/** `y` is x transposed, so its rows lie on axis 1; `sum` adds each row up; `count` belongs to the whole run. Pads count 0. */
function outputsOf(request: InferRequest): Map<string, Tensor> {
  const x = request.inputs.get('x')!;
  const shared = (request.inputs.get('shared')!.data as Float32Array)[0]!;
  const [rows, length] = x.shape as [number, number];
  const elements = Array.from(x.data as Int32Array, (value) => value * shared);
  const outputs = new Map<string, Tensor>([
    ['y', { datatype: 'INT32', shape: [length, rows], data: Int32Array.from(transposed(elements, rows, length)) }],
    ['sum', { datatype: 'INT32', shape: [rows], data: Int32Array.from({ length: rows }, (_, row) => elements.slice(row * length, (row + 1) * length).reduce((sum, value) => sum + value, 0)) }],
    ['count', { datatype: 'INT32', shape: [], data: Int32Array.of(rows) }],
  ]);
  return new Map([...outputs].filter(([name]) => request.outputs?.includes(name) ?? true));
}

const signature = (maxSize: number) =>
  signatureOf(
    [
      spec('x', ['rows', 'length'], { datatype: 'INT32', padValue: 0 }),
      spec('poison', [1, 'rows'], { datatype: 'BOOL', batchAxis: 1 }),
      spec('owner', ['rows'], { datatype: 'INT64' }),
      { name: 'shared', datatype: 'FP32', shape: [] },
    ],
    [spec('y', ['length', 'rows'], { datatype: 'INT32', batchAxis: 1 }), spec('sum', ['rows'], { datatype: 'INT32' }), { name: 'count', datatype: 'INT32', shape: [] }],
    maxSize,
  );

class Script {
  readonly #options: Options;
  readonly #clock = new ManualClock();
  readonly #model: RecordingModel;
  readonly #batching: DynamicBatchingModel;
  readonly #sent: Sent[] = [];
  readonly #answered: Sent[] = [];
  #seenRuns = 0;

  constructor(given: Options) {
    this.#options = given;
    this.#model = new RecordingModel(signature(given.maxSize));
    const { concurrency, maxQueueDelayMs, preserveOrder, padding, rerunAlone, levels, queueSize, defaultTimeoutMs, timeoutAction } = given;
    this.#batching = dynamicBatching(this.#model, {
      modelName: 'm',
      concurrency,
      preferredSizes: given.preferredSizes.filter((size) => size <= given.maxSize),
      maxQueueDelayMs,
      preserveOrder,
      padding,
      rerunAlone,
      queue: { maxSize: queueSize, defaultTimeoutMs, timeoutAction, levels: Array.from({ length: levels }, () => ({})) },
      clock: this.#clock,
    }) as DynamicBatchingModel;
  }

  async play(script: readonly Event[]): Promise<void> {
    for (const event of script) {
      await this.#step(event);
      this.#look();
    }
    await this.#finish();
    for (const sent of this.#sent) this.#judge(sent);
    this.#judgeOrder();
  }

  async #step(event: Event): Promise<void> {
    switch (event.type) {
      case 'arrive':
        return this.#arrive(event);
      case 'cancel':
        return this.#cancel(event.pick);
      case 'end-turn':
        await this.#clock.endTurn();
        return this.#nothingWaitsInVain();
      case 'advance':
        await this.#clock.advance(event.ms);
        return this.#nothingWaitsInVain();
      case 'end-run':
        this.#endRun(event.pick, event.broken);
        return microtasks();
    }
  }

  #arrive(event: Event & { type: 'arrive' }): void {
    const sent = new Sent(this.#sent.length, event, this.#clock.now(), this.#options.maxSize, this.#options.levels);
    this.#sent.push(sent);
    this.#batching.infer(sent.request, sent.call).then(
      (answer) => {
        sent.settled++;
        sent.answer = answer;
        this.#answered.push(sent);
      },
      (error: unknown) => {
        sent.settled++;
        sent.error = error as ModelportError;
        this.#answered.push(sent);
      },
    );
  }

  #cancel(pick: number): void {
    const sent = this.#sent[pick % Math.max(1, this.#sent.length)];
    if (sent === undefined || sent.settled > 0) return;
    this.#look();
    sent.cancelled = true;
    sent.cancelledWaiting = sent.runs.length === 0;
    sent.call.cancel();
  }

  #endRun(pick: number, broken: boolean): void {
    const { running } = this.#model;
    const run = running[pick % Math.max(1, running.length)];
    if (run === undefined) return;
    this.#look();
    const poisoned = (run.request.inputs.get('poison')!.data as Uint8Array).includes(1);
    for (const sent of this.#sent) for (const part of sent.runs) if (part.run === run) part.broken = broken;
    if (broken) run.fail(new ModelportError('UNAVAILABLE', 'the instance is gone'));
    else if (poisoned) run.fail(new ModelportError('RUN_FAILED', 'poisoned'));
    else run.end(outputsOf(run.request));
  }

  /** Checks each run when it is first seen. */
  #look(): void {
    expect(this.#model.running.length).toBeLessThanOrEqual(this.#options.concurrency);
    for (; this.#seenRuns < this.#model.runs.length; this.#seenRuns++) {
      const run = this.#model.runs[this.#seenRuns]!;
      const owners = Array.from(run.request.inputs.get('owner')!.data as BigInt64Array, Number);
      if (this.#options.maxSize > 0) expect(owners.length).toBeLessThanOrEqual(this.#options.maxSize);
      const requests = [...new Set(owners)].map((owner) => this.#sent[owner]!);
      const { rerunAlone } = this.#options;
      for (const sent of requests) {
        // Whole, in one piece, and at most once more: alone.
        expect(owners.filter((owner) => owner === sent.index)).toHaveLength(sent.event.rows);
        expect(owners.lastIndexOf(sent.index) - owners.indexOf(sent.index)).toBe(sent.event.rows - 1);
        expect(sent.cancelledWaiting).toBe(false);
        expect(sent.settled).toBe(0);
        expect(new Set(requests.map(({ event }) => event.shared)).size).toBe(1);
        if (sent.runs.length > 0) expect([requests.length, rerunAlone, sent.runs.length]).toEqual([1, true, 1]);
        if (this.#options.timeoutAction === 'reject' && sent.runs.length === 0) expect(run.call.timing.runStartedAtMs).toBeLessThanOrEqual(expiryOf(sent, this.#options));
        sent.runs.push({ run, requests, broken: false });
      }
    }
  }

  /** While a run could start, nothing waits longer than the queue delay. */
  #nothingWaitsInVain(): void {
    this.#look();
    if (this.#model.running.length === this.#options.concurrency) return;
    const { waiting } = this.#batching.occupancy();
    if (waiting === 0) return;
    const now = this.#clock.now();
    const unanswered = this.#sent.filter((sent) => sent.settled === 0 && sent.runs.length === 0 && sent.event.rows > 0);
    for (const sent of unanswered) expect(now - sent.arrivedAtMs).toBeLessThanOrEqual(this.#options.maxQueueDelayMs);
    expect(this.#options.maxQueueDelayMs).toBeGreaterThan(0);
  }

  async #finish(): Promise<void> {
    for (let round = 0; this.#sent.some((sent) => sent.settled === 0); round++) {
      expect(round).toBeLessThan(1_000);
      await this.#clock.advance(50);
      this.#look();
      this.#endRun(0, false);
      await microtasks();
    }
    expect(this.#batching.occupancy()).toEqual({ waiting: 0, running: 0 });
    await this.#batching[Symbol.asyncDispose]();
    expect(this.#model.disposed).toBe(1);
  }

  #judge(sent: Sent): void {
    expect(sent.settled).toBe(1);
    const { error, event } = sent;
    if (sent.answer !== undefined) {
      expect([sent.cancelled, sent.refusedAtOnce, event.poisoned && event.rows > 0]).toEqual([false, false, false]);
      this.#judgeAnswer(sent, sent.answer);
      return;
    }
    switch (error!.code) {
      case 'CANCELLED':
        return expect(sent.cancelled).toBe(true);
      case 'INVALID_REQUEST':
        return expect(sent.refusedAtOnce).toBe(true);
      case 'QUEUE_FULL':
        return expect(this.#options.queueSize).toBeGreaterThan(0);
      case 'DEADLINE_EXCEEDED':
        return expect(expiryOf(sent, this.#options)).toBeLessThan(Infinity);
      case 'RUN_FAILED':
        // A request without rows leaves no trace in a run, and is failed by its neighbours only.
        if (event.rows === 0) return expect(this.#options.rerunAlone).toBe(false);
        // Without running again alone, a neighbour may be to blame.
        return expect(sent.runs.at(-1)!.requests.some((other) => other.event.poisoned && (other === sent || !this.#options.rerunAlone))).toBe(true);
      case 'UNAVAILABLE':
        return expect(event.rows === 0 || sent.runs.at(-1)!.broken).toBe(true);
      default:
        throw error;
    }
  }

  #judgeAnswer(sent: Sent, answer: InferResponse): void {
    const names = sent.event.outputs ?? ['y', 'sum', 'count'];
    expect([...answer.outputs.keys()].sort()).toEqual([...names].sort());
    const expected = sent.expected();
    for (const [name, tensor] of answer.outputs) {
      if (name === 'count') {
        expect(Array.from(tensor.data as Int32Array)).toEqual([sent.event.rows]);
        continue;
      }
      expect(tensor.shape).toEqual(expected.get(name)!.shape);
      expect(Array.from(tensor.data as Int32Array)).toEqual(expected.get(name)!.values);
    }
  }

  #judgeOrder(): void {
    if (!this.#options.preserveOrder) return;
    const ran = this.#answered.filter((sent) => sent.answer !== undefined || sent.error!.code === 'RUN_FAILED').map((sent) => sent.index);
    expect(ran).toEqual([...ran].sort((a, b) => a - b));
  }
}

function expiryOf(sent: Sent, { defaultTimeoutMs }: Options): number {
  return Math.min(sent.arrivedAtMs + (defaultTimeoutMs || Infinity), sent.call.deadlineMs ?? Infinity);
}

it('fuzz: holds under random arrivals, sizes, priorities, cancellations, timeouts and failures', async () => {
  let runs = 0;
  await fc.assert(
    fc.asyncProperty(options, events, async (given, script) => {
      runs++;
      await new Script(given).play(script);
    }),
    { numRuns: scripts, seed: 20_241_118, endOnFailure: false },
  );
  expect(runs).toBeGreaterThanOrEqual(scripts);
}, 3_600_000);
