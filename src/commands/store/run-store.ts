/** What `store` does. */
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { ModelportError } from '../../errors.ts';
import { humanBytes } from '../../lib/human-number.ts';
import { suggestName } from '../../lib/suggest-name.ts';
import { createStyle, padEnd, usesColor } from '../../lib/terminal.ts';
import { ContentStore, defaultCacheDirectory, type Descriptor } from '../../packaging/content-store.ts';
import { parseDocument } from '../../packaging/image/read-content.ts';
import type { StoreFlags } from '../store.ts';

export async function runStore(action: string, names: readonly string[], flags: StoreFlags): Promise<void> {
  const [first, second] = names;
  const takesNone = action === 'list' || action === 'collect';
  if (takesNone && names.length > 0) throw new ModelportError('INVALID_USAGE', `store ${action} takes no names`);
  if (action === 'list') await listStore(flags);
  else if (action === 'collect') await collectStore(flags);
  else if (action === 'delete') {
    if (names.length === 0) throw new ModelportError('INVALID_USAGE', "name what to delete: modelport store delete 'package/pypi/*'");
    await deleteNames(names, flags);
  } else if (first !== undefined && second !== undefined && names.length === 2) await tagContent(first, second, flags);
  else throw new ModelportError('INVALID_USAGE', 'name what there is and what it is to be called: modelport store tag NAME NEW-NAME');
}

async function open(flags: StoreFlags): Promise<ContentStore> {
  return await ContentStore.open(flags.cacheDir ?? defaultCacheDirectory());
}

async function listStore(flags: StoreFlags): Promise<void> {
  const store = await open(flags);
  const names = [...(await store.tags())].sort(([left], [right]) => (left < right ? -1 : 1));
  const entries = await Promise.all(names.map(async ([name, descriptor]) => ({ name, digest: descriptor.digest, sizeBytes: await reachableBytes(store, descriptor) })));
  const folder = join(store.directory, 'blobs', 'sha256');
  let totalBytes = 0;
  for (const blob of await readdir(folder)) totalBytes += (await stat(join(folder, blob)).catch(() => undefined))?.size ?? 0;
  if (flags.json === true) {
    process.stdout.write(`${JSON.stringify({ directory: store.directory, totalBytes, entries }, undefined, 2)}\n`);
    return;
  }
  const style = createStyle(usesColor(process.stdout));
  const width = Math.min(90, Math.max(0, ...entries.map(({ name }) => name.length)));
  for (const { name, digest, sizeBytes } of entries) process.stdout.write(`${padEnd(name, width)}  ${humanBytes(sizeBytes).padStart(8)}  ${style.dim(digest.slice(0, 19))}\n`);
  process.stdout.write(`${style.bold(humanBytes(totalBytes))} in ${store.directory}\n`);
}

/** With all that it names; what several share is counted for each. */
async function reachableBytes(store: ContentStore, root: Descriptor): Promise<number> {
  const seen = new Map<string, number>();
  const visit = async (descriptor: Descriptor): Promise<void> => {
    if (seen.has(descriptor.digest)) return;
    seen.set(descriptor.digest, descriptor.size);
    if (!/\.(?:manifest|index|list)\.v[12]\+json$/.test(descriptor.mediaType)) return;
    const bytes = await store.get(descriptor.digest).catch(() => undefined);
    if (bytes === undefined) return;
    const { layers, manifests, config } = parseDocument(bytes, descriptor.digest) as { layers?: Descriptor[]; manifests?: Descriptor[]; config?: Descriptor };
    for (const child of [...(layers ?? []), ...(manifests ?? []), ...(config === undefined ? [] : [config])]) await visit(child);
  };
  await visit(root);
  return [...seen.values()].reduce((sum, size) => sum + size, 0);
}

async function tagContent(name: string, target: string, flags: StoreFlags): Promise<void> {
  const store = await open(flags);
  const tags = await store.tags();
  const found = tags.get(name) ?? [...tags.values()].find(({ digest }) => digest === name);
  if (found === undefined) throw new ModelportError('INVALID_USAGE', `the store has no '${name}'${suggestName(name, tags.keys())}`);
  await store.tag(target, found);
}

async function deleteNames(names: readonly string[], flags: StoreFlags): Promise<void> {
  const store = await open(flags);
  const tags = [...(await store.tags()).keys()];
  for (const name of names) {
    const pattern = new RegExp(`^${name.replaceAll(/[.+?^${}()|[\]\\]/g, '\\$&').replaceAll('*', '.*')}$`);
    const matching = tags.filter((tag) => pattern.test(tag));
    if (matching.length === 0) throw new ModelportError('INVALID_USAGE', `the store has no '${name}'${suggestName(name, tags)}`);
    for (const tag of matching) if (await store.untag(tag)) process.stdout.write(`Deleted ${tag}\n`);
  }
}

async function collectStore(flags: StoreFlags): Promise<void> {
  const store = await open(flags);
  const { blobs, bytes } = await store.collectGarbage({ graceMs: flags.olderThan });
  process.stdout.write(`Freed ${humanBytes(bytes)} (${blobs} ${blobs === 1 ? 'piece' : 'pieces'}) in ${store.directory}\n`);
}
