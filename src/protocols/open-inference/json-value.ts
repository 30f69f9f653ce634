/** Whole JSON documents as values, for the small bodies of management requests. */
import { ModelportError } from '../../errors.ts';
import { describeJsonError } from './json-path.ts';
import { JsonReader } from './json-reader.ts';

const decoder = new TextDecoder('utf-8', { ignoreBOM: true });

/** As `JSON.parse`, with the errors of the infer body: byte and path. Throws `INVALID_REQUEST`. */
export function parseJson(body: Uint8Array): unknown {
  // The reader checks grammar, depth and encoding; the platform's parser, which is faster at values, then makes them.
  const reader = new JsonReader(body);
  try {
    reader.skip();
    reader.end();
  } catch (error) {
    throw describeJsonError(error, body);
  }
  try {
    return JSON.parse(decoder.decode(body)) as unknown;
  } catch {
    throw new ModelportError('INVALID_REQUEST', 'failed to parse the request JSON buffer: NaN and Infinity stand for numbers of tensors only');
  }
}

/** A body that is an object, or nothing at all. Throws `INVALID_REQUEST`. */
export function objectOf(value: unknown): Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new ModelportError('INVALID_REQUEST', 'Unable to parse the request: expected a JSON object');
  return value as Readonly<Record<string, unknown>>;
}
