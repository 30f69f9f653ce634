/** Weights alone, in PyTorch's older layout, and the name of their architecture: pictures get the names that torch gives them. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Artifact } from '../../src/artifact.ts';
import { Call } from '../../src/call.ts';
import { stateDict } from '../../src/importers/state-dict/state-dict.ts';
import type { Model } from '../../src/model.ts';
import { readOnnxFacts } from '../../src/onnx/onnx-facts.ts';
import onnxRuntime from '../../src/runtimes/onnx/onnx-runtime.ts';
import { decodeImage, readImageHeader } from '../../src/tasks/image/decode-image.ts';
import { crop, flatten } from '../../src/tasks/image/raster.ts';
import { resize } from '../../src/tasks/image/resize.ts';
import { imageClassification } from '../../src/tasks/image-classification/image-classification.ts';
import type { Tensor } from '../../src/tensor.ts';
import { describeReal, expected, realFile } from './real-models.ts';

const weights = 'efficientnet-lite0/efficientnet-lite0-57934424.pth';
const { pictures } = expected('efficientnet-lite0') as { pictures: Record<string, readonly (readonly [number, string, number])[]> };
const options = { maxPixels: 10_000_000, at: 'image' };

interface Answer {
  readonly labels: readonly { readonly label: string; readonly score: number }[];
}

describeReal('EfficientNet-Lite0 names pictures', [weights, ...Object.keys(pictures)], () => {
  const folder = mkdtempSync(join(tmpdir(), 'modelport-lite-'));
  let model: Model;

  beforeAll(async () => {
    const path = realFile(weights);
    const file: Artifact = { format: 'state-dict', directory: dirname(path), main: basename(path), files: [], metadata: {} };
    await expect(stateDict.import(file, folder)).rejects.toThrow(/holds 296 weights and no program\. Their names and shapes are those of efficientnet_lite0:/);
    const artifact = await stateDict.import(file, folder, { architecture: 'efficientnet_lite0' });
    const loaded = await onnxRuntime.load(artifact, { threads: 1, parameters: {} });
    const { signature } = readOnnxFacts(artifact);
    expect(signature.inputs).toMatchObject([{ name: 'image', datatype: 'FP32', shape: ['batch', 3, 224, 224] }]);
    // Classes without names are called by their numbers.
    const labels = Array.from({ length: 1000 }, (_, index) => String(index));
    model = imageClassification.lift(loaded, { labels }, { signature: loaded.signature, artifact, examples: [] });
  });
  afterAll(async () => {
    await model[Symbol.asyncDispose]();
    rmSync(folder, { recursive: true });
  });

  /** As the answers that are expected were made: the shorter side to 256, rounded, and the middle of it. */
  async function tensorOf(bytes: Uint8Array): Promise<Tensor> {
    const decoded = flatten(await decodeImage(bytes, await readImageHeader(bytes, options), options), 'rgb', 255);
    const scale = 256 / Math.min(decoded.width, decoded.height);
    const resized = resize(decoded, Math.round(decoded.width * scale), Math.round(decoded.height * scale), 'bicubic');
    const { data } = crop(resized, Math.floor((resized.width - 224) / 2), Math.floor((resized.height - 224) / 2), 224, 224);
    const elements = new Float32Array(3 * 224 * 224);
    for (let channel = 0; channel < 3; channel++) for (let at = 0; at < 224 * 224; at++) elements[channel * 224 * 224 + at] = (data[at * 3 + channel]! - 127) / 128;
    return { datatype: 'FP32', shape: [1, 3, 224, 224], data: elements };
  }

  test.each(Object.entries(pictures))('%s: as probable as torch finds it', async (path, classes) => {
    const { outputs } = await model.infer!({ inputs: new Map([['image', await tensorOf(readFileSync(realFile(path)))]]) }, new Call());
    const logits = outputs.get('logits')!.data as Float32Array;
    expect(logits).toHaveLength(1000);
    const sum = logits.reduce((total, logit) => total + Math.exp(logit), 0);
    // Decoders of JPEG differ by a level of brightness here and there.
    for (const [index, name, score] of classes) expect(Math.abs(Math.exp(logits[index]!) / sum - score), name).toBeLessThan(path.endsWith('.png') ? 0.001 : 0.02);
    expect(logits.indexOf(Math.max(...logits))).toBe(classes[0]![0]);
  });

  test.each(Object.entries(pictures))('%s: named by the task that the folder says', async (path, classes) => {
    const { labels } = (await model.predict!({ image: readFileSync(realFile(path)) }, new Call())) as Answer;
    expect(labels[0]!.label).toBe(String(classes[0]![0]));
  });
});
