/** What `bench` does. */
import { availableParallelism } from 'node:os';
import { ModelportError } from '../../errors.ts';
import { bar, LiveLine } from '../../lib/live-line.ts';
import { createStyle, usesColor, type Style } from '../../lib/terminal.ts';
import { version } from '../../version.ts';
import type { BenchFlags } from '../bench.ts';
import type { LoadProgress } from './load-generator.ts';
import { makeTarget, type BenchTarget } from './make-target.ts';
import { runRound, type Round, type RoundSettings } from './run-round.ts';
import { milliseconds, showSettings, showSummaries } from './show-summary.ts';
import { summarize } from './summarize.ts';

/** Gives the exit code. */
export async function runBench(urls: readonly string[], flags: BenchFlags): Promise<number> {
  if (flags.duration < 1) throw new ModelportError('INVALID_USAGE', '--duration must be at least 1ms', { at: '--duration' });
  const cores = availableParallelism();
  const rounds = flags.rounds ?? (urls.length > 1 ? 5 : 1);
  const settings: RoundSettings = {
    connections: flags.connections ?? (flags.rate === undefined ? 32 : 512),
    ratePerSecond: flags.rate,
    arrivals: flags.arrivals,
    durationMs: flags.duration / rounds,
    warmupMs: flags.warmup,
    timeoutMs: flags.timeout,
    threads: flags.threads ?? (cores < 4 ? 1 : Math.min(4, cores >> 1)),
    seed: flags.seed,
  };
  const targets: BenchTarget[] = [];
  for (const url of urls) targets.push(await makeTarget(url, flags));
  const style = createStyle(usesColor(process.stdout));
  const shown = { ...settings, durationMs: flags.duration, rounds };
  if (flags.json !== true) process.stdout.write(`${showSettings(shown, targets, style)}\n`);

  const interrupt = untilInterrupted();
  const done = await runRounds(targets, rounds, settings, interrupt.signal);
  interrupt.release();
  const measured = targets.map((target, index) => ({ target, rounds: done[index]! })).filter((each) => each.rounds.length > 0);
  const summaries = measured.map(({ target, rounds: own }, index) => summarize(target.url, target.about, own, index === 0 ? undefined : measured[0]!.rounds, flags.rate !== undefined));
  if (flags.json === true) {
    process.stdout.write(`${JSON.stringify({ modelport: version, connections: settings.connections, ...(flags.rate === undefined ? {} : { rate: flags.rate, arrivals: flags.arrivals }), durationMs: flags.duration, warmupMs: flags.warmup, rounds, threads: settings.threads, results: summaries }, undefined, 2)}\n`);
  } else if (summaries.length > 0) {
    process.stdout.write(showSummaries(summaries, style));
  }
  if (interrupt.signal.aborted) return 130;
  return summaries.some((summary) => summary.failed > 0 || summary.requests === 0) ? 1 : 0;
}

/** Every other round goes backwards: what drifts with time falls on all alike. */
async function runRounds(targets: readonly BenchTarget[], count: number, settings: RoundSettings, signal: AbortSignal): Promise<Round[][]> {
  const done: Round[][] = targets.map(() => []);
  const live = new LiveLine();
  const style = createStyle(usesColor(process.stderr));
  for (let round = 0; round < count; round++) {
    const order = targets.map((_, index) => index);
    if (round % 2 === 1) order.reverse();
    for (const index of order) {
      if (signal.aborted) return done;
      const startedAtMs = performance.now();
      const name = targets.length > 1 || count > 1 ? `${targets.length > 1 ? `${String.fromCharCode(65 + index)} ` : ''}round ${round + 1} of ${count}` : '';
      const result = await runRound(targets[index]!, { ...settings, seed: settings.seed + round }, signal, (progress) =>
        live.show(() => liveText(name, progress, performance.now() - startedAtMs, settings, style)),
      );
      live.clear();
      if (result.latency.count > 0 || !signal.aborted) done[index]!.push(result);
    }
  }
  return done;
}

function liveText(name: string, { answered, failed, p50Ms, p99Ms }: LoadProgress, elapsedMs: number, { warmupMs, durationMs }: RoundSettings, style: Style): string {
  const measuredMs = elapsedMs - warmupMs;
  const share = elapsedMs / (warmupMs + durationMs);
  const head = `${name === '' ? '' : `${name}  `}${style.cyan(bar(share, 20))}`;
  if (measuredMs < 250) return `${head}  ${style.dim('warming up')}`;
  return [`${head}  ${Math.round((answered / Math.min(measuredMs, durationMs)) * 1000).toLocaleString('en-US')} requests/s`, `p50 ${milliseconds(p50Ms)}`, `p99 ${milliseconds(p99Ms)}`, ...(failed === 0 ? [] : [style.red(`${failed.toLocaleString('en-US')} failed`)])].join(style.dim(' · '));
}

/** The first Ctrl-C ends the round and tells what was measured, the second ends the process at once. */
function untilInterrupted(): { readonly signal: AbortSignal; release(): void } {
  const controller = new AbortController();
  const onSignal = (): void => {
    if (controller.signal.aborted) process.exit(130);
    controller.abort();
  };
  process.on('SIGINT', onSignal);
  return { signal: controller.signal, release: () => process.off('SIGINT', onSignal) };
}
