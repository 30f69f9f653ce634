/** What `predict` does. */
import { ModelportError } from '../../errors.ts';
import { createStyle, usesColor, type Style } from '../../lib/terminal.ts';
import type { PredictFlags } from '../predict.ts';
import { answerColumns } from './answer-columns.ts';
import { firstErrors, OutputFiles } from './output-files.ts';
import { predictRows, type RowCounts, type RowSink } from './predict-rows.ts';
import type { Predictor } from './predictor.ts';
import { readInputs, type Given } from './read-inputs.ts';
import type { Row } from './rows.ts';
import { answerLine, showAnswer, showTensors } from './show-answer.ts';

/** Gives the exit code. */
export async function runPredict(modelPath: string | undefined, given: readonly string[], flags: PredictFlags): Promise<number> {
  const isUrl = modelPath !== undefined && /^https?:\/\//.test(modelPath);
  const url = flags.url ?? (isUrl ? modelPath : undefined);
  // With a server there is no path of a model, so what stands in its place is an input.
  const inputs = url === undefined || isUrl || modelPath === undefined ? given : [modelPath, ...given];
  if (url === undefined && modelPath === undefined) throw new ModelportError('INVALID_USAGE', 'no model: name a model file or folder, or a running server with --url');
  if (flags.output === undefined && (flags.resume === true || flags.overwrite === true)) throw new ModelportError('INVALID_USAGE', `--${flags.resume === true ? 'resume' : 'overwrite'} needs the output: -o answers.csv`);
  const startedAtMs = performance.now();
  const predictor = url === undefined ? await (await import('./local-predictor.ts')).openLocalPredictor(modelPath!, flags.model) : await (await import('./remote-predictor.ts')).openRemotePredictor(url, flags);
  try {
    const loadMs = performance.now() - startedAtMs;
    const read = await readInputs(inputs, predictor, { tensors: flags.tensors ?? false, set: flags.set ?? [], ...(flags.format === undefined ? {} : { format: flags.format }) });
    if (read.kind === 'many') return await predictMany(predictor, read, flags);
    if (flags.output !== undefined) throw new ModelportError('INVALID_USAGE', '-o is for many inputs: for one, write > answer.json');
    return await predictOne(predictor, read.value, flags, loadMs);
  } finally {
    await predictor[Symbol.asyncDispose]();
  }
}

const columns = (): number => Math.min(process.stdout.columns ?? 100, 120);

async function predictOne(predictor: Predictor, value: unknown, flags: PredictFlags, loadMs: number): Promise<number> {
  const startedAtMs = performance.now();
  const answer = flags.tensors === true ? await predictor.infer(value as Uint8Array) : await predictor.predict(value);
  const runMs = performance.now() - startedAtMs;
  process.stdout.write(answerText(answer, flags, createStyle(usesColor(process.stdout))));
  if (process.stdout.isTTY && flags.json !== true) process.stdout.write(createStyle(usesColor(process.stdout)).dim(`\n  ${predictor.name} · ${flags.url === undefined ? `loaded in ${milliseconds(loadMs)} · ` : ''}answered in ${milliseconds(runMs)}\n`));
  return 0;
}

function answerText(answer: unknown, flags: PredictFlags, style: Style): string {
  if (flags.json === true) return `${flags.tensors === true ? (answer as string) : JSON.stringify(answer)}\n`;
  return flags.tensors === true ? showTensors(answer as string, style, columns()) : showAnswer(answer, style, columns());
}

function milliseconds(ms: number): string {
  return ms < 10 ? `${ms.toFixed(1)} ms` : `${Math.round(ms)} ms`;
}

async function predictMany(predictor: Predictor, rows: Given & { kind: 'many' }, flags: PredictFlags): Promise<number> {
  const style = createStyle(usesColor(process.stderr));
  for (const note of rows.notes) process.stderr.write(`${style.yellow('!')} ${note}\n`);
  const files = flags.output === undefined ? undefined : await OutputFiles.open({
    path: flags.output,
    mode: flags.resume === true ? 'resume' : flags.overwrite === true ? 'overwrite' : 'fresh',
    key: rows.key,
    columns: rows.columns,
    answerColumns: answerColumns(flags.tensors === true ? undefined : predictor.task?.output),
  });
  const shown = files === undefined ? new ShownRows(flags) : undefined;
  const interrupt = untilInterrupted();
  let counts: RowCounts | undefined;
  try {
    counts = await predictRows(predictor, rows, files ?? shown!, { tensors: flags.tensors ?? false, concurrency: flags.concurrency ?? predictor.concurrency, style, signal: interrupt.signal });
  } finally {
    interrupt.release();
    // An error between the rows leaves what was done, for --resume.
    if (counts === undefined) await files?.close(false);
  }
  const stopped = interrupt.signal.aborted;
  // A pipe that stays open would keep the process.
  if (stopped || counts.fatal !== undefined) process.stdin.destroy();
  const complete = !stopped && counts.fatal === undefined;
  shown?.end();
  const errorFile = await files?.close(complete);
  if (files !== undefined) await tell(counts, flags.output!, errorFile, complete, style);
  if (counts.fatal !== undefined) throw counts.fatal;
  return stopped ? exitCodes[interrupt.signal.reason as keyof typeof exitCodes] : counts.failed > 0 || errorFile !== undefined ? 1 : 0;
}

async function tell(counts: RowCounts, output: string, errorFile: string | undefined, complete: boolean, style: Style): Promise<void> {
  const { answered, failed, skipped, durationMs } = counts;
  const many = (count: number, what = 'row') => `${count.toLocaleString('en-US')} ${what}${count === 1 ? '' : 's'}`;
  const facts = [`${many(answered)} answered`, ...(skipped === 0 ? [] : [`${many(skipped)} done before`]), ...(failed === 0 ? [] : [style.red(`${many(failed)} failed`)])];
  const seconds = durationMs / 1000;
  const rate = answered + failed === 0 ? '' : style.dim(` in ${seconds.toFixed(seconds < 10 ? 2 : 0)} s (${Math.round((answered + failed) / seconds).toLocaleString('en-US')}/s)`);
  const lines = [`${facts.join(', ')}${rate} → ${complete ? output : `${output}.part`}`];
  if (errorFile !== undefined) {
    lines.push(`${style.red('bad rows')} → ${errorFile}`, ...(await firstErrors(errorFile, 3)).map((line) => `  ${style.dim(line.slice(0, 200))}`));
  }
  if (!complete) lines.push(style.yellow('stopped before the end: the same command with --resume goes on'));
  process.stderr.write(`${lines.join('\n')}\n`);
}

/** Answers in the terminal. A file with one row is shown as one answer is. */
class ShownRows implements RowSink {
  readonly #flags: PredictFlags;
  readonly #style = createStyle(usesColor(process.stdout));
  #first: { readonly row: Row; readonly answer: unknown } | undefined;
  #count = 0;

  constructor(flags: PredictFlags) {
    this.#flags = flags;
  }

  has(): boolean {
    return false;
  }

  async write(row: Row, answer: unknown): Promise<void> {
    this.#count++;
    if (this.#count === 1) this.#first = { row, answer };
    else {
      if (this.#count === 2) await this.#line(this.#first!.row, this.#first!.answer);
      await this.#line(row, answer);
    }
  }

  async fail(row: Row, error: ModelportError): Promise<void> {
    process.stderr.write(`${createStyle(usesColor(process.stderr)).red('error')} ${row.place}: ${error.message}\n`);
  }

  end(): void {
    if (this.#count === 1) process.stdout.write(answerText(this.#first!.answer, this.#flags, this.#style));
  }

  /** Waits where the reader of a pipe is slower than the model. */
  async #line(row: Row, answer: unknown): Promise<void> {
    const name = row.place.replace(/^line /, '').padStart(5);
    const text = this.#flags.json === true ? answerText(answer, this.#flags, this.#style) : `${this.#style.dim(name)}  ${answerLine(answer, this.#style)}\n`;
    if (!process.stdout.write(text)) await new Promise((resolve) => process.stdout.once('drain', resolve));
  }
}

const exitCodes = { SIGINT: 130, SIGTERM: 143 };

/** The first Ctrl-C finishes what is under way, the second ends the process at once. */
function untilInterrupted(): { readonly signal: AbortSignal; release(): void } {
  const controller = new AbortController();
  const onSignal = (name: NodeJS.Signals): void => {
    if (controller.signal.aborted) process.exit(exitCodes[name as keyof typeof exitCodes]);
    controller.abort(name);
  };
  process.on('SIGINT', onSignal);
  process.on('SIGTERM', onSignal);
  return {
    signal: controller.signal,
    release() {
      process.off('SIGINT', onSignal);
      process.off('SIGTERM', onSignal);
    },
  };
}
