/** Answers about consecutive pieces of one stream, as one answer. Pure. */
import type { JsonValue } from '../json.ts';
import { isObject } from '../schema.ts';
import { isTimeline } from './timeline.ts';

/** Of a timeline so many values are kept: half a minute of Silero's. */
const mostValues = 1000;

/** Lists go on, stretches that touch become one, a timeline grows at its end, anything else is as the last piece says. */
export function joinPieces(before: JsonValue | undefined, next: JsonValue): JsonValue {
  if (before === undefined || !isObject(before) || !isObject(next)) return next;
  return Object.fromEntries(Object.entries(next).map(([name, member]) => [name, joinMember(before[name], member)]));
}

function joinMember(before: JsonValue | undefined, next: JsonValue): JsonValue {
  if (isTimeline(before) && isObject(next) && Array.isArray(next['values'])) {
    const values = [...before.values, ...(next['values'] as number[])];
    const dropped = Math.max(0, values.length - mostValues);
    const step = before.step ?? 1;
    return { ...next, start: (before.start ?? 0) + dropped * step, step, values: values.slice(dropped) };
  }
  if (!Array.isArray(before) || !Array.isArray(next)) return next;
  const joined = [...(before as readonly JsonValue[])];
  for (const item of next as readonly JsonValue[]) {
    const last = joined.at(-1);
    const touches = isObject(last) && isObject(item) && typeof last['end'] === 'number' && typeof item['start'] === 'number' && item['start'] - last['end'] < 0.001 && item['start'] >= Number(last['start']);
    if (touches) joined[joined.length - 1] = { ...last, end: Math.max(Number(last['end']), Number(item['end'])) } as JsonValue;
    else joined.push(item);
  }
  return joined.slice(-mostValues);
}
