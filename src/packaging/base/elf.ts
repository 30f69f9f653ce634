/** What a native library or program is made for, and what it needs: the headers and dynamic section of ELF files (System V ABI). Nothing is loaded or run. */
import { open, type FileHandle } from 'node:fs/promises';

export interface ElfFacts {
  /** Go's names; undefined for others. */
  readonly architecture: 'amd64' | 'arm64' | undefined;
  /** The program that starts it: `/lib64/ld-linux-x86-64.so.2`. Libraries have none. */
  readonly interpreter: string | undefined;
  /** Names of libraries: `libc.so.6`. */
  readonly needed: readonly string[];
  /** Folders where it wants them looked for, `$ORIGIN` not replaced. */
  readonly searched: readonly string[];
}

const machines: Readonly<Record<number, 'amd64' | 'arm64'>> = { 62: 'amd64', 183: 'arm64' };
const maximumTableBytes = 1 << 24;

/** Undefined where it is no ELF file of 64 bits, or a damaged one. */
export async function readElf(path: string): Promise<ElfFacts | undefined> {
  const file = await open(path, 'r').catch(() => undefined);
  if (file === undefined) return undefined;
  try {
    return await readFacts(file);
  } catch {
    return undefined;
  } finally {
    await file.close();
  }
}

async function readFacts(file: FileHandle): Promise<ElfFacts | undefined> {
  const header = await read(file, 0, 64);
  if (header.readUInt32BE(0) !== 0x7f454c46 || header[4] !== 2 || header[5] !== 1) return undefined;
  const architecture = machines[header.readUInt16LE(18)];
  const tableOffset = Number(header.readBigUInt64LE(32));
  const entryBytes = header.readUInt16LE(54);
  const count = header.readUInt16LE(56);
  const table = await read(file, tableOffset, entryBytes * count);
  const segments = Array.from({ length: count }, (_, index) => {
    const at = index * entryBytes;
    return { type: table.readUInt32LE(at), offset: Number(table.readBigUInt64LE(at + 8)), address: Number(table.readBigUInt64LE(at + 16)), bytes: Number(table.readBigUInt64LE(at + 32)) };
  });
  const interpreter = segments.find(({ type }) => type === 3);
  const dynamic = segments.find(({ type }) => type === 2);
  const needed: number[] = [];
  const searched: number[] = [];
  let stringsAt: number | undefined;
  if (dynamic !== undefined) {
    const section = await read(file, dynamic.offset, dynamic.bytes);
    for (let at = 0; at + 16 <= section.length; at += 16) {
      const tag = Number(section.readBigUInt64LE(at));
      const value = Number(section.readBigUInt64LE(at + 8));
      if (tag === 0) break;
      if (tag === 1) needed.push(value);
      if (tag === 15 || tag === 29) searched.push(value);
      if (tag === 5) stringsAt = value;
    }
  }
  const base = segments.find(({ type, address, bytes }) => type === 1 && stringsAt !== undefined && stringsAt >= address && stringsAt < address + bytes);
  const text = async (at: number): Promise<string> => {
    if (base === undefined || stringsAt === undefined) return '';
    const bytes = await read(file, stringsAt - base.address + base.offset + at, 4096, true);
    return bytes.toString('latin1', 0, Math.max(0, bytes.indexOf(0)));
  };
  return {
    architecture,
    interpreter: interpreter === undefined ? undefined : (await read(file, interpreter.offset, interpreter.bytes)).toString('latin1').replace(/\0.*$/s, ''),
    needed: await Promise.all(needed.map(text)),
    searched: (await Promise.all(searched.map(text))).flatMap((list) => list.split(':')).filter((folder) => folder !== ''),
  };
}

async function read(file: FileHandle, offset: number, length: number, less = false): Promise<Buffer> {
  if (!Number.isSafeInteger(offset) || offset < 0 || length < 0 || length > maximumTableBytes) throw new Error('an offset that lies nowhere');
  const buffer = Buffer.alloc(length);
  const { bytesRead } = await file.read(buffer, 0, length, offset);
  if (bytesRead < length && !less) throw new Error('the file ends early');
  return buffer.subarray(0, bytesRead);
}
