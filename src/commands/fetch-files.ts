/** Files that a config names by where to get them: fetched into the store, and put together there with what lies beside the config. */
import { createReadStream } from 'node:fs';
import { lstat, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { ModelportError } from '../errors.ts';
import { humanBytes } from '../lib/human-number.ts';
import { bar, LiveLine } from '../lib/live-line.ts';
import { suggestName } from '../lib/suggest-name.ts';
import type { ContentStore, Descriptor } from '../packaging/content-store.ts';
import { findSource, schemeOf, type FetchedContent, type Source, type SourceContext } from '../source.ts';
import type { FetchedFiles, FetchRequest } from '../serving/load-version.ts';

const artifactType = 'application/vnd.modelport.fetched.v1';
/** What a folder holds beside its model: configs, labels, examples. */
const maximumOwnFiles = 2000;
/** A file may name a place on this machine only where a person types it: configs travel. */
const typedOnly = 'file';

/** Whether a config's `file` says where to get it. A scheme that is not known is one too, so that it is said to be unknown. */
export function isReference(file: string): boolean {
  return schemeOf(file) !== undefined;
}

/** All sources, those of registries included. */
export async function allSources(store: ContentStore): Promise<readonly Source[]> {
  const [{ sources }, { createOciSource }] = await Promise.all([import('../sources/index.ts'), import('../packaging/registry/oci-source.ts')]);
  return [...sources, createOciSource(store)];
}

/** Throws `INVALID_USAGE` naming what there is. */
export async function requireSource(reference: string, store: ContentStore): Promise<Source> {
  const sources = await allSources(store);
  const source = findSource(reference, sources);
  if (source !== undefined) return source;
  throw new ModelportError('INVALID_USAGE', `'${reference}' begins with no source that is known${suggestName(schemeOf(reference) ?? reference, sources.map(({ scheme }) => scheme))}`, { at: reference });
}

export async function fetchFiles(request: FetchRequest, cacheDirectory?: string, note: (text: string) => void = tell): Promise<FetchedFiles> {
  const { ContentStore, defaultCacheDirectory } = await import('../packaging/content-store.ts');
  const store = await ContentStore.open(cacheDirectory ?? defaultCacheDirectory());
  const context = createSourceContext(store, note);
  const files = new Map<string, Descriptor>();
  for (const directory of request.directories) await addOwnFiles(directory, store, files);
  for (const [path, reference] of Object.entries(request.files)) {
    const { files: fetched } = await fetchNamed(reference, request.model, store, context);
    const [only] = fetched.values();
    if (path.endsWith('/')) for (const [name, content] of fetched) files.set(path === './' ? name : `${path}${name}`, content);
    else if (fetched.size === 1 && only !== undefined) files.set(path, only);
    else throw new ModelportError('INVALID_CONFIG', `model '${request.model}': ${reference} is a folder, so '${path}' in files must end with a slash`, { at: `files.${path}` });
  }
  let main: string | undefined;
  if (request.main !== undefined) {
    const fetched = await fetchNamed(request.main, request.model, store, context);
    for (const [name, content] of fetched.files) files.set(name, content);
    if (fetched.files.size === 1) [main] = fetched.files.keys();
  }
  const manifest = await store.nameFiles(`fetched/${request.model}`, new Map([...files].sort(([left], [right]) => (left < right ? -1 : 1))), artifactType);
  return { directory: await store.folder(manifest.digest), ...(main === undefined ? {} : { main }) };
}

async function fetchNamed(reference: string, model: string, store: ContentStore, context: SourceContext): Promise<FetchedContent> {
  const source = await requireSource(reference, store);
  if (source.scheme === typedOnly) throw new ModelportError('INVALID_CONFIG', `model '${model}': a config may not name ${reference}: put the file beside the config`, { at: reference });
  return await source.fetch(reference, context);
}

/** With a line that shows how far a download is, at a terminal. */
export function createSourceContext(store: ContentStore, note: (text: string) => void = tell): SourceContext {
  const line = new LiveLine();
  return {
    store,
    environment: process.env,
    note: (sentence) => {
      line.clear();
      note(sentence);
    },
    progress: (what, doneBytes, totalBytes) => {
      if (totalBytes === undefined || doneBytes < totalBytes) line.show(() => `${what}  ${totalBytes === undefined ? humanBytes(doneBytes) : `${bar(doneBytes / totalBytes, 24)}  ${humanBytes(doneBytes)} of ${humanBytes(totalBytes)}`}`);
      else line.clear();
    },
  };
}

function tell(text: string): void {
  process.stderr.write(`${text}\n`);
}

async function addOwnFiles(directory: string, store: ContentStore, files: Map<string, Descriptor>): Promise<void> {
  const names = (await readdir(directory, { recursive: true })).filter((name) => !name.split('/').some((part) => part.startsWith('.')));
  // Version folders belong to the other versions.
  const own = names.filter((name) => !/^[1-9]\d*\//.test(name)).sort();
  if (own.length > maximumOwnFiles) throw new ModelportError('INVALID_MODEL', `${directory} holds ${own.length} files beside the config; at most ${maximumOwnFiles} are taken`, { at: directory });
  for (const name of own) {
    const path = join(directory, name);
    // Links are left out: what they lead to need not belong to the model.
    const status = await lstat(path).catch(() => undefined);
    if (status?.isFile() === true) files.set(name, await store.put(createReadStream(path)));
  }
}
