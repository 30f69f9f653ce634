import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { SequencesConfig } from '../model-config.ts';
import { readConfined } from './confined-file.ts';

const largestFileBytes = 2 ** 30;

/**
 * The content of each state's `initialFile`, by state input. The files lie in the model folder or in its
 * `initial_state/`, where Triton looks. Throws `INVALID_CONFIG` for one that is missing, outside the folder or over 1 GiB.
 */
export async function readInitialStates(directory: string, config: SequencesConfig): Promise<Map<string, Uint8Array>> {
  const contents = new Map<string, Uint8Array>();
  for (const [index, state] of config.states.entries()) {
    if (state.initialFile === undefined) continue;
    const inTritonsFolder = join('initial_state', state.initialFile);
    const name = !existsSync(join(directory, state.initialFile)) && existsSync(join(directory, inTritonsFolder)) ? inTritonsFolder : state.initialFile;
    contents.set(state.input, await readConfined(directory, name, `the file of sequences.states[${index}].initialFile`, largestFileBytes));
  }
  return contents;
}
