/** What the user gave to predict: one value, or rows of them. */
import { existsSync, statSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { extname, join } from 'node:path';
import { ModelportError } from '../../errors.ts';
import { expandGlob, isGlob } from '../../lib/expand-glob.ts';
import { fieldsValue } from '../../protocols/predict/form-fields.ts';
import { fileProperty, inputProperties, type InputProperty } from '../../protocols/predict/input-schema.ts';
import type { Predictor } from './predictor.ts';
import { csvRows, fileRows, jsonLineRows, parseJson, readSmallFile, withFixed, type Rows } from './rows.ts';

export const inputFormats = ['json', 'jsonl', 'csv', 'image', 'text'] as const;
export type InputFormat = (typeof inputFormats)[number];

export interface InputOptions {
  /** Undefined: told by ending and content. */
  readonly format?: InputFormat;
  /** Inputs are Open Inference requests. */
  readonly tensors: boolean;
  /** `name=value` for fields that every input has. */
  readonly set: readonly string[];
}

export type Given = { readonly kind: 'one'; readonly value: unknown } | ({ readonly kind: 'many' } & Rows);

const formatsByEnding: Readonly<Record<string, InputFormat>> = {
  '.json': 'json', '.jsonl': 'jsonl', '.ndjson': 'jsonl', '.csv': 'csv', '.tsv': 'csv', '.txt': 'text',
  '.png': 'image', '.jpg': 'image', '.jpeg': 'image', '.webp': 'image', '.gif': 'image', '.tif': 'image', '.tiff': 'image', '.avif': 'image',
};

/** Throws `INVALID_USAGE` or `INVALID_VALUE` that say what the model takes. */
export async function readInputs(inputs: readonly string[], predictor: Predictor, options: InputOptions): Promise<Given> {
  const properties = predictor.task === undefined ? [] : inputProperties(predictor.task.input);
  const fixed = readFixed(options.set, properties);
  const reader = new InputReader(predictor, options, properties, fixed);
  if (inputs.length === 0) throw new ModelportError('INVALID_USAGE', `nothing to predict: ${reader.expected()}`);
  if (inputs.length === 1) return reader.one(inputs[0]!);
  const files = (await Promise.all(inputs.map(async (input) => (isGlob(input) && !existsSync(input) ? expandGlob(input) : [input.replace(/^@/, '')])))).flat();
  return reader.files(files);
}

function readFixed(given: readonly string[], properties: readonly InputProperty[]): Record<string, unknown> {
  return fieldsValue(
    given.map((text): [string, string] => {
      const equals = text.indexOf('=');
      if (equals < 1) throw new ModelportError('INVALID_USAGE', `--set '${text}': write name=value`, { at: '--set' });
      return [text.slice(0, equals), text.slice(equals + 1)];
    }),
    properties,
  );
}

class InputReader {
  readonly #predictor: Predictor;
  readonly #options: InputOptions;
  readonly #properties: readonly InputProperty[];
  readonly #fixed: Readonly<Record<string, unknown>>;

  constructor(predictor: Predictor, options: InputOptions, properties: readonly InputProperty[], fixed: Readonly<Record<string, unknown>>) {
    this.#predictor = predictor;
    this.#options = options;
    this.#properties = properties;
    this.#fixed = fixed;
  }

  async one(input: string): Promise<Given> {
    if (input === '-') return this.#standardInput();
    if (input.startsWith('@')) return this.files([input.slice(1)]);
    const format = this.#options.format;
    if (format === 'text' && !existsSync(input)) return this.#value(Buffer.from(input), 'text', 'the input');
    if (/^\s*[[{"]/.test(input)) return this.#value(Buffer.from(input), 'json', 'the input');
    if (existsSync(input)) return statSync(input).isDirectory() ? this.files(await filesBelow(input), input) : this.files([input]);
    if (isGlob(input)) {
      const found = await expandGlob(input);
      if (found.length > 0) return this.files(found);
      if (!/\s/.test(input)) throw new ModelportError('INVALID_USAGE', `no file matches ${input}`, { at: input });
    }
    if (extname(input) in formatsByEnding || (/[/\\]/.test(input) && !/\s/.test(input))) throw new ModelportError('INVALID_USAGE', `there is no file ${input}`, { at: input });
    if (/^(?:-?\d|true$|false$|null$)/.test(input) && this.#textProperty() === undefined) return this.#value(Buffer.from(input), 'json', 'the input');
    return this.#value(Buffer.from(input), 'text', 'the input');
  }

  /** `folder`: where they were found. */
  async files(paths: readonly string[], folder?: string): Promise<Given> {
    for (const path of paths) if (!existsSync(path)) throw new ModelportError('INVALID_USAGE', `there is no file ${path}`, { at: path });
    const wanted = this.#options.format ?? (folder === undefined ? undefined : this.#options.tensors || fileProperty(this.#properties) === undefined ? 'json' : 'image');
    const chosen = folder === undefined ? paths : paths.filter((path) => formatsByEnding[extname(path).toLowerCase()] === wanted);
    if (chosen.length === 0) throw new ModelportError('INVALID_USAGE', `${folder ?? 'the input'} holds no ${wanted === 'image' ? 'picture' : `${wanted} file`}: ${this.expected()}`, { at: folder ?? '' });
    const formats = new Set(chosen.map((path) => this.#formatOf(path)));
    const [format] = formats;
    if (formats.size > 1) throw new ModelportError('INVALID_USAGE', `the inputs are of several kinds (${[...formats].join(', ')}): predict one kind at a time`);
    if (format === 'csv' || format === 'jsonl') {
      if (chosen.length > 1) throw new ModelportError('INVALID_USAGE', `${chosen.length} ${format} files: predict one at a time, each with its own -o`);
      return this.#rows(chosen[0]!, format);
    }
    if (chosen.length === 1 && folder === undefined) return this.#value(await readSmallFile(chosen[0]!), format!, chosen[0]!);
    this.#require(format!);
    return { kind: 'many', ...fileRows(chosen, async (path) => this.#read(await readSmallFile(path), format!, path)) };
  }

  #formatOf(path: string): InputFormat {
    const format = this.#options.format ?? formatsByEnding[extname(path).toLowerCase()];
    if (format !== undefined) return format;
    throw new ModelportError('INVALID_USAGE', `what is in ${path}? Say --format ${inputFormats.join(', ')}`, { at: path });
  }

  async #standardInput(): Promise<Given> {
    const { format } = this.#options;
    if (format === 'csv' || format === 'jsonl') return this.#rows('-', format);
    const chunks: Uint8Array[] = [];
    let length = 0;
    for await (const chunk of process.stdin as AsyncIterable<Uint8Array>) {
      chunks.push(chunk);
      length += chunk.length;
      if (length > 64 << 20) throw new ModelportError('INVALID_USAGE', 'standard input has more than 64 MiB: for rows, say --format csv or --format jsonl');
    }
    const bytes = new Uint8Array(Buffer.concat(chunks));
    if (bytes.length === 0) throw new ModelportError('INVALID_USAGE', `standard input is empty: ${this.expected()}`);
    return this.#value(bytes, format ?? this.#guess(bytes), 'standard input');
  }

  #guess(bytes: Uint8Array): InputFormat {
    if (/^\s*[[{"\d-]/.test(Buffer.from(bytes.subarray(0, 64)).toString('latin1'))) return 'json';
    return fileProperty(this.#properties) === undefined ? 'text' : 'image';
  }

  async #rows(path: string, format: 'csv' | 'jsonl'): Promise<Given> {
    if (format === 'jsonl') {
      if (!this.#options.tensors) this.#requireTask();
      return { kind: 'many', ...jsonLineRows(path, this.#options.tensors, this.#fixed) };
    }
    if (this.#options.tensors) throw new ModelportError('INVALID_USAGE', '--tensors takes JSON or JSON lines, not CSV');
    this.#requireTask();
    if (this.#properties.length === 0) throw new ModelportError('INVALID_USAGE', `model '${this.#predictor.name}' takes no columns: ${this.expected()}`);
    return { kind: 'many', ...(await csvRows(path, this.#properties, this.#fixed)) };
  }

  #value(bytes: Uint8Array, format: InputFormat, what: string): Given {
    this.#require(format);
    return { kind: 'one', value: this.#read(bytes, format, what) };
  }

  /** The value that the bytes are. With `--tensors` they are the request. */
  #read(bytes: Uint8Array, format: InputFormat, what: string): unknown {
    if (this.#options.tensors) return bytes;
    if (format === 'image') return { ...this.#fixed, [fileProperty(this.#properties)!.name]: bytes };
    if (format === 'text') return { ...this.#fixed, [this.#textProperty()!.name]: new TextDecoder().decode(bytes).replace(/\r?\n$/, '') };
    return withFixed(parseJson(bytes, what), this.#fixed);
  }

  #require(format: InputFormat): void {
    if (this.#options.tensors) {
      if (format !== 'json') throw new ModelportError('INVALID_USAGE', `--tensors takes JSON or JSON lines, not ${format}: ${this.expected()}`);
      return;
    }
    this.#requireTask();
    const { name } = this.#predictor;
    if (format === 'image' && fileProperty(this.#properties) === undefined) throw new ModelportError('INVALID_USAGE', `model '${name}' takes no picture: ${this.expected()}`);
    if (format === 'text' && this.#textProperty() === undefined) throw new ModelportError('INVALID_USAGE', `the input is neither JSON nor a file: ${this.expected()}`);
  }

  #requireTask(): void {
    if (this.#predictor.task !== undefined) return;
    throw new ModelportError('INVALID_USAGE', `model '${this.#predictor.name}' has no task, so it does not take values: ${this.expected()}, or say in its model.yaml what it does`);
  }

  #textProperty(): InputProperty | undefined {
    const texts = this.#properties.filter((property) => property.required && property.types.includes('string') && !property.file);
    return texts.length === 1 && this.#properties.filter((property) => property.required).length === 1 ? texts[0] : undefined;
  }

  /** What could be given, for the end of a message. */
  expected(): string {
    const { task, inputs, name } = this.#predictor;
    if (task === undefined || this.#options.tensors) {
      const [input] = inputs;
      const request = input === undefined ? '{"inputs": […]}' : `{"inputs": [{"name": "${input.name}", "datatype": "${input.datatype}", "shape": [${input.shape.map((size) => (typeof size === 'number' && size > 0 ? size : 1)).join(', ')}], "data": […]}]}`;
      return `give model '${name}' --tensors '${request}'`;
    }
    const [example] = task.examples;
    const file = fileProperty(this.#properties);
    if (file !== undefined) return `model '${name}' takes a picture, as in: modelport predict … photo.png`;
    return example === undefined ? `model '${name}' takes JSON with ${this.#properties.map((property) => `'${property.name}'`).slice(0, 12).join(', ')}` : `model '${name}' takes JSON, as in '${JSON.stringify(example).slice(0, 300)}'`;
  }
}

async function filesBelow(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries.filter((entry) => (entry.isFile() || entry.isSymbolicLink()) && !entry.name.startsWith('.')).map((entry) => join(entry.parentPath, entry.name)).sort();
}
