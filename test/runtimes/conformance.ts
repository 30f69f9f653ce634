/**
 * What every runtime that runs ONNX models promises, whether here or on another machine. A runtime's own test calls
 * {@link runtimeConformance} and adds only what is special to it.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Artifact } from '../../src/artifact.ts';
import { Call } from '../../src/call.ts';
import { wireDimension, type InferRequest, type Model } from '../../src/model.ts';
import type { Runtime } from '../../src/runtime.ts';
import { createTensor, textOf, textTensor, type DataOf, type Datatype, type Tensor } from '../../src/tensor.ts';

export interface RuntimeSubject {
  readonly runtime: Runtime;
  /** The artifact that this runtime loads for a model of test/fixtures/onnx, by its name without `.onnx`. */
  artifact(fixture: string): Artifact;
  close?(): Promise<void>;
}

/** Behaviours that a runtime does not have, by the test's name, with the reason. */
export type Exceptions = Readonly<Record<string, string>>;

export function request(inputs: Readonly<Record<string, Tensor>>, outputs?: readonly string[]): InferRequest {
  return { inputs: new Map(Object.entries(inputs)), ...(outputs === undefined ? {} : { outputs }) };
}

export function floats(shape: readonly number[], ...values: number[]): Tensor<'FP32'> {
  return createTensor('FP32', shape, Float32Array.from(values));
}

/** Two elements of each datatype at the ends of their range, so that a conversion on the way shows. */
const extremes: { readonly [D in Datatype]: DataOf<D> } = {
  BOOL: Uint8Array.of(0, 1),
  UINT8: Uint8Array.of(0, 255),
  UINT16: Uint16Array.of(0, 65535),
  UINT32: Uint32Array.of(0, 2 ** 32 - 1),
  UINT64: BigUint64Array.of(0n, 2n ** 64n - 1n),
  INT8: Int8Array.of(-128, 127),
  INT16: Int16Array.of(-32768, 32767),
  INT32: Int32Array.of(-(2 ** 31), 2 ** 31 - 1),
  INT64: BigInt64Array.of(-(2n ** 63n), 2n ** 63n - 1n),
  FP16: Uint16Array.of(0x0001, 0xfbff),
  BF16: Uint16Array.of(0x0080, 0xff7f),
  FP32: Float32Array.of(1.401298464324817e-45, -Infinity),
  FP64: Float64Array.of(Number.MIN_VALUE, NaN),
  BYTES: [new TextEncoder().encode('täxt 四 🌷'), new Uint8Array(0)],
};

export function runtimeConformance(name: string, makeSubject: () => Promise<RuntimeSubject>, exceptions: Exceptions = {}): void {
  describe(`${name}, as a runtime`, () => {
    let subject: RuntimeSubject;
    const models = new Map<string, Promise<Model>>();
    const load = (fixture: string): Promise<Model> => {
      let model = models.get(fixture);
      if (model === undefined) models.set(fixture, (model = subject.runtime.load(subject.artifact(fixture), { threads: 1, parameters: {} })));
      return model;
    };
    const infer = async (fixture: string, inputs: Readonly<Record<string, Tensor>>, outputs?: readonly string[]) =>
      (await (await load(fixture)).infer!(request(inputs, outputs), new Call())).outputs;
    const promise = (what: string, test: () => Promise<void>) => {
      const reason = exceptions[what];
      if (reason === undefined) it(what, test);
      else it.skip(`${what} (not promised: ${reason})`, test);
    };

    beforeAll(async () => {
      subject = await makeSubject();
    });
    afterAll(async () => {
      for (const model of models.values()) await (await model.catch(() => undefined))?.[Symbol.asyncDispose]();
      await subject.close?.();
    });

    promise('says what it is and what it accepts', async () => {
      expect(subject.runtime.name).toMatch(/^[a-z][a-z-]*$/);
      expect(subject.runtime.instanceKinds.length).toBeGreaterThan(0);
      expect(subject.runtime.accepts(subject.artifact('mlp'))).toBe(true);
      expect(subject.runtime.accepts({ ...subject.artifact('mlp'), format: 'of another world' })).toBe(false);
      const module = (await import(subject.runtime.moduleUrl)) as { default: Runtime };
      expect(module.default.name).toBe(subject.runtime.name);
    });

    promise('gives the signature with all dimensions', async () => {
      const { signature } = await load('mlp');
      const onWires = [...signature.inputs, ...signature.outputs].map((spec) => [spec.name, spec.datatype, spec.shape.map(wireDimension)]);
      expect(onWires).toEqual([['x', 'FP32', [-1, 4]], ['y', 'FP32', [-1, 3]]]);
    });

    promise('knows the batch axis', async () => {
      const { signature } = await load('mlp');
      expect([signature.inputs[0]!.batchAxis, signature.outputs[0]!.batchAxis]).toEqual([0, 0]);
      expect(signature.batch.maxSize).toBeGreaterThan(1);
      expect((await load('fixed')).signature.batch.maxSize).toBe(0);
    });

    promise('gives each row of a batch what it gets alone', async () => {
      const rows = [[1, 2, 3, 4], [-1, 0.5, 0, 9], [0, 0, 0, 0]];
      const joined = (await infer('mlp', { x: floats([3, 4], ...rows.flat()) })).get('y')!;
      expect(joined.shape).toEqual([3, 3]);
      for (const [index, row] of rows.entries()) {
        const alone = (await infer('mlp', { x: floats([1, 4], ...row) })).get('y')!;
        expect(alone).toMatchObject({ datatype: 'FP32', shape: [1, 3] });
        for (let column = 0; column < 3; column++) expect((joined.data as Float32Array)[index * 3 + column]).toBeCloseTo((alone.data as Float32Array)[column]!, 6);
        expect(Array.from(alone.data as Float32Array).reduce((a, b) => a + b)).toBeCloseTo(1, 6);
      }
    });

    promise('passes every datatype through unchanged', async () => {
      const inputs: Record<string, Tensor> = {};
      for (const [datatype, data] of Object.entries(extremes)) inputs[`in_${datatype.toLowerCase()}`] = { datatype: datatype as Datatype, shape: [1, 2], data };
      const outputs = await infer('datatypes', inputs);
      for (const [datatype, data] of Object.entries(extremes)) {
        const output = outputs.get(`out_${datatype.toLowerCase()}`)!;
        expect({ datatype: output.datatype, shape: output.shape }).toEqual({ datatype, shape: [1, 2] });
        expect(output.data).toEqual(data);
      }
    });

    promise('passes a batch of zero rows through', async () => {
      expect((await infer('mlp', { x: floats([0, 4]) })).get('y')).toMatchObject({ datatype: 'FP32', shape: [0, 3] });
      expect((await infer('words', { word: textTensor([0], []) })).get('number')!.data).toHaveLength(0);
    });

    promise('knows scalars', async () => {
      const outputs = await infer('scalar', { x: floats([2, 2], 1, 2, 3, 4), scale: floats([], 10) });
      expect(outputs.get('y')!.data).toEqual(Float32Array.of(10, 20, 30, 40));
      expect(outputs.get('total')).toMatchObject({ shape: [], data: Float32Array.of(100) });
    });

    promise('takes text', async () => {
      const outputs = await infer('words', { word: textTensor([5], ['zwei', '四', 'nothing', '', 'one']) });
      expect(outputs.get('number')!.data).toEqual(BigInt64Array.of(2n, 4n, -1n, -1n, 1n));
    });

    promise('gives text', async () => {
      const outputs = await infer('tree', { x: floats([2, 1], 0, 1) });
      expect(textOf(outputs.get('label')!)).toEqual(['low', 'high']);
    });

    promise('shows lists of dictionaries as a matrix', async () => {
      const outputs = await infer('zip-map', { x: floats([2, 2], 5, 0, 0, 5) });
      expect(textOf(outputs.get('label')!)).toEqual(['setosa', 'versicolor']);
      const matrix = outputs.get('output_probability')!;
      expect(matrix).toMatchObject({ datatype: 'FP32', shape: [2, 3] });
      expect((matrix.data as Float32Array)[0]).toBeGreaterThan(0.9);
      expect((matrix.data as Float32Array)[4]).toBeGreaterThan(0.9);
    });

    promise('names the classes of its outputs', async () => {
      const { signature } = await load('zip-map');
      expect(signature.outputs[1]!.labels).toEqual(['setosa', 'versicolor', 'virginica']);
    });

    promise('takes any size where the size is free', async () => {
      for (const [rows, width] of [[1, 1], [2, 5], [3, 2]] as const) {
        const data = Float32Array.from({ length: rows * width }, (_, index) => index);
        const sum = (await infer('add', { a: createTensor('FP32', [rows, width], data), b: createTensor('FP32', [rows, width], data) })).get('sum')!;
        expect(sum).toMatchObject({ shape: [rows, width], data: data.map((value) => 2 * value) });
      }
    });

    promise('lets optional inputs be left out', async () => {
      const x = floats([1, 2], 1, 2);
      expect((await infer('optional', { x })).get('y')!.data).toEqual(Float32Array.of(4, 7));
      expect((await infer('optional', { x, factor: floats([1], 10) })).get('y')!.data).toEqual(Float32Array.of(11, 21));
      expect((await infer('optional', { x })).get('y')!.data).toEqual(Float32Array.of(4, 7));
    });

    promise('gives only the outputs that are asked for, in that order', async () => {
      const inputs = { x: floats([1, 2], 1, 2), state: floats([1, 1, 2], 3, 4) };
      expect([...(await infer('running-sum', inputs)).keys()]).toEqual(['sum', 'stateN']);
      expect([...(await infer('running-sum', inputs, ['stateN'])).keys()]).toEqual(['stateN']);
      expect([...(await infer('running-sum', inputs, ['stateN', 'sum'])).keys()]).toEqual(['stateN', 'sum']);
    });

    promise('has no trouble with names that objects have', async () => {
      const one = floats([1, 1], 1);
      expect((await infer('awkward-names', { constructor: one, toString: one })).get('hasOwnProperty')!.data).toEqual(Float32Array.of(2));
    });

    promise('reads weights from files beside the model', async () => {
      expect((await infer('external/model', { x: floats([1, 4], 0, 1, 0, 0) })).get('y')!.data).toEqual(Float32Array.of(3, 4, 5));
    });

    promise('neither changes its inputs nor its earlier outputs', async () => {
      const x = floats([1, 4], 1, 2, 3, 4);
      const first = (await infer('mlp', { x })).get('y')!;
      const copy = Array.from(first.data as Float32Array);
      await infer('mlp', { x: floats([1, 4], 9, -9, 9, -9) });
      expect(Array.from(first.data as Float32Array)).toEqual(copy);
      expect(x.data).toEqual(Float32Array.of(1, 2, 3, 4));
    });

    promise('takes tensors that are views of larger memory', async () => {
      const memory = Float32Array.from({ length: 16 }, (_, index) => index);
      const view = createTensor('FP32', [1, 4], memory.subarray(5, 9));
      const own = createTensor('FP32', [1, 4], memory.slice(5, 9));
      expect((await infer('mlp', { x: view })).get('y')!.data).toEqual((await infer('mlp', { x: own })).get('y')!.data);
      expect((await infer('mlp', { x: view })).get('y')!.data).not.toEqual((await infer('mlp', { x: floats([1, 4], 0, 1, 2, 3) })).get('y')!.data);
    });

    promise('answers calls that overlap, each with its own', async () => {
      const answers = await Promise.all(Array.from({ length: 50 }, async (_, index) => (await infer('add', { a: floats([1, 1], index), b: floats([1, 1], 1) })).get('sum')!.data));
      expect(answers).toEqual(Array.from({ length: 50 }, (_, index) => Float32Array.of(index + 1)));
    });

    const wrong: readonly (readonly [string, () => Promise<unknown>, RegExp])[] = [
      ['a wrong size', () => infer('mlp', { x: floats([1, 5], 1, 2, 3, 4, 5) }), /5.*4|4.*5/],
      ['a wrong number of dimensions', () => infer('mlp', { x: floats([4], 1, 2, 3, 4) }), /x/],
      ['a wrong datatype', () => infer('mlp', { x: createTensor('FP64', [1, 4], new Float64Array(4)) }), /FP64/],
      ['less data than the shape says', () => infer('mlp', { x: { datatype: 'FP32', shape: [2, 4], data: new Float32Array(4) } }), /./],
      ['a missing input', () => infer('add', { a: floats([1, 1], 1) }), /b/],
      ['an output that it lacks', () => infer('mlp', { x: floats([1, 4], 1, 2, 3, 4) }, ['z']), /z/],
    ];
    for (const [what, attempt, message] of wrong) {
      promise(`refuses ${what}, and goes on working`, async () => {
        await expect(attempt()).rejects.toMatchObject({ code: 'INVALID_REQUEST', message: expect.stringMatching(message) as string });
        expect((await infer('mlp', { x: floats([1, 4], 0, 0, 0, 0) })).get('y')!.shape).toEqual([1, 3]);
      });
    }

    promise('says when a run failed, and goes on working', async () => {
      const index = (value: bigint) => createTensor('INT64', [1], BigInt64Array.of(value));
      await expect(infer('gather', { index: index(9n) })).rejects.toMatchObject({ code: 'RUN_FAILED', message: expect.stringMatching(/look_up|Gather/) as string });
      expect((await infer('gather', { index: index(1n) })).get('y')!.data).toEqual(Float32Array.of(20));
    });

    promise('refuses models that are broken, naming what is wrong', async () => {
      await expect(load('unknown-operator')).rejects.toMatchObject({ code: 'INVALID_MODEL', message: expect.stringMatching(/Frobnicate/) as string });
    });

    promise('runs nothing for a call that was cancelled', async () => {
      const model = await load('mlp');
      const call = new Call();
      call.cancel();
      await expect(model.infer!(request({ x: floats([1, 4], 1, 2, 3, 4) }), call)).rejects.toMatchObject({ code: 'CANCELLED' });
    });

    promise('is unavailable after disposal, which may happen twice', async () => {
      const model = await subject.runtime.load(subject.artifact('mlp'), { threads: 1, parameters: {} });
      await model[Symbol.asyncDispose]();
      await model[Symbol.asyncDispose]();
      await expect(model.infer!(request({ x: floats([1, 4], 1, 2, 3, 4) }), new Call())).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    });
  });
}
