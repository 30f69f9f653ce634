import { afterAll, beforeAll, expect, test } from 'vitest';
import { Call } from '../../src/call.ts';
import { modelConfigSchema } from '../../src/model-config.ts';
import type { Model } from '../../src/model.ts';
import { sequenceBatching, type SequenceBatchingModel } from '../../src/serving/sequence-batching.ts';
import type { Tensor } from '../../src/tensor.ts';
import { describeReal, expected, loadReal, realFile } from './real-models.ts';
import { chunksOf, readSpeech } from './speech.ts';

const recordings = ['Front_Center', 'Rear_Left', 'Side_Right', 'Noise'];
const files = recordings.map((name) => `speech/${name}.wav`);

function inputsOf(chunk: Float32Array<ArrayBuffer>, rate = 16_000n): Map<string, Tensor> {
  return new Map<string, Tensor>([
    ['input', { datatype: 'FP32', shape: [1, chunk.length], data: chunk }],
    ['sr', { datatype: 'INT64', shape: [], data: BigInt64Array.of(rate) }],
  ]);
}

describeReal('silero hears speech, its state carried by sequence batching', ['silero/silero_vad.onnx', ...files], () => {
  const streams = (): Float32Array<ArrayBuffer>[][] => files.map((file) => chunksOf(readSpeech(realFile(file))));
  const runs: number[] = [];
  let model: SequenceBatchingModel;

  function scheduled(group: Model, strategy: string): SequenceBatchingModel {
    const { sequences } = modelConfigSchema.parse({ sequences: { strategy, states: [{ input: 'state', output: 'stateN' }] } });
    return sequenceBatching(group, { modelName: 'silero', sequences: sequences!, concurrency: 2, observer: { executed: (rows) => runs.push(rows) } });
  }

  beforeAll(async () => {
    model = scheduled(await loadReal('silero/silero_vad.onnx', { count: 2 }), 'oldest');
  });
  afterAll(() => model[Symbol.asyncDispose]());

  /** The probability of each chunk; chunks are sent as fast as the answers come. */
  async function listen(chunks: readonly Float32Array<ArrayBuffer>[], id: bigint, rate?: bigint): Promise<number[]> {
    const probabilities: number[] = [];
    for (const [index, chunk] of chunks.entries()) {
      const call = new Call({ sequence: { id, start: index === 0, end: index === chunks.length - 1 } });
      const { outputs } = await model.infer({ inputs: inputsOf(chunk, rate) }, call);
      expect([...outputs.keys()]).toEqual(['output']);
      probabilities.push((outputs.get('output')!.data as Float32Array)[0]!);
    }
    return probabilities;
  }

  const largestDifference = (a: readonly number[], b: readonly number[]): number => Math.max(...a.map((value, index) => Math.abs(value - b[index]!)));

  test('clients see neither the state nor its axis', () => {
    expect(model.signature.inputs.map((input) => input.name)).toEqual(['input', 'sr']);
    expect(model.signature.outputs.map((output) => output.name)).toEqual(['output']);
    expect(model.signature.batch.maxSize).toBeGreaterThan(1);
  });

  test('a voice says "Front Center": 32 of 44 chunks are speech, as its own package says', async () => {
    const { probabilities } = expected('silero') as { probabilities: number[] };
    const heard = await listen(streams()[0]!, 1n);
    expect(heard).toHaveLength(44);
    expect(heard.filter((probability) => probability > 0.5)).toHaveLength(32);
    expect(largestDifference(heard, probabilities)).toBeLessThan(1e-4);
    expect(model.occupancy()).toEqual({ active: 0, waiting: 0, stateBytes: 0 });
  });

  test('nobody speaks in noise', async () => {
    const heard = await listen(streams()[3]!, 1n);
    expect(heard.filter((probability) => probability > 0.5)).toHaveLength(0);
  });

  test.each(['oldest', 'direct'])('many streams at once hear what each hears alone (%s)', async (strategy) => {
    const alone: number[][] = [];
    for (const chunks of streams()) alone.push(await listen(chunks, 1n));
    const shared = model;
    model = scheduled(await loadReal('silero/silero_vad.onnx', { count: 2 }), strategy);
    try {
      runs.length = 0;
      const together = [...streams(), ...streams()];
      const heard = await Promise.all(together.map((chunks, index) => listen(chunks, BigInt(index + 1))));
      for (const [index, probabilities] of heard.entries()) {
        expect(probabilities).toHaveLength(together[index]!.length);
        expect(largestDifference(probabilities, alone[index % alone.length]!)).toBeLessThan(1e-4);
      }
      expect(Math.max(...runs)).toBeGreaterThan(2);
      expect(runs.reduce((sum, rows) => sum + rows, 0)).toBe(together.reduce((sum, chunks) => sum + chunks.length, 0));
      expect(model.occupancy()).toEqual({ active: 0, waiting: 0, stateBytes: 0 });
    } finally {
      await model[Symbol.asyncDispose]();
      model = shared;
    }
  });

  test('streams of another rate, another chunk length, run beside them', async () => {
    const fast = streams()[0]!;
    // At 8 kHz a chunk has 256 samples after 32: every second one of the same recording is enough to be speech.
    const slow = fast.map((chunk) => chunk.filter((_, index) => index % 2 === 0));
    const [one, other] = await Promise.all([listen(fast, 1n), listen(slow, 2n, 8000n)]);
    expect(one.filter((probability) => probability > 0.5)).toHaveLength(32);
    expect(other.filter((probability) => probability > 0.5).length).toBeGreaterThan(20);
  });
});
