/** Where in a person's file something was called or thrown. Source maps must be on when the stack is made. */
import { relative } from 'node:path';
import { fileURLToPath } from 'node:url';

/** What runs, and where source maps say that it was written. */
const ownFolders = ['../', '../../src/'].map((folder) => fileURLToPath(new URL(folder, import.meta.url)));

/** The first place of the stack that is neither Modelport's nor a package's, as `file:line:column`; undefined where there is none. */
export function callSite(error: unknown = new Error('where')): string | undefined {
  const stack = error instanceof Error ? error.stack : undefined;
  for (const line of stack?.split('\n') ?? []) {
    const match = /(?:\(|at (?:async )?)((?:file:\/\/)?\/[^()]*?|[A-Za-z]:\\[^()]*?):(\d+):(\d+)\)?$/.exec(line.trim());
    if (match === null) continue;
    const path = match[1]!.startsWith('file://') ? fileURLToPath(match[1]!) : match[1]!;
    if (ownFolders.some((folder) => path.startsWith(folder)) || /[\\/]node_modules[\\/]/.test(path)) continue;
    return `${path}:${match[2]}:${match[3]}`;
  }
  return undefined;
}

/** As a person at this folder would write it. */
export function shownPlace(place: string): string {
  const shown = relative(process.cwd(), place);
  return shown === '' || shown.startsWith('..') ? place : shown;
}
