/** `modelport build`: models as a container image, written without Docker. */
import { Command, Option } from 'commander';
import { collect, parsePositiveInteger } from './values.ts';

export interface BuildFlags {
  readonly tag?: readonly string[];
  readonly push?: boolean;
  readonly output?: string;
  readonly load?: boolean;
  readonly platform: string;
  readonly base: string;
  readonly node?: string;
  readonly compression: 'gzip' | 'zstd' | 'none';
  readonly compressionLevel: number;
  readonly compressWeights?: boolean;
  readonly cache: boolean;
  readonly import: boolean;
  readonly dryRun?: boolean;
  readonly include?: readonly string[];
  readonly package?: readonly string[];
  readonly exclude?: readonly string[];
  readonly label?: readonly string[];
  readonly env?: readonly string[];
  readonly sbom: boolean;
  readonly provenance: boolean;
  readonly debianMirror?: string;
  readonly cacheDir?: string;
  readonly plainHttp?: boolean;
  readonly bundle?: boolean;
  readonly dockerfile?: boolean | string;
  readonly compose?: boolean | string;
  readonly gpu?: 'cuda';
  readonly force?: boolean;
}

export function buildCommand(): Command {
  return new Command('build')
    .summary('write models as a container image, without Docker')
    .description(
      'Writes an OCI image that serves models: no Docker, no Dockerfile, no root. Equal inputs give the equal digest.\n\nIts layers, in the order in which they change: base, Node, Modelport with its dependencies, one for each large file of weights, the rest.',
    )
    .argument('<paths...>', 'model files, model folders, folders of models, a service (.ts) or a bundle')
    .option('-t, --tag <name>', 'name the image, as in ghcr.io/me/digits:2; may be given several times', collect)
    .option('--push', 'send it to the registry that the name tells')
    .option('-o, --output <place>', 'oci:FOLDER, oci-archive:FILE or docker-archive:FILE. Default: an OCI archive in this folder')
    .option('--load', 'hand it to the Docker or podman of this machine')
    .option('--platform <list>', 'linux/amd64, linux/arm64, or all. Default: what this machine is', defaultPlatform())
    .option('--base <name>', 'debian (pinned packages), host (libraries of this machine), an image (host/name@sha256:…) or an OCI layout (oci:FOLDER)', 'debian')
    .option('--node <version>', "Node's version in the image, or host for the one that runs this")
    .addOption(new Option('--compression <kind>', 'of all layers but weights').choices(['gzip', 'zstd', 'none']).default('gzip'))
    .option('--compression-level <1-9>', 'of gzip', parsePositiveInteger, 6)
    .option('--compress-weights', 'compress weights too; they seldom shrink')
    .option('--no-cache', 'read and hash every file again')
    .option('--no-import', 'take models of other frameworks as they are; containers then import them when they start')
    .option('--dry-run', 'print layers and sizes, write nothing')
    .option('--include <path>', 'take a file that looks like a secret or leads out of the folder; may be given several times', collect)
    .option('--package <name>', 'an optional npm package to take along, such as mpg123-decoder; may be given several times', collect)
    .option('--exclude <pattern>', 'leave files out; may be given several times', collect)
    .option('--label <key=value>', 'a label of the image; may be given several times', collect)
    .option('--env <key=value>', 'a variable of the environment in the image; may be given several times', collect)
    .option('--no-sbom', 'attach no list of what is in it (SPDX)')
    .option('--no-provenance', 'attach no statement of how it was made (SLSA)')
    .option('--debian-mirror <url>', "where Debian's packages come from. Default: what apt is told, else deb.debian.org")
    .option('--plain-http', 'speak HTTP to a registry that is not this machine')
    .option('--cache-dir <folder>', 'where what is made or fetched is kept (default: ~/.cache/modelport)')
    .option('--bundle', 'write a bundle without a system around it: models as a ModelPack artifact')
    .option('--dockerfile [folder]', 'write a Dockerfile and .dockerignore to own, in place of an image')
    .option('--compose [folder]', 'write a compose file with NGINX in front, in place of an image')
    .addOption(new Option('--gpu <kind>', 'with --dockerfile and --compose: for machines with such GPUs').choices(['cuda']))
    .option('--force', 'write over files that are there')
    .addHelpText(
      'after',
      `
Examples:
  modelport build ./models -t me/app:1
  modelport build ./models -t ghcr.io/me/app:1 --push --platform all
  modelport build model.onnx -o docker-archive:app.tar
  modelport build ./models --dry-run
  modelport build ./models --bundle -o oci-archive:models.tar
`,
    )
    .action(async (paths: string[], flags: BuildFlags) => {
      const { runBuild } = await import('./build/run-build.ts');
      await runBuild(paths, flags);
    });
}

function defaultPlatform(): string {
  return process.arch === 'arm64' ? 'linux/arm64' : 'linux/amd64';
}
