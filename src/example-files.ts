/** Examples of a model config that lie in files of the model folder. */
import { readFileSync, realpathSync, statSync } from 'node:fs';
import { resolve, sep } from 'node:path';
import { ModelportError } from './errors.ts';

const mostBytes = 2 << 20;

/**
 * The examples with `{file: name}` (the whole example, or one field of it) replaced by the file's content: the parsed value
 * of a `.json` file, else bytes. Throws `INVALID_CONFIG` where a file is missing, too large, malformed or outside of the folder.
 */
export function readExamples(examples: readonly unknown[], directory: string): readonly unknown[] {
  return examples.map((example, index) => {
    const at = `examples[${index}]`;
    if (isFileReference(example)) return readExampleFile(example.file, directory, at);
    if (typeof example !== 'object' || example === null || Array.isArray(example) || example instanceof Uint8Array) return example;
    return Object.fromEntries(Object.entries(example).map(([name, value]: [string, unknown]) => [name, isFileReference(value) ? readExampleFile(value.file, directory, `${at}.${name}`) : value]));
  });
}

function isFileReference(value: unknown): value is { readonly file: string } {
  return typeof value === 'object' && value !== null && 'file' in value && typeof value.file === 'string' && Object.keys(value).length === 1;
}

function readExampleFile(file: string, directory: string, at: string): unknown {
  const path = resolve(directory, file);
  let bytes;
  try {
    if (!realpathSync(path).startsWith(realpathSync(directory) + sep)) throw new ModelportError('INVALID_CONFIG', `${at}: ${file} lies outside of the model folder ${directory}`, { at });
    if (statSync(path).size > mostBytes) throw new ModelportError('INVALID_CONFIG', `${at}: ${file} has more than ${mostBytes >> 20} MB, too much for an example`, { at });
    bytes = readFileSync(path);
    return file.endsWith('.json') ? (JSON.parse(bytes.toString('utf8')) as unknown) : new Uint8Array(bytes);
  } catch (error) {
    if (error instanceof ModelportError) throw error;
    throw new ModelportError('INVALID_CONFIG', `${at}: ${file} ${bytes === undefined ? "can't be read" : 'is not JSON'}: ${(error as Error).message}`, { at, cause: error });
  }
}
