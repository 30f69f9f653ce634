/** What `push` does. */
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { ModelportError } from '../../errors.ts';
import { humanBytes } from '../../lib/human-number.ts';
import { bar, LiveLine } from '../../lib/live-line.ts';
import { createStyle, usesColor } from '../../lib/terminal.ts';
import { ContentStore, defaultCacheDirectory } from '../../packaging/content-store.ts';
import type { ManifestContent } from '../../packaging/image/oci.ts';
import { layoutPlace, readContent, storePlace } from '../../packaging/image/read-content.ts';
import { isOciArchive, keepArchive } from '../../packaging/keep-content.ts';
import { KnownRepositories } from '../../packaging/registry/known-repositories.ts';
import { pushContent } from '../../packaging/registry/push.ts';
import { parseReferenceName, showReference, type Reference } from '../../packaging/registry/reference.ts';
import { RegistryClient } from '../../packaging/registry/registry-client.ts';
import { packModels } from '../build/pack-models.ts';
import type { PushFlags } from '../push.ts';

export async function runPush(given: readonly string[], flags: PushFlags): Promise<void> {
  const target = given.at(-1)!;
  const paths = given.slice(0, -1);
  if (paths.length === 0) throw new ModelportError('INVALID_USAGE', 'name what to send and where: modelport push ./models/digits oci://host/team/digits:2');
  if (!target.startsWith('oci://')) throw new ModelportError('INVALID_USAGE', `'${target}' is no place in a registry: write oci://host/team/name:tag`);
  const reference = parseReferenceName(target);
  if (reference.digest !== undefined) throw new ModelportError('INVALID_USAGE', `'${target}': what is sent gets a tag; its digest follows from what it is`);
  const content = await contentOf(paths, reference, flags);
  const known = await KnownRepositories.open(join(flags.cacheDir ?? defaultCacheDirectory(), 'repositories.json'));
  const line = new LiveLine();
  const style = createStyle(usesColor(process.stdout));
  await using client = new RegistryClient(reference.registry, flags.plainHttp === true ? { plainHttp: true } : {});
  try {
    const named = { ...reference, tag: reference.tag ?? 'latest' };
    const { digest, sentBytes } = await pushContent(client, named, content, { known, progress: (done, total) => line.show(() => `push ${target}  ${bar(done / Math.max(1, total), 24)}  ${humanBytes(done)} of ${humanBytes(total)}`) });
    line.clear();
    process.stdout.write(`${style.bold('Pushed')}  oci://${showReference(named)}@${digest}  ${style.dim(`${humanBytes(sentBytes)} sent`)}\n`);
    await known.save();
  } finally {
    line.clear();
  }
}

async function contentOf(paths: readonly string[], reference: Reference, flags: PushFlags): Promise<ManifestContent> {
  const [first] = paths;
  if (paths.length === 1 && first!.startsWith('oci:')) {
    const [, folder, name] = /^oci:(.*?)(?::([^:/]+))?$/.exec(first!)!;
    if ((await stat(folder!).catch(() => undefined))?.isDirectory() !== true) throw new ModelportError('INVALID_USAGE', `there is no folder ${folder}`);
    return await readContent(await layoutPlace(folder!, name));
  }
  if (paths.length === 1 && (await isOciArchive(first!))) {
    const store = await ContentStore.open(flags.cacheDir ?? defaultCacheDirectory());
    return await readContent(storePlace(store, await keepArchive(first!, store), first!));
  }
  return (await packModels(paths, { name: reference.repository.split('/').pop()!, tag: reference.tag, included: flags.include, excluded: flags.exclude, cacheDirectory: flags.cacheDir })).content;
}
