/** `oci://HOST/PATH:TAG` or `…@sha256:…`: a model as an artifact in a registry. A tag may come to mean another artifact; its digest is the revision. */
import { ModelportError } from '../../errors.ts';
import type { FetchedContent, Source, SourceContext, StoredContent } from '../../source.ts';
import type { ContentStore } from '../content-store.ts';
import { checkManifest, parseDocument, readContent, registryPlace } from '../image/read-content.ts';
import { keepContent } from '../keep-content.ts';
import { artifactFiles } from '../model-pack.ts';
import { parseReferenceName, showReference, type Reference } from './reference.ts';
import { RegistryClient, type RegistryClientOptions } from './registry-client.ts';

/** `store`: blobs go there, and the artifact gets the reference as its name. */
export function createOciSource(store: ContentStore, options: RegistryClientOptions = {}): Source {
  const connect = (reference: string, { environment }: SourceContext): { readonly client: RegistryClient; readonly parsed: Reference } => {
    if (!reference.startsWith('oci://')) throw new ModelportError('INVALID_USAGE', `'${reference}': write oci://host/team/name:tag`, { at: reference });
    const parsed = parseReferenceName(reference);
    return { parsed, client: new RegistryClient(parsed.registry, { environment, ...options }) };
  };
  return {
    scheme: 'oci',
    form: 'oci://HOST/PATH:TAG',
    async fetch(reference: string, context: SourceContext): Promise<FetchedContent> {
      const { client, parsed } = connect(reference, context);
      await using _closing = client;
      const name = `oci://${showReference(parsed)}`;
      const content = await readContent(registryPlace(client, parsed));
      const root = await keepContent(content, store, { progress: (done, total) => context.progress?.(name, done, total) });
      await store.tag(name, root);
      const manifest = checkManifest(parseDocument(content.bytes, name), name);
      const files: ReadonlyMap<string, StoredContent> = await artifactFiles(manifest, store, name);
      return { files, name: parsed.repository.split('/').pop()!, revision: root.digest };
    },
    async revision(reference: string, context: SourceContext): Promise<string> {
      const { client, parsed } = connect(reference, context);
      await using _closing = client;
      const found = await client.resolve(parsed);
      if (found === undefined) throw new ModelportError('NOT_FOUND', `there is no ${reference}`, { at: reference });
      return found.digest;
    },
  };
}
