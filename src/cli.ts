/**
 * The program. It loads the rest by itself, because the first process of a container must answer signals from its first moment on: the kernel
 * ignores those that it has no handler for, and whoever ends a container that is just starting would wait until it is killed.
 */
import process from 'node:process';

if (process.pid === 1) {
  for (const [signal, exitCode] of [['SIGTERM', 143], ['SIGINT', 130]] as const) {
    process.on(signal, () => {
      // A server that listens answers its requests first.
      if (process.listenerCount(signal) === 1) process.exit(exitCode);
    });
  }
}

const { runCommandLine } = await import('./commands/run-command-line.ts');
await runCommandLine();
