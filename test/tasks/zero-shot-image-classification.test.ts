import { cpSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Call } from '../../src/call.ts';
import { ModelportError } from '../../src/errors.ts';
import type { Model } from '../../src/model.ts';
import type { TaskFacts } from '../../src/task.ts';
import { zeroShotImageClassification } from '../../src/tasks/zero-shot-image-classification/zero-shot-image-classification.ts';
import type { Tensor } from '../../src/tensor.ts';
import { artifactIn, factsOf, fakeModel, signatureOf, spec, type FakeModel } from './fake-model.ts';

const fixtures = join(import.meta.dirname, '..', 'fixtures');
const png = new Uint8Array(readFileSync(join(fixtures, 'images', 'upright.png')));
const picture = spec('pixel_values', 'FP32', ['image_batch', 3, 8, 8]);
const ids = spec('input_ids', 'INT64', ['text_batch', 'sequence']);
const mask = spec('attention_mask', 'INT64', ['text_batch', 'sequence']);

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'modelport-clip-'));
  for (const name of ['tokenizer.json', 'tokenizer_config.json']) cpSync(join(fixtures, 'tasks', 'models', 'clip', name), join(folder, name));
});
afterAll(() => rmSync(folder, { recursive: true }));

/** The more tokens a caption has, the better. */
const whole = (): FakeModel =>
  fakeModel(signatureOf([ids, picture, mask], [spec('logits_per_image', 'FP32', ['image_batch', 'text_batch'])]), ({ inputs }) => {
    const { shape, data } = inputs.get('attention_mask') as Tensor<'INT64'>;
    const [rows, length] = shape as [number, number];
    return [['logits_per_image', { datatype: 'FP32', shape: [1, rows], data: Float32Array.from({ length: rows }, (_, row) => data.subarray(row * length, (row + 1) * length).filter((one) => one === 1n).length) }]];
  });
const facts = (inner: FakeModel, more: Partial<TaskFacts> = {}): TaskFacts => factsOf(inner.signature, { artifact: artifactIn(folder), ...more });
const lift = (inner: FakeModel, options: object = {}, more: Partial<TaskFacts> = {}): Model => zeroShotImageClassification.lift(inner, zeroShotImageClassification.options.parse(options), facts(inner, more));
const ask = (model: Model, value: unknown): Promise<unknown> => model.predict!(value, new Call());

describe('one model', () => {
  it('takes a picture and captions of equal length', async () => {
    const inner = whole();
    const answer = (await ask(lift(inner, { template: '{}' }), { image: png, labels: ['a cat', 'the sky and two dogs'] })) as { label: string; labels: { label: string; score: number }[] };
    expect(answer.label).toBe('the sky and two dogs');
    expect(answer.labels.reduce((sum, { score }) => sum + score, 0)).toBeCloseTo(1, 6);
    const { inputs } = inner.requests[0]!;
    expect(inputs.get('pixel_values')!.shape).toEqual([1, 3, 8, 8]);
    const [rows, length] = inputs.get('input_ids')!.shape as [number, number];
    expect([rows, inputs.get('attention_mask')!.shape]).toEqual([2, [2, length]]);
    const attended = Array.from(inputs.get('attention_mask')!.data as BigInt64Array, Number);
    expect(attended.slice(length).every((one) => one === 1)).toBe(true);
    expect(attended.slice(0, length)).toContain(0);
  });

  it('puts labels into the template, whatever is in them', async () => {
    const inner = whole();
    const model = lift(inner);
    await ask(model, { image: png, labels: ['$&'], template: 'x {} y {}' });
    await ask(model, { image: png, labels: ['x $& y $&'], template: '{}' });
    const [first, second] = inner.requests.map(({ inputs }) => [...(inputs.get('input_ids')!.data as BigInt64Array)]);
    // Once through the template, once as it would have to look.
    expect(first).toEqual(second);
  });

  it('takes labels from the config, and sigmoid', async () => {
    const answer = (await ask(lift(whole(), { labels: ['a cat', 'a dog'], activation: 'sigmoid' }), png)) as { labels: { score: number }[] };
    for (const { score } of answer.labels) expect(score).toBeGreaterThan(0.9);
  });

  it.each<[unknown, string, RegExp]>([
    [{ image: png }, 'labels', /labels is missing: write what the picture may show/],
    [{ image: png, labels: [] }, 'labels', /labels is \[\]: write a list of 1 to 100 labels/],
    [{ image: png, labels: ['cat', 7] }, 'labels[1]', /labels\[1\] is 7: write text/],
    [{ image: png, labels: ['cat'], template: 'a photo' }, 'template', /write text with \{\} where the label goes/],
    [{ labels: ['cat'] }, 'image', /image is missing/],
    [{ image: png, lables: ['cat'] }, 'lables', /did you mean 'labels'/],
  ])('refuses %#', async (value, at, message) => {
    await expect(ask(lift(whole()), value)).rejects.toMatchObject({ code: 'INVALID_VALUE', at, message: expect.stringMatching(message) as string });
  });
});

describe('two models', () => {
  const tower = (): FakeModel => fakeModel(signatureOf([picture], [spec('image_embeds', 'FP32', ['batch', 2])]), () => [['image_embeds', { datatype: 'FP32', shape: [1, 2], data: Float32Array.of(3, 0) }]]);
  const text = (width = 2): FakeModel =>
    fakeModel(signatureOf([ids], [spec('text_embeds', 'FP32', ['batch', width])]), ({ inputs }) => {
      const rows = inputs.get('input_ids')!.shape[0]!;
      return [['text_embeds', { datatype: 'FP32', shape: [rows, width], data: Float32Array.from({ length: rows * width }, (_, index) => (index < width ? 1 : index % width === 0 ? 0 : 5)) }]];
    });
  const lookup = (other: FakeModel): NonNullable<TaskFacts['lookup']> => (name) => {
    if (name !== 'words') throw new ModelportError('NOT_FOUND', `there is no model '${name}'`);
    return { model: other, artifact: artifactIn(folder) };
  };

  it('are compared by the cosine of their vectors', async () => {
    const answer = (await ask(lift(tower(), { textModel: 'words', logitScale: 2 }, { lookup: lookup(text()) }), { image: png, labels: ['cat', 'dog'] })) as { labels: { label: string; score: number }[] };
    // cos 45° for the first, 0 for the second.
    expect(answer.labels[0]).toEqual({ label: 'cat', score: expect.closeTo(1 / (1 + Math.exp(-2 * Math.SQRT1_2)), 5) as number });
  });

  it('have to be there and to belong together', async () => {
    await expect(ask(lift(tower(), { textModel: 'wrods' }, { lookup: lookup(text()) }), { image: png, labels: ['cat'] })).rejects.toMatchObject({ code: 'UNAVAILABLE', message: expect.stringMatching(/task\.textModel is 'wrods', which can not be used: there is no model/) as string });
    await expect(ask(lift(tower(), { textModel: 'words' }, { lookup: lookup(text(3)) }), { image: png, labels: ['cat'] })).rejects.toMatchObject({ code: 'RUN_FAILED', message: expect.stringMatching(/do not belong together/) as string });
  });

  it('are both named where one takes no captions', () => {
    expect(() => lift(tower())).toThrow(/name the model that does with task\.textModel/);
    expect(() => lift(whole(), { textModel: 'words' }, { lookup: lookup(text()) })).toThrow(/takes captions itself/);
  });
});

describe('detection', () => {
  it('needs captions, logits_per_image and a tokenizer', () => {
    const { signature } = whole();
    expect(zeroShotImageClassification.detect(factsOf(signature, { artifact: artifactIn(folder) }))?.reason).toBe("it takes pictures and captions, and output 'logits_per_image' has a score for each caption");
    expect(zeroShotImageClassification.detect(factsOf(signature))).toBeUndefined();
    expect(zeroShotImageClassification.detect(factsOf(signatureOf([picture], signature.outputs), { artifact: artifactIn(folder) }))).toBeUndefined();
  });
});
