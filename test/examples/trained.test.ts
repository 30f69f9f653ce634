/** Examples that were trained here answer what they answered where they were trained, and the rows that nobody trained on come out near the truth. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Call } from '../../src/call.ts';
import { schemaErrors } from '../fixtures/json-schema.ts';
import { examples, serveExamples, type ServedExamples } from './served-examples.ts';

const expected = (name: string): unknown => JSON.parse(readFileSync(join(examples, 'training/expected', `${name}.json`), 'utf8'));
let served: ServedExamples;
beforeAll(async () => {
  served = await serveExamples('models');
});
afterAll(() => served[Symbol.asyncDispose]());

interface Answer {
  readonly label: string;
  readonly labels: readonly { readonly label: string; readonly score: number }[];
  readonly value: number;
  readonly items: readonly { readonly item: string }[];
}

const ask = async (model: string, value: unknown): Promise<Answer> => (await served.repository.get(model).model.predict!(value, new Call())) as Answer;

test('are found out or said to be what they are', () => {
  const tasks = Object.fromEntries(served.repository.ready().map(({ name, model }) => [name, model.signature.predict?.task]));
  expect(tasks).toMatchObject({ spam: 'text-classification', fuel: 'tabular-regression', films: 'recommendation', digits: 'image-classification', iris: 'tabular-classification' });
});

test.each(['spam', 'fuel', 'films'])('%s: its schemas hold for its examples and their answers', async (name) => {
  const { input, output, examples: values } = served.repository.get(name).model.signature.predict!;
  expect(values.length).toBeGreaterThan(1);
  for (const value of values) {
    expect(schemaErrors(value, input, input)).toEqual([]);
    expect(schemaErrors(await ask(name, value), output, output)).toEqual([]);
  }
});

describe('spam', () => {
  test.each((expected('spam') as { text: string; label: string; spam: number }[]).filter(({ text }) => text !== ''))('$text', async ({ text, label, spam }) => {
    const answer = await ask('spam', { text });
    expect(answer.label).toBe(label);
    expect(answer.labels.find((one) => one.label === 'spam')!.score).toBeCloseTo(spam, 6);
  });
});

describe('fuel', () => {
  const cars = expected('fuel') as ({ mpg: number; answer: number } & Record<string, unknown>)[];
  test.each(cars)('$weight lb, $horsepower hp, from $origin', async ({ mpg: _mpg, answer, ...car }) => {
    expect((await ask('fuel', car)).value).toBeCloseTo(answer, 8);
  });

  test('many cars at once, and it is not far from the truth', async () => {
    const answers = (await ask('fuel', cars.map(({ mpg: _mpg, answer: _answer, ...car }) => car))) as unknown as { value: number }[];
    const errors = answers.map(({ value }, index) => Math.abs(value - cars[index]!.mpg));
    expect(errors).toHaveLength(cars.length);
    expect(errors.reduce((sum, error) => sum + error, 0) / errors.length).toBeLessThan(3);
  });
});

describe('films', () => {
  const films = async (user: string): Promise<string[]> => (await ask('films', { user })).items.map((one) => one.item);

  test.each([
    ['likes science fiction', '2001: A Space Odyssey (1968)'],
    ['likes romances', 'Before Sunrise (1995)'],
    ['likes comedies', 'Airplane! (1980)'],
    ['likes crime', 'The Godfather (1972)'],
    ['likes fantasy', 'Spirited Away (2001)'],
    ['likes war and history', 'Das Boot (1981)'],
  ])('who %s gets %s', async (user, film) => {
    const items = await films(user);
    expect(items).toHaveLength(5);
    expect(items).toContain(film);
  });

  test('people of different tastes get different films, and nobody gets what is left out', async () => {
    expect(new Set([...(await films('likes romances')), ...(await films('likes war and history'))]).size).toBe(10);
    const { items } = await ask('films', { user: 'likes comedies', exclude: ['Airplane! (1980)'], topK: 60 });
    expect(items).toHaveLength(59);
    expect(JSON.stringify(items)).not.toContain('Airplane');
    await expect(ask('films', { user: 'likes comedys' })).rejects.toMatchObject({ code: 'INVALID_VALUE', message: expect.stringContaining("did you mean 'likes comedies'") });
  });

  test('its description says that the ratings are simulated', () => {
    expect(readFileSync(join(examples, 'models/films/model.yaml'), 'utf8')).toContain('simulated');
  });
});

test('the classifier of postcodes is the one of digits', () => {
  expect(readFileSync(join(examples, 'postcode/digits/model.onnx')).equals(readFileSync(join(examples, 'models/digits/model.onnx')))).toBe(true);
});
