/** Where a build goes: what `-o`, `--push` and `--load` say. */
import { spawn } from 'node:child_process';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { ModelportError } from '../../errors.ts';
import type { ManifestContent } from '../../packaging/image/oci.ts';
import { dockerArchive } from '../../packaging/image/write-archive.ts';

export type OutputKind = 'oci' | 'oci-archive' | 'docker-archive';

export interface Output {
  readonly kind: OutputKind;
  readonly path: string;
}

const kinds: readonly OutputKind[] = ['oci', 'oci-archive', 'docker-archive'];

/** Throws `INVALID_USAGE` naming the forms. A path that ends with .tar is an OCI archive. */
export function parseOutput(text: string): Output {
  const colon = text.indexOf(':');
  const kind = kinds.find((candidate) => candidate === text.slice(0, Math.max(0, colon)));
  const path = kind === undefined ? text : text.slice(colon + 1);
  if (kind !== undefined && path !== '') return { kind, path };
  if (kind === undefined && path.endsWith('.tar')) return { kind: 'oci-archive', path };
  throw new ModelportError('INVALID_USAGE', `--output '${text}': write oci:FOLDER, oci-archive:FILE or docker-archive:FILE`);
}

/** Through the standard input of `docker load`, or podman's. Throws `INVALID_USAGE` where neither is there. Gives the program that took it. */
export async function loadIntoEngine(content: ManifestContent, names: readonly string[]): Promise<string> {
  const failures: string[] = [];
  for (const program of ['docker', 'podman']) {
    try {
      await runLoad(program, content, names);
      return program;
    } catch (error) {
      failures.push((error as NodeJS.ErrnoException).code === 'ENOENT' ? `there is no ${program}` : `${program}: ${(error as Error).message}`);
    }
  }
  throw new ModelportError('INVALID_USAGE', `the image can't be loaded: ${failures.join('; ')}. Write it with -o, or send it with --push`);
}

async function runLoad(program: string, content: ManifestContent, names: readonly string[]): Promise<void> {
  const child = spawn(program, ['load'], { stdio: ['pipe', 'ignore', 'pipe'] });
  let said = '';
  child.stderr.on('data', (chunk: Buffer) => (said = `${said}${chunk.toString()}`.slice(-2000)));
  const ended = new Promise<void>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code) => (code === 0 ? resolve() : reject(new Error(said.trim().split('\n').pop() ?? `exit code ${code}`))));
  });
  const sent = pipeline(Readable.from(dockerArchive(content, names), { objectMode: false }), child.stdin).catch(() => {});
  await ended;
  await sent;
}
