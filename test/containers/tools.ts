/** The real programs that containers are tested with: Debian's packages, installed where they are missing, started and stopped by the tests. */
import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

const packages: Readonly<Record<string, string>> = { 'docker-registry': 'docker-registry', skopeo: 'skopeo', runc: 'runc', htpasswd: 'apache2-utils', dockerd: 'docker.io', nginx: 'nginx-light', python3: 'python3-venv' };

function has(program: string): boolean {
  try {
    execFileSync('sh', ['-c', `command -v ${program}`], { stdio: 'ignore', env: { ...process.env, PATH: `${process.env['PATH']}:/usr/sbin:/sbin` } });
    return true;
  } catch {
    return false;
  }
}

/** Installs what is missing where this is a Debian and we may. Gives the reason why the tests can't run, else undefined. */
export function prepareTools(programs: readonly string[]): string | undefined {
  const missing = programs.filter((program) => !has(program));
  if (missing.length === 0) return undefined;
  if (process.platform !== 'linux' || process.getuid?.() !== 0 || !has('apt-get')) return `${missing.join(', ')} are not installed`;
  try {
    const install = (): Buffer => execFileSync('apt-get', ['install', '-y', '--no-install-recommends', ...missing.map((program) => packages[program] ?? program)], { stdio: 'pipe', env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }, timeout: 300_000 });
    try {
      install();
    } catch {
      execFileSync('apt-get', ['update'], { stdio: 'pipe', timeout: 300_000 });
      install();
    }
  } catch (error) {
    return `apt-get can't install ${missing.join(', ')}: ${(error as Error).message.split('\n')[0]}`;
  }
  return undefined;
}

export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

export async function until(what: string, check: () => boolean | Promise<boolean>, timeoutMs = 30_000): Promise<void> {
  for (const end = performance.now() + timeoutMs; performance.now() < end; await delay(50)) if (await check()) return;
  throw new Error(`${what} did not come about in ${timeoutMs / 1000} s`);
}

export interface RunningDocker {
  /** Runs the command line with these arguments and gives what it printed. */
  docker(...args: string[]): string;
  readonly environment: Readonly<Record<string, string>>;
  stop(): Promise<void>;
}

/** A daemon of its own, with its own images and no network but the host's and none. */
export async function startDocker(folder: string): Promise<RunningDocker> {
  mkdirSync(folder, { recursive: true });
  const host = `unix://${join(folder, 'docker.sock')}`;
  const environment = { DOCKER_HOST: host, DOCKER_CONFIG: join(folder, 'config'), DOCKER_BUILDKIT: '0' };
  let output = '';
  const child = spawn('dockerd', ['--data-root', join(folder, 'data'), '--exec-root', join(folder, 'exec'), '--pidfile', join(folder, 'pid'), '-H', host, '--iptables=false', '--ip6tables=false', '--bridge=none'], { stdio: ['ignore', 'pipe', 'pipe'] });
  child.stdout.on('data', (chunk: Buffer) => (output = (output + chunk.toString()).slice(-4000)));
  child.stderr.on('data', (chunk: Buffer) => (output = (output + chunk.toString()).slice(-4000)));
  const ended = new Promise((resolve) => child.on('exit', resolve));
  // Debian's own command line fits its daemon; another in front of it may want more.
  const program = existsSync('/usr/bin/docker') ? '/usr/bin/docker' : 'docker';
  const docker = (...args: string[]): string => execFileSync(program, args, { encoding: 'utf8', env: { ...process.env, ...environment }, stdio: ['ignore', 'pipe', 'pipe'] }).trim();
  await until('dockerd', () => {
    if (child.exitCode !== null) throw new Error(`dockerd ended: ${output}`);
    try {
      docker('version');
      return true;
    } catch {
      return false;
    }
  });
  return {
    docker,
    environment: { ...environment, PATH: `/usr/bin:${process.env['PATH']}` },
    stop: async () => {
      child.kill('SIGTERM');
      await ended;
      // Its network namespaces stay mounted, and what is mounted can't be deleted.
      const mounted = readFileSync('/proc/mounts', 'utf8').split('\n').map((line) => line.split(' ')[1] ?? '').filter((place) => place.startsWith(`${folder}/`));
      for (const place of mounted.toReversed()) execFileSync('umount', ['-l', place], { stdio: 'ignore' });
    },
  };
}

export interface RunningRegistry {
  readonly host: string;
  readonly port: number;
  stop(): Promise<void>;
}

/** Debian's docker-registry. `login`: it lets in nobody else. */
export async function startRegistry(folder: string, login?: { readonly user: string; readonly password: string }): Promise<RunningRegistry> {
  const port = await freePort();
  mkdirSync(join(folder, 'data'), { recursive: true });
  if (login !== undefined) execFileSync('htpasswd', ['-Bbc', join(folder, 'passwords'), login.user, login.password], { stdio: 'ignore' });
  const auth = login === undefined ? '' : `auth: { htpasswd: { realm: test, path: ${join(folder, 'passwords')} } }\n`;
  writeFileSync(join(folder, 'config.yml'), `version: 0.1\nlog: { level: error }\nstorage: { filesystem: { rootdirectory: ${join(folder, 'data')} }, delete: { enabled: true } }\nhttp: { addr: 127.0.0.1:${port} }\n${auth}`);
  const child: ChildProcess = spawn('docker-registry', ['serve', join(folder, 'config.yml')], { stdio: 'ignore' });
  const ended = new Promise((resolve) => child.on('exit', resolve));
  await until('the registry', () => fetch(`http://127.0.0.1:${port}/v2/`).then(() => true, () => false));
  return {
    host: `127.0.0.1:${port}`,
    port,
    stop: async () => {
      child.kill('SIGTERM');
      await ended;
    },
  };
}
