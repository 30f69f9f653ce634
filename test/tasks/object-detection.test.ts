import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { Call } from '../../src/call.ts';
import type { Model, TensorSpec } from '../../src/model.ts';
import { BestCandidates } from '../../src/tasks/object-detection/best-candidates.ts';
import { intersectionOverUnion, suppress, toOriginal, type Detection } from '../../src/tasks/object-detection/boxes.ts';
import { objectDetection } from '../../src/tasks/object-detection/object-detection.ts';
import type { Tensor } from '../../src/tensor.ts';
import { random } from '../fixtures/random.ts';
import { factsOf, fakeModel, lifted, signatureOf, spec } from './fake-model.ts';

/** 48 × 32 pixels. */
const png = new Uint8Array(readFileSync(join(import.meta.dirname, '..', 'fixtures', 'images', 'upright.png')));
const picture = spec('images', 'FP32', ['batch', 3, 96, 96]);
const labels = ['ant', 'bee', 'cow'];
const floats = (shape: number[], values: readonly number[]): Tensor => ({ datatype: 'FP32', shape, data: Float32Array.from(values) });

interface Found {
  readonly objects: readonly { readonly label: string; readonly score: number; readonly box: unknown }[];
}
const ask = async (model: Model, value: unknown = { image: png }): Promise<Found['objects']> => ((await model.predict!(value, new Call())) as Found).objects;

function detector(outputs: readonly TensorSpec[], answer: readonly (readonly [string, Tensor])[], options: object = {}, inputs: readonly TensorSpec[] = [picture]): Model & ReturnType<typeof fakeModel> {
  const inner = fakeModel(signatureOf(inputs, outputs), () => answer);
  return Object.assign(lifted(objectDetection, inner, { labels, ...options }), { requests: inner.requests, calls: inner.calls });
}

describe('forms of answers', () => {
  it('yolov5: letterboxed, objectness times class, overlapping ones suppressed by class', async () => {
    // In 96 × 96 the picture is 96 × 64 at (0, 16): two tensor pixels are one of the picture.
    const rows = [
      [40, 36, 40, 20, 0.9, 0.1, 0.8, 0.1],
      [42, 36, 40, 20, 0.8, 0.1, 0.8, 0.1],
      [42, 36, 40, 20, 0.8, 0.9, 0.0, 0.1],
      [10, 30, 8, 8, 0.2, 0.9, 0.9, 0.9],
    ];
    const model = detector([spec('output', 'FP32', ['batch', 4, 8])], [['output', floats([1, 4, 8], rows.flat())]], { format: 'yolov5' });
    const objects = await ask(model);
    expect(objects.map(({ label, box }) => [label, box])).toEqual([
      ['bee', { xmin: 10, ymin: 5, xmax: 30, ymax: 15 }],
      ['ant', { xmin: 11, ymin: 5, xmax: 31, ymax: 15 }],
    ]);
    expect(objects[0]!.score).toBeCloseTo(0.72, 5);
    // What was filled up is grey 114, and levels are shares of 255.
    const { data } = model.requests[0]!.inputs.get('images') as Tensor<'FP32'>;
    expect(data[0]).toBeCloseTo(114 / 255, 6);
    expect(data[20 * 96 + 4]).toBeCloseTo(230 / 255, 2);
    expect(await ask(model, { image: png, threshold: '0.71' })).toHaveLength(2);
    expect(await ask(model, { image: png, threshold: 0.73 })).toEqual([]);
  });

  it('yolov8: one column a box', async () => {
    const columns = [[40, 36, 40, 20, 0.1, 0.7, 0.2], [200, 36, 40, 20, 0.6, 0, 0]];
    const data = Array.from({ length: 7 }, (_, row) => columns.map((column) => column[row]!)).flat();
    const model = detector([spec('output0', 'FP32', ['batch', 7, 8400])], [['output0', floats([1, 7, 2], data)]]);
    expect(await ask(model)).toEqual([
      { label: 'bee', score: 0.7, box: { xmin: 10, ymin: 5, xmax: 30, ymax: 15 } },
      // Cut at the edge of the picture.
      { label: 'ant', score: 0.6, box: { xmin: 48, ymin: 5, xmax: 48, ymax: 15 } },
    ]);
  });

  it('end-to-end: rows of corners, score, class', async () => {
    const model = detector([spec('output0', 'FP32', ['batch', 300, 6])], [['output0', floats([1, 2, 6], [20, 26, 60, 46, 0.9, 2, 0, 16, 10, 26, 0.1, 1])]]);
    expect(await ask(model)).toEqual([{ label: 'cow', score: 0.9, box: { xmin: 10, ymin: 5, xmax: 30, ymax: 15 } }]);
  });

  it('boxes and scores, the first class being nothing', async () => {
    const model = detector(
      [spec('scores', 'FP32', ['batch', 2, 4]), spec('boxes', 'FP32', ['batch', 2, 4])],
      [['scores', floats([1, 2, 4], [0.1, 0.2, 0.7, 0, 0.9, 0, 0.1, 0])], ['boxes', floats([1, 2, 4], [0.25, 0.25, 0.5, 0.75, 0, 0, 1, 1])]],
      { resize: { mode: 'stretch' } },
    );
    expect(await ask(model)).toEqual([{ label: 'bee', score: 0.7, box: { xmin: 12, ymin: 8, xmax: 24, ymax: 24 } }]);
  });

  it("TensorFlow's detections, counted from 1, y before x", async () => {
    const outputs = [spec('detection_boxes', 'FP32', [1, 100, 4]), spec('detection_classes', 'FP32', [1, 100]), spec('detection_scores', 'FP32', [1, 100]), spec('num_detections', 'FP32', [1])];
    const answer: [string, Tensor][] = [
      ['detection_boxes', floats([1, 3, 4], [0.25, 0.5, 0.75, 1, 0, 0, 1, 1, 0, 0, 1, 1])],
      ['detection_classes', floats([1, 3], [3, 1, 1])],
      ['detection_scores', floats([1, 3], [0.8, 0.5, 0.9])],
      ['num_detections', floats([1], [2])],
    ];
    const model = detector(outputs, answer, { firstClass: 1 }, [spec('image', 'UINT8', ['batch', 96, 96, 3])]);
    expect(await ask(model)).toEqual([
      { label: 'cow', score: 0.8, box: { xmin: 24, ymin: 8, xmax: 48, ymax: 24 } },
      { label: 'ant', score: 0.5, box: { xmin: 0, ymin: 0, xmax: 48, ymax: 32 } },
    ]);
  });

  it('detr: softmax with nothing as last class, and the mask of pixels', async () => {
    const mask = spec('pixel_mask', 'INT64', ['batch', 'height', 'width']);
    const model = detector(
      [spec('logits', 'FP32', ['batch', 2, 4]), spec('pred_boxes', 'FP32', ['batch', 2, 4])],
      [['logits', floats([1, 2, 4], [0, 3, 0, 0, 0, 1, 0, 9])], ['pred_boxes', floats([1, 2, 4], [0.5, 0.5, 0.5, 0.25, 0.5, 0.5, 1, 1])]],
      { resize: { mode: 'within', shortestSide: 64, longestSide: 80 } },
      [spec('pixel_values', 'FP32', ['batch', 'num_channels', 'height', 'width']), mask],
    );
    const [only, ...others] = await ask(model);
    expect(others).toEqual([]);
    expect(only).toMatchObject({ label: 'bee', box: { xmin: 12, ymin: 12, xmax: 36, ymax: 20 } });
    expect(only!.score).toBeCloseTo(Math.exp(3) / (Math.exp(3) + 3), 5);
    const { inputs } = model.requests[0]!;
    // 48 × 32 within 80: 80 × 53.
    expect(inputs.get('pixel_values')!.shape).toEqual([1, 3, 53, 80]);
    expect(inputs.get('pixel_mask')!.shape).toEqual([1, 53, 80]);
    expect(inputs.get('pixel_mask')!.data[0]).toBe(1n);
  });

  it('sigmoid where every class has a name', async () => {
    const model = detector(
      [spec('logits', 'FP32', ['batch', 1, 3]), spec('pred_boxes', 'FP32', ['batch', 1, 4])],
      [['logits', floats([1, 1, 3], [1, -3, 2])], ['pred_boxes', floats([1, 1, 4], [0.5, 0.5, 1, 1])]],
    );
    expect((await ask(model)).map(({ label, score }) => [label, Math.round(score * 1e4)])).toEqual([['cow', 8808], ['ant', 7311]]);
  });

  it('finds at most so many, and leaves out what is no number', async () => {
    const many = Array.from({ length: 50 }, (_, index) => [index * 2, 30, 1, 1, 0.9 - index / 100, 0]).flat();
    many.splice(0, 4, NaN, 30, 1, 1);
    const model = detector([spec('output0', 'FP32', ['batch', 300, 6])], [['output0', floats([1, 50, 6], many)]], { maxDetections: 7 });
    expect((await ask(model)).map(({ score }) => score)).toEqual([0.89, 0.88, 0.87, 0.86, 0.85, 0.84, 0.83]);
  });

  it.each<[Tensor, RegExp]>([
    [floats([1, 8], [0, 0, 0, 0, 0, 0, 0, 0]), /shape \[1, 8\], but one picture's boxes have three axes/],
    [floats([2, 1, 6], new Array<number>(12).fill(0)), /shape \[2, 1, 6\]/],
  ])('says so when the model answers %o', async (tensor, message) => {
    await expect(ask(detector([spec('output0', 'FP32', ['batch', 300, 6])], [['output0', tensor]]))).rejects.toMatchObject({ code: 'RUN_FAILED', message: expect.stringMatching(message) as string });
  });
});

describe('boxes', () => {
  const box = (xmin: number, ymin: number, xmax: number, ymax: number): Detection => ({ xmin, ymin, xmax, ymax, category: 0, score: 1 });

  it('overlap', () => {
    expect(intersectionOverUnion(box(0, 0, 2, 2), box(1, 0, 3, 2))).toBeCloseTo(1 / 3, 12);
    expect(intersectionOverUnion(box(0, 0, 2, 2), box(2, 0, 3, 2))).toBe(0);
    expect(intersectionOverUnion(box(0, 0, 0, 0), box(0, 0, 0, 0))).toBe(0);
  });

  it('of two that overlap the better one stays, by class or across classes', () => {
    const found = [box(0, 0, 10, 10), { ...box(1, 0, 11, 10), category: 1 }, box(0, 1, 10, 11), box(50, 50, 60, 60)];
    expect(suppress(found, 0.5, false, 10)).toEqual([found[0], found[1], found[3]]);
    expect(suppress(found, 0.5, true, 10)).toEqual([found[0], found[3]]);
    expect(suppress(found, 0.9, false, 2)).toEqual([found[0], found[1]]);
  });

  it('go back to where they came from', () => {
    const cut = { original: { width: 100, height: 50 }, placement: { left: -10, top: 0, width: 40, height: 20 } };
    expect(toOriginal(box(0, 0, 20, 20), cut)).toMatchObject({ xmin: 25, ymin: 0, xmax: 75, ymax: 50 });
    expect(toOriginal(box(-50, -5, 900, 30), cut)).toMatchObject({ xmin: 0, ymin: 0, xmax: 100, ymax: 50 });
  });
});

describe('what a model is told to be', () => {
  const yolo = spec('output0', 'FP32', ['batch', 84, 8400]);

  it('sees detectors', () => {
    const reason = (inputs: readonly TensorSpec[], outputs: readonly TensorSpec[]): string | undefined => objectDetection.detect(factsOf(signatureOf(inputs, outputs)))?.reason;
    expect(reason([picture], [yolo])).toBe("input 'images' is a picture and 'output0' are boxes as yolov8 models have them");
    expect(reason([picture], [spec('output', 'FP32', [1, 25200, 85])])).toMatch(/yolov5/);
    expect(reason([picture], [spec('logits', 'FP32', ['batch', 100, 92]), spec('pred_boxes', 'FP32', ['batch', 100, 4])])).toMatch(/detr/);
    expect(reason([picture], [spec('logits', 'FP32', ['batch', 1000])])).toBeUndefined();
    expect(reason([picture], [spec('last_hidden_state', 'FP32', ['batch', 197, 768])])).toBeUndefined();
    expect(reason([spec('x', 'FP32', ['batch', 10])], [yolo])).toBeUndefined();
    expect(reason([picture, spec('y', 'FP32', ['batch', 10])], [yolo])).toBeUndefined();
  });

  it('has schemas that say what is drawn on what', () => {
    const model = detector([yolo], []);
    expect(model.signature.predict).toMatchObject({
      task: 'object-detection',
      input: { required: ['image'], properties: { image: { format: 'image' }, threshold: { default: 0.25 } } },
      output: { properties: { objects: { 'x-modelport': { widget: 'boxes', image: 'image' }, items: { properties: { label: { enum: labels } } } } } },
    });
  });

  it.each<[object, RegExp]>([
    [{ outputs: { boxes: 'out' } }, /task\.outputs\.boxes is 'out', but the model has no such output/],
    [{ format: 'detr' }, /the outputs are in no form that detectors are known to have: 'output0' FP32 \[batch, 84, 8400\]\. Say task\.format/],
  ])('refuses %j', (options, message) => {
    expect(() => detector([yolo], [], options)).toThrow(expect.objectContaining({ code: 'INVALID_CONFIG', message: expect.stringMatching(message) as string }) as Error);
  });

  it.each<[unknown, string | undefined, RegExp]>([
    [{ image: png, threshold: 2 }, 'threshold', /threshold is 2: write a number from 0 to 1/],
    [{ image: png, treshold: 0.2 }, 'treshold', /did you mean 'threshold'/],
    [{}, 'image', /image is missing/],
    [7, undefined, /the value is a number: send an object with the field 'image'/],
  ])('refuses the value %j', async (value, at, message) => {
    await expect(ask(detector([yolo], []), value)).rejects.toMatchObject({ code: 'INVALID_VALUE', at, message: expect.stringMatching(message) as string });
  });
});

describe('many candidates', () => {
  it('are the same as the first of all in order', () => {
    const { integer } = random(3);
    for (const most of [1, 2, 7, 100, 5000]) {
      const candidates = new BestCandidates(most);
      // Few different scores, so that many are equal.
      const all = Array.from({ length: 3000 }, () => ({ row: integer(0, 50), category: integer(-1, 5), score: integer(0, 20) / 20 }));
      for (const { row, category, score } of all) candidates.offer(row, category, score);
      expect(candidates.sorted()).toEqual(all.sort((a, b) => b.score - a.score || a.row - b.row || a.category - b.category).slice(0, most));
    }
  });

  it('of 8,400 boxes with 80 classes, all sure: the best ones, and only maxCandidates of them are compared', async () => {
    const rows = 8400;
    const boxes = Float32Array.from({ length: rows * 4 }, (_, place) => [(place >> 2) % 90, 20, ((place >> 2) % 90) + 5, 30][place & 3]!);
    const scores = Float32Array.from({ length: rows * 80 }, (_, place) => 0.5 + ((place * 7919) % 100_003) / 300_000);
    const answer: (readonly [string, Tensor])[] = [['boxes', { datatype: 'FP32', shape: [1, rows, 4], data: boxes }], ['scores', { datatype: 'FP32', shape: [1, rows, 80], data: scores }]];
    const outputs = [spec('boxes', 'FP32', ['batch', rows, 4]), spec('scores', 'FP32', ['batch', rows, 80])];
    const open = (options: object): Model => detector(outputs, answer, { labels: undefined, ...options });
    const objects = await ask(open({ maxDetections: 50 }));
    expect(objects).toHaveLength(50);
    const best = [...scores].sort((a, b) => b - a);
    expect(objects[0]!.score).toBeCloseTo(best[0]!, 5);
    expect(objects.every(({ score }, index) => index === 0 || score <= objects[index - 1]!.score)).toBe(true);
    expect(await ask(open({ maxCandidates: 3, nonMaximumSuppression: false }))).toHaveLength(3);
    expect(await ask(open({ nonMaximumSuppression: false, maxDetections: 10_000 }))).toHaveLength(2000);
  });
});
