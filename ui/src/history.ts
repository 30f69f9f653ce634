/** Earlier runs of a model, newest first; they live as long as the browser tab. */
import type { Answer } from './api.ts';
import type { Summary } from './endpoints/endpoint.ts';
import { formatJson, parseJson } from './json.ts';

export interface HistoryEntry {
  readonly id: string;
  readonly version: string;
  readonly value: unknown;
  readonly input: Summary;
  readonly output: string;
  readonly answer: Answer;
}

/** Values as JSON text, in which 64-bit integers survive. */
interface StoredEntry extends Omit<HistoryEntry, 'value' | 'answer'> {
  readonly value: string;
  readonly answer: Omit<Answer, 'value'>;
}

const mostEntries = 24;
const mostCharacters = 1_500_000;

export function readHistory(model: string): HistoryEntry[] {
  try {
    const stored = JSON.parse(sessionStorage.getItem(name(model)) ?? '[]') as StoredEntry[];
    return stored.map((entry) => ({ ...entry, value: parseJson(entry.value), answer: { ...entry.answer, value: parseJson(entry.answer.text) } }));
  } catch {
    return [];
  }
}

/** The history with one more run; running the same input again moves it to the front. */
export function addToHistory(model: string, entries: readonly HistoryEntry[], entry: HistoryEntry): HistoryEntry[] {
  const same = formatJson(entry.value);
  const next = [entry, ...entries.filter((other) => other.version !== entry.version || formatJson(other.value) !== same)].slice(0, mostEntries);
  let stored = next.map((each) => JSON.stringify({ ...each, value: formatJson(each.value), answer: { text: each.answer.text, timing: each.answer.timing } } satisfies StoredEntry));
  while (stored.length > 0 && stored.reduce((sum, text) => sum + text.length, 0) > mostCharacters) stored = stored.slice(0, -1);
  try {
    sessionStorage.setItem(name(model), `[${stored.join(',')}]`);
  } catch {
    // Full or forbidden: the list on the page is enough.
  }
  return next;
}

function name(model: string): string {
  return `modelport-history-${model}`;
}
