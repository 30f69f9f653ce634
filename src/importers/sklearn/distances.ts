/** Distances of each row from known points, and kernels of both. */
import type { Fitted } from './fitted.ts';
import { transposed } from './fitted.ts';
import type { Graph, Value } from './graph.ts';
import { expandedSquaredDistances } from './results.ts';

export interface Points {
  readonly count: number;
  readonly width: number;
  readonly data: Float64Array;
}

/** More columns than these are not looked at one by one. */
const mostColumns = 128;

/** Σ of `apply(x - y)` over the columns, one after the other as a tree search adds them: [rows, points]. */
function overColumns(graph: Graph, rows: Value, points: Points, combine: 'Add' | 'Max', apply: (difference: Value) => Value): Value {
  const columns = transposed(points.data, points.count, points.width);
  let total: Value | undefined;
  for (let column = 0; column < points.width; column++) {
    const difference = graph.subtract(graph.take(rows, [column]), graph.doubles(columns.slice(column * points.count, (column + 1) * points.count), [1, points.count]));
    const part = apply(difference);
    total = total === undefined ? part : graph.binary(combine, total, part);
  }
  return total!;
}

export function squaredEuclidean(graph: Graph, rows: Value, points: Points): Value {
  if (points.width > mostColumns) return expandedSquaredDistances(graph, rows, points);
  return overColumns(graph, rows, points, 'Add', (difference) => graph.multiply(difference, difference));
}

/** A metric of scikit-learn by its name. `order` is Minkowski's p. */
export function distances(graph: Graph, rows: Value, points: Points, metric: string, order: number, record: Fitted): Value {
  const apart = (combine: 'Add' | 'Max', apply: (difference: Value) => Value) => overColumns(graph, rows, points, combine, apply);
  switch (metric) {
    case 'minkowski':
      if (order === 2) return graph.map('Sqrt', squaredEuclidean(graph, rows, points));
      if (order === 1) return apart('Add', (difference) => graph.map('Abs', difference));
      return graph.power(apart('Add', (difference) => graph.power(graph.map('Abs', difference), order)), 1 / order);
    case 'euclidean':
    case 'l2':
      return graph.map('Sqrt', squaredEuclidean(graph, rows, points));
    case 'sqeuclidean':
      return squaredEuclidean(graph, rows, points);
    case 'manhattan':
    case 'cityblock':
    case 'l1':
      return apart('Add', (difference) => graph.map('Abs', difference));
    case 'chebyshev':
      return apart('Max', (difference) => graph.map('Abs', difference));
    default:
      return record.refuse(`the metric '${metric}' is not covered; euclidean, manhattan, chebyshev and minkowski are`);
  }
}

export interface KernelParameters {
  readonly gamma: number;
  readonly degree: number;
  readonly coef0: number;
}

/** A kernel by its name: [rows, points]. */
export function kernel(graph: Graph, rows: Value, points: Points, name: string, { gamma, degree, coef0 }: KernelParameters, record: Fitted): Value {
  const product = () => graph.matmul(rows, graph.doubles(transposed(points.data, points.count, points.width), [points.width, points.count]));
  const affine = () => graph.add(graph.multiply(product(), gamma), coef0);
  switch (name) {
    case 'linear':
      return product();
    case 'rbf':
      return graph.map('Exp', graph.multiply(squaredEuclidean(graph, rows, points), -gamma));
    case 'poly':
    case 'polynomial':
      return graph.power(affine(), degree);
    case 'sigmoid':
      return graph.map('Tanh', affine());
    case 'laplacian':
      return graph.map('Exp', graph.multiply(overColumns(graph, rows, points, 'Add', (difference) => graph.map('Abs', difference)), -gamma));
    default:
      return record.refuse(`the kernel '${name}' is not covered; linear, rbf, poly, sigmoid and laplacian are`);
  }
}
