/** Support vector machines, as libsvm keeps them. */
import type { Converter, Converters } from './estimator.ts';
import { kernel, type Points } from './distances.ts';
import type { Frame } from './frame.ts';
import type { Fitted } from './fitted.ts';
import { transposed } from './fitted.ts';
import { DOUBLE, INT64, type Graph, type Value } from './graph.ts';
import { logistic } from './results.ts';

function kernelOf(record: Fitted): (rows: Frame) => Value {
  const name = record.get('kernel') === undefined ? 'rbf' : record.text('kernel');
  const vectors: Points = record.rows('support_vectors_');
  const parameters = { gamma: record.number('_gamma', 0), degree: record.number('degree', 3), coef0: record.number('coef0', 0) };
  return (rows) => kernel(rows.graph, rows.numbers(), vectors, name, parameters, record);
}

/** Kernel values times a row of coefficients: [rows, 1]. */
function weighted(graph: Graph, values: Value, coefficients: ArrayLike<number>): Value {
  return graph.matmul(values, graph.doubles(coefficients, [coefficients.length, 1]));
}

function singleDecision(record: Fitted): (rows: Frame) => Value {
  const values = kernelOf(record);
  const coefficients = record.rows('dual_coef_').data;
  const intercept = record.vector('intercept_')[0]!;
  return (rows) => rows.graph.add(weighted(rows.graph, values(rows), coefficients), intercept);
}

const regressor: Converter = (record) => ({ record, targets: 1, flat: true, predict: singleDecision(record) });

const oneClass: Converter = (record) => {
  const decision = singleDecision(record);
  return {
    record,
    decision,
    decisionWidth: 1,
    scoreSamples: (rows) => rows.graph.add(decision(rows), record.vector('offset_')[0]!),
    cluster: (rows) => rows.graph.cast(rows.graph.where(rows.graph.greater(decision(rows), 0), 1, -1), INT64),
  };
};

/** One machine a pair of classes; each votes. Probabilities by pairwise coupling are covered for two classes. */
const classifier: Converter = (record) => {
  const labels = record.labels('classes_');
  const count = labels.values.length;
  const values = kernelOf(record);
  if (count === 2) {
    const decision = singleDecision(record);
    const slopes = record.has('_probA') ? record.vector('_probA') : new Float64Array(0);
    return {
      record,
      classes: labels,
      decision,
      decisionWidth: 1,
      classIndex: (rows) => rows.graph.cast(rows.graph.greater(decision(rows), 0), INT64),
      ...(record.get('probability') === true && slopes.length === 1 ? { probabilities: (rows: Frame) => plattProbabilities(rows.graph, decision(rows), slopes[0]!, record.vector('_probB')[0]!) } : {}),
    };
  }
  const { count: rowsOfCoefficients, width: vectors, data } = record.rows('dual_coef_');
  if (rowsOfCoefficients !== count - 1) record.refuse('its dual_coef_ does not fit its classes');
  const perClass = Array.from(record.vector('_n_support'));
  const firstOf = perClass.map((_, index) => perClass.slice(0, index).reduce((total, size) => total + size, 0));
  const pairs: (readonly [number, number])[] = [];
  for (let left = 0; left < count; left++) for (let right = left + 1; right < count; right++) pairs.push([left, right]);
  const intercept = record.vector('intercept_');
  const matrix = new Float64Array(pairs.length * vectors);
  for (const [pair, [left, right]] of pairs.entries()) {
    for (let at = firstOf[left]!; at < firstOf[left]! + perClass[left]!; at++) matrix[pair * vectors + at] = data[(right - 1) * vectors + at]!;
    for (let at = firstOf[right]!; at < firstOf[right]! + perClass[right]!; at++) matrix[pair * vectors + at] = data[left * vectors + at]!;
  }
  const pairwise = (rows: Frame) => rows.graph.add(rows.graph.matmul(values(rows), rows.graph.doubles(transposed(matrix, pairs.length, vectors), [vectors, pairs.length])), rows.graph.doubles(intercept, [1, pairs.length]));
  const votesFor = (side: 0 | 1) => Float64Array.from({ length: pairs.length * count }, (_, at) => (pairs[Math.floor(at / count)]![side] === at % count ? 1 : 0));
  const votes = (graph: Graph, scores: Value) => {
    const first = graph.cast(graph.greater(scores, 0), DOUBLE);
    return graph.add(graph.matmul(first, graph.doubles(votesFor(0), [pairs.length, count])), graph.matmul(graph.subtract(1, first), graph.doubles(votesFor(1), [pairs.length, count])));
  };
  const overRest = (rows: Frame) => oneVersusRestScores(rows.graph, rows.graph.map('Neg', pairwise(rows)), rows.graph.less(pairwise(rows), 0), count);
  const rest = record.text('decision_function_shape', 'ovr') === 'ovr';
  return {
    record,
    classes: labels,
    decision: rest ? overRest : pairwise,
    decisionWidth: rest ? count : pairs.length,
    classIndex: (rows) => rows.graph.argmax(record.flag('break_ties', false) && rest ? overRest(rows) : votes(rows.graph, pairwise(rows))),
  };
};

/** libsvm's sigmoid, kept away from 0 and 1. */
function plattProbabilities(graph: Graph, decision: Value, slope: number, offset: number): Value {
  const least = 1e-7;
  // libsvm's decision has the first class on the positive side.
  const first = logistic(graph, graph.map('Neg', graph.add(graph.multiply(graph.map('Neg', decision), slope), offset)));
  const kept = graph.minimum(graph.maximum(first, least), 1 - least);
  return graph.concat([kept, graph.subtract(1, kept)]);
}

/** Votes of pairs, and their confidences where votes are equal. `second` tells which pairs vote for their second class. */
export function oneVersusRestScores(graph: Graph, confidences: Value, second: Value, count: number): Value {
  const pairs = (count * (count - 1)) / 2;
  const signs = new Float64Array(pairs * count);
  const wins = { first: new Float64Array(pairs * count), second: new Float64Array(pairs * count) };
  let pair = 0;
  for (let left = 0; left < count; left++) {
    for (let right = left + 1; right < count; right++, pair++) {
      signs[pair * count + left] = -1;
      signs[pair * count + right] = 1;
      wins.first[pair * count + left] = 1;
      wins.second[pair * count + right] = 1;
    }
  }
  const chosen = graph.cast(second, DOUBLE);
  const matrix = (values: Float64Array) => graph.doubles(values, [pairs, count]);
  const votes = graph.add(graph.matmul(chosen, matrix(wins.second)), graph.matmul(graph.subtract(1, chosen), matrix(wins.first)));
  const sums = graph.matmul(confidences, matrix(signs));
  return graph.add(votes, graph.divide(sums, graph.multiply(graph.add(graph.map('Abs', sums), 1), 3)));
}

export const supportVectors: Converters = {
  'sklearn.svm._classes.SVC': classifier,
  'sklearn.svm._classes.NuSVC': classifier,
  'sklearn.svm._classes.SVR': regressor,
  'sklearn.svm._classes.NuSVR': regressor,
  'sklearn.svm._classes.OneClassSVM': oneClass,
};
