/**
 * Paths of the command line that are none: references to sources and bundles, put below the store as folders that `serve`, `inspect` and `build` take. A
 * registry's tag that comes to mean another artifact becomes a further version of its model.
 */
import { copyFile, link, mkdir, readdir, rm, symlink } from 'node:fs/promises';
import { createHash } from 'node:crypto';
import { basename, dirname, join, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ContentStore, defaultCacheDirectory } from '../packaging/content-store.ts';
import { isOciArchive, keepArchive } from '../packaging/keep-content.ts';
import { checkManifest, parseDocument } from '../packaging/image/read-content.ts';
import { artifactFiles } from '../packaging/model-pack.ts';
import { schemeOf, type FetchedContent, type Source, type SourceContext } from '../source.ts';
import { isBundledService, ownPackages } from './bundle-service.ts';
import { createSourceContext, requireSource } from './fetch-files.ts';

export interface ServedPaths extends AsyncDisposable {
  readonly paths: readonly string[];
  /** Looks again what the references mean, every so often, until it is disposed. */
  watch(intervalMs: number, log: { info(text: string): void; warn(text: string): void }): void;
}

interface Followed {
  readonly reference: string;
  readonly source: Source;
  readonly folder: string;
  revision: string;
  version: number;
}

/** Files of a model that stand above its versions. */
const sharedFiles = /^(?:model\.ya?ml|labels\.txt|config\.pbtxt)$/;

/** Whether any of them has to be fetched or unpacked. Costs nothing where all are paths. */
export async function needsPreparing(paths: readonly string[]): Promise<boolean> {
  for (const path of paths) if (isReferencePath(path) || (await isOciArchive(path))) return true;
  return false;
}

function isReferencePath(path: string): boolean {
  return schemeOf(path) !== undefined;
}

export async function prepareServedPaths(given: readonly string[], cacheDirectory: string | undefined, note?: (text: string) => void): Promise<ServedPaths> {
  const store = await ContentStore.open(cacheDirectory ?? defaultCacheDirectory());
  await removeLeftOvers(store);
  const own = join(store.directory, 'served', String(process.pid));
  const context = createSourceContext(store, note);
  const paths: string[] = [];
  const followed: Followed[] = [];
  for (const path of given) {
    const reference = isReferencePath(path);
    if (!reference && !(await isOciArchive(path))) {
      paths.push(path);
      continue;
    }
    const root = join(own, createHash('sha256').update(path).digest('hex').slice(0, 16));
    if (reference) {
      const source = await requireSource(path, store);
      const content = await source.fetch(path, context);
      const folder = join(root, content.name);
      if (source.revision !== undefined && isSingleModel(content)) {
        await addVersion(store, folder, content, 1);
        followed.push({ reference: path, source, folder, revision: content.revision, version: 1 });
        paths.push(root);
      } else paths.push(...(await addFolder(store, root, content, false)));
    } else {
      const descriptor = await keepArchive(path, store);
      const manifest = checkManifest(parseDocument(await store.get(descriptor.digest), path), path);
      const title = manifest.annotations?.['org.opencontainers.image.title'];
      const name = title !== undefined && /^[\w.-]{1,100}$/.test(title) ? title : basename(path).replace(/(?:\.oci)?\.tar$/, '');
      await store.tag(`bundle/${name}`, { ...descriptor, ...(manifest.artifactType === undefined ? {} : { artifactType: manifest.artifactType }) });
      paths.push(...(await addFolder(store, root, { files: await artifactFiles(manifest, store, path), name, revision: descriptor.digest }, true)));
    }
  }
  let timer: NodeJS.Timeout | undefined;
  return {
    paths,
    watch: (intervalMs, log) => {
      if (followed.length === 0) return;
      timer = setInterval(() => void lookAgain(followed, store, context, log), intervalMs).unref();
    },
    [Symbol.asyncDispose]: async () => {
      clearInterval(timer);
      await rm(own, { recursive: true, force: true });
    },
  };
}

/** One file, or files of which none lies in a folder of versions or of another model. */
function isSingleModel({ files }: FetchedContent): boolean {
  const names = [...files.keys()];
  return names.some((name) => !name.includes('/') && !sharedFiles.test(name)) && !names.some((name) => /^[1-9]\d*\//.test(name));
}

/** `runs`: services in it are served, too. They are programs: only those of a file that a person has here are. */
async function addFolder(store: ContentStore, root: string, { files, name }: FetchedContent, runs: boolean): Promise<string[]> {
  // A file on its own is called after what it is; a folder of models keeps its names.
  const several = ![...files.keys()].some((path) => !path.includes('/'));
  const folder = several ? root : join(root, name);
  for (const [path, { digest }] of files) await place(store.path(digest), join(folder, path));
  const paths = [...files.keys()];
  if (!several || !paths.every((path) => /^(?:models|app)\//.test(path))) return [root];
  const services: string[] = [];
  if (runs) for (const path of paths) if (/^app\/[^/]+\.mjs$/.test(path) && (await isBundledService(join(folder, path)))) services.push(join(folder, path));
  if (services.length > 0) await linkOwnPackages(join(folder, 'app'));
  return [...(paths.some((path) => path.startsWith('models/')) ? [join(folder, 'models')] : []), ...services];
}

/** Services find the packages of the Modelport that runs by their names. */
async function linkOwnPackages(folder: string): Promise<void> {
  await mkdir(join(folder, 'node_modules'), { recursive: true });
  for (const name of ownPackages) {
    const found = name === 'modelport' ? fileURLToPath(new URL('../../', import.meta.url)).replace(/[\\/]$/, '') : packageFolder(name);
    await symlink(found, join(folder, 'node_modules', name), 'junction').catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'EEXIST') throw error;
    });
  }
}

function packageFolder(name: string): string {
  const path = fileURLToPath(import.meta.resolve(name));
  const end = path.lastIndexOf(`node_modules${sep}${name}${sep}`);
  return path.slice(0, end + `node_modules${sep}${name}`.length);
}

async function addVersion(store: ContentStore, folder: string, { files }: FetchedContent, version: number): Promise<void> {
  for (const [path, { digest }] of files) if (!sharedFiles.test(path)) await place(store.path(digest), join(folder, String(version), path));
  for (const [path, { digest }] of files) {
    if (!sharedFiles.test(path)) continue;
    await rm(join(folder, path), { force: true });
    await place(store.path(digest), join(folder, path));
  }
}

async function place(from: string, to: string): Promise<void> {
  await mkdir(dirname(to), { recursive: true });
  await link(from, to).catch(() => copyFile(from, to));
}

async function lookAgain(followed: readonly Followed[], store: ContentStore, context: SourceContext, log: { info(text: string): void; warn(text: string): void }): Promise<void> {
  for (const entry of followed) {
    try {
      const revision = await entry.source.revision!(entry.reference, context);
      if (revision === entry.revision) continue;
      const content = await entry.source.fetch(entry.reference, context);
      await addVersion(store, entry.folder, content, entry.version + 1);
      entry.version++;
      entry.revision = content.revision;
      log.info(`${entry.reference} is ${content.revision} now: version ${entry.version}`);
    } catch (error) {
      // What serves goes on serving.
      log.warn(`can't look at ${entry.reference}: ${(error as Error).message}`);
    }
  }
}

/** Of processes that are gone. */
async function removeLeftOvers(store: ContentStore): Promise<void> {
  const folder = join(store.directory, 'served');
  for (const name of await readdir(folder).catch(() => [])) {
    const pid = Number(name);
    try {
      process.kill(pid, 0);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ESRCH') await rm(join(folder, name), { recursive: true, force: true });
    }
  }
}
