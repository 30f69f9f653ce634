/** Files of other people's servers on their way into the content store: one download at a time for each address, taken up again where an earlier process stopped. */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, open, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { ModelportError } from './errors.ts';
import { shownUrl, type HttpClient } from './http-client.ts';
import { withFileLock } from './lib/file-lock.ts';
import type { SourceContext, StoredContent } from './source.ts';

export interface DownloadOptions {
  /** A function makes them anew for each request. */
  readonly headers?: Readonly<Record<string, string>> | (() => Readonly<Record<string, string>>);
  /** Tells this content from another at the same address (an entity tag that the headers demand), so that what an earlier process began is taken up. */
  readonly identity?: string;
  /** What the index says that the file is: `sha256` and hexadecimal digits, or `sha512` and so on. */
  readonly expected?: { readonly algorithm: string; readonly hex: string };
  /** Default 50 GB. */
  readonly maximumBytes?: number;
  /** What people are shown while it comes. */
  readonly what: string;
}

const defaultMaximumBytes = 50e9;
const longestWaitMs = 3_600_000;

/** Throws `INVALID_MODEL` where the content is not what the index announced, and what the client throws. */
export async function downloadToStore(client: HttpClient, url: string, context: SourceContext, options: DownloadOptions): Promise<StoredContent> {
  const { store } = context;
  const expected = options.expected?.algorithm === 'sha256' ? `sha256:${options.expected.hex}` : undefined;
  if (expected !== undefined && (await store.has(expected))) return { mediaType: 'application/octet-stream', digest: expected, size: (await stat(store.path(expected))).size };
  const folder = join(store.directory, 'downloads');
  await mkdir(folder, { recursive: true });
  const part = join(folder, `${createHash('sha256').update(url).update(options.expected?.hex ?? options.identity ?? '').digest('hex')}.part`);
  return await withFileLock(`${part}.lock`, async () => {
    await receive(client, url, part, context, options);
    if (options.expected !== undefined) {
      const { algorithm, hex } = options.expected;
      const found = await digestFile(part, algorithm);
      if (found !== hex.toLowerCase()) {
        await rm(part, { force: true });
        throw new ModelportError('INVALID_MODEL', `${shownUrl(url)} has the ${algorithm} ${found}, but its index says ${hex}: it was damaged or changed on its way; nothing of it is kept`);
      }
    }
    const stored = await store.put(createReadStream(part));
    await rm(part, { force: true });
    return stored;
  }, { timeoutMs: longestWaitMs });
}

async function receive(client: HttpClient, url: string, part: string, context: SourceContext, options: DownloadOptions): Promise<void> {
  // Without a digest or tag to compare with, two halves might be of two different files.
  if (options.expected === undefined && options.identity === undefined) await rm(part, { force: true });
  const file = await open(part, 'a');
  try {
    let done = (await file.stat()).size;
    let total: number | undefined;
    const maximumBytes = options.maximumBytes ?? defaultMaximumBytes;
    const chunks = client.download(url, { from: done, onTotal: (bytes) => (total = bytes), ...(options.headers === undefined ? {} : { headers: options.headers }), ...(context.signal === undefined ? {} : { signal: context.signal }) });
    for await (const chunk of chunks) {
      done += chunk.byteLength;
      if (done > maximumBytes) throw new ModelportError('INVALID_MODEL', `${shownUrl(url)} is larger than ${maximumBytes} bytes, which is refused`);
      for (let offset = 0; offset < chunk.byteLength; ) offset += (await file.write(chunk, offset)).bytesWritten;
      context.progress?.(options.what, done, total);
    }
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOSPC') throw new ModelportError('INVALID_USAGE', `no space left in ${context.store.directory}: free some, or choose another folder with --cache-dir`, { cause });
    throw cause;
  } finally {
    await file.close();
  }
}

async function digestFile(path: string, algorithm: string): Promise<string> {
  const hash = createHash(algorithm);
  for await (const chunk of createReadStream(path)) hash.update(chunk as Uint8Array);
  return hash.digest('hex');
}
