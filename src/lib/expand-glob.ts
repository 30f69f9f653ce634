/** File patterns that no shell expanded: `*`, `?` and `**`. */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';

export function isGlob(text: string): boolean {
  return /[*?]/.test(text);
}

/** The files that match, sorted by path. `**` goes down any number of folders; links to folders are not followed. */
export async function expandGlob(pattern: string): Promise<string[]> {
  const absolute = pattern.startsWith('/');
  const parts = pattern.split('/').filter((part) => part !== '' && part !== '.');
  const found: string[] = [];
  await walk(absolute ? '/' : '', parts, found);
  return [...new Set(found)].sort();
}

async function walk(folder: string, parts: readonly string[], found: string[]): Promise<void> {
  const [part, ...rest] = parts;
  if (part === undefined) return;
  if (!isGlob(part) && rest.length > 0) return walk(join(folder, part), rest, found);
  const entries = await readdir(folder === '' ? '.' : folder, { withFileTypes: true }).catch(() => []);
  const name = part === '**' ? undefined : toExpression(part);
  if (name === undefined) {
    await walk(folder, rest.length === 0 ? ['*'] : rest, found);
    for (const entry of entries) if (entry.isDirectory() && !entry.name.startsWith('.')) await walk(join(folder, entry.name), parts, found);
    return;
  }
  for (const entry of entries) {
    if (!name.test(entry.name) || (entry.name.startsWith('.') && !part.startsWith('.'))) continue;
    if (rest.length > 0) {
      if (entry.isDirectory()) await walk(join(folder, entry.name), rest, found);
    } else if (entry.isFile() || entry.isSymbolicLink()) {
      found.push(join(folder, entry.name));
    }
  }
}

function toExpression(part: string): RegExp {
  return new RegExp(`^${part.replace(/[.+^${}()|[\]\\]/g, '\\$&').replaceAll('*', '.*').replaceAll('?', '.')}$`);
}
