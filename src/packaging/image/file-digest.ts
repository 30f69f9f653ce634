/** The digest of a file, computed once for what `stat` says of it. */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { DigestCache } from './digest-cache.ts';

export async function fileDigest(path: string, cache: DigestCache, progress?: (doneBytes: number, totalBytes: number) => void): Promise<{ readonly digest: string; readonly size: number }> {
  const status = await stat(path, { bigint: true });
  const key = DigestCache.keyOf(['file', path, String(status.size), String(status.mtimeNs), String(status.ctimeNs), String(status.ino), String(status.dev)]);
  const known = cache.get(key);
  if (known !== undefined) return known;
  const size = Number(status.size);
  const hash = createHash('sha256');
  let done = 0;
  for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20 }) as AsyncIterable<Uint8Array>) {
    hash.update(chunk);
    done += chunk.byteLength;
    progress?.(done, size);
  }
  const digest = `sha256:${hash.digest('hex')}`;
  const found = { digest, diffId: digest, size };
  cache.set(key, found);
  return found;
}
