/** Names of classes for outputs: from the config, a file that it names, or a `labels.txt` beside the model. */
import type { ModelportError } from '../errors.ts';
import type { TensorSpecConfig } from '../model-config.ts';
import type { TensorSpec } from '../model.ts';
import { readConfined } from './confined-file.ts';

export interface LabelSources {
  readonly given: readonly TensorSpecConfig[];
  readonly directory: string;
  /** `labels.txt` beside the model. */
  readonly found?: string;
  readonly fail: (path: string, message: string) => ModelportError;
}

export interface LabelledOutputs {
  readonly outputs: readonly TensorSpec[];
  /** Where the labels of each output come from, unless from the model. */
  readonly sources: ReadonlyMap<string, string>;
  readonly warnings: readonly string[];
}

const maximumLabelBytes = 16 << 20;

/** Throws `INVALID_CONFIG` where a file is missing or has another number of labels than the output has classes. */
export async function applyLabels(outputs: readonly TensorSpec[], { given, directory, found, fail }: LabelSources): Promise<LabelledOutputs> {
  const sources = new Map<string, string>();
  const warnings: string[] = [];
  let labelled = await Promise.all(outputs.map(async (output) => {
    const index = given.findIndex((tensor) => tensor.name === output.name);
    const config = given[index];
    if (config?.labels === undefined && config?.labelsFile === undefined) return output;
    const path = `outputs[${index}].${config.labels === undefined ? 'labelsFile' : 'labels'}`;
    const labels = config.labels ?? parseLabels(await readConfined(directory, config.labelsFile!, `the file of labels of output '${output.name}'`, maximumLabelBytes));
    const source = config.labels === undefined ? config.labelsFile! : 'the config';
    if (!fits(output, labels.length)) {
      throw fail(path, `output '${output.name}' [${output.shape.join(', ')}] has ${output.shape.at(-1)} classes, but ${source} has ${labels.length} labels`);
    }
    sources.set(output.name, source);
    return { ...output, labels };
  }));
  if (found !== undefined) {
    const labels = parseLabels(await readConfined(directory, found, 'the file of labels', maximumLabelBytes));
    const free = labelled.filter((output) => !sources.has(output.name) && output.shape.length > 0);
    const exact = free.filter((output) => output.shape.at(-1) === labels.length);
    const candidates = exact.length > 0 ? exact : free.filter((output) => fits(output, labels.length));
    const target = candidates.find((output) => /^(?:FP|BF)/.test(output.datatype)) ?? candidates[0];
    if (target === undefined) {
      if (free.length > 0) warnings.push(`${found} has ${labels.length} labels, but no output has so many classes (${free.map((output) => `${output.name} [${output.shape.join(', ')}]`).join(', ')}): it is not used`);
    } else {
      labelled = labelled.map((output) => (output === target ? { ...output, labels } : output));
      sources.set(target.name, found);
    }
  }
  return { outputs: labelled, sources, warnings };
}

/** One label a line; a last empty line is none. */
function parseLabels(bytes: Uint8Array): string[] {
  const lines = new TextDecoder().decode(bytes).split(/\r?\n/);
  while (lines.length > 0 && lines.at(-1)!.trim() === '') lines.pop();
  return lines;
}

/** Classes lie along the last axis, or are all that a row has (1000 × 1 × 1). */
function fits(output: TensorSpec, count: number): boolean {
  const last = output.shape.at(-1);
  if (last === undefined) return false;
  if (typeof last === 'string' || last === -1 || last === count) return true;
  const row = output.shape.filter((_, axis) => axis !== output.batchAxis);
  return row.every((dimension) => typeof dimension === 'number' && dimension > 0) && (row as number[]).reduce((product, dimension) => product * dimension, 1) === count;
}
