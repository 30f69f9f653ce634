/**
 * System shared memory: POSIX keys are files below /dev/shm, read and written there with plain file calls. Regions outlive
 * requests and belong to the process; REST and gRPC see the same ones.
 */
import { closeSync, constants, fstatSync, openSync, readSync, writeSync } from 'node:fs';
import { ModelportError } from '../../errors.ts';
import type { SharedMemorySpan } from './infer-request.ts';

export interface SharedMemoryRegion {
  readonly name: string;
  readonly key: string;
  readonly offset: number;
  readonly byteSize: number;
}

interface OpenRegion extends SharedMemoryRegion {
  readonly descriptor: number;
}

const directory = '/dev/shm';

export class SharedMemoryRegions {
  readonly #allowed: boolean;
  readonly #regions = new Map<string, OpenRegion>();

  constructor(allowed: boolean) {
    this.#allowed = allowed;
  }

  /** Throws `NOT_FOUND` where a name is given that is not registered. */
  status(name?: string): SharedMemoryRegion[] {
    if (name === undefined) return [...this.#regions.values()].map(describe);
    const region = this.#regions.get(name);
    if (region === undefined) throw new ModelportError('NOT_FOUND', `Unable to find system shared memory region: '${name}'`, { at: name });
    return [describe(region)];
  }

  /** Opens the file of `key`. Its size is checked now and again by every read, because its owner may cut it. */
  register(region: SharedMemoryRegion): void {
    this.#requireAllowed();
    const { name, key, offset, byteSize } = region;
    if (this.#regions.has(name)) throw new ModelportError('CONFLICT', `shared memory region '${name}' already in manager: unregister it first`, { at: 'name' });
    const descriptor = openKey(key);
    try {
      const stats = fstatSync(descriptor);
      if (!stats.isFile()) throw new ModelportError('INVALID_REQUEST', `Invalid shared memory region: '${key}' is not a file below ${directory}`, { at: 'key' });
      if (byteSize === 0 || offset + byteSize > stats.size) {
        throw new ModelportError(
          'INVALID_REQUEST',
          `failed to register shared memory region '${name}': invalid args: '${key}' has ${stats.size} bytes, offset ${offset} and byte_size ${byteSize} do not fit`,
          { at: 'byte_size' },
        );
      }
    } catch (error) {
      closeSync(descriptor);
      throw error;
    }
    this.#regions.set(name, { name, key, offset, byteSize, descriptor });
  }

  /** All regions where no name is given. A name that is not registered is no error. */
  unregister(name?: string): void {
    this.#requireAllowed();
    for (const region of name === undefined ? [...this.#regions.values()] : [this.#regions.get(name)]) {
      if (region === undefined) continue;
      this.#regions.delete(region.name);
      closeSync(region.descriptor);
    }
  }

  /** A copy of the bytes of a span. */
  read(span: SharedMemorySpan): Uint8Array {
    const region = this.#locate(span);
    const bytes = new Uint8Array(span.byteSize);
    let done = 0;
    while (done < bytes.length) {
      const count = readSync(region.descriptor, bytes, done, bytes.length - done, region.offset + span.offset + done);
      if (count === 0) throw new ModelportError('INVALID_REQUEST', `shared memory region '${span.region}' ends before offset + byte_size: its file '${region.key}' was cut`, { at: span.region });
      done += count;
    }
    return bytes;
  }

  /** Writes an output into its span. Throws `INVALID_REQUEST` where it is larger. */
  write(span: SharedMemorySpan, bytes: Uint8Array, outputName: string): void {
    const region = this.#locate(span);
    if (bytes.length > span.byteSize) {
      throw new ModelportError(
        'INVALID_REQUEST',
        `shared memory size specified with the request for output '${outputName}' (${span.byteSize} bytes) should be at least ${bytes.length} bytes to hold the results`,
        { at: `outputs.${outputName}` },
      );
    }
    let done = 0;
    while (done < bytes.length) done += writeSync(region.descriptor, bytes, done, bytes.length - done, region.offset + span.offset + done);
  }

  #locate(span: SharedMemorySpan): OpenRegion {
    const region = this.#regions.get(span.region);
    if (region === undefined) throw new ModelportError('NOT_FOUND', `Unable to find shared memory region: '${span.region}'`, { at: span.region });
    if (span.offset >= region.byteSize) {
      throw new ModelportError('INVALID_REQUEST', `Invalid offset for shared memory region: '${span.region}' has ${region.byteSize} bytes, the offset is ${span.offset}`, { at: span.region });
    }
    if (span.offset + span.byteSize > region.byteSize) {
      throw new ModelportError(
        'INVALID_REQUEST',
        `Invalid offset + byte size for shared memory region: '${span.region}' has ${region.byteSize} bytes, the end would be at ${span.offset + span.byteSize}`,
        { at: span.region },
      );
    }
    return region;
  }

  #requireAllowed(): void {
    if (!this.#allowed) {
      throw new ModelportError('UNSUPPORTED', "Client shared memory is disabled. Start the server with '--allow-shared-memory' to enable.");
    }
  }
}

function describe({ name, key, offset, byteSize }: OpenRegion): SharedMemoryRegion {
  return { name, key, offset, byteSize };
}

/** A key is one name, so nothing outside the directory can be meant; links are not followed out of it. */
function openKey(key: string): number {
  if (process.platform !== 'linux') throw new ModelportError('UNSUPPORTED', 'shared memory needs Linux: its regions are files below /dev/shm');
  const name = key.startsWith('/') ? key.slice(1) : key;
  if (name === '' || name === '.' || name === '..' || name.length > 255 || /[/\0]/.test(name)) {
    throw new ModelportError('INVALID_REQUEST', `Unable to open shared memory region: '${key.slice(0, 100)}' is not a name like '/region' (one name, no further slashes)`, { at: 'key' });
  }
  try {
    return openSync(`${directory}/${name}`, constants.O_RDWR | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    const reason = code === 'ENOENT' ? 'there is no such region' : code === 'EACCES' ? 'this server may not read and write it' : code === 'ELOOP' ? 'it is a link' : String(code);
    throw new ModelportError('INVALID_REQUEST', `Unable to open shared memory region: '${key}': ${reason}`, { at: 'key', cause });
  }
}
