/** `build --dockerfile` and `--compose`: the same image as files for people who want to own how it is made. */
import { existsSync } from 'node:fs';
import { mkdir, realpath, writeFile } from 'node:fs/promises';
import { basename, dirname, extname, isAbsolute, join, relative, resolve, sep } from 'node:path';
import { ModelportError } from '../../errors.ts';
import { deploymentNameAfter, splitImage, type DeploymentFile } from '../../target.ts';
import { composeFiles, defaultProxyImage } from '../../targets/compose/compose-files.ts';
import type { FoundModel } from '../../serving/model-layout.ts';
import type { BuildFlags } from '../build.ts';
import { estimateResources } from '../deploy/estimate-resources.ts';
import { renderDockerfile, renderDockerignore } from './dockerfile.ts';
import { planApplication, type PlannedApplication } from './plan-application.ts';

/** Written into the folder that is the build's context: here, or the one that the flag names. */
export async function writeDeploymentFiles(paths: readonly string[], flags: BuildFlags): Promise<void> {
  const folder = typeof flags.dockerfile === 'string' ? flags.dockerfile : typeof flags.compose === 'string' ? flags.compose : '.';
  const application = await planApplication(paths, { services: 'sources', ...(flags.include === undefined ? {} : { included: flags.include }), ...(flags.exclude === undefined ? {} : { excluded: flags.exclude }), ...(flags.cacheDir === undefined ? {} : { cacheDirectory: flags.cacheDir }) });
  const places = await Promise.all(paths.map((path) => realpath(path)));
  const copies = paths.map((path, index) => {
    // A service comes with the folder that it lies in: what it imports and reads is there.
    const inside = relative(resolve(folder), resolve(isService(path) ? dirname(path) : path)).split(sep).join('/');
    if (inside.startsWith('..') || isAbsolute(inside)) throw new ModelportError('INVALID_USAGE', `${path} lies outside ${resolve(folder)}, and Docker takes only what is in there: give the folder that holds both, as in --dockerfile ${resolve(path, '..')}`);
    // A model's own folder, or its file, gets a folder of its name; a folder of models has them already.
    const own = modelAt(places[index]!, application.models);
    return { path: inside === '' ? '.' : inside, target: isService(path) ? '/app/' : own === undefined ? '/models/' : `/models/${own.name}/`, service: isService(path), installs: isService(path) && existsSync(join(dirname(path), 'package.json')) };
  });
  const files: DeploymentFile[] = [
    { path: 'Dockerfile', content: renderDockerfile(copies, { services: application.services, gpu: flags.gpu }) },
    { path: '.dockerignore', content: renderDockerignore(copies.map(({ path }) => path)) },
    ...(flags.compose === undefined ? [] : await replicasOf(paths, application, flags)),
  ];
  const there = files.filter(({ path }) => existsSync(join(folder, path)));
  if (there.length > 0 && flags.force !== true) throw new ModelportError('INVALID_USAGE', `${there.map(({ path }) => join(folder, path)).join(', ')}: there already; write over with --force`);
  await mkdir(folder, { recursive: true });
  for (const { path, content } of files) {
    await writeFile(join(folder, path), content);
    process.stdout.write(`Written  ${join(folder, path)}\n`);
  }
}

/** The model that a path is the folder or the file of. */
function modelAt(place: string, models: PlannedApplication['models']): FoundModel | undefined {
  const holds = ({ directory, versions }: FoundModel, folder: string): boolean => directory === folder || versions.some((version) => version.directory === folder);
  const beside = models.filter((model) => holds(model, dirname(place)));
  return models.find(({ directory }) => directory === place) ?? beside.find(({ name }) => name === basename(place, extname(place))) ?? beside.find(({ directory, name }) => name === basename(directory));
}

function isService(path: string): boolean {
  return /\.[cm]?[jt]s$/.test(path);
}

/** Three of the image that the Dockerfile beside makes. */
async function replicasOf(paths: readonly string[], { models }: PlannedApplication, flags: BuildFlags): Promise<readonly DeploymentFile[]> {
  const image = flags.tag?.[0] ?? 'modelport-app:latest';
  return composeFiles(
    {
      name: deploymentNameAfter(splitImage(image).repository.split('/').pop()!),
      image,
      paths: [],
      models: models.map(({ name, versions }) => ({ name, version: versions.at(-1)?.version ?? '1' })),
      environment: {},
      replicas: 3,
      maximumReplicas: 3,
      ...(await estimateResources(paths)),
      drainSeconds: 30,
      readySeconds: 300,
      publicHost: undefined,
    },
    { command: 'modelport build --compose', publish: 8000, address: '127.0.0.1', proxyImage: defaultProxyImage, build: '.', ...(flags.gpu === undefined ? {} : { gpu: flags.gpu }) },
  );
}
