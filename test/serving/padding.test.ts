import { describe, expect, it } from 'vitest';
import { Call } from '../../src/call.ts';
import { fromHalf } from '../../src/lib/half-float.ts';
import type { InferRequest, InferResponse, Signature } from '../../src/model.ts';
import { dynamicBatching, type DynamicBatchingModel } from '../../src/serving/dynamic-batching.ts';
import { allocate, textTensor, type Datatype, type Tensor } from '../../src/tensor.ts';
import { floats, RecordingModel, signatureOf, spec, valuesOf } from './recording-model.ts';

const int64 = (shape: readonly number[], values: readonly number[]): Tensor => ({ datatype: 'INT64', shape, data: BigInt64Array.from(values, BigInt) });

const ids = spec('ids', ['batch', 'length'], { datatype: 'INT64', padValue: 9 });
const mask = spec('mask', ['batch', 'length'], { datatype: 'INT64', optional: true });
const tokens = spec('tokens', ['batch', 'length', 2]);
const pooled = spec('pooled', ['batch', 1]);
const transformer = signatureOf([ids, mask], [tokens, pooled], 8);

/** Per token [id, 10·id]; per row the sum of its real ids: an answer that padding must not change. */
function transform(request: InferRequest): Map<string, Tensor> {
  const given = request.inputs.get('ids')!;
  const [rows, length] = given.shape as [number, number];
  const elements = Array.from(given.data as BigInt64Array, Number);
  const real = Array.from(request.inputs.get('mask')!.data as BigInt64Array, Number);
  const sums = Array.from({ length: rows }, (_, row) => elements.slice(row * length, (row + 1) * length).reduce((sum, id, index) => sum + id * real[row * length + index]!, 0));
  return new Map<string, Tensor>([
    ['tokens', floats([rows, length, 2], elements.flatMap((id) => [id, 10 * id]))],
    ['pooled', floats([rows, 1], sums)],
  ]);
}

function setUp(signature: Signature, respond: ((request: InferRequest) => Map<string, Tensor>) | undefined, maskInput?: string) {
  const model = new RecordingModel(signature, respond);
  const batching = dynamicBatching(model, { modelName: 'm', concurrency: 1, padding: true, ...(maskInput === undefined ? {} : { maskInput }) }) as DynamicBatchingModel;
  const together = (requests: readonly InferRequest[]): Promise<InferResponse[]> => Promise.all(requests.map((request) => batching.infer(request, new Call())));
  return { model, batching, together };
}

const request = (...rows: readonly (readonly number[])[]): InferRequest => ({ inputs: new Map([['ids', int64([rows.length, rows[0]!.length], rows.flat())]]) });

describe('padding', () => {
  it('fills up to the longest, makes the mask, and cuts answers back', async () => {
    const { model, together } = setUp(transformer, transform, 'mask');
    const responses = await together([request([1, 2]), request([3, 4, 5, 6], [7, 8, 9, 10]), request([11])]);
    expect(model.runs).toHaveLength(1);
    expect(model.runs[0]!.shape('ids')).toEqual([4, 4]);
    expect(model.runs[0]!.values('ids')).toEqual([1, 2, 9, 9, 3, 4, 5, 6, 7, 8, 9, 10, 11, 9, 9, 9]);
    expect(model.runs[0]!.values('mask')).toEqual([1, 1, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0]);
    expect(responses.map((response) => response.outputs.get('tokens')!.shape)).toEqual([[1, 2, 2], [2, 4, 2], [1, 1, 2]]);
    expect(valuesOf(responses[0]!, 'tokens')).toEqual([1, 10, 2, 20]);
    expect(valuesOf(responses[2]!, 'tokens')).toEqual([11, 110]);
    expect(responses.map((response) => valuesOf(response, 'pooled'))).toEqual([[3], [18, 34], [11]]);
  });

  it('keeps a mask that a client sent and fills it with 0', async () => {
    const { model, together } = setUp(transformer, transform, 'mask');
    const masked: InferRequest = { inputs: new Map([...request([1, 2, 3]).inputs, ['mask', int64([1, 3], [1, 0, 1])]]) };
    const responses = await together([masked, request([4, 5, 6, 7])]);
    expect(model.runs[0]!.values('mask')).toEqual([1, 0, 1, 0, 1, 1, 1, 1]);
    expect(responses.map((response) => valuesOf(response, 'pooled'))).toEqual([[4], [22]]);
  });

  it('makes the mask for a request that runs alone and for requests of equal lengths', async () => {
    const { model, together, batching } = setUp(transformer, transform, 'mask');
    expect(valuesOf((await together([request([1, 2])]))[0]!, 'pooled')).toEqual([3]);
    expect((await together([request([1, 2]), request([3, 4])])).map((response) => valuesOf(response, 'pooled'))).toEqual([[3], [7]]);
    expect(model.runs.map((run) => run.values('mask'))).toEqual([[1, 1], [1, 1, 1, 1]]);
    expect(batching.signature.inputs.map((input) => input.optional ?? false)).toEqual([false, true]);
    const alone = setUp({ ...transformer, batch: { maxSize: 1, reason: 'test' } }, transform, 'mask');
    expect(valuesOf((await alone.together([request([1, 2])]))[0]!, 'pooled')).toEqual([3]);
  });

  it('pads several dimensions, and inputs that share one alike', async () => {
    const signature = signatureOf(
      [spec('image', ['batch', 'height', 'width', 1], { padValue: -1 }), spec('weights', ['batch', 'width'], { padValue: 0 })],
      [spec('image', ['batch', 'height', 'width', 1])],
      8,
    );
    const { model, together } = setUp(signature, (inner) => new Map([['image', inner.inputs.get('image')!]]));
    const of = (height: number, width: number, base: number): InferRequest => ({
      inputs: new Map<string, Tensor>([
        ['image', floats([1, height, width, 1], Array.from({ length: height * width }, (_, index) => base + index))],
        ['weights', floats([1, width], Array.from({ length: width }, () => base))],
      ]),
    });
    const responses = await together([of(2, 1, 100), of(1, 3, 200)]);
    expect(model.runs).toHaveLength(1);
    expect(model.runs[0]!.shape('image')).toEqual([2, 2, 3, 1]);
    expect(model.runs[0]!.values('image')).toEqual([100, -1, -1, 101, -1, -1, 200, 201, 202, -1, -1, -1]);
    expect(model.runs[0]!.values('weights')).toEqual([100, 0, 0, 200, 200, 200]);
    expect(responses.map((response) => valuesOf(response, 'image'))).toEqual([[100, 101], [200, 201, 202]]);
    expect(responses.map((response) => response.outputs.get('image')!.shape)).toEqual([[1, 2, 1, 1], [1, 1, 3, 1]]);
  });

  it('runs a request alone whose inputs disagree about a length', async () => {
    const signature = signatureOf([ids, spec('types', ['batch', 'length'], { datatype: 'INT64', padValue: 0 })], [pooled], 8);
    const { model, together } = setUp(signature, (inner) => new Map([['pooled', floats([inner.inputs.get('ids')!.shape[0]!, 1], Array.from({ length: inner.inputs.get('ids')!.shape[0]! }, () => 0))]]));
    const of = (length: number, types: number): InferRequest => ({ inputs: new Map([['ids', int64([1, length], Array.from({ length }, () => 1))], ['types', int64([1, types], Array.from({ length: types }, () => 0))]]) });
    await together([of(2, 2), of(3, 2), of(4, 4)]);
    expect(new Set(model.runs.map((run) => `${run.shape('ids')!.join()} ${run.shape('types')!.join()}`))).toEqual(new Set(['1,3 1,2', '2,4 2,4']));
  });

  it('does not join very unequal lengths', async () => {
    const { model, together } = setUp(transformer, transform, 'mask');
    const long = (length: number) => request(Array.from({ length }, () => 1));
    await together([long(3), long(10_000), long(100), long(8_200), long(300)]);
    expect(model.runs.map((run) => run.shape('ids')).sort((a, b) => a![1]! - b![1]!)).toEqual([[2, 100], [1, 300], [2, 10_000]]);
  });

  it.each<[Datatype, (element: unknown) => unknown, unknown]>([
    ['FP16', (element) => fromHalf(element as number), -0.5],
    ['INT64', (element) => element, -7n],
    ['UINT8', (element) => element, 7],
    ['BYTES', (element) => (element as Uint8Array).byteLength, 0],
  ])('fills %s with its pad value', async (datatype, read, expected) => {
    const padValue = typeof expected === 'bigint' ? Number(expected) : (expected as number);
    const signature = signatureOf([spec('x', ['batch', 'length'], { datatype, padValue })], [pooled], 8);
    const { model, together } = setUp(signature, (inner) => new Map([['pooled', floats([inner.inputs.get('x')!.shape[0]!, 1], [0, 0])]]));
    const of = (length: number): InferRequest => ({
      inputs: new Map<string, Tensor>([['x', datatype === 'BYTES' ? textTensor([1, length], Array.from({ length }, () => 'word')) : { datatype, shape: [1, length], data: allocate(datatype, length) }]]),
    });
    await together([of(1), of(2)]);
    expect(read((model.runs[0]!.request.inputs.get('x')!.data as unknown[])[1])).toEqual(expected);
  });

  it('fails clearly where an output does not have the padded length', async () => {
    const model = new RecordingModel(transformer, (inner) => {
      const rows = inner.inputs.get('ids')!.shape[0]!;
      return new Map([['tokens', floats([rows, 1, 2], Array.from({ length: rows * 2 }, () => 0))], ['pooled', floats([rows, 1], Array.from({ length: rows }, () => 0))]]);
    });
    const batching = dynamicBatching(model, { modelName: 'm', concurrency: 1, padding: true, maskInput: 'mask', rerunAlone: false }) as DynamicBatchingModel;
    const answers = await Promise.allSettled([request([1, 2]), request([3, 4, 5])].map((one) => batching.infer(one, new Call())));
    for (const answer of answers) expect(String((answer as PromiseRejectedResult).reason)).toMatch(/padded to length=3, but axis 1 of its output 'tokens'.*has size 1/);
  });

  it.each<[string, Signature, string | undefined, RegExp]>([
    ['no dimension that can be padded', signatureOf([spec('ids', ['batch', 'length'])], [pooled], 8), undefined, /no dimension can be padded/],
    ['a dimension that an input without a pad value shares', signatureOf([ids, spec('types', ['batch', 'length'])], [pooled], 8), undefined, /no dimension can be padded/],
    ['an output that varies on its own', signatureOf([ids], [spec('tokens', ['batch', -1])], 8), undefined, /dimension 1 of output 'tokens' varies/],
    ['a mask that is no input', signatureOf([ids], [pooled], 8), 'mask', /'mask' is not an input/],
    ['a mask of another length', signatureOf([ids, spec('mask', ['batch', 'other'])], [pooled], 8), 'mask', /dimension 1 of the mask input 'mask' varies/],
    ['a mask of text', signatureOf([ids, spec('mask', ['batch', 'length'], { datatype: 'BYTES' })], [pooled], 8), 'mask', /needs a batch axis and numbers/],
  ])('refuses %s', (_, signature, maskInput, text) => {
    expect(() => setUp(signature, undefined, maskInput)).toThrow(text);
  });

  it('takes a mask without named dimensions to be shaped like the first padded input', async () => {
    const signature = signatureOf([spec('ids', [-1, -1], { datatype: 'INT64', padValue: 0 }), spec('mask', [-1, -1], { datatype: 'FP32' })], [pooled], 8);
    const { model, together } = setUp(signature, (inner) => new Map([['pooled', floats([inner.inputs.get('ids')!.shape[0]!, 1], [0, 0])]]), 'mask');
    await together([request([1]), request([1, 2])]);
    expect(model.runs[0]!.values('mask')).toEqual([1, 0, 1, 1]);
  });
});
