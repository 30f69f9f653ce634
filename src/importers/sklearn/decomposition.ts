/** Projections on learned or random directions, and features of kernels. */
import type { Converter, Converters } from './estimator.ts';
import { kernel } from './distances.ts';
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

/** Of more columns, the inverse of the covariance takes too long. */
const mostInvertedColumns = 256;

/** How likely rows are under a Gaussian of this covariance: -½ (x - µ)ᵀ Σ⁻¹ (x - µ) - ½ log |2πΣ|. */
function gaussianScores(graph: Graph, rows: Value, mean: Float64Array, covariance: readonly Float64Array[]): Value {
  const width = mean.length;
  const identity = covariance.map((_, line) => Float64Array.from({ length: width }, (_unused, column) => Number(line === column)));
  const precision = solve(covariance.map((line) => line.slice()), identity);
  const centred = graph.subtract(rows, graph.doubles(mean, [1, width]));
  const squares = graph.sum(graph.multiply(graph.matmul(centred, graph.doubles(Float64Array.from(precision.flatMap((line) => [...line])), [width, width])), centred));
  return graph.subtract(graph.multiply(squares, -0.5), 0.5 * (width * Math.log(2 * Math.PI) + logDeterminant(covariance)));
}

/** Of a symmetric positive definite matrix, by elimination. */
function logDeterminant(matrix: readonly Float64Array[]): number {
  const lines = matrix.map((line) => line.slice());
  let sum = 0;
  for (const [column, pivotLine] of lines.entries()) {
    const pivot = pivotLine[column]!;
    sum += Math.log(pivot);
    for (const line of lines.slice(column + 1)) {
      const factor = line[column]! / pivot;
      for (let at = column; at < line.length; at++) line[at] = line[at]! - factor * pivotLine[at]!;
    }
  }
  return sum;
}

/** componentsᵀ · diag(weights) · components + diag(noise). */
function covarianceOf({ count, width, data }: { readonly count: number; readonly width: number; readonly data: Float64Array }, weights: (place: number) => number, noise: (column: number) => number): Float64Array[] {
  return Array.from({ length: width }, (_, left) =>
    Float64Array.from({ length: width }, (_unused, right) => {
      let sum = left === right ? noise(left) : 0;
      for (let place = 0; place < count; place++) sum += weights(place) * data[place * width + left]! * data[place * width + right]!;
      return sum;
    }),
  );
}

function withScores(convert: Converter, covariance: (record: Fitted) => Float64Array[]): Converter {
  return (record, inner) => {
    const estimator = convert(record, inner);
    const { width } = record.rows('components_');
    const mean = record.vector('mean_');
    if (width > mostInvertedColumns) {
      inner.import.note(`score_samples of ${record.name} is left out: the covariance of its ${width} columns is too large to be inverted here.`);
      return estimator;
    }
    return { ...estimator, also: (rows) => [{ name: 'score_samples', value: gaussianScores(rows.graph, rows.numbers(), mean, covariance(record)), width: undefined }] };
  };
}

const scoredPrincipal = withScores((record, convert) => principal(record, convert), (record) => {
  const variances = record.vector('explained_variance_');
  const noise = record.number('noise_variance_', 0);
  // scikit-learn counts the variance twice where it whitens.
  const whiten = record.flag('whiten', false);
  return covarianceOf(record.rows('components_'), (place) => Math.max(variances[place]! - noise, 0) * (whiten ? variances[place]! : 1), () => noise);
});

const scoredFactors = withScores((record, convert) => factors(record, convert), (record) => {
  const noise = record.vector('noise_variance_');
  return covarianceOf(record.rows('components_'), () => 1, (column) => noise[column]!);
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

/** Waves of the logarithms of the columns (Vedaldi and Zisserman). */
const additiveChiSquared: Converter = (record) => {
  const steps = record.number('sample_steps', 2);
  const known = [0.8, 0.5, 0.4][steps - 1];
  const interval = record.has('sample_interval_') ? record.number('sample_interval_') : record.number('sample_interval', known);
  return {
    record,
    transform: (rows) => {
      const { graph } = rows;
      const input = rows.numbers();
      const none = graph.equal(input, 0);
      const safe = graph.where(none, 1, input);
      const keep = (value: Value) => graph.where(none, 0, value);
      const logs = graph.multiply(graph.map('Log', safe), interval);
      const doubled = graph.multiply(safe, 2 * interval);
      const parts = [keep(graph.map('Sqrt', graph.multiply(safe, interval)))];
      for (let step = 1; step < steps; step++) {
        const factor = graph.map('Sqrt', graph.divide(doubled, Math.cosh(Math.PI * step * interval)));
        const angle = graph.multiply(logs, step);
        parts.push(keep(graph.multiply(factor, graph.map('Cos', angle))), keep(graph.multiply(factor, graph.map('Sin', angle))));
      }
      return Frame.of(graph, graph.concat(parts), rows.width * parts.length);
    },
  };
};

/** Sketches of the columns, convolved: products of their Fourier transforms (Pham and Pagh). */
const countSketch: Converter = (record) => {
  const places = record.rows('indexHash_');
  const signs = record.rows('bitHash_');
  const size = record.number('n_components', 100);
  if (size > 2048) record.refuse(`n_components is ${size}; up to 2048 are covered`);
  const gamma = record.number('gamma', 1);
  const constant = record.number('coef0', 0);
  const wave = (shape: (angle: number) => number) => Float64Array.from({ length: size * size }, (_, at) => shape((2 * Math.PI * ((Math.floor(at / size) * (at % size)) % size)) / size));
  return {
    record,
    transform: (rows) => {
      const { graph } = rows;
      const scaled = graph.multiply(rows.numbers(), Math.sqrt(gamma));
      const input = constant === 0 ? scaled : graph.concat([scaled, graph.repeatRows(graph.doubles([Math.sqrt(constant)], [1, 1]), scaled)]);
      const [cosines, sines] = [graph.doubles(wave(Math.cos), [size, size]), graph.doubles(wave(Math.sin), [size, size])];
      let product: readonly [real: Value, imaginary: Value] | undefined;
      for (let degree = 0; degree < places.count; degree++) {
        const table = new Float64Array(places.width * size);
        for (let column = 0; column < places.width; column++) table[column * size + places.data[degree * places.width + column]!] = signs.data[degree * places.width + column]!;
        const sketch = graph.matmul(input, graph.doubles(table, [places.width, size]));
        const [real, imaginary] = [graph.matmul(sketch, cosines), graph.map('Neg', graph.matmul(sketch, sines))];
        product = product === undefined ? [real, imaginary] : [graph.subtract(graph.multiply(product[0], real), graph.multiply(product[1], imaginary)), graph.add(graph.multiply(product[0], imaginary), graph.multiply(product[1], real))];
      }
      const back = graph.subtract(graph.matmul(product![0], cosines), graph.matmul(product![1], sines));
      return Frame.of(graph, graph.divide(back, size), size);
    },
  };
};

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
  const name = record.text('kernel', 'linear');
  const parameters = { gamma: record.number('gamma_', record.number('gamma', 1 / points.width)), degree: record.number('degree', 3), coef0: record.number('coef0', 1) };
  return { record, transform: (rows) => centredProjection(rows.graph, kernel(rows.graph, rows.numbers(), points, name, parameters, record), record) };
};

/** Kernel values [rows, points], centred as those of the training were, on the components of a KernelPCA. */
export function centredProjection(graph: Graph, kernels: Value, record: Fitted): Frame {
  const centerer = record.child('_centerer');
  const values = record.has('eigenvalues_') ? record.vector('eigenvalues_') : record.vector('lambdas_');
  const vectors = record.has('eigenvectors_') ? record.rows('eigenvectors_') : record.rows('alphas_');
  const scaled = vectors.data.map((value, at) => (values[at % vectors.width]! > 0 ? value / Math.sqrt(values[at % vectors.width]!) : 0));
  const centred = graph.add(graph.subtract(graph.subtract(kernels, row(graph, centerer, 'K_fit_rows_')), graph.divide(graph.sum(kernels), vectors.count)), centerer.number('K_fit_all_'));
  return Frame.of(graph, graph.matmul(centred, graph.doubles(scaled, [vectors.count, vectors.width])), vectors.width);
}

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

export const decompositions: Converters = {
  'sklearn.decomposition._pca.PCA': scoredPrincipal,
  'sklearn.decomposition._incremental_pca.IncrementalPCA': scoredPrincipal,
  'sklearn.decomposition._truncated_svd.TruncatedSVD': projection,
  'sklearn.decomposition._fastica.FastICA': independent,
  'sklearn.decomposition._factor_analysis.FactorAnalysis': scoredFactors,
  'sklearn.decomposition._sparse_pca.SparsePCA': sparsePrincipal,
  'sklearn.decomposition._sparse_pca.MiniBatchSparsePCA': sparsePrincipal,
  'sklearn.decomposition._kernel_pca.KernelPCA': kernelPrincipal,
  'sklearn.neighbors._nca.NeighborhoodComponentsAnalysis': projection,
  'sklearn.random_projection.GaussianRandomProjection': projection,
  'sklearn.random_projection.SparseRandomProjection': projection,
  'sklearn.kernel_approximation.RBFSampler': randomFourier,
  'sklearn.kernel_approximation.SkewedChi2Sampler': skewedChiSquared,
  'sklearn.kernel_approximation.Nystroem': nystroem,
  'sklearn.kernel_approximation.AdditiveChi2Sampler': additiveChiSquared,
  'sklearn.kernel_approximation.PolynomialCountSketch': countSketch,
  'sklearn.kernel_ridge.KernelRidge': kernelRidge,
  'sklearn.neural_network._rbm.BernoulliRBM': restrictedBoltzmann,
  'sklearn.cluster._agglomerative.FeatureAgglomeration': agglomeration,
};
