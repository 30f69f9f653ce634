/** One network as four frameworks save it: examples/formats. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { Call } from '../../src/call.ts';
import { drawStrokes } from '../fixtures/draw-strokes.ts';
import { drawnDigits } from '../fixtures/drawn-digits.ts';
import { serveExamples, type ServedExamples } from './served-examples.ts';

const names = ['digits-joblib', 'digits-onnx', 'digits-torch-export', 'digits-torchscript'];
let served: ServedExamples;
beforeAll(async () => {
  served = await serveExamples('formats');
}, 60_000);
afterAll(() => served[Symbol.asyncDispose]());

interface Answer {
  readonly label: string;
  readonly labels: readonly { readonly label: string; readonly score: number }[];
}

it('serves all four without a complaint', () => {
  expect(served.repository.index().map(({ name, state }) => [name, state])).toEqual(names.map((name) => [name, 'READY']));
  expect(served.complaints).toEqual([]);
});

it('gives equal answers', async () => {
  const pictures = [readFileSync(join(served.folder, 'digits-onnx/sample.png')), ...(await Promise.all(drawnDigits.slice(0, 6).map(({ strokes }) => sharp(drawStrokes(strokes, 200, 14), { raw: { width: 200, height: 200, channels: 1 } }).png().toBuffer())))];
  for (const image of pictures) {
    const answers = await Promise.all(names.map(async (name) => (await served.repository.get(name).model.predict!({ image }, new Call())) as Answer));
    for (const answer of answers) {
      expect(answer.labels.map(({ label }) => label)).toEqual(answers[0]!.labels.map(({ label }) => label));
      for (const [place, { score }] of answer.labels.entries()) expect(score).toBeCloseTo(answers[0]!.labels[place]!.score, 5);
    }
  }
  expect(pictures).toHaveLength(7);
});

it('reads the sample', async () => {
  const answer = (await served.repository.get('digits-torchscript').model.predict!({ image: readFileSync(join(served.folder, 'digits-onnx/sample.png')) }, new Call())) as Answer;
  expect(answer.label).toBe('7');
});
