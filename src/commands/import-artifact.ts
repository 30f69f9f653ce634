/** Files of other frameworks on their way to a runtime: imported once, kept in the content store by what they hold and how they were imported. */
import { createHash } from 'node:crypto';
import { createReadStream, existsSync } from 'node:fs';
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Artifact } from '../artifact.ts';
import type { Importer, ImportOptions } from '../importer.ts';
import { parseInputDeclaration } from '../input-declaration.ts';
import type { ImportConfig } from '../model-config.ts';
import { ContentStore, defaultCacheDirectory } from '../packaging/content-store.ts';

const artifactType = 'application/vnd.modelport.imported.v1';
const notesFile = 'import-notes.json';

export interface ImportedArtifact {
  readonly artifact: Artifact;
  /** What a person should know of the import; see `ImportOptions.note`. */
  readonly notes: readonly string[];
}

/** The imported artifact, from the store where an equal file was imported so before. `digestOf`: in hexadecimal digits. Throws `INVALID_MODEL` naming what is not covered. */
export async function importArtifact(artifact: Artifact, importer: Importer, importing: ImportConfig = {}, cacheDirectory = defaultCacheDirectory(), digestOf: (path: string) => Promise<string> = hashFile): Promise<ImportedArtifact> {
  const options = importOptions(importing);
  const store = await ContentStore.open(cacheDirectory);
  const how = Object.keys(importing).length === 0 ? '' : `/${createHash('sha256').update(JSON.stringify(importing, Object.keys(importing).sort())).digest('hex').slice(0, 16)}`;
  const name = `imported/${importer.name}-${importer.version}/${await digestOf(join(artifact.directory, artifact.main))}${await digestBeside(artifact, importer, digestOf)}${how}`;
  const known = await store.resolve(name);
  if (known !== undefined) return importedIn(await store.folder(known.digest));
  const place = await mkdtemp(join(tmpdir(), 'modelport-import-'));
  try {
    const notes: string[] = [];
    const imported = await importer.import(artifact, place, { ...options, note: (sentence) => notes.push(sentence) });
    await writeFile(join(place, notesFile), JSON.stringify(notes));
    const paths = [...imported.files.map(({ path }) => join(imported.directory, path)), join(place, notesFile)];
    const files = new Map(paths.map((path) => [path.slice(place.length + 1), createReadStream(path) as AsyncIterable<Uint8Array>]));
    const manifest = await store.putFiles(name, files, artifactType, { importer: importer.name });
    return await importedIn(await store.folder(manifest.digest));
  } finally {
    await rm(place, { recursive: true, force: true });
  }
}

/** Throws `INVALID_USAGE` where an input is not declared as it should be. */
export function importOptions({ architecture, precision, inputs }: ImportConfig): ImportOptions {
  return {
    ...(architecture === undefined ? {} : { architecture }),
    ...(precision === undefined ? {} : { precision }),
    ...(inputs === undefined ? {} : { inputs: inputs.map(parseInputDeclaration) }),
  };
}

async function importedIn(directory: string): Promise<ImportedArtifact> {
  const names = (await readdir(directory, { recursive: true })).filter((name) => name !== notesFile).sort();
  const files = await Promise.all(names.map(async (path) => ({ path, status: await stat(join(directory, path)) })));
  const notes = await readFile(join(directory, notesFile), 'utf8').catch(() => '[]');
  return {
    artifact: {
      format: 'onnx',
      directory,
      main: 'model.onnx',
      files: files.filter(({ status }) => status.isFile()).map(({ path, status }) => ({ path, sizeBytes: status.size })),
      metadata: {},
    },
    notes: JSON.parse(notes) as string[],
  };
}

/** '' where no such file is there. */
async function digestBeside({ directory }: Artifact, { readsBeside = [] }: Importer, digestOf: (path: string) => Promise<string>): Promise<string> {
  const found = readsBeside.filter((name) => existsSync(join(directory, name)));
  if (found.length === 0) return '';
  const digests = await Promise.all(found.map(async (name) => `${name} ${await digestOf(join(directory, name))}`));
  return `-${createHash('sha256').update(digests.join('\n')).digest('hex').slice(0, 16)}`;
}

async function hashFile(path: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path)) hash.update(chunk as Uint8Array);
  return hash.digest('hex');
}
