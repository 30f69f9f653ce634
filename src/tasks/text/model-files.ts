/** The JSON files that lie beside a model as Hugging Face's libraries save it: config.json, tokenizer_config.json … */
import { readFileSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Artifact } from '../../artifact.ts';
import { ModelportError } from '../../errors.ts';

const mostBytes = 64 << 20;

/** The path of a file in the folder of the model, or beside `onnx/`, in which its file lies; undefined where it is in neither. */
export function findModelFile(artifact: Artifact, name: string): string | undefined {
  for (const folder of [artifact.directory, join(artifact.directory, dirname(artifact.main))]) {
    const path = join(folder, name);
    if (statSync(path, { throwIfNoEntry: false })?.isFile() === true) return path;
  }
  return undefined;
}

/** Throws `INVALID_MODEL` where the file is too large or no JSON object. */
export function readJsonObject(path: string): Readonly<Record<string, unknown>> {
  const { size } = statSync(path);
  if (size > mostBytes) throw new ModelportError('INVALID_MODEL', `${path} has ${size} bytes, more than the ${mostBytes} that are read`, { at: path });
  let value: unknown;
  try {
    value = JSON.parse(readFileSync(path, 'utf8'));
  } catch (cause) {
    throw new ModelportError('INVALID_MODEL', `${path} is no JSON: ${(cause as Error).message.slice(0, 200)}`, { at: path, cause });
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new ModelportError('INVALID_MODEL', `${path} is not a JSON object`, { at: path });
  return value as Record<string, unknown>;
}

/** What a file of the model says, or nothing where it is not there. */
export function readModelFile(artifact: Artifact, name: string): Readonly<Record<string, unknown>> {
  const path = findModelFile(artifact, name);
  return path === undefined ? {} : readJsonObject(path);
}
