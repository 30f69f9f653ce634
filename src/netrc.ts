/** Names and passwords for hosts: in the address, in that of an index on the same host, or in `~/.netrc` (`NETRC`). */
import { readFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';

/** The address without credentials, and the header that they make. `others`: addresses whose credentials hold for the same host too. */
export async function credentialsFor(given: string, environment: NodeJS.ProcessEnv, others: readonly string[] = []): Promise<{ readonly url: string; readonly headers: Readonly<Record<string, string>> }> {
  const url = new URL(given);
  const holder = [given, ...others].map((text) => new URL(text)).find((candidate) => candidate.origin === url.origin && candidate.username !== '');
  const login = holder === undefined ? await readNetrc(url.hostname, environment) : { user: decodeURIComponent(holder.username), password: decodeURIComponent(holder.password) };
  url.username = '';
  url.password = '';
  return { url: url.href.replace(/\/$/, given.endsWith('/') ? '/' : ''), headers: login === undefined ? {} : { authorization: `Basic ${Buffer.from(`${login.user}:${login.password}`).toString('base64')}` } };
}

async function readNetrc(host: string, environment: NodeJS.ProcessEnv): Promise<{ readonly user: string; readonly password: string } | undefined> {
  const path = environment['NETRC'] ?? join(environment['HOME'] ?? homedir(), '.netrc');
  const text = await readFile(path, 'utf8').catch(() => '');
  const words = text.slice(0, 1 << 20).replaceAll(/^\s*#.*$/gm, '').split(/\s+/);
  for (const [index, word] of words.entries()) {
    if (!((word === 'machine' && words[index + 1] === host) || word === 'default')) continue;
    const rest = words.slice(index + (word === 'default' ? 1 : 2));
    const end = rest.findIndex((next) => next === 'machine' || next === 'default');
    const own = end < 0 ? rest : rest.slice(0, end);
    const value = (key: string): string | undefined => (own.includes(key) ? own[own.indexOf(key) + 1] : undefined);
    const password = value('password');
    if (password !== undefined) return { user: value('login') ?? '', password };
  }
  return undefined;
}
