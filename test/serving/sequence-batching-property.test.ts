import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { Call } from '../../src/call.ts';
import { isModelportError } from '../../src/errors.ts';
import { modelConfigSchema } from '../../src/model-config.ts';
import { sequenceBatching } from '../../src/serving/sequence-batching.ts';
import type { Tensor } from '../../src/tensor.ts';
import { summingModel, type Run } from './summing-model.ts';

const runs = Number(process.env['MODELPORT_FUZZ_RUNS'] ?? 2000);

/** What a client does next. */
const action = fc.oneof(
  { weight: 8, arbitrary: fc.record({ kind: fc.constant('send' as const), id: fc.integer({ min: 1, max: 6 }), start: fc.boolean(), end: fc.boolean(), rate: fc.constantFrom(undefined, undefined, 2n), expires: fc.constantFrom(false, false, false, true) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('cancel' as const), which: fc.nat() }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('turn' as const), count: fc.integer({ min: 1, max: 3 }) }) },
);

const scenario = fc.record({
  strategy: fc.constantFrom('direct', 'oldest'),
  maxSize: fc.integer({ min: 0, max: 3 }),
  slots: fc.option(fc.integer({ min: 1, max: 4 }), { nil: undefined }),
  concurrency: fc.integer({ min: 1, max: 2 }),
  queueSize: fc.constantFrom(0, 3, 8),
  ready: fc.boolean(),
  /** Turns that the runs take, and whether they fail, in order, again and again. */
  work: fc.array(fc.record({ turns: fc.integer({ min: 0, max: 3 }), fails: fc.boolean() }), { minLength: 1, maxLength: 5 }),
  actions: fc.array(action, { maxLength: 40 }),
});

interface Sent {
  readonly id: number;
  readonly value: number;
  readonly start: boolean;
  readonly call: Call;
  readonly outcomes: (number | string)[];
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

test('fuzz: no state crosses sequences, order holds, every request is answered once, limits hold and slots come free', async () => {
  await fc.assert(
    fc.asyncProperty(scenario, async ({ strategy, maxSize, slots, concurrency, queueSize, ready, work, actions }) => {
      const fillsRows = ready && strategy === 'direct' && maxSize > 1;
      let started = 0;
      const before = async (_run: Run): Promise<void> => {
        const { turns, fails } = work[started++ % work.length]!;
        for (let count = 0; count < turns; count++) await turn();
        if (fails) throw new Error('the run failed');
      };
      const inner = summingModel({ maxSize, before, controls: ready ? [{ name: 'READY', datatype: 'BOOL', shape: ['N', 1], ...(maxSize > 0 ? { batchAxis: 0 } : {}) }] : [] });
      const model = sequenceBatching(inner, {
        modelName: 'm',
        concurrency,
        queue: { maxSize: queueSize },
        sequences: modelConfigSchema.parse({
          sequences: {
            strategy,
            maxSequences: fillsRows && slots !== undefined ? Math.min(slots, maxSize) : slots,
            states: [{ input: 'state', output: 'stateN' }],
            controls: ready ? [{ input: 'READY', kind: 'ready' }] : [],
          },
        }).sequences!,
      });
      const mostActive = strategy === 'oldest' ? (slots ?? 1024) : concurrency * (fillsRows && slots !== undefined ? Math.min(slots, maxSize) : (slots ?? Math.max(1, maxSize)));

      const sent: Sent[] = [];
      /** In the order in which they were answered, which within a sequence is the order of its runs. */
      const answered: Sent[] = [];
      const send = (id: number, start: boolean, end: boolean, rate: bigint | undefined, expires: boolean): Promise<void> => {
        const value = sent.length + 1;
        const call = new Call({ sequence: { id: BigInt(id), start, end }, ...(expires ? { deadlineMs: performance.now() + 0.05 } : {}) });
        const one: Sent = { id, value, start, call, outcomes: [] };
        sent.push(one);
        const inputs = new Map<string, Tensor>([['x', { datatype: 'FP32', shape: [1, 1], data: Float32Array.of(value) }]]);
        if (rate !== undefined) inputs.set('rate', { datatype: 'INT64', shape: [], data: BigInt64Array.of(rate) });
        return model.infer({ inputs }, call).then(
          (response) => {
            one.outcomes.push((response.outputs.get('sum')!.data as Float32Array)[0]!);
            answered.push(one);
          },
          (error: unknown) => {
            one.outcomes.push(isModelportError(error) ? error.code : (error as Error).message);
            answered.push(one);
          },
        );
      };

      const answers: Promise<void>[] = [];
      for (const next of actions) {
        if (next.kind === 'send') answers.push(send(next.id, next.start, next.end, next.rate, next.expires));
        else if (next.kind === 'cancel') sent[next.which % Math.max(1, sent.length)]?.call.cancel();
        else for (let count = 0; count < next.count; count++) await turn();
        const { active, stateBytes } = model.occupancy();
        expect(active).toBeLessThanOrEqual(mostActive);
        expect(stateBytes).toBeLessThanOrEqual(active * 48);
      }
      // Sequences that nobody ends would wait for their idle timeout: unloading ends them and answers all that waits.
      await model[Symbol.asyncDispose]();
      await Promise.all(answers);

      for (const one of sent) expect(one.outcomes).toHaveLength(1);
      expect(model.occupancy()).toEqual({ active: 0, waiting: 0, stateBytes: 0 });
      expect(inner.mostAtOnce()).toBeLessThanOrEqual(concurrency);
      for (const run of inner.runs) expect(run.rows).toBeLessThanOrEqual(Math.max(1, maxSize));
      expectSums(sent, inner.runs);
      const order = new Map<number, number>();
      for (const one of answered) {
        if (typeof one.outcomes[0] !== 'number') continue;
        expect(one.value).toBeGreaterThan(order.get(one.id) ?? 0);
        order.set(one.id, one.value);
      }
    }),
    { numRuns: runs, seed: 20261121 },
  );
});

/**
 * Replays the runs: which value met which state. A sequence's state must be the sum of the values of its own requests that
 * ran since its last START, and the answer that sum.
 */
function expectSums(sent: readonly Sent[], allRuns: readonly Run[]): void {
  const byValue = new Map(sent.map((one) => [one.value, one]));
  const sums = new Map<number, number>();
  const ran = new Set<number>();
  for (const run of allRuns) {
    const x = run.request.inputs.get('x')!.data as Float32Array;
    const state = run.request.inputs.get('state')!.data as Float64Array;
    const readyRows = run.request.inputs.get('READY')?.data as Uint8Array | undefined;
    const rate = Number((run.request.inputs.get('rate')?.data as BigInt64Array | undefined)?.[0] ?? 1n);
    const ids = new Set<number>();
    x.forEach((value, row) => {
      if (readyRows !== undefined && readyRows[row] === 0) return expect(value).toBe(0);
      const one = byValue.get(value)!;
      expect(ran.has(value)).toBe(false);
      ran.add(value);
      expect(ids.has(one.id)).toBe(false);
      ids.add(one.id);
      const held = state[row * 3]!;
      const outcome = one.outcomes[0];
      if (one.start) expect(held).toBe(0);
      else expect(held).toBe(sums.get(one.id) ?? 0);
      if (typeof outcome === 'number') expect(outcome).toBe(held + value * rate);
      // The run of a caller who left counts too.
      sums.set(one.id, run.failed ? held : held + value * rate);
    });
  }
  for (const one of sent) if (typeof one.outcomes[0] === 'number') expect(ran.has(one.value)).toBe(true);
}
