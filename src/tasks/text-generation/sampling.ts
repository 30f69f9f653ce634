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

/** Chooses by `sampling`, always the same for the same seed. `seen`: the tokens so far. */
export function createSampler(sampling: Sampling): (logits: Float64Array, seen: ReadonlySet<number>) => number {
  const random = randomNumbers(sampling.seed);
  return (logits, seen) => {
    const { temperature, topK, topP, repetitionPenalty } = sampling;
    const scores = logits.slice();
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
    const largest = scores[best]!;
    const weights = scores.map((score) => Math.exp((score - largest) / temperature));
    if (topK === 0 && topP === 1) return draw(weights, undefined, random());
    const order = Array.from(weights.keys()).sort((left, right) => weights[right]! - weights[left]! || left - right);
    let kept = topK === 0 ? order : order.slice(0, topK);
    if (topP < 1) {
      const total = kept.reduce((sum, id) => sum + weights[id]!, 0);
      let sum = 0;
      let count = 0;
      while (count < kept.length && (count === 0 || sum < topP * total)) sum += weights[kept[count++]!]!;
      kept = kept.slice(0, count);
    }
    return draw(weights, kept, random());
  };
}

function draw(weights: Float64Array, kept: readonly number[] | undefined, chance: number): number {
  const ids = kept ?? Array.from(weights.keys());
  const total = ids.reduce((sum, id) => sum + weights[id]!, 0);
  let left = chance * total;
  for (const id of ids) {
    left -= weights[id]!;
    if (left < 0) return id;
  }
  return ids.findLast((id) => weights[id]! > 0) ?? ids[0]!;
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
