/** The likeliest spans of tokens: the probability of the start times that of the end. */
import { ModelportError } from '../../errors.ts';

export interface Span {
  readonly first: number;
  readonly last: number;
  readonly score: number;
}

/** `sequences`: which text a token is of; spans lie in the second one, with index 1. Both arrays are logits, one a token. */
export function bestSpans(starts: Float64Array, ends: Float64Array, sequences: readonly number[], { longest, count }: { readonly longest: number; readonly count: number }): Span[] {
  const start = overContext(starts, sequences);
  const end = overContext(ends, sequences);
  const spans: Span[] = [];
  for (let first = 0; first < sequences.length; first++) {
    if (sequences[first] !== 1) continue;
    for (let last = first; last < Math.min(sequences.length, first + longest); last++) {
      if (sequences[last] !== 1) continue;
      const score = start[first]! * end[last]!;
      if (spans.length === count && score <= spans.at(-1)!.score) continue;
      let place = spans.length;
      while (place > 0 && spans[place - 1]!.score < score) place--;
      spans.splice(place, 0, { first, last, score });
      if (spans.length > count) spans.pop();
    }
  }
  return spans;
}

/** A softmax over the tokens of the context; others have the probability 0. */
function overContext(logits: Float64Array, sequences: readonly number[]): Float64Array {
  let largest = -Infinity;
  for (const [token, sequence] of sequences.entries()) {
    const logit = logits[token];
    if (logit === undefined || Number.isNaN(logit)) throw new ModelportError('RUN_FAILED', 'the model answered scores that are no numbers, or too few: its weights are damaged');
    if (sequence === 1 && logit > largest) largest = logit;
  }
  const result = new Float64Array(sequences.length);
  let sum = 0;
  for (const [token, sequence] of sequences.entries()) {
    if (sequence !== 1) continue;
    result[token] = Math.exp(logits[token]! - largest);
    sum += result[token];
  }
  return sum === 0 ? result : result.map((value) => value / sum);
}
