/** What `inspect` prints: a model's signature, how it batches and what it is made of, as text for a terminal. */
import { padEnd, visibleLength, type Style } from '../lib/terminal.ts';
import { humanBytes, humanCount } from '../lib/human-number.ts';
import type { ExplainedConfig } from '../model-config.ts';
import type { TensorSpec } from '../model.ts';
import type { OnnxFacts } from '../onnx/onnx-facts.ts';

export interface DescribeOptions {
  readonly style: Style;
  /** Columns of the terminal. */
  readonly columns: number;
  /** What the heading calls the model: its path as the user wrote it. */
  readonly title: string;
  /** The config in force; its origins are printed below the model. */
  readonly config?: ExplainedConfig;
}

const shownOperators = 12;
const shownLabels = 6;

export function describeOnnx(facts: OnnxFacts, options: DescribeOptions): string {
  const { style } = options;
  const sections = [
    heading(facts, options),
    tensors(facts, options),
    batching(facts, options),
    contents(facts, options),
    metadata(facts, options),
    options.config === undefined ? '' : config(options.config, options),
    warnings([...facts.warnings, ...(options.config?.warnings ?? [])], style, options.columns),
  ];
  return `${sections.filter((section) => section !== '').join('\n\n')}\n`;
}

function heading(facts: OnnxFacts, { style, title, columns }: DescribeOptions): string {
  const { name, version } = facts.producer;
  const about = ['ONNX', humanBytes(facts.sizeBytes), `${humanCount(facts.parameterCount)} parameters`];
  if (name !== '') about.push(`by ${name}${version === '' ? '' : ` ${version}`}`);
  const lines = [`${style.bold(title)}  ${style.dim(about.join(' · '))}`];
  if (facts.description !== '') lines.push(...wrap(printable(facts.description), columns - 2).slice(0, 4).map((line) => `  ${line}`));
  return lines.join('\n');
}

/** Inputs and outputs in the same columns. */
function tensors(facts: OnnxFacts, { style, columns }: DescribeOptions): string {
  const { inputs, outputs } = facts.signature;
  const rows = [...inputs, ...outputs].map((spec) => [style.cyan(printable(spec.name)), spec.datatype, shape(spec, style), style.dim(notes(spec, facts))]);
  const lines = tableRows(rows, columns);
  const group = (title: string, part: readonly string[]) => [style.bold(title), ...(part.length === 0 ? [`  ${style.dim('none')}`] : part)].join('\n');
  return `${group('Inputs', lines.slice(0, inputs.length))}\n\n${group('Outputs', lines.slice(inputs.length))}`;
}

/** The axis of rows is told by weight, and in words for those who see no weight. */
function shape(spec: TensorSpec, style: Style): string {
  if (spec.shape.length === 0) return 'scalar';
  const sizes = spec.shape.map((dimension, axis) => {
    const text = dimension === -1 ? '?' : printable(String(dimension));
    return axis === spec.batchAxis ? style.bold(text) : text;
  });
  return `[${sizes.join(', ')}]`;
}

function notes(spec: TensorSpec, facts: OnnxFacts): string {
  const parts: string[] = [];
  if (spec.optional === true) parts.push('optional');
  if (spec.batchAxis !== undefined) parts.push(`rows on axis ${spec.batchAxis}`);
  else if (facts.signature.batch.maxSize > 0) parts.push('no rows');
  for (const state of facts.stateCandidates) {
    if (state.input === spec.name) parts.push(`a state, which '${state.output}' gives anew`);
    else if (state.output === spec.name) parts.push(`the next '${state.input}'`);
  }
  if (facts.zipMaps.some((zipMap) => zipMap.output === spec.name)) parts.push('made of a list of dictionaries');
  if (spec.labels !== undefined) {
    const more = spec.labels.length - shownLabels;
    const what = facts.signature.inputs.includes(spec) ? 'columns' : 'classes';
    parts.push(`${spec.labels.length} ${what}: ${spec.labels.slice(0, shownLabels).map(printable).join(', ')}${more > 0 ? ` and ${more} more` : ''}`);
  }
  if (spec.description !== undefined) parts.push(printable(spec.description));
  return parts.join(' · ');
}

function batching(facts: OnnxFacts, { style, columns }: DescribeOptions): string {
  const { maxSize, reason } = facts.signature.batch;
  const [verdict, ...rest] = reason.split(': ');
  const mark = maxSize > 0 ? style.green(`yes, up to ${maxSize} rows a run`) : style.yellow('no');
  const text = /^can(not)? batch$/.test(verdict!) ? rest.join(': ') : reason;
  return `${style.bold('Batching')}  ${mark}\n${wrap(text, columns - 2)
    .map((line) => `  ${style.dim(line)}`)
    .join('\n')}`;
}

function contents(facts: OnnxFacts, { style, columns }: DescribeOptions): string {
  const opsets = Object.entries(facts.opsets).map(([domain, version]) => `${domain === '' ? 'ai.onnx' : printable(domain)} ${version}`);
  const format = [`opset ${opsets.join(', ')}`, `IR version ${facts.irVersion}`];
  if (facts.graphName !== '') format.push(`graph "${printable(facts.graphName)}"`);
  if (facts.modelVersion !== '' && facts.modelVersion !== '0') format.push(`model version ${facts.modelVersion}`);
  if (facts.externalFiles.length > 0) {
    const files = facts.externalFiles.map((file) => `${printable(file.location)} (${humanBytes(file.sizeBytes)})`);
    format.push(`weights in ${files.slice(0, 3).join(', ')}${files.length > 3 ? ` and ${files.length - 3} more files` : ''}`);
  }
  const lines = wrap(format.join(' · '), columns - 2).map((line) => `  ${style.dim(line)}`);
  const shown = facts.operators.slice(0, shownOperators);
  const largest = shown[0]?.count ?? 1;
  const rows = shown.map(({ domain, operator, count }) => [
    `${printable(operator)}${domain === '' ? '' : style.dim(` ${printable(domain)}`)}`,
    String(count).padStart(String(largest).length),
    style.dim(bar(count / largest, 24)),
  ]);
  const hidden = facts.operators.length - shown.length;
  return [
    `${style.bold('Graph')}  ${facts.nodeCount} node${facts.nodeCount === 1 ? '' : 's'} of ${facts.operators.length} kind${facts.operators.length === 1 ? '' : 's'}`,
    ...lines,
    table(rows, columns),
    ...(hidden > 0 ? [`  ${style.dim(`and ${hidden} more kinds`)}`] : []),
  ].join('\n');
}

function metadata(facts: OnnxFacts, { style, columns }: DescribeOptions): string {
  const entries = Object.entries(facts.metadata);
  if (entries.length === 0) return '';
  const rows = entries.slice(0, 20).map(([key, value]) => {
    const text = printable(value);
    return [printable(key), style.dim(text.length > 60 ? `${text.slice(0, 60)}… (${humanBytes(Buffer.byteLength(value))})` : text)];
  });
  return `${style.bold('Metadata')}\n${table(rows, columns)}`;
}

/** What was said or found out first, defaults after it. */
function config({ config: values, origins }: ExplainedConfig, { style, columns }: DescribeOptions): string {
  if (origins.length === 0) return '';
  const rows = origins.map(({ path, source, reason }): ConfigRow => {
    const isDefault = source === 'default';
    const origin = isDefault ? (reason ?? '') : `${source}${reason === undefined ? '' : `: ${reason}`}`;
    return { path, value: compact(valueAt(values, path), columns), origin, isDefault };
  });
  const pathWidth = Math.max(...rows.map(({ path }) => path.length));
  // Long values take a line of their own, so that they leave origins the room that these need.
  const mostWidth = Math.min(36, Math.max(18, columns - pathWidth - 6 - 40));
  const valueWidth = Math.max(0, ...rows.map(({ value }) => visibleLength(value)).filter((length) => length <= mostWidth));
  const lines = (isDefault: boolean) => rows.filter((row) => row.isDefault === isDefault).flatMap((row) => configLines(row, pathWidth, valueWidth, columns, style));
  const defaults = lines(true);
  return [style.bold('Config in force'), ...lines(false), ...(defaults.length === 0 ? [] : [style.dim('  by default'), ...defaults])].join('\n');
}

interface ConfigRow {
  readonly path: string;
  readonly value: string;
  readonly origin: string;
  readonly isDefault: boolean;
}

const leastOriginColumns = 30;

function configLines({ path, value, origin, isDefault }: ConfigRow, pathWidth: number, valueWidth: number, columns: number, style: Style): string[] {
  const indent = 2 + pathWidth + 2;
  const spills = visibleLength(value) > valueWidth;
  const valueRoom = Math.max(16, columns - indent);
  const shown = spills && visibleLength(value) > valueRoom ? `${[...value].slice(0, valueRoom - 1).join('')}…` : value;
  const before = `  ${padEnd(path, pathWidth)}  `;
  const [first = '', ...more] = origin === '' ? [''] : wrap(origin, Math.max(leastOriginColumns, columns - indent - valueWidth - 2));
  const below = (spills && origin !== '' ? [first, ...more] : more).map((line) => style.dim(`${' '.repeat(indent + valueWidth + 2)}${line}`));
  const head = spills ? `${before}${shown}` : `${before}${padEnd(shown, valueWidth)}`;
  if (isDefault) return [style.dim(`${head}${spills ? '' : `  ${first}`}`.trimEnd()), ...below];
  return [spills || first === '' ? head.trimEnd() : `${head}  ${style.dim(first)}`, ...below];
}

/** `inputs[0].shape` of a config. */
function valueAt(values: unknown, path: string): unknown {
  return path
    .split(/[.[\]]/)
    .filter((part) => part !== '')
    .reduce<unknown>((value, part) => (typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[part] : undefined), values);
}

function compact(value: unknown, columns: number): string {
  if (value === undefined) return '';
  return printable((typeof value === 'string' ? value : JSON.stringify(value)).slice(0, columns));
}

function warnings(texts: readonly string[], style: Style, columns: number): string {
  return texts.map((text) => wrap(printable(text), columns - 4).map((line, index) => `${index === 0 ? style.yellow('!') : ' '} ${line}`).join('\n')).join('\n');
}

/** Columns as wide as their widest cell; the last one is wrapped below itself where it does not fit. */
function tableRows(rows: readonly (readonly string[])[], columns: number): string[] {
  const widths: number[] = [];
  for (const row of rows) row.forEach((cell, index) => (widths[index] = Math.max(widths[index] ?? 0, visibleLength(cell))));
  return rows
    .map((row) => {
      const fixed = row.slice(0, -1).map((cell, index) => padEnd(cell, widths[index]!));
      const before = `  ${fixed.join('  ')}${fixed.length > 0 ? '  ' : ''}`;
      const last = row.at(-1)!;
      const room = columns - visibleLength(before);
      if (visibleLength(last) <= room || room < 20) return `${before}${last}`.trimEnd();
      // Colour codes open at the cell's start and close at its end: every line gets its own.
      // eslint-disable-next-line no-control-regex
      const [, open = '', text = last, close = ''] = /^(\u001b\[[\d;]*m)?(.*?)(\u001b\[[\d;]*m)?$/s.exec(last) ?? [];
      return wrap(text, room)
        .map((line, index) => `${index === 0 ? before : ' '.repeat(visibleLength(before))}${open}${line}${close}`)
        .join('\n');
    });
}

function table(rows: readonly (readonly string[])[], columns: number): string {
  return tableRows(rows, columns).join('\n');
}

function wrap(text: string, columns: number): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    if (line !== '' && line.length + 1 + word.length > columns) {
      lines.push(line);
      line = word;
    } else {
      line = line === '' ? word : `${line} ${word}`;
    }
  }
  return [...lines, line];
}

function bar(share: number, columns: number): string {
  const eighths = Math.max(1, Math.round(share * columns * 8));
  return '█'.repeat(Math.floor(eighths / 8)) + ['', '▏', '▎', '▍', '▌', '▋', '▊', '▉'][eighths % 8]!;
}

/** Names come from the file: what would move the cursor or break a line is shown as a space. */
function printable(text: string): string {
  // eslint-disable-next-line no-control-regex
  return text.slice(0, 4000).replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029]+/g, ' ');
}
