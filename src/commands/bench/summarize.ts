/** Rounds → what is told of them. Pure. */
import { LatencyRecorder } from '../../lib/latency-recorder.ts';
import type { Round } from './run-round.ts';

export const percentiles = [50, 90, 95, 99, 99.9] as const;

export interface Spread {
  readonly median: number;
  readonly least: number;
  readonly most: number;
}

export interface Summary {
  readonly url: string;
  readonly about: string;
  /** Answers a second, of whatever status, over all rounds. */
  readonly requestsPerSecond: number;
  readonly requestsPerSecondByRound: readonly number[];
  readonly latencyMs: { readonly mean: number; readonly p50: number; readonly p90: number; readonly p95: number; readonly p99: number; readonly 'p99.9': number; readonly max: number };
  readonly requests: number;
  readonly statuses: Readonly<Record<string, number>>;
  /** Requests without an answer, by reason. */
  readonly failures: Readonly<Record<string, number>>;
  /** Answers of status 400 and above, and requests without one. */
  readonly failed: number;
  readonly openLoop?: { readonly offeredPerSecond: number; readonly waitedForConnection: number; readonly generatorLagP99Ms: number };
  readonly generatorUtilization: number;
  /** Why the numbers tell more of the generator than of the server. */
  readonly generatorSaturated?: string;
  /** Against the first target, of rounds that were measured one after the other; below 1 is less than the first. */
  readonly comparedToFirst?: { readonly requestsPerSecond: Spread; readonly p50: Spread; readonly p99: Spread };
}

export function summarize(url: string, about: string, rounds: readonly Round[], first: readonly Round[] | undefined, openLoop: boolean): Summary {
  const [latency, lag] = [new LatencyRecorder(), new LatencyRecorder()];
  const [statuses, failures] = [new Map<string, number>(), new Map<string, number>()];
  for (const round of rounds) {
    latency.add(round.latency);
    lag.add(round.lag);
    for (const [status, count] of round.statuses) statuses.set(status, (statuses.get(status) ?? 0) + count);
    for (const [reason, count] of round.failures) failures.set(reason, (failures.get(reason) ?? 0) + count);
  }
  const total = (of: (round: Round) => number) => rounds.reduce((before, round) => before + of(round), 0);
  const seconds = total((round) => round.measuredMs) / 1000;
  const utilization = Math.max(0, ...rounds.map((round) => round.utilization));
  const lagMs = lag.percentileMs(99);
  const saturated = openLoop ? lagged(lagMs) : busy(utilization);
  const failed = [...statuses].reduce((before, [status, count]) => before + (Number(status) >= 400 ? count : 0), 0) + [...failures.values()].reduce((before, count) => before + count, 0);
  return {
    url,
    about,
    requestsPerSecond: seconds === 0 ? 0 : total((round) => round.answered) / seconds,
    requestsPerSecondByRound: rounds.map(throughput),
    latencyMs: { mean: latency.meanMs, p50: latency.percentileMs(50), p90: latency.percentileMs(90), p95: latency.percentileMs(95), p99: latency.percentileMs(99), 'p99.9': latency.percentileMs(99.9), max: latency.maxUs / 1000 },
    requests: latency.count,
    statuses: Object.fromEntries(statuses),
    failures: Object.fromEntries(failures),
    failed,
    ...(openLoop ? { openLoop: { offeredPerSecond: total((round) => round.offered) / seconds, waitedForConnection: total((round) => round.waited), generatorLagP99Ms: lagMs } } : {}),
    generatorUtilization: utilization,
    ...(saturated === undefined ? {} : { generatorSaturated: saturated }),
    ...(first === undefined ? {} : { comparedToFirst: compare(rounds, first) }),
  };
}

function busy(utilization: number): string | undefined {
  if (utilization < 0.95) return undefined;
  return `the load generator was busy ${Math.round(utilization * 100)} % of the time: the server may be faster than this; more --threads, or another machine, would tell`;
}

function lagged(lagMs: number): string | undefined {
  if (!(lagMs > 10)) return undefined;
  return `the load generator began requests up to ${lagMs.toFixed(1)} ms late (p99), which latency includes: it, or this machine, has too much to do for this rate`;
}

function throughput({ answered, measuredMs }: Round): number {
  return measuredMs === 0 ? 0 : (answered / measuredMs) * 1000;
}

/** Rounds are compared in pairs: what slowed the machine down for a while slowed both. */
function compare(rounds: readonly Round[], first: readonly Round[]): NonNullable<Summary['comparedToFirst']> {
  const pairs = rounds.map((round, index) => [round, first[index]!] as const).filter(([, before]) => before !== undefined);
  const spread = (of: (round: Round) => number): Spread => {
    const ratios = pairs.map(([round, before]) => of(round) / of(before)).sort((a, b) => a - b);
    const middle = ratios.length >> 1;
    return { median: ratios.length % 2 === 1 ? ratios[middle]! : (ratios[middle - 1]! + ratios[middle]!) / 2, least: ratios[0]!, most: ratios.at(-1)! };
  };
  return { requestsPerSecond: spread(throughput), p50: spread(({ latency }) => latency.percentileMs(50)), p99: spread(({ latency }) => latency.percentileMs(99)) };
}
