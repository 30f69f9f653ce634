import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Call } from '../../src/call.ts';
import type { Model } from '../../src/model.ts';
import { imageClassification } from '../../src/tasks/image-classification/image-classification.ts';
import { toHalf } from '../../src/lib/half-float.ts';
import type { Tensor } from '../../src/tensor.ts';
import { artifactIn, factsOf, fakeModel, lifted, signatureOf, spec } from './fake-model.ts';

const image = join(import.meta.dirname, '..', 'fixtures', 'images', 'upright.png');
const png = new Uint8Array(readFileSync(image));
const picture = spec('pixels', 'FP32', ['batch', 3, 4, 4]);
const scored = (scores: readonly number[]) => (): [string, Tensor][] => [['probabilities', { datatype: 'FP32', shape: [1, scores.length], data: Float32Array.from(scores) }]];
const signature = signatureOf([picture], [spec('probabilities', 'FP32', ['batch', 4])]);
const labels = ['ant', 'bee', 'cow', 'dog'];
const ask = (model: Model, value: unknown) => model.predict!(value, new Call());

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'modelport-task-'));
  cpSync(image, join(folder, 'sample.png'));
  symlinkSync('/etc/passwd', join(folder, 'link.png'));
});
afterAll(() => rmSync(folder, { recursive: true }));

describe('answers', () => {
  it('lists the most probable classes, the best first', async () => {
    const model = lifted(imageClassification, fakeModel(signature, scored([0.1, 0.2, 0.5, 0.2])), { labels });
    expect(await ask(model, { image: png })).toEqual({
      label: 'cow',
      score: 0.5,
      labels: [{ label: 'cow', score: 0.5 }, { label: 'bee', score: 0.2 }, { label: 'dog', score: 0.2 }, { label: 'ant', score: 0.1 }],
    });
    expect(await ask(model, { image: png, topK: 1 })).toEqual({ label: 'cow', score: 0.5, labels: [{ label: 'cow', score: 0.5 }] });
    // What a form of a browser sends: the file as bytes, numbers as text.
    expect(await ask(model, { image: png, topK: '2' })).toMatchObject({ labels: [{ label: 'cow' }, { label: 'bee' }] });
    expect(await ask(model, png)).toMatchObject({ label: 'cow' });
  });

  it.each<[string, readonly number[], object, number]>([
    ['probabilities stay', [0.25, 0.25, 0.5, 0], {}, 0.5],
    ['logits become probabilities', [0, 0, Math.log(2), 0], {}, 0.4],
    ['when told that they are logits', [0.25, 0.25, 0.5, 0], { softmax: true }, Math.exp(0.5) / (2 * Math.exp(0.25) + Math.exp(0.5) + 1)],
    ['when told that they are none', [0, 0, 3, 0], { softmax: false }, 3],
    ['logits so large that their exponentials are not finite', [1000, 1000, 1001, -1e30], {}, Math.E / (Math.E + 2)],
  ])('%s', async (_, scores, options, wanted) => {
    const answer = (await ask(lifted(imageClassification, fakeModel(signature, scored(scores)), { labels, ...options }), { image: png })) as { label: string; score: number };
    expect(answer.label).toBe('cow');
    expect(answer.score).toBeCloseTo(wanted, 6);
  });

  it('takes one score for two classes', async () => {
    const one = signatureOf([picture], [spec('probability', 'FP32', ['batch', 1])]);
    const model = (score: number) => lifted(imageClassification, fakeModel(one, () => [['probability', { datatype: 'FP32', shape: [1, 1], data: Float32Array.of(score) }]]), { labels: ['cat', 'dog'] });
    expect(await ask(model(0.75), { image: png })).toMatchObject({ label: 'dog', score: 0.75 });
    expect(await ask(model(-Math.log(3)), { image: png })).toMatchObject({ label: 'cat', score: 0.75 });
  });

  it('reads scores in half precision', async () => {
    const half = signatureOf([picture], [spec('logits', 'FP16', ['batch', 2])]);
    const model = lifted(imageClassification, fakeModel(half, () => [['logits', { datatype: 'FP16', shape: [1, 2], data: Uint16Array.of(toHalf(0.125), toHalf(0.875)) }]]), { labels: ['cat', 'dog'] });
    expect(await ask(model, { image: png })).toMatchObject({ label: 'dog', score: 0.875 });
  });

  it('asks for one row in the form of the input, and only for the scores', async () => {
    const inner = fakeModel(signature, scored([1, 0, 0, 0]));
    const model = lifted(imageClassification, inner, { labels });
    const call = new Call();
    await model.predict!({ image: png }, call);
    expect(inner.calls).toEqual([call]);
    expect(inner.requests[0]!.outputs).toEqual(['probabilities']);
    expect(inner.requests[0]!.inputs.get('pixels')).toMatchObject({ datatype: 'FP32', shape: [1, 3, 4, 4] });
    const response = await model.infer!(inner.requests[0]!, call);
    expect(response.outputs.get('probabilities')!.data[0]).toBe(1);
  });

  it('says so when the model computes nonsense', async () => {
    await expect(ask(lifted(imageClassification, fakeModel(signature, scored([NaN, 0, 0, 0])), { labels }), { image: png })).rejects.toMatchObject({ code: 'RUN_FAILED', message: expect.stringMatching(/a score that is NaN/) as string });
    await expect(ask(lifted(imageClassification, fakeModel(signature, scored([1, 0])), { labels }), { image: png })).rejects.toMatchObject({ code: 'RUN_FAILED', message: expect.stringMatching(/2 scores, but there are 4 labels/) as string });
  });
});

describe('values that do not fit', () => {
  it.each<[unknown, string | undefined, RegExp]>([
    [undefined, undefined, /the value is missing: send an object with the field 'image'/],
    [null, undefined, /the value is null/],
    [[], undefined, /the value is an array/],
    [{}, 'image', /image is missing/],
    [{ image: 'hello!' }, 'image', /neither a data URL nor base64 text/],
    [{ image: '' }, 'image', /image is empty/],
    [{ imagee: png }, 'imagee', /there is no field 'imagee': did you mean 'image'\?/],
    [{ image: png, topK: 0 }, 'topK', /topK is 0: write a whole number from 1 to 4/],
    [{ image: png, topK: 5 }, 'topK', /topK is 5/],
    [{ image: png, topK: '1e1' }, 'topK', /topK is "1e1"/],
  ])('%j', async (value, at, message) => {
    const model = lifted(imageClassification, fakeModel(signature, scored([1, 0, 0, 0])), { labels });
    await expect(ask(model, value)).rejects.toMatchObject({ code: 'INVALID_VALUE', at, message: expect.stringMatching(message) as string });
  });
});

describe('what a model is told to be', () => {
  it('has schemas and examples that clients can send', async () => {
    const facts = factsOf(signature, { artifact: artifactIn(folder), examples: [{ image: { file: 'sample.png' } }, { file: 'sample.png' }] });
    const model = lifted(imageClassification, fakeModel(signature, scored([1, 0, 0, 0])), { labels, drawing: false }, facts);
    const { predict } = model.signature;
    expect(predict).toMatchObject({
      task: 'image-classification',
      input: { type: 'object', required: ['image'], properties: { image: { type: 'string', format: 'image', 'x-modelport': { widget: 'image' } }, topK: { minimum: 1, maximum: 4, default: 4 } } },
      output: { properties: { label: { enum: labels }, labels: { type: 'array' } } },
    });
    const url = `data:image/png;base64,${Buffer.from(png).toString('base64')}`;
    expect(predict!.examples).toEqual([{ image: url }, { image: url }]);
    for (const example of predict!.examples) expect(await ask(model, example)).toMatchObject({ label: 'ant' });
  });

  it.each([
    ['nothing.png', /examples\[0\]\.image: nothing\.png can't be read/],
    ['../secret.png', /can't be read|outside of the model folder/],
    ['link.png', /link\.png lies outside of the model folder/],
  ])('refuses the example %s', (file, message) => {
    const facts = factsOf(signature, { artifact: artifactIn(folder), examples: [{ image: { file } }] });
    expect(() => lifted(imageClassification, fakeModel(signature, scored([1])), {}, facts)).toThrow(expect.objectContaining({ code: 'INVALID_CONFIG', message: expect.stringMatching(message) as string }) as Error);
  });

  it.each<[object, RegExp]>([
    [{ labels: ['a', 'b'] }, /there are 2 labels, but output 'probabilities' has 4 classes/],
    [{ labels: ['a', 'b', 'c', 'a'] }, /two labels are 'a'/],
    [{ output: 'probabilites' }, /task\.output is 'probabilites', but the model has no such output; did you mean 'probabilities'\?/],
    [{ input: 'x' }, /task\.input is 'x'/],
  ])('refuses %j', (options, message) => {
    expect(() => lifted(imageClassification, fakeModel(signature, scored([1])), options)).toThrow(expect.objectContaining({ code: 'INVALID_CONFIG', message: expect.stringMatching(message) as string }) as Error);
  });
});

describe('detection', () => {
  const detect = (inputs: Parameters<typeof signatureOf>[0], outputs: Parameters<typeof signatureOf>[1], directory = '/nowhere') => {
    const found = signatureOf(inputs, outputs);
    return imageClassification.detect(factsOf(found, { artifact: artifactIn(directory) }));
  };

  it('sees pictures and classes', () => {
    expect(detect([picture], [spec('out', 'FP32', ['batch', 1000])])?.reason).toBe("input 'pixels' is a picture (NCHW, three channels) and its output 'out' has 1000 columns, a usual number of classes");
    expect(detect([spec('x', 'UINT8', ['batch', 64, 64, 1])], [spec('out', 'FP32', ['batch', 3], { labels: ['a', 'b', 'c'] })])?.reason).toMatch(/NHWC, grey.*has 3 labels/);
    expect(detect([picture], [spec('logits', 'FP32', ['batch', 7])])?.reason).toMatch(/named after classes/);
  });

  it('is not taken in by other models', () => {
    expect(detect([picture], [spec('embedding', 'FP32', ['batch', 512])])).toBeUndefined();
    expect(detect([picture], [spec('boxes', 'FP32', ['batch', 100, 4])])).toBeUndefined();
    expect(detect([spec('x', 'FP32', ['batch', 784])], [spec('logits', 'FP32', ['batch', 10])])).toBeUndefined();
    expect(detect([picture, spec('y', 'FP32', ['batch', 1])], [spec('logits', 'FP32', ['batch', 10])])).toBeUndefined();
    expect(detect([spec('x', 'FP32', ['batch', 3, 'h', 'w'])], [spec('logits', 'FP32', ['batch', 10])])).toBeUndefined();
  });

  it("reads a Hugging Face folder's files", () => {
    const directory = mkdtempSync(join(tmpdir(), 'modelport-task-'));
    try {
      writeFileSync(join(directory, 'config.json'), JSON.stringify({ id2label: { 0: 'cat', 1: 'dog', 2: 'emu' } }));
      writeFileSync(join(directory, 'preprocessor_config.json'), JSON.stringify({ size: { height: 8, width: 8 }, image_mean: [0.5, 0.5, 0.5], image_std: [0.5, 0.5, 0.5] }));
      const open = signatureOf([spec('pixel_values', 'FP32', ['batch', 3, 'height', 'width'])], [spec('out', 'FP32', ['batch', 3])]);
      const facts = factsOf(open, { artifact: artifactIn(directory) });
      expect(imageClassification.detect(facts)?.reason).toMatch(/config\.json names 3 classes/);
      const model = lifted(imageClassification, fakeModel(open, () => []), {}, facts);
      expect(model.signature.predict!.output).toMatchObject({ properties: { label: { enum: ['cat', 'dog', 'emu'] } } });
    } finally {
      rmSync(directory, { recursive: true });
    }
  });
});
