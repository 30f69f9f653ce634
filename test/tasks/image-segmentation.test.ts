import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import { Call } from '../../src/call.ts';
import type { Model, TensorSpec } from '../../src/model.ts';
import { imageSegmentation } from '../../src/tasks/image-segmentation/image-segmentation.ts';
import { segmentPixels, type ScoreMap } from '../../src/tasks/image-segmentation/segment-pixels.ts';
import type { Tensor } from '../../src/tensor.ts';
import { factsOf, fakeModel, lifted, signatureOf, spec } from './fake-model.ts';

/** 48 × 32 pixels. */
const png = new Uint8Array(readFileSync(join(import.meta.dirname, '..', 'fixtures', 'images', 'upright.png')));
const picture = spec('pixels', 'FP32', ['batch', 3, 24, 24]);
const labels = ['sky', 'sea', 'land'];

interface Segment {
  readonly label: string;
  readonly score: number;
  readonly share: number;
  readonly mask: string;
}
function divider(output: TensorSpec, tensor: Tensor, options: object = {}): Model {
  return lifted(imageSegmentation, fakeModel(signatureOf([picture], [output]), () => [[output.name, tensor]]), options);
}
const ask = async (model: Model, value: unknown = { image: png }): Promise<Segment[]> => ((await model.predict!(value, new Call())) as { segments: Segment[] }).segments;
async function maskOf({ mask }: Segment): Promise<{ width: number; height: number; at: (x: number, y: number) => number }> {
  expect(mask).toMatch(/^data:image\/png;base64,/);
  const { data, info } = await sharp(Buffer.from(mask.slice(22), 'base64')).toColourspace('b-w').raw().toBuffer({ resolveWithObject: true });
  return { width: info.width, height: info.height, at: (x, y) => data[y * info.width + x]! };
}
const logits = spec('logits', 'FP32', ['batch', 3, 2, 2]);
/** Sky above, sea below on the left, land nowhere. */
const above: Tensor = { datatype: 'FP32', shape: [1, 3, 2, 2], data: Float32Array.of(9, 9, 0, 9, 0, 0, 9, 0, 1, 1, 1, 1) };

describe('masks', () => {
  it('are as large as the picture, one for each class that is there', async () => {
    const segments = await ask(divider(logits, above, { labels }));
    expect(segments.map(({ label }) => label)).toEqual(['sky', 'sea']);
    expect(segments.reduce((sum, { share }) => sum + share, 0)).toBeCloseTo(1, 6);
    for (const { score } of segments) expect(score).toBeGreaterThan(0.9);
    const [sky, sea] = [await maskOf(segments[0]!), await maskOf(segments[1]!)];
    expect([sky.width, sky.height]).toEqual([48, 32]);
    expect([sky.at(2, 2), sky.at(45, 2), sky.at(2, 29), sky.at(45, 29)]).toEqual([255, 255, 0, 255]);
    expect([sea.at(2, 2), sea.at(45, 2), sea.at(2, 29), sea.at(45, 29)]).toEqual([0, 0, 255, 0]);
  });

  it('leave out what is to be ignored', async () => {
    expect((await ask(divider(logits, above, { labels, ignore: ['sky'] }))).map(({ label }) => label)).toEqual(['sea']);
  });

  it('of scores with the classes last', async () => {
    const last: Tensor = { datatype: 'FP32', shape: [1, 2, 2, 3], data: Float32Array.of(9, 0, 1, 9, 0, 1, 0, 9, 1, 9, 0, 1) };
    const segments = await ask(divider(spec('logits', 'FP32', ['batch', 2, 2, 3]), last, { labels }));
    expect(segments.map(({ label }) => label)).toEqual(['sky', 'sea']);
    expect((await maskOf(segments[1]!)).at(2, 29)).toBe(255);
  });

  it('of one class: logits and probabilities', async () => {
    const one = spec('mask', 'FP32', ['batch', 1, 2, 2]);
    for (const [values, options] of [[[5, -5, -5, -5], {}], [[0.9, 0.1, 0.1, 0.1], {}], [[0.7, 0.3, 0.3, 0.3], { threshold: 0.6 }]] as const) {
      const [person, ...others] = await ask(divider(one, { datatype: 'FP32', shape: [1, 1, 2, 2], data: Float32Array.from(values) }, { labels: ['person'], ...options }));
      expect(others).toEqual([]);
      const mask = await maskOf(person!);
      expect([person!.label, mask.at(2, 2), mask.at(45, 2), mask.at(45, 29)]).toEqual(['person', 255, 0, 0]);
    }
  });

  it('of classes as numbers', async () => {
    const numbers: Tensor = { datatype: 'INT64', shape: [1, 2, 2], data: BigInt64Array.of(0n, 0n, 2n, 2n) };
    expect((await ask(divider(spec('classes', 'INT64', ['batch', 2, 2]), numbers, { labels }))).map(({ label, share }) => [label, share])).toEqual([['sky', 0.5], ['land', 0.5]]);
  });

  it('follow a picture that was laid into the tensor, not what was filled up', async () => {
    // The picture is 24 × 16 at (0, 4) of 24 × 24: rows 0 and 5 of six are grey.
    const column = [1, 0, 0, 0, 0, 1];
    const data = Float32Array.from([...column, ...column.map((value) => 1 - value)], (value) => value * 9);
    const segments = await ask(divider(spec('logits', 'FP32', ['batch', 2, 6, 1]), { datatype: 'FP32', shape: [1, 2, 6, 1], data }, { labels: ['grey', 'picture'], resize: { mode: 'pad' } }));
    expect(segments.map(({ label }) => label)).toEqual(['picture']);
  });

  it('of large pictures are found on a coarser grid', () => {
    const map: ScoreMap = { classes: 2, width: 2, height: 1, strides: { column: 1, row: 2, category: 2 }, data: Float32Array.of(1, 0, 0, 1) };
    const [left, right] = segmentPixels(map, { activation: 'auto', threshold: 0.5, ignored: [] }, { original: { width: 4000, height: 2500 }, placement: { left: 0, top: 0, width: 10, height: 10 }, width: 10, height: 10 });
    expect(left!.mask).toHaveLength(10_000_000);
    expect([left!.mask[0], left!.mask[3999], right!.mask[0], right!.mask[3999]]).toEqual([255, 0, 0, 255]);
    expect(Math.abs(left!.pixels - 5e6)).toBeLessThan(1e4);
  });

  it.each<[Tensor, RegExp]>([
    [{ datatype: 'FP32', shape: [1, 2, 2, 2], data: new Float32Array(8) }, /shape \[1, 2, 2, 2\], but there are 3 labels/],
    [{ datatype: 'FP32', shape: [2, 3, 1, 1], data: new Float32Array(6) }, /one picture has four axes/],
    [{ datatype: 'FP32', shape: [1, 3, 1, 1], data: Float32Array.of(NaN, NaN, NaN) }, /scores that are NaN/],
  ])('say so when the model answers nonsense %#', async (tensor, message) => {
    await expect(ask(divider(logits, tensor, { labels }))).rejects.toMatchObject({ code: 'RUN_FAILED', message: expect.stringMatching(message) as string });
  });
});

describe('what a model is told to be', () => {
  it('needs names of classes to be seen', () => {
    expect(imageSegmentation.detect(factsOf(signatureOf([picture], [logits])))).toBeUndefined();
  });

  it('says what is drawn on what', () => {
    expect(divider(logits, above, { labels }).signature.predict).toMatchObject({
      task: 'image-segmentation',
      output: { properties: { segments: { 'x-modelport': { widget: 'masks', image: 'image' }, items: { properties: { label: { enum: labels }, mask: { format: 'image' } } } } } },
    });
  });

  it.each<[object, RegExp]>([
    [{ output: 'logit' }, /task\.output is 'logit', but the model has no such output; did you mean 'logits'\?/],
    [{ labels, ignore: ['sxy'] }, /task\.ignore names 'sxy', but there is no such class; did you mean 'sky'\?/],
  ])('refuses %j', (options, message) => {
    expect(() => divider(logits, above, options)).toThrow(expect.objectContaining({ code: 'INVALID_CONFIG', message: expect.stringMatching(message) as string }) as Error);
  });

  it('refuses outputs that divide nothing', () => {
    expect(() => divider(spec('scores', 'FP32', ['batch', 10]), above)).toThrow(/which output divides the picture is not evident/);
  });
});
