import { mkdtemp, mkdir, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { Call } from '../../src/call.ts';
import { modelConfigSchema, type SequencesConfig } from '../../src/model-config.ts';
import type { InferResponse, Model, TensorSpec } from '../../src/model.ts';
import { sequenceBatching, type SequenceBatchingModel, type SequenceBatchingOptions } from '../../src/serving/sequence-batching.ts';
import { readInitialStates } from '../../src/serving/sequence-states.ts';
import type { Tensor } from '../../src/tensor.ts';
import { summingModel } from './summing-model.ts';

type Written = NonNullable<Parameters<typeof modelConfigSchema.parse>[0]> & object;
const state = { input: 'state', output: 'stateN' };

function sequences(written: Written = {}): SequencesConfig {
  return modelConfigSchema.parse({ sequences: { states: [state], ...written } }).sequences!;
}

function schedule(model: Model, written: Written = {}, options: Partial<SequenceBatchingOptions> = {}): SequenceBatchingModel {
  return sequenceBatching(model, { modelName: 'm', sequences: sequences(written), concurrency: 1, ...options });
}

function ask(x: number, rate?: bigint): { inputs: Map<string, Tensor> } {
  const inputs = new Map<string, Tensor>([['x', { datatype: 'FP32', shape: [1, 1], data: Float32Array.of(x) }]]);
  if (rate !== undefined) inputs.set('rate', { datatype: 'INT64', shape: [], data: BigInt64Array.of(rate) });
  return { inputs };
}

function at(id: bigint | string, flags = '', options: { deadlineMs?: number } = {}): Call {
  return new Call({ sequence: { id, start: flags.includes('S'), end: flags.includes('E') }, ...options });
}

const sumOf = (response: InferResponse): number => (response.outputs.get('sum')!.data as Float32Array)[0]!;

/** A gate that runs stand at until it opens. */
function gate(): { wait: () => Promise<void>; open: () => void } {
  let open = (): void => {};
  const opened = new Promise<void>((resolve) => (open = resolve));
  return { wait: () => opened, open };
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(() => setImmediate(resolve)));

describe('what clients see', () => {
  test('controls and states are not part of the signature', () => {
    const control: TensorSpec = { name: 'START', datatype: 'INT32', shape: ['N', 1], batchAxis: 0 };
    const model = schedule(summingModel({ controls: [control] }), { controls: [{ input: 'START', kind: 'start' }] });
    expect(model.signature.inputs.map((input) => input.name)).toEqual(['x', 'rate']);
    expect(model.signature.outputs.map((output) => output.name)).toEqual(['sum']);
  });

  test('states that the model declares itself are used where the config names none', async () => {
    const inner = summingModel();
    const declared = { ...inner, signature: { ...inner.signature, states: [state] } };
    const model = schedule(declared, { states: [] });
    expect(model.signature.states).toBeUndefined();
    await model.infer(ask(2), at(1n, 'S'));
    expect(sumOf(await model.infer(ask(3), at(1n)))).toBe(5);
  });

  test('only the asked outputs are answered, and the state is kept all the same', async () => {
    const inner = summingModel();
    const model = schedule(inner);
    const response = await model.infer({ ...ask(2), outputs: [] }, at(1n, 'S'));
    expect([...response.outputs.keys()]).toEqual([]);
    expect(inner.runs[0]!.request.outputs).toEqual(['stateN']);
    expect([...(await model.infer(ask(3), at(1n))).outputs.entries()]).toMatchObject([['sum', { data: Float32Array.of(5) }]]);
  });

  test('timing and observer tell where the time went', async () => {
    const seen: number[][] = [];
    const model = schedule(summingModel(), {}, { observer: { executed: (...run) => seen.push(run) } });
    const calls = [at(1n, 'S'), at(2n, 'S')];
    await Promise.all(calls.map((call) => model.infer(ask(1), call)));
    expect(seen).toHaveLength(1);
    expect(seen[0]![0]).toBe(2);
    for (const { timing } of calls) {
      expect(timing.batchSize).toBe(2);
      const times = [timing.queuedAtMs, timing.dequeuedAtMs, timing.runStartedAtMs, timing.runEndedAtMs];
      expect(times).toEqual([...times].sort((a, b) => a - b));
      expect(timing.queuedAtMs).toBeGreaterThan(0);
    }
  });
});

describe('a sequence', () => {
  test.each(['direct', 'oldest'])('carries its state from START to END (%s)', async (strategy) => {
    const model = schedule(summingModel(), { strategy });
    const answers = await Promise.all([model.infer(ask(1), at(7n, 'S')), model.infer(ask(2), at(7n)), model.infer(ask(3), at(7n, 'E'))]);
    expect(answers.map(sumOf)).toEqual([1, 3, 6]);
    expect(model.occupancy()).toEqual({ active: 0, waiting: 0, stateBytes: 0 });
  });

  test('numbers and text are different ids', async () => {
    const model = schedule(summingModel());
    await Promise.all([model.infer(ask(1), at(7n, 'S')), model.infer(ask(10), at('7', 'S'))]);
    expect(sumOf(await model.infer(ask(1), at(7n)))).toBe(2);
    expect(sumOf(await model.infer(ask(1), at('7')))).toBe(11);
  });

  test('START and END in one request is a sequence of one', async () => {
    const model = schedule(summingModel());
    expect(sumOf(await model.infer(ask(5), at(1n, 'SE')))).toBe(5);
    expect(model.occupancy().active).toBe(0);
  });

  test('START on an active sequence begins it anew', async () => {
    const model = schedule(summingModel());
    const answers = await Promise.all([model.infer(ask(1), at(1n, 'S')), model.infer(ask(2), at(1n)), model.infer(ask(5), at(1n, 'S')), model.infer(ask(6), at(1n))]);
    expect(answers.map(sumOf)).toEqual([1, 3, 5, 11]);
    expect(model.occupancy().active).toBe(1);
  });

  test('a new sequence with the id of one that is ending begins after it', async () => {
    const first = gate();
    const inner = summingModel({ before: () => first.wait() });
    const model = schedule(inner, { strategy: 'oldest' });
    const answers = [model.infer(ask(1), at(1n, 'S')), model.infer(ask(2), at(1n, 'E')), model.infer(ask(10), at(1n, 'SE')), model.infer(ask(20), at(1n, 'S'))];
    await turn();
    expect(inner.runs).toHaveLength(1);
    first.open();
    expect((await Promise.all(answers)).map(sumOf)).toEqual([1, 3, 10, 20]);
    expect(model.occupancy().active).toBe(1);
  });

  test('has to be named and started', async () => {
    const model = schedule(summingModel());
    await expect(model.infer(ask(1), new Call())).rejects.toMatchObject({ code: 'INVALID_REQUEST', message: "inference request to model 'm' must specify a non-zero or non-empty correlation ID" });
    await expect(model.infer(ask(1), at(0n, 'S'))).rejects.toMatchObject({ code: 'INVALID_REQUEST' });
    await expect(model.infer(ask(1), at('', 'S'))).rejects.toMatchObject({ code: 'INVALID_REQUEST' });
    const notStarted = { code: 'INVALID_REQUEST', message: "inference request for sequence 9 to model 'm' must specify the START flag on the first request of the sequence" };
    await expect(model.infer(ask(1), at(9n))).rejects.toMatchObject(notStarted);
    await model.infer(ask(1), at(9n, 'SE'));
    await expect(model.infer(ask(1), at(9n))).rejects.toMatchObject(notStarted);
    expect(model.occupancy()).toEqual({ active: 0, waiting: 0, stateBytes: 0 });
  });

  test('requests have one row', async () => {
    const model = schedule(summingModel());
    const two = { inputs: new Map<string, Tensor>([['x', { datatype: 'FP32', shape: [2, 1], data: Float32Array.of(1, 2) }]]) };
    await expect(model.infer(two, at(1n, 'S'))).rejects.toMatchObject({ code: 'INVALID_REQUEST', message: "inference request to model 'm' must specify batch-size 1 due to requirements of sequence batcher" });
  });

  test('a failed run fails its requests, and the state stays what it was', async () => {
    let failing = false;
    const model = schedule(summingModel({ before: async () => { if (failing) throw new Error('no'); } }));
    await model.infer(ask(1), at(1n, 'S'));
    failing = true;
    await expect(model.infer(ask(100), at(1n))).rejects.toThrow('no');
    failing = false;
    expect(sumOf(await model.infer(ask(2), at(1n)))).toBe(3);
  });

  test('a failed START leaves nothing of the sequence before it', async () => {
    let failing = false;
    const model = schedule(summingModel({ before: async () => { if (failing) throw new Error('no'); } }));
    await model.infer(ask(1), at(1n, 'S'));
    failing = true;
    await expect(model.infer(ask(100), at(1n, 'S'))).rejects.toThrow('no');
    failing = false;
    expect(sumOf(await model.infer(ask(2), at(1n)))).toBe(2);
  });

  test('a model that forgets its state is told', async () => {
    const inner = summingModel();
    const forgetful: Model = { ...inner, infer: async (request, call) => ({ outputs: new Map([...(await inner.infer(request, call)).outputs].slice(0, 1)) }) };
    await expect(schedule(forgetful).infer(ask(1), at(1n, 'S'))).rejects.toMatchObject({ code: 'RUN_FAILED', message: expect.stringContaining("'stateN'") });
  });

  test('runs are marked as those of a sequence, so that nobody retries them', async () => {
    const inner = summingModel();
    await schedule(inner).infer(ask(1), at(4n, 'S'));
    expect(inner.runs[0]!.call.sequence).toEqual({ id: 4n, start: true, end: false });
  });
});

describe('runs', () => {
  test.each(['direct', 'oldest'])('requests of one turn run together, each with its own state (%s)', async (strategy) => {
    const inner = summingModel();
    const model = schedule(inner, { strategy });
    await Promise.all([1n, 2n, 3n].map((id) => model.infer(ask(Number(id)), at(id, 'S'))));
    const answers = await Promise.all([1n, 2n, 3n].map((id) => model.infer(ask(10), at(id))));
    expect(answers.map(sumOf)).toEqual([11, 12, 13]);
    expect(inner.runs.map((run) => run.rows)).toEqual([3, 3]);
  });

  test('tensors without rows join only when equal', async () => {
    const inner = summingModel();
    const model = schedule(inner);
    const answers = await Promise.all([model.infer(ask(1, 2n), at(1n, 'S')), model.infer(ask(1, 3n), at(2n, 'S')), model.infer(ask(5, 2n), at(3n, 'S')), model.infer(ask(1), at(4n, 'S'))]);
    expect(answers.map(sumOf)).toEqual([2, 3, 10, 1]);
    expect(inner.runs.map((run) => run.rows).sort((a, b) => a - b)).toEqual([1, 1, 2]);
  });

  test('a model without a batch axis runs every request alone', async () => {
    const inner = summingModel({ maxSize: 0 });
    const model = schedule(inner, { strategy: 'oldest' });
    const answers = await Promise.all([1n, 2n].flatMap((id) => [model.infer(ask(Number(id)), at(id, 'S')), model.infer(ask(1), at(id))]));
    expect(answers.map(sumOf)).toEqual([1, 2, 2, 3]);
    expect(inner.runs.map((run) => run.rows)).toEqual([1, 1, 1, 1]);
    expect(inner.mostAtOnce()).toBe(1);
  });

  test('as many runs at once as there are instances', async () => {
    const doors = gate();
    const inner = summingModel({ maxSize: 0, before: () => doors.wait() });
    const model = schedule(inner, { strategy: 'oldest' }, { concurrency: 2 });
    const answers = Promise.all([1n, 2n, 3n].map((id) => model.infer(ask(1), at(id, 'S'))));
    await turn();
    expect(inner.runs).toHaveLength(2);
    doors.open();
    await answers;
    expect(inner.mostAtOnce()).toBe(2);
  });

  test('oldest: whoever came first runs first', async () => {
    const doors = gate();
    const inner = summingModel({ maxSize: 0, before: () => doors.wait() });
    const model = schedule(inner, { strategy: 'oldest' });
    const done: bigint[] = [];
    const send = (id: bigint, flags = ''): Promise<unknown> => model.infer(ask(1), at(id, flags)).then(() => done.push(id));
    const all = Promise.all([send(3n, 'S'), send(1n, 'S'), send(3n), send(2n, 'S'), send(1n)]);
    await turn();
    doors.open();
    await all;
    expect(done).toEqual([3n, 1n, 3n, 2n, 1n]);
  });

  test('pinned instances: a sequence stays where it began', async () => {
    const instances = [summingModel({ maxSize: 0 }), summingModel({ maxSize: 0 })];
    const model = schedule(instances[0]!, { strategy: 'direct' }, { instances, concurrency: 2 });
    for (const flags of ['S', '', 'E']) await Promise.all([1n, 2n].map((id) => model.infer(ask(1), at(id, flags))));
    const ids = instances.map((instance) => new Set(instance.runs.map((run) => run.call.sequence!.id)));
    expect(ids.map((set) => set.size)).toEqual([1, 1]);
    expect(instances.map((instance) => instance.runs.length)).toEqual([3, 3]);
  });
});

describe('controls', () => {
  const control = (name: string, datatype: TensorSpec['datatype']): TensorSpec => ({ name, datatype, shape: ['N', 1], batchAxis: 0 });
  const specs = [control('START', 'INT32'), control('END', 'FP32'), control('READY', 'BOOL'), control('CORRID', 'UINT64')];
  const written = {
    controls: [
      { input: 'START', kind: 'start', falseTrue: [-1, 1] },
      { input: 'END', kind: 'end', datatype: 'FP32' },
      { input: 'READY', kind: 'ready' },
      { input: 'CORRID', kind: 'correlation-id' },
    ],
  };
  const seen = (run: { request: { inputs: ReadonlyMap<string, Tensor> } }): Record<string, unknown[]> =>
    Object.fromEntries(['START', 'END', 'READY', 'CORRID', 'x'].map((name) => [name, [...(run.request.inputs.get(name)!.data as Iterable<unknown>)]]));

  test('rows keep their slots, and slots without a request are not ready', async () => {
    const inner = summingModel({ controls: specs });
    const model = schedule(inner, written);
    await Promise.all([11n, 12n, 13n].map((id) => model.infer(ask(Number(id)), at(id, 'S'))));
    expect(seen(inner.runs[0]!)).toEqual({ START: [1, 1, 1], END: [0, 0, 0], READY: [1, 1, 1], CORRID: [11n, 12n, 13n], x: [11, 12, 13] });
    const answers = await Promise.all([model.infer(ask(3), at(13n, 'E')), model.infer(ask(1), at(11n))]);
    expect(answers.map(sumOf)).toEqual([16, 12]);
    expect(seen(inner.runs[1]!)).toEqual({ START: [-1, -1, -1], END: [0, 0, 1], READY: [1, 0, 1], CORRID: [11n, 0n, 13n], x: [1, 0, 3] });
    expect(sumOf(await model.infer(ask(1), at(12n)))).toBe(13);
  });

  test('oldest: every row is ready and none is filled up', async () => {
    const inner = summingModel({ controls: specs });
    const model = schedule(inner, { ...written, strategy: 'oldest' });
    for (const flags of ['S', 'E']) await Promise.all([12n, 11n].map((id) => model.infer(ask(1), at(id, flags))));
    expect(seen(inner.runs[1]!)).toEqual({ START: [-1, -1], END: [1, 1], READY: [1, 1], CORRID: [12n, 11n], x: [1, 1] });
  });

  test('without a ready control only rows with requests run', async () => {
    const inner = summingModel({ controls: specs.slice(0, 1) });
    const model = schedule(inner, { controls: written.controls.slice(0, 1) });
    await Promise.all([1n, 2n, 3n].map((id) => model.infer(ask(1), at(id, 'S'))));
    await Promise.all([3n, 1n].map((id) => model.infer(ask(1), at(id))));
    expect(inner.runs.map((run) => run.rows)).toEqual([3, 2]);
  });

  test('an id that the model cannot take is refused', async () => {
    const small = summingModel({ controls: [control('CORRID', 'INT32')] });
    const model = schedule(small, { controls: [written.controls[3]] });
    await expect(model.infer(ask(1), at('abc', 'S'))).rejects.toMatchObject({ code: 'INVALID_REQUEST', message: expect.stringContaining("'abc'") });
    await expect(model.infer(ask(1), at(2n ** 31n, 'S'))).rejects.toMatchObject({ code: 'INVALID_REQUEST' });
    await model.infer(ask(1), at(2n ** 31n - 1n, 'S'));
    const text = summingModel({ controls: [control('CORRID', 'BYTES')] });
    await schedule(text, { controls: [written.controls[3]] }).infer(ask(1), at('abc', 'S'));
    expect(Buffer.from((text.runs[0]!.request.inputs.get('CORRID')!.data as Uint8Array[])[0]!).toString()).toBe('abc');
  });
});

describe('limits', () => {
  test('sequences beyond the slots wait, first come first served', async () => {
    const model = schedule(summingModel({ maxSize: 2 }));
    const first = await Promise.all([1n, 2n].map((id) => model.infer(ask(1), at(id, 'S'))));
    expect(first.map(sumOf)).toEqual([1, 1]);
    const waiting = [3n, 4n].map((id) => model.infer(ask(Number(id)), at(id, 'S')));
    const more = model.infer(ask(30), at(3n));
    await turn();
    expect(model.occupancy()).toMatchObject({ active: 2, waiting: 2 });
    await model.infer(ask(1), at(2n, 'E'));
    expect([sumOf(await waiting[0]!), sumOf(await more)]).toEqual([3, 33]);
    expect(model.occupancy()).toMatchObject({ active: 2, waiting: 1 });
    await model.infer(ask(1), at(1n, 'E'));
    expect(sumOf(await waiting[1]!)).toBe(4);
  });

  test('the queue has a limit', async () => {
    const model = schedule(summingModel({ maxSize: 1 }), {}, { queue: { maxSize: 2 } });
    await model.infer(ask(1), at(1n, 'S'));
    const waiting = [2n, 3n].map((id) => model.infer(ask(1), at(id, 'S')));
    await expect(model.infer(ask(1), at(4n, 'S'))).rejects.toMatchObject({ code: 'QUEUE_FULL', message: expect.stringMatching(/^Exceeds maximum queue size/), retryAfterSeconds: 1 });
    await expect(model.infer(ask(1), at(1n, 'E'))).rejects.toMatchObject({ code: 'QUEUE_FULL' });
    expect(model.occupancy().waiting).toBe(2);
    void waiting;
  });

  test('states are held back when they would take too much memory', async () => {
    const model = schedule(summingModel(), {}, { maxStateBytes: 2 * 48 });
    await Promise.all([1n, 2n].map((id) => model.infer(ask(1), at(id, 'S'))));
    expect(model.occupancy()).toEqual({ active: 2, waiting: 0, stateBytes: 96 });
    const third = model.infer(ask(9), at(3n, 'S'));
    await turn();
    expect(model.occupancy()).toEqual({ active: 2, waiting: 1, stateBytes: 96 });
    await model.infer(ask(1), at(1n, 'E'));
    expect(sumOf(await third)).toBe(9);
    expect(() => schedule(summingModel(), {}, { maxStateBytes: 47 })).toThrow(/48 bytes/);
  });

  test('a state that grows beyond the limit ends its sequence', async () => {
    const growing: Model = {
      signature: {
        inputs: [{ name: 'x', datatype: 'UINT8', shape: [-1] }, { name: 'past', datatype: 'UINT8', shape: [-1] }],
        outputs: [{ name: 'now', datatype: 'UINT8', shape: [-1] }],
        batch: { maxSize: 0, reason: 'test' },
      },
      infer: async ({ inputs }) => {
        const data = Uint8Array.of(...(inputs.get('past')!.data as Uint8Array), ...(inputs.get('x')!.data as Uint8Array));
        return { outputs: new Map([['now', { datatype: 'UINT8', shape: [data.length], data }]]) };
      },
      [Symbol.asyncDispose]: async () => {},
    };
    const model = schedule(growing, { states: [{ input: 'past', output: 'now', shape: [0] }], strategy: 'oldest' }, { maxStateBytes: 10 });
    const send = (length: number, call: Call): Promise<InferResponse> => model.infer({ inputs: new Map([['x', { datatype: 'UINT8', shape: [length], data: new Uint8Array(length) }]]) }, call);
    await send(4, at(1n, 'S'));
    await send(4, at(1n));
    expect(model.occupancy().stateBytes).toBe(8);
    const over = send(4, at(1n));
    const after = send(1, at(1n));
    await expect(over).rejects.toMatchObject({ code: 'RUN_FAILED', message: expect.stringContaining('grew to 12 bytes') });
    await expect(after).rejects.toMatchObject({ code: 'INVALID_REQUEST' });
    expect(model.occupancy()).toEqual({ active: 0, waiting: 0, stateBytes: 0 });
  });

  test('a kept state does not keep the output of the whole run alive', async () => {
    const inner = summingModel();
    const model = schedule(inner);
    await Promise.all([1n, 2n, 3n].map((id) => model.infer(ask(1), at(id, 'S'))));
    await model.infer(ask(1), at(2n));
    const held = inner.runs[1]!.request.inputs.get('state')!.data as Float64Array;
    expect(held.buffer.byteLength).toBe(48);
  });
});

describe('withdrawal', () => {
  test('a cancelled request that has not run is removed, the others keep their order', async () => {
    const doors = gate();
    const model = schedule(summingModel({ before: () => doors.wait() }));
    const first = model.infer(ask(1), at(1n, 'S'));
    await turn();
    const gone = at(1n);
    const second = model.infer(ask(100), gone);
    const third = model.infer(ask(2), at(1n));
    gone.cancel();
    await expect(second).rejects.toMatchObject({ code: 'CANCELLED' });
    doors.open();
    expect([sumOf(await first), sumOf(await third)]).toEqual([1, 3]);
  });

  test('a request that is cancelled in its run is answered at once, and its state counts', async () => {
    const doors = gate();
    const model = schedule(summingModel({ before: () => doors.wait() }));
    const call = at(1n, 'S');
    const answer = model.infer(ask(1), call);
    await turn();
    call.cancel();
    await expect(answer).rejects.toMatchObject({ code: 'CANCELLED' });
    const next = model.infer(ask(2), at(1n));
    doors.open();
    expect(sumOf(await next)).toBe(3);
  });

  test('without its START a sequence does not go on', async () => {
    const doors = gate();
    const model = schedule(summingModel({ maxSize: 1, before: () => doors.wait() }));
    const busy = model.infer(ask(1), at(1n, 'SE'));
    const start = at(2n, 'S');
    const answers = [model.infer(ask(1), start), model.infer(ask(2), at(2n)), model.infer(ask(3), at(2n, 'S'))].map((answer) => answer.then(sumOf, (error: { code: string }) => error.code));
    start.cancel();
    doors.open();
    await busy;
    expect(await Promise.all(answers)).toEqual(['CANCELLED', 'INVALID_REQUEST', 3]);
    const restart = at(2n, 'S');
    const restarted = model.infer(ask(1), restart);
    restart.cancel();
    await expect(restarted).rejects.toMatchObject({ code: 'CANCELLED' });
    await expect(model.infer(ask(1), at(2n))).rejects.toMatchObject({ code: 'INVALID_REQUEST' });
    expect(model.occupancy()).toEqual({ active: 0, waiting: 0, stateBytes: 0 });
  });

  test('a cancelled END still ends the sequence', async () => {
    const model = schedule(summingModel());
    await model.infer(ask(1), at(1n, 'S'));
    const end = at(1n, 'E');
    const answer = model.infer(ask(1), end);
    end.cancel();
    await expect(answer).rejects.toMatchObject({ code: 'CANCELLED' });
    expect(model.occupancy().active).toBe(0);
  });

  test('a sequence that waits behind its predecessor can be withdrawn', async () => {
    const doors = gate();
    const model = schedule(summingModel({ before: () => doors.wait() }));
    const first = model.infer(ask(1), at(1n, 'SE'));
    await turn();
    const gone = at(1n, 'SE');
    const second = model.infer(ask(2), gone);
    const third = model.infer(ask(3), at(1n, 'SE'));
    gone.cancel();
    await expect(second).rejects.toMatchObject({ code: 'CANCELLED' });
    doors.open();
    expect([sumOf(await first), sumOf(await third)]).toEqual([1, 3]);
    expect(model.occupancy()).toEqual({ active: 0, waiting: 0, stateBytes: 0 });
  });

  test('a call that is cancelled already never enters', async () => {
    const inner = summingModel();
    const call = at(1n, 'S');
    call.cancel();
    await expect(schedule(inner).infer(ask(1), call)).rejects.toMatchObject({ code: 'CANCELLED' });
    expect(inner.runs).toHaveLength(0);
  });
});

describe('time', () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());
  const advance = (ms: number): Promise<unknown> => vi.advanceTimersByTimeAsync(ms);

  test('an idle sequence ends, and its slot goes to one that waits', async () => {
    const model = schedule(summingModel({ maxSize: 1 }), { idleTimeoutMs: 1000 });
    const first = model.infer(ask(1), at(1n, 'S'));
    await advance(1);
    await first;
    await advance(900);
    const again = model.infer(ask(1), at(1n));
    const second = model.infer(ask(5), at(2n, 'S'));
    await advance(1);
    expect(sumOf(await again)).toBe(2);
    await advance(990);
    expect(model.occupancy()).toMatchObject({ active: 1, waiting: 1 });
    await advance(20);
    expect(sumOf(await second)).toBe(5);
    await expect(model.infer(ask(1), at(1n))).rejects.toMatchObject({ message: expect.stringContaining('must specify the START flag') });
    await advance(2000);
    expect(model.occupancy()).toEqual({ active: 0, waiting: 0, stateBytes: 0 });
  });

  test('a deadline or the queue timeout ends waiting', async () => {
    const model = schedule(summingModel({ maxSize: 1 }), {}, { queue: { defaultTimeoutMs: 500 } });
    const first = model.infer(ask(1), at(1n, 'S'));
    await advance(1);
    await first;
    const settled: string[] = [];
    const outcome = (name: string, answer: Promise<InferResponse>): void => void answer.then(() => settled.push(name), (error: { code: string; message: string }) => settled.push(`${name} ${error.code} ${error.message}`));
    outcome('own', model.infer(ask(1), at(2n, 'S', { deadlineMs: performance.now() + 100 })));
    outcome('queue', model.infer(ask(1), at(3n, 'S')));
    outcome('late', model.infer(ask(1), at(4n, 'S', { deadlineMs: performance.now() - 1 })));
    await advance(0);
    expect(settled).toEqual(['late DEADLINE_EXCEEDED Request timeout expired']);
    await advance(101);
    expect(settled.slice(1)).toEqual(['own DEADLINE_EXCEEDED Request timeout expired']);
    await advance(400);
    expect(settled.slice(2)).toEqual(['queue DEADLINE_EXCEEDED Request timeout expired']);
    expect(model.occupancy()).toMatchObject({ active: 1, waiting: 0 });
  });

  test('a delayed request waits on and keeps its place', async () => {
    const model = schedule(summingModel({ maxSize: 1 }), {}, { queue: { defaultTimeoutMs: 500, timeoutAction: 'delay' } });
    const first = model.infer(ask(1), at(1n, 'S'));
    await advance(1);
    await first;
    const second = model.infer(ask(2), at(2n, 'S'));
    await advance(1000);
    const end = model.infer(ask(1), at(1n, 'E'));
    await advance(1);
    expect([sumOf(await end), sumOf(await second)]).toEqual([2, 2]);
  });

  test('a run waits for other active sequences as long as it may', async () => {
    const inner = summingModel();
    const model = schedule(inner, {}, { maxQueueDelayMs: 50 });
    const starts = [1n, 2n, 3n].map((id) => model.infer(ask(1), at(id, 'S')));
    await advance(1);
    await Promise.all(starts);
    expect(inner.runs.map((run) => run.rows)).toEqual([3]);
    const early = model.infer(ask(1), at(1n));
    await advance(30);
    expect(inner.runs).toHaveLength(1);
    const late = model.infer(ask(1), at(2n));
    await advance(21);
    await Promise.all([early, late]);
    expect(inner.runs.map((run) => run.rows)).toEqual([3, 2]);
    const all = [1n, 2n, 3n].map((id) => model.infer(ask(1), at(id)));
    await advance(1);
    await Promise.all(all);
    expect(inner.runs.map((run) => run.rows)).toEqual([3, 2, 3]);
  });
});

describe('disposal', () => {
  test('answers what waits, ends what is idle, then disposes of the model', async () => {
    const doors = gate();
    const inner = summingModel({ maxSize: 1, before: (run) => (run.call.sequence!.id === 2n ? doors.wait() : Promise.resolve()) });
    const model = schedule(inner);
    await model.infer(ask(1), at(1n, 'S'));
    const waiting = [model.infer(ask(2), at(2n, 'S')), model.infer(ask(2), at(2n))];
    const disposed = model[Symbol.asyncDispose]();
    await turn();
    expect(inner.disposed()).toBe(false);
    await expect(model.infer(ask(1), at(3n, 'S'))).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    doors.open();
    expect((await Promise.all(waiting)).map(sumOf)).toEqual([2, 4]);
    await disposed;
    expect(inner.disposed()).toBe(true);
    expect(model.occupancy()).toEqual({ active: 0, waiting: 0, stateBytes: 0 });
  });
});

describe('config', () => {
  const control: TensorSpec = { name: 'START', datatype: 'INT32', shape: ['N', 1], batchAxis: 0 };
  const code = { code: 'INVALID_CONFIG' };

  test.each([
    [{ states: [{ input: 'stat', output: 'stateN' }] }, "model 'm': sequences.states[0].input: the model has no input 'stat'; did you mean 'state'?"],
    [{ states: [{ input: 'state', output: 'zzzzzzzz' }] }, "model 'm': sequences.states[0].output: the model has no output 'zzzzzzzz'; there are 'sum', 'stateN'"],
    [{ states: [{ input: 'x', output: 'stateN' }] }, "model 'm': sequences.states[0]: output 'stateN' (FP64) cannot be the next input 'x' (FP32): their datatypes differ"],
    [{ states: [state, state] }, "model 'm': sequences.states[1].input: input 'state' is used twice"],
    [{ states: [{ ...state, datatype: 'FP32' }] }, "model 'm': sequences.states[0].datatype: the config says FP32, but input 'state' of the model is FP64"],
    [{ states: [{ ...state, shape: [2, 1, 4] }] }, "model 'm': sequences.states[0].shape: [2, 1, 4] does not fit input 'state', whose shape is [2, N, 3]"],
    [{ controls: [{ input: 'START', kind: 'start', datatype: 'FP32' }] }, "model 'm': sequences.controls[0].datatype: the config says FP32, but input 'START' of the model is INT32"],
  ])('%j', (written, message) => {
    expect(() => schedule(summingModel({ controls: [control] }), written)).toThrow(expect.objectContaining({ ...code, message }));
  });

  test('state in the model needs one instance, or pinned ones', () => {
    const build = (options: Partial<SequenceBatchingOptions>): (() => unknown) => () => schedule(summingModel({ controls: [control] }), { states: [], controls: [{ input: 'START', kind: 'start' }] }, options);
    expect(build({ concurrency: 2 })).toThrow(expect.objectContaining({ ...code, message: expect.stringContaining('instances.count: 1') }));
    expect(build({ concurrency: 1 })).not.toThrow();
    expect(build({ concurrency: 2, instances: [summingModel({ controls: [control] }), summingModel({ controls: [control] })] })).not.toThrow();
  });

  test('a ready control has a row for each slot', () => {
    const ready: TensorSpec = { ...control, name: 'READY' };
    expect(() => schedule(summingModel({ maxSize: 4, controls: [ready] }), { controls: [{ input: 'READY', kind: 'ready' }], maxSequences: 5 })).toThrow(expect.objectContaining(code));
  });

  test('initial states come from a file of the model folder', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'modelport-states-'));
    try {
      await mkdir(join(folder, 'initial_state'));
      await writeFile(join(folder, 'initial_state', 'start.bin'), Buffer.from(new Float64Array(6).fill(100).buffer));
      await writeFile(join(folder, 'short.bin'), Buffer.alloc(47));
      await symlink('/etc/hostname', join(folder, 'link'));
      const load = async (initialFile: string, shape?: number[]): Promise<SequenceBatchingModel> => {
        const config = { states: [{ ...state, initialFile, ...(shape === undefined ? {} : { shape }) }] };
        return schedule(summingModel(), config, { initialStates: await readInitialStates(folder, sequences(config)) });
      };
      for (const shape of [undefined, [2, 1, 3], [2, 3]]) expect(sumOf(await (await load('start.bin', shape)).infer(ask(1), at(1n, 'S')))).toBe(101);
      await expect(load('short.bin')).rejects.toMatchObject({ ...code, message: expect.stringContaining('has 47 bytes') });
      await expect(load('none.bin')).rejects.toMatchObject(code);
      for (const outside of ['link', '../../../../../../etc/hostname', '/etc/hostname']) await expect(load(outside)).rejects.toMatchObject(code);
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});
