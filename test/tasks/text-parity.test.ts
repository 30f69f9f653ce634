/** The answers of the pipelines of `transformers` for the same tiny models: scripts/parity/tasks_text.py made both. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Call } from '../../src/call.ts';
import type { Model, TokenEvent } from '../../src/model.ts';
import { chooseTask } from '../../src/task.ts';
import { tasks } from '../../src/tasks/index.ts';
import { ask, expectedOf, loadFolder, openFolder } from './text-fixtures.ts';

interface Labelled {
  readonly label: string;
  readonly score: number;
}

function expectLabels(found: readonly Labelled[], wanted: readonly Labelled[]): void {
  expect(found.map(({ label }) => label)).toEqual(wanted.map(({ label }) => label));
  for (const [index, { score }] of found.entries()) expect(Math.abs(score - wanted[index]!.score)).toBeLessThan(1e-4);
}

const models = new Map<string, Model>();
beforeAll(async () => {
  for (const name of ['text-classification', 'multi-label', 'token-classification', 'zero-shot-classification', 'fill-mask', 'question-answering', 'text-generation']) models.set(name, await openFolder(name));
});
afterAll(async () => {
  for (const model of models.values()) await model[Symbol.asyncDispose]();
});

describe('the task of a folder', () => {
  it.each([
    ['text-classification', 'text-classification', /BertForSequenceClassification/],
    ['multi-label', 'text-classification', /BertForSequenceClassification/],
    ['token-classification', 'token-classification', /BertForTokenClassification/],
    ['zero-shot-classification', 'zero-shot-classification', /'entailment'/],
    ['fill-mask', 'fill-mask', /BertForMaskedLM/],
    ['question-answering', 'question-answering', /BertForQuestionAnswering/],
    ['feature-extraction', 'feature-extraction', /last_hidden_state/],
    ['text-generation', 'text-generation', /GPT2LMHeadModel.*2 layers/],
  ])('%s is %s', async (folder, task, reason) => {
    const { model, facts } = await loadFolder(folder);
    const chosen = chooseTask(tasks, undefined, facts);
    expect(chosen?.task.name).toBe(task);
    expect(chosen?.reason).toMatch(reason);
    await model[Symbol.asyncDispose]();
  });
});

describe('text-classification', () => {
  it.each(['text-classification', 'multi-label'])('%s: the same labels and scores', async (name) => {
    const { texts, pairs = [] } = expectedOf(name) as { texts: [string, Labelled[]][]; pairs?: [string, string, Labelled[]][] };
    for (const [text, wanted] of texts) {
      const answer = await ask<{ label: string; labels: Labelled[] }>(models.get(name)!, { text, topK: wanted.length });
      expect(answer.label).toBe(wanted[0]!.label);
      expectLabels(answer.labels, wanted);
    }
    for (const [text, textPair, wanted] of pairs) expectLabels((await ask<{ labels: Labelled[] }>(models.get(name)!, { text, textPair, topK: wanted.length })).labels, wanted);
  });
});

describe('token-classification', () => {
  type Found = { entity?: string; entity_group?: string; score: number; start: number; end: number; index?: number };
  it.each(['none', 'simple', 'first', 'average', 'max'])('%s: the same groups, scores and places', async (aggregation) => {
    const cases = (expectedOf('token-classification') as Record<string, [string, Found[]][]>)[aggregation]!;
    let count = 0;
    for (const [text, wanted] of cases) {
      const { entities } = await ask<{ entities: { label: string; score: number; word: string; start: number; end: number; index?: number }[] }>(models.get('token-classification')!, { text, aggregation });
      expect(entities.map(({ label, start, end, index }) => [label, start, end, index])).toEqual(wanted.map(({ entity, entity_group: group, start, end, index }) => [entity ?? group, start, end, index]));
      for (const [place, { score, word, start, end }] of entities.entries()) {
        expect(Math.abs(score - wanted[place]!.score)).toBeLessThan(1e-4);
        expect(word).toBe(Array.from(text).slice(start, end).join(''));
        count++;
      }
    }
    expect(count).toBeGreaterThan(10);
  });
});

it('zero-shot-classification: the same order and scores', async () => {
  for (const [value, wanted] of expectedOf('zero-shot-classification') as [object, { labels: string[]; scores: number[] }][]) {
    const { labels } = await ask<{ labels: Labelled[] }>(models.get('zero-shot-classification')!, value);
    expectLabels(labels, wanted.labels.map((label, index) => ({ label, score: wanted.scores[index]! })));
  }
});

it('fill-mask: the same words, scores and texts', async () => {
  type Word = { score: number; token: number; token_str: string; sequence: string };
  const { texts, targets } = expectedOf('fill-mask') as { texts: [string, Word[] | Word[][]][]; targets: [string, string[], Word[]][] };
  const check = (gaps: { token: string; score: number; tokenId: number; text: string }[][], wanted: Word[] | Word[][]): void => {
    const lists = Array.isArray(wanted[0]) ? (wanted as Word[][]) : [wanted as Word[]];
    expect(gaps.map((words) => words.map(({ token, tokenId, text }) => [token, tokenId, text]))).toEqual(lists.map((words) => words.map((word) => [word.token_str, word.token, word.sequence])));
    for (const [gap, words] of gaps.entries()) for (const [index, { score }] of words.entries()) expect(Math.abs(score - lists[gap]![index]!.score)).toBeLessThan(1e-4);
  };
  for (const [text, wanted] of texts) check((await ask<{ gaps: never }>(models.get('fill-mask')!, { text, topK: 4 })).gaps, wanted);
  for (const [text, words, wanted] of targets) check((await ask<{ gaps: never }>(models.get('fill-mask')!, { text, targets: words, topK: 2 })).gaps, wanted);
});

it('question-answering: the same answers from a text that is read in parts', async () => {
  type Answer = { answer: string; score: number; start: number; end: number };
  const { cases, ...options } = expectedOf('question-answering') as { cases: [object, Answer[]][]; maxTokens: number; stride: number; maxAnswerTokens: number };
  const model = await openFolder('question-answering', { name: 'question-answering', ...options });
  for (const [value, wanted] of cases) {
    const { answers } = await ask<{ answers: Answer[] }>(model, value);
    expect(answers.map(({ answer, start, end }) => [answer, start, end])).toEqual(wanted.map(({ answer, start, end }) => [answer, start, end]));
    for (const [index, { score }] of answers.entries()) expect(Math.abs(score - wanted[index]!.score)).toBeLessThan(1e-4);
  }
  await model[Symbol.asyncDispose]();
});

it('feature-extraction: the same vectors of tokens, and their mean', async () => {
  const cases = expectedOf('feature-extraction') as [string, number[][]][];
  const [each, mean] = [await openFolder('feature-extraction', { name: 'feature-extraction', pooling: 'none' }), await openFolder('feature-extraction')];
  const far = (found: readonly number[], wanted: readonly number[]): number => Math.max(...found.map((value, index) => Math.abs(value - wanted[index]!)));
  for (const [text, wanted] of cases) {
    const { tokens } = await ask<{ tokens: number[][] }>(each, text);
    expect(tokens.length).toBe(wanted.length);
    for (const [index, vector] of tokens.entries()) expect(far(vector, wanted[index]!)).toBeLessThan(1e-4);
    const { embedding } = await ask<{ embedding: number[] }>(mean, { text });
    expect(far(embedding, wanted[0]!.map((_, column) => wanted.reduce((sum, row) => sum + row[column]!, 0) / wanted.length))).toBeLessThan(1e-4);
  }
  const { embeddings } = await ask<{ embeddings: number[][] }>(mean, { text: cases.map(([text]) => text) });
  for (const [index, [text]] of cases.entries()) expect(far(embeddings[index]!, (await ask<{ embedding: number[] }>(mean, text)).embedding)).toBeLessThan(1e-4);
});

it('text-generation: the same greedy text, token by token', async () => {
  for (const [value, text, ids] of expectedOf('text-generation') as [{ prompt: string; repetitionPenalty?: number }, string, number[]][]) {
    const model = models.get('text-generation')!;
    expect((await ask<{ text: string }>(model, { ...value, maxTokens: 20 })).text).toBe(text);
    const { prompt, ...parameters } = value;
    const events: TokenEvent[] = [];
    for await (const event of model.generate!({ prompt, parameters: { ...parameters, max_new_tokens: 20 } }, new Call())) events.push(event);
    const last = events.pop()!;
    expect(last).toMatchObject({ type: 'finish', completionTokens: ids.filter((id) => id !== 0).length });
    expect(events.map((event) => (event.type === 'text-delta' ? event.text : '?')).join('')).toBe(text);
  }
});
