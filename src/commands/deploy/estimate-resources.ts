/** What a replica is promised where nobody said and nobody measured. */
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { humanBytes } from '../../lib/human-number.ts';
import type { Deployment } from '../../target.ts';

export type Resources = Pick<Deployment, 'cpuMillicores' | 'memoryBytes' | 'resourcesReason'>;

const mebibyte = 2 ** 20;
/** A server without models, with room for requests. */
const serverBytes = 256 * mebibyte;

/** By the sizes of files; services count nothing. */
export async function estimateResources(paths: readonly string[]): Promise<Resources> {
  const modelBytes = (await Promise.all(paths.map(sizeOf))).reduce((sum, size) => sum + size, 0);
  return {
    cpuMillicores: 500,
    // A model's weights lie in memory once as they are and once as the runtime packs them.
    memoryBytes: roundUp(serverBytes + 2.5 * modelBytes, 64 * mebibyte),
    resourcesReason: paths.length === 0 ? 'Memory for a small model; modelport deploy --measure finds it out' : `Memory estimated from models of ${humanBytes(modelBytes)}; modelport deploy --measure finds it out`,
  };
}

async function sizeOf(path: string): Promise<number> {
  const status = await stat(path);
  if (status.isFile()) return /\.[cm]?[jt]s$/.test(path) ? 0 : status.size;
  let sum = 0;
  for (const entry of await readdir(path, { recursive: true, withFileTypes: true })) if (entry.isFile() && !entry.parentPath.includes('node_modules')) sum += (await stat(join(entry.parentPath, entry.name))).size;
  return sum;
}

export function roundUp(value: number, step: number): number {
  return Math.ceil(value / step) * step;
}
