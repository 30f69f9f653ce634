/** Many inputs through a model: enough at once to fill its batches, answers in order, bad rows aside, stopped without loss. */
import { setTimeout as sleep } from 'node:timers/promises';
import { isModelportError, type ModelportError } from '../../errors.ts';
import { inOrder, untilAborted } from '../../lib/in-order.ts';
import { bar, humanSeconds, LiveLine } from '../../lib/live-line.ts';
import type { Style } from '../../lib/terminal.ts';
import type { Predictor } from './predictor.ts';
import type { Row, Rows } from './rows.ts';

/** Where answers go. */
export interface RowSink {
  has(row: Row): boolean;
  write(row: Row, answer: unknown, text: string | undefined): Promise<void>;
  fail(row: Row, error: ModelportError): Promise<void>;
}

export interface RowOptions {
  readonly tensors: boolean;
  readonly concurrency: number;
  readonly style: Style;
  /** Aborted by Ctrl-C: rows under way are finished, no more are begun. */
  readonly signal: AbortSignal;
}

export interface RowCounts {
  readonly answered: number;
  readonly failed: number;
  /** Done by an earlier run. */
  readonly skipped: number;
  readonly durationMs: number;
  /** Why no row can be answered any more: the server is gone, the key is wrong. */
  readonly fatal: ModelportError | undefined;
}

/** Not the fault of a row: every other row would meet the same. */
const fatalCodes = new Set(['UNAUTHENTICATED', 'FORBIDDEN', 'NOT_FOUND', 'METHOD_NOT_ALLOWED', 'UNAVAILABLE', 'QUEUE_FULL', 'UNSUPPORTED']);
const transientCodes = new Set(['UNAVAILABLE', 'QUEUE_FULL']);
const attempts = 6;

export async function predictRows(predictor: Predictor, rows: Rows, sink: RowSink, options: RowOptions): Promise<RowCounts> {
  const startedAtMs = performance.now();
  const stop = new AbortController();
  options.signal.addEventListener('abort', () => stop.abort(), { once: true });
  if (options.signal.aborted) stop.abort();
  const live = new LiveLine();
  let [answered, failed, skipped] = [0, 0, 0];
  let share: number | undefined;
  let fatal: ModelportError | undefined;
  // What the earlier run had done took no time now, so it must not count in the estimate.
  let firstShare: number | undefined;

  const next = async function* (): AsyncGenerator<Row> {
    for await (const row of untilAborted(rows.rows, stop.signal)) {
      if (sink.has(row)) {
        skipped++;
        continue;
      }
      firstShare ??= row.share ?? 0;
      yield row;
    }
  };

  for await (const { row, ...result } of inOrder(next(), options.concurrency, (each) => predictRow(predictor, each, options.tensors, stop.signal))) {
    if ('error' in result) {
      if (fatalCodes.has(result.error.code) || stop.signal.aborted) {
        // Rows after the first that could not be asked are asked again by --resume.
        if (!options.signal.aborted) fatal ??= result.error;
        stop.abort();
        continue;
      }
      failed++;
      await sink.fail(row, result.error);
    } else {
      answered++;
      await sink.write(row, result.answer, result.text);
    }
    share = row.share;
    live.show((columns) => progress({ answered, failed, share, firstShare: firstShare ?? 0, seconds: (performance.now() - startedAtMs) / 1000 }, options.style, columns));
  }
  live.clear();
  return { answered, failed, skipped, durationMs: performance.now() - startedAtMs, fatal };
}

type RowResult = { readonly row: Row; readonly answer: unknown; readonly text: string | undefined } | { readonly row: Row; readonly error: ModelportError };

async function predictRow(predictor: Predictor, row: Row, tensors: boolean, signal: AbortSignal): Promise<RowResult> {
  let value: unknown;
  try {
    value = await row.value();
  } catch (error) {
    if (!isModelportError(error)) throw error;
    return { row, error };
  }
  for (let attempt = 1; ; attempt++) {
    try {
      if (!tensors) return { row, answer: await predictor.predict(value), text: undefined };
      const text = await predictor.infer(value as Uint8Array);
      return { row, answer: text, text };
    } catch (error) {
      if (!isModelportError(error)) throw error;
      if (!transientCodes.has(error.code) || attempt === attempts || signal.aborted) return { row, error };
      await sleep(Math.min(5000, Math.max((error.retryAfterSeconds ?? 0) * 1000, 100 * 2 ** attempt)), undefined, { signal }).catch(() => {});
    }
  }
}

interface Progress {
  readonly answered: number;
  readonly failed: number;
  readonly share: number | undefined;
  readonly firstShare: number;
  readonly seconds: number;
}

function progress({ answered, failed, share, firstShare, seconds }: Progress, style: Style, columns: number): string {
  const rows = answered + failed;
  const rate = rows / Math.max(seconds, 1e-3);
  const facts = [`${rows.toLocaleString('en-US')} rows`, `${rate >= 10 ? Math.round(rate).toLocaleString('en-US') : rate.toFixed(1)}/s`, ...(failed === 0 ? [] : [style.red(`${failed.toLocaleString('en-US')} failed`)])];
  if (share === undefined) return facts.join(style.dim(' · '));
  const worked = share - firstShare;
  const left = worked > 0.001 && seconds > 0.5 ? [`${humanSeconds(((1 - share) / worked) * seconds)} left`] : [];
  const percent = `${String(Math.floor(share * 100)).padStart(3)} %`;
  return `${style.cyan(bar(share, Math.min(30, Math.max(8, columns - 60))))} ${percent}  ${[...facts, ...left].join(style.dim(' · '))}`;
}
