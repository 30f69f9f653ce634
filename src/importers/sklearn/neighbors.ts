/** Nearest neighbours: all distances, and the smallest of them. Ties go to the earlier point. */
import type { Converter, Converters, Estimator } from './estimator.ts';
import { distances, type Points } from './distances.ts';
import { Frame } from './frame.ts';
import { labelsOf, numberOf, type Fitted, type Labels } from './fitted.ts';
import { DOUBLE, INT64, type Graph, type Value } from './graph.ts';
import { classifierOfProbabilities } from './results.ts';

function pointsOf(record: Fitted): Points {
  return record.rows('_fit_X');
}

function distancesTo(record: Fitted, rows: Frame, points: Points): Value {
  const metric = record.text('effective_metric_', 'euclidean');
  const parameters = record.get('effective_metric_params_');
  const order = parameters instanceof Map ? (numberOf((parameters as Map<string, never>).get('p')) ?? 2) : 2;
  return distances(rows.graph, rows.numbers(), points, metric, order, record);
}

interface Neighbors {
  readonly places: Value;
  /** [rows, neighbours]; undefined where all count the same. */
  readonly weights: Value | undefined;
}

function nearest(record: Fitted, rows: Frame): Neighbors {
  const { graph } = rows;
  const all = distancesTo(record, rows, pointsOf(record));
  const [found, places] = graph.nodes('TopK', [all, graph.integers([record.number('n_neighbors')])], 2, { attributes: { axis: 1, largest: 0, sorted: 1 } });
  const kind = record.text('weights', 'uniform');
  if (kind === 'uniform') return { places: places!, weights: undefined };
  return { places: places!, weights: inverse(graph, found!) };
}

/** 1 / distance; where a distance is 0, only such neighbours count. */
function inverse(graph: Graph, found: Value): Value {
  const same = graph.equal(found, 0);
  const exact = graph.cast(same, DOUBLE);
  const any = graph.greater(graph.sum(exact), 0);
  return graph.where(any, exact, graph.divide(1, graph.where(same, 1, found)));
}

/** Targets of the training rows: [rows, targets]. */
function targetsOf(record: Fitted): Points {
  const { shape, data } = record.matrix('_y');
  return { count: shape[0]!, width: shape[1] ?? 1, data };
}

const regressor: Converter = (record) => {
  const targets = targetsOf(record);
  return {
    record,
    targets: targets.width,
    flat: record.matrix('_y').shape.length === 1,
    predict: (rows) => {
      const { graph } = rows;
      const { places, weights } = nearest(record, rows);
      const columns = Array.from({ length: targets.width }, (_, target) => {
        const values = graph.gather(graph.doubles(Float64Array.from({ length: targets.count }, (_unused, row) => targets.data[row * targets.width + target]!)), places);
        return weights === undefined ? graph.reduce('ReduceMean', values) : graph.divide(graph.sum(graph.multiply(values, weights)), graph.sum(weights));
      });
      return graph.concat(columns);
    },
  };
};

function classesOf(record: Fitted): readonly Labels[] {
  const single = labelsOf(record.get('classes_'));
  if (single !== undefined) return [single];
  return record.list('classes_').map((value) => labelsOf(value) ?? record.refuse('the classes of one of its outputs are neither numbers nor texts'));
}

const classifier: Converter = (record): Estimator => {
  const targets = targetsOf(record);
  const classes = classesOf(record);
  const parts = classes.map((labels, target) =>
    classifierOfProbabilities(
      record,
      (rows) => {
        const { graph } = rows;
        const { places, weights } = nearest(record, rows);
        const found = graph.gather(graph.integers(Array.from({ length: targets.count }, (_, row) => targets.data[row * targets.width + target]!)), places);
        const sums = labels.values.map((_, index) => {
          const hits = graph.cast(graph.equal(found, index), DOUBLE);
          return graph.sum(weights === undefined ? hits : graph.multiply(hits, weights));
        });
        const joined = graph.concat(sums);
        return graph.divide(joined, graph.sum(joined));
      },
      labels,
    ),
  );
  return parts.length === 1 ? parts[0]! : { record, classifiers: parts };
};

/** All training rows within the radius, each with its weight: [rows, points]. */
function within(record: Fitted, rows: Frame): Value {
  const { graph } = rows;
  const all = distancesTo(record, rows, pointsOf(record));
  const near = graph.cast(graph.atMost(all, record.number('radius')), DOUBLE);
  if (record.text('weights', 'uniform') === 'uniform') return near;
  const same = graph.and(graph.equal(all, 0), graph.greater(near, 0));
  const any = graph.greater(graph.sum(graph.cast(same, DOUBLE)), 0);
  return graph.where(any, graph.cast(same, DOUBLE), graph.multiply(near, graph.divide(1, graph.where(graph.equal(all, 0), 1, all))));
}

const radiusRegressor: Converter = (record) => {
  const targets = targetsOf(record);
  return {
    record,
    targets: targets.width,
    flat: record.matrix('_y').shape.length === 1,
    predict: (rows) => {
      const { graph } = rows;
      const weights = within(record, rows);
      return graph.divide(graph.matmul(weights, graph.doubles(targets.data, [targets.count, targets.width])), graph.sum(weights));
    },
  };
};

/** A row without neighbours, which scikit-learn refuses, has no number as probabilities. */
const radiusClassifier: Converter = (record): Estimator => {
  if (record.has('outlier_label')) record.refuse('an outlier_label is not covered; leave it out');
  const targets = targetsOf(record);
  const classes = classesOf(record);
  const parts = classes.map((labels, target) =>
    classifierOfProbabilities(
      record,
      (rows) => {
        const { graph } = rows;
        const width = labels.values.length;
        const member = Float64Array.from({ length: targets.count * width }, (_, at) => (targets.data[Math.floor(at / width) * targets.width + target] === at % width ? 1 : 0));
        const sums = graph.matmul(within(record, rows), graph.doubles(member, [targets.count, width]));
        return graph.divide(sums, graph.sum(sums));
      },
      labels,
    ),
  );
  return parts.length === 1 ? parts[0]! : { record, classifiers: parts };
};

const nearestCentroid: Converter = (record) => {
  const metric = record.text('metric', 'euclidean');
  const labels = record.labels('classes_');
  const centroids = record.rows('centroids_');
  const priors = record.has('class_prior_') ? record.vector('class_prior_') : undefined;
  const even = priors === undefined || priors.every((prior) => Math.abs(prior - 1 / priors.length) <= 1e-8 + 1e-5 / priors.length);
  const scores = (rows: Frame) => {
    const { graph } = rows;
    const deviations = record.vector('within_class_std_dev_').map((value) => (value === 0 ? 1 : value));
    const scaled = graph.divide(rows.numbers(), graph.doubles(deviations, [1, deviations.length]));
    const points = { ...centroids, data: centroids.data.map((value, at) => value / deviations[at % centroids.width]!) };
    const apart = distances(graph, scaled, points, metric, 2, record);
    return graph.subtract(graph.doubles(priors!.map((prior) => 2 * Math.log(prior)), [1, priors!.length]), graph.multiply(apart, apart));
  };
  const two = labels.values.length === 2;
  const decision = (rows: Frame) => (two ? rows.graph.subtract(rows.graph.take(scores(rows), [1]), rows.graph.take(scores(rows), [0])) : scores(rows));
  const offersScores = priors !== undefined && record.has('within_class_std_dev_') && metric === 'euclidean';
  return {
    record,
    classes: labels,
    classIndex: (rows) => (even ? rows.graph.argmin(distances(rows.graph, rows.numbers(), centroids, metric, 2, record)) : rows.graph.argmax(scores(rows))),
    ...(offersScores ? { decision, decisionWidth: two ? 1 : labels.values.length, probabilities: (rows: Frame) => rows.graph.softmax(scores(rows)) } : {}),
  };
};

const localOutlierFactor: Converter = (record) => {
  if (!record.flag('novelty', false)) record.refuse('it knows only its own rows; fit it with novelty=True');
  const points = pointsOf(record);
  const count = record.number('n_neighbors_');
  const density = record.vector('_lrd');
  const reaches = record.rows('_distances_fit_X_');
  const last = Float64Array.from({ length: reaches.count }, (_, row) => reaches.data[row * reaches.width + count - 1]!);
  const score = (rows: Frame) => {
    const { graph } = rows;
    const [found, places] = graph.nodes('TopK', [distancesTo(record, rows, points), graph.integers([count])], 2, { attributes: { axis: 1, largest: 0, sorted: 1 } });
    const reach = graph.maximum(found!, graph.gather(graph.doubles(last), places!));
    const own = graph.divide(1, graph.add(graph.reduce('ReduceMean', reach), 1e-10));
    return graph.map('Neg', graph.reduce('ReduceMean', graph.divide(graph.gather(graph.doubles(density), places!), own)));
  };
  const decision = (rows: Frame) => rows.graph.subtract(score(rows), record.number('offset_'));
  return { record, scoreSamples: score, decision, decisionWidth: 1, cluster: (rows) => rows.graph.cast(rows.graph.where(rows.graph.less(decision(rows), 0), -1, 1), INT64) };
};

/** Only what scikit-learn's own neighbourhood components learn: a matrix. */
const components: Converter = (record) => {
  const matrix = record.rows('components_');
  return { record, transform: (rows) => Frame.of(rows.graph, rows.graph.matmul(rows.numbers(), rows.graph.transpose(rows.graph.doubles(matrix.data, [matrix.count, matrix.width]), [1, 0])), matrix.count) };
};

export const neighbors: Converters = {
  'sklearn.neighbors._classification.KNeighborsClassifier': classifier,
  'sklearn.neighbors._regression.KNeighborsRegressor': regressor,
  'sklearn.neighbors._classification.RadiusNeighborsClassifier': radiusClassifier,
  'sklearn.neighbors._regression.RadiusNeighborsRegressor': radiusRegressor,
  'sklearn.neighbors._nearest_centroid.NearestCentroid': nearestCentroid,
  'sklearn.neighbors._lof.LocalOutlierFactor': localOutlierFactor,
  'sklearn.neighbors._nca.NeighborhoodComponentsAnalysis': components,
};

