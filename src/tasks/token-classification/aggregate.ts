/** From scored tokens to entities, by the rules of the token-classification pipeline of `transformers`. */
import { largest } from '../classification/scores.ts';

export const aggregations = ['none', 'simple', 'first', 'average', 'max'] as const;
export type Aggregation = (typeof aggregations)[number];

export interface ScoredToken {
  readonly word: string;
  /** One probability a class. */
  readonly scores: Float64Array;
  readonly start: number;
  readonly end: number;
  readonly index: number;
  /** Whether it goes on with the word of the token before it. */
  readonly continues: boolean;
}

export interface Entity {
  readonly label: string;
  readonly score: number;
  /** The tokens put together again. */
  readonly word: string;
  readonly start: number;
  readonly end: number;
  readonly index?: number;
}

export function aggregate(tokens: readonly ScoredToken[], aggregation: Aggregation, labels: readonly string[], join: (words: readonly string[]) => string): Entity[] {
  if (aggregation === 'none' || aggregation === 'simple') {
    const entities = tokens.map(({ scores, word, start, end, index }): Entity => {
      const best = largest(scores, 1)[0]!;
      return { label: labels[best]!, score: scores[best]!, word, start, end, index };
    });
    return aggregation === 'none' ? entities : groupNeighbours(entities, join);
  }
  const words: ScoredToken[][] = [];
  for (const token of tokens) {
    if (token.continues && words.length > 0) words.at(-1)!.push(token);
    else words.push([token]);
  }
  return groupNeighbours(words.map((word) => wordEntity(word, aggregation, labels, join)), join);
}

function wordEntity(tokens: readonly ScoredToken[], aggregation: 'first' | 'average' | 'max', labels: readonly string[], join: (words: readonly string[]) => string): Entity {
  const first = tokens[0]!;
  let scores = first.scores;
  if (aggregation === 'max') {
    let surest = -Infinity;
    for (const token of tokens) {
      const score = Math.max(...token.scores);
      if (score > surest) {
        surest = score;
        scores = token.scores;
      }
    }
  } else if (aggregation === 'average') {
    scores = scores.map((_, label) => tokens.reduce((sum, token) => sum + token.scores[label]!, 0) / tokens.length);
  }
  const best = largest(scores, 1)[0]!;
  return { label: labels[best]!, score: scores[best]!, word: join(tokens.map(({ word }) => word)), start: first.start, end: tokens.at(-1)!.end };
}

/** `B-PER` begins an entity of the kind PER, `I-PER` and `PER` go on with it. */
function groupNeighbours(entities: readonly Entity[], join: (words: readonly string[]) => string): Entity[] {
  const groups: Entity[][] = [];
  for (const entity of entities) {
    const group = groups.at(-1);
    if (group !== undefined && kindOf(entity.label) === kindOf(group.at(-1)!.label) && !entity.label.startsWith('B-')) group.push(entity);
    else groups.push([entity]);
  }
  return groups.map((group) => {
    const { label, start } = group[0]!;
    return {
      label: label.slice(label.indexOf('-') + 1),
      score: group.reduce((sum, { score }) => sum + score, 0) / group.length,
      word: join(group.map(({ word }) => word)),
      start,
      end: group.at(-1)!.end,
    };
  });
}

function kindOf(label: string): string {
  return /^[BI]-/.test(label) ? label.slice(2) : label;
}
