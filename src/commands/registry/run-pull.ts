/** What `pull` does. */
import { copyFile, lstat, mkdir, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { ModelportError } from '../../errors.ts';
import { humanBytes } from '../../lib/human-number.ts';
import { bar, LiveLine } from '../../lib/live-line.ts';
import { createStyle, usesColor } from '../../lib/terminal.ts';
import { ContentStore, defaultCacheDirectory } from '../../packaging/content-store.ts';
import { checkManifest, parseDocument, readContent, registryPlace, storePlace } from '../../packaging/image/read-content.ts';
import { keepContent } from '../../packaging/keep-content.ts';
import { artifactFiles } from '../../packaging/model-pack.ts';
import { parseReferenceName, showReference } from '../../packaging/registry/reference.ts';
import { RegistryClient } from '../../packaging/registry/registry-client.ts';
import { writeOciArchive, writeOciLayout } from '../../packaging/image/write-archive.ts';
import { findSource, type Source } from '../../source.ts';
import { createSourceContext } from '../fetch-files.ts';
import type { PullFlags } from '../pull.ts';

export async function runPull(given: string, flags: PullFlags): Promise<void> {
  const { sources } = await import('../../sources/index.ts');
  const other = findSource(given, sources);
  if (other !== undefined) {
    await pullFiles(given, other, flags);
    return;
  }
  const reference = parseReferenceName(given);
  const store = await ContentStore.open(flags.cacheDir ?? defaultCacheDirectory());
  const line = new LiveLine();
  const style = createStyle(usesColor(process.stdout));
  const name = `oci://${showReference(reference)}`;
  await using client = new RegistryClient(reference.registry, flags.plainHttp === true ? { plainHttp: true } : {});
  try {
    const content = await readContent(registryPlace(client, reference));
    const root = await keepContent(content, store, { progress: (done, total) => line.show(() => `pull ${name}  ${bar(done / Math.max(1, total), 24)}  ${humanBytes(done)} of ${humanBytes(total)}`) });
    line.clear();
    await store.tag(name, root);
    const place = /^(oci|oci-archive):(?!\/\/)(.+)$/.exec(flags.output ?? '');
    if (place !== null) {
      const contents = [{ content: await readContent(storePlace(store, root, name)), name: showReference({ ...reference, tag: reference.tag ?? 'latest', digest: undefined }) }];
      await (place[1] === 'oci' ? writeOciLayout(place[2]!, contents) : writeOciArchive(place[2]!, contents));
    } else if (flags.output !== undefined) {
      const files = await artifactFiles(checkManifest(parseDocument(content.bytes, name), name), store, name);
      await writeFiles(new Map([...files].map(([path, { digest }]) => [path, store.path(digest)])), flags.output, flags.force === true);
    }
    const kept = flags.output === undefined ? 'in the store' : `in ${flags.output}`;
    process.stdout.write(`${style.bold('Pulled')}  ${name}@${root.digest}  ${style.dim(kept)}\n`);
  } finally {
    line.clear();
  }
}

/** From a source that is no registry of images. */
async function pullFiles(given: string, source: Source, flags: PullFlags): Promise<void> {
  if (/^oci(?:-archive)?:/.test(flags.output ?? '')) throw new ModelportError('INVALID_USAGE', `${given} is no image: name a folder with -o`);
  const store = await ContentStore.open(flags.cacheDir ?? defaultCacheDirectory());
  const { files, revision } = await source.fetch(given, createSourceContext(store));
  if (flags.output !== undefined) await writeFiles(new Map([...files].map(([path, { digest }]) => [path, store.path(digest)])), flags.output, flags.force === true);
  const style = createStyle(usesColor(process.stdout));
  process.stdout.write(`${style.bold('Pulled')}  ${given}  ${style.dim(`${revision}  ${flags.output === undefined ? 'in the store' : `in ${flags.output}`}`)}\n`);
}

/** All of them or none where something is in the way. */
async function writeFiles(files: ReadonlyMap<string, string>, folder: string, force: boolean): Promise<void> {
  for (const path of files.keys()) {
    if (!force && (await lstat(join(folder, path)).catch(() => undefined)) !== undefined) throw new ModelportError('INVALID_USAGE', `${join(folder, path)} is there already: choose another folder, or write over it with --force`, { at: path });
  }
  for (const [path, source] of files) {
    const target = join(folder, path);
    await mkdir(dirname(target), { recursive: true });
    const beside = `${target}.${process.pid}.part`;
    try {
      await copyFile(source, beside);
      await rename(beside, target);
    } finally {
      await rm(beside, { force: true });
    }
  }
}
