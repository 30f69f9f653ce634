import { existsSync } from 'node:fs';
import { extname, join } from 'node:path';

const extensions: readonly string[] = ['.ts', '.mts', '.cts', '.js', '.mjs', '.cjs'];

/** Whether a path of the command line names a service instead of a model. */
export function isServiceFile(path: string): boolean {
  return extensions.includes(extname(path));
}

/** The service of a folder that holds an `app.ts`; a path that is anything else stays what it is. Models in that folder are those that the service names. */
export function toServiceFile(path: string): string {
  if (isServiceFile(path)) return path;
  const app = extensions.map((extension) => join(path, `app${extension}`)).find((file) => existsSync(file));
  return app ?? path;
}
