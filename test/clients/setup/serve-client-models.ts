/** The command line, serving the models that clients ask for, with everything on that a client can use. */
import { join } from 'node:path';
import { startModelport, type RunningModelport } from '../../start-modelport.ts';

export const clientModels = join(import.meta.dirname, '../models');

export interface ServedForClients {
  /** Gives the environment that Python tests read. */
  readonly start: () => Promise<Readonly<Record<string, string>>>;
  readonly stop: () => Promise<unknown>;
}

/** `folders` of test/clients/models. */
export function serveClientModels(environment: Readonly<Record<string, string>>, folders: readonly string[] = ['examples', 'more']): ServedForClients {
  let running: RunningModelport | undefined;
  return {
    async start() {
      running = await startModelport({
        arguments: [...folders.map((folder) => join(clientModels, folder)), '--model-control-mode', 'explicit', '--load-model', '*', '--allow-shared-memory'],
        environment: { NODE_OPTIONS: `--import=${new URL('./test-runtimes.mjs', import.meta.url).href}` },
      });
      return { ...environment, MODELPORT_TEST_HTTP: `127.0.0.1:${running.httpPort}`, MODELPORT_TEST_GRPC: `127.0.0.1:${running.grpcPort}` };
    },
    stop: async () => running?.stop(),
  };
}
