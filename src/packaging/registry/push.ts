/** Whole images and artifacts to registries: what they are made of in parallel, then manifests from the inside out, then documents that refer to them. */
import { Semaphore } from '../../lib/semaphore.ts';
import { mediaTypes, type Blob, type ImageIndex, type ManifestContent } from '../image/oci.ts';
import { describe, json } from '../image/build-image.ts';
import type { Descriptor } from '../content-store.ts';
import type { KnownRepositories } from './known-repositories.ts';
import type { RegistryClient } from './registry-client.ts';
import type { Reference } from './reference.ts';

export interface PushOptions {
  /** Blobs that are sent at once. Default 3. */
  readonly parallel?: number;
  /** Digests of what was sent already, while it was made. */
  readonly sent?: ReadonlySet<string>;
  /** Where else in the registry content is. */
  readonly known?: KnownRepositories;
  /** Documents about what is pushed, each with a subject in it. */
  readonly referrers?: readonly ManifestContent[];
  progress?(doneBytes: number, totalBytes: number): void;
}

export interface PushResult {
  readonly digest: string;
  /** Bytes that had to travel. */
  readonly sentBytes: number;
}

export async function pushContent(client: RegistryClient, reference: Reference, content: ManifestContent, options: PushOptions = {}): Promise<PushResult> {
  const { repository } = reference;
  const semaphore = new Semaphore(options.parallel ?? 3);
  const blobs = new Map<string, Blob>();
  const collect = (from: ManifestContent): void => {
    for (const blob of from.blobs) blobs.set(blob.descriptor.digest, blob);
    for (const child of from.manifests) collect(child);
  };
  collect(content);
  for (const referrer of options.referrers ?? []) collect(referrer);
  const total = [...blobs.values()].reduce((sum, { descriptor }) => sum + descriptor.size, 0);
  const done = new Map<string, number>();
  let sentBytes = 0;
  const report = (digest: string, bytes: number): void => {
    done.set(digest, bytes);
    options.progress?.([...done.values()].reduce((sum, count) => sum + count, 0), total);
  };
  const results = await Promise.allSettled([...blobs.values()].map((blob) => semaphore.run(async () => {
    const { digest, size } = blob.descriptor;
    const elsewhere = options.known?.find(client.registry, digest);
    const mountable = blob.mountFrom === undefined && elsewhere !== undefined ? { ...blob, mountFrom: { registry: client.registry, repository: elsewhere } } : blob;
    const how = options.sent?.has(digest) === true ? 'sent' : await client.pushBlob(repository, mountable, (bytes) => report(digest, bytes));
    if (how === 'sent') sentBytes += size;
    options.known?.add(client.registry, repository, digest);
    report(digest, size);
  })));
  for (const result of results) if (result.status === 'rejected') throw result.reason;
  const put = async (what: ManifestContent, name: string): Promise<void> => {
    for (const child of what.manifests) await put(child, child.descriptor.digest);
    await client.pushManifest(repository, name, what.descriptor, what.bytes);
  };
  await put(content, reference.tag ?? content.descriptor.digest);
  for (const referrer of options.referrers ?? []) await pushReferrer(client, repository, referrer);
  return { digest: content.descriptor.digest, sentBytes };
}

/** A registry without the referrers API finds such documents through an index that is named after their subject (Distribution Specification 1.1, referrers tag schema). */
async function pushReferrer(client: RegistryClient, repository: string, referrer: ManifestContent): Promise<void> {
  const { knowsSubject } = await client.pushManifest(repository, referrer.descriptor.digest, referrer.descriptor, referrer.bytes);
  if (knowsSubject) return;
  const { subject } = JSON.parse(Buffer.from(referrer.bytes).toString('utf8')) as { subject: Descriptor };
  const tag = subject.digest.replace(':', '-');
  const reference: Reference = { registry: client.registry, repository, tag, digest: undefined };
  const before = (await client.resolve(reference)) === undefined ? [] : (JSON.parse(Buffer.from((await client.manifest(reference)).bytes).toString('utf8')) as ImageIndex).manifests;
  // Of one kind there is one document: a later one takes its place.
  const kept = before.filter(({ digest, artifactType }) => digest !== referrer.descriptor.digest && artifactType !== referrer.descriptor.artifactType);
  const index = json({ schemaVersion: 2, mediaType: mediaTypes.index, manifests: [...kept, referrer.descriptor] });
  await client.pushManifest(repository, tag, describe(index, mediaTypes.index), index);
}
