/** Other people's programs as child processes. */
import { spawn } from 'node:child_process';

export interface CommandResult {
  /** null where a signal ended it, as after `timeoutMs`. */
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface CommandOptions {
  readonly cwd?: string;
  readonly environment?: Readonly<Record<string, string>>;
  /** Then it is killed. Default 2 minutes. */
  readonly timeoutMs?: number;
}

/** Runs a program to its end. Rejects where it cannot be started. */
export function runCommand(command: string, args: readonly string[], options: CommandOptions = {}): Promise<CommandResult> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
      env: { ...process.env, NO_COLOR: '1', PYTHONUNBUFFERED: '1', ...options.environment },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let stdout = '';
    let stderr = '';
    child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()));
    child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
    const timer = setTimeout(() => child.kill('SIGKILL'), options.timeoutMs ?? 120_000);
    child.on('error', (error) => {
      clearTimeout(timer);
      reject(error);
    });
    child.on('close', (code) => {
      clearTimeout(timer);
      resolve({ code, stdout, stderr });
    });
  });
}

/** As {@link runCommand}; rejects with what it printed where it does not exit with 0. */
export async function mustRun(command: string, args: readonly string[], options: CommandOptions = {}): Promise<string> {
  const { code, stdout, stderr } = await runCommand(command, args, options);
  if (code !== 0) throw new Error(`${command} ${args.join(' ')} ended with ${code ?? 'a signal'}:\n${`${stdout}${stderr}`.slice(-4000)}`);
  return stdout;
}

/** The last line that says something: what an installer's failure comes down to. */
export function lastLine(error: unknown): string {
  return (error as Error).message.trimEnd().split('\n').at(-1)!.slice(0, 300);
}
