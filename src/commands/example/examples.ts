/** The examples that the package carries, as examples/catalogue.json lists them. */
import { copyFileSync, lstatSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import { ModelportError } from '../../errors.ts';
import { humanBytes } from '../../lib/human-number.ts';
import { suggestName } from '../../lib/suggest-name.ts';
import { createStyle, usesColor } from '../../lib/terminal.ts';

const catalogueSchema = z.array(
  z.strictObject({
    name: z.string().regex(/^[a-z][a-z0-9-]*$/),
    /** One line. */
    title: z.string().min(1).max(120),
    /** Where in the example → which folder below examples/. */
    folders: z.record(z.string(), z.string()),
    /** What `serve` fetches, once. `bytes`: of the package's file. */
    downloads: z.array(z.strictObject({ package: z.string(), bytes: z.int().min(1), licence: z.string() })).default([]),
  }),
);

export type Example = z.infer<typeof catalogueSchema>[number];

const directory = fileURLToPath(new URL('../../../examples/', import.meta.url));

export function readCatalogue(): readonly Example[] {
  return catalogueSchema.parse(JSON.parse(readFileSync(join(directory, 'catalogue.json'), 'utf8')));
}

export function listExamples(): void {
  const style = createStyle(usesColor(process.stdout));
  const examples = readCatalogue();
  const width = Math.max(...examples.map(({ name }) => name.length));
  const lines = examples.map(({ name, title, downloads }) => `  ${style.bold(name.padEnd(width))}  ${title}${downloads.length === 0 ? '' : `\n  ${' '.repeat(width)}  ${style.dim(`fetches ${downloads.map((each) => `${humanBytes(each.bytes)} from ${each.package}, ${each.licence}`).join('; ')}`)}`}`);
  process.stdout.write(`\n${lines.join('\n')}\n\n  modelport example NAME writes one into a folder, modelport serve NAME runs it\n\n`);
}

/** Throws `INVALID_USAGE` where there is no such example, or where a file that it would write is there; then nothing is written. */
export async function writeExample(name: string, given: string): Promise<void> {
  const examples = readCatalogue();
  const example = examples.find((one) => one.name === name);
  if (example === undefined) throw new ModelportError('INVALID_USAGE', `there is no example ${name}${suggestName(name, examples.map((one) => one.name))}. modelport example lists all`);
  const folder = resolve(given);
  const files = filesOf(example);
  for (const target of files.keys()) {
    if (exists(join(folder, target))) throw new ModelportError('INVALID_USAGE', `${join(given, target)} is there already: name another folder, as in modelport example ${name} my-${name}`);
  }
  for (const [target, source] of files) {
    const path = join(folder, target);
    mkdirSync(dirname(path), { recursive: true });
    copyFileSync(source, path);
  }
  const shown = relative(process.cwd(), folder) || '.';
  const fetched = example.downloads.map((each) => `\n  (fetches ${humanBytes(each.bytes)} from ${each.package} once)`).join('');
  process.stdout.write(`Written to ${shown}: ${[...files.keys()].slice(0, 8).join(', ')}${files.size > 8 ? ` and ${files.size - 8} more` : ''}\n\n  modelport serve ${shown}${fetched}\n`);
}

/** Path in the example → file of the package. */
export function filesOf(example: Example): Map<string, string> {
  const files = new Map<string, string>();
  for (const [target, source] of Object.entries(example.folders)) {
    const folder = join(directory, source);
    for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
      if (!entry.isFile() || entry.name.startsWith('.') || entry.parentPath.includes('__pycache__')) continue;
      const path = join(entry.parentPath, entry.name);
      files.set(join(target, relative(folder, path)), path);
    }
  }
  return new Map([...files].sort(([left], [right]) => (left < right ? -1 : 1)));
}

function exists(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false }) !== undefined;
}
