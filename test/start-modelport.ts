/** Starts the real command line as a child process, for tests from outside. */
import { spawn, type ChildProcess } from 'node:child_process';
import { join, resolve } from 'node:path';
import { afterAll } from 'vitest';

export const root = resolve(import.meta.dirname, '..');
export const cli = join(root, 'bin', 'modelport.js');

export interface RunningModelport {
  readonly process: ChildProcess;
  readonly url: string;
  readonly httpPort: number;
  /** 0 where there is none. */
  readonly grpcPort: number;
  /** What was written so far. */
  output(): string;
  /** Sends a signal and gives the exit code. */
  stop(signal?: NodeJS.Signals): Promise<number | null>;
}

export interface StartOptions {
  readonly arguments: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  /** Wait for the start screen; without it for the listener alone. Default true. */
  readonly ready?: boolean;
  /** What to start instead of this Node with the command line. */
  readonly program?: readonly string[];
}

const running = new Set<ChildProcess>();
// A test that fails before it stops its server leaves none behind. Registered first, this runs after the hooks of the test file.
afterAll(() => {
  for (const child of running) child.kill('SIGKILL');
});

/** `modelport serve …` on free ports. Rejects with its output when it exits. */
export async function startModelport(options: StartOptions): Promise<RunningModelport> {
  const given = options.arguments;
  const has = (flag: string) => given.some((argument) => argument === flag || argument.startsWith(`${flag}=`));
  const ports = [...(has('--port') || has('--http-port') ? [] : ['--port', '0']), ...(has('--grpc-port') ? [] : ['--grpc-port', '0']), ...(has('--metrics-port') ? [] : ['--metrics-port', 'off'])];
  const [program, ...first] = options.program ?? [process.execPath, cli];
  const child = spawn(program!, [...first, 'serve', ...given, ...ports], {
    cwd: options.cwd ?? root,
    env: { ...process.env, NO_COLOR: '1', ...options.environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  running.add(child);
  let output = '';
  const exited = new Promise<number | null>((resolvePromise) => child.on('exit', (code) => {
    running.delete(child);
    resolvePromise(code);
  }));
  await new Promise<void>((resolvePromise, reject) => {
    const read = (chunk: Buffer): void => {
      output += chunk.toString();
      if (output.includes('Ctrl-C stops') || output.includes('"msg":"ready"')) resolvePromise();
    };
    child.stdout.on('data', read);
    child.stderr.on('data', read);
    void exited.then((code) => reject(new Error(`modelport serve exited with ${code}:\n${output}`)));
  });
  const httpPort = Number(/(?:Page\s+|"page":")http:\/\/[^:]+:(\d+)/.exec(output)?.[1] ?? 0);
  const grpcPort = Number(/(?:gRPC\s+|"grpc":")[^\s:]+:(\d+)/.exec(output)?.[1] ?? 0);
  return {
    process: child,
    url: `http://127.0.0.1:${httpPort}`,
    httpPort,
    grpcPort,
    output: () => output,
    async stop(signal = 'SIGTERM') {
      child.kill(signal);
      return exited;
    },
  };
}

/** Runs a command to its end. */
export async function runModelport(args: readonly string[], options: { readonly cwd?: string; readonly environment?: Readonly<Record<string, string>>; readonly input?: string } = {}): Promise<{ code: number | null; stdout: string; stderr: string }> {
  const child = spawn(process.execPath, [cli, ...args], { cwd: options.cwd ?? root, env: { ...process.env, NO_COLOR: '1', ...options.environment }, stdio: ['pipe', 'pipe', 'pipe'] });
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
  child.stdin.end(options.input ?? '');
  const code = await new Promise<number | null>((resolvePromise) => child.on('close', resolvePromise));
  return { code, stdout, stderr };
}
