/** `--apply`: the first time everything at once, later one replica after the other, so that the others answer meanwhile. */
import { execFile } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { ModelportError } from '../../errors.ts';
import { answersOk } from '../../lib/answers-ok.ts';
import type { ApplyContext, Deployment, TargetOptions } from '../../target.ts';
import { proxyService, replicaServices } from './compose-files.ts';

const run = promisify(execFile);

/** Containers mount nginx.conf for as long as they live, so its folder is one that stays. */
export async function applyCompose(deployment: Deployment, options: TargetOptions, context: ApplyContext): Promise<void> {
  const { folder, environment, signal } = context;
  const { name, image, readySeconds } = deployment;
  if (folder === undefined) throw new ModelportError('INVALID_USAGE', 'compose --apply needs a folder that stays, for the files that the containers use: -o deploy', { at: '--output' });
  const call = async (...args: string[]): Promise<string> => {
    try {
      return (await run('docker', ['compose', '--project-directory', folder, ...args], { env: environment, ...(signal === undefined ? {} : { signal }), maxBuffer: 8 << 20 })).stdout;
    } catch (cause) {
      throw new ModelportError('RUN_FAILED', `docker compose ${args[0]}: ${withoutProgress((cause as { stderr?: string }).stderr ?? (cause as Error).message)}`, { cause });
    }
  };
  /** Throws with the last words of what does not get healthy. */
  const up = async (...args: string[]): Promise<void> => {
    try {
      await call('up', '--detach', '--wait', '--wait-timeout', String(readySeconds), ...args);
    } catch (cause) {
      signal?.throwIfAborted();
      const services = args.filter((arg) => !arg.startsWith('-'));
      const words = await call('logs', '--no-log-prefix', '--tail', '20', ...services).catch(() => '');
      throw new ModelportError('RUN_FAILED', `${(cause as Error).message}${words.trim() === '' ? '' : `\nThe last words${services.length === 0 ? '' : ` of ${services.join(', ')}`}:\n${words.trimEnd().slice(-4000)}`}`, { cause });
    }
  };
  /** NGINX looks names up when it reads its file; the address of a container that was made anew is another. */
  const reload = async (): Promise<void> => void (await call('exec', '-T', proxyService, 'nginx', '-s', 'reload'));

  await checkCompose(environment);
  const wanted = replicaServices(deployment);
  const running = (await call('ps', '--services', '--status', 'running')).trim().split('\n');
  const replaced = running.includes(proxyService) ? wanted.filter((service) => running.includes(service)) : [];
  if (replaced.length > 0) {
    const added = wanted.filter((service) => !replaced.includes(service));
    if (added.length > 0) {
      context.note(`${added.join(', ')} start; waiting until they are healthy`);
      await up('--no-deps', ...added);
    }
    for (const [index, service] of replaced.entries()) {
      context.note(`${service}: brought up to date where something changed`);
      try {
        await up('--no-deps', service);
      } catch (cause) {
        signal?.throwIfAborted();
        const others = replaced.length - 1 - index;
        throw new ModelportError('RUN_FAILED', `${(cause as Error).message}\n${others === 0 ? 'No replica of the version before is left' : `${others} of ${replaced.length} replicas are left as they were, and serve`}. deploy compose with the image of before goes back`, { cause });
      }
      await reload();
    }
  } else context.note(`${deployment.replicas} replicas and NGINX start; waiting until they are healthy`);
  await up('--remove-orphans');
  if (replaced.length > 0) await reload();
  const address = String(options['address']);
  const url = `http://${address === '0.0.0.0' ? '127.0.0.1' : address.includes(':') ? `[${address}]` : address}:${String(options['publish'])}`;
  for (const endMs = performance.now() + proxyTimeoutMs; !(await answersOk(`${url}/v2/health/ready`, 5000)); await sleep(200)) {
    signal?.throwIfAborted();
    if (performance.now() > endMs) throw new ModelportError('RUN_FAILED', `the replicas are healthy, but NGINX does not answer for them at ${url}. Its last words:\n${await call('logs', '--no-log-prefix', '--tail', '20', proxyService)}`);
  }
  context.note(`${name} answers at ${url} with ${image}`);
}

const proxyTimeoutMs = 30_000;

/** Without `Container iris-models-1  Started` and the like. */
function withoutProgress(text: string): string {
  return text.split('\n').filter((line) => !/^ *(?:Container|Network|Volume|Image) \S+ +\w+ *$/.test(line)).join('\n').trim().slice(-2000);
}

async function checkCompose(environment: NodeJS.ProcessEnv): Promise<void> {
  try {
    await run('docker', ['compose', 'version'], { env: environment });
  } catch (cause) {
    throw new ModelportError('INVALID_USAGE', 'there is no docker compose (version 2) on this machine: install it, or write the files with -o and run them elsewhere', { cause });
  }
}
