/** The page's calls to its server. The only place that fetches. */
import type { ErrorBody, FlagCount, PageDocument, ProgressReport, QueueFacts } from './api-types.ts';
import { readEvents } from './server-events.ts';
import { parseJson, type JsonValue } from './json.ts';

/** The folder the page was loaded from: the server's root, whatever the prefix. */
export const root = new URL('.', document.baseURI);

const keyName = 'modelport-api-key';

export function rememberKey(key: string): void {
  sessionStorage.setItem(keyName, key);
}

export function hasKey(): boolean {
  return sessionStorage.getItem(keyName) !== null;
}

/** `unreachable`: no answer at all. */
export type Failure = 'unreachable' | 'unauthorized' | 'refused';

export class ServerError extends Error {
  readonly failure: Failure;
  readonly status: number;
  readonly code: string | undefined;
  readonly at: string | undefined;
  /** All that was wrong, where the server tells more than the first. */
  readonly problems: readonly { readonly at: string; readonly message: string }[];
  readonly retryAfterSeconds: number | undefined;

  constructor(failure: Failure, status: number, body: ErrorBody, retryAfterSeconds?: number) {
    super(body.error);
    this.failure = failure;
    this.status = status;
    this.code = body.code;
    this.at = body.at;
    this.problems = (body.detail ?? []).map(({ loc, msg }) => ({ at: loc.join('.'), message: msg }));
    this.retryAfterSeconds = retryAfterSeconds;
  }
}

/** Milliseconds; undefined where the server did not say. */
export interface Timing {
  readonly queue?: number;
  readonly run?: number;
  readonly total?: number;
  readonly batchSize?: number;
  /** Of an answer that came in parts. */
  readonly parts?: number;
  /** Measured here: with the network. */
  readonly roundTrip: number;
}

export interface Answer {
  readonly text: string;
  readonly value: JsonValue;
  readonly timing: Timing;
}

export async function fetchDocument(signal: AbortSignal): Promise<{ readonly document: PageDocument; readonly characters: number }> {
  const text = await (await send('ui/models', { signal })).text();
  return { document: JSON.parse(text) as PageDocument, characters: text.length };
}

export async function fetchMetrics(signal: AbortSignal): Promise<string> {
  return (await send('metrics', { signal })).text();
}

export async function postJson(path: string, body: string, signal: AbortSignal): Promise<Answer> {
  const started = performance.now();
  const response = await send(path, { method: 'POST', body, headers: { 'content-type': 'application/json' }, signal });
  const text = await response.text();
  const roundTrip = performance.now() - started;
  return { text, value: parseJson(text), timing: { ...readTiming(response.headers), roundTrip } };
}

export interface StreamListener {
  /** One part of the answer, as JSON. */
  onPart(part: JsonValue): void;
  onProgress(progress: ProgressReport): void;
}

/** Resolves when the answer is whole. A failure half way rejects as one at the beginning does. */
export async function postStream(path: string, body: string, listener: StreamListener, signal: AbortSignal): Promise<Timing> {
  const started = performance.now();
  const response = await send(path, { method: 'POST', body, headers: { 'content-type': 'application/json', accept: 'text/event-stream' }, signal });
  try {
    for await (const { event, data } of readEvents(response.body!)) {
      if (event === 'end') return { roundTrip: performance.now() - started };
      if (event === 'progress') listener.onProgress(JSON.parse(data) as ProgressReport);
      else if (event === 'error') throw new ServerError('refused', 500, JSON.parse(data) as ErrorBody);
      else listener.onPart(parseJson(data));
    }
  } catch (error) {
    if (signal.aborted || error instanceof ServerError) throw error;
    throw new ServerError('unreachable', 0, { error: 'The connection broke before the answer was whole.' });
  }
  // Triton's generate extension ends with the connection.
  return { roundTrip: performance.now() - started };
}

export async function fetchQueue(model: string, version: string, signal: AbortSignal): Promise<QueueFacts> {
  return (await (await send(`ui/queue/${encodeURIComponent(model)}/${encodeURIComponent(version)}`, { signal })).json()) as QueueFacts;
}

/** How many answers of a model were flagged; undefined where this page may not flag. */
export async function fetchFlagCount(model: string, signal: AbortSignal): Promise<number | undefined> {
  try {
    return ((await (await send(`ui/flags/${encodeURIComponent(model)}`, { signal })).json()) as FlagCount).count;
  } catch {
    return undefined;
  }
}

export async function postFlag(model: string, version: string, flag: { readonly note: string; readonly input: string; readonly output: string }): Promise<number> {
  const { signal } = new AbortController();
  const response = await send(`ui/flags/${encodeURIComponent(model)}/${encodeURIComponent(version)}`, { method: 'POST', body: JSON.stringify(flag), headers: { 'content-type': 'application/json' }, signal });
  return ((await response.json()) as { count: number }).count;
}

export async function fetchFlags(model: string): Promise<string> {
  const { signal } = new AbortController();
  return (await send(`ui/flags/${encodeURIComponent(model)}/lines`, { signal })).text();
}

async function send(path: string, options: RequestInit & { signal: AbortSignal }): Promise<Response> {
  const key = sessionStorage.getItem(keyName);
  const headers = { ...(options.headers as Record<string, string> | undefined), ...(key === null ? {} : { authorization: `Bearer ${key}` }) };
  let response: Response;
  try {
    response = await fetch(new URL(path, root), { ...options, headers, cache: 'no-store' });
  } catch (error) {
    if (options.signal.aborted) throw error;
    throw new ServerError('unreachable', 0, { error: 'The server does not answer.' });
  }
  if (response.ok) return response;
  // What stands in front of a stopped server answers for it.
  const failure = response.status === 401 ? 'unauthorized' : response.status === 502 || response.status === 504 ? 'unreachable' : 'refused';
  const retryAfter = Number(response.headers.get('retry-after') ?? Number.NaN);
  throw new ServerError(failure, response.status, await readError(response), Number.isFinite(retryAfter) ? retryAfter : undefined);
}

async function readError(response: Response): Promise<ErrorBody> {
  const text = await response.text().catch(() => '');
  try {
    const body = JSON.parse(text) as Omit<Partial<ErrorBody>, 'detail'> & { detail?: unknown };
    if (typeof body.error === 'string') return { ...body, error: body.error, detail: Array.isArray(body.detail) ? body.detail as NonNullable<ErrorBody['detail']> : [] };
    if (typeof body.detail === 'string') return { error: body.detail };
    const first = (Array.isArray(body.detail) ? body.detail[0] : undefined) as { msg?: string; loc?: unknown[] } | undefined;
    if (first?.msg !== undefined) return { error: first.msg, at: (first.loc ?? []).join('.') };
  } catch {
    // Not JSON: a proxy's page.
  }
  return { error: `The server answered ${response.status} ${response.statusText}`.trimEnd() + '.' };
}

function readTiming(headers: Headers): Omit<Timing, 'roundTrip'> {
  const timing: { queue?: number; run?: number; total?: number; batchSize?: number } = {};
  for (const part of (headers.get('server-timing') ?? '').split(',')) {
    const match = /^\s*(queue|run|total)\b.*?;\s*dur=([\d.]+)/.exec(part);
    if (match !== null) timing[match[1] as 'queue' | 'run' | 'total'] = Number(match[2]);
  }
  const batchSize = Number(headers.get('modelport-batch-size') ?? Number.NaN);
  if (batchSize > 0) timing.batchSize = batchSize;
  return timing;
}
