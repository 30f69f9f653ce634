import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, test } from 'vitest';
import type { Artifact } from '../../src/artifact.ts';
import { Call } from '../../src/call.ts';
import type { InferRequest, Parameters } from '../../src/model.ts';
import { instanceKinds, type Runtime } from '../../src/runtime.ts';
import { instanceGroup, type InstanceGroup, type InstanceGroupOptions } from '../../src/serving/instance-group.ts';
import type { InstanceGroupState } from '../../src/serving/replacing-group.ts';
import { textOf, textTensor, type Tensor } from '../../src/tensor.ts';

const { default: runtime } = (await import(new URL('../fixtures/runtimes/obedient.mjs', import.meta.url).href)) as { default: Runtime };
const artifact: Artifact = { format: 'test', directory: tmpdir(), main: 'model.test', files: [], metadata: {} };

const groups: InstanceGroup[] = [];
afterEach(async () => {
  await Promise.all(groups.splice(0).map((group) => group[Symbol.asyncDispose]()));
});

async function group(options: Partial<InstanceGroupOptions> & { parameters?: Record<string, unknown> }): Promise<InstanceGroup> {
  const { parameters, ...others } = options;
  const made = await instanceGroup(runtime, artifact, { kind: 'thread', load: { threads: 1, parameters: parameters ?? {} }, ...others });
  groups.push(made);
  return made;
}

function request(value: number, parameters?: Parameters): InferRequest {
  const x: Tensor = { datatype: 'FP32', shape: [1, 4], data: new Float32Array(4).fill(value) };
  return { inputs: new Map([['x', x]]), ...(parameters === undefined ? {} : { parameters }) };
}

const sequence = { id: 7n, start: true, end: false };

async function until(what: () => boolean): Promise<void> {
  while (!what()) await sleep(5);
}

async function infer(model: InstanceGroup, value: number, parameters?: Parameters, call = new Call()): Promise<number> {
  const response = await model.infer!(request(value, parameters), call);
  return (response.outputs.get('x')!.data as Float32Array)[3]!;
}

describe.each(instanceKinds)('%s', (kind) => {
  test('answers with every datatype, parameters and what the call carries', async () => {
    const model = await group({ kind });
    expect([model.kind, model.kindReason, model.count, model.ready()]).toEqual([kind, 'as configured', 1, true]);
    expect(model.signature.batch).toEqual({ maxSize: 64, reason: 'it says so' });
    expect([model.stream, model.generate, model.predict]).toEqual([undefined, undefined, undefined]);
    const memory = new ArrayBuffer(64);
    const inputs = new Map<string, Tensor>([
      ['halves', { datatype: 'FP16', shape: [2], data: new Uint16Array(memory, 6, 2) }],
      ['longs', { datatype: 'INT64', shape: [1, 2], data: BigInt64Array.of(2n ** 60n, -5n) }],
      ['text', textTensor([2, 1], ['añb', ''])],
      ['nothing', { datatype: 'FP32', shape: [0, 3], data: new Float32Array(0) }],
      ['scalar', { datatype: 'FP64', shape: [], data: Float64Array.of(0.1) }],
      ['large', { datatype: 'INT32', shape: [50_000], data: new Int32Array(50_000).fill(8) }],
    ]);
    const call = new Call({ id: 'r1', priority: 3, deadlineMs: performance.now() + 5000, sequence, trace: { traceId: 'abc', spanId: 'd', sampled: true } });
    for (let again = 0; again < 3; again++) {
      const { outputs, parameters } = await model.infer!({ inputs, outputs: ['a', 'b'], parameters: { flag: true } }, call);
      expect([...outputs].map(([name, { datatype, shape }]) => [name, datatype, shape])).toEqual([...inputs].map(([name, { datatype, shape }]) => [name, datatype, shape]));
      expect([...outputs.get('halves')!.data]).toEqual([1, 1]);
      expect(outputs.get('longs')!.data).toEqual(BigInt64Array.of(2n ** 60n + 1n, -4n));
      expect(textOf(outputs.get('text')!)).toEqual([Buffer.from(Buffer.from('añb').toReversed()).toString(), '']);
      expect(outputs.get('nothing')!.data).toEqual(new Float32Array(0));
      expect(outputs.get('scalar')!.data).toEqual(Float64Array.of(1.1));
      expect(outputs.get('large')!.data).toEqual(new Int32Array(50_000).fill(9));
      expect(parameters).toMatchObject({ id: 'r1', priority: 3, outputs: 'a,b', sequence: 7n, traceId: 'abc' });
      expect(parameters!['leftMs']).toBeGreaterThan(0);
      expect(parameters!['leftMs']).toBeLessThan(5001);
      // The sender keeps its bytes: they may be needed for another try.
      expect(memory.byteLength + (inputs.get('large')!.data as Int32Array)[49_999]!).toBe(72);
    }
    expect((await model.infer!({ inputs: new Map() }, new Call())).outputs.size).toBe(0);
  });

  test('outputs that lie in the memory of the inputs are not mixed up', async () => {
    const model = await group({ kind });
    const responses = [];
    for (let value = 0; value < 5; value++) {
      const x: Tensor = { datatype: 'FP32', shape: [50_000], data: new Float32Array(50_000).fill(value) };
      responses.push(await model.infer!({ inputs: new Map([['x', x]]), parameters: { action: 'alias' } }, new Call()));
    }
    expect(responses.map(({ outputs }) => (outputs.get('x')!.data as Float32Array).every((element, _, all) => element === all[0]!) && (outputs.get('x')!.data as Float32Array)[0])).toEqual([0, 1, 2, 3, 4]);
  });

  test('errors arrive as they were thrown, and the instance lives on', async () => {
    const model = await group({ kind });
    await expect(infer(model, 1, { action: 'throw' })).rejects.toMatchObject({ code: 'RUN_FAILED', message: 'told to throw', at: 'here' });
    await expect(infer(model, 1, { action: 'throw-foreign' })).rejects.toThrow('told to throw something foreign');
    expect(await infer(model, 1)).toBe(2);
    const failing = instanceGroup(runtime, artifact, { kind, count: 2, load: { threads: 1, parameters: { loading: 'fail' } } });
    await expect(failing).rejects.toMatchObject({ code: 'INVALID_MODEL', message: 'model.test is told not to load' });
  });

  test('streams at the pace of the consumer, and stops when it leaves', async () => {
    const model = await group({ kind, parameters: { verbs: ['infer', 'stream', 'generate'] } });
    const indices: number[] = [];
    let ahead = 0;
    for await (const { outputs, parameters } of model.stream!(request(0, { count: 200 }), new Call())) {
      indices.push((outputs.get('index')!.data as Int32Array)[0]!);
      ahead = Math.max(ahead, (parameters!['produced'] as number) - indices.length);
    }
    expect(indices).toEqual(Array.from({ length: 200 }, (_, index) => index));
    expect(ahead).toBeLessThanOrEqual(64);
    for await (const { parameters } of model.stream!(request(0, { count: 1e9 }), new Call())) if ((parameters!['produced'] as number) > 300) break;
    const words = [];
    for await (const event of model.generate!({ prompt: 'two words' }, new Call())) words.push(event.type === 'text-delta' ? event.text : event.reason);
    expect(words).toEqual(['two', 'words', 'stop']);
    const call = new Call();
    const cancelled = (async () => {
      for await (const { outputs } of model.stream!(request(0, { count: 1e9 }), call)) if ((outputs.get('index')!.data as Int32Array)[0] === 50) call.cancel();
    })();
    // A stream may also just end: the model heard of it either way.
    await cancelled.catch((error: unknown) => expect(error).toMatchObject({ code: 'CANCELLED' }));
    await expect(async () => {
      for await (const _ of model.stream!(request(0, { count: 5, actAt: 2, action: 'throw' }), new Call()));
    }).rejects.toThrow('told to throw');
  });

  test('predicts values of any plain kind', async () => {
    const model = await group({ kind, parameters: { verbs: ['predict'] } });
    expect(model.infer).toBe(undefined);
    const value = { text: 'ä', list: [1, null, true], bytes: Uint8Array.of(1, 2), big: 2n ** 70n };
    expect(await model.predict!(value, new Call())).toMatchObject({ value });
    await expect(model.predict!({ action: 'throw' }, new Call())).rejects.toMatchObject({ code: 'RUN_FAILED' });
    if (kind !== 'inline') await expect(model.predict!({ action: 'function' }, new Call())).rejects.toThrow(/cannot cross to or from an instance .* could not be cloned/);
    expect(await model.predict!({ action: 'none' }, new Call())).toMatchObject({ value: { action: 'none' } });
  });

  test('disposal waits for calls under way; later ones are refused', async () => {
    const model = await group({ kind, count: 2 });
    const answers = Promise.all([1, 2].map((value) => infer(model, value, { action: 'sleep', durationMs: 50 })));
    // The runtime aborts the process if it is disposed of while it runs.
    if (kind === 'inline') await answers;
    await Promise.all([model[Symbol.asyncDispose](), model[Symbol.asyncDispose]()]);
    expect(await answers).toEqual([2, 3]);
    expect(model.ready()).toBe(false);
    await expect(infer(model, 1)).rejects.toMatchObject({ code: 'UNAVAILABLE' });
  });
});

test('a thread takes the memory of inputs that are given away, and of no others', async () => {
  const model = await group({ kind: 'thread' });
  const large = (): Map<string, Tensor> => new Map<string, Tensor>([['large', { datatype: 'INT32', shape: [50_000], data: new Int32Array(50_000).fill(8) }]]);
  for (const givesAway of [true, false]) {
    const inputs = large();
    const { outputs } = await model.infer!({ inputs, givesAway }, new Call());
    expect(outputs.get('large')!.data).toEqual(new Int32Array(50_000).fill(9));
    expect(inputs.get('large')!.data.length).toBe(givesAway ? 0 : 50_000);
  }
});

describe.each(['thread', 'process'] as const)('%s, when things go wrong', (kind) => {
  test('one run at a time on each instance; more wait in order; a cancelled one never runs', async () => {
    const model = await group({ kind });
    const call = new Call();
    const order: number[] = [];
    const sent = [0, 1, 2, 3].map((value) => infer(model, value, { action: 'sleep', durationMs: 20 }, value === 2 ? call : new Call()).then((answer) => order.push(answer)));
    const refused = expect(sent[2]).rejects.toMatchObject({ code: 'CANCELLED' });
    call.cancel();
    await refused;
    expect(order).toEqual([]);
    await Promise.all([sent[0], sent[1], sent[3]]);
    expect(order).toEqual([1, 2, 4]);
    await expect(infer(model, 1, {}, call)).rejects.toMatchObject({ code: 'CANCELLED' });
  });

  test('the model hears of a cancellation while it runs, and the answer is dropped', async () => {
    const model = await group({ kind });
    const call = new Call();
    const answer = infer(model, 1, { action: 'wait-for-cancel' }, call);
    setTimeout(() => call.cancel(), 20);
    await expect(answer).rejects.toMatchObject({ code: 'CANCELLED' });
    const late = new Call();
    const dropped = infer(model, 1, { action: 'block', durationMs: 50 }, late);
    setTimeout(() => late.cancel(), 10);
    await expect(dropped).rejects.toMatchObject({ code: 'CANCELLED' });
    expect(await infer(model, 1)).toBe(2);
  });

  test('a deadline that passes while the request waits is said', async () => {
    const model = await group({ kind });
    const first = infer(model, 1, { action: 'sleep', durationMs: 100 });
    await expect(infer(model, 2, {}, new Call({ deadlineMs: performance.now() + 10 }))).rejects.toMatchObject({ code: 'DEADLINE_EXCEEDED' });
    expect(await first).toBe(2);
  });

  test('an instance that dies between runs is replaced, and nothing is lost', async () => {
    const states: InstanceGroupState[] = [];
    const model = await group({ kind, onStateChange: (state) => states.push(state) });
    for (const action of ['throw-between', 'exit-between']) {
      expect(await infer(model, 1, { action })).toBe(2);
      await until(() => !model.ready());
      expect(await infer(model, 5)).toBe(6);
      expect(model.ready()).toBe(true);
    }
    expect(states.map(({ ready, readyInstances }) => [ready, readyInstances])).toEqual([[true, 1], [false, 0], [true, 1], [false, 0], [true, 1]]);
    expect(states[1]!.reason).toContain(`its ${kind} failed: told to throw between runs`);
    expect(states[3]!.reason).toContain('exited with code 4');
  });

  test('a request whose instance dies is tried once more', async () => {
    const model = await group({ kind, count: 2 });
    const together = [infer(model, 1, { action: 'exit' }), infer(model, 2, { action: 'sleep', durationMs: 30 }), infer(model, 3)];
    await expect(together[0]).rejects.toMatchObject({ code: 'RUN_FAILED', message: expect.stringMatching(/^two instances died while they ran this request; .*exited with code 3$/) });
    expect(await Promise.all(together.slice(1))).toEqual([3, 4]);
    await until(() => model.ready());
    expect(await infer(model, 5)).toBe(6);
  });

  test('a request of a sequence is never tried again', async () => {
    const model = await group({ kind });
    await expect(infer(model, 1, { action: 'exit' }, new Call({ sequence }))).rejects.toMatchObject({ code: 'UNAVAILABLE', retryAfterSeconds: 1, message: expect.stringContaining('exited with code 3') });
    await until(() => model.ready());
    expect(await infer(model, 1)).toBe(2);
  });

  test('streams and predictions are tried again until they have begun', async () => {
    const model = await group({ kind, count: 2, parameters: { verbs: ['stream', 'predict'] } });
    const seen: number[] = [];
    const started = async (actAt: number): Promise<void> => {
      for await (const { outputs } of model.stream!(request(0, { count: 4, actAt, action: 'exit' }), new Call())) seen.push((outputs.get('index')!.data as Int32Array)[0]!);
    };
    await expect(started(2)).rejects.toMatchObject({ code: 'UNAVAILABLE', message: expect.stringContaining('exited with code 3') });
    expect(seen.length).toBeLessThanOrEqual(2);
    await expect(started(0)).rejects.toThrow(/^two instances died/);
    await expect(model.predict!({ action: 'exit' }, new Call())).rejects.toThrow(/^two instances died/);
    expect(await model.predict!('alive', new Call())).toMatchObject({ value: 'alive' });
  });

  test('a model that cannot be loaded again makes the group unready and calls fail with the reason, until it can', async () => {
    const file = join(mkdtempSync(join(tmpdir(), 'modelport-')), 'broken');
    const model = await group({ kind, parameters: { loading: 'fail-if-exists', file }, restart: { firstDelayMs: 1, maxDelayMs: 50, maxFutileStarts: 3 } });
    writeFileSync(file, '');
    const waiting = infer(model, 1, { action: 'exit' });
    await expect(waiting).rejects.toMatchObject({ code: 'UNAVAILABLE', message: expect.stringMatching(/^no instance of the model 'model.test' stays alive: model.test is told not to load$/), retryAfterSeconds: 1 });
    expect(model.ready()).toBe(false);
    await expect(infer(model, 2)).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    rmSync(file);
    await until(() => model.ready());
    expect(await infer(model, 2)).toBe(3);
    expect(existsSync(file)).toBe(false);
  });

  test('an instance that dies while it loads fails the load with the reason', async () => {
    await expect(group({ kind, parameters: { loading: 'exit' } })).rejects.toMatchObject({ code: 'UNAVAILABLE', message: expect.stringContaining('exited with code 9') });
  });
});

test('a process survives what would take the server with it', async () => {
  const model = await group({ kind: 'process' });
  const pids = new Set<unknown>();
  for (const [action, reason] of [['abort', /ended by SIGABRT/], ['kill', /ended by SIGKILL/]] as const) {
    await expect(model.infer!(request(1, { action }), new Call({ sequence }))).rejects.toThrow(reason);
    pids.add((await model.infer!(request(1), new Call())).parameters!['pid']);
  }
  expect(pids.size).toBe(2);
  await expect(group({ kind: 'process', parameters: { loading: 'abort' } })).rejects.toThrow(/ended by SIGABRT/);
});

test('disposal leaves no process behind', async () => {
  const model = await group({ kind: 'process', count: 2 });
  const alive = (): number[] => readdirSync('/proc').map(Number).filter((pid) => pid > 0 && parentOf(pid) === process.pid && commandOf(pid).includes('model.test'));
  const before = alive();
  expect(before.length).toBe(2);
  await model[Symbol.asyncDispose]();
  expect(before.filter((pid) => alive().includes(pid))).toEqual([]);
});

function parentOf(pid: number): number {
  try {
    return Number(/^PPid:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]);
  } catch {
    return 0;
  }
}

function commandOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8');
  } catch {
    return '';
  }
}

test('a kind that the runtime lacks is a mistake in the config', async () => {
  await expect(instanceGroup({ ...runtime, instanceKinds: ['inline', 'thread'] }, artifact, { kind: 'process', load: { threads: 1, parameters: {} } })).rejects.toMatchObject({
    code: 'INVALID_CONFIG',
    at: 'instances.kind',
    message: "runtime 'obedient' cannot run instances of kind 'process'; it can run 'inline', 'thread'",
  });
});
