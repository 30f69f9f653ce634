/** Projections on learned or random directions, and features of kernels. */
import type { Converter, Converters } from './estimator.ts';
import { kernel, distances } from './distances.ts';
import { Frame } from './frame.ts';
import { parameterName } from './compose.ts';
import type { Fitted } from './fitted.ts';
import type { Graph, Value } from './graph.ts';
import { affine } from './results.ts';

function transformer(width: (record: Fitted) => number, apply: (graph: Graph, rows: Value, record: Fitted) => Value): Converter {
  return (record) => ({ record, transform: (rows) => Frame.of(rows.graph, apply(rows.graph, rows.numbers(), record), width(record)) });
}

const components = (record: Fitted) => record.rows('components_').count;

function row(graph: Graph, record: Fitted, name: string): Value {
  const data = record.vector(name);
  return graph.doubles(data, [1, data.length]);
}

const principal = transformer(components, (graph, rows, record) => {
  const projected = affine(graph, graph.subtract(rows, row(graph, record, 'mean_')), record.rows('components_'));
  if (!record.flag('whiten', false)) return projected;
  const scale = record.vector('explained_variance_').map((variance) => Math.max(Math.sqrt(variance), 2 ** -52));
  return graph.divide(projected, graph.doubles(scale, [1, scale.length]));
});

const projection = transformer(components, (graph, rows, record) => affine(graph, rows, record.rows('components_')));

const independent = transformer(components, (graph, rows, record) => affine(graph, record.get('whiten') === false || !record.has('mean_') ? rows : graph.subtract(rows, row(graph, record, 'mean_')), record.rows('components_')));

/** Wz = (W Ψ⁻¹) (I + W Ψ⁻¹ Wᵀ)⁻¹, worked out here: the matrix is small. */
const factors: Converter = (record) => {
  const { count, width, data } = record.rows('components_');
  const noise = record.vector('noise_variance_');
  const scaled = data.map((value, at) => value / noise[at % width]!);
  const inner = Array.from({ length: count }, (_, left) => Float64Array.from({ length: count }, (_unused, right) => {
    let sum = left === right ? 1 : 0;
    for (let column = 0; column < width; column++) sum += scaled[left * width + column]! * data[right * width + column]!;
    return sum;
  }));
  const weights = solve(inner, Array.from({ length: count }, (_, place) => scaled.slice(place * width, (place + 1) * width)));
  const matrix = { count, width, data: Float64Array.from(weights.flatMap((line) => [...line])) };
  return { record, transform: (rows) => Frame.of(rows.graph, affine(rows.graph, rows.graph.subtract(rows.numbers(), row(rows.graph, record, 'mean_')), matrix), count) };
};

/** Gauss and Jordan, with the largest pivot. Changes its arguments. */
export function solve(matrix: Float64Array[], right: Float64Array[]): Float64Array[] {
  const count = matrix.length;
  for (let column = 0; column < count; column++) {
    let pivot = column;
    for (let line = column + 1; line < count; line++) if (Math.abs(matrix[line]![column]!) > Math.abs(matrix[pivot]![column]!)) pivot = line;
    [matrix[column], matrix[pivot]] = [matrix[pivot]!, matrix[column]!];
    [right[column], right[pivot]] = [right[pivot]!, right[column]!];
    for (let line = 0; line < count; line++) {
      const factor = line === column ? 0 : matrix[line]![column]! / matrix[column]![column]!;
      if (factor === 0) continue;
      for (let at = 0; at < count; at++) matrix[line]![at] = matrix[line]![at]! - factor * matrix[column]![at]!;
      for (let at = 0; at < right[line]!.length; at++) right[line]![at] = right[line]![at]! - factor * right[column]![at]!;
    }
  }
  return right.map((line, index) => line.map((value) => value / matrix[index]![index]!));
}

/** Ridge regression on the components. */
const sparsePrincipal: Converter = (record) => {
  const { count, width, data } = record.rows('components_');
  const ridge = record.number('ridge_alpha', 0.01);
  const line = (place: number) => data.subarray(place * width, (place + 1) * width);
  const gram = Array.from({ length: count }, (_, left) => Float64Array.from({ length: count }, (_unused, right) => line(left).reduce((sum, value, at) => sum + value * line(right)[at]!, left === right ? ridge : 0)));
  const weights = { count, width, data: Float64Array.from(solve(gram, Array.from({ length: count }, (_, place) => line(place).slice())).flatMap((part) => [...part])) };
  return { record, transform: (rows) => Frame.of(rows.graph, affine(rows.graph, rows.graph.subtract(rows.numbers(), row(rows.graph, record, 'mean_')), weights), count) };
};

const randomFourier = transformer((record) => record.vector('random_offset_').length, (graph, rows, record) => {
  const weights = record.rows('random_weights_');
  const angles = graph.add(graph.matmul(rows, graph.doubles(weights.data, [weights.count, weights.width])), row(graph, record, 'random_offset_'));
  return graph.multiply(graph.map('Cos', angles), Math.sqrt(2 / weights.width));
});

const skewedChiSquared = transformer((record) => record.vector('random_offset_').length, (graph, rows, record) => {
  const weights = record.rows('random_weights_');
  const logs = graph.map('Log', graph.add(rows, record.number('skewedness', 1)));
  const angles = graph.add(graph.matmul(logs, graph.doubles(weights.data, [weights.count, weights.width])), row(graph, record, 'random_offset_'));
  return graph.multiply(graph.map('Cos', angles), Math.sqrt(2) / Math.sqrt(weights.width));
});

const nystroem: Converter = (record) => {
  const points = record.rows('components_');
  const weights = record.rows('normalization_');
  const name = record.text('kernel', 'rbf');
  const parameters = { gamma: record.number('gamma', 1 / points.width), degree: record.number('degree', 3), coef0: record.number('coef0', 1) };
  return { record, transform: (rows) => Frame.of(rows.graph, affine(rows.graph, kernel(rows.graph, rows.numbers(), points, name, parameters, record), weights), weights.count) };
};

const kernelRidge: Converter = (record) => {
  const points = record.rows('X_fit_');
  const weights = record.matrix('dual_coef_');
  const targets = weights.shape[1] ?? 1;
  const parameters = { gamma: record.number('gamma', 1 / points.width), degree: record.number('degree', 3), coef0: record.number('coef0', 1) };
  const name = record.text('kernel', 'linear');
  return { record, targets, flat: weights.shape.length === 1, predict: (rows) => rows.graph.matmul(kernel(rows.graph, rows.numbers(), points, name, parameters, record), rows.graph.doubles(weights.data, [points.count, targets])) };
};

const kernelPrincipal: Converter = (record) => {
  const points = record.rows('X_fit_');
  const centerer = record.child('_centerer');
  const values = record.vector('eigenvalues_');
  const vectors = record.rows('eigenvectors_');
  const name = record.text('kernel', 'linear');
  const parameters = { gamma: record.number('gamma_', record.number('gamma', 1 / points.width)), degree: record.number('degree', 3), coef0: record.number('coef0', 1) };
  const scaled = vectors.data.map((value, at) => (values[at % vectors.width]! > 0 ? value / Math.sqrt(values[at % vectors.width]!) : 0));
  return {
    record,
    transform: (rows) => {
      const { graph } = rows;
      const kernels = kernel(graph, rows.numbers(), points, name, parameters, record);
      const centred = graph.add(graph.subtract(graph.subtract(kernels, row(graph, centerer, 'K_fit_rows_')), graph.divide(graph.sum(kernels), points.count)), centerer.number('K_fit_all_'));
      return Frame.of(graph, graph.matmul(centred, graph.doubles(scaled, [vectors.count, vectors.width])), vectors.width);
    },
  };
};

const restrictedBoltzmann = transformer(components, (graph, rows, record) => graph.map('Sigmoid', affine(graph, rows, record.rows('components_'), record.vector('intercept_hidden_'))));

/** The mean of each group of columns. */
const agglomeration: Converter = (record) => {
  if (parameterName(record.get('pooling_func')) !== 'numpy.mean') record.refuse('only pooling_func=numpy.mean is covered');
  const groups = record.vector('labels_');
  const count = Math.max(...groups) + 1;
  const sizes = new Float64Array(count);
  for (const group of groups) sizes[group] = sizes[group]! + 1;
  const matrix = Float64Array.from({ length: groups.length * count }, (_, at) => (groups[Math.floor(at / count)] === at % count ? 1 / sizes[at % count]! : 0));
  return { record, transform: (rows) => Frame.of(rows.graph, rows.graph.matmul(rows.numbers(), rows.graph.doubles(matrix, [groups.length, count])), count) };
};

/** The nearest centre, and the distance to each. */
const centres: Converter = (record) => {
  const points = record.rows('cluster_centers_');
  const apart = (rows: Frame) => distances(rows.graph, rows.numbers(), points, 'euclidean', 2, record);
  const means = record.name !== 'MeanShift' && record.name !== 'AffinityPropagation';
  return { record, cluster: (rows) => rows.graph.argmin(apart(rows)), ...(means ? { transform: (rows: Frame) => Frame.of(rows.graph, apart(rows), points.count) } : {}) };
};

const birch: Converter = (record) => {
  const points = record.rows('subcluster_centers_');
  const apart = (rows: Frame) => distances(rows.graph, rows.numbers(), points, 'euclidean', 2, record);
  return { record, cluster: (rows) => rows.graph.gather(rows.graph.integers(record.vector('subcluster_labels_')), rows.graph.argmin(apart(rows))), transform: (rows) => Frame.of(rows.graph, apart(rows), points.count) };
};

export const decompositions: Converters = {
  'sklearn.decomposition._pca.PCA': principal,
  'sklearn.decomposition._incremental_pca.IncrementalPCA': principal,
  'sklearn.decomposition._truncated_svd.TruncatedSVD': projection,
  'sklearn.decomposition._fastica.FastICA': independent,
  'sklearn.decomposition._factor_analysis.FactorAnalysis': factors,
  'sklearn.decomposition._sparse_pca.SparsePCA': sparsePrincipal,
  'sklearn.decomposition._sparse_pca.MiniBatchSparsePCA': sparsePrincipal,
  'sklearn.decomposition._kernel_pca.KernelPCA': kernelPrincipal,
  'sklearn.neighbors._nca.NeighborhoodComponentsAnalysis': projection,
  'sklearn.random_projection.GaussianRandomProjection': projection,
  'sklearn.random_projection.SparseRandomProjection': projection,
  'sklearn.kernel_approximation.RBFSampler': randomFourier,
  'sklearn.kernel_approximation.SkewedChi2Sampler': skewedChiSquared,
  'sklearn.kernel_approximation.Nystroem': nystroem,
  'sklearn.kernel_ridge.KernelRidge': kernelRidge,
  'sklearn.neural_network._rbm.BernoulliRBM': restrictedBoltzmann,
  'sklearn.cluster._kmeans.KMeans': centres,
  'sklearn.cluster._kmeans.MiniBatchKMeans': centres,
  'sklearn.cluster._mean_shift.MeanShift': centres,
  'sklearn.cluster._affinity_propagation.AffinityPropagation': centres,
  'sklearn.cluster._birch.Birch': birch,
  'sklearn.cluster._agglomerative.FeatureAgglomeration': agglomeration,
};
