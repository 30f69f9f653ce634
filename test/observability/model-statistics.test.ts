import { describe, expect, it } from 'vitest';
import { Call } from '../../src/call.ts';
import { ModelportError, type ErrorCode } from '../../src/errors.ts';
import type { InferRequest, Model, Signature } from '../../src/model.ts';
import { ModelStatistics, withStatistics } from '../../src/observability/model-statistics.ts';
import type { FailureReason } from '../../src/repository.ts';

const signature: Signature = {
  inputs: [{ name: 'x', datatype: 'FP32', shape: [-1, 1], batchAxis: 0 }],
  outputs: [],
  batch: { maxSize: 8, reason: 'test' },
};
const request = (rows = 1): InferRequest => ({ inputs: new Map([['x', { datatype: 'FP32', shape: [rows, 1], data: new Float32Array(rows) }]]) });
const response = { outputs: new Map() };

function setUp(infer: NonNullable<Model['infer']>) {
  const statistics = new ModelStatistics();
  const model = withStatistics({ signature, infer, [Symbol.asyncDispose]: async () => {} }, statistics);
  return { statistics, model };
}

/** A scheduler's timing: 2 ms queue, 1 ms gathering, 4 ms run, that ended just now. */
const timed = (call: Call, batchSize = 1) => {
  const now = performance.now();
  Object.assign(call.timing, { queuedAtMs: now - 7, dequeuedAtMs: now - 5, runStartedAtMs: now - 4, runEndedAtMs: now, batchSize });
  return response;
};

describe('ModelStatistics', () => {
  it('adds the whole compute time of a run to each of its requests, and counts the run once', async () => {
    const { statistics, model } = setUp(async (_, call) => timed(call, 5));
    await Promise.all([model.infer!(request(2), new Call()), model.infer!(request(3), new Call())]);
    statistics.executed(5, 1, 4, 0.5);
    const snapshot = statistics.snapshot();
    expect(snapshot).toMatchObject({ inferenceCount: 5, executionCount: 1 });
    expect(snapshot.success.count).toBe(2);
    expect([snapshot.queue, snapshot.computeInput, snapshot.computeInfer].map(({ count, ns }) => [count, Math.round(ns / 1e4) / 100])).toEqual([[2, 4], [2, 2], [2, 8]]);
    expect(snapshot.computeOutput.count).toBe(2);
    expect(snapshot.batches).toEqual([{ batchSize: 5, computeInput: { count: 1, ns: 1_000_000 }, computeInfer: { count: 1, ns: 4_000_000 }, computeOutput: { count: 1, ns: 500_000 } }]);
    expect(Math.abs(snapshot.lastInferenceMs - Date.now())).toBeLessThan(60_000);
    expect(snapshot.fail.count + snapshot.cancel.count + snapshot.cacheHit.count + snapshot.cacheMiss.count).toBe(0);
  });

  it('lists batches by size', () => {
    const statistics = new ModelStatistics();
    for (const rows of [8, 1, 2, 1]) statistics.executed(rows, 0, 1, 0);
    const { batches, inferenceCount, executionCount } = statistics.snapshot();
    expect(batches.map(({ batchSize, computeInfer }) => [batchSize, computeInfer.count])).toEqual([[1, 2], [2, 1], [8, 1]]);
    expect([inferenceCount, executionCount]).toEqual([12, 4]);
  });

  it('counts answers from the cache as successes without compute, and misses beside it', async () => {
    let known = false;
    const { statistics, model } = setUp(async (_, call) => {
      call.timing.cacheMs = 0.25;
      if (!known) return timed(call);
      call.timing.cacheHit = true;
      return response;
    });
    await model.infer!(request(), new Call());
    known = true;
    await model.infer!(request(), new Call());
    await model.infer!(request(), new Call());
    const { success, queue, computeInfer, cacheHit, cacheMiss, histograms, executionCount } = statistics.snapshot();
    expect([success.count, queue.count, computeInfer.count, executionCount]).toEqual([3, 3, 1, 0]);
    expect([cacheHit, cacheMiss]).toEqual([{ count: 2, ns: 500_000 }, { count: 1, ns: 250_000 }]);
    expect([histograms!.request.count, histograms!.queue.count, histograms!.computeInfer.count]).toEqual([3, 1, 1]);
  });

  it.each<[ErrorCode | undefined, FailureReason]>([
    ['CANCELLED', 'CANCELED'],
    ['QUEUE_FULL', 'REJECTED'],
    ['DEADLINE_EXCEEDED', 'REJECTED'],
    ['RUN_FAILED', 'BACKEND'],
    ['INVALID_REQUEST', 'OTHER'],
    [undefined, 'OTHER'],
  ])('counts %s as %s', async (code, reason) => {
    const { statistics, model } = setUp(async () => {
      throw code === undefined ? new TypeError('defect') : new ModelportError(code, 'no');
    });
    await expect(model.infer!(request(), new Call())).rejects.toThrow();
    const { fail, cancel, success, failures, inProgress } = statistics.snapshot();
    expect([fail.count, cancel.count, success.count, inProgress]).toEqual(code === 'CANCELLED' ? [0, 1, 0, 0] : [1, 0, 0, 0]);
    expect(failures).toEqual({ REJECTED: 0, CANCELED: 0, BACKEND: 0, OTHER: 0, [reason]: 1 });
  });

  it('counts a model that reports no runs of its own as one run a request', async () => {
    const { statistics, model } = setUp(async () => response);
    await model.infer!(request(3), new Call());
    expect(statistics.snapshot()).toMatchObject({ inferenceCount: 3, executionCount: 1, success: { count: 1 } });
    expect(statistics.snapshot().batches.map((batch) => batch.batchSize)).toEqual([3]);
  });

  it('knows what was not answered yet', async () => {
    let release!: () => void;
    const { statistics, model } = setUp(() => new Promise((resolve) => (release = () => resolve(response))));
    const answer = model.infer!(request(), new Call());
    expect(statistics.snapshot().inProgress).toBe(1);
    release();
    await answer;
    expect(statistics.snapshot().inProgress).toBe(0);
  });

  it('counts a stream as one request, however it ends', async () => {
    const statistics = new ModelStatistics();
    const model = withStatistics(
      {
        signature,
        async *stream(given: InferRequest) {
          yield response;
          if (given.inputs.size === 0) throw new ModelportError('RUN_FAILED', 'no');
          yield response;
        },
        [Symbol.asyncDispose]: async () => {},
      },
      statistics,
    );
    const read = async (given: InferRequest, most: number): Promise<number> => {
      let count = 0;
      for await (const _ of model.stream!(given, new Call())) if (++count === most) break;
      return count;
    };
    expect(await read(request(), 9)).toBe(2);
    await expect(read({ inputs: new Map() }, 9)).rejects.toThrow('no');
    expect(await read(request(), 1)).toBe(1);
    const { success, fail, cancel, inProgress } = statistics.snapshot();
    expect([success.count, fail.count, cancel.count, inProgress]).toEqual([1, 1, 1, 0]);
    expect('infer' in model).toBe(false);
  });

  it('puts durations into the buckets whose bounds hold them', async () => {
    const { statistics, model } = setUp(async (_, call) => {
      Object.assign(call.timing, { queuedAtMs: 1_000, dequeuedAtMs: 1_000.0625, runStartedAtMs: 1_000.5625, runEndedAtMs: 91_000.5625, batchSize: 1 });
      return response;
    });
    await model.infer!(request(), new Call());
    const { queue, computeInput, computeInfer } = statistics.histograms;
    expect(queue.boundsMs.slice(0, 4)).toEqual([0.05, 0.1, 0.25, 0.5]);
    expect(queue.counts.indexOf(1)).toBe(1);
    // A bound belongs to its bucket.
    expect(computeInput.counts.indexOf(1)).toBe(3);
    // Above the last bound.
    expect(computeInfer.counts.indexOf(1)).toBe(computeInfer.boundsMs.length);
    expect(computeInfer).toMatchObject({ count: 1, sumMs: 90_000 });
  });
});
