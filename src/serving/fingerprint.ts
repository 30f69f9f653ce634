/** A text that changes when files do: names, sizes, times and inodes, not contents, so that it can be taken often. */
import { createHash } from 'node:crypto';
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';

export type Fingerprint = string;

/** Deeper or more files than a model has: what lies beyond is not watched. */
const maximumDepth = 6;
const maximumFiles = 20_000;

/** Of the entries of `directory` whose names `wanted` accepts, folders with all that is in them. Hidden and missing files are skipped. */
export async function fingerprint(directory: string, wanted: (name: string) => boolean): Promise<Fingerprint> {
  const hash = createHash('sha256');
  let count = 0;
  const visit = async (path: string, relative: string, depth: number): Promise<void> => {
    if (count++ > maximumFiles) return;
    const status = await stat(path, { bigint: true }).catch(() => undefined);
    if (status === undefined) return;
    if (!status.isDirectory()) {
      hash.update(`${relative}\0${status.size}\0${status.mtimeNs}\0${status.ino}\n`);
      return;
    }
    hash.update(`${relative}/\n`);
    if (depth >= maximumDepth) return;
    for (const name of await sortedNames(path)) {
      if (!name.startsWith('.')) await visit(join(path, name), `${relative}/${name}`, depth + 1);
    }
  };
  for (const name of await sortedNames(directory)) if (!name.startsWith('.') && wanted(name)) await visit(join(directory, name), name, 1);
  return hash.digest('hex').slice(0, 32);
}

async function sortedNames(directory: string): Promise<string[]> {
  const names = await readdir(directory).catch(() => []);
  return names.sort((left, right) => (left < right ? -1 : 1));
}
