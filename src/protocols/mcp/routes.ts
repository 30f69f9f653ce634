/**
 * The Model Context Protocol over streamable HTTP, https://modelcontextprotocol.io/specification/2025-11-25/basic/transports:
 * every endpoint is a tool. The server keeps nothing between requests but the calls under way, so that replicas need not
 * share sessions; a session id only tells whose call a cancellation means.
 */
import { randomUUID } from 'node:crypto';
import type { Call, Progress } from '../../call.ts';
import { listEndpoints } from '../../endpoint.ts';
import { isModelportError } from '../../errors.ts';
import { AsyncQueue } from '../../lib/async-queue.ts';
import { sseMessage } from '../../lib/server-sent-events.ts';
import { suggestName } from '../../lib/suggest-name.ts';
import type { HttpRequest, HttpResponse, Protocol, ProtocolContext } from '../../protocol.ts';
import { isRecord, readRpcMessage, RpcError, rpcCodes, rpcError, rpcNotification, rpcResult, type RequestId, type RpcRequest } from './messages.ts';
import { listTools, toolResult, type NamedTool, type ToolResult } from './tools.ts';

/** Newest first. */
const versions = ['2025-11-25', '2025-06-18', '2025-03-26', '2024-11-05'];
const jsonHeaders = { 'content-type': 'application/json', 'cache-control': 'no-store' };

export const mcp: Protocol = {
  name: 'mcp',
  routes(context: ProtocolContext) {
    const server = new McpServer(context);
    return [
      { method: 'POST', path: '/mcp', door: 'inference', handle: (request, call) => server.post(request, call) },
      { method: 'DELETE', path: '/mcp', door: 'inference', handle: (request) => server.end(request) },
    ];
  },
  errorResponse: (error) => ({ status: isModelportError(error) ? error.httpStatus : 500, headers: jsonHeaders, body: rpcError(null, error) }),
};

class McpServer {
  readonly #context: ProtocolContext;
  /** Calls under way, by session and request. */
  readonly #calls = new Map<string, Call>();
  #tools: ReadonlyMap<string, NamedTool> | undefined;

  constructor(context: ProtocolContext) {
    this.#context = context;
    context.repository.onChange(() => (this.#tools = undefined));
  }

  async post(request: HttpRequest, call: Call): Promise<HttpResponse> {
    const session = sessionOf(request);
    let message: RpcRequest | undefined;
    try {
      message = readRpcMessage(request.body);
    } catch (error) {
      return { status: 400, headers: jsonHeaders, body: rpcError(null, error) };
    }
    if (message === undefined) return { status: 202 };
    const { id, method } = message;
    if (id === undefined) {
      if (method === 'notifications/cancelled') this.#cancel(session, message.params['requestId']);
      return { status: 202 };
    }
    try {
      if (method === 'tools/call') return await this.#callTool(session, id, message, request, call);
      const headers = method === 'initialize' ? { ...jsonHeaders, 'mcp-session-id': randomUUID() } : jsonHeaders;
      return { headers, body: rpcResult(id, this.#answer(message)) };
    } catch (error) {
      if (error instanceof RpcError) return { headers: jsonHeaders, body: rpcError(id, error) };
      throw error;
    }
  }

  /** The client ends its session: what it still waits for is worth nothing. */
  end(request: HttpRequest): HttpResponse {
    const session = sessionOf(request);
    if (session !== undefined) for (const [key, call] of this.#calls) if (key.startsWith(`${session}\0`)) call.cancel();
    return { status: 204 };
  }

  #answer({ method, params }: RpcRequest): unknown {
    switch (method) {
      case 'initialize': {
        const { serverName, version } = this.#context.server;
        const asked = params['protocolVersion'];
        return { protocolVersion: versions.find((known) => known === asked) ?? versions[0], capabilities: { tools: {} }, serverInfo: { name: serverName, version } };
      }
      case 'ping':
        return {};
      case 'tools/list':
        return { tools: [...this.#allTools().values()].map(({ tool }) => tool) };
      default:
        throw new RpcError(rpcCodes.method, `there is no method '${method.slice(0, 100)}': this server has tools`);
    }
  }

  #allTools(): ReadonlyMap<string, NamedTool> {
    return (this.#tools ??= listTools(listEndpoints(this.#context.repository)));
  }

  async #callTool(session: string | undefined, id: RequestId, { params }: RpcRequest, request: HttpRequest, call: Call): Promise<HttpResponse> {
    const { name, arguments: given = {}, _meta: meta } = params;
    if (typeof name !== 'string') throw new RpcError(rpcCodes.parameters, 'tools/call needs the "name" of a tool');
    const tool = this.#allTools().get(name);
    if (tool === undefined) throw new RpcError(rpcCodes.parameters, `there is no tool '${name.slice(0, 100)}'${suggestName(name, this.#allTools().keys())}`);
    const key = `${session ?? ''}\0${typeof id} ${id}`;
    if (session !== undefined) this.#calls.set(key, call);
    const finish = (): void => void (this.#calls.get(key) === call && this.#calls.delete(key));
    const run = (): Promise<ToolResult> => runTool(tool, tool.wrapped && isRecord(given) ? given['value'] : given, call).finally(finish);
    const token = isRecord(meta) ? meta['progressToken'] : undefined;
    const accept = request.headers['accept'];
    if ((typeof token !== 'string' && typeof token !== 'number') || typeof accept !== 'string' || !accept.includes('text/event-stream')) {
      return { headers: jsonHeaders, body: rpcResult(id, await run()) };
    }
    return { headers: { 'content-type': 'text/event-stream', 'cache-control': 'no-store', 'x-accel-buffering': 'no' }, compress: false, body: withProgress(run, id, token, call) };
  }

  #cancel(session: string | undefined, id: unknown): void {
    if (session !== undefined && (typeof id === 'string' || typeof id === 'number')) this.#calls.get(`${session}\0${typeof id} ${id}`)?.cancel();
  }
}

/** What a tool can't do is its answer: the model that called it reads why. */
async function runTool(tool: NamedTool, value: unknown, call: Call): Promise<ToolResult> {
  try {
    return toolResult(await tool.endpoint.predict(value, call), tool);
  } catch (error) {
    if (!isModelportError(error)) throw error;
    return { content: [{ type: 'text', text: error.message }], isError: true };
  }
}

/** Progress as it is told, then the answer. */
async function* withProgress(run: () => Promise<ToolResult>, id: RequestId, token: string | number, call: Call): AsyncGenerator<string> {
  const messages = new AsyncQueue<string>({ capacity: 1000 });
  let told = 0;
  const takeBack = call.onProgress(({ fraction, text }: Progress) => {
    // It has to grow with every message.
    const progress = fraction !== undefined && fraction > told ? fraction : told + 1e-6;
    told = progress;
    void messages.push(sseMessage(rpcNotification('notifications/progress', { progressToken: token, progress, ...(fraction === undefined ? {} : { total: 1 }), ...(text === undefined ? {} : { message: text }) })));
  });
  run().then(
    (result) => void messages.push(sseMessage(rpcResult(id, result))).then(() => messages.end()),
    (error: unknown) => void messages.push(sseMessage(rpcError(id, error))).then(() => messages.end()),
  );
  try {
    yield* messages;
  } finally {
    takeBack();
  }
}

function sessionOf({ headers }: HttpRequest): string | undefined {
  const session = headers['mcp-session-id'];
  return typeof session === 'string' && session !== '' ? session.slice(0, 200) : undefined;
}
