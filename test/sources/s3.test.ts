/** `s3:` against a simulated store; a real implementation that checks signatures is in test/containers. */
import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { isModelportError } from '../../src/errors.ts';
import { ContentStore } from '../../src/packaging/content-store.ts';
import { findSource, type SourceContext } from '../../src/source.ts';
import { sources } from '../../src/sources/index.ts';
import { parseProfiles, readS3Config } from '../../src/sources/s3/s3-config.ts';
import { parseS3Reference, readListing } from '../../src/sources/s3/s3.ts';
import { encodePath, encodeQuery, signRequest } from '../../src/sources/s3/signature.ts';
import { startConnectProxy } from '../connect-proxy.ts';

const runs = Number(process.env['MODELPORT_FUZZ_RUNS'] ?? 2000);
const weights = Buffer.from(Array.from({ length: 300_000 }, (_value, index) => (index * 7919) % 251));
const sha256 = createHash('sha256').update(weights).digest('hex');

describe('signatures', () => {
  // The examples of AWS's own documentation of Signature Version 4 for S3.
  const credentials = { accessKeyId: 'AKIAIOSFODNN7EXAMPLE', secretAccessKey: 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY', sessionToken: undefined };
  const now = new Date('2013-05-24T00:00:00Z');
  const signature = (address: string, headers: Record<string, string> = {}): string | undefined => /Signature=(\w+)/.exec(signRequest('GET', address, headers, credentials, 'us-east-1', now)['authorization']!)?.[1];

  it('are those of the published examples', () => {
    expect(signature('https://examplebucket.s3.amazonaws.com/test.txt', { range: 'bytes=0-9' })).toBe('f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41');
    expect(signature('https://examplebucket.s3.amazonaws.com/?lifecycle')).toBe('fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543');
    expect(signature(`https://examplebucket.s3.amazonaws.com/?${encodeQuery({ prefix: 'J', 'max-keys': '2' })}`)).toBe('34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7');
  });

  it('cover a session, and nothing where nobody asks', () => {
    expect(signRequest('GET', 'https://h/k', {}, { ...credentials, sessionToken: 'session' }, 'eu-west-1', now)).toMatchObject({ 'x-amz-security-token': 'session', authorization: expect.stringContaining('SignedHeaders=host;x-amz-content-sha256;x-amz-date;x-amz-security-token') as unknown });
    expect(signRequest('GET', 'https://h/k', { range: 'bytes=1-' }, undefined, 'eu-west-1')).toEqual({ range: 'bytes=1-' });
    expect(encodePath("a b/(x)+y!*'ä.onnx")).toBe('a%20b/%28x%29%2By%21%2A%27%C3%A4.onnx');
  });
});

describe('s3 references', () => {
  let folder: string;
  let server: Server;
  let port: number;
  let store: ContentStore;
  let requests: IncomingMessage[];
  let notes: string[];
  let environment: Record<string, string>;
  let answer: (request: IncomingMessage, response: ServerResponse) => void;

  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'modelport-s3-'));
    requests = [];
    notes = [];
    server = createServer((request, response) => {
      requests.push(request);
      answer(request, response);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    ({ port } = server.address() as AddressInfo);
    store = await ContentStore.open(join(folder, 'store'));
    environment = { HOME: folder, AWS_ENDPOINT_URL_S3: `http://127.0.0.1:${port}`, AWS_ACCESS_KEY_ID: 'key', AWS_SECRET_ACCESS_KEY: 'secret' };
  });
  afterEach(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
    rmSync(folder, { recursive: true, force: true });
  });

  const context = (): SourceContext => ({ store, environment, note: (sentence) => notes.push(sentence) });
  const source = findSource('s3://bucket/key', sources)!;
  const failure = async (reference: string): Promise<[string, string]> => source.fetch(reference, context()).then(() => ['', ''], (error: unknown) => (isModelportError(error) ? [error.code, error.message] : ['OTHER', String(error)]));

  /** An object as a store gives it, from where it is wanted. */
  function give(request: IncomingMessage, response: ServerResponse, content = weights, headers: Record<string, string> = {}): void {
    const from = Number(/^bytes=(\d+)-/.exec(request.headers.range ?? '')?.[1] ?? 0);
    response.writeHead(from > 0 ? 206 : 200, { etag: '"one"', 'content-length': content.byteLength - from, ...headers }).end(request.method === 'HEAD' ? undefined : content.subarray(from));
  }

  it('fetch an object, check it, and say how to pin it', async () => {
    answer = (request, response) => give(request, response, weights, { 'x-amz-checksum-sha256': Buffer.from(sha256, 'hex').toString('base64') });
    const { name, files, revision } = await source.fetch('s3://models/team/digits/2/model.onnx', context());
    expect(name).toBe('digits');
    expect([...files.keys()]).toEqual(['model.onnx']);
    expect(readFileSync(store.path(files.get('model.onnx')!.digest)).equals(weights)).toBe(true);
    expect(requests.map(({ method, url }) => `${method} ${url}`)).toEqual(['HEAD /models/team/digits/2/model.onnx', 'GET /models/team/digits/2/model.onnx']);
    for (const { headers } of requests) expect(headers.authorization).toMatch(/^AWS4-HMAC-SHA256 Credential=key\/\d{8}\/us-east-1\/s3\/aws4_request/);
    expect(notes).toEqual([expect.stringContaining(`#sha256=${sha256}`)]);
    expect(await source.revision!('s3://models/team/digits/2/model.onnx', context())).toBe(revision);
    // What the store has is not fetched again.
    requests.length = 0;
    await source.fetch(`s3://models/team/digits/2/model.onnx#sha256=${sha256}`, context());
    expect(requests.map(({ method }) => method)).toEqual(['HEAD']);
    answer = (request, response) => give(request, response, Buffer.from('another'));
    expect((await failure(`s3://models/other.onnx#sha256=${'f'.repeat(64)}`))[0]).toBe('INVALID_MODEL');
    expect(readdirSync(join(store.directory, 'downloads')).filter((file) => file.endsWith('.part'))).toEqual([]);
  });

  it('go on where a connection broke, with a signature of its own, and never join two objects', async () => {
    let cut = true;
    answer = (request, response) => {
      if (request.method === 'HEAD' || !cut) return give(request, response);
      cut = false;
      response.writeHead(200, { etag: '"one"', 'content-length': weights.byteLength });
      response.write(weights.subarray(0, 100_000), () => response.destroy());
    };
    const { files } = await source.fetch('s3://models/big.bin', context());
    expect(files.get('big.bin')!.digest).toBe(`sha256:${sha256}`);
    const gets = requests.filter(({ method }) => method === 'GET');
    expect(gets).toHaveLength(2);
    expect(gets[1]!.headers.range).toMatch(/^bytes=[1-9]\d*-$/);
    expect(gets.map(({ headers }) => headers['if-match'])).toEqual(['"one"', '"one"']);
    // Where it was replaced in between, the store refuses what is demanded.
    answer = (request, response) => (request.method === 'HEAD' ? give(request, response) : response.writeHead(412).end('<Error><Code>PreconditionFailed</Code></Error>'));
    expect((await failure('s3://models/changed.bin'))[0]).toBe('UNAVAILABLE');
  });

  it('fetch a folder, page by page', async () => {
    const pages = [
      `<ListBucketResult xmlns="x"><EncodingType>url</EncodingType><IsTruncated>true</IsTruncated><NextContinuationToken>a&amp;b</NextContinuationToken><Contents><Key>m/</Key><ETag>&quot;0&quot;</ETag></Contents><Contents><Key>m/a%20b.onnx</Key><ETag>&quot;1&quot;</ETag></Contents></ListBucketResult>`,
      `<ListBucketResult><EncodingType>url</EncodingType><IsTruncated>false</IsTruncated><Contents><Key>m/2/labels.txt</Key><ETag>"2"</ETag></Contents></ListBucketResult>`,
    ];
    answer = (request, response) => {
      const url = new URL(request.url!, 'http://x');
      if (!url.searchParams.has('list-type')) return give(request, response, Buffer.from(url.pathname), { etag: request.headers['if-match']! });
      response.end(url.searchParams.get('continuation-token') === 'a&b' ? pages[1] : pages[0]);
    };
    const { name, files } = await source.fetch('s3://models/m/', context());
    expect(name).toBe('m');
    expect([...files].map(([path, { digest }]) => [path, readFileSync(store.path(digest), 'utf8')])).toEqual([['a b.onnx', '/models/m/a%20b.onnx'], ['2/labels.txt', '/models/m/2/labels.txt']]);
    pages[1] = pages[1]!.replace('m/2/labels.txt', 'm/../../etc/passwd');
    expect((await failure('s3://models/m/'))[0]).toBe('INVALID_USAGE');
    pages[0] = '<ListBucketResult></ListBucketResult>';
    expect((await failure('s3://models/m/'))[0]).toBe('NOT_FOUND');
    pages[0] = '<html>hello</html>';
    expect((await failure('s3://models/m/'))[1]).toContain('AWS_ENDPOINT_URL_S3');
  });

  it('find the region of a bucket, and say what a refusal means', async () => {
    answer = (request, response) => (request.headers.authorization!.includes('/eu-central-1/') ? give(request, response) : response.writeHead(301, { 'x-amz-bucket-region': 'eu-central-1' }).end());
    expect((await source.fetch('s3://models/far.bin', context())).files.size).toBe(1);
    answer = (_request, response) => response.writeHead(404).end();
    expect(await failure('s3://models/none.bin')).toEqual(['NOT_FOUND', expect.stringContaining('there is no s3://models/none.bin')]);
    answer = (_request, response) => response.writeHead(404).end('<Error><Code>NoSuchBucket</Code><Message>no</Message></Error>');
    expect(await failure('s3://models/')).toEqual(['NOT_FOUND', expect.stringContaining('there is no bucket models')]);
    answer = (_request, response) => response.writeHead(403).end();
    expect((await failure('s3://models/mine.bin'))[0]).toBe('FORBIDDEN');
    environment = { HOME: folder, AWS_ENDPOINT_URL_S3: environment['AWS_ENDPOINT_URL_S3']! };
    expect(await failure('s3://models/mine.bin')).toEqual(['UNAUTHENTICATED', expect.stringContaining('AWS_PROFILE')]);
    expect(requests.at(-1)!.headers.authorization).toBeUndefined();
  });

  it('put the bucket into the name of the host where that is asked for', async () => {
    await using proxy = await startConnectProxy(port);
    environment = { ...environment, AWS_ENDPOINT_URL_S3: 'http://store.test:8080', AWS_S3_ADDRESSING_STYLE: 'virtual' };
    const before = { ...process.env };
    Object.assign(process.env, { http_proxy: proxy.url, HTTP_PROXY: proxy.url, no_proxy: '', NO_PROXY: '' });
    try {
      answer = give;
      await source.fetch('s3://models/team/big.bin', context());
    } finally {
      for (const name of ['http_proxy', 'HTTP_PROXY', 'no_proxy', 'NO_PROXY']) {
        if (before[name] === undefined) delete process.env[name];
        else process.env[name] = before[name];
      }
    }
    expect(new Set(proxy.tunnels)).toEqual(new Set(['models.store.test:8080']));
    expect(requests.map(({ url, headers }) => [url, headers.host])).toEqual([['/team/big.bin', 'models.store.test:8080'], ['/team/big.bin', 'models.store.test:8080']]);
  });

  it("read what AWS's own tools read", async () => {
    mkdirSync(join(folder, '.aws'));
    writeFileSync(join(folder, '.aws/credentials'), '[default]\naws_access_key_id = one\naws_secret_access_key = 1\n# nothing\n[work]\naws_access_key_id=two\naws_secret_access_key=2 ; comment\naws_session_token=3\n');
    writeFileSync(join(folder, '.aws/config'), '[default]\nregion = eu-west-1\n[profile work]\nregion=eu-north-1\nservices = near\ns3 =\n  addressing_style = virtual\n[services near]\ns3 =\n  endpoint_url = https://store.test/\n');
    expect(await readS3Config({ HOME: folder })).toEqual({ credentials: { accessKeyId: 'one', secretAccessKey: '1', sessionToken: undefined }, region: 'eu-west-1', endpoint: undefined, addressing: 'auto' });
    expect(await readS3Config({ HOME: folder, AWS_PROFILE: 'work', AWS_ACCESS_KEY_ID: 'x', AWS_SECRET_ACCESS_KEY: 'y' })).toEqual({ credentials: { accessKeyId: 'two', secretAccessKey: '2', sessionToken: '3' }, region: 'eu-north-1', endpoint: 'https://store.test', addressing: 'virtual' });
    expect(await readS3Config({ HOME: folder, AWS_ACCESS_KEY_ID: 'x', AWS_SECRET_ACCESS_KEY: 'y', AWS_REGION: 'z' })).toMatchObject({ credentials: { accessKeyId: 'x' }, region: 'z' });
    await expect(readS3Config({ HOME: folder, AWS_PROFILE: 'none' })).rejects.toThrow('no such profile');
  });

  it('fuzz: no reference, listing or profile is too strange', () => {
    let seed = 7;
    const random = (limit: number): number => {
      seed = (seed * 1103515245 + 12345) % 2147483648;
      return seed % limit;
    };
    const parts = ['s3://', 'models', '/', '..', '?versionId=', '#sha256=', 'a'.repeat(64), '%2e', '<Key>', '</Key>', '<Contents>', '</Contents>', '<ListBucketResult>', '<EncodingType>url</EncodingType>', '&#x110000;', '&amp;', '%', '[', ']', '=', '\n', ' s3 =\n  a=b', 'ä', '\0', ' '];
    const known = (run: () => unknown): void => {
      try {
        run();
      } catch (error) {
        if (!isModelportError(error)) throw error;
      }
    };
    for (let run = 0; run < runs; run++) {
      const text = Array.from({ length: random(12) }, () => parts[random(parts.length)]).join('');
      known(() => parseS3Reference(`s3://${text}`));
      known(() => {
        const { key } = parseS3Reference(`s3://models/${text}`);
        expect(key.split('/')).not.toContain('..');
      });
      known(() => readListing(`<ListBucketResult>${text}`));
      parseProfiles(text);
    }
  });
});
