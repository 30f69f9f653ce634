/** How a registry wants to be told who asks: Basic, or a token that another server gives (https://distribution.github.io/distribution/spec/auth/token/). */
import { ModelportError } from '../../errors.ts';
import { statusError, type HttpClient } from '../../http-client.ts';
import type { Credentials } from './credentials.ts';

export interface Challenge {
  /** In lower case. */
  readonly scheme: string;
  readonly parameters: Readonly<Record<string, string>>;
}

/** The first of the header's challenges that is understood. */
export function parseChallenge(header: string): Challenge | undefined {
  for (const part of header.slice(0, 8192).split(/,\s*(?=(?:Basic|Bearer)\b)/i)) {
    const match = /^\s*(Basic|Bearer)\b\s*(.*)$/is.exec(part);
    if (match === null) continue;
    const parameters = Object.fromEntries([...match[2]!.matchAll(/([a-z_]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,]+))/gi)].map((pair) => [pair[1]!.toLowerCase(), (pair[2] ?? pair[3] ?? '').replaceAll(/\\(.)/g, '$1')]));
    return { scheme: match[1]!.toLowerCase(), parameters };
  }
  return undefined;
}

const maximumTokenBytes = 1 << 20;

/** The header for a challenge. Throws `UNAUTHENTICATED` where there are no credentials or they are refused. */
export async function answerChallenge(client: HttpClient, challenge: Challenge, scopes: readonly string[], credentials: Credentials | undefined, registry: string): Promise<string> {
  if (challenge.scheme === 'basic') {
    if (credentials?.kind !== 'password') throw loginFirst(registry);
    return basic(credentials.user, credentials.password);
  }
  const { realm, service } = challenge.parameters;
  if (realm === undefined || !/^https?:\/\//.test(realm)) throw new ModelportError('UNAUTHENTICATED', `${registry} wants a token, but does not say from where`);
  const wanted = scopes.length > 0 ? scopes : [challenge.parameters['scope'] ?? ''].filter((scope) => scope !== '');
  const response =
    credentials?.kind === 'token'
      ? await client.request(realm, {
          method: 'POST',
          headers: { 'content-type': 'application/x-www-form-urlencoded' },
          body: new URLSearchParams({ grant_type: 'refresh_token', refresh_token: credentials.token, client_id: 'modelport', ...(service === undefined ? {} : { service }), scope: wanted.join(' ') }).toString(),
        })
      : await client.request(withQuery(realm, service, wanted), { headers: credentials === undefined ? {} : { authorization: basic(credentials.user, credentials.password) } });
  if (response.status === 401 || response.status === 403) {
    await response.discard();
    throw credentials === undefined ? loginFirst(registry) : new ModelportError('UNAUTHENTICATED', `${registry} refuses the name and password that are stored for it: modelport login ${registry}`);
  }
  if (response.status !== 200) throw await statusError(response, realm);
  const { token, access_token: accessToken } = JSON.parse(await response.text(maximumTokenBytes)) as { token?: string; access_token?: string };
  const found = token ?? accessToken;
  if (found === undefined) throw new ModelportError('UNAUTHENTICATED', `${realm} answered without a token`);
  return `Bearer ${found}`;
}

function withQuery(realm: string, service: string | undefined, scopes: readonly string[]): string {
  const url = new URL(realm);
  if (service !== undefined) url.searchParams.set('service', service);
  for (const scope of scopes) url.searchParams.append('scope', scope);
  return url.href;
}

function basic(user: string, password: string): string {
  return `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`;
}

function loginFirst(registry: string): ModelportError {
  return new ModelportError('UNAUTHENTICATED', `${registry} wants to know who you are: modelport login ${registry}`);
}
