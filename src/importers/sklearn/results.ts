/** Steps that many converters end with. */
import type { Fitted, Labels } from './fitted.ts';
import { transposed } from './fitted.ts';
import { DOUBLE, INT64, type Graph, type Value } from './graph.ts';
import type { Frame } from './frame.ts';

/** `rows · coefficientsᵀ + intercept`, as most estimators keep a linear map: a row of coefficients for each target. */
export function affine(graph: Graph, rows: Value, coefficients: { readonly count: number; readonly width: number; readonly data: Float64Array }, intercept?: ArrayLike<number>): Value {
  const { count, width, data } = coefficients;
  const product = graph.matmul(rows, graph.doubles(transposed(data, count, width), [width, count]));
  if (intercept === undefined || Array.from(intercept).every((value) => value === 0)) return product;
  return graph.add(product, graph.doubles(intercept, [1, intercept.length]));
}

/** Scores of one column mean the second class where they are positive; of several, the class of the largest. */
export function classOfScores(graph: Graph, scores: Value, width: number): Value {
  return width === 1 ? graph.cast(graph.greater(scores, 0), INT64) : graph.argmax(scores);
}

/** [1 - p, p] of one column p. */
export function bothClasses(graph: Graph, second: Value): Value {
  return graph.concat([graph.subtract(1, second), second]);
}

/** Written out, since ONNX Runtime's own is 0 where the true value is small but counts against others. */
export function logistic(graph: Graph, value: Value): Value {
  return graph.divide(1, graph.add(graph.map('Exp', graph.map('Neg', value)), 1));
}

/** Rows divided by their sum. Rows whose sum is 0 become `otherwise` everywhere. */
export function normalizedRows(graph: Graph, value: Value, otherwise?: number): Value {
  const sums = graph.sum(value);
  const empty = graph.equal(sums, 0);
  const divided = graph.divide(value, graph.where(empty, 1, sums));
  return otherwise === undefined ? divided : graph.where(empty, otherwise, divided);
}

/** Log likelihoods minus their logarithmic sum, as probabilities. */
export function exponentialOfNormalized(graph: Graph, logs: Value): Value {
  return graph.softmax(logs);
}

/** The sum of squared differences between each row and each of `points`: [rows, points]. */
export function squaredDistances(graph: Graph, rows: Value, points: { readonly count: number; readonly width: number; readonly data: Float64Array }): Value {
  const difference = graph.subtract(graph.unsqueeze(rows, 1), graph.doubles(points.data, [1, points.count, points.width]));
  return graph.reduce('ReduceSumSquare', difference, 2, false);
}

/**
 * |x|² - 2x·y + |y|², as scikit-learn's euclidean_distances: less memory than the differences, and less exact.
 */
export function expandedSquaredDistances(graph: Graph, rows: Value, points: { readonly count: number; readonly width: number; readonly data: Float64Array }): Value {
  const { count, width, data } = points;
  const norms = Float64Array.from({ length: count }, (_, index) => data.subarray(index * width, (index + 1) * width).reduce((total, value) => total + value * value, 0));
  const product = graph.matmul(rows, graph.doubles(transposed(data, count, width), [width, count]));
  const sum = graph.add(graph.add(graph.multiply(product, -2), graph.reduce('ReduceSumSquare', rows)), graph.doubles(norms, [1, count]));
  return graph.maximum(sum, 0);
}

/** The labels at `places`, INT64 of any shape, in the type that scikit-learn gives them. */
export function labelAt(graph: Graph, labels: Labels, places: Value): Value {
  switch (labels.kind) {
    case 'text':
      return graph.gather(graph.texts(labels.values), places);
    case 'integer':
      return labels.values.every((value, index) => value === index) ? places : graph.gather(graph.integers(labels.values), places);
    case 'boolean':
      return graph.gather(graph.booleans(labels.values), places);
    default:
      return graph.gather(graph.doubles(labels.values), places);
  }
}

/** Names of the classes as texts. */
export function labelNames({ kind, values }: Labels): string[] {
  // Python says 1.0 where JavaScript says 1.
  return values.map((value) => (kind === 'boolean' ? (value === true ? 'True' : 'False') : kind === 'float' && Number.isInteger(value) ? `${String(value)}.0` : String(value)));
}

export function labelsOfCount(count: number): Labels {
  return { kind: 'integer', values: Array.from({ length: count }, (_, index) => index) };
}

/** The parts of a classifier that follow from scores. */
export function classifierOfScores(record: Fitted, scores: (rows: Frame) => Value, labels: Labels) {
  const decisionWidth = labels.values.length === 2 ? 1 : labels.values.length;
  return { record, classes: labels, decision: scores, decisionWidth, classIndex: (rows: Frame) => classOfScores(rows.graph, scores(rows), decisionWidth) };
}

/** The parts of a classifier that follow from probabilities. */
export function classifierOfProbabilities(record: Fitted, probabilities: (rows: Frame) => Value, classes: Labels) {
  return { record, classes, probabilities, classIndex: (rows: Frame) => rows.graph.argmax(probabilities(rows)) };
}

export { DOUBLE };
