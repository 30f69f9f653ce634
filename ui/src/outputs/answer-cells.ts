import { writtenText, type JsonValue } from '../json.ts';
import { isObject } from '../schema.ts';

/** The scalars of an answer by name, for a table and a CSV file: `label`, `score`, `objects` (how many). */
export function answerCells(answer: JsonValue): Record<string, string | number> {
  if (!isObject(answer)) return { answer: Array.isArray(answer) ? answer.length : scalar(answer) };
  return Object.fromEntries(Object.entries(answer).flatMap(([name, member]): [string, string | number][] => {
    if (typeof member !== 'object' || member === null) return [[name, scalar(member as JsonValue)]];
    if (Array.isArray(member)) return [[name, member.length]];
    return Object.entries(member).flatMap(([inner, item]): [string, string | number][] => (typeof item === 'object' ? [] : [[`${name}.${inner}`, scalar(item as JsonValue)]]));
  }));
}

function scalar(value: JsonValue): string | number {
  if (typeof value === 'number') return value;
  const text = writtenText(value);
  return text.startsWith('data:') ? 'a file' : text;
}
