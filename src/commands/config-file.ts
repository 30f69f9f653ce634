/** `modelport.yaml`: the flags of `serve`, by their names without dashes in front. Flags and environment win over it. */
import { readFile } from 'node:fs/promises';
import type { Command, Option } from 'commander';
import { parse } from 'yaml';
import { ModelportError } from '../errors.ts';
import { suggestName } from '../lib/suggest-name.ts';

/** Throws `INVALID_CONFIG` naming the key and the nearest one that exists. A file that is not there sets nothing. */
export async function applyConfigFile(command: Command, file: string): Promise<void> {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return;
    throw new ModelportError('INVALID_CONFIG', `can't read ${file}: ${(cause as Error).message}`, { cause });
  }
  let values: unknown;
  try {
    values = parse(text, { maxAliasCount: 100 });
  } catch (cause) {
    throw new ModelportError('INVALID_CONFIG', `${file} is not valid YAML: ${(cause as Error).message}`, { cause });
  }
  if (values === null || values === undefined) return;
  if (typeof values !== 'object' || Array.isArray(values)) throw new ModelportError('INVALID_CONFIG', `${file} must be a list of settings, like "http-port: 9000"`);
  const options = new Map(command.options.map((option) => [option.name(), option]));
  for (const [key, value] of Object.entries(values)) {
    const option = options.get(key) ?? options.get(key.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`));
    if (option === undefined) {
      throw new ModelportError('INVALID_CONFIG', `${file}: there is no setting '${key}'${suggestName(key, options.keys())}`, { at: key });
    }
    if (command.getOptionValueSource(option.attributeName()) !== 'default' && command.getOptionValue(option.attributeName()) !== undefined) continue;
    command.setOptionValueWithSource(option.attributeName(), parseValue(option, value, file), 'config');
  }
}

function parseValue(option: Option, value: unknown, file: string): unknown {
  const entries = Array.isArray(value) ? value : [value];
  let parsed: unknown;
  for (const entry of entries) {
    const text = String(entry);
    if (option.argChoices !== undefined && !option.argChoices.includes(text)) {
      throw new ModelportError('INVALID_CONFIG', `${file}: ${option.name()} is '${text}': use ${option.argChoices.join(', ')}`, { at: option.name() });
    }
    try {
      parsed = option.parseArg === undefined || option.argChoices !== undefined ? text : option.parseArg(text, parsed as never);
    } catch (cause) {
      throw new ModelportError('INVALID_CONFIG', `${file}: ${option.name()} is '${text}': ${(cause as Error).message}`, { at: option.name(), cause });
    }
  }
  return parsed;
}
