/** What `test` does: every check of every model, whatever the ones before found. */
import { existsSync } from 'node:fs';
import { readdir, stat, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { isModelportError, ModelportError } from '../../errors.ts';
import { humanBytes } from '../../lib/human-number.ts';
import { inOrder } from '../../lib/in-order.ts';
import { LatencyRecorder } from '../../lib/latency-recorder.ts';
import { createStyle, usesColor } from '../../lib/terminal.ts';
import { suggestName } from '../../lib/suggest-name.ts';
import { findModels, type FoundModel } from '../../serving/model-layout.ts';
import { foreignConfigs, formats } from '../model-formats.ts';
import type { Predictor } from '../predict/predictor.ts';
import { readInputs } from '../predict/read-inputs.ts';
import type { Row } from '../predict/rows.ts';
import type { TestFlags } from '../test.ts';
import { answerDifference, verdictOf } from './compare-answers.ts';
import { readGoldenFile, writeGoldenFile, type GoldenFile } from './golden-file.ts';
import { junitReport, markdownReport, textReport, type CheckResult } from './reports.ts';

/** Gives the exit code. */
export async function runTest(path: string | undefined, flags: TestFlags): Promise<number> {
  checkFlags(path, flags);
  const found = path === undefined ? new Map<string, FoundModel>() : await modelsOf(path, flags);
  const golden = await Promise.all((flags.golden ?? []).map(readGoldenFile));
  for (const { path: file, cases } of golden) for (const { model } of cases) if (path !== undefined && model !== undefined && !found.has(model) && flags.model === undefined) throw new ModelportError('INVALID_USAGE', `${file} is about a model '${model}', which ${path} does not have${suggestName(model, [...found.keys()])}`, { at: file });
  if (found.size > 1 && (flags.labelled !== undefined || golden.some(({ cases }) => cases.some(({ model }) => model === undefined)))) throw new ModelportError('INVALID_USAGE', `${path} has ${found.size} models: say with --model whose ${flags.labelled === undefined ? 'golden cases they are, or write "model" in each' : '--labelled is'}`, { at: '--model' });
  const results: CheckResult[] = [];
  if (path === undefined) await testModel(flags.model ?? 'model', undefined, undefined, golden, flags, results);
  else for (const name of [...found.keys()].sort()) await testModel(name, path, found.get(name)!, [...golden, ...(await ownGolden(found.get(name)!))], flags, results);
  if (flags.update === true) for (const file of golden) await writeGoldenFile(file);
  await writeReports(results, flags);
  return results.some(({ problem }) => problem !== undefined) ? 1 : 0;
}

function checkFlags(path: string | undefined, flags: TestFlags): void {
  if (path === undefined && flags.url === undefined) throw new ModelportError('INVALID_USAGE', 'nothing to test: name a model file or folder, or a running server with --url');
  if (path !== undefined && flags.url !== undefined) throw new ModelportError('INVALID_USAGE', 'a path and --url are two things to test: choose one; --previous compares with a server');
  if (flags.labelled === undefined && (flags.minAccuracy !== undefined || flags.maxError !== undefined)) throw new ModelportError('INVALID_USAGE', `--${flags.minAccuracy === undefined ? 'max-error' : 'min-accuracy'} needs right answers: --labelled holdout.csv`);
  if (flags.previous === undefined && flags.maxChanged !== undefined) throw new ModelportError('INVALID_USAGE', '--max-changed needs what to compare with: --previous');
  if (flags.url !== undefined && flags.maxSize !== undefined) throw new ModelportError('INVALID_USAGE', "a server does not tell its models' size: --max-size needs files");
}

async function modelsOf(path: string, flags: TestFlags): Promise<Map<string, FoundModel>> {
  const { models } = await findModels([path], { formats, foreignConfigs });
  if (models.size === 0) throw new ModelportError('INVALID_USAGE', `there are no models in ${path}`, { at: path });
  if (flags.model === undefined) return new Map(models);
  const wanted = models.get(flags.model);
  if (wanted === undefined) throw new ModelportError('INVALID_USAGE', `${path} has no model '${flags.model}'${suggestName(flags.model, [...models.keys()])}`, { at: '--model' });
  return new Map([[flags.model, wanted]]);
}

async function ownGolden({ directory }: FoundModel): Promise<GoldenFile[]> {
  return Promise.all(['golden.json', 'golden.jsonl'].map((name) => join(directory, name)).filter((file) => existsSync(file)).map(readGoldenFile));
}

/** An input with what it is called. */
interface Question {
  readonly name: string;
  readonly value: unknown;
}

async function testModel(name: string, path: string | undefined, found: FoundModel | undefined, golden: readonly GoldenFile[], flags: TestFlags, results: CheckResult[]): Promise<void> {
  const check = async (what: string, work: () => Promise<Outcome>): Promise<boolean> => {
    const startedMs = performance.now();
    const outcome = await work().catch((error: unknown): Outcome => {
      if (!isModelportError(error) || error.code === 'INVALID_USAGE') throw error;
      return { problem: error.message };
    });
    results.push({ model: name, name: what, problem: outcome.problem, ...(outcome.fact === undefined ? {} : { fact: outcome.fact }), durationMs: performance.now() - startedMs });
    return outcome.problem === undefined;
  };
  let opened: Predictor | undefined;
  await check(path === undefined ? 'answers' : 'loads', async () => {
    opened = path === undefined ? await openServer(flags.url!, flags) : await (await import('../predict/local-predictor.ts')).openLocalPredictor(path, name);
    return {};
  });
  if (opened === undefined) return;
  await using predictor: Predictor = opened;
  const ask = (value: unknown): Promise<unknown> => askModel(predictor, value);
  const questions: Question[] = (predictor.task?.examples ?? []).map((value, index) => ({ name: `example ${index + 1}`, value }));
  for (const { name: what, value } of questions) await check(`answers ${what}`, async () => ({ problem: (await ask(value)) === undefined ? 'it has no answer' : undefined }));
  for (const file of golden) {
    for (const [index, each] of file.cases.entries()) {
      if (each.model !== undefined && each.model !== name) continue;
      const what = each.name ?? `${basename(file.path)} ${index + 1}`;
      questions.push({ name: what, value: each.input });
      await check(what, async () => {
        const answer = await ask(each.input);
        if (flags.update === true) {
          file.cases[index] = { ...each, output: answer };
          return { fact: 'written' };
        }
        if (each.output === undefined) return { problem: 'it has no "output" yet: --update writes it' };
        return { problem: answerDifference(answer, each.output, each.tolerance ?? flags.tolerance) };
      });
    }
    if (flags.update === true) await writeGoldenFile(file);
  }
  const labelled = flags.labelled === undefined ? [] : await readLabelled(flags.labelled, predictor, flags.labelColumn);
  if (flags.labelled !== undefined) await check(`accuracy on ${basename(flags.labelled)}`, () => measureAccuracy(predictor, labelled, flags));
  if (flags.maxLatency !== undefined) await check('latency', () => measureLatency(predictor, [...questions, ...labelled], flags.maxLatency!));
  if (flags.maxSize !== undefined && found !== undefined) await check('size', () => measureSize(found, flags.maxSize!));
  if (flags.previous !== undefined) await check('difference from the version before', () => compareWithPrevious(predictor, [...questions, ...labelled], name, flags));
}

interface Outcome {
  readonly problem?: string | undefined;
  readonly fact?: string;
}

async function openServer(url: string, flags: TestFlags, model = flags.model): Promise<Predictor> {
  return (await import('../predict/remote-predictor.ts')).openRemotePredictor(url, { ...(model === undefined ? {} : { model }), ...(flags.apiKey === undefined ? {} : { apiKey: flags.apiKey }) });
}

/** By its task, or without one as an Open Inference request. */
async function askModel(predictor: Predictor, value: unknown): Promise<unknown> {
  if (predictor.task !== undefined) return predictor.predict(value);
  const { outputs } = JSON.parse(await predictor.infer(Buffer.from(JSON.stringify(value)))) as { outputs: unknown };
  return { outputs };
}

interface Labelled extends Question {
  readonly right: string;
}

async function readLabelled(path: string, predictor: Predictor, column: string): Promise<Labelled[]> {
  const isFolder = (await stat(path).catch(() => undefined))?.isDirectory() === true;
  const given = await readInputs([path], predictor, { tensors: false, set: [] });
  if (given.kind === 'one') throw new ModelportError('INVALID_USAGE', `${path} is one input: --labelled takes a .csv, a .jsonl or a folder`, { at: '--labelled' });
  const at = given.columns.indexOf(column);
  const found: Labelled[] = [];
  for await (const row of given.rows) {
    const value = await row.value();
    if (isFolder) found.push({ name: row.place, value, right: basename(dirname(row.place)) });
    else found.push({ name: row.place, ...takeLabel(row, value, at, column, path) });
  }
  if (found.length === 0) throw new ModelportError('INVALID_USAGE', `${path} holds no row`, { at: '--labelled' });
  return found;
}

function takeLabel({ cells, place }: Row, value: unknown, at: number, column: string, path: string): { readonly value: unknown; readonly right: string } {
  if (at >= 0) return { value, right: cells[at]!.trim() };
  if (typeof value === 'object' && value !== null && Object.hasOwn(value, column)) {
    const { [column]: right, ...rest } = value as Record<string, unknown>;
    return { value: rest, right: typeof right === 'string' ? right : JSON.stringify(right) };
  }
  throw new ModelportError('INVALID_USAGE', `${path}, ${place}: there is no '${column}' with the right answer; another name is --label-column`, { at: '--label-column' });
}

/** Answers in order, as many at once as fill batches. */
async function answersOf(predictor: Predictor, questions: readonly Question[]): Promise<unknown[]> {
  const answers: unknown[] = [];
  for await (const answer of inOrder(each(questions), predictor.concurrency, ({ value }) => askModel(predictor, value))) answers.push(answer);
  return answers;
}

async function* each<Item>(items: readonly Item[]): AsyncGenerator<Item> {
  yield* items;
}

async function measureAccuracy(predictor: Predictor, labelled: readonly Labelled[], { minAccuracy, maxError }: TestFlags): Promise<Outcome> {
  const verdicts = (await answersOf(predictor, labelled)).map(verdictOf);
  if (verdicts.every((verdict) => typeof verdict === 'number') && labelled.every(({ right }) => right !== '' && Number.isFinite(Number(right))) && minAccuracy === undefined) {
    const error = verdicts.reduce((sum, verdict, index) => sum + Math.abs(verdict - Number(labelled[index]!.right)), 0) / verdicts.length;
    const fact = `mean absolute error ${error.toPrecision(4)} on ${labelled.length} rows${maxError === undefined ? '' : `, at most ${maxError}`}`;
    return { fact, problem: maxError !== undefined && error > maxError ? `the mean absolute error is ${error.toPrecision(4)}, above ${maxError}` : undefined };
  }
  if (maxError !== undefined) return { problem: '--max-error is for models that answer numbers: this one answers classes, for which there is --min-accuracy' };
  const wrong = labelled.filter(({ right }, index) => String(verdicts[index]) !== right);
  const accuracy = 1 - wrong.length / labelled.length;
  const shown = `${(accuracy * 100).toFixed(2)} %`;
  const first = wrong.slice(0, 3).map((each) => `${each.name} is ${each.right}, the model says ${String(verdicts[labelled.indexOf(each)])}`);
  return {
    fact: `${shown} of ${labelled.length} rows right${minAccuracy === undefined ? '' : `, at least ${minAccuracy * 100} %`}`,
    problem: minAccuracy !== undefined && accuracy < minAccuracy ? [`${shown} are right, below ${minAccuracy * 100} %`, ...first].join('\n') : undefined,
  };
}

const latencyRequests = 200;
const longestLatencyMs = 20_000;

/** One request after the other, so that nothing waits for anything else. The first tenth warms up. */
async function measureLatency(predictor: Predictor, questions: readonly Question[], maxLatencyMs: number): Promise<Outcome> {
  if (questions.length === 0) return { problem: 'there is nothing to ask it: the model has no examples, and no --golden or --labelled file was given' };
  const recorder = new LatencyRecorder();
  const endMs = performance.now() + longestLatencyMs;
  for (let count = 0; count < latencyRequests * 1.1 && (performance.now() < endMs || recorder.count < 20); count++) {
    const startedMs = performance.now();
    await askModel(predictor, questions[count % questions.length]!.value);
    if (count >= latencyRequests * 0.1 || performance.now() > endMs) recorder.recordMs(performance.now() - startedMs);
  }
  const [median, p95] = [50, 95].map((percent) => recorder.percentileMs(percent)) as [number, number];
  const fact = `median ${median.toFixed(2)} ms, 95 % within ${p95.toFixed(2)} ms, at most ${maxLatencyMs} ms`;
  return { fact, problem: p95 > maxLatencyMs ? `95 % of ${recorder.count} requests took up to ${p95.toFixed(2)} ms, more than ${maxLatencyMs} ms` : undefined };
}

async function measureSize(found: FoundModel, maxBytes: number): Promise<Outcome> {
  const version = found.versions.at(-1);
  let sizeBytes = 0;
  if (version !== undefined) {
    const own = (name: string): boolean => !name.startsWith('golden.') && (found.file === undefined || name === found.file || name.startsWith(`${found.file.replace(/\.[^.]*$/, '')}.`));
    for (const entry of await readdir(version.directory, { recursive: true, withFileTypes: true })) if (entry.isFile() && own(entry.name)) sizeBytes += (await stat(join(entry.parentPath, entry.name))).size;
  }
  return { fact: `${humanBytes(sizeBytes)}, at most ${humanBytes(maxBytes)}`, problem: sizeBytes > maxBytes ? `its files have ${humanBytes(sizeBytes)}, more than ${humanBytes(maxBytes)}` : undefined };
}

async function compareWithPrevious(predictor: Predictor, questions: readonly Question[], name: string, flags: TestFlags): Promise<Outcome> {
  if (questions.length === 0) return { problem: 'there is nothing to compare: the model has no examples, and no --golden or --labelled file was given' };
  const previous = flags.previous!;
  await using before = /^https?:/.test(previous) ? await openServer(previous, flags, flags.model ?? name) : await (await import('../predict/local-predictor.ts')).openLocalPredictor(previous, (await modelsOf(previous, {} as TestFlags)).has(name) ? name : undefined);
  const [now, then] = [await answersOf(predictor, questions), await answersOf(before, questions)];
  const differences = questions.flatMap(({ name: what }, index) => {
    const difference = answerDifference(now[index], then[index], flags.tolerance);
    return difference === undefined ? [] : [`${what}: ${difference}`];
  });
  const verdicts = questions.filter((_, index) => verdictOf(now[index]) !== verdictOf(then[index]) && typeof verdictOf(now[index]) === 'string').length;
  const share = differences.length / questions.length;
  const fact = `${differences.length} of ${questions.length} answers differ${verdicts === 0 ? '' : `, ${verdicts} in their class`}`;
  return { fact, problem: flags.maxChanged !== undefined && share > flags.maxChanged ? [`${(share * 100).toFixed(2)} % of answers differ, more than ${flags.maxChanged * 100} %`, ...differences.slice(0, 3)].join('\n') : undefined };
}

async function writeReports(results: readonly CheckResult[], flags: TestFlags): Promise<void> {
  if (flags.junit !== undefined) await writeFile(flags.junit, junitReport(results));
  if (flags.markdown !== undefined) await writeFile(flags.markdown, markdownReport(results));
  process.stdout.write(flags.json === true ? `${JSON.stringify(results, undefined, 2)}\n` : textReport(results, createStyle(usesColor(process.stdout))));
}
