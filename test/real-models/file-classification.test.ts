import { dirname } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Call } from '../../src/call.ts';
import type { Model } from '../../src/model.ts';
import { fileClassification } from '../../src/tasks/file-classification/file-classification.ts';
import { describeReal, expected, loadReal, realArtifact, realFile } from './real-models.ts';

interface Expected {
  readonly cases: Readonly<Record<string, { readonly text: string; readonly label: string; readonly score: number }>>;
}

describeReal('magika as a task', ['magika/model.onnx', 'magika/config.min.json'], () => {
  const { cases } = expected('magika') as Expected;
  let model: Model;
  beforeAll(async () => {
    const loaded = await loadReal('magika/model.onnx');
    const facts = { signature: loaded.signature, artifact: realArtifact('magika/model.onnx'), examples: [], directory: dirname(realFile('magika/model.onnx')) };
    const found = fileClassification.detect(facts)!;
    model = fileClassification.lift(loaded, found.options, facts);
  });
  afterAll(() => model[Symbol.asyncDispose]());

  test.each(Object.keys(cases))('%s', async (name) => {
    const { text, label, score } = cases[name]!;
    const answer = (await model.predict!({ file: new TextEncoder().encode(text) }, new Call())) as { label: string; score: number; labels: { label: string }[] };
    expect(answer.label).toBe(label);
    expect(answer.score).toBeCloseTo(score, 5);
    expect(answer.labels).toHaveLength(5);
  });

  test('a picture, and bytes that are nothing', async () => {
    const png = Buffer.from('89504e470d0a1a0a0000000d494844520000000100000001080600000 01f15c4890000000d49444154789c6360000002000001e221bc330000000049454e44ae426082', 'hex');
    expect(await model.predict!({ file: new Uint8Array(png) }, new Call())).toMatchObject({ label: 'png' });
    expect(await model.predict!({ file: new Uint8Array(0) }, new Call())).toMatchObject({ label: 'empty' });
  });
});
