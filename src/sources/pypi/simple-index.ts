/**
 * Which files a Python package index has of a project: PEP 503 (HTML) and PEP 691 (JSON), whichever the server speaks.
 * https://packaging.python.org/en/latest/specifications/simple-repository-api/
 */
import { ModelportError } from '../../errors.ts';
import { statusError, type HttpClient } from '../../http-client.ts';

export interface PackageFile {
  readonly fileName: string;
  /** Absolute. */
  readonly url: string;
  /** `sha256` and hexadecimal digits. */
  readonly expected: { readonly algorithm: string; readonly hex: string } | undefined;
}

const maximumPageBytes = 64 << 20;
const accept = 'application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.1';

/** Names that mean the same project are equal after this (PEP 503). */
export function normalizeName(name: string): string {
  return name.toLowerCase().replaceAll(/[-_.]+/g, '-');
}

/** Undefined where the index does not know the project. */
export async function listFiles(client: HttpClient, index: string, name: string, headers: Readonly<Record<string, string>>, signal?: AbortSignal): Promise<PackageFile[] | undefined> {
  const url = `${index}/${normalizeName(name)}/`;
  const response = await client.request(url, { headers: { ...headers, accept }, ...(signal === undefined ? {} : { signal }) });
  if (response.status === 404) {
    await response.discard();
    return undefined;
  }
  if (response.status !== 200) throw await statusError(response, url);
  const text = await response.text(maximumPageBytes);
  return (response.headers['content-type'] ?? '').includes('json') ? readJsonPage(text, response.url) : readHtmlPage(text, response.url);
}

export function readJsonPage(text: string, base: string): PackageFile[] {
  let page: unknown;
  try {
    page = JSON.parse(text);
  } catch (cause) {
    throw new ModelportError('UNAVAILABLE', `${base} is no package index: its answer is not JSON, as it says`, { cause });
  }
  const files = (page as { files?: unknown } | null)?.files;
  if (!Array.isArray(files)) throw new ModelportError('UNAVAILABLE', `${base} is no package index: its answer has no files`);
  return files.flatMap((file: unknown): PackageFile[] => {
    const { filename, url, hashes } = (file ?? {}) as { filename?: unknown; url?: unknown; hashes?: Record<string, unknown> };
    const target = typeof url === 'string' ? absolute(url, base) : undefined;
    if (typeof filename !== 'string' || target === undefined) return [];
    const sha256 = hashes?.['sha256'];
    return [{ fileName: filename, url: target.href, expected: typeof sha256 === 'string' && /^[0-9a-f]{64}$/i.test(sha256) ? { algorithm: 'sha256', hex: sha256.toLowerCase() } : undefined }];
  });
}

export function readHtmlPage(text: string, base: string): PackageFile[] {
  const files: PackageFile[] = [];
  for (const [, attributes] of text.matchAll(/<a\s([^>]{0,8192})>/gi)) {
    const href = /\bhref\s*=\s*(?:"([^"]*)"|'([^']*)')/i.exec(attributes!);
    const url = absolute(unescapeHtml(href?.[1] ?? href?.[2] ?? ''), base);
    if (url === undefined) continue;
    const hash = /^#(sha256|sha384|sha512)=([0-9a-f]+)/i.exec(url.hash);
    const fileName = decode(url.pathname.split('/').pop() ?? '');
    url.hash = '';
    if (fileName !== '') files.push({ fileName, url: url.href, expected: hash === null ? undefined : { algorithm: hash[1]!.toLowerCase(), hex: hash[2]!.toLowerCase() } });
  }
  return files;
}

function absolute(url: string, base: string): URL | undefined {
  try {
    const target = new URL(url, base);
    return url !== '' && (target.protocol === 'https:' || target.protocol === 'http:') ? target : undefined;
  } catch {
    return undefined;
  }
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function unescapeHtml(text: string): string {
  return text.replaceAll('&amp;', '&').replaceAll('&quot;', '"').replaceAll('&#39;', "'").replaceAll('&lt;', '<').replaceAll('&gt;', '>');
}

/**
 * The files of one version, the most portable first: pure wheels, wheels for Linux on x86-64, other wheels, source archives. Versions are compared as they
 * are written, after lower case and `_` for `-` (a reference names one version exactly).
 */
export function filesOfVersion(files: readonly PackageFile[], name: string, version: string): PackageFile[] {
  const wanted = version.toLowerCase();
  const ranked = files.flatMap((file): { readonly file: PackageFile; readonly rank: number }[] => {
    const lower = file.fileName.toLowerCase();
    if (lower.endsWith('.whl')) {
      const [project, found, ...tags] = lower.slice(0, -'.whl'.length).split('-');
      if (project === undefined || normalizeName(project) !== normalizeName(name) || found !== wanted) return [];
      const platform = tags.at(-1) ?? '';
      return [{ file, rank: platform === 'any' ? 0 : /linux.*x86_64/.test(platform) ? 1 : 2 }];
    }
    const archive = /^(.*)-([^-]+)\.(?:tar\.gz|tgz|zip)$/.exec(lower);
    if (archive === null || normalizeName(archive[1]!) !== normalizeName(name) || archive[2] !== wanted) return [];
    return [{ file, rank: 3 }];
  });
  // A tie is broken by the name, so that the choice is the same everywhere.
  return ranked.sort((left, right) => left.rank - right.rank || (left.file.fileName < right.file.fileName ? -1 : 1)).map(({ file }) => file);
}

/** Versions that there are, for messages. */
export function versionsOf(files: readonly PackageFile[]): string[] {
  const versions = files.flatMap(({ fileName }) => (fileName.endsWith('.whl') ? [fileName.split('-')[1] ?? ''] : [/-([^-]+)\.(?:tar\.gz|tgz|zip)$/.exec(fileName)?.[1] ?? '']));
  return [...new Set(versions.filter((version) => version !== ''))];
}
