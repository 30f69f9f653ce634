import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { ModelConfig } from '../../src/model-config.ts';
import type { InferRequest, Model, Signature, TensorSpec } from '../../src/model.ts';
import { honoursBatchAxis } from '../../src/serving/honours-batch-axis.ts';
import { warmUp } from '../../src/serving/warm-up.ts';
import { createTensor, elementCount, textOf, type Tensor, type Tensors } from '../../src/tensor.ts';
import { folder } from './toy-models.ts';

const batched: Signature = {
  inputs: [{ name: 'x', datatype: 'FP32', shape: ['n', 4], batchAxis: 0 }],
  outputs: [{ name: 'y', datatype: 'FP32', shape: ['n', 2], batchAxis: 0 }],
  batch: { maxSize: 8, reason: '' },
};

function model(signature: Signature, run: (inputs: Tensors) => Tensor): Model & { readonly requests: InferRequest[] } {
  const requests: InferRequest[] = [];
  return {
    signature,
    requests,
    infer: async (request) => {
      requests.push(request);
      return { outputs: new Map([['y', run(request.inputs)]]) };
    },
    [Symbol.asyncDispose]: async () => {},
  };
}

/** Sum and first element of each row of `x`. */
function rowSums(inputs: Tensors): Tensor {
  const { shape, data } = inputs.get('x')! as Tensor<'FP32'>;
  const [rows, width] = shape as [number, number];
  const sums = new Float32Array(rows * 2);
  for (let row = 0; row < rows; row++) {
    const values = data.subarray(row * width, (row + 1) * width);
    sums[row * 2] = values.reduce((sum, value) => sum + value, 0);
    sums[row * 2 + 1] = values[0]!;
  }
  return createTensor('FP32', [rows, 2], sums);
}

describe('whether a model honours its batch axis', () => {
  test('one that does', async () => {
    const honest = model(batched, rowSums);
    expect(await honoursBatchAxis(honest)).toEqual({ honours: true, reason: '3 random rows give the same together as one by one' });
    expect(honest.requests.map(({ inputs }) => inputs.get('x')!.shape[0])).toEqual([1, 1, 1, 3]);
    const rows = honest.requests.slice(0, 3).map(({ inputs }) => (inputs.get('x')!.data as Float32Array).join());
    expect(new Set(rows).size).toBe(3);
  });

  test('one that takes a single row only', async () => {
    const single = model(batched, (inputs) => {
      if (inputs.get('x')!.shape[0] !== 1) throw new Error('Reshape: {3,4} cannot be {1,4} (node "r")');
      return rowSums(inputs);
    });
    expect(await honoursBatchAxis(single)).toEqual({ honours: false, reason: 'a run of 3 rows fails: Reshape: {3,4} cannot be {1,4} (node "r")' });
  });

  test('one that answers fewer rows', async () => {
    const merging = model(batched, (inputs) => createTensor('FP32', [1, 2], (rowSums(inputs).data as Float32Array).slice(0, 2)));
    expect((await honoursBatchAxis(merging)).reason).toBe("output 'y' of a run of 3 rows has the shape [1, 2], without 3 rows on axis 0");
  });

  test('one that mixes rows', async () => {
    const mixing = model(batched, (inputs) => {
      const sums = rowSums(inputs);
      const data = sums.data as Float32Array;
      const total = data.reduce((sum, value) => sum + value, 0);
      return createTensor('FP32', sums.shape, data.map((value) => value / total));
    });
    expect(await honoursBatchAxis(mixing)).toEqual({ honours: false, reason: "output 'y' of a row depends on the rows that it runs together with" });
  });

  test('another axis, inputs without rows, integers and texts', async () => {
    const signature: Signature = {
      inputs: [{ name: 'x', datatype: 'INT64', shape: [2, -1, -1], batchAxis: 1 }, { name: 'rate', datatype: 'FP32', shape: [] }, { name: 'name', datatype: 'BYTES', shape: [-1], batchAxis: 0 }],
      outputs: [{ name: 'y', datatype: 'BYTES', shape: [-1], batchAxis: 0 }],
      batch: { maxSize: 2, reason: '' },
    };
    const seen: string[] = [];
    const odd = model(signature, (inputs) => {
      seen.push(`${inputs.get('x')!.shape.join('x')} ${inputs.get('rate')!.shape.length} ${inputs.get('name')!.shape.join()}`);
      return createTensor('BYTES', inputs.get('name')!.shape, inputs.get('name')!.data as Uint8Array[]);
    });
    expect((await honoursBatchAxis(odd)).honours).toBe(true);
    expect(seen).toEqual(['2x1x1 0 1', '2x1x1 0 1', '2x2x1 0 2']);
  });

  test('small numeric noise is no difference, and half floats are compared as numbers', async () => {
    const half: Signature = { ...batched, outputs: [{ name: 'y', datatype: 'FP16', shape: ['n', 2], batchAxis: 0 }] };
    // 1.0 and its neighbours in half precision, a step of a thousandth.
    const noisy = model(half, (inputs) => {
      const rows = inputs.get('x')!.shape[0]!;
      return createTensor('FP16', [rows, 2], new Uint16Array(rows * 2).fill(rows === 1 ? 0x3c00 : 0x3c01));
    });
    expect((await honoursBatchAxis(noisy)).honours).toBe(true);
    const wrong = model(half, (inputs) => {
      const rows = inputs.get('x')!.shape[0]!;
      return createTensor('FP16', [rows, 2], new Uint16Array(rows * 2).fill(rows === 1 ? 0x3c00 : 0x4000));
    });
    expect((await honoursBatchAxis(wrong)).honours).toBe(false);
  });

  test.each<[string, Signature, (inputs: Tensors) => Tensor, RegExp]>([
    ['made-up inputs that it refuses', batched, () => { throw new Error('index out of range'); }, /^not tried: the model refuses inputs that were made up \(index out of range\)$/],
    ['answers that differ each time', batched, (inputs) => createTensor('FP32', [inputs.get('x')!.shape[0]!, 2], Float32Array.from({ length: inputs.get('x')!.shape[0]! * 2 }, Math.random)), /differently each time/],
    ['no batch', { ...batched, batch: { maxSize: 1, reason: '' } }, rowSums, /never joined/],
    ['inputs that are too large', { ...batched, inputs: [{ ...batched.inputs[0]!, shape: ['n', 1 << 26] }] }, rowSums, /too large/],
  ])('cannot be told with %s', async (_, signature, run, reason) => {
    const verdict = await honoursBatchAxis(model(signature, run));
    expect(verdict.honours).toBe(true);
    expect(verdict.reason).toMatch(reason);
  });
});

describe('the first runs', () => {
  const optional: TensorSpec = { name: 'extra', datatype: 'INT32', shape: [1], optional: true };
  const takesAll: Signature = {
    inputs: [{ name: 'x', datatype: 'FP32', shape: ['n', 2], batchAxis: 0 }, { name: 't', datatype: 'BYTES', shape: [-1], batchAxis: 0 }, optional],
    outputs: [{ name: 'y', datatype: 'FP32', shape: ['n', 2], batchAxis: 0 }],
    batch: { maxSize: 8, reason: '' },
  };
  const anything = () => createTensor('FP32', [1, 2], new Float32Array(2));

  async function run(config: ModelConfig, files: Record<string, string> = {}, answer: (inputs: Tensors) => Tensor = anything) {
    const warmed = model(takesAll, answer);
    return { note: await warmUp(warmed, config, await folder(files)), requests: warmed.requests };
  }

  test('one row of zeros where the config says nothing', async () => {
    const { note, requests } = await run({});
    expect(note).toBeUndefined();
    expect(requests).toHaveLength(1);
    expect([...requests[0]!.inputs].map(([name, { shape }]) => [name, shape])).toEqual([['x', [1, 2]], ['t', [1]], ['extra', [1]]]);
    expect(elementCount(requests[0]!.inputs.get('x')!.shape)).toBe(2);
  });

  test('zeros that were made up may fail: the model is served and the reason told', async () => {
    const { note } = await run({}, {}, () => {
      throw new Error('empty text');
    });
    expect(note).toBe('not warmed up: the model refuses zeros (empty text); say inputs with warmup in model.yaml');
  });

  test('samples of the config, as often as it says', async () => {
    const { requests } = await run(
      { warmup: [{ batchSize: 2, count: 3, inputs: { x: { fill: 'random' }, t: { file: 'texts' } } }, { batchSize: 1, count: 1, inputs: { x: { file: 'x.bin', shape: [2] }, extra: { fill: 'zeros' } } }] },
      { 'warmup/texts': '\u0002\0\0\0hi\u0000\0\0\0', 'warmup/x.bin': '\0\0\0\0AAAA' },
    );
    expect(requests).toHaveLength(4);
    expect(requests[0]!.inputs.get('x')!.shape).toEqual([2, 2]);
    expect((requests[0]!.inputs.get('x')!.data as Float32Array).every((value) => value > 0 && value < 1)).toBe(true);
    expect(textOf(requests[0]!.inputs.get('t')!)).toEqual(['hi', '']);
    expect(requests[0]!.inputs.has('extra')).toBe(false);
    expect([...(requests[3]!.inputs.get('x')!.data as Float32Array)]).toEqual([0, 12.078431129455566]);
    expect(requests[3]!.inputs.has('extra')).toBe(true);
  });

  test.each<[string, NonNullable<ModelConfig['warmup']>[number]['inputs'], RegExp]>([
    ['another datatype', { x: { datatype: 'INT64' } }, /warm-up 'w', input 'x': the config says INT64, but the model takes FP32/],
    ['another shape', { x: { shape: [3] } }, /the shape \[1, 3\] does not fit the model's \[n, 2\]/],
    ['a file that is missing', { x: { file: 'no.bin' } }, /'warmup\/no\.bin' is not in /],
    ['a file outside', { x: { file: '../../etc/passwd' } }, /leads out of the model's folder/],
    ['a file of another size', { x: { file: 'three' } }, /the file has 3 bytes, but 2 elements of FP32 take 8/],
    ['byte strings that are cut off', { t: { file: 'cut' } }, /holds 0 byte strings and is cut off, but 1 are needed/],
    ['an input that does not exist', { z: {} }, /the model has no input 'z'/],
  ])('%s is refused', async (_, inputs, expected) => {
    await expect(run({ warmup: [{ name: 'w', batchSize: 1, count: 1, inputs }] }, { 'warmup/three': 'abc', 'warmup/cut': '\u0009\0\0\0hi' })).rejects.toMatchObject({ code: 'INVALID_CONFIG', message: expect.stringMatching(expected) as string });
  });

  test('a sample that fails keeps the version from serving', async () => {
    await expect(run({ warmup: [{ name: 'w', batchSize: 1, count: 1, inputs: {} }] }, {}, () => {
      throw new Error('boom');
    })).rejects.toThrow("warm-up 'w' failed: boom");
  });

  test('a model without infer is left alone', async () => {
    expect(await warmUp({ signature: takesAll, [Symbol.asyncDispose]: async () => {} }, {}, join('/', 'nowhere'))).toBeUndefined();
  });
});
