/** AWS Signature Version 4 for requests without a body: https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html */
import { createHash, createHmac } from 'node:crypto';

export interface Credentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken: string | undefined;
}

const emptyHash = createHash('sha256').update('').digest('hex');

/** The headers that make the request one of this person's. The address must be encoded as {@link encodePath} and {@link encodeQuery} do it. */
export function signRequest(method: string, address: string, headers: Readonly<Record<string, string>>, credentials: Credentials | undefined, region: string, now: Date = new Date()): Record<string, string> {
  if (credentials === undefined) return { ...headers };
  const url = new URL(address);
  const time = now.toISOString().replace(/[:-]|\.\d{3}/g, '');
  const date = time.slice(0, 8);
  const signed: Record<string, string> = {
    ...headers,
    'x-amz-content-sha256': emptyHash,
    'x-amz-date': time,
    ...(credentials.sessionToken === undefined ? {} : { 'x-amz-security-token': credentials.sessionToken }),
  };
  const all = Object.entries({ ...signed, host: url.host }).map(([name, value]) => [name.toLowerCase(), value.trim().replace(/\s+/g, ' ')] as const).sort(([left], [right]) => (left < right ? -1 : 1));
  const names = all.map(([name]) => name).join(';');
  const query = url.search.slice(1).split('&').filter((part) => part !== '').map((part) => (part.includes('=') ? part : `${part}=`)).sort();
  const canonical = [method, url.pathname, query.join('&'), ...all.map(([name, value]) => `${name}:${value}`), '', names, emptyHash].join('\n');
  const scope = `${date}/${region}/s3/aws4_request`;
  const text = ['AWS4-HMAC-SHA256', time, scope, createHash('sha256').update(canonical).digest('hex')].join('\n');
  const key = [date, region, 's3', 'aws4_request'].reduce<string | Buffer>((previous, part) => createHmac('sha256', previous).update(part).digest(), `AWS4${credentials.secretAccessKey}`);
  const signature = createHmac('sha256', key).update(text).digest('hex');
  return { ...signed, authorization: `AWS4-HMAC-SHA256 Credential=${credentials.accessKeyId}/${scope}, SignedHeaders=${names}, Signature=${signature}` };
}

/** RFC 3986's unreserved characters stay; the slashes between the parts, too. */
export function encodePath(key: string): string {
  return key.split('/').map(encode).join('/');
}

export function encodeQuery(query: Readonly<Record<string, string>>): string {
  return Object.entries(query).map(([name, value]) => `${encode(name)}=${encode(value)}`).sort().join('&');
}

function encode(text: string): string {
  return encodeURIComponent(text).replace(/[!'()*]/g, (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`);
}
