/** Packages of the npm registry that this machine is told: found, checked against the registry's digest, kept; never installed. */
import { downloadToStore } from '../../download.ts';
import { ModelportError } from '../../errors.ts';
import { HttpClient, statusError } from '../../http-client.ts';
import { suggestName } from '../../lib/suggest-name.ts';
import type { SourceContext, StoredContent } from '../../source.ts';
import { readNpmConfig } from './npm-config.ts';

const maximumDocumentBytes = 128 << 20;

/** The package's tarball in the store. Throws `NOT_FOUND`, naming near versions, and what the client throws. */
export async function fetchNpmPackage(name: string, version: string, context: SourceContext): Promise<StoredContent> {
  const cacheName = `package/npm/${name}/${version}/package.tgz`;
  const known = await context.store.resolve(cacheName);
  if (known !== undefined && (await context.store.has(known.digest))) return known;
  const config = await readNpmConfig(context.environment);
  const proxy = config.get('https-proxy') ?? config.get('proxy');
  const noProxy = config.get('noproxy');
  const client = new HttpClient({
    certificateAuthorities: await config.certificateAuthorities(),
    ...(proxy === undefined || proxy === 'null' ? {} : { proxy }),
    ...(noProxy === undefined ? {} : { noProxy }),
    ...(config.get('strict-ssl') === 'false' ? { insecure: true } : {}),
  });
  try {
    const registry = config.registryOf(name);
    const url = `${registry}/${name.replace('/', '%2f')}`;
    const response = await client.request(url, { headers: { ...config.headersFor(url), accept: 'application/vnd.npm.install-v1+json, application/json;q=0.8' }, ...(context.signal === undefined ? {} : { signal: context.signal }) });
    if (response.status === 404) throw new ModelportError('NOT_FOUND', `there is no npm package ${name} in ${new URL(registry).host}`);
    if (response.status !== 200) throw await statusError(response, url);
    const { tarball, integrity } = readDistribution(await response.text(maximumDocumentBytes), name, version, url);
    const stored = await downloadToStore(client, tarball, context, { what: `${name} ${version}`, headers: config.headersFor(tarball), ...(integrity === undefined ? {} : { expected: integrity }) });
    await context.store.tag(cacheName, stored);
    return stored;
  } finally {
    await client.close();
  }
}

interface Distribution {
  readonly tarball: string;
  readonly integrity: { readonly algorithm: string; readonly hex: string } | undefined;
}

export function readDistribution(text: string, name: string, version: string, url: string): Distribution {
  let document: unknown;
  try {
    document = JSON.parse(text);
  } catch (cause) {
    throw new ModelportError('UNAVAILABLE', `${url} is no npm registry: its answer is not JSON`, { cause });
  }
  const versions = (document as { versions?: unknown } | null)?.versions;
  if (typeof versions !== 'object' || versions === null) throw new ModelportError('UNAVAILABLE', `${url} is no npm registry: its answer has no versions`);
  const found = Object.hasOwn(versions, version) ? (versions as Record<string, { dist?: { tarball?: unknown; integrity?: unknown; shasum?: unknown } }>)[version] : undefined;
  if (found === undefined) throw new ModelportError('NOT_FOUND', `the npm package ${name} has no version ${version}${suggestName(version, Object.keys(versions))}`);
  const { tarball, integrity, shasum } = found.dist ?? {};
  if (typeof tarball !== 'string' || !/^https?:\/\//.test(tarball)) throw new ModelportError('UNAVAILABLE', `${url} names no file for version ${version}`);
  return { tarball, integrity: readIntegrity(typeof integrity === 'string' ? integrity : '') ?? (typeof shasum === 'string' && /^[0-9a-f]{40}$/i.test(shasum) ? { algorithm: 'sha1', hex: shasum.toLowerCase() } : undefined) };
}

/** Subresource integrity: the strongest of the digests. */
function readIntegrity(text: string): Distribution['integrity'] {
  for (const algorithm of ['sha512', 'sha384', 'sha256']) {
    const match = new RegExp(`(?:^|\\s)${algorithm}-([A-Za-z0-9+/=]+)`).exec(text);
    if (match !== null) return { algorithm, hex: Buffer.from(match[1]!, 'base64').toString('hex') };
  }
  return undefined;
}
