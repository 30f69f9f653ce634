import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import { Call } from '../../src/call.ts';
import { ModelportError } from '../../src/errors.ts';
import type { Model } from '../../src/model.ts';
import type { TaskFacts } from '../../src/task.ts';
import { batchWidth, lineElements } from '../../src/tasks/optical-character-recognition/line-tensors.ts';
import { opticalCharacterRecognition } from '../../src/tasks/optical-character-recognition/optical-character-recognition.ts';
import { convexHull, smallestRectangle, widened } from '../../src/tasks/optical-character-recognition/polygon.ts';
import { readCharacters } from '../../src/tasks/optical-character-recognition/read-characters.ts';
import { textRegions } from '../../src/tasks/optical-character-recognition/text-regions.ts';
import { resizeLinear, straighten, turnAround } from '../../src/tasks/optical-character-recognition/warp.ts';
import type { Tensor } from '../../src/tensor.ts';
import { artifactIn, factsOf, fakeModel, signatureOf, spec, type FakeModel } from './fake-model.ts';

const grey = (width: number, height: number, data: readonly number[]) => ({ width, height, channels: 1, data: Uint8Array.from(data) });

describe('geometry', () => {
  it('finds the smallest rectangle, slanted too', () => {
    const square = [{ x: 5, y: 0 }, { x: 10, y: 5 }, { x: 5, y: 10 }, { x: 0, y: 5 }, { x: 5, y: 5 }];
    expect(convexHull(square)).toHaveLength(4);
    const { corners, shorterSide } = smallestRectangle(square);
    expect(shorterSide).toBeCloseTo(Math.hypot(5, 5), 9);
    expect(corners.map(({ x, y }) => [Math.round(x), Math.round(y)])).toContainEqual([5, 0]);
    expect(smallestRectangle([{ x: 1, y: 1 }]).shorterSide).toBe(0);
    expect(smallestRectangle([{ x: 1, y: 1 }, { x: 9, y: 1 }]).shorterSide).toBe(0);
  });

  it('widens by a distance all around', () => {
    const points = widened([{ x: 10, y: 10 }, { x: 30, y: 10 }, { x: 30, y: 20 }, { x: 10, y: 20 }], 5);
    const { corners } = smallestRectangle(points);
    const sorted = corners.map(({ x, y }) => `${Math.round(x)} ${Math.round(y)}`).sort();
    expect(sorted).toEqual(['35 25', '35 5', '5 25', '5 5'].sort());
  });

  it('straightens, and turns what is high to the left', () => {
    const image = grey(3, 2, [1, 2, 3, 4, 5, 6]);
    const whole = [{ x: 0, y: 0 }, { x: 3, y: 0 }, { x: 3, y: 2 }, { x: 0, y: 2 }] as const;
    expect([...straighten(image, whole).data]).toEqual([1, 2, 3, 4, 5, 6]);
    const high = straighten(grey(2, 3, [1, 2, 3, 4, 5, 6]), [{ x: 0, y: 0 }, { x: 2, y: 0 }, { x: 2, y: 3 }, { x: 0, y: 3 }]);
    expect([high.width, high.height, [...high.data]]).toEqual([3, 2, [2, 4, 6, 1, 3, 5]]);
    expect([...turnAround(image).data]).toEqual([6, 5, 4, 3, 2, 1]);
  });

  it('resizes between pixel centres', () => {
    expect([...resizeLinear(grey(2, 1, [0, 100]), 4, 1).data]).toEqual([0, 25, 75, 100]);
    expect([...resizeLinear(grey(4, 2, [10, 20, 30, 40, 50, 60, 70, 80]), 2, 1).data]).toEqual([35, 55]);
  });
});

describe('regions', () => {
  const plan = { threshold: 0.3, boxThreshold: 0.5, unclipRatio: 1.6, dilate: false };
  function mapOf(width: number, height: number, blocks: readonly (readonly [x: number, y: number, width: number, height: number, value: number])[]) {
    const data = new Float32Array(width * height);
    for (const [left, top, wide, high, value] of blocks) for (let y = top; y < top + high; y++) data.fill(value, y * width + left, y * width + left + wide);
    return { width, height, data };
  }

  it('are widened, scaled to the picture, and in reading order', () => {
    const map = mapOf(200, 100, [[120, 20, 60, 8, 0.9], [20, 22, 60, 8, 0.9], [20, 60, 100, 8, 0.9]]);
    const boxes = textRegions(map, plan, 400, 200);
    expect(boxes.map(([{ x, y }]) => [x < 200, y < 100])).toEqual([[true, true], [false, true], [true, false]]);
    const [first] = boxes;
    // 59 × 7, widened by 59 · 7 · 1.6 / 132 = 5.0 on each side, and twice as large.
    expect(Math.abs(first![0].x - 30)).toBeLessThanOrEqual(2);
    expect(Math.abs(first![2].x - 168)).toBeLessThanOrEqual(2);
    expect(Math.abs(first![0].y - 34)).toBeLessThanOrEqual(2);
    expect(Math.abs(first![2].y - 68)).toBeLessThanOrEqual(2);
  });

  it('leave out what is small or faint, and stay in the picture', () => {
    expect(textRegions(mapOf(100, 50, [[10, 10, 2, 2, 1], [40, 10, 30, 8, 0.4]]), plan, 100, 50)).toEqual([]);
    const [edge] = textRegions(mapOf(100, 50, [[0, 0, 60, 8, 1]]), plan, 100, 50);
    expect(edge![0]).toEqual({ x: 0, y: 0 });
  });

  it('dilation joins what nearly touches', () => {
    const parts = mapOf(100, 50, [[10, 10, 20, 8, 1], [31, 10, 20, 8, 1]]);
    expect(textRegions(parts, plan, 100, 50)).toHaveLength(2);
    expect(textRegions(parts, { ...plan, dilate: true }, 100, 50)).toHaveLength(1);
  });

  it('fuzz: any map gives boxes inside of the picture', () => {
    const runs = Math.ceil(Number(process.env['MODELPORT_FUZZ_RUNS'] ?? 2000) / 4);
    let state = 7;
    const random = (limit: number) => {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      return Math.floor((state / 2 ** 32) * limit);
    };
    let found = 0;
    for (let run = 0; run < runs; run++) {
      const [width, height] = [1 + random(60), 1 + random(40)];
      const blocks = Array.from({ length: random(4) }, () => {
        const [left, top] = [random(width), random(height)];
        return [left, top, 1 + random(width - left), 1 + random(height - top), random(3) === 0 ? NaN : random(100) / 99] as const;
      });
      const boxes = textRegions(mapOf(width, height, blocks), { ...plan, dilate: run % 2 === 0 }, 2 * width, 3 * height);
      found += boxes.length;
      for (const { x, y } of boxes.flat()) expect(Number.isInteger(x) && Number.isInteger(y) && x >= 0 && x < 2 * width && y >= 0 && y < 3 * height).toBe(true);
    }
    expect(found).toBeGreaterThan(runs / 20);
  });
});

describe('characters', () => {
  const oneHot = (classes: number, path: readonly number[]) => Float32Array.from(path.flatMap((best) => Array.from({ length: classes }, (_, index) => (index === best ? 0.75 : 0.1))));
  it('what repeats is one, unless nothing lies between', () => {
    expect(readCharacters(oneHot(4, [1, 1, 0, 1, 2, 2, 3, 0]), 8, 4, ['a', 'b', ' '])).toEqual({ text: 'aab ', score: 0.75 });
    expect(readCharacters(oneHot(4, [0, 0]), 2, 4, ['a', 'b', 'c'])).toEqual({ text: '', score: 0 });
  });
});

describe('lines', () => {
  it('are scaled to the height and filled up to the width, blue first', () => {
    const line = { width: 2, height: 1, channels: 3, data: Uint8Array.of(255, 0, 0, 255, 0, 0) };
    const elements = lineElements([line], 1, 3, 'bgr');
    expect([...elements]).toEqual([-1, -1, 0, -1, -1, 0, 1, 1, 0]);
    expect(batchWidth([{ width: 100, height: 10 }, { width: 10, height: 10 }], 48, 320)).toBe(480);
    expect(batchWidth([{ width: 10, height: 10 }], 48, 320)).toBe(320);
  });
});

/** A detector that marks two lines of any picture, a classifier that turns the second, a reader that says how bright a line is. */
function trio(options: object = {}, more: { readonly characters?: string; readonly missing?: string } = {}): { model: Model; others: Record<'reader' | 'direction', FakeModel>; call: Call } {
  const detector = fakeModel(signatureOf([spec('x', 'FP32', ['batch', 3, 'height', 'width'])], [spec('map', 'FP32', ['batch', 1, 'height', 'width'])]), ({ inputs }) => {
    const [, , height, width] = inputs.get('x')!.shape as [number, number, number, number];
    const data = new Float32Array(height * width);
    for (const top of [0.2, 0.6]) for (let y = Math.round(top * height); y < (top + 0.1) * height; y++) data.fill(0.9, y * width + Math.round(0.2 * width), y * width + Math.round(0.8 * width));
    return [['map', { datatype: 'FP32', shape: [1, 1, height, width], data }]];
  });
  const direction = fakeModel(signatureOf([spec('x', 'FP32', ['batch', 3, 48, 192])], [spec('way', 'FP32', ['batch', 2])]), ({ inputs }) => {
    const rows = inputs.get('x')!.shape[0]!;
    return [['way', { datatype: 'FP32', shape: [rows, 2], data: Float32Array.from({ length: rows * 2 }, (_, index) => index % 2) }]];
  });
  const reader = fakeModel(signatureOf([spec('x', 'FP32', ['batch', 3, 48, 'width'])], [spec('scores', 'FP32', ['batch', 'steps', 4])]), ({ inputs }) => {
    const { shape, data } = inputs.get('x') as Tensor<'FP32'>;
    const rows = shape[0]!;
    const size = data.length / rows;
    const scores = Float32Array.from({ length: rows * 2 * 4 }, (_, index) => {
      const step = Math.floor((index % 8) / 4);
      const bright = data[Math.floor(index / 8) * size]! > 0;
      return index % 4 === (step === 0 ? (bright ? 1 : 2) : 3) ? 0.9 : 0.03;
    });
    return [['scores', { datatype: 'FP32', shape: [rows, 2, 4], data: scores }]];
  });
  const others = { reader, direction };
  const lookup: TaskFacts['lookup'] = (name) => {
    if (name === more.missing) throw new ModelportError('NOT_FOUND', `there is no model '${name}'`);
    return { model: others[name as 'reader'], artifact: { ...artifactIn('/nowhere'), metadata: { character: more.characters ?? 'a\nb' } } };
  };
  const facts = { ...factsOf(detector.signature), lookup };
  return { model: opticalCharacterRecognition.lift(detector, opticalCharacterRecognition.options.parse({ recognizer: 'reader', classifier: 'direction', shortestSide: 64, ...options }), facts), others, call: new Call() };
}

async function halves(): Promise<Uint8Array> {
  const [width, height] = [200, 100];
  const data = Buffer.alloc(width * height * 3);
  for (let pixel = 0; pixel < width * height; pixel++) data.fill(pixel < (width * height) / 2 ? 250 : 10, pixel * 3, pixel * 3 + 3);
  return new Uint8Array(await sharp(data, { raw: { width, height, channels: 3 } }).png().toBuffer());
}

describe('three models together', () => {
  it('read line by line, in places of the picture', async () => {
    const { model, others, call } = trio();
    const answer = (await model.predict!({ image: await halves() }, call)) as { text: string; lines: { text: string; score: number; box: { xmin: number; ymin: number; xmax: number; ymax: number }; polygon: number[][] }[] };
    expect(answer.text).toBe('a \nb ');
    expect(answer.lines.map(({ score }) => score)).toEqual([0.9, 0.9]);
    const [first, second] = answer.lines;
    expect(first!.polygon).toHaveLength(4);
    expect(first!.box.xmin).toBeGreaterThan(20);
    expect(first!.box.xmax).toBeLessThan(180);
    expect(first!.box.ymax).toBeLessThan(second!.box.ymin);
    expect(second!.box.ymax).toBeLessThan(100);
    // Two lines of about the same length go through each model as one batch, under calls of their own.
    expect(others.direction.requests.map(({ inputs }) => inputs.get('x')!.shape)).toEqual([[2, 3, 48, 192]]);
    expect(others.reader.requests[0]!.inputs.get('x')!.shape.slice(0, 3)).toEqual([2, 3, 48]);
    expect(call.children.map(({ name }) => name)).toEqual(['direction', 'reader']);
  });

  it('batches may be smaller, and the classifier may be absent', async () => {
    const { model, others, call } = trio({ batchSize: 1, classifier: undefined });
    expect(await model.predict!(await halves(), call)).toMatchObject({ text: 'a \nb ' });
    expect(others.reader.requests).toHaveLength(2);
    expect(others.direction.requests).toHaveLength(0);
  });

  it('leaves out what is not sure', async () => {
    const { model, call } = trio();
    expect(await model.predict!({ image: await halves(), threshold: 0.95 }, call)).toEqual({ text: '', lines: [] });
  });

  it.each<[object, object, RegExp]>([
    [{}, { missing: 'reader' }, /^task\.recognizer is 'reader', which can not be used: there is no model 'reader'$/],
    [{}, { characters: 'a\nb\nc' }, /model 'reader' knows 3 characters, but 4 have names/],
  ])('says what is wrong with the others %#', async (options, more, message) => {
    const { model, call } = trio(options, more);
    await expect(model.predict!({ image: await halves() }, call)).rejects.toThrow(message);
  });

  it('says what is wrong with the picture, and stops when the client goes', async () => {
    const { model, call } = trio({ maxPixels: 1000 });
    await expect(model.predict!({ image: await halves() }, call)).rejects.toMatchObject({ code: 'INVALID_VALUE', at: 'image', message: expect.stringMatching(/at most 0 million|at most 0\.\d+ million|million pixels/) as string });
    await expect(model.predict!({ image: new Uint8Array([1, 2, 3, 4]) }, call)).rejects.toMatchObject({ code: 'INVALID_VALUE', at: 'image' });
    call.cancel();
    await expect(model.predict!({ image: await halves() }, call)).rejects.toMatchObject({ code: 'CANCELLED' });
  });

  it('needs a detector and other models', () => {
    const scores = fakeModel(signatureOf([spec('x', 'FP32', ['batch', 10])], [spec('y', 'FP32', ['batch', 2])]), () => []);
    const options = opticalCharacterRecognition.options.parse({ recognizer: 'reader' });
    expect(() => opticalCharacterRecognition.lift(scores, options, { ...factsOf(scores.signature), lookup: () => ({ model: scores, artifact: artifactIn('/nowhere') }) })).toThrow(/needs a detector of text/);
    expect(() => opticalCharacterRecognition.lift(scores, options, factsOf(scores.signature))).toThrow(/here there are none/);
  });
});
