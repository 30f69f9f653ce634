/** A lock that processes share: a file that exists while somebody holds it. */
import { open, readFile, rm, stat, utimes } from 'node:fs/promises';
import { hostname } from 'node:os';
import { setTimeout as delay } from 'node:timers/promises';

export interface FileLockOptions {
  /** After so long without a sign of life a lock of another machine counts as left behind. Default 60 s. */
  readonly staleMs?: number;
  /** Default 30 s. */
  readonly timeoutMs?: number;
}

/**
 * Runs `work` while holding the lock at `path`. A lock whose process is gone is taken over. Rejects with an `Error`
 * naming the holder when the lock does not come free in time.
 */
export async function withFileLock<Result>(path: string, work: () => Promise<Result>, options: FileLockOptions = {}): Promise<Result> {
  const { staleMs = 60_000, timeoutMs = 30_000 } = options;
  const content = JSON.stringify({ pid: process.pid, host: hostname(), nonce: Math.random() });
  const deadlineMs = performance.now() + timeoutMs;
  for (let pauseMs = 2; !(await createExclusively(path, content)); pauseMs = Math.min(pauseMs * 1.5, 100)) {
    await removeStale(path, staleMs);
    if (performance.now() > deadlineMs) {
      const holder = await readFile(path, 'utf8').catch(() => 'another process');
      throw new Error(`${path} is locked by ${holder}; if that process is gone, delete the file`);
    }
    await delay(pauseMs * (0.5 + Math.random()));
  }
  const heartbeat = setInterval(() => void utimes(path, new Date(), new Date()).catch(() => {}), staleMs / 4).unref();
  try {
    return await work();
  } finally {
    clearInterval(heartbeat);
    // Only one's own: it may have been taken over while this process was suspended.
    if ((await readFile(path, 'utf8').catch(() => '')) === content) await rm(path, { force: true });
  }
}

async function createExclusively(path: string, content: string): Promise<boolean> {
  try {
    const file = await open(path, 'wx');
    try {
      await file.writeFile(content);
    } finally {
      await file.close();
    }
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

/** Two processes must not both find the old lock stale and the second remove the first one's new lock: removing has a lock too. */
async function removeStale(path: string, staleMs: number): Promise<void> {
  if (!(await isStale(path, staleMs))) return;
  const guard = `${path}.takeover`;
  if (!(await createExclusively(guard, ''))) {
    const age = await ageOf(guard);
    if (age !== undefined && age > 10_000) await rm(guard, { force: true });
    return;
  }
  try {
    if (await isStale(path, staleMs)) await rm(path, { force: true });
  } finally {
    await rm(guard, { force: true });
  }
}

async function isStale(path: string, staleMs: number): Promise<boolean> {
  const [text, age] = await Promise.all([readFile(path, 'utf8').catch(() => undefined), ageOf(path)]);
  if (text === undefined || age === undefined) return false;
  if (age > staleMs) return true;
  try {
    const { pid, host } = JSON.parse(text) as { pid: number; host: string };
    return host === hostname() && !isAlive(pid);
  } catch {
    // Created, and its holder's name not written yet.
    return age > 5_000;
  }
}

async function ageOf(path: string): Promise<number | undefined> {
  const status = await stat(path).catch(() => undefined);
  return status === undefined ? undefined : Date.now() - status.mtimeMs;
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
