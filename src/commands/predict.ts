/** `modelport predict`: answers in the terminal, or a file of them. */
import { Command, Option } from 'commander';
import { collect, parsePositiveInteger } from './values.ts';

export interface PredictFlags {
  readonly url?: string;
  readonly model?: string;
  readonly apiKey?: string;
  readonly output?: string;
  readonly resume?: boolean;
  readonly overwrite?: boolean;
  readonly format?: 'json' | 'jsonl' | 'csv' | 'image' | 'text';
  readonly set?: readonly string[];
  readonly tensors?: boolean;
  readonly json?: boolean;
  readonly concurrency?: number;
}

export function predictCommand(): Command {
  return new Command('predict')
    .summary('ask a model: one input, or a file of many')
    .description(
      'Asks a model of files, which is loaded for it, or of a running server (--url).\n\nAn input is JSON, text, a file (JSON, picture, CSV with a header, JSON lines), a folder or pattern of pictures, or - for standard input. Many inputs run together, so that they fill batches; -o writes their answers to a file. Bad rows go to a file beside it, <output>.errors.jsonl, and the exit code is 1.',
    )
    .usage('[options] <model> <input...>\n       modelport predict [options] --url <url> --model <name> <input...>')
    .argument('[model]', 'a model file, model folder or folder of models; none with --url')
    .argument('[inputs...]', 'JSON, text, files, a folder, a pattern, or -')
    .addOption(new Option('--url <url>', 'ask a running server'))
    .addOption(new Option('--model <name>', 'which model, where there are several'))
    .addOption(new Option('--api-key <key>', 'of the running server').env('MODELPORT_API_KEY'))
    .addOption(new Option('-o, --output <file>', 'write the answers to this .csv or .jsonl file'))
    .addOption(new Option('--resume', 'go on after the rows that the output already holds').conflicts('overwrite'))
    .addOption(new Option('--overwrite', 'begin anew although a stopped run left a part of the output'))
    .addOption(new Option('--format <format>', 'what the input is, where its ending does not tell').choices(['json', 'jsonl', 'csv', 'image', 'text']))
    .addOption(new Option('--set <name=value>', 'a field that every input gets, e.g. topK=3; may be given several times').argParser(collect))
    .addOption(new Option('--tensors', 'inputs are Open Inference requests, {"inputs": [...]}, for models without a task'))
    .addOption(new Option('--concurrency <count>', 'rows under way at once (default: enough to fill batches)').argParser(parsePositiveInteger))
    .addOption(new Option('--json', 'answers as JSON, one line each'))
    .addHelpText(
      'after',
      `
Examples:
  modelport predict ./fuel '{"weight": 1200, "cylinders": 4}'
  modelport predict ./digits photo.png --set topK=5
  modelport predict ./iris flowers.csv -o answers.csv
  modelport predict ./iris flowers.csv -o answers.csv --resume
  modelport predict ./digits ./pictures -o answers.jsonl
  modelport predict --url http://127.0.0.1:8000 --model iris @flower.json
  modelport predict model.onnx --tensors @request.json
`,
    )
    .action(async (model: string | undefined, inputs: readonly string[], flags: PredictFlags) => {
      const { runPredict } = await import('./predict/run-predict.ts');
      process.exitCode = await runPredict(model, inputs, flags);
    });
}
