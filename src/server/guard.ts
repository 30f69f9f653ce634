/**
 * Who may come in. Three checks, in this order: the Host that a request names (a web page elsewhere that resolves its own name to
 * this machine must not drive a local server), the Origin that a browser states, and the key of the route's door.
 */
import { createHash, timingSafeEqual } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { ModelportError } from '../errors.ts';
import type { Door } from '../protocol.ts';

export interface GuardOptions {
  /** The address that the listener is bound to. */
  readonly host: string;
  /** Further names under which clients may reach it; `*` allows all. */
  readonly allowedHosts?: readonly string[];
  /** Origins of web pages that may call and read answers (CORS); none by default. `*` allows all. */
  readonly allowedOrigins?: readonly string[];
  readonly apiKeys?: KeySet;
  readonly managementKeys?: KeySet;
}

/** What of a request the guard looks at. */
export interface GuardedRequest {
  readonly method: string;
  readonly host: string | undefined;
  readonly origin: string | undefined;
  /** `Authorization: Bearer …` or `X-API-Key`, without the scheme. */
  readonly key: string | undefined;
}

export interface Guard {
  /** Throws `FORBIDDEN` or `UNAUTHENTICATED`. */
  check(request: GuardedRequest, door: Door): void;
  /** Whether a page of this origin may read answers. */
  allowsOrigin(origin: string): boolean;
  readonly managementOpen: boolean;
}

/** Keys are kept as SHA-256 digests only. */
export class KeySet {
  readonly #digests: readonly Buffer[];

  constructor(keys: readonly string[]) {
    this.#digests = keys.map((key) => (key.startsWith('sha256:') ? Buffer.from(key.slice('sha256:'.length), 'hex') : sha256(key)));
  }

  /** Takes the same time for every key that is not in the set. */
  has(key: string): boolean {
    const digest = sha256(key);
    let found = false;
    for (const known of this.#digests) if (timingSafeEqual(known, digest)) found = true;
    return found;
  }
}

/** One key a line, in plain text or as `sha256:<hex>`; empty lines and lines that begin with `#` are left out. Throws `INVALID_USAGE`. */
export function readKeyFile(path: string): KeySet {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (cause) {
    throw new ModelportError('INVALID_USAGE', `can't read the key file ${path}: ${(cause as Error).message}`, { cause });
  }
  const keys = text.split(/\r?\n/).map((line) => line.trim()).filter((line) => line !== '' && !line.startsWith('#'));
  if (keys.length === 0) throw new ModelportError('INVALID_USAGE', `the key file ${path} holds no key: write one a line`);
  for (const [index, key] of keys.entries()) {
    if (key.startsWith('sha256:') && !/^sha256:[0-9a-f]{64}$/i.test(key)) {
      throw new ModelportError('INVALID_USAGE', `the key file ${path} has a digest in entry ${index + 1} that is not 64 hexadecimal digits`);
    }
    if (key.length < 16) throw new ModelportError('INVALID_USAGE', `the key file ${path} has a key of ${key.length} characters: use at least 16`);
  }
  return new KeySet(keys);
}

export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127\.\d+\.\d+\.\d+$/.test(host);
}

export function createGuard(options: GuardOptions): Guard {
  const { apiKeys, managementKeys } = options;
  const bound = isLoopback(options.host);
  const allowedHosts = new Set((options.allowedHosts ?? []).map((host) => host.toLowerCase()));
  const allowedOrigins = new Set(options.allowedOrigins ?? []);
  const managementOpen = bound || managementKeys !== undefined;
  // Checking a name costs a parse; clients repeat theirs, so accepted ones are remembered. Bounded.
  const acceptedHosts = new Set<string>();

  const hostAllowed = (host: string): boolean => {
    if (!bound && allowedHosts.size === 0) return true;
    if (allowedHosts.has('*')) return true;
    const name = hostName(host);
    return name !== undefined && (isLoopback(name) || name.endsWith('.localhost') || (!bound && isIP(name) !== 0) || allowedHosts.has(name) || allowedHosts.has(host.toLowerCase()));
  };

  const allowsOrigin = (origin: string): boolean => allowedOrigins.has('*') || allowedOrigins.has(origin);

  return {
    managementOpen,
    allowsOrigin,
    check(request, door) {
      const { host, origin } = request;
      if (host !== undefined && !acceptedHosts.has(host)) {
        if (!hostAllowed(host)) {
          throw new ModelportError('FORBIDDEN', `the Host '${host.slice(0, 200)}' is not this server's name: call it as localhost, or start it with --allowed-host ${hostName(host) ?? 'NAME'}`);
        }
        if (acceptedHosts.size < 1000) acceptedHosts.add(host);
      }
      if (origin !== undefined && request.method !== 'GET' && request.method !== 'HEAD' && !sameOrigin(origin, host) && !allowsOrigin(origin)) {
        throw new ModelportError('FORBIDDEN', `a page of the origin '${origin.slice(0, 200)}' may not call this server: start it with --cors-origin ${origin.slice(0, 200)} to allow it`);
      }
      if (door === 'public') return;
      if (door === 'inference') {
        if (apiKeys === undefined) return;
        if (request.key === undefined) throw new ModelportError('UNAUTHENTICATED', 'an API key is needed: send it as "Authorization: Bearer KEY" or "X-API-Key: KEY"');
        if (!apiKeys.has(request.key) && managementKeys?.has(request.key) !== true) throw new ModelportError('UNAUTHENTICATED', 'the API key is not known here');
        return;
      }
      if (!managementOpen) {
        throw new ModelportError('FORBIDDEN', 'management is closed on addresses other than loopback: start the server with --management-key-file to open it to holders of a key');
      }
      if (managementKeys === undefined) return;
      if (request.key === undefined) throw new ModelportError('UNAUTHENTICATED', 'a management key is needed: send it as "Authorization: Bearer KEY"');
      if (!managementKeys.has(request.key)) throw new ModelportError('UNAUTHENTICATED', 'the management key is not known here');
    },
  };
}

function sha256(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}

/** The name in a Host header, without port and brackets, in lower case. */
function hostName(host: string): string | undefined {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([^:/?#@\s]+))(?::\d{1,5})?$/.exec(host);
  return (match?.[1] ?? match?.[2])?.toLowerCase();
}

function sameOrigin(origin: string, host: string | undefined): boolean {
  return host !== undefined && (origin === `http://${host}` || origin === `https://${host}`);
}
