/**
 * What this machine's pip is told: index, further indexes, proxy, authority, credentials. The same files and variables in the same order as pip reads
 * them (https://pip.pypa.io/en/stable/topics/configuration/), without asking pip, which need not be here.
 */
import { readFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';

export interface PipConfig {
  /** Simple indexes, without a slash at the end; the first that has the package counts. */
  readonly indexes: readonly string[];
  /** Folders and pages that hold package files. */
  readonly findLinks: readonly string[];
  readonly proxy: string | undefined;
  /** The path of a file. */
  readonly certificateAuthorities: string | undefined;
  /** Hosts whose certificate is not asked for. */
  readonly trustedHosts: readonly string[];
}

const defaultIndex = 'https://pypi.org/simple';

export async function readPipConfig(environment: NodeJS.ProcessEnv): Promise<PipConfig> {
  const settings = new Map<string, string>();
  for (const path of configFiles(environment)) {
    const text = await readFile(path, 'utf8').catch(() => '');
    for (const [key, value] of parseIni(text.slice(0, 1 << 20))) settings.set(key, value);
  }
  for (const [name, value] of Object.entries(environment)) {
    const match = /^PIP_(\w+)$/.exec(name);
    if (match !== null && value !== undefined && value !== '') settings.set(match[1]!.toLowerCase().replaceAll('_', '-'), value);
  }
  const words = (key: string): string[] => (settings.get(key) ?? '').split(/\s+/).filter((word) => word !== '');
  const withoutIndex = /^(?:1|true|yes|on)$/i.test(settings.get('no-index') ?? '');
  const index = settings.get('index-url') ?? settings.get('pypi-url') ?? defaultIndex;
  return {
    indexes: withoutIndex ? [] : [index, ...words('extra-index-url')].map((url) => url.replace(/\/+$/, '')),
    findLinks: words('find-links'),
    proxy: settings.get('proxy'),
    certificateAuthorities: settings.get('cert'),
    trustedHosts: words('trusted-host'),
  };
}

/** Later ones win. */
function configFiles(environment: NodeJS.ProcessEnv): string[] {
  const own = environment['PIP_CONFIG_FILE'];
  if (own === '/dev/null' || own === 'os.devnull') return [];
  const home = environment['HOME'] ?? homedir();
  const user = environment['XDG_CONFIG_HOME'] ?? join(home, '.config');
  const global = (environment['XDG_CONFIG_DIRS'] ?? '/etc/xdg').split(':').filter((folder) => folder !== '');
  return [
    ...global.map((folder) => join(folder, 'pip', 'pip.conf')),
    '/etc/pip.conf',
    join(home, '.pip', 'pip.conf'),
    join(user, 'pip', 'pip.conf'),
    ...(environment['VIRTUAL_ENV'] === undefined ? [] : [join(environment['VIRTUAL_ENV'], 'pip.conf')]),
    ...(own === undefined ? [] : [own]),
  ];
}

/** The sections that concern downloads; a value goes on in lines that are indented. */
function parseIni(text: string): Map<string, string> {
  const general = new Map<string, string>();
  const specific = new Map<string, string>();
  let into: Map<string, string> | undefined;
  let last: string | undefined;
  for (const line of text.split(/\r?\n/)) {
    if (/^\s*(?:[#;].*)?$/.test(line)) continue;
    const section = /^\[([^\]]+)\]/.exec(line);
    const pair = /^([\w-]+)\s*[=:]\s*(.*)$/.exec(line);
    if (section !== null) {
      into = section[1] === 'global' ? general : section[1] === 'install' || section[1] === 'download' ? specific : undefined;
      last = undefined;
    } else if (pair !== null) {
      last = pair[1]!.toLowerCase().replaceAll('_', '-');
      into?.set(last, pair[2]!.trim());
    } else if (/^\s/.test(line) && last !== undefined && into !== undefined) into.set(last, `${into.get(last)!} ${line.trim()}`.trim());
  }
  return new Map([...general, ...specific]);
}
