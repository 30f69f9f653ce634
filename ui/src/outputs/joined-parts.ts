/** An answer that comes in parts, as one value. Pure. */
import { writtenText, type JsonValue } from '../json.ts';
import { isObject } from '../schema.ts';

/** Pieces of text make one text; anything else is the list of what came. */
export function joinParts(parts: readonly JsonValue[]): JsonValue {
  return parts.length > 0 && parts.every((part) => typeof part === 'string' && !part.startsWith('data:')) ? parts.map(writtenText).join('') : parts;
}

/** What an answer says, for a conversation: a text, or an object that holds one. */
export function replyText(answer: JsonValue): string | undefined {
  if (typeof answer === 'string') return answer;
  if (Array.isArray(answer)) {
    const texts = (answer as readonly JsonValue[]).map(replyText);
    return texts.length > 0 && texts.every((text) => text !== undefined) ? texts.join('') : undefined;
  }
  if (!isObject(answer)) return undefined;
  for (const name of ['content', 'text', 'message', 'reply', 'answer', 'response']) {
    const member = answer[name];
    if (typeof member === 'string') return member;
    if (isObject(member)) return replyText(member as JsonValue);
  }
  return undefined;
}
