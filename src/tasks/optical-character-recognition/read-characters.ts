/** Scores of characters, step by step along a line → text (connectionist temporal classification, the best path). */

export interface ReadText {
  readonly text: string;
  /** The mean probability of the characters that were read; 0 where none was. */
  readonly score: number;
}

/** `scores`: steps × classes, class 0 being nothing and `characters[i]` class i + 1. What repeats without nothing in between is one. */
export function readCharacters(scores: ArrayLike<number>, steps: number, classes: number, characters: readonly string[]): ReadText {
  let text = '';
  let sum = 0;
  let count = 0;
  let previous = 0;
  for (let step = 0; step < steps; step++) {
    const start = step * classes;
    let best = 0;
    for (let index = 1; index < classes; index++) if (scores[start + index]! > scores[start + best]!) best = index;
    if (best !== 0 && best !== previous) {
      text += characters[best - 1] ?? '';
      sum += scores[start + best]!;
      count++;
    }
    previous = best;
  }
  return { text, score: count === 0 ? 0 : sum / count };
}
