/** JSON files beside a model: what its maker says of it. */
import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { Artifact } from '../../artifact.ts';

const mostBytes = 4 << 20;

/** The object in a file of the model folder; undefined where there is none, or some other program's file of that name. */
export function readJsonFile(artifact: Artifact, name: string): Readonly<Record<string, unknown>> | undefined {
  const path = join(artifact.directory, name);
  try {
    if (statSync(path).size > mostBytes) return undefined;
    const value: unknown = JSON.parse(readFileSync(path, 'utf8'));
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}
