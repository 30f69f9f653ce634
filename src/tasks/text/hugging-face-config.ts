/** What config.json says a model was made for. */
import type { Artifact } from '../../artifact.ts';
import { isModelportError } from '../../errors.ts';
import { readModelFile } from './model-files.ts';

export interface HuggingFaceConfig {
  /** `BertForSequenceClassification`; undefined where config.json is not there or another program's. */
  readonly architecture: string | undefined;
  readonly problemType: string | undefined;
  /** In the order of the ids. */
  readonly labels: readonly string[] | undefined;
  readonly values: Readonly<Record<string, unknown>>;
}

/** A config.json that can't be read says nothing. */
export function readHuggingFaceConfig(artifact: Artifact): HuggingFaceConfig {
  let values: Readonly<Record<string, unknown>> = {};
  try {
    values = readModelFile(artifact, 'config.json');
  } catch (error) {
    if (!isModelportError(error)) throw error;
  }
  const { architectures, problem_type: problemType, id2label } = values;
  const architecture: unknown = Array.isArray(architectures) ? architectures[0] : undefined;
  return {
    architecture: typeof architecture === 'string' ? architecture : undefined,
    problemType: typeof problemType === 'string' ? problemType : undefined,
    labels: labelsOf(id2label),
    values,
  };
}

function labelsOf(names: unknown): readonly string[] | undefined {
  if (typeof names !== 'object' || names === null) return undefined;
  const labels: string[] = [];
  for (let index = 0; Object.hasOwn(names, index); index++) labels.push(String((names as Record<number, unknown>)[index]));
  return labels.length > 0 && labels.length === Object.keys(names).length ? labels : undefined;
}
