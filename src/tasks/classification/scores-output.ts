/** The output that holds one score a class. */
import type { Artifact } from '../../artifact.ts';
import { ModelportError } from '../../errors.ts';
import { suggestName } from '../../lib/suggest-name.ts';
import type { Signature, TensorSpec } from '../../model.ts';
import { datatypes } from '../../tensor.ts';
import { classEvidence } from './class-labels.ts';

/** Whether a tensor may hold scores: numbers, the classes along its last axis. */
export function mayHoldScores(output: TensorSpec): boolean {
  return datatypes[output.datatype].kind === 'float' && output.shape.length >= 1 && output.shape.length <= 2;
}

/** The named output, else the one that evidently has classes, else the only one. Throws `INVALID_CONFIG`. */
export function findScoresOutput(signature: Signature, name: string | undefined, artifact: Artifact): TensorSpec {
  const names = signature.outputs.map((output) => output.name);
  if (name !== undefined) {
    const named = signature.outputs.find((output) => output.name === name);
    if (named === undefined) throw new ModelportError('INVALID_CONFIG', `task.output is '${name}', but the model has no such output${suggestName(name, names)}`, { at: 'task.output' });
    if (!mayHoldScores(named)) throw notScores(named);
    return named;
  }
  const candidates = signature.outputs.filter(mayHoldScores);
  const evident = candidates.filter((output) => classEvidence(output, artifact) !== undefined);
  const chosen = evident.length === 1 ? evident[0] : candidates.length === 1 ? candidates[0] : undefined;
  if (chosen !== undefined) return chosen;
  if (candidates.length === 0 && signature.outputs.length === 1) throw notScores(signature.outputs[0]!);
  throw new ModelportError('INVALID_CONFIG', `which output holds the scores of the classes is not evident: say task.output, one of ${names.map((output) => `'${output}'`).join(', ')}`, { at: 'task.output' });
}

function notScores(output: TensorSpec): ModelportError {
  return new ModelportError(
    'INVALID_CONFIG',
    `output '${output.name}' is ${output.datatype} [${output.shape.join(', ')}], but scores of classes are floats in rows, [batch, classes]`,
    { at: 'task.output' },
  );
}

/** How many classes an output has; undefined where its shape does not say. One column means two classes. */
export function classCount(output: TensorSpec): number | undefined {
  const last = output.shape.at(-1);
  if (output.shape.length === 1 && output.batchAxis === 0) return 2;
  if (typeof last !== 'number' || last < 1) return output.labels?.length;
  return last === 1 ? 2 : last;
}
