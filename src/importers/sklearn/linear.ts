/** Linear models: a matrix product, an intercept, and a link. */
import type { Converter, Converters, Estimator } from './estimator.ts';
import { Frame } from './frame.ts';
import type { Fitted } from './fitted.ts';
import { INT64, type Graph, type Value } from './graph.ts';
import { affine, bothClasses, classifierOfScores, logistic, normalizedRows } from './results.ts';

function interceptOf(record: Fitted, count: number): Float64Array {
  const intercept = record.has('intercept_') ? record.vector('intercept_') : new Float64Array(1);
  if (intercept.length === count) return intercept;
  return intercept.length === 1 ? new Float64Array(count).fill(intercept[0]!) : record.refuse(`it has ${intercept.length} intercepts for ${count} targets`);
}

function linearScores(record: Fitted): (rows: Frame) => Value {
  return (rows) => {
    const coefficients = record.rows('coef_');
    return affine(rows.graph, rows.numbers(), coefficients, interceptOf(record, coefficients.count));
  };
}

function regressor(link?: (graph: Graph, value: Value, record: Fitted) => Value): Converter {
  return (record) => {
    const scores = linearScores(record);
    const { shape } = record.matrix('coef_');
    const flat = shape.length < 2 && !(record.get('intercept_') !== undefined && record.matrix('intercept_').data.length > 1);
    // LinearRegression fitted on a column of targets gives a column.
    return { record, targets: shape.length === 2 ? shape[0]! : 1, flat, predict: (rows) => (link === undefined ? scores(rows) : link(rows.graph, scores(rows), record)) };
  };
}

function tweedieLink(graph: Graph, value: Value, record: Fitted): Value {
  const link = record.text('link', 'auto');
  return link === 'log' || (link === 'auto' && record.number('power', 0) > 0) ? graph.map('Exp', value) : value;
}

const exponential = regressor((graph, value) => graph.map('Exp', value));

export const classifier: Converter = (record) => classifierOfScores(record, linearScores(record), record.labels('classes_'));

/** One logistic function a class, normalized. */
export function oneVersusRest(graph: Graph, scores: Value, width: number): Value {
  const each = logistic(graph, scores);
  return width === 1 ? bothClasses(graph, each) : normalizedRows(graph, each, 1 / width);
}

const logisticRegression: Converter = (record) => {
  const base = classifierOfScores(record, linearScores(record), record.labels('classes_'));
  const width = base.decisionWidth;
  // Until 1.7 `multi_class` could ask for one model a class; liblinear knows nothing else.
  const strategy = record.text('multi_class', 'auto');
  const apart = strategy === 'ovr' || strategy === 'warn' || ((strategy === 'auto' || strategy === 'deprecated') && (width === 1 || record.text('solver', 'lbfgs') === 'liblinear'));
  return {
    ...base,
    probabilities: (rows: Frame) => {
      const { graph } = rows;
      const scores = base.decision(rows);
      if (apart) return oneVersusRest(graph, scores, width);
      return graph.softmax(width === 1 ? graph.concat([graph.map('Neg', scores), scores]) : scores);
    },
  };
};

/** Only two losses have probabilities. */
const stochasticGradientDescent: Converter = (record) => {
  const base = classifierOfScores(record, linearScores(record), record.labels('classes_'));
  const width = base.decisionWidth;
  switch (record.text('loss', 'hinge')) {
    case 'log_loss':
    case 'log':
      return { ...base, probabilities: (rows: Frame) => oneVersusRest(rows.graph, base.decision(rows), width) };
    case 'modified_huber':
      return {
        ...base,
        probabilities: (rows: Frame) => {
          const { graph } = rows;
          const each = graph.divide(graph.add(graph.minimum(graph.maximum(base.decision(rows), -1), 1), 1), 2);
          return width === 1 ? bothClasses(graph, each) : normalizedRows(graph, each, 1 / width);
        },
      };
    default:
      return base;
  }
};

/** Several columns of 0 and 1 may be learned at once. */
const ridgeClassifier: Converter = (record): Estimator => {
  const scores = linearScores(record);
  const binarizer = record.child('_label_binarizer');
  if (!binarizer.text('y_type_', 'multiclass').startsWith('multilabel')) return classifierOfScores(record, scores, binarizer.labels('classes_'));
  const { count } = record.rows('coef_');
  return { record, targets: count, decision: scores, decisionWidth: count, multilabel: (rows) => rows.graph.cast(rows.graph.greater(scores(rows), 0), INT64) };
};

const oneClass: Converter = (record) => {
  const coefficients = record.rows('coef_');
  const offset = record.vector('offset_');
  const score = (rows: Frame) => affine(rows.graph, rows.numbers(), coefficients);
  const decision = (rows: Frame) => rows.graph.subtract(score(rows), rows.graph.doubles(offset, [1, 1]));
  return { record, scoreSamples: score, decision, decisionWidth: 1, cluster: (rows) => rows.graph.cast(rows.graph.where(rows.graph.atLeast(decision(rows), 0), 1, -1), INT64) };
};

/** Names lost their last underscore, and got one in front, with 0.24. */
function learned(record: Fitted, name: string): Float64Array {
  return record.vector(record.has(`_${name}`) ? `_${name}` : `${name}_`);
}

/** Scaled rows, rotated to the components, loaded with the targets. The order of `coef_` differs by version; what it is made of does not. */
const partialLeastSquares: Converter = (record) => {
  const rotations = record.rows('x_rotations_');
  const loadings = record.rows('y_loadings_');
  const [mean, deviation, targetMean, targetDeviation] = ['x_mean', 'x_std', 'y_mean', 'y_std'].map((name) => learned(record, name)) as [Float64Array, Float64Array, Float64Array, Float64Array];
  const components = (rows: Frame) => {
    const { graph } = rows;
    const scaled = graph.divide(graph.subtract(rows.numbers(), graph.doubles(mean, [1, mean.length])), graph.doubles(deviation, [1, deviation.length]));
    return graph.matmul(scaled, graph.doubles(rotations.data, [rotations.count, rotations.width]));
  };
  return {
    record,
    targets: loadings.count,
    flat: record.flag('_predict_1d', false),
    predict: (rows) => {
      const { graph } = rows;
      const product = graph.multiply(affine(graph, components(rows), loadings), graph.doubles(targetDeviation, [1, loadings.count]));
      return graph.add(product, graph.doubles(targetMean, [1, loadings.count]));
    },
    transform: (rows) => Frame.of(rows.graph, components(rows), rotations.width),
  };
};

const leastSquaresSvd: Converter = (record) => {
  const weights = record.rows('x_weights_');
  return {
    record,
    transform: (rows) => {
      const { graph } = rows;
      const mean = learned(record, 'x_mean');
      const scaled = graph.divide(graph.subtract(rows.numbers(), graph.doubles(mean, [1, mean.length])), graph.doubles(learned(record, 'x_std'), [1, mean.length]));
      return Frame.of(graph, graph.matmul(scaled, graph.doubles(weights.data, [weights.count, weights.width])), weights.width);
    },
  };
};

const regressors = [
  '_base.LinearRegression', '_ridge.Ridge', '_ridge.RidgeCV', '_coordinate_descent.Lasso', '_coordinate_descent.LassoCV', '_coordinate_descent.ElasticNet', '_coordinate_descent.ElasticNetCV',
  '_coordinate_descent.MultiTaskLasso', '_coordinate_descent.MultiTaskLassoCV', '_coordinate_descent.MultiTaskElasticNet', '_coordinate_descent.MultiTaskElasticNetCV', '_least_angle.Lars',
  '_least_angle.LarsCV', '_least_angle.LassoLars', '_least_angle.LassoLarsCV', '_least_angle.LassoLarsIC', '_omp.OrthogonalMatchingPursuit', '_omp.OrthogonalMatchingPursuitCV', '_bayes.BayesianRidge',
  '_bayes.ARDRegression', '_huber.HuberRegressor', '_theil_sen.TheilSenRegressor', '_quantile.QuantileRegressor', '_stochastic_gradient.SGDRegressor', '_passive_aggressive.PassiveAggressiveRegressor',
]; // prettier-ignore

export const linear: Converters = {
  ...Object.fromEntries(regressors.map((name) => [`sklearn.linear_model.${name}`, regressor()])),
  'sklearn.svm._classes.LinearSVR': regressor(),
  'sklearn.linear_model._glm.glm.PoissonRegressor': exponential,
  'sklearn.linear_model._glm.glm.GammaRegressor': exponential,
  'sklearn.linear_model._glm.glm.TweedieRegressor': regressor(tweedieLink),
  'sklearn.linear_model._ransac.RANSACRegressor': (record, convert) => ({ ...convert(record.child('estimator_')), record }),
  'sklearn.linear_model._logistic.LogisticRegression': logisticRegression,
  'sklearn.linear_model._logistic.LogisticRegressionCV': logisticRegression,
  'sklearn.linear_model._stochastic_gradient.SGDClassifier': stochasticGradientDescent,
  'sklearn.linear_model._stochastic_gradient.SGDOneClassSVM': oneClass,
  'sklearn.linear_model._passive_aggressive.PassiveAggressiveClassifier': classifier,
  'sklearn.linear_model._perceptron.Perceptron': classifier,
  'sklearn.linear_model._ridge.RidgeClassifier': ridgeClassifier,
  'sklearn.linear_model._ridge.RidgeClassifierCV': ridgeClassifier,
  'sklearn.svm._classes.LinearSVC': classifier,
  'sklearn.cross_decomposition._pls.PLSRegression': partialLeastSquares,
  'sklearn.cross_decomposition._pls.PLSCanonical': partialLeastSquares,
  'sklearn.cross_decomposition._pls.CCA': partialLeastSquares,
  'sklearn.cross_decomposition._pls.PLSSVD': leastSquaresSvd,
};
