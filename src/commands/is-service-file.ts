import { extname } from 'node:path';

const extensions: readonly string[] = ['.ts', '.mts', '.cts', '.js', '.mjs', '.cjs'];

/** Whether a path of the command line names a service instead of a model. */
export function isServiceFile(path: string): boolean {
  return extensions.includes(extname(path));
}
