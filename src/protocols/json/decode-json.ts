import { isUtf8 } from 'node:buffer';
import { ModelportError } from '../../errors.ts';

const maxDepth = 100;

/**
 * As `JSON.parse`, and `NaN`, `Infinity` and `-Infinity` are numbers, because Python writes them so: what they mean is for the
 * task to say. Throws `INVALID_REQUEST` where the bytes are no UTF-8, no JSON, or nested deeper than 100. */
export function decodeJson(body: Uint8Array): unknown {
  if (!isUtf8(body)) throw new ModelportError('INVALID_REQUEST', 'the request body is not UTF-8 text', { at: 'body' });
  const text = new TextDecoder().decode(body);
  let value: unknown;
  try {
    value = parse(text);
  } catch (cause) {
    throw new ModelportError('INVALID_REQUEST', `the request body is not valid JSON: ${(cause as Error).message.slice(0, 200)}`, { at: 'body', cause });
  }
  requireDepth(value, 1);
  return value;
}

const words = ['NaN', 'Infinity', '-Infinity'];

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    if (!/NaN|Infinity/.test(text)) throw error;
    // Private-use characters that the text does not have: no string of the client's is taken for a number.
    let mark = '\ue000';
    while (text.includes(mark)) mark += '\ue000';
    const marked = markNumbers(text, mark);
    if (marked === undefined) throw error;
    const numbers = new Map(words.map((word) => [mark + word, Number(word)]));
    return JSON.parse(marked, (_key, member: unknown) => (typeof member === 'string' ? (numbers.get(member) ?? member) : member));
  }
}

/** `text` with each of the words, where it stands outside of strings, as a string that begins with `mark`; undefined where there is none. */
function markNumbers(text: string, mark: string): string | undefined {
  let result = '';
  let copied = 0;
  for (let index = 0; index < text.length; index++) {
    const character = text[index];
    if (character === '"') {
      for (index++; index < text.length && text[index] !== '"'; index++) if (text[index] === '\\') index++;
    } else if (character === 'N' || character === 'I' || character === '-') {
      const word = words.find((candidate) => text.startsWith(candidate, index));
      if (word === undefined) continue;
      result += `${text.slice(copied, index)}"${mark}${word}"`;
      index += word.length - 1;
      copied = index + 1;
    }
  }
  return copied === 0 ? undefined : result + text.slice(copied);
}

/** What walks the value later may do so recursively. */
function requireDepth(value: unknown, depth: number): void {
  if (typeof value !== 'object' || value === null) return;
  if (depth > maxDepth) throw new ModelportError('INVALID_REQUEST', `the request body is nested deeper than ${maxDepth}`, { at: 'body' });
  if (Array.isArray(value)) {
    // Rows of numbers need no visit each.
    if (typeof value[0] === 'number' && value.every((element) => typeof element !== 'object')) return;
    for (const element of value) requireDepth(element, depth + 1);
  } else {
    for (const member of Object.values(value)) requireDepth(member, depth + 1);
  }
}
