/** How the container of a deployment is made and reached. */
import type { Deployment, TargetOptions } from '../../target.ts';
import { cpuShares, deploymentPorts } from '../../target.ts';

/** What is made is called so until the one that runs has stopped. */
export const nextName = (name: string): string => `${name}-next`;
/** What ran is called so until the new one is ready. */
export const earlierName = (name: string): string => `${name}-before`;

/** What follows `docker create`. */
export function containerArguments(deployment: Deployment, options: TargetOptions, name: string): string[] {
  const { image, environment, memoryBytes, drainSeconds } = deployment;
  return [
    '--name', name, '--restart', 'unless-stopped',
    ...(options['network'] === undefined ? ['--publish', `${String(options['address'])}:${String(options['publish'])}:${deploymentPorts.http}`] : ['--network', String(options['network'])]),
    '--read-only', '--tmpfs', '/tmp', '--cap-drop', 'ALL', '--security-opt', 'no-new-privileges',
    '--memory', String(memoryBytes), '--cpu-shares', String(cpuShares(deployment)), '--pids-limit', '512', '--stop-timeout', String(drainSeconds + 5),
    '--env', `MODELPORT_DRAIN_TIMEOUT=${drainSeconds}s`,
    ...(options['network'] === 'host' ? ['--env', `MODELPORT_HTTP_PORT=${String(options['publish'])}`, '--env', 'MODELPORT_GRPC_PORT=off', '--env', 'MODELPORT_METRICS_PORT=off', '--no-healthcheck'] : []),
    ...Object.entries(environment).flatMap(([key, value]) => ['--env', `${key}=${value}`]),
    image,
  ];
}

/** Where a program of this machine asks whether it is ready. */
export function readyUrl(options: TargetOptions): string {
  const address = String(options['address']);
  const host = address === '0.0.0.0' ? '127.0.0.1' : address.includes(':') ? `[${address}]` : address;
  return `http://${options['network'] === 'host' ? '127.0.0.1' : host}:${String(options['publish'])}/v2/health/ready`;
}
