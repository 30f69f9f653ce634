/** `modelport test`: whether models do what they should, for people and pipelines. */
import { Command, InvalidArgumentError, Option } from 'commander';
import { collect, parseDuration, parseSize } from './values.ts';

export interface TestFlags {
  readonly model?: string;
  readonly url?: string;
  readonly apiKey?: string;
  readonly golden?: readonly string[];
  readonly update?: boolean;
  readonly tolerance: number;
  readonly labelled?: string;
  readonly labelColumn: string;
  readonly minAccuracy?: number;
  readonly maxError?: number;
  /** Milliseconds. */
  readonly maxLatency?: number;
  /** Bytes. */
  readonly maxSize?: number;
  readonly previous?: string;
  readonly maxChanged?: number;
  readonly junit?: string;
  readonly markdown?: string;
  readonly json?: boolean;
}

export function testCommand(): Command {
  return new Command('test')
    .summary('golden answers, accuracy, latency and size of models: quality gates')
    .description(
      `Loads models and looks whether they do what they should. Every model must load and answer its own examples; a golden.json or golden.jsonl in its folder, and every --golden file, holds inputs with the answers that they must have. Further gates: accuracy on a labelled file, latency, size, and how many answers differ from those of the version before.

A golden file is a list (or lines) of {"input": …, "output": …}; "model" says whose it is where there are several, "tolerance" how far its numbers may be off. --update writes the answers of now into it.

The exit code is 1 when something is not as it should be. --junit and --markdown write reports for pipelines.`,
    )
    .argument('[path]', 'a model file, model folder or folder of models; none with --url')
    .option('--model <name>', 'only this model')
    .option('--url <url>', 'test a running server')
    .addOption(new Option('--api-key <key>', 'of the running server').env('MODELPORT_API_KEY'))
    .option('--golden <file>', 'inputs and the answers that they must have; may be given several times', collect)
    .option('--update', 'write the answers of now into golden files')
    .addOption(new Option('--tolerance <number>', 'how far numbers may be off, relative to the larger one and absolutely below 1').default(1e-4).argParser(parseShare))
    .option('--labelled <path>', 'a CSV or JSONL file with the right answer in a column, or a folder of folders of pictures that are named by it')
    .option('--label-column <name>', 'the column or member with the right answer', 'label')
    .addOption(new Option('--min-accuracy <share>', 'least share of right answers on --labelled').argParser(parseShare))
    .addOption(new Option('--max-error <number>', 'largest mean absolute error on --labelled, for models that answer numbers').argParser(parseNumber))
    .addOption(new Option('--max-latency <duration>', 'what 95 % of single requests may take at most, as 20ms').argParser(parseDuration))
    .addOption(new Option('--max-size <size>', "largest size of a model's files").argParser(parseSize))
    .option('--previous <path>', 'the version before: a path or the URL of a server; answers are compared')
    .addOption(new Option('--max-changed <share>', 'largest share of answers that may differ from those of --previous').argParser(parseShare))
    .option('--junit <file>', 'write a report that pipelines read')
    .option('--markdown <file>', 'write a report that people read in a change')
    .option('--json', 'the result as JSON')
    .addHelpText(
      'after',
      `
Examples:
  modelport test ./models
  modelport test ./models/iris --golden cases.json --update
  modelport test ./models/iris --labelled holdout.csv --min-accuracy 0.95
  modelport test ./models --max-latency 20ms --max-size 100MB --junit report.xml
  modelport test ./models/iris --previous http://models.example.com
`,
    )
    .action(async (path: string | undefined, flags: TestFlags) => {
      const { runTest } = await import('./test/run-test.ts');
      process.exitCode = await runTest(path, flags);
    });
}

function parseShare(text: string): number {
  const match = /^(\d+(?:\.\d+)?(?:e-?\d+)?)(%?)$/.exec(text);
  const share = match === null ? Number.NaN : Number(match[1]) / (match[2] === '%' ? 100 : 1);
  if (!(share >= 0 && share <= 1)) throw new InvalidArgumentError('write a share from 0 to 1, or a percentage: 0.95 or 95%');
  return share;
}

function parseNumber(text: string): number {
  if (text.trim() === '' || !(Number(text) >= 0)) throw new InvalidArgumentError('write a number of at least 0');
  return Number(text);
}
