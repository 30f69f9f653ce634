/** Files and folders that are not whole yet: taken away when a person or the system ends the process before they are. */
import { rmSync } from 'node:fs';

const exitCodes = { SIGHUP: 129, SIGINT: 130, SIGTERM: 143 } as const;
const paths = new Set<string>();

/** Runs `work`, which writes the file or folder `path`. Whatever is there when a signal ends the process meanwhile is deleted; signals are left alone otherwise. */
export async function withUnfinishedFile<Result>(path: string, work: () => Promise<Result>): Promise<Result> {
  if (paths.size === 0) for (const signal of Object.keys(exitCodes)) process.on(signal, stop);
  paths.add(path);
  try {
    return await work();
  } finally {
    paths.delete(path);
    if (paths.size === 0) for (const signal of Object.keys(exitCodes)) process.off(signal, stop);
  }
}

function stop(signal: keyof typeof exitCodes): void {
  // Somebody else who listens (a server that drains) decides when the process ends.
  if (process.listenerCount(signal) > 1) return;
  for (const path of paths) rmSync(path, { force: true, recursive: true });
  process.exit(exitCodes[signal]);
}
