/** `modelport deploy`: files that put models in force somewhere, and the same done at once. */
import { Argument, Command, InvalidArgumentError, Option } from 'commander';
import type { TargetOption } from '../target.ts';
import { targets } from '../targets/index.ts';
import { collect, parseDuration, parsePositiveInteger, parseSize } from './values.ts';

export interface DeployFlags {
  readonly image?: string;
  readonly name?: string;
  readonly replicas: number;
  readonly maxReplicas?: number;
  /** Cores. */
  readonly cpu?: number;
  /** Bytes. */
  readonly memory?: number;
  readonly measure?: boolean;
  readonly env?: readonly string[];
  readonly publicHost?: string;
  readonly drainTimeout: number;
  readonly readyTimeout: number;
  readonly output?: string;
  readonly force?: boolean;
  readonly apply?: boolean;
  readonly diff?: boolean;
  readonly rollback?: boolean;
}

export function deployCommand(): Command {
  const command = new Command('deploy')
    .summary('files for Docker, Compose, systemd, Kubernetes or Cloud Run, and the same applied')
    .description(
      `Writes the files that run models somewhere, with comments for who will own them, to a folder (-o) or standard output. With --apply it does what they say, waits until the models serve, and tells what went wrong where they don't.\n\n${targets.map(({ name, summary }) => `${name}: ${summary}.`).join('\n')}`,
    )
    .addArgument(new Argument('<target>', 'where to').choices(targets.map(({ name }) => name)))
    .argument('[paths...]', 'the models, for their names and sizes; systemd serves them from there')
    .option('--image <name>', 'the image that modelport build wrote, as ghcr.io/me/digits:2')
    .option('--name <name>', 'of what is made. Default: after the image or the first path')
    .addOption(new Option('--replicas <count>', 'replicas that there are always').default(2).argParser(parsePositiveInteger))
    .addOption(new Option('--max-replicas <count>', 'replicas that there may be under load (default: none are added)').argParser(parsePositiveInteger))
    .addOption(new Option('--cpu <cores>', 'what a replica is promised, as 0.5 (default: 0.5)').argParser(parseCores))
    .addOption(new Option('--memory <size>', 'what a replica is promised and may have, as 512MiB (default: by the size of the models)').argParser(parseSize))
    .option('--measure', 'find CPU and memory by serving the models here for some seconds')
    .option('--env <key=value>', 'a variable of the environment; may be given several times', collect)
    .option('--public-host <name>', 'the name under which the world reaches it, as models.example.com')
    .addOption(new Option('--drain-timeout <duration>', 'how long accepted requests may take at the end').default(30_000, '30s').argParser(parseDuration))
    .addOption(new Option('--ready-timeout <duration>', 'how long models may take to load').default(300_000, '5m').argParser(parseDuration))
    .option('-o, --output <folder>', 'write files there')
    .option('--force', 'write over files that are there')
    .option('--apply', 'put it in force and wait until it serves')
    .option('--diff', 'tell what --apply would change')
    .option('--rollback', 'go back to what was before the last change')
    .addHelpText(
      'after',
      `
Examples:
  modelport deploy docker ./models --image me/app:1 --apply
  modelport deploy compose --image me/app:1 --replicas 3 -o deploy
  modelport deploy systemd /srv/models --name models
  modelport deploy kubernetes ./models --image ghcr.io/me/app:1 -o deploy
  modelport deploy kubernetes ./models --image ghcr.io/me/app:2 --apply
  modelport deploy kubernetes --name app --rollback
  modelport deploy kubernetes --image ghcr.io/me/app:2 --format helm -o chart
`,
    )
    .action(async (target: string, paths: string[], flags: DeployFlags, self: Command) => {
      const { runDeploy } = await import('./deploy/run-deploy.ts');
      process.exitCode = await runDeploy(target, paths, flags, self);
    });
  for (const [flags, { option, owners }] of targetOptions()) command.addOption(commanderOption(flags, option, owners));
  return command;
}

/** By flags, with the targets that take them. */
function targetOptions(): Map<string, { readonly option: TargetOption; readonly owners: string[] }> {
  const all = new Map<string, { readonly option: TargetOption; readonly owners: string[] }>();
  for (const { name, options } of targets) {
    for (const option of options) {
      const known = all.get(option.flags);
      if (known === undefined) all.set(option.flags, { option, owners: [name] });
      else known.owners.push(name);
    }
  }
  return all;
}

function commanderOption(flags: string, option: TargetOption, owners: readonly string[]): Option {
  const made = new Option(flags, `${owners.join(', ')}: ${option.description}`);
  if (option.choices !== undefined) made.choices(option.choices);
  if (option.default !== undefined) made.default(option.default);
  if (option.kind === 'integer') made.argParser(parsePositiveInteger);
  if (option.kind === 'list') made.argParser(collect);
  return made;
}

function parseCores(text: string): number {
  const cores = /^(\d+(?:\.\d+)?)$/.test(text) ? Number(text) : /^\d+m$/.test(text) ? Number(text.slice(0, -1)) / 1000 : Number.NaN;
  if (!(cores >= 0.001 && cores <= 1024)) throw new InvalidArgumentError('write cores as 0.5 or 500m');
  return cores;
}
