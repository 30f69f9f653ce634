/** What each objective makes of the sum of the trees, and how `base_score` becomes a part of that sum. https://xgboost.readthedocs.io/en/stable/parameter.html */
import { ElementType } from '../../../onnx/data-type.ts';
import type { GraphBuilder, Value } from '../../../onnx/graph-builder.ts';
import { refused } from '../model-file.ts';
import { softmaxClasses, twoClasses, type Answer } from '../tabular-model.ts';

export interface Objective {
  /** From `base_score`, which is in the units of the prediction. */
  toMargin(baseScore: number): number;
  /** From margins, [rows, outputs]. */
  answer(graph: GraphBuilder, margins: Value, classCount: number): Answer;
}

const itself = (score: number): number => score;
const logit = (score: number): number => -Math.log(1 / score - 1);

function numbers(transform: (graph: GraphBuilder, margins: Value) => Value, toMargin: (score: number) => number): Objective {
  return { toMargin, answer: (graph, margins) => ({ kind: 'numbers', values: transform(graph, margins) }) };
}

const identity = numbers((_, margins) => margins, itself);
const exponential = numbers((graph, margins) => graph.op.exp(margins), Math.log);
const logistic = numbers((graph, margins) => graph.op.sigmoid(margins), logit);

/** One column is the probability of the second of two classes; several are labels that don't exclude each other. */
const binaryLogistic: Objective = {
  toMargin: logit,
  answer(graph, margins) {
    const probabilities = graph.op.sigmoid(margins);
    const width = margins.shape?.[1];
    if (width === 1) return twoClasses(graph, probabilities, [0, 1]);
    return {
      kind: 'labels',
      probabilities,
      given: graph.op.cast(graph.op.greater(probabilities, 0.5), ElementType.INT64),
      labels: Array.from({ length: width as number }, (_, index) => index),
    };
  },
};

const hinge: Objective = {
  toMargin: itself,
  answer: (graph, margins) => twoClasses(graph, graph.op.cast(graph.op.greater(margins, 0), ElementType.FLOAT), [0, 1]),
};

const classes: Objective = {
  toMargin: itself,
  answer(graph, margins, classCount) {
    if (classCount < 1 || margins.shape?.[1] !== classCount) throw refused(`num_class is ${classCount}, but the model has ${String(margins.shape?.[1])} outputs`);
    return softmaxClasses(graph, margins, Array.from({ length: classCount }, (_, index) => index));
  },
};

const objectives: Readonly<Record<string, Objective>> = {
  'reg:squarederror': identity,
  'reg:linear': identity,
  'reg:squaredlogerror': identity,
  'reg:pseudohubererror': identity,
  'reg:absoluteerror': identity,
  'reg:quantileerror': identity,
  'reg:expectileerror': identity,
  'reg:logistic': logistic,
  'reg:gamma': exponential,
  'reg:tweedie': exponential,
  'count:poisson': exponential,
  'survival:cox': exponential,
  'survival:aft': exponential,
  'binary:logistic': binaryLogistic,
  'binary:logitraw': identity,
  'binary:hinge': hinge,
  'multi:softmax': classes,
  'multi:softprob': classes,
  'rank:pairwise': identity,
  'rank:ndcg': identity,
  'rank:map': identity,
};

/** Throws `INVALID_MODEL` naming an objective that is not covered. */
export function objectiveOf(name: string): Objective {
  const objective = Object.hasOwn(objectives, name) ? objectives[name] : undefined;
  if (objective === undefined) throw refused(`the objective '${name}' is not covered (covered: ${Object.keys(objectives).join(', ')})`, 'learner.objective.name');
  return objective;
}
