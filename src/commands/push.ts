/** `modelport push`: models, bundles and images to a registry. */
import { Command } from 'commander';
import { collect } from './values.ts';

export interface PushFlags {
  readonly plainHttp?: boolean;
  readonly include?: readonly string[];
  readonly exclude?: readonly string[];
  readonly cacheDir?: string;
}

export function pushCommand(): Command {
  return new Command('push')
    .summary('send models, bundles or images to a registry')
    .description('Sends models to a registry of container images, as a ModelPack artifact; `serve oci://…` takes it from there. OCI archives and layouts that are there already are sent as they are.')
    .argument('<paths...>', 'a model file, model folder, folder of models, bundle or image (.tar, oci:FOLDER), and last where it goes: oci://host/team/name:tag')
    .option('--include <path>', 'take a file that looks like a secret or leads out of the folder; may be given several times', collect)
    .option('--exclude <pattern>', 'leave files out; may be given several times', collect)
    .option('--plain-http', 'speak HTTP to a registry that is not this machine')
    .option('--cache-dir <folder>', 'where what is made or fetched is kept (default: ~/.cache/modelport)')
    .addHelpText(
      'after',
      `
Examples:
  modelport push ./models/digits oci://ghcr.io/me/digits:2
  modelport push models.bundle.tar oci://localhost:5000/me/models:1
`,
    )
    .action(async (paths: string[], flags: PushFlags) => {
      const { runPush } = await import('./registry/run-push.ts');
      await runPush(paths, flags);
    });
}
