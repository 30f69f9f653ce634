import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Call } from '../../src/call.ts';
import type { Model } from '../../src/model.ts';
import { audioClassification } from '../../src/tasks/audio-classification/audio-classification.ts';
import { artifactIn, factsOf, fakeModel, lifted, signatureOf, spec } from './fake-model.ts';
import { waveFile } from './wave-file.ts';

const samples = spec('input_values', 'FP32', ['batch', 'samples']);
const logits = spec('logits', 'FP32', ['batch', 3]);
const labels = ['bark', 'meow', 'moo'];
const signature = signatureOf([samples], [logits]);
const model = (scores: readonly number[], options: object = {}, facts = factsOf(signature)) => {
  const inner = fakeModel(signature, () => [['logits', { datatype: 'FP32', shape: [1, 3], data: Float32Array.from(scores) }]]);
  return Object.assign(lifted(audioClassification, inner, options, facts), { requests: inner.requests });
};
const ask = (one: Model, value: unknown): Promise<unknown> => one.predict!(value, new Call());

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'modelport-audio-'));
  writeFileSync(join(folder, 'preprocessor_config.json'), JSON.stringify({ feature_extractor_type: 'Wav2Vec2FeatureExtractor', sampling_rate: 8000, do_normalize: true }));
  writeFileSync(join(folder, 'config.json'), JSON.stringify({ id2label: { 0: 'bark', 1: 'meow', 2: 'moo' }, problem_type: 'multi_label_classification' }));
});
afterAll(() => rmSync(folder, { recursive: true }));

describe('answers', () => {
  it('lists the most probable classes', async () => {
    const one = model([0, Math.log(2), 0], { labels, topK: 2 });
    expect(await ask(one, { audio: waveFile([0.5, -0.5]) })).toEqual({ label: 'meow', score: 0.5, labels: [{ label: 'meow', score: 0.5 }, { label: 'bark', score: 0.25 }] });
    expect(await ask(one, waveFile([0.5]))).toMatchObject({ label: 'meow' });
    expect(one.requests[0]!.inputs.get('input_values')).toEqual({ datatype: 'FP32', shape: [1, 2], data: Float32Array.of(0.5, -0.5) });
  });

  it("does what the folder's files say: rate, normalizing, several classes at once", async () => {
    const one = model([2, 0, -2], {}, factsOf(signature, { artifact: artifactIn(folder) }));
    const answer = (await ask(one, { audio: waveFile(new Array<number>(160).fill(0).map((_, index) => Math.sin(index / 9) / 2)) })) as { labels: { label: string; score: number }[] };
    expect(answer.labels.map(({ label, score }) => [label, Math.round(score * 1e4)])).toEqual([['bark', 8808], ['meow', 5000], ['moo', 1192]]);
    const { shape, data } = one.requests[0]!.inputs.get('input_values')!;
    // From 16 to 8 kHz.
    expect(shape).toEqual([1, 80]);
    const values = data as Float32Array;
    expect(Math.abs(values.reduce((sum, value) => sum + value, 0))).toBeLessThan(1e-3);
    expect(values.reduce((sum, value) => sum + value * value, 0) / 80).toBeCloseTo(1, 3);
  });

  it.each<[unknown, string, RegExp]>([
    [{}, 'audio', /audio is missing: send a data URL \(data:audio\/wav;base64,…\)/],
    [{ audio: 'x!' }, 'audio', /neither a data URL nor base64 text/],
    [{ audio: waveFile([]) }, 'audio', /audio has no samples: record something first/],
    [{ audio: waveFile([0]), topK: 4 }, 'topK', /topK is 4: write a whole number from 1 to 3/],
    [{ sound: waveFile([0]) }, 'sound', /there is no field 'sound'/],
  ])('refuses %#', async (value, at, message) => {
    await expect(ask(model([0, 0, 0], { labels }), value)).rejects.toMatchObject({ code: 'INVALID_VALUE', at, message: expect.stringMatching(message) as string });
  });
});

describe('what a model is told to be', () => {
  it('is found by preprocessor_config.json only', () => {
    expect(audioClassification.detect(factsOf(signature, { artifact: artifactIn(folder) }))?.reason).toMatch(/'input_values' is a recording \(waveform, 8000 Hz\)/);
    expect(audioClassification.detect(factsOf(signature))).toBeUndefined();
  });

  it.each<[ReturnType<typeof spec>, object, RegExp]>([
    [spec('x', 'FP32', ['batch', 64, 128]), { labels }, /which features it takes is not evident: say task\.features/],
    [spec('x', 'FP32', ['batch', 64, 128]), { labels, features: 'waveform' }, /a waveform is \[batch, samples\]/],
    [spec('x', 'FP32', ['batch', 64, 128]), { labels, features: 'kaldi-fbank', bands: 80 }, /64 frames of 80 bands are made/],
    [spec('x', 'INT16', ['batch', 'samples']), { labels }, /recordings are FP32/],
    [samples, { labels, input: 'y' }, /task\.input is 'y'/],
  ])('refuses %#', (input, options, message) => {
    expect(() => lifted(audioClassification, fakeModel(signatureOf([input], [logits]), () => []), options)).toThrow(expect.objectContaining({ code: 'INVALID_CONFIG', message: expect.stringMatching(message) as string }) as Error);
  });
});
