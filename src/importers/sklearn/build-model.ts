/** From a converted estimator to a model: inputs by the names of its columns, outputs by the methods that it has. */
import type { ModelProto } from '../../onnx/model-proto.ts';
import { outputLabelsKey } from '../../onnx/class-labels.ts';
import type { Estimator, EstimatorImport } from './estimator.ts';
import { Frame, type Block } from './frame.ts';
import { listOf, matrixOf, type Fitted, type Labels } from './fitted.ts';
import { DOUBLE, Graph, STRING, type GraphOptions, type Value } from './graph.ts';
import { labelAt, labelNames } from './results.ts';
import { version } from '../../version.ts';

const rowsAxis = 'rows';
/** A name that says that requests cannot be joined along this axis. */
const jointAxis = 'joint_points';

/** Names of inputs and outputs that scikit-learn's users know; those of classes are `label` and `probabilities`, as skl2onnx has them. */
export function buildModel(estimator: Estimator, options: GraphOptions, known: EstimatorImport): ModelProto {
  const graph = new Graph(options);
  const { record } = estimator;
  const labels: Record<string, readonly string[]> = {};
  const axis = estimator.joint === true ? jointAxis : rowsAxis;
  const rows = inputs(graph, estimator, axis, known, (names) => (labels['X'] = names));
  const output = (name: string, value: Value, width: number | undefined, names?: Labels) => {
    const flat = width === undefined;
    graph.output(name, flat ? graph.squeeze(value, 1) : value, flat ? [axis] : [axis, width]);
    if (names !== undefined) labels[name] = labelNames(names);
  };
  const before = graph.outputCount;
  if (estimator.classifiers !== undefined) severalClassifiers(graph, rows, estimator.classifiers, output);
  if (estimator.classes !== undefined && estimator.classIndex !== undefined) output('label', labelAt(graph, estimator.classes, estimator.classIndex(rows)), undefined);
  if (estimator.multilabel !== undefined) output('label', estimator.multilabel(rows), estimator.targets ?? 1);
  if (estimator.classes !== undefined && estimator.probabilities !== undefined) output('probabilities', estimator.probabilities(rows), estimator.classes.values.length, estimator.classes);
  else if (estimator.probabilities !== undefined) output('probabilities', estimator.probabilities(rows), estimator.targets ?? 1);
  if (estimator.cluster !== undefined) output('label', estimator.cluster(rows), undefined);
  if (estimator.predict !== undefined) output('prediction', estimator.predict(rows), estimator.flat === true || (estimator.flat === undefined && estimator.targets === undefined) ? ((estimator.targets ?? 1) === 1 ? undefined : estimator.targets) : estimator.targets);
  if (estimator.decision !== undefined) output('decision_function', estimator.decision(rows), estimator.decisionWidth === 1 ? undefined : estimator.decisionWidth);
  if (estimator.scoreSamples !== undefined) output('score_samples', estimator.scoreSamples(rows), undefined);
  for (const { name, value, width } of estimator.also?.(rows) ?? []) output(name, value, width);
  if (estimator.transform !== undefined) {
    const transformed = estimator.transform(rows);
    if (!transformed.isText() && transformed.blocks.some((block) => block.value.elementType === STRING)) record.refuse('it gives numbers and texts side by side; let it give columns of one kind');
    output('transform', transformed.matrix(), transformed.width);
  }
  if (graph.outputCount === before) record.refuse('it has nothing that works on new rows');
  return graph.model({
    name: record.name,
    docString: `${record.name} of scikit-learn${record.version === '' ? '' : ` ${record.version}`}`,
    producer: { name: 'modelport', version },
    metadata: {
      framework: 'scikit-learn',
      ...(record.version === '' ? {} : { framework_version: record.version }),
      estimator: record.path,
      ...Object.fromEntries(Object.entries(labels).map(([name, names]) => [outputLabelsKey(name), JSON.stringify(names)])),
    },
  });
}

/** One column a label and one matrix of probabilities a target. */
function severalClassifiers(graph: Graph, rows: Frame, classifiers: readonly Estimator[], output: (name: string, value: Value, width: number | undefined, names?: Labels) => void): void {
  const found = classifiers.map((classifier) => ({ classifier, label: labelAt(graph, classifier.classes!, classifier.classIndex!(rows)) }));
  if (found.every(({ label }) => label.elementType === found[0]!.label.elementType)) output('label', graph.concat(found.map(({ label }) => label)), found.length);
  else for (const [index, { label }] of found.entries()) output(`label_${index}`, label, undefined);
  for (const [index, { classifier }] of found.entries()) {
    if (classifier.probabilities !== undefined) output(`probabilities_${index}`, classifier.probabilities(rows), classifier.classes!.values.length, classifier.classes);
  }
}

function inputs(graph: Graph, estimator: Estimator, axis: string, known: EstimatorImport, name: (columns: readonly string[]) => void): Frame {
  const { record, kinds } = estimator;
  if (estimator.takesDocuments === true) return Frame.of(graph, graph.unsqueeze(graph.input('text', STRING, [axis]), 1), 1);
  const names = estimator.columnNames ?? featureNames(estimator.record, known, 0);
  const mixed = kinds !== undefined && new Set(kinds).size > 1;
  if (kinds !== undefined && ((estimator.takesColumns === true && (names !== undefined || mixed)) || mixed)) {
    const used = new Set<string>();
    const blocks = kinds.map((kind, index): Block => {
      const name = names?.[index] ?? `x${index}`;
      if (used.has(name)) record.refuse(`two of its columns are named '${name}'`);
      used.add(name);
      if (kind === 'unused') return { value: graph.doubles([0], [1, 1]), width: 1 };
      return { value: graph.input(name, kind === 'text' ? STRING : DOUBLE, [axis, 1]), width: 1 };
    });
    return new Frame(graph, blocks, names);
  }
  const width = kinds?.length ?? widthOf(estimator, known);
  if (names?.length === width) name(names);
  const text = kinds?.[0] === 'text';
  return new Frame(graph, [{ value: graph.input('X', text ? STRING : DOUBLE, [axis, width]), width }], names);
}

/** An outer estimator may not know its columns: then the first inside does. */
function widthOf({ record }: Estimator, known: EstimatorImport): number {
  return featureCount(record, known, 0) ?? record.refuse('it does not say how many columns it takes (n_features_in_): put it behind a step that does, in a Pipeline, or save it with a newer scikit-learn');
}

function featureCount(record: Fitted, known: EstimatorImport, depth: number): number | undefined {
  const own = known.columns.get(record.object)?.count ?? (record.has('n_features_in_') ? record.number('n_features_in_') : (record.featureNames?.length ?? fittedWidth(record)));
  if (own !== undefined || depth > 20) return own;
  if (record.has('steps')) {
    for (const step of record.list('steps')) {
      const inner = Array.isArray(step) ? record.of(step[1]) : undefined;
      const count = inner === undefined ? undefined : featureCount(inner, known, depth + 1);
      if (count !== undefined) return count;
    }
  }
  if (record.has('transformer_list')) {
    for (const part of record.list('transformer_list')) {
      const inner = Array.isArray(part) ? record.of(part[1]) : undefined;
      const count = inner === undefined ? undefined : featureCount(inner, known, depth + 1);
      if (count !== undefined) return count;
    }
  }
  if (record.name === 'IsotonicRegression') return 1;
  if (record.has('estimators_')) {
    const inner = record.of(record.list('estimators_')[0]);
    const count = inner === undefined ? undefined : featureCount(inner, known, depth + 1);
    if (count !== undefined) return count;
  }
  for (const name of ['best_estimator_', 'estimator_', 'estimator', 'regressor_']) {
    const inner = record.of(record.get(name));
    const count = inner === undefined ? undefined : featureCount(inner, known, depth + 1);
    if (count !== undefined) return count;
  }
  return undefined;
}

/** Attributes of fitted estimators whose last axis are the columns; of those in `firstAxis` the first. Before 0.24 nothing else told how many there are. */
const lastAxis = [
  'mean_', 'scale_', 'center_', 'data_min_', 'max_abs_', 'components_', 'cluster_centers_', 'subcluster_centers_', '_fit_X', 'support_vectors_', 'theta_', 'feature_log_prob_', 'means_', 'statistics_', 'centroids_',
  'X_train_', 'X_fit_', 'X_', 'variances_', 'quantiles_', 'lambdas_', 'n_bins_', 'location_', 'x_mean_',
] as const; // prettier-ignore
const firstAxis = ['random_weights_', 'coefs_'] as const;

function fittedWidth(record: Fitted): number | undefined {
  if (record.has('n_features_')) return record.number('n_features_');
  const coefficients = /^sklearn\.(?:linear_model|svm|discriminant_analysis)\./.test(record.path) ? ['coef_'] : [];
  const scores = record.path.startsWith('sklearn.feature_selection.') ? ['scores_'] : [];
  for (const name of [...coefficients, ...scores, ...lastAxis]) {
    const width = matrixOf(record.get(name))?.shape.at(-1);
    if (width !== undefined) return width;
  }
  for (const name of firstAxis) {
    const width = matrixOf(name === 'coefs_' ? listOf(record.get(name))?.[0] : record.get(name))?.shape[0];
    if (width !== undefined) return width;
  }
  return undefined;
}

function featureNames(record: Fitted, known: EstimatorImport, depth: number): readonly string[] | undefined {
  const own = known.columns.get(record.object)?.names ?? record.featureNames;
  if (own !== undefined || depth > 20) return own;
  if (record.has('steps')) {
    const first = record.list('steps')[0];
    const inner = Array.isArray(first) ? record.of(first[1]) : undefined;
    return inner === undefined ? undefined : featureNames(inner, known, depth + 1);
  }
  for (const name of ['best_estimator_', 'estimator_', 'estimator', 'regressor_']) {
    const inner = record.of(record.get(name));
    const found = inner === undefined ? undefined : featureNames(inner, known, depth + 1);
    if (found !== undefined) return found;
  }
  return undefined;
}

