/** `modelport inspect`: what a model is, what it takes and gives, and how it would be served. */
import { existsSync, readdirSync, statSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { Command } from 'commander';
import { ModelportError } from '../errors.ts';
import { createStyle, usesColor } from '../lib/terminal.ts';
import type { ExplainedConfig } from '../model-config.ts';
import type { OnnxFacts } from '../onnx/onnx-facts.ts';

export interface InspectOptions {
  readonly json?: boolean;
  readonly color?: boolean;
  /** Columns of the terminal. */
  readonly columns?: number;
  /** What the heading calls the model. Default: the path. */
  readonly title?: string;
  /** The config in force, where somebody worked it out: its values and origins are told too. */
  readonly config?: ExplainedConfig;
}

/** What the command prints. `path` is a model file, or a folder with `model.onnx` or versions of it. Throws `INVALID_MODEL` or `INVALID_USAGE`. */
export async function inspect(path: string, options: InspectOptions = {}): Promise<string> {
  const { readOnnxFacts } = await import('../onnx/onnx-facts.ts');
  const { describeOnnx } = await import('./describe-onnx.ts');
  const file = findModelFile(path);
  const facts = readOnnxFacts({ directory: dirname(file), main: basename(file) });
  if (options.json === true) return `${JSON.stringify(asJson(facts, options.config), undefined, 2)}\n`;
  return describeOnnx(facts, {
    style: createStyle(options.color ?? false),
    columns: options.columns ?? 100,
    title: options.title ?? path,
    ...(options.config === undefined ? {} : { config: options.config }),
  });
}

function asJson({ zipMaps, ...facts }: OnnxFacts, config: ExplainedConfig | undefined): object {
  return { format: 'onnx', ...facts, zipMaps: zipMaps.map(({ output, source }) => ({ output, source })), ...(config === undefined ? {} : { config }) };
}

function findModelFile(path: string): string {
  const absolute = resolve(path);
  if (!existsSync(absolute)) throw new ModelportError('INVALID_USAGE', `${path}: there is no such file or folder`, { at: path });
  if (statSync(absolute).isFile()) return absolute;
  const folders = [absolute, ...versionFolders(absolute)];
  for (const folder of folders) {
    const named = join(folder, 'model.onnx');
    if (existsSync(named)) return named;
    const models = readdirSync(folder).filter((name) => name.endsWith('.onnx'));
    if (models.length === 1) return join(folder, models[0]!);
    if (models.length > 1) throw new ModelportError('INVALID_USAGE', `${path} holds several models (${models.slice(0, 5).join(', ')}): name one`, { at: path });
  }
  throw new ModelportError('INVALID_USAGE', `${path} holds no .onnx file`, { at: path });
}

/** Newest first. */
function versionFolders(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && /^[1-9]\d*$/.test(entry.name))
    .sort((a, b) => Number(b.name) - Number(a.name))
    .map((entry) => join(folder, entry.name));
}

/** Every model below the path, with the config that it would be served with. */
async function inspectModels(path: string, options: InspectOptions): Promise<string> {
  const { explainModels } = await import('./explain-models.ts');
  const { describeComposed } = await import('./describe-composed.ts');
  const models = await explainModels(path);
  const texts = await Promise.all(
    models.map(async ({ name, file, signature, config }) =>
      file === undefined ? describeComposed(name, signature, config, createStyle(options.color ?? false)) : inspect(file, { ...options, config, title: models.length === 1 ? (options.title ?? path) : name }),
    ),
  );
  return texts.join(`\n${createStyle(options.color ?? false).dim('─'.repeat(options.columns ?? 100))}\n\n`);
}

async function inspectJson(path: string): Promise<string> {
  const { explainModels } = await import('./explain-models.ts');
  const models = await explainModels(path);
  const documents = await Promise.all(models.map(async ({ name, version, file, signature, config }) => ({ name, version, ...(file === undefined ? { format: 'ensemble', signature, config } : (JSON.parse(await inspect(file, { json: true, config })) as object)) })));
  return `${JSON.stringify(documents.length === 1 ? documents[0] : documents, undefined, 2)}\n`;
}

export function inspectCommand(): Command {
  return new Command('inspect')
    .summary('what a model takes, gives and is made of')
    .description('Prints the signature of a model, whether and why requests can be joined into batches, its operators and its size.\nNothing is executed.')
    .argument('<path>', 'a model file, model folder, folder of models, bundle, or where to get one (oci://, pypi:, npm:, https://)')
    .option('--json', 'as JSON')
    .addHelpText(
      'after',
      `
Examples:
  modelport inspect model.onnx
  modelport inspect ./models/iris --json
  modelport inspect ./models
`,
    )
    .action(async (path: string, { json }: { readonly json?: boolean }) => {
      const { stdout } = process;
      const { prepareServedPaths, needsPreparing } = await import('./served-paths.ts');
      await using prepared = (await needsPreparing([path])) ? await prepareServedPaths([path], undefined) : undefined;
      const place = prepared?.paths[0] ?? path;
      const options = { color: usesColor(stdout), columns: Math.min(stdout.columns ?? 100, 120), title: path };
      stdout.write(json === true ? await inspectJson(place) : await inspectModels(place, options));
    });
}
