/** The layer table of ARCHITECTURE.md, checked against every import in src/ and ui/. */
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve, sep } from 'node:path';
import { expect, test } from 'vitest';

const root = resolve(import.meta.dirname, '..');
const source = join(root, 'src');

/** Folders whose children are extensions: siblings don't know each other, `index.ts` is the registry. */
const extensionKinds = ['importers', 'optimizers', 'runtimes', 'tasks', 'protocols', 'sources', 'targets'];

interface SourceFile {
  readonly path: string;
  readonly imports: readonly string[];
}

function sourceFiles(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && /\.tsx?$/.test(entry.name))
    .map((entry) => join(entry.parentPath, entry.name));
}

/** Specifiers of static, type-only and dynamic imports, comments and strings of other kinds left aside. */
function importsOf(path: string): string[] {
  const text = readFileSync(path, 'utf8');
  return [...text.matchAll(/(?:^|[;\n])\s*(?:import|export)\s[^;'"]*?from\s*['"]([^'"]+)['"]|(?:^|[;\n])\s*import\s*['"]([^'"]+)['"]|\bimport\(\s*['"]([^'"]+)['"]\s*\)/g)].map((match) => (match[1] ?? match[2] ?? match[3])!);
}

const files: SourceFile[] = sourceFiles(source).map((path) => ({ path: relative(source, path).split(sep).join('/'), imports: importsOf(path) }));

/** The layer of a file, and for extensions the folder that is its home. */
function place(path: string): { layer: string; home: string } {
  const parts = path.split('/');
  if (parts.length === 1) return { layer: ['index.ts', 'cli.ts', 'client.ts'].includes(path) ? 'root' : 'vocabulary', home: path };
  const [first, second] = parts as [string, string];
  if (extensionKinds.includes(first)) return parts.length === 2 ? { layer: 'registry', home: first } : { layer: 'extension', home: `${first}/${second}` };
  return { layer: first === 'commands' ? 'root' : first, home: first };
}

/** Folders beside extensions that hold what siblings share. They are known by name, so that a new one is a decision. */
const shared = ['tasks/audio', 'tasks/image', 'tasks/table', 'tasks/classification', 'tasks/request', 'tasks/text', 'sources/package', 'importers/aten', 'importers/trees', 'protocols/json'];

const foundation = ['lib', 'vocabulary'];
const allowed: Readonly<Record<string, readonly string[]>> = {
  lib: ['lib'],
  vocabulary: foundation,
  onnx: [...foundation, 'onnx'],
  formats: [...foundation, 'formats'],
  extension: [...foundation, 'onnx', 'formats'],
  serving: [...foundation, 'serving'],
  observability: [...foundation, 'observability'],
  packaging: [...foundation, 'packaging'],
  hub: [...foundation, 'hub'],
  service: [...foundation, 'service'],
  server: [...foundation, 'serving', 'observability', 'packaging', 'hub', 'server'],
};

function violations(): string[] {
  const found: string[] = [];
  for (const { path, imports } of files) {
    const from = place(path);
    for (const specifier of imports) {
      if (!specifier.startsWith('.')) {
        if (from.layer === 'lib' && !specifier.startsWith('node:')) found.push(`${path} imports ${specifier}: lib imports node: only`);
        continue;
      }
      const target = relative(source, resolve(source, dirname(path), specifier)).split(sep).join('/');
      if (target.startsWith('..')) {
        found.push(`${path} imports ${specifier}, which is outside src/`);
        continue;
      }
      const to = place(target);
      if (from.layer === 'root') continue;
      if (from.layer === 'registry') {
        if (!target.startsWith(`${from.home}/`) && !['vocabulary', 'lib'].includes(to.layer)) found.push(`${path} imports ${target}: a registry imports its children`);
        continue;
      }
      if (from.home === to.home) continue;
      if (to.layer === 'extension' && shared.includes(to.home) && from.layer === 'extension' && from.home.split('/')[0] === to.home.split('/')[0]) continue;
      if (!(allowed[from.layer] ?? []).includes(to.layer)) found.push(`${path} (${from.layer}) imports ${target} (${to.layer})`);
    }
  }
  return found;
}

test('every import obeys the layer table', () => {
  expect(violations()).toEqual([]);
});

test('the check has read the sources', () => {
  const imports = files.reduce((sum, file) => sum + file.imports.length, 0);
  console.log(`architecture: ${files.length} files and ${imports} imports checked`);
  expect(files.length).toBeGreaterThan(80);
  expect(imports).toBeGreaterThan(200);
  expect(importsOf(join(source, 'server/server.ts'))).toContain('./grpc-listener.ts');
});

test('the page imports nothing of the server but types', () => {
  const pageFiles = sourceFiles(join(root, 'ui/src'));
  expect(pageFiles.length).toBeGreaterThan(10);
  for (const path of pageFiles) {
    for (const specifier of importsOf(path)) {
      if (specifier.startsWith('.')) expect(resolve(dirname(path), specifier).startsWith(join(root, 'ui') + sep), `${path} imports ${specifier}`).toBe(true);
    }
  }
});

test('files are named in kebab-case and no file is a drawer', () => {
  for (const { path } of files) {
    expect(path).toMatch(/^(?:[a-z0-9]+(?:-[a-z0-9]+)*\/)*[a-z0-9]+(?:-[a-z0-9]+)*\.ts$/);
    expect(path).not.toMatch(/(?:^|[/-])(?:utils?|helpers?|managers?|base|impl|misc|common)\.ts$/);
  }
});
