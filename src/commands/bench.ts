/** `modelport bench`: load on one or more servers, and what they made of it. */
import { Command, InvalidArgumentError, Option } from 'commander';
import { collect, parseDuration, parsePositiveInteger } from './values.ts';

export interface BenchFlags {
  readonly model?: string;
  readonly predict?: boolean;
  readonly binary?: boolean;
  readonly rows: number;
  readonly shape?: readonly string[];
  readonly body?: string;
  readonly method?: string;
  readonly header?: readonly string[];
  readonly apiKey?: string;
  readonly connections?: number;
  readonly rate?: number;
  readonly arrivals: 'constant' | 'poisson';
  readonly duration: number;
  readonly warmup: number;
  readonly timeout: number;
  readonly rounds?: number;
  readonly threads?: number;
  readonly seed: number;
  readonly json?: boolean;
}

export function benchCommand(): Command {
  return new Command('bench')
    .summary('load on one or more servers: throughput and latency')
    .description(
      'Sends requests and tells throughput, latency percentiles and errors. Without --rate every connection sends again as soon as it is answered; with --rate requests begin at that rate whatever the server does, and latency counts from the moment at which a request was meant to begin. Several servers are measured in alternating rounds and compared with the first.\n\nWith --model (or a server of one model) requests are made from the model\'s signature, for any Open Inference server; another URL is asked as it is. The exit code is 1 when a request failed.',
    )
    .argument('<urls...>', 'servers, as http://127.0.0.1:8000, or whole URLs')
    .addOption(new Option('--model <name>', 'infer with this model'))
    .addOption(new Option('--predict', "ask the model's predict door for its own example instead").conflicts(['binary', 'body']))
    .addOption(new Option('--binary', 'tensors as bytes instead of JSON'))
    .addOption(new Option('--rows <count>', 'rows of each request').default(1).argParser(parsePositiveInteger))
    .addOption(new Option('--shape <input:sizes>', 'sizes of an input that the model leaves open, e.g. image:1,3,224,224; may be given several times').argParser(collect))
    .addOption(new Option('--body <file>', 'send this file instead'))
    .addOption(new Option('--method <method>', 'of a whole URL (default: POST with a body, else GET)').choices(['GET', 'POST', 'PUT', 'HEAD']))
    .addOption(new Option('--header <name:value>', 'send this header, too; may be given several times').argParser(collect))
    .addOption(new Option('--api-key <key>', 'of the servers').env('MODELPORT_API_KEY'))
    .addOption(new Option('-c, --connections <count>', 'connections: all busy without --rate, at most so many with it (default: 32, with --rate 512)').argParser(parsePositiveInteger))
    .addOption(new Option('--rate <requests>', 'requests begun a second').argParser(parseRate))
    .addOption(new Option('--arrivals <process>', 'with --rate: at equal intervals, or at random as independent clients').choices(['constant', 'poisson']).default('constant'))
    .addOption(new Option('--duration <duration>', 'measured time of each server').default(10_000, '10s').argParser(parseDuration))
    .addOption(new Option('--warmup <duration>', 'time before each round that is not measured').default(1000, '1s').argParser(parseDuration))
    .addOption(new Option('--timeout <duration>', 'give a request up after that').default(30_000, '30s').argParser(parseDuration))
    .addOption(new Option('--rounds <count>', 'rounds that the duration is divided into (default: 1, with several servers 5)').argParser(parsePositiveInteger))
    .addOption(new Option('--threads <count>', 'threads that generate load (default: 1, with 4 cores or more half of them up to 4)').argParser(parsePositiveInteger))
    .addOption(new Option('--seed <number>', 'of random arrivals and inputs').default(1).argParser(parsePositiveInteger))
    .addOption(new Option('--json', 'the result as JSON'))
    .addHelpText(
      'after',
      `
Examples:
  modelport bench http://127.0.0.1:8000 --model iris
  modelport bench http://127.0.0.1:8000 --model iris --binary -c 64
  modelport bench http://127.0.0.1:8000 --rate 500 --arrivals poisson
  modelport bench http://127.0.0.1:8000 http://127.0.0.1:9000 --model iris
  modelport bench http://127.0.0.1:8000/models/iris/predict --body flower.json
`,
    )
    .action(async (urls: readonly string[], flags: BenchFlags) => {
      const { runBench } = await import('./bench/run-bench.ts');
      process.exitCode = await runBench(urls, flags);
    });
}

function parseRate(text: string): number {
  const rate = Number(text);
  if (!(rate > 0 && rate <= 1e7)) throw new InvalidArgumentError('write requests a second, e.g. 500 or 0.5');
  return rate;
}
