/** What each objective of LightGBM makes of the sums of the trees. https://lightgbm.readthedocs.io/en/stable/Parameters.html#objective */
import type { GraphBuilder, Value } from '../../../onnx/graph-builder.ts';
import { refused } from '../model-file.ts';
import { twoClasses, type Answer } from '../tabular-model.ts';

/** From scores, [rows, scores]. */
export type Objective = (graph: GraphBuilder, scores: Value) => Answer;

const identities = new Set(['regression', 'regression_l1', 'huber', 'fair', 'quantile', 'mape', 'lambdarank', 'rank_xendcg']);
const exponentials = new Set(['poisson', 'gamma', 'tweedie']);
const covered = [...identities, ...exponentials, 'binary', 'multiclass', 'multiclassova', 'cross_entropy', 'cross_entropy_lambda'];

/** `line`: the header's `objective`, a name and its parameters; '' where there is none: the scores are the answer. Throws `INVALID_MODEL`. */
export function objectiveOf(line: string, scoreCount: number, classCount: number): Objective {
  const [name = '', ...words] = line.split(' ').filter((word) => word !== '');
  const settings = new Map(words.map((word) => [word.split(':')[0]!, word.split(':')[1]] as const));
  const isMultiple = name === 'multiclass' || name === 'multiclassova';
  if (name !== '' && scoreCount !== (isMultiple ? classCount : 1)) throw refused(`the objective '${name}' of ${classCount} classes has ${scoreCount} scores`);
  const numbers = (transform: (graph: GraphBuilder, scores: Value) => Value): Objective => (graph, scores) => ({ kind: 'numbers', values: transform(graph, scores) });
  const labels = Array.from({ length: classCount }, (_, index) => index);

  if (name === '') return numbers((_, scores) => scores);
  if (identities.has(name)) {
    return numbers((graph, scores) => (settings.has('sqrt') ? graph.op.mul(scores, graph.op.abs(scores)) : scores));
  }
  if (exponentials.has(name)) return numbers((graph, scores) => graph.op.exp(scores));
  switch (name) {
    case 'binary': {
      const slope = slopeOf(settings);
      return (graph, scores) => twoClasses(graph, graph.op.sigmoid(graph.op.mul(scores, slope)), [0, 1]);
    }
    case 'multiclass':
      return (graph, scores) => classesOf(graph, graph.op.softmax(scores, 1), labels);
    case 'multiclassova': {
      const slope = slopeOf(settings);
      return (graph, scores) => classesOf(graph, graph.op.sigmoid(graph.op.mul(scores, slope)), labels);
    }
    case 'cross_entropy':
      return numbers((graph, scores) => graph.op.sigmoid(scores));
    case 'cross_entropy_lambda':
      // log(1 + exp(x)); far below zero, where 1 would swallow the rest, by its series.
      return numbers((graph, scores) => {
        const { op } = graph;
        const power = op.exp(scores);
        return op.where(op.less(scores, -12), op.mul(power, op.sub(1, op.mul(power, 0.5))), op.log(op.add(power, 1)));
      });
    default:
      throw refused(`the objective '${name}' is not covered (covered: ${covered.join(', ')})`, 'objective');
  }
}

/** LightGBM's classifier answers the first class of the largest probability. */
function classesOf(graph: GraphBuilder, probabilities: Value, labels: readonly number[]): Answer {
  return { kind: 'classes', probabilities, place: graph.op.argMax(probabilities, 1), labels };
}

function slopeOf(settings: ReadonlyMap<string, string | undefined>): number {
  const slope = Number(settings.get('sigmoid') ?? '1');
  if (!(slope > 0)) throw refused(`the objective's sigmoid is '${settings.get('sigmoid') ?? ''}'`);
  return slope;
}
