/** Reading what a person wrote about a model: `model.yaml`, another tool's config beside it, or the config of a load request. */
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { ModelportError } from '../errors.ts';
import { modelConfigSchema, type ModelConfig } from '../model-config.ts';
import { describeIssues } from './config-issues.ts';
import { parseYaml } from './yaml-text.ts';

export interface ConfigReading {
  readonly config: ModelConfig;
  /** `model.yaml`, `config.pbtxt`, `the load request`: named in errors and origins. */
  readonly source: string;
  /** What was set and is not honoured. */
  readonly warnings: readonly string[];
  /** `model.yaml:12` for a path of the config (`inputs[0].shape`). */
  readonly locate: (path: string) => string;
}

/** A config in another tool's form. Handed in by the composition: `serving` knows no other tool's formats. */
export interface ForeignConfigFormat {
  /** `config.pbtxt` */
  readonly fileName: string;
  readText(text: string, fileName: string): Omit<ConfigReading, 'source'>;
  /** Whether parsed JSON is this format and not ours. */
  recognizesJson(value: unknown, ownKeys: readonly string[]): boolean;
  readJson(value: unknown, source: string): Omit<ConfigReading, 'source'>;
}

const maximumConfigBytes = 1 << 20;

/**
 * The config in `directory`: the first of `yamlNames` that is there, else a foreign one. Undefined where there is none.
 * Throws `INVALID_CONFIG` naming file, line and field; also where two configs contradict each other by being there both.
 */
export async function readModelConfigFile(directory: string, yamlNames: readonly string[], foreign: readonly ForeignConfigFormat[]): Promise<ConfigReading | undefined> {
  const found: { readonly name: string; readonly text: string }[] = [];
  for (const name of [...yamlNames, ...foreign.map((format) => format.fileName)]) {
    const text = await readTextIfThere(join(directory, name));
    if (text !== undefined) found.push({ name, text });
  }
  const [first, second] = found;
  if (first === undefined) return undefined;
  if (second !== undefined) {
    throw new ModelportError('INVALID_CONFIG', `${directory} holds both ${first.name} and ${second.name}: remove one, so that it is clear which one is meant`, { at: first.name });
  }
  const format = foreign.find((candidate) => candidate.fileName === first.name);
  return format === undefined ? readModelConfigText(first.text, first.name) : { ...format.readText(first.text, first.name), source: first.name };
}

/** Reads the text of a `model.yaml`. */
export function readModelConfigText(text: string, fileName: string): ConfigReading {
  const { value, lineOf } = parseYaml(text, fileName);
  const locate = (path: string) => {
    const line = lineOf(path);
    return line === undefined ? fileName : `${fileName}:${line}`;
  };
  return { ...validate(value ?? {}, fileName, locate), locate };
}

/** Reads the JSON text of a load request's `config`, in our form or a foreign one. */
export function readInlineConfig(text: string, foreign: readonly ForeignConfigFormat[]): ConfigReading {
  const source = 'the config of the load request';
  if (text.length > maximumConfigBytes) throw new ModelportError('INVALID_CONFIG', `${source} is larger than ${maximumConfigBytes} bytes`, { at: source });
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new ModelportError('INVALID_CONFIG', `${source} is not valid JSON: ${(cause as Error).message}`, { at: source, cause });
  }
  const format = foreign.find((candidate) => candidate.recognizesJson(value, Object.keys(modelConfigSchema.shape)));
  if (format !== undefined) return { ...format.readJson(value, source), source };
  const locate = () => source;
  return { ...validate(value, source, locate), locate };
}

function validate(value: unknown, source: string, locate: (path: string) => string): Omit<ConfigReading, 'locate'> {
  const result = modelConfigSchema.safeParse(value);
  if (result.success) return { config: result.data, source, warnings: [] };
  const { message, at } = describeIssues(result.error, modelConfigSchema, value, locate);
  throw new ModelportError('INVALID_CONFIG', message, { at });
}

async function readTextIfThere(path: string): Promise<string | undefined> {
  try {
    const status = await stat(path);
    if (!status.isFile()) return undefined;
    if (status.size > maximumConfigBytes) throw new ModelportError('INVALID_CONFIG', `${path} is larger than ${maximumConfigBytes} bytes`, { at: path });
    return new TextDecoder('utf-8', { fatal: true }).decode(await readFile(path));
  } catch (cause) {
    if (cause instanceof ModelportError) throw cause;
    const { code } = cause as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
    const reason = code === 'ERR_ENCODING_INVALID_ENCODED_DATA' ? 'it is not UTF-8 text' : (cause as Error).message;
    throw new ModelportError('INVALID_CONFIG', `can't read ${path}: ${reason}`, { at: path, cause });
  }
}
