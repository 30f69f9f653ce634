import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { Call } from '../../src/call.ts';
import { modelConfigSchema } from '../../src/model-config.ts';
import type { Model } from '../../src/model.ts';
import { sequenceBatching } from '../../src/serving/sequence-batching.ts';
import { voiceActivityDetection } from '../../src/tasks/voice-activity-detection/voice-activity-detection.ts';
import { describeReal, expected, loadReal, realArtifact, realFile } from './real-models.ts';

interface Answer {
  readonly speech: boolean;
  readonly share: number;
  readonly segments: readonly { readonly start: number; readonly end: number }[];
  readonly timeline: { readonly values: readonly number[] };
}

describeReal('silero as a task', ['silero/silero_vad.onnx', 'speech/Front_Center.wav', 'speech/Noise.wav'], () => {
  const recording = (name: string): Uint8Array => new Uint8Array(readFileSync(realFile(`speech/${name}.wav`)));
  async function task(sequences: boolean): Promise<Model> {
    const loaded = await loadReal('silero/silero_vad.onnx');
    const config = modelConfigSchema.parse({ sequences: { strategy: 'oldest', states: [{ input: 'state', output: 'stateN' }] } });
    const model = sequences ? sequenceBatching(loaded, { modelName: 'silero', sequences: config.sequences!, concurrency: 1 }) : loaded;
    const facts = { signature: model.signature, artifact: realArtifact('silero/silero_vad.onnx'), examples: [] };
    return voiceActivityDetection.lift(model, voiceActivityDetection.detect(facts)!.options, facts);
  }
  const { probabilities } = expected('silero') as { probabilities: number[] };

  test.each([false, true])('hears "Front Center" from a 48 kHz file (state carried by sequences: %s)', async (sequences) => {
    await using model = await task(sequences);
    const answer = (await model.predict!({ audio: recording('Front_Center') }, new Call())) as Answer;
    expect(answer.timeline.values).toHaveLength(probabilities.length);
    // Its package rounded the resampled samples to 16 bits.
    expect(Math.max(...answer.timeline.values.map((value, index) => Math.abs(value - probabilities[index]!)))).toBeLessThan(0.01);
    expect(answer.timeline.values.filter((value) => value > 0.5)).toHaveLength(32);
    expect(answer.speech).toBe(true);
    expect(answer.segments.length).toBeGreaterThan(0);
    expect(answer.segments.length).toBeLessThanOrEqual(3);
  });

  test('hears nobody in noise', async () => {
    await using model = await task(true);
    expect(await model.predict!({ audio: recording('Noise') }, new Call())).toMatchObject({ speech: false, share: 0, segments: [] });
  });
});
