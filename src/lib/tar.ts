/**
 * Tar archives as streams: POSIX.1-2001 pax interchange format, written so that equal entries give equal bytes; read with limits, also GNU's long names.
 * https://pubs.opengroup.org/onlinepubs/9799919799/utilities/pax.html
 */
const blockBytes = 512;

export interface TarEntry {
  /** Relative, with forward slashes; folders without one at the end. */
  readonly path: string;
  readonly type: 'file' | 'directory' | 'symlink' | 'hardlink';
  /** Permission bits. */
  readonly mode: number;
  readonly sizeBytes: number;
  /** Of links. */
  readonly target?: string;
  readonly uid?: number;
  readonly gid?: number;
  /** Seconds since 1970. Default 0. */
  readonly mtimeSeconds?: number;
}

export interface TarSource extends TarEntry {
  /** Of a file: exactly `sizeBytes`. */
  readonly content?: Uint8Array | (() => AsyncIterable<Uint8Array>);
}

/** Throws an `Error` where a file has another size than its entry says: it changed while it was read. */
export async function* writeTar(entries: Iterable<TarSource> | AsyncIterable<TarSource>): AsyncIterable<Uint8Array> {
  for await (const entry of entries) {
    yield* header(entry);
    if (entry.type !== 'file') continue;
    let written = 0;
    const { content } = entry;
    for await (const chunk of content === undefined ? [] : content instanceof Uint8Array ? [content] : content()) {
      written += chunk.byteLength;
      if (written > entry.sizeBytes) break;
      if (chunk.byteLength > 0) yield chunk;
    }
    if (written !== entry.sizeBytes) throw new Error(`${entry.path} changed while it was read: it had ${entry.sizeBytes} bytes`);
    const padding = (blockBytes - (written % blockBytes)) % blockBytes;
    if (padding > 0) yield new Uint8Array(padding);
  }
  yield new Uint8Array(2 * blockBytes);
}

/** How many bytes such an archive has. */
export function tarBytes(entries: Iterable<TarEntry>): number {
  let total = 2 * blockBytes;
  for (const entry of entries) {
    for (const block of header(entry)) total += block.byteLength;
    if (entry.type === 'file') total += Math.ceil(entry.sizeBytes / blockBytes) * blockBytes;
  }
  return total;
}

const typeFlags = { file: '0', hardlink: '1', symlink: '2', directory: '5' } as const;
const largestOctalSize = 0o77777777777;

function* header(entry: TarEntry): Iterable<Uint8Array> {
  const path = entry.type === 'directory' ? `${entry.path}/` : entry.path;
  const extended: [string, string][] = [];
  const named = splitName(path);
  if (named === undefined) extended.push(['path', path]);
  const target = entry.target ?? '';
  if (Buffer.byteLength(target) > 100 || !isAscii(target)) extended.push(['linkpath', target]);
  const sizeBytes = entry.type === 'file' ? entry.sizeBytes : 0;
  if (sizeBytes > largestOctalSize) extended.push(['size', String(sizeBytes)]);
  if (extended.length > 0) {
    const records = Buffer.from(extended.map(([key, value]) => paxRecord(key, value)).join(''));
    yield block({ name: 'pax', prefix: '', flag: 'x', mode: 0o644, sizeBytes: records.byteLength, target: '', entry });
    yield Buffer.concat([records, Buffer.alloc((blockBytes - (records.byteLength % blockBytes)) % blockBytes)]);
  }
  yield block({ name: named?.name ?? 'long', prefix: named?.prefix ?? '', flag: typeFlags[entry.type], mode: entry.mode, sizeBytes: Math.min(sizeBytes, largestOctalSize), target: isAscii(target) && target.length <= 100 ? target : '', entry });
}

function block(parts: { name: string; prefix: string; flag: string; mode: number; sizeBytes: number; target: string; entry: TarEntry }): Uint8Array {
  const bytes = Buffer.alloc(blockBytes);
  const octal = (value: number, at: number, length: number): void => {
    bytes.write(value.toString(8).padStart(length - 1, '0'), at, length - 1, 'latin1');
  };
  bytes.write(parts.name, 0, 100, 'latin1');
  octal(parts.mode & 0o7777, 100, 8);
  octal(parts.entry.uid ?? 0, 108, 8);
  octal(parts.entry.gid ?? 0, 116, 8);
  octal(parts.sizeBytes, 124, 12);
  octal(parts.entry.mtimeSeconds ?? 0, 136, 12);
  bytes.fill(0x20, 148, 156);
  bytes.write(parts.flag, 156, 1, 'latin1');
  bytes.write(parts.target, 157, 100, 'latin1');
  bytes.write('ustar\0', 257, 6, 'latin1');
  bytes.write('00', 263, 2, 'latin1');
  bytes.write(parts.prefix, 345, 155, 'latin1');
  let sum = 0;
  for (const byte of bytes) sum += byte;
  bytes.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 8, 'latin1');
  return bytes;
}

function isAscii(text: string): boolean {
  return /^[\x20-\x7e]*$/.test(text);
}

/** Undefined where the path does not fit into ustar's two fields. */
function splitName(path: string): { name: string; prefix: string } | undefined {
  if (!isAscii(path)) return undefined;
  if (path.length <= 100) return { name: path, prefix: '' };
  for (let at = path.indexOf('/', path.length - 101); at >= 0 && at < path.length - 1; at = path.indexOf('/', at + 1)) {
    if (at >= 1 && at <= 155 && path.length - at - 1 <= 100) return { name: path.slice(at + 1), prefix: path.slice(0, at) };
  }
  return undefined;
}

function paxRecord(key: string, value: string): string {
  const rest = Buffer.byteLength(key) + Buffer.byteLength(value) + 3;
  let length = rest + String(rest).length;
  // The number counts its own digits.
  if (rest + String(length).length !== length) length = rest + String(length).length;
  return `${length} ${key}=${value}\n`;
}

export interface TarLimits {
  /** Default 1,000,000. */
  readonly maxEntries?: number;
  /** Of all files together. Default 100 GB. */
  readonly maxBytes?: number;
}

export interface ReadTarEntry extends TarEntry {
  /** Of a file. What is not read is passed over when the next entry is asked for. */
  readonly content: AsyncIterable<Uint8Array>;
}

const longestHeaderBytes = 1 << 20;
const longestTailBytes = 1 << 26;

/** Entries in their order. Paths are as they stand there: whoever writes them checks them. Throws an `Error` where the archive is damaged or beyond the limits. */
export async function* readTar(chunks: AsyncIterable<Uint8Array>, limits: TarLimits = {}): AsyncIterable<ReadTarEntry> {
  const reader = new ChunkReader(chunks);
  try {
    yield* readEntries(reader, limits);
  } finally {
    await reader.close();
  }
}

async function* readEntries(reader: ChunkReader, limits: TarLimits): AsyncIterable<ReadTarEntry> {
  const { maxEntries = 1_000_000, maxBytes = 100e9 } = limits;
  let count = 0;
  let totalBytes = 0;
  let extended = new Map<string, string>();
  let longPath: string | undefined;
  let longTarget: string | undefined;
  for (;;) {
    const bytes = await reader.exactly(blockBytes);
    if (bytes === undefined || bytes.every((byte) => byte === 0)) {
      // What is behind belongs to nobody, but whoever decompresses checks its sums at the end.
      for (let passedBytes = 0; passedBytes < longestTailBytes; ) {
        const rest = await reader.upTo(longestTailBytes);
        if (rest === undefined) return;
        passedBytes += rest.byteLength;
      }
      return;
    }
    checkSum(bytes);
    if (++count > maxEntries) throw new Error(`the archive has more than ${maxEntries} entries`);
    const flag = String.fromCharCode(bytes[156]!);
    const sizeBytes = extended.has('size') ? Number(extended.get('size')) : number(bytes, 124, 12);
    if (!Number.isSafeInteger(sizeBytes) || sizeBytes < 0) throw new Error('an entry of the archive has no size');
    const paddedBytes = Math.ceil(sizeBytes / blockBytes) * blockBytes;
    if ('xgLK'.includes(flag)) {
      if (sizeBytes > longestHeaderBytes) throw new Error('a header of the archive is too long');
      const data = await reader.exactly(paddedBytes);
      if (data === undefined) throw new Error('the archive ends in the middle of an entry');
      const text = data.subarray(0, sizeBytes);
      if (flag === 'x') extended = new Map([...extended, ...parsePax(text)]);
      else if (flag === 'L') longPath = cString(text, 0, text.byteLength);
      else if (flag === 'K') longTarget = cString(text, 0, text.byteLength);
      continue;
    }
    const prefix = cString(bytes, 257, 6).startsWith('ustar') && bytes[263] === 0x30 ? cString(bytes, 345, 155) : '';
    const name = cString(bytes, 0, 100);
    const path = extended.get('path') ?? longPath ?? (prefix === '' ? name : `${prefix}/${name}`);
    const target = extended.get('linkpath') ?? longTarget ?? cString(bytes, 157, 100);
    extended = new Map();
    longPath = longTarget = undefined;
    const type = flag === '2' ? 'symlink' : flag === '1' ? 'hardlink' : flag === '5' || ((flag === '0' || flag === '\0') && path.endsWith('/')) ? 'directory' : flag === '0' || flag === '\0' || flag === '7' ? 'file' : undefined;
    totalBytes += sizeBytes;
    if (totalBytes > maxBytes) throw new Error(`the archive holds more than ${maxBytes} bytes`);
    const body = reader.take(type === 'file' ? sizeBytes : 0, paddedBytes);
    // Devices and pipes have no place in what is read here.
    if (type !== undefined) {
      yield {
        path: path.replace(/\/+$/, ''),
        type,
        mode: number(bytes, 100, 8) & 0o7777,
        sizeBytes: type === 'file' ? sizeBytes : 0,
        uid: number(bytes, 108, 8),
        gid: number(bytes, 116, 8),
        mtimeSeconds: number(bytes, 136, 12),
        ...(type === 'symlink' || type === 'hardlink' ? { target } : {}),
        content: body.content(),
      };
    }
    await body.skipRest();
  }
}

function checkSum(bytes: Uint8Array): void {
  let sum = 0;
  for (let index = 0; index < blockBytes; index++) sum += index >= 148 && index < 156 ? 0x20 : bytes[index]!;
  if (sum !== number(bytes, 148, 8)) throw new Error('this is no tar archive, or it is damaged: a checksum differs');
}

function cString(bytes: Uint8Array, at: number, length: number): string {
  const field = bytes.subarray(at, at + length);
  const end = field.indexOf(0);
  return Buffer.from(end < 0 ? field : field.subarray(0, end)).toString('utf8');
}

/** Octal text, or GNU's big-endian number for what does not fit. NaN where it is neither. */
function number(bytes: Uint8Array, at: number, length: number): number {
  if ((bytes[at]! & 0x80) !== 0) {
    let value = bytes[at]! & 0x7f;
    for (let index = 1; index < length; index++) value = value * 256 + bytes[at + index]!;
    return value;
  }
  const text = cString(bytes, at, length).trim();
  return text === '' ? 0 : /^[0-7]+$/.test(text) ? Number.parseInt(text, 8) : Number.NaN;
}

function parsePax(bytes: Uint8Array): Map<string, string> {
  const records = new Map<string, string>();
  for (let at = 0; at < bytes.byteLength; ) {
    const space = bytes.indexOf(0x20, at);
    const length = space < 0 ? Number.NaN : Number(Buffer.from(bytes.subarray(at, space)).toString('latin1'));
    if (!Number.isSafeInteger(length) || length <= space - at || at + length > bytes.byteLength) throw new Error('an extended header of the archive is damaged');
    const record = Buffer.from(bytes.subarray(space + 1, at + length - 1)).toString('utf8');
    const equals = record.indexOf('=');
    if (equals < 1) throw new Error('an extended header of the archive is damaged');
    records.set(record.slice(0, equals), record.slice(equals + 1));
    at += length;
  }
  return records;
}

class ChunkReader {
  readonly #chunks: AsyncIterator<Uint8Array>;
  #rest: Uint8Array = new Uint8Array(0);

  constructor(chunks: AsyncIterable<Uint8Array>) {
    this.#chunks = chunks[Symbol.asyncIterator]();
  }

  /** Undefined at the end; throws where the end comes in the middle. */
  async exactly(length: number): Promise<Uint8Array | undefined> {
    const parts: Uint8Array[] = [];
    let missing = length;
    while (missing > 0) {
      const chunk = await this.upTo(missing);
      if (chunk === undefined) {
        if (parts.length === 0) return undefined;
        throw new Error('the archive ends in the middle of an entry');
      }
      parts.push(chunk);
      missing -= chunk.byteLength;
    }
    return parts.length === 1 ? parts[0]! : Buffer.concat(parts);
  }

  /** Lets go of what the chunks come from. */
  async close(): Promise<void> {
    await this.#chunks.return?.();
  }

  async upTo(length: number): Promise<Uint8Array | undefined> {
    while (this.#rest.byteLength === 0) {
      const next = await this.#chunks.next();
      if (next.done === true) return undefined;
      this.#rest = next.value;
    }
    const chunk = this.#rest.subarray(0, length);
    this.#rest = this.#rest.subarray(chunk.byteLength);
    return chunk;
  }

  take(sizeBytes: number, paddedBytes: number): { content: () => AsyncIterable<Uint8Array>; skipRest: () => Promise<void> } {
    let read = 0;
    const next = async (limit: number): Promise<Uint8Array | undefined> => {
      if (read >= limit) return undefined;
      const chunk = await this.upTo(limit - read);
      if (chunk === undefined) throw new Error('the archive ends in the middle of an entry');
      read += chunk.byteLength;
      return chunk;
    };
    return {
      content: async function* () {
        for (let chunk = await next(sizeBytes); chunk !== undefined; chunk = await next(sizeBytes)) yield chunk;
      },
      skipRest: async () => {
        while ((await next(paddedBytes)) !== undefined);
      },
    };
  }
}
