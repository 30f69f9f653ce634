/** The usual kinds of models, with random weights: they answer what the reference libraries answer, and say that it means nothing. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { root, startModelport, type RunningModelport } from '../start-modelport.ts';

let server: RunningModelport;
beforeAll(async () => {
  server = await startModelport({ arguments: ['examples/random'] });
});
afterAll(async () => {
  expect(await server.stop()).toBe(0);
});

const fixture = (path: string): unknown => JSON.parse(readFileSync(join(root, 'test/fixtures', path), 'utf8'));

interface Answer {
  readonly labels: readonly { readonly label: string; readonly score: number }[];
  readonly entities: readonly { readonly label: string; readonly start: number; readonly end: number }[];
  readonly text: string;
}

async function predict(model: string, value: unknown): Promise<Answer> {
  const response = await fetch(`${server.url}/models/${model}/predict`, { method: 'POST', body: JSON.stringify(value), headers: { 'content-type': 'application/json' } });
  expect(response.status).toBe(200);
  return (await response.json()) as Answer;
}

test('each says on the page that its weights are random', async () => {
  const { models } = (await (await fetch(`${server.url}/ui/models`)).json()) as { models: { name: string; versions: { served: { description?: string; predict?: { task?: string } } }[] }[] };
  expect(models.map(({ name }) => name).sort()).toEqual(['clip', 'entities', 'sentiment', 'writer']);
  for (const { name, versions } of models) expect(JSON.stringify(versions), name).toContain('RANDOM WEIGHTS');
});

test('sentiment, as transformers scores it', async () => {
  const [[text, labels]] = (fixture('text/text-classification/expected.json') as { texts: [[string, { label: string; score: number }[]]] }).texts;
  const answer = await predict('sentiment', { text });
  expect(answer.labels.map(({ label }) => label)).toEqual(labels.map(({ label }) => label));
  for (const [index, { score }] of labels.entries()) expect(answer.labels[index]!.score).toBeCloseTo(score, 4);
});

test('entities lie where they stand in the text', async () => {
  const text = 'Ada Lovelace met Charles Babbage in London.';
  const { entities } = await predict('entities', { text });
  expect(entities.length).toBeGreaterThan(0);
  for (const { start, end, label } of entities) {
    expect(end).toBeGreaterThan(start);
    expect(['PER', 'LOC', 'ORG']).toContain(label);
    expect(text.slice(start, end)).toMatch(/\S/);
  }
});

test('CLIP takes an uploaded picture and captions', async () => {
  const form = new FormData();
  form.set('image', new Blob([readFileSync(join(root, 'examples/random/clip/sample.png'))]), 'sample.png');
  form.set('labels', JSON.stringify(['a digit', 'a cat', 'the sea']));
  const response = await fetch(`${server.url}/models/clip/predict`, { method: 'POST', body: form });
  const { labels } = (await response.json()) as { labels: { label: string; score: number }[] };
  expect(labels.map(({ label }) => label).sort()).toEqual(['a cat', 'a digit', 'the sea']);
  expect(labels.reduce((sum, { score }) => sum + score, 0)).toBeCloseTo(1, 5);
});

test('the writer streams what it answers at once', async () => {
  const whole = await predict('writer', { prompt: 'I loved', maxTokens: 12 });
  const response = await fetch(`${server.url}/v2/models/writer/generate_stream`, { method: 'POST', body: JSON.stringify({ text_input: 'I loved', parameters: { max_tokens: 12 } }), headers: { 'content-type': 'application/json' } });
  expect(response.headers.get('content-type')).toMatch(/^text\/event-stream/);
  const parts = (await response.text()).split('\n').filter((line) => line.startsWith('data: ')).map((line) => (JSON.parse(line.slice(6)) as { text_output?: string }).text_output ?? '');
  expect(parts.length).toBeGreaterThan(1);
  expect(parts.join('')).toBe(whole.text);
});
