/** Files that a config names: read only below the model's folder, however the name or a link tries to leave it. */
import { readFile, realpath, stat } from 'node:fs/promises';
import { isAbsolute, join, sep } from 'node:path';
import { ModelportError } from '../errors.ts';

/** The real path of `name` below `directory`. Throws `INVALID_CONFIG` where it is missing or leads outside. */
export async function resolveConfined(directory: string, name: string, what: string): Promise<string> {
  if (isAbsolute(name) || name.split(/[/\\]/).includes('..') || name.includes('\0')) {
    throw new ModelportError('INVALID_CONFIG', `${what} '${name}' leads out of the model's folder ${directory}`, { at: name });
  }
  let real: string;
  try {
    real = await realpath(join(directory, name));
  } catch (cause) {
    throw new ModelportError('INVALID_CONFIG', `${what} '${name}' is not in ${directory}`, { at: name, cause });
  }
  if (!isInside(await realpath(directory), real)) {
    throw new ModelportError('INVALID_CONFIG', `${what} '${name}' is a link to ${real}, outside the model's folder ${directory}`, { at: name });
  }
  return real;
}

/** The content of such a file. Throws `INVALID_CONFIG` where it is larger than `maximumBytes`. */
export async function readConfined(directory: string, name: string, what: string, maximumBytes: number): Promise<Uint8Array> {
  const path = await resolveConfined(directory, name, what);
  const status = await stat(path);
  if (!status.isFile()) throw new ModelportError('INVALID_CONFIG', `${what} '${name}' in ${directory} is not a file`, { at: name });
  if (status.size > maximumBytes) throw new ModelportError('INVALID_CONFIG', `${what} '${name}' has ${status.size} bytes; at most ${maximumBytes} are read`, { at: name });
  return await readFile(path);
}

export function isInside(directory: string, path: string): boolean {
  return path === directory || path.startsWith(directory.endsWith(sep) ? directory : directory + sep);
}
