/** Estimators that put something together from the nearest of their training rows: maps of manifolds, spread labels, imputed values, densities. */
import { NumpyArray } from '../../formats/numpy/numpy-array.ts';
import { PickledObject } from '../../formats/pickle/pickle-value.ts';
import type { Converter, Converters } from './estimator.ts';
import { distances, kernel, type Points } from './distances.ts';
import { solved } from './batched-solve.ts';
import { centredProjection } from './decomposition.ts';
import { Frame } from './frame.ts';
import { matrixOf, numberOf, type Fitted } from './fitted.ts';
import { DOUBLE, type Graph, type Value } from './graph.ts';
import { classifierOfProbabilities } from './results.ts';

/** Numbers of a table with a row for each row and point. */
const mostWidth = 100_000;

function pointsOf(record: Fitted): Points {
  const points = record.rows('_fit_X');
  return points.count > mostWidth ? record.refuse(`it keeps ${points.count} training rows; up to ${mostWidth} are covered`) : points;
}

function apartFrom(record: Fitted, rows: Frame, points: Points): Value {
  const parameters = record.get('effective_metric_params_');
  const order = parameters instanceof Map ? (numberOf((parameters as Map<string, never>).get('p')) ?? 2) : 2;
  return distances(rows.graph, rows.numbers(), points, record.text('effective_metric_', 'euclidean'), order, record);
}

function smallest(graph: Graph, all: Value, count: number): readonly [found: Value, places: Value] {
  const [found, places] = graph.nodes('TopK', [all, graph.integers([count])], 2, { attributes: { axis: 1, largest: 0, sorted: 1 } });
  return [found!, places!];
}

/** A matrix of distances to all training rows, 0 where they are not among the nearest. */
const nearestGraph: Converter = (record) => {
  const points = pointsOf(record);
  const asDistances = record.text('mode', 'distance') === 'distance';
  const count = record.number('n_neighbors') + (asDistances ? 1 : 0);
  return {
    record,
    transform: (rows) => {
      const { graph } = rows;
      const all = apartFrom(record, rows, points);
      const [found, places] = smallest(graph, all, count);
      const value = asDistances ? found : graph.add(graph.multiply(found, 0), 1);
      return Frame.of(graph, graph.node('ScatterElements', [graph.multiply(all, 0), places, value], { attributes: { axis: 1 } }), points.count);
    },
  };
};

const radiusGraph: Converter = (record) => {
  const points = pointsOf(record);
  return {
    record,
    transform: (rows) => {
      const { graph } = rows;
      const all = apartFrom(record, rows, points);
      const near = graph.atMost(all, record.number('radius'));
      return Frame.of(graph, record.text('mode', 'distance') === 'distance' ? graph.where(near, all, 0) : graph.cast(near, DOUBLE), points.count);
    },
  };
};

/** The shortest way over a neighbour to each training row, and its place in the map. */
const isomap: Converter = (record) => {
  const finder = record.child('nbrs_');
  const points = pointsOf(finder);
  if (record.has('radius')) record.refuse('a radius is not covered; say n_neighbors');
  const ways = record.rows('dist_matrix_');
  const count = record.number('n_neighbors');
  const projection = record.child('kernel_pca_');
  return {
    record,
    transform: (rows) => {
      const { graph } = rows;
      const [found, places] = smallest(graph, apartFrom(finder, rows, points), count);
      const over = graph.add(graph.gather(graph.doubles(ways.data, [ways.count, ways.width]), places), graph.unsqueeze(found, 2));
      const shortest = graph.reduce('ReduceMin', over, 1, false);
      return centredProjection(graph, graph.multiply(graph.multiply(shortest, shortest), -0.5), projection);
    },
  };
};

/** Each row as a mixture of its neighbours, and the same mixture of their places in the map. */
const locallyLinear: Converter = (record) => {
  const finder = record.child('nbrs_');
  const points = pointsOf(finder);
  const embedding = record.rows('embedding_');
  const count = record.number('n_neighbors');
  if (count > mostNeighbors) record.refuse(`n_neighbors is ${count}; up to ${mostNeighbors} are covered`);
  const regularization = record.number('reg', 1e-3);
  return {
    record,
    transform: (rows) => {
      const { graph } = rows;
      const [, places] = smallest(graph, apartFrom(finder, rows, points), count);
      const differences = graph.subtract(graph.gather(graph.doubles(points.data, [points.count, points.width]), places), graph.unsqueeze(rows.numbers(), 1));
      const gram = graph.matmul(differences, graph.transpose(differences, [0, 2, 1]));
      const identity = graph.doubles(Float64Array.from({ length: count * count }, (_, at) => (at % (count + 1) === 0 ? 1 : 0)), [1, count, count]);
      const trace = graph.node('ReduceSum', [graph.multiply(gram, identity), graph.integers([1, 2])], { attributes: { keepdims: 1 } });
      const added = graph.where(graph.greater(trace, 0), graph.multiply(trace, regularization), regularization);
      const weights = solved(graph, graph.add(gram, graph.multiply(identity, added)), graph.repeatRows(graph.doubles(new Float64Array(count).fill(1), [1, count]), places), count);
      const mixture = graph.unsqueeze(graph.divide(weights, graph.sum(weights)), 1);
      return Frame.of(graph, graph.squeeze(graph.matmul(mixture, graph.gather(graph.doubles(embedding.data, [embedding.count, embedding.width]), places)), 1), embedding.width);
    },
  };
};

const mostNeighbors = 100;

/** Labels that spread from the training rows to new ones. */
const spreadLabels: Converter = (record) => {
  const points = record.rows('X_');
  const labels = record.labels('classes_');
  const spread = record.rows('label_distributions_');
  const name = record.text('kernel', 'rbf');
  return classifierOfProbabilities(
    record,
    (rows) => {
      const { graph } = rows;
      if (graph.numberType !== DOUBLE) record.refuse('its weights are too small for float32: leave the precision out');
      let sums: Value;
      if (name === 'knn') {
        const [, places] = smallest(graph, distances(graph, rows.numbers(), points, 'euclidean', 2, record), record.number('n_neighbors', 7));
        sums = graph.reduce('ReduceSum', graph.gather(graph.doubles(spread.data, [spread.count, spread.width]), places), 1, false);
      } else {
        sums = graph.matmul(kernel(graph, rows.numbers(), points, name, { gamma: record.number('gamma', 20), degree: 3, coef0: 1 }, record), graph.doubles(spread.data, [spread.count, spread.width]));
      }
      const total = graph.sum(sums);
      return graph.divide(sums, graph.where(graph.equal(total, 0), 1, total));
    },
    labels,
  );
};

/** What the nearest training rows have that know the column: distances over the columns that both know. */
const nearestImputer: Converter = (record) => {
  const points = pointsOf(record);
  if (!Number.isNaN(numberOf(record.get('missing_values')) ?? Number.NaN)) record.refuse('missing_values other than NaN are not covered');
  if (record.get('metric') !== undefined && record.text('metric') !== 'nan_euclidean') record.refuse('its metric is a function of its own');
  const weighted = record.text('weights', 'uniform') === 'distance';
  const { count, width, data } = points;
  const column = (place: number) => Array.from({ length: count }, (_, row) => data[row * width + place]!);
  const known = Array.from({ length: width }, (_, place) => column(place).flatMap((value, row) => (Number.isNaN(value) ? [] : [row])));
  const kept = known.flatMap((rows, place) => (rows.length > 0 || record.flag('keep_empty_features', false) ? [place] : []));
  const indicator = record.has('indicator_') ? record.child('indicator_') : undefined;
  const flagged = indicator === undefined ? [] : Array.from(indicator.vector('features_'));
  return {
    record,
    transform: (rows) => {
      const { graph } = rows;
      const input = rows.numbers();
      const holes = graph.node('IsNaN', [input]);
      const filled = graph.where(holes, 0, input);
      const present = graph.cast(graph.not(holes), DOUBLE);
      const knownData = graph.doubles(data.map((value) => (Number.isNaN(value) ? 0 : 1)), [count, width]);
      let squares: Value | undefined;
      for (let place = 0; place < width; place++) {
        const values = column(place);
        const difference = graph.subtract(graph.take(filled, [place]), graph.doubles(values.map((value) => (Number.isNaN(value) ? 0 : value)), [1, count]));
        const both = graph.multiply(graph.take(present, [place]), graph.doubles(values.map((value) => (Number.isNaN(value) ? 0 : 1)), [1, count]));
        const part = graph.multiply(graph.multiply(difference, difference), both);
        squares = squares === undefined ? part : graph.add(squares, part);
      }
      const shared = graph.matmul(present, graph.transpose(knownData, [1, 0]));
      const none = graph.equal(shared, 0);
      const apart = graph.where(none, Infinity, graph.map('Sqrt', graph.multiply(squares!, graph.divide(width, graph.where(none, 1, shared)))));
      const columns = kept.map((place) => {
        const own = graph.take(input, [place]);
        const donors = known[place]!;
        if (donors.length === 0) return graph.where(graph.take(holes, [place]), 0, own);
        const values = column(place);
        const mean = donors.reduce((total, row) => total + values[row]!, 0) / donors.length;
        const [found, places] = smallest(graph, graph.take(apart, donors), Math.min(record.number('n_neighbors', 5), donors.length));
        const near = graph.less(found, Infinity);
        const same = graph.equal(found, 0);
        const exact = graph.cast(same, DOUBLE);
        const weights = weighted ? graph.where(graph.greater(graph.sum(exact), 0), exact, graph.where(near, graph.divide(1, graph.where(same, 1, found)), 0)) : graph.cast(near, DOUBLE);
        const total = graph.sum(weights);
        const average = graph.divide(graph.sum(graph.multiply(graph.gather(graph.doubles(donors.map((row) => values[row]!)), places), weights)), graph.where(graph.equal(total, 0), 1, total));
        return graph.where(graph.take(holes, [place]), graph.where(graph.equal(total, 0), mean, average), own);
      });
      const blocks = [{ value: graph.concat(columns), width: kept.length }];
      if (flagged.length > 0) blocks.push({ value: graph.cast(graph.take(holes, flagged), DOUBLE), width: flagged.length });
      return new Frame(graph, blocks);
    },
  };
};

/** Logarithm of Γ(x) for halves and wholes, by recurrence. */
function logGamma(value: number): number {
  let sum = Number.isInteger(value) ? 0 : 0.5 * Math.log(Math.PI);
  for (let at = Number.isInteger(value) ? 1 : 0.5; at < value - 1e-9; at++) sum += Math.log(at);
  return sum;
}

/** What the kernel integrates to, in `width` dimensions with bandwidth 1, as a logarithm: volumes of balls and surfaces of spheres. */
function logNorm(name: string, width: number, record: Fitted): number {
  const volume = (dimensions: number) => 0.5 * dimensions * Math.log(Math.PI) - logGamma(0.5 * dimensions + 1);
  const surface = (dimensions: number) => Math.log(2 * Math.PI) + volume(dimensions - 1);
  switch (name) {
    case 'gaussian': return 0.5 * width * Math.log(2 * Math.PI);
    case 'tophat': return volume(width);
    case 'epanechnikov': return volume(width) + Math.log(2 / (width + 2));
    case 'exponential': return surface(width - 1) + logGamma(width);
    case 'linear': return volume(width) - Math.log(width + 1);
    case 'cosine': {
      let factor = 0;
      let term = 2 / Math.PI;
      for (let power = 1; power <= width; power += 2) {
        factor += term;
        term *= -(width - power) * (width - power - 1) * (2 / Math.PI) ** 2;
      }
      return Math.log(factor) + surface(width - 1);
    }
    default: return record.refuse(`the kernel '${name}' is not covered`);
  }
}

/** Logarithm of a kernel at distances in units of the bandwidth. */
function logKernel(graph: Graph, name: string, apart: Value): Value {
  const within = graph.less(apart, 1);
  const inside = (value: Value) => graph.where(within, value, -Infinity);
  const safe = graph.where(within, apart, 0);
  switch (name) {
    case 'gaussian': return graph.multiply(graph.multiply(apart, apart), -0.5);
    case 'tophat': return inside(graph.multiply(safe, 0));
    case 'epanechnikov': return inside(graph.map('Log', graph.subtract(1, graph.multiply(safe, safe))));
    case 'exponential': return graph.map('Neg', apart);
    case 'linear': return inside(graph.map('Log', graph.subtract(1, safe)));
    default: return inside(graph.map('Log', graph.map('Cos', graph.multiply(safe, Math.PI / 2))));
  }
}

/** The sum of a kernel around each training row. */
const kernelDensity: Converter = (record) => {
  const tree = record.get('tree_');
  const state = tree instanceof PickledObject && Array.isArray(tree.state) ? (tree.state as unknown[]) : record.refuse('its tree_ is not one of scikit-learn');
  const data = matrixOf(state[0] as NumpyArray);
  if (data?.shape.length !== 2) return record.refuse('its tree_ has no training rows');
  const points: Points = { count: data.shape[0]!, width: data.shape[1]!, data: data.data };
  const last = state.at(-1);
  const weights = last instanceof NumpyArray && last.shape.length === 1 && last.shape[0] === points.count ? matrixOf(last)!.data : undefined;
  const name = record.text('kernel', 'gaussian');
  const bandwidth = record.has('bandwidth_') ? record.number('bandwidth_') : record.number('bandwidth', 1);
  const constant = -logNorm(name, points.width, record) - points.width * Math.log(bandwidth) - Math.log(weights === undefined ? points.count : weights.reduce((total, weight) => total + weight, 0));
  const parameters = record.get('metric_params');
  const order = parameters instanceof Map ? (numberOf((parameters as Map<string, never>).get('p')) ?? 2) : 2;
  return {
    record,
    scoreSamples: (rows) => {
      const { graph } = rows;
      const logs = logKernel(graph, name, graph.divide(distances(graph, rows.numbers(), points, record.text('metric', 'euclidean'), order, record), bandwidth));
      const weighted = weights === undefined ? logs : graph.add(logs, graph.doubles(weights.map(Math.log), [1, points.count]));
      // Where no training row is near, the largest is no number to subtract.
      const largest = graph.reduce('ReduceMax', weighted);
      const base = graph.where(graph.equal(largest, -Infinity), 0, largest);
      return graph.add(graph.add(graph.map('Log', graph.sum(graph.map('Exp', graph.subtract(weighted, base)))), base), constant);
    },
  };
};

export const neighborGraphs: Converters = {
  'sklearn.neighbors._graph.KNeighborsTransformer': nearestGraph,
  'sklearn.neighbors._graph.RadiusNeighborsTransformer': radiusGraph,
  'sklearn.neighbors._kde.KernelDensity': kernelDensity,
  'sklearn.impute._knn.KNNImputer': nearestImputer,
  'sklearn.manifold._isomap.Isomap': isomap,
  'sklearn.manifold._locally_linear.LocallyLinearEmbedding': locallyLinear,
  'sklearn.semi_supervised._label_propagation.LabelPropagation': spreadLabels,
  'sklearn.semi_supervised._label_propagation.LabelSpreading': spreadLabels,
};
