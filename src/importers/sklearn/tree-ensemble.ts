/**
 * Decision trees as one operator of ai.onnx.ml 5 in float64: thresholds stay as they were learned, so that every row takes
 * the branch that it takes in scikit-learn. https://onnx.ai/onnx/operators/onnx_aionnxml_TreeEnsemble.html
 */
import { constantTensor } from '../../onnx/constant-tensor.ts';
import { boundInFloat32, type DecisionTree, type Split } from '../trees/decision-tree.ts';
import { refused } from '../trees/model-file.ts';
import { sumOfTrees as sumOfForest } from '../trees/tree-ensemble.ts';
import { DOUBLE, ElementType, INT64, type Graph, type Value } from './graph.ts';

/** Nodes by number; the first is the root. A node is a leaf where `left` is negative. */
export interface Tree {
  readonly left: ArrayLike<number>;
  readonly right: ArrayLike<number>;
  readonly feature: ArrayLike<number>;
  /** Rows go left where the feature is not larger. */
  readonly threshold: ArrayLike<number>;
  /** Whether NaN goes left; absent: it goes right. */
  readonly missingLeft?: ArrayLike<number>;
  /** Of a node that asks whether the feature is one of some whole numbers: they, and all others, NaN too, go the other way. */
  readonly members?: (node: number) => { readonly values: readonly number[]; readonly memberGoesLeft: boolean } | undefined;
}

export interface Leaf {
  readonly target: number;
  readonly weight: number;
}

const branch = { lessOrEqual: 0, member: 6 } as const;

/** The sum of what the leaves of each tree give: [rows, targets]. `rows` is FP64, rounded to float32 where that is what the trees compare. */
export function sumOfTrees(graph: Graph, rows: Value, trees: readonly Tree[], targets: number, leafOf: (tree: number, node: number) => Leaf): Value {
  if (graph.builder.machineLearningOpset === 3) return sumOfOlderTrees(graph, rows, trees, targets, leafOf);
  const features: number[] = [];
  const splits: number[] = [];
  const modes: number[] = [];
  const missing: number[] = [];
  const members: number[] = [];
  const children = { true: [] as number[], false: [] as number[] };
  const areLeaves = { true: [] as number[], false: [] as number[] };
  const roots: number[] = [];
  const leafTargets: number[] = [];
  const leafWeights: number[] = [];

  const addLeaf = (tree: number, node: number): number => {
    const { target, weight } = leafOf(tree, node);
    leafTargets.push(target);
    leafWeights.push(weight);
    return leafWeights.length - 1;
  };
  for (const [index, tree] of trees.entries()) {
    const first = features.length;
    roots.push(first);
    const numbers = new Int32Array(tree.left.length);
    let inner = 0;
    for (let node = 0; node < tree.left.length; node++) if (tree.left[node]! >= 0) numbers[node] = first + inner++;
    const addChild = (side: 'true' | 'false', node: number) => {
      const isLeaf = tree.left[node]! < 0;
      children[side].push(isLeaf ? addLeaf(index, node) : numbers[node]!);
      areLeaves[side].push(isLeaf ? 1 : 0);
    };
    // A tree of one leaf is a question whose answers are the same.
    if (inner === 0) {
      features.push(0);
      splits.push(0);
      modes.push(branch.lessOrEqual);
      missing.push(0);
      addChild('true', 0);
      addChild('false', 0);
      continue;
    }
    for (let node = 0; node < tree.left.length; node++) {
      if (tree.left[node]! < 0) continue;
      const question = tree.members?.(node);
      features.push(tree.feature[node]!);
      splits.push(question !== undefined ? 0 : graph.numberType === DOUBLE ? tree.threshold[node]! : boundInFloat32(tree.threshold[node]!, 'lessOrEqual'));
      modes.push(question === undefined ? branch.lessOrEqual : branch.member);
      missing.push(question === undefined ? (tree.missingLeft?.[node] ?? 0) : 0);
      if (question !== undefined) members.push(...question.values, Number.NaN);
      const swapped = question !== undefined && !question.memberGoesLeft;
      addChild('true', swapped ? tree.right[node]! : tree.left[node]!);
      addChild('false', swapped ? tree.left[node]! : tree.right[node]!);
    }
  }
  return graph.node('TreeEnsemble', [rows], {
    domain: 'ai.onnx.ml',
    attributes: {
      aggregate_function: 1,
      post_transform: 0,
      n_targets: targets,
      nodes_featureids: features,
      nodes_splits: constantTensor(graph.numberType, splits),
      nodes_modes: constantTensor(ElementType.UINT8, modes),
      nodes_truenodeids: children.true,
      nodes_falsenodeids: children.false,
      nodes_trueleafs: areLeaves.true,
      nodes_falseleafs: areLeaves.false,
      nodes_missing_value_tracks_true: missing.includes(1) ? missing : undefined,
      membership_values: members.length === 0 ? undefined : constantTensor(graph.numberType, members),
      tree_roots: roots,
      leaf_targetids: leafTargets,
      leaf_weights: constantTensor(graph.numberType, leafWeights),
    },
  });
}

/** The same in ai.onnx.ml 3, where another part of the file needs that. */
function sumOfOlderTrees(graph: Graph, rows: Value, trees: readonly Tree[], targets: number, leafOf: (tree: number, node: number) => Leaf): Value {
  const converted = trees.map((tree, index): DecisionTree => {
    const places = new Int32Array(tree.left.length);
    let splitCount = 0;
    const weights: Leaf[] = [];
    for (let node = 0; node < places.length; node++) places[node] = tree.left[node]! < 0 ? -weights.push(leafOf(index, node)) : splitCount++;
    const splits: Split[] = [];
    for (let node = 0; node < places.length; node++) {
      if (tree.left[node]! < 0) continue;
      if (tree.members?.(node) !== undefined) throw refused('histogram boosting with categories cannot be in one model with a booster that has categories: ONNX Runtime has no operator set with both');
      splits.push({ feature: tree.feature[node]!, bounds: [tree.threshold[node]!], goesLeft: [true, false], missingLeft: tree.missingLeft?.[node] === 1, left: places[tree.left[node]!]!, right: places[tree.right[node]!]! });
    }
    const { target } = weights[0]!;
    if (weights.every((leaf) => leaf.target === target)) return { target, splits, leaves: Float64Array.from(weights, ({ weight }) => weight), width: 1 };
    const leaves = new Float64Array(weights.length * targets);
    for (const [place, leaf] of weights.entries()) leaves[place * targets + leaf.target] = leaf.weight;
    return { target: 0, splits, leaves, width: targets };
  });
  const featureCount = trees.reduce((most, { feature }) => Array.from(feature).reduce((largest, place) => Math.max(largest, place + 1), most), 1);
  return sumOfForest(graph.builder, rows, { trees: converted, comparison: 'lessOrEqual', featureCount, targetCount: targets });
}

/** The leaf in which each row ends, numbered through all trees: INT64 [rows, trees], and tree and node of each number. */
export function leavesOfTrees(graph: Graph, rows: Value, trees: readonly Tree[]): { readonly places: Value; readonly leaves: readonly (readonly [tree: number, node: number])[] } {
  const leaves: (readonly [number, number])[] = [];
  const numbers = trees.map((tree, index) => {
    const places = new Map<number, number>();
    for (let node = 0; node < tree.left.length; node++) if (tree.left[node]! < 0) places.set(node, leaves.push([index, node]) - 1);
    return places;
  });
  const found = sumOfTrees(graph, rows, trees, trees.length, (tree, node) => ({ target: tree, weight: numbers[tree]!.get(node)! }));
  return { places: graph.cast(found, INT64), leaves };
}
