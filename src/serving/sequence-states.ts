import { open, realpath } from 'node:fs/promises';
import { isAbsolute, join, sep } from 'node:path';
import { ModelportError } from '../errors.ts';
import type { SequencesConfig } from '../model-config.ts';

const largestFileBytes = 2 ** 30;

/**
 * The content of each state's `initialFile`, by state input. The files lie in the model folder or in its
 * `initial_state/`, where Triton looks. Throws `INVALID_CONFIG` for one that is missing, outside the folder or over 1 GiB.
 */
export async function readInitialStates(directory: string, config: SequencesConfig): Promise<Map<string, Uint8Array>> {
  const contents = new Map<string, Uint8Array>();
  for (const [index, state] of config.states.entries()) {
    if (state.initialFile === undefined) continue;
    contents.set(state.input, await readInside(directory, state.initialFile, `sequences.states[${index}].initialFile`));
  }
  return contents;
}

async function readInside(directory: string, file: string, at: string): Promise<Uint8Array> {
  const root = await realpath(directory);
  for (const folder of ['', 'initial_state']) {
    const path = isAbsolute(file) ? file : join(root, folder, file);
    const real = await realpath(path).catch(() => undefined);
    if (real === undefined) continue;
    if (!real.startsWith(root + sep)) throw new ModelportError('INVALID_CONFIG', `${at}: '${file}' is outside the model folder ${directory}`, { at });
    const handle = await open(real, 'r');
    try {
      const { size } = await handle.stat();
      if (size > largestFileBytes) throw new ModelportError('INVALID_CONFIG', `${at}: '${file}' has ${size} bytes; a state may have ${largestFileBytes}`, { at });
      return await handle.readFile();
    } finally {
      await handle.close();
    }
  }
  throw new ModelportError('INVALID_CONFIG', `${at}: there is no file '${file}' in ${directory} or its initial_state folder`, { at });
}
