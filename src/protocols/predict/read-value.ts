/** The body of a predict request, in whichever form it came, as the value that the task takes. */
import { isUtf8 } from 'node:buffer';
import { ModelportError } from '../../errors.ts';
import type { HttpRequest } from '../../protocol.ts';
import { fieldsValue } from './form-fields.ts';
import { fileProperty, type InputProperty } from './input-schema.ts';
import { readMultipart } from './multipart.ts';
import { parseJson } from '../json/parse-json.ts';

/** Throws `INVALID_REQUEST` where the body can't be read, `UNSUPPORTED_MEDIA_TYPE` where its form is none of ours. */
export async function readValue(request: HttpRequest, properties: readonly InputProperty[]): Promise<unknown> {
  const { body } = request;
  const header = request.headers['content-type'];
  const contentType = (Array.isArray(header) ? header[0] : header) ?? '';
  const mediaType = contentType.split(';', 1)[0]!.trim().toLowerCase();
  if (mediaType === 'application/json' || mediaType.endsWith('+json') || mediaType === 'text/json') return withQuery(asObject(await parseJson(body), properties), request, properties);
  if (mediaType === 'multipart/form-data') return withQuery(await readMultipart(body, contentType, properties), request, properties);
  const file = fileProperty(properties);
  if (/^(image|audio|video)\//.test(mediaType) || mediaType === 'application/octet-stream') {
    if (file === undefined) throw unsupported(mediaType, properties);
    if (body.length === 0) throw new ModelportError('INVALID_REQUEST', `the request body is empty: send the bytes of '${file.name}'`, { at: file.name });
    return withQuery({ [file.name]: body }, request, properties);
  }
  // curl says `application/x-www-form-urlencoded` of whatever it is given; what looks like JSON is JSON.
  if (looksLikeJson(body)) return withQuery(asObject(await parseJson(body), properties), request, properties);
  if (mediaType === 'application/x-www-form-urlencoded') return fieldsValue(new URLSearchParams(new TextDecoder().decode(body)), properties);
  if (body.length === 0) {
    if (request.query !== '') return fieldsValue(new URLSearchParams(request.query), properties);
    throw new ModelportError('INVALID_REQUEST', `the request body is empty: ${expectedForms(properties)}`, { at: 'body' });
  }
  if (mediaType === '' && file !== undefined) return withQuery({ [file.name]: body }, request, properties);
  if (mediaType === 'text/plain') {
    const texts = textProperties(properties);
    if (texts.length === 1 && !isUtf8(body)) throw new ModelportError('INVALID_REQUEST', 'the request body is not UTF-8 text: say it in UTF-8', { at: 'body' });
    if (texts.length === 1) return { [texts[0]!.name]: new TextDecoder().decode(body) };
  }
  throw unsupported(mediaType, properties);
}

/** A text alone is a file's address or base64 at most: for fields that are texts the schema wants an object, and `text/plain` takes the text. */
function asObject(value: unknown, properties: readonly InputProperty[]): unknown {
  const texts = typeof value === 'string' ? textProperties(properties) : [];
  if (texts.length > 0 && !properties.some((property) => property.file)) {
    throw new ModelportError('INVALID_VALUE', `the value is a string: send an object with the field '${texts[0]!.name}'${texts.length === 1 ? ', or the text itself (Content-Type: text/plain)' : ''}`);
  }
  return value;
}

function textProperties(properties: readonly InputProperty[]): readonly InputProperty[] {
  return properties.filter((property) => property.required && property.types.includes('string') && !property.file);
}

/** Options beside a body that is one thing: `?topK=3`. Members of the body win. */
function withQuery(value: unknown, request: HttpRequest, properties: readonly InputProperty[]): unknown {
  if (request.query === '' || typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  const known = [...new URLSearchParams(request.query)].filter(([name]) => properties.some((property) => property.name === name) && !Object.hasOwn(value, name));
  return known.length === 0 ? value : { ...fieldsValue(known, properties), ...value };
}

function looksLikeJson(body: Uint8Array): boolean {
  let index = 0;
  while (index < body.length && (body[index] === 32 || body[index] === 10 || body[index] === 13 || body[index] === 9)) index++;
  return body[index] === 123 || body[index] === 91;
}

function unsupported(mediaType: string, properties: readonly InputProperty[]): ModelportError {
  return new ModelportError('UNSUPPORTED_MEDIA_TYPE', `a body of type '${mediaType.slice(0, 100)}' can't be read here: ${expectedForms(properties)}`, { at: 'Content-Type' });
}

function expectedForms(properties: readonly InputProperty[]): string {
  const file = fileProperty(properties);
  const members = properties.length === 0 ? '' : ` with ${properties.map((property) => `'${property.name}'`).join(', ')}`;
  return `send JSON${members} (Content-Type: application/json)${properties.some((property) => property.file) ? ', or multipart/form-data' : ''}${file === undefined ? '' : `, or the bytes of '${file.name}' (Content-Type: ${(file.mediaType ?? 'image/*').replace('*', '…')})`}`;
}
