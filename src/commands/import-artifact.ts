/** Files of other frameworks on their way to a runtime: imported once, kept in the content store by what they hold. */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdtemp, readdir, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Artifact } from '../artifact.ts';
import type { Importer } from '../importer.ts';
import { ContentStore, defaultCacheDirectory } from '../packaging/content-store.ts';

const artifactType = 'application/vnd.modelport.imported.v1';

/** The imported artifact, from the store where an equal file was imported before. Throws `INVALID_MODEL` naming what is not covered. */
export async function importArtifact(artifact: Artifact, importer: Importer, cacheDirectory = defaultCacheDirectory()): Promise<Artifact> {
  const store = await ContentStore.open(cacheDirectory);
  const name = `imported/${importer.name}-${importer.version}/${await digestOf(join(artifact.directory, artifact.main))}`;
  const known = await store.resolve(name);
  if (known !== undefined) return artifactIn(await store.folder(known.digest));
  const place = await mkdtemp(join(tmpdir(), 'modelport-import-'));
  try {
    const imported = await importer.import(artifact, place);
    const files = new Map(imported.files.map(({ path }) => [path, createReadStream(join(imported.directory, path)) as AsyncIterable<Uint8Array>]));
    const manifest = await store.putFiles(name, files, artifactType, { importer: importer.name });
    return await artifactIn(await store.folder(manifest.digest));
  } finally {
    await rm(place, { recursive: true, force: true });
  }
}

async function artifactIn(directory: string): Promise<Artifact> {
  const names = (await readdir(directory, { recursive: true })).sort();
  const files = await Promise.all(names.map(async (path) => ({ path, status: await stat(join(directory, path)) })));
  return {
    format: 'onnx',
    directory,
    main: 'model.onnx',
    files: files.filter(({ status }) => status.isFile()).map(({ path, status }) => ({ path, sizeBytes: status.size })),
    metadata: {},
  };
}

async function digestOf(path: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path)) hash.update(chunk as Uint8Array);
  return hash.digest('hex');
}
