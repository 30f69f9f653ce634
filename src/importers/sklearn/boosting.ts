/** Gradient boosting: sums of trees behind a link. */
import { arrayField, NumpyArray } from '../../formats/numpy/numpy-array.ts';
import { PickledObject } from '../../formats/pickle/pickle-value.ts';
import type { Convert, Converter, Converters } from './estimator.ts';
import { Frame } from './frame.ts';
import { listOf, matrixOf, type Fitted } from './fitted.ts';
import { INT64, type Graph, type Value } from './graph.ts';
import { bothClasses, logistic } from './results.ts';
import { sumOfTrees, type Tree } from './tree-ensemble.ts';
import { readTree, toTreeInput } from './trees.ts';

/** Estimators of a matrix [stages, targets], row by row. */
function stages(record: Fitted): readonly Fitted[] {
  return record.list('estimators_').flatMap((value) => listOf(value) ?? [value]).map((value) => record.of(value) ?? record.refuse('its estimators_ are not trees'));
}

/** What the first stage gives before any tree: constant numbers, or a model's answer. */
function initialScores(record: Fitted, convert: Convert, targets: number, loss: string): (rows: Frame) => Value {
  const initial = record.get('init_');
  if (initial === undefined || initial === 'zero') return ({ graph }) => graph.doubles(new Float64Array(targets), [1, targets]);
  const model = convert(record.child('init_'));
  return (rows) => {
    const { graph } = rows;
    if (loss === 'regression') return model.predict?.(rows) ?? record.refuse('its init_ does not predict numbers');
    const all = model.probabilities?.(rows) ?? record.refuse('its init_ has no probabilities');
    const epsilon = leastProbability(record);
    const clipped = graph.minimum(graph.maximum(targets === 1 ? graph.take(all, [1]) : all, epsilon), 1 - epsilon);
    if (targets > 1) {
      const logs = graph.map('Log', clipped);
      // Before 1.4 the logarithms were taken as they are.
      const rule = record.of(record.get('_loss') ?? record.get('loss_'));
      if (rule === undefined) return record.refuse('it does not say how it computes its loss');
      if (/\.(?:_gb_losses|gradient_boosting)\./.test(rule.path)) return logs;
      return graph.subtract(logs, graph.reduce('ReduceMean', logs));
    }
    const logit = graph.map('Log', graph.divide(clipped, graph.subtract(1, clipped)));
    return loss === 'exponential' ? graph.divide(logit, 2) : logit;
  };
}

/** Until 1.7 that of float32, since 1.8 that of float64. */
function leastProbability(record: Fitted): number {
  const [major, minor] = record.version.split('.').map(Number);
  if (major === undefined || minor === undefined || Number.isNaN(major + minor)) return record.refuse('it does not say by which version of scikit-learn it was saved, and its first estimator counts differently by version');
  return major > 1 || (major === 1 && minor >= 8) ? 2 ** -52 : 2 ** -23;
}

function scoresOfStages(record: Fitted, convert: Convert, loss: string): { readonly targets: number; readonly scores: (rows: Frame) => Value } {
  const fitted = stages(record);
  const { shape } = record.get('estimators_') as NumpyArray;
  const targets = shape[1] ?? 1;
  const trees = fitted.map(readTree);
  const rate = record.number('learning_rate');
  const initial = initialScores(record, convert, targets, loss);
  return {
    targets,
    scores: (rows) => {
      const { graph } = rows;
      const sum = sumOfTrees(graph, toTreeInput(rows), trees, targets, (tree, node) => ({ target: tree % targets, weight: rate * trees[tree]!.values[node]! }));
      return graph.add(sum, initial(rows));
    },
  };
}

/** A score at or above 0 is the second class. */
function classOf(graph: Graph, scores: Value, width: number): Value {
  return width === 1 ? graph.cast(graph.atLeast(scores, 0), INT64) : graph.argmax(scores);
}

const gradientBoostingClassifier: Converter = (record, convert) => {
  const loss = record.text('loss', 'log_loss');
  const { targets, scores } = scoresOfStages(record, convert, loss);
  return {
    record,
    classes: record.labels('classes_'),
    decision: scores,
    decisionWidth: targets,
    classIndex: (rows) => classOf(rows.graph, scores(rows), targets),
    probabilities: (rows) => {
      const { graph } = rows;
      if (targets > 1) return graph.softmax(scores(rows));
      return bothClasses(graph, logistic(graph, loss === 'exponential' ? graph.multiply(scores(rows), 2) : scores(rows)));
    },
  };
};

const gradientBoostingRegressor: Converter = (record, convert) => ({ record, targets: 1, flat: true, predict: scoresOfStages(record, convert, 'regression').scores });

const bitsPerWord = 32;

function isIn(bits: Float64Array, row: number, category: number): boolean {
  const word = bits[row * 8 + Math.floor(category / bitsPerWord)] ?? 0;
  return ((word >>> (category % bitsPerWord)) & 1) === 1;
}

/** One tree of histogram boosting: an array of records with thresholds in the data's own numbers. */
function readPredictor(record: Fitted, predictor: Fitted, known: readonly (readonly number[] | undefined)[]): Tree & { readonly values: Float64Array } {
  const nodes = predictor.get('nodes');
  if (!(nodes instanceof NumpyArray) || nodes.dtype.fields === undefined) return record.refuse('its trees are not those of histogram boosting');
  const column = (name: string) => matrixOf(arrayField(nodes, name))!.data;
  const leaf = column('is_leaf');
  const left = column('left').map((child, node) => (leaf[node] === 1 ? -1 : child));
  const right = column('right');
  const feature = column('feature_idx');
  for (const [node, child] of left.entries()) if (child >= 0 && !(child > node && right[node]! > node && child < left.length && right[node]! < left.length)) record.refuse(`node ${node} of one of its trees is malformed`);
  const missingLeft = column('missing_go_to_left');
  const categorical = column('is_categorical');
  const bits = predictor.vector('raw_left_cat_bitsets');
  const row = column('bitset_idx');
  return {
    left,
    right,
    feature,
    // Every finite number goes left of an infinite threshold, and so does infinity.
    threshold: column('num_threshold'),
    missingLeft,
    values: column('value'),
    members: (node) => {
      if (categorical[node] !== 1) return undefined;
      const categories = known[feature[node]!] ?? record.refuse(`a tree asks for categories of column ${feature[node]}, which has none`);
      const goesLeft = (category: number) => isIn(bits, row[node]!, category);
      // A category that was never seen goes where missing values go.
      const memberGoesLeft = missingLeft[node] !== 1;
      return { values: categories.filter((category) => goesLeft(category) === memberGoesLeft), memberGoesLeft };
    },
  };
}

function histogramScores(record: Fitted, convert: Convert): { readonly targets: number; readonly scores: (rows: Frame) => Value; readonly preprocess: ReturnType<Convert> | undefined } {
  const targets = record.number('n_trees_per_iteration_');
  const mapper = record.child('_bin_mapper');
  const isCategorical = mapper.has('is_categorical_') ? mapper.vector('is_categorical_') : new Float64Array(0);
  const thresholds = mapper.list('bin_thresholds_');
  const known = thresholds.map((value, index) => (isCategorical[index] === 1 ? Array.from(matrixOf(value)?.data ?? []) : undefined));
  const predictors = record.list('_predictors').map((value) => listOf(value) ?? record.refuse('its trees are not a list of lists')).flat();
  const trees = predictors.map((value) => readPredictor(record, record.of(value) ?? record.refuse('one of its trees is missing'), known));
  const baseline = record.vector('_baseline_prediction');
  const preprocess = record.get('_preprocessor') instanceof PickledObject ? convert(record.child('_preprocessor')) : undefined;
  return {
    targets,
    preprocess,
    scores: (rows) => {
      const { graph } = rows;
      const prepared = preprocess === undefined ? withWholeCategories(rows, known) : preprocess.transform!(rows);
      const sum = trees.length === 0 ? graph.repeatRows(graph.doubles(new Float64Array(targets), [1, targets]), prepared.numbers()) : sumOfTrees(graph, prepared.numbers(), trees, targets, (tree, node) => ({ target: tree % targets, weight: trees[tree]!.values[node]! }));
      return graph.add(sum, graph.doubles(Float64Array.from({ length: targets }, (_, index) => baseline[index % baseline.length]!), [1, targets]));
    },
  };
}

/** Before 1.4 a category is the number without its decimals, and what is negative is missing. */
function withWholeCategories(rows: Frame, known: readonly (readonly number[] | undefined)[]): Frame {
  if (known.every((categories) => categories === undefined)) return rows;
  const { graph } = rows;
  const columns = known.map((categories, index) => {
    const column = rows.column(index).numbers();
    return categories === undefined ? column : graph.where(graph.less(column, 0), Number.NaN, graph.map('Floor', column));
  });
  return Frame.of(graph, graph.concat(columns), columns.length);
}

const histogramClassifier: Converter = (record, convert) => {
  const { targets, scores, preprocess } = histogramScores(record, convert);
  return {
    record,
    ...(preprocess?.kinds === undefined ? {} : { kinds: preprocess.kinds, takesColumns: true }),
    classes: record.labels('classes_'),
    decision: scores,
    decisionWidth: targets,
    classIndex: (rows) => classOf(rows.graph, scores(rows), targets),
    probabilities: (rows) => (targets === 1 ? bothClasses(rows.graph, logistic(rows.graph, scores(rows))) : rows.graph.softmax(scores(rows))),
  };
};

const histogramRegressor: Converter = (record, convert) => {
  const { scores, preprocess } = histogramScores(record, convert);
  const exponential = ['poisson', 'gamma'].includes(record.text('loss', 'squared_error'));
  return {
    record,
    ...(preprocess?.kinds === undefined ? {} : { kinds: preprocess.kinds, takesColumns: true }),
    targets: 1,
    flat: true,
    predict: (rows) => (exponential ? rows.graph.map('Exp', scores(rows)) : scores(rows)),
  };
};

export const boosting: Converters = {
  'sklearn.ensemble._gb.GradientBoostingClassifier': gradientBoostingClassifier,
  'sklearn.ensemble._gb.GradientBoostingRegressor': gradientBoostingRegressor,
  'sklearn.ensemble._hist_gradient_boosting.gradient_boosting.HistGradientBoostingClassifier': histogramClassifier,
  'sklearn.ensemble._hist_gradient_boosting.gradient_boosting.HistGradientBoostingRegressor': histogramRegressor,
};
