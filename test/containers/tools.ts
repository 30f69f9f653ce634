/** The real programs that containers are tested with: Debian's packages, installed where they are missing, started and stopped by the tests. */
import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

const packages: Readonly<Record<string, string>> = { 'docker-registry': 'docker-registry', skopeo: 'skopeo', runc: 'runc', htpasswd: 'apache2-utils' };

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
