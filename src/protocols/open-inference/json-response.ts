/** Answers that are JSON objects, and the one form of every error of this protocol: `{"error": text}`. */
import { isModelportError } from '../../errors.ts';
import type { HttpResponse } from '../../protocol.ts';

export const jsonHeaders = { 'content-type': 'application/json' } as const;

/**
 * Documents and errors are never compressed: only answers to `infer` are, as Triton does it. Its asyncio client accepts gzip
 * everywhere and undoes it there alone.
 */
export function jsonResponse(value: unknown, status = 200): HttpResponse {
  return { status, headers: jsonHeaders, body: JSON.stringify(value), compress: false };
}

/** An answer that is only its status. */
export const emptyResponse: HttpResponse = { status: 200, headers: jsonHeaders };

/** Triton's statuses are few: what exists already is a plain 400 there. */
export function errorResponse(error: unknown): HttpResponse {
  if (!isModelportError(error)) return jsonResponse({ error: 'internal error' }, 500);
  const retryAfter = error.retryAfterSeconds === undefined ? {} : { 'retry-after': String(Math.max(1, Math.ceil(error.retryAfterSeconds))) };
  return { ...jsonResponse({ error: error.message }, error.code === 'CONFLICT' ? 400 : error.httpStatus), headers: { ...jsonHeaders, ...retryAfter } };
}
