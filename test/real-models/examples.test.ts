import { copyFile, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Call } from '../../src/call.ts';
import type { Tensor } from '../../src/tensor.ts';
import { serveExamples, type ServedExamples } from '../examples/served-examples.ts';
import { describeReal, realFile } from './real-models.ts';

/** As scripts/fetch-real-models.py --examples puts them. */
const places = {
  'magika/model.onnx': 'magika',
  'silero/silero_vad.onnx': 'silero',
  'rapidocr/ch_PP-OCRv4_det_infer.onnx': 'text-detection',
  'rapidocr/ch_ppocr_mobile_v2.0_cls_infer.onnx': 'text-direction',
  'rapidocr/ch_PP-OCRv4_rec_infer.onnx': 'text-recognition',
};

describeReal('examples/real', [...Object.keys(places), 'magika/config.min.json'], () => {
  let served: ServedExamples;
  beforeAll(async () => {
    served = await serveExamples('real', async (copy) => {
      for (const [file, model] of Object.entries(places)) await copyFile(realFile(file), join(copy, model, 'model.onnx'));
      const { target_labels_space } = JSON.parse(await readFile(realFile('magika/config.min.json'), 'utf8')) as { target_labels_space: string[] };
      await writeFile(join(copy, 'magika', 'labels.txt'), `${target_labels_space.join('\n')}\n`);
    });
  });
  afterAll(() => served[Symbol.asyncDispose]());

  test('all of them are served, warmed up and without complaint', () => {
    expect(served.repository.ready().map((one) => one.name).sort()).toEqual(Object.values(places).sort());
    expect(served.complaints).toEqual([]);
  });

  test('what they do is said or found out', () => {
    const tasks = served.repository.ready().map(({ name, model }) => [name, model.signature.predict?.task] as const).filter(([, task]) => task !== undefined);
    expect(Object.fromEntries(tasks)).toEqual({ magika: 'file-classification', silero: 'voice-activity-detection', 'text-detection': 'optical-character-recognition' });
  });

  test('the text of a picture is read by three served models', async () => {
    const image = new Uint8Array(await readFile(new URL('../fixtures/real-models/hello.png', import.meta.url)));
    expect(await served.repository.get('text-detection').model.predict!({ image }, new Call())).toMatchObject({ text: 'Hello Modelport 2026' });
  });

  test('labels are those of the package', () => {
    const [output] = served.repository.get('magika').model.signature.outputs;
    expect(output!.labels).toHaveLength(214);
    expect(output!.labels).toContain('python');
  });

  test('silero takes sequences, as its config says', async () => {
    const { model } = served.repository.get('silero');
    expect(model.signature.inputs.map((input) => input.name)).toEqual(['input', 'sr']);
    const inputs = new Map<string, Tensor>([
      ['input', { datatype: 'FP32', shape: [1, 576], data: new Float32Array(576) }],
      ['sr', { datatype: 'INT64', shape: [], data: BigInt64Array.of(16_000n) }],
    ]);
    const ask = async (start: boolean, end: boolean): Promise<number> => {
      const { outputs } = await model.infer!({ inputs }, new Call({ sequence: { id: 'a stream', start, end } }));
      return (outputs.get('output')!.data as Float32Array)[0]!;
    };
    const first = [await ask(true, false), await ask(false, false), await ask(false, true)];
    expect(new Set(first).size).toBe(3);
    expect([await ask(true, false), await ask(false, false), await ask(false, true)]).toEqual(first);
    await expect(ask(false, false)).rejects.toMatchObject({ code: 'INVALID_REQUEST' });
    await expect(model.infer!({ inputs }, new Call())).rejects.toMatchObject({ code: 'INVALID_REQUEST', message: expect.stringContaining('correlation ID') });
  });
});
