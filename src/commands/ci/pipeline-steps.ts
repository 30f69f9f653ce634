/** What every pipeline does, as commands for a POSIX shell. Systems differ in how they are told. */
import { isAbsolute } from 'node:path';
import { ModelportError } from '../../errors.ts';
import { checkDeploymentName, deploymentNameAfter, splitImage } from '../../target.ts';
import { version } from '../../version.ts';
import type { CiFlags } from '../ci.ts';

export interface Pipeline {
  readonly image: string;
  /** `ghcr.io` */
  readonly registry: string;
  readonly branch: string;
  readonly node: string;
  readonly install: string;
  /** Undefined where there is no service with tests. */
  readonly testService: string | undefined;
  /** Undefined where there are no models. Writes report.xml and report.md. */
  readonly testModels: string | undefined;
  /** Writes report.md anew with what differs from the models in `before/`. Undefined where there are no models. */
  readonly compare: string | undefined;
  /** Takes name and password from REGISTRY_USER and REGISTRY_PASSWORD. */
  readonly login: string;
  /** Builds without sending it anywhere. A file is written over where a workspace is used again. */
  readonly build: string;
  /** Both take the tag from TAG. */
  readonly push: string;
  readonly deploy: string | undefined;
}

const quote = (text: string): string => (/^[\w./:@=+,-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`);
const isService = (path: string): boolean => /\.[cm]?[jt]s$/.test(path);

/** `hasPackage`: there is a package.json, whose tests are those of services and whose lock file names Modelport. Throws `INVALID_USAGE`. */
export function pipelineSteps(paths: readonly string[], flags: CiFlags, hasPackage: boolean): Pipeline {
  const { repository, tag, digest } = splitImage(flags.image);
  if (tag !== undefined || digest !== undefined) throw new ModelportError('INVALID_USAGE', `--image ${flags.image}: leave the tag away; the pipeline tags images by their commit`, { at: '--image' });
  for (const path of paths) if (isAbsolute(path) || path.split('/').includes('..')) throw new ModelportError('INVALID_USAGE', `${path} is not below the root of the repository`, { at: path });
  // One line each, which every system can hold; and nothing that a shell would read as more than words.
  for (const text of [...paths, ...(flags.gate ?? [])]) if (/[\n\r\0;|&<>`$(){}\\]/.test(text)) throw new ModelportError('INVALID_USAGE', `'${text}' has characters that mean something to a shell: a pipeline takes plain words`, { at: text });
  for (const [flag, text, form] of [['--branch', flags.branch, /^[\w][\w./-]*$/], ['--namespace', flags.namespace, /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/], ['--platform', flags.platform, /^[\w/,]+$/]] as const) {
    if (!form.test(text)) throw new ModelportError('INVALID_USAGE', `${flag} '${text}' can't be that`, { at: flag });
  }
  const registry = repository.split('/')[0]!;
  if (!/[.:]|^localhost$/.test(registry) || !repository.includes('/')) throw new ModelportError('INVALID_USAGE', `--image ${flags.image}: name the registry, too, as in ghcr.io/me/app`, { at: '--image' });
  const words = paths.map(quote).join(' ');
  const models = paths.filter((path) => !isService(path));
  const gates = (flags.gate ?? []).join(' ');
  const each = (work: (path: string) => string): string | undefined => (models.length === 0 ? undefined : models.map(work).join('\n'));
  const suffix = (index: number): string => (index === 0 ? '' : `-${index + 1}`);
  const program = hasPackage ? 'npx modelport' : 'modelport';
  const test = (path: string, index: number): string => `${program} test ${quote(path)}${gates === '' ? '' : ` ${gates}`} --junit report${suffix(index)}.xml --markdown report${suffix(index)}.md`;
  const name = flags.name === undefined ? deploymentNameAfter(repository.split('/').at(-1)!) : checkDeploymentName(flags.name);
  return {
    image: repository,
    registry,
    branch: flags.branch,
    node: flags.node,
    install: hasPackage ? 'npm ci' : `npm install --global modelport@${version}${flags.target === 'kubernetes' ? ' @kubernetes/client-node@1.4.0' : ''}`,
    testService: hasPackage ? 'npm test' : undefined,
    testModels: each((path) => test(path, models.indexOf(path))),
    compare: each((path) => `if [ -e ${quote(`before/${path.replace(/^\.\//, '')}`)} ]; then ${test(path, models.indexOf(path))} --previous ${quote(`before/${path.replace(/^\.\//, '')}`)}; fi`),
    login: `printf %s "$REGISTRY_PASSWORD" | ${program} login ${quote(registry)} --username "$REGISTRY_USER" --password-stdin`,
    build: `${program} build ${words} --tag "${repository}:$TAG" --platform ${flags.platform} --output image.tar`,
    push: `${program} push image.tar "oci://${repository}:$TAG"`,
    deploy: flags.target === undefined ? undefined : `${program} deploy kubernetes ${models.map(quote).join(' ')}${models.length === 0 ? '' : ' '}--name ${name} --image "${repository}:$TAG" --namespace ${flags.namespace} --apply`,
  };
}
