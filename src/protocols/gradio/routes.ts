/**
 * Gradio's wire ("sse_v3"), so that its Python and JavaScript clients call every endpoint as a function of a Gradio app. The routes
 * are those of https://github.com/gradio-app/gradio/blob/main/gradio/routes.py that clients use.
 */
import type { Call } from '../../call.ts';
import { listEndpoints } from '../../endpoint.ts';
import { isModelportError, ModelportError } from '../../errors.ts';
import { suggestName } from '../../lib/suggest-name.ts';
import type { HttpRequest, HttpResponse, Protocol, ProtocolContext, Route } from '../../protocol.ts';
import { answerAlive, answerCall, answerNothing, answerQueue } from './answer-events.ts';
import { answerFile } from './answer-file.ts';
import { apiPrefix, appId, configDocument, infoDocument } from './documents.ts';
import { MemoryEventStore, type EventStore } from './event-store.ts';
import { JobFiles } from './file-data.ts';
import { DirectoryFileStore, type FileStore } from './file-store.ts';
import { listFunctions, type FunctionTable, type GradioFunction } from './functions.ts';
import { Jobs } from './jobs.ts';
import { plainFormat, runAnswer } from './messages.ts';
import { readBody, readData, readId, readUpload, type Body } from './read-request.ts';

export interface GradioStores {
  readonly events: EventStore;
  readonly files: FileStore;
}

/** `createStores`: where sessions, events and files are kept; in this process and its cache folder where it is left out. */
export function createGradio(createStores: (context: ProtocolContext) => GradioStores = ({ server }) => ({ events: new MemoryEventStore(), files: new DirectoryFileStore(server.cacheDirectory) })): Protocol {
  return {
    name: 'gradio',
    routes: (context) => new GradioServer(context, createStores(context)).routes(),
    errorResponse,
  };
}

export const gradio: Protocol = createGradio();

const jsonHeaders = { 'content-type': 'application/json', 'cache-control': 'no-store' };

class GradioServer {
  readonly #context: ProtocolContext;
  readonly #events: EventStore;
  readonly #files: FileStore;
  readonly #jobs: Jobs;
  #functions: FunctionTable | undefined;
  #documents = new Map<string, string>();

  constructor(context: ProtocolContext, { events, files }: GradioStores) {
    this.#context = context;
    this.#events = events;
    this.#files = files;
    this.#jobs = new Jobs(events);
    context.repository.onChange(() => {
      this.#functions = undefined;
      this.#documents = new Map();
    });
  }

  routes(): Route[] {
    const get = (path: string, handle: Route['handle']): Route => ({ method: 'GET', path, door: 'inference', handle });
    const post = (path: string, handle: Route['handle']): Route => ({ method: 'POST', path, door: 'inference', handle });
    // Clients that are older than the prefix ask without it.
    const withAndWithout = (prefix: string): Route[] => [
      get(`${prefix}/info`, () => this.#document('info', (functions) => infoDocument(functions))),
      post(`${prefix}/queue/join`, (request, call) => this.#join(request, call)),
      get(`${prefix}/queue/data`, (request, call) => this.#readSession(request, call)),
      post(`${prefix}/upload`, (request) => this.#upload(request)),
      get(`${prefix}/file=*`, (request) => this.#file(request)),
      post(`${prefix}/cancel`, (request) => this.#cancel(request)),
      post(`${prefix}/reset`, (request) => this.#cancel(request)),
      get(`${prefix}/heartbeat/:session`, ({ parameters }, call) => this.#heartbeat(parameters['session']!, call)),
    ];
    const prefixed = (path: string): string => apiPrefix + path;
    return [
      get('/config', () => this.#document('config', (functions) => configDocument(functions, this.#context.server))),
      ...withAndWithout(apiPrefix),
      ...withAndWithout(''),
      post(prefixed('/call/:function'), async (request, call) => this.#call(request, call, readData(await readBody(request)))),
      post(prefixed('/call/v2/:function'), async (request, call) => this.#call(request, call, namedData(this.#named(request), await readBody(request)))),
      get(prefixed('/call/:function/:event'), (request, call) => this.#readCall(request, call)),
      get(prefixed('/call/v2/:function/:event'), (request, call) => this.#readCall(request, call)),
      post(prefixed('/run/:function'), (request, call) => this.#run(request, call)),
      post(prefixed('/api/:function'), (request, call) => this.#run(request, call)),
      get(prefixed('/app_id'), () => json({ app_id: appId(this.#context.server) })),
      get(prefixed('/queue/status'), async () => json({ msg: 'estimation', event_id: null, rank: null, queue_size: await this.#events.waiting(), rank_eta: null })),
      get(prefixed('/startup-events'), () => json(false)),
    ];
  }

  #all(): FunctionTable {
    return (this.#functions ??= listFunctions(listEndpoints(this.#context.repository)));
  }

  #document(name: string, write: (functions: FunctionTable) => unknown): HttpResponse {
    let text = this.#documents.get(name);
    if (text === undefined) this.#documents.set(name, (text = JSON.stringify(write(this.#all()))));
    return { headers: jsonHeaders, body: text };
  }

  #named({ parameters }: HttpRequest): GradioFunction {
    const name = parameters['function']!;
    const found = this.#all().get(name);
    if (found === undefined) throw new ModelportError('NOT_FOUND', `there is no function '/${name.slice(0, 100)}'${suggestName(name, this.#all().keys())}`);
    return found;
  }

  #numbered(number: unknown): GradioFunction {
    for (const each of this.#all().values()) if (each.id === number) return each;
    throw new ModelportError('NOT_FOUND', `there is no function with fn_index ${String(number).slice(0, 50)}: what is served may have changed since the client connected. Connect again`);
  }

  async #join(request: HttpRequest, call: Call): Promise<HttpResponse> {
    const body = await readBody(request);
    const session = readId(body['session_hash'], 'session_hash');
    const called = this.#numbered(body['fn_index']);
    return json({ event_id: await this.#jobs.submit(called, { data: readData(body), files: this.#filesOf(request), call }, sessionName(session)) });
  }

  async #readSession(request: HttpRequest, call: Call): Promise<HttpResponse> {
    const session = sessionName(readId(new URLSearchParams(request.query).get('session_hash'), 'session_hash'));
    const messages = await this.#events.read(session, call.signal, { close: true });
    if (messages !== undefined) return answerQueue(messages);
    // A client that heard of its event's end before it knew the event opens a stream for nothing.
    return answerNothing((await this.#events.finished(session)) ? undefined : 'there is no such session: nothing was submitted in it, or its messages were not read in time');
  }

  async #call(request: HttpRequest, call: Call, data: readonly unknown[]): Promise<HttpResponse> {
    return json({ event_id: await this.#jobs.submit(this.#named(request), { data, files: this.#filesOf(request), call }, undefined, plainFormat) });
  }

  async #readCall({ parameters }: HttpRequest, call: Call): Promise<HttpResponse> {
    const messages = await this.#events.read(parameters['event']!, call.signal, { close: false });
    if (messages === undefined) throw new ModelportError('NOT_FOUND', `there is no event '${parameters['event']!.slice(0, 100)}': POST to ${apiPrefix}/call/{function} answers one, and its stream can be read once, soon after`);
    return answerCall(messages);
  }

  async #run(request: HttpRequest, call: Call): Promise<HttpResponse> {
    const called = this.#named(request);
    const data = readData(await readBody(request));
    const result = await this.#jobs.run(called, { data, files: this.#filesOf(request), call });
    return { headers: jsonHeaders, body: runAnswer(result.data, result.seconds, result.averageSeconds) };
  }

  async #upload(request: HttpRequest): Promise<HttpResponse> {
    const paths: string[] = [];
    for (const { name, bytes } of await readUpload(request)) paths.push(await this.#files.write(bytes, name));
    return json(paths);
  }

  async #file(request: HttpRequest): Promise<HttpResponse> {
    const path = request.parameters['*']!;
    const file = await this.#files.read(path);
    if (file === undefined) throw new ModelportError('NOT_FOUND', `there is no file '${path.slice(0, 200)}': only uploads and files of answers are given out, for a limited time`);
    return answerFile(file, request);
  }

  /** With or without its session: who knows an event's id may end it. */
  async #cancel(request: HttpRequest): Promise<HttpResponse> {
    const { event_id: event, session_hash: session } = await readBody(request);
    if (typeof event === 'string') await this.#events.cancel(event, typeof session === 'string' ? sessionName(session) : undefined);
    return json({ success: true });
  }

  #heartbeat(session: string, call: Call): HttpResponse {
    call.onCancel(() => void this.#events.drop(sessionName(session)));
    return answerAlive(call.signal);
  }

  #filesOf(request: HttpRequest): JobFiles {
    return new JobFiles(this.#files, publicUrl(request), apiPrefix);
  }
}

/** Sessions that clients name can't be mistaken for the events of `/call`, which are sessions of their own. */
function sessionName(hash: string): string {
  return `session ${hash}`;
}

/** Arguments by their names, as the values of the parameters in their order. */
function namedData({ parameters }: GradioFunction, body: Body): readonly unknown[] {
  const names = parameters.map(({ name }) => name);
  const foreign = Object.keys(body).find((name) => !names.includes(name) && name !== 'session_hash');
  if (foreign !== undefined) throw new ModelportError('INVALID_VALUE', `there is no parameter '${foreign.slice(0, 100)}'${suggestName(foreign, names)}`, { at: foreign });
  return parameters.map(({ name, hasDefault, default: value }) => (Object.hasOwn(body, name) ? body[name] : hasDefault ? value : undefined));
}

/** Where the client reaches this server, for addresses of files: what it or the proxy in front says. '' where nobody does. */
function publicUrl({ headers }: HttpRequest): string {
  const first = (name: string, form: RegExp): string | undefined => {
    const value = headers[name];
    const text = (Array.isArray(value) ? value[0] : value)?.split(',')[0]!.trim();
    return text !== undefined && form.test(text) ? text : undefined;
  };
  const host = first('x-forwarded-host', /^[\w.:[\]-]+$/) ?? first('host', /^[\w.:[\]-]+$/);
  if (host === undefined) return '';
  const prefix = first('x-forwarded-prefix', /^(?:\/[\w.~-]+)+\/?$/)?.replace(/\/$/, '') ?? '';
  return `${first('x-forwarded-proto', /^https?$/) ?? 'http'}://${host}${prefix}`;
}

function json(value: unknown): HttpResponse {
  return { headers: jsonHeaders, body: JSON.stringify(value) };
}

/** `error` and `detail`: clients read one here and the other there. */
function errorResponse(error: unknown): HttpResponse {
  if (!isModelportError(error)) return { status: 500, headers: jsonHeaders, body: JSON.stringify({ error: 'internal error', detail: 'internal error' }) };
  const detail = error.code === 'UNAUTHENTICATED' ? { error: 'Not authenticated', auth_message: error.message } : error.message;
  return { status: error.httpStatus, headers: jsonHeaders, body: JSON.stringify({ error: error.message, detail }) };
}
