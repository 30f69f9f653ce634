/**
 * Runs models on another server that speaks the Open Inference Protocol (version 2, REST): Triton, MLServer, KServe, another
 * Modelport. Tensors go in binary where the server can. The model is a Model like any other.
 */
import type { Artifact } from '../../artifact.ts';
import type { LoadOptions, Runtime } from '../../runtime.ts';
import type { RemoteModel } from './remote-model.ts';

const remoteRuntime = {
  name: 'remote',
  moduleUrl: import.meta.url,
  // It waits and does not compute: the event loop is the place for it.
  instanceKinds: ['inline'],
  concurrency: 64,
  accepts: (artifact: Artifact) => artifact.format === 'remote',
  /**
   * Parameters, or metadata of the artifact: `url` (with a prefix where the server has one), `model`, `version`, `apiKey`,
   * `timeoutMs` (default 300,000), `maxResponseBytes` (default 1 GiB).
   */
  async load(artifact: Artifact, options: LoadOptions): Promise<RemoteModel> {
    const { loadRemote } = await import('./load-remote.ts');
    return loadRemote(artifact, options);
  },
} satisfies Runtime;

export default remoteRuntime;
