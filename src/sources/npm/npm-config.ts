/**
 * What this machine's npm is told: registries (also those of single scopes), credentials, authority, proxy. The same files and variables as npm reads
 * (https://docs.npmjs.com/cli/configuring-npm/npmrc), without asking npm.
 */
import { readFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';

export class NpmConfig {
  readonly #settings: ReadonlyMap<string, string>;

  constructor(settings: ReadonlyMap<string, string>) {
    this.#settings = settings;
  }

  get(key: string): string | undefined {
    return this.#settings.get(key);
  }

  /** Without a slash at the end. */
  registryOf(packageName: string): string {
    const scope = packageName.startsWith('@') ? packageName.slice(0, packageName.indexOf('/')) : undefined;
    return ((scope === undefined ? undefined : this.get(`${scope}:registry`)) ?? this.get('registry') ?? 'https://registry.npmjs.org').replace(/\/+$/, '');
  }

  /** The header for an address: credentials stand under the longest path that it begins with, and go nowhere else. */
  headersFor(url: string): Record<string, string> {
    const { host, pathname } = new URL(url);
    const parts = pathname.split('/').filter((part) => part !== '');
    for (let count = parts.length; count >= 0; count--) {
      const place = `//${[host, ...parts.slice(0, count)].join('/')}/`;
      const token = this.get(`${place}:_authToken`);
      if (token !== undefined) return { authorization: `Bearer ${token}` };
      const basic = this.get(`${place}:_auth`);
      if (basic !== undefined) return { authorization: `Basic ${basic}` };
      const user = this.get(`${place}:username`);
      const password = this.get(`${place}:_password`);
      if (user !== undefined && password !== undefined) return { authorization: `Basic ${Buffer.from(`${user}:${Buffer.from(password, 'base64').toString('utf8')}`).toString('base64')}` };
    }
    return {};
  }

  /** PEM texts. */
  async certificateAuthorities(): Promise<string[]> {
    const inline = this.get('ca');
    const file = this.get('cafile');
    return [...(inline === undefined || inline === 'null' ? [] : [inline.replaceAll('\\n', '\n')]), ...(file === undefined || file === 'null' ? [] : [await readFile(file, 'utf8')])];
  }
}

export async function readNpmConfig(environment: NodeJS.ProcessEnv, folder = process.cwd()): Promise<NpmConfig> {
  const home = environment['HOME'] ?? homedir();
  const option = (name: string): string | undefined => environment[`npm_config_${name}`] ?? environment[`NPM_CONFIG_${name.toUpperCase()}`];
  const settings = new Map<string, string>();
  for (const path of [option('globalconfig') ?? '/etc/npmrc', option('userconfig') ?? join(home, '.npmrc'), join(folder, '.npmrc')]) {
    const text = await readFile(path, 'utf8').catch(() => '');
    for (const line of text.slice(0, 1 << 20).split(/\r?\n/)) {
      const match = /^\s*([^#;=\s][^=]*?)\s*=\s*(.*?)\s*$/.exec(line);
      if (match !== null) settings.set(match[1]!, match[2]!.replace(/^"(.*)"$/, '$1').replaceAll(/\$\{([^}]+)\}/g, (whole, name: string) => environment[name] ?? whole));
    }
  }
  for (const [name, value] of Object.entries(environment)) {
    const match = /^npm_config_(.+)$/i.exec(name);
    if (match === null || value === undefined || value === '') continue;
    const key = match[1]!;
    settings.set(key.startsWith('//') || key.startsWith('@') ? key : key.toLowerCase().replaceAll('_', '-'), value);
  }
  return new NpmConfig(settings);
}
