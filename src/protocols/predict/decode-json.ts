import { isUtf8 } from 'node:buffer';
import { ModelportError } from '../../errors.ts';

const maxDepth = 100;

/** As `JSON.parse`. Throws `INVALID_REQUEST` where the bytes are no UTF-8, no JSON, or nested deeper than 100. */
export function decodeJson(body: Uint8Array): unknown {
  if (!isUtf8(body)) throw new ModelportError('INVALID_REQUEST', 'the request body is not UTF-8 text', { at: 'body' });
  const text = new TextDecoder().decode(body);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new ModelportError('INVALID_REQUEST', `the request body is not valid JSON: ${(cause as Error).message.slice(0, 200)}`, { at: 'body', cause });
  }
  requireDepth(value, 1);
  return value;
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
