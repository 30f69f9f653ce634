/** The command as a user starts it, in a process of its own. */
import { spawn, type ChildProcess } from 'node:child_process';
import { join } from 'node:path';

const root = join(import.meta.dirname, '../..');

export const exampleModels = join(root, 'examples/models');

export interface Served {
  /** `http://127.0.0.1:12345/` */
  readonly url: string;
  readonly port: number;
  stop(): Promise<void>;
}

/** Resolves when it is ready. `port` 0 takes a free one. */
export async function serve(paths: readonly string[], flags: readonly string[] = [], port = 0): Promise<Served> {
  const child = spawn(process.execPath, [join(root, 'dist/cli.js'), 'serve', ...paths, '--port', String(port), '--grpc-port', 'off', '--metrics-port', 'off', ...flags], { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, NO_COLOR: '1' } });
  const url = await startedAt(child);
  return {
    url,
    port: Number(new URL(url).port),
    stop: async () => {
      if (child.exitCode !== null || child.signalCode !== null) return;
      const ended = new Promise((resolve) => child.once('exit', resolve));
      child.kill('SIGTERM');
      await ended;
    },
  };
}

function startedAt(child: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    let output = '';
    const read = (chunk: Buffer): void => {
      output += chunk.toString();
      const origin = /http:\/\/(?:127\.0\.0\.1|localhost):(\d+)/.exec(output)?.[1];
      if (origin !== undefined) void untilAnswers(`http://127.0.0.1:${origin}/`).then(resolve, reject);
    };
    child.stdout!.on('data', read);
    child.stderr!.on('data', read);
    child.once('exit', (code) => reject(new Error(`serve ended with ${code}:\n${output}`)));
  });
}

async function untilAnswers(url: string): Promise<string> {
  for (let attempt = 0; attempt < 100; attempt++) {
    const response = await fetch(new URL('v2/health/live', url)).catch(() => undefined);
    if (response?.ok === true) return url;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`${url} does not answer`);
}
