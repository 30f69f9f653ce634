/** Estimators that ask others and put their answers together. */
import type { Convert, Converter, Converters, Estimator } from './estimator.ts';
import { Frame } from './frame.ts';
import { labelsOf, listOf, matrixOf, scalarOf, type Fitted, type Labels } from './fitted.ts';
import { DOUBLE, INT64, type Graph, type Value } from './graph.ts';
import { bothClasses, classifierOfProbabilities, labelAt, logistic, normalizedRows } from './results.ts';
import { interpolated, knownFunction } from './scalers.ts';

export function predictionOf(part: Estimator, rows: Frame): Value {
  return (part.predict ?? part.record.refuse('it does not predict numbers'))(rows);
}

export function probabilitiesOf(part: Estimator, rows: Frame): Value {
  return (part.probabilities ?? part.record.refuse('it has no probabilities, which the estimator around it asks for'))(rows);
}

export function classIndexOf(part: Estimator, rows: Frame): Value {
  return (part.classIndex ?? part.record.refuse('it is no classifier'))(rows);
}

/** The class as a number, as an estimator sees it that learned from numbers: [rows, 1]. */
export function classNumber(part: Estimator, rows: Frame): Value {
  return rows.graph.cast(labelAt(rows.graph, part.classes ?? part.record.refuse('it is no classifier'), classIndexOf(part, rows)), DOUBLE);
}

function mean(graph: Graph, values: readonly Value[]): Value {
  return graph.divide(values.reduce((total, value) => graph.add(total, value)), values.length);
}

/** Columns that each part takes. */
function partRows(record: Fitted, attribute = 'estimators_features_'): (rows: Frame, index: number) => Frame {
  const columns = record.has(attribute) ? record.list(attribute).map((value) => Array.from(matrixOf(value)?.data ?? [])) : undefined;
  return (rows, index) => (columns === undefined ? rows : rows.select(columns[index]!));
}

/** Columns of the probabilities of a part that did not see every class, at their places among all. */
function spread(graph: Graph, part: Estimator, probabilities: Value, count: number): Value {
  const own = part.classes?.values ?? [];
  if (own.length === count) return probabilities;
  const places = own.map(Number);
  const matrix = new Float64Array(own.length * count);
  for (const [index, place] of places.entries()) matrix[index * count + place] = 1;
  return graph.matmul(probabilities, graph.doubles(matrix, [own.length, count]));
}

const baggingClassifier: Converter = (record, convert) => {
  const parts = record.children('estimators_').map(convert);
  const rowsOf = partRows(record);
  const labels = record.labels('classes_');
  const count = labels.values.length;
  const votes = (graph: Graph, part: Estimator, rows: Frame) => graph.cast(graph.equal(graph.cast(classNumber(part, rows), INT64), graph.integers(Array.from({ length: count }, (_, index) => index), [1, count])), DOUBLE);
  const base = classifierOfProbabilities(record, (rows) => mean(rows.graph, parts.map((part, index) => {
    const chosen = rowsOf(rows, index);
    return part.probabilities === undefined ? votes(rows.graph, part, chosen) : spread(rows.graph, part, part.probabilities(chosen), count);
  })), labels);
  if (!parts.every((part) => part.decision !== undefined && part.classes?.values.length === count)) return base;
  return { ...base, decisionWidth: parts[0]!.decisionWidth ?? 1, decision: (rows: Frame) => mean(rows.graph, parts.map((part, index) => part.decision!(rowsOf(rows, index)))) };
};

const baggingRegressor: Converter = (record, convert) => {
  const parts = record.children('estimators_').map(convert);
  const rowsOf = partRows(record);
  return { record, targets: 1, flat: true, predict: (rows) => mean(rows.graph, parts.map((part, index) => predictionOf(part, rowsOf(rows, index)))) };
};

/** What one estimator adds in SAMME.R (Zhu and others, 2009). */
function logOdds(graph: Graph, probabilities: Value, count: number): Value {
  const logs = graph.map('Log', graph.maximum(probabilities, 2 ** -52));
  return graph.multiply(graph.subtract(logs, graph.divide(graph.sum(logs), count)), count - 1);
}

const adaBoostClassifier: Converter = (record, convert) => {
  const parts = record.children('estimators_').map(convert);
  const weights = record.vector('estimator_weights_');
  const labels = record.labels('classes_');
  const count = labels.values.length;
  if (count < 2) record.refuse('it has one class');
  // Until 1.6 a part could vote by its probabilities, and did so by default until 1.4.
  const byProbabilities = record.get('algorithm') === 'SAMME.R';
  if (byProbabilities && parts.some((part) => part.classes?.values.length !== count)) record.refuse('one of its estimators did not see every class');
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  const scores = (rows: Frame): Value => {
    const { graph } = rows;
    let sum: Value | undefined;
    if (byProbabilities) return graph.divide(parts.map((part) => logOdds(graph, probabilitiesOf(part, rows), count)).reduce((all, part) => graph.add(all, part)), total);
    for (const [index, part] of parts.entries()) {
      const places = part.classes!.values.map((label) => (labels.values as readonly unknown[]).indexOf(label));
      const found = graph.gather(graph.integers(places), classIndexOf(part, rows));
      const hit = graph.equal(found, graph.integers(labels.values.map((_, place) => place), [1, count]));
      const vote = graph.where(hit, weights[index]!, (-1 / (count - 1)) * weights[index]!);
      sum = sum === undefined ? vote : graph.add(sum, vote);
    }
    return graph.divide(sum!, total);
  };
  const decision = (rows: Frame) => {
    const all = scores(rows);
    return count === 2 ? rows.graph.subtract(rows.graph.take(all, [1]), rows.graph.take(all, [0])) : all;
  };
  return {
    record,
    classes: labels,
    decision,
    decisionWidth: count === 2 ? 1 : count,
    classIndex: (rows) => (count === 2 ? rows.graph.cast(rows.graph.greater(decision(rows), 0), INT64) : rows.graph.argmax(decision(rows))),
    probabilities: (rows) => {
      const { graph } = rows;
      const found = decision(rows);
      return graph.softmax(count === 2 ? graph.divide(graph.concat([graph.map('Neg', found), found]), 2) : graph.divide(found, count - 1));
    },
  };
};

/** The answer at which half of the weight is reached. */
const adaBoostRegressor: Converter = (record, convert) => {
  const parts = record.children('estimators_').map(convert);
  const weights = record.vector('estimator_weights_').slice(0, parts.length);
  return {
    record,
    targets: 1,
    flat: true,
    predict: (rows) => {
      const { graph } = rows;
      const all = graph.concat(parts.map((part) => predictionOf(part, rows)));
      const [sorted, places] = graph.nodes('TopK', [all, graph.integers([parts.length])], 2, { attributes: { axis: 1, largest: 0, sorted: 1 } });
      const reached = graph.node('CumSum', [graph.gather(graph.doubles(weights), places!), graph.integers([1], [])]);
      const half = graph.multiply(graph.take(reached, [parts.length - 1]), 0.5);
      const first = graph.argmax(graph.cast(graph.atLeast(reached, half), INT64));
      return graph.node('GatherElements', [sorted!, first], { attributes: { axis: 1 } });
    },
  };
};

/** Parts that were not dropped, with their weights. */
function votingWeights(record: Fitted, count: number): Float64Array {
  if (!record.has('weights')) return new Float64Array(count).fill(1);
  const weights = record.vector('weights');
  if (weights.length === count) return weights;
  const kept = record.list('estimators').flatMap((value, index) => (listOf(value)?.[1] === 'drop' ? [] : [weights[index]!]));
  return kept.length === count ? Float64Array.from(kept) : record.refuse('its weights do not fit its estimators');
}

function weightedMean(graph: Graph, values: readonly Value[], weights: Float64Array): Value {
  const sum = values.map((value, index) => graph.multiply(value, weights[index]!)).reduce((total, value) => graph.add(total, value));
  return graph.divide(sum, weights.reduce((total, weight) => total + weight, 0));
}

const votingClassifier: Converter = (record, convert) => {
  const parts = record.children('estimators_').map(convert);
  const weights = votingWeights(record, parts.length);
  const labels = record.labels('classes_');
  const kinds = parts.find((part) => part.kinds !== undefined);
  const takes = kinds === undefined ? {} : { kinds: kinds.kinds!, ...(kinds.takesColumns === true ? { takesColumns: true } : {}) };
  if (record.text('voting', 'hard') === 'soft') {
    return { ...takes, ...classifierOfProbabilities(record, (rows) => weightedMean(rows.graph, parts.map((part) => probabilitiesOf(part, rows)), weights), labels), ...(record.flag('flatten_transform', true) ? { transform: (rows: Frame) => Frame.join(rows.graph, parts.map((part) => Frame.of(rows.graph, probabilitiesOf(part, rows), labels.values.length))) } : {}) };
  }
  return {
    record,
    ...takes,
    classes: labels,
    transform: (rows) => Frame.join(rows.graph, parts.map((part) => Frame.of(rows.graph, classNumber(part, rows), 1))),
    classIndex: (rows) => {
      const { graph } = rows;
      const all = graph.integers(labels.values.map((_, index) => index), [1, labels.values.length]);
      return graph.argmax(parts.map((part, index) => graph.multiply(graph.cast(graph.equal(graph.cast(classNumber(part, rows), INT64), all), DOUBLE), weights[index]!)).reduce((total, vote) => graph.add(total, vote)));
    },
  };
};

const votingRegressor: Converter = (record, convert) => {
  const parts = record.children('estimators_').map(convert);
  return { record, targets: 1, flat: true, predict: (rows) => weightedMean(rows.graph, parts.map((part) => predictionOf(part, rows)), votingWeights(record, parts.length)), transform: (rows) => Frame.join(rows.graph, parts.map((part) => Frame.of(rows.graph, predictionOf(part, rows), 1))) };
};

/** What the first row of estimators tells the last one. */
function stacked(record: Fitted, convert: Convert): (rows: Frame) => Frame {
  const parts = record.children('estimators_').map(convert);
  const methods = record.texts('stack_method_');
  return (rows) => {
    const { graph } = rows;
    const answers = parts.map((part, index) => {
      switch (methods[index]) {
        case 'predict_proba': {
          const all = probabilitiesOf(part, rows);
          const count = part.classes?.values.length ?? record.refuse('one of its estimators learned several outputs');
          return count === 2 ? Frame.of(graph, graph.take(all, [1]), 1) : Frame.of(graph, all, count);
        }
        case 'decision_function':
          return Frame.of(graph, (part.decision ?? part.record.refuse('it has no decision function'))(rows), part.decisionWidth ?? 1);
        default:
          return part.predict === undefined ? Frame.of(graph, classNumber(part, rows), 1) : Frame.of(graph, part.predict(rows), part.targets ?? 1);
      }
    });
    return Frame.join(graph, record.flag('passthrough', false) ? [...answers, rows] : answers);
  };
}

const stackingClassifier: Converter = (record, convert): Estimator => {
  const transform = stacked(record, convert);
  const last = convert(record.child('final_estimator_'));
  const labels = labelsOf(record.get('classes_')) ?? record.refuse('several outputs are not covered');
  return {
    record,
    classes: labels,
    transform,
    classIndex: (rows) => classIndexOf(last, transform(rows)),
    ...(last.probabilities === undefined ? {} : { probabilities: (rows: Frame) => last.probabilities!(transform(rows)) }),
    ...(last.decision === undefined ? {} : { decision: (rows: Frame) => last.decision!(transform(rows)), decisionWidth: last.decisionWidth ?? 1 }),
  };
};

const stackingRegressor: Converter = (record, convert) => {
  const transform = stacked(record, convert);
  const last = convert(record.child('final_estimator_'));
  return { record, targets: last.targets ?? 1, flat: true, transform, predict: (rows) => predictionOf(last, transform(rows)) };
};

/** A step function that rises, or a logistic one: [rows, 1] to [rows, 1]. */
function calibrated(graph: Graph, calibrator: Fitted, score: Value): Value {
  if (calibrator.name === '_SigmoidCalibration') return logistic(graph, graph.map('Neg', graph.add(graph.multiply(score, calibrator.number('a_')), calibrator.number('b_'))));
  return isotonicValue(graph, calibrator, score);
}

function isotonicValue(graph: Graph, record: Fitted, column: Value): Value {
  const points = record.vector('X_thresholds_');
  const heights = record.vector('y_thresholds_');
  const low = record.number('X_min_');
  const high = record.number('X_max_');
  const found = interpolated(graph, graph.minimum(graph.maximum(column, low), high), points, heights);
  if (record.text('out_of_bounds', 'nan') === 'clip') return found;
  if (record.text('out_of_bounds', 'nan') === 'raise') record.refuse("out_of_bounds='raise' cannot be kept; use 'clip' or 'nan'");
  return graph.where(graph.or(graph.less(column, low), graph.greater(column, high)), Number.NaN, found);
}

const isotonic: Converter = (record) => {
  const predict = (rows: Frame) => isotonicValue(rows.graph, record, rows.numbers());
  return { record, targets: 1, flat: true, predict, also: (rows) => [{ name: 'transform', value: predict(rows), width: undefined }] };
};

/** One classifier and what makes probabilities of its scores. */
function calibratedPart(record: Fitted, convert: Convert, count: number): (rows: Frame) => Value {
  const part = convert(record.has('estimator') ? record.child('estimator') : record.child('base_estimator'));
  const method = record.text('method');
  const calibrators = record.children(record.has('calibrators') ? 'calibrators' : 'calibrators_');
  return (rows) => {
    const { graph } = rows;
    if (part.unknownDecision !== undefined) part.record.refuse(part.unknownDecision);
    const usesDecision = part.decision !== undefined;
    const all = part.decision !== undefined ? part.decision(rows) : probabilitiesOf(part, rows);
    if ((part.classes?.values.length ?? count) !== count) part.record.refuse('it did not see every class when it was calibrated');
    if (method === 'temperature') {
      const logits = count === 2 && usesDecision ? graph.concat([graph.map('Neg', all), all]) : usesDecision ? all : graph.map('Log', graph.add(all, 1e-12));
      return graph.softmax(graph.multiply(logits, calibrators[0]!.number('beta_')));
    }
    if (count === 2) return bothClasses(graph, calibrated(graph, calibrators[0]!, usesDecision ? all : graph.take(all, [1])));
    const columns = calibrators.map((calibrator, index) => calibrated(graph, calibrator, graph.take(all, [index])));
    return normalizedRows(graph, graph.concat(columns), 1 / count);
  };
}

const calibratedClassifier: Converter = (record, convert) => {
  const labels = record.labels('classes_');
  const parts = record.children('calibrated_classifiers_').map((part) => calibratedPart(part, convert, labels.values.length));
  return classifierOfProbabilities(record, (rows) => mean(rows.graph, parts.map((part) => part(rows))), labels);
};

const transformedTarget: Converter = (record, convert) => {
  const part = convert(record.child('regressor_'));
  const transformer = record.child('transformer_');
  const flat = record.number('_training_dim', 1) === 1;
  return {
    record,
    targets: part.targets ?? 1,
    flat,
    ...(part.kinds === undefined ? {} : { kinds: part.kinds, ...(part.takesColumns === true ? { takesColumns: true } : {}) }),
    predict: (rows) => inverseOf(rows.graph, transformer, predictionOf(part, rows)),
  };
};

/** Back from what a transformer of targets gave. */
function inverseOf(graph: Graph, transformer: Fitted, value: Value): Value {
  const row = (name: string) => graph.doubles(transformer.vector(name), [1, transformer.vector(name).length]);
  switch (transformer.name) {
    case 'FunctionTransformer':
      return knownFunction(transformer, 'inverse_func')?.(graph, value) ?? value;
    case 'StandardScaler': {
      const scaled = transformer.has('scale_') ? graph.multiply(value, row('scale_')) : value;
      return transformer.has('mean_') && transformer.flag('with_mean', true) ? graph.add(scaled, row('mean_')) : scaled;
    }
    case 'MinMaxScaler':
      return graph.divide(graph.subtract(value, row('min_')), row('scale_'));
    case 'MaxAbsScaler':
      return graph.multiply(value, row('scale_'));
    case 'RobustScaler': {
      const scaled = transformer.has('scale_') ? graph.multiply(value, row('scale_')) : value;
      return transformer.has('center_') ? graph.add(scaled, row('center_')) : scaled;
    }
    default:
      return transformer.refuse('the way back from this transformer of targets is not covered');
  }
}

/** Two classes, and another threshold than the middle. */
const thresholdClassifier: Converter = (record, convert) => {
  const part = convert(record.has('estimator_') ? record.child('estimator_') : record.child('estimator'));
  const labels: Labels = part.classes ?? record.refuse('its estimator is no classifier');
  const method = record.text('response_method', 'auto');
  const usesProbabilities = method === 'predict_proba' || (method === 'auto' && part.probabilities !== undefined);
  const given = record.has('best_threshold_') ? record.number('best_threshold_') : scalarOf(record.get('threshold'));
  const threshold = typeof given === 'number' ? given : usesProbabilities ? 0.5 : 0;
  const positive = record.has('pos_label') ? (labels.values as readonly unknown[]).indexOf(scalarOf(record.get('pos_label'))) : 1;
  if (positive < 0) record.refuse('its pos_label is none of its classes');
  return {
    ...part,
    record,
    classes: labels,
    classIndex: (rows) => {
      const { graph } = rows;
      const score = usesProbabilities ? graph.take(probabilitiesOf(part, rows), [positive]) : positive === 1 ? part.decision!(rows) : graph.map('Neg', part.decision!(rows));
      return graph.where(graph.atLeast(score, threshold), graph.integers([positive], [1, 1]), graph.integers([1 - positive], [1, 1]));
    },
  };
};

export const ensembles: Converters = {
  'imblearn.ensemble._bagging.BalancedBaggingClassifier': baggingClassifier,
  'imblearn.ensemble._easy_ensemble.EasyEnsembleClassifier': baggingClassifier,
  'imblearn.ensemble._weight_boosting.RUSBoostClassifier': adaBoostClassifier,
  'sklearn.ensemble._bagging.BaggingClassifier': baggingClassifier,
  'sklearn.ensemble._bagging.BaggingRegressor': baggingRegressor,
  'sklearn.ensemble._weight_boosting.AdaBoostClassifier': adaBoostClassifier,
  'sklearn.ensemble._weight_boosting.AdaBoostRegressor': adaBoostRegressor,
  'sklearn.ensemble._voting.VotingClassifier': votingClassifier,
  'sklearn.ensemble._voting.VotingRegressor': votingRegressor,
  'sklearn.ensemble._stacking.StackingClassifier': stackingClassifier,
  'sklearn.ensemble._stacking.StackingRegressor': stackingRegressor,
  'sklearn.calibration.CalibratedClassifierCV': calibratedClassifier,
  'sklearn.compose._target.TransformedTargetRegressor': transformedTarget,
  'sklearn.isotonic.IsotonicRegression': isotonic,
  'sklearn.model_selection._classification_threshold.FixedThresholdClassifier': thresholdClassifier,
  'sklearn.model_selection._classification_threshold.TunedThresholdClassifierCV': thresholdClassifier,
};
