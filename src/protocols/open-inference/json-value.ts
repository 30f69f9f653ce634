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

/** More is no request to change a setting. */
const largestSettingsBytes = 65536;

/** The body of a request that changes settings. Throws `INVALID_REQUEST`, `BODY_TOO_LARGE`. */
export function parseSettings(body: Uint8Array): Readonly<Record<string, unknown>> {
  if (body.length > largestSettingsBytes) throw new ModelportError('BODY_TOO_LARGE', `the request body has ${body.length} bytes, at most ${largestSettingsBytes} are read here`);
  return objectOf(parseJson(body));
}

/** A value that is an object. Throws `INVALID_REQUEST`. */
export function objectOf(value: unknown): Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new ModelportError('INVALID_REQUEST', 'Unable to parse the request: expected a JSON object');
  return value as Readonly<Record<string, unknown>>;
}
