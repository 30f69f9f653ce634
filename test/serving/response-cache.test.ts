import { describe, expect, it } from 'vitest';
import { Call } from '../../src/call.ts';
import { ModelportError } from '../../src/errors.ts';
import type { InferRequest, Model } from '../../src/model.ts';
import { createResponseStore, responseCache } from '../../src/serving/response-cache.ts';
import { textTensor, type Tensor } from '../../src/tensor.ts';
import { microtasks } from './manual-clock.ts';
import { floats, RecordingModel, rowsRequest, signatureOf, spec, valuesOf } from './recording-model.ts';

const signature = signatureOf([spec('x', [-1, -1]), spec('t', [-1], { datatype: 'BYTES', optional: true })], [spec('y', [-1, -1])], 8);
const echo = (request: InferRequest) => new Map([['y', request.inputs.get('x')!]]);

function setUp(model = new RecordingModel(signature, echo), maxBytes = 1e6, keyPrefix = 'm/1') {
  const store = createResponseStore(maxBytes);
  const cached = responseCache(model, { store, keyPrefix });
  return { model, store, cached, ask: (request: InferRequest, call = new Call()) => cached.infer!(request, call) };
}

describe('answers', () => {
  it('runs equal requests once and says that the answer was known', async () => {
    const { model, ask } = setUp();
    const calls = [new Call(), new Call()];
    const [first, second] = [await ask(rowsRequest([[1, 2]]), calls[0]), await ask(rowsRequest([[1, 2]]), calls[1])];
    expect(model.runs).toHaveLength(1);
    expect(valuesOf(second)).toEqual(valuesOf(first));
    expect(calls.map(({ timing }) => [timing.cacheHit, timing.cacheMs > 0])).toEqual([[false, true], [true, true]]);
  });

  it('tells apart whatever an answer may depend on', async () => {
    const { model, ask } = setUp();
    const text = (words: readonly string[]): InferRequest => ({ inputs: new Map<string, Tensor>([...rowsRequest([[1, 2]]).inputs, ['t', textTensor([words.length], words)]]) });
    const different: InferRequest[] = [
      rowsRequest([[1, 2]]),
      rowsRequest([[1, 3]]),
      rowsRequest([[1], [2]]),
      rowsRequest([[0, 2]]),
      rowsRequest([[-0, 2]]),
      rowsRequest([[1, 2]], { outputs: ['y'] }),
      rowsRequest([[1, 2]], { parameters: { a: 1 } }),
      rowsRequest([[1, 2]], { parameters: { a: '1' } }),
      rowsRequest([[1, 2]], { parameters: { b: 1 } }),
      text(['ab', '']),
      text(['a', 'b']),
      text(['', 'ab']),
      { inputs: new Map([['x', { datatype: 'INT32', shape: [1, 2], data: new Int32Array(Float32Array.of(1, 2).buffer) }]]) },
    ];
    for (const request of different) await ask(request);
    expect(model.runs).toHaveLength(different.length);
    for (const request of different) await ask(request);
    expect(model.runs).toHaveLength(different.length);
  });

  it('does not mind the order in which inputs, outputs and parameters are named, nor where their memory lies', async () => {
    const { model, ask } = setUp();
    const pair = [['x', floats([1, 1], [5])], ['t', textTensor([1], ['a'])]] as const;
    const elsewhere = floats([1, 1], []);
    await ask({ inputs: new Map<string, Tensor>(pair), outputs: ['y', 'z'], parameters: { a: 1, b: 2 } });
    await ask({ inputs: new Map<string, Tensor>([pair[1], ['x', { ...elsewhere, data: Float32Array.of(0, 0, 5, 0).subarray(2, 3) }]]), outputs: ['z', 'y'], parameters: { b: 2, a: 1 } });
    expect(model.runs).toHaveLength(1);
  });

  it('keeps models and versions apart that share a store', async () => {
    const store = createResponseStore(1e6);
    const models = ['m/1', 'm/2'].map((keyPrefix) => {
      const model = new RecordingModel(signature, echo);
      return { model, cached: responseCache(model, { store, keyPrefix }) };
    });
    for (const { cached } of models) await cached.infer!(rowsRequest([[1]]), new Call());
    expect(models.map(({ model }) => model.runs.length)).toEqual([1, 1]);
    expect(store.entryCount).toBe(2);
  });

  it('never answers requests of sequences', async () => {
    const { model, ask, store } = setUp();
    for (let count = 0; count < 2; count++) await ask(rowsRequest([[1]]), new Call({ sequence: { id: 7n, start: true, end: false } }));
    expect([model.runs.length, store.entryCount]).toEqual([2, 0]);
  });

  it('does not keep errors', async () => {
    let broken = true;
    const { model, ask } = setUp(
      new RecordingModel(signature, (request) => {
        if (broken) throw new ModelportError('RUN_FAILED', 'broken');
        return echo(request);
      }),
    );
    await expect(ask(rowsRequest([[1]]))).rejects.toThrow('broken');
    broken = false;
    expect(valuesOf(await ask(rowsRequest([[1]])))).toEqual([1]);
    expect(model.runs).toHaveLength(2);
  });

  it('passes other verbs through and is nothing where there is no infer', async () => {
    const model: Model = { signature, predict: async (value) => [value], [Symbol.asyncDispose]: async () => {} };
    expect(responseCache(model, { store: createResponseStore(1), keyPrefix: '' })).toBe(model);
    const recording = new RecordingModel(signature, echo);
    const cached = responseCache(Object.assign(recording, { predict: async (value: unknown) => [value] }), { store: createResponseStore(1), keyPrefix: '' });
    expect(await cached.predict!(3, new Call())).toEqual([3]);
    expect('stream' in cached).toBe(false);
    await cached[Symbol.asyncDispose]();
    expect(recording.disposed).toBe(1);
  });
});

describe('the store', () => {
  it('stays within its bytes and forgets what was not used for longest', async () => {
    const { model, ask, store } = setUp(undefined, 3_000);
    for (const value of [1, 2, 3]) await ask(rowsRequest([[value]]));
    const before = model.runs.length;
    await ask(rowsRequest([[1]]));
    expect(model.runs.length).toBe(before);
    for (const value of [4, 5]) await ask(rowsRequest([[value]]));
    expect(store.sizeBytes).toBeLessThanOrEqual(3_000);
    await ask(rowsRequest([[1]]));
    expect(model.runs.length).toBe(before + 2);
    await ask(rowsRequest([[2]]));
    expect(model.runs.length).toBe(before + 3);
  });

  it('does not keep an answer that is larger than all of it, nor forget others for it', async () => {
    const { ask, store } = setUp(undefined, 3_000);
    await ask(rowsRequest([[1]]));
    await ask(rowsRequest([Array.from({ length: 1_000 }, () => 1)]));
    expect(store.entryCount).toBe(1);
  });

  it('keeps a row, not the batch that it was cut from', async () => {
    const batch = new Float32Array(100_000);
    const { ask } = setUp(new RecordingModel(signature, () => new Map([['y', { datatype: 'FP32', shape: [1, 2], data: batch.subarray(10, 12) }]])));
    await ask(rowsRequest([[1]]));
    const kept = (await ask(rowsRequest([[1]]))).outputs.get('y')!.data as Float32Array;
    expect(kept.buffer.byteLength).toBe(8);
  });
});

describe('equal requests at once', () => {
  it('wait for one run', async () => {
    const { model, ask } = setUp(new RecordingModel(signature));
    const calls = [new Call(), new Call(), new Call()];
    const answers = calls.map((call) => ask(rowsRequest([[1]]), call));
    const other = ask(rowsRequest([[2]]));
    await microtasks();
    expect(model.runs).toHaveLength(2);
    for (const run of model.runs) run.end(echo(run.request));
    expect((await Promise.all(answers)).map((response) => valuesOf(response))).toEqual([[1], [1], [1]]);
    expect(valuesOf(await other)).toEqual([2]);
    expect(calls.map((call) => call.timing.cacheHit)).toEqual([false, true, true]);
  });

  it('share what the model says about them, be it an error', async () => {
    const { model, ask } = setUp(new RecordingModel(signature));
    const answers = [ask(rowsRequest([[1]])), ask(rowsRequest([[1]]))];
    await microtasks();
    model.runs[0]!.fail(new ModelportError('RUN_FAILED', 'no'));
    for (const answer of answers) await expect(answer).rejects.toThrow('no');
    expect(model.runs).toHaveLength(1);
  });

  it.each(['CANCELLED', 'DEADLINE_EXCEEDED', 'QUEUE_FULL', 'UNAVAILABLE'] as const)('do not share the fate of one that ends with %s', async (code) => {
    const { model, ask } = setUp(new RecordingModel(signature));
    const [first, second, third] = [ask(rowsRequest([[1]])), ask(rowsRequest([[1]])), ask(rowsRequest([[1]]))];
    await microtasks();
    model.runs[0]!.fail(new ModelportError(code, 'only mine'));
    await expect(first).rejects.toMatchObject({ code });
    await microtasks();
    expect(model.runs).toHaveLength(2);
    model.runs[1]!.end(echo(model.runs[1]!.request));
    expect(valuesOf(await second)).toEqual([1]);
    expect(valuesOf(await third)).toEqual([1]);
  });

  it('leave when they are cancelled or late, and let the run go on', async () => {
    const { model, ask } = setUp(new RecordingModel(signature));
    const first = ask(rowsRequest([[1]]));
    const leaving = new Call();
    const cancelled = ask(rowsRequest([[1]]), leaving);
    const late = ask(rowsRequest([[1]]), new Call({ deadlineMs: performance.now() + 5 }));
    await microtasks();
    leaving.cancel();
    await expect(cancelled).rejects.toMatchObject({ code: 'CANCELLED' });
    await expect(late).rejects.toMatchObject({ code: 'DEADLINE_EXCEEDED' });
    model.runs[0]!.end(echo(model.runs[0]!.request));
    expect(valuesOf(await first)).toEqual([1]);
    expect(model.runs).toHaveLength(1);
  });
});

it('a request that gives its inputs away is neither answered from memory nor kept', async () => {
  const { model, ask } = setUp();
  await ask(rowsRequest([[1, 2]]));
  for (let again = 0; again < 2; again++) await ask({ ...rowsRequest([[1, 2]]), givesAway: true });
  await ask({ ...rowsRequest([[3, 4]]), givesAway: true });
  await ask(rowsRequest([[3, 4]]));
  expect(model.runs).toHaveLength(5);
});
