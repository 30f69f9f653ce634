/** Choosing among a real vocabulary, against putting all of it in order. */
import { describe, expect, it } from 'vitest';
import { createSampler, type Sampling } from '../../src/tasks/text-generation/sampling.ts';
import { random } from '../fixtures/random.ts';

const size = 20_000;
const { next, integer } = random(5);
const settings = { temperature: 1, topK: 0, topP: 1, repetitionPenalty: 1 };

/** The tokens that may be chosen, by the plain way. */
function allowed(logits: Float64Array, { temperature, topK, topP }: Omit<Sampling, 'seed' | 'repetitionPenalty'>): Set<number> {
  const weights = [...logits].map((logit) => Math.exp((logit - 30) / temperature));
  let ids = weights.map((_, id) => id).sort((left, right) => weights[right]! - weights[left]! || left - right);
  if (topK > 0) ids = ids.slice(0, topK);
  const total = ids.reduce((sum, id) => sum + weights[id]!, 0);
  let sum = 0;
  return new Set(ids.filter((_, place) => {
    const wanted = place === 0 || sum < topP * total;
    sum += weights[ids[place]!]!;
    return wanted;
  }));
}

/** Clearly likely ones, many equal ones, and a flat rest. */
const shapes: Record<string, () => Float64Array> = {
  'a few likely': () => Float64Array.from({ length: size }, () => (next() < 0.001 ? 30 - integer(0, 3) : next() * 15)),
  flat: () => Float64Array.from({ length: size }, () => 29 + integer(0, 4) / 4),
  impossible: () => Float64Array.from({ length: size }, (_, id) => (id % 100 === 7 ? 30 - next() : -Infinity)),
};

describe.each(Object.keys(shapes))('%s', (shape) => {
  it.each([[50, 1], [0, 0.9], [0, 0.999], [40, 0.5], [5000, 1], [1, 1]])('top k %i, top p %d', (topK, topP) => {
    const logits = shapes[shape]!();
    const wanted = allowed(logits, { temperature: 1, topK, topP });
    const found = new Set<number>();
    const choose = createSampler({ ...settings, topK, topP, seed: 1 });
    for (let count = 0; count < 60; count++) found.add(choose(logits.slice(), new Set()));
    for (const id of found) expect(wanted).toContain(id);
    if (wanted.size > 30) expect(found.size).toBeGreaterThan(10);
  });
});

it('draws each token as often as its probability says', () => {
  const probabilities = [0.5, 0.3, 0.15, 0.05];
  const choose = createSampler({ ...settings, seed: 3 });
  const counts = [0, 0, 0, 0];
  for (let count = 0; count < 20_000; count++) counts[choose(Float64Array.from(probabilities, Math.log), new Set())]!++;
  for (const [id, probability] of probabilities.entries()) expect(Math.abs(counts[id]! / 20_000 - probability)).toBeLessThan(0.015);
});

it('never draws what can not be, and says where a score is no number', () => {
  const choose = createSampler({ ...settings, seed: 3 });
  for (let count = 0; count < 100; count++) expect(choose(Float64Array.of(-Infinity, 1, -Infinity), new Set())).toBe(1);
  expect(() => choose(Float64Array.of(1, NaN), new Set())).toThrow(/no numbers/);
});
