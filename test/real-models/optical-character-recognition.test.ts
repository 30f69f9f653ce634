import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import sharp from 'sharp';
import { Call } from '../../src/call.ts';
import type { Model } from '../../src/model.ts';
import { readOnnxFacts } from '../../src/onnx/onnx-facts.ts';
import { opticalCharacterRecognition } from '../../src/tasks/optical-character-recognition/optical-character-recognition.ts';
import type { InstanceGroup } from '../../src/serving/instance-group.ts';
import { describeReal, expected, loadReal, realArtifact, realFile } from './real-models.ts';

const files = { detector: 'rapidocr/ch_PP-OCRv4_det_infer.onnx', direction: 'rapidocr/ch_ppocr_mobile_v2.0_cls_infer.onnx', reader: 'rapidocr/ch_PP-OCRv4_rec_infer.onnx' };

interface Line {
  readonly text: string;
  readonly score: number;
  readonly polygon: readonly (readonly [number, number])[];
}
interface Wanted {
  readonly text: string;
  readonly score: number;
  readonly box: readonly (readonly [number, number])[];
}

describeReal('the text in a picture, by three models', [...Object.values(files), 'pictures/page.png'], () => {
  const loaded = new Map<string, InstanceGroup>();
  let model: Model;
  beforeAll(async () => {
    for (const [name, file] of Object.entries(files)) loaded.set(name, await loadReal(file));
    const artifact = (name: keyof typeof files) => ({ ...realArtifact(files[name]), metadata: readOnnxFacts(realArtifact(files[name])).metadata });
    const detector = loaded.get('detector')!;
    const facts = {
      signature: detector.signature,
      artifact: artifact('detector'),
      examples: [],
      lookup: (name: string) => ({ model: loaded.get(name)!, artifact: artifact(name as keyof typeof files) }),
    };
    model = opticalCharacterRecognition.lift(detector, opticalCharacterRecognition.options.parse({ recognizer: 'reader', classifier: 'direction' }), facts);
  });
  afterAll(async () => {
    for (const group of loaded.values()) await group[Symbol.asyncDispose]();
  });

  async function linesOf(image: Uint8Array, options: object = {}): Promise<readonly Line[]> {
    const answer = (await model.predict!({ image, ...options }, new Call())) as { text: string; lines: readonly Line[] };
    expect(answer.text).toBe(answer.lines.map(({ text }) => text).join('\n'));
    return answer.lines;
  }

  function expectLines(lines: readonly Line[], wanted: readonly Wanted[]): void {
    expect(lines.map(({ text }) => text)).toEqual(wanted.map(({ text }) => text));
    for (const [index, { score, polygon }] of lines.entries()) {
      expect(Math.abs(score - wanted[index]!.score)).toBeLessThan(0.02);
      for (const [corner, [x, y]] of polygon.entries()) {
        const [wantedX, wantedY] = wanted[index]!.box[corner]!;
        expect(Math.max(Math.abs(x - wantedX), Math.abs(y - wantedY)), `line ${index}, corner ${corner}`).toBeLessThanOrEqual(2);
      }
    }
  }

  const hello = new Uint8Array(readFileSync(fileURLToPath(new URL('../fixtures/real-models/hello.png', import.meta.url))));

  test('one line', async () => {
    expectLines(await linesOf(hello), [expected('rapidocr') as Wanted]);
  });

  test('a line on its head, and one that goes up', async () => {
    const around = new Uint8Array(await sharp(hello).rotate(180).png().toBuffer());
    expect((await linesOf(around)).map(({ text }) => text)).toEqual(['Hello Modelport 2026']);
    const slanted = new Uint8Array(await sharp(hello).rotate(-20, { background: 'white' }).png().toBuffer());
    expect((await linesOf(slanted)).map(({ text }) => text)).toEqual(['Hello Modelport 2026']);
  });

  const page = 'pictures/page.png';
  test('all five lines of a photographed page', async () => {
    expectLines(await linesOf(new Uint8Array(readFileSync(realFile(page)))), (expected('rapidocr-page') as { 'page.png': Wanted[] })['page.png']);
  });

  test('nothing', async () => {
    const blank = new Uint8Array(await sharp({ create: { width: 300, height: 200, channels: 3, background: 'white' } }).png().toBuffer());
    expect(await linesOf(blank)).toEqual([]);
    const strip = new Uint8Array(await sharp({ create: { width: 900, height: 3, channels: 3, background: 'white' } }).png().toBuffer());
    expect(await linesOf(strip)).toEqual([]);
  });
});
