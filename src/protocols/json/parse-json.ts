/** JSON bodies, large ones in a thread. */
import { fromPlainError, ModelportError, type PlainError } from '../../errors.ts';
import { ThreadPool } from '../../lib/thread-pool.ts';
import { decodeJson } from './decode-json.ts';

const largestInlineBytes = 65536;

export type JsonReply = { readonly value: unknown } | { readonly error: PlainError };

let pool: ThreadPool<Uint8Array, JsonReply> | undefined;

/** Throws `INVALID_REQUEST` saying where the text stops being JSON. */
export async function parseJson(body: Uint8Array): Promise<unknown> {
  if (body.length === 0) throw new ModelportError('INVALID_REQUEST', 'the request body is empty: send a JSON value', { at: 'body' });
  if (body.length <= largestInlineBytes) return decodeJson(body);
  pool ??= new ThreadPool(new URL('./json-thread.js', import.meta.url), 1);
  const copy = new Uint8Array(body);
  const reply = await pool.run(copy, [copy.buffer]);
  if ('error' in reply) throw fromPlainError(reply.error);
  return reply.value;
}
