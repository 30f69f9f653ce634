/** What kinds of model files there are, and which kind a file is. */
import { stat } from 'node:fs/promises';
import { extname } from 'node:path';
import { ModelportError } from '../errors.ts';
import { describeContent, readStart } from '../file-content.ts';
import type { ModelConfig } from '../model-config.ts';

/** A kind of model file, as the composition knows it. */
export interface ModelFormat {
  /** `onnx` */
  readonly name: string;
  /** Endings that make a file a candidate: `.onnx`. What it is, its content says. */
  readonly extensions: readonly string[];
  /** The files that a folder's model has by default, first match first: `model.onnx`. */
  readonly defaultFiles: readonly string[];
  /** `start`: up to 64 KB. */
  recognize(start: Uint8Array, sizeBytes: number): boolean | Promise<boolean>;
  /** A model of this format has no file, only a config that names the format (`format: remote`). */
  readonly withoutFile?: boolean;
}

/** Whether a model with this config is served without a file of its own. */
export function hasNoFile(config: Pick<ModelConfig, 'ensemble' | 'format'> | undefined, formats: readonly ModelFormat[]): boolean {
  if (config === undefined) return false;
  return config.ensemble !== undefined || formats.some((format) => format.withoutFile === true && format.name === config.format);
}

/** By its ending. */
export function mayBeModel(file: string, formats: readonly ModelFormat[]): boolean {
  return formats.some((format) => format.extensions.includes(extname(file).toLowerCase()));
}

const recognizedBytes = 1 << 16;

/** The format of a file, by its content. Throws `INVALID_MODEL` saying what the file looks like instead. */
export async function recognizeFormat(path: string, formats: readonly ModelFormat[]): Promise<string> {
  const [start, status] = await Promise.all([readStart(path, recognizedBytes), stat(path)]).catch((cause: unknown) => {
    throw new ModelportError('INVALID_MODEL', `can't read ${path}: ${(cause as Error).message}`, { at: path, cause });
  });
  const content = describeContent(start);
  for (const format of formats) if (await format.recognize(start, status.size)) return format.name;
  const looks = content === undefined ? 'its first bytes are those of no format that is known here' : `it is ${content}`;
  throw new ModelportError('INVALID_MODEL', `${path} is no model that can be served: ${looks}. Known formats: ${formats.filter(({ withoutFile }) => withoutFile !== true).map(({ name }) => name).join(', ')}`, { at: path });
}
