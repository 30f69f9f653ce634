/** The real programs that containers are tested with: Debian's packages, installed where they are missing, started and stopped by the tests. */
import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

const packages: Readonly<Record<string, string>> = { 'docker-registry': 'docker-registry', skopeo: 'skopeo', runc: 'runc', htpasswd: 'apache2-utils', dockerd: 'docker.io', iptables: 'iptables', ip: 'iproute2', podman: 'podman', buildah: 'buildah', groovy: 'groovy', java: 'default-jre-headless', nginx: 'nginx-light', python3: 'python3-venv', 'qemu-aarch64-static': 'qemu-user-static' };

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
  /** Before the words of a program that shall see the daemon's network. */
  readonly inside: readonly string[];
  stop(): Promise<void>;
}

/**
 * A daemon of its own, with its own images. `none`: no network but the host's and none. `own`: bridges, published ports and names, in a network namespace
 * that nothing else is in.
 */
export async function startDocker(folder: string, network: 'none' | 'own' = 'none'): Promise<RunningDocker> {
  mkdirSync(folder, { recursive: true });
  const host = `unix://${join(folder, 'docker.sock')}`;
  const environment = { DOCKER_HOST: host, DOCKER_CONFIG: join(folder, 'config'), DOCKER_BUILDKIT: '0' };
  let output = '';
  const namespace = `modelport-${process.pid}`;
  const inside = network === 'own' ? ['nsenter', `--net=/run/netns/${namespace}`] : [];
  if (network === 'own') {
    execFileSync('ip', ['netns', 'add', namespace]);
    execFileSync('ip', ['-n', namespace, 'link', 'set', 'lo', 'up']);
  }
  const [program, ...words] = [...inside, 'dockerd', '--data-root', join(folder, 'data'), '--exec-root', join(folder, 'exec'), '--pidfile', join(folder, 'pid'), '-H', host, ...(network === 'own' ? [] : ['--iptables=false', '--ip6tables=false', '--bridge=none'])];
  const child = spawn(program!, words, { stdio: ['ignore', 'pipe', 'pipe'] });
  child.stdout.on('data', (chunk: Buffer) => (output = (output + chunk.toString()).slice(-4000)));
  child.stderr.on('data', (chunk: Buffer) => (output = (output + chunk.toString()).slice(-4000)));
  const ended = new Promise((resolve) => child.on('exit', resolve));
  // Debian's own command line fits its daemon; another in front of it may want more.
  const client = existsSync('/usr/bin/docker') ? '/usr/bin/docker' : 'docker';
  const docker = (...args: string[]): string => execFileSync(client, args, { encoding: 'utf8', env: { ...process.env, ...environment }, stdio: ['ignore', 'pipe', 'pipe'] }).trim();
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
    inside,
    environment: { ...environment, PATH: `/usr/bin:${process.env['PATH']}` },
    stop: async () => {
      child.kill('SIGTERM');
      await ended;
      // Its network namespaces stay mounted, and what is mounted can't be deleted.
      const mounted = readFileSync('/proc/mounts', 'utf8').split('\n').map((line) => line.split(' ')[1] ?? '').filter((place) => place.startsWith(`${folder}/`));
      for (const place of mounted.toReversed()) execFileSync('umount', ['-l', place], { stdio: 'ignore' });
      if (network === 'own') execFileSync('ip', ['netns', 'delete', namespace]);
    },
  };
}

const composeVersion = '2.40.3';

/**
 * Docker's plugin for Compose, whose package no Debian 12 has: the one that is installed, or one that Go builds once (a few minutes). Puts it where the
 * configuration of Docker is, and gives the reason why there is none, else undefined.
 */
export function prepareCompose(configuration: string): string | undefined {
  const place = join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'modelport-tests', `docker-compose-${composeVersion}`);
  const installed = ['.docker/cli-plugins', '/usr/libexec/docker/cli-plugins', '/usr/lib/docker/cli-plugins', '/usr/local/lib/docker/cli-plugins'].map((folder) => resolve(homedir(), folder, 'docker-compose')).find((file) => existsSync(file));
  if (installed === undefined && !existsSync(place)) {
    if (!has('go')) return 'there is no docker compose, and no Go to build it';
    const folder = mkdtempSync(join(tmpdir(), 'modelport-compose-'));
    try {
      // Excluded by Compose's own go.mod, too.
      writeFileSync(join(folder, 'go.mod'), `module modelport/compose\ngo 1.24.9\nrequire github.com/docker/compose/v2 v${composeVersion}\nexclude (\n\tgithub.com/davecgh/go-spew v1.1.2-0.20180830191138-d8f796af33cc\n\tgithub.com/pmezard/go-difflib v1.0.1-0.20181226105442-5d4384ee4fb2\n)\n`);
      writeFileSync(join(folder, 'tools.go'), '//go:build tools\npackage compose\n\nimport _ "github.com/docker/compose/v2/cmd"\n');
      const go = (...args: string[]): void => void execFileSync('go', args, { cwd: folder, stdio: 'pipe', timeout: 900_000 });
      go('mod', 'tidy', '-e');
      go('build', '-trimpath', '-ldflags', `-s -w -X github.com/docker/compose/v2/internal.Version=v${composeVersion}`, '-o', 'docker-compose', 'github.com/docker/compose/v2/cmd');
      mkdirSync(dirname(place), { recursive: true });
      copyFileSync(join(folder, 'docker-compose'), `${place}.part`);
      renameSync(`${place}.part`, place);
    } catch (error) {
      return `docker compose can't be built: ${String((error as { stderr?: Buffer }).stderr ?? error).trim().split('\n').at(-1)}`;
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  }
  mkdirSync(join(configuration, 'cli-plugins'), { recursive: true });
  copyFileSync(installed ?? place, join(configuration, 'cli-plugins/docker-compose'));
  return undefined;
}

/** Programs of this machine with what they need, as the context of an image from scratch. Each goes where it is here. */
export function copyPrograms(folder: string, programs: readonly string[]): void {
  const copy = (file: string): void => {
    const place = join(folder, file.replace(/^\/(?=bin|lib)/, '/usr/'));
    mkdirSync(dirname(place), { recursive: true });
    execFileSync('cp', ['-L', file, place]);
  };
  for (const program of programs) {
    const path = execFileSync('sh', ['-c', `command -v ${program}`], { encoding: 'utf8', env: { ...process.env, PATH: `${process.env['PATH']}:/usr/sbin:/sbin` } }).trim();
    copy(path);
    for (const [library] of execFileSync('ldd', [path], { encoding: 'utf8' }).matchAll(/\/\S+(?= \()/g)) copy(library);
  }
}

/**
 * The context of an image that Dockerfiles of ours can begin with: Node and its libraries from an image of ours, a shell, and in place of npm, which would ask a
 * registry for a package that is not published, a program that takes the same command line and puts Modelport where npm would.
 */
export function writeBaseContext(folder: string, image: string): void {
  copyPrograms(folder, ['sh', 'cp', 'mkdir']);
  mkdirSync(join(folder, 'usr/local/bin'), { recursive: true });
  writeFileSync(join(folder, 'usr/local/bin/npm'), '#!/bin/sh\n[ "$1" = install ] || exit 0\nmkdir -p /tmp/m && cp -r /opt/modelport/. /tmp/m && mkdir -p node_modules && cp -r /tmp/m node_modules/modelport\n', { mode: 0o755 });
  writeFileSync(join(folder, 'Dockerfile'), `FROM ${image}\nUSER 0:0\nCOPY . /\n`);
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
