/** From the scores of all tokens to the next one. */
import { ModelportError } from '../../errors.ts';

export interface Sampling {
  /** 0: always the likeliest token. */
  readonly temperature: number;
  /** Only so many likeliest tokens; 0: all. */
  readonly topK: number;
  /** Only the likeliest tokens whose probabilities add up to this; 1: all. */
  readonly topP: number;
  /** Divides the scores of tokens that were there already; 1: not at all. */
  readonly repetitionPenalty: number;
  readonly seed: number;
}

/** Chooses by `sampling`, always the same for the same seed. `seen`: the tokens so far. `logits` may be changed. */
export function createSampler(sampling: Sampling): (logits: Float64Array, seen: ReadonlySet<number>) => number {
  const random = randomNumbers(sampling.seed);
  const { temperature, topK, topP, repetitionPenalty } = sampling;
  return (scores, seen) => {
    if (repetitionPenalty !== 1) {
      for (const id of seen) {
        const score = scores[id];
        if (score !== undefined) scores[id] = score < 0 ? score * repetitionPenalty : score / repetitionPenalty;
      }
    }
    let best = 0;
    for (let id = 0; id < scores.length; id++) {
      if (Number.isNaN(scores[id])) throw new ModelportError('RUN_FAILED', 'the model answered scores that are no numbers: its weights are damaged');
      if (scores[id]! > scores[best]!) best = id;
    }
    if (temperature === 0) return best;
    const largestScore = scores[best]!;
    const weigh = (id: number): void => {
      scores[id] = Math.exp((scores[id]! - largestScore) / temperature);
    };
    if (topK > 0) {
      const likeliest = largest(scores, topK);
      for (const id of likeliest) weigh(id);
      return draw(scores, topP === 1 ? likeliest : firstOf(likeliest, scores, topP), random());
    }
    for (let id = 0; id < scores.length; id++) weigh(id);
    return draw(scores, topP === 1 ? undefined : upTo(scores, topP), random());
  };
}

const byWeight = (weights: Float64Array) => (left: number, right: number): number => weights[right]! - weights[left]! || left - right;

/** The `count` likeliest, the best first, found without putting all of a vocabulary in order. */
function largest(weights: Float64Array, count: number): number[] {
  let ids: number[] = [];
  // Each time only those are looked at that are likelier than the last one that counts.
  let least = -Infinity;
  const most = Math.max(count * 4, 64);
  const prune = (): void => {
    ids = ids.sort(byWeight(weights)).slice(0, count);
    least = ids.length < count ? -Infinity : weights[ids.at(-1)!]!;
  };
  for (let id = 0; id < weights.length; id++) {
    if (!(weights[id]! > least)) continue;
    ids.push(id);
    if (ids.length >= most) prune();
  }
  prune();
  return ids;
}

/** The likeliest whose weights add up to the share `topP` of all. */
function upTo(weights: Float64Array, topP: number): readonly number[] {
  let total = 0;
  for (let id = 0; id < weights.length; id++) total += weights[id]!;
  // A few likely ones hold most of it; where they do not, more are put in order.
  for (let least = 1e-3; ; least *= 1e-3) {
    const ids: number[] = [];
    let sum = 0;
    for (let id = 0; id < weights.length; id++) {
      if (weights[id]! < least) continue;
      ids.push(id);
      sum += weights[id]!;
    }
    if (sum > topP * total * (1 + 1e-9) || ids.length === weights.length || least < 1e-300) return firstOf(ids.sort(byWeight(weights)), weights, topP, total);
  }
}

function firstOf(ids: readonly number[], weights: Float64Array, topP: number, total = ids.reduce((sum, id) => sum + weights[id]!, 0)): readonly number[] {
  let sum = 0;
  let count = 0;
  while (count < ids.length && (count === 0 || sum < topP * total)) sum += weights[ids[count++]!]!;
  return ids.slice(0, count);
}

/** `kept`: undefined for all. */
function draw(weights: Float64Array, kept: readonly number[] | undefined, chance: number): number {
  const count = kept?.length ?? weights.length;
  let total = 0;
  for (let place = 0; place < count; place++) total += weights[kept === undefined ? place : kept[place]!]!;
  let left = chance * total;
  let last = kept?.[0] ?? 0;
  for (let place = 0; place < count; place++) {
    const id = kept === undefined ? place : kept[place]!;
    const weight = weights[id]!;
    if (weight > 0) last = id;
    left -= weight;
    if (left < 0) return id;
  }
  return last;
}

/** Numbers in [0, 1), the mulberry32 generator. */
function randomNumbers(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
