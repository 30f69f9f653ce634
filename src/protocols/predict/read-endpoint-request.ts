/** The parts of a request (path, query, headers, cookies, body) as the one value that an endpoint takes. Text stays text: the endpoint converts it. */
import { ModelportError } from '../../errors.ts';
import type { HttpRequest } from '../../protocol.ts';
import { InvalidValueError } from '../../value-problem.ts';
import { isList, type EndpointPlan, type PlacedInput } from './endpoint-plan.ts';
import { set } from './form-fields.ts';
import { readParts } from './multipart.ts';
import { parseJson } from '../json/parse-json.ts';
import { pythonJsonError } from './python-json-error.ts';

export interface EndpointRequest {
  readonly value: unknown;
  /** The body as it was understood, which is what a problem with it shows. */
  readonly body: unknown;
  /** Members came as form fields. */
  readonly form: boolean;
}

/** Throws `InvalidValueError` where the body is no JSON or missing, `INVALID_REQUEST` where it can't be read at all. */
export async function readEndpointRequest(request: HttpRequest, plan: EndpointPlan): Promise<EndpointRequest> {
  const { body, form } = plan.takesBody ? await readBody(request, plan) : { body: undefined, form: false };
  if (plan.wholeBody) return { value: body, body, form };
  if (plan.inputs.length === plan.body.length && !form) return { value: body ?? {}, body, form };
  const value: Record<string, unknown> = isRecord(body) ? { ...body } : {};
  let query: URLSearchParams | undefined;
  let cookies: Map<string, string> | undefined;
  for (const input of plan.inputs) {
    if (input.place === 'body') continue;
    // A member of the body that has the name of an input elsewhere is not that input.
    delete value[input.name];
    let found: string | readonly string[] | undefined;
    if (input.place === 'path') found = request.parameters[input.key];
    else if (input.place === 'query') found = pick((query ??= new URLSearchParams(request.query)).getAll(input.key), input);
    else if (input.place === 'header') found = headerValue(request.headers[input.key], input);
    else found = (cookies ??= readCookies(request.headers['cookie'])).get(input.key);
    if (found !== undefined) set(value, input.name, found);
  }
  return { value, body, form };
}

function headerValue(header: string | string[] | undefined, input: PlacedInput): string | readonly string[] | undefined {
  if (header === undefined) return undefined;
  return pick(Array.isArray(header) ? header : isList(input) ? header.split(',').map((part) => part.trim()) : [header], input);
}

function pick(values: readonly string[], input: PlacedInput): string | readonly string[] | undefined {
  if (values.length === 0) return undefined;
  return isList(input) ? values : values.at(-1);
}

function readCookies(header: string | string[] | undefined): Map<string, string> {
  const cookies = new Map<string, string>();
  for (const pair of (Array.isArray(header) ? header.join(';') : (header ?? '')).split(';')) {
    const equals = pair.indexOf('=');
    if (equals === -1) continue;
    const text = pair.slice(equals + 1).trim();
    cookies.set(pair.slice(0, equals).trim(), text.startsWith('"') && text.endsWith('"') && text.length > 1 ? text.slice(1, -1) : text);
  }
  return cookies;
}

async function readBody(request: HttpRequest, plan: EndpointPlan): Promise<{ readonly body: unknown; readonly form: boolean }> {
  const header = request.headers['content-type'];
  const contentType = (Array.isArray(header) ? header[0] : header) ?? '';
  const mediaType = contentType.split(';', 1)[0]!.trim().toLowerCase();
  const { body } = request;
  if (mediaType === 'multipart/form-data') {
    const { fields, files } = await readParts(body, contentType);
    return { body: formValue([...fields, ...files], plan), form: true };
  }
  if (mediaType === 'application/x-www-form-urlencoded' && !looksLikeJson(body)) {
    return { body: formValue([...new URLSearchParams(new TextDecoder().decode(body))], plan), form: true };
  }
  if (body.length === 0) {
    if (plan.wholeBody || plan.body.some(({ property }) => property.required)) throw new InvalidValueError([{ type: 'missing', loc: ['body'], msg: 'Field required', input: null }]);
    return { body: {}, form: false };
  }
  const file = plan.body.filter(({ property }) => property.file);
  if (file.length === 1 && (mediaType === 'application/octet-stream' || /^(?:image|audio|video)\//.test(mediaType))) return { body: { [file[0]!.name]: body }, form: false };
  if (mediaType !== '' && mediaType !== 'application/x-www-form-urlencoded' && mediaType !== 'text/json' && !(mediaType === 'text/plain' && looksLikeJson(body)) && !/^application\/(?:[\w.-]+\+)?json$/.test(mediaType)) {
    throw new ModelportError('UNSUPPORTED_MEDIA_TYPE', `a body of type '${mediaType.slice(0, 100)}' can't be read here: send JSON (Content-Type: application/json) or a form`, { at: 'Content-Type' });
  }
  let value: unknown;
  try {
    value = await parseJson(body);
  } catch (error) {
    throw notJson(body, error);
  }
  if (!plan.wholeBody && !isRecord(value)) throw new InvalidValueError([{ type: 'model_attributes_type', loc: ['body'], msg: 'Input should be a valid dictionary or object to extract fields from', input: value }]);
  return { body: value, form: false };
}

function notJson(body: Uint8Array, error: unknown): unknown {
  if (!(error instanceof Error) || !error.message.includes('is not valid JSON')) return error;
  const { message, position } = pythonJsonError(new TextDecoder().decode(body));
  return new InvalidValueError([{ type: 'json_invalid', loc: ['body', position], msg: 'JSON decode error', input: {}, ctx: { error: message } }]);
}

/** Fields by name: lists of all, else the last. An empty field counts as none, as for FastAPI. */
function formValue(entries: readonly (readonly [string, string | Uint8Array])[], plan: EndpointPlan): Record<string, unknown> {
  const value: Record<string, unknown> = {};
  for (const input of plan.body) {
    const own = entries.filter(([name, content]) => name === input.key && content.length > 0).map(([, content]) => fieldValue(content, input));
    if (own.length === 0) continue;
    const [first] = own;
    if (isList(input) && !(own.length === 1 && Array.isArray(first))) set(value, input.name, own);
    else set(value, input.name, own.at(-1));
  }
  // What nobody asked for is there to be refused where the schema is strict.
  for (const [name, content] of entries) if (!Object.hasOwn(value, name) && !plan.body.some(({ key }) => key === name)) set(value, name, content);
  return value;
}

/** Objects and lists of them are JSON in a field. A file that holds a text input is that text. */
function fieldValue(content: string | Uint8Array, { property }: PlacedInput): unknown {
  const text = typeof content === 'string' ? content : property.file ? undefined : new TextDecoder().decode(content);
  if (text === undefined) return content;
  if ((property.types.includes('object') && text.trim().startsWith('{')) || (property.types.includes('array') && text.trim().startsWith('['))) {
    try {
      return JSON.parse(text) as unknown;
    } catch {
      return text;
    }
  }
  return text;
}

function looksLikeJson(body: Uint8Array): boolean {
  let index = 0;
  while (index < body.length && (body[index] === 32 || body[index] === 10 || body[index] === 13 || body[index] === 9)) index++;
  return body[index] === 123 || body[index] === 91;
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Uint8Array);
}
