/** Files that a load request brought, kept in the content store: never in the user's folder. */
import { ContentStore } from './content-store.ts';

const artifactType = 'application/vnd.modelport.load-request.v1';

/** The folder that they lie in. It takes the place of what an earlier request brought for the same model. */
export async function storeFiles(cacheDirectory: string, model: string, files: ReadonlyMap<string, Uint8Array>): Promise<string> {
  const store = await ContentStore.open(cacheDirectory);
  const manifest = await store.putFiles(`load-request/${model}`, files, artifactType);
  return store.folder(manifest.digest);
}
