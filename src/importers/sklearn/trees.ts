/** Decision trees and forests of them. */
import { arrayField, NumpyArray } from '../../formats/numpy/numpy-array.ts';
import { PickledObject } from '../../formats/pickle/pickle-value.ts';
import type { Converter, Converters, Estimator } from './estimator.ts';
import { Frame } from './frame.ts';
import { labelsOf, matrixOf, type Fitted, type Labels } from './fitted.ts';
import { DOUBLE, INT64, type Graph, type Value } from './graph.ts';
import { classifierOfProbabilities } from './results.ts';
import { leavesOfTrees, sumOfTrees, type Tree } from './tree-ensemble.ts';

/** A tree and what its nodes hold: `values` is [nodes, outputs, classes]. */
export interface FittedTree extends Tree {
  readonly values: Float64Array;
  readonly valuesPerNode: number;
  readonly samples: Float64Array;
}

/** Reads `tree_` of a tree estimator: an array of records, and an array of values. */
export function readTree(record: Fitted): FittedTree {
  const tree = record.get('tree_');
  const state = tree instanceof PickledObject && tree.path === 'sklearn.tree._tree.Tree' ? tree.attributes : undefined;
  const nodes = state?.get('nodes');
  const values = matrixOf(state?.get('values'));
  if (!(nodes instanceof NumpyArray) || nodes.dtype.fields === undefined || values?.shape.length !== 3) return record.refuse('its tree_ is not a tree of scikit-learn; is it fitted?');
  const column = (name: string) => matrixOf(arrayField(nodes, name))!.data;
  const knowsMissing = nodes.dtype.fields.some((field) => field.name === 'missing_go_to_left');
  const left = column('left_child');
  const right = column('right_child');
  const feature = column('feature');
  const features = record.number('n_features_in_', record.number('n_features_', 2 ** 31));
  for (const [node, child] of left.entries()) {
    if (child < 0) continue;
    // Children follow their parents, so that no path can be endless.
    const fits = child > node && right[node]! > node && child < left.length && right[node]! < left.length && feature[node]! >= 0 && feature[node]! < features;
    if (!fits) return record.refuse(`node ${node} of its tree is malformed`);
  }
  return {
    left,
    right,
    feature,
    threshold: column('threshold'),
    ...(knowsMissing ? { missingLeft: column('missing_go_to_left') } : {}),
    values: values.data,
    valuesPerNode: values.shape[1]! * values.shape[2]!,
    samples: column('n_node_samples'),
  };
}

/** What the leaves hold, averaged over the trees: [rows, values of a node]. */
export function meanOfTrees(graph: Graph, rows: Value, trees: readonly FittedTree[]): Value {
  const width = trees[0]!.valuesPerNode;
  const total = width === 1 ? sumOfTrees(graph, rows, trees, 1, (tree, node) => ({ target: 0, weight: trees[tree]!.values[node]! })) : sumOfVectors(graph, rows, trees, width);
  return trees.length === 1 ? total : graph.divide(total, trees.length);
}

function sumOfVectors(graph: Graph, rows: Value, trees: readonly FittedTree[], width: number): Value {
  const { places, leaves } = leavesOfTrees(graph, rows, trees);
  const table = new Float64Array(leaves.length * width);
  for (const [place, [tree, node]] of leaves.entries()) table.set(trees[tree]!.values.subarray(node * width, (node + 1) * width), place * width);
  const vectors = graph.gather(graph.doubles(table, [leaves.length, width]), places);
  return graph.reduce('ReduceSum', vectors, 1, false);
}

/** Before 1.3 the values of classifiers were counts. */
function asFractions(tree: FittedTree, outputs: number): FittedTree {
  const classes = tree.valuesPerNode / outputs;
  const values = tree.values.slice();
  for (let start = 0; start < values.length; start += classes) {
    const part = values.subarray(start, start + classes);
    const sum = part.reduce((total, value) => total + value, 0);
    if (sum > 0 && Math.abs(sum - 1) > 1e-9) for (let index = 0; index < classes; index++) part[index] = part[index]! / sum;
  }
  return { ...tree, values };
}

type ReadTrees = (record: Fitted) => readonly FittedTree[];
const single: ReadTrees = (record) => [readTree(record)];
const several: ReadTrees = (record) => record.children('estimators_').map(readTree);

export function toTreeInput(rows: Frame): Value {
  return rows.graph.toFloat32(rows.numbers());
}

function regressorOf(read: ReadTrees): Converter {
  return (record) => {
    const trees = read(record);
    return { record, targets: trees[0]!.valuesPerNode, flat: true, predict: (rows) => meanOfTrees(rows.graph, toTreeInput(rows), trees) };
  };
}

function classifierOf(read: ReadTrees): Converter {
  return (record): Estimator => {
    const outputs = record.number('n_outputs_', 1);
    const trees = read(record).map((tree) => asFractions(tree, outputs));
    const mean = (rows: Frame) => meanOfTrees(rows.graph, toTreeInput(rows), trees);
    if (outputs === 1) return classifierOfProbabilities(record, mean, record.labels('classes_'));
    const most = trees[0]!.valuesPerNode / outputs;
    const classes = record.list('classes_').map((value) => labelsOf(value) ?? record.refuse('the classes of one of its outputs are neither numbers nor texts'));
    const part = (labels: Labels, index: number) => (rows: Frame) => rows.graph.take(mean(rows), labels.values.map((_, place) => index * most + place));
    return { record, classifiers: classes.map((labels, index) => classifierOfProbabilities(record, part(labels, index), labels)) };
  };
}

/** Columns that are 1 where the row ended in that leaf. */
const randomTreesEmbedding: Converter = (record) => {
  const trees = several(record);
  const encoder = record.child('one_hot_encoder_');
  const categories = encoder.list('categories_').map((value) => matrixOf(value)?.data ?? encoder.refuse('its categories are not numbers'));
  return {
    record,
    transform: (rows) => {
      const { graph } = rows;
      const { places, leaves } = leavesOfTrees(graph, toTreeInput(rows), trees);
      const nodes = graph.gather(graph.integers(leaves.map(([, node]) => node)), places);
      const columns = categories.map((known, tree) => graph.cast(graph.equal(graph.take(nodes, [tree]), graph.integers(Array.from(known), [1, known.length])), DOUBLE));
      return Frame.of(graph, graph.concat(columns), categories.reduce((total, known) => total + known.length, 0));
    },
  };
};

/** The mean depth of a search among `count` samples, by which depths are made comparable. */
function averagePathLength(count: number): number {
  if (count <= 1) return 0;
  return count === 2 ? 1 : 2 * (Math.log(count - 1) + 0.577_215_664_901_532_9) - (2 * (count - 1)) / count;
}

function depthsOf(tree: Tree): Float64Array {
  const depths = new Float64Array(tree.left.length);
  for (let node = 0; node < depths.length; node++) {
    if (tree.left[node]! < 0) continue;
    depths[tree.left[node]!] = depths[node]! + 1;
    depths[tree.right[node]!] = depths[node]! + 1;
  }
  return depths;
}

const isolationForest: Converter = (record) => {
  const features = record.list('estimators_features_').map((value) => matrixOf(value)?.data);
  const trees = several(record).map((tree, index) => ({ ...tree, feature: tree.feature, columns: features[index] }));
  // The trees of a subset number its columns from zero; here they ask the columns themselves.
  const placed = trees.map((tree): FittedTree => ({ ...tree, feature: Float64Array.from(tree.feature, (feature) => (feature < 0 || tree.columns === undefined ? feature : tree.columns[feature]!)) }));
  const depths = placed.map(depthsOf);
  const longest = placed.length * averagePathLength(record.number('_max_samples', record.number('max_samples_', 0)));
  const offset = record.number('offset_');
  const score = (rows: Frame) => {
    const { graph } = rows;
    const total = sumOfTrees(graph, toTreeInput(rows), placed, 1, (tree, node) => ({ target: 0, weight: depths[tree]![node]! + averagePathLength(placed[tree]!.samples[node]!) }));
    return graph.map('Neg', graph.power(2, graph.divide(total, -longest)));
  };
  const decision = (rows: Frame) => rows.graph.subtract(score(rows), offset);
  return { record, scoreSamples: score, decision, decisionWidth: 1, cluster: (rows) => rows.graph.cast(rows.graph.where(rows.graph.less(decision(rows), 0), -1, 1), INT64) };
};

export const trees: Converters = {
  'imblearn.ensemble._forest.BalancedRandomForestClassifier': classifierOf(several),
  'sklearn.tree._classes.DecisionTreeClassifier': classifierOf(single),
  'sklearn.tree._classes.ExtraTreeClassifier': classifierOf(single),
  'sklearn.tree._classes.DecisionTreeRegressor': regressorOf(single),
  'sklearn.tree._classes.ExtraTreeRegressor': regressorOf(single),
  'sklearn.ensemble._forest.RandomForestClassifier': classifierOf(several),
  'sklearn.ensemble._forest.ExtraTreesClassifier': classifierOf(several),
  'sklearn.ensemble._forest.RandomForestRegressor': regressorOf(several),
  'sklearn.ensemble._forest.ExtraTreesRegressor': regressorOf(several),
  'sklearn.ensemble._forest.RandomTreesEmbedding': randomTreesEmbedding,
  'sklearn.ensemble._iforest.IsolationForest': isolationForest,
};
