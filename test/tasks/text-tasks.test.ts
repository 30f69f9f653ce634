/** What the text tasks say to bad input, to models that do not fit, and to models that take the text itself. */
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Call } from '../../src/call.ts';
import type { Model } from '../../src/model.ts';
import { chooseTask } from '../../src/task.ts';
import { sentenceSimilarity } from '../../src/tasks/sentence-similarity/sentence-similarity.ts';
import { textClassification } from '../../src/tasks/text-classification/text-classification.ts';
import { tokenClassification } from '../../src/tasks/token-classification/token-classification.ts';
import { tasks } from '../../src/tasks/index.ts';
import { textOf, textTensor, type Tensor } from '../../src/tensor.ts';
import { artifactIn, factsOf, fakeModel, lifted, signatureOf, spec } from './fake-model.ts';
import { ask, loadFolder, openFolder, textFixtures } from './text-fixtures.ts';

const models = new Map<string, Model>();
let folder: string;
beforeAll(async () => {
  for (const name of ['text-classification', 'token-classification', 'zero-shot-classification', 'fill-mask', 'question-answering', 'feature-extraction']) models.set(name, await openFolder(name));
  folder = mkdtempSync(join(tmpdir(), 'modelport-text-'));
});
afterAll(async () => {
  for (const model of models.values()) await model[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true });
});

describe('values that do not fit', () => {
  it.each<[string, unknown, string | undefined, RegExp]>([
    ['text-classification', 3, undefined, /a number: send an object with the field 'text'/],
    ['text-classification', null, undefined, /the value is null/],
    ['text-classification', {}, 'text', /'text' is missing/],
    ['text-classification', { text: '' }, 'text', /text is empty/],
    ['text-classification', { text: ' \n' }, 'text', /text is empty/],
    ['text-classification', { text: ['a'] }, 'text', /text is an array: it must be a text/],
    ['text-classification', { txt: 'a' }, 'txt', /no field 'txt'.*text/],
    ['text-classification', { text: 'a', topK: 9 }, 'topK', /from 1 to 3/],
    ['text-classification', new Uint8Array(3), undefined, /a file/],
    ['token-classification', { text: 'a', aggregation: 'frist' }, 'aggregation', /none, simple, first, average, max/],
    ['zero-shot-classification', { text: 'a', labels: [] }, 'labels', /send 1 to 100/],
    ['zero-shot-classification', { text: 'a', labels: ['x', 'x'] }, 'labels', /'x' twice/],
    ['zero-shot-classification', { text: 'a', labels: ['x'], hypothesisTemplate: 'none' }, 'hypothesisTemplate', /no \{\}/],
    ['fill-mask', { text: 'no gap here' }, 'text', /write \[MASK\] where a word is missing/],
    ['question-answering', { question: 'who?' }, 'context', /'context' is missing/],
    ['question-answering', { question: 'the movie was great '.repeat(30), context: 'me' }, 'question', /no room for the context/],
    ['feature-extraction', [], 'text', /0 texts/],
    ['feature-extraction', ['a', 3], 'text[1]', /must be a text/],
  ])('%s of %j', async (name, value, at, message) => {
    await expect(ask(models.get(name)!, value)).rejects.toMatchObject({ code: 'INVALID_VALUE', at, message: expect.stringMatching(message) as string });
  });

  it('a text of ten million letters is refused as too large, one that is only long is cut, and that is said', async () => {
    await expect(ask(models.get('text-classification')!, { text: 'a'.repeat(10_000_000) })).rejects.toMatchObject({ code: 'BODY_TOO_LARGE', httpStatus: 413 });
    expect(await ask(models.get('text-classification')!, { text: 'great movie '.repeat(1000) })).toMatchObject({ truncated: true });
    expect(await ask(models.get('text-classification')!, { text: 'great movie' })).not.toHaveProperty('truncated');
    await expect(ask(models.get('fill-mask')!, { text: `[MASK] ${'word '.repeat(1000)}` })).rejects.toMatchObject({ code: 'BODY_TOO_LARGE' });
  });

  it('half characters are read as unknown ones', async () => {
    expect(await ask(models.get('text-classification')!, { text: 'a \ud800 b' })).toEqual(await ask(models.get('text-classification')!, { text: 'a \ufffd b' }));
  });

  it('names in a text longer than the model reads are found once each, where they are', async () => {
    const sentence = 'My name is Sarah Connor and I live in Los Angeles. ';
    const { entities } = await ask<{ entities: { start: number; end: number; word: string }[] }>(models.get('token-classification')!, { text: sentence.repeat(20) });
    expect(entities.at(-1)!.start).toBeGreaterThan(sentence.length * 15);
    for (const [index, { start, end, word }] of entities.entries()) {
      expect(sentence.repeat(20).slice(start, end)).toBe(word);
      if (index > 0) expect(start).toBeGreaterThanOrEqual(entities[index - 1]!.end);
    }
  });
});

describe('models that take the text itself', () => {
  const scored = spec('probabilities', 'FP32', ['batch', 2], { labels: ['ham', 'spam'] });
  const label = spec('label', 'BYTES', ['batch']);
  const isSpam = (text: string): boolean => text.includes('win');
  const spam = (shape: readonly (number | string)[]) =>
    fakeModel(signatureOf([spec('text', 'BYTES', shape)], [label, scored]), ({ inputs }) => {
      const [text] = textOf(inputs.get('text')!);
      const p = isSpam(text!) ? 0.75 : 0.25;
      return [['label', textTensor([1], [p > 0.5 ? 'spam' : 'ham'])], ['probabilities', { datatype: 'FP32', shape: [1, 2], data: Float32Array.of(1 - p, p) }]] as [string, Tensor][];
    });

  it.each([[['batch']], [['batch', 1]]])('of shape %j are recognized', async (shape) => {
    const inner = spam(shape);
    const chosen = chooseTask(tasks, undefined, factsOf(inner.signature))!;
    expect(chosen.task.name).toBe('text-classification');
    expect(chosen.reason).toMatch(/input 'text' is one text a row/);
    const model = chosen.task.lift(inner, chosen.options, factsOf(inner.signature));
    expect(await ask(model, { text: 'win a prize' })).toEqual({ label: 'spam', score: 0.75, labels: [{ label: 'spam', score: 0.75 }, { label: 'ham', score: 0.25 }] });
    expect(inner.requests[0]!.inputs.get('text')!.shape).toEqual(shape.map(() => 1));
  });

  it('may say nothing but the class, by name or number', async () => {
    const named = fakeModel(signatureOf([spec('text', 'BYTES', ['batch'])], [label]), () => [['label', textTensor([1], ['ham'])]]);
    expect(await ask(lifted(textClassification, named), 'hello')).toEqual({ label: 'ham' });
    const numbered = fakeModel(signatureOf([spec('text', 'BYTES', ['batch'])], [spec('label', 'INT64', ['batch'])]), () => [['label', { datatype: 'INT64', shape: [1], data: BigInt64Array.of(1n) }]]);
    expect(await ask(lifted(textClassification, numbered, { labels: ['ham', 'spam'] }), 'hello')).toEqual({ label: 'spam' });
  });

  it('with other inputs beside are no text classifiers', () => {
    const two = signatureOf([spec('text', 'BYTES', ['batch']), spec('age', 'FP32', ['batch'])], [label, scored]);
    expect(textClassification.detect(factsOf(two))).toBeUndefined();
    expect(textClassification.detect(factsOf(signatureOf([spec('words', 'BYTES', ['batch', 5])], [label, scored])))).toBeUndefined();
  });
});

describe('models that do not fit', () => {
  it('without tokens, a tokenizer, or the scores', async () => {
    const { model, facts } = await loadFolder('feature-extraction');
    expect(() => tokenClassification.lift(model, {}, facts)).toThrow(/nothing names the classes of tokens/);
    expect(() => tokenClassification.lift(model, { labels: ['O', 'B-X'] }, facts)).toThrow(/there are 2 labels, but output 'last_hidden_state' has 8 classes/);
    expect(() => textClassification.lift(model, {}, facts)).toThrow(/no output evidently holds one score a class/);
    expect(() => textClassification.lift(model, {}, { ...facts, artifact: artifactIn(folder) })).toThrow(/there is no tokenizer\.json/);
    const picture = fakeModel(signatureOf([spec('pixels', 'FP32', ['batch', 3, 4, 4])], [spec('logits', 'FP32', ['batch', 2])]), () => []);
    expect(() => lifted(textClassification, picture)).toThrow(/needs a model with the inputs input_ids/);
    await model[Symbol.asyncDispose]();
  });

  it('an old vocabulary gets a hint', () => {
    const old = join(folder, 'old');
    mkdirSync(old);
    writeFileSync(join(old, 'vocab.txt'), '[PAD]\n');
    const tokens = signatureOf([spec('input_ids', 'INT64', ['batch', 'tokens'])], [spec('logits', 'FP32', ['batch', 2])]);
    expect(() => lifted(textClassification, fakeModel(tokens, () => []), {}, factsOf(tokens, { artifact: artifactIn(old) }))).toThrow(/save_pretrained/);
  });
});

it('sentence-similarity compares by the pooling that the folder says', async () => {
  const library = join(folder, 'sentences');
  cpSync(join(textFixtures, 'feature-extraction'), library, { recursive: true });
  mkdirSync(join(library, '1_Pooling'));
  writeFileSync(join(library, '1_Pooling', 'config.json'), '{"pooling_mode_cls_token": true}');
  const { model, facts: given } = await loadFolder('feature-extraction');
  const facts = { ...given, artifact: { ...given.artifact, directory: library } };
  const chosen = chooseTask(tasks, undefined, facts)!;
  expect(chosen.task.name).toBe('sentence-similarity');
  const lift = (options: object): Model => sentenceSimilarity.lift(model, sentenceSimilarity.options.parse(options), facts);
  const value = { source: 'a great movie', sentences: ['a great movie', 'the movie was long', 'Berlin'] };
  const cls = await ask<{ similarities: { score: number }[] }>(lift({}), value);
  expect(cls.similarities[0]!.score).toBeCloseTo(1, 5);
  const vectors = await Promise.all(['a great movie', 'the movie was long'].map(async (text) => (await ask<{ tokens: number[][] }>(await openFolder('feature-extraction', { name: 'feature-extraction', pooling: 'none' }), text)).tokens[0]!));
  const dot = (left: number[], right: number[]): number => left.reduce((sum, each, index) => sum + each * right[index]!, 0);
  expect(cls.similarities[1]!.score).toBeCloseTo(dot(vectors[0]!, vectors[1]!) / Math.sqrt(dot(vectors[0]!, vectors[0]!) * dot(vectors[1]!, vectors[1]!)), 4);
  const mean = await ask<{ similarities: { score: number }[] }>(lift({ pooling: 'mean' }), value);
  expect(mean.similarities[1]!.score).not.toBeCloseTo(cls.similarities[1]!.score, 4);
  // A form sends one sentence a line.
  expect(await lift({}).predict!({ ...value, sentences: value.sentences.join('\n') }, new Call())).toEqual(cls);
  await model[Symbol.asyncDispose]();
});

it('a damaged config.json or tokenizer.json is said, by name', async () => {
  const broken = join(folder, 'broken');
  cpSync(join(textFixtures, 'text-classification'), broken, { recursive: true });
  const { model, facts: given } = await loadFolder('text-classification');
  const facts = { ...given, artifact: { ...given.artifact, directory: broken } };
  writeFileSync(join(broken, 'config.json'), '{"architectures": [');
  expect(textClassification.detect(facts)).toBeDefined();
  writeFileSync(join(broken, 'tokenizer.json'), '{"model": {"type": "Magic"}}');
  expect(() => textClassification.lift(model, {}, facts)).toThrow(/model\.type is "Magic"; there are WordPiece, BPE, Unigram, WordLevel/);
  writeFileSync(join(broken, 'tokenizer.json'), 'not json');
  expect(() => textClassification.lift(model, {}, facts)).toThrow(/tokenizer\.json is no JSON/);
  await model[Symbol.asyncDispose]();
});

describe('rows of tokens', () => {
  it('of similar lengths have one shape, and the answers of their own', async () => {
    const { model, facts } = await loadFolder('text-classification');
    const shapes: string[] = [];
    const seen: Model = {
      ...model,
      infer(request, call) {
        shapes.push(request.inputs.get('input_ids')!.shape.join(' '));
        return model.infer!(request, call);
      },
    };
    const single = { ...facts.signature, batch: { maxSize: 0, reason: 'said by the test' } };
    const padded = textClassification.lift(seen, {}, facts);
    const plain = textClassification.lift({ ...seen, signature: single }, {}, { ...facts, signature: single });
    for (const text of ['good', 'I loved it', 'a movie of the kind', 'not good', 'x '.repeat(40), 'x '.repeat(300)]) {
      const [one, other] = [await ask<{ labels: { label: string; score: number }[] }>(padded, { text }), await ask<{ labels: { label: string; score: number }[] }>(plain, { text })];
      expect(one.labels.map(({ label }) => label)).toEqual(other.labels.map(({ label }) => label));
      for (const [index, { score }] of one.labels.entries()) expect(Math.abs(score - other.labels[index]!.score)).toBeLessThan(1e-5);
    }
    const lengths = shapes.map((shape) => Number(shape.split(' ')[1]));
    const [withPadding, without] = [lengths.filter((_, index) => index % 2 === 0), lengths.filter((_, index) => index % 2 === 1)];
    for (const [index, length] of withPadding.entries()) {
      expect([8, 16, 24, 32, 48, 64, 96, 128]).toContain(length);
      expect(length).toBeGreaterThanOrEqual(without[index]!);
    }
    expect(new Set(withPadding.slice(0, 4)).size).toBeLessThan(new Set(without.slice(0, 4)).size);
    await model[Symbol.asyncDispose]();
  });
});
