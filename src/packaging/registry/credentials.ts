/**
 * Who one is at a registry: Docker's `config.json` and podman's `auth.json`, and the credential helpers that they name. A helper is a program of the
 * person's own system that they configured; it is asked as Docker asks it.
 */
import { execFile } from 'node:child_process';
import { chmod, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { ModelportError } from '../../errors.ts';

export type Credentials = { readonly kind: 'password'; readonly user: string; readonly password: string } | { readonly kind: 'token'; readonly token: string };

interface DockerConfig {
  readonly auths?: Readonly<Record<string, { readonly auth?: string; readonly username?: string; readonly password?: string; readonly identitytoken?: string }>>;
  readonly credsStore?: string;
  readonly credHelpers?: Readonly<Record<string, string>>;
}

const helperMs = 30_000;

/** Docker's key for its own hub, for historical reasons. */
function keysOf(registry: string): string[] {
  return registry === 'docker.io' ? ['https://index.docker.io/v1/', 'index.docker.io', 'docker.io', 'registry-1.docker.io'] : [registry, `https://${registry}`, `http://${registry}`, `https://${registry}/v2/`, `https://${registry}/v1/`];
}

export function dockerConfigPath(environment: NodeJS.ProcessEnv): string {
  return join(environment['DOCKER_CONFIG'] ?? join(environment['HOME'] ?? homedir(), '.docker'), 'config.json');
}

function configPaths(environment: NodeJS.ProcessEnv): string[] {
  const runtime = environment['XDG_RUNTIME_DIR'];
  return [
    ...(environment['REGISTRY_AUTH_FILE'] === undefined ? [] : [environment['REGISTRY_AUTH_FILE']]),
    dockerConfigPath(environment),
    ...(runtime === undefined ? [] : [join(runtime, 'containers', 'auth.json')]),
  ];
}

/** Undefined where nobody logged in. */
export async function findCredentials(registry: string, environment: NodeJS.ProcessEnv = process.env): Promise<Credentials | undefined> {
  for (const path of configPaths(environment)) {
    const config = await readConfig(path);
    if (config === undefined) continue;
    for (const key of keysOf(registry)) {
      const helper = config.credHelpers?.[key] ?? (config.auths?.[key]?.auth === undefined ? config.credsStore : undefined);
      if (helper !== undefined) {
        const found = await askHelper(helper, key, environment);
        if (found !== undefined) return found;
      }
      const entry = config.auths?.[key];
      if (entry?.identitytoken !== undefined && entry.identitytoken !== '') return { kind: 'token', token: entry.identitytoken };
      if (entry?.auth !== undefined && entry.auth !== '') {
        const text = Buffer.from(entry.auth, 'base64').toString('utf8');
        const colon = text.indexOf(':');
        if (colon > 0) return { kind: 'password', user: text.slice(0, colon), password: text.slice(colon + 1).replace(/\0+$/, '') };
      }
      if (entry?.username !== undefined && entry.password !== undefined) return { kind: 'password', user: entry.username, password: entry.password };
    }
  }
  return undefined;
}

async function readConfig(path: string): Promise<DockerConfig | undefined> {
  const text = await readFile(path, 'utf8').catch(() => undefined);
  if (text === undefined) return undefined;
  try {
    const parsed: unknown = JSON.parse(text);
    return typeof parsed === 'object' && parsed !== null ? parsed : undefined;
  } catch (cause) {
    throw new ModelportError('INVALID_USAGE', `${path} is not valid JSON: ${(cause as Error).message}`, { at: path, cause });
  }
}

async function askHelper(helper: string, key: string, environment: NodeJS.ProcessEnv): Promise<Credentials | undefined> {
  const answer = await runHelper(helper, 'get', key, environment).catch((error: unknown) => {
    // Helpers say that they know nobody by failing.
    if (/not found|no credentials|credentials not/i.test((error as Error).message)) return undefined;
    throw error;
  });
  if (answer === undefined) return undefined;
  const { Username, Secret } = JSON.parse(answer) as { Username?: string; Secret?: string };
  if (Secret === undefined || Secret === '') return undefined;
  return Username === '<token>' ? { kind: 'token', token: Secret } : { kind: 'password', user: Username ?? '', password: Secret };
}

function runHelper(helper: string, action: 'get' | 'store' | 'erase', input: string, environment: NodeJS.ProcessEnv): Promise<string> {
  if (!/^[\w.-]+$/.test(helper)) throw new ModelportError('INVALID_USAGE', `'${helper}' in Docker's config.json is no name of a credential helper`);
  const program = `docker-credential-${helper}`;
  return new Promise((resolve, reject) => {
    const child = execFile(program, [action], { timeout: helperMs, env: environment, maxBuffer: 1 << 20 }, (error, stdout) => {
      if (error === null) resolve(stdout);
      else if ((error as NodeJS.ErrnoException).code === 'ENOENT') reject(new ModelportError('INVALID_USAGE', `Docker's config.json names the credential helper ${helper}, but there is no program ${program}`));
      else reject(new ModelportError('INVALID_USAGE', `${program} ${action} failed: ${(stdout || error.message).trim().slice(0, 300)}`));
    });
    child.stdin?.on('error', () => {});
    child.stdin?.end(input);
  });
}

/** Keeps them where Docker would. Gives the place, for the message. */
export async function storeCredentials(registry: string, user: string, password: string, environment: NodeJS.ProcessEnv = process.env): Promise<string> {
  const path = environment['REGISTRY_AUTH_FILE'] ?? dockerConfigPath(environment);
  const config = (await readConfig(path)) ?? {};
  const key = keysOf(registry)[0]!;
  const helper = config.credHelpers?.[key] ?? config.credsStore;
  if (helper !== undefined) {
    await runHelper(helper, 'store', JSON.stringify({ ServerURL: key, Username: user, Secret: password }), environment);
    return `docker-credential-${helper}`;
  }
  await writeConfig(path, { ...config, auths: { ...config.auths, [key]: { auth: Buffer.from(`${user}:${password}`).toString('base64') } } });
  return path;
}

/** Whether there were any. */
export async function removeCredentials(registry: string, environment: NodeJS.ProcessEnv = process.env): Promise<boolean> {
  const path = environment['REGISTRY_AUTH_FILE'] ?? dockerConfigPath(environment);
  const config = (await readConfig(path)) ?? {};
  const keys = keysOf(registry);
  const helper = config.credHelpers?.[keys[0]!] ?? config.credsStore;
  if (helper !== undefined) {
    await runHelper(helper, 'erase', keys[0]!, environment);
    return true;
  }
  const rest = Object.fromEntries(Object.entries(config.auths ?? {}).filter(([key]) => !keys.includes(key)));
  const found = Object.keys(rest).length !== Object.keys(config.auths ?? {}).length;
  if (found) await writeConfig(path, { ...config, auths: rest });
  return found;
}

async function writeConfig(path: string, config: DockerConfig): Promise<void> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  const beside = `${path}.${process.pid}.part`;
  try {
    await writeFile(beside, `${JSON.stringify(config, undefined, 2)}\n`, { mode: 0o600 });
    await chmod(beside, 0o600);
    await rename(beside, path);
  } finally {
    await rm(beside, { force: true });
  }
}
