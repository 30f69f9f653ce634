/** JSON-RPC 2.0 as the Model Context Protocol uses it. */
import { ModelportError } from '../../errors.ts';

export type RequestId = string | number;

export interface RpcRequest {
  readonly id?: RequestId;
  readonly method: string;
  readonly params: Readonly<Record<string, unknown>>;
}

/** https://www.jsonrpc.org/specification §5.1 */
export const rpcCodes = { parse: -32700, request: -32600, method: -32601, parameters: -32602, internal: -32603 } as const;

export class RpcError extends Error {
  readonly code: number;
  constructor(code: number, message: string) {
    super(message);
    this.code = code;
  }
}

/** Undefined for an answer of the client, to which there is nothing to say. Throws {@link RpcError}. */
export function readRpcMessage(body: Uint8Array): RpcRequest | undefined {
  let message: unknown;
  try {
    message = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(body));
  } catch (error) {
    throw new RpcError(rpcCodes.parse, `the message is not JSON: ${(error as Error).message.slice(0, 200)}`);
  }
  if (!isRecord(message) || message['jsonrpc'] !== '2.0') throw new RpcError(rpcCodes.request, 'a message is an object with "jsonrpc": "2.0"; batches are not taken');
  const { id, method, params = {} } = message;
  if (method === undefined && ('result' in message || 'error' in message)) return undefined;
  if (typeof method !== 'string') throw new RpcError(rpcCodes.request, 'a request has a "method"');
  if (id !== undefined && typeof id !== 'string' && typeof id !== 'number') throw new RpcError(rpcCodes.request, '"id" is a text or a number');
  if (!isRecord(params)) throw new RpcError(rpcCodes.parameters, '"params" is an object');
  return { ...(id === undefined ? {} : { id }), method, params };
}

export function rpcResult(id: RequestId, result: unknown): string {
  return JSON.stringify({ jsonrpc: '2.0', id, result });
}

export function rpcError(id: RequestId | null, error: unknown): string {
  const code = error instanceof RpcError ? error.code : rpcCodes.internal;
  const message = error instanceof RpcError || error instanceof ModelportError ? error.message : 'the server failed on this request; its log says why';
  return JSON.stringify({ jsonrpc: '2.0', id, error: { code, message } });
}

export function rpcNotification(method: string, params: unknown): string {
  return JSON.stringify({ jsonrpc: '2.0', method, params });
}

export function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
