/** `modelport serve`: one or more models or folders of models, on every wire. */
import { Command, Option } from 'commander';
import { collect, parseDuration, parsePort, parsePositiveInteger, parseSize, parseSwitch } from './values.ts';

export interface ServeFlags {
  readonly host: string;
  readonly httpPort: number | 'off';
  readonly grpcPort: number | 'off';
  readonly metricsPort: number | 'off';
  readonly modelRepository?: readonly string[];
  readonly modelControlMode: 'none' | 'explicit' | 'poll';
  readonly repositoryPollSecs: number;
  readonly loadModel?: readonly string[];
  readonly exitOnError: boolean;
  readonly watch: boolean;
  readonly serverName: string;
  readonly allowSharedMemory: boolean;
  readonly drainTimeout: number;
  readonly loadTimeout: number;
  readonly maxBody: number;
  readonly logFormat: 'text' | 'json';
  readonly logRequests: boolean;
  readonly apiKeyFile?: string;
  readonly managementKeyFile?: string;
  readonly allowedHost?: readonly string[];
  readonly corsOrigin?: readonly string[];
  readonly predictPath?: string;
  readonly cacheDir?: string;
  readonly responseCacheSize: number;
  readonly traceUrl?: string;
  readonly rateLimitResource?: readonly string[];
}

export function serveCommand(): Command {
  return new Command('serve')
    .summary('serve models and services: page, REST, gRPC, documentation, metrics')
    .description('Serves one or more models, folders of models, or services.\n\nA flag wins over MODELPORT_<FLAG> in the environment, and that over modelport.yaml in this folder.')
    .argument('[paths...]', 'model files, model folders, folders of models, services written in TypeScript, bundles, or where to get them (oci://, pypi:, npm:, https://)')
    .addOption(option('--host <address>', 'address to listen on; 0.0.0.0 for all').default('127.0.0.1'))
    .addOption(option('--http-port <port>', 'REST, page and documentation; 0 takes a free one, off has none').default(8000).argParser(parsePort))
    .addOption(new Option('--port <port>', 'the same as --http-port').argParser(parsePort))
    .addOption(option('--grpc-port <port>', 'gRPC').default(8001).argParser(parsePort))
    .addOption(option('--metrics-port <port>', 'Prometheus metrics, which are also at /metrics of --http-port').default(8002).argParser(parsePort))
    .addOption(option('--model-repository <path>', 'a folder of models; may be given several times').argParser(collect))
    .addOption(option('--model-control-mode <mode>', 'none: load all at the start; explicit: load what is asked for; poll: follow the files').choices(['none', 'explicit', 'poll']).default('none'))
    .addOption(option('--repository-poll-secs <seconds>', 'how often poll mode looks again where file events fail').default(15).argParser(parsePositiveInteger))
    .addOption(option('--load-model <name>', 'in explicit mode: a model to load at the start, * for all; may be given several times').argParser(collect))
    .addOption(option('--exit-on-error [boolean]', 'exit when a model fails to load at the start').default(true).preset('true').argParser(parseSwitch))
    .addOption(option('--watch [boolean]', 'load services again when their files are saved').default(false).preset('true').argParser(parseSwitch))
    .addOption(option('--server-name <name>', 'what the server calls itself').default('modelport'))
    .addOption(option('--api-key-file <file>', 'ask for one of these keys (one a line) for inference'))
    .addOption(option('--management-key-file <file>', 'ask for one of these keys for load, unload, settings and shared memory'))
    .addOption(option('--allowed-host <name>', 'a further name under which clients reach this server; may be given several times').argParser(collect))
    .addOption(option('--cors-origin <origin>', 'a web origin whose pages may call this server; may be given several times').argParser(collect))
    .addOption(option('--allow-shared-memory [boolean]', 'let clients pass tensors through POSIX shared memory').default(false).preset('true').argParser(parseSwitch))
    .addOption(option('--predict-path <path>', "where people's predict door is, e.g. /model (one model) or /api/{name}"))
    .addOption(option('--max-body <size>', 'largest request body').default(64_000_000, '64MB').argParser(parseSize))
    .addOption(option('--response-cache-size <size>', 'memory for answers of models whose config says cache: true').default(64_000_000, '64MB').argParser(parseSize))
    .addOption(option('--rate-limit-resource <name:count>', 'how much of a named resource there is; may be given several times').argParser(collect))
    .addOption(option('--load-timeout <duration>', 'how long a model may take to load and warm up').default(600_000, '10m').argParser(parseDuration))
    .addOption(option('--drain-timeout <duration>', 'how long accepted requests may take after SIGTERM').default(30_000, '30s').argParser(parseDuration))
    .addOption(option('--cache-dir <folder>', 'where what is made or fetched is kept').default(undefined, '~/.cache/modelport'))
    .addOption(option('--trace-url <url>', 'send OpenTelemetry traces there (OTLP over HTTP)'))
    .addOption(option('--log-format <format>', 'text or json').choices(['text', 'json']).default('text'))
    .addOption(option('--log-requests [boolean]', 'one log line a request').default(false).preset('true').argParser(parseSwitch))
    .addHelpText(
      'after',
      `
Examples:
  modelport serve model.onnx
  modelport serve ./models --port 9000 --grpc-port off
  modelport serve iris.onnx digits/ --host 0.0.0.0 --api-key-file keys.txt
  modelport serve ./models --model-control-mode poll
  modelport serve app.ts --watch
`,
    )
    .action(async (paths: string[], _flags, command: Command) => {
      const { runServe } = await import('./run-serve.ts');
      const { applyConfigFile } = await import('./config-file.ts');
      await applyConfigFile(command, 'modelport.yaml');
      const { port, ...flags } = command.opts<ServeFlags & { port?: number | 'off' }>();
      await runServe(paths, port === undefined ? flags : { ...flags, httpPort: port });
    });
}

/** An option that `MODELPORT_<NAME>` in the environment sets, too. */
function option(flags: string, description: string): Option {
  const name = /--([\w-]+)/.exec(flags)![1]!;
  return new Option(flags, description).env(`MODELPORT_${name.toUpperCase().replaceAll('-', '_')}`);
}
