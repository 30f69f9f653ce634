import { describe, expect, it } from 'vitest';
import { Call } from '../../src/call.ts';
import { ModelportError } from '../../src/errors.ts';
import type { InferRequest, InferResponse, TensorSpec } from '../../src/model.ts';
import { dynamicBatching, type DynamicBatchingModel, type DynamicBatchingOptions } from '../../src/serving/dynamic-batching.ts';
import { textOf, textTensor, type Tensor } from '../../src/tensor.ts';
import { ManualClock } from './manual-clock.ts';
import { floats, RecordingModel, rowsRequest, signatureOf, spec, valuesOf } from './recording-model.ts';

const doubled = (tensor: Tensor): Tensor => floats(tensor.shape, Array.from(tensor.data as Float32Array, (value) => value * 2));
const echo = (request: InferRequest) => new Map([['y', doubled(request.inputs.get('x')!)]]);
const plain = (maxSize = 8, inputs: readonly TensorSpec[] = [spec('x', [-1, 'width'])], outputs: readonly TensorSpec[] = [spec('y', [-1, 'width'])]) => signatureOf(inputs, outputs, maxSize);

function setUp(options: Partial<DynamicBatchingOptions> = {}, model = new RecordingModel(plain(), echo)) {
  const clock = new ManualClock();
  const batching = dynamicBatching(model, { modelName: 'm', concurrency: 1, clock, ...options }) as DynamicBatchingModel;
  const send = (request: InferRequest, call = new Call()): Promise<InferResponse> => {
    const answer = batching.infer(request, call);
    // The test looks at it later.
    answer.catch(() => {});
    return answer;
  };
  return { clock, batching, model, send };
}

const held = (signature = plain()) => new RecordingModel(signature);
const batchShapes = (model: RecordingModel) => model.runs.map((run) => run.shape('x'));

describe('joining', () => {
  it('runs the requests of one event-loop turn together and gives each its rows', async () => {
    const { clock, model, send } = setUp();
    const answers = [send(rowsRequest([[1, 2]])), send(rowsRequest([[3, 4], [5, 6]])), send(rowsRequest([[7, 8]]))];
    expect(model.runs).toHaveLength(0);
    await clock.endTurn();
    expect(batchShapes(model)).toEqual([[4, 2]]);
    expect(model.runs[0]!.values('x')).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
    const responses = await Promise.all(answers);
    expect(responses.map((response) => valuesOf(response))).toEqual([[2, 4], [6, 8, 10, 12], [14, 16]]);
    expect(responses.map((response) => response.outputs.get('y')!.shape)).toEqual([[1, 2], [2, 2], [1, 2]]);
  });

  it('does so with the real event loop and no delay', async () => {
    const model = new RecordingModel(plain(), echo);
    const batching = dynamicBatching(model, { modelName: 'm', concurrency: 1 }) as DynamicBatchingModel;
    const responses = await Promise.all([1, 2, 3].map((value) => batching.infer(rowsRequest([[value]]), new Call())));
    expect(responses.map((response) => valuesOf(response))).toEqual([[2], [4], [6]]);
    expect(batchShapes(model)).toEqual([[3, 1]]);
    await batching[Symbol.asyncDispose]();
  });

  it('passes a lone request and its call through without copying', async () => {
    const { clock, model, send } = setUp();
    const request = rowsRequest([[1, 2]]);
    const call = new Call();
    const answer = send(request, call);
    await clock.endTurn();
    expect(model.runs[0]!.request).toBe(request);
    expect(model.runs[0]!.call).toBe(call);
    expect((await answer).outputs.get('y')!.data).toBe((await model.runs[0]!.answer).outputs.get('y')!.data);
  });

  it.each([
    ['large and quick to run, because joining copies them', 65_536, 1, {}, [1, 1]],
    ['large and slow', 65_536, 30, {}, [2]],
    ['small', 16, 1, {}, [2]],
    ['large and quick, and nobody is to wait', 65_536, 1, { maxQueueDelayMs: 0 }, [1, 1]],
    ['large and quick, where the config says how long to wait for others', 65_536, 1, { maxQueueDelayMs: 1 }, [2]],
  ] as const)('joins rows or not: %s', async (_, width, runMs, options, sizes) => {
    const { clock, model, send } = setUp(options, held(plain(8, [spec('x', [-1, width])], [spec('y', [-1, width])])));
    const row = rowsRequest([new Array<number>(width).fill(1)]);
    const end = async (): Promise<void> => {
      await clock.advance(runMs);
      for (const run of model.running) run.end(echo(run.request));
      await clock.endTurn();
    };
    void send(row);
    await clock.endTurn();
    await end();
    const answers = [send(row), send(row)];
    await clock.endTurn();
    await end();
    await end();
    expect((await Promise.all(answers)).map((answer) => answer.outputs.get('y')!.shape)).toEqual([[1, width], [1, width]]);
    expect(model.runs.slice(1).map((run) => run.shape('x')![0])).toEqual(sizes);
  });

  it('never exceeds the largest batch and never splits a request', async () => {
    const { clock, model, send } = setUp({ concurrency: 3 });
    const rows = (count: number) => rowsRequest(Array.from({ length: count }, (_, index) => [index]));
    for (const count of [3, 3, 3, 8, 1]) void send(rows(count));
    await clock.endTurn();
    expect(batchShapes(model)).toEqual([[6, 1], [3, 1], [8, 1], [1, 1]]);
  });

  it('refuses a request with more rows than a run may have', async () => {
    const { send, model } = setUp({ maxSize: 2 });
    await expect(send(rowsRequest([[1], [2], [3]]))).rejects.toMatchObject({ code: 'INVALID_REQUEST', message: expect.stringContaining('batch-size must be <= 2') as string });
    expect(model.runs).toHaveLength(0);
  });

  it('keeps shapes, datatypes and sets of inputs apart, and serves each', async () => {
    const signature = plain(8, [spec('x', [-1, 'width']), spec('bias', [-1, 1], { optional: true })]);
    const { clock, model, send } = setUp({ concurrency: 9 }, new RecordingModel(signature, echo));
    const withBias = (value: number): InferRequest => ({ inputs: new Map([...rowsRequest([[value, value]]).inputs, ['bias', floats([1, 1], [value])]]) });
    const answers = [send(rowsRequest([[1, 1]])), send(rowsRequest([[2]])), send(withBias(3)), send(rowsRequest([[4, 4]])), send(rowsRequest([[5]])), send(withBias(6))];
    await clock.endTurn();
    expect(batchShapes(model)).toEqual([[2, 2], [2, 1], [2, 2]]);
    expect(model.runs.map((run) => run.shape('bias'))).toEqual([undefined, undefined, [2, 1]]);
    expect((await Promise.all(answers)).map((response) => valuesOf(response))).toEqual([[2, 2], [4], [6, 6], [8, 8], [10], [12, 12]]);
  });

  it('runs a request alone that does not fit the signature', async () => {
    const { clock, model, send } = setUp({ concurrency: 9 });
    void send(rowsRequest([[1, 1]]));
    void send({ inputs: new Map([['x', floats([2], [1, 1])]]) });
    void send({ inputs: new Map([['x', { datatype: 'INT32', shape: [1, 2], data: Int32Array.of(1, 1) }]]) });
    void send({ inputs: new Map([...rowsRequest([[1, 1]]).inputs, ['other', floats([1], [1])]]) });
    void send({ inputs: new Map([['x', { datatype: 'FP32', shape: [1, 2], data: Float32Array.of(1) }]]) });
    await clock.endTurn();
    expect(model.runs.map((run) => run.request.inputs.get('x')!.shape)).toHaveLength(5);
  });

  it('joins requests whose inputs without rows are equal byte by byte', async () => {
    const signature = plain(8, [spec('x', [-1, 'width']), { name: 'rate', datatype: 'FP64', shape: [] }, { name: 'table', datatype: 'UINT8', shape: [-1] }]);
    const { clock, model, send } = setUp({ concurrency: 9 }, new RecordingModel(signature, echo));
    const request = (value: number, rate: number, tableLength = 200): InferRequest => ({
      inputs: new Map<string, Tensor>([
        ...rowsRequest([[value]]).inputs,
        ['rate', { datatype: 'FP64', shape: [], data: Float64Array.of(rate) }],
        ['table', { datatype: 'UINT8', shape: [tableLength], data: new Uint8Array(tableLength) }],
      ]),
    });
    for (const [value, rate, length] of [[1, 0, 200], [2, 0, 200], [3, -0, 200], [4, 16000, 200], [5, 0, 199]] as const) void send(request(value, rate, length));
    await clock.endTurn();
    expect(model.runs.map((run) => run.values('x'))).toEqual([[1, 2], [3], [4], [5]]);
    expect(model.runs[0]!.shape('rate')).toEqual([]);
  });

  it('keeps requests with different parameters apart', async () => {
    const { clock, model, send } = setUp({ concurrency: 9 });
    for (const [value, temperature] of [[1, 1], [2, '1'], [3, 1], [4, undefined]] as const) {
      void send(rowsRequest([[value]], temperature === undefined ? {} : { parameters: { temperature } }));
    }
    await clock.endTurn();
    expect(model.runs.map((run) => run.values('x'))).toEqual([[1, 3], [2], [4]]);
    expect(model.runs[0]!.request.parameters).toEqual({ temperature: 1 });
  });

  it('asks for every output that somebody wants and gives each request its own', async () => {
    const signature = plain(8, undefined, [spec('y', [-1, 'width']), spec('z', [-1, 'width']), spec('w', [-1])]);
    const model = new RecordingModel(signature, (request) => {
      const x = request.inputs.get('x')!;
      return new Map(['y', 'z', 'w'].filter((name) => request.outputs?.includes(name) ?? true).map((name) => [name, name === 'w' ? floats([x.shape[0]!], Array.from({ length: x.shape[0]! }, (_, row) => row)) : doubled(x)]));
    });
    const { clock, send } = setUp({}, model);
    const answers = [send(rowsRequest([[1]], { outputs: ['z'] })), send(rowsRequest([[2]], { outputs: ['y', 'z'] }))];
    await clock.endTurn();
    expect(model.runs[0]!.request.outputs).toEqual(['z', 'y']);
    const names = (await Promise.all(answers)).map((response) => [...response.outputs.keys()]);
    expect(names).toEqual([['z'], ['y', 'z']]);
    const all = [send(rowsRequest([[1]], { outputs: ['w'] })), send(rowsRequest([[2]]))];
    await clock.endTurn();
    expect(model.runs[1]!.request.outputs).toBeUndefined();
    const responses = await Promise.all(all);
    expect(valuesOf(responses[0]!, 'w')).toEqual([0]);
    expect([...responses[1]!.outputs.keys()]).toEqual(['y', 'z', 'w']);
    expect(valuesOf(responses[1]!, 'w')).toEqual([1]);
  });

  it('does not join requests that want an output without rows', async () => {
    const signature = plain(8, undefined, [spec('y', [-1, 'width']), { name: 'mean', datatype: 'FP32', shape: [] }]);
    const { clock, model, send } = setUp({ concurrency: 9 }, new RecordingModel(signature, (request) => new Map([...echo(request), ['mean', floats([], [7])]])));
    const answers = [send(rowsRequest([[1]])), send(rowsRequest([[2]], { outputs: ['y', 'mean'] })), send(rowsRequest([[3]], { outputs: ['y'] })), send(rowsRequest([[4]], { outputs: ['y'] }))];
    await clock.endTurn();
    expect(model.runs.map((run) => run.values('x'))).toEqual([[1], [2], [3, 4]]);
    const responses = await Promise.all(answers);
    expect(responses.map((response) => [...response.outputs.keys()])).toEqual([['y', 'mean'], ['y', 'mean'], ['y'], ['y']]);
  });

  it('joins and cuts along batch axes that are not the first', async () => {
    const signature = signatureOf([spec('x', [-1, 2]), spec('state', [2, 'rows', 2], { batchAxis: 1 })], [spec('y', [-1, 2]), spec('next', [2, 'rows', 2], { batchAxis: 1 })], 8);
    const model = new RecordingModel(signature, (request) => new Map([...echo(request), ['next', doubled(request.inputs.get('state')!)]]));
    const { clock, send } = setUp({}, model);
    const request = (rows: number, base: number): InferRequest => ({
      inputs: new Map<string, Tensor>([
        ['x', floats([rows, 2], Array.from({ length: rows * 2 }, (_, index) => base + index))],
        ['state', floats([2, rows, 2], Array.from({ length: rows * 4 }, (_, index) => base + index))],
      ]),
    });
    const answers = [send(request(1, 100)), send(request(2, 200))];
    await clock.endTurn();
    expect(model.runs).toHaveLength(1);
    expect(model.runs[0]!.shape('state')).toEqual([2, 3, 2]);
    const responses = await Promise.all(answers);
    expect(valuesOf(responses[0]!, 'next')).toEqual([200, 202, 204, 206]);
    expect(valuesOf(responses[1]!, 'next')).toEqual([400, 402, 404, 406, 408, 410, 412, 414]);
    expect(responses[1]!.outputs.get('next')!.shape).toEqual([2, 2, 2]);
  });

  it('joins text, 64-bit integers and requests without rows', async () => {
    const signature = signatureOf([spec('t', [-1, 1], { datatype: 'BYTES' }), spec('n', [-1], { datatype: 'INT64' })], [spec('t', [-1, 1], { datatype: 'BYTES' }), spec('n', [-1], { datatype: 'INT64' })], 8);
    const model = new RecordingModel(signature, (request) => request.inputs);
    const { clock, send } = setUp({}, model);
    const request = (words: readonly string[], numbers: readonly bigint[]): InferRequest => ({
      inputs: new Map<string, Tensor>([
        ['t', textTensor([words.length, 1], words)],
        ['n', { datatype: 'INT64', shape: [numbers.length], data: BigInt64Array.from(numbers) }],
      ]),
    });
    const big = 2n ** 62n + 1n;
    const answers = [send(request(['ä', ''], [big, -1n])), send(request([], [])), send(request(['c'], [3n]))];
    await clock.endTurn();
    expect(model.runs).toHaveLength(1);
    expect(model.runs[0]!.shape('t')).toEqual([3, 1]);
    const responses = await Promise.all(answers);
    expect(responses.map((response) => textOf(response.outputs.get('t')!))).toEqual([['ä', ''], [], ['c']]);
    expect([...(responses[0]!.outputs.get('n')!.data as BigInt64Array)]).toEqual([big, -1n]);
    expect(responses[1]!.outputs.get('n')!.shape).toEqual([0]);
  });

  it('runs every request of a model without a batch axis alone, behind the same queue', async () => {
    const signature = signatureOf([{ name: 'x', datatype: 'FP32', shape: [2] }], [{ name: 'y', datatype: 'FP32', shape: [2] }], 0);
    const { clock, model, send, batching } = setUp({ concurrency: 2 }, held(signature));
    const request = (value: number): InferRequest => ({ inputs: new Map([['x', floats([2], [value, value])]]) });
    const answers = [1, 2, 3].map((value) => send(request(value)));
    await clock.endTurn();
    expect(batching.occupancy()).toEqual({ waiting: 1, running: 2 });
    model.runs[0]!.end(new Map([['y', floats([2], [9, 9])]]));
    expect(valuesOf(await answers[0]!)).toEqual([9, 9]);
    expect(model.runs).toHaveLength(3);
  });
});

describe('waiting', () => {
  it('gathers while all instances are busy', async () => {
    const { clock, model, send } = setUp({}, held());
    void send(rowsRequest([[1]]));
    await clock.endTurn();
    void send(rowsRequest([[2]]));
    await clock.endTurn();
    void send(rowsRequest([[3]]));
    await clock.endTurn();
    expect(model.runs).toHaveLength(1);
    model.runs[0]!.end(echo(model.runs[0]!.request));
    await clock.endTurn();
    expect(model.runs.map((run) => run.values('x'))).toEqual([[1], [2, 3]]);
  });

  it('waits for the queue delay since the arrival of the oldest, with one timer', async () => {
    const { clock, model, send } = setUp({ maxQueueDelayMs: 10 });
    void send(rowsRequest([[1]]));
    await clock.advance(6);
    void send(rowsRequest([[2]]));
    await clock.advance(3);
    expect(model.runs).toHaveLength(0);
    expect(clock.pendingTimers).toBe(1);
    await clock.advance(1);
    expect(model.runs.map((run) => run.values('x'))).toEqual([[1, 2]]);
  });

  it('honours delays below a millisecond', async () => {
    const { clock, model, send } = setUp({ maxQueueDelayMs: 0.4 });
    void send(rowsRequest([[1]]));
    await clock.endTurn();
    await clock.advance(0.3);
    expect(model.runs).toHaveLength(0);
    await clock.advance(0.2);
    expect(model.runs).toHaveLength(1);
  });

  it('does not wait when a batch is full or cannot grow', async () => {
    const { clock, model, send } = setUp({ maxQueueDelayMs: 1_000, maxSize: 4, concurrency: 2 });
    void send(rowsRequest([[1], [2], [3]]));
    void send(rowsRequest([[4], [5]]));
    expect(batchShapes(model)).toEqual([[3, 1]]);
    await clock.endTurn();
    expect(batchShapes(model)).toEqual([[3, 1]]);
    void send(rowsRequest([[6], [7]]));
    expect(batchShapes(model)).toEqual([[3, 1], [4, 1]]);
  });

  it('runs a preferred size at once, the largest that requests make exactly', async () => {
    const { clock, model, send } = setUp({ maxQueueDelayMs: 1_000, preferredSizes: [6, 2, 4], concurrency: 9 });
    for (const value of [1, 2, 3, 4, 5]) void send(rowsRequest([[value]]));
    await clock.endTurn();
    expect(model.runs.map((run) => run.values('x'))).toEqual([[1, 2, 3, 4]]);
    await clock.advance(1_000);
    expect(model.runs.map((run) => run.values('x'))).toEqual([[1, 2, 3, 4], [5]]);
  });

  it('says which preferred size is too large', () => {
    expect(() => setUp({ preferredSizes: [4, 16] })).toThrow(/preferred batch size 16 is larger than the largest batch, 8/);
  });

  it('takes the batch whose first request waited longest when several are ready', async () => {
    const { clock, model, send } = setUp({}, held());
    void send(rowsRequest([[0]]));
    await clock.endTurn();
    for (const row of [[1, 1], [2], [3, 3], [4]]) void send(rowsRequest([row]));
    await clock.endTurn();
    for (let index = 0; index < 2; index++) {
      model.runs[index]!.end(echo(model.runs[index]!.request));
      await clock.endTurn();
    }
    expect(model.runs.map((run) => run.values('x'))).toEqual([[0], [1, 1, 3, 3], [2, 4]]);
  });
});

describe('priorities, limits and timeouts', () => {
  const busy = async (options: Partial<DynamicBatchingOptions>) => {
    const made = setUp({ maxSize: 1, ...options }, held());
    void made.send(rowsRequest([[0]]));
    await made.clock.endTurn();
    return made;
  };
  const finish = async ({ model, clock }: { model: RecordingModel; clock: ManualClock }, runMs = 0) => {
    const run = model.running[0]!;
    await clock.advance(runMs);
    run.end(echo(run.request));
    await clock.endTurn();
  };
  const order = (model: RecordingModel) => model.runs.map((run) => run.values('x')[0]);

  it('serves the first level first; requests without a level, or with one that does not exist, have the default', async () => {
    const made = await busy({ queue: { levels: [{}, {}, {}], defaultLevel: 2 } });
    for (const [value, priority] of [[13, 3], [12, 2], [14, 0], [11, 1], [15, 9], [16, 1]] as const) void made.send(rowsRequest([[value]]), new Call({ priority }));
    for (let count = 0; count < 7; count++) await finish(made);
    expect(order(made.model)).toEqual([0, 11, 16, 12, 14, 15, 13]);
  });

  it('fills a batch with requests of lower levels', async () => {
    const made = await busy({ maxSize: 3, queue: { levels: [{}, {}] } });
    for (const [value, priority] of [[1, 2], [2, 2], [3, 1], [4, 2]] as const) void made.send(rowsRequest([[value]]), new Call({ priority }));
    await finish(made);
    await finish(made);
    expect(made.model.runs.map((run) => run.values('x'))).toEqual([[0], [3, 1, 2], [4]]);
  });

  it('refuses what exceeds the limit of its level, and says when to come again', async () => {
    const made = await busy({ queue: { maxSize: 1, levels: [{ maxSize: 2 }, {}] } });
    const send = (priority: number) => made.send(rowsRequest([[1]]), new Call({ priority }));
    void send(1);
    void send(1);
    void send(2);
    await made.clock.endTurn();
    for (const priority of [1, 2]) {
      await expect(send(priority)).rejects.toMatchObject({ code: 'QUEUE_FULL', message: expect.stringContaining('Exceeds maximum queue size') as string, retryAfterSeconds: 1, httpStatus: 503 });
    }
    await finish(made);
    void send(1);
    expect(made.batching.occupancy()).toEqual({ waiting: 3, running: 1 });
  });

  it('does not refuse while a run could start', async () => {
    const { clock, model, send } = setUp({ queue: { maxSize: 1 }, maxQueueDelayMs: 100, concurrency: 2 }, held());
    const answers = [1, 2, 3].map((value) => send(rowsRequest([[value]])));
    await clock.endTurn();
    expect(order(model)).toEqual([1, 2]);
    await expect(send(rowsRequest([[4]]))).rejects.toMatchObject({ code: 'QUEUE_FULL' });
    void answers;
  });

  it('rejects a request that waited too long, and only that one', async () => {
    const made = await busy({ queue: { defaultTimeoutMs: 50 } });
    const late = made.send(rowsRequest([[1]]));
    await made.clock.advance(20);
    const inTime = made.send(rowsRequest([[2]]));
    await made.clock.advance(30);
    await expect(late).rejects.toMatchObject({ code: 'DEADLINE_EXCEEDED', message: expect.stringContaining('Request timeout expired') as string, httpStatus: 503 });
    await finish(made);
    await finish(made);
    expect(valuesOf(await inTime)).toEqual([4]);
    expect(order(made.model)).toEqual([0, 2]);
  });

  it('serves a request that waited too long after the others where it says delay', async () => {
    const made = await busy({ queue: { defaultTimeoutMs: 50, timeoutAction: 'delay', levels: [{}, { defaultTimeoutMs: 0 }] } });
    void made.send(rowsRequest([[1]]), new Call({ priority: 1 }));
    void made.send(rowsRequest([[9]]), new Call({ priority: 2 }));
    await made.clock.advance(60);
    void made.send(rowsRequest([[2]]), new Call({ priority: 1 }));
    for (let count = 0; count < 4; count++) await finish(made);
    expect(order(made.model)).toEqual([0, 2, 1, 9]);
  });

  it('lets a request shorten its time where that is allowed', async () => {
    for (const [allowTimeoutOverride, expected] of [[true, [0]], [false, [0, 1]]] as const) {
      const made = await busy({ queue: { allowTimeoutOverride } });
      void made.send(rowsRequest([[1]]), new Call({ deadlineMs: made.clock.now() + 5 }));
      await made.clock.advance(10);
      await finish(made);
      expect(order(made.model)).toEqual(expected);
    }
  });

  it('refuses at once what cannot be in time, by the time that runs took', async () => {
    const made = await busy({});
    await finish(made, 100);
    for (const value of [1, 2, 3]) void made.send(rowsRequest([[value]]));
    await made.clock.endTurn();
    // One run is under way and two wait: about 300 ms until it could begin, 400 until it would end.
    const late = made.send(rowsRequest([[4]]), new Call({ deadlineMs: made.clock.now() + 390 }));
    await expect(late).rejects.toMatchObject({ code: 'DEADLINE_EXCEEDED', retryAfterSeconds: 1, httpStatus: 503 });
    const inTime = made.send(rowsRequest([[5]]), new Call({ deadlineMs: made.clock.now() + 410 }));
    for (let count = 0; count < 4; count++) await finish(made, 100);
    expect(valuesOf(await inTime)).toEqual([10]);
    // With nothing before it, a request is tried whatever the estimate says: else nothing would ever correct the estimate.
    void made.send(rowsRequest([[6]]), new Call({ deadlineMs: made.clock.now() + 1 }));
    expect(order(made.model)).toEqual([0, 1, 2, 3, 5, 6]);
    await expect(made.send(rowsRequest([[7]]), new Call({ deadlineMs: made.clock.now() - 1 }))).rejects.toMatchObject({ code: 'DEADLINE_EXCEEDED' });
  });

  it('refuses a default level that does not exist', () => {
    expect(() => setUp({ queue: { levels: [{}], defaultLevel: 2 } })).toThrow(/defaultLevel is 2, but there are 1/);
  });
});

describe('cancellation', () => {
  it('takes a request out of the queue before it runs', async () => {
    const { clock, model, send, batching } = setUp({}, held());
    void send(rowsRequest([[0]]));
    await clock.endTurn();
    const call = new Call();
    const gone = send(rowsRequest([[1]]), call);
    void send(rowsRequest([[2]]));
    await clock.endTurn();
    call.cancel();
    await expect(gone).rejects.toMatchObject({ code: 'CANCELLED' });
    expect(batching.occupancy().waiting).toBe(1);
    model.runs[0]!.end(echo(model.runs[0]!.request));
    await clock.endTurn();
    expect(model.runs[1]!.values('x')).toEqual([2]);
  });

  it('does so within the turn of its arrival, and refuses what is cancelled already', async () => {
    const { clock, model, send } = setUp();
    const call = new Call();
    const gone = send(rowsRequest([[1]]), call);
    void send(rowsRequest([[2]]));
    call.cancel();
    await expect(send(rowsRequest([[3]]), call)).rejects.toMatchObject({ code: 'CANCELLED' });
    await clock.endTurn();
    await expect(gone).rejects.toMatchObject({ code: 'CANCELLED' });
    expect(model.runs.map((run) => run.values('x'))).toEqual([[2]]);
  });

  it('drops the part of a running batch, and nothing else of it', async () => {
    const { clock, model, send } = setUp({}, held());
    const call = new Call();
    const gone = send(rowsRequest([[1]]), call);
    const stays = send(rowsRequest([[2]]));
    await clock.endTurn();
    call.cancel();
    model.runs[0]!.end(echo(model.runs[0]!.request));
    await expect(gone).rejects.toMatchObject({ code: 'CANCELLED' });
    expect(valuesOf(await stays)).toEqual([4]);
  });
});

describe('order', () => {
  it('answers in the order of arrival where asked, and tells refusals at once', async () => {
    const { clock, model, send } = setUp({ preserveOrder: true, concurrency: 3 }, held());
    const told: string[] = [];
    const watch = (name: string, answer: Promise<unknown>) => void answer.then(() => told.push(name), () => told.push(`${name} failed`));
    const call = new Call();
    watch('a', send(rowsRequest([[1]])));
    watch('b', send(rowsRequest([[2, 2]])));
    watch('c', send(rowsRequest([[3, 3, 3]])));
    watch('d', send(rowsRequest([[4, 4, 4, 4]]), call));
    await clock.endTurn();
    call.cancel();
    await clock.endTurn();
    expect(told).toEqual(['d failed']);
    model.runs[2]!.end(echo(model.runs[2]!.request));
    await clock.endTurn();
    expect(told).toEqual(['d failed']);
    model.runs[1]!.fail(new ModelportError('UNAVAILABLE', 'gone'));
    await clock.endTurn();
    model.runs[0]!.end(echo(model.runs[0]!.request));
    await clock.endTurn();
    expect(told).toEqual(['d failed', 'a', 'b failed', 'c']);
  });
});

describe('failures', () => {
  const failing = (code: 'RUN_FAILED' | 'UNAVAILABLE') =>
    new RecordingModel(plain(), (request) => {
      if ((request.inputs.get('x')!.data as Float32Array).includes(13)) throw new ModelportError(code, 'thirteen');
      return echo(request);
    });

  it('runs the requests of a failed batch again, each alone, so that one does not fail its neighbours', async () => {
    const { clock, model, send } = setUp({}, failing('RUN_FAILED'));
    const answers = [1, 13, 3].map((value) => send(rowsRequest([[value]])));
    await clock.endTurn();
    expect(valuesOf(await answers[0]!)).toEqual([2]);
    await expect(answers[1]).rejects.toMatchObject({ code: 'RUN_FAILED', message: 'thirteen' });
    expect(valuesOf(await answers[2]!)).toEqual([6]);
    expect(model.runs.map((run) => run.values('x'))).toEqual([[1, 13, 3], [1], [13], [3]]);
  });

  it('does not where the failure has nothing to do with requests, or where it is told not to', async () => {
    for (const [code, rerunAlone] of [['UNAVAILABLE', true], ['RUN_FAILED', false]] as const) {
      const { clock, model, send } = setUp({ rerunAlone }, failing(code));
      const answers = [1, 13].map((value) => send(rowsRequest([[value]])));
      await clock.endTurn();
      for (const answer of answers) await expect(answer).rejects.toMatchObject({ code });
      expect(model.runs).toHaveLength(1);
    }
  });

  it('goes on when a model throws instead of rejecting', async () => {
    const model = new RecordingModel(plain(), echo);
    const broken = { ...model, signature: model.signature, infer: () => { throw new TypeError('broken'); }, [Symbol.asyncDispose]: async () => {} };
    const { clock, send, batching } = setUp({}, broken as unknown as RecordingModel);
    const answer = send(rowsRequest([[1]]));
    await clock.endTurn();
    await expect(answer).rejects.toThrow('broken');
    expect(batching.occupancy()).toEqual({ waiting: 0, running: 0 });
  });

  const mean = () =>
    new RecordingModel(plain(8, undefined, [spec('y', [-1])]), (request) => {
      const values = Array.from(request.inputs.get('x')!.data as Float32Array);
      return new Map([['y', floats([1], [values.reduce((sum, value) => sum + value, 0) / values.length])]]);
    });

  it('never hands out rows of an answer that does not have as many as were put in', async () => {
    const { clock, send } = setUp({ rerunAlone: false }, mean());
    const answers = [1, 3].map((value) => send(rowsRequest([[value]])));
    await clock.endTurn();
    for (const answer of answers) {
      await expect(answer).rejects.toMatchObject({ code: 'RUN_FAILED', message: expect.stringMatching(/model 'm' was run with 2 rows of 2 requests, but its output 'y' came back with shape \[1\]/) as string });
    }
  });

  it('serves such a model alone from then on, and says so once', async () => {
    const reasons: string[] = [];
    const { clock, model, send } = setUp({ onBatchAxisIgnored: (reason) => reasons.push(reason) }, mean());
    for (let round = 0; round < 2; round++) {
      const answers = [1, 3].map((value) => send(rowsRequest([[value]])));
      await clock.endTurn();
      expect(valuesOf(await answers[0]!)).toEqual([1]);
      expect(valuesOf(await answers[1]!)).toEqual([3]);
    }
    expect(model.runs.map((run) => run.values('x'))).toEqual([[1, 3], [1], [3], [1], [3]]);
    expect(reasons).toHaveLength(1);
  });

  it('notices an output that is missing', async () => {
    const signature = plain(8, undefined, [spec('y', [-1, 'width']), spec('z', [-1])]);
    const { clock, send } = setUp({ rerunAlone: false }, new RecordingModel(signature, echo));
    const answers = [1, 2].map((value) => send(rowsRequest([[value]], { outputs: ['z'] })));
    await clock.endTurn();
    for (const answer of answers) await expect(answer).rejects.toThrow("model 'm' returned no output 'z'");
  });
});

describe('around the queue', () => {
  it('writes where the time went and reports each run once', async () => {
    const executed: number[][] = [];
    const { clock, model, send } = setUp({ observer: { executed: (...facts) => executed.push(facts) } }, held());
    const calls = [new Call(), new Call()];
    const answers = calls.map((call, index) => send(rowsRequest([[index], [index]]), call));
    const arrivedAtMs = clock.now();
    await clock.endTurn();
    await clock.advance(25);
    model.runs[0]!.end(echo(model.runs[0]!.request));
    await Promise.all(answers);
    for (const call of calls) {
      expect(call.timing).toMatchObject({ queuedAtMs: arrivedAtMs, dequeuedAtMs: arrivedAtMs, runStartedAtMs: arrivedAtMs, runEndedAtMs: arrivedAtMs + 25, batchSize: 4, cacheHit: false });
    }
    expect(executed).toEqual([[4, 0, 25, 0]]);
  });

  it('believes a layer below that knows when the run itself began and ended', async () => {
    const { clock, model, send } = setUp({}, held());
    const call = new Call();
    const answer = send(rowsRequest([[1]]), call);
    await clock.endTurn();
    const startedAtMs = clock.now();
    Object.assign(model.runs[0]!.call.timing, { runStartedAtMs: startedAtMs + 2, runEndedAtMs: startedAtMs + 5 });
    await clock.advance(9);
    model.runs[0]!.end(echo(model.runs[0]!.request));
    await answer;
    expect(call.timing).toMatchObject({ runStartedAtMs: startedAtMs + 2, runEndedAtMs: startedAtMs + 5, batchSize: 1 });
  });

  it('answers what waits before it is disposed of, and nothing after', async () => {
    const { clock, model, send, batching } = setUp({ maxQueueDelayMs: 1_000 }, held());
    const running = send(rowsRequest([[1], [1], [1], [1], [1], [1], [1], [1]]));
    const waiting = send(rowsRequest([[2]]));
    await clock.endTurn();
    let disposed = false;
    const disposal = batching[Symbol.asyncDispose]().then(() => (disposed = true));
    await clock.endTurn();
    await expect(send(rowsRequest([[3]]))).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    model.runs[0]!.end(echo(model.runs[0]!.request));
    await clock.endTurn();
    expect(disposed).toBe(false);
    expect(model.runs[1]!.values('x')).toEqual([2]);
    model.runs[1]!.end(echo(model.runs[1]!.request));
    await Promise.all([running, waiting, disposal, batching[Symbol.asyncDispose]()]);
    expect(model.disposed).toBe(1);
    expect(clock.pendingTimers).toBe(0);
  });

  it('passes the other verbs through with their receiver', async () => {
    const signature = plain();
    const model = {
      signature,
      name: 'inner',
      infer: async () => ({ outputs: new Map() }),
      async predict(this: { name: string }, value: unknown) {
        return [this.name, value];
      },
      [Symbol.asyncDispose]: async () => {},
    };
    const batching = dynamicBatching(model, { modelName: 'm', concurrency: 1 });
    expect(await batching.predict!(1, new Call())).toEqual(['inner', 1]);
    expect('stream' in batching || 'generate' in batching).toBe(false);
    const { infer: _, ...onlyPredict } = model;
    expect(dynamicBatching(onlyPredict, { modelName: 'm', concurrency: 1 })).toBe(onlyPredict);
  });

  it('tells the largest batch that is in force', () => {
    expect(setUp({ maxSize: 3 }).batching.signature.batch.maxSize).toBe(3);
    expect(setUp({ maxSize: 3 }, held(plain(0))).batching.signature.batch.maxSize).toBe(0);
  });
});
