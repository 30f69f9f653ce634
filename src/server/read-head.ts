/**
 * Reads the head of an HTTP/1.1 request in its usual form, strictly. Whatever is unusual, or wrong, is not judged here:
 * the answer is undefined, and node:http reads it instead. https://www.rfc-editor.org/rfc/rfc9112
 */
import type { RequestHead } from './exchange.ts';

export interface ReadHead extends RequestHead {
  /** 0 where there is no body. */
  readonly contentLength: number;
}

const methods = new Set(['GET', 'POST', 'PUT', 'DELETE', 'HEAD', 'OPTIONS']);
/** Origin form: a path, and no character that a URL must not have. */
const target = /^\/[\x21\x24-\x3b\x3d\x3f-\x5a\x5f\x61-\x7e\x25]*$/;
const fieldName = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
// eslint-disable-next-line no-control-regex
const fieldValue = /^[\t\x20-\x7e\x80-\xff]*$/;
/** Headers that change how a message is framed or what its connection is. */
const unusual = new Set(['transfer-encoding', 'expect', 'upgrade', 'trailer', 'te', 'keep-alive', 'proxy-connection', 'http2-settings']);

/** `text`: the head in latin1, from the request line to before the empty line. */
export function readHead(text: string): ReadHead | undefined {
  const lines = text.split('\r\n');
  const [method, url, version, ...more] = lines[0]!.split(' ');
  if (more.length > 0 || version !== 'HTTP/1.1' || url === undefined || !methods.has(method!) || !target.test(url)) return undefined;
  const headers: Record<string, string> = {};
  let contentLength = 0;
  for (let index = 1; index < lines.length; index++) {
    const line = lines[index]!;
    const colon = line.indexOf(':');
    if (colon < 1) return undefined;
    const name = line.slice(0, colon);
    const value = line.slice(colon + 1).trim();
    if (!fieldName.test(name) || !fieldValue.test(value)) return undefined;
    const key = name.toLowerCase();
    if (unusual.has(key) || Object.hasOwn(headers, key) || key === '__proto__') return undefined;
    if (key === 'connection' && value.toLowerCase() !== 'keep-alive') return undefined;
    if (key === 'content-length') {
      if (!/^\d{1,15}$/.test(value)) return undefined;
      contentLength = Number(value);
    }
    headers[key] = value;
  }
  if (headers['host'] === undefined) return undefined;
  if (contentLength > 0 && (method === 'GET' || method === 'HEAD' || method === 'OPTIONS')) return undefined;
  const question = url.indexOf('?');
  return {
    method: method!,
    path: question === -1 ? url : url.slice(0, question),
    query: question === -1 ? '' : url.slice(question + 1),
    headers,
    contentLength,
  };
}
