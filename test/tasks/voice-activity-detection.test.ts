import { describe, expect, it } from 'vitest';
import { Call } from '../../src/call.ts';
import type { InferRequest, Model, Signature } from '../../src/model.ts';
import { speechSegments } from '../../src/tasks/voice-activity-detection/speech-segments.ts';
import { voiceActivityDetection } from '../../src/tasks/voice-activity-detection/voice-activity-detection.ts';
import type { Tensor } from '../../src/tensor.ts';
import { factsOf, fakeModel, lifted, signatureOf, spec, type FakeModel } from './fake-model.ts';
import { waveFile } from './wave-file.ts';

const samples = spec('input', 'FP32', ['batch', 'samples']);
const rate = { ...spec('sr', 'INT64', []), batchAxis: undefined } as unknown as ReturnType<typeof spec>;
const state = spec('state', 'FP32', [2, 'batch', 3]);
const output = spec('output', 'FP32', ['batch', 1]);
const withState = signatureOf([samples, state, rate], [output, spec('stateN', 'FP32', [2, 'batch', 3])]);
const scheduled = signatureOf([samples, rate], [output]);
const options = { chunkSize: 16, contextSize: 4, sampleRate: 16_000, minSpeechMs: 0, minSilenceMs: 0 };

/** Answers the first sample of the chunk itself; its state counts runs. */
function listener(signature: Signature): FakeModel {
  return fakeModel(signature, ({ inputs }: InferRequest) => {
    const { data } = inputs.get('input') as Tensor<'FP32'>;
    const before = inputs.get('state') as Tensor<'FP32'> | undefined;
    const answer: [string, Tensor][] = [['output', { datatype: 'FP32', shape: [1, 1], data: Float32Array.of(Math.abs(data[4]!)) }]];
    if (before !== undefined) answer.push(['stateN', { datatype: 'FP32', shape: [2, 1, 3], data: before.data.map((value) => value + 1) }]);
    return answer;
  });
}

interface Answer {
  readonly speech: boolean;
  readonly share: number;
  readonly segments: readonly { readonly start: number; readonly end: number }[];
  readonly timeline: { readonly start: number; readonly step: number; readonly values: readonly number[] };
}
const ask = async (model: Model, value: unknown): Promise<Answer> => (await model.predict!(value, new Call())) as Answer;
/** Chunks of 16 samples of one level each, and what is left over. */
const chunks = (levels: readonly number[], rest = 0): Uint8Array => waveFile([...levels.flatMap((level) => new Array<number>(16).fill(level)), ...new Array<number>(rest).fill(0.5)]);

describe('a recording', () => {
  it('is heard chunk by chunk, each with the end of the one before, the state carried', async () => {
    const inner = listener(withState);
    const model = lifted(voiceActivityDetection, inner, options);
    const answer = await ask(model, { audio: chunks([0.25, 0.75, 0.75, 0], 9) });
    expect(answer).toEqual({ speech: true, share: 0.5, segments: [{ start: 0.001, end: 0.003 }], timeline: { start: 0, step: 0.001, values: [0.25, 0.75, 0.75, 0] } });
    expect(inner.requests.map(({ inputs }) => [...(inputs.get('input')!.data as Float32Array).subarray(0, 4)])).toEqual([[0, 0, 0, 0], [0.25, 0.25, 0.25, 0.25], [0.75, 0.75, 0.75, 0.75], [0.75, 0.75, 0.75, 0.75]]);
    expect(inner.requests.map(({ inputs }) => inputs.get('state')!.data[0])).toEqual([0, 1, 2, 3]);
    expect(inner.requests[0]!.inputs.get('sr')).toEqual({ datatype: 'INT64', shape: [], data: BigInt64Array.of(16_000n) });
  });

  it('is one sequence where the scheduler carries the state', async () => {
    const inner = listener(scheduled);
    await ask(lifted(voiceActivityDetection, inner, options), { audio: chunks([0.25, 0.75, 0.5]) });
    expect(inner.calls.map(({ sequence }) => [sequence!.start, sequence!.end])).toEqual([[true, false], [false, false], [false, true]]);
    expect(new Set(inner.calls.map(({ sequence }) => sequence!.id)).size).toBe(1);
  });

  it('of silence, and of less than a chunk', async () => {
    const model = lifted(voiceActivityDetection, listener(withState), options);
    expect(await ask(model, { audio: chunks([0, 0]) })).toMatchObject({ speech: false, share: 0, segments: [] });
    expect(await ask(model, { audio: chunks([], 5) })).toMatchObject({ speech: false, timeline: { values: [] } });
  });

  it('counts by the threshold of the request', async () => {
    const model = lifted(voiceActivityDetection, listener(withState), options);
    expect((await ask(model, { audio: chunks([0.25, 0.75]), threshold: '0.2' })).share).toBe(1);
  });
});

describe('a stream', () => {
  it('goes on where the piece before ended, whatever the pieces', async () => {
    const levels = Array.from({ length: 12 }, (_, index) => (index % 7) / 8);
    const whole = await ask(lifted(voiceActivityDetection, listener(withState), options), { audio: chunks(levels) });
    for (const signature of [withState, scheduled]) {
      const inner = listener(signature);
      const model = lifted(voiceActivityDetection, inner, options);
      const all = levels.flatMap((level) => new Array<number>(16).fill(level));
      const values: number[] = [];
      const starts: number[] = [];
      for (let start = 0; start < all.length; start += 40) {
        const answer = await ask(model, { audio: waveFile(all.slice(start, start + 40)), stream: 'me', end: start + 40 >= all.length });
        starts.push(answer.timeline.start);
        values.push(...answer.timeline.values);
      }
      expect(values).toEqual(whole.timeline.values);
      expect(starts).toEqual([0, 0.002, 0.005, 0.007, 0.01]);
      const { sequence } = inner.calls.at(-1)!;
      if (signature === scheduled) expect(sequence!.end).toBe(true);
      // The next piece of that name begins anew.
      expect((await ask(model, { audio: chunks([0.5]), stream: 'me' })).timeline.start).toBe(0);
    }
  });

  it('streams do not know each other, and pieces that come at once wait for each other', async () => {
    const inner = listener(withState);
    const model = lifted(voiceActivityDetection, inner, options);
    const answers = await Promise.all(['a', 'b', 'a', 'b', 'a'].map((stream, index) => ask(model, { audio: chunks([index / 8]), stream })));
    expect(answers.map(({ timeline }) => timeline.start)).toEqual([0, 0, 0.001, 0.001, 0.002]);
    expect(inner.requests.map(({ inputs }) => inputs.get('state')!.data[0] as number).sort((a, b) => a - b)).toEqual([0, 0, 1, 1, 2]);
    await model[Symbol.asyncDispose]();
  });

  it('is forgotten when the model fails, and the scheduler is told', async () => {
    const inner = listener(scheduled);
    const calls: Call[] = [];
    const failing: Model = { ...inner, infer: (request, call) => (calls.push(call), calls.length === 2 ? Promise.reject(new Error('broken')) : inner.infer!(request, call)) };
    const model = lifted(voiceActivityDetection, failing, options);
    await expect(ask(model, { audio: chunks([0.5, 0.5, 0.5]), stream: 'me' })).rejects.toThrow('broken');
    expect(calls.map(({ sequence }) => [sequence!.start, sequence!.end])).toEqual([[true, false], [false, false], [false, true]]);
    expect((await ask(model, { audio: chunks([0.5]), stream: 'me' })).timeline.start).toBe(0);
  });

  it.each<[object, string, RegExp]>([
    [{ stream: '' }, 'stream', /stream is "": write a name of 1 to 200 characters/],
    [{ stream: 'x', end: 'maybe' }, 'end', /end is "maybe": write true or false/],
    [{ threshold: 'high' }, 'threshold', /threshold is "high"/],
  ])('%j is refused', async (more, at, message) => {
    await expect(ask(lifted(voiceActivityDetection, listener(withState), options), { audio: chunks([0]), ...more })).rejects.toMatchObject({ code: 'INVALID_VALUE', at, message: expect.stringMatching(message) as string });
  });
});

describe('stretches of speech', () => {
  const plan = { threshold: 0.5, stepSeconds: 0.1, minSpeechMs: 250, minSilenceMs: 150 };
  it.each<[string, number[], number[][]]>([
    ['short pauses do not end one', [0, 0.9, 0.9, 0, 0.9, 0.9, 0, 0, 0], [[0.1, 0.6]]],
    ['short ones are left out', [0.9, 0.9, 0, 0, 0.9, 0.9, 0.9], [[0.4, 0.7]]],
    ['a little less than the threshold goes on', [0.9, 0.4, 0.4, 0.4, 0.9, 0, 0], [[0, 0.5]]],
    ['nothing', [], []],
  ])('%s', (_, probabilities, wanted) => {
    expect(speechSegments(probabilities, plan).map(({ start, end }) => [start, end])).toEqual(wanted);
  });
});

describe('what a model is told to be', () => {
  it("sees Silero's, with the state and without", () => {
    for (const signature of [withState, scheduled]) expect(voiceActivityDetection.detect(factsOf(signature))?.reason).toMatch(/as Silero's models have them/);
    expect(voiceActivityDetection.detect(factsOf(signatureOf([samples], [output])))).toBeUndefined();
  });

  it('has a timeline to draw', () => {
    const { predict } = lifted(voiceActivityDetection, listener(withState)).signature;
    expect(predict).toMatchObject({ task: 'voice-activity-detection', output: { properties: { timeline: { 'x-modelport': { widget: 'timeline' } } } } });
  });

  it.each<[Signature, object, RegExp]>([
    [withState, { input: 'x' }, /task\.input is 'x', but the model has no such input/],
    [signatureOf([samples, spec('other', 'FP32', ['batch', 3])], [output]), {}, /which input takes the samples/],
    [signatureOf([samples, spec('words', 'BYTES', ['batch'])], [output]), {}, /there is no telling what goes into input 'words'/],
  ])('%# is refused', (signature, given, message) => {
    expect(() => lifted(voiceActivityDetection, listener(signature), given)).toThrow(expect.objectContaining({ code: 'INVALID_CONFIG', message: expect.stringMatching(message) as string }) as Error);
  });
});
