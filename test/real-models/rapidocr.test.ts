import { fileURLToPath } from 'node:url';
import { beforeAll, expect, test } from 'vitest';
import { Call } from '../../src/call.ts';
import { readOnnxFacts } from '../../src/onnx/onnx-facts.ts';
import type { Tensor } from '../../src/tensor.ts';
import { describeReal, expected, loadReal, realArtifact } from './real-models.ts';
import { decodeText, grow, line, readPicture, regions, resize, straighten, toTensor, turnAround, type Box, type Picture } from './text-picture.ts';

const models = { detect: 'rapidocr/ch_PP-OCRv4_det_infer.onnx', turn: 'rapidocr/ch_ppocr_mobile_v2.0_cls_infer.onnx', read: 'rapidocr/ch_PP-OCRv4_rec_infer.onnx' };

async function run(file: string, x: Tensor): Promise<Tensor> {
  await using model = await loadReal(file);
  const { outputs } = await model.infer!({ inputs: new Map([['x', x]]) }, new Call());
  return [...outputs.values()][0]!;
}

describeReal('rapidocr reads a picture with three models', Object.values(models), () => {
  const { box, text, score } = expected('rapidocr') as { box: [number, number][]; text: string; score: number };
  const outline: Box = { left: Math.min(...box.map(([x]) => x)), right: Math.max(...box.map(([x]) => x)), top: Math.min(...box.map(([, y]) => y)), bottom: Math.max(...box.map(([, y]) => y)) };
  let picture: Picture;
  beforeAll(async () => {
    picture = await readPicture(fileURLToPath(new URL('../fixtures/real-models/hello.png', import.meta.url)));
  });

  // Its package scales the shorter side up to 736. The box here is not slanted, so its edges may be two pixels off.
  test('the text is found where its own package finds it', { timeout: 120_000 }, async () => {
    const height = 736;
    const width = Math.round((picture.width * height) / picture.height / 32) * 32;
    const heat = await run(models.detect, toTensor(resize(picture, width, height)));
    expect(heat.shape).toEqual([1, 1, height, width]);
    const [found] = regions(heat, 0.3);
    const { left, top, right, bottom } = grow(found!, 1.6);
    const [scaleX, scaleY] = [picture.width / width, picture.height / height];
    for (const [value, wanted] of [[left * scaleX, outline.left], [right * scaleX, outline.right], [top * scaleY, outline.top], [bottom * scaleY, outline.bottom]] as const) {
      expect(Math.abs(value - wanted)).toBeLessThanOrEqual(2);
    }
  });

  test('it knows which way up the text is', async () => {
    const upright = straighten(picture, box);
    const scores = await Promise.all([upright, turnAround(upright)].map((one) => run(models.turn, line(one, 48, 192))));
    expect(scores.map((tensor) => tensor.shape)).toEqual([[1, 2], [1, 2]]);
    const [upward, around] = scores.map((tensor) => tensor.data as Float32Array);
    expect(upward![0]).toBeGreaterThan(0.9);
    expect(around![1]).toBeGreaterThan(0.9);
  });

  test('the text is read, with the characters from the file itself', async () => {
    const { metadata } = readOnnxFacts(realArtifact(models.read));
    const characters = [...metadata['character']!.split('\n'), ' '];
    const part = straighten(picture, box);
    const tensor = await run(models.read, line(part, 48, Math.floor((48 * part.width) / part.height)));
    expect(tensor.shape[2]).toBe(characters.length + 1);
    const read = decodeText(tensor, characters);
    expect(read.text).toBe(text);
    expect(Math.abs(read.score - score)).toBeLessThan(0.002);
  });
});
