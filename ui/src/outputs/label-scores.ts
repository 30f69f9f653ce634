/** Finds scores of labels in a value, in the forms in which models and tasks give them. Pure. */
import type { JsonValue } from '../json.ts';
import { isObject } from '../schema.ts';

export interface LabelScore {
  readonly label: string;
  readonly score: number;
}

/**
 * `[{label, score}, …]`, `{setosa: 0.9, …}` that adds up to 1, or an object that holds one of them beside its winner.
 * Highest first. Undefined where the value is something else.
 */
export function labelScoresOf(value: JsonValue): readonly LabelScore[] | undefined {
  if (Array.isArray(value)) return fromList(value as readonly JsonValue[]);
  if (!isObject(value)) return undefined;
  const entries = Object.entries(value);
  if (entries.length >= 2 && entries.every(([, score]) => typeof score === 'number')) {
    const sum = entries.reduce((total, [, score]) => total + Number(score), 0);
    if (Math.abs(sum - 1) < 0.01) return sorted(entries.map(([label, score]) => ({ label, score: Number(score) })));
  }
  return undefined;
}

function fromList(items: readonly JsonValue[]): readonly LabelScore[] | undefined {
  if (items.length === 0) return undefined;
  const scores: LabelScore[] = [];
  for (const item of items) {
    if (!isObject(item) || typeof item['score'] !== 'number') return undefined;
    const { label, score } = item;
    if (typeof label !== 'string' && typeof label !== 'number' && typeof label !== 'boolean') return undefined;
    if (Object.keys(item).some((name) => name !== 'label' && name !== 'score' && name !== 'index')) return undefined;
    scores.push({ label: String(label), score });
  }
  return sorted(scores);
}

function sorted(scores: readonly LabelScore[]): readonly LabelScore[] {
  return [...scores].sort((left, right) => right.score - left.score);
}

/** Whether the scores read as shares of a whole. */
export function areProbabilities(scores: readonly LabelScore[]): boolean {
  return scores.every(({ score }) => score >= 0 && score <= 1.000001);
}

export function formatScore(score: number, probability: boolean): string {
  if (!probability) return formatNumber(Number.isInteger(score) ? score : Number(score.toPrecision(4)));
  const percent = score * 100;
  return `${percent >= 99.95 || percent === 0 ? Math.round(percent) : percent >= 0.1 ? percent.toFixed(1) : '<0.1'} %`;
}

/** At most six significant digits. */
export function formatNumber(value: number | bigint): string {
  if (typeof value === 'bigint') return String(value);
  if (Number.isInteger(value) && Math.abs(value) < 1e15) return String(value);
  return String(Number(value.toPrecision(6)));
}

/** Members that name an item, where the schema does not say which. */
const nameMembers = ['label', 'item', 'sentence', 'token', 'text', 'name', 'word', 'answer'];

/** A list of scored items whatever else they hold, highest first. `named`: the member that names an item. */
export function namedScoresOf(value: JsonValue, named: string | undefined): readonly LabelScore[] | undefined {
  if (!Array.isArray(value) || value.length === 0) return undefined;
  const scores: LabelScore[] = [];
  for (const item of value as readonly JsonValue[]) {
    if (!isObject(item) || typeof item['score'] !== 'number') return undefined;
    const name = named ?? nameMembers.find((member) => item[member] !== undefined);
    const label = name === undefined ? undefined : item[name];
    if (typeof label !== 'string' && typeof label !== 'number' && typeof label !== 'boolean' && typeof label !== 'bigint') return undefined;
    scores.push({ label: String(label), score: item['score'] });
  }
  return sorted(scores);
}
