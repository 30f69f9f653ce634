/** Writes a forest as nodes of ONNX that take the same branch and give the same sums as the library that grew it. */
import { ModelportError } from '../../errors.ts';
import { constantTensor } from '../../onnx/constant-tensor.ts';
import { ElementType } from '../../onnx/data-type.ts';
import type { GraphBuilder, Value } from '../../onnx/graph-builder.ts';
import { boundInFloat32, type Comparison, type DecisionTree, type Forest, type Split } from './decision-tree.ts';

/** ONNX Runtime walks trees by recursion when it loads them. */
const mostDepth = 4000;
/** float32 counts no further without gaps, and leaves are counted in it. */
const mostLeavesOfATree = 1 << 24;

/**
 * The version of ai.onnx.ml that a forest is best written in. Trees of plain splits with one weight a leaf are a `TreeEnsemble` of version 5. Where a split has
 * several bounds (categories, zero as missing value) or a leaf several weights, version 3 finds the number of the leaf in each tree, and the weights are
 * looked up in a table. ONNX Runtime refuses the one operator in the other's version.
 */
export function machineLearningOpsetOf({ trees }: Forest): 3 | 5 {
  return trees.every(({ splits, width }) => splits.length === 0 || (width === 1 && splits.every((split) => split.bounds.length === 1))) ? 5 : 3;
}

/** The sum over the trees, [rows, targets], of rows [rows, features], in the type of `rows` (float32 or float64). The graph is of `machineLearningOpsetOf` the forest. */
export function sumOfTrees(graph: GraphBuilder, rows: Value, forest: Forest): Value {
  const constants = new Float64Array(forest.targetCount);
  const trees = forest.trees.filter((tree) => {
    checkTree(tree, forest);
    if (tree.splits.length > 0) return true;
    for (let index = 0; index < tree.width; index++) constants[tree.target + index]! += tree.leaves[index]!;
    return false;
  });
  const offset = graph.constant(constantTensor(rows.elementType, constants, [1, forest.targetCount]));
  if (trees.length === 0) return graph.op.expand(offset, [graph.op.sizeOf(rows, 0), forest.targetCount]);
  const sums = graph.machineLearningOpset >= 5 ? plainTrees(graph, rows, trees, forest) : lookedUpLeaves(graph, rows, trees, forest);
  return constants.every((value) => value === 0) ? sums : graph.op.add(sums, offset);
}

/** Every split is reached once, every child exists, every feature too. Throws `INVALID_MODEL`. */
function checkTree(tree: DecisionTree, { featureCount, targetCount }: Forest): void {
  const { splits, leaves, width, target } = tree;
  const leafCount = leaves.length / width;
  if (!Number.isInteger(leafCount) || !Number.isInteger(target) || leafCount < 1 || leafCount >= mostLeavesOfATree || target < 0 || target + width > targetCount) throw malformed('its leaves do not fit its outputs');
  // Splits that pruning left behind are reached by nothing, but written.
  for (const { feature, left, right } of splits) if (!Number.isInteger(feature) || !Number.isInteger(left) || !Number.isInteger(right)) throw malformed('a feature or a child is no whole number');
  const depths = new Int32Array(splits.length).fill(-1);
  if (splits.length > 0) depths[0] = 1;
  const open = splits.length > 0 ? [0] : [];
  while (open.length > 0) {
    const index = open.pop()!;
    const split = splits[index]!;
    if (split.feature < 0 || split.feature >= featureCount) throw malformed(`it asks for feature ${split.feature} of ${featureCount}`);
    if (split.bounds.some(Number.isNaN)) throw malformed('a threshold is not a number');
    const depth = depths[index]! + Math.max(1, split.bounds.length);
    if (depth > mostDepth) throw new ModelportError('INVALID_MODEL', `a tree is more than ${mostDepth} comparisons deep, which is more than ONNX Runtime can take`);
    for (const child of [split.left, split.right]) {
      if (child < 0 ? -1 - child >= leafCount : child >= splits.length) throw malformed('a split leads to a node that is not there');
      if (child < 0) continue;
      if (depths[child] !== -1) throw malformed('two splits lead to the same node');
      depths[child] = depth;
      open.push(child);
    }
  }
}

function malformed(what: string): ModelportError {
  return new ModelportError('INVALID_MODEL', `a decision tree is malformed: ${what}`);
}

/** `TreeEnsemble` of ai.onnx.ml 5: in the type of the rows throughout. Modes: 0 `<=`, 1 `<`. */
function plainTrees(graph: GraphBuilder, rows: Value, trees: readonly DecisionTree[], { comparison, targetCount }: Forest): Value {
  const nodeCount = trees.reduce((total, tree) => total + tree.splits.length, 0);
  const leafCount = trees.reduce((total, tree) => total + tree.leaves.length, 0);
  const features = new BigInt64Array(nodeCount);
  const thresholds = new Float64Array(nodeCount);
  const missing = new BigInt64Array(nodeCount);
  const [trueNodes, trueLeaves, falseNodes, falseLeaves] = [new BigInt64Array(nodeCount), new BigInt64Array(nodeCount), new BigInt64Array(nodeCount), new BigInt64Array(nodeCount)];
  const roots = new BigInt64Array(trees.length);
  const weights = new Float64Array(leafCount);
  const targets = new BigInt64Array(leafCount);
  let firstNode = 0;
  let firstLeaf = 0;
  for (const [treeIndex, tree] of trees.entries()) {
    roots[treeIndex] = BigInt(firstNode);
    for (const [index, split] of tree.splits.entries()) {
      const node = firstNode + index;
      // Below the bound is the true branch.
      const [below, above] = split.goesLeft[0] === true ? [split.left, split.right] : [split.right, split.left];
      features[node] = BigInt(split.feature);
      thresholds[node] = boundFor(rows, split.bounds[0]!, comparison);
      missing[node] = split.missingLeft === split.goesLeft[0] ? 1n : 0n;
      trueLeaves[node] = below < 0 ? 1n : 0n;
      trueNodes[node] = BigInt(below < 0 ? firstLeaf + (-1 - below) : firstNode + below);
      falseLeaves[node] = above < 0 ? 1n : 0n;
      falseNodes[node] = BigInt(above < 0 ? firstLeaf + (-1 - above) : firstNode + above);
    }
    weights.set(tree.leaves, firstLeaf);
    targets.fill(BigInt(tree.target), firstLeaf, firstLeaf + tree.leaves.length);
    firstNode += tree.splits.length;
    firstLeaf += tree.leaves.length;
  }
  return graph.op.treeEnsemble(rows, {
    n_targets: targetCount,
    aggregate_function: 1,
    post_transform: 0,
    tree_roots: roots,
    nodes_featureids: features,
    nodes_modes: constantTensor(ElementType.UINT8, new Uint8Array(nodeCount).fill(comparison === 'less' ? 1 : 0)),
    nodes_splits: constantTensor(rows.elementType, thresholds),
    nodes_missing_value_tracks_true: missing,
    nodes_truenodeids: trueNodes,
    nodes_trueleafs: trueLeaves,
    nodes_falsenodeids: falseNodes,
    nodes_falseleafs: falseLeaves,
    leaf_targetids: targets,
    leaf_weights: constantTensor(rows.elementType, weights),
  });
}

/** In the type of the rows, so that every row takes the same branch. */
function boundFor(rows: Value, bound: number, comparison: Comparison): number {
  return rows.elementType === ElementType.DOUBLE ? bound : boundInFloat32(bound, comparison);
}

interface Chain {
  readonly trees: number[];
  readonly ids: number[];
  readonly features: number[];
  readonly thresholds: number[];
  readonly missing: number[];
  readonly whenTrue: number[];
  readonly whenFalse: number[];
  readonly modes: string[];
}

/**
 * `TreeEnsembleRegressor` with an output for each tree, which is the number of the leaf. A split of several bounds is a chain of
 * comparisons whose true branches meet in the same two nodes: ONNX Runtime keeps such nodes once in this operator, not in `TreeEnsemble`.
 */
function lookedUpLeaves(graph: GraphBuilder, rows: Value, trees: readonly DecisionTree[], { comparison, targetCount }: Forest): Value {
  const nodes: Chain = { trees: [], ids: [], features: [], thresholds: [], missing: [], whenTrue: [], whenFalse: [], modes: [] };
  const leafTrees: number[] = [];
  const leafIds: number[] = [];
  const leafNumbers: number[] = [];
  const mode = comparison === 'less' ? 'BRANCH_LT' : 'BRANCH_LEQ';
  for (const [treeIndex, tree] of trees.entries()) {
    const firsts = new Int32Array(tree.splits.length);
    let next = 0;
    for (const [index, split] of tree.splits.entries()) {
      firsts[index] = next;
      next += chainLength(split);
    }
    const firstLeaf = next;
    const idOf = (child: number): number => (child < 0 ? firstLeaf + (-1 - child) : firsts[child]!);
    const add = (feature: number, threshold: number, missing: boolean, whenTrue: number, whenFalse: number, kind: string): void => {
      nodes.trees.push(treeIndex);
      nodes.ids.push(nodes.ids.length - start);
      nodes.features.push(feature);
      nodes.thresholds.push(boundFor(rows, threshold, comparison));
      nodes.missing.push(missing ? 1 : 0);
      nodes.whenTrue.push(whenTrue);
      nodes.whenFalse.push(whenFalse);
      nodes.modes.push(kind);
    };
    const start = nodes.ids.length;
    for (const [index, split] of tree.splits.entries()) {
      const side = (isLeft: boolean): number => idOf(isLeft ? split.left : split.right);
      if (split.bounds.length === 0) {
        // Only whether it is missing counts: no number but perhaps -Infinity is below -Infinity, every number is up to Infinity.
        if (comparison === 'less') add(split.feature, -Infinity, true, side(split.missingLeft), side(!split.missingLeft), mode);
        else add(split.feature, Infinity, false, side(!split.missingLeft), side(split.missingLeft), mode);
        continue;
      }
      let routed = false;
      for (const [place, bound] of split.bounds.entries()) {
        const isLeft = split.goesLeft[place]!;
        const takesMissing: boolean = !routed && isLeft === split.missingLeft;
        routed ||= takesMissing;
        const isLast = place === split.bounds.length - 1;
        add(split.feature, bound, takesMissing, side(isLeft), isLast ? side(split.goesLeft[place + 1]!) : firsts[index]! + place + 1, mode);
      }
    }
    const leafCount = tree.leaves.length / tree.width;
    for (let leaf = 0; leaf < leafCount; leaf++) {
      add(0, 0, false, 0, 0, 'LEAF');
      leafTrees.push(treeIndex);
      leafIds.push(firstLeaf + leaf);
      leafNumbers.push(leaf);
    }
  }
  const thresholds = rows.elementType === ElementType.DOUBLE ? { nodes_values_as_tensor: constantTensor(ElementType.DOUBLE, nodes.thresholds) } : { nodes_values: Float32Array.from(nodes.thresholds) };
  const weights = rows.elementType === ElementType.DOUBLE ? { target_weights_as_tensor: constantTensor(ElementType.DOUBLE, leafNumbers) } : { target_weights: Float32Array.from(leafNumbers) };
  const found = graph.op.treeEnsembleRegressor(rows, {
    n_targets: trees.length,
    aggregate_function: 'SUM',
    post_transform: 'NONE',
    nodes_treeids: nodes.trees,
    nodes_nodeids: nodes.ids,
    nodes_featureids: nodes.features,
    nodes_modes: nodes.modes,
    ...thresholds,
    nodes_missing_value_tracks_true: nodes.missing,
    nodes_truenodeids: nodes.whenTrue,
    nodes_falsenodeids: nodes.whenFalse,
    target_treeids: leafTrees,
    target_nodeids: leafIds,
    target_ids: leafTrees,
    ...weights,
  });
  return weightsOf(graph, found, rows.elementType, trees, targetCount);
}

function chainLength(split: Split): number {
  return Math.max(1, split.bounds.length);
}

/** From the number of each tree's leaf, [rows, trees], to sums [rows, targets]. The sum is taken in float64. */
function weightsOf(graph: GraphBuilder, found: Value, elementType: number, trees: readonly DecisionTree[], targetCount: number): Value {
  const { op } = graph;
  const offsets: number[] = [];
  let leafCount = 0;
  for (const tree of trees) {
    offsets.push(leafCount);
    leafCount += tree.leaves.length / tree.width;
  }
  const places = op.add(op.cast(found, ElementType.INT64), graph.constant(constantTensor(ElementType.INT64, offsets, [1, trees.length])));
  const table = (width: number, place: (tree: DecisionTree) => number): Value => {
    const weights = new Float64Array(leafCount * width);
    for (const [index, tree] of trees.entries()) {
      const count = tree.leaves.length / tree.width;
      for (let leaf = 0; leaf < count; leaf++) {
        for (let weight = 0; weight < tree.width; weight++) weights[(offsets[index]! + leaf) * width + place(tree) + weight] = tree.leaves[leaf * tree.width + weight]!;
      }
    }
    return graph.constant(constantTensor(ElementType.DOUBLE, weights, width === 1 ? [leafCount] : [leafCount, width]), 'leaf_weights');
  };
  if (trees.every((tree) => tree.width === 1) && targetCount > 1) {
    // One weight a tree: a product with the matrix of which tree adds to which target.
    const targets = new Float64Array(trees.length * targetCount);
    for (const [index, tree] of trees.entries()) targets[index * targetCount + tree.target] = 1;
    const weights = op.gather(table(1, () => 0), places);
    return op.cast(op.matMul(weights, graph.constant(constantTensor(ElementType.DOUBLE, targets, [trees.length, targetCount]))), elementType);
  }
  if (targetCount === 1) return op.cast(op.reduceSum(op.gather(table(1, () => 0), places), { axes: 1, keepAxes: true }), elementType);
  return op.cast(op.reduceSum(op.gather(table(targetCount, (tree) => tree.target), places), { axes: 1 }), elementType);
}
