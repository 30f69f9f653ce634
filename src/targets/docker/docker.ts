/** One container on this machine, by Docker or podman: a script that anybody can read, and the same done at once. */
import { execFile, spawnSync } from 'node:child_process';
import { promisify } from 'node:util';
import { setTimeout as sleep } from 'node:timers/promises';
import { ModelportError } from '../../errors.ts';
import type { ApplyContext, Deployment, Target, TargetOptions } from '../../target.ts';
import { deploymentPorts, writtenBy } from '../../target.ts';

const run = promisify(execFile);

export const docker: Target = {
  name: 'docker',
  summary: 'one container on this machine',
  usesImage: true,
  options: [
    { flags: '--publish <port>', description: 'port of this machine that answers HTTP', kind: 'integer', default: deploymentPorts.http },
    { flags: '--address <address>', description: 'address of this machine that the port is opened on', default: '127.0.0.1' },
    { flags: '--engine <program>', description: 'docker or podman', choices: ['docker', 'podman'], default: 'docker' },
    { flags: '--network <name>', description: 'network of the engine, as host' },
  ],
  async render(deployment, options) {
    return [{ path: `run-${deployment.name}.sh`, content: script(deployment, options) }];
  },
  applyByHand: ({ name }, _options, folder) => `sh ${folder}/run-${name}.sh`,
  apply,
};

function runArguments({ name, image, environment, memoryBytes, cpuMillicores, drainSeconds }: Deployment, options: TargetOptions): string[] {
  return [
    'run', '--detach', '--name', name, '--restart', 'unless-stopped',
    ...(options['network'] === undefined ? ['--publish', `${String(options['address'])}:${String(options['publish'])}:${deploymentPorts.http}`] : ['--network', String(options['network'])]),
    '--read-only', '--tmpfs', '/tmp', '--cap-drop', 'ALL', '--security-opt', 'no-new-privileges',
    '--memory', String(memoryBytes), '--cpu-shares', String(Math.max(2, Math.round((cpuMillicores * 1024) / 1000))), '--pids-limit', '512', '--stop-timeout', String(drainSeconds + 5),
    '--env', `MODELPORT_DRAIN_TIMEOUT=${drainSeconds}s`,
    ...(options['network'] === 'host' ? ['--env', `MODELPORT_HTTP_PORT=${String(options['publish'])}`, '--env', 'MODELPORT_GRPC_PORT=off', '--env', 'MODELPORT_METRICS_PORT=off', '--no-healthcheck'] : []),
    ...Object.entries(environment).flatMap(([key, value]) => ['--env', `${key}=${value}`]),
    image,
  ];
}

const quote = (text: string): string => (/^[\w./:@=+,-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`);

function readyUrl(options: TargetOptions): string {
  const address = String(options['address']);
  const host = address === '0.0.0.0' ? '127.0.0.1' : address.includes(':') ? `[${address}]` : address;
  return `http://${options['network'] === 'host' ? '127.0.0.1' : host}:${String(options['publish'])}/v2/health/ready`;
}

function script(deployment: Deployment, options: TargetOptions): string {
  const { name, readySeconds, drainSeconds } = deployment;
  const engine = String(options['engine']);
  const words = runArguments(deployment, options).map(quote);
  const lines: string[] = [];
  // One flag with its value a line.
  for (const word of words.slice(1)) {
    const last = lines.at(-1);
    if (last !== undefined && last.startsWith('--') && !last.includes(' ') && !word.startsWith('--') && !['--detach', '--read-only', '--no-healthcheck'].includes(last)) lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(word);
  }
  return `#!/bin/sh
${writtenBy(deployment, `Runs ${name} on this machine, in place of one that runs already.`)}set -eu

# The root can't be written, no capability is left, nobody can become more than they are; the image runs as a user without rights.
# ${deployment.resourcesReason}.
# A container that wants more memory is ended and started again.
# Requests under way get ${drainSeconds} s when it is stopped.
${engine} stop ${name} >/dev/null 2>&1 || true
${engine} rm --force ${name} >/dev/null 2>&1 || true
${engine} run \\
${lines.map((line) => `  ${line}`).join(' \\\n')}

# Ready when the models are.
for i in $(seq ${readySeconds}); do
  if curl -fsS -o /dev/null ${readyUrl(options)} 2>/dev/null; then echo "${name} is ready at ${readyUrl(options).replace('/v2/health/ready', '')}"; exit 0; fi
  [ "$(${engine} inspect --format '{{.State.Running}}' ${name})" = true ] || break
  sleep 1
done
echo "${name} does not get ready; its last words:" >&2
${engine} logs --tail 20 ${name} >&2
exit 1
`;
}

async function apply(deployment: Deployment, options: TargetOptions, context: ApplyContext): Promise<void> {
  const engine = String(options['engine']);
  const { name, readySeconds } = deployment;
  if (spawnSync(engine, ['--version'], { stdio: 'ignore' }).error !== undefined) throw new ModelportError('INVALID_USAGE', `there is no ${engine} on this machine: install it, or choose another with --engine`);
  const call = async (...args: string[]): Promise<string> => {
    try {
      const { stdout, stderr } = await run(engine, args, { env: context.environment, ...(context.signal === undefined ? {} : { signal: context.signal }), maxBuffer: 8 << 20 });
      return `${stdout}${args[0] === 'logs' ? stderr : ''}`.trim();
    } catch (cause) {
      throw new ModelportError('RUN_FAILED', `${engine} ${args[0]}: ${((cause as { stderr?: string }).stderr ?? (cause as Error).message).trim().slice(0, 1000)}`, { cause });
    }
  };
  const exists = (await call('ps', '--all', '--filter', `name=^${name}$`, '--format', '{{.ID}}')) !== '';
  if (exists) {
    context.note(`The container ${name} that is there is stopped; its requests are answered first`);
    await call('stop', name);
    await call('rm', '--force', name);
  }
  await call(...runArguments(deployment, options));
  const url = readyUrl(options);
  context.note(`${name} starts; waiting until it is ready`);
  for (const endMs = performance.now() + readySeconds * 1000; performance.now() < endMs; await sleep(200)) {
    context.signal?.throwIfAborted();
    if (await fetch(url, { signal: AbortSignal.timeout(5000) }).then((response) => response.ok, () => false)) {
      context.note(`${name} is ready at ${new URL('/', url).href}`);
      return;
    }
    const state = await call('inspect', '--format', '{{.State.Running}} {{.RestartCount}}', name);
    if (state.startsWith('false') || Number(state.split(' ')[1]) > 2) break;
  }
  throw new ModelportError('RUN_FAILED', `${name} does not get ready. Its last words:\n${await call('logs', '--tail', '20', name)}`);
}
