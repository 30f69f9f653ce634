/** `modelport pull`: models, bundles and images out of a registry, into the store or a folder. */
import { Command } from 'commander';

export interface PullFlags {
  readonly output?: string;
  readonly plainHttp?: boolean;
  readonly cacheDir?: string;
  readonly force?: boolean;
}

export function pullCommand(): Command {
  return new Command('pull')
    .summary('get models or images from a registry, hub or object store')
    .description('Gets a model into the store, so that `serve` finds it there, or with -o into a folder. An image is written as an OCI layout or archive. Besides registries it takes what `serve` takes: s3://, hf:, pypi:, npm:, https://.')
    .argument('<reference>', 'oci://host/team/name:tag, or …@sha256:…; s3://bucket/key, hf:organization/name, …')
    .option('-o, --output <place>', 'a folder for the files of a model; oci:FOLDER or oci-archive:FILE for an image or a bundle')
    .option('--force', 'write over files that are there')
    .option('--plain-http', 'speak HTTP to a registry that is not this machine')
    .option('--cache-dir <folder>', 'where what is fetched is kept (default: ~/.cache/modelport)')
    .addHelpText(
      'after',
      `
Examples:
  modelport pull oci://ghcr.io/me/digits:2
  modelport pull oci://ghcr.io/me/digits:2 -o models/digits
`,
    )
    .action(async (reference: string, flags: PullFlags) => {
      const { runPull } = await import('./registry/run-pull.ts');
      await runPull(reference, flags);
    });
}
