/** How many threads each instance may use, so that all models together do not ask for more cores than there are. */
import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';

/**
 * Threads for one run of each of `instances` instances that may run at once: the cores, shared out evenly, at least 1.
 * Instances times threads exceeds the cores only where there are more instances than cores.
 */
export function shareCores(instances: number, cores = availableCores()): number {
  return Math.max(1, Math.floor(cores / Math.max(1, instances)));
}

/** Cores that this process may keep busy: those it may be scheduled on, but no more than a container's CPU quota. At least 1. */
export function availableCores(): number {
  return Math.max(1, Math.min(availableParallelism(), Math.ceil(quotaCores())));
}

/** Linux control groups, version 2 (`cpu.max`: quota and period in microseconds) or 1. Infinity where nothing limits. */
function quotaCores(): number {
  const [quota, period] = read('/sys/fs/cgroup/cpu.max').split(' ');
  if (quota !== undefined && Number(quota) > 0 && Number(period) > 0) return Number(quota) / Number(period);
  const quotaUs = Number(read('/sys/fs/cgroup/cpu/cpu.cfs_quota_us'));
  const periodUs = Number(read('/sys/fs/cgroup/cpu/cpu.cfs_period_us'));
  return quotaUs > 0 && periodUs > 0 ? quotaUs / periodUs : Infinity;
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch {
    return '';
  }
}
