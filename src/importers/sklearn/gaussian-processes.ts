/** Gaussian processes: kernels between rows and the training data. */
import type { Converter, Converters, Estimator, Output } from './estimator.ts';
import { distances, squaredEuclidean, type Points } from './distances.ts';
import type { Frame } from './frame.ts';
import { transposed, type Fitted } from './fitted.ts';
import type { Graph, Value } from './graph.ts';
import { bothClasses } from './results.ts';

interface Kernel {
  /** [rows, points]. */
  cross(graph: Graph, rows: Value, points: Points): Value;
  /** Of each row with itself: [rows, 1]. */
  diagonal(graph: Graph, rows: Value): Value;
}

function everywhere(graph: Graph, rows: Value, value: number): Value {
  return graph.repeatRows(graph.doubles([value], [1, 1]), rows);
}

/** Rows and points in units of the length scale, which may differ by column. */
function scaled(graph: Graph, rows: Value, points: Points, scale: Float64Array): { readonly rows: Value; readonly points: Points } {
  if (scale.length === 1 && scale[0] === 1) return { rows, points };
  const wide = scale.length === 1 ? new Float64Array(points.width).fill(scale[0]!) : scale;
  return { rows: graph.divide(rows, graph.doubles(wide, [1, wide.length])), points: { ...points, data: points.data.map((value, at) => value / wide[at % points.width]!) } };
}

/** One that is 1 at distance 0. */
function stationary(cross: Kernel['cross']): Kernel {
  return { cross, diagonal: (graph, rows) => everywhere(graph, rows, 1) };
}

function matern(record: Fitted, graph: Graph, apart: Value, squared: Value): Value {
  const order = record.number('nu', 1.5);
  if (order === 0.5) return graph.map('Exp', graph.map('Neg', apart));
  if (order === Infinity) return graph.map('Exp', graph.multiply(squared, -0.5));
  if (order !== 1.5 && order !== 2.5) record.refuse(`nu=${order} needs a Bessel function, which ONNX does not have; 0.5, 1.5, 2.5 and infinity are covered`);
  const length = graph.multiply(apart, Math.sqrt(2 * order));
  const decay = graph.map('Exp', graph.map('Neg', length));
  const polynomial = graph.add(graph.add(length, 1), order === 1.5 ? 0 : graph.divide(graph.multiply(length, length), 3));
  return graph.multiply(polynomial, decay);
}

function readKernel(record: Fitted, depth = 0): Kernel {
  if (depth > 40) record.refuse('its kernel is nested too deep');
  const scale = () => record.vector('length_scale');
  switch (record.name) {
    case 'RBF':
      return stationary((graph, rows, points) => {
        const unit = scaled(graph, rows, points, scale());
        return graph.map('Exp', graph.multiply(squaredEuclidean(graph, unit.rows, unit.points), -0.5));
      });
    case 'Matern':
      return stationary((graph, rows, points) => {
        const unit = scaled(graph, rows, points, scale());
        const squared = squaredEuclidean(graph, unit.rows, unit.points);
        return matern(record, graph, graph.map('Sqrt', squared), squared);
      });
    case 'RationalQuadratic': {
      const alpha = record.number('alpha');
      return stationary((graph, rows, points) => graph.power(graph.add(graph.divide(squaredEuclidean(graph, rows, points), 2 * alpha * scale()[0]! ** 2), 1), -alpha));
    }
    case 'ExpSineSquared':
      return stationary((graph, rows, points) => {
        const wave = graph.divide(graph.map('Sin', graph.multiply(distances(graph, rows, points, 'euclidean', 2, record), Math.PI / record.number('periodicity'))), scale()[0]!);
        return graph.map('Exp', graph.multiply(graph.multiply(wave, wave), -2));
      });
    case 'DotProduct': {
      const offset = record.number('sigma_0') ** 2;
      return {
        cross: (graph, rows, points) => graph.add(graph.matmul(rows, graph.doubles(transposed(points.data, points.count, points.width), [points.width, points.count])), offset),
        diagonal: (graph, rows) => graph.add(graph.reduce('ReduceSumSquare', rows), offset),
      };
    }
    case 'ConstantKernel': {
      const value = record.number('constant_value');
      return { cross: (graph, rows, points) => graph.repeatRows(graph.doubles(new Float64Array(points.count).fill(value), [1, points.count]), rows), diagonal: (graph, rows) => everywhere(graph, rows, value) };
    }
    case 'WhiteKernel': {
      // Noise has nothing to do with any other row.
      const value = record.number('noise_level');
      return { cross: (graph, rows, points) => graph.repeatRows(graph.doubles(new Float64Array(points.count), [1, points.count]), rows), diagonal: (graph, rows) => everywhere(graph, rows, value) };
    }
    case 'Sum':
    case 'Product': {
      const [left, right] = [readKernel(record.child('k1'), depth + 1), readKernel(record.child('k2'), depth + 1)];
      const operator = record.name === 'Sum' ? 'Add' : 'Mul';
      return {
        cross: (graph, rows, points) => graph.binary(operator, left.cross(graph, rows, points), right.cross(graph, rows, points)),
        diagonal: (graph, rows) => graph.binary(operator, left.diagonal(graph, rows), right.diagonal(graph, rows)),
      };
    }
    case 'Exponentiation': {
      const inner = readKernel(record.child('kernel'), depth + 1);
      const exponent = record.number('exponent');
      return { cross: (graph, rows, points) => graph.power(inner.cross(graph, rows, points), exponent), diagonal: (graph, rows) => graph.power(inner.diagonal(graph, rows), exponent) };
    }
    default:
      return record.refuse('this kernel is not covered; RBF, Matern, RationalQuadratic, ExpSineSquared, DotProduct, ConstantKernel, WhiteKernel and what is made of them are');
  }
}

/** Of larger training data, the inverse would take too long and too much room. */
const mostInvertedPoints = 1500;

/** L⁻¹ of a lower triangular matrix, row by row. */
function inverseOfLower(record: Fitted, name: string): Float64Array {
  const { count, data } = record.rows(name);
  const inverse = new Float64Array(count * count);
  for (let row = 0; row < count; row++) {
    const pivot = data[row * count + row]!;
    inverse[row * count + row] = 1 / pivot;
    for (let inner = 0; inner < row; inner++) {
      const factor = data[row * count + inner]! / pivot;
      if (factor === 0) continue;
      for (let column = 0; column <= inner; column++) inverse[row * count + column]! -= factor * inverse[inner * count + column]!;
    }
  }
  return inverse;
}

/** k(x, x) - |L⁻¹ k(X, x)|²: how unsure the process is of each row, [rows, 1]. `weights` scale the kernel's columns before. */
function variance(graph: Graph, kernel: Kernel, rows: Value, cross: Value, inverse: Float64Array, count: number, weights?: Float64Array): Value {
  const weighted = weights === undefined ? cross : graph.multiply(cross, graph.doubles(weights, [1, count]));
  const solved = graph.matmul(weighted, graph.doubles(transposed(inverse, count, count), [count, count]));
  return graph.subtract(kernel.diagonal(graph, rows), graph.reduce('ReduceSumSquare', solved));
}

const regressor: Converter = (record, convert): Estimator => {
  const kernel = readKernel(record.has('kernel_') ? record.child('kernel_') : record.refuse('it has no kernel_; is it fitted?'));
  const points = record.rows('X_train_');
  const { shape, data } = record.matrix('alpha_');
  const targets = shape[1] ?? 1;
  const mean = record.has('_y_train_mean') ? record.vector('_y_train_mean') : record.vector('y_train_mean');
  const deviation = record.has('_y_train_std') ? record.vector('_y_train_std') : new Float64Array(targets).fill(1);
  const cross = (rows: Frame) => kernel.cross(rows.graph, rows.numbers(), points);
  const wide = (values: Float64Array) => (values.length === targets ? values : new Float64Array(targets).fill(values[0]!));
  const offersDeviation = points.count <= mostInvertedPoints && record.has('L_');
  if (!offersDeviation) convert.import.note(`The standard deviations of ${record.name} are left out: the inverse of its ${points.count} training rows is too large.`);
  return {
    record,
    targets,
    flat: shape.length === 1 || targets === 1,
    predict: (rows) => {
      const { graph } = rows;
      const found = graph.matmul(cross(rows), graph.doubles(data, [points.count, targets]));
      return graph.add(graph.multiply(found, graph.doubles(wide(deviation), [1, targets])), graph.doubles(wide(mean), [1, targets]));
    },
    ...(offersDeviation
      ? {
          also: (rows: Frame): readonly Output[] => {
            const { graph } = rows;
            const found = variance(graph, kernel, rows.numbers(), cross(rows), inverseOfLower(record, 'L_'), points.count);
            return [{ name: 'prediction_std', value: graph.multiply(graph.map('Sqrt', graph.maximum(found, 0)), graph.doubles(wide(deviation), [1, targets])), width: targets === 1 ? undefined : targets }];
          },
        }
      : {}),
  };
};

/** The logistic function, integrated over a Gaussian, as five error functions (Williams and Barber, 1998, as scikit-learn has them). */
const slopes = [0.41, 0.4, 0.37, 0.44, 0.39];
const coefficients = [-1854.8214151, 3516.89893646, 221.29346712, 128.12323805, -2010.49422654];

/** ONNX Runtime has no error function in float64: 2x/√π ∫₀¹ exp(-x²t²) dt by Gauss and Legendre, of [rows, 1]. Beyond 6 it is 1. */
function errorFunction(graph: Graph, value: Value): Value {
  const { places, weights } = legendre(48);
  const kept = graph.minimum(graph.maximum(value, -6), 6);
  const squares = graph.multiply(graph.map('Neg', graph.multiply(kept, kept)), graph.doubles(places.map((place) => place * place), [1, places.length]));
  return graph.multiply(graph.multiply(kept, 2 / Math.sqrt(Math.PI)), graph.matmul(graph.map('Exp', squares), graph.doubles(weights, [weights.length, 1])));
}

/** Places and weights on 0 … 1: the roots of the Legendre polynomial, by Newton's method. */
function legendre(count: number): { readonly places: readonly number[]; readonly weights: readonly number[] } {
  const places: number[] = [];
  const weights: number[] = [];
  for (let index = 0; index < count; index++) {
    let root = Math.cos((Math.PI * (index + 0.75)) / (count + 0.5));
    let slope = 1;
    for (let round = 0; round < 100; round++) {
      let [value, before] = [root, 1];
      for (let degree = 2; degree <= count; degree++) [value, before] = [((2 * degree - 1) * root * value - (degree - 1) * before) / degree, value];
      slope = (count * (root * value - before)) / (root * root - 1);
      const step = value / slope;
      root -= step;
      if (Math.abs(step) < 1e-16) break;
    }
    places.push((root + 1) / 2);
    weights.push(1 / ((1 - root * root) * slope * slope));
  }
  return { places, weights };
}

const binaryClassifier: Converter = (record): Estimator => {
  const kernel = readKernel(record.child('kernel_'));
  const points = record.rows('X_train_');
  if (points.count > mostInvertedPoints) record.refuse(`it was trained on ${points.count} rows; up to ${mostInvertedPoints} are covered`);
  const targets = record.vector('y_train_');
  const weights = record.vector('pi_').map((probability, index) => targets[index]! - probability);
  const latent = (rows: Frame) => rows.graph.matmul(kernel.cross(rows.graph, rows.numbers(), points), rows.graph.doubles(weights, [points.count, 1]));
  return {
    record,
    classes: record.labels('classes_'),
    classIndex: (rows) => rows.graph.cast(rows.graph.greater(latent(rows), 0), 7),
    probabilities: (rows) => {
      const { graph } = rows;
      const mean = latent(rows);
      const spread = variance(graph, kernel, rows.numbers(), kernel.cross(graph, rows.numbers(), points), inverseOfLower(record, 'L_'), points.count, record.vector('W_sr_'));
      const alpha = graph.divide(0.5, spread);
      const terms = slopes.map((slope, index) => {
        const erf = errorFunction(graph, graph.multiply(graph.multiply(mean, slope), graph.map('Sqrt', graph.divide(alpha, graph.add(alpha, slope * slope)))));
        const integral = graph.divide(graph.multiply(graph.map('Sqrt', graph.divide(Math.PI, alpha)), erf), graph.multiply(graph.map('Sqrt', graph.multiply(spread, 2 * Math.PI)), 2));
        return graph.multiply(integral, coefficients[index]!);
      });
      return bothClasses(graph, graph.add(terms.reduce((total, term) => graph.add(total, term)), 0.5 * coefficients.reduce((total, value) => total + value, 0)));
    },
  };
};

const classifier: Converter = (record, convert): Estimator => {
  const inner = convert(record.child('base_estimator_'));
  return { ...inner, record, classes: record.labels('classes_') };
};

export const gaussianProcesses: Converters = {
  'sklearn.gaussian_process._gpr.GaussianProcessRegressor': regressor,
  'sklearn.gaussian_process._gpc.GaussianProcessClassifier': classifier,
  'sklearn.gaussian_process._gpc._BinaryGaussianProcessClassifierLaplace': binaryClassifier,
};
