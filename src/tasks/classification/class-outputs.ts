/** The outputs of a classifier of rows: the class itself, scores of all classes, or both, as scikit-learn's converters write them. */
import type { Artifact } from '../../artifact.ts';
import { ModelportError } from '../../errors.ts';
import { suggestName } from '../../lib/suggest-name.ts';
import type { Signature, TensorSpec } from '../../model.ts';
import { datatypes } from '../../tensor.ts';
import { findScoresOutput, mayHoldScores } from './scores-output.ts';

export interface ClassOutputs {
  readonly scores: TensorSpec | undefined;
  readonly label: TensorSpec | undefined;
}

/** Throws `INVALID_CONFIG` where neither is there. */
export function findClassOutputs(signature: Signature, scoresName: string | undefined, labelName: string | undefined, artifact: Artifact): ClassOutputs {
  const label = labelName === undefined ? evidentLabel(signature) : signature.outputs.find((output) => output.name === labelName);
  if (labelName !== undefined && (label === undefined || !mayHoldLabels(label))) {
    const names = signature.outputs.filter(mayHoldLabels).map((output) => output.name);
    throw new ModelportError('INVALID_CONFIG', `task.labelOutput is '${labelName}', but no output of that name holds one class a row${suggestName(labelName, names)}`, { at: 'task.labelOutput' });
  }
  const hasScores = scoresName !== undefined || signature.outputs.some(mayHoldScores);
  if (label !== undefined && !hasScores) return { scores: undefined, label };
  return { scores: findScoresOutput(signature, scoresName, artifact), label };
}

function mayHoldLabels(output: TensorSpec): boolean {
  const { kind } = datatypes[output.datatype];
  return (kind === 'integer' || kind === 'bytes') && (output.shape.length <= 1 || (output.shape.length === 2 && output.shape[1] === 1));
}

export function evidentLabel(signature: Signature): TensorSpec | undefined {
  const candidates = signature.outputs.filter(mayHoldLabels);
  return candidates.find((output) => /label|class|pred/i.test(output.name)) ?? (candidates.length === 1 ? candidates[0] : undefined);
}
