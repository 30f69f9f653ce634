/** Examples of a task that takes pictures, as clients can send them: files of the model folder become data URLs. */
import { readFileSync, realpathSync, statSync } from 'node:fs';
import { resolve, sep } from 'node:path';
import type { Artifact } from '../../artifact.ts';
import { ModelportError } from '../../errors.ts';
import type { TaskFacts } from '../../task.ts';
import { imageDataUrl } from './image-value.ts';

const mostBytes = 2 << 20;

/**
 * `{file: sample.png}`, `{image: {file: sample.png}}` and bytes become `{image: "data:…"}`; other examples stay as they are.
 * Throws `INVALID_CONFIG` where a file is missing, too large or outside of the folder.
 */
export function imageExamples({ examples, artifact }: TaskFacts): readonly unknown[] {
  return examples.map((example, index) => {
    const at = `examples[${index}]`;
    if (example instanceof Uint8Array) return { image: imageDataUrl(example) };
    if (typeof example === 'string') return { image: example };
    if (typeof example !== 'object' || example === null) return example;
    if (isFile(example)) return { image: imageDataUrl(readExample(example.file, artifact, at)) };
    const { image } = example as { readonly image?: unknown };
    if (image instanceof Uint8Array) return { ...example, image: imageDataUrl(image) };
    if (typeof image === 'object' && image !== null && isFile(image)) return { ...example, image: imageDataUrl(readExample(image.file, artifact, at)) };
    return example;
  });
}

function isFile(value: object): value is { readonly file: string } {
  return 'file' in value && typeof value.file === 'string' && Object.keys(value).length === 1;
}

function readExample(file: string, artifact: Artifact, at: string): Uint8Array {
  const path = resolve(artifact.directory, file);
  try {
    const folder = realpathSync(artifact.directory);
    if (!realpathSync(path).startsWith(folder + sep)) throw new ModelportError('INVALID_CONFIG', `${at}: ${file} lies outside of the model folder`, { at });
    if (statSync(path).size > mostBytes) throw new ModelportError('INVALID_CONFIG', `${at}: ${file} has more than ${mostBytes >> 20} MB, too much for an example`, { at });
    return readFileSync(path);
  } catch (error) {
    if (error instanceof ModelportError) throw error;
    throw new ModelportError('INVALID_CONFIG', `${at}: ${file} can't be read: ${(error as Error).message}`, { at, cause: error });
  }
}
