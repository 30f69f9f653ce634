/** One container on this machine, by Docker or podman: a script that anybody can read, and the same done at once. */
import type { Deployment, Target, TargetOptions } from '../../target.ts';
import { deploymentPorts, writtenBy } from '../../target.ts';
import { containerArguments, earlierName, nextName, readyUrl } from './container.ts';

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
  async apply(deployment, options, context) {
    const { applyContainer } = await import('./apply.ts');
    await applyContainer(deployment, options, context);
  },
};

const quote = (text: string): string => (/^[\w./:@=+,-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`);

function script(deployment: Deployment, options: TargetOptions): string {
  const { name, readySeconds, drainSeconds } = deployment;
  const engine = String(options['engine']);
  const url = readyUrl(options);
  const next = nextName(name);
  const earlier = earlierName(name);
  const lines: string[] = [];
  // One flag with its value a line.
  for (const word of containerArguments(deployment, options, next).map(quote)) {
    const last = lines.at(-1);
    if (last !== undefined && last.startsWith('--') && !last.includes(' ') && !word.startsWith('--') && !['--read-only', '--no-healthcheck'].includes(last)) lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(word);
  }
  return `#!/bin/sh
${writtenBy(deployment, `Runs ${name} on this machine, in place of one that runs already.`)}set -eu

# The root can't be written, no capability is left, nobody can become more than they are; the image runs as a user without rights.
# ${deployment.resourcesReason}.
# A container that wants more memory is ended and started again.
# Requests under way get ${drainSeconds} s when it is stopped.
${engine} rm --force ${next} >/dev/null 2>&1 || true
${engine} create \\
${lines.map((line) => `  ${line}`).join(' \\\n')}

# The one that runs is kept until the new one is ready.
if ${engine} inspect ${name} >/dev/null 2>&1; then
  ${engine} rm --force ${earlier} >/dev/null 2>&1 || true
  ${engine} stop ${name} >/dev/null
  ${engine} rename ${name} ${earlier}
fi
${engine} rename ${next} ${name}
if ${engine} start ${name} >/dev/null; then
  # Ready when the models are.
  for i in $(seq ${readySeconds}); do
    if curl -fsS -o /dev/null ${url} 2>/dev/null; then
      ${engine} rm --force ${earlier} >/dev/null 2>&1 || true
      echo "${name} is ready at ${url.replace('/v2/health/ready', '')}"
      exit 0
    fi
    [ "$(${engine} inspect --format '{{.State.Running}}' ${name})" = true ] || break
    sleep 1
  done
  echo "${name} does not get ready; its last words:" >&2
  ${engine} logs --tail 20 ${name} >&2
fi
${engine} rm --force ${name} >/dev/null
if ${engine} rename ${earlier} ${name} 2>/dev/null; then
  ${engine} start ${name} >/dev/null
  echo "The one before runs again." >&2
fi
exit 1
`;
}
