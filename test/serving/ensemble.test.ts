import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Call } from '../../src/call.ts';
import { ModelportError } from '../../src/errors.ts';
import type { EnsembleConfig } from '../../src/model-config.ts';
import type { Dimension, InferRequest, InferResponse, Model, TensorSpec } from '../../src/model.ts';
import { ensemble, ensembleModels, type ModelLookup } from '../../src/serving/ensemble.ts';
import type { EnsembleTensors } from '../../src/serving/ensemble-plan.ts';
import type { Datatype, Tensor } from '../../src/tensor.ts';

const fuzzRuns = Number(process.env['MODELPORT_FUZZ_RUNS'] ?? 2000);

function spec(name: string, datatype: Datatype = 'FP32', shape: readonly Dimension[] = ['N', 1], facts: Partial<TensorSpec> = {}): TensorSpec {
  return { name, datatype, shape, batchAxis: 0, ...facts };
}

interface StepModel extends Model {
  readonly calls: { readonly request: InferRequest; readonly call: Call }[];
  infer(request: InferRequest, call: Call): Promise<InferResponse>;
}

/** A model whose every output is the sum of its inputs plus `add`. */
function adder(options: { inputs?: TensorSpec[]; outputs?: TensorSpec[]; add?: number; maxSize?: number; before?: (call: Call) => Promise<void> } = {}): StepModel {
  const { inputs = [spec('in')], outputs = [spec('out')], add = 1 } = options;
  const calls: StepModel['calls'] = [];
  return {
    signature: { inputs, outputs, batch: { maxSize: options.maxSize ?? 8, reason: 'test' } },
    calls,
    async infer(request, call) {
      calls.push({ request, call });
      await options.before?.(call);
      const first = [...request.inputs.values()][0]!;
      const data = new Float32Array(first.data.length).fill(add);
      for (const tensor of request.inputs.values()) (tensor.data as Float32Array).forEach((value, index) => (data[index]! += value));
      const asked = request.outputs ?? outputs.map((output) => output.name);
      return { outputs: new Map(asked.map((name) => [name, { datatype: 'FP32', shape: first.shape, data }])) };
    },
    [Symbol.asyncDispose]: async () => {},
  };
}

function lookupIn(models: Readonly<Record<string, Model>>): ModelLookup {
  return (name, version) => {
    const model = models[version === undefined ? name : `${name}/${version}`];
    if (model === undefined) throw new ModelportError('NOT_FOUND', `Request for unknown model: '${name}' is not found`);
    return model;
  };
}

type Step = EnsembleConfig['steps'][number];
const step = (model: string, inputs: Step['inputs'], outputs: Step['outputs'], version?: string): Step => ({ model, inputs, outputs, ...(version === undefined ? {} : { version }) });

function build(models: Readonly<Record<string, Model>>, steps: Step[], tensors: EnsembleTensors = {}): ReturnType<typeof ensemble> {
  return ensemble({ steps }, tensors, lookupIn(models), { name: 'e', modelNames: () => Object.keys(models) });
}

function request(values: Readonly<Record<string, number[]>>, outputs?: string[]): InferRequest {
  const inputs = new Map(Object.entries(values).map(([name, data]): [string, Tensor] => [name, { datatype: 'FP32', shape: [data.length, 1], data: Float32Array.from(data) }]));
  return outputs === undefined ? { inputs } : { inputs, outputs };
}

const values = (response: InferResponse): Record<string, number[]> => Object.fromEntries([...response.outputs].map(([name, tensor]) => [name, [...(tensor.data as Float32Array)]]));
const chain = [step('a', { in: 'x' }, { out: 'middle' }), step('b', { in: 'middle' }, { out: 'y' })];

describe('running', () => {
  test('steps follow each other, each with its own name for a tensor', async () => {
    const model = build({ a: adder(), b: adder({ add: 10 }) }, chain);
    expect(values(await model.infer(request({ x: [1, 2] }), new Call()))).toEqual({ y: [12, 13] });
  });

  test('the order in the config does not matter', async () => {
    const model = build({ a: adder(), b: adder({ add: 10 }) }, chain.toReversed());
    expect(values(await model.infer(request({ x: [1] }), new Call()))).toEqual({ y: [12] });
  });

  test('branches run at the same time and meet', async () => {
    let arrived = 0;
    let meet = (): void => {};
    const met = new Promise<void>((resolve) => (meet = resolve));
    const before = async (): Promise<void> => {
      if (++arrived === 2) meet();
      await met;
    };
    const model = build(
      { a: adder({ before }), b: adder({ add: 10, before }), c: adder({ inputs: [spec('left'), spec('right')], add: 0 }) },
      [step('a', { in: 'x' }, { out: 'l' }), step('b', { in: 'x' }, { out: 'r' }), step('c', { left: 'l', right: 'r' }, { out: 'y' })],
    );
    expect(values(await model.infer(request({ x: [1] }), new Call()))).toEqual({ y: [13] });
  });

  test('steps of requests of one turn begin in one turn, so that their models can join them', async () => {
    const turns: number[] = [];
    let turn = 0;
    const counting = adder({ before: async () => void turns.push(turn) });
    const model = build({ a: counting, b: adder() }, chain);
    const answers = [model.infer(request({ x: [1] }), new Call()), model.infer(request({ x: [2] }), new Call())];
    setImmediate(() => turn++);
    await Promise.all(answers);
    expect(turns).toEqual([0, 0]);
  });

  test('the same tensor goes on without a copy', async () => {
    const [a, b] = [adder(), adder()];
    const model = build({ a, b }, [...chain, step('a', { in: 'middle' }, { out: 'z' })]);
    const asked = request({ x: [1] });
    await model.infer(asked, new Call());
    expect(a.calls[0]!.request.inputs.get('in')).toBe(asked.inputs.get('x'));
    expect(b.calls[0]!.request.inputs.get('in')).toBe(a.calls[1]!.request.inputs.get('in'));
  });

  test('steps that no asked output needs are left out, and so are their tensors', async () => {
    const [a, b, c] = [adder({ outputs: [spec('out'), spec('side')] }), adder(), adder()];
    const model = build({ a, b, c }, [step('a', { in: 'x' }, { out: 'middle', side: 's' }), step('b', { in: 'middle' }, { out: 'y' }), step('c', { in: 's' }, { out: 'z' })]);
    expect(values(await model.infer(request({ x: [1] }, ['z']), new Call()))).toEqual({ z: [3] });
    expect([a, b, c].map((one) => one.calls.length)).toEqual([1, 0, 1]);
    expect(a.calls[0]!.request.outputs).toEqual(['side']);
    expect(Object.keys(values(await model.infer(request({ x: [1] }), new Call())))).toEqual(['y', 'z']);
    expect(a.calls[1]!.request.outputs).toBeUndefined();
  });

  test('a tensor can be an output and feed a step', async () => {
    const model = build({ a: adder(), b: adder() }, chain, { outputs: [{ name: 'y' }, { name: 'middle' }] });
    expect(values(await model.infer(request({ x: [1] }), new Call()))).toEqual({ y: [3], middle: [2] });
    expect(values(await model.infer(request({ x: [1] }, ['middle']), new Call()))).toEqual({ middle: [2] });
  });

  test('one tensor can feed two inputs of a step', async () => {
    const model = build({ c: adder({ inputs: [spec('left'), spec('right')], add: 0 }) }, [step('c', { left: 'x', right: 'x' }, { out: 'y' })]);
    expect(values(await model.infer(request({ x: [4] }), new Call()))).toEqual({ y: [8] });
  });

  test('an optional input may be left out', async () => {
    const optional = adder({ inputs: [spec('in'), spec('bias', 'FP32', ['N', 1], { optional: true })] });
    const model = build({ a: optional }, [step('a', { in: 'x', bias: 'b' }, { out: 'y' })]);
    expect(model.signature.inputs.map((input) => [input.name, input.optional])).toEqual([['x', undefined], ['b', true]]);
    expect(values(await model.infer(request({ x: [1] }), new Call()))).toEqual({ y: [2] });
    expect(values(await model.infer(request({ x: [1], b: [5] }), new Call()))).toEqual({ y: [7] });
  });

  test('a replaced model takes effect, a named version is asked for', async () => {
    const models: Record<string, Model> = { a: adder(), b: adder(), 'b/7': adder({ add: 70 }) };
    const model = build(models, chain);
    expect(values(await model.infer(request({ x: [1] }), new Call()))).toEqual({ y: [3] });
    models['b'] = adder({ add: 100 });
    expect(values(await model.infer(request({ x: [1] }), new Call()))).toEqual({ y: [102] });
    const pinned = build(models, [chain[0]!, { ...chain[1]!, version: '7' }]);
    expect(values(await pinned.infer(request({ x: [1] }), new Call()))).toEqual({ y: [72] });
  });

  test('ensembles can be steps of ensembles', async () => {
    const models: Record<string, Model> = { a: adder(), b: adder() };
    models['inner'] = ensemble({ steps: chain }, {}, lookupIn(models), { name: 'inner' });
    const model = build(models, [step('inner', { x: 'x' }, { y: 'm' }), step('a', { in: 'm' }, { out: 'y' })]);
    expect(values(await model.infer(request({ x: [1] }), new Call()))).toEqual({ y: [4] });
  });

  test('a circle that a replaced model closes ends with an error', async () => {
    const models: Record<string, Model> = { a: adder() };
    const outer = build(models, [step('a', { in: 'x' }, { out: 'y' })]);
    models['a'] = ensemble({ steps: [step('e', { x: 'in' }, { y: 'out' })] }, {}, lookupIn({ e: outer }), { name: 'a' });
    await expect(outer.infer(request({ x: [1] }), new Call())).rejects.toMatchObject({ code: 'RUN_FAILED', message: expect.stringContaining('nested more than 16 deep') });
  });

  test('caller, deadline, priority, trace and sequence reach the steps', async () => {
    const a = adder();
    const call = new Call({ id: 'r', deadlineMs: performance.now() + 1000, priority: 2, sequence: { id: 5n, start: true, end: false }, trace: { traceId: 't', spanId: 's', sampled: true } });
    await build({ a }, [step('a', { in: 'x' }, { out: 'y' })]).infer(request({ x: [1] }), call);
    const { id, deadlineMs, priority, sequence, trace } = a.calls[0]!.call;
    expect({ id, deadlineMs, priority, sequence, trace }).toEqual({ id: 'r', deadlineMs: call.deadlineMs, priority: 2, sequence: call.sequence, trace: call.trace });
    expect(call.timing.runEndedAtMs).toBeGreaterThanOrEqual(call.timing.runStartedAtMs);
  });
});

describe('failing', () => {
  const cancellation = (call: Call): Promise<void> => new Promise((_, reject) => call.onCancel(() => reject(new ModelportError('CANCELLED', 'gone'))));

  test('cancelling the call cancels the steps under way', async () => {
    const b = adder();
    const model = build({ a: adder({ before: cancellation }), b }, chain);
    const call = new Call();
    const answer = model.infer(request({ x: [1] }), call);
    call.cancel();
    await expect(answer).rejects.toMatchObject({ code: 'CANCELLED' });
    expect(b.calls).toHaveLength(0);
  });

  test('the error names ensemble and step, and other branches are cancelled', async () => {
    const slow = adder({ before: cancellation });
    const failing = adder({ before: async () => { throw new ModelportError('QUEUE_FULL', 'Exceeds maximum queue size', { retryAfterSeconds: 3 }); } });
    const model = build({ slow, failing }, [step('slow', { in: 'x' }, { out: 'y' }), step('failing', { in: 'x' }, { out: 'z' })]);
    await expect(model.infer(request({ x: [1] }), new Call())).rejects.toMatchObject({ code: 'QUEUE_FULL', retryAfterSeconds: 3, message: "in ensemble 'e', Exceeds maximum queue size [step 2 ('failing')]" });
    expect(slow.calls[0]!.call.cancelled).toBe(true);
  });

  test('what is thrown without a code is a failed run', async () => {
    const model = build({ a: adder({ before: async () => { throw new TypeError('x is undefined'); } }), b: adder() }, chain);
    await expect(model.infer(request({ x: [1] }), new Call())).rejects.toMatchObject({ code: 'RUN_FAILED', message: "in ensemble 'e', x is undefined [step 1 ('a')]" });
  });

  test('what one step makes must fit the next', async () => {
    const wide: StepModel = { ...adder(), infer: async () => ({ outputs: new Map([['out', { datatype: 'FP32', shape: [1, 2], data: new Float32Array(2) }]]) }) };
    const model = build({ a: wide, b: adder() }, chain);
    await expect(model.infer(request({ x: [1] }), new Call())).rejects.toMatchObject({ code: 'INVALID_REQUEST', message: expect.stringMatching(/unexpected shape for input 'in' for model 'b'.*\[step 2 \('b'\)\]/) });
    const silent: StepModel = { ...adder(), infer: async () => ({ outputs: new Map() }) };
    await expect(build({ a: silent, b: adder() }, chain).infer(request({ x: [1] }), new Call())).rejects.toMatchObject({ code: 'RUN_FAILED', message: expect.stringContaining("did not answer with output 'out'") });
  });

  test('a step that was unloaded is unavailable, not unknown', async () => {
    const models: Record<string, Model> = { a: adder(), b: adder() };
    const model = build(models, chain);
    delete models['b'];
    await expect(model.infer(request({ x: [1] }), new Call())).rejects.toMatchObject({ code: 'UNAVAILABLE', message: expect.stringContaining("[step 2 ('b')]") });
  });

  test('more rows than a step takes', async () => {
    const model = build({ a: adder(), b: adder({ maxSize: 2 }) }, chain);
    expect(model.signature.batch.maxSize).toBe(2);
    await expect(model.infer(request({ x: [1, 2, 3] }), new Call())).rejects.toMatchObject({ code: 'INVALID_REQUEST', message: expect.stringContaining('batch-size must be <= 2') });
  });

  test('disposal waits for what runs and disposes of no step', async () => {
    let open = (): void => {};
    const gate = new Promise<void>((resolve) => (open = resolve));
    let stepDisposed = false;
    const a: StepModel = { ...adder({ before: () => gate }), [Symbol.asyncDispose]: async () => void (stepDisposed = true) };
    const model = build({ a, b: adder() }, chain);
    const answer = model.infer(request({ x: [1] }), new Call());
    let disposed = false;
    const disposal = model[Symbol.asyncDispose]().then(() => (disposed = true));
    await new Promise((resolve) => setImmediate(resolve));
    expect(disposed).toBe(false);
    await expect(model.infer(request({ x: [1] }), new Call())).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    open();
    expect(values(await answer)).toEqual({ y: [3] });
    await disposal;
    expect(stepDisposed).toBe(false);
  });
});

describe('signature', () => {
  test('what the steps say is merged, and the config adds facts', () => {
    const models = {
      a: adder({ inputs: [spec('in', 'FP32', ['N', -1])], outputs: [spec('out', 'FP32', ['N', 3])] }),
      b: adder({ inputs: [spec('in', 'FP32', [-1, 4], { description: 'of b' })], outputs: [spec('out', 'FP32', ['N', 2], { labels: ['no', 'yes'] })] }),
    };
    const steps = [step('a', { in: 'x' }, { out: 'y' }), step('b', { in: 'x' }, { out: 'z' })];
    expect(build(models, steps).signature).toMatchObject({
      inputs: [{ name: 'x', datatype: 'FP32', shape: ['N', 4], batchAxis: 0 }],
      outputs: [{ name: 'y', shape: ['N', 3], batchAxis: 0 }, { name: 'z', shape: ['N', 2], labels: ['no', 'yes'], batchAxis: 0 }],
    });
    const { signature } = build(models, steps, { inputs: [{ name: 'x', datatype: 'FP32', shape: [-1, 4], description: 'four numbers', minimum: 0 }], outputs: [{ name: 'z', batchAxis: false }, { name: 'y' }] });
    expect(signature.inputs).toEqual([{ name: 'x', datatype: 'FP32', shape: ['N', 4], batchAxis: 0, description: 'four numbers', minimum: 0 }]);
    expect(signature.outputs[0]).toEqual({ name: 'z', datatype: 'FP32', shape: ['N', 2], labels: ['no', 'yes'] });
  });

  test('one step that does not batch makes the ensemble not batch', () => {
    expect(build({ a: adder({ maxSize: 0 }), b: adder({ maxSize: 4 }) }, chain).signature.batch.maxSize).toBe(0);
  });

  test('the models that it calls', () => {
    expect(ensembleModels({ steps: [...chain, step('a', { in: 'x' }, { out: 'w' }), step('b', { in: 'x' }, { out: 'v' }, '2')] })).toEqual([
      { name: 'a', version: undefined },
      { name: 'b', version: undefined },
      { name: 'b', version: '2' },
    ]);
  });
});

describe('what is wrong is found at loading', () => {
  const scale = adder();
  const models = {
    scale,
    classify: adder({ inputs: [spec('in', 'FP32', ['N', 4])], outputs: [spec('out', 'INT64', ['N'])] }),
    pair: adder({ inputs: [spec('left'), spec('right')] }),
    stream: { signature: scale.signature, async *stream() {}, [Symbol.asyncDispose]: async () => {} } satisfies Model,
  };
  const cases: [string, Step[], EnsembleTensors, string][] = [
    ['unknown model', [step('scael', { in: 'x' }, { out: 'y' })], {}, "ensemble.steps[0].model: there is no model 'scael'; did you mean 'scale'?"],
    ['itself', [step('e', { in: 'x' }, { out: 'y' })], {}, 'ensemble.steps[0].model: an ensemble cannot be a step of itself'],
    ['no infer', [step('stream', { in: 'x' }, { out: 'y' })], {}, "ensemble.steps[0].model: model 'stream' has no infer"],
    ['unknown input', [step('pair', { leftt: 'x', right: 'x' }, { out: 'y' })], {}, "ensemble.steps[0].inputs: step 1 ('pair'): model 'pair' has no input 'leftt'; did you mean 'left'?"],
    ['unknown output', [step('scale', { in: 'x' }, { outt: 'y' })], {}, "ensemble.steps[0].outputs: step 1 ('scale'): model 'scale' has no output 'outt'; did you mean 'out'?"],
    ['unfed input', [step('pair', { left: 'x' }, { out: 'y' })], {}, "ensemble.steps[0].inputs: step 1 ('pair'): nothing feeds input 'right' of model 'pair'"],
    [
      'made twice',
      [step('scale', { in: 'x' }, { out: 'y' }), step('pair', { left: 'x', right: 'x' }, { out: 'y' })],
      {},
      "ensemble.steps[1].outputs.out: tensor 'y' is made twice: it is output 'out' of step 1 ('scale') already",
    ],
    ['input that is made', [step('scale', { in: 'x' }, { out: 'y' })], { inputs: [{ name: 'y' }] }, "inputs[0].name: input 'y' is output 'out' of step 1 ('scale') too: a tensor comes from one place"],
    ['unread input', [step('scale', { in: 'picture' }, { out: 'y' })], { inputs: [{ name: 'pictures' }] }, "inputs[0].name: no step reads input 'pictures'; did you mean 'picture'?"],
    [
      'tensor from nowhere',
      [step('scale', { in: 'x' }, { out: 'scaled' }), step('pair', { left: 'scaled', right: 'scalde' }, { out: 'y' })],
      { inputs: [{ name: 'x' }] },
      "ensemble.steps[1].inputs.right: tensor 'scalde' (input 'right' of step 2 ('pair')) is neither an input of the ensemble nor made by a step; did you mean 'scaled'?",
    ],
    ['unmade output', [step('scale', { in: 'x' }, { out: 'scores' })], { outputs: [{ name: 'score' }] }, "outputs[0].name: no step makes output 'score'; did you mean 'scores'?"],
    [
      'circle',
      [step('pair', { left: 'x', right: 'b' }, { out: 'a' }), step('scale', { in: 'a' }, { out: 'b' }), step('scale', { in: 'b' }, { out: 'y' })],
      {},
      "ensemble.steps[0].inputs: the steps wait for each other: step 1 ('pair') needs 'b', step 2 ('scale') needs 'a'",
    ],
    [
      'unneeded step',
      [step('scale', { in: 'x' }, { out: 'y' }), step('scale', { in: 'x' }, { out: 'z' })],
      { outputs: [{ name: 'y' }] },
      "ensemble.steps[1].outputs: no output of the ensemble needs step 2 ('scale'), which makes 'z'",
    ],
    ['no outputs taken', [step('scale', { in: 'x' }, { out: 'y' }), step('scale', { in: 'x' }, {})], {}, "ensemble.steps[1].outputs: step 2 ('scale') gives no tensor to the ensemble"],
    [
      'shapes',
      [step('scale', { in: 'x' }, { out: 'y' }), step('classify', { in: 'y' }, { out: 'z' })],
      {},
      "ensemble.steps[1].inputs.in: tensor 'y': output 'out' of step 1 ('scale') has shape [N, 1], but input 'in' of step 2 ('classify') has [N, 4]",
    ],
    [
      'datatypes',
      [step('classify', { in: 'x' }, { out: 'y' }), step('scale', { in: 'y' }, { out: 'z' })],
      {},
      "ensemble.steps[1].inputs.in: tensor 'y': output 'out' of step 1 ('classify') is INT64, but input 'in' of step 2 ('scale') is FP32",
    ],
    [
      'two readers',
      [step('scale', { in: 'x' }, { out: 'y' }), step('classify', { in: 'x' }, { out: 'z' })],
      {},
      "ensemble.steps[1].inputs.in: tensor 'x': input 'in' of step 1 ('scale') has shape [N, 1], but input 'in' of step 2 ('classify') has [N, 4]",
    ],
    ['config against model', [step('scale', { in: 'x' }, { out: 'y' })], { inputs: [{ name: 'x', datatype: 'FP64' }] }, "inputs[0]: tensor 'x': input 'in' of step 1 ('scale') is FP32, but the config is FP64"],
    ['config against shape', [step('scale', { in: 'x' }, { out: 'y' })], { outputs: [{ name: 'y', shape: [-1] }] }, "outputs[0]: tensor 'y': output 'out' of step 1 ('scale') has shape [N, 1], but the config has [-1]"],
  ];
  test.each(cases)('%s', (_, steps, tensors, message) => {
    expect(() => build(models, steps, tensors)).toThrow(expect.objectContaining({ code: 'INVALID_CONFIG', message: `ensemble 'e': ${message}` }));
  });

  test('a model that is there and not ready says why', () => {
    const lookup: ModelLookup = () => { throw new ModelportError('UNAVAILABLE', 'it is loading'); };
    expect(() => ensemble({ steps: [chain[0]!] }, {}, lookup, { name: 'e', modelNames: () => ['a'] })).toThrow("model 'a' cannot be used: it is loading");
  });
});

test('fuzz: any graph gives what its steps give one after the other', async () => {
  // Step i reads some tensors that come before it: inputs x0, x1 and the outputs t0 … t(i-1).
  const graph = fc.array(fc.record({ reads: fc.array(fc.nat(), { minLength: 1, maxLength: 3 }), add: fc.integer({ min: 0, max: 9 }), turns: fc.nat(3) }), { minLength: 1, maxLength: 8 });
  await fc.assert(
    fc.asyncProperty(graph, fc.array(fc.nat(), { minLength: 1, maxLength: 3 }), fc.integer(), async (nodes, asked, shuffle) => {
      const models: Record<string, StepModel> = {};
      const known = ['x0', 'x1'];
      const expected: Record<string, number> = { x0: 1, x1: 2 };
      const steps = nodes.map(({ reads, add, turns }, index) => {
        const from = reads.map((read) => known[read % known.length]!);
        const inputs = from.map((_, input) => spec(`in${input}`));
        const before = async (): Promise<void> => { for (let count = 0; count < turns; count++) await new Promise((resolve) => setImmediate(resolve)); };
        models[`m${index}`] = adder({ inputs, add, before });
        known.push(`t${index}`);
        expected[`t${index}`] = from.reduce((sum, name) => sum + expected[name]!, add);
        return step(`m${index}`, Object.fromEntries(from.map((name, input) => [`in${input}`, name])), { out: `t${index}` });
      });
      const outputs = [...new Set(asked.map((index) => `t${index % nodes.length}`))];
      steps.sort((a, b) => ((a.model.length * shuffle) % 7) - ((b.model.charCodeAt(1) * shuffle) % 7));
      const all = { outputs: nodes.map((_, index) => ({ name: `t${index}` })) };
      const model = build(models, steps, all);
      const response = await model.infer({ inputs: new Map([...request({ x0: [1], x1: [2] }).inputs].filter(([name]) => model.signature.inputs.some((input) => input.name === name))), outputs }, new Call());
      expect(values(response)).toEqual(Object.fromEntries(outputs.map((name) => [name, [expected[name]]])));
      // Each step that is needed ran once, the others not at all.
      const needed = new Set<string>();
      const visit = (name: string): void => {
        const made = steps.find((candidate) => candidate.outputs['out'] === name);
        if (made === undefined || needed.has(made.model)) return;
        needed.add(made.model);
        Object.values(made.inputs).forEach(visit);
      };
      outputs.forEach(visit);
      for (const [name, one] of Object.entries(models)) expect(one.calls.length).toBe(needed.has(name) ? 1 : 0);
    }),
    { numRuns: Math.ceil(fuzzRuns / 4), seed: 20261121 },
  );
});
