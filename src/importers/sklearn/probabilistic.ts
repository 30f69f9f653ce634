/** Naive Bayes, discriminant analysis, mixtures, and estimators that only look at the targets. */
import type { PickleValue } from '../../formats/pickle/pickle-value.ts';
import type { Converter, Converters, Estimator } from './estimator.ts';
import { Frame } from './frame.ts';
import { labelsOf, listOf, matrixOf, type Fitted, type Labels } from './fitted.ts';
import { DOUBLE, INT64, type Graph, type Value } from './graph.ts';
import { affine, bothClasses, classOfScores, logistic } from './results.ts';

/** From the logarithms of joint likelihoods. */
function fromLogs(record: Fitted, logs: (rows: Frame) => Value): Estimator {
  return { record, classes: record.labels('classes_'), classIndex: (rows) => rows.graph.argmax(logs(rows)), probabilities: (rows) => rows.graph.softmax(logs(rows)) };
}

const gaussian: Converter = (record) => {
  const means = record.rows('theta_');
  const variances = record.has('var_') ? record.rows('var_') : record.rows('sigma_');
  const priors = record.vector('class_prior_');
  return fromLogs(record, (rows) => {
    const { graph } = rows;
    const input = rows.numbers();
    const each = Array.from({ length: means.count }, (_, place) => {
      const mean = means.data.subarray(place * means.width, (place + 1) * means.width);
      const variance = variances.data.subarray(place * means.width, (place + 1) * means.width);
      const constant = Math.log(priors[place]!) - 0.5 * variance.reduce((total, value) => total + Math.log(2 * Math.PI * value), 0);
      const difference = graph.subtract(input, graph.doubles(mean, [1, means.width]));
      const weighted = graph.divide(graph.multiply(difference, difference), graph.doubles(variance, [1, means.width]));
      return graph.add(graph.multiply(graph.sum(weighted), -0.5), constant);
    });
    return graph.concat(each);
  });
};

const multinomial: Converter = (record) => fromLogs(record, (rows) => affine(rows.graph, rows.numbers(), record.rows('feature_log_prob_'), record.vector('class_log_prior_')));

const complement: Converter = (record) =>
  fromLogs(record, (rows) => affine(rows.graph, rows.numbers(), record.rows('feature_log_prob_'), record.list('classes_').length === 1 ? record.vector('class_log_prior_') : undefined));

const bernoulli: Converter = (record) => {
  const logs = record.rows('feature_log_prob_');
  const absent = logs.data.map((log) => Math.log(1 - Math.exp(log)));
  const priors = record.vector('class_log_prior_');
  const intercepts = priors.map((prior, place) => prior + absent.subarray(place * logs.width, (place + 1) * logs.width).reduce((total, value) => total + value, 0));
  return fromLogs(record, (rows) => {
    const { graph } = rows;
    const input = record.has('binarize') ? graph.cast(graph.greater(rows.numbers(), record.number('binarize')), DOUBLE) : rows.numbers();
    return affine(graph, input, { ...logs, data: logs.data.map((log, at) => log - absent[at]!) }, intercepts);
  });
};

/** Column by column a table of logarithms: a number that was never seen is refused at run time, as scikit-learn does. */
const categorical: Converter = (record) => {
  const tables = record.list('feature_log_prob_').map((value) => matrixOf(value) ?? record.refuse('its feature_log_prob_ is not a list of tables'));
  const priors = record.vector('class_log_prior_');
  return fromLogs(record, (rows) => {
    const { graph } = rows;
    const input = graph.cast(rows.numbers(), INT64);
    let total: Value = graph.doubles(priors, [1, priors.length]);
    for (const [column, { shape, data }] of tables.entries()) {
      const [classes, values] = shape as unknown as [number, number];
      const table = graph.doubles(Float64Array.from({ length: classes * values }, (_, at) => data[(at % classes) * values + Math.floor(at / classes)]!), [values, classes]);
      total = graph.add(total, graph.reshape(graph.gather(table, graph.take(input, [column])), [-1, classes]));
    }
    return total;
  });
};

const linearDiscriminant: Converter = (record) => {
  const labels = record.labels('classes_');
  const width = labels.values.length === 2 ? 1 : labels.values.length;
  const scores = (rows: Frame) => affine(rows.graph, rows.numbers(), record.rows('coef_'), record.vector('intercept_'));
  return {
    record,
    classes: labels,
    decision: scores,
    decisionWidth: width,
    classIndex: (rows) => classOfScores(rows.graph, scores(rows), width),
    probabilities: (rows) => (width === 1 ? bothClasses(rows.graph, logistic(rows.graph, scores(rows))) : rows.graph.softmax(scores(rows))),
    ...(record.text('solver', 'svd') === 'lsqr' ? {} : { transform: (rows: Frame) => discriminants(record, rows) }),
  };
};

/** The projection that tells the classes apart. */
function discriminants(record: Fitted, rows: Frame): Frame {
  const { graph } = rows;
  const { count, width, data } = record.rows('scalings_');
  const most = Math.min(record.number('_max_components'), width);
  const kept = Float64Array.from({ length: count * most }, (_, at) => data[Math.floor(at / most) * width + (at % most)]!);
  const centre = record.has('xbar_') ? record.vector('xbar_') : undefined;
  const input = record.text('solver', 'svd') === 'svd' && centre !== undefined ? graph.subtract(rows.numbers(), graph.doubles(centre, [1, centre.length])) : rows.numbers();
  return Frame.of(graph, graph.matmul(input, graph.doubles(kept, [count, most])), most);
}

const quadraticDiscriminant: Converter = (record) => {
  const labels = record.labels('classes_');
  const means = record.rows('means_');
  const priors = record.vector('priors_');
  const scalings = record.list('scalings_').map((value) => matrixOf(value)?.data ?? record.refuse('its scalings_ are not numbers'));
  const rotations = record.list('rotations_').map((value) => matrixOf(value) ?? record.refuse('its rotations_ are not numbers'));
  const logs = (rows: Frame) => {
    const { graph } = rows;
    const input = rows.numbers();
    const each = labels.values.map((_, place) => {
      const { shape, data } = rotations[place]!;
      const scale = scalings[place]!;
      const rotated = graph.matmul(graph.subtract(input, graph.doubles(means.data.subarray(place * means.width, (place + 1) * means.width), [1, means.width])), graph.doubles(data.map((value, at) => value * scale[at % shape[1]!]! ** -0.5), shape));
      const constant = -0.5 * scale.reduce((total, value) => total + Math.log(value), 0) + Math.log(priors[place]!);
      return graph.add(graph.multiply(graph.reduce('ReduceSumSquare', rotated), -0.5), constant);
    });
    return graph.concat(each);
  };
  const two = labels.values.length === 2;
  const decision = (rows: Frame) => {
    const all = logs(rows);
    return two ? rows.graph.subtract(rows.graph.take(all, [1]), rows.graph.take(all, [0])) : all;
  };
  return { ...fromLogs(record, logs), decision, decisionWidth: two ? 1 : labels.values.length };
};

/** The derivative of the logarithm of the gamma function, by recurrence and its asymptotic series (Abramowitz and Stegun 6.3.18). */
function digamma(value: number): number {
  let shift = 0;
  let at = value;
  for (; at < 12; at++) shift -= 1 / at;
  const square = 1 / (at * at);
  const series = square * (1 / 12 - square * (1 / 120 - square * (1 / 252 - square * (1 / 240 - square * (1 / 132)))));
  return shift + Math.log(at) - 0.5 / at - series;
}

/** Logarithms of the weights, and what is added to each component's log density. */
function mixtureWeights(record: Fitted, width: number): { readonly logs: Float64Array; readonly added: Float64Array } {
  if (record.name !== 'BayesianGaussianMixture') {
    const weights = record.vector('weights_');
    return { logs: weights.map(Math.log), added: new Float64Array(weights.length) };
  }
  const freedom = record.vector('degrees_of_freedom_');
  const precision = record.vector('mean_precision_');
  const added = freedom.map((degrees, place) => {
    let lambda = width * Math.LN2;
    for (let axis = 0; axis < width; axis++) lambda += digamma(0.5 * (degrees - axis));
    return -0.5 * width * Math.log(degrees) + 0.5 * (lambda - width / precision[place]!);
  });
  if (record.text('weight_concentration_prior_type', 'dirichlet_process') !== 'dirichlet_process') {
    const concentration = record.vector('weight_concentration_');
    const total = digamma(concentration.reduce((sum, value) => sum + value, 0));
    return { logs: concentration.map((value) => digamma(value) - total), added };
  }
  const { shape, data } = record.matrix('weight_concentration_');
  const count = shape[1] ?? record.refuse('its weight_concentration_ is malformed');
  let rest = 0;
  const logs = Float64Array.from({ length: count }, (_, place) => {
    const both = digamma(data[place]! + data[count + place]!);
    const log = digamma(data[place]!) - both + rest;
    rest += digamma(data[count + place]!) - both;
    return log;
  });
  return { logs, added };
}

/** Logarithms of weighted densities: [rows, components]. */
function mixtureLogs(graph: Graph, record: Fitted, input: Value): Value {
  const means = record.rows('means_');
  const kind = record.text('covariance_type', 'full');
  const precisions = record.matrix('precisions_cholesky_').data;
  const { width } = means;
  const { logs, added } = mixtureWeights(record, width);
  const each = Array.from({ length: means.count }, (_, place) => {
    const mean = means.data.subarray(place * width, (place + 1) * width);
    const centred = graph.subtract(input, graph.doubles(mean, [1, width]));
    let factors: Float64Array;
    let scaled: Value;
    if (kind === 'full' || kind === 'tied') {
      const matrix = kind === 'tied' ? precisions : precisions.subarray(place * width * width, (place + 1) * width * width);
      factors = Float64Array.from({ length: width }, (_unused, axis) => matrix[axis * (width + 1)]!);
      scaled = graph.matmul(centred, graph.doubles(matrix, [width, width]));
    } else {
      factors = kind === 'diag' ? precisions.subarray(place * width, (place + 1) * width) : new Float64Array(width).fill(precisions[place]!);
      scaled = graph.multiply(centred, graph.doubles(factors, [1, width]));
    }
    const constant = logs[place]! + added[place]! - 0.5 * width * Math.log(2 * Math.PI) + factors.reduce((total, value) => total + Math.log(value), 0);
    return graph.add(graph.multiply(graph.reduce('ReduceSumSquare', scaled), -0.5), constant);
  });
  return graph.concat(each);
}

const gaussianMixture: Converter = (record) => ({
  record,
  targets: record.rows('means_').count,
  cluster: (rows) => rows.graph.argmax(mixtureLogs(rows.graph, record, rows.numbers())),
  probabilities: (rows) => rows.graph.softmax(mixtureLogs(rows.graph, record, rows.numbers())),
  scoreSamples: (rows) => rows.graph.reduce('ReduceLogSumExp', mixtureLogs(rows.graph, record, rows.numbers())),
});

/** Distance from the centre in units of the covariance. */
const ellipticEnvelope: Converter = (record) => {
  const location = record.vector('location_');
  const precision = record.rows('precision_');
  const score = (rows: Frame) => {
    const { graph } = rows;
    const centred = graph.subtract(rows.numbers(), graph.doubles(location, [1, location.length]));
    return graph.map('Neg', graph.sum(graph.multiply(graph.matmul(centred, graph.doubles(precision.data, [precision.count, precision.width])), centred)));
  };
  const decision = (rows: Frame) => rows.graph.subtract(score(rows), record.number('offset_'));
  return { record, scoreSamples: score, decision, decisionWidth: 1, cluster: (rows) => rows.graph.cast(rows.graph.where(rows.graph.atLeast(decision(rows), 0), 1, -1), INT64) };
};

const dummyClassifier: Converter = (record): Estimator => {
  const strategy = record.text('strategy', 'prior');
  if (strategy === 'stratified' || strategy === 'uniform') record.refuse(`its strategy '${strategy}' answers at random`);
  const single = labelsOf(record.get('classes_'));
  const constants = record.get('constant');
  if (single !== undefined) return alwaysOne(record, strategy, single, record.vector('class_prior_'), constants);
  const priors = record.list('class_prior_');
  const each = listOf(constants);
  return { record, classifiers: record.list('classes_').map((value, index) => alwaysOne(record, strategy, labelsOf(value) ?? record.refuse('the classes of one of its outputs are neither numbers nor texts'), matrixOf(priors[index])!.data, each?.[index])) };
};

function alwaysOne(record: Fitted, strategy: string, labels: Labels, priors: Float64Array, constant: PickleValue | undefined): Estimator {
  let best = priors.indexOf(Math.max(...priors));
  if (strategy === 'constant') best = (labels.values as readonly unknown[]).indexOf(labelsOf([constant ?? null])?.values[0]);
  if (best < 0) record.refuse('its constant is none of its classes');
  const certain = strategy !== 'prior';
  const row = priors.map((prior, index) => (certain ? Number(index === best) : prior));
  return {
    record,
    classes: labels,
    classIndex: (rows) => rows.graph.repeatRows(rows.graph.integers([best], [1, 1]), rows.blocks[0]!.value),
    probabilities: (rows) => rows.graph.repeatRows(rows.graph.doubles(row, [1, row.length]), rows.blocks[0]!.value),
  };
}

const dummyRegressor: Converter = (record) => {
  const constant = record.vector('constant_');
  return { record, targets: constant.length, flat: constant.length === 1, predict: (rows) => rows.graph.repeatRows(rows.graph.doubles(constant, [1, constant.length]), rows.blocks[0]!.value) };
};

export const probabilistic: Converters = {
  'sklearn.naive_bayes.GaussianNB': gaussian,
  'sklearn.naive_bayes.MultinomialNB': multinomial,
  'sklearn.naive_bayes.ComplementNB': complement,
  'sklearn.naive_bayes.BernoulliNB': bernoulli,
  'sklearn.naive_bayes.CategoricalNB': categorical,
  'sklearn.discriminant_analysis.LinearDiscriminantAnalysis': linearDiscriminant,
  'sklearn.discriminant_analysis.QuadraticDiscriminantAnalysis': quadraticDiscriminant,
  'sklearn.mixture._gaussian_mixture.GaussianMixture': gaussianMixture,
  'sklearn.mixture._bayesian_mixture.BayesianGaussianMixture': gaussianMixture,
  'sklearn.covariance._elliptic_envelope.EllipticEnvelope': ellipticEnvelope,
  'sklearn.dummy.DummyClassifier': dummyClassifier,
  'sklearn.dummy.DummyRegressor': dummyRegressor,
};
