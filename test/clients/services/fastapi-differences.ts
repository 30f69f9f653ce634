/** Where we answer otherwise than FastAPI, and why. What is not listed here is a fault. */
import { isDeepStrictEqual } from 'node:util';
import type { EqualRequest } from './generate-requests.ts';

export interface Answer {
  readonly status: number;
  readonly body: unknown;
}

/** Undefined where the answers are equal: the status, and of refusals the body. */
export function differences(theirs: Answer, ours: Answer): { readonly theirs: unknown; readonly ours: unknown } | undefined {
  if (theirs.status !== ours.status) return { theirs, ours };
  if (theirs.status === 200 || isDeepStrictEqual(theirs.body, ours.body)) return undefined;
  const [their, own] = [problems(theirs), problems(ours)];
  // Only what differs.
  return { theirs: their.filter((one) => !own.some((other) => isDeepStrictEqual(one, other))), ours: own.filter((one) => !their.some((other) => isDeepStrictEqual(one, other))) };
}

function problems({ body }: Answer): readonly unknown[] {
  const { detail } = body as { detail?: unknown };
  return Array.isArray(detail) ? detail : [];
}

const json = { 'content-type': 'application/json' };
const everything = (members: string): EqualRequest => ({ method: 'POST', path: '/everything', headers: json, body: `{"count": 3, "ratio": 0.5, "name": "abc", ${members}}` });

/** Requests whose answers are meant to differ. */
export const known: readonly { readonly reason: string; readonly request: EqualRequest; readonly statuses: readonly [theirs: number, ours: number] }[] = [
  { reason: 'a number in JavaScript holds integers up to 2^53; larger ones are refused instead of rounded', request: everything('"maybe": 9007199254740993'), statuses: [200, 422] },
  { reason: 'of what is wrong with an email address only the common cases have the words of the email-validator package', request: everything('"email": "a@localhost"'), statuses: [422, 422] },
  { reason: 'a number that JSON can not hold is refused: zod takes no infinite numbers', request: everything('"scores": {"a": 1e400}'), statuses: [200, 422] },
  { reason: 'text that looks like JSON is read as JSON: programs say text/plain of whatever text they send', request: { method: 'POST', path: '/closed', headers: { 'content-type': 'text/plain' }, body: '{"a": 1}' }, statuses: [422, 200] },
  { reason: 'a body of a foreign type is refused by its type (415); FastAPI reads it as text, which no model is', request: { method: 'POST', path: '/closed', headers: { 'content-type': 'application/xml' }, body: '<a>1</a>' }, statuses: [422, 415] },
  { reason: 'with a body that is no object, wrong inputs elsewhere are not told in the same answer', request: { method: 'PUT', path: '/mixed/three', headers: json, body: '[]' }, statuses: [422, 422] },
];
