/** What `login` and `logout` do. */
import { createInterface } from 'node:readline/promises';
import { Writable } from 'node:stream';
import { ModelportError } from '../../errors.ts';
import { removeCredentials, storeCredentials } from '../../packaging/registry/credentials.ts';
import { RegistryClient } from '../../packaging/registry/registry-client.ts';
import type { LoginFlags } from '../login.ts';

const maximumPasswordBytes = 65_536;

export async function runLogin(given: string, flags: LoginFlags): Promise<void> {
  const registry = hostOf(given);
  const user = flags.username ?? (await ask('Name: ', false));
  const password = flags.passwordStdin === true ? await readPassword() : await ask('Password or token: ', true);
  if (user === '' || password === '') throw new ModelportError('INVALID_USAGE', 'name and password must not be empty');
  if (user.includes(':')) throw new ModelportError('INVALID_USAGE', 'a name may have no colon');
  await using client = new RegistryClient(registry, { credentials: { kind: 'password', user, password }, ...(flags.plainHttp === true ? { plainHttp: true } : {}) });
  await client.ping().catch((error: unknown) => {
    if ((error as ModelportError).code === 'UNAUTHENTICATED') throw new ModelportError('UNAUTHENTICATED', `${registry} does not know this name and password`, { cause: error });
    throw error;
  });
  const place = await storeCredentials(registry, user, password);
  process.stdout.write(`Logged in to ${registry} as ${user}; kept in ${place}\n`);
}

export async function runLogout(given: string): Promise<void> {
  const registry = hostOf(given);
  process.stdout.write((await removeCredentials(registry)) ? `Logged out of ${registry}\n` : `You were not logged in to ${registry}\n`);
}

function hostOf(text: string): string {
  const host = text.replace(/^(?:https?|oci|docker):\/\//, '').replace(/\/.*$/, '').toLowerCase();
  if (!/^[a-z0-9.-]+(?::\d{1,5})?$|^\[[0-9a-f:]+\](?::\d{1,5})?$/.test(host)) throw new ModelportError('INVALID_USAGE', `'${text}' is no host of a registry`);
  return /^(?:index\.docker\.io|registry-1\.docker\.io)$/.test(host) ? 'docker.io' : host;
}

async function readPassword(): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of process.stdin) {
    size += (chunk as Buffer).byteLength;
    if (size > maximumPasswordBytes) throw new ModelportError('INVALID_USAGE', 'that is no password: it is too long');
    chunks.push(chunk as Buffer);
  }
  return Buffer.concat(chunks).toString('utf8').replace(/\r?\n$/, '');
}

async function ask(question: string, hidden: boolean): Promise<string> {
  if (!process.stdin.isTTY) throw new ModelportError('INVALID_USAGE', 'there is no terminal to ask at: give -u NAME and --password-stdin');
  const output = new Writable({ write: (chunk: Buffer, _encoding, done) => {
    if (!hidden) process.stderr.write(chunk);
    done();
  } });
  process.stderr.write(hidden ? question : '');
  const lines = createInterface({ input: process.stdin, output, terminal: true });
  try {
    const answer = await lines.question(hidden ? '' : question);
    if (hidden) process.stderr.write('\n');
    return answer.trim();
  } finally {
    lines.close();
  }
}
