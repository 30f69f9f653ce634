/** `modelport ci`: a pipeline that tests, builds, pushes and deploys. */
import { Argument, Command, InvalidArgumentError, Option } from 'commander';
import { collect } from './values.ts';

export interface CiFlags {
  readonly image: string;
  readonly branch: string;
  readonly gate?: readonly string[];
  readonly target?: 'kubernetes';
  readonly namespace: string;
  readonly name?: string;
  readonly platform: string;
  readonly node: string;
  readonly output: string;
  readonly force?: boolean;
  readonly stdout?: boolean;
}

export const pipelineSystems = ['github', 'gitlab', 'jenkins'] as const;
export type PipelineSystem = (typeof pipelineSystems)[number];

export function ciCommand(): Command {
  return new Command('ci')
    .summary('a pipeline for GitHub, GitLab or Jenkins that tests, builds, pushes and deploys')
    .description(
      'Writes the file of a pipeline, with comments for who will own it. A change is tested (services by npm test where there is a package.json, models by modelport test and its gates), compared with the main branch, and built; what was found out is told in the change. The main branch is pushed as an image named after its commit, and deployed where a target is named.\n\nThe pipeline has the least rights that it needs, and what it uses of others is pinned.',
    )
    .addArgument(new Argument('<system>', 'which one runs it').choices(pipelineSystems))
    .argument('<paths...>', 'models and services, relative to the root of the repository')
    .requiredOption('--image <name>', 'the image without a tag, as ghcr.io/me/app')
    .option('--branch <name>', 'the main branch', 'main')
    .option('--gate <flag>', 'a flag of modelport test, as "--max-latency 20ms" or "--labelled holdout.csv --min-accuracy 0.95"; may be given several times', collect)
    .addOption(new Option('--target <target>', 'where the main branch is deployed').choices(['kubernetes']))
    .option('--namespace <name>', 'of the cluster', 'default')
    .option('--name <name>', 'of the deployment. Default: after the image')
    .option('--platform <list>', 'platforms of the image: linux/amd64, linux/arm64, or all', 'linux/amd64')
    .addOption(new Option('--node <version>', "Node's major version in the pipeline").default('22').argParser(parseMajor))
    .option('-o, --output <folder>', 'root of the repository', '.')
    .option('--stdout', 'print it, write nothing')
    .option('--force', 'write over a file that is there')
    .addHelpText(
      'after',
      `
Examples:
  modelport ci github ./models --image ghcr.io/me/app
  modelport ci github ./models --image ghcr.io/me/app --namespace shop
  modelport ci gitlab ./models app.ts --image registry.gitlab.com/me/app
  modelport ci jenkins ./models --image registry.example.com/me/app --stdout
`,
    )
    .action(async (system: PipelineSystem, paths: string[], flags: CiFlags) => {
      const { runCi } = await import('./ci/run-ci.ts');
      await runCi(system, paths, flags);
    });
}

function parseMajor(text: string): string {
  if (!/^\d{2}$/.test(text) || Number(text) < 20) throw new InvalidArgumentError('write a major version from 20');
  return text;
}
