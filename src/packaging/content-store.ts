/**
 * The one place for everything that is made or fetched: content by its digest, names for some of it, in the layout of an
 * OCI image (`oci-layout`, `index.json`, `blobs/sha256/…`; OCI Image Layout Specification 1.1), so that other tools read it.
 *
 * Several processes may use a store at once. Blobs are written beside and renamed, so what has a digest's name is whole.
 * The index is changed under a lock. A blob that nothing names is collected only after it has been left alone for an
 * hour: whoever put it may be about to name it.
 */
import { createHash, randomBytes } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { copyFile, link, mkdir, open, readdir, readFile, rename, rm, stat, type FileHandle } from 'node:fs/promises';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { ModelportError } from '../errors.ts';
import { withFileLock } from '../lib/file-lock.ts';
import { withUnfinishedFile } from '../lib/unfinished-files.ts';

/** OCI's content descriptor. */
export interface Descriptor {
  readonly mediaType: string;
  /** `sha256:` and 64 hexadecimal digits. */
  readonly digest: string;
  /** Bytes. */
  readonly size: number;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly artifactType?: string;
}

export interface PutExpectation {
  /** Content with another digest is refused and not kept. */
  readonly digest?: string;
  readonly sizeBytes?: number;
  readonly mediaType?: string;
}

/** OCI's annotation for the name of an entry of `index.json`. */
const nameAnnotation = 'org.opencontainers.image.ref.name';
/** The annotation that tools use for the path of a file that a layer is. */
const titleAnnotation = 'org.opencontainers.image.title';
const indexMediaType = 'application/vnd.oci.image.index.v1+json';
const manifestMediaType = 'application/vnd.oci.image.manifest.v1+json';
const emptyConfig = { mediaType: 'application/vnd.oci.empty.v1+json', digest: 'sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a', size: 2 };
const digestPattern = /^sha256:[0-9a-f]{64}$/;
const maximumIndexBytes = 64 << 20;
const maximumManifestBytes = 16 << 20;
const defaultGraceMs = 3_600_000;

/** `$XDG_CACHE_HOME/modelport`, else `~/.cache/modelport`. */
export function defaultCacheDirectory(): string {
  const base = process.env['XDG_CACHE_HOME'];
  return join(base === undefined || base === '' ? join(homedir(), '.cache') : base, 'modelport');
}

export class ContentStore {
  readonly directory: string;

  private constructor(directory: string) {
    this.directory = directory;
  }

  /** Opens a store, making the folder where it is missing. Throws `INVALID_USAGE` where it cannot be written. */
  static async open(directory: string = defaultCacheDirectory()): Promise<ContentStore> {
    const store = new ContentStore(directory);
    await store.#writing(0, async () => {
      await mkdir(join(directory, 'blobs', 'sha256'), { recursive: true });
      await mkdir(join(directory, 'ingest'), { recursive: true });
      const layout = await readFile(join(directory, 'oci-layout'), 'utf8').catch(() => undefined);
      if (layout === undefined) await store.#replaceFile('oci-layout', JSON.stringify({ imageLayoutVersion: '1.0.0' }));
      else if (!/"imageLayoutVersion"\s*:\s*"1\./.test(layout)) throw new ModelportError('INVALID_USAGE', `${directory} is an OCI layout of a version that is not known: ${layout.slice(0, 100)}`, { at: directory });
    });
    return store;
  }

  /** Keeps content and gives its descriptor. */
  async put(content: Uint8Array | AsyncIterable<Uint8Array>, expected: PutExpectation = {}): Promise<Descriptor> {
    if (expected.digest !== undefined) checkDigest(expected.digest);
    const hash = createHash('sha256');
    let size = 0;
    const temporary = this.#temporaryPath();
    const digest = await this.#writing(expected.sizeBytes ?? 0, () => withUnfinishedFile(temporary, async () => {
      let file: FileHandle | undefined;
      try {
        file = await open(temporary, 'wx', 0o444);
        for await (const chunk of content instanceof Uint8Array ? [content] : content) {
          hash.update(chunk);
          size += chunk.byteLength;
          if (expected.sizeBytes !== undefined && size > expected.sizeBytes) throw new ModelportError('INVALID_MODEL', `the content is larger than the ${expected.sizeBytes} bytes that were announced`);
          await writeFully(file, chunk);
        }
        const found = `sha256:${hash.digest('hex')}`;
        if (expected.sizeBytes !== undefined && size !== expected.sizeBytes) throw new ModelportError('INVALID_MODEL', `the content ended after ${size} of ${expected.sizeBytes} bytes`);
        if (expected.digest !== undefined && found !== expected.digest) throw new ModelportError('INVALID_MODEL', `the content has the digest ${found}, but ${expected.digest} was expected: it was damaged on its way`);
        await file.sync();
        await file.close();
        file = undefined;
        await this.#publish(temporary, found);
        return found;
      } finally {
        await file?.close();
        await rm(temporary, { force: true });
      }
    }));
    return { mediaType: expected.mediaType ?? 'application/octet-stream', digest, size };
  }

  /** The whole content, checked against its digest. Throws `NOT_FOUND`, or `INVALID_MODEL` where it is damaged. */
  async get(digest: string): Promise<Uint8Array> {
    const bytes = await readFile(this.path(digest)).catch((cause: unknown) => {
      throw missing(digest, cause);
    });
    if (`sha256:${createHash('sha256').update(bytes).digest('hex')}` !== digest) throw damaged(digest, this.path(digest));
    return bytes;
  }

  /** The content in pieces; ends with an error where it turns out to be damaged. */
  async *read(digest: string): AsyncIterable<Uint8Array> {
    const hash = createHash('sha256');
    const path = this.path(digest);
    if (!(await this.has(digest))) throw missing(digest);
    for await (const chunk of createReadStream(path) as AsyncIterable<Uint8Array>) {
      hash.update(chunk);
      yield chunk;
    }
    if (`sha256:${hash.digest('hex')}` !== digest) throw damaged(digest, path);
  }

  async has(digest: string): Promise<boolean> {
    return (await stat(this.path(digest)).catch(() => undefined))?.isFile() === true;
  }

  /** Where a blob lies or would lie. The file is read-only; nobody writes into it. */
  path(digest: string): string {
    checkDigest(digest);
    return join(this.directory, 'blobs', 'sha256', digest.slice('sha256:'.length));
  }

  /** Removes a blob, named or not. Returns whether it was there. */
  async delete(digest: string): Promise<boolean> {
    const there = await this.has(digest);
    await rm(this.path(digest), { force: true });
    return there;
  }

  /** Gives a blob a name, taking it from what had it. Throws `NOT_FOUND` where the blob is missing. */
  async tag(name: string, descriptor: Descriptor): Promise<void> {
    if (name === '' || name.length > 512 || !/^[\x20-\x7e\x80-\u{10ffff}]*$/u.test(name)) throw new ModelportError('INVALID_USAGE', `${JSON.stringify(name)} is no name for content`);
    if (!(await this.has(descriptor.digest))) throw missing(descriptor.digest);
    await this.#changeIndex((entries) => [
      ...entries.filter((entry) => entry.annotations?.[nameAnnotation] !== name),
      { ...descriptor, annotations: { ...descriptor.annotations, [nameAnnotation]: name } },
    ]);
  }

  /** Takes a name away; the content stays until it is collected. Returns whether the name was there. */
  async untag(name: string): Promise<boolean> {
    let found = false;
    await this.#changeIndex((entries) => entries.filter((entry) => {
      const same = entry.annotations?.[nameAnnotation] === name;
      found ||= same;
      return !same;
    }));
    return found;
  }

  async resolve(name: string): Promise<Descriptor | undefined> {
    return (await this.tags()).get(name);
  }

  async tags(): Promise<ReadonlyMap<string, Descriptor>> {
    const tags = new Map<string, Descriptor>();
    for (const entry of await this.#readIndex()) {
      const name = entry.annotations?.[nameAnnotation];
      if (name !== undefined) tags.set(name, entry);
    }
    return tags;
  }

  /**
   * Keeps files under one name: an OCI artifact whose layers are the files, with their paths as titles. `describe` goes
   * into the manifest's annotations. Paths are relative, with forward slashes.
   */
  async putFiles(name: string, files: ReadonlyMap<string, Uint8Array | AsyncIterable<Uint8Array>>, artifactType: string, annotations: Readonly<Record<string, string>> = {}): Promise<Descriptor> {
    const kept = new Map<string, Descriptor>();
    for (const [path, content] of files) {
      checkRelativePath(path);
      kept.set(path, await this.put(content));
    }
    return await this.nameFiles(name, kept, artifactType, annotations);
  }

  /** The same of content that is there already. */
  async nameFiles(name: string, files: ReadonlyMap<string, Descriptor>, artifactType: string, annotations: Readonly<Record<string, string>> = {}): Promise<Descriptor> {
    const layers: Descriptor[] = [];
    for (const [path, { mediaType, digest, size }] of files) {
      checkRelativePath(path);
      layers.push({ mediaType, digest, size, annotations: { [titleAnnotation]: path } });
    }
    await this.put(Buffer.from('{}'));
    const manifest = { schemaVersion: 2, mediaType: manifestMediaType, artifactType, config: emptyConfig, layers, annotations };
    const descriptor = { ...(await this.put(Buffer.from(JSON.stringify(manifest)), { mediaType: manifestMediaType })), artifactType };
    await this.tag(name, descriptor);
    return descriptor;
  }

  /**
   * The files of such an artifact as a folder below the store, made once. Its files are links to the blobs: read-only.
   * It lives as long as the manifest is named.
   */
  async folder(manifestDigest: string): Promise<string> {
    checkDigest(manifestDigest);
    const directory = join(this.directory, 'folders', manifestDigest.slice('sha256:'.length));
    if ((await stat(directory).catch(() => undefined))?.isDirectory() === true) return directory;
    const { layers } = parseManifest(await this.get(manifestDigest), manifestDigest);
    const temporary = this.#temporaryPath();
    await this.#writing(0, async () => {
      try {
        await mkdir(temporary, { recursive: true });
        for (const layer of layers) {
          const path = layer.annotations?.[titleAnnotation];
          if (path === undefined) throw new ModelportError('INVALID_MODEL', `a layer of ${manifestDigest} has no path, so no folder can be made of it`);
          checkRelativePath(path);
          await mkdir(dirname(join(temporary, path)), { recursive: true });
          // Some file systems have no hard links; a copy costs space and is as good.
          await link(this.path(layer.digest), join(temporary, path)).catch(() => copyFile(this.path(layer.digest), join(temporary, path)));
        }
        await mkdir(dirname(directory), { recursive: true });
        await rename(temporary, directory).catch(async (error: unknown) => {
          // Another process made it meanwhile.
          if ((await stat(directory).catch(() => undefined)) === undefined) throw error;
        });
      } finally {
        await rm(temporary, { recursive: true, force: true });
      }
    });
    return directory;
  }

  /**
   * Removes what no name leads to and nobody touched for `graceMs`: blobs, folders, and what crashed writers left.
   * Gives how many blobs and bytes that were.
   */
  async collectGarbage({ graceMs = defaultGraceMs }: { readonly graceMs?: number } = {}): Promise<{ readonly blobs: number; readonly bytes: number }> {
    return await this.#locked(async () => {
      const reachable = new Set<string>();
      for (const entry of await this.#readIndex()) await this.#mark(entry, reachable);
      const before = Date.now() - graceMs;
      let blobs = 0;
      let bytes = 0;
      const blobFolder = join(this.directory, 'blobs', 'sha256');
      for (const name of await readdir(blobFolder)) {
        const status = await stat(join(blobFolder, name)).catch(() => undefined);
        if (reachable.has(`sha256:${name}`) || status === undefined || status.mtimeMs > before) continue;
        await rm(join(blobFolder, name), { force: true });
        blobs++;
        bytes += status.size;
      }
      for (const folder of ['folders', 'ingest', 'downloads']) {
        for (const name of await readdir(join(this.directory, folder)).catch(() => [])) {
          const path = join(this.directory, folder, name);
          const status = await stat(path).catch(() => undefined);
          if (status !== undefined && status.mtimeMs <= before && !reachable.has(`sha256:${name}`)) await rm(path, { recursive: true, force: true });
        }
      }
      return { blobs, bytes };
    });
  }

  async #mark(descriptor: Descriptor, reachable: Set<string>): Promise<void> {
    if (!digestPattern.test(descriptor.digest) || reachable.has(descriptor.digest)) return;
    reachable.add(descriptor.digest);
    if (!/\.(?:manifest|index|list)\.v[12]\+json$/.test(descriptor.mediaType)) return;
    // What cannot be read leads nowhere, and is kept itself.
    const bytes = await this.get(descriptor.digest).catch(() => undefined);
    if (bytes === undefined) return;
    for (const child of childrenOf(bytes)) await this.#mark(child, reachable);
  }

  /** Also over a blob that is there: its time says that somebody counts on it, and a damaged one is healed. */
  async #publish(temporary: string, digest: string): Promise<void> {
    const path = this.path(digest);
    await rename(temporary, path);
    await syncDirectory(dirname(path));
  }

  async #readIndex(): Promise<Descriptor[]> {
    const path = join(this.directory, 'index.json');
    const status = await stat(path).catch(() => undefined);
    if (status === undefined) return [];
    if (status.size > maximumIndexBytes) throw new ModelportError('INVALID_USAGE', `${path} is larger than ${maximumIndexBytes} bytes`, { at: path });
    let parsed: unknown;
    try {
      parsed = JSON.parse(await readFile(path, 'utf8'));
    } catch (cause) {
      throw new ModelportError('INVALID_USAGE', `${path} is not valid JSON: ${(cause as Error).message}. Move the file away to begin a new index`, { at: path, cause });
    }
    const manifests = (parsed as { manifests?: unknown } | null)?.manifests;
    if (!Array.isArray(manifests) || !manifests.every(isDescriptor)) throw new ModelportError('INVALID_USAGE', `${path} is no index of an OCI layout`, { at: path });
    return manifests;
  }

  async #changeIndex(change: (entries: Descriptor[]) => Descriptor[]): Promise<void> {
    await this.#locked(async () => {
      const manifests = change(await this.#readIndex());
      await this.#replaceFile('index.json', JSON.stringify({ schemaVersion: 2, mediaType: indexMediaType, manifests }, undefined, 1));
    });
  }

  async #locked<Result>(work: () => Promise<Result>): Promise<Result> {
    return await this.#writing(0, () => withFileLock(join(this.directory, 'lock'), work));
  }

  async #replaceFile(name: string, text: string): Promise<void> {
    const temporary = this.#temporaryPath();
    try {
      const file = await open(temporary, 'wx');
      try {
        await writeFully(file, Buffer.from(text));
        await file.sync();
      } finally {
        await file.close();
      }
      await rename(temporary, join(this.directory, name));
      await syncDirectory(this.directory);
    } finally {
      await rm(temporary, { force: true });
    }
  }

  #temporaryPath(): string {
    return join(this.directory, 'ingest', `${process.pid}-${randomBytes(8).toString('hex')}`);
  }

  /** Faults of the file system as errors that say what to do. */
  async #writing<Result>(sizeBytes: number, work: () => Promise<Result>): Promise<Result> {
    try {
      return await work();
    } catch (cause) {
      const { code } = cause as NodeJS.ErrnoException;
      const what = sizeBytes > 0 ? ` (${sizeBytes} bytes)` : '';
      const choose = 'choose another folder with --cache-dir';
      switch (code) {
        case 'ENOSPC': case 'EDQUOT': case 'EFBIG':
          throw new ModelportError('INVALID_USAGE', `no space left in ${this.directory}${what}: free some, or ${choose}`, { at: this.directory, cause });
        case 'EACCES': case 'EPERM': case 'EROFS':
          throw new ModelportError('INVALID_USAGE', `${this.directory} cannot be written (${code}): change its permissions, or ${choose}`, { at: this.directory, cause });
        case 'ENOTDIR': case 'EEXIST':
          throw new ModelportError('INVALID_USAGE', `${this.directory} is not a folder: ${choose}`, { at: this.directory, cause });
        default:
          throw cause;
      }
    }
  }
}

async function writeFully(file: FileHandle, bytes: Uint8Array): Promise<void> {
  for (let offset = 0; offset < bytes.byteLength; ) offset += (await file.write(bytes, offset)).bytesWritten;
}

async function syncDirectory(path: string): Promise<void> {
  // Not every system lets a folder be opened; there the rename is as durable as it gets.
  const directory = await open(path, 'r').catch(() => undefined);
  await directory?.sync().catch(() => {});
  await directory?.close();
}

function parseManifest(bytes: Uint8Array, digest: string): { readonly layers: readonly Descriptor[] } {
  if (bytes.byteLength <= maximumManifestBytes) {
    const parsed = parseJson(bytes) as { layers?: unknown } | undefined;
    if (Array.isArray(parsed?.layers) && parsed.layers.every(isDescriptor)) return { layers: parsed.layers };
  }
  throw new ModelportError('INVALID_MODEL', `${digest} is no manifest`, { at: digest });
}

function childrenOf(bytes: Uint8Array): Descriptor[] {
  const parsed = bytes.byteLength <= maximumManifestBytes ? (parseJson(bytes) as Record<string, unknown> | undefined) : undefined;
  if (typeof parsed !== 'object' || parsed === null) return [];
  const lists = [parsed['layers'], parsed['manifests'], [parsed['config']], [parsed['subject']]];
  return lists.flatMap((list) => (Array.isArray(list) ? list.filter(isDescriptor) : []));
}

function parseJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(bytes).toString('utf8'));
  } catch {
    return undefined;
  }
}

function isDescriptor(value: unknown): value is Descriptor {
  const candidate = value as Partial<Descriptor> | null | undefined;
  return typeof candidate === 'object' && candidate !== null && typeof candidate.digest === 'string' && typeof candidate.mediaType === 'string' && typeof candidate.size === 'number';
}

function checkDigest(digest: string): void {
  if (!digestPattern.test(digest)) throw new ModelportError('INVALID_USAGE', `${JSON.stringify(digest.slice(0, 100))} is no digest: expected sha256: and 64 hexadecimal digits`);
}

function checkRelativePath(path: string): void {
  if (path === '' || path.startsWith('/') || /[\\\0]/.test(path) || path.split('/').some((part) => part === '' || part === '.' || part === '..')) {
    throw new ModelportError('INVALID_MODEL', `the path ${JSON.stringify(path)} leads out of its folder`);
  }
}

function missing(digest: string, cause?: unknown): ModelportError {
  return new ModelportError('NOT_FOUND', `${digest} is not in the store`, { at: digest, ...(cause === undefined ? {} : { cause }) });
}

function damaged(digest: string, path: string): ModelportError {
  return new ModelportError('INVALID_MODEL', `the content of ${path} no longer has its digest ${digest}: the disk damaged it. Delete the file and fetch or make it again`, { at: digest });
}
