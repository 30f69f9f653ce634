/**
 * `s3://BUCKET/KEY`: an object of any store that speaks Amazon S3's API, `s3://BUCKET/PREFIX/` all below it. Who asks and where is read from what AWS's own
 * tools read: `AWS_ACCESS_KEY_ID`, `AWS_PROFILE`, `AWS_ENDPOINT_URL_S3`, `AWS_REGION`, `~/.aws`. `?versionId=` pins an object's version.
 */
import { createHash } from 'node:crypto';
import { downloadToStore } from '../../download.ts';
import { ModelportError } from '../../errors.ts';
import { HttpClient, statusError, type IncomingResponse } from '../../http-client.ts';
import { checkMemberPath, checkPin, splitPin, type FetchedContent, type Source, type SourceContext, type StoredContent } from '../../source.ts';
import { readS3Config, type S3Config } from './s3-config.ts';
import { encodePath, encodeQuery, signRequest } from './signature.ts';

const form = 's3://BUCKET/KEY#sha256=…';
const maximumDocumentBytes = 16 << 20;
const maximumFiles = 10_000;

export interface S3Reference {
  readonly bucket: string;
  /** '' or with a slash at its end: a folder. */
  readonly key: string;
  readonly versionId: string | undefined;
  readonly sha256: string | undefined;
}

interface S3Object {
  readonly key: string;
  /** Quoted, as it came: another one is other content. */
  readonly entityTag: string;
  /** Where the store knows it. */
  readonly sha256?: string;
}

export const s3: Source = {
  scheme: 's3',
  form,
  async fetch(reference: string, context: SourceContext): Promise<FetchedContent> {
    const wanted = parseS3Reference(reference);
    const bucket = await openBucket(wanted, context);
    try {
      const objects = await bucket.objects();
      const single = isObject(wanted);
      const files = new Map<string, StoredContent>();
      for (const object of objects) {
        const stored = await bucket.download(object);
        if (single) checkPin(reference, wanted.sha256, stored.digest);
        files.set(single ? object.key.split('/').pop()! : object.key.slice(wanted.key.length), stored);
      }
      if (single && wanted.sha256 === undefined && wanted.versionId === undefined) context.note?.(`${reference} is not pinned: write #${[...files.values()][0]!.digest.replace(':', '=')} behind it`);
      return { files, name: nameOf(wanted), revision: revisionOf(objects) };
    } finally {
      await bucket.close();
    }
  },
  async revision(reference: string, context: SourceContext): Promise<string> {
    const bucket = await openBucket(parseS3Reference(reference), context);
    try {
      return revisionOf(await bucket.objects());
    } finally {
      await bucket.close();
    }
  },
};

/** Throws `INVALID_USAGE`. */
export function parseS3Reference(reference: string): S3Reference {
  const { place, sha256 } = splitPin(reference);
  const match = /^s3:\/\/([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?:\/([^?]*))?(?:\?versionId=([^&]{1,1024}))?$/.exec(place);
  if (match === null || match[1]!.includes('..')) throw new ModelportError('INVALID_USAGE', `'${reference}' names nothing in a bucket: write ${form}`, { at: reference });
  const key = match[2] ?? '';
  if (key !== '') checkMemberPath(key, reference);
  const found = { bucket: match[1]!, key, versionId: match[3], sha256 };
  if (!isObject(found) && (sha256 !== undefined || found.versionId !== undefined)) throw new ModelportError('INVALID_USAGE', `${reference}: a digest or version pins one object, not a folder`, { at: reference });
  return found;
}

function isObject({ key }: S3Reference): boolean {
  return key !== '' && !key.endsWith('/');
}

function nameOf({ bucket, key }: S3Reference): string {
  const parts = key.split('/').filter((part) => part !== '');
  const last = parts.at(-1);
  if (last === undefined) return bucket;
  if (key.endsWith('/')) return last;
  // models/digits/model.onnx is digits; so is models/digits/2/model.onnx.
  return /^model\.[^.]+$/.test(last) ? (parts.slice(0, -1).findLast((part) => !/^\d+$/.test(part)) ?? bucket) : last.replace(/\.[^.]*$/, '');
}

function revisionOf(objects: readonly S3Object[]): string {
  return `sha256:${createHash('sha256').update(JSON.stringify(objects.map(({ key, entityTag }) => [key, entityTag]))).digest('hex')}`;
}

interface Bucket {
  /** Those that the reference names, in the order of their keys. Throws `NOT_FOUND` where there are none. */
  objects(): Promise<S3Object[]>;
  download(object: S3Object): Promise<StoredContent>;
  close(): Promise<void>;
}

async function openBucket(wanted: S3Reference, context: SourceContext): Promise<Bucket> {
  const config = await readS3Config(context.environment);
  let { region } = config;
  const client = new HttpClient();
  const shown = `s3://${wanted.bucket}/${wanted.key}`;
  const version: Readonly<Record<string, string>> = wanted.versionId === undefined ? {} : { versionId: wanted.versionId };

  const request = async (method: 'GET' | 'HEAD', key: string, query: Readonly<Record<string, string>>, headers: Readonly<Record<string, string>> = {}): Promise<IncomingResponse> => {
    for (let again = true; ; again = false) {
      const address = addressOf(config, region, wanted.bucket, key, query);
      const response = await client.request(address, { method, headers: signRequest(method, address, headers, config.credentials, region), maxRedirects: 0, ...(context.signal === undefined ? {} : { signal: context.signal }) });
      // Signatures hold for one region: the store says which one is the bucket's.
      const actual = response.headers['x-amz-bucket-region'];
      if (!again || actual === undefined || actual === region || !/^[a-z0-9-]{2,32}$/.test(actual) || (response.status < 300 || response.status > 403)) return response;
      await response.discard();
      region = actual;
    }
  };

  const problem = async (response: IncomingResponse): Promise<ModelportError> => {
    const text = await response.text(65_536).catch(() => '');
    const code = /<Code>(\w+)<\/Code>/.exec(text)?.[1];
    const said = code === undefined ? '' : ` (${code}: ${decodeXml(/<Message>([^<]*)<\/Message>/.exec(text)?.[1] ?? '').slice(0, 200)})`;
    const who = config.credentials === undefined ? 'Nobody is named who asks: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE' : 'The key that is set may not read it, or is wrong';
    if (code === 'NoSuchBucket') return new ModelportError('NOT_FOUND', `there is no bucket ${wanted.bucket} in ${config.endpoint ?? 'Amazon S3'}`, { at: shown });
    if (response.status === 404) return new ModelportError('NOT_FOUND', `there is no ${shown}${said}; a folder ends with a slash`, { at: shown });
    if (response.status === 401 || response.status === 403) return new ModelportError(config.credentials === undefined ? 'UNAUTHENTICATED' : 'FORBIDDEN', `${shown} is refused${said}. ${who}`, { at: shown });
    if (code !== undefined) return new ModelportError('UNAVAILABLE', `${shown}: the store answered ${response.status}${said}`, { at: shown });
    return await statusError(response, response.url);
  };

  return {
    async objects() {
      if (isObject(wanted)) {
        const response = await request('HEAD', wanted.key, version, { 'x-amz-checksum-mode': 'ENABLED' });
        await response.discard();
        if (response.status !== 200) throw await problem(response);
        const sum = response.headers['x-amz-checksum-sha256'];
        const whole = response.headers['x-amz-checksum-type'] !== 'COMPOSITE' && sum !== undefined && /^[A-Za-z0-9+/]{43}=$/.test(sum);
        return [{ key: wanted.key, entityTag: response.headers['etag'] ?? '', ...(whole ? { sha256: Buffer.from(sum, 'base64').toString('hex') } : {}) }];
      }
      const found: S3Object[] = [];
      let token: string | undefined;
      do {
        const response = await request('GET', '', { 'list-type': '2', 'encoding-type': 'url', prefix: wanted.key, ...(token === undefined ? {} : { 'continuation-token': token }) });
        if (response.status !== 200) throw await problem(response);
        const page = readListing(await response.text(maximumDocumentBytes));
        for (const object of page.objects) {
          // Consoles make folders as empty objects whose names end with a slash.
          if (object.key.endsWith('/') || !object.key.startsWith(wanted.key)) continue;
          checkMemberPath(object.key.slice(wanted.key.length), shown);
          found.push(object);
        }
        if (found.length > maximumFiles) throw new ModelportError('INVALID_MODEL', `${shown} holds more than ${maximumFiles} objects, which is refused`, { at: shown });
        token = page.next === token ? undefined : page.next;
      } while (token !== undefined);
      if (found.length === 0) throw new ModelportError('NOT_FOUND', `there is nothing below ${shown}`, { at: shown });
      return found;
    },
    download: async ({ key, entityTag, sha256 }) => {
      const address = addressOf(config, region, wanted.bucket, key, version);
      const expected = sha256 ?? wanted.sha256;
      return await downloadToStore(client, address, context, {
        what: key.split('/').pop()!,
        // Signed anew for each attempt: a signature holds for 15 minutes only.
        headers: () => signRequest('GET', address, entityTag === '' ? {} : { 'if-match': entityTag }, config.credentials, region),
        ...(entityTag === '' ? {} : { identity: entityTag }),
        ...(expected === undefined ? {} : { expected: { algorithm: 'sha256', hex: expected } }),
      });
    },
    close: () => client.close(),
  };
}

/** Amazon's buckets are part of the host's name, unless a dot in them would not fit its certificate; those of others part of the path, unless somebody says otherwise. */
function addressOf({ endpoint, addressing }: S3Config, region: string, bucket: string, key: string, query: Readonly<Record<string, string>>): string {
  const host = new URL(endpoint ?? `https://s3.${region}.amazonaws.com`);
  const inHost = addressing === 'virtual' || (addressing === 'auto' && endpoint === undefined && !bucket.includes('.'));
  const base = inHost ? `${host.protocol}//${bucket}.${host.host}` : `${host.origin}${host.pathname.replace(/\/$/, '')}/${bucket}`;
  const search = encodeQuery(query);
  return `${base}/${encodePath(key)}${search === '' ? '' : `?${search}`}`;
}

/** What of ListObjectsV2's answer matters. Throws `UNAVAILABLE` where it is none. */
export function readListing(text: string): { readonly objects: S3Object[]; readonly next: string | undefined } {
  if (!/<ListBucketResult[\s>]/.test(text.slice(0, 1000))) throw new ModelportError('UNAVAILABLE', 'the answer is no listing of a bucket: is AWS_ENDPOINT_URL_S3 the address of an object store?');
  const encoded = /<EncodingType>url<\/EncodingType>/.test(text);
  const objects: S3Object[] = [];
  for (const [, part] of text.matchAll(/<Contents>([\s\S]*?)<\/Contents>/g)) {
    const name = /<Key>([^<]*)<\/Key>/.exec(part!)?.[1];
    if (name === undefined) continue;
    const key = encoded ? decodeUrl(decodeXml(name)) : decodeXml(name);
    objects.push({ key, entityTag: decodeXml(/<ETag>([^<]*)<\/ETag>/.exec(part!)?.[1] ?? '') });
  }
  const more = /<IsTruncated>true<\/IsTruncated>/.test(text);
  const next = /<NextContinuationToken>([^<]*)<\/NextContinuationToken>/.exec(text)?.[1];
  return { objects, next: more && next !== undefined ? decodeXml(next) : undefined };
}

function decodeUrl(text: string): string {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '));
  } catch {
    throw new ModelportError('UNAVAILABLE', `the store names an object ${JSON.stringify(text.slice(0, 100))}, which can't be read`);
  }
}

const entities: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" };

function decodeXml(text: string): string {
  return text.replace(/&(?:#(\d{1,7})|#x([0-9a-fA-F]{1,6})|(\w{2,4}));/g, (whole, decimal: string | undefined, hex: string | undefined, name: string | undefined) => {
    if (name !== undefined) return entities[name] ?? whole;
    const code = decimal === undefined ? Number.parseInt(hex!, 16) : Number(decimal);
    return code <= 0x10ffff ? String.fromCodePoint(code) : whole;
  });
}
