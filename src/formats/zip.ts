/**
 * Zip and zip64 archives: PKWARE's APPNOTE 6.3.10, https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT
 * The central directory decides what there is; members are read when somebody asks for them, and their CRC is checked.
 */
import { crc32, inflateRawSync } from 'node:zlib';
import { ModelportError } from '../errors.ts';
import type { ByteSource } from './byte-source.ts';

export interface ZipMember {
  /** With forward slashes, relative, without `..`. */
  readonly path: string;
  readonly sizeBytes: number;
  readonly compressedBytes: number;
  readonly crc32: number;
  readonly method: 'stored' | 'deflate';
}

export interface ZipLimits {
  /** Default 200,000. */
  readonly maxMembers: number;
  /** Of all compressed members together, inflated. Default 1 GiB and a hundred times the archive. Stored members cannot exceed the file. */
  readonly maxInflatedBytes: number;
  /** Largest ratio of a member that inflates to more than 16 MiB. Default 250; deflate's own limit is 1032. */
  readonly maxRatio: number;
}

interface Entry extends ZipMember {
  readonly localOffset: number;
}

const signatures = { end: 0x06054b50, end64: 0x06064b50, locator64: 0x07064b50, central: 0x02014b50, local: 0x04034b50 } as const;
const endBytes = 22;
const maxCommentBytes = 0xffff;
const maxDirectoryBytes = 2 ** 28;
const ratioFreeBytes = 2 ** 24;

export function looksLikeZip(bytes: Uint8Array): boolean {
  return bytes.length >= 4 && bytes[0] === 0x50 && bytes[1] === 0x4b && ((bytes[2] === 3 && bytes[3] === 4) || (bytes[2] === 5 && bytes[3] === 6));
}

export class ZipArchive {
  readonly name: string;
  readonly #source: ByteSource;
  readonly #entries: ReadonlyMap<string, Entry>;

  private constructor(source: ByteSource, entries: ReadonlyMap<string, Entry>) {
    this.name = source.name;
    this.#source = source;
    this.#entries = entries;
  }

  /** Reads the central directory. The source is borrowed: whoever opened it closes it. Throws `INVALID_MODEL`. */
  static open(source: ByteSource, limits: Partial<ZipLimits> = {}): ZipArchive {
    const all: ZipLimits = { maxMembers: 200_000, maxInflatedBytes: 2 ** 30 + 100 * source.sizeBytes, maxRatio: 250, ...limits };
    return new ZipArchive(source, readEntries(source, all));
  }

  /** Files, in the order of the directory; folders are left out. */
  get members(): readonly ZipMember[] {
    return [...this.#entries.values()];
  }

  member(path: string): ZipMember | undefined {
    return this.#entries.get(path);
  }

  /** The member's bytes, checked against its CRC. From memory and stored they are a view. Throws `INVALID_MODEL`. */
  read(path: string): Uint8Array {
    const entry = this.#entries.get(path);
    if (entry === undefined) throw this.#error(`there is no ${JSON.stringify(path)}`);
    const raw = this.#source.read(this.#dataOffset(entry), entry.compressedBytes);
    const bytes = entry.method === 'stored' ? raw : this.#inflate(entry, raw);
    if (crc32(bytes) !== entry.crc32) throw this.#error(`${JSON.stringify(path)} is damaged: its checksum differs`);
    return bytes;
  }

  /** Where a stored member's bytes lie in the source; undefined for a compressed one. */
  storedOffset(path: string): number | undefined {
    const entry = this.#entries.get(path);
    return entry?.method === 'stored' ? this.#dataOffset(entry) : undefined;
  }

  #error(problem: string): ModelportError {
    return new ModelportError('INVALID_MODEL', `${this.name}: ${problem}`, { at: this.name });
  }

  #dataOffset(entry: Entry): number {
    const header = viewOf(this.#source.read(entry.localOffset, 30));
    if (header.readUInt32LE(0) !== signatures.local) throw this.#error(`${JSON.stringify(entry.path)} does not begin where the directory says`);
    const nameBytes = header.readUInt16LE(26);
    const localName = decodePath(this.#source.read(entry.localOffset + 30, nameBytes));
    // Two readers of one archive must not see two different files.
    if (localName !== entry.path) throw this.#error(`${JSON.stringify(entry.path)} has another name in its own header`);
    return entry.localOffset + 30 + nameBytes + header.readUInt16LE(28);
  }

  #inflate(entry: Entry, raw: Uint8Array): Uint8Array {
    let bytes: Uint8Array;
    try {
      bytes = inflateRawSync(raw, { maxOutputLength: Math.max(1, entry.sizeBytes) });
    } catch (error) {
      throw this.#error(`${JSON.stringify(entry.path)} cannot be inflated: it is damaged, or larger than the directory says (${(error as Error).message})`);
    }
    if (bytes.length !== entry.sizeBytes) throw this.#error(`${JSON.stringify(entry.path)} inflates to ${bytes.length} bytes, not to ${entry.sizeBytes}`);
    return bytes;
  }
}

function viewOf(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function readEntries(source: ByteSource, limits: ZipLimits): Map<string, Entry> {
  const fail = (problem: string): never => {
    throw new ModelportError('INVALID_MODEL', `${source.name}: ${problem}`, { at: source.name });
  };
  const { count, offset, length } = findDirectory(source, fail);
  if (count > limits.maxMembers) fail(`the zip archive has ${count} members; at most ${limits.maxMembers} are read`);
  if (length > maxDirectoryBytes || count * 46 > length) fail("the zip archive's directory is damaged");
  const directory = viewOf(source.read(offset, length));
  const entries = new Map<string, Entry>();
  const ends: { start: number; end: number; path: string }[] = [];
  let inflatedBytes = 0;
  let at = 0;
  for (let index = 0; index < count; index++) {
    if (at + 46 > length || directory.readUInt32LE(at) !== signatures.central) fail("the zip archive's directory is damaged");
    const nameBytes = directory.readUInt16LE(at + 28);
    const extraBytes = directory.readUInt16LE(at + 30);
    const next = at + 46 + nameBytes + extraBytes + directory.readUInt16LE(at + 32);
    if (next > length) fail("the zip archive's directory is damaged");
    const flags = directory.readUInt16LE(at + 8);
    const path = decodePath(directory.subarray(at + 46, at + 46 + nameBytes));
    const shown = JSON.stringify(path.slice(0, 200));
    const sizes = readSizes(directory, at, directory.subarray(at + 46 + nameBytes, at + 46 + nameBytes + extraBytes));
    if (sizes === undefined) return fail(`${shown} in the zip archive has no zip64 sizes`);
    if (isUnsafe(path)) fail(`the zip archive holds ${shown}, which is outside of it`);
    if ((flags & 0x1) !== 0 || (flags & 0x40) !== 0) fail(`${shown} in the zip archive is encrypted; unpack it with its password first`);
    const method = directory.readUInt16LE(at + 10);
    if (method !== 0 && method !== 8) fail(`${shown} in the zip archive is compressed by ${methodNames.get(method) ?? `method ${method}`}; stored and deflate are read`);
    const { sizeBytes, compressedBytes, localOffset } = sizes;
    if (method === 0 && sizeBytes !== compressedBytes) fail(`${shown} in the zip archive has two sizes`);
    if (localOffset + 30 + nameBytes + compressedBytes > offset) fail(`${shown} does not lie in the zip archive; it is truncated or damaged`);
    if (method === 8) {
      inflatedBytes += sizeBytes;
      if (sizeBytes > ratioFreeBytes && sizeBytes > limits.maxRatio * compressedBytes) fail(`${shown} in the zip archive inflates ${Math.round(sizeBytes / Math.max(1, compressedBytes))} times, which is refused`);
      if (inflatedBytes > limits.maxInflatedBytes) fail(`the zip archive inflates to more than ${limits.maxInflatedBytes} bytes, which is refused`);
    }
    const crc = directory.readUInt32LE(at + 16);
    at = next;
    ends.push({ start: localOffset, end: localOffset + 30 + nameBytes + compressedBytes, path });
    if (path.endsWith('/')) continue;
    if (entries.has(path)) fail(`the zip archive holds ${shown} twice`);
    entries.set(path, { path, sizeBytes, compressedBytes, crc32: crc, method: method === 0 ? 'stored' : 'deflate', localOffset });
  }
  // Members that share bytes are how a small archive becomes a large one.
  ends.sort((left, right) => left.start - right.start);
  for (let index = 1; index < ends.length; index++) {
    if (ends[index]!.start < ends[index - 1]!.end) fail(`${JSON.stringify(ends[index]!.path.slice(0, 200))} and ${JSON.stringify(ends[index - 1]!.path.slice(0, 200))} overlap in the zip archive`);
  }
  return entries;
}

/** Without the UTF-8 flag names are CP437 by the book, and UTF-8 in fact where they are valid UTF-8. Windows' backslashes become slashes. */
function decodePath(bytes: Uint8Array): string {
  let path: string;
  try {
    path = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    path = viewOf(bytes).toString('latin1');
  }
  return path.replaceAll('\\', '/');
}

const methodNames = new Map([[1, 'Shrink'], [6, 'Implode'], [9, 'Deflate64'], [12, 'bzip2'], [14, 'LZMA'], [20, 'Zstandard'], [93, 'Zstandard'], [95, 'xz'], [98, 'PPMd'], [99, 'AES encryption']]);

function isUnsafe(path: string): boolean {
  return path === '' || path.startsWith('/') || path.includes('\0') || /^[A-Za-z]:/.test(path) || path.split('/').includes('..');
}

interface Sizes {
  readonly sizeBytes: number;
  readonly compressedBytes: number;
  readonly localOffset: number;
}

/** From the fixed fields, or from the zip64 extra field where those are full. */
function readSizes(directory: Buffer, at: number, extra: Buffer): Sizes | undefined {
  let compressedBytes = directory.readUInt32LE(at + 20);
  let sizeBytes = directory.readUInt32LE(at + 24);
  let localOffset = directory.readUInt32LE(at + 42);
  const full = 0xffffffff;
  if (sizeBytes !== full && compressedBytes !== full && localOffset !== full) return { sizeBytes, compressedBytes, localOffset };
  for (let position = 0; position + 4 <= extra.length; ) {
    const length = extra.readUInt16LE(position + 2);
    const fieldEnd = position + 4 + length;
    if (extra.readUInt16LE(position) === 1 && fieldEnd <= extra.length) {
      let value = position + 4;
      const next = (): number | undefined => {
        if (value + 8 > fieldEnd) return undefined;
        value += 8;
        return readUint64(extra, value - 8);
      };
      const size = sizeBytes === full ? next() : sizeBytes;
      const compressed = compressedBytes === full ? next() : compressedBytes;
      const offset = localOffset === full ? next() : localOffset;
      if (size === undefined || compressed === undefined || offset === undefined) return undefined;
      [sizeBytes, compressedBytes, localOffset] = [size, compressed, offset];
      return { sizeBytes, compressedBytes, localOffset };
    }
    position = fieldEnd;
  }
  return undefined;
}

function readUint64(buffer: Buffer, at: number): number {
  return buffer.readUInt32LE(at) + buffer.readUInt32LE(at + 4) * 2 ** 32;
}

function findDirectory(source: ByteSource, fail: (problem: string) => never): { count: number; offset: number; length: number } {
  const tailBytes = Math.min(source.sizeBytes, endBytes + maxCommentBytes);
  const tailStart = source.sizeBytes - tailBytes;
  const tail = viewOf(source.read(tailStart, tailBytes));
  let at = tailBytes - endBytes;
  // The record whose comment ends with the file.
  while (at >= 0 && !(tail.readUInt32LE(at) === signatures.end && at + endBytes + tail.readUInt16LE(at + 20) === tailBytes)) at--;
  if (at < 0) return fail('this is no zip archive, or it is truncated: its directory is missing');
  if (tail.readUInt16LE(at + 4) !== 0 && tail.readUInt16LE(at + 4) !== 0xffff) fail('the zip archive is split into several files');
  let count = tail.readUInt16LE(at + 10);
  let length = tail.readUInt32LE(at + 12);
  let offset = tail.readUInt32LE(at + 16);
  let limit = tailStart + at;
  if (count === 0xffff || length === 0xffffffff || offset === 0xffffffff) {
    const locatorAt = tailStart + at - 20;
    const locator = locatorAt < 0 ? undefined : viewOf(source.read(locatorAt, 20));
    if (locator?.readUInt32LE(0) === signatures.locator64) {
      const recordAt = readUint64(locator, 8);
      const record = viewOf(source.read(recordAt, 56));
      if (record.readUInt32LE(0) !== signatures.end64) fail("the zip archive's zip64 directory is damaged");
      count = readUint64(record, 32);
      length = readUint64(record, 40);
      offset = readUint64(record, 48);
      limit = recordAt;
    }
  }
  // An archive with something in front of it (a self-extracting program) would need its offsets shifted.
  if (offset + length > limit) return fail("the zip archive's directory does not lie in the file; it is truncated or damaged");
  return { count, offset, length };
}
