/** The result of a bench for people. */
import { padEnd, visibleLength, type Style } from '../../lib/terminal.ts';
import type { Spread, Summary } from './summarize.ts';

export interface ShownSettings {
  readonly connections: number;
  readonly ratePerSecond: number | undefined;
  readonly arrivals: 'constant' | 'poisson';
  readonly durationMs: number;
  readonly warmupMs: number;
  readonly rounds: number;
}

export function showSettings(settings: ShownSettings, targets: readonly { readonly url: string; readonly about: string; readonly bodyBytes: number; readonly method: string }[], style: Style): string {
  const { connections, ratePerSecond, arrivals, durationMs, warmupMs, rounds } = settings;
  const many = (count: number, what: string) => `${count} ${what}${count === 1 ? '' : 's'}`;
  const load = ratePerSecond === undefined ? `${many(connections, 'connection')}, each asking again when it is answered` : `${ratePerSecond.toLocaleString('en-US')} requests/s begun ${arrivals === 'poisson' ? 'at random (Poisson)' : 'at equal intervals'}, up to ${many(connections, 'connection')}`;
  const time = `${seconds(durationMs)}${rounds > 1 ? ` each, in ${rounds} alternating rounds` : ''}, after ${seconds(warmupMs)} of warm-up${rounds > 1 ? ' before each' : ''}`;
  const lines = targets.map(({ url, about, bodyBytes, method }, index) => `${targets.length > 1 ? `${style.bold(letter(index))}  ` : ''}${method} ${style.cyan(url)}  ${style.dim(`${about}${bodyBytes === 0 ? '' : `, ${bodyBytes.toLocaleString('en-US')} bytes`}`)}`);
  return `${[...lines, style.dim(load), style.dim(time)].join('\n')}\n`;
}

export function showSummaries(summaries: readonly Summary[], style: Style): string {
  const several = summaries.length > 1;
  const rows: string[][] = [['', ...(several ? summaries.map((_, index) => style.bold(letter(index))) : []), ...(several ? summaries.slice(1).map((_, index) => style.dim(`${letter(index + 1)} / A`)) : [])]];
  const add = (name: string, of: (summary: Summary) => string, ratio?: (summary: Summary) => Spread | undefined): void => {
    rows.push([name, ...summaries.map(of), ...(several ? summaries.slice(1).map((summary) => showRatio(ratio?.(summary), style)) : [])]);
  };
  add(style.bold('requests/s'), (summary) => style.bold(count(summary.requestsPerSecond)), (summary) => summary.comparedToFirst?.requestsPerSecond);
  if (summaries.some((summary) => summary.requestsPerSecondByRound.length > 1)) {
    add(style.dim('  by round'), ({ requestsPerSecondByRound: all }) => style.dim(`${count(Math.min(...all))} – ${count(Math.max(...all))}`));
  }
  if (summaries.some((summary) => summary.openLoop !== undefined)) add(style.dim('  offered'), (summary) => style.dim(count(summary.openLoop?.offeredPerSecond ?? 0)));
  rows.push([]);
  add('mean', (summary) => milliseconds(summary.latencyMs.mean));
  add('p50', (summary) => milliseconds(summary.latencyMs.p50), (summary) => summary.comparedToFirst?.p50);
  for (const name of ['p90', 'p95'] as const) add(name, (summary) => milliseconds(summary.latencyMs[name]));
  add('p99', (summary) => milliseconds(summary.latencyMs.p99), (summary) => summary.comparedToFirst?.p99);
  for (const name of ['p99.9', 'max'] as const) add(name, (summary) => milliseconds(summary.latencyMs[name]));
  rows.push([]);
  const statuses = [...new Set(summaries.flatMap((summary) => Object.keys(summary.statuses)))].sort();
  for (const status of statuses) add(Number(status) >= 400 ? style.red(`status ${status}`) : style.dim(`status ${status}`), (summary) => (summary.statuses[status] ?? 0).toLocaleString('en-US'));
  for (const reason of [...new Set(summaries.flatMap((summary) => Object.keys(summary.failures)))].sort()) add(style.red(reason), (summary) => (summary.failures[reason] ?? 0).toLocaleString('en-US'));
  const notes = summaries.flatMap((summary, index) => [
    ...(summary.generatorSaturated === undefined ? [] : [`${several ? `${letter(index)}: ` : ''}${summary.generatorSaturated}`]),
    ...((summary.openLoop?.waitedForConnection ?? 0) === 0 ? [] : [`${several ? `${letter(index)}: ` : ''}${summary.openLoop!.waitedForConnection.toLocaleString('en-US')} requests waited for a free connection, which latency includes (--connections)`]),
  ]);
  return `${aligned(rows)}\n${notes.map((note) => `\n${style.yellow('!')} ${note}\n`).join('')}`;
}

function aligned(rows: readonly (readonly string[])[]): string {
  const widths: number[] = [];
  for (const row of rows) row.forEach((cell, index) => (widths[index] = Math.max(widths[index] ?? 0, visibleLength(cell))));
  return rows.map((row) => `  ${row.map((cell, index) => (index === 0 ? padEnd(cell, widths[0]!) : ' '.repeat(widths[index]! - visibleLength(cell)) + cell)).join('   ')}`.trimEnd()).filter((line, index, all) => line !== '' || (index > 0 && all[index - 1] !== '')).join('\n');
}

function showRatio(spread: Spread | undefined, style: Style): string {
  if (spread === undefined) return '';
  const { median, least, most } = spread;
  return `${ratio(median)} ${style.dim(`(${ratio(least)} – ${ratio(most)})`)}`;
}

function ratio(value: number): string {
  return Number.isFinite(value) ? `${value.toFixed(2)}×` : '–';
}

function letter(index: number): string {
  return String.fromCharCode(65 + (index % 26));
}

function count(value: number): string {
  return value >= 100 ? Math.round(value).toLocaleString('en-US') : value.toFixed(1);
}

export function milliseconds(ms: number): string {
  if (Number.isNaN(ms)) return '–';
  return ms >= 1000 ? `${(ms / 1000).toFixed(2)} s ` : `${ms.toFixed(ms < 10 ? 2 : ms < 100 ? 1 : 0)} ms`;
}

function seconds(ms: number): string {
  return `${Number((ms / 1000).toPrecision(3))} s`;
}
