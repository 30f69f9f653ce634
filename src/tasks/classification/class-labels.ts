/** The names of a model's classes. */
import type { Artifact } from '../../artifact.ts';
import { ModelportError } from '../../errors.ts';
import type { TensorSpec } from '../../model.ts';
import { readJsonFile } from '../request/json-file.ts';

/**
 * From `labels` of the task, else of the output, else `id2label` of Hugging Face's config.json; else the numbers of the classes.
 * `count` is undefined where the output does not say how many there are. Throws `INVALID_CONFIG` where numbers differ.
 */
export function classLabels(given: readonly string[] | undefined, output: TensorSpec | undefined, artifact: Artifact, count: number | undefined): readonly string[] | undefined {
  const labels = given ?? output?.labels ?? huggingFaceLabels(artifact);
  if (labels === undefined) return count === undefined ? undefined : Array.from({ length: count }, (_, index) => String(index));
  if (count !== undefined && labels.length !== count) {
    throw new ModelportError('INVALID_CONFIG', `there are ${labels.length} labels, but output '${output?.name ?? ''}' has ${count} classes`, { at: 'task.labels' });
  }
  const twice = labels.find((label, index) => labels.indexOf(label) !== index);
  if (twice !== undefined && labels.length <= 100) throw new ModelportError('INVALID_CONFIG', `two labels are '${twice}': each class needs a name of its own`, { at: 'task.labels' });
  return labels;
}

/** `id2label` of config.json, in the order of the ids; undefined where there is none. */
export function huggingFaceLabels(artifact: Artifact): readonly string[] | undefined {
  const names = readJsonFile(artifact, 'config.json')?.['id2label'];
  if (typeof names !== 'object' || names === null) return undefined;
  const labels: string[] = [];
  for (let index = 0; Object.hasOwn(names, index); index++) labels.push(String((names as Record<number, unknown>)[index]));
  return labels.length === Object.keys(names).length ? labels : undefined;
}

/** Numbers of classes of data sets that everybody trains on: enough to take an output without labels for classes. */
const usualCounts = new Set([10, 100, 200, 1000, 1001, 21841, 21843]);

/** Why an output is evidently one score a class, or undefined. */
export function classEvidence(output: TensorSpec, artifact: Artifact): string | undefined {
  const count = output.shape.at(-1);
  if (typeof count !== 'number' || count < 1) return undefined;
  if (output.labels?.length === count && count > 1) return `its output '${output.name}' has ${count} labels`;
  if (count > 1 && huggingFaceLabels(artifact)?.length === count) return `config.json names ${count} classes`;
  if (count > 1 && /prob|logit|score|softmax|class|pred/i.test(output.name)) return `its output '${output.name}' is named after classes`;
  if (usualCounts.has(count)) return `its output '${output.name}' has ${count} columns, a usual number of classes`;
  return undefined;
}
