/** The models of examples/models, run by their runtime through their tasks, on data that training never saw. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { Call } from '../../src/call.ts';
import { modelConfigSchema, type ModelConfig } from '../../src/model-config.ts';
import type { Model } from '../../src/model.ts';
import onnxRuntime from '../../src/runtimes/onnx/onnx-runtime.ts';
import { chooseTask } from '../../src/task.ts';
import { tasks } from '../../src/tasks/index.ts';
import { drawStrokes } from '../fixtures/draw-strokes.ts';
import { drawnDigits } from '../fixtures/drawn-digits.ts';
import { schemaErrors } from '../fixtures/json-schema.ts';
import { artifactIn } from '../tasks/fake-model.ts';

const folder = join(import.meta.dirname, '..', '..', 'examples', 'models');
const configOf = (name: string): ModelConfig => modelConfigSchema.parse(parse(readFileSync(join(folder, name, 'model.yaml'), 'utf8')));

async function load(name: string): Promise<Model> {
  const artifact = artifactIn(join(folder, name));
  const model = await onnxRuntime.load(artifact, { threads: 1, parameters: {} });
  const config = configOf(name);
  const facts = { signature: model.signature, artifact, examples: config.examples ?? [] };
  const chosen = chooseTask(tasks, config.task, facts);
  return chosen === undefined ? model : chosen.task.lift(model, chosen.options, facts);
}

describe.each(readdirSync(folder))('%s', (name) => {
  it('has a config that holds, and says what it is', () => {
    expect(configOf(name).description).toMatch(/\w/);
  });

  it.skipIf(!existsSync(join(folder, name, 'model.onnx')))('is small and takes any number of rows', async () => {
    expect(readFileSync(join(folder, name, 'model.onnx')).length).toBeLessThan(300_000);
    await using model = await load(name);
    expect(model.signature.batch.maxSize).toBeGreaterThan(1);
  });
});

describe.each(['iris', 'digits'])('the schemas of %s', (name) => {
  it('hold for examples and answers', async () => {
    await using model = await load(name);
    const { input, output, examples } = model.signature.predict!;
    expect(examples.length).toBeGreaterThan(0);
    for (const example of examples) {
      expect(schemaErrors(example, input, input)).toEqual([]);
      expect(schemaErrors(await model.predict!(example, new Call()), output, output)).toEqual([]);
    }
    expect(schemaErrors({ nonsense: 1 }, input, input)).not.toEqual([]);
  });
});

describe('iris', () => {
  let model: Model;
  beforeAll(async () => {
    model = await load('iris');
  });
  afterAll(() => model[Symbol.asyncDispose]());

  it('answers what scikit-learn answers', async () => {
    // predict_proba of the pipeline that training/iris.py printed.
    const expected = [
      { setosa: 0.00017053571601936295, versicolor: 0.9957559218093128, virginica: 0.004073542474667688 },
      { setosa: 0.998994738103974, versicolor: 0.0010052618960159246, virginica: 9.915431659446864e-15 },
      { setosa: 1.0624764575525607e-6, versicolor: 0.009286686820032286, virginica: 0.9907122507035102 },
    ];
    const answers = (await model.predict!(model.signature.predict!.examples, new Call())) as { label: string; probabilities: Record<string, number> }[];
    expect(answers.map((answer) => answer.label)).toEqual(['versicolor', 'setosa', 'virginica']);
    answers.forEach((answer, index) => {
      for (const [name, probability] of Object.entries(expected[index]!)) expect(answer.probabilities[name]).toBeCloseTo(probability, 5);
    });
  });

  it('takes its sample file', async () => {
    expect(await model.predict!(JSON.parse(readFileSync(join(folder, 'iris', 'sample.json'), 'utf8')), new Call())).toMatchObject({ label: 'versicolor' });
  });

  it('takes columns and rows as its schema says', async () => {
    const value = { columns: ['sepal_length', 'sepal_width', 'petal_length', 'petal_width'], rows: [[6, 2.2, 4, 1]] };
    const { input, output } = model.signature.predict!;
    expect(schemaErrors(value, input, input)).toEqual([]);
    const answers = await model.predict!(value, new Call());
    expect(answers).toMatchObject([{ label: 'versicolor' }]);
    expect(schemaErrors(answers, output, output)).toEqual([]);
  });

  it('equals the ensemble, one model after the other', async () => {
    await using scale = await load('iris-scale');
    await using classify = await load('iris-classify');
    const row = new Map([['measurements', { datatype: 'FP32', shape: [2, 4], data: Float32Array.of(6, 2.2, 4, 1, 5.7, 2.5, 5, 2) }]] as const);
    const scaled = await scale.infer!({ inputs: row }, new Call());
    const answer = await classify.infer!({ inputs: scaled.outputs }, new Call());
    expect(answer.outputs).toEqual((await model.infer!({ inputs: row }, new Call())).outputs);
  });
});

describe('digits', () => {
  let model: Model;
  beforeAll(async () => {
    model = await load('digits');
  });
  afterAll(() => model[Symbol.asyncDispose]());

  /** How many of the thirty drawings are taken for what they are, and which are not. */
  async function count(size: number, penWidth: number, paint: (ink: Uint8Array) => { data: Uint8Array; channels: 1 | 2 | 3 | 4 }): Promise<{ right: number; wrong: string[] }> {
    const wrong: string[] = [];
    for (const { digit, style, strokes } of drawnDigits) {
      const { data, channels } = paint(drawStrokes(strokes, size, penWidth));
      const image = await sharp(data, { raw: { width: size, height: size, channels } }).png().toBuffer();
      const { label } = (await model.predict!({ image }, new Call())) as { label: string };
      if (label !== String(digit)) wrong.push(`${digit} ${style}: taken for ${label}`);
    }
    return { right: drawnDigits.length - wrong.length, wrong };
  }

  const blackOnWhite = (ink: Uint8Array) => ({ data: ink.map((level) => 255 - level), channels: 1 as const });
  const lightOnDark = (ink: Uint8Array) => ({ data: Uint8Array.from({ length: ink.length * 3 }, (_, place) => [24, 26, 32][place % 3]! + Math.round((ink[Math.floor(place / 3)]! * 200) / 255)), channels: 3 as const });
  const onNothing = (color: number) => (ink: Uint8Array) => ({ data: Uint8Array.from({ length: ink.length * 4 }, (_, place) => (place % 4 === 3 ? ink[Math.floor(place / 4)]! : color)), channels: 4 as const });

  it.each([
    ['the usual canvas', 280, 20, blackOnWhite],
    ['a canvas of twice the pixels', 560, 40, blackOnWhite],
    ['a thin pen', 280, 6, blackOnWhite],
    ['a hair', 560, 3, blackOnWhite],
    ['a felt pen', 280, 36, blackOnWhite],
    ['a dark page', 280, 16, lightOnDark],
    ['black on nothing', 280, 16, onNothing(0)],
    ['white on nothing', 560, 24, onNothing(255)],
  ] as const)('knows 27 of 30 drawings: %s', async (_, size, penWidth, paint) => {
    const { right, wrong } = await count(size, penWidth, paint);
    expect(right, wrong.join('; ')).toBeGreaterThanOrEqual(27);
  });

  it('knows a drawing wherever and however small it is drawn', async () => {
    const moved = drawnDigits.filter(({ style }) => style === 'closed' || style === 'in one go' || style === 'with a loop');
    for (const { digit, strokes } of moved) {
      const small = strokes.map((stroke) => stroke.map(([x, y]) => [0.05 + x * 0.3, 0.6 + y * 0.35] as const));
      const image = await sharp(blackOnWhite(drawStrokes(small, 400, 8)).data, { raw: { width: 400, height: 400, channels: 1 } }).png().toBuffer();
      expect(await model.predict!({ image }, new Call())).toMatchObject({ label: String(digit) });
    }
  });

  it('takes its sample file, which training never saw', async () => {
    const [example] = model.signature.predict!.examples as [{ image: string }];
    expect(example.image).toBe(`data:image/png;base64,${readFileSync(join(folder, 'digits', 'sample.png')).toString('base64')}`);
    expect(await model.predict!(example, new Call())).toMatchObject({ label: '7' });
    expect(model.signature.predict!.input).toMatchObject({ properties: { image: { 'x-modelport': { widget: 'draw' } } } });
  });

  it.each([['white', 255], ['black', 0]])('says that a %s picture is blank', async (_, level) => {
    const image = await sharp(new Uint8Array(280 * 280).fill(level), { raw: { width: 280, height: 280, channels: 1 } }).png().toBuffer();
    await expect(model.predict!({ image }, new Call())).rejects.toMatchObject({ code: 'INVALID_VALUE', at: 'image', message: 'image is blank: draw something first' });
  });
});
