/** What `deploy` does. */
import { existsSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { basename, dirname, extname, join, resolve } from 'node:path';
import type { Command } from 'commander';
import { ModelportError } from '../../errors.ts';
import { createStyle, usesColor } from '../../lib/terminal.ts';
import { checkDeploymentName, deploymentNameAfter, splitImage, type ApplyContext, type Deployment, type DeploymentFile, type Target, type TargetOptions, type TargetOptionValue } from '../../target.ts';
import { targets } from '../../targets/index.ts';
import type { DeployFlags } from '../deploy.ts';
import { estimateResources, type Resources } from './estimate-resources.ts';

/** Gives the exit code: of `--diff` 1 where there is a difference, as diff has it. */
export async function runDeploy(targetName: string, paths: readonly string[], flags: DeployFlags, command: Command): Promise<number> {
  const target = targets.find(({ name }) => name === targetName)!;
  const options = optionsOf(target, command);
  const verbs = [flags.apply, flags.diff, flags.rollback].filter((verb) => verb === true).length;
  if (verbs > 1) throw new ModelportError('INVALID_USAGE', '--apply, --diff and --rollback are three things: choose one');
  const style = createStyle(usesColor(process.stderr));
  const interrupt = new AbortController();
  const stop = (): void => interrupt.abort();
  process.once('SIGINT', stop);
  const context: ApplyContext = { environment: process.env, signal: interrupt.signal, note: (sentence) => process.stderr.write(`${style.dim('·')} ${sentence}\n`), ...(flags.output === undefined ? {} : { folder: resolve(flags.output) }) };
  try {
    if (flags.rollback === true) {
      if (target.rollback === undefined) throw new ModelportError('INVALID_USAGE', `${target.name} keeps nothing to go back to: deploy the earlier image instead`);
      await target.rollback(nameOf(paths, flags), options, context);
      return 0;
    }
    const deployment = await describeDeployment(target, paths, flags);
    const files = await target.render(deployment, options);
    if (flags.diff === true) {
      if (target.difference === undefined) throw new ModelportError('INVALID_USAGE', `${target.name} can't compare: write the files with -o and let git tell`);
      const difference = await target.difference(deployment, options, context);
      process.stdout.write(difference);
      if (difference === '') context.note('No difference: what runs is what would be applied');
      return difference === '' ? 0 : 1;
    }
    if (flags.output !== undefined) await writeFiles(flags.output, files, flags);
    if (flags.apply === true) {
      if (target.apply === undefined) throw new ModelportError('INVALID_USAGE', `${target.name} only writes files: -o deploy, then ${target.applyByHand(deployment, options, 'deploy')}`);
      await target.apply(deployment, options, context);
    } else if (flags.output === undefined) process.stdout.write(asText(files));
    else context.note(`Then: ${target.applyByHand(deployment, options, flags.output.replace(/\/$/, ''))}`);
    return 0;
  } catch (error) {
    if (!interrupt.signal.aborted) throw error;
    process.stderr.write('stopped: what was sent stays in force\n');
    return 130;
  } finally {
    process.off('SIGINT', stop);
  }
}

/** Throws `INVALID_USAGE` where a flag of another target was given. */
function optionsOf(target: Target, command: Command): TargetOptions {
  const own = new Set(target.options.map(({ flags }) => flags));
  const foreign = new Map(targets.flatMap((other) => other.options.map(({ flags }) => [flags, other.name] as const)));
  const options: Record<string, TargetOptionValue> = {};
  for (const option of command.options) {
    const name = option.attributeName();
    if (own.has(option.flags)) options[name] = command.getOptionValue(name) as TargetOptionValue;
    else if (foreign.has(option.flags) && command.getOptionValueSource(name) === 'cli') throw new ModelportError('INVALID_USAGE', `--${option.name()} is an option of ${foreign.get(option.flags)}, not of ${target.name}`, { at: `--${option.name()}` });
  }
  return options;
}

function nameOf(paths: readonly string[], flags: DeployFlags): string {
  if (flags.name !== undefined) return checkDeploymentName(flags.name);
  if (flags.image !== undefined) return deploymentNameAfter(basename(splitImage(flags.image).repository));
  if (paths[0] === undefined) throw new ModelportError('INVALID_USAGE', 'nothing to deploy: name the models, an image (--image) or what it is called (--name)');
  const whole = basename(resolve(paths[0]));
  return deploymentNameAfter(whole.slice(0, whole.length - extname(whole).length));
}

async function describeDeployment(target: Target, paths: readonly string[], flags: DeployFlags): Promise<Deployment> {
  const name = nameOf(paths, flags);
  for (const path of paths) if (!existsSync(path) && target.usesImage) throw new ModelportError('INVALID_USAGE', `there is no file or folder ${path}`, { at: path });
  if (target.usesImage) {
    if (flags.apply === true && flags.image === undefined) throw new ModelportError('INVALID_USAGE', `--apply needs the image that runs: --image, after modelport build ${paths[0] ?? './models'} -t ${target.name === 'docker' ? `${name}:1 --load` : `HOST/${name}:1 --push`}`, { at: '--image' });
    if (flags.image === undefined) process.stderr.write(`No --image is named, so the files say ${name}:latest. modelport build ${paths.join(' ') || './models'} -t ${name}:latest makes it.\n`);
  } else if (paths.length === 0) throw new ModelportError('INVALID_USAGE', `${target.name} serves models from files: name them, as in modelport deploy ${target.name} /srv/models`);
  const { maxReplicas, replicas } = flags;
  if (maxReplicas !== undefined && maxReplicas < replicas) throw new ModelportError('INVALID_USAGE', `--max-replicas ${maxReplicas} is less than --replicas ${replicas}`, { at: '--max-replicas' });
  const models = await namesOf(paths.filter((path) => existsSync(path)));
  return {
    name,
    image: flags.image ?? `${name}:latest`,
    paths: target.usesImage ? paths : paths.map((path) => resolve(path)),
    models,
    environment: Object.fromEntries((flags.env ?? []).map(readVariable)),
    replicas,
    maximumReplicas: maxReplicas ?? replicas,
    ...(await resourcesOf(paths.filter((path) => existsSync(path)), flags)),
    drainSeconds: Math.max(1, Math.ceil(flags.drainTimeout / 1000)),
    readySeconds: Math.max(1, Math.ceil(flags.readyTimeout / 1000)),
    publicHost: flags.publicHost === undefined ? undefined : checkHost(flags.publicHost),
  };
}

function readVariable(text: string): [string, string] {
  const match = /^([A-Za-z_][A-Za-z0-9_]*)=([\s\S]*)$/.exec(text);
  if (match === null) throw new ModelportError('INVALID_USAGE', `--env '${text}': write NAME=value`, { at: '--env' });
  return [match[1]!, match[2]!];
}

function checkHost(host: string): string {
  if (host.length > 253 || !/^(?:\*\.)?[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)+$/.test(host)) throw new ModelportError('INVALID_USAGE', `--public-host '${host}' is no host name: write it like models.example.com`, { at: '--public-host' });
  return host;
}

const serviceEnding = /\.[cm]?[jt]s$/;

async function namesOf(paths: readonly string[]): Promise<Deployment['models']> {
  const { explainModels } = await import('../explain-models.ts');
  const named: { name: string; version: string }[] = [];
  for (const path of paths) {
    if (serviceEnding.test(path)) named.push({ name: basename(path, extname(path)), version: '(service)' });
    else named.push(...(await explainModels(path)).map(({ name, version }) => ({ name, version })));
  }
  return named.sort((left, right) => (left.name < right.name ? -1 : 1));
}

async function resourcesOf(paths: readonly string[], flags: DeployFlags): Promise<Resources> {
  const givenCpu = flags.cpu === undefined ? undefined : Math.round(flags.cpu * 1000);
  if (flags.measure === true) {
    if (paths.length === 0) throw new ModelportError('INVALID_USAGE', '--measure serves the models here: name them', { at: '--measure' });
    const { measureResources } = await import('./measure-resources.ts');
    const measured = await measureResources(paths);
    return { cpuMillicores: givenCpu ?? measured.cpuMillicores, memoryBytes: flags.memory ?? measured.memoryBytes, resourcesReason: measured.reason };
  }
  const estimated = await estimateResources(paths);
  const cpuMillicores = givenCpu ?? estimated.cpuMillicores;
  if (flags.memory !== undefined) return { cpuMillicores, memoryBytes: flags.memory, resourcesReason: 'Memory as it was wanted' };
  return { ...estimated, cpuMillicores };
}

/** YAML files follow each other as documents; others say what they are. */
function asText(files: readonly DeploymentFile[]): string {
  if (files.length === 1) return files[0]!.content;
  if (files.every(({ path }) => path.endsWith('.yaml') && !path.includes('/'))) return files.map(({ content }) => content).join('---\n');
  return files.map(({ path, content }) => `# ── ${path}\n${content}`).join('\n');
}

async function writeFiles(folder: string, files: readonly DeploymentFile[], flags: DeployFlags): Promise<void> {
  // With --apply the folder is where the files of the last time lie; those that say the same may stay.
  const there: string[] = [];
  for (const { path, content } of files) if (existsSync(join(folder, path)) && (await readFile(join(folder, path), 'utf8')) !== content) there.push(join(folder, path));
  if (there.length > 0 && flags.force !== true) throw new ModelportError('INVALID_USAGE', `${there.slice(0, 3).join(', ')}${there.length > 3 ? ` and ${there.length - 3} more` : ''}: there already, and say something else; write over with --force`);
  for (const { path, content } of files) {
    await mkdir(dirname(join(folder, path)), { recursive: true });
    await writeFile(join(folder, path), content, path.endsWith('.sh') ? { mode: 0o755 } : {});
    process.stdout.write(`Written  ${join(folder, path)}\n`);
  }
}
