import { tmpdir } from 'node:os';
import * as fc from 'fast-check';
import { afterEach, expect, test } from 'vitest';
import { Call } from '../../src/call.ts';
import type { Model, Signature } from '../../src/model.ts';
import type { InstanceKind, Runtime } from '../../src/runtime.ts';
import { chooseInstanceKind, inlineRunMs, type MeasuredRun } from '../../src/serving/choose-instance-kind.ts';
import { instanceGroup, type InstanceGroup, type InstanceGroupOptions } from '../../src/serving/instance-group.ts';
import { measureRun, sampleRequest } from '../../src/serving/measure-run.ts';
import { availableCores, shareCores } from '../../src/serving/share-cores.ts';

const { default: runtime } = (await import(new URL('../fixtures/runtimes/obedient.mjs', import.meta.url).href)) as { default: Runtime };

const groups: InstanceGroup[] = [];
afterEach(async () => {
  await Promise.all(groups.splice(0).map((group) => group[Symbol.asyncDispose]()));
});

async function auto(sizeBytes: number, parameters: Record<string, unknown>, options: Partial<InstanceGroupOptions> = {}, kinds: readonly InstanceKind[] = runtime.instanceKinds): Promise<InstanceGroup> {
  const artifact = { format: 'test', directory: tmpdir(), main: 'model.test', files: [{ path: 'model.test', sizeBytes }], metadata: {} };
  const group = await instanceGroup({ ...runtime, instanceKinds: kinds }, artifact, { kind: 'auto', load: { threads: 1, parameters }, ...options });
  groups.push(group);
  const { outputs } = await group.infer!({ inputs: new Map([['x', { datatype: 'FP32', shape: [1, 4], data: new Float32Array(4) }]]) }, new Call());
  expect(outputs.get('x')!.data).toEqual(Float32Array.of(1, 1, 1, 1));
  return group;
}

test('a model that runs in no time runs inline, whatever the size of its file', async () => {
  for (const sizeBytes of [1000, 1e8]) {
    const group = await auto(sizeBytes, {}, { count: 3 });
    expect([group.kind, group.count]).toEqual(['inline', 1]);
    expect(group.kindReason).toMatch(/^its run takes 0\.0\d\d to 0\.0\d\d ms, well under the 0.15 ms that a hop to a thread costs$/);
  }
});

test('a model that holds up the event loop runs in threads', async () => {
  for (const sizeBytes of [1000, 1e8]) {
    const group = await auto(sizeBytes, { runMs: 3 }, { count: 2 });
    expect([group.kind, group.count]).toEqual(['thread', 2]);
    expect(group.kindReason).toMatch(/^its run takes \d+\.\d+ ms, which would hold up the event loop$/);
  }
});

test('what cannot be measured runs in a thread', async () => {
  const refusing = await auto(1000, {}, { samples: [{ inputs: new Map(), parameters: { action: 'throw' } }] });
  expect([refusing.kind, refusing.kindReason]).toEqual(['thread', 'a run could not be measured: told to throw']);
  const unmeasured = await auto(1000, {}, { samples: [] });
  expect([unmeasured.kind, unmeasured.kindReason]).toEqual(['thread', 'a run could not be measured: the sizes of its inputs vary']);
});

test('a runtime with one of the two kinds has no choice', async () => {
  expect((await auto(1000, { runMs: 3 }, {}, ['inline'])).kind).toBe('inline');
  const group = await auto(1000, {}, {}, ['process', 'thread']);
  expect([group.kind, group.kindReason]).toEqual(['thread', "of 'inline' and 'thread', runtime 'obedient' has only this"]);
});

test('the longest of the runs decides', () => {
  expect(chooseInstanceKind([]).kind).toBe('thread');
  const small = (durationMs: number): MeasuredRun => ({ durationMs, sizeBytes: 16 });
  expect(chooseInstanceKind([small(inlineRunMs / 2), small(inlineRunMs)]).kind).toBe('inline');
  expect(chooseInstanceKind([small(inlineRunMs / 2), small(inlineRunMs * 1.01)])).toEqual({ kind: 'thread', reason: 'its run takes 0.037 to 0.076 ms, which would hold up the event loop' });
});

test('a hop copies what goes with it, so a run may take as long as that', () => {
  expect(chooseInstanceKind([{ durationMs: 0.14, sizeBytes: 602_112 }])).toEqual({ kind: 'inline', reason: 'its run takes 0.140 ms, well under the 0.22 ms that a hop to a thread costs' });
  expect(chooseInstanceKind([{ durationMs: 0.16, sizeBytes: 602_112 }]).kind).toBe('thread');
  expect(chooseInstanceKind([{ durationMs: 0.3, sizeBytes: 1e9 }]).kind).toBe('thread');
});

test('the shortest of several runs counts, and a long one is not repeated for long', async () => {
  let pausesMs: number[] = [];
  let runs = 0;
  const model: Model = {
    signature: { inputs: [], outputs: [], batch: { maxSize: 0, reason: '' } },
    async infer() {
      runs++;
      await new Promise((resolve) => setTimeout(resolve, pausesMs.shift() ?? 0));
      return { outputs: new Map() };
    },
    async [Symbol.asyncDispose]() {},
  };
  pausesMs = [60, 60, 60];
  expect(await measureRun(model, { inputs: new Map() })).toBeGreaterThan(50);
  expect(runs).toBe(2);
  pausesMs = [60];
  expect(await measureRun(model, { inputs: new Map() })).toBeLessThan(60);
  expect(runs).toBeGreaterThan(3);
});

test('samples are zeros of the declared shape, and none are made up where a size is open', () => {
  const signature = (shape: Signature['inputs'][number]['shape'], batchAxis?: number): Signature => ({
    inputs: [{ name: 'x', datatype: 'INT64', shape, ...(batchAxis === undefined ? {} : { batchAxis }) }, { name: 's', datatype: 'BYTES', shape: [2] }],
    outputs: [],
    batch: { maxSize: 8, reason: '' },
  });
  const sample = sampleRequest(signature(['n', 3], 0), 2)!;
  expect([...sample.inputs.values()].map(({ shape, data }) => [shape, data])).toEqual([[[2, 3], new BigInt64Array(6)], [[2], [new Uint8Array(0), new Uint8Array(0)]]]);
  expect(sampleRequest(signature([3, -1], 1), 5)!.inputs.get('x')!.shape).toEqual([3, 5]);
  expect(sampleRequest(signature(['n', 'length'], 0), 2)).toBe(undefined);
  expect(sampleRequest(signature(['n', -1], 0), 2)).toBe(undefined);
  expect(sampleRequest(signature([1 << 30]), 2)).toBe(undefined);
});

test('cores are shared out, never more than there are unless instances outnumber them', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 300 }), fc.integer({ min: 1, max: 256 }), (instances, cores) => {
      const threads = shareCores(instances, cores);
      expect(threads).toBeGreaterThanOrEqual(1);
      expect(threads * instances).toBeLessThanOrEqual(Math.max(cores, instances));
      // One thread more for each would be too many.
      expect((threads + 1) * Math.max(1, instances)).toBeGreaterThan(cores);
    }),
  );
  expect(shareCores(1)).toBe(availableCores());
  expect(Number.isInteger(availableCores()) && availableCores() >= 1).toBe(true);
});
